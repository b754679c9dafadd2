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
        (TSV, "\t\n\t\n", "no sentence"),
    ],
)
def test_tables_that_do_not_fit_are_refused_by_row(path, text, problem):
    with pytest.raises(UserError, match=problem) as caught:
        sentence_column(text, path)
    assert "\n" not in str(caught.value)


def test_plain_lines_are_not_the_rows_of_a_table():
    for text in ("a film\t1\nbad\t0\n", '{"text": "a film"}\n{"text": "bad"}\n'):
        with pytest.raises(UserError, match=r"columns separated by tabs|JSON"):
            require_no_columns(text, Path("some.txt"))
    for text in ("a film\n", "a\ttab\nno tab\n", "one\tline\n", "{braces}\nand more\n"):
        require_no_columns(text, Path("some.txt"))
