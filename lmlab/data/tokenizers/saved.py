"""Saves tokenizers as JSON and loads them."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeGuard, get_args

from lmlab.data.cache import CACHED_FROM, cache_folder, keep_text, kept_text, key_of
from lmlab.data.pieces import Text
from lmlab.data.tokenizers.base import FORMAT, Tokenizer
from lmlab.data.tokenizers.bpe import BPETokenizer
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.errors import UserError

# These take texts that are not in memory, and encode piece by piece.
OwnTokenizer = CharTokenizer | WordTokenizer | BPETokenizer
_OWN: dict[str, type[Tokenizer]] = {tokenizer.type_name: tokenizer for tokenizer in get_args(OwnTokenizer)}
# Maps a tokenizer's name in its file to its class; raises UserError if that class may not be constructed.
FindClass = Callable[[str], type[Tokenizer]]


def from_dict(
    saved: dict[str, Any], *, find: FindClass | None = None, where: Path | str = "tokenizer.json"
) -> Tokenizer:
    """Returns the tokenizer that `Tokenizer.to_dict` described.

    Args:
        saved: from `to_dict`.
        find: returns the class of a tokenizer that is not lmlab's own; None to accept only lmlab's own.
        where: the file that it was read from, for errors.

    Raises:
        UserError: damaged, written by another version, or of a class that may not be constructed.
    """
    try:
        return _made(saved, find)
    except (LookupError, TypeError, ValueError) as error:
        problem = "the tokenizer in it is missing or damaged"
        raise UserError("run", where, problem, "restore it, or train again") from error


def _made(saved: dict[str, Any], find: FindClass | None) -> Tokenizer:
    options = dict(saved)
    if options.pop("format", None) != FORMAT:
        raise UserError("tokenizer.json", None, "was written by another version of lmlab", "train the run again")
    name = options.pop("type")
    make = _OWN[name] if name in _OWN or find is None else find(str(name))
    taken = inspect.signature(make).parameters
    made = make(**{key: value for key, value in options.items() if key in taken})
    made.restore({key: value for key, value in options.items() if key not in taken})
    if made.to_dict().keys() != saved.keys():
        raise LookupError("entries that this tokenizer does not have")
    return made


def is_own(tokenizer: Tokenizer) -> TypeGuard[OwnTokenizer]:
    """Returns whether the tokenizer is lmlab's own.

    Results of other tokenizers are not cached, because their code may change under the same name.
    """
    return type(tokenizer) in _OWN.values()


def to_json(tokenizer: Tokenizer) -> str:
    """Returns the tokenizer as JSON text."""
    return json.dumps(tokenizer.to_dict(), ensure_ascii=False, indent=0)


def fitted(tokenizer: Tokenizer, texts: Sequence[Text], *, cached_from: int = CACHED_FROM) -> Tokenizer:
    """Fits a tokenizer on training documents; the result of a large training text is kept in the cache.

    Args:
        tokenizer: not yet fitted; may be changed in place and returned.
        texts: the training documents.
        cached_from: least number of characters for which the result is kept in the cache.

    Returns:
        The fitted tokenizer.
    """
    if not is_own(tokenizer):
        tokenizer.fit([str(text) for text in texts])
        return tokenizer
    if sum(map(len, texts)) < cached_from:
        tokenizer.fit(texts)
        return tokenizer
    path = cache_folder() / "tokenizers" / f"{key_of(texts, to_json(tokenizer))}.json"
    text = kept_text(path)
    if text is not None:
        return from_dict(json.loads(text))
    tokenizer.fit(texts)
    keep_text(path, to_json(tokenizer))
    return tokenizer


def extended(known: Tokenizer, other: Tokenizer) -> Tokenizer:
    """Returns a fitted tokenizer with the entries of another added behind its own, which keep their ids.

    Only lmlab's tokenizers by character and by word can take more; others are returned as they are.

    Args:
        known: not changed.
        other: of the same class and options, fitted.
    """
    if not isinstance(known, CharTokenizer | WordTokenizer):
        return known
    there = set(known.vocabulary)
    made = copy.copy(known)
    made.restore({"vocabulary": [*known.vocabulary, *(entry for entry in other.vocabulary if entry not in there)]})
    return made


def load(path: Path) -> Tokenizer:
    """Loads a tokenizer from its JSON file.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError("run", path, "is missing or damaged", "restore it, or train again") from error
    return from_dict(saved, where=path)
