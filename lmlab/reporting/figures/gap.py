"""Training against validation loss of several conditions: which of them overfitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmlab.reporting.figures.data import Figure, finite
from lmlab.reporting.figures.labels import empty_figure, finish
from lmlab.reporting.figures.ranges import sensible_view
from lmlab.reporting.figures.style import BEST, BLUE, MUTED, PAPER, canvas, styled
from lmlab.reporting.figures.text import beyond, brief, few, number, shortened, wrapped

MOST_SETTINGS = 25


@dataclass(frozen=True)
class GeneralizationGap:
    """Losses of a condition at its best and its last evaluation, any of which may be unknown, and what is wrong."""

    label: str
    best_training: float | None
    best_validation: float | None
    last_training: float | None
    last_validation: float | None
    kind: str = ""

    @property
    def marks(self) -> list[tuple[float | None, float, bool, bool]]:
        """Each loss with its place below the setting's, whether it is of validation, and whether it is the last."""
        best = [(self.best_training, -0.13, False, False), (self.best_validation, -0.13, True, False)]
        return [*best, (self.last_training, 0.13, False, True), (self.last_validation, 0.13, True, True)]


@styled()
def generalization_gap(gaps: Sequence[GeneralizationGap]) -> Figure:
    """Draws a line from training to validation loss for each of at most 25 conditions, at two evaluations."""
    known = [gap for gap in gaps if finite([gap.best_validation])]
    shown = sorted(known, key=lambda gap: gap.best_validation or 0.0)[:MOST_SETTINGS]
    if not shown:
        return empty_figure("Training against validation loss", "No evaluation left a finite number.")
    drawing, (axes,) = canvas(1.1 + 0.56 * len(shown))
    view = sensible_view(value for gap in shown for value, *_ in gap.marks)
    axes.set(xlim=view, ylim=(len(shown) - 0.5, -0.5), xlabel="loss, nats per token")
    axes.locator_params(axis="x", nbins=5)
    axes.set_yticks(range(len(shown)), labels=[wrapped(gap.label, 1.9) for gap in shown])
    axes.grid(True, axis="x")
    told = []
    for place, gap in enumerate(shown):
        for part, thick in ((gap.marks[:2], 3.0), (gap.marks[2:], 1.2)):
            ends = finite(value for value, *_ in part)
            axes.plot(ends, [place + part[0][1]] * len(ends), color=MUTED, linewidth=thick, alpha=0.6)
        for value, below, validation, last in gap.marks:
            colour = BLUE if validation else BEST
            face = PAPER if last else colour
            at = [min(x, view.high) for x in finite([value])]
            axes.plot(at, [place + below] * len(at), "so"[validation], color=colour, mfc=face, ms=7, clip_on=False)
        words = [
            f"{when} {number(x)}" for when, x in (("best", gap.best_validation), ("last", gap.last_validation)) if x
        ]
        words = [*words, *([shortened(gap.kind, 1.2)] if gap.kind else [])]
        look = {"size": 9, "weight": "bold" if gap.kind else "normal", "linespacing": 1.05}
        axes.text(1.03, place, "\n".join(words), transform=axes.get_yaxis_transform(), va="center", **look)
        told.append(f"{brief(gap.label)} {' '.join(words)}")
    for colour, marker, name in ((BEST, "s", "training"), (BLUE, "o", "validation")):
        for face, when in ((colour, "best"), (PAPER, "last")):
            axes.plot([], [], marker, color=colour, mfc=face, ms=7, label=f"{name}, {when} evaluation")
    drawing.legend(loc="outside upper left", ncols=2, handletextpad=0.1, columnspacing=1)
    notes = [f"The best {len(shown)} of {len(known)} settings."] if len(shown) < len(known) else []
    notes += beyond([(gap.label, x) for gap in shown for x, *_ in gap.marks if x is not None], view.high)
    return finish(drawing, f"Validation loss, nats per token, the best setting first: {few(told)}.", notes)
