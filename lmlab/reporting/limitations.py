"""The limitations of a comparison: what must not be concluded from it."""

from __future__ import annotations

from lmlab.metric_spec import compact
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.formatting import listing
from lmlab.reporting.settings import is_number
from lmlab.reporting.tables import ENOUGH_SEEDS
from lmlab.runs.summary import BITS

# Larger ratios of parameters or tokens are reported.
_UNEQUAL = 1.01
# From this ratio on, a model may be better because of its size alone.
MUCH_LARGER = 1.1
# From this number of conditions on, the best one is reported to look better than on another validation text.
_MANY = 5
_NOT_GENERAL = "Anything about other texts, sizes or lengths of training: there the {} may be another."


def edges(comparison: Comparison) -> list[str]:
    """Returns in words each setting whose best value is the largest or smallest of three or more numbers tried.

    A smallest value of 0 (no dropout), or of 1 layer, does not count: no smaller one is possible.
    """
    best = comparison.best
    if best is None:
        return []
    found = []
    for name in comparison.names:
        values = [condition.settings.get(name, "") for condition in comparison.conditions]
        if not all(is_number(value) for value in values):
            continue
        tried, value = sorted({float(v) for v in values}), float(best.settings[name])
        at_the_end = value == tried[0] and (value == 0 or (value == 1 and name.endswith("num_layers")))
        if len(tried) < 3 or value not in (tried[0], tried[-1]) or at_the_end:
            continue
        word = "smallest" if value == tried[0] else "largest"
        found.append(f"{name} {best.settings[name]} is the {word} of {len(tried)} values")
    return found


def fewest_seeds(comparison: Comparison) -> int:
    """Returns the number of repetitions of the condition that has the fewest."""
    return min((len(condition.runs) for condition in comparison.conditions), default=0)


def spread(comparison: Comparison, metric: str) -> tuple[float, float] | None:
    """Returns the smallest and largest value of a metric among the finished runs; None if they are about equal.

    Numbers of tokens are only compared if the tokens themselves are the same, that is, if the vocabulary is.
    """
    if metric == "num_train_tokens" and comparison.metric == BITS:
        return None
    values = [value for record in comparison.finished if (value := record.metric(metric)) is not None and value > 0]
    if not values or max(values) <= _UNEQUAL * min(values):
        return None
    return min(values), max(values)


def limitations(comparison: Comparison) -> list[str]:
    """Returns a sentence for each conclusion that the comparison does not support.

    Args:
        comparison: with at least one finished run.
    """
    found: list[str] = []
    several = len(comparison.conditions) > 1
    if comparison.metric is None:
        return [_NOT_GENERAL.format("order")]
    if comparison.metric == BITS:
        found.append(
            "Which model has the lower perplexity: their tokens are not the same, so perplexities do not compare."
        )
    if several and fewest_seeds(comparison) < ENOUGH_SEEDS:
        found.append("What small differences mean: not every setting was run with three seeds or more.")
    if not several and fewest_seeds(comparison) < ENOUGH_SEEDS:
        found.append("How much another seed would change the figure: that takes three runs or more.")
    sizes = spread(comparison, "num_parameters")
    if several and sizes is not None and sizes[1] / sizes[0] >= MUCH_LARGER:
        least, most = map(compact, sizes)
        found.append(f"Which kind of model is better at equal size: they have {least} to {most} parameters.")
    tokens = spread(comparison, "num_train_tokens")
    if several and tokens is not None:
        least, most = map(compact, tokens)
        found.append(f"Which is better after equal training: they read {least} to {most} tokens.")
    at_edge = edges(comparison)
    if at_edge:
        found.append(f"What lies beyond the values tried: {listing(at_edge)}.")
    if len(comparison.conditions) >= _MANY:
        found.append(
            f"How good the best really is: it was picked from {len(comparison.conditions)} by the same validation "
            "text, which flatters it a little; its test figure was not used for picking."
        )
    return [*found, _NOT_GENERAL.format("order" if several else "figure")]
