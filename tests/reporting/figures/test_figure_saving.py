"""Figures as files."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import pytest
from figure_cases import NASTY, ORDINARY, learning
from figure_checks import rendered
from nasty_data import FOREIGN, MATHS, curve

from lmlab.reporting.figures.style import save


@pytest.mark.parametrize("name", ORDINARY)
def test_the_same_data_give_the_same_bytes(name: str) -> None:
    one, other = ORDINARY[name].make(), ORDINARY[name].make()
    assert rendered(one, "svg") == rendered(other, "svg") == rendered(one, "svg")
    png = rendered(one, "png")
    assert png == rendered(other, "png")
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">I", png[16:20])[0] == 1160


@pytest.mark.parametrize("label", [MATHS, FOREIGN, '<script>alert(1)</script> & "quotes"'])
def test_svg_is_well_formed_and_needs_no_font(label: str) -> None:
    figure = learning(curve(label))
    text = rendered(figure, "svg").decode("utf-8")
    tree = ElementTree.fromstring(text)
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert "path" in tags
    assert not tags & {"text", "script", "image"}
    assert "<script" not in text
    assert figure.alt in "".join(tree.itertext())


def test_no_date_and_no_version_is_written() -> None:
    for kind in ("png", "svg"):
        content = rendered(NASTY["one point"](), kind)
        assert matplotlib.__version__.encode() not in content
        assert b"<dc:date>" not in content


def test_both_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    figure = learning(curve("a"))
    paths = save(figure, tmp_path / "figures", "curves")
    assert [path.name for path in paths] == ["curves.png", "curves.svg"]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["curves.png", "curves.svg"]
    assert paths[0].read_bytes() == rendered(figure, "png")
