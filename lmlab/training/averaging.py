"""Averages the weights over optimizer steps; validation and best.ckpt then use the average."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter


class AveragingRule(ABC):
    """Determines when averaging begins, and the share of the newest weights in the average."""

    @abstractmethod
    def begins(self, nats_per_token: float | None) -> bool:
        """Returns whether averaging begins.

        Args:
            nats_per_token: the result of an evaluation; None in the call before the first step.
        """

    @abstractmethod
    def share(self, count: int) -> float:
        """Returns the share of the newest weights if `count` weights have been averaged before; 1 for the first."""

    def state_dict(self) -> dict[str, Any]:
        """Returns the state that an interrupted run needs to continue."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Restores the state."""


class ExponentialMovingAverage(AveragingRule):
    """Averages from the first step on: average = d average + (1 - d) weights, with d = min(decay, (1 + n) / (10 + n)).

    The smaller d in the first steps n reduces the influence of the random initial weights.

    Args:
        decay: share of the previous average.

    Source: Polyak & Juditsky 1992 for averaging; the early decay as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, *, decay: float) -> None:
        self.decay = decay

    def begins(self, nats_per_token: float | None) -> bool:
        """Returns True: averaging begins at the first step."""
        return True

    def share(self, count: int) -> float:
        """Returns 1 - d."""
        return 1.0 if count == 0 else 1 - min(self.decay, (1 + count) / (10 + count))


class TriggeredAverage(AveragingRule):
    """Computes the plain mean of the weights of all steps after validation has stopped improving.

    Averaging begins at the first evaluation that is worse than the best of the earlier ones, not counting the last
    `patience` of these.

    Args:
        patience: n, number of evaluations.

    Source: Merity et al. 2018, Regularizing and Optimizing LSTM Language Models, algorithm 1 (NT-ASGD; any optimizer).
    """

    def __init__(self, *, patience: int) -> None:
        self.patience = patience
        self.history: list[float] = []

    def begins(self, nats_per_token: float | None) -> bool:
        """Returns True if validation has stopped improving."""
        if nats_per_token is None:
            return False
        earlier = self.history[: max(0, len(self.history) - self.patience)]
        self.history.append(nats_per_token)
        return bool(earlier) and nats_per_token > min(earlier)

    def share(self, count: int) -> float:
        """Returns 1 / (count + 1)."""
        return 1 / (count + 1)

    def state_dict(self) -> dict[str, Any]:
        """Returns the evaluations so far."""
        return {"history": list(self.history)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the evaluations."""
        self.history = list(state["history"])


class WeightAverage:
    """An average of parameters, stored in addition to the parameters.

    Args:
        rule: determines when averaging begins, and the shares.
    """

    def __init__(self, rule: AveragingRule) -> None:
        self.rule = rule
        self.count = 0
        self.begun = rule.begins(None)
        self.from_step: int | None = 0 if self.begun else None
        self._average: list[Tensor] = []
        self._trained: list[Tensor] = []

    @property
    def is_in(self) -> bool:
        """Whether the average is in the place of the parameters."""
        return bool(self._trained)

    def forget(self) -> None:
        """Starts anew."""
        self.count, self._average = 0, []

    @torch.no_grad()
    def update(self, parameters: Iterable[Parameter]) -> None:
        """Adds the weights after an optimizer step to the average, if averaging has begun."""
        if not self.begun:
            return
        weights = [p.detach() for p in parameters]
        if self.count == 0:
            self._average = [w.clone() for w in weights]
        else:
            torch._foreach_lerp_(self._average, weights, self.rule.share(self.count))
        self.count += 1

    def observe(self, nats_per_token: float, step: int) -> None:
        """Begins averaging if the rule says so for this result of an evaluation, made after `step` optimizer steps."""
        if not self.begun and self.rule.begins(nats_per_token):
            self.begun, self.from_step = True, step

    @torch.no_grad()
    def swap_in(self, parameters: Iterable[Parameter]) -> None:
        """Replaces the parameters by their average, if there is one, and keeps a copy of them."""
        if self.count == 0 or self._trained:
            return
        listed = list(parameters)
        self._trained = [p.detach().clone() for p in listed]
        for parameter, average in zip(listed, self._average, strict=True):
            parameter.copy_(average)

    @torch.no_grad()
    def swap_out(self, parameters: Iterable[Parameter]) -> None:
        """Restores the parameters that `swap_in` replaced."""
        if not self._trained:
            return
        for parameter, weight in zip(parameters, self._trained, strict=True):
            parameter.copy_(weight)
        self._trained = []

    def state_dict(self) -> dict[str, Any]:
        """Returns the state that an interrupted run needs to continue."""
        return {
            "count": self.count,
            "begun": self.begun,
            "from_step": self.from_step,
            "average": [a.clone() for a in self._average],
            "rule": self.rule.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the average."""
        self.count, self.begun, self.from_step = state["count"], state["begun"], state["from_step"]
        self._average = list(state["average"])
        self.rule.load_state_dict(state["rule"])

    def to(self, device: torch.device) -> None:
        """Moves the average to the device of the parameters."""
        self._average = [a.to(device) for a in self._average]
