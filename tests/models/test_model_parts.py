"""The parts of a model add up to it."""

from __future__ import annotations

import pytest
import torch

from lmlab.models.architecture import architecture
from lmlab.models.feedforward import FeedForward
from lmlab.models.language_model import LanguageModel
from lmlab.models.recurrent import GRU, LSTM

SIZES = {"num_layers": 2, "dropout": 0.0, "locked_dropout": False}


def made(core, dim: int, *, tie_weights: bool = False, frozen: bool = False) -> LanguageModel:
    return LanguageModel(
        vectors=torch.zeros(11, dim), core=core, input_dropout=0.0, output_dropout=0.0, locked_dropout=False,
        embedding_dropout=0.0, tie_weights=tie_weights, freeze_embedding=frozen,
    )  # fmt: skip


def test_parts_of_a_recurrent_model() -> None:
    parts = architecture(made(LSTM(input_size=6, hidden_size=8, **SIZES), 6, frozen=True))
    # Two bias vectors of 4 * 8 a layer.
    assert [tuple(part.values()) for part in parts] == [
        ("embedding", 11, 6, 66, False),
        ("LSTM layer 1", 6, 8, 4 * 8 * (6 + 8 + 2), True),
        ("LSTM layer 2", 8, 8, 4 * 8 * (8 + 8 + 2), True),
        ("decoder", 8, 11, 8 * 11 + 11, True),
    ]


def test_parts_of_a_feed_forward_model() -> None:
    core = FeedForward(input_size=6, hidden_size=8, context=3, **SIZES)
    parts = architecture(made(core, 6))
    assert [(part["part"], part["input"], part["parameters"]) for part in parts[1:3]] == [
        ("Linear layer 1", 18, 18 * 8 + 8),
        ("Linear layer 2", 8, 8 * 8 + 8),
    ]


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_add_up_with_a_tied_matrix_counted_once(tied: bool) -> None:
    model = made(GRU(input_size=8, hidden_size=8, **(SIZES | {"num_layers": 1})), 8, tie_weights=tied)
    parts = architecture(model)
    assert [part["part"] for part in parts] == ["embedding", "GRU layer", "decoder"]
    assert parts[-1]["parameters"] == (11 if tied else 8 * 11 + 11)
    assert sum(part["parameters"] for part in parts) == sum(p.numel() for p in model.parameters())
