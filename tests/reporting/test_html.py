"""The page as a browser gets it: whole, safe, readable without seeing it, and equal to the summaries."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lmlab.reporting.html import SURPRISE, _surprise
from made_sweeps import evaluations, made_run, resolved

from lmlab.reporting.report import TABLES, write_report
from lmlab.reporting.report_figures import FIGURES
from lmlab.runs.discovery import find_records

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)> & "quotes" {{ 7*7 }} {% raw %}'
VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Elements with their attributes, and the text; complains of what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def history(best: float) -> list[dict[str, float]]:
    rows = evaluations([best + 0.5, best, best + 0.2], [2.5, 1.5, 1.0], val__error_rate=0.5, grad_norm=0.7)
    return [{**row, "tokens": 100.0 * row["step"], "seconds": 2.0 * row["step"]} for row in rows]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "text-lstm" / "2026-01-01"
    for number, (size, nats) in enumerate([(8, 2.25), (16, 1.75), (32, 2.0)]):
        sample = {"step": 30, "epoch": 3, "prompt": "<b>The", "text": f"{EVIL} {size}", "temperature": 0.8}
        analysis = {
            "passage": {"tokens": [["<i>", 0.1], [EVIL, 9.0], ["\n", 2.0]]},
            "temperatures": [{"temperature": t, "prompt": "", "text": EVIL, "distinct_2": 0.5 + t} for t in (0, 1)],
            "predictions": {
                "prompt": "<pe",
                "checkpoints": [{"name": "step-000010", "step": 10, "next": [[EVIL, 0.5]]}],
            },
        }
        made_run(
            folder / f"{number}_hidden-{size}",
            [f"model.hidden_size={size}"],
            config=resolved(model__hidden_size=size),
            history=history(nats),
            samples=[sample],
            analysis=analysis,
            val__nats_per_token=nats,
            val__perplexity=math.exp(nats),
            num_parameters=1000 * size,
        )
    (folder / "sweep.json").write_text("{}")
    return folder


def written(runs: Path, folder: Path, **more: Any) -> tuple[Page, str]:
    write_report(find_records(str(runs), output_dir="outputs"), folder, along="tokens", **more)
    html = (folder / "index.html").read_text(encoding="utf-8")
    return Page(html), html


def test_the_page_is_whole_and_needs_no_network(sweep: Path, tmp_path: Path) -> None:
    page, html = written(sweep, tmp_path / "report")
    assert page.elements[0] == ("html", {"lang": "en"})
    for name in ("src", "href", "action", "srcset"):
        for _, attributes in page.elements:
            value = attributes.get(name, "#")
            assert value.startswith(("#", "data:image/svg+xml;base64,"))
    assert "@import" not in html
    assert "url(" not in html
    assert page.all("script") == []
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_whoever_does_not_see_it_can_read_it(sweep: Path, tmp_path: Path) -> None:
    page, _ = written(sweep, tmp_path / "report")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(attributes["href"].removeprefix("#") in ids for attributes in page.all("a"))
    assert all(attributes["aria-labelledby"] in ids for attributes in page.all("section"))
    images = page.all("img")
    assert len(images) >= 4
    assert all(len(attributes["alt"]) > 30 for attributes in images)
    assert any("1.75" in attributes["alt"] for attributes in images)
    # What scrolls can be reached by keyboard and has a name.
    assert all(a.get("tabindex") == "0" and a["aria-label"] for a in page.all("div") if a.get("class") == "scroll")
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))


def test_nothing_from_a_corpus_or_a_sample_becomes_markup(sweep: Path, tmp_path: Path) -> None:
    page, html = written(sweep, tmp_path / "report")
    assert "<script" not in html
    assert "<i>" not in html
    assert "<b>" not in html
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert page.text.count(EVIL) >= 3  # as text it is there, letter by letter


def test_the_numbers_are_those_of_the_summaries(sweep: Path, tmp_path: Path) -> None:
    page, _ = written(sweep, tmp_path / "report")
    for nats in (2.25, 1.75, 2.0):
        assert f"{nats:.4f}" in page.text
        assert f"{math.exp(nats):,.3f}" in page.text
    # Whoever reads the page alone knows which is best and by how much.
    assert "Best of 3 settings: “hidden_size 16”, with 1.7500 nats per token (perplexity 5.755)" in page.text
    assert "0.2500 nats per token" in page.text
    best = next(i for i, (tag, a) in enumerate(page.elements) if tag == "tr" and a.get("class") == "best")
    assert [tag for tag, _ in page.elements[best + 1 : best + 3]] == ["td", "th"]  # the place, and what the row is of


def test_all_files_are_there_and_old_figures_are_not(sweep: Path, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "heat_map.png").write_bytes(b"of an earlier report")
    own = {"notes.txt", "photo.png"}
    for name in own:
        (folder / "figures" / name).write_text("the user's own")
    written(sweep, folder)
    names = {path.name for path in folder.iterdir()}
    assert names == {"index.html", "report.md", "figures", *TABLES}
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert "heat_map.png" not in figures
    assert own <= figures
    stems = {name.rpartition(".")[0] for name in figures - own}
    assert stems <= set(FIGURES)
    assert stems >= {"curves", "parameter", "gap", "learning_curves", "error_rate", "gradient_norm", "temperatures"}
    assert figures - own == {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}
    linked = re.findall(r"\(<(figures/[^>]+)>\)", (folder / "report.md").read_text(encoding="utf-8"))
    assert {Path(path).stem for path in linked} == stems


def test_runs_with_little_left_make_a_page_as_well(tmp_path: Path) -> None:
    made_run(tmp_path / "a", status="failed", error="memory: out of memory")
    made_run(tmp_path / "b", status="missing", history=evaluations([3.0, 2.5]))
    for runs, words in ((tmp_path / "a", "This run failed: memory"), (tmp_path / "b", "2.5000"), (tmp_path, "None")):
        page, _ = written(runs, tmp_path / f"report-{runs.name}")
        assert words in page.text


def test_a_page_that_will_be_written_again_says_so(sweep: Path, tmp_path: Path) -> None:
    words = "jobs are still running"
    assert words in written(sweep, tmp_path / "report", watching=True)[0].text
    assert words not in written(sweep, tmp_path / "report")[0].text


def test_surprise_grows_with_smaller_probability() -> None:
    found = [_surprise(-math.log(p)) for p in (1.0, 0.51, 0.49, 0.11, 0.09, 0.011, 0.009, 0.0011, 0.0009, 1e-300)]
    assert found == ["s0", "s0", "s1", "s1", "s2", "s2", "s3", "s3", "s4", "s4"]
    assert _surprise(1e6) == SURPRISE[-1][0]


def test_the_training_curve_says_dropout_is_on_only_where_it_is(tmp_path: Path) -> None:
    for name, dropout in (("with", 0.5), ("without", 0.0)):
        made_run(tmp_path / name, config=resolved(model__dropout=dropout), history=history(2.0))
        written(tmp_path / name, tmp_path / f"report-{name}")
        text = (tmp_path / f"report-{name}" / "report.md").read_text(encoding="utf-8")
        assert ("with dropout on" in text) == (dropout > 0)
