"""Figures as files."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import pytest
from nasty_data import FOREIGN, MATHS, curve

from lmlab.reporting.figures.data import Figure
from lmlab.reporting.figures.learning import learning_curves
from lmlab.reporting.figures.saving import png, save, svg


def made(title: str = "Title") -> Figure:
    return learning_curves(curve("validation"), curve("training"), title=title)


def test_the_same_data_give_the_same_bytes() -> None:
    assert png(made()) == png(made())
    assert svg(made()) == svg(made())
    assert png(made("other")) != png(made())
    assert svg(made("other")) != svg(made())


def test_a_figure_may_be_saved_twice() -> None:
    figure = made()
    assert svg(figure) == svg(figure)
    assert png(figure) == png(figure)


def test_png_is_wide_enough_to_be_read() -> None:
    content = png(made())
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">I", content[16:20])[0] == 1080


@pytest.mark.parametrize("title", [MATHS, FOREIGN, '<script>alert(1)</script> & "quotes"'])
def test_svg_is_well_formed_and_needs_no_font(title: str) -> None:
    text = svg(made(title)).decode("utf-8")
    tree = ElementTree.fromstring(text)
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert "path" in tags
    assert not tags & {"text", "script", "image"}
    assert "<script" not in text
    assert made(title).alt in "".join(tree.itertext())


def test_no_date_and_no_version_is_written() -> None:
    for content in (png(made()), svg(made())):
        assert matplotlib.__version__.encode() not in content
        assert b"<dc:date>" not in content


def test_both_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    paths = save(made(), tmp_path / "figures", "curves")
    assert [path.name for path in paths] == ["curves.png", "curves.svg"]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["curves.png", "curves.svg"]
    assert paths[0].read_bytes() == png(made())
    assert paths[1].read_bytes() == svg(made())
