from __future__ import annotations

import inspect
import math
from pathlib import Path

import pytest
import torch
from conftest import compose_config
from torch import nn
from torch.nn import Parameter

from lmlab.config.compose import train_settings
from lmlab.config.folders import group_options
from lmlab.data.sources.text_files import TextFiles
from lmlab.errors import UserError
from lmlab.models.recurrent import GRU
from lmlab.training.assembly import build_data, decay_groups, module_of
from lmlab.training.models import build_model
from lmlab.training.run import train
from lmlab.training.schedulers import Constant


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


def test_a_state_with_the_batch_on_another_dimension_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # It would be taken for the state of other rows at each batch, and never be carried on.
    monkeypatch.setattr(GRU, "init_state", lambda self, batch_size: (torch.zeros(batch_size, 1, 4),))
    settings = train_settings(["model=gru", "model.hidden_size=4", "embedding.dim=3"])
    with pytest.raises(UserError, match=r"init_state\(2\) of GRU gives \(2, 1, 4\): the batch must be on dim 1"):
        build_model(settings, torch.zeros(5, 3))


def test_a_source_that_gives_no_corpus_is_named(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextFiles, "load", lambda self: None)
    with pytest.raises(UserError, match=r"load\(\) of TextFiles returned NoneType, not an lmlab\.Corpus"):
        build_data(compose_config(text_file))


@pytest.mark.parametrize("factor", [-1.0, math.nan, math.inf])
def test_a_factor_that_would_train_uphill_is_refused(
    factor: float, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Constant, "__call__", lambda self, step: factor if step >= 3 else 1.0)
    with pytest.raises(UserError, match=f"Constant gives the factor {factor} after 3 steps"):
        train(compose_config(text_file), tmp_path)


@pytest.mark.parametrize("option", group_options("optimizer"))
@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_all_parameters_are_updated_in_one_kernel_or_in_few_where_torch_can(option: str, precision: str) -> None:
    settings = train_settings([f"optimizer={option}", "model.hidden_size=4", "embedding.dim=3"])
    settings.trainer.precision = precision
    module = module_of(settings, build_model(settings, torch.zeros(5, 3)))
    optimizer = module.make_optimizer(module.parameters())
    can_be_fused = "fused" in inspect.signature(type(optimizer)).parameters
    assert bool(optimizer.defaults.get("fused")) == can_be_fused
    assert optimizer.defaults.get("fused") or optimizer.defaults["foreach"]
    assert optimizer.param_groups[0]["lr"] == settings.optimizer.lr


@pytest.mark.parametrize("option", group_options("optimizer"))
def test_every_optimizer_trains(option: str, text_file: Path, tmp_path: Path) -> None:
    summary = train(compose_config(text_file, f"optimizer={option}", "trainer.max_epochs=1", "model=rnn"), tmp_path)
    assert summary["val/nats_per_token"] < math.log(summary["vocabulary_size"])
