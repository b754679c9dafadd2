"""Tells in the log what is wrong with a run, as soon as it shows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import pytorch_lightning as pl

from lmlab.diagnostics.diagnose import of_run
from lmlab.diagnostics.rules import Diagnostic
from lmlab.layout import one_line
from lmlab.runs.records import RunRecord

log = logging.getLogger(__name__)


class Alarms(pl.Callback):
    """Logs each kind of diagnostic once: at the start of training, or when an evaluation first shows it.

    Args:
        record: returns what is known of the run so far.
    """

    def __init__(self, *, record: Callable[[], RunRecord]) -> None:
        self.record = record
        self._told: set[tuple[str, object]] = set()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Logs what is known before training, notes included."""
        self._tell(of_run(self.record(), live=True))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Logs each kind of alarm and warning when it first appears."""
        if not trainer.sanity_checking:
            self._tell(found for found in of_run(self.record(), live=True) if found.level != "note")

    def _tell(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            kind = diagnostic.kind, diagnostic.values.get(diagnostic.rule.apart)
            if kind not in self._told:
                self._told.add(kind)
                log.warning(one_line(f"warning: {diagnostic}"))
