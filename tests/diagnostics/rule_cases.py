"""For every rule a case in which it applies, and its neighbours, in which it just does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from made_sweeps import FINISHED, evaluations, made_job, write_history

from lmlab.diagnostics.diagnose import as_stored
from lmlab.diagnostics.rules import noted
from lmlab.runs.comparison import Comparison, compare
from lmlab.runs.discovery import find_records
from lmlab.runs.records import RunInTraining, RunRecord, read_record
from lmlab.runs.summary import Summary

OfRun = Callable[[Path], RunRecord]
OfComparison = Callable[[Path], Comparison]


def in_memory(
    history: Sequence[Mapping[str, float]] = (), config: dict[str, Any] | None = None, **summary: Any
) -> RunRecord:
    """A finished run but for what is given; `__` stands for the slash in the names of a summary."""
    given = {key.replace("__", "/"): value for key, value in summary.items()}
    known = Summary({**FINISHED, **given})
    return RunInTraining(Path("nowhere"), "run", known, [dict(row) for row in history], config or {})


def run(*history: Mapping[str, float], config: dict[str, Any] | None = None, **summary: Any) -> OfRun:
    return lambda folder: in_memory(history, config, **summary)


def curve(validation: Sequence[float], training: Sequence[float] = (), **more: Any) -> OfRun:
    return run(*evaluations(validation, training), **more)


def early(epoch: float, **more: Any) -> OfRun:
    """Validation rises while training falls until this epoch."""
    rows = evaluations([2.0, 1.5, 1.8], [2.0, 1.6, 1.2])
    return run(*(row | {"epoch": row["epoch"] * epoch / 3} for row in rows), **more)


def clipped(*shares: float) -> OfRun:
    """Evaluations after 10, 20, ... steps."""
    return run(*(row | {"clip_fraction": share} for row, share in zip(evaluations([2.0] * 9), shares, strict=False)))


def stored(kind: str, **values: Any) -> OfRun:
    return run(diagnostics=as_stored([noted(kind, **values)]))


def with_file(name: str, text: str) -> OfRun:
    def made(folder: Path) -> RunRecord:
        made_job(folder, 0, []).joinpath(name).write_text(text)
        return read_record(folder / "0_job")

    return made


OVERLAPPING = {"data": {"batching": {"sequence_length": 30, "stride": 3}}}
FREE, FROZEN = ({"embedding": {"freeze": freeze}} for freeze in (False, True))
NGRAMS = {
    "val__baselines": {"unigram": 3.0, "kneser_ney_5": 1.9},
    "test__baselines": {"unigram": 3.0, "kneser_ney_5": 2.2},
}
STREAMS, WORST = {"count": 16, "median_nats_per_token": 2.0}, "worst_nats_per_token"

# Where the rule applies, and where it does not.
OF_RUNS: dict[str, tuple[Sequence[OfRun], Sequence[OfRun]]] = {
    "below-source": (
        [
            run(val__excess_nats_per_token=-0.0101, val__num_tokens=2000),
            run(*({"val/excess_nats_per_token": excess, "val/num_tokens": 1000} for excess in (-0.03, 0.1))),
        ],
        [
            run(val__excess_nats_per_token=-0.0099, val__num_tokens=2000),
            run(val__excess_nats_per_token=0.5, val__num_tokens=2000),
            run(val__excess_nats_per_token=-9.0, val__num_tokens=None),
        ],
    ),
    "diverged": (
        [
            curve([5.0, 6.1], [5.0, 6.2], vocabulary_size=60),
            curve([5.2], [5.2], vocabulary_size=60),
            curve([2.0, 3.1], [2.0, 3.1]),
            curve([9e5, 6e5], [9e5, 7e5], vocabulary_size=60),  # training falls, which is no overfitting
            curve([2.0, float("nan"), 1.5], [2.0, 1.9, 1.8]),
            curve([2.0, 1.5], [2.0, float("inf")]),
            run(val__nats_per_token=None),
            run(status="failed", error="training: diverged: the loss of step 3 is not finite", diverged=True),
        ],
        [
            curve([5.0], [5.0], vocabulary_size=60),  # a little above guessing
            curve([9.0], [4.5], vocabulary_size=60),  # overfitting: it knows its training text
            curve([4.5], [9.0], vocabulary_size=60),
            curve([900.0, 3.1], [900.0, 3.0], vocabulary_size=60),
            curve([2.0, 9.0], [2.0, 2.9]),
            run(status="failed", error="x"),
        ],
    ),
    "collapse": (
        [
            run(val__nats_per_token=3.02, val__baselines={"unigram": 3.0, "kneser_ney_5": 2.0}),
            run(val__nats_per_token=2.0, test__nats_per_token=3.5, test__baselines={"unigram": 3.0}),
        ],
        [
            run(val__nats_per_token=3.005, val__baselines={"unigram": 3.0}),
            run(val__nats_per_token=3.5, val__baselines={"uniform": 3.0, "unigram": None}),
            run(val__nats_per_token=3.5),
        ],
    ),
    "disagreement": (
        [
            run(val__nats_per_token=1.5, test__nats_per_token=1.76),
            run(val__nats_per_token=2.0, test__nats_per_token=2.56, **NGRAMS),  # though the text is harder by 0.3 only
            run(val__nats_per_token=2.0, test__nats_per_token=1.74, **NGRAMS),  # of the harder text
            run(val__nats_per_token=2.0, test__nats_per_token=1.7),
        ],
        [
            run(val__nats_per_token=1.5, test__nats_per_token=1.74),
            run(val__nats_per_token=2.0, test__nats_per_token=2.54, **NGRAMS),
            run(val__nats_per_token=2.0, test__nats_per_token=1.76, **NGRAMS),
            run(val__nats_per_token=2.0, test__nats_per_token=2.0, **NGRAMS),  # it has learned too little to mind
            run(val__nats_per_token=1.0, test__nats_per_token=None),
        ],
    ),
    "strayed": (
        [
            run(val__streams={**STREAMS, WORST: 2.76}),
            run(val__streams=STREAMS | {WORST: 2.1}, test__streams=STREAMS | {WORST: 9}),
        ],
        [
            run(val__streams={**STREAMS, WORST: 2.74}),
            run(val__streams={WORST: 2.76}),
            run(val__streams={**STREAMS, WORST: None}),
        ],
    ),
    "overfitting": (
        [
            curve([2.0, 1.5, 1.6], [2.0, 1.5, 1.4]),
            curve([2.0, 1.5, 1.511], [2.0, 1.5, 1.489]),
            early(1.01),
            early(0.5, config=OVERLAPPING),  # which have read the text five times by then
        ],
        [
            curve([2.0, 1.5, 1.509], [2.0, 1.5, 1.0]),
            curve([2.0, 1.5, 1.6], [2.0, 1.5, 1.491]),
            curve([2.0, 1.5, 1.9, 1.4], [2.0, 1.5, 1.4, 1.3]),  # a worse one before the last does not count
            curve([2.0, 1.5, 1.6]),
            early(1.0),
            curve([2.0], [1.0]),
            curve([], []),
        ],
    ),
    "failed-optimisation": (
        [
            curve([2.0, 1.5, 1.6], [2.0, 1.5, 1.5]),
            curve([2.0, 1.5, 1.6], [2.0, 1.5, 1.6]),
            curve([6.31, 6.40, 6.60], [6.46, 6.45, 6.46]),
        ],
        [
            curve([2.0, 1.5, 1.6], [2.0, 1.5, 1.48]),
            curve([2.0, 1.5, 1.505], [2.0, 1.5, 1.6]),
            curve([2.0, 1.5, 1.4], [2.0, 1.5, 1.6]),
        ],
    ),
    "unsteady": (
        [early(1.0), early(0.4)],
        [early(1.01), early(0.5, config=OVERLAPPING), curve([2.0, 1.5], [2.0, 1.5])],
    ),
    "last-worse": (
        [curve([2.0, 1.5, 1.505], [2.0, 1.5, 1.0]), curve([2.0, 1.5, 1.6])],
        [curve([2.0, 1.5, 1.5005], [2.0, 1.5, 1.0]), curve([2.0, 1.5, 1.6], [2.0, 1.5, 1.4]), curve([1.5], [1.5])],
    ),
    "baseline": (
        [run(val__nats_per_token=2.0, val__baselines={"uniform": 4.0, "unigram": 3.0, "kneser_ney_5": 1.875})],
        [
            run(val__nats_per_token=2.0, val__baselines={"kneser_ney_5": 2.0}),
            run(val__nats_per_token=2.0, val__baselines={}),
            run(val__nats_per_token=2.0, val__baselines={"unigram": None}),
            run(val__nats_per_token=None, val__baselines={"unigram": 1.0}, status="interrupted"),
            # As good as the grammar, than which the counts are better by chance.
            run(val__nats_per_token=2.0, val__baselines={"kneser_ney_5": 1.99}, val__source_nats_per_token=1.995),
            run(val__nats_per_token=3.5, val__baselines={"unigram": 3.0, "kneser_ney_5": 2.0}),  # it has collapsed
        ],
    ),
    "clipping": (
        # Shares of steps, not of evaluations: the second are of 10 steps, too.
        [clipped(0.51), clipped(1.0, 0.1), run({"step": 10.0, "clip_fraction": 1.0}, {"clip_fraction": 0.0})],
        [
            clipped(0.5), clipped(0.9, 0.1), run({"step": 10.0}), run(),
            run({"step": 90.0, "clip_fraction": 0.0}, {"step": 100.0, "clip_fraction": 1.0}),
        ],
    ),
    "still-falling": (
        [curve([1.7, 1.5, 1.479])],
        [
            curve([1.7, 1.5, 1.481]),
            curve([1.7, 1.5, 1.6]),
            curve([1.5]),
            curve([1.7, 1.5], status="unfinished"),  # it falls of course
        ],
    ),
    "damaged": (
        [with_file("metrics.csv", "no numbers\n"), with_file("summary.json", "{")],
        [with_file("metrics.csv", "step,val/nats_per_token\n1,2.0\n"), run()],
    ),
    "failed": (
        [run(status="failed", error="x=1: no; y"), run(status="failed")],
        [run(status="failed", error="training: diverged", diverged=True), run(status="interrupted"), run(error="x")],
    ),
    "leak": ([stored("leak", share=0.02, of="text stands", example="It was")], [run()]),
    "unknown-words": (
        [
            run(val__unk_rate=0.01, test__unk_rate=0.051),
            stored("unknown-words", rate=0.06, remedy="The text itself spells them so."),
        ],
        [run(val__unk_rate=0.05, test__unk_rate=0.05), run(val__unk_rate=None)],
    ),
    "glove-coverage": (
        [run(vector_coverage=0.89), run(vector_coverage=0.82, config=FREE), run(vector_coverage=0.0, config=FROZEN)],
        [run(vector_coverage=0.9), run(vector_coverage=None)],
    ),
    "uniform-samples": (
        [run(samples={"uniformity": 0.96})],
        [run(samples={"uniformity": 0.94}), run(samples={"uniformity": None}), run(samples={})],
    ),
    "unfinished": (
        [run(status="interrupted"), run(status="unfinished"), lambda folder: read_record(folder)],
        [run(), run(status="failed"), run(partial={"train": {"batches": 1, "of": 2}})],
    ),
    "partial": (
        [run(partial={"train": {"batches": 1, "of": 2}, "validation": {"batches": 3, "of": 4}})],
        [run(), run(partial={}), run(status="failed", partial={"train": {"batches": 1, "of": 2}})],
    ),
    "time-limit": ([stored("time-limit", limit="00:00:10:00", done=1234, steps=5000)], [run()]),
    "too-few-evaluations": ([stored("too-few-evaluations", part="scheduler=plateau", needed=2, made=1)], [run()]),
    "schedule-cut": (
        [stored("schedule-cut", part="scheduler.warmup_steps=90", steps="60 steps", effect="So it rises.")],
        [run()],
    ),
    "text-lost": ([stored("text-lost", tokenizer="Own")], [run()]),
    "not-resumed-exactly": ([stored("not-resumed-exactly", callback="callbacks.mine", cls="Counts")], [run()]),
    "precision": ([stored("precision")], [run(precision="bf16-mixed")]),
    "other": ([stored("other", text="data.split: whole documents give a, b")], [run()]),
}  # fmt: skip


def jobs(*made: Mapping[str, Any], planned: int | None = None) -> OfComparison:
    """A sweep over `model` of these summaries: `model`, `seed`, and `steps` of its only evaluation."""

    def build(folder: Path) -> Comparison:
        for number, given in enumerate(made):
            words = {key: value for key, value in given.items() if key in ("seed", "model") or "." in key}
            summary = {key: value for key, value in given.items() if key not in words and key != "steps"}
            job = made_job(folder, number, [f"{key}={value}" for key, value in words.items()], **summary)
            if "steps" in given:
                write_history(job, [row | {"step": given["steps"]} for row in evaluations([2.0])])
        if planned is not None:
            (folder / "sweep.json").write_text(json.dumps({"swept": {"model": planned}}))
        return compare(find_records(str(folder), output_dir=str(folder)))

    return build


def pair(first: Mapping[str, Any], second: Mapping[str, Any], *, seeds: Sequence[int] = (3, 3)) -> OfComparison:
    """Two models with other summaries, three seeds each."""
    both = (("gru", first, seeds[0]), ("lstm", second, seeds[1]))
    return jobs(*({"model": model, "seed": i, **given} for model, given, size in both for i in range(size)))


def grid(name: str, values: Sequence[str], best: str) -> OfComparison:
    return jobs(*({name: value, "val__nats_per_token": 1.0 if value == best else 2.0} for value in values))


def texts(*fingerprints: str | None, **more: Any) -> OfComparison:
    """Pairs of runs on these texts."""
    first, second = ({"text_fingerprint": text, "fingerprint": text, **more} for text in fingerprints)
    return pair(first, second)


OTHER = {"fingerprint": "another"}
READ = {"num_train_tokens": 8000}
OF_COMPARISONS: dict[str, tuple[Sequence[OfComparison], Sequence[OfComparison]]] = {
    "different-text": ([texts("a", "b"), texts("a", None)], [texts("a", "a"), pair({}, OTHER), pair({}, {})]),
    "different-vocabulary": (
        [pair({"vocabulary_size": 65}, {**OTHER, "vocabulary_size": 9000}), pair({}, OTHER)],
        [pair({"vocabulary_size": 65}, {"vocabulary_size": 65}), texts("a", "b")],
    ),
    "seeds": (
        [pair({}, {}, seeds=seeds) for seeds in ((1, 1), (2, 2), (3, 1))],
        [pair({}, {}), jobs({"seed": 0}), jobs({"seed": 0}, {"seed": 1})],
    ),
    "edge": (
        [
            grid("model.dropout", ["0", "0.2", "0.4"], "0.4"), grid("optimizer.lr", ["1", "2", "3"], "1"),
            grid("optimizer.lr", ["1e-4", "1e-3", "1e-2"], "1e-2"), grid("model.num_layers", ["1", "2", "3"], "3"),
        ],
        [
            grid("model.dropout", ["0", "0.2", "0.4"], "0"), grid("optimizer.lr", ["1", "2", "3"], "2"),
            grid("optimizer.lr", ["1", "2"], "2"), grid("optimizer.lr", ["1", "1.0", "2"], "2"),
            grid("model", ["a", "b", "c"], "c"), grid("data.tokens_per_batch", ["null", "1", "2"], "2"),
            grid("model.num_layers", ["1", "2", "3"], "1"),  # nothing lies below one layer
        ],
    ),
    "training-text": (
        [pair({"train_fingerprint": "a"}, {"train_fingerprint": "b"})],
        [pair({"train_fingerprint": "a"}, {"train_fingerprint": "a"}), texts("a", "b", train_fingerprint="a")],
    ),
    "training-tokens": (
        [pair({"num_train_tokens": 1_000_000}, {"num_train_tokens": 3_000_000})],
        [
            pair({"num_train_tokens": 1_000_000}, {"num_train_tokens": 1_005_000}),
            pair({"num_train_tokens": 1_000}, {"num_train_tokens": 3_000, **OTHER}),  # of other tokens
        ],
    ),
    "steps": (
        [jobs({"model": "a", "steps": 210, **READ}, {"model": "b", "steps": 100, **READ})],
        [
            jobs({"model": "a", "steps": 210, **READ}, {"model": "b", "steps": 195, **READ}),
            jobs({"model": "a", "steps": 210, **READ}, {"model": "b", "steps": 100, "num_train_tokens": 4000}),
            jobs({"model": "a", "steps": 210, **READ}, {"model": "b", "steps": 100, **READ, **OTHER}),
            jobs({"model": "a", "steps": 210}, {"model": "b", "steps": 100}),
            jobs({"seed": 0, "steps": 210, **READ}, {"seed": 1, "steps": 100, **READ}),
        ],
    ),
    "parameters": (
        [pair({"num_parameters": 10_000}, {"num_parameters": 25_000})],
        [pair({"num_parameters": 10_000}, {"num_parameters": 10_900}), jobs({"num_parameters": 1})],
    ),
    "unknown-in-bits": (
        [
            pair({"val__unk_rate": 0.0}, {**OTHER, "val__unk_rate": 0.034}),
            pair({"val__unk_rate": 0.0}, {**OTHER, "val__unk_rate": 0.011}),
        ],
        [
            pair({"val__unk_rate": 0.034}, {"val__unk_rate": 0.034}),
            pair({"val__unk_rate": 0.01}, {**OTHER, "val__unk_rate": 0.01}),
        ],
    ),
    "not-begun": ([jobs({"model": "a"}, planned=3)], [jobs({"model": "a"}, planned=1), jobs({"model": "a"})]),
    "picked": (
        [jobs(*({"model": str(number)} for number in range(5)))],
        [jobs(*({"model": str(number)} for number in range(4)))],
    ),
    "repeated": (
        [jobs({"model": "a", "seed": 0}, {"model": "a", "seed": 0}, {"model": "a", "seed": 1})],
        [jobs({"model": "a", "seed": 0}, {"model": "a", "seed": 1}), jobs({"model": "a", "seed": 0})],
    ),
    "machines": (
        [pair({"device": "CPU (1 threads)"}, {"device": "NVIDIA H200"})],
        [pair({"device": "CPU (1 threads)"}, {"device": "CPU (1 threads)"})],
    ),
    "versions": (
        [pair({"versions": {"torch": "2.11", "lmlab": "1"}}, {"versions": {"torch": "2.13", "lmlab": "1"}})],
        [pair({"versions": {"torch": "2.11", "numpy": "1"}}, {"versions": {"torch": "2.11", "numpy": "2"}})],
    ),
}  # fmt: skip
