"""Formats numbers and lists for sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lmlab.metric_spec import PERPLEXITY, exp
from lmlab.runs.statistics import Estimate
from lmlab.runs.summary import BITS


def number(value: float) -> str:
    """Formats a value in nats or bits with four decimals, as in the tables."""
    return f"{value:.4f}"


def perplexity(nats: float) -> str:
    """Formats the perplexity for some nats per token: 6.508, or 12,345.678."""
    return PERPLEXITY.shown(exp(nats))


def count(value: float) -> str:
    """Formats a count: 12,345."""
    return f"{value:,.0f}" if math.isfinite(value) else "-"


def listing(items: Sequence[str], most: int = 3) -> str:
    """Joins items: `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`."""
    if len(items) > most + 1:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]])) if items else ""


def plural(size: int, noun: str) -> str:
    """Formats a number of things: `1 run`, `2 runs`."""
    return f"{size:,} {noun}{'' if size == 1 else 's'}"


def unit(metric: str | None) -> str:
    """Returns the unit of a metric by which runs are ranked."""
    return "bits per character" if metric == BITS else "nats per token"


def measured(value: Estimate, metric: str | None) -> str:
    """Formats a value: `1.8730 ± 0.0147 nats per token (perplexity 6.508)`; bits per character have no perplexity."""
    width = "" if value.half_width is None else f" ± {number(value.half_width)}"
    suffix = "" if metric == BITS else f" (perplexity {perplexity(value.mean)})"
    return f"{number(value.mean)}{width} {unit(metric)}{suffix}"


def occurrences(least: int, most: int | None) -> str:
    """Formats a range of occurrences: ``never``, ``1 to 9``, ``1,000 or more`` (with `most` None)."""
    if most == 0:
        return "never"
    return f"{least:,}" + ("" if least == most else " or more" if most is None else f" to {most:,}")


def sentence(text: str) -> str:
    """Returns a text with a capital at its beginning, unless that is a name in code, and a full stop at its end."""
    text = text.strip()
    word = text.partition(" ")[0].rstrip(".,:;?!").replace("-", "")
    begun = text[:1].upper() + text[1:] if word.isalpha() else text
    return begun + ("" if text.endswith((".", "?", "!")) else ".")


def baseline_words(name: str) -> str:
    """Returns a baseline's name in words: `a 5-gram model (Kneser-Ney)` for `kneser_ney_5`."""
    order = name.removeprefix("kneser_ney_")
    return f"a {name} model" if order == name else f"a {order}-gram model (Kneser-Ney)"


def is_number(text: str) -> bool:
    """Returns whether a setting's value is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
