"""The check of a source of text."""

from __future__ import annotations

import math

from lmlab.data.corpus import SPLITS, Corpus, Document
from lmlab.data.sources.base import Source
from lmlab.data.stored_text import StoredText
from lmlab.testing.assertions import expect, expect_instance
from lmlab.testing.components import attempt, same_random_numbers, seed_everything


def check_source(source: Source) -> None:
    """Checks that a source passes its own `check`, and gives the same usable text every time it is loaded.

    Args:
        source: it is loaded twice, so one of a small text is quicker.

    Raises:
        AssertionError: names the violated requirement.
    """
    expect_instance(source, Source, "source: must be an instance of a subclass of lmlab.Source")
    attempt("check: for a source that can be loaded it must do nothing, but it", source.check)
    with same_random_numbers():
        loaded = []
        for seed in (1, 2):
            seed_everything(seed)
            loaded.append(attempt("load()", source.load))
            _check_corpus(loaded[-1])
    _check_same(*loaded)


def _check_corpus(corpus: Corpus) -> None:
    expect_instance(corpus, Corpus, "load: must return an lmlab.Corpus")
    named = set(SPLITS[:2]) <= set(corpus.splits) <= set(SPLITS)
    found = ", ".join(map(repr, corpus.splits)) or "none"
    expect(named, f"load: splits must be named {SPLITS}, of which only the last may be missing, but are {found}")
    for name, documents in corpus.splits.items():
        expect_instance(documents, tuple, f"load: the {name} split must be a tuple")
        for number, document in enumerate(documents):
            _check_document(document, f"document {number} of the {name} split")
        expect(any(len(document.text) for document in documents), f"load: the {name} split must not be empty")
    for what in ("provenance", "notes", "warnings"):
        lines = getattr(corpus, what)
        is_lines = isinstance(lines, tuple) and all(isinstance(line, str) for line in lines)
        expect(is_lines, f"load: {what} must be a tuple of lines of text, but is {lines!r}")
    for name, nats in corpus.source_nats.items():
        is_number = name in corpus.splits and math.isfinite(nats) and nats >= 0
        expect(is_number, f"load: source_nats must have the nats of splits, but has {name!r}: {nats!r}")


def _check_document(document: Document, where: str) -> None:
    expect_instance(document, Document, f"load: {where} must be an lmlab.Document")
    expect_instance(document.name, str, f"load: the name of {where} must be text (str)")
    if isinstance(document.text, StoredText):  # lmlab's own, whose line ends are converted as it is read
        return
    expect_instance(document.text, str, f"load: the text of {where} must be text (str)")
    at = str(document.text).find("\r")
    found = f"{where} has a carriage return at character {at}"
    expect(at < 0, f'load: line ends must be "\\n", but {found}; see lmlab.data.reading.unix_line_ends')


def _check_same(first: Corpus, second: Corpus) -> None:
    """Names only what differs, for two texts are long."""
    requirement = "load: must give the same every time (draw random numbers from a generator with its own seed), but"
    names = list(first.splits), list(second.splits)
    expect(names[0] == names[1], f"{requirement} the splits were {names[0]} and then {names[1]}")
    for name, documents in first.splits.items():
        others = second.splits[name]
        found = f"the {name} split had {len(documents)} documents and then {len(others)}"
        expect(len(documents) == len(others), f"{requirement} {found}")
        for number, (one, other) in enumerate(zip(documents, others, strict=True)):
            expect(one == other, f"{requirement} document {number} of the {name} split was different")
    for what in ("sentences", "source_nats", "provenance", "notes", "warnings"):
        one, other = getattr(first, what), getattr(second, what)
        expect(one == other, f"{requirement} {what} was {one!r} and then {other!r}")
