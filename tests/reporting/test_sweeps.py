"""A sweep's jobs, their order and results.csv, on folders made by hand."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from made_sweeps import FINISHED, made_job

from lmlab.reporting.sweeps import differing, rank, results_csv
from lmlab.runs.summary import BITS, NATS
from lmlab.runs.sweeps import read_jobs


def table(sweep: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(results_csv(read_jobs(sweep)))))


def test_only_settings_with_several_values_differ_in_the_order_typed(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["model=lstm", "optimizer.lr=1e-3", "seed=0"])
    made_job(tmp_path, 1, ["model=lstm", "optimizer.lr=1e-2", "seed=1"])
    made_job(tmp_path, 2, ["model=lstm", "optimizer.lr=1e-2", "seed=0", "name=x"])
    jobs = read_jobs(tmp_path)
    assert differing(jobs) == ["optimizer.lr", "seed", "name"]
    assert differing(jobs[:1]) == []
    assert differing([]) == []


# Order


def test_seeds_of_a_setting_stand_together_and_their_mean_decides(tmp_path: Path) -> None:
    nats = {("4", "0"): 1.0, ("4", "1"): 2.0, ("8", "0"): 1.4, ("8", "1"): 1.5}
    for number, ((size, seed), value) in enumerate(nats.items()):
        made_job(tmp_path, number, [f"model.hidden_size={size}", f"seed={seed}"], val__nats_per_token=value)
    ranking = rank(read_jobs(tmp_path))
    assert ranking.metric == NATS
    assert ranking.note == ""
    assert [s.settings for s in ranking.conditions] == [{"model.hidden_size": "8"}, {"model.hidden_size": "4"}]
    assert [[job.settings["seed"] for job in s.jobs] for s in ranking.conditions] == [["0", "1"], ["0", "1"]]
    # The single best job is of the setting with the worse mean.
    assert [s.mean(NATS).mean for s in ranking.conditions] == pytest.approx([1.45, 1.5])


def test_only_finished_jobs_are_ranked(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["seed=0"], status="interrupted", val__nats_per_token=0.5)
    made_job(tmp_path, 1, ["seed=1"], status="failed", error="x")
    made_job(tmp_path, 2, ["seed=2"], status="missing")
    made_job(tmp_path, 3, ["seed=3"])
    (condition,) = rank(read_jobs(tmp_path)).conditions
    assert [job.number for job in condition.jobs] == [3]
    assert rank([]).conditions == ()


def test_another_vocabulary_is_ranked_by_bits_per_character_and_it_says_so(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["tokenizer=char"], val__nats_per_token=1.0, val__bits_per_char=2.0, fingerprint="a")
    made_job(tmp_path, 1, ["tokenizer=word"], val__nats_per_token=5.0, val__bits_per_char=1.5, fingerprint="b")
    ranking = rank(read_jobs(tmp_path))
    assert ranking.metric == BITS
    assert [job.number for s in ranking.conditions for job in s.jobs] == [1, 0]
    assert "bits per character" in ranking.note


def test_different_texts_are_not_ranked(tmp_path: Path) -> None:
    for number, (text, nats) in enumerate([("a", 3.0), ("b", 1.0), ("a", 2.0)]):
        path = f"data.path={text}{number}.txt"
        made_job(tmp_path, number, [path], val__nats_per_token=nats, fingerprint=text, text_fingerprint=text)
    ranking = rank(read_jobs(tmp_path))
    assert ranking.metric is None
    assert [job.number for s in ranking.conditions for job in s.jobs] == [0, 1, 2]
    assert "different texts" in ranking.note
    rows = table(tmp_path)
    assert [row["rank"] for row in rows] == ["", "", ""]
    assert [row["job"] for row in rows] == ["0_job", "1_job", "2_job"]


def test_a_mean_with_a_seed_that_is_no_number_comes_last(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1", "seed=0"], val__nats_per_token=None)
    made_job(tmp_path, 1, ["a=1", "seed=1"], val__nats_per_token=0.1)
    made_job(tmp_path, 2, ["a=2", "seed=0"], val__nats_per_token=9.0)
    made_job(tmp_path, 3, ["a=2", "seed=1"], val__nats_per_token=9.1)
    ranking = rank(read_jobs(tmp_path))
    assert [s.settings["a"] for s in ranking.conditions] == ["2", "1"]
    assert ranking.conditions[1].mean(NATS).mean == math.inf
    assert ranking.conditions[1].mean(NATS).half_width is None


# results.csv


def test_results_have_a_row_a_job_the_best_first_and_failures_last(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], status="failed", error="optimizer.lr=-1: is not positive; give one")
    made_job(tmp_path, 1, ["a=2"], val__nats_per_token=2.5)
    made_job(tmp_path, 2, ["a=3"], status="missing")
    made_job(tmp_path, 3, ["a=4"], val__nats_per_token=1.5, warnings=["one", "two"])
    made_job(tmp_path, 4, ["a=5"], val__nats_per_token=None)
    made_job(tmp_path, 5, ["a=6"], status="interrupted", val__nats_per_token=0.1)
    rows = table(tmp_path)
    assert [(row["rank"], row["job"], row["a"], row["status"]) for row in rows] == [
        ("1", "3_job", "4", "finished"),
        ("2", "1_job", "2", "finished"),
        ("3", "4_job", "5", "finished"),
        ("", "0_job", "1", "failed"),
        ("", "2_job", "3", "missing"),
        ("", "5_job", "6", "interrupted"),
    ]
    assert rows[3]["error"] == "optimizer.lr=-1: is not positive; give one"
    assert [row["num_warnings"] for row in rows[:2]] == ["2", "0"]
    assert rows[2][NATS] == ""
    assert all(row["error"] == "" for row in rows if row["status"] != "failed")


def test_results_equal_the_summaries_digit_by_digit(tmp_path: Path) -> None:
    nats = [0.1 + 0.2, 1 / 3, 2**-40 + 1, 123456.78901234567]
    for number, value in enumerate(nats):
        made_job(
            tmp_path, number, [f"seed={number}"], val__nats_per_token=value, val__bits_per_char=math.pi / (number + 1)
        )
    for row in table(tmp_path):
        summary = json.loads((tmp_path / row["job"] / "summary.json").read_text())
        for name, value in FINISHED.items():
            if name not in ("name", "text_fingerprint", "warnings"):
                assert type(value)(row[name]) == summary[name], name


def test_commas_quotes_and_line_ends_survive_in_results(tmp_path: Path) -> None:
    prompts = ['["a, b","c"]', "it's", 'say "x"', "a\nb"]
    for number, prompt in enumerate(prompts):
        made_job(tmp_path, number, [f"callbacks.sample_text.prompts={prompt}"], val__nats_per_token=number)
    made_job(tmp_path, 9, ["callbacks.sample_text.prompts=x"], status="failed", error='a="b, c": no; give d')
    rows = table(tmp_path)
    assert [row["callbacks.sample_text.prompts"] for row in rows] == [*prompts, "x"]
    assert rows[-1]["error"] == 'a="b, c": no; give d'


def test_results_have_the_rank_of_the_setting_by_bits_too(tmp_path: Path) -> None:
    for number, (bits, nats) in enumerate([(2.0, 1.0), (1.0, 2.0), (1.5, 3.0)]):
        overrides = [f"tokenizer=t{number % 2}", f"seed={number}"]
        made_job(
            tmp_path, number, overrides, val__bits_per_char=bits, val__nats_per_token=nats, fingerprint=str(number)
        )
    assert [(row["rank"], row["job"]) for row in table(tmp_path)] == [("1", "1_job"), ("2", "2_job"), ("2", "0_job")]


def test_seeds_share_the_rank_of_their_setting(tmp_path: Path) -> None:
    """One lucky seed does not make its setting the best: the table ranks by the mean, and so does the file."""
    for number, (lr, seed, nats) in enumerate([("1", 0, 1.2), ("1", 1, 1.0), ("2", 0, 1.09), ("2", 1, 1.09)]):
        made_job(tmp_path, number, [f"lr={lr}", f"seed={seed}"], val__nats_per_token=nats)
    ranks = [(row["rank"], row["lr"], row["val/nats_per_token"]) for row in table(tmp_path)]
    assert ranks == [("1", "2", "1.09"), ("1", "2", "1.09"), ("2", "1", "1.0"), ("2", "1", "1.2")]
