"""Training against validation loss of several conditions: which of them overfitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmlab.reporting.figures.data import Figure, finite, sensible_view
from lmlab.reporting.figures.labels import empty_figure, finish
from lmlab.reporting.figures.style import BEST, BLUE, MUTED, PAPER, canvas, styled
from lmlab.reporting.figures.text import beyond, brief, few, number, shortened, wrapped


@dataclass(frozen=True)
class GeneralizationGap:
    """Losses of a condition at its best and its last evaluation, any of which may be unknown, and what is wrong."""

    label: str
    best_training: float | None
    best_validation: float | None
    last_training: float | None
    last_validation: float | None
    kind: str = ""


@styled()
def generalization_gap(gaps: Sequence[GeneralizationGap]) -> Figure:
    """Draws a line from training to validation loss for each of at most 25 conditions, at two evaluations."""
    known = [gap for gap in gaps if finite([gap.best_validation])]
    shown = sorted(known, key=lambda gap: gap.best_validation or 0.0)[:25]
    if not shown:
        return empty_figure("Training against validation loss", "No evaluation left a finite number.")
    drawing, (axes,) = canvas(1.3 + 0.58 * len(shown))
    view = sensible_view(value for gap in shown for value in _losses(gap))
    axes.set(xlim=view, ylim=(len(shown) - 0.5, -0.5), xlabel="loss, nats per token")
    axes.locator_params(axis="x", nbins=5)
    axes.set_yticks(range(len(shown)), labels=[wrapped(gap.label, 1.9) for gap in shown])
    axes.grid(True, axis="x")
    told = []
    for place, gap in enumerate(shown):
        for pair, last in ((_losses(gap)[:2], False), (_losses(gap)[2:], True)):
            y = place + 0.13 * (1 if last else -1)
            axes.plot(finite(pair), [y] * len(finite(pair)), color=MUTED, linewidth=1.2 if last else 3, alpha=0.6)
            for x, colour, marker in zip(pair, (BEST, BLUE), "so", strict=True):
                for at in finite([x and min(x, view.high)]):  # an empty line would take room
                    axes.plot(at, y, marker, color=colour, mfc=PAPER if last else colour, markersize=7, clip_on=False)
        words = [f"best {number(x)}" for x in finite([gap.best_validation])]
        words += [f"last {number(x)}" for x in finite([gap.last_validation])]
        words += [shortened(gap.kind, 1.2)] if gap.kind else []
        text = axes.text(1.03, place, "\n".join(words), transform=axes.get_yaxis_transform(), va="center", size=9)
        text.set(weight="bold" if gap.kind else "normal", linespacing=1.05)
        told.append(f"{brief(gap.label)} {' '.join(words)}")
    for colour, marker, name in ((BEST, "s", "training"), (BLUE, "o", "validation")):
        for face, when in ((colour, "best"), (PAPER, "last")):
            axes.plot([], [], marker, color=colour, mfc=face, ms=7, label=f"{name}, {when} evaluation")
    drawing.legend(loc="outside upper left", ncols=2, handletextpad=0.1, columnspacing=1)
    notes = [f"The best {len(shown)} of {len(known)} settings."] if len(shown) < len(known) else []
    notes += beyond([(gap.label, x) for gap in shown for x in _losses(gap) if x is not None], view.high)
    return finish(drawing, f"Validation loss, nats per token, the best setting first: {few(told)}.", notes)


def _losses(gap: GeneralizationGap) -> list[float | None]:
    return [gap.best_training, gap.best_validation, gap.last_training, gap.last_validation]
