"""Baseline losses to compare a model with: simple models evaluated on exactly the same tokens."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from lmlab.baselines.comparison import baselines
from lmlab.data.cache import cache_folder, keep_text, kept_text
from lmlab.data.saved_tokenizers import to_json
from lmlab.data.token_store import TokenStore
from lmlab.data.tokenizers import Tokenizer

# Training tokens an n-gram model is fitted on: 20 million words take about 5 minutes and 2.5 GB.
MOST_TOKENS = 20_000_000
# Below this, counting again is quicker than it is worth to keep a file.
_KEPT_FROM = 200_000
_ORDERS = {"character": 5, "word": 3, "piece": 3}


def default_order(tokenizer: Tokenizer) -> int:
    """The n of the n-gram model: 5 by character, 3 by word or piece of a word."""
    return _ORDERS[tokenizer.unit]


def baseline_figures(
    train: TokenStore, evaluated: TokenStore, tokenizer: Tokenizer, *, order: int | None
) -> dict[str, float]:
    """Nats per counted token of a uniform, a unigram and a Kneser-Ney model; the n-gram models see the same text.

    Args:
        train: fitted on (its first `MOST_TOKENS`).
        evaluated: the split that the model's figure is of; the same tokens are counted.
        tokenizer: of both.
        order: n; None for `default_order`.
    """
    n = default_order(tokenizer) if order is None else order
    text = f"{train.text_sha256} {evaluated.text_sha256} {len(evaluated)} {n} {MOST_TOKENS} {to_json(tokenizer)}"
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
        counted[0] = False  # nothing predicts it
    ids, starts = np.asarray(train.ids[:MOST_TOKENS]), _starts(train)
    return baselines(
        ids,
        starts[starts < len(ids)],
        np.asarray(evaluated.ids),
        _starts(evaluated),
        counted=counted,
        vocabulary_size=len(tokenizer.vocabulary),
        order=order,
    )


def _starts(store: TokenStore) -> NDArray[np.int64]:
    return np.zeros(1, dtype=np.int64) if store.sentences is None else store.sentences


def describe_baselines(figures: dict[str, float]) -> str:
    """The figures in one line."""
    names = {"uniform": "uniform", "unigram": "unigram"}
    return ", ".join(f"{names.get(name, _ngram(name))} {value:.4f}" for name, value in figures.items()) + " nats/token"


def _ngram(name: str) -> str:
    return f"Kneser-Ney {name.rpartition('_')[2]}-gram"


def baseline_warning(nats_per_token: float, figures: dict[str, float]) -> list[str]:
    """Says so where the model is worse than counting."""
    name, best = min(figures.items(), key=lambda item: item[1])
    if nats_per_token <= best:
        return []
    words = _ngram(name) if name.startswith("kneser") else f"{name} model"
    return [
        f"baseline: a {words} has {best:.4f} nats a token on the same tokens, this model {nats_per_token:.4f}: "
        "train it longer, or change optimizer.lr or its size"
    ]
