"""Numbers and names as texts of figures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from lmlab.reporting.figures.data import Result
from lmlab.reporting.figures.style import FONT, SMALL

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_DRAWABLE = frozenset(get_font(findfont(FONT)).get_charmap())


def number(value: float, digits: int = 4) -> str:
    """Formats a number with some decimals, fewer for large numbers."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    digits = max(0, digits - sum(abs(value) >= limit for limit in (10, 100, 1_000, 10_000)))
    text = f"{value:.2e}" if abs(value) >= 1e7 or 0 < abs(value) < 1e-3 else f"{value:,.{digits}f}"
    return text.replace("-", "−")


def measured(result: Result, digits: int = 4) -> str:
    """Formats a result: 1.2345, or 1.2345 ± 0.0067."""
    return number(result.mean, digits) + (f" ± {number(result.half_width, digits)}" if result.half_width else "")


def listed(values: Iterable[tuple[str, str]], most: int = 6) -> str:
    """Returns names with their values in a line; those that are too many are counted."""
    parts = [f"{brief(name)}: {value}" for name, value in values]
    return "; ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")


def beyond(values: Iterable[tuple[str, float]], high: float) -> list[str]:
    """Returns a note on names with a value above the range or with none that is a number; empty if there are none."""
    worst = dict(sorted(values, key=lambda pair: -math.inf if math.isnan(pair[1]) else pair[1]))
    above = [(name, number(value)) for name, value in worst.items() if not value <= high]
    return [f"Not in the picture: {listed(above)}."] if above else []


def brief(text: str) -> str:
    """Returns one line of at most 60 characters, for sentences; unprintable characters are replaced."""
    return _cut("".join(c if c.isprintable() else _UNKNOWN for c in " ".join(text.split())), 60)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"


@lru_cache(maxsize=8192)
def width(text: str, points: float = SMALL) -> float:
    """Returns the width in inches of a line of bold text."""
    font = FontProperties(family=FONT, size=points, weight="bold")
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) / 72 if text else 0.0


def shortened(text: str, room: float, points: float = SMALL) -> str:
    """Returns one line that is no wider than some inches; what is too long loses its middle."""
    whole = _cut(" ".join(text.split()), 300)
    cut = whole = "".join(c if c.isprintable() and ord(c) in _DRAWABLE else _UNKNOWN for c in whole)
    kept = len(whole)
    while kept > 1 and (wide := width(cut, points)) > room:
        kept = max(1, min(kept - 1, int(kept * room / wide) + 1))
        cut = _cut(whole, kept)
    return cut


def wrapped(text: str, room: float, lines: int = 3, points: float = SMALL) -> str:
    """Breaks the text into lines of some inches after commas, at spaces or else within names; it may be shortened."""
    found = [""]
    chunks = re.split(r"(?<=[,;]) ", shortened(text, 0.85 * lines * room, points))
    for word in [word for one in chunks for word in ([one] if width(one, points) <= room else one.split())]:
        parts = [word] if width(word, points) <= room else re.split(r"(?<=[_/=:,])(?=[^\W\d])", word)
        pieces = [piece for part in parts for piece in ([part] if width(part, points) <= room else part)]
        for i, piece in enumerate(pieces):
            longer = found[-1] + " " * (i == 0 and bool(found[-1])) + piece
            found[-1:] = [longer] if width(longer, points) <= room or not found[-1] else [found[-1], piece]
    return "\n".join(found)
