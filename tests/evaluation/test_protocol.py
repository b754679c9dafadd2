"""The evaluation protocol, against a loop over single tokens in float64 with the equations written out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lmlab.data.loaders.base import IGNORE_INDEX, Batch
from lmlab.data.loaders.streams import EvaluationLoader
from lmlab.data.token_store import TokenStore
from lmlab.evaluation.figures import Figures, numbers
from lmlab.evaluation.protocol import evaluate, evaluation_step, nats_by_token
from lmlab.evaluation.streams import StreamTotals
from lmlab.models.inference import exact_float32
from lmlab.models.language_model import LanguageModel
from lmlab.models.recurrent import GRU, LSTM, RNN, RecurrentCore

V, DIM, HIDDEN = 12, 5, 7
END_ID = 1
Array = NDArray[np.float64]

EACH_CORE = pytest.mark.parametrize("kind", [RNN, GRU, LSTM], ids=lambda kind: kind.__name__)


def make_model(kind: type[RecurrentCore], *, num_layers: int = 2, dropout: float = 0.0) -> LanguageModel:
    """Weights large enough that what was read matters."""
    torch.manual_seed(0)
    core = kind(input_size=DIM, hidden_size=HIDDEN, num_layers=num_layers, dropout=dropout, locked_dropout=False)
    model = LanguageModel(
        vectors=torch.randn(V, DIM), core=core, input_dropout=dropout, output_dropout=dropout, locked_dropout=False,
        embedding_dropout=0.0, tie_weights=False,
        freeze_embedding=False,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in [*model.core.parameters(), *model.decoder.parameters()]:
            parameter.mul_(2)
    return model.eval()


def make_store(num_tokens: int, *, end_token: bool) -> TokenStore:
    ids = np.random.default_rng(0).integers(0, V, num_tokens).astype(np.int32)
    return TokenStore(ids, num_tokens, 0, "", END_ID if end_token else None)


# The reference


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def rnn_step(w: dict[str, Array], x: Array, state: list[Array]) -> list[Array]:
    (h,) = state
    return [np.tanh(w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"])]


def gru_step(w: dict[str, Array], x: Array, state: list[Array]) -> list[Array]:
    (h,) = state
    from_x = (w["weight_ih"] @ x + w["bias_ih"]).reshape(3, -1)
    from_h = (w["weight_hh"] @ h + w["bias_hh"]).reshape(3, -1)
    reset, update = sigmoid(from_x[0] + from_h[0]), sigmoid(from_x[1] + from_h[1])
    new = np.tanh(from_x[2] + reset * from_h[2])
    return [(1 - update) * new + update * h]


def lstm_step(w: dict[str, Array], x: Array, state: list[Array]) -> list[Array]:
    h, c = state
    gates = (w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"]).reshape(4, -1)
    enter, forget, candidate, leave = sigmoid(gates[0]), sigmoid(gates[1]), np.tanh(gates[2]), sigmoid(gates[3])
    c = forget * c + enter * candidate
    return [leave * np.tanh(c), c]


STEPS: dict[type, tuple[Callable, int]] = {RNN: (rnn_step, 1), GRU: (gru_step, 1), LSTM: (lstm_step, 2)}


class Reference:
    """The model in float64, a token at a time."""

    def __init__(self, model: LanguageModel) -> None:
        def array(tensor: torch.Tensor) -> Array:
            return tensor.detach().double().numpy()

        self.embedding = array(model.embedding.weight)
        self.weight, self.bias = array(model.decoder.weight), array(model.decoder.bias)
        self.layers = [
            {name.removesuffix("_l0"): array(p) for name, p in layer.named_parameters()} for layer in model.core.layers
        ]
        self.step, self.tensors = STEPS[type(model.core)]

    def read(self, inputs: list[int], targets: list[int]) -> tuple[list[float], int]:
        """Nats of each target of one stream, and how many were not the most probable."""
        states = [[np.zeros(HIDDEN)] * self.tensors for _ in self.layers]
        nats, num_errors = [], 0
        for token, target in zip(inputs, targets, strict=True):
            x = self.embedding[token]
            for i, weights in enumerate(self.layers):
                states[i] = self.step(weights, x, states[i])
                x = states[i][0]
            logits = self.weight @ x + self.bias
            nats.append(math.log(np.exp(logits).sum()) - logits[target])
            num_errors += int(logits.argmax() != target)
        return nats, num_errors


def read_streams(model: LanguageModel, store: TokenStore, num_streams: int) -> tuple[list[list[float]], int]:
    """Streams of ceil(N / S) tokens, each from a zero state, its first input the token before it."""
    reference, ids = Reference(model), store.ids.tolist()
    length = math.ceil(len(ids) / num_streams)
    nats, num_errors = [], 0
    for start in range(0, len(ids), length):
        targets = ids[start : start + length]
        if start > 0:
            inputs = ids[start - 1 : start - 1 + len(targets)]
        elif store.end_id is not None:
            inputs = [store.end_id, *targets[:-1]]
        else:  # nothing to predict the first token from
            inputs, targets = targets[:-1], targets[1:]
        found, errors = reference.read(inputs, targets)
        nats.append(found)
        num_errors += errors
    return nats, num_errors


def assert_equals_reference(model: LanguageModel, store: TokenStore, num_streams: int | None, expected: int) -> None:
    nats, num_errors = read_streams(model, store, expected)
    found = evaluate(model, EvaluationLoader(store, num_streams=num_streams))
    assert found["num_tokens"] == store.num_targets == sum(map(len, nats))
    assert found["nats_per_token"] == pytest.approx(sum(map(sum, nats)) / store.num_targets, rel=1e-6)
    assert found["error_rate"] == num_errors / store.num_targets
    assert found["perplexity"] == pytest.approx(math.exp(sum(map(sum, nats)) / store.num_targets), rel=1e-5)


@EACH_CORE
@pytest.mark.parametrize(("num_tokens", "num_streams"), [(4_501, 2), (700, 1), (257, 1), (2, 1), (1, 1)])
def test_evaluation_equals_a_loop_over_tokens(kind, num_tokens, num_streams):
    """Under the protocol's own number of streams; windows are shorter than the streams, the last stream is padded."""
    store = make_store(num_tokens, end_token=True)
    assert_equals_reference(make_model(kind), store, None, num_streams)


@EACH_CORE
@pytest.mark.parametrize(("num_tokens", "num_streams"), [(4_501, 2), (4_000, 2), (700, 1), (257, 1), (3, 1), (2, 1)])
def test_evaluation_without_an_end_token_equals_a_loop_over_tokens(kind, num_tokens, num_streams):
    """The first token is read once, from a zero state, and predicts the second."""
    store = make_store(num_tokens, end_token=False)
    assert_equals_reference(make_model(kind), store, None, num_streams)


@pytest.mark.parametrize("end_token", [True, False])
@pytest.mark.parametrize("num_streams", [1, 3, 7, 16])
def test_a_number_of_streams_that_was_asked_for_is_used(num_streams, end_token):
    assert_equals_reference(make_model(GRU), make_store(500, end_token=end_token), num_streams, num_streams)


@EACH_CORE
@pytest.mark.parametrize("end_token", [True, False])
def test_nats_of_each_token_equal_a_loop_over_tokens(kind, end_token):
    model, store = make_model(kind), make_store(300, end_token=end_token)
    ((expected,), _) = read_streams(model, store, 1)
    found = nats_by_token(model, EvaluationLoader(store, num_streams=1))
    assert found.shape == (store.num_targets,)
    torch.testing.assert_close(found.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-6)


def test_nats_are_given_for_counted_targets_only():
    model = make_model(GRU)
    ids = torch.arange(6)[None]
    targets = torch.tensor([[3, IGNORE_INDEX, 5, 7, IGNORE_INDEX, IGNORE_INDEX]])
    every = nats_by_token(model, [Batch(ids, ids.where(targets < 0, targets), torch.tensor([True]))])
    assert torch.equal(nats_by_token(model, [Batch(ids, targets, torch.tensor([True]))]), every[[0, 2, 3]])


@EACH_CORE
def test_the_length_of_the_windows_does_not_change_the_numbers(kind):
    model, store = make_model(kind), make_store(900, end_token=True)
    found = [
        evaluate(model, EvaluationLoader(store, num_streams=3, sequence_length=length)) for length in (1, 7, 300, 1000)
    ]
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-6)


def test_a_uniform_model_has_perplexity_v():
    model = make_model(LSTM)
    with torch.no_grad():
        model.decoder.weight.zero_()
        model.decoder.bias.fill_(0.3)
    found = evaluate(model, EvaluationLoader(make_store(4_100, end_token=True), num_streams=None))
    assert found["perplexity"] == pytest.approx(V, rel=1e-6)


# Padding


def make_padded() -> tuple[Batch, list[Batch]]:
    """Rows of 6, 9 and 2 targets in one batch with junk behind them, and each row by itself."""
    generator = torch.Generator().manual_seed(0)
    inputs, targets = (torch.randint(V, (3, 9), generator=generator) for _ in range(2))
    reset = torch.ones(3, dtype=torch.bool)
    lengths = [6, 9, 2]
    alone = [Batch(inputs[i : i + 1, :n], targets[i : i + 1, :n].clone(), reset[:1]) for i, n in enumerate(lengths)]
    for row, length in enumerate(lengths):
        targets[row, length:] = IGNORE_INDEX
    return Batch(inputs, targets, reset), alone


@EACH_CORE
def test_padding_changes_neither_loss_nor_gradient(kind):
    padded, alone = make_padded()

    def run(batches: list[Batch]) -> tuple[float, list[torch.Tensor]]:
        model, nats = make_model(kind).train(), 0.0
        for batch in batches:
            hidden = model(batch.inputs, model.init_state(len(batch.reset))).hidden
            loss = model.decoder.loss(hidden, batch.targets).nll_sum
            loss.backward()
            nats += loss.item()
        return nats, [p.grad for p in model.parameters()]

    nats, gradients = run([padded])
    expected, expected_gradients = run(alone)
    assert nats == pytest.approx(expected, rel=1e-6)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@EACH_CORE
def test_padding_does_not_change_the_metrics(kind):
    padded, alone = make_padded()
    model = make_model(kind)
    found = evaluate(model, [padded])
    measured = Figures()
    for batch in alone:
        measured.update(evaluation_step(model, batch, None, fields=measured.fields)[0])
    expected = numbers(measured.figures(None))
    assert found["num_tokens"] == expected["num_tokens"] == 17
    assert found == pytest.approx(expected, rel=1e-6)


# Modes


@EACH_CORE
@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_and_the_mode_restored(kind, training):
    loader = EvaluationLoader(make_store(300, end_token=True), num_streams=2)
    model = make_model(kind, dropout=0.5).train(training)
    assert evaluate(model, loader) == evaluate(make_model(kind), loader)
    assert torch.equal(nats_by_token(model, loader), nats_by_token(make_model(kind), loader))
    assert all(module.training is training for module in model.modules())


def test_evaluating_draws_no_random_number():
    model = make_model(LSTM, dropout=0.5).train()
    before = torch.get_rng_state()
    evaluate(model, EvaluationLoader(make_store(300, end_token=True), num_streams=2))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_mode_is_restored_after_an_error():
    model = make_model(LSTM).train()
    out_of_range = Batch(torch.tensor([[V]]), torch.tensor([[0]]), torch.tensor([True]))
    with pytest.raises(IndexError):
        evaluate(model, [out_of_range])
    assert model.training
    assert torch.is_grad_enabled()


def test_autocast_does_not_reach_an_evaluation():
    loader = EvaluationLoader(make_store(300, end_token=True), num_streams=2)
    model = make_model(LSTM)
    expected, expected_nats = evaluate(model, loader), nats_by_token(model, loader)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert evaluate(model, loader) == expected
        assert torch.equal(nats_by_token(model, loader), expected_nats)


@pytest.mark.parametrize("tf32", [True, False])
def test_tf32_is_off_inside_and_as_it_was_outside(tf32):
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = tf32
        with exact_float32(torch.device("cpu")):
            assert (matmul.fp32_precision, cudnn.rnn.fp32_precision) == ("ieee", "ieee")
            assert not torch.is_grad_enabled()
        assert (matmul.allow_tf32, cudnn.allow_tf32) == (tf32, tf32)

        def fail() -> None:
            with exact_float32(torch.device("cpu")):
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            fail()
        assert (matmul.allow_tf32, cudnn.allow_tf32) == (tf32, tf32)
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def test_an_evaluation_step_resets_flagged_rows_only():
    model = make_model(GRU)
    ids = torch.arange(8).reshape(2, 4) % V
    _, state = evaluation_step(model, Batch(ids, ids, torch.tensor([True, True])), None)
    _, fresh = evaluation_step(model, Batch(ids, ids, torch.tensor([True, True])), None)
    _, mixed = evaluation_step(model, Batch(ids, ids, torch.tensor([True, False])), state)
    _, carried = evaluation_step(model, Batch(ids, ids, torch.tensor([False, False])), state)
    for row, expected in ((0, fresh), (1, carried)):
        for ours, theirs in zip(mixed, expected, strict=True):
            torch.testing.assert_close(ours[:, row], theirs[:, row])
    assert not torch.allclose(fresh[0], carried[0])


# Streams


@EACH_CORE
@pytest.mark.parametrize("end_token", [True, False])
@pytest.mark.parametrize(("num_tokens", "num_streams"), [(1_000, 3), (1_190, 4), (5_017, 7)])
def test_the_middle_and_the_worst_stream_equal_a_loop_over_tokens(kind, end_token, num_tokens, num_streams):
    model, store, streams = make_model(kind), make_store(num_tokens, end_token=end_token), StreamTotals()
    nats, _ = read_streams(model, store, num_streams)
    loader = EvaluationLoader(store, num_streams=num_streams)
    assert evaluate(model, loader, streams=streams) == evaluate(model, loader)
    means = sorted(sum(found) / len(found) for found in nats)
    middle = (means[(num_streams - 1) // 2] + means[num_streams // 2]) / 2
    expected = {"count": num_streams, "median_nats_per_token": middle, "worst_nats_per_token": means[-1]}
    assert streams.table() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("num_tokens", "num_streams", "told"), [(400, 4, True), (399, 4, False), (400, 2, False)])
def test_few_streams_and_short_ones_say_nothing(num_tokens, num_streams, told):
    streams = StreamTotals()
    assert streams.table() is None
    evaluate(make_model(GRU), EvaluationLoader(make_store(num_tokens, end_token=True), num_streams=num_streams),
             streams=streams)  # fmt: skip
    assert (streams.table() is not None) == told
