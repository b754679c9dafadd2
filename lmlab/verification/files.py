"""Compares a run's files with each other: checkpoints, their hashes, config.yaml, tokenizer.json, metrics.csv."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lmlab.checkpoints import read_model
from lmlab.digests import has_digest
from lmlab.errors import UserError
from lmlab.runs.contents import Row, read_config, read_tokenizer
from lmlab.runs.files import METRICS, Damaged, without_surrogates
from lmlab.runs.records import RunRecord
from lmlab.runs.summary import DONE
from lmlab.verification.check import Check, agreement, arithmetic, exact

Saved = Mapping[str, Any]

# Settings that may be changed when a run is resumed: limits may be raised, and its text may be in another place.
_MAY_CHANGE = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_tokens", "data.path", "data.source.path")
_LIMITS = _MAY_CHANGE[:3]


@dataclass(frozen=True)
class Run:
    """The files of a run.

    Args:
        record: its folder and files.
        which: the checkpoint's name.
        saved: contents of the checkpoint.
        newest: contents of last.ckpt if it can be read, else of the checkpoint; its configuration is decisive.
    """

    record: RunRecord
    which: str
    saved: Saved
    newest: Saved

    @property
    def ours(self) -> Mapping[str, Any]:
        """The part of the checkpoint that is lmlab's own."""
        found: Mapping[str, Any] = self.saved["lmlab"]
        return found

    @property
    def config(self) -> dict[str, Any]:
        """The newest configuration."""
        found: dict[str, Any] = self.newest["lmlab"]["config"]
        return found

    @property
    def file(self) -> str:
        """The checkpoint's file name."""
        return f"{self.which}.ckpt"

    @property
    def row(self) -> Row:
        """The evaluation of the checkpoint's step; empty if there is none."""
        steps = (row for row in self.record.history if row.get("step") == self.saved["global_step"])
        return next(steps, {})


def seal(path: Path, read: dict[str, Saved], *, keep: bool) -> Check:
    """Checks that a checkpoint's bytes are unchanged since it was written.

    Args:
        path: the checkpoint.
        read: contents of checkpoints by file name, to which its contents are added if `keep` is True.
        keep: whether to read the contents.
    """
    try:
        sealed = has_digest(path)
        if keep:
            read[path.name] = read_model(path)
    except UserError as error:
        return Check("wrong", path.name, error.problem)
    if not sealed:
        return Check("unknown", path.name, "carries no SHA-256 of its bytes: an older lmlab wrote it")
    return Check("ok", path.name, "its SHA-256 is that of its bytes")


def settled(record: RunRecord) -> bool:
    """Returns whether summary.json describes the present state of the run."""
    return record.status in (*DONE, "interrupted")


def history(record: RunRecord, last: Saved | None) -> Iterator[Check]:
    """Checks metrics.csv in itself, and compares it with last.ckpt and summary.json."""
    rows, best = record.history, record.best_row
    if best is None:
        if all(problem.file != METRICS for problem in record.damages):
            compared = _as_saved(rows, last)  # with rows, which are gone here
            yield compared if compared.verdict == "wrong" else Check("unknown", METRICS, "has no evaluation")
        return
    yield agreement("metrics.csv rows", [fault for row in rows for fault in arithmetic(row)], f"{len(rows)} fit")
    steps = [row.get("step", math.nan) for row in rows]
    if any(not before < after for before, after in pairwise(steps)):
        yield Check("wrong", "metrics.csv steps", "do not increase")
    yield _as_saved(rows, last)
    if not settled(record):
        return
    stored = {"best_epoch": best.get("epoch"), "best_step": best.get("step")}
    stored |= {key: value for key, value in best.items() if key.startswith("val/")}
    where = f"that of step {best.get('step', math.nan):g}"
    yield agreement("metrics.csv best row", _differing(stored, record.summary), f"{where}, is in summary.json")
    if record.status in DONE and "num_train_tokens" in record.summary:
        yield exact("training tokens", record.summary["num_train_tokens"], rows[-1].get("tokens"))


def _as_saved(rows: Sequence[Row], last: Saved | None) -> Check:
    """Compares metrics.csv with the rows stored in last.ckpt."""
    try:
        kept = list((last or {})["callbacks"]["Recorder"]["rows"])
    except LookupError:
        kept = []
    if not kept:
        return Check("unknown", "metrics.csv as trained", "no last.ckpt with rows to compare with")
    faults = [f"{len(kept) - len(rows)} of the {len(kept)} rows in last.ckpt are gone"] if len(rows) < len(kept) else []
    for row, saved in zip(rows, kept, strict=False):
        faults += [f"step {saved.get('step')} {fault}" for fault in _differing(saved, row)]
    newer = f", {len(rows) - len(kept)} are newer" if len(rows) > len(kept) else ""
    return agreement("metrics.csv as trained", faults, f"{len(kept)} rows equal those in last.ckpt{newer}")


def _differing(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Returns descriptions of the differences; infinity, NaN and null count as equal, because JSON has only null."""
    faults = []
    for key, value in expected.items():
        other = found.get(key)
        both_odd = not _finite(value) and not _finite(other)
        if value != other and not both_odd:
            faults.append(f"{key} is {other}, not {value}")
    return faults


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def copies(run: Run) -> Iterator[Check]:
    """Compares config.yaml and tokenizer.json with the checkpoints' own copies, which are decisive."""
    newest, folder = run.newest["lmlab"], run.record.folder
    if run.newest is not run.saved:
        differing = [name for name in _settings_differing(run.ours["config"], run.config) if name not in _MAY_CHANGE]
        yield agreement(f"{run.file} configuration", differing, "is that of last.ckpt")
    beside = read_config(folder)
    if not beside:
        yield Check("unknown", "config.yaml", "is not there")
    elif not isinstance(beside, Damaged):
        allowed = _LIMITS if newest["format"] < 3 else ()  # an older lmlab wrote a raised limit to config.yaml first
        differing = [name for name in _settings_differing(beside, run.config) if name not in allowed]
        if beside == newest.get("config_before", {}):
            differing = []
        yield agreement("config.yaml", differing, "is the configuration that the checkpoint carries")
    own = run.ours["tokenizer"]
    if run.newest is not run.saved:
        yield agreement(f"{run.file} tokenizer", [] if newest["tokenizer"] == own else ["is another"], "is last.ckpt's")
    tokenizer = read_tokenizer(folder)
    if not tokenizer:
        yield Check("unknown", "tokenizer.json", "is not there")
    elif not isinstance(tokenizer, Damaged):
        equal = tokenizer == without_surrogates(json.loads(json.dumps(own)))
        faults = [] if equal else ["is not the tokenizer that the checkpoint carries"]
        yield agreement("tokenizer.json", faults, "is the tokenizer that the checkpoint carries")


def _settings_differing(first: Any, second: Any, prefix: str = "") -> list[str]:
    """Returns the dotted names of settings whose values or types differ."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        equal = first == second and type(first) is type(second)
        return [] if equal else [prefix or "all of it"]
    keys = [*first, *(key for key in second if key not in first)]
    dot = "." if prefix else ""
    return [
        name for key in keys for name in _settings_differing(first.get(key), second.get(key), f"{prefix}{dot}{key}")
    ]
