"""A model of a formal language beside the grammar itself, string by string."""

from __future__ import annotations

import numpy as np

from lmlab.data.grammars.grammar import Grammar
from lmlab.data.loaders.sentences import SentenceEvaluationLoader
from lmlab.data.token_store import TokenStore
from lmlab.evaluation.protocol import nats_by_token
from lmlab.models.language_model import LanguageModel

# Strings of at most so many characters; long strings are rare and the hardest.
LIMITS = (16, 64, 256)


def excess_by_length(
    model: LanguageModel, store: TokenStore, strings: list[str], grammar: Grammar
) -> dict[str, dict[str, float]]:
    """How far the model is above its source on strings up to a length.

    Args:
        model: any device.
        store: of `strings`.
        strings: held out.
        grammar: their source.

    Returns:
        By ``up to 16 characters`` and so on: ``strings``, ``tokens`` (end tokens counted), ``nats_per_token`` of the
        model, ``source_nats_per_token`` and ``excess_nats_per_token``, which on a part of the strings may be below 0: a
        model that makes short strings too likely pays for it with long ones. A limit below which there is no string is
        left out, and one that takes no more strings than the limit before.
    """
    loader = SentenceEvaluationLoader(store)
    by_token = nats_by_token(model, loader).double().numpy()
    lengths = loader.lengths[loader.order]
    model_nats = np.empty(len(strings))
    model_nats[loader.order] = np.add.reduceat(by_token, np.cumsum(lengths) - lengths)
    source_nats = np.array([grammar.nats(string) for string in strings])
    characters = np.array([len(string) for string in strings])
    found: dict[str, dict[str, float]] = {}
    before = 0
    for limit in LIMITS:
        chosen = characters <= limit
        if chosen.sum() > before:
            tokens = int(loader.lengths[chosen].sum())
            of_model, of_source = model_nats[chosen].sum() / tokens, source_nats[chosen].sum() / tokens
            found[f"up to {limit} characters"] = {
                "strings": int(chosen.sum()),
                "tokens": tokens,
                "nats_per_token": float(of_model),
                "source_nats_per_token": float(of_source),
                "excess_nats_per_token": float(of_model - of_source),
            }
        before = int(chosen.sum())
    return found


def describe_excess(figures: dict[str, dict[str, float]]) -> str:
    """The figures in one line."""
    parts = [f"{limit} {row['excess_nats_per_token']:+.4f}" for limit, row in figures.items()]
    return f"{', '.join(parts)} nats/token above the source (validation)"
