"""The check of a source: what passes, and for each requirement a source that violates it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from lmlab.data.corpus import Corpus, Document
from lmlab.data.sources.base import Source
from lmlab.data.sources.generated import Generated
from lmlab.data.sources.python_docs import PythonDocs
from lmlab.data.sources.sentences import SentenceFiles
from lmlab.data.sources.text_files import TextFiles
from lmlab.errors import UserError
from lmlab.testing import check_source

SHARES = [0.8, 0.1, 0.1]


def test_lmlabs_sources_pass(tmp_path: Path) -> None:
    check_source(PythonDocs(split=SHARES))
    (tmp_path / "a.txt").write_bytes(b"One line.\r\nAnother one.\r\n" * 20)
    check_source(TextFiles(path=str(tmp_path / "a.txt"), split=SHARES, encoding="auto"))
    check_source(SentenceFiles(path=str(tmp_path / "a.txt"), split=SHARES, encoding="auto"))


@pytest.mark.parametrize("grammar", ["ndfa", "brackets", "toy"])
def test_generated_sources_pass(grammar: str) -> None:
    check_source(Generated(grammar=grammar, num_strings=30, num_held_out=5, seed=1))


def made(**splits: str) -> Corpus:
    return Corpus({name: (Document(name, text),) for name, text in splits.items()}, provenance=("made up",))


class Given(Source):
    """One corpus after the other."""

    def __init__(self, *corpora: Any) -> None:
        self.corpora = list(corpora)

    def load(self) -> Corpus:
        return self.corpora.pop(0) if len(self.corpora) > 1 else self.corpora[0]


GOOD = made(train="abc\n", validation="de\n")


class Missing(Given):
    def check(self) -> None:
        raise UserError("data.path", "here", "no such file", "check the path")


class Shuffled(Given):
    def load(self) -> Corpus:
        letters = list("abcdefghij")
        random.shuffle(letters)
        return made(train="".join(letters), validation="x")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Missing(GOOD), "check: for a source that can be loaded .* but it raised UserError: .*no such"),
        (Given({"train": "abc"}), r"load: must return an lmlab\.Corpus, not dict"),
        (Given(made(train="a", validation="b", dev="c")), "splits must be named .*, but are .*'dev'"),
        (Given(made(train="a", test="b")), "splits must be named .*, but are 'train', 'test'"),
        (Given(made(train="", validation="b")), "the train split must not be empty"),
        (Given(Corpus({"train": (), "validation": ()})), "the train split must not be empty"),
        (Given(Corpus({"train": [Document("", "a")], "validation": ()})), "the train split must be a tuple, not list"),
        (Given(Corpus({"train": ("a",), "validation": ("b",)})), r"must be an lmlab\.Document, not str"),
        (Given(made(train=b"a", validation="b")), "the text of document 0 .* must be text .str., not bytes"),
        (Given(made(train="ab\r\n", validation="b")), r"line ends must be .* carriage return at character 2"),
        (Given(Corpus(GOOD.splits, provenance="made up")), "provenance must be a tuple of lines of text"),
        (Given(Corpus(GOOD.splits, source_nats={"test": 1.0})), "source_nats must have .* but has 'test'"),
        (Given(GOOD, made(train="abd\n", validation="de\n")), "same every time .* document 0 of the train split"),
        (Given(GOOD, made(train="a", validation="b", test="c")), "the splits were .* and then .* 'test'"),
        (Given(GOOD, Corpus({**GOOD.splits, "train": 2 * GOOD.splits["train"]})), "had 1 documents and then 2"),
        (Given(GOOD, Corpus(GOOD.splits, provenance=("now",))), "provenance was .*made up.* and then .*now"),
        (Given(GOOD, Corpus(GOOD.splits, provenance=GOOD.provenance, sentences=True)), "sentences was False and then"),
        (Shuffled(), "load: must give the same every time .* document 0 of the train split was different"),
    ],
)  # fmt: skip
def test_a_fault_of_a_source_is_named(source: Source, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_source(source)


def test_another_object_is_no_source() -> None:
    with pytest.raises(AssertionError, match=r"must be an instance of a subclass of lmlab\.Source, not PosixPath"):
        check_source(Path("here"))
