"""Learning rates over a run, as factors of the optimizer's own.

Each is called with the number of optimizer steps done and gives the factor for the next one. Epochs are counted in
steps: epoch e begins at step e * steps_per_epoch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar


class Scheduler(ABC):
    """The learning rate over a run, as a factor of the optimizer's own.

    To write your own, subclass it with a constructor that takes the keywords `total_steps` and `steps_per_epoch`, in
    optimizer steps, which lmlab passes, and the keys of its YAML file. A scheduler that remembers evaluations returns
    them in `state_dict`. `lmlab.testing.check_scheduler` checks its factors and that it can be restored.

    Attributes:
        depends_on_length: whether the factors depend on the length of the run, so that a run cannot be made longer.
    """

    depends_on_length: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Returns the factor of the next step, 0 or more.

        Args:
            step: optimizer steps done.
        """

    def observe(self, nats_per_token: float) -> None:  # noqa: B027  (most schedulers look at no evaluation)
        """Receives the result of an evaluation; the next call may return another factor for the same step."""

    def state_dict(self) -> dict[str, Any]:
        """Returns the state that an interrupted run needs to continue: plain numbers, text and lists of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Restores the state."""


class Constant(Scheduler):
    """The factor 1.

    Args:
        total_steps: optimizer steps of the whole run.
        steps_per_epoch: optimizer steps of an epoch.
    """

    def __init__(self, *, total_steps: int, steps_per_epoch: int) -> None:
        self.total_steps = total_steps

    def __call__(self, step: int) -> float:
        """Returns the factor for a step, counted from 0."""
        return 1.0


class Cosine(Scheduler):
    """Increases the rate linearly (warm-up), then decreases it along half a cosine.

    With w warm-up steps of N: (t + 1) / w for t < w, then f + (1 - f) (1 + cos(pi (t - w) / (N - w))) / 2.

    Args:
        total_steps: N, optimizer steps of the whole run; later steps keep the last factor.
        steps_per_epoch: optimizer steps of an epoch.
        warmup_steps: w, number of warm-up steps.
        final_fraction: f, the factor at the end.

    Source: Loshchilov & Hutter 2017, SGDR, equation 5 without restarts.
    """

    depends_on_length = True

    def __init__(self, *, total_steps: int, steps_per_epoch: int, warmup_steps: int, final_fraction: float) -> None:
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.final_fraction = final_fraction

    def __call__(self, step: int) -> float:
        """Returns the factor for a step, counted from 0."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        share = min(1.0, (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps))
        return _half_cosine(1.0, self.final_fraction, share)


class OneCycle(Scheduler):
    """Increases a small rate to the optimizer's, then decreases it to nearly 0, each along half a cosine.

    With N steps and a peak at p = rise N - 1: from 1 / d at step 0 to 1 at step p, then to 1 / (d e) at step N - 1.
    Momentum is unchanged.

    Args:
        total_steps: N, optimizer steps of the whole run; later steps keep the last factor.
        steps_per_epoch: optimizer steps of an epoch.
        rise_fraction: rise, the share of the steps in which the rate increases.
        initial_divisor: d, divisor of the rate at the start.
        final_divisor: e, the start's factor divided by the end's.

    Source: Smith & Topin 2018, Super-Convergence; the curve of `torch.optim.lr_scheduler.OneCycleLR`.
    """

    depends_on_length = True

    def __init__(
        self,
        *,
        total_steps: int,
        steps_per_epoch: int,
        rise_fraction: float,
        initial_divisor: float,
        final_divisor: float,
    ) -> None:
        self.last = max(1, total_steps - 1)
        # With a peak at the very first step there would be no step in which to rise.
        self.peak = min(max(0.0, rise_fraction * total_steps - 1), float(self.last))
        self.initial = 1 / initial_divisor
        self.final = self.initial / final_divisor

    def __call__(self, step: int) -> float:
        """Returns the factor for a step, counted from 0."""
        if step <= self.peak and self.peak > 0:
            return _half_cosine(self.initial, 1.0, step / self.peak)
        if self.last == self.peak:
            return 1.0
        return _half_cosine(1.0, self.final, min(1.0, (step - self.peak) / (self.last - self.peak)))


class Exponential(Scheduler):
    """Multiplies the rate by gamma at the end of each epoch: gamma ** max(0, epochs done - start_epoch).

    Args:
        total_steps: optimizer steps of the whole run.
        steps_per_epoch: optimizer steps of an epoch.
        gamma: the factor per epoch.
        start_epoch: the first multiplication takes place one epoch after this number of epochs.

    Source: with start_epoch=3 and gamma=0.5 the schedule of the small model of Zaremba et al. 2014, Recurrent Neural
    Network Regularization.
    """

    def __init__(self, *, total_steps: int, steps_per_epoch: int, gamma: float, start_epoch: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.gamma = gamma
        self.start_epoch = start_epoch

    def __call__(self, step: int) -> float:
        """Returns the factor for a step, counted from 0."""
        return float(self.gamma ** max(0, step // self.steps_per_epoch - self.start_epoch))


class Step(Scheduler):
    """Multiplies the rate by gamma at given epochs: gamma ** (number of them that are done).

    Args:
        total_steps: optimizer steps of the whole run.
        steps_per_epoch: optimizer steps of an epoch.
        epochs: the epochs after which the rate changes; fractions fall within an epoch.
        gamma: the factor of each change.
    """

    def __init__(self, *, total_steps: int, steps_per_epoch: int, epochs: Sequence[float], gamma: float) -> None:
        self.epochs = list(epochs)
        self.steps = [round(epoch * steps_per_epoch) for epoch in epochs]
        self.gamma = gamma

    def __call__(self, step: int) -> float:
        """Returns the factor for a step, counted from 0."""
        return float(self.gamma ** sum(step >= at for at in self.steps))


class Plateau(Scheduler):
    """Multiplies the rate by gamma whenever validation has not improved for more than `patience` evaluations.

    An evaluation is an improvement if it is lower than the best before it by more than `min_improvement`. After a
    reduction the count of evaluations starts again from 0; the best is kept.

    Args:
        total_steps: optimizer steps of the whole run.
        steps_per_epoch: optimizer steps of an epoch.
        gamma: the factor of a reduction.
        patience: number of evaluations without improvement that are tolerated.
        min_improvement: in nats per token.
        min_fraction: lower limit of the factor.

    Source: `torch.optim.lr_scheduler.ReduceLROnPlateau` with an absolute threshold.
    """

    def __init__(
        self,
        *,
        total_steps: int,
        steps_per_epoch: int,
        gamma: float,
        patience: int,
        min_improvement: float,
        min_fraction: float,
    ) -> None:
        self.gamma = gamma
        self.patience = patience
        self.min_improvement = min_improvement
        self.min_fraction = min_fraction
        self.factor = 1.0
        self.best = math.inf
        self.waited = 0
        self.num_reductions = 0

    def __call__(self, step: int) -> float:
        """Returns the factor after the evaluations so far."""
        return self.factor

    def observe(self, nats_per_token: float) -> None:
        """Receives the result of an evaluation."""
        if nats_per_token < self.best - self.min_improvement:
            self.best, self.waited = nats_per_token, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.waited = 0
            self.num_reductions += 1
            self.factor = max(self.min_fraction, self.factor * self.gamma)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state that an interrupted run needs to continue."""
        return {name: getattr(self, name) for name in ("factor", "best", "waited", "num_reductions")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the state."""
        for name, value in state.items():
            setattr(self, name, value)


def _half_cosine(start: float, end: float, share: float) -> float:
    """Returns the value of half a cosine from `start` at share 0 to `end` at share 1."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
