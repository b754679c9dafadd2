"""Tokenizers to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmlab.data.bpe import BPETokenizer
from lmlab.data.cache import CACHED_FROM, cache_folder, keep_text, kept_text, key_of
from lmlab.data.tokenizers import FORMAT, CharTokenizer, Tokenizer, WordTokenizer
from lmlab.errors import UserError

_TYPES: dict[str, type[CharTokenizer] | type[WordTokenizer] | type[BPETokenizer]] = {
    "char": CharTokenizer,
    "word": WordTokenizer,
    "bpe": BPETokenizer,
}


def from_dict(saved: dict[str, Any]) -> Tokenizer:
    """The tokenizer that `to_dict` described.

    Raises:
        UserError: not a description of this version's making.
    """
    options = dict(saved)
    if options.pop("format", None) != FORMAT:
        raise UserError("tokenizer.json", None, "was written by another version of lmlab", "train the run again")
    make = _TYPES[options.pop("type")]
    learned = {name: options.pop(name) for name in ("vocabulary", "merges") if name in options}
    made = make(**options)
    made.restore(**learned)
    return made


def to_json(tokenizer: Tokenizer) -> str:
    """The tokenizer as JSON text."""
    return json.dumps(tokenizer.to_dict(), ensure_ascii=False, indent=0)


def fitted(tokenizer: Tokenizer, texts: Sequence[str], *, cached_from: int = CACHED_FROM) -> Tokenizer:
    """The tokenizer fitted on training documents; what large ones taught it is kept in the cache.

    Args:
        tokenizer: not fitted; may be the one that is returned.
        texts: the training documents.
        cached_from: number of characters from which the result is kept.
    """
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


def load(path: Path) -> Tokenizer:
    """A tokenizer from its JSON file.

    Raises:
        UserError: missing or damaged.
    """
    try:
        return from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError("run", path, "is missing or damaged", "restore it, or train again") from error
