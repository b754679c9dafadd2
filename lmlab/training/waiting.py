"""Finds the parts that wait for evaluations which do not come in time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from lmlab.config.settings import TrainSettings
from lmlab.diagnostics.rules import Diagnostic, noted
from lmlab.training.averaging import TriggeredAverage
from lmlab.training.module import LanguageModelModule
from lmlab.training.schedulers import Plateau, Scheduler


def too_few_evaluations(settings: TrainSettings, task: LanguageModelModule, evaluations: int) -> list[Diagnostic]:
    """Returns a diagnostic for each part that needs more evaluations before it can change anything.

    Args:
        settings: the run's settings.
        task: with its scheduler and average.
        evaluations: number of them before the last optimizer step.
    """
    return [
        noted("too-few-evaluations", part=part, needed=needed, made=evaluations or "none")
        for part, needed in _needed(settings, task)
        if evaluations < needed
    ]


def _needed(settings: TrainSettings, task: LanguageModelModule) -> Iterator[tuple[str, int]]:
    """Yields the parts that react to evaluations, and the number after which each can do so first."""
    early, scheduler = settings.callbacks.early_stopping, task.lr_lambda
    if early is not None and early.patience is not None:
        yield f"callbacks.early_stopping.patience={early.patience}", early.patience + 1
    if isinstance(scheduler, Plateau):
        yield f"scheduler=plateau with patience={scheduler.patience}", scheduler.patience + 2
    elif scheduler is not None and type(scheduler).observe is not Scheduler.observe:
        yield f"scheduler {type(scheduler).__name__}", 1
    if task.averaging is None or task.averaging.average.begun:
        return
    rule = task.averaging.average.rule
    if isinstance(rule, TriggeredAverage):
        trial = TriggeredAverage(patience=rule.patience)
        soonest = next(n for n in count(1) if trial.begins(float(n)))  # if each is worse than the one before
        yield f"averaging=triggered with patience={rule.patience}", soonest
    else:
        yield f"averaging {type(rule).__name__}", 1
