"""What a terminal shows of a sweep."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from made_sweeps import made_job

from lmlab.reporting.tables import MOST_ROWS, aligned, best_folder, compact, job_line, short_names, sweep_table
from lmlab.runs.sweeps import read_jobs


def cells(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def shown(sweep: Path) -> list[str]:
    return sweep_table(read_jobs(sweep))


def notes(sweep: Path) -> list[str]:
    return [line.removeprefix("note: ") for line in shown(sweep) if line.startswith("note: ")]


# Words and numbers


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (950, "950"), (1000, "1k"), (12_345, "12.3k"), (4_020_000, "4.02M"), (1.1e9, "1.1G"), (-2500, "-2.5k")],
)
def test_large_numbers_have_three_digits_and_a_unit(number: float, text: str) -> None:
    assert compact(number) == text


def test_what_is_no_number_is_a_dash() -> None:
    assert compact(math.inf) == compact(math.nan) == "-"


def test_settings_are_called_by_their_last_word_unless_two_share_it() -> None:
    names = ["model.dropout", "data.path", "embedding.path", "model.hidden_size", "seed"]
    assert short_names(names) == {
        "model.dropout": "dropout",
        "data.path": "data.path",
        "embedding.path": "embedding.path",
        "model.hidden_size": "hidden_size",
        "seed": "seed",
    }


def test_columns_line_up() -> None:
    lines = aligned([["a", "bbb", "1"], ["aaaa", "b", "100"]], left=2)
    assert lines == ["a     bbb    1", "aaaa  b    100"]


# The table


def test_the_table_has_a_row_a_setting_with_the_mean_over_seeds(tmp_path: Path) -> None:
    nats = {"4": [2.0, 2.1, 2.3], "8": [1.0, 1.1, 1.3]}
    number = 0
    for size, values in nats.items():
        for seed, value in enumerate(values):
            overrides = [f"model.hidden_size={size}", f"seed={seed}"]
            made_job(
                tmp_path,
                number,
                overrides,
                val__nats_per_token=value,
                val__perplexity=math.exp(value),
                val__bits_per_char=value * 2,
                tokens_per_second=1000.0 * (seed + 1),
            )
            number += 1
    header, first, second, *_ = shown(tmp_path)
    assert cells(header)[:5] == ["hidden_size", "seeds", "nats/token", "perplexity", "bits/char"]
    for place, line, values in ((1, first, nats["8"]), (2, second, nats["4"])):
        mean = sum(values) / 3
        half_width = 4.3027 * math.sqrt(sum((v - mean) ** 2 for v in values) / 2) / math.sqrt(3)
        found = cells(line)
        assert found[0] == f"{place}."
        assert found[1:3] == ["8" if place == 1 else "4", "3"]
        assert found[3] == f"{mean:.4f} ± {half_width:.4f}"
        # Not the mean of the perplexities, which is larger.
        assert found[4] == f"{math.exp(mean):.3f}" != f"{sum(map(math.exp, values)) / 3:.3f}"
        assert found[5:] == [f"{2 * mean:.4f}", "12.3k", "2k", "500MB", "2"]
    assert any("perplexity is exp(mean)" in note for note in notes(tmp_path))


def test_single_jobs_have_no_interval_and_no_column_for_seeds(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a.b=1"], val__nats_per_token=2.0)
    made_job(tmp_path, 1, ["a.b=2"], val__nats_per_token=None)
    header, first, second, *_ = shown(tmp_path)
    assert cells(header)[:2] == ["b", "nats/token"]
    assert cells(first)[:4] == ["1.", "1", "2.0000", "7.389"]
    assert cells(second)[:4] == ["2.", "2", "inf", "inf"]
    assert not any("±" in line for line in shown(tmp_path))


def test_a_perplexity_beyond_all_numbers_is_infinite(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], val__nats_per_token=1000.0)
    assert "inf" in cells(shown(tmp_path)[1])


def test_what_is_not_finished_follows_with_its_reason(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], status="failed", error="model.hidden_size=0: is less than 1")
    made_job(tmp_path, 1, ["a=2"], status="interrupted")
    made_job(tmp_path, 2, ["a=3"], status="missing")
    assert shown(tmp_path) == [
        "failed    0_job: model.hidden_size=0: is less than 1",
        "interrupted  1_job: interrupted; it can be resumed where it stopped",
    ]
    made_job(tmp_path, 3, ["a=4"])
    assert shown(tmp_path)[-2:] == [
        "failed    0_job: model.hidden_size=0: is less than 1",
        "interrupted  1_job: interrupted; it can be resumed where it stopped",
    ]
    assert cells(shown(tmp_path)[1])[:2] == ["1.", "4"]


def test_a_long_table_says_how_much_is_left_out(tmp_path: Path) -> None:
    for number in range(MOST_ROWS + 3):
        made_job(tmp_path, number, [f"a=x{number}"], val__nats_per_token=float(number))
    lines = shown(tmp_path)
    assert lines[MOST_ROWS].lstrip().startswith(f"{MOST_ROWS}.")
    assert lines[MOST_ROWS + 1] == "and 3 more in results.csv"


# Notes


def doubts(tmp_path: Path, first: list[float], second: list[float]) -> list[str]:
    number = 0
    for setting, values in (("x", first), ("y", second)):
        for seed, value in enumerate(values):
            made_job(tmp_path, number, [f"model={setting}", f"seed={seed}"], val__nats_per_token=value)
            number += 1
    return [note for note in notes(tmp_path) if "chance" in note]


def test_one_seed_is_doubted(tmp_path: Path) -> None:
    (doubt,) = doubts(tmp_path, [1.0], [2.0])
    assert doubt.startswith("one seed a setting")
    assert "seed=0,1,2" in doubt


def test_two_seeds_are_doubted_where_any_setting_has_no_more(tmp_path: Path) -> None:
    (doubt,) = doubts(tmp_path, [1.0, 1.1, 1.2], [2.0, 2.1])
    assert doubt.startswith("2 seeds a setting")


# Three seeds 0.1 apart: standard errors 0.0577 each, and Student's t for 4 degrees of freedom is 2.7764, so that
# differences up to 2.7764 * sqrt(2) * 0.0577 = 0.2267 may be chance.
@pytest.mark.parametrize(("apart", "doubted"), [(0.22, True), (0.23, False)])
def test_a_difference_inside_its_interval_is_doubted(tmp_path: Path, apart: float, doubted: bool) -> None:
    first = [1.0, 1.1, 1.2]
    found = doubts(tmp_path, first, [value + apart for value in first])
    assert [("95% interval" in doubt) for doubt in found] == [True] * doubted


def test_a_single_setting_is_not_doubted(tmp_path: Path) -> None:
    assert doubts(tmp_path, [1.0, 1.1], []) == []


@pytest.mark.parametrize(
    ("values", "best", "said"),
    [
        (["1e-4", "1e-3", "1e-2"], "1e-2", "largest"),
        (["1e-4", "1e-3", "1e-2"], "1e-4", "smallest"),
        (["0.0010", "2", "1"], "2", "largest"),
        (["1e-4", "1e-3", "1e-2"], "1e-3", None),
        (["10", "9"], "10", None),
        (["1", "1.0", "2"], "2", None),
        (["lstm", "gru", "rnn"], "rnn", None),
    ],
)
def test_a_best_value_at_the_edge_of_three_or_more_is_told(
    tmp_path: Path, values: list[str], best: str, said: str | None
) -> None:
    for number, value in enumerate(values):
        made_job(tmp_path, number, [f"optimizer.lr={value}"], val__nats_per_token=1.0 if value == best else 2.0)
    edges = [note for note in notes(tmp_path) if "that was tried" in note]
    if said is None:
        assert edges == []
    else:
        assert edges == [f"the best optimizer.lr ({best}) is the {said} that was tried: a better one may lie beyond"]


def test_warnings_of_jobs_are_counted_and_named(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], warnings=["overfitting: validation rises", "clipping: on 60% of the steps"])
    made_job(tmp_path, 1, ["a=2"], warnings=["overfitting: since epoch 2"])
    made_job(tmp_path, 2, ["a=3"], warnings=[])
    made_job(tmp_path, 3, ["a=4"], status="failed", error="x", warnings=["failed optimisation: y"])
    (warned,) = [note for note in notes(tmp_path) if "warnings" in note]
    assert warned.startswith("2 of the jobs ended with warnings (clipping, overfitting)")


def test_nobody_is_warned_of_nothing(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"])
    assert notes(tmp_path) == []


def test_unknown_words_are_told_where_bits_decide(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["tokenizer=char"], val__bits_per_char=2.0, fingerprint="a", val__unk_rate=0.0)
    made_job(tmp_path, 1, ["tokenizer=word"], val__bits_per_char=1.0, fingerprint="b", val__unk_rate=0.034)
    assert any("3.4%" in note and "<unk>" in note for note in notes(tmp_path))
    assert notes(tmp_path)[0].startswith("vocabulary or protocol differ")


def test_unknown_words_are_not_told_where_all_read_the_same(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], val__unk_rate=0.2)
    made_job(tmp_path, 1, ["a=2"], val__unk_rate=0.2)
    assert not any("<unk>" in note for note in notes(tmp_path))


def test_different_texts_have_no_places_and_no_other_notes(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["data.path=a"], text_fingerprint="a", fingerprint="a", warnings=["overfitting: x"])
    made_job(tmp_path, 1, ["data.path=b"], text_fingerprint="b", fingerprint="b")
    assert cells(shown(tmp_path)[1])[0] == "a"
    (note,) = notes(tmp_path)
    assert "not ranked" in note


# A line a job


def test_a_line_tells_place_settings_and_figures(tmp_path: Path) -> None:
    made_job(tmp_path, 8, ["model.hidden_size=64", "seed=1", "name=x"], wall_seconds=12.4)
    (job,) = read_jobs(tmp_path)
    line = job_line(job, total=12, names=["model.hidden_size", "seed"], best=True)
    assert line == " 9/12  hidden_size=64 seed=1  val 2.0000 nats  perplexity 7.389  bits/char 2.9000  12 s  *best"
    assert job_line(job, total=None, names=[], best=False).startswith("9  ")
    assert "*best" not in job_line(job, total=12, names=[], best=False)


@pytest.mark.parametrize(("warnings", "said"), [([], None), (["a"], "1 warning"), (["a", "b"], "2 warnings")])
def test_a_line_counts_warnings(tmp_path: Path, warnings: list[str], said: str | None) -> None:
    made_job(tmp_path, 0, [], warnings=warnings)
    found = cells(job_line(read_jobs(tmp_path)[0], total=1, names=[], best=False))
    assert (found[-1] == said) if said else not any("warning" in cell for cell in found)


def test_a_line_of_a_failed_job_tells_why(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a.lr=0"], status="failed", error="a.lr=0: too small; give more")
    line = job_line(read_jobs(tmp_path)[0], total=3, names=["a.lr"], best=False)
    assert line == "1/3  lr=0  failed: a.lr=0: too small; give more"


def test_a_line_without_numbers_is_a_line_still(tmp_path: Path) -> None:
    made_job(tmp_path, 0, [], val__nats_per_token=None, val__bits_per_char=None)
    assert "val inf nats  perplexity inf" in job_line(read_jobs(tmp_path)[0], total=1, names=[], best=False)


# The best


def test_the_best_job_is_found_by_the_figure_that_ranks(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["t=a"], val__nats_per_token=1.0, val__bits_per_char=2.0, fingerprint="a")
    made_job(tmp_path, 1, ["t=b"], val__nats_per_token=2.0, val__bits_per_char=1.0, fingerprint="b")
    made_job(tmp_path, 2, ["t=c"], val__nats_per_token=None, val__bits_per_char=None, fingerprint="c")
    assert best_folder(read_jobs(tmp_path)) == tmp_path / "1_job"


def test_the_best_job_is_the_best_seed_of_the_best_setting(tmp_path: Path) -> None:
    for number, (value, nats) in enumerate([("1", 1.0), ("1", 3.0), ("2", 1.5), ("2", 1.6)]):
        made_job(tmp_path, number, [f"a={value}", f"seed={number % 2}"], val__nats_per_token=nats)
    assert best_folder(read_jobs(tmp_path)) == tmp_path / "2_job"  # as in the table and the report


def test_there_is_no_best_without_finished_jobs_or_a_common_text(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], status="failed", error="x")
    assert best_folder(read_jobs(tmp_path)) is None
    made_job(tmp_path, 1, ["a=2"], text_fingerprint="a", fingerprint="a")
    made_job(tmp_path, 2, ["a=3"], text_fingerprint="b", fingerprint="b")
    assert best_folder(read_jobs(tmp_path)) is None


def test_formal_languages_show_how_far_each_setting_is_above_the_source(tmp_path: Path) -> None:
    for number, excess in enumerate((0.0125, 0.25)):
        made_job(tmp_path, number, [f"model.hidden_size={number + 1}"], val__excess_nats_per_token=excess)
    table = sweep_table(read_jobs(tmp_path))
    assert "above source" in table[0]
    assert [line.split()[3] for line in table[1:3]] == ["+0.0125", "+0.2500"]
    (tmp_path / "other").mkdir()
    made_job(tmp_path / "other", 0, ["model.hidden_size=1"])
    assert "above source" not in sweep_table(read_jobs(tmp_path / "other"))[0]
