"""The check of a tokenizer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lmlab.data.tokenizers import saved as saved_tokenizers
from lmlab.data.tokenizers.base import END, Ids, Tokenizer, special_tokens
from lmlab.testing.assertions import expect, json_round_trip
from lmlab.testing.components import failures_as_assertions, same_random_numbers, seed_everything

_END_TOKENS = (None, "line", "document", "sentence")
_UNITS = ("character", "word", "piece")
# Behind a text: what hardly any vocabulary has.
_UNSEEN = " \u2603zqxj \U0001f71a"


def check_tokenizer(tokenizer: Tokenizer, texts: Sequence[str], *, exact: bool = True) -> None:
    """Checks what lmlab relies on in a tokenizer: the list in the docstring of `lmlab.Tokenizer`.

    Args:
        tokenizer: not fitted yet; it is fitted here.
        texts: some documents to fit it on; best with several lines, and words that occur more than once.
        exact: whether `decode(encode(text))` must be the text; False for a tokenizer that drops something of it.

    Raises:
        AssertionError: says which promise is broken.
        ValueError: no texts.
    """
    if isinstance(texts, str) or not any(texts):
        raise ValueError("texts must be a list of documents, not all of them empty")
    is_tokenizer = isinstance(tokenizer, Tokenizer)
    found = type(tokenizer).__name__
    expect(is_tokenizer, f"tokenizer: must be made from a subclass of lmlab.Tokenizer, but is {found}")
    with same_random_numbers():
        _check_options(tokenizer)
        _fit(tokenizer, texts, seed=1)
        _check_vocabulary(tokenizer)
        before = _learned(tokenizer)
        _check_fit(tokenizer, texts)
        for text in [*texts, texts[0] + _UNSEEN, ""]:
            _check_ids(tokenizer, text)
            _check_unknown(tokenizer, text)
        for text in texts:
            _check_text(tokenizer, text, exact=exact)
        _check_streamer(tokenizer)
        expect(_learned(tokenizer) == before, "learned: must not change after fit, but reading and writing changed it")
        _check_restored(tokenizer, texts)


def _check_options(tokenizer: Tokenizer) -> None:
    """That the constructor's keywords are there as attributes, and make the tokenizer again."""
    parameters = inspect.signature(type(tokenizer)).parameters
    expect("end_token" in parameters, "constructor: must have the keyword end_token")
    with failures_as_assertions(
        "options: each keyword of the constructor must be an attribute of the same name, but options()"
    ):
        options = tokenizer.options()
    missing = ", ".join(sorted(set(parameters) - set(options)))
    expect(not missing, f"options: must have each keyword of the constructor, but lacks {missing}")
    json_round_trip(options, "options: the values")
    end = tokenizer.end_token
    expect(end in _END_TOKENS, f"end_token: must be one of {', '.join(map(repr, _END_TOKENS))}, but is {end!r}")
    expect(tokenizer.unit in _UNITS, f"unit: must be one of {', '.join(_UNITS)}, but is {tokenizer.unit!r}")
    again = _unfitted(tokenizer).options()
    changed = ", ".join(name for name in options if again.get(name) != options[name])
    expect(not changed, f"options: a new object made with them must have the same, but differs in {changed}")


def _unfitted(tokenizer: Tokenizer) -> Tokenizer:
    with failures_as_assertions(f"{type(tokenizer).__name__}(**options())"):
        return type(tokenizer)(**tokenizer.options())


def _fit(tokenizer: Tokenizer, texts: Sequence[str], *, seed: int) -> None:
    seed_everything(seed)
    with failures_as_assertions("fit"):
        tokenizer.fit(list(texts))


def _learned(tokenizer: Tokenizer) -> Any:
    with failures_as_assertions("learned()"):
        learned = tokenizer.learned()
    expect(isinstance(learned, dict), f"learned: must be a dictionary, but is {type(learned).__name__}")
    return json_round_trip(learned, "learned: what fit learned")


def _check_vocabulary(tokenizer: Tokenizer) -> None:
    special = special_tokens(tokenizer.end_token)
    entries = list(tokenizer.vocabulary)
    found = f"it begins with {entries[: len(special)]}"
    wanted = f"with end_token={tokenizer.end_token!r} it must begin with {special}"
    expect(entries[: len(special)] == special, f"vocabulary: {wanted}, but {found}")
    expect(all(isinstance(entry, str) for entry in entries), "vocabulary: each entry must be text (str)")
    nothing = "has nothing but special tokens after fit; do the texts have what it keeps (a minimal frequency)?"
    expect(len(entries) > len(special), f"vocabulary: {nothing}")
    end_id = None if tokenizer.end_token is None else special.index(END)
    expect(tokenizer.end_id == end_id, f"end_id: must be {end_id}, but is {tokenizer.end_id}")


def _check_fit(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """That it depends on its texts alone: neither on random numbers nor on what was fitted before."""
    again = _unfitted(tokenizer)
    _fit(again, [text[: len(text) // 2] + _UNSEEN for text in texts], seed=2)
    _fit(again, texts, seed=3)
    same = _learned(again) == _learned(tokenizer)
    expect(
        same,
        "fit: must depend on its texts alone, but an object that was fitted on others before learned something else",
    )


def _encode(tokenizer: Tokenizer, text: str) -> Ids:
    with failures_as_assertions(f"encode({_short(text)})"):
        ids = tokenizer.encode(text)
    is_ids = isinstance(ids, np.ndarray) and ids.ndim == 1 and ids.dtype == np.int32
    found = f"{ids.ndim}-d {ids.dtype}" if isinstance(ids, np.ndarray) else type(ids).__name__
    expect(is_ids, f"encode: must return a numpy array (N,) of int32, but returned {found}")
    return ids


def _check_ids(tokenizer: Tokenizer, text: str) -> None:
    ids = _encode(tokenizer, text)
    size = len(tokenizer.vocabulary)
    inside = bool(((ids >= 0) & (ids < size)).all())
    expect(inside, f"encode: ids must be in 0 to {size - 1}, the vocabulary's, but some of {_short(text)} are not")
    expect(np.array_equal(_encode(tokenizer, text), ids), f"encode: must be the same every time for {_short(text)}")
    expect(
        text or not len(ids), f"encode: the empty text must have no ids, end tokens included, but has {ids.tolist()}"
    )
    if tokenizer.end_id is None or END in text:
        return
    ends = int((ids == tokenizer.end_id).sum())
    if tokenizer.end_token == "line":
        lines = text.count("\n")
        wanted = f"{lines} (or one more, where the last line does not end)"
        found = f"{ends} in {_short(text)}"
        enough = ends in ((lines,) if text.endswith("\n") or not text else (lines, lines + 1))
        expect(
            enough, f"encode: with end_token='line' each line end must be an end token, {wanted}, but there are {found}"
        )
    else:
        message = f"behind a {tokenizer.end_token} it is added by lmlab, but {_short(text)} has {ends}"
        expect(ends == 0, f"encode: must not add end tokens; {message}")


def _check_unknown(tokenizer: Tokenizer, text: str) -> None:
    """That what is named is distinct, unknown, and encoded as 0."""
    with failures_as_assertions("unknown"):
        parts = tokenizer.unknown(text)
    is_list = isinstance(parts, list) and all(isinstance(part, str) for part in parts)
    expect(is_list, f"unknown: must return a list of parts of the text, but returned {parts!r}")
    expect(len(set(parts)) == len(parts), f"unknown: parts must be distinct, but some of {_short(text)} come twice")
    vocabulary = set(tokenizer.vocabulary)
    known = [part for part in parts if part in vocabulary]
    expect(not known, f"unknown: must name what is not in the vocabulary, but names {known[:3]}, which are")
    ids = _encode(tokenizer, text)
    message = f"{parts[:3]} of {_short(text)} are named, but none of its ids is 0"
    expect(
        not parts or bool((ids == 0).any()), f"unknown: what is not in the vocabulary must be encoded as 0; {message}"
    )


def _decode(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    with failures_as_assertions("decode"):
        text = tokenizer.decode(ids)
    expect(isinstance(text, str), f"decode: must return text (str), but returned {type(text).__name__}")
    return text


def _stream(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    pieces = []
    with failures_as_assertions("streamer()"):
        streamer = tokenizer.streamer()
    for number in ids:
        with failures_as_assertions(f"streamer: push({number})"):
            pieces.append(streamer.push(number))
        found = type(pieces[-1]).__name__
        expect(
            isinstance(pieces[-1], str), f"streamer: push must return the text that an id adds, but returned {found}"
        )
    return "".join(pieces)


def _check_text(tokenizer: Tokenizer, text: str, *, exact: bool) -> None:
    ids = _encode(tokenizer, text).tolist()
    decoded = _decode(tokenizer, ids)
    if exact:
        message = (
            f"must be the text (exact=False if something is dropped by design), but {_first_change(text, decoded)}"
        )
        expect(decoded == text, f"decode: decode(encode(text)) {message}")
    streamed = _stream(tokenizer, ids)
    message = f"must give what decode gives, but {_first_change(decoded, streamed)}"
    expect(streamed == decoded, f"streamer: the ids of a text, pushed one after the other, {message}")


def _check_streamer(tokenizer: Tokenizer) -> None:
    """That it takes every id, in any order, as a model may write them."""
    size = len(tokenizer.vocabulary)
    ids = [*range(min(size, 300)), *np.random.default_rng(0).integers(0, size, 300).tolist()]
    streamed, decoded = _stream(tokenizer, ids), _decode(tokenizer, ids)
    # Half a character may be held back at the end.
    message = f"must give what decode gives, but {_first_change(decoded[: len(streamed)], streamed)}"
    expect(decoded.startswith(streamed), f"streamer: ids in any order, pushed one after the other, {message}")
    expect(
        _stream(tokenizer, ids) == streamed, "streamer: each one must begin afresh, but a second one gave other text"
    )


def _check_restored(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """That tokenizer.json makes the tokenizer again."""
    learned = _learned(tokenizer)
    same = learned.get("vocabulary") == list(tokenizer.vocabulary)
    expect(same, "learned: must have the vocabulary, a list under that name")
    both = ", ".join(sorted({*learned} & {*tokenizer.options(), "format", "type"}))
    expect(not both, f"learned: must use other names than the constructor's keywords, format and type, but has {both}")
    restored = _unfitted(tokenizer)
    with failures_as_assertions("restore of what learned returned"):
        restored.restore(learned)
    _check_same(tokenizer, restored, texts, "restore: a new object with the same options and what learned gave")
    saved = json_round_trip(tokenizer.to_dict(), "to_dict: the tokenizer")
    with failures_as_assertions("making the tokenizer from tokenizer.json"):
        loaded = saved_tokenizers.from_dict(saved, find=lambda _: type(tokenizer))
    message = f"type_name {tokenizer.type_name!r} is that of {type(loaded).__name__}; leave it empty"
    expect(type(loaded) is type(tokenizer), f"to_dict: must name the tokenizer's own class, but its {message}")
    _check_same(tokenizer, loaded, texts, "to_dict: a tokenizer made from tokenizer.json")
    try:
        _unfitted(tokenizer).restore({})
    except (ValueError, LookupError, TypeError):
        return
    except Exception as error:
        found = f"raised {type(error).__name__}"
    else:
        found = "took it"
    message = "an empty dictionary with ValueError, LookupError or TypeError"
    raise AssertionError(f"restore: must refuse what cannot be from learned, {message}, but {found}")


def _check_same(tokenizer: Tokenizer, other: Tokenizer, texts: Sequence[str], what: str) -> None:
    expect(
        list(other.vocabulary) == list(tokenizer.vocabulary), f"{what} must have the same vocabulary, but has another"
    )
    for text in [*texts, texts[0] + _UNSEEN]:
        ids = _encode(tokenizer, text)
        expect(np.array_equal(_encode(other, text), ids), f"{what} must give the same ids, but not for {_short(text)}")
        same = _decode(other, ids.tolist()) == _decode(tokenizer, ids.tolist())
        expect(same, f"{what} must give the same text, but not for the ids of {_short(text)}")
    expect(_learned(other) == _learned(tokenizer), f"{what} must have learned the same, but learned() differs")


def _short(text: str) -> str:
    return json.dumps(text if len(text) <= 40 else text[:40] + "...", ensure_ascii=False)


def _first_change(expected: str, found: str) -> str:
    """Where two texts begin to differ, with what stands there."""
    lengths = range(min(len(expected), len(found)))
    at = next((i for i in lengths if expected[i] != found[i]), len(lengths))
    start = max(0, at - 10)
    return f"at character {at} {_short(expected[start : at + 20])} became {_short(found[start : at + 20])}"
