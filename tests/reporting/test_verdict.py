"""What a reader who sees only the verdict can say: which is best, whether that is real, and what is not shown."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from made_reports import compared, jobs
from made_sweeps import evaluations, made_job, made_run, resolved, write_history

from lmlab.diagnostics.diagnose import of_comparison
from lmlab.reporting.verdict import Verdict, text_name, verdict
from lmlab.runs.comparison import Comparison
from lmlab.runs.records import read_record


def judged(comparison: Comparison | Path) -> Verdict:
    comparison = compared(comparison) if isinstance(comparison, Path) else comparison
    found = verdict(comparison, of_comparison(comparison))
    for sentence in (found.headline, *found.shows, *found.limitations):
        assert sentence.endswith("."), sentence
    return found


@pytest.mark.parametrize("seed", range(8))
def test_the_best_has_the_lowest_mean_and_is_real_where_the_interval_leaves_out_zero(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    nats = {f"m{i}": [2 + 0.1 * i + draw.gauss(0, 0.05) for _ in range(3)] for i in range(draw.choice((2, 3, 4)))}
    comparison = jobs(tmp_path, nats)
    found = judged(comparison)
    best, second, *others = sorted(nats, key=lambda name: fmean(nats[name]))
    assert f"“{best}”" in found.headline
    assert f"{fmean(nats[best]):.4f} ± " in found.headline
    assert f"(perplexity {math.exp(fmean(nats[best])):.3f})" in found.headline
    gaps = [condition.gap_to_best for condition in comparison.conditions[1:]]
    assert gaps[0] is not None
    real = gaps[0].mean > (gaps[0].half_width or 0.0)
    assert f"“{second}”, is {gaps[0].mean:.4f}" in found.shows[0]
    assert ("leaves out zero" in found.shows[0], "not significant" in found.shows[0]) == (real, not real)
    for last in others[-1:]:
        assert f"“{last}”, is {fmean(nats[last]) - fmean(nats[best]):.4f}" in found.shows[1]
    unclear = {name for name, gap in zip(others, gaps[1:], strict=True) if gap is not None and not gap.significant}
    assert {label for label in nats if f"“{label}”" in found.shows[0]} == {second} | unclear


@pytest.mark.parametrize("nats", [[[1.0], [1.1]], [[1.0], [1.1, 1.2, 1.3]], [[1.0, 1.0, 1.1], [1.2], [2.0, 2.0, 2.1]]])
def test_with_one_seed_it_is_not_known_whether_a_difference_is_real(tmp_path: Path, nats: Any) -> None:
    found = judged(jobs(tmp_path, dict(zip("abc", nats, strict=False))))
    assert "not known" in found.shows[0]
    assert "significant" not in found.shows[0]
    assert "zero" not in found.shows[0]
    assert any("three seeds" in limit for limit in found.limitations)


def test_runs_that_are_not_ranked_have_no_best_but_each_text_has(tmp_path: Path) -> None:
    runs = [("a", "gru", 2.0), ("a", "lstm", 1.0), ("b", "gru", 3.0), ("b", "lstm", 4.0)]
    for i, (text, model, nats) in enumerate(runs):
        config = resolved(data__path=f"/x/{text}.txt", model__name=model)
        figures = {"val__nats_per_token": nats, "fingerprint": text, "text_fingerprint": text}
        made_run(tmp_path / f"2026-01-0{i + 1}", config=config, **figures)
    found = judged(tmp_path)
    assert "None can be called best" in found.headline
    assert [s.partition(":")[0] for s in found.shows[:2]] == ["Evaluated on a.txt", "Evaluated on b.txt"]
    assert "“lstm” is best, with 1.0000 nats per token" in found.shows[0]
    assert "“gru” is best, with 3.0000 nats per token" in found.shows[1]


def test_bits_decide_where_vocabularies_differ(tmp_path: Path) -> None:
    for i, (bits, tokenizer) in enumerate([(2.0, "char"), (1.5, "word")]):
        made_job(tmp_path, i, [f"tokenizer={tokenizer}"], val__bits_per_char=bits, fingerprint=tokenizer)
    found = judged(tmp_path)
    assert "“tokenizer word”, with 1.5000 bits per character" in found.headline
    assert "0.5000 bits per character behind (33.3% more)" in found.shows[0]
    assert not any("perplexity" in text for text in (found.headline, *found.shows))


@pytest.mark.parametrize(
    "others", [{"status": "failed", "error": "x"}, {"status": "missing"}, {"partial": {"train": {"batches": 1}}}]
)
def test_only_finished_runs_are_best(tmp_path: Path, others: dict[str, Any]) -> None:
    for number in range(1, 3):
        made_job(tmp_path, number, [f"a={number}"], val__nats_per_token=0.1, **others)
    found = judged(tmp_path)
    assert "none is best" in found.headline
    assert "best is" not in found.headline
    assert found.limitations == ()
    made_job(tmp_path, 3, ["a=3"])
    assert "“a 3” has 2.0000 nats per token" in judged(tmp_path).headline


def test_a_loss_that_is_no_number_is_never_best(tmp_path: Path) -> None:
    comparison = jobs(tmp_path / "none", {"lstm": [None], "gru": [None]})
    assert "none is best" in judged(comparison).headline
    found = judged(jobs(tmp_path / "one", {"lstm": [None], "gru": [1.0]}))
    assert "“gru”, with 1.0000" in found.headline
    assert not any(" behind" in sentence for sentence in found.shows)


def test_limits_are_those_of_the_diagnostics_and_the_general_one(tmp_path: Path) -> None:
    for number in range(5):
        figures = {"val__nats_per_token": 2.0 - number / 10, "num_parameters": 1000 * (number + 1)}
        made_job(tmp_path, number, [f"optimizer.lr={number + 1}"], num_train_tokens=10 + number, **figures)
    comparison = compared(tmp_path)
    limits = [words for diagnostic in of_comparison(comparison) if (words := diagnostic.words("limits"))]
    assert len(limits) == 5
    assert list(judged(comparison).limitations[:-1]) == limits
    clear = judged(jobs(tmp_path / "clear", {"a": [1.0, 1.0, 1.1], "b": [2.0, 2.0, 2.1]})).limitations
    assert clear == judged(comparison).limitations[-1:]


def test_what_went_wrong_is_said_and_that_nothing_did_only_where_it_is_known(tmp_path: Path) -> None:
    curves = {"gru": [2.0, 1.5], "lstm": [2.0, 1.5, 1.7], "rnn": []}
    jobs(tmp_path, {model: [2.0] for model in curves})
    none = "No sign of overfitting"
    assert none not in str(judged(tmp_path))
    for number, curve in enumerate(curves.values()):
        if curve:
            write_history(tmp_path / f"{number}_job", evaluations(curve, [2.0, 1.5, 1.2]))
    assert "Overfitting, in “lstm”." in judged(tmp_path).shows
    (tmp_path / "1_job" / "metrics.csv").unlink()
    for number in (0, 2, 1):
        assert none not in str(judged(tmp_path))
        write_history(tmp_path / f"{number}_job", evaluations([2.0, 1.5], [2.0, 1.5]))
    assert none in judged(tmp_path).shows[-1]


# One run


def test_one_run_is_told_with_its_references(tmp_path: Path) -> None:
    figures = {"val__bits_per_char": 2.1, "val__source_nats_per_token": 1.25, "best_epoch": 9.0}
    figures |= {"val__nats_per_token": 1.5, "test__nats_per_token": 1.625, "num_samples": 0}
    baselines = {"unigram": 3.0, "kneser_ney_3": 2.0}
    run = made_run(tmp_path / "run", history=evaluations([2.0, 1.5], [2.0, 1.5]), val__baselines=baselines, **figures)
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps(summary | {"samples": {"language": {"samples": 1250, "valid": 0.9}}}))
    found = judged(tmp_path)
    for words in ("This run has 1.5000 nats per token (perplexity 4.482)", "2.1000 bits per character", "epoch, 9"):
        assert words in found.headline
    told = [
        "1.6250 nats per token",
        "0.5000 nats per token better than a 3-gram",
        "is 0.2500 above",
        "Of 1,250 of",
        "No sign",
    ]
    assert len(found.shows) == len(told)
    assert all(words in sentence for words, sentence in zip(told, found.shows, strict=True))
    assert "another seed" in found.limitations[0]


@pytest.mark.parametrize(
    ("summary", "history", "words"),
    [
        ({"status": "failed", "error": "a=1: no; b"}, [], ["failed", "a=1: no; b"]),
        ({"status": "missing"}, [], ["has not been evaluated yet"]),
        ({"status": "missing"}, [2.0, 1.5, 1.6], ["has not finished", "epoch, 2, has 1.5000", "4.482"]),
        ({"status": "interrupted"}, [2.0], ["was interrupted", "2.0000", "7.389"]),
        ({"partial": {"train": {"batches": 5, "of": 9}}}, [2.0], ["is partial (5 of 9 training batches)"]),
        ({"status": "oh"}, [2.0], ["has no result", "summary.json is damaged"]),
    ],
)
def test_a_run_without_a_result(
    tmp_path: Path, summary: dict[str, Any], history: list[float], words: list[str]
) -> None:
    made_run(tmp_path / "run", history=evaluations(history), **summary)
    headline = judged(tmp_path).headline
    assert headline.startswith("This run ")
    assert all(word in headline for word in words)


def test_a_data_set_is_called_by_its_name_and_ones_own_text_by_its_file(tmp_path: Path) -> None:
    for i, (name, path) in enumerate((("oz", None), ("text", "/x/a.txt"), ("sst", "/x/sst"), ("text", None))):
        record = read_record(made_run(tmp_path / str(i), config=resolved(data__name=name, data__path=path)))
        assert text_name(record) == ("oz", "a.txt", "sst", "text")[i]
    assert text_name(read_record(tmp_path)) == "the same text"
