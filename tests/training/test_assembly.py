from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import Parameter

from lmlab.training.assembly import decay_groups


def test_weight_decay_spares_biases_and_norms_and_every_parameter_is_in_one_group() -> None:
    module = nn.ModuleList([nn.Embedding(5, 3), nn.LSTM(3, 4, 2), nn.LayerNorm(4), nn.Linear(4, 5)])
    matrices, vectors = decay_groups(list(module.parameters()), 0.1)
    names = {id(p): name for name, p in module.named_parameters()}
    spared = {names[id(p)] for p in vectors["params"]}
    assert spared == {name for name in names.values() if "bias" in name} | {"2.weight"}
    assert vectors["weight_decay"] == 0.0
    assert "weight_decay" not in matrices
    assert sorted(id(p) for g in (matrices, vectors) for p in g["params"]) == sorted(names)


def test_without_weight_decay_there_is_one_group() -> None:
    assert len(decay_groups([Parameter(torch.zeros(2)), Parameter(torch.zeros(2, 2))], 0.0)) == 1


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
def test_only_matrices_shrink_where_there_is_no_gradient(optimizer) -> None:
    matrix, vector = Parameter(torch.ones(2, 2)), Parameter(torch.ones(2))
    made = optimizer(decay_groups([matrix, vector], 0.5), lr=0.1, weight_decay=0.5)
    matrix.grad, vector.grad = torch.zeros(2, 2), torch.zeros(2)
    made.step()
    assert torch.all(matrix < 1)
    assert torch.equal(vector, torch.ones(2))
