"""The tables of a report: the right cells, and the figures of the summaries."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from made_sweeps import evaluations, made_job, made_run, write_history

from lmlab.reporting.comparison import Comparison, compare
from lmlab.reporting.report_tables import (
    Table,
    beginning,
    checkpoint_table,
    figures_table,
    frequency_bin_table,
    most_surprising,
    settings_table,
    temperature_table,
    unfinished_table,
    visible,
)
from lmlab.runs.discovery import find_records
from lmlab.runs.records import read_record


def compared(folder: Path) -> Comparison:
    return compare(find_records(str(folder), output_dir=str(folder)))


def cells(table: Table) -> list[dict[str, str]]:
    assert all(len(row) == len(table.header) for row in table.rows)
    assert len(set(table.header)) == len(table.header)
    return [dict(zip(table.header, row, strict=True)) for row in table.rows]


def test_settings_stand_in_order_with_what_they_are_behind(tmp_path: Path) -> None:
    nats = {("lstm", 0): 2.0, ("lstm", 1): 2.1, ("gru", 0): 1.0, ("gru", 1): 1.0, ("rnn", 0): 3.0}
    for number, ((model, seed), value) in enumerate(nats.items()):
        figures: dict[str, Any] = {"val__nats_per_token": value, "val__perplexity": math.exp(value)}
        folder = made_job(tmp_path, number, [f"model={model}", f"seed={seed}"], **figures, wall_seconds=seed + 1.0)
        if number == 1:
            write_history(folder, evaluations([2.0, 1.5, 1.7], [2.0, 1.5, 1.0]))
    table = settings_table(compared(tmp_path))
    first, second, third = cells(table)
    assert table.header[: table.words] == ("place", "model")
    assert [(row["place"], row["model"], row["seeds"]) for row in (first, second, third)] == [
        ("1", "gru", "2"), ("2", "lstm", "2"), ("3", "rnn", "1"),
    ]  # fmt: skip
    assert first["validation loss (nats per token)"] == "1.0000 ± 0.0000"
    # exp of the mean nats, which is not the mean of the perplexities.
    assert second["validation perplexity"] == f"{math.exp(2.05):.3f}" != f"{(math.exp(2.0) + math.exp(2.1)) / 2:.3f}"
    assert (first["behind the best (nats per token)"], first["is that real?"]) == ("the best", "–")
    half = 12.7062 * 0.05
    assert second["behind the best (nats per token)"] == f"1.0500 ({1.05 - half:.4f} to {1.05 + half:.4f})"
    assert second["is that real?"] == "yes"
    assert (third["behind the best (nats per token)"], third["is that real?"]) == ("2.0000", "not known: one seed")
    assert (second["curve"], first["curve"]) == ("overfitted (1 of 2)", "–")
    assert (second["wall time (s)"], second["parameters"], second["validation error rate"]) == ("2", "12.3k", "50.0%")
    assert "test loss (nats per token)" not in table.header


def test_one_setting_is_behind_nothing(tmp_path: Path) -> None:
    folder = made_job(tmp_path, 0, ["seed=0"])
    write_history(folder, evaluations([2.0, 1.5, 1.7], [2.0, 1.5, 1.0]))
    table = settings_table(compared(tmp_path))
    assert table.header[: table.words] == ("place", "runs")
    (row,) = cells(table)
    assert not {"seeds", "is that real?", "behind the best (nats per token)"} & set(row)
    assert (row["runs"], row["curve"]) == ("0_job", "overfitted")
    made_job(tmp_path, 1, ["seed=1"])
    (row,) = cells(settings_table(compared(tmp_path)))
    assert (row["runs"], row["seeds"], row["curve"]) == ("text-lstm", "2", "overfitted (1 of 2)")


def test_inside_the_interval_is_said_in_the_table(tmp_path: Path) -> None:
    for number, (model, value) in enumerate([("a", 1.0), ("a", 1.2), ("b", 1.1), ("b", 1.3)]):
        made_job(tmp_path, number, [f"model={model}", f"seed={number % 2}"], val__nats_per_token=value)
    assert cells(settings_table(compared(tmp_path)))[1]["is that real?"] == "no: inside the interval"


def test_settings_that_cannot_be_ranked_have_no_places(tmp_path: Path) -> None:
    for number, text in enumerate("ab"):
        made_job(tmp_path, number, [f"data={text}"], text_fingerprint=text, fingerprint=text)
    table = settings_table(compared(tmp_path))
    assert table.title == "Settings, not ranked"
    assert table.header[0] == "data"
    assert not any("behind" in name for name in table.header)


def test_a_figure_that_is_no_number_is_a_dash(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], val__nats_per_token=None, val__perplexity=None)
    made_job(tmp_path, 1, ["a=2"])
    last = cells(settings_table(compared(tmp_path)))[1]
    names = ("validation loss (nats per token)", "validation perplexity", "behind the best (nats per token)")
    assert {last[name] for name in names} == {"–"}


def test_test_perplexity_is_of_the_mean_nats(tmp_path: Path) -> None:
    for seed, nats in enumerate((2.0, 2.1)):
        figures = {"test__nats_per_token": nats, "test__perplexity": math.exp(nats)}
        made_job(tmp_path, seed, [f"seed={seed}"], **figures)
    (row,) = cells(settings_table(compared(tmp_path)))
    assert row["test perplexity"] == f"{math.exp(2.05):.3f}" != f"{(math.exp(2.0) + math.exp(2.1)) / 2:.3f}"


def test_the_training_loss_is_that_of_the_best_evaluations(tmp_path: Path) -> None:
    for seed, best in enumerate((1.2, 1.0)):
        folder = made_job(tmp_path, seed, [f"seed={seed}"])
        write_history(folder, evaluations([2.0, 1.5, 1.7], [2.0, best, 0.5]))
    (row,) = cells(settings_table(compared(tmp_path)))
    assert row["training loss then (nats per token)"] == "1.1000"
    made_job(tmp_path, 2, ["seed=2"])  # whose evaluations are lost
    (row,) = cells(settings_table(compared(tmp_path)))
    assert row["training loss then (nats per token)"] == "–"


def test_ranked_by_bits_what_does_not_compare_is_left_out(tmp_path: Path) -> None:
    for number, (tokenizer, bits) in enumerate({"char": 2.5, "word": 1.5}.items()):
        folder = made_job(
            tmp_path, number, [f"tokenizer={tokenizer}"], val__bits_per_char=bits, fingerprint=str(number)
        )
        write_history(folder, evaluations([2.0, 1.5], [2.0, 1.5]))
    table = settings_table(compared(tmp_path))
    assert table.header[:5] == (
        "place",
        "tokenizer",
        "validation loss (bits per character)",
        "behind the best (bits per character)",
        "is that real?",
    )
    assert not any("perplexity" in name or "nats" in name or "error rate" in name for name in table.header)


def test_unknown_words_and_vectors_have_columns_where_there_are_any(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["embedding=random"], val__unk_rate=0.0, vector_coverage=None)
    assert not {"validation unknown tokens", "words with a GloVe vector"} & set(
        settings_table(compared(tmp_path)).header
    )
    made_job(tmp_path, 1, ["embedding=glove"], val__nats_per_token=9.0, val__unk_rate=0.0125, vector_coverage=0.875)
    first, second = cells(settings_table(compared(tmp_path)))
    assert (first["validation unknown tokens"], second["validation unknown tokens"]) == ("0.0%", "1.2%")
    assert (first["words with a GloVe vector"], second["words with a GloVe vector"]) == ("–", "87.5%")


def test_bins_are_those_of_the_best_setting(tmp_path: Path) -> None:
    def listed(*nats: float) -> dict[str, Any]:
        limits = ((0, 0), (1, 9), (10, None))
        bins = [{"from": a, "to": b, "tokens": 5, "nats_per_token": n} for (a, b), n in zip(limits, nats, strict=False)]
        return {"frequency_bands": bins}

    other = listed(2.0, 2.0, 2.0)
    other["frequency_bands"][1]["tokens"] = 6  # of other tokens: another vocabulary
    given = {"a=1": (2.0, listed(5.0, 4.0, 3.0)), "a=2": (1.0, listed(3.0, 2.0, 1.0)), "a=3": (3.0, listed(9.0))}
    given["a=4"] = (1.5, other)
    for number, (setting, (nats, analysis)) in enumerate(given.items()):
        folder = made_job(tmp_path, number, [setting], val__nats_per_token=nats)
        (folder / "exhibits.json").write_text(json.dumps(analysis))
    table = frequency_bin_table(compared(tmp_path))
    assert table.header == ("occurrences in the training text", "never", "1 to 9", "10 or more")
    assert table.rows == (("a 2", "3.0000", "2.0000", "1.0000"), ("a 1", "5.0000", "4.0000", "3.0000"))


def test_the_most_surprising_tokens_come_with_their_probabilities() -> None:
    tokens = [("a", 0.1), (" ", -math.log(0.0624)), ("c", math.log(20)), ("c", math.log(40)), ("d", math.log(9.9))]
    assert most_surprising(tokens) == "“c” (2.5%), “␣” (6.2%)"  # each once, and none that was likely
    assert most_surprising([(str(i), 5.0 + i) for i in range(20)]).count("“") == 8
    assert most_surprising([]) == ""


def test_runs_without_a_result(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"])
    made_job(tmp_path, 1, ["a=2"], status="failed", error="x=1: no; y")
    write_history(made_job(tmp_path, 2, ["a=3"], status="interrupted"), evaluations([2.0, 1.5, 1.7]))
    assert unfinished_table(compared(tmp_path)).rows == (
        ("a 2", "failed", "x=1: no; y", "–"),
        ("a 3", "interrupted", "–", "1.5000"),
    )


def test_figures_of_one_run_are_its_summarys(tmp_path: Path) -> None:
    figures = {
        "val__nats_per_token": 1.54123456, "test__nats_per_token": 1.25, "val__perplexity": 4.67,
        "test__perplexity": 3.5, "val__num_tokens": 12345, "val__unk_rate": 0.00031,
        "val__baselines": {"unigram": 3.0, "kneser_ney_5": 2.0}, "test__baselines": {"unigram": 3.25},
        "val__source_nats_per_token": 1.5,
    }  # fmt: skip
    table = figures_table(read_record(made_run(tmp_path / "run", **figures)))
    assert table.header == ("figure", "validation", "test")
    assert {row[0]: row[1:] for row in table.rows} == {
        "loss (nats per token)": ("1.5412", "1.2500"),
        "perplexity": ("4.670", "3.500"),
        "loss (bits per character)": ("2.9000", "–"),
        "error rate": ("50.0%", "–"),
        "unknown tokens": ("0.031%", "–"),
        "tokens predicted": ("12,345", "–"),
        "the source itself (nats per token)": ("1.5000", "–"),
        "a unigram model (nats per token)": ("3.0000", "3.2500"),
        "a 5-gram model (Kneser-Ney) (nats per token)": ("2.0000", "–"),
    }
    assert figures_table(read_record(tmp_path)).rows == ()


def test_temperatures_have_the_columns_that_are_known(tmp_path: Path) -> None:
    listed = [
        {"temperature": 0.5, "prompt": " ", "text": "a\nb" + "c" * 100, "distinct_2": 0.5, "valid": None},
        {"temperature": 2, "prompt": "x", "longest_copy_characters": 31},
    ]
    first, second = cells(temperature_table(read_record(made_run(tmp_path / "r", analysis={"temperatures": listed}))))
    assert first == {
        "prompt": "␣", "sample begins": f"a⏎b{'c' * 77}…", "temperature": "0.5",
        "distinct pairs of tokens (share)": "50.0%", "longest copy from the training text (characters)": "–",
    }  # fmt: skip
    assert (second["temperature"], second["longest copy from the training text (characters)"]) == ("2", "31.0")
    assert second["sample begins"] == "–"


def test_checkpoints_have_as_many_columns_as_tokens(tmp_path: Path) -> None:
    listed = [
        {"name": "step-000500", "step": 1500, "next": [[c, 0.1] for c in "abcdefg"]},
        {"name": "best", "next": [[" ", 0.975]]},
    ]
    analysis = {"predictions": {"prompt": "peo", "checkpoints": listed}}
    table = checkpoint_table(read_record(made_run(tmp_path / "r", analysis=analysis)))
    assert table.title == "What comes after “peo”"
    assert table.header == ("checkpoint", "step", "1st", "2nd", "3rd", "4th", "5th")
    assert table.rows == (
        ("step-000500", "1,500", "a 10.0%", "b 10.0%", "c 10.0%", "d 10.0%", "e 10.0%"),
        ("best", "–", "␣ 97.5%", "–", "–", "–", "–"),
    )


def test_white_space_and_control_characters_are_seen() -> None:
    assert visible("  ") == "␣␣"
    assert visible("a b\n\tc\x1b[2J") == "a b⏎⇥c�[2J"
    assert visible("") == ""
    assert beginning("") == "–"
    assert (beginning("x" * 80), beginning("x" * 81)) == ("x" * 80, "x" * 80 + "…")
