"""Finds learning rate schedules that the run ends before."""

from __future__ import annotations

from collections.abc import Iterator

from lmlab.diagnostics.rules import Diagnostic, noted
from lmlab.runs.formatting import listing, plural
from lmlab.training.schedulers import Cosine, Exponential, Scheduler, Step


def cut_schedules(scheduler: Scheduler | None, steps: int) -> list[Diagnostic]:
    """Returns a diagnostic for each part of a schedule that comes after the run's last step.

    Args:
        scheduler: the run's; one that is not lmlab's own is not judged.
        steps: optimizer steps of the whole run.
    """
    length = plural(steps, "step")
    return [noted("schedule-cut", part=part, steps=length, effect=effect) for part, effect in _cut(scheduler, steps)]


def _cut(scheduler: Scheduler | None, steps: int) -> Iterator[tuple[str, str]]:
    """Yields what the run does not reach, and what that means."""
    if isinstance(scheduler, Cosine) and scheduler.warmup_steps >= steps:
        reached = (
            "rises all the time and never falls"
            if scheduler.warmup_steps == steps
            else f"rises all the time and ends at {steps / scheduler.warmup_steps:.3g} of optimizer.lr"
        )
        yield f"scheduler.warmup_steps={scheduler.warmup_steps}", f"So the learning rate {reached}."
    if isinstance(scheduler, Exponential) and (scheduler.start_epoch + 1) * scheduler.steps_per_epoch >= steps:
        yield f"the first change of the learning rate (epoch {scheduler.start_epoch + 1})", "So it never changes."
    if isinstance(scheduler, Step):
        late = [f"{epoch:g}" for epoch, at in zip(scheduler.epochs, scheduler.steps, strict=True) if at >= steps]
        if late:
            effect = "never changes" if len(late) == len(scheduler.epochs) else "is not changed there"
            yield f"{listing(late)} in scheduler.epochs", f"So the learning rate {effect}."
