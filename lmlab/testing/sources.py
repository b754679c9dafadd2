"""The check of a source of text."""

from __future__ import annotations

import math

from lmlab.data.corpus import SPLITS, Corpus, Document
from lmlab.data.sources.base import Source
from lmlab.testing.assertions import expect
from lmlab.testing.components import failures_as_assertions, same_random_numbers, seed_everything


def check_source(source: Source) -> None:
    """Checks that a source passes its own `check`, and gives the same usable text every time it is loaded.

    Args:
        source: it is loaded twice, so one of a small text is quicker.

    Raises:
        AssertionError: says which promise is broken.
    """
    expect(
        isinstance(source, Source), f"source: must be made from a subclass of lmlab.Source, but is {_kind_name(source)}"
    )
    with failures_as_assertions("check: for a source that can be loaded it must do nothing, but it"):
        source.check()
    with same_random_numbers():
        loaded = []
        for seed in (1, 2):
            seed_everything(seed)
            with failures_as_assertions("load()"):
                loaded.append(source.load())
            _check_corpus(loaded[-1])
    _check_same(*loaded)


def _kind_name(value: object) -> str:
    return type(value).__name__


def _check_corpus(corpus: Corpus) -> None:
    expect(isinstance(corpus, Corpus), f"load: must return an lmlab.Corpus, but returned {_kind_name(corpus)}")
    unknown = ", ".join(repr(name) for name in corpus.splits if name not in SPLITS)
    expect(not unknown, f"load: splits must be named {', '.join(SPLITS)}, but there is {unknown}")
    for name in SPLITS[:2]:
        there = ", ".join(corpus.splits) or "none"
        expect(name in corpus.splits, f"load: there must be a {name} split, but the splits are {there}")
    for name, documents in corpus.splits.items():
        expect(isinstance(documents, tuple), f"load: the {name} split must be a tuple, but is {_kind_name(documents)}")
        for number, document in enumerate(documents):
            _check_document(document, f"document {number} of the {name} split")
        has_text = any(document.text for document in documents)
        expect(has_text, f"load: the {name} split must not be empty, but there is no text in it")
        with failures_as_assertions(f"Corpus.texts({name!r})"):
            corpus.texts(name)
    for what in ("provenance", "notes", "warnings"):
        lines = getattr(corpus, what)
        is_lines = isinstance(lines, tuple) and all(isinstance(line, str) for line in lines)
        expect(is_lines, f"load: {what} must be a tuple of lines of text, but is {lines!r}")
    for name, nats in corpus.source_nats.items():
        is_number = name in corpus.splits and math.isfinite(nats) and nats >= 0
        expect(is_number, f"load: source_nats must have the nats of splits, but has {name!r}: {nats!r}")


def _check_document(document: Document, where: str) -> None:
    expect(isinstance(document, Document), f"load: {where} must be an lmlab.Document, but is {_kind_name(document)}")
    for part in ("name", "text"):
        value = getattr(document, part)
        expect(isinstance(value, str), f"load: the {part} of {where} must be text (str), but is {_kind_name(value)}")
    at = document.text.find("\r")
    found = f"{where} has a carriage return at character {at}"
    expect(at < 0, f'load: line ends must be "\\n", but {found}; see lmlab.data.reading.unix_line_ends')


def _check_same(first: Corpus, second: Corpus) -> None:
    """Says what differs, for two texts are long."""
    promise = "load: must give the same every time (random numbers: from a seed of its own), but"
    same_names = list(first.splits) == list(second.splits)
    expect(same_names, f"{promise} the splits were {', '.join(first.splits)} and then {', '.join(second.splits)}")
    for name, documents in first.splits.items():
        others = second.splits[name]
        found = f"the {name} split had {len(documents)} documents and then {len(others)}"
        expect(len(documents) == len(others), f"{promise} {found}")
        differs = next((i for i, pair in enumerate(zip(documents, others, strict=True)) if pair[0] != pair[1]), None)
        expect(differs is None, f"{promise} document {differs} of the {name} split was another one")
    for what in ("sentences", "source_nats", "provenance", "notes", "warnings"):
        one, other = getattr(first, what), getattr(second, what)
        expect(one == other, f"{promise} {what} was {one!r} and then {other!r}")
