"""The figures of an evaluation, computed together: lmlab's own metrics and those that a configuration adds."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from lmlab.config import plugins, registry
from lmlab.config.settings import AddedSettings
from lmlab.config.slots import added_slot
from lmlab.data.token_store import TokenStore
from lmlab.errors import UserError
from lmlab.evaluation.metrics import OWN, NatsSum, TokenMetric, text_of
from lmlab.metric_spec import FIGURES, NUM_TOKENS, MetricSpec
from lmlab.models.decoder import OPTIONAL_STATISTICS, TokenStatistics
from lmlab.random_states import isolated_randomness


class Figures(MetricCollection):
    """A collection of metrics, in the order of tables; metrics of the same sums share them.

    Args:
        added: metrics by the name of their figure.

    Attributes:
        specs: the specification of each.
        fields: the optional token statistics that some of them need.
    """

    def __init__(self, added: Mapping[str, Metric] | None = None) -> None:
        own: dict[str, Metric] = {name: metric() for name, metric in OWN.items()}
        count = own.pop(NUM_TOKENS.name)
        made = own | dict(added or {}) | {NUM_TOKENS.name: count}
        shared = [name for name, metric in made.items() if isinstance(metric, NatsSum)]
        # Named, because finding metrics with equal states would wait for the device.
        groups = [shared, *([name] for name in made if name not in shared)]
        super().__init__(made, compute_groups=groups)  # type: ignore[arg-type]
        self.specs = {name: _spec_of(name, metric) for name, metric in made.items()}
        wanted = {field for metric in made.values() for field in _fields(metric)}
        self.fields = tuple(field for field in OPTIONAL_STATISTICS if field in wanted)
        self._has_added = bool(added)

    def stored_specs(self) -> dict[str, dict[str, Any]]:
        """Returns the specifications as summary.json has them; those of added metrics are marked."""
        return {name: spec.stored() | ({} if name in OWN else {"added": True}) for name, spec in self.specs.items()}

    def update(self, statistics: TokenStatistics) -> None:  # type: ignore[override]
        """Adds a batch."""
        with self._guarded():
            super().update(statistics)

    def figures(self, store: TokenStore | None) -> dict[str, Tensor]:
        """Returns the figures by name, summed over processes, as scalars on the device.

        Args:
            store: the split that was evaluated; None if that is unknown.

        Raises:
            UserError: an added metric does not return a number.
        """
        counted = int(self[NUM_TOKENS.name].compute())
        text = text_of(store) if store is not None and store.num_targets == counted else None
        found: dict[str, Tensor] = {}
        with self._guarded():
            for name in self.specs:  # a collection sorts its own items by name
                metric = self[name]
                if isinstance(metric, TokenMetric):
                    metric.text = text
                if text is not None or not getattr(metric, "needs_text", False):
                    found[name] = _scalar(name, metric.compute())
        return found

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Leaves the global random generators as they were where metrics are added, and names one that fails."""
        with isolated_randomness() if self._has_added else nullcontext():
            try:
                yield
            except UserError:
                raise
            except Exception as error:
                name = self._at_fault(error)
                if name is None:
                    raise
                problem = f"failed with {type(error).__name__}: {' '.join(str(error).split())}"
                where = plugins.location_of(error)
                remedy = "correct it (LMLAB_DEBUG=1 shows the traceback)"
                raise UserError(f"metrics.{name}", where, problem, remedy) from error

    def _at_fault(self, error: Exception) -> str | None:
        """Returns the name of the added metric in whose method an error was raised; None if it was in none."""
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        owners = [frame.f_locals.get("self") for frame in reversed(frames)]
        added = {name: self[name] for name in self.specs if name not in OWN}
        return next((name for owner in owners for name, metric in added.items() if metric is owner), None)


def numbers(figures: Mapping[str, Tensor], prefix: str = "") -> dict[str, float]:
    """Returns figures as numbers, counts as integers; waits for the device."""
    return {f"{prefix}{name}": value.item() for name, value in figures.items()}


def build_metrics(added: Mapping[str, AddedSettings]) -> dict[str, Metric]:
    """Makes the metrics that a configuration adds.

    Raises:
        UserError: one cannot be made, has no specification, or has the name of one of lmlab's own figures.
    """
    made: dict[str, Metric] = {}
    for name, settings in added.items():
        field = f"metrics.{name}"
        if name in OWN or name in FIGURES or name in ("baselines", "by_length", "streams"):
            raise UserError(field, None, "is the name of one of lmlab's own figures", "give it another name")
        with isolated_randomness():
            made[name] = registry.make(added_slot("metrics", name), settings)
        _spec_of(name, made[name])
        unknown = sorted(set(_fields(made[name])) - set(OPTIONAL_STATISTICS))
        if unknown:
            remedy = f"the optional token statistics are {', '.join(OPTIONAL_STATISTICS)}"
            raise UserError(field, settings.target, f"its fields have {unknown[0]!r}", remedy)
    return made


def _fields(metric: Metric) -> tuple[str, ...]:
    """The optional token statistics that a metric needs; all of them if it does not say."""
    return tuple(getattr(metric, "fields", OPTIONAL_STATISTICS))


def _spec_of(name: str, metric: Metric) -> MetricSpec:
    """Returns a metric's specification under the name of its figure."""
    spec = getattr(metric, "spec", None)
    if not isinstance(spec, MetricSpec):
        remedy = "give the class an attribute spec = lmlab.MetricSpec(name, unit, format, direction, definition)"
        raise UserError(f"metrics.{name}", type(metric).__name__, "has no specification", remedy)
    # Under another name there may be several of a class, whose columns must be told apart.
    return spec if name == spec.name else dataclasses.replace(spec, name=name, label=f"{spec.words} ({name})")


def _scalar(name: str, value: Any) -> Tensor:
    found = torch.as_tensor(value) if isinstance(value, Tensor | int | float) else None
    if found is None or found.numel() != 1 or found.is_complex():
        what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise UserError(f"metrics.{name}", None, f"its compute returns {what}", "return a scalar tensor")
    return found.detach().reshape(())
