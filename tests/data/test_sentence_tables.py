"""Tables of sentences: the column, the heading, quotes, and rows that do not fit."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest

from lmlab.data.sources.tables import require_no_columns, sentence_column
from lmlab.errors import UserError

TSV, CSV = Path("some.tsv"), Path("some.csv")
SENTENCES = [f'this is sentence {i}, and it "has" words' for i in range(30)]
LABELS = [("good", "bad")[i % 2] for i in range(30)]


def written(rows: list[list[str]], separator: str, quoting: int = csv.QUOTE_MINIMAL) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, quoting=quoting, lineterminator="\n").writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize("heading", [None, ["sentence", "label", "id"], ["review", "kind", "nr"]])
@pytest.mark.parametrize(("path", "separator"), [(CSV, ","), (CSV, ";"), (CSV, "\t"), (TSV, "\t")])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_what_programs_write_is_read_whatever_the_order_of_columns(heading, path, separator, quoting):
    sentences = [*SENTENCES[:-1], 'of "two"\nlines']
    rows = [[s, label, str(i)] for i, (s, label) in enumerate(zip(sentences, LABELS, strict=True))]
    generator = random.Random(0)
    for _ in range(4):
        order = generator.sample(range(3), 3)
        table = [[row[i] for i in order] for row in [*([heading] if heading else []), *rows]]
        found = sentence_column(written(table, separator, quoting), path)
        assert found.cells == sentences
        assert f"column {order.index(0) + 1}" in found.notes[-1]
        assert ("no heading" in found.notes[-1]) == (heading is None)
        assert found.warnings == []


def test_a_heading_of_single_words_over_sentences_is_no_sentence():
    for heading in ("review", "review\ttitle"):
        other = "\tand its title" * heading.count("\t")
        rows = "".join(f"{s}{other} {i}\n" if other else f"{s}\n" for i, s in enumerate(SENTENCES))
        assert sentence_column(f"{heading}\n{rows}", TSV).cells == SENTENCES
        found = sentence_column(rows, TSV)
        assert found.cells == SENTENCES
        assert "no heading, the first row is a sentence: this is" in found.notes[-1]
    again = sentence_column("sentence\tlabel\n" + "".join(f"{s}\t1\n" for s in SENTENCES) + "sentence\tlabel\n", TSV)
    assert again.cells == SENTENCES
    assert "1 rows repeat the heading" in again.notes[-1]


def test_addresses_are_no_sentences_however_long():
    rows = "".join(f"http://example.com/{'x' * 99}\t{s}\n" for s in SENTENCES)
    assert sentence_column(rows, TSV).cells == SENTENCES


def test_a_separator_that_a_program_tells_is_used():
    rows = "".join(f"{s.replace(',', '').replace(chr(34), '')};1\n" for s in SENTENCES)
    for text in (rows, f"sep=;\n{rows}", rows.replace(";", "|")):
        assert len(sentence_column(text, CSV).cells) == len(SENTENCES)
        assert "column 1" in sentence_column(text, CSV).notes[0]


def test_quotes_of_plain_tab_separated_values_are_kept():
    sentences = ['"so" he said', 'she said "no"', '"', '" all of it "', "plain"]
    text = "".join(f"{s}\t1\n" for s in sentences)
    assert sentence_column(text, TSV).cells == sentences


@pytest.mark.parametrize(
    ("text", "sentences", "removed"),
    [
        ('"a ""fine"" film"\t1\nbad\t0\n', ['a "fine" film', "bad"], True),
        ('"a film"\t1\n"bad"\t0\n', ["a film", "bad"], True),
        ('"a film"\t1\nbad\t0\n', ['"a film"', "bad"], False),
    ],
)
def test_quotes_of_programs_are_removed_and_said(text, sentences, removed):
    found = sentence_column(text, TSV)
    assert found.cells == sentences
    assert any("quotation marks" in note for note in found.notes) == removed


@pytest.mark.parametrize("others", [[str(i) for i in range(30)], LABELS])
def test_one_other_column_is_enough_to_know_the_heading(others):
    rows = [f"{s}\t{other}\n" for s, other in zip(SENTENCES, others, strict=True)]
    assert sentence_column("".join(["review\tother\n", *rows]), TSV).cells == SENTENCES
    assert sentence_column("".join(rows), TSV).cells == SENTENCES


def test_the_first_row_alone_does_not_choose_the_column():
    label = "a label that is longer than some sentences are"
    text = f"{label}\tok\n{label}\tno\n" + "".join(f"x\t{s}\n" for s in SENTENCES)
    assert sentence_column(text, TSV).cells == ["ok", "no", *SENTENCES]


def test_two_columns_of_sentences_are_warned_of():
    text = "".join(f"{s}\t{s}!\n" for s in SENTENCES)
    found = sentence_column(text, TSV)
    assert found.cells == [f"{s}!" for s in SENTENCES]
    assert "columns 2 and 1 both have words" in found.warnings[0]
    assert not sentence_column(f"other\tsentence\n{text}", TSV).warnings


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        (TSV, "sentence\tlabel\n0\ta film\t1\n", "row 2 has 3 columns where the first has 2"),
        (TSV, "a film\t1\n\nbad\n", "row 3 has 1 columns where the first has 2"),
        (CSV, "text,label\na film, so,1\n", "row 2 has 3 columns where the first has 2"),
        (CSV, "a film\nbad, so\n", "row 2 has 2 columns where the first has 1"),
        (CSV, 'text,label\n"a film,1\n', "not closed"),
        (TSV, "1\t2\n3\t4\n", "no column with words"),
        (TSV, "text\tx\n1\ta film\n", "holds numbers only"),
        (TSV, "text\tx\n\ta film\n", r"column 1 \(text\) is empty"),
        (TSV, "\t\n\t\n", "no sentence"),
        (TSV, "sentence,label\n" + "a film,1\n" * 9, "separated by ',', not by tabs"),
    ],
)
def test_tables_that_do_not_fit_are_refused_by_row(path, text, problem):
    with pytest.raises(UserError, match=problem) as caught:
        sentence_column(text, path)
    assert "\n" not in str(caught.value)


def test_plain_lines_are_not_the_rows_of_a_table():
    rows = [f"{s}|1\n" for s in SENTENCES]
    for text in (
        "a film\t1\nbad\t0\n",
        "a film\t1\nbad\t0\nno tab\n",
        "".join(rows),
        "".join(rows).replace("|1", "||| good"),
        "".join(rows).replace(",", "").replace("|", ","),
        '{"text": "a film"}\n{"text": "bad"}\n',
        "(3 (2 a) (4 film))\n",
        "__label__1 a film\n",
        "<html>\na film\n",
    ):
        with pytest.raises(UserError, match=r"columns separated by|JSON|trees|fastText|HTML"):
            require_no_columns(text, Path("some.txt"))
    for text in ("a film\n", "a\ttab\nno tab\nnor here\n", "one\tline\n", "{braces}\nand more\n", "a, b\n" * 3):
        require_no_columns(text, Path("some.txt"))
