"""A model beside its grammar, on strings up to a length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lmlab.data.sources.generated import make_grammar
from lmlab.data.token_store import build
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.evaluation.source_comparison import describe_excess, excess_by_length
from lmlab.models.language_model import LanguageModel
from lmlab.models.recurrent import GRU


def small_model(vocabulary_size: int) -> LanguageModel:
    torch.manual_seed(0)
    core = GRU(input_size=5, hidden_size=7, num_layers=1, dropout=0.0, locked_dropout=False)
    return LanguageModel(
        vectors=torch.randn(vocabulary_size, 5),
        core=core,
        input_dropout=0.3,  # must be off
        output_dropout=0.0,
        locked_dropout=False,
        embedding_dropout=0.0,
        tie_weights=False,
        freeze_embedding=False,
    )


def test_figures_equal_those_of_each_string_by_itself() -> None:
    grammar = make_grammar("brackets")
    strings = grammar.sample(300, np.random.default_rng(1))
    strings += ["(" * 100 + ")" * 100, "(" * 150 + ")" * 150]
    tokenizer = CharTokenizer(end_token="sentence")
    tokenizer.fit(strings)
    model = small_model(len(tokenizer.vocabulary))
    found = excess_by_length(model, build(strings, tokenizer), strings, grammar)

    def nats(string: str) -> float:
        ids = tokenizer.encode(string).tolist()
        inputs, targets = torch.tensor([[2, *ids]]), torch.tensor([*ids, 1])
        with torch.no_grad():
            hidden = model.eval()(inputs, model.init_state(1)).hidden
            logits = model.decoder.logits(hidden)[0].double()
        return float(torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))

    assert list(found) == [f"up to {limit} characters" for limit in (16, 64, 256)]
    for limit, row in zip((16, 64, 256), found.values(), strict=True):
        chosen = [string for string in strings if len(string) <= limit]
        tokens = sum(len(string) + 1 for string in chosen)
        assert (row["strings"], row["tokens"]) == (len(chosen), tokens)
        assert row["nats_per_token"] == pytest.approx(sum(map(nats, chosen)) / tokens, rel=1e-6)
        assert row["source_nats_per_token"] == pytest.approx(sum(map(grammar.nats, chosen)) / tokens)
        assert row["excess_nats_per_token"] == pytest.approx(row["nats_per_token"] - row["source_nats_per_token"])
    assert describe_excess(found).startswith(
        f"up to 16 characters {found['up to 16 characters']['excess_nats_per_token']:+.4f}"
    )


def test_limits_that_take_no_further_string_are_left_out() -> None:
    grammar = make_grammar("ndfa")
    strings = ["ss", "sabc!s"]
    tokenizer = CharTokenizer(end_token="sentence")
    tokenizer.fit(strings)
    model = small_model(len(tokenizer.vocabulary))
    assert list(excess_by_length(model, build(strings, tokenizer), strings, grammar)) == ["up to 16 characters"]
