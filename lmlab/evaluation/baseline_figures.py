"""Losses of baselines to compare a model with, on exactly the same tokens."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from lmlab.data.cache import cache_folder, keep_text, kept_text
from lmlab.data.token_store import TokenStore
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.data.tokenizers.saved import to_json
from lmlab.evaluation.baselines.comparison import baselines

# Most training tokens for the n-gram models: 20 million words take about 5 minutes and 2.5 GB.
MOST_TOKENS = 20_000_000
# Of a longer text only so many, which take up to 400 MB.
_PART = {"character": 10_000_000, "word": 3_000_000, "piece": 3_000_000}
# Results for at least this many training tokens are cached; for fewer, counting again is fast.
_KEPT_FROM = 200_000
_ORDERS = {"character": 5, "word": 3, "piece": 3}


def default_order(tokenizer: Tokenizer) -> int:
    """Returns the default n of the n-gram model: 5 by character, 3 by word or piece of a word."""
    return _ORDERS[tokenizer.unit]


def baseline_figures(
    train: TokenStore, evaluated: TokenStore, tokenizer: Tokenizer, *, order: int | None
) -> dict[str, float]:
    """Returns nats per counted token of a uniform, a unigram and a Kneser-Ney model.

    Args:
        train: the text that the n-gram models are fitted to, or to the beginning of it, see `part_note`.
        evaluated: the split on which the model was evaluated; the same tokens are counted.
        tokenizer: of both.
        order: n of the n-gram model; None for `default_order`.
    """
    n = default_order(tokenizer) if order is None else order
    most = _num_fitted(train, tokenizer)
    text = f"{train.text_sha256} {evaluated.text_sha256} {len(evaluated)} {n} {most} {to_json(tokenizer)}"
    path = cache_folder() / "baselines" / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
    if len(train) < _KEPT_FROM:
        return _counted(train, evaluated, tokenizer, n)
    kept = kept_text(path)
    if kept is not None:
        return {str(name): float(value) for name, value in json.loads(kept).items()}
    figures = _counted(train, evaluated, tokenizer, n)
    keep_text(path, json.dumps(figures))
    return figures


def _counted(train: TokenStore, evaluated: TokenStore, tokenizer: Tokenizer, order: int) -> dict[str, float]:
    counted = np.ones(len(evaluated), dtype=bool)
    if evaluated.end_id is None:
        counted[0] = False  # the first token is not predicted from anything
    ids, starts = np.asarray(train.ids[: _num_fitted(train, tokenizer)]), _starts(train)
    return baselines(
        ids,
        starts[starts < len(ids)],
        np.asarray(evaluated.ids),
        _starts(evaluated),
        counted=counted,
        vocabulary_size=len(tokenizer.vocabulary),
        order=order,
    )


def _num_fitted(train: TokenStore, tokenizer: Tokenizer) -> int:
    return len(train) if len(train) <= MOST_TOKENS else _PART[tokenizer.unit]


def part_note(train: TokenStore, tokenizer: Tokenizer) -> list[str]:
    """Returns a note if the n-gram models are fitted to a part of the training text only."""
    fitted = _num_fitted(train, tokenizer)
    return [f"the n-gram baseline counts the first {fitted:,} training tokens"] if fitted < len(train) else []


def _starts(store: TokenStore) -> NDArray[np.int64]:
    return np.zeros(1, dtype=np.int64) if store.sentences is None else store.sentences


def describe_baselines(figures: dict[str, float]) -> str:
    """Returns the figures in one line."""
    names = {"uniform": "uniform", "unigram": "unigram"}
    return ", ".join(f"{names.get(name, _ngram(name))} {value:.4f}" for name, value in figures.items()) + " nats/token"


def _ngram(name: str) -> str:
    return f"Kneser-Ney {name.rpartition('_')[2]}-gram"
