"""Text that fits."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lmlab.reporting.figures.style import DPI, styled
from lmlab.reporting.figures.text import brief, clean, height, one_line, shortened, size, wrapped

LONG = "model.hidden_size=512 optimizer.lr=0.00012345 embedding=a_long_name_without_end"


@pytest.mark.parametrize("text", ["a", "Wide WWW", "two\nlines", "g_j|Á", "1.4864 ± 0.0123"])
@pytest.mark.parametrize("bold", [False, True])
def test_measured_is_what_is_drawn(text: str, bold: bool) -> None:
    with styled():
        figure = Figure(figsize=(4, 4), dpi=DPI)
        FigureCanvasAgg(figure)
        drawn = figure.text(0.1, 0.1, text, fontsize=11, fontweight="bold" if bold else "normal")
        figure.canvas.draw()
        box = drawn.get_window_extent()
    assert size(text, 11, bold=bold) == pytest.approx((box.width / DPI, box.height / DPI), abs=0.5 / DPI)


@pytest.mark.parametrize("room", [0.5, 1.0, 1.85, 3.0])
@pytest.mark.parametrize("lines", [1, 2, 3, 99])
@pytest.mark.parametrize("text", [LONG, "x" * 400, "one two three four five six seven", "日本語 " * 30, "a"])
def test_wrapped_text_fits_its_room(text: str, room: float, lines: int) -> None:
    found = wrapped(text, room, lines=lines).split("\n")
    assert len(found) <= lines
    assert all(size(line)[0] <= room + 0.01 for line in found if line)


def test_nothing_is_lost_where_there_is_room() -> None:
    assert "".join(wrapped(LONG, 1.0).split()) == "".join(LONG.split())
    assert wrapped("short", 3.0) == "short"


def test_lines_end_at_spaces_where_that_is_enough_and_numbers_stay_whole() -> None:
    assert wrapped("hidden_size=512 dropout=0.3", 1.4) == "hidden_size=512\ndropout=0.3"
    assert not any(
        line.startswith(("0001", ".", "05")) for line in wrapped("optimizer.lr=0.0001 eps=1e-05", 0.9).split("\n")
    )


def test_shortened_text_keeps_both_ends() -> None:
    short = shortened(LONG, 2.0)
    assert short.startswith("model.")
    assert short.endswith("end")
    assert "…" in short
    assert size(short)[0] <= 2.0


def test_a_tail_stays_whole() -> None:
    for room in (1.0, 1.5, 2.5):
        assert wrapped(LONG, room, lines=2, tail=" 1.2345").endswith("1.2345")


def test_characters_without_a_picture_become_a_mark() -> None:
    assert clean("a\tb\nc  d") == "a b c d"
    assert clean("naïve λ") == "naïve λ"
    assert clean("日\x00\ud800") == "\N{REPLACEMENT CHARACTER}" * 3
    assert one_line("日\x00\nb") == "日\N{REPLACEMENT CHARACTER} b"


def test_brief_is_brief() -> None:
    assert len(brief(LONG * 10)) <= 61
    assert brief("short") == "short"


def test_lines_add_up() -> None:
    assert height(0) == 0
    assert height(1) < height(2) < height(3)
