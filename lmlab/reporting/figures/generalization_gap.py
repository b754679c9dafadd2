"""Training against validation loss of several conditions: which of them overfitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from lmlab.reporting.figures.axes import View, finite, number, results_view
from lmlab.reporting.figures.data import Figure
from lmlab.reporting.figures.layout import Layout, Row, below, empty_figure, name_axes, numbered, set_ticks
from lmlab.reporting.figures.style import GRID, INK, MUTED, PAPER, SMALL, TRAINING_STROKE, VALIDATION_STROKE, styled
from lmlab.reporting.figures.text import brief, shortened, widest, wrapped

MOST_SETTINGS = 25
_LABELS, _VERDICTS = 2.2, 1.5  # inches
_BEST, _LAST = 0.13, 0.36  # places of the two lines of a setting, inches from its top
_ROW = 0.56


@dataclass(frozen=True)
class GeneralizationGap:
    """Training and validation loss of a condition at two evaluations; any of them may be unknown.

    Args:
        label: of the condition.
        training_at_best: the training loss at the evaluation with the best validation loss.
        validation_at_best: the best validation loss.
        training_at_end: the training loss at the last evaluation.
        validation_at_end: the validation loss at the last evaluation.
        verdict: what is wrong in a word or two, such as `overfitting`; empty if nothing is.
    """

    label: str
    training_at_best: float | None
    validation_at_best: float | None
    training_at_end: float | None
    validation_at_end: float | None
    verdict: str = ""

    @property
    def rise(self) -> float | None:
        """Increase of the validation loss from the best to the last evaluation; None if unknown."""
        if self.validation_at_best is None or self.validation_at_end is None:
            return None
        return self.validation_at_end - self.validation_at_best


@styled()
def generalization_gap(
    gaps: Sequence[GeneralizationGap],
    *,
    unit: str = "nats a token",
    title: str = "Training and validation loss, at the best and the last evaluation",
) -> Figure:
    """Draws for each condition a line from training to validation loss, at the best and at the last evaluation.

    Args:
        gaps: one for each condition; sorted by best validation loss in the figure.
        unit: of the loss.
        title: of the figure.
    """
    known = sorted(
        (gap for gap in gaps if finite([gap.validation_at_best])), key=lambda gap: gap.validation_at_best or 0.0
    )
    if not known:
        return empty_figure(title, "No evaluation left a finite number.")
    shown = known[:MOST_SETTINGS]
    view = results_view(value for gap in shown for _, *ends in _lines(gap) for value in ends)
    names = [wrapped(gap.label, _LABELS, SMALL, lines=2) for gap in shown]
    sides = [_side_text(gap) for gap in shown]
    left = max(0.35, 0.2 + widest([line for name in names for line in name.split("\n")], SMALL))
    right = 0.2 + widest([line for side in sides for line in side], SMALL, bold=True)
    key = [(TRAINING_STROKE, "training (dropout on, average since the last evaluation)")]
    key += [(VALIDATION_STROKE, "validation")]
    layout = Layout(title, [Row(_ROW * len(shown), above=0.05, below=below())], _notes(gaps, known, shown, view), key)
    axes = layout.axes(0, left=left, right=right)
    axes.set_xlim(view.low, view.high)
    axes.set_ylim(_ROW * len(shown), 0)
    axes.spines["left"].set_visible(False)
    numbered(axes, "x", view.low, view.high, most=5)
    set_ticks(axes, "y", [(i + 0.45) * _ROW for i in range(len(shown))], names, points=SMALL)
    axes.tick_params(axis="y", pad=72 * (left - 0.1))
    for tick in axes.get_yticklabels():
        tick.set(ha="left", color=INK)
    name_axes(axes, x=f"loss, {unit}")
    for place, (gap, side) in enumerate(zip(shown, sides, strict=True)):
        _draw_setting(axes, place * _ROW, gap, side, view)
    return layout.finish(_described(known, unit))


def _lines(gap: GeneralizationGap) -> list[tuple[float, float | None, float | None]]:
    """Returns vertical position, training loss and validation loss of both lines."""
    return [
        (_BEST, gap.training_at_best, gap.validation_at_best),
        (_LAST, gap.training_at_end, gap.validation_at_end),
    ]


def _side_text(gap: GeneralizationGap) -> tuple[str, str]:
    """Returns the texts to the right of both lines."""
    best = f"best {number(gap.validation_at_best or 0.0)}"
    if gap.rise is None or gap.validation_at_end is None:
        return best, shortened(gap.verdict, _VERDICTS, SMALL, bold=True)
    end = f"last {number(gap.validation_at_end)}"
    return best, f"{end} {shortened(gap.verdict, _VERDICTS, SMALL, bold=True)}".strip()


def _draw_setting(axes: Axes, top: float, gap: GeneralizationGap, side: tuple[str, str], view: View) -> None:
    axes.axhline(top, color=GRID, linewidth=0.8, zorder=0.5)
    for (offset, training, validation), text, faint in zip(_lines(gap), side, (False, True), strict=True):
        y = top + offset
        both = [value for value in (training, validation) if value is not None and math.isfinite(value)]
        if len(both) == 2:
            axes.plot(both, [y, y], color=MUTED, linewidth=1.2 if faint else 3, alpha=0.7, zorder=2)
        for value, stroke in ((training, TRAINING_STROKE), (validation, VALIDATION_STROKE)):
            if value is None:
                continue
            beyond = not math.isfinite(value) or value > view.high
            axes.plot(
                [view.high if beyond else value],
                [y],
                marker=">" if beyond else stroke.marker,
                markersize=6 if faint else 8,
                markerfacecolor=PAPER if faint else stroke.colour,
                markeredgecolor=stroke.colour,
                markeredgewidth=1.5,
                clip_on=False,
                zorder=3,
            )
        axes.annotate(
            text,
            (1, y),
            (9, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=INK,
            fontweight="bold" if faint and gap.verdict else "normal",
        )


def _notes(
    gaps: Sequence[GeneralizationGap],
    known: Sequence[GeneralizationGap],
    shown: Sequence[GeneralizationGap],
    view: View,
) -> list[str]:
    notes = [
        "Filled: at the best evaluation; hollow: at the last. A model overfits where its hollow validation mark lies "
        "right of the filled one while training goes left. Dropout makes training look worse than it is."
    ]
    if any((value or 0.0) > view.high for gap in shown for _, *ends in _lines(gap) for value in ends):
        notes.append("▶ beyond the picture.")
    if len(shown) < len(known):
        notes.append(f"The best {len(shown)} of {len(known)} settings.")
    if len(known) < len(gaps):
        notes.append(f"Without a result: {len(gaps) - len(known)}.")
    return notes


def _described(gaps: Sequence[GeneralizationGap], unit: str) -> str:
    best = gaps[0]
    parts = [
        f"Training against validation loss of {len(gaps)} settings, {unit}: best validation "
        f"{number(best.validation_at_best or 0.0)} for {brief(best.label)}."
    ]
    worst = max(gaps, key=lambda gap: gap.rise or 0.0)
    if worst.rise and worst.rise > 0:
        parts.append(f"Validation rose most after its best for {brief(worst.label)}: by {number(worst.rise)}.")
    warned = [f"{brief(gap.label)} ({brief(gap.verdict)})" for gap in gaps if gap.verdict]
    if warned:
        parts.append(f"Marked: {', '.join(warned[:6])}{f' and {len(warned) - 6} more' if len(warned) > 6 else ''}.")
    return " ".join(parts)
