"""Which figures a report has, and the numbers that they are drawn from."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from made_reports import compared, jobs, with_all_figures
from made_sweeps import evaluations, made_job, made_run, write_history

from lmlab.reporting import report_figures as chosen
from lmlab.reporting.report_figures import FIGURES, report_figures
from lmlab.runs.comparison import Comparison

BANDS = [{"from": 0, "to": 0, "tokens": 5, "nats_per_token": 9.0}, {"from": 1, "tokens": 9, "nats_per_token": 1.0}]
ROW = {"val__error_rate": 0.5, "grad_norm": 0.7, "tokens": 100.0, "seconds": 1.0}


def names(comparison: Comparison) -> list[str]:
    found = report_figures(comparison, along="tokens")
    assert all(figure.title and figure.caption and figure.figure.alt for figure in found)
    names = [figure.name for figure in found]
    assert {name for name in names if not name.startswith("metric_")} <= set(FIGURES)
    return names


def drawn(monkeypatch: pytest.MonkeyPatch, name: str, comparison: Comparison) -> tuple[Any, dict[str, Any]]:
    """What the function that draws a figure is given."""
    given: list[tuple[Any, dict[str, Any]]] = []
    module = chosen.curves if hasattr(chosen.curves, name) else chosen.results
    draw = getattr(module, name)
    monkeypatch.setattr(module, name, lambda data, **more: given.append((data, more)) or draw(data, **more))
    report_figures(comparison, along="tokens")
    (found,) = given
    return found


def grid(folder: Path, losses: Mapping[tuple[str, ...], float | None], **summary: Any) -> Comparison:
    """A job for each combination of values of the settings s0, s1 and so on."""
    for number, (values, nats) in enumerate(losses.items()):
        words = [f"part.s{i}={value}" for i, value in enumerate(values)]
        made_job(folder, number, words, val__nats_per_token=nats, **summary)
    return compared(folder)


# Which


def test_a_single_run_has_those_that_it_has_data_for(tmp_path: Path) -> None:
    temperatures = [{"temperature": t, "text": "x", "distinct_2": t / 2} for t in (0.5, 1.0)]
    samples = [{"step": s, "text": "x", "prompt": "", "valid": True, "temperature": 1.0} for s in (1, 2)]
    analysis = {"temperatures": temperatures, "frequency_bands": BANDS}
    made_run(tmp_path / "run", history=evaluations([2.0, 1.5], **ROW), samples=samples, analysis=analysis)
    assert names(compared(tmp_path)) == [
        "learning_curves", "error_rate", "gradient_norm", "validity", "frequency_bands",
    ]  # fmt: skip


def test_without_data_there_is_no_figure(tmp_path: Path) -> None:
    made_run(tmp_path / "plain" / "run", history=evaluations([2.0, 1.5]))
    assert names(compared(tmp_path / "plain")) == ["learning_curves"]
    samples = [{"step": 1, "text": "x", "valid": True, "temperature": 1.0}]
    made_run(tmp_path / "once" / "run", history=evaluations([2.0], **ROW), samples=samples)
    made_run(tmp_path / "failed" / "run", status="failed", error="x")
    made_run(tmp_path / "damaged" / "run", status="oh", history=[{"step": 1, "val/nats_per_token": math.nan}])
    for name in ("once", "failed", "damaged"):
        assert names(compared(tmp_path / name)) == []


@pytest.mark.parametrize(
    ("settings", "first"), [(1, ["parameter"]), (2, ["heat_map", "ranking"]), (3, ["effects", "ranking"])]
)
def test_the_answer_comes_first_and_fits_the_number_of_settings(
    tmp_path: Path, settings: int, first: list[str]
) -> None:
    losses = {values: 9.0 - i for i, values in enumerate(product("12", repeat=settings))}
    for number in range(len(grid(tmp_path, losses).records)):
        write_history(tmp_path / f"{number}_job", evaluations([2.0, 1.5], [2.0, 1.5], **ROW))
    comparison = compared(tmp_path)
    assert names(comparison) == [*first, "curves", "learning_curves", "error_rate", "gradient_norm"]
    of_best = [figure.title for figure in report_figures(comparison, along="tokens") if " of " in figure.title]
    assert len(of_best) == 3
    assert all(title.endswith(f" of {comparison.label(comparison.records[-1])}") for title in of_best)


def test_runs_without_an_order_have_curves_of_one_of_them_only(tmp_path: Path) -> None:
    comparison = with_all_figures(tmp_path)
    for record in comparison.records:
        text = (record.folder / "summary.json").read_text()
        changed = text.replace("tttt", f"{record.number:04}").replace("ffff", f"{record.number:04}")
        (record.folder / "summary.json").write_text(changed)
    assert compared(tmp_path).metric is None
    assert names(compared(tmp_path)) == ["learning_curves", "metric_brier"]


# Effects


def means(effects: Any) -> dict[str, dict[str, float]]:
    return {effect.setting: {result.label: result.mean for result in effect.results} for effect in effects}


def test_the_effects_of_settings_that_add_up_are_found_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = [{"1": 0.0, "2": 0.5}, {"8": 0.0, "16": -0.25, "128": 1.0}, {"x": 0.0, "y": 0.125}]
    order = list(product(*of))
    random.Random(3).shuffle(order)
    losses = {values: 2 + sum(o[value] for o, value in zip(of, values, strict=True)) for values in order}
    found, _ = drawn(monkeypatch, "effects", grid(tmp_path, losses))
    assert [effect.setting for effect in found] == ["s1", "s0", "s2"]  # the largest first
    assert [result.label for result in found[0].results] == ["8", "16", "128"]
    for name, values in means(found).items():
        base, *others = values
        for other in others:
            expected = of[int(name[1])][other] - of[int(name[1])][base]
            assert values[other] - values[base] == pytest.approx(expected)
    assert all(result.half_width == pytest.approx(0.0, abs=1e-9) for effect in found for result in effect.results)


def test_a_value_that_was_tried_with_bad_others_is_not_called_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly all runs of y have the bad value of the other setting: their plain mean is worse, and y is better."""
    losses: dict[tuple[str, ...], float | None] = {
        ("x", "good", "1"): 1.0, ("x", "good", "2"): 1.0, ("x", "bad", "1"): 3.0, ("y", "bad", "1"): 2.75,
        ("y", "bad", "2"): 2.75, ("x", "bad", "2"): None,
    }  # fmt: skip
    found, _ = drawn(monkeypatch, "effects", grid(tmp_path, losses))
    assert means(found)["s0"]["x"] - means(found)["s0"]["y"] == pytest.approx(0.25)
    assert means(found)["s1"]["bad"] - means(found)["s1"]["good"] == pytest.approx(2.0)


# Searches


def search(folder: Path, total: int = 20) -> Comparison:
    """The first setting decides, the second helps a little, of words each has its own, and the fourth does nothing."""
    draw, losses = random.Random(1), {}
    for _ in range(total):
        values = (10 ** draw.uniform(-4, -1), draw.random(), draw.random())
        word = draw.choice("abc")
        nats = 2 + (math.log10(values[0]) + 4) ** 2 + 0.1 * values[1] + 0.5 * "abc".index(word)
        losses[f"{values[0]:.3e}", f"{values[1]:.3f}", word, f"{values[2]:.3f}"] = nats
    return grid(folder, losses)


def test_a_search_shows_what_it_found_and_what_mattered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = search(tmp_path)
    assert names(comparison)[-2:] == ["search", "ranking"]
    losses, more = drawn(monkeypatch, "best_so_far", comparison)
    assert losses == [record.metric("val/nats_per_token") for record in comparison.records]
    importance = more["importance"]
    assert next(iter(importance)) == "s0"
    assert importance["s0"] > 0.7
    assert all(0 <= share <= 1 for share in importance.values())
    assert importance["s3"] < 0.3


def test_words_that_are_all_different_explain_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    losses = {(f"w{i}", str(draw.random()), str(draw.random())): draw.random() for i in range(9)}
    _, more = drawn(monkeypatch, "best_so_far", grid(tmp_path, losses))
    assert set(more["importance"]) == {"s1", "s2"}


@pytest.mark.parametrize(("total", "spread"), [(20, 0.0)])
def test_equal_trials_explain_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, total: int, spread: float
) -> None:
    losses = {(str(i), str(i * i % 7), str(i * i % 11)): 2.0 + spread * i for i in range(total)}
    comparison = grid(tmp_path, losses)
    assert "The bars" not in next(f.caption for f in report_figures(comparison, along="steps") if f.name == "search")
    assert drawn(monkeypatch, "best_so_far", comparison)[1]["importance"] == {}


def test_only_finished_trials_count_in_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search(tmp_path)
    words = [f"part.s{i}=0.5" for i in range(4)]
    for number, more in enumerate(({"status": "interrupted"}, {"partial": {"train": {"batches": 1}}}), 20):
        made_job(tmp_path, number, words, val__nats_per_token=0.001, **more)
    losses, _ = drawn(monkeypatch, "best_so_far", compared(tmp_path))
    assert len(losses) == 22
    assert all(map(math.isnan, losses[20:]))


def test_a_grid_is_no_search_though_a_few_of_its_jobs_failed(tmp_path: Path) -> None:
    losses: dict[tuple[str, ...], float | None] = dict.fromkeys(product("12", "123", "12"), 1.0)
    comparison = grid(tmp_path, losses)
    for number in (0, 5):
        (tmp_path / f"{number}_job" / "summary.json").write_text('{"status": "failed", "error": "x"}')
    assert "search" not in names(comparison)
    assert "search" not in names(compared(tmp_path))


# The grid of two settings


def test_cells_have_the_result_or_say_why_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = {
        ("1", "x", 0): {"val__nats_per_token": 1.0}, ("1", "x", 1): {"val__nats_per_token": 1.5},
        ("1", "y", 0): {"val__nats_per_token": 3.0}, ("1", "y", 1): {"status": "failed", "error": "x"},
        ("2", "x", 0): {"status": "failed", "error": "x"}, ("2", "y", 0): {"status": "interrupted"},
        ("3", "x", 0): {"val__nats_per_token": None}, ("3", "y", 0): {"status": "missing"},
    }  # fmt: skip
    for number, ((size, model, seed), summary) in enumerate(jobs.items()):
        words = [f"model.hidden_size={size}", f"model={model}", f"seed={seed}"]
        made_job(tmp_path, number, words, **summary)
    cells, more = drawn(monkeypatch, "heat_map", compared(tmp_path))
    assert (more["row_name"], more["column_name"]) == ("hidden_size", "model")
    assert {(cell.row, cell.column): (cell.value, cell.note) for cell in cells} == {
        ("1", "x"): (1.25, ""), ("1", "y"): (3.0, ""), ("2", "x"): (None, "failed"), ("2", "y"): (None, "interrupted"),
        ("3", "x"): (None, "no number"), ("3", "y"): (None, "missing"),
    }  # fmt: skip
    assert [cell.half_width is None for cell in cells if cell.value == 1.25] == [False]


def test_references_are_shown_only_where_they_hold_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baselines = {"unigram": 3.0, "kneser_ney_5": None, "kneser_ney_3": 2.5}
    comparison = jobs(tmp_path, {"a": [2.0], "b": [1.0]}, val__baselines=baselines, val__source_nats_per_token=0.5)
    _, more = drawn(monkeypatch, "parameter_plot", comparison)
    assert [(line.value, line.floor) for line in more["references"]] == [(3.0, False), (2.5, False), (0.5, True)]
    for number in range(2):
        made_job(tmp_path / "bits", number, [f"tokenizer={number}"], val__baselines=baselines, fingerprint=str(number))
    monkeypatch.undo()
    _, more = drawn(monkeypatch, "parameter_plot", compared(tmp_path / "bits"))
    assert list(more["references"]) == []
