from __future__ import annotations

import json
from pathlib import Path

import lmlab
import pytest
from lmlab.testing import check_source

from my_text import JsonLines

LETTERS = Path(__file__).with_name("letters.jsonl")


def source(path: Path, field: str = "text") -> JsonLines:
    return JsonLines(path=str(path), split=[0.8, 0.1, 0.1], field=field)


def test_it_keeps_the_contract() -> None:
    check_source(source(LETTERS))


def test_the_documents_are_the_records_in_order() -> None:
    records = [json.loads(line) for line in LETTERS.read_text(encoding="utf-8").splitlines()]
    splits = source(LETTERS).load().splits
    documents = [document for split in ("train", "validation", "test") for document in splits[split]]
    assert [document.text for document in documents] == [record["text"] for record in records]
    assert documents[0].name == f"{records[0]['date']} {records[0]['title']}"


@pytest.mark.parametrize(
    ("second", "field", "said"),
    [
        ('{"text": "b"', "text", "data.path"),
        ("[1]", "text", "line 2 is no record"),
        ('{"text": 1, "note": "b"}', "text", "fields with text are note"),
        ('{"text": "b"}', "body", "data.source.field=body"),
    ],
)
def test_a_line_that_is_no_such_record_is_refused(second: str, field: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(f'{{"text": "a", "body": "a"}}\n{second}\n', encoding="utf-8")
    with pytest.raises(lmlab.UserError, match=said) as caught:
        source(path, field).load()
    assert "line 2" in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("content", [None, "", "no JSON\n", "{}\n", b"\xff\xff\n"])
def test_what_cannot_work_is_refused_before_it_is_read(content: str | bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(lmlab.UserError) as caught:
        source(path).check()
    assert caught.value.field in ("data.path", "data.source.field")
    assert str(path) in str(caught.value)
