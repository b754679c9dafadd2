"""A report as a whole: what is where, that no text is markup, and that runs of every kind make one."""

from __future__ import annotations

import csv
import html
import json
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import markdown
import pytest
from made_reports import EVIL, Page, compared, jobs, with_all_figures
from made_sweeps import evaluations, made_job, made_run, resolved, write_history

from lmlab.diagnostics.diagnose import of_comparison
from lmlab.diagnostics.rules import RULES
from lmlab.reporting.report import TABLES, write_report
from lmlab.reporting.report_figures import FIGURES
from lmlab.runs.discovery import find_records

PLACES = ("results", "cautions", "texts", "figures", "setup", "methods")
BANDS = [{"from": 0, "to": 0, "tokens": 5, "nats_per_token": 9.0}, {"from": 1, "tokens": 9, "nats_per_token": 1.0}]


class Report:
    """A written report of all runs below a folder."""

    def __init__(self, runs: Path, folder: Path, **more: Any) -> None:
        self.comparison = compared(runs)
        self.verdict = write_report(find_records(str(runs), output_dir="o"), folder, along="tokens", **more)
        self.folder, self.html = folder, (folder / "index.html").read_text(encoding="utf-8")
        self.page = Page(self.html)
        self.markdown = (folder / "report.md").read_text(encoding="utf-8")
        self.rendered = markdown.markdown(self.markdown, extensions=["tables", "fenced_code"])

    @property
    def sections(self) -> list[str]:
        return [attributes["id"] for attributes in self.page.all("section")]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A sweep whose settings, samples, names, errors and analysis are written by somebody who means harm."""
    for number, nats in enumerate((2.25, 1.75, 2.0)):
        analysis = {
            "passage": {"tokens": [["<i>", 0.1], [EVIL, 9.0], ["\n", 2.0]]},
            "temperatures": [{"temperature": t, "prompt": EVIL, "text": EVIL, "distinct_2": 0.5} for t in (0, 1)],
            "predictions": {"prompt": EVIL, "checkpoints": [{"name": EVIL, "step": 10, "next": [[EVIL, 0.5]]}]},
            "frequency_bands": BANDS,
        }
        odd = {"device": EVIL, "precision": EVIL, "versions": {EVIL: EVIL}, "architecture": [{"part": EVIL}]}
        odd |= {"val__baselines": {EVIL: 1.0}, "metrics": {"x": {"label": EVIL, "unit": EVIL, "added": True}}}
        odd |= {"diagnostics": [{"kind": EVIL, "level": "warning", "text": EVIL, "values": {"text": EVIL}}]}
        made_run(
            tmp_path / "runs" / f"{number}_job",
            [f"data.prompts={EVIL} {number}"],
            config=resolved(tokenizer___target_=EVIL, optimizer__lr=EVIL),
            history=evaluations([3.0, nats, nats + 0.2], [2.5, 1.5, 1.0], val__error_rate=0.5, tokens=5.0),
            samples=[{"step": 1, "prompt": EVIL, "text": EVIL, "valid": False, "leaves": len(EVIL) + 5}],
            analysis=analysis, val__nats_per_token=nats, val__x=1.0, name=EVIL, **odd,
        )  # fmt: skip
    made_job(tmp_path / "runs", 3, [f"{EVIL}=1"], status="failed", error=EVIL)
    return tmp_path / "runs"


def test_no_text_becomes_markup(hostile: Path, tmp_path: Path) -> None:
    report = Report(hostile, tmp_path / "report")
    page = report.page
    assert page.text.count(EVIL) >= 20  # as text it is there, letter by letter
    assert not {"script", "i", "iframe", "object", "form"} & {tag for tag, _ in page.elements}
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    # The samples are marked from where they leave the language on.
    marked = re.findall(r"<mark[^>]*>(.*?)</mark>", report.html)
    assert [html.unescape(text) for text in marked] == [EVIL[5:]] * 3
    code = re.compile(r"<code[^>]*>.*?</code>", re.DOTALL)
    tags = set(re.findall(r"<\s*/?(\w+)", code.sub("", report.rendered)))
    assert tags <= {
        "h1", "h2", "p", "ul", "li", "strong", "em", "table", "thead", "tbody", "tr", "th", "td", "img", "a", "pre",
        "code",
    }  # fmt: skip
    assert all(src.startswith("figures/") for src in re.findall(r'src="(.*?)"', report.rendered))
    assert html.unescape(code.sub("", report.rendered)).count("alert(") >= 10


def test_the_page_is_whole_needs_no_network_and_can_be_read_without_seeing_it(hostile: Path, tmp_path: Path) -> None:
    report = Report(hostile, tmp_path / "report")
    page, ids = report.page, [a["id"] for _, a in report.page.elements if "id" in a]
    assert page.elements[0] == ("html", {"lang": "en"})
    addresses = [
        a[name] for _, a in page.elements for name in ("src", "href", "action", "srcset", "poster") if name in a
    ]
    assert all(value.startswith(("#", "data:image/svg+xml;base64,")) for value in addresses)
    assert not re.search(r"@import|url\(", report.html)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert len(ids) == len(set(ids))
    assert all(a["href"].removeprefix("#") in ids for a in page.all("a"))
    images = page.all("img")
    assert len(images) >= 4
    assert all(len(a["alt"]) > 30 and int(a["width"]) and int(a["height"]) for a in images)
    # What scrolls can be reached by keyboard and has a name.
    assert all(a.get("tabindex") == "0" and a["aria-label"] for a in page.all("div") if "scroll" in a.get("class", ""))
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert (headings[0], headings.count(1)) == (1, 1)
    assert all(b - a <= 1 for a, b in pairwise(headings))


# What is where


def places(report: Report) -> list[int]:
    """Where the headline, the first figure and the sections begin, in the order in which they should come."""
    found = [report.html.index('class="headline"'), report.html.find("<figure ")]
    return found + [report.html.find(f'<section id="{name}"') for name in PLACES]


def test_the_order_is_the_same_for_every_report(hostile: Path, tmp_path: Path) -> None:
    with_all_figures(tmp_path / "all")
    made_run(tmp_path / "one" / "run", config=resolved(), history=evaluations([2.0, 1.5], [2.0, 1.5]))
    made_run(tmp_path / "failed" / "run", status="failed", error="x")
    for runs in (hostile, tmp_path / "all", tmp_path / "one", tmp_path / "failed"):
        report = Report(runs, tmp_path / f"report-{runs.name}")
        known = [place for place in places(report) if place >= 0]
        assert known == sorted(known)
        assert {"results", "methods"} <= set(report.sections)
        links = [a["href"] for a in report.page.all("a") if a["href"] != "#main"]
        assert links == [f"#{name}" for name in report.sections]
        assert html.unescape(report.html).index(report.verdict.headline) < places(report)[2]


def test_a_section_is_there_if_and_only_if_it_has_contents(tmp_path: Path) -> None:
    sample = {"step": 1, "text": "abc", "prompt": "p"}
    cases: dict[str, tuple[dict[str, Any], set[str]]] = {
        "nothing": ({}, set()),
        "texts": ({"samples": [sample]}, {"texts"}),
        "passage": ({"analysis": {"passage": {"tokens": [["a", 1.0]]}}}, {"texts"}),
        "temperatures": ({"analysis": {"temperatures": [{"temperature": 1.0, "text": "abc"}]}}, {"texts"}),
        "predictions": ({"analysis": {"predictions": {"checkpoints": [{"name": "b", "next": []}]}}}, {"texts"}),
        "caution": ({"val__unk_rate": 0.5}, {"cautions"}),
        "figure": ({"history": evaluations([2.0, 2.0], [2.0, 2.0])}, {"figures"}),
        "bins": ({"analysis": {"frequency_bands": BANDS[:1]}}, {"figures"}),
    }
    for name, (given, expected) in cases.items():
        made_run(tmp_path / name / "run", **given)
        report = Report(tmp_path / name, tmp_path / f"report-{name}")
        assert set(report.sections) - {"results", "setup", "methods"} == expected, name
        assert ("## Cautions" in report.markdown) == ("cautions" in expected), name
    for number in range(2):
        made_job(tmp_path / "failed", number, [f"a={number}"], status="failed", error="x")
    report = Report(tmp_path / "failed", tmp_path / "report")
    assert report.sections == ["results", "cautions", "methods"]
    assert "does not show" not in report.html


def test_every_diagnostic_is_told_once_and_no_other(hostile: Path, tmp_path: Path) -> None:
    with_all_figures(tmp_path / "all")
    for number, unknown in enumerate((0.02, 0.5)):
        made_job(tmp_path / "bits", number, [f"tokenizer={number}"], fingerprint=str(number), val__unk_rate=unknown)
    for runs in (hostile, tmp_path / "all", tmp_path / "bits"):
        report = Report(runs, tmp_path / f"report-{runs.name}")
        found = of_comparison(report.comparison)
        assert len(found) >= 3
        told = re.findall(r"<summary><b>(Alarm|Warning|Note): (.*?)</b>", report.html)
        expected = [(diagnostic.level.capitalize(), diagnostic.rule.title) for diagnostic in found]
        assert [(level, html.unescape(title)) for level, title in told] == expected
        listed = re.findall(r"^- \*\*(Alarm|Warning|Note): (.*?)\.\*\*", report.markdown, re.MULTILINE)
        assert [(level, html.unescape(title)) for level, title in listed] == expected
        others = {rule.title for rule in RULES.values()} - {title for _, title in expected}
        assert not [title for title in others if f"<b>Warning: {title}" in report.html]
        # Alarms are open, the others folded.
        opened = [a["class"].split()[-1] for a in report.page.all("details") if "open" in a]
        assert opened == ["alarm"] * sum(level == "Alarm" for level, _ in expected)


def test_the_best_row_is_marked_only_where_there_is_a_best(tmp_path: Path) -> None:
    jobs(tmp_path / "ranked", {"a": [2.0], "b": [1.0]})
    for number, text in enumerate("ab"):
        made_job(tmp_path / "texts", number, [f"data={text}"], text_fingerprint=text, fingerprint=text)
    for runs, marked in (("ranked", 1), ("texts", 0)):
        page = Report(tmp_path / runs, tmp_path / f"report-{runs}").page
        assert sum(a.get("class") == "best" for a in page.all("tr")) == marked


def test_settings_are_in_words_and_only_those_that_are_on(tmp_path: Path) -> None:
    layers = [
        {"part": "embedding", "input": 11, "output": 6, "parameters": 66, "trained": False},
        {"part": "LSTM"},
    ]
    more = {"architecture": layers, "num_parameters": 12411, "vocabulary_size": 66, "vector_coverage": 0.875}
    off = {"trainer__max_steps": -1, "trainer__gradient_clip_val": None, "model__locked_dropout": False}
    config = resolved(model__weight_dropout=0.3, optimizer__lr=0.005, data__path="/far/away/book.txt", **off)
    made_run(tmp_path / "one" / "run", config=config, wall_seconds=1234.4, **more)
    report = Report(tmp_path / "one", tmp_path / "report")
    for cells in (
        "embedding (frozen) | 11 | 6 | 66", "LSTM | – | – | –", "all | – | – | 12,411", "learning rate | 0.005",
        "dropout of hidden-to-hidden weights | 0.3", "optimizer | adam", "vocabulary (tokens) | 66",
        "words with a GloVe vector | 87.5%", "wall time (s) | 1,234", "precision of training | float32",
    ):  # fmt: skip
        assert f"| {cells} |" in report.markdown
    for words in (
        "_target_",
        "lmlab.",
        "torch.",
        "steps at most",
        "| -1 |",
        "clipped at",
        "locked",
        "| false |",
        "null",
    ):
        assert words not in report.markdown.replace("lmlab.evaluate", "")
    made_run(tmp_path / "two" / "a", config=config)
    made_run(tmp_path / "two" / "b", config=resolved(optimizer__lr=0.5))
    shared = Report(tmp_path / "two", tmp_path / "report").markdown.partition("## Settings that all runs share")[2]
    assert "optimizer | adam" in shared
    assert not re.search(r"\| learning rate|wall time|hidden-to-hidden", shared)


def test_the_table_of_texts_has_the_last_sample_of_each_setting_after_each_prompt(tmp_path: Path) -> None:
    prompts = ["The ", "", "A "]
    for number in range(4):
        samples = [
            {"step": 20, "prompt": p, "text": f"{p}{number}!"} for p in (prompts if number != 1 else prompts[:2])
        ]
        words = [f"a={number // 2}", f"seed={number % 2}"]
        old = [{**sample, "step": 10, "text": "old"} for sample in samples]
        made_run(tmp_path / f"{number}_job", words, samples=old + samples, val__nats_per_token=2.0 - number / 4)
    report = Report(tmp_path, tmp_path / "report")
    fences = re.findall(r"```text\n(.*?)\n```", report.markdown, re.DOTALL)
    assert fences == [f"{p}{p}{first}!" for p in prompts for first in (2, 0)]  # the best first
    cells = re.search(r'<table class="texts">(.*?)</table>', report.html, re.DOTALL)
    assert cells is not None
    shown = "".join(Page(cells[1]).text.split())
    assert shown == "After“The”WithoutapromptAfter“A”a1TheThe2!2!AA2!a0TheThe0!0!AA0!"


# Runs of every kind


def mixed(folder: Path) -> Path:
    """Jobs of a sweep that ended in every way, and runs that stand beside it."""
    for number, summary in enumerate(
        ({}, {"val__nats_per_token": None}, {"status": "failed", "error": "x"}, {"status": "interrupted"},
         {"status": "missing"}, {"partial": {"train": {"batches": 1, "of": 9}}}, {"status": "of a newer lmlab"})
    ):  # fmt: skip
        job = made_job(folder / "sweep", number, [f"a={number}"], **summary)
        if number % 2 == 0:
            write_history(job, evaluations([2.0, 1.5], [2.0, 1.5]))
    (folder / "sweep" / "9_empty").mkdir()
    (folder / "sweep" / "sweep.json").write_text(json.dumps({"swept": {"a": 12}}))
    whole = made_run(folder / "whole", config=resolved(), history=evaluations([2.0]), samples=[{"text": "a"}])
    (whole / "exhibits.json").write_bytes(b"\x00")
    (whole / "samples.jsonl").write_text('{"te')
    made_run(folder / "foreign", accuracy=1.0, status=3)
    (made_run(folder / "empty", history=evaluations([2.0])) / "metrics.csv").write_text("step,val/nats_per_token\n")
    endless = [
        {"step": 1, "epoch": math.inf, "val/nats_per_token": math.inf},
        {"step": 2, "val/nats_per_token": math.nan},
    ]
    made_run(folder / "endless", history=endless, status="interrupted")
    return folder


def test_runs_of_every_kind_make_a_report_together_and_alone(tmp_path: Path) -> None:
    runs = mixed(tmp_path / "runs")
    report = Report(runs, tmp_path / "report")
    assert {path.name for path in report.folder.iterdir()} == {"index.html", "report.md", "figures", *TABLES}
    assert len(report.comparison.records) == 12
    with (report.folder / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 12
    for folder in (*(runs / "sweep").glob("*_job"), *runs.iterdir()):
        alone = Report(folder, tmp_path / f"report-{folder.name}")
        assert alone.verdict.headline in html.unescape(alone.html)


def test_old_figures_are_replaced_and_other_files_left(tmp_path: Path) -> None:
    with_all_figures(tmp_path / "runs")
    folder = tmp_path / "report" / "figures"
    folder.mkdir(parents=True)
    own = {"notes.txt", "photo.png"}
    for name in (*own, "heat_map.png", "curves.svg", "metric_old.png"):
        (folder / name).write_text("of before")
    report = Report(tmp_path / "runs", tmp_path / "report")
    names = {path.name for path in folder.iterdir()}
    stems = {Path(name).stem for name in names - own}
    assert own <= names
    assert {"curves", "parameter", "learning_curves"} <= stems - {"metric_brier"} <= set(FIGURES) - {"heat_map"}
    assert names - own == {f"{stem}{ending}" for stem in stems for ending in (".png", ".svg")}
    assert (folder / "curves.svg").read_text() != "of before"
    assert {a["id"].removeprefix("figure-") for a in report.page.all("figure")} == stems
    assert {Path(path).stem for path in re.findall(r"\]\((figures/.*?)\)", report.markdown)} == stems


def test_a_page_that_will_be_written_again_says_so(tmp_path: Path) -> None:
    made_run(tmp_path / "runs" / "run")
    for watching in (True, False):
        page = Report(tmp_path / "runs", tmp_path / "report", watching=watching).page
        assert ("jobs are still running" in page.text) == watching


OF_OTHERS = [{"kind": "overfitting", "level": "loud", "text": "", "values": {}}]
LAYERS = [{}, {"part": None, "input": "x", "parameters": math.nan}]
ODD: dict[str, Mapping[str, Any]] = {
    "no numbers": dict.fromkeys(("val__nats_per_token", "val__perplexity", "best_epoch", "num_parameters")),
    "huge numbers": {"val__nats_per_token": 1e308, "test__nats_per_token": -1e308, "num_parameters": 10**400},
    "negative": {"val__nats_per_token": -5.0, "val__bits_per_char": 0.0, "best_epoch": -1, "wall_seconds": -3},
    "tables": {"samples": {"language": 3, "uniformity": "x"}, "versions": {"torch": [1]}, "architecture": LAYERS},
    "baselines": {"val__baselines": {"": None, "x": "y", "z": 1.0}, "test__baselines": {}, "val__by_length": {"1": 3}},
    "metrics": {"metrics": {"x": 3, "<b>": {}, "y": {"format": "%", "added": True}}, "val__x": 1.0, "val__y": 1},
    "long": {"name": "n" * 200, "device": "d" * 2000, f"val__{'f' * 200}": 1.0},
    "diagnostics": {"diagnostics": OF_OTHERS, "warnings": [""]},
}


@pytest.mark.parametrize("odd", ODD)
def test_summaries_that_the_schema_allows_make_a_report(tmp_path: Path, odd: str) -> None:
    for number in range(4):
        history = evaluations([2.0, math.inf, 1e300], [2.0, -1.0, math.nan]) if number % 2 else ()
        given = ODD[odd] if number else {}
        job = made_job(tmp_path / "sweep", number, [f"a={number // 2}", f"seed={number % 2}"], **given)
        if history:
            write_history(job, history)
        Report(job, tmp_path / f"report-{number}")
    assert Report(tmp_path / "sweep", tmp_path / "report").comparison.finished


def test_many_runs_make_a_report(tmp_path: Path) -> None:
    prompts = [{"step": 1, "prompt": f"prompt {i}", "text": "a"} for i in range(30)]
    for number in range(60):
        size, model, lr = number % 5, "abc"[number % 3], number % 4
        words = [f"model.hidden_size={8 << size}", f"model={model}{'x' * 200}", f"optimizer.lr={10**-lr}"]
        more = {"history": evaluations([3.0, 2.0 + size / 10 + lr / 5]), "samples": prompts}
        made_run(tmp_path / "sweep" / f"{number}_job", words, val__nats_per_token=2 + size, **more)
    report = Report(tmp_path / "sweep", tmp_path / "report")
    assert report.verdict.headline.startswith("The best of 60 settings is")
    assert {"effects", "ranking", "curves"} <= {a["id"].removeprefix("figure-") for a in report.page.all("figure")}
    assert "And 20 more" in report.page.text
