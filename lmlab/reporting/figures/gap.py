"""Training against validation loss of several conditions: which of them overfitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from lmlab.reporting.figures.axes import sensible_view
from lmlab.reporting.figures.data import Figure, finite
from lmlab.reporting.figures.labels import beyond, brief, empty_figure, few, finish, number, shortened, wrapped
from lmlab.reporting.figures.style import MUTED, PAPER, TRAINING_LOOK, VALIDATION_LOOK, canvas, styled

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
    def pairs(self) -> list[tuple[float | None, float | None]]:
        """Training and validation loss at the best and at the last evaluation."""
        return [(self.best_training, self.best_validation), (self.last_training, self.last_validation)]

    @property
    def words(self) -> str:
        """Both validation losses and what is wrong."""
        last = [f"last {number(value)}" for value in finite([self.last_validation])]
        return "\n".join([f"best {number(self.best_validation or 0.0)}", *last, shortened(self.kind, 1.2)]).strip()


@styled()
def generalization_gap(gaps: Sequence[GeneralizationGap]) -> Figure:
    """Draws a line from training to validation loss for each of at most 25 conditions, at two evaluations."""
    known = [gap for gap in gaps if finite([gap.best_validation])]
    shown = sorted(known, key=lambda gap: gap.best_validation or 0.0)[:MOST_SETTINGS]
    if not shown:
        return empty_figure("Training against validation loss", "No evaluation left a finite number.")
    drawing, (axes,) = canvas(1.1 + 0.56 * len(shown))
    view = sensible_view(value for gap in shown for pair in gap.pairs for value in pair)
    axes.set(xlim=view, ylim=(len(shown) - 0.5, -0.5), xlabel="loss, nats per token")
    axes.locator_params(axis="x", nbins=5)
    axes.set_yticks(range(len(shown)), labels=[wrapped(gap.label, 1.9) for gap in shown])
    axes.grid(True, axis="x")
    for place, gap in enumerate(shown):
        _draw(axes, place, gap, view.high)
    for look, name in ((TRAINING_LOOK, "training"), (VALIDATION_LOOK, "validation")):
        for face, when in ((look.colour, "best"), (PAPER, "last")):
            axes.plot([], [], look.marker, color=look.colour, mfc=face, label=f"{name}, {when} evaluation")
    drawing.legend(loc="outside upper left", ncols=2, handletextpad=0.1, columnspacing=1)
    notes = [f"The best {len(shown)} of {len(known)} settings."] if len(shown) < len(known) else []
    every = [(gap.label, value) for gap in gaps for pair in gap.pairs for value in pair if value is not None]
    notes += beyond(every, max([view.high, *finite(gap.best_validation for gap in known[len(shown) :])]))
    told = few([f"{brief(gap.label)} {' '.join(gap.words.split())}" for gap in shown])
    return finish(drawing, f"Validation loss, nats per token, the best setting first: {told}.", notes)


def _draw(axes: Axes, place: int, gap: GeneralizationGap, high: float) -> None:
    for pair, y, last in zip(gap.pairs, (place - 0.13, place + 0.13), (False, True), strict=True):
        axes.plot(finite(pair), [y] * len(finite(pair)), color=MUTED, linewidth=1.2 if last else 3, alpha=0.6)
        for value, look in zip(pair, (TRAINING_LOOK, VALIDATION_LOOK), strict=True):
            for x in finite([value]):
                face, inside = PAPER if last else look.colour, min(x, high)
                axes.plot([inside], [y], look.marker, color=look.colour, mfc=face, markersize=7, clip_on=False)
    weight, beside = "bold" if gap.kind else "normal", axes.get_yaxis_transform()
    axes.text(1.03, place, gap.words, transform=beside, va="center", size=9, weight=weight, linespacing=1.05)
