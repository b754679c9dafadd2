"""Everything that is said aloud of a comparison, what matters most first."""

from __future__ import annotations

from lmlab.reporting.caution import Caution
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.comparison_cautions import comparison_cautions
from lmlab.reporting.curve_cautions import curve_cautions
from lmlab.reporting.run_cautions import run_cautions

# In this order; within a level what is not named comes last.
_LEVELS = ("alarm", "warning", "note")
_ORDER = (
    "different-text", "different-vocabulary", "below-source", "leak", "non-finite", "failed", "unfinished", "seeds",
    "overfitting", "failed-optimisation", "unsteady", "baseline", "edge", "training-text", "training-tokens",
    "steps", "parameters", "unknown-words", "unknown-in-bits", "glove-coverage", "clipping", "still-falling",
    "last-worse", "repeated", "precision", "machines", "versions", "other",
)  # fmt: skip


def cautions(comparison: Comparison) -> tuple[Caution, ...]:
    """The cautions that apply, each kind once.

    Args:
        comparison: of one run or many.
    """
    found = [*comparison_cautions(comparison), *curve_cautions(comparison), *run_cautions(comparison)]
    return tuple(sorted(found, key=lambda caution: (_LEVELS.index(caution.level), _ORDER.index(caution.kind))))
