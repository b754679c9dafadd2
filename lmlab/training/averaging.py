"""Averages of the weights over optimizer steps; validation and best.ckpt then use the average."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter


class AveragingRule(ABC):
    """When averaging begins, and how much of the average the newest weights make up."""

    @abstractmethod
    def begins(self, nats_per_token: float | None) -> bool:
        """Returns whether averaging begins.

        Args:
            nats_per_token: None before the first step, then the result of each evaluation.
        """

    @abstractmethod
    def share(self, count: int) -> float:
        """Returns the share of the newest weights where `count` were averaged before; 1 for the first."""

    def state_dict(self) -> dict[str, Any]:
        """Returns what an interrupted run needs to go on."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Restores the state."""


class ExponentialMovingAverage(AveragingRule):
    """From the first step on: average = d average + (1 - d) weights, with d = min(decay, (1 + n) / (10 + n)).

    The smaller d of the first steps n keeps the random start from lingering.

    Args:
        decay: of the weights before.

    Source: Polyak & Juditsky 1992 for averaging; the early decay as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, *, decay: float) -> None:
        self.decay = decay

    def begins(self, nats_per_token: float | None) -> bool:
        """At once."""
        return True

    def share(self, count: int) -> float:
        """1 - d."""
        return 1.0 if count == 0 else 1 - min(self.decay, (1 + count) / (10 + count))


class TriggeredAverage(AveragingRule):
    """The plain mean of the weights of all steps after validation has stalled.

    It begins at the first evaluation that is worse than the best of all but the last `patience` before it.

    Args:
        patience: n.

    Source: Merity et al. 2018, Regularizing and Optimizing LSTM Language Models, algorithm 1 (NT-ASGD; any optimizer).
    """

    def __init__(self, *, patience: int) -> None:
        self.patience = patience
        self.history: list[float] = []

    def begins(self, nats_per_token: float | None) -> bool:
        """When validation stalls."""
        if nats_per_token is None:
            return False
        earlier = self.history[: len(self.history) - self.patience]
        self.history.append(nats_per_token)
        return bool(earlier) and nats_per_token > min(earlier)

    def share(self, count: int) -> float:
        """1 / (count + 1)."""
        return 1 / (count + 1)

    def state_dict(self) -> dict[str, Any]:
        """The evaluations so far."""
        return {"history": list(self.history)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the evaluations."""
        self.history = list(state["history"])


class WeightAverage:
    """An average of parameters beside the parameters.

    Args:
        rule: when it begins, and its shares.
    """

    def __init__(self, rule: AveragingRule) -> None:
        self.rule = rule
        self.count = 0
        self.begun = rule.begins(None)
        self.from_step: int | None = 0 if self.begun else None
        self._average: list[Tensor] = []
        self._trained: list[Tensor] = []

    @torch.no_grad()
    def update(self, parameters: Iterable[Parameter]) -> None:
        """Adds the weights after an optimizer step, where averaging has begun."""
        if not self.begun:
            return
        weights = [p.detach() for p in parameters]
        if self.count == 0:
            self._average = [w.clone() for w in weights]
        else:
            torch._foreach_lerp_(self._average, weights, self.rule.share(self.count))
        self.count += 1

    def observe(self, nats_per_token: float, step: int) -> None:
        """Takes an evaluation's result, after `step` optimizer steps."""
        if not self.begun and self.rule.begins(nats_per_token):
            self.begun, self.from_step = True, step

    @torch.no_grad()
    def swap_in(self, parameters: Iterable[Parameter]) -> None:
        """Puts the average in the parameters' place, where there is one."""
        if self.count == 0 or self._trained:
            return
        listed = list(parameters)
        self._trained = [p.detach().clone() for p in listed]
        for parameter, average in zip(listed, self._average, strict=True):
            parameter.copy_(average)

    @torch.no_grad()
    def swap_out(self, parameters: Iterable[Parameter]) -> None:
        """Puts the weights being trained back."""
        if not self._trained:
            return
        for parameter, weight in zip(parameters, self._trained, strict=True):
            parameter.copy_(weight)
        self._trained = []

    def state_dict(self) -> dict[str, Any]:
        """What an interrupted run needs to go on."""
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
        """Moves the average to where the parameters are."""
        self._average = [a.to(device) for a in self._average]
