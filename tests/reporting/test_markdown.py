"""report.md, read back as a Markdown renderer reads it."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import markdown
import pytest
from lmlab.reporting.comparison import compare
from lmlab.reporting.diagnostics import diagnostics
from lmlab.reporting.markdown import MOST_ROWS, Linked, escaped, fenced, markdown_report, markdown_table
from lmlab.reporting.report_tables import Table
from made_sweeps import evaluations, made_job, made_run, resolved, write_history

from lmlab.reporting.verdict import verdict
from lmlab.runs.discovery import find_records


def report(folder: Path, **more: Any) -> str:
    comparison = compare(find_records(str(folder), output_dir=str(folder)))
    found = markdown_report(
        comparison, title="Runs", verdict=verdict(comparison), diagnostics=diagnostics(comparison), **more
    )
    assert found.endswith("\n")
    return found


def rendered(text: str) -> str:
    return markdown.markdown(text, extensions=["tables", "fenced_code"])


def plain(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


NASTY = [
    "<script>alert(1)</script>", "a | b", "**bold** _it_ `code` ~~gone~~", "[x](http://y) ![z](w)", "# head", "- item",
    "+ item", "1. item", "2) item", "=== x", "> quote", "&lt; &amp;", "\\*x\\*", "$x^2$", "http://a.b", "me@a.b",
    "snake_case_name __init__", "``` fence", "~~~ fence", "<!-- x -->", "a\nb", "  four   spaces", "---", "***", "-1.5",
    "[^1]: note", "| a |", "0.5", "*", "_", "`", "\\", "a\\",
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY)
def test_no_text_is_markup(text: str) -> None:
    shown = " ".join(text.split())
    for page in (rendered(escaped(text)), rendered(f"- {escaped(text)}"), rendered(f"**{escaped(text)}**")):
        assert plain(page) == shown
        assert not re.search(r"<(?!/?(p|ul|li|strong)>)", page)


@pytest.mark.parametrize("text", NASTY)
def test_no_text_breaks_a_table(text: str) -> None:
    table = Table("T", ("a", "b"), ((text, "x"), ("y", text)), words=1)
    page = rendered("\n\n".join(markdown_table(table)))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    shown = " ".join(text.split())
    assert [plain(cell) for cell in cells] == [shown, "x", "y", shown]


def test_words_stand_left_and_numbers_right() -> None:
    table = Table("T", ("a", "b", "c"), (("x", "y", "1"),) * 2, words=2)
    assert markdown_table(table, heading="H") == [
        "## H", "| a | b | c |\n| :-- | :-- | --: |\n| x | y | 1 |\n| x | y | 1 |",
    ]  # fmt: skip
    assert len(markdown_table(table, most=2)) == 2
    assert markdown_table(table, most=1)[2] == "… and 1 more, see results.csv."
    assert markdown_table(Table("T", ("a",), (), words=1)) == []


def test_words_and_numbers_read_well_unrendered() -> None:
    text = "Best: hidden_size 64 (seed 0), 1.5000 ± 0.0100 nats; raise trainer.max_epochs=3 - or 5-gram!"
    assert escaped(text) == text


@pytest.mark.parametrize(
    "text", ["", "plain", "```\ncode\n```", "````", "a`b", "    x", "<b>", "~~~", "`" * 50, "\n\n"]
)
def test_a_fence_is_longer_than_any_in_it(text: str) -> None:
    fence, *inside, end = fenced(text).split("\n")
    assert "\n".join(inside) == text
    assert re.fullmatch(r"`{3,}text", fence)
    assert end == fence.removesuffix("text")
    assert end not in text
    (found,) = re.findall(r"<code[^>]*>(.*?)</code>", rendered(f"before\n\n{fenced(text)}\n\nafter"), re.DOTALL)
    assert html.unescape(found).strip("\n") == text.strip("\n")


def test_control_characters_become_signs() -> None:
    assert fenced("a\x1b[2Jb\r\nc\u2028d\x00\u202e\ud800") == "```text\na�[2Jb\nc\nd���\n```"
    assert escaped("a\x1bb") == "a�b"


def test_a_comparison_has_verdict_diagnostics_table_and_samples(tmp_path: Path) -> None:
    sample = {"step": 20, "epoch": 2, "prompt": "The ", "text": "```\n<b>", "temperature": 0.8, "seed": 1}
    for number, (model, seed) in enumerate((m, s) for m in ("lstm", "gru") for s in range(3)):
        folder = tmp_path / f"{number}_x"
        made_run(
            folder,
            [f"model={model}", f"seed={seed}"],
            history=evaluations([2.0, 1.5, 1.75], [2.0, 1.5, 1.25]) if model == "lstm" else [],
            samples=[{**sample, "text": "old", "step": 10}, {**sample, "text": f"{sample['text']} of {model} {seed}"}],
            val__nats_per_token=(1.0 if model == "gru" else 2.0) + seed / 100,
        )
    (tmp_path / "6_x").mkdir()
    (tmp_path / "sweep.json").write_text("{}")
    text = report(
        tmp_path, figures=[Linked("figures/a b.png", "Curves", "Loss *falls*")], files=["results.csv", "a(b).csv"]
    )
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        "What it shows", "What it does not show", "Before you believe it", "Settings, the best first",
        "Runs without a result", "Curves", "Temperatures of gru, seed 0", "Samples", "Files",
    ]  # fmt: skip
    page = rendered(text)
    assert "Best of 2 settings: “gru”, with 1.0100 ± 0.0248 nats per token" in plain(page)
    assert "Warning: Overfitting." in plain(page)
    assert '<img alt="Curves" src="figures/a b.png"' in page
    assert "Loss *falls*" in plain(page)
    assert '<a href="a(b).csv">' in page
    codes = [html.unescape(code) for code in re.findall(r"<code[^>]*>(.*?)</code>", page, re.DOTALL)]
    assert [code.strip("\n") for code in codes] == ["The ```\n<b> of gru 0", "The ```\n<b> of lstm 0"]
    assert "gru, seed 0, step 20, temperature 0.8, sampling seed 1, prompt “The ”:" in plain(page)


def test_one_run_shows_how_its_samples_grew(tmp_path: Path) -> None:
    samples = [
        {"step": 10 * i, "prompt": prompt, "text": f"{prompt}{i}", "temperature": 1.0}
        for i in range(1, 21)
        for prompt in ("a", "b")
    ]
    made_run(tmp_path / "2026-01-01", config=resolved(), samples=samples)
    text = report(tmp_path)
    assert re.findall(r"^step (\d+),.*“(.)”", text, re.MULTILINE) == [
        ("10", "a"), ("50", "a"), ("80", "a"), ("120", "a"), ("150", "a"), ("190", "a"), ("200", "a"), ("200", "b"),
    ]  # fmt: skip
    assert "## Results" in text
    assert "| loss (nats per token) | 2.0000 |" in text


def test_different_texts_say_why_nothing_is_ranked(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        made_job(tmp_path, number, [f"data={name}"], text_fingerprint=name, fingerprint=name)
    text = report(tmp_path)
    assert "None can be called best" in text
    assert "## Settings, not ranked" in text
    assert "so their numbers do not compare: not ranked" in text


def test_a_long_table_says_what_is_left_out(tmp_path: Path) -> None:
    for number in range(MOST_ROWS + 5):
        made_job(tmp_path, number, [f"a={number}"])
    text = report(tmp_path)
    assert "… and 5 more, see results.csv." in text
    assert len(re.findall(r"^\| \d", text, re.MULTILINE)) == MOST_ROWS


def test_only_failed_jobs_and_empty_folders_make_a_report(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], status="failed", error="optimizer.lr=-1: is *not* positive; give | one")
    text = report(tmp_path)
    assert "This run failed: optimizer.lr=-1: is \\*not\\* positive; give &#124; one" in text
    made_job(tmp_path, 1, ["a=2"], status="missing")
    assert "None of the 2 runs has finished" in report(tmp_path)


def test_runs_that_have_not_finished_show_their_samples(tmp_path: Path) -> None:
    for number in range(14):
        folder = made_run(
            tmp_path / f"{number:02d}_x",
            [f"a={number}"],
            samples=[{"text": f"t{number}", "step": 1}],
            status="interrupted",
        )
        assert folder.exists()
    text = report(tmp_path)
    assert re.findall(r"```text\n(t\d+)\n```", text) == [f"t{number}" for number in range(12)]
    assert "Samples of 2 more settings are in their folders." in text


def test_a_run_with_predictions_alone_shows_them(tmp_path: Path) -> None:
    analysis = {"predictions": {"prompt": "peo", "checkpoints": [{"name": "best", "step": 7, "next": [["p", 0.5]]}]}}
    made_run(tmp_path / "2026-01-01", config=resolved(), analysis=analysis)
    assert "## What comes after “peo”\n\n| checkpoint | step | 1st |" in report(tmp_path)


def test_a_passage_stands_with_what_was_least_expected(tmp_path: Path) -> None:
    analysis = {"passage": {"tokens": [["The ", 0.5], ["# ", 3.0], ["end", 1.0]]}}
    made_run(tmp_path / "2026-01-01", config=resolved(), analysis=analysis)
    text = report(tmp_path)
    assert "## Surprise in a validation passage\n\n" in text
    assert "Least expected, with the probability it had: “# ” (5.0%)." in text
    assert "```text\nThe # end\n```" in text


def test_the_loss_by_frequency_is_a_table(tmp_path: Path) -> None:
    analysis = {"frequency_bands": [{"from": 0, "to": 0, "tokens": 5, "nats_per_token": 1.5}]}
    made_run(tmp_path / "2026-01-01", config=resolved(), analysis=analysis)
    heading = "## Loss by how often a word occurs (nats per token)"
    assert f"{heading}\n\n| occurrences in the training text | never |" in report(tmp_path)


def test_samples_are_shown_as_far_as_they_are_written(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "2026-01-01", config=resolved(), status="unfinished")
    (folder / "samples.jsonl").write_text('{"text": "caf\ufffd", "prompt": null}\n{"text": "x", "ste', encoding="utf-8")
    write_history(folder, evaluations([float("nan")]))
    text = report(tmp_path)
    assert "step ?, temperature ?, no prompt:\n\n```text\ncaf�\n```" in text


def test_a_long_sample_is_cut(tmp_path: Path) -> None:
    made_run(tmp_path / "2026-01-01", config=resolved(), samples=[{"text": "x" * 5000, "step": 1}])
    assert "x" * 1000 + "…\n" in report(tmp_path)
    assert "x" * 1001 not in report(tmp_path)
