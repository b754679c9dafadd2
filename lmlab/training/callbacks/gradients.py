"""Records the gradient norm of each layer, before clipping."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from lmlab.files import write_text
from lmlab.models.language_model import LanguageModel
from lmlab.runs.files import GRADIENTS
from lmlab.training.callbacks.recorder import task_of


class Gradients(pl.Callback):
    """Writes the mean gradient norm of each layer to gradients.csv and the loggers, if wanted.

    Layers are `embedding`, `core.0`, `core.1`, ... and `decoder`; a tied matrix counts as embedding. The norms stay on
    the device until they are written.

    Args:
        per_layer: False does nothing; the norm over all weights is in metrics.csv anyway.
        folder: the run's.
        log_every_n_steps: number of steps over which means are taken.
    """

    def __init__(self, *, per_layer: bool, folder: Path, log_every_n_steps: int) -> None:
        self.per_layer = per_layer
        self.folder = folder
        self.log_every_n_steps = log_every_n_steps
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._written_at = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts to observe the gradient of each step."""
        if self.per_layer:
            task_of(pl_module).watch_gradient = self._add
            self.write()

    def _add(self, model: LanguageModel) -> None:
        for name, norm in layer_norms(model).items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(norm)) + norm
        self._count += 1

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Records the means since the last time, at the interval `log_every_n_steps`."""
        step = trainer.global_step
        if not self._count or step % self.log_every_n_steps or step == self._written_at:
            return
        means = {f"grad_norm/{name}": float(total) / self._count for name, total in self._sums.items()}
        self._sums, self._count, self._written_at = {}, 0, step
        self.rows.append({"step": step, **means})
        for logger in trainer.loggers:
            logger.log_metrics(means, step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes gradients.csv."""
        self.write()

    def write(self) -> None:
        """Writes gradients.csv with all rows so far; deletes it if there are none."""
        if self.rows:
            write_text(self.folder / GRADIENTS, _as_csv(self.rows))
        else:
            (self.folder / GRADIENTS).unlink(missing_ok=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the remaining rows."""
        self.on_validation_end(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Returns the rows so far and the sums since the last one."""
        sums = {name: float(total) for name, total in self._sums.items()}
        rows = [dict(row) for row in self.rows]
        return {"rows": rows, "sums": sums, "count": self._count, "written_at": self._written_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores rows and sums."""
        self.rows = [dict(row) for row in state_dict["rows"]]
        self._sums = {name: torch.tensor(total) for name, total in state_dict["sums"].items()}
        self._count = state_dict["count"]
        self._written_at = state_dict.get("written_at", 0)  # not in checkpoints of format 2


def layer_norms(model: LanguageModel) -> dict[str, Tensor]:
    """Returns the L2 norms of the gradients by layer; parameters without a gradient are left out."""
    layer_of = {id(p): name for name, layer in model.core.named_layers().items() for p in layer.parameters()}
    by_layer: dict[str, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            layer = layer_of.get(id(parameter), name.partition(".")[0])
            by_layer.setdefault(layer, []).append(parameter.grad)
    return {name: get_total_norm(gradients) for name, gradients in by_layer.items()}


def _as_csv(rows: list[dict[str, float]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
