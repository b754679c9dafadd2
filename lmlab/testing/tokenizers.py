"""The check of a tokenizer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lmlab.data.tokenizers import saved as saved_tokenizers
from lmlab.data.tokenizers.base import END, Ids, Tokenizer, special_tokens
from lmlab.testing.assertions import expect, expect_equal, expect_instance, json_round_trip
from lmlab.testing.components import attempt, failures_as_assertions, same_random_numbers, seed_everything

_END_TOKENS = (None, "line", "document", "sentence")
_UNITS = ("character", "word", "piece")
_LONG = 10_000
# Appended to a text: what hardly any vocabulary has.
_UNSEEN = " \u2603zqxj \U0001f71a"


def check_tokenizer(tokenizer: Tokenizer, texts: Sequence[str], *, exact: bool = True) -> None:
    """Checks what lmlab relies on in a tokenizer: the list in the docstring of `lmlab.Tokenizer`.

    Args:
        tokenizer: not fitted yet; it is fitted here.
        texts: some documents to fit it on; best with several lines, and words that occur more than once.
        exact: whether `decode(encode(text))` must be the text; False for a tokenizer that drops something of it.

    Raises:
        AssertionError: names the violated requirement.
        ValueError: no texts.
    """
    if isinstance(texts, str) or not any(texts):
        raise ValueError("texts must be a list of documents, not all of them empty")
    expect_instance(tokenizer, Tokenizer, "tokenizer: must be an instance of a subclass of lmlab.Tokenizer")
    texts = [*texts, _long_text(texts)]
    with same_random_numbers():
        _check_options(tokenizer)
        _fit(tokenizer, texts, seed=1)
        _check_vocabulary(tokenizer)
        before = _learned(tokenizer)
        _check_fit(tokenizer, texts)
        for text in [*texts, texts[0] + _UNSEEN, ""]:
            _check_ids(tokenizer, text)
            _check_end_tokens(tokenizer, text)
            _check_unknown(tokenizer, text)
        for text in texts:
            _check_decoding(tokenizer, text, exact=exact)
        _check_streamer(tokenizer)
        expect(_learned(tokenizer) == before, "learned: must not change after fit, but encoding or decoding changed it")
        _check_restored(tokenizer, texts)


def _long_text(texts: Sequence[str]) -> str:
    """Returns a document that is longer than any buffer of a fixed size is likely to be."""
    whole = "\n".join(texts)
    return "\n".join([whole] * -(-_LONG // len(whole)))


def _check_options(tokenizer: Tokenizer) -> None:
    """Checks that the constructor's keywords are attributes, and make the tokenizer again."""
    parameters = inspect.signature(type(tokenizer)).parameters
    expect("end_token" in parameters, "constructor: must have the keyword end_token")
    requirement = "the constructor's keywords must be attributes of the same name"
    options = attempt(f"options: {requirement}, but options()", tokenizer.options)
    missing = ", ".join(sorted(set(parameters) - set(options)))
    expect(not missing, f"options: must have each keyword of the constructor, but lacks {missing}")
    json_round_trip(options, "options: the values")
    end = tokenizer.end_token
    expect(end in _END_TOKENS, f"end_token: must be one of {_END_TOKENS}, but is {end!r}")
    expect(tokenizer.unit in _UNITS, f"unit: must be one of {_UNITS}, but is {tokenizer.unit!r}")
    again = _unfitted(tokenizer).options()
    changed = ", ".join(name for name in options if again.get(name) != options[name])
    expect(not changed, f"options: a new object made with them must have the same, but differs in {changed}")


def _unfitted(tokenizer: Tokenizer) -> Tokenizer:
    return attempt(f"{type(tokenizer).__name__}(**options())", type(tokenizer), **tokenizer.options())


def _fit(tokenizer: Tokenizer, texts: Sequence[str], *, seed: int) -> None:
    seed_everything(seed)
    attempt("fit", tokenizer.fit, list(texts))


def _learned(tokenizer: Tokenizer) -> Any:
    learned = attempt("learned()", tokenizer.learned)
    expect_instance(learned, dict, "learned: must be a dictionary")
    return json_round_trip(learned, "learned: what fit learned")


def _check_vocabulary(tokenizer: Tokenizer) -> None:
    special = special_tokens(tokenizer.end_token)
    entries = list(tokenizer.vocabulary)
    first = f"vocabulary: its first entries with end_token={tokenizer.end_token!r}"
    expect_equal(entries[: len(special)], special, first)
    expect(all(isinstance(entry, str) for entry in entries), "vocabulary: each entry must be text (str)")
    found = "contains only special tokens after fit; is every word rarer than its minimum frequency?"
    expect(len(entries) > len(special), f"vocabulary: {found}")
    expect_equal(tokenizer.end_id, None if tokenizer.end_token is None else special.index(END), "end_id:")


def _check_fit(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Checks that it depends neither on random numbers nor on what was fitted before."""
    again = _unfitted(tokenizer)
    _fit(again, [text[: len(text) // 2] + _UNSEEN for text in texts], seed=2)
    _fit(again, texts, seed=3)
    found = "an object that was fitted on others before learned something else"
    expect(_learned(again) == _learned(tokenizer), f"fit: must depend on its texts alone, but {found}")


def _encode(tokenizer: Tokenizer, text: str) -> Ids:
    ids = attempt(f"encode({_short(text)})", tokenizer.encode, text)
    expect_instance(ids, np.ndarray, "encode: must return a numpy array (N,) of int32")
    found = f"returned {ids.ndim}-d {ids.dtype}"
    expect(ids.ndim == 1 and ids.dtype == np.int32, f"encode: must return a numpy array (N,) of int32, but {found}")
    return ids


def _check_ids(tokenizer: Tokenizer, text: str) -> None:
    ids = _encode(tokenizer, text)
    size = len(tokenizer.vocabulary)
    inside = bool(((ids >= 0) & (ids < size)).all())
    expect(inside, f"encode: ids must be in 0 to {size - 1}, the vocabulary's, but some of {_short(text)} are not")
    expect(np.array_equal(_encode(tokenizer, text), ids), f"encode: must be the same every time for {_short(text)}")
    if not text:
        expect_equal(ids.tolist(), [], "encode: the ids of the empty text, end tokens included,")


def _check_end_tokens(tokenizer: Tokenizer, text: str) -> None:
    if tokenizer.end_id is None or END in text:
        return
    found = int((_encode(tokenizer, text) == tokenizer.end_id).sum())
    if tokenizer.end_token == "line":
        lines = text.count("\n")
        # The last line may end without a line end, and then have an end token or not.
        wanted = {lines} if text.endswith("\n") or not text else {lines, lines + 1}
        message = f"encode: with end_token='line' each line end must be an end token, {lines} in {_short(text)}"
    else:
        wanted = {0}
        message = f"encode: must not add end tokens (lmlab adds one after each {tokenizer.end_token}) to {_short(text)}"
    expect(found in wanted, f"{message}, but there are {found}")


def _check_unknown(tokenizer: Tokenizer, text: str) -> None:
    """Checks that the parts which it names are distinct, unknown, and encoded as 0."""
    parts = attempt("unknown", tokenizer.unknown, text)
    is_list = isinstance(parts, list) and all(isinstance(part, str) for part in parts)
    expect(is_list, f"unknown: must return a list of parts of the text, but returned {parts!r}")
    expect(len(set(parts)) == len(parts), f"unknown: parts must be distinct, but some of {_short(text)} come twice")
    known = sorted(set(parts) & set(tokenizer.vocabulary))
    expect(not known, f"unknown: must name what is not in the vocabulary, but names {known[:3]}, which are")
    found = f"{parts[:3]} of {_short(text)} are named, but none of its ids is 0"
    is_encoded = not parts or bool((_encode(tokenizer, text) == 0).any())
    expect(is_encoded, f"unknown: what is not in the vocabulary must be encoded as 0; {found}")


def _decode(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    text = attempt("decode", tokenizer.decode, ids)
    expect_instance(text, str, "decode: must return text (str)")
    return text


def _stream(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    pieces = []
    streamer = attempt("streamer()", tokenizer.streamer)
    for number in ids:
        pieces.append(attempt(f"streamer: push({number})", streamer.push, number))
        expect_instance(pieces[-1], str, "streamer: push must return the text that an id adds")
    return "".join(pieces)


def _check_decoding(tokenizer: Tokenizer, text: str, *, exact: bool) -> None:
    ids = _encode(tokenizer, text).tolist()
    decoded = _decode(tokenizer, ids)
    if exact:
        requirement = "must be the text (exact=False if something is dropped by design)"
        expect(decoded == text, f"decode: decode(encode(text)) {requirement}, but {_first_change(text, decoded)}")
    streamed = _stream(tokenizer, ids)
    found = _first_change(decoded, streamed)
    expect(streamed == decoded, f"streamer: the ids of a text must give what decode gives, but {found}")


def _check_streamer(tokenizer: Tokenizer) -> None:
    """Checks that it accepts every id, in any order, as a model may generate them."""
    size = len(tokenizer.vocabulary)
    ids = [*range(min(size, 300)), *np.random.default_rng(0).integers(0, size, 300).tolist()]
    streamed, decoded = _stream(tokenizer, ids), _decode(tokenizer, ids)
    # Half a character may be held back at the end.
    found = _first_change(decoded[: len(streamed)], streamed)
    expect(decoded.startswith(streamed), f"streamer: ids in any order must give what decode gives, but {found}")
    same = _stream(tokenizer, ids) == streamed
    expect(same, "streamer: each one must start from nothing, but a second one gave other text")


def _check_restored(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Checks that tokenizer.json makes the tokenizer again."""
    learned = _learned(tokenizer)
    same = learned.get("vocabulary") == list(tokenizer.vocabulary)
    expect(same, "learned: must have the vocabulary, a list under that name")
    both = ", ".join(sorted({*learned} & {*tokenizer.options(), "format", "type"}))
    expect(not both, f"learned: must use other names than the constructor's keywords, format and type, but has {both}")
    restored = _unfitted(tokenizer)
    attempt("restore of what learned returned", restored.restore, learned)
    _check_same(tokenizer, restored, texts, "restore: a new object with the same options and what learned gave")
    saved = json_round_trip(tokenizer.to_dict(), "to_dict: the tokenizer")
    with failures_as_assertions("making the tokenizer from tokenizer.json"):
        loaded = saved_tokenizers.from_dict(saved, find=lambda _: type(tokenizer))
    found = f"type_name {tokenizer.type_name!r} is that of {type(loaded).__name__}; leave it empty"
    expect(type(loaded) is type(tokenizer), f"to_dict: must name the tokenizer's own class, but its {found}")
    _check_same(tokenizer, loaded, texts, "to_dict: a tokenizer made from tokenizer.json")
    try:
        _unfitted(tokenizer).restore({})
    except (ValueError, LookupError, TypeError):
        return
    except Exception as error:
        found = f"raised {type(error).__name__}"
    else:
        found = "accepted it"
    requirement = "restore: must refuse an empty dictionary with ValueError, LookupError or TypeError"
    raise AssertionError(f"{requirement}, but {found}")


def _check_same(tokenizer: Tokenizer, other: Tokenizer, texts: Sequence[str], what: str) -> None:
    expect(list(other.vocabulary) == list(tokenizer.vocabulary), f"{what} must have the same vocabulary")
    for text in [*texts, texts[0] + _UNSEEN]:
        ids = _encode(tokenizer, text)
        expect(np.array_equal(_encode(other, text), ids), f"{what} must give the same ids, but not for {_short(text)}")
        same = _decode(other, ids.tolist()) == _decode(tokenizer, ids.tolist())
        expect(same, f"{what} must give the same text, but not for the ids of {_short(text)}")
    expect(_learned(other) == _learned(tokenizer), f"{what} must have learned the same, but learned() differs")


def _short(text: str) -> str:
    return json.dumps(text if len(text) <= 40 else text[:40] + "...", ensure_ascii=False)


def _first_change(expected: str, found: str) -> str:
    """Where two texts begin to differ, and what is there."""
    length = min(len(expected), len(found))
    at = next((i for i in range(length) if expected[i] != found[i]), length)
    start = max(0, at - 10)
    return f"at character {at} {_short(expected[start : at + 20])} became {_short(found[start : at + 20])}"
