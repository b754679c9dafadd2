"""Lower bounds of memory: against real models, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import compose_config

from lmlab.config import memory
from lmlab.config.memory import Known, check_part, check_training_memory, training_memory
from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError
from lmlab.training.assembly import module_of
from lmlab.training.models import build_model

VOCABULARY = 50


def estimate(settings: TrainSettings, *, tokens: float = 1) -> dict[str, float]:
    known = Known(VOCABULARY, tokens)
    return training_memory(settings, memory._sizes(settings, known), known)


MODELS = [
    ("model=rnn",),
    ("model=gru", "model.num_layers=3"),
    ("model=lstm", "model.num_layers=2", "model.weight_dropout=0.1"),
    ("model=lstm", "embedding.dim=16", "model.tie_weights=true"),
    ("model=feedforward", "model.num_layers=3", "model.context=5"),
]


@pytest.mark.parametrize("words", MODELS)
@pytest.mark.parametrize(
    "optimizer",
    [
        "optimizer=adam averaging=ema",
        "optimizer=nadam",
        "optimizer=rmsprop",
        "optimizer=rmsprop optimizer.momentum=0.5 optimizer.centered=true",
        "optimizer=sgd optimizer.momentum=0",
        "optimizer=sgd optimizer.momentum=0.9",
        "optimizer=adagrad",
    ],
)
def test_weights_and_what_the_optimizer_keeps_are_those_of_the_real_model(
    words: tuple[str, ...], optimizer: str, text_file: Path
) -> None:
    settings = compose_config(text_file, *words, *optimizer.split())
    assert settings.embedding.dim is not None
    model = build_model(settings, torch.zeros(VOCABULARY, settings.embedding.dim))
    parts = estimate(settings)
    assert parts["weights"] == parts["gradients"] == 4 * model.num_parameters
    made = module_of(settings, model).make_optimizer(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    made.step()
    kept = [value for state in made.state.values() for value in state.values() if isinstance(value, torch.Tensor)]
    assert parts["optimizer"] == 4 * sum(value.numel() for value in kept if value.ndim)
    assert parts["averaging"] == (4 * model.num_parameters if "ema" in optimizer else 0)


def test_a_frozen_embedding_is_not_trained(text_file: Path) -> None:
    settings = compose_config(text_file)
    trained = estimate(settings)["optimizer"]
    settings.embedding.freeze = True
    assert trained - estimate(settings)["optimizer"] == 2 * 4 * VOCABULARY * 8


@pytest.mark.parametrize("words", MODELS)
def test_activations_are_no_more_than_autograd_keeps(words: tuple[str, ...], text_file: Path) -> None:
    settings = compose_config(text_file, *words, "model.dropout=0")
    assert settings.embedding.dim is not None
    model = build_model(settings, torch.zeros(VOCABULARY, settings.embedding.dim)).train()
    weights = {parameter.data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in weights:  # also bytes: the workspace of an LSTM
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    batch, length = 7, 40
    inputs = torch.randint(VOCABULARY, (batch, length))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(inputs, model.init_state(batch))
        loss = model.decoder.loss(output.hidden, inputs)
        held = sum(kept.values()) + output.hidden.untyped_storage().nbytes()
        assert loss.nll_sum.requires_grad
    assert estimate(settings, tokens=batch * length)["activations"] <= 1.2 * held


def test_what_counts_most_is_named(text_file: Path) -> None:
    for word, field in [
        ("model.num_layers=1000000", "model.num_layers"),
        ("model.hidden_size=1000000", "model.hidden_size"),
        ("embedding.dim=100000000000", "embedding.dim"),
    ]:
        settings = compose_config(text_file)
        part, _, name = field.partition(".")
        value = int(word.partition("=")[2])
        for owner in (settings.model.core, settings.model) if part == "model" else (settings.embedding,):
            setattr(owner, name, value)
        with pytest.raises(UserError) as refused:
            check_part(settings, Known(VOCABULARY, 1000), 10**9)
        told = str(refused.value)
        assert told.startswith(f"{field}={value}: needs about ")
        assert "1 GB are there" in told
        assert told.endswith(f"; lower {field}")


def test_exactly_what_is_there_is_enough_and_the_unknown_refuses_nothing(text_file: Path) -> None:
    settings, known = compose_config(text_file), Known(VOCABULARY, 100)
    total = int(sum(estimate(settings, tokens=100).values()))
    check_part(settings, known, total)
    check_part(settings, known, None)
    with pytest.raises(UserError):
        check_part(settings, known, total - 1)


def test_parts_of_ones_own_count_nothing(text_file: Path) -> None:
    settings = compose_config(text_file)
    settings.model.core.target = settings.optimizer.target = "my.Own"
    settings.model.core.hidden_size = 10**12  # type: ignore[attr-defined]
    check_part(settings, Known(VOCABULARY, 100), 10**6)


def test_a_batch_counts_when_the_text_is_known(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 10**8)
    # It is no longer than the text, so that these may be no more than a few tokens.
    settings = compose_config(text_file, "data.batch_size=1000000", "data.sequence_length=100000")
    check_training_memory(settings, on_cpu=True)
    check_training_memory(settings, Known(VOCABULARY, 10**9), on_cpu=False)
    with pytest.raises(UserError, match=r"^data\.batch_size=1000000: .*lower data\.batch_size$"):
        check_training_memory(settings, Known(VOCABULARY, 10**9), on_cpu=True)


def test_samples_are_counted_before_they_are_drawn(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = compose_config(text_file)
    monkeypatch.setattr(memory, "available_memory", lambda: 10**8)
    settings.evaluation.num_samples = 10**9
    with pytest.raises(UserError, match=r"^evaluation\.num_samples=1000000000: .*lower evaluation\.num_samples"):
        check_training_memory(settings)


def test_a_ceiling_needs_three_matrices() -> None:
    settings: Any = SimpleNamespace(parts=("ceiling",), matrix_size=1000)
    memory.check_benchmark_parts_memory(settings, 12_000_000)
    with pytest.raises(UserError, match=r"^matrix_size=1000: needs about 12 MB.*lower matrix_size"):
        memory.check_benchmark_parts_memory(settings, 11_999_999)
