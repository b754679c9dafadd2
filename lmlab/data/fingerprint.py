"""The fingerprint of an evaluation: equal where perplexities may be compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from lmlab.data.token_store import TokenStore
from lmlab.data.tokenizers.base import Tokenizer


def fingerprint(
    store: TokenStore, tokenizer: Tokenizer, num_streams: int, *, partial: Mapping[str, Any] | None = None
) -> str:
    """Returns a SHA-256 of evaluated text, vocabulary and protocol; perplexities are comparable if it is equal.

    Args:
        store: the evaluated split.
        tokenizer: the tokenizer, whose vocabulary and options are included.
        num_streams: number of streams of the evaluation protocol; unused for sentences.
        partial: what of the run was limited, see `LanguageModelData.partial`; empty or None for nothing.
    """
    running = store.sentences is None
    ids = hashlib.sha256()
    for block in store.blocks():
        ids.update(np.ascontiguousarray(block, dtype=np.int32).data)
    protocol: dict[str, Any] = {
        "text": store.text_sha256,
        # Not determined by the text alone: where the end tokens are.
        "ids": ids.hexdigest(),
        "tokenizer": tokenizer.to_dict(),
        "num_streams": num_streams if running else None,
        "num_tokens": store.num_targets,
        "dtype": "float32",
        "state": "carried" if running else "fresh for each sentence",
    }
    whole = hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()
    if not partial:
        return whole
    # Comparable with nothing that read more or less.
    return hashlib.sha256(json.dumps([whole, dict(partial)], sort_keys=True).encode()).hexdigest()
