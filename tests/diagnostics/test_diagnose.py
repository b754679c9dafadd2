"""What becomes of rules that apply: while training and after it, stored and read again, of one run and of many."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import evaluations, made_job, made_run, resolved, write_history
from rule_cases import OF_RUNS, OfRun, in_memory, pair, stored

from lmlab.diagnostics.diagnose import as_stored, of_comparison, of_run
from lmlab.diagnostics.diagnose import stored as read
from lmlab.diagnostics.rules import RULES, Diagnostic, name_runs, noted
from lmlab.runs.comparison import compare
from lmlab.runs.discovery import find_records
from lmlab.runs.records import RunRecord

# What is told while a run trains, so that nobody has to wait for the end of a run that is lost.
LIVE = (
    "below-source", "diverged", "overfitting", "failed-optimisation", "unsteady", "unknown-words", "glove-coverage",
)  # fmt: skip
TURNS = {"overfitting", "failed-optimisation", "unsteady", "last-worse"}
# What summary.json cannot know, because it is about the folder as it is now.
OF_FOLDERS = {"damaged", "failed", "unfinished", "partial"}


def diagnosed(folder: Path) -> dict[str, Diagnostic]:
    """The diagnostics of all runs below a folder, by kind."""
    found = of_comparison(compare(find_records(str(folder), output_dir=str(folder))))
    return {diagnostic.kind: diagnostic for diagnostic in found}


def kinds(run: RunRecord, **how: bool) -> list[str]:
    return [diagnostic.kind for diagnostic in of_run(run, **how)]


def every_case() -> list[Any]:
    return [pytest.param(case, id=f"{kind}-{i}") for kind, cases in OF_RUNS.items() for i, case in enumerate(cases[0])]


def made(folder: Path, name: str = "2026-01-01", **more: Any) -> Path:
    return made_run(folder / name, config=resolved(), **more)


# Of one run


def test_nothing_is_said_of_a_run_without_fault() -> None:
    rows = evaluations([1.51, 1.5], [2.0, 1.5], clip_fraction=0.5)
    assert of_run(in_memory(rows, val__baselines={"unigram": 3.0}, samples={"uniformity": 0.8})) == []


def test_a_curve_has_one_kind_of_turn_at_most() -> None:
    generator, seen = random.Random(0), set()
    for _ in range(500):
        size = generator.randint(1, 5)
        validation, training = ([round(generator.uniform(1, 1.05), 3) for _ in range(size)] for _ in range(2))
        epochs = [{**row, "epoch": row["epoch"] / 3} for row in evaluations(validation, training)]
        found = TURNS & {*kinds(in_memory(epochs))}
        worse = validation[-1] - min(validation)
        assert len(found) == (worse >= 0.001)
        seen |= found
    assert seen == TURNS


def test_a_turn_is_told_with_its_best_and_its_last() -> None:
    (found,) = of_run(in_memory(evaluations([2.0, 1.5, 1.7, 1.625], [2.0, 1.5, 1.4, 1.0])))
    words = (
        "from 1.5000 nats per token (epoch 2) to 1.6250 (epoch 4) while the training loss fell from 1.5000 to 1.0000"
    )
    assert words in found.words("finding")
    assert found.values["rise"] == 0.125


@pytest.mark.parametrize("case", every_case())
def test_what_is_told_live_is_told_in_the_end_too(case: OfRun, tmp_path: Path) -> None:
    run = case(tmp_path)
    live = of_run(run, live=True)
    assert all(diagnostic.rule.live or diagnostic in read(run.summary) for diagnostic in live)
    assert set(map(str, live)) <= set(map(str, of_run(run)))


@pytest.mark.parametrize(
    ("training", "verb"), [(1.48, "fell"), (1.495, "hardly moved"), (1.505, "hardly moved"), (1.52, "rose")]
)
def test_what_the_training_loss_did_is_told_in_a_word(training: float, verb: str) -> None:
    (found,) = of_run(in_memory(evaluations([2.0, 1.5, 1.6], [2.0, 1.5, training])))
    assert f"while the training loss {verb} from 1.5000 to {training:.4f}" in found.words("finding")


def test_a_first_evaluation_is_not_above_the_best() -> None:
    (found,) = of_run(in_memory(evaluations([9.0], [9.0]), vocabulary_size=60))
    assert found.words("finding").endswith("training text at the end; guessing has 4.0943")


@pytest.mark.parametrize("kind", LIVE)
def test_what_shows_while_training_is_told_then(kind: str, tmp_path: Path) -> None:
    assert kind in kinds(OF_RUNS[kind][0][0](tmp_path), live=True)
    assert {kind for kind, rule in RULES.items() if rule.live} == {*LIVE}


def test_rules_of_a_result_wait_for_it() -> None:
    run = in_memory(evaluations([1.7, 1.5], [1.7, 1.5], clip_fraction=1.0), val__baselines={"unigram": 1.0})
    assert kinds(run, live=True) == []
    assert kinds(run) == ["collapse", "clipping", "still-falling"]


def test_a_run_in_training_has_what_memory_has() -> None:
    rows = evaluations([2.0, 1.5, 1.6], [2.0, 1.5, 1.4])
    run = in_memory(rows, {"seed": 3}, status="unfinished")
    assert (run.status, run.history, run.best_row, run.seed) == ("unfinished", rows, rows[1], "3")
    assert run.damages == ()
    assert kinds(run) == ["overfitting", "unfinished"]


# Stored and read again


@pytest.mark.parametrize("case", every_case())
def test_what_is_stored_comes_back_as_it_was(case: OfRun, tmp_path: Path) -> None:
    found = [diagnostic for diagnostic in of_run(case(tmp_path)) if diagnostic.kind not in OF_FOLDERS]
    text = json.dumps(as_stored(found), allow_nan=False)
    again = read({"diagnostics": json.loads(text)})
    assert again == found
    assert as_stored(again) == json.loads(text)
    assert [entry["text"] for entry in json.loads(text)] == [str(diagnostic) for diagnostic in found]


def test_the_state_of_a_folder_is_not_stored() -> None:
    assert {kind for kind, rule in RULES.items() if not rule.stored} == OF_FOLDERS
    assert as_stored(of_run(in_memory(status="interrupted"))) == []


def test_a_kind_of_a_newer_lmlab_is_told_in_its_words() -> None:
    entry = {"kind": "dreams", "level": "alarm", "text": "Dreams: it dreamt. Wake it.", "values": {"depth": 3}}
    (found,) = read({"diagnostics": [entry]})
    assert (found.kind, found.level) == ("dreams", "alarm")
    assert "it dreamt. Wake it." in str(found)
    assert of_run(in_memory(diagnostics=[entry])) == [found]
    assert read({"diagnostics": [{**entry, "level": "catastrophe"}]}) == []


def test_values_of_another_lmlab_are_replaced_by_its_text() -> None:
    entry = {"kind": "leak", "level": "alarm", "text": "Leak: half of it.", "values": {"half": True}}
    (found,) = read({"diagnostics": [entry]})
    assert found.words("finding") == "Leak: half of it."
    assert "memorised" in found.words("meaning")


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("leak: 2.0% of the validation text stands in the training text", "leak"),
        ("time limit: trainer.max_time=1 ended training after step 3 of 4", "time-limit"),
        ("not resumed exactly: callbacks.mine (Counts) keeps state, but has no state_dict", "not-resumed-exactly"),
        ("text lost: Own does not give back the text", "text-lost"),
        ("precision: this CPU has no bfloat16 units", "precision"),
        ("data.split: whole documents give a, b", "other"),
        ("the training text (7 tokens) is shorter than one batch", "other"),
    ],
)
def test_sentences_of_an_older_lmlab_keep_their_kind(sentence: str, kind: str) -> None:
    (found,) = of_run(in_memory(warnings=[sentence]))
    assert (found.kind, found.level) == (kind, RULES[kind].level)
    if kind != "precision":
        assert sentence.partition(": ")[2] in str(found)


def test_sentences_about_what_the_folder_shows_are_not_repeated() -> None:
    told = [
        f"{kind}: x"
        for kind in ("overfitting", "failed optimisation", "unsteady", "diverged", "below the source", "clipping")
    ]
    told += ["baseline: x", "unknown tokens: x", "only 78.2% of the vocabulary has a pretrained vector; the rest"]
    assert of_run(in_memory(warnings=told)) == []
    (found,) = of_run(in_memory(warnings=told, vector_coverage=0.782))
    assert found.kind == "glove-coverage"


def test_evaluations_count_more_than_what_was_stored() -> None:
    overfitted = as_stored(of_run(in_memory(evaluations([2.0, 1.5, 1.6], [2.0, 1.5, 1.4]))))
    assert [entry["kind"] for entry in overfitted] == ["overfitting"]
    assert kinds(in_memory(evaluations([1.51, 1.5], [2.0, 1.5]), diagnostics=overfitted)) == []
    assert kinds(in_memory(diagnostics=overfitted)) == ["overfitting"]  # metrics.csv is gone


def test_a_runs_own_remedy_counts_more_than_the_usual_one() -> None:
    own = as_stored([noted("unknown-words", rate=0.06, remedy="The text itself spells them so.")])
    (found,) = of_run(in_memory(val__unk_rate=0.06, diagnostics=own))
    assert found.words("remedy") == "The text itself spells them so."


def test_a_frozen_embedding_stays_random() -> None:
    said = [str(d) for d in (of_run(OF_RUNS["glove-coverage"][0][i](Path()))[0] for i in (1, 2))]
    assert ["frozen" in line for line in said] == [False, True]


# Of several


def test_nothing_is_said_of_a_comparison_without_fault(tmp_path: Path) -> None:
    assert of_comparison(pair({"val__nats_per_token": 1.0}, {"val__nats_per_token": 2.0})(tmp_path)) == ()


def test_the_worst_run_is_the_example(tmp_path: Path) -> None:
    made(tmp_path, "2026-01-01", history=evaluations([2.0, 1.5, 1.625], [2.0, 1.5, 1.25]))
    made(tmp_path, "2026-01-02", history=evaluations([2.0, 1.5, 1.75], [2.0, 1.5, 1.625]))
    made(tmp_path, "2026-01-03", history=evaluations([2.0, 1.5, 1.6875], [2.0, 1.5, 1.0]))
    found = diagnosed(tmp_path)
    assert found["overfitting"].runs == ("2026-01-03", "2026-01-01")
    assert found["failed-optimisation"].runs == ("2026-01-02",)
    text = found["overfitting"].text(3)
    assert text.startswith("In 2 of the 3 runs (“2026-01-03” and “2026-01-01”), most in “2026-01-03”: Validation rose")
    assert "to 1.6875 (epoch 3)" in text


@pytest.mark.parametrize(("kind", "first", "second", "worst"), [
    ("unknown-words", {"val__unk_rate": 0.06}, {"val__unk_rate": 0.08}, 1),
    ("glove-coverage", {"vector_coverage": 0.2}, {"vector_coverage": 0.5}, 0),
])  # fmt: skip
def test_the_worst_is_the_largest_or_the_smallest(
    tmp_path: Path, kind: str, first: dict[str, Any], second: dict[str, Any], worst: int
) -> None:
    for number, summary in enumerate((first, second)):
        made_job(tmp_path, number, [f"model={number}"], **summary)
    assert diagnosed(tmp_path)[kind].runs == (str(worst), str(1 - worst))


def test_failures_are_told_by_reason(tmp_path: Path) -> None:
    for number, reason in enumerate(
        ["x=1: no", "x=1: no", "z", "training: the loss of step 3", "training: the loss of step 14"]
    ):
        made_job(tmp_path, number, [f"a={number}"], status="failed", error=reason)
    found = of_comparison(compare(find_records(str(tmp_path), output_dir="x")))
    assert [(d.kind, len(d.runs)) for d in found] == [("failed", 2), ("failed", 1), ("failed", 2)]
    assert "x=1: no." in found[0].text(5)  # a setting is not spelled with a capital


def test_notes_that_differ_in_numbers_only_are_told_once(tmp_path: Path) -> None:
    for number in range(3):
        text = f"the training text (1,{number}34 tokens) is shorter than one batch of {number + 2} x 100"
        told = as_stored([noted("other", text=text), noted("other", text="whole documents give a, b")])
        made_job(tmp_path, number, [f"seed={number}"], diagnostics=told)
    found = of_comparison(compare(find_records(str(tmp_path), output_dir="x")))
    assert [(d.kind, len(d.runs)) for d in found] == [("other", 3), ("other", 3)]


def test_what_matters_most_comes_first(tmp_path: Path) -> None:
    told = as_stored([noted("leak", share=0.5, of="text stands", example="x"), noted("precision")])
    folder = made_job(tmp_path, 0, ["a=1"], diagnostics=told)
    write_history(folder, evaluations([2.0, 1.5, 1.7], [2.0, 1.5, 1.2]))
    made_job(tmp_path, 1, ["a=2"], device="x", status="interrupted")
    made_job(tmp_path, 2, ["a=3"], status="failed", error="x")
    made_job(tmp_path, 3, ["a=4"], device="x", fingerprint="y")
    levels = [d.level for d in of_comparison(compare(find_records(str(tmp_path), output_dir="x")))]
    assert levels == sorted(levels, key=["alarm", "warning", "note"].index)
    assert {"alarm", "warning", "note"} == set(levels)


def test_sixty_runs_have_one_diagnostic_a_kind_in_few_words(tmp_path: Path) -> None:
    for number in range(60):
        folder = made_job(
            tmp_path, number, [f"a={number}"], diagnostics=as_stored([noted("other", text=f"odd: {number}")])
        )
        write_history(folder, evaluations([2.0, 1.5, 1.6 + number / 100], [2.0, 1.5, 1.2]))
    found = diagnosed(tmp_path)
    assert len(found["overfitting"].runs) == 60
    assert all(len(diagnostic.text(60)) < 600 for diagnostic in found.values())
    assert {"overfitting", "other"} <= set(found)


def test_damaged_files_are_told_and_raise_nothing(tmp_path: Path) -> None:
    names = ("val__baselines", "val__unk_rate", "num_parameters", "versions", "device", "fingerprint", "samples",
             "vector_coverage", "val__excess_nats_per_token", "num_train_tokens", "warnings", "diagnostics",
             "val__streams")  # fmt: skip
    for number, odd in enumerate((None, float("nan"), float("inf"), -1, "x", [], {}, True)):
        made_job(tmp_path, number, [f"a={number}"], **dict.fromkeys(names, odd))
    (tmp_path / "0_job" / "metrics.csv").write_text("no numbers\n")
    found = of_comparison(compare(find_records(str(tmp_path), output_dir="x")))
    damaged = [d for d in found if d.kind == "damaged"]
    assert sum(len(d.runs) for d in damaged) >= 7
    assert any("metrics.csv is damaged: it has no column step" in d.text(8) for d in damaged)


def test_of_a_part_of_a_sweep_nothing_is_said_of_the_other_jobs(tmp_path: Path) -> None:
    for number in range(4):
        made_job(tmp_path, number, [f"a={number}"])
    (tmp_path / "sweep.json").write_text(json.dumps({"swept": {"a": 5}}))
    assert diagnosed(tmp_path)["not-begun"].values == {"missing": 1, "jobs": "5 jobs"}
    records = find_records([str(tmp_path / name) for name in ("1_job", "2_job")], output_dir=str(tmp_path))
    assert "not-begun" not in [d.kind for d in of_comparison(compare(records))]


@pytest.mark.parametrize(
    ("labels", "total", "words"),
    [
        (["a"], 1, "this run"), (["a"], 2, "“a”"), (["a", "b"], 2, "both runs"), (["a", "b", "c"], 3, "all 3 runs"),
        (["a", "b"], 12, "2 of the 12 runs (“a” and “b”)"),
        (list("abcdef"), 1200, "6 of the 1,200 runs (“a”, “b”, “c” and 3 more)"),
    ],
)  # fmt: skip
def test_runs_are_named_as_part_of_a_sentence(labels: list[str], total: int, words: str) -> None:
    assert name_runs(labels, total) == words


def test_of_a_single_run_no_name_is_told() -> None:
    run = stored("leak", share=0.5, of="text stands", example="x")(Path())
    (found,) = of_run(run)
    assert found.text(1) == Diagnostic("leak", "alarm", found.values, ("2026-01-01",)).text(1)
    assert found.text(1).startswith("50.0% of the validation text stands in the training text")
