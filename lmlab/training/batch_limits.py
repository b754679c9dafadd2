"""Limits the batches of a run as `trainer.limit_*_batches` and `trainer.overfit_batches` say.

lmlab does it, not Lightning, so that steps, schedules, positions and the final evaluations all follow.
"""

from __future__ import annotations

from collections.abc import Iterator

from lmlab.config.settings.trainer import TrainerSettings
from lmlab.data.datamodule import LanguageModelData
from lmlab.errors import UserError

_SETTINGS = {"train": "limit_train_batches", "validation": "limit_val_batches", "test": "limit_test_batches"}
_OVERFIT = "overfit_batches"


def limit_batches(trainer: TrainerSettings, data: LanguageModelData) -> None:
    """Limits the batches of each split that a setting limits.

    Args:
        trainer: the run's settings.
        data: of the run, after `setup`; its loaders are limited.

    Raises:
        UserError: a fraction of less than one batch.
    """
    for split, name in _limited(trainer):
        if split in data.stores:
            whole = len(data.train_loader) if split == "train" else len(data.evaluation_loader(split))
            number = _number(f"trainer.{name}", getattr(trainer, name), whole)
            data.limit_batches(split, number, repeat=name == _OVERFIT and split == "train")


def _limited(trainer: TrainerSettings) -> Iterator[tuple[str, str]]:
    """Yields each limited split with the name of the setting that limits it."""
    for split, name in _SETTINGS.items():
        by_overfit = trainer.overfit_batches is not None and split != "test"
        name = _OVERFIT if by_overfit else name
        if getattr(trainer, name) is not None:
            yield split, name


def _number(name: str, limit: int | float, whole: int) -> int:
    """Returns a limit as a number of batches: as it is, or a fraction of the whole, rounded down as by Lightning."""
    if isinstance(limit, int):
        return min(limit, whole)
    number = int(whole * limit)
    if number < 1:
        raise UserError(name, limit, f"is less than one of {whole} batches", f"give 1 or more batches: {name}=1")
    return number
