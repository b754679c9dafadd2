"""All diagnostics of a comparison, the most important first."""

from __future__ import annotations

from lmlab.reporting.comparison import Comparison
from lmlab.reporting.comparison_diagnostics import comparison_diagnostics
from lmlab.reporting.curve_diagnostics import curve_diagnostics
from lmlab.reporting.diagnostic import Diagnostic
from lmlab.reporting.run_diagnostics import run_diagnostics

# Diagnostics are sorted by level, then by kind, both in this order.
_LEVELS = ("alarm", "warning", "note")
_ORDER = (
    "damaged", "different-text", "different-vocabulary", "below-source", "leak", "non-finite", "failed", "unfinished",
    "partial", "seeds", "overfitting", "failed-optimisation", "unsteady", "baseline", "edge", "training-text",
    "training-tokens", "steps", "parameters", "unknown-words", "unknown-in-bits", "glove-coverage", "clipping",
    "still-falling", "last-worse", "repeated", "precision", "machines", "versions", "other",
)  # fmt: skip


def diagnostics(comparison: Comparison) -> tuple[Diagnostic, ...]:
    """Returns the diagnostics that apply, each kind once.

    Args:
        comparison: of one run or several.
    """
    found = [*comparison_diagnostics(comparison), *curve_diagnostics(comparison), *run_diagnostics(comparison)]
    return tuple(sorted(found, key=lambda diagnostic: (_LEVELS.index(diagnostic.level), _ORDER.index(diagnostic.kind))))
