"""Evaluates and saves an average of the weights, while training goes on from its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor
from torch.nn import Parameter

from lmlab.training.averaging import AveragingRule, WeightAverage

# In a checkpoint whose weights are the average: those being trained.
_TRAINED = "trained_state_dict"


class _Averaged(Protocol):
    """What the callback uses of the module."""

    averaging: Averaging | None
    observes_all: bool
    validation_result: dict[str, float] | None

    def trained_parameters(self) -> list[Parameter]: ...


class Averaging(pl.Callback):
    """Puts the average into the model for validation, test and prediction, and for what other callbacks save of it.

    It may stand anywhere among a Trainer's callbacks: it goes to the first place, so that the others find the average
    of the latest step, and the trained weights come back in the last place, when the others have done their work.

    Args:
        rule: determines when averaging begins, and the shares of the weights.

    Attributes:
        average: the average itself.
        saves_average: whether checkpoints of the Trainer have it as their weights.
    """

    def __init__(self, rule: AveragingRule) -> None:
        self.average = WeightAverage(rule)
        self.saves_average = True
        self._last = _TrainedWeights(self)
        self._step = 0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Takes the first and the last place, and tells the module."""
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        callbacks[:] = [self, *(other for other in callbacks if other not in (self, self._last)), self._last]
        _task(pl_module).averaging = self

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Moves the average of a resumed run to the model's device."""
        self.average.to(pl_module.device)
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Adds the weights to the average, if the batch completed an optimizer step."""
        if trainer.global_step > self._step:
            self._step = trainer.global_step
            self.average.update(_task(pl_module).trained_parameters())

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts the average into the model."""
        self._swap_in(pl_module)

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts the average into the model."""
        self._swap_in(pl_module)

    def on_predict_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts the average into the model."""
        self._swap_in(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begins averaging if the rule says so for this evaluation."""
        task = _task(pl_module)
        counts = task.observes_all or trainer.state.fn == TrainerFn.FITTING
        if task.validation_result is not None and counts and not trainer.sanity_checking:
            self.average.observe(task.validation_result["nats_per_token"], trainer.global_step)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Restores the trained weights after an error in an evaluation."""
        self.swap_out(pl_module)

    def _swap_in(self, module: pl.LightningModule) -> None:
        self.average.to(module.device)
        self.average.swap_in(_task(module).trained_parameters())

    def swap_out(self, module: pl.LightningModule) -> None:
        """Restores the trained weights, if the average is in the model."""
        self.average.swap_out(_task(module).trained_parameters())

    @contextmanager
    def averaged_weights(self, module: pl.LightningModule) -> Iterator[None]:
        """Puts the average, if there is one, into the model during a `with` block."""
        self._swap_in(module)
        try:
            yield
        finally:
            self.swap_out(module)

    def state_dict(self) -> dict[str, Any]:
        """Returns the average and the state of its rule."""
        return self.average.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the average."""
        self.average.load_state_dict(state_dict)

    def add_to(self, checkpoint: dict[str, Any], module: pl.LightningModule) -> None:
        """Makes the average the weights of a checkpoint; those being trained are kept beside it.

        A callback that saves the best weights may do so long after the evaluation, when the trained ones are back.
        """
        if not self.saves_average or self.average.count == 0:
            return
        was_in = self.average.is_in
        self._swap_in(module)
        checkpoint["state_dict"] = _copied(module)
        self.swap_out(module)
        if "callbacks" in checkpoint:  # and not of weights alone
            checkpoint[_TRAINED] = _copied(module)
        if was_in:
            self._swap_in(module)

    def take_from(self, checkpoint: dict[str, Any]) -> None:
        """Restores the average of a checkpoint, and its trained weights as those of the model.

        Of a checkpoint without an average, the weights are evaluated as they are.
        """
        older = checkpoint.get("lmlab_task", {}).get("averaging")
        state = checkpoint.get("callbacks", {}).get(self.state_key, older)
        checkpoint["state_dict"] = checkpoint.pop(_TRAINED, checkpoint["state_dict"])
        if state is None:
            self.average.forget()
        else:
            self.average.load_state_dict(state)


class _TrainedWeights(pl.Callback):
    """The last of all callbacks: restores the trained weights after an evaluation."""

    def __init__(self, averaging: Averaging) -> None:
        self._averaging = averaging

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._averaging.swap_out(pl_module)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._averaging.swap_out(pl_module)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._averaging.swap_out(pl_module)


def _copied(module: pl.LightningModule) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _task(module: pl.LightningModule) -> _Averaged:
    """Returns a `LanguageModelModule`, which imports this file."""
    return cast(_Averaged, module)
