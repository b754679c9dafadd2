"""Steps from id to logits, against the model's own forward and torch's modules."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from lmlab.models import stepping
from lmlab.models.core import Core, State, Stepper
from lmlab.models.decoder import LinearDecoder
from lmlab.models.feedforward import FeedForward
from lmlab.models.language_model import LanguageModel
from lmlab.models.recurrent import GRU, LSTM, RNN, RecurrentCore
from lmlab.models.stepping import token_stepper

V, E, H = 13, 6, 8


class ReLU(RNN):
    """An RNN with rectified linear units."""

    def __init__(self, **sizes) -> None:
        super().__init__(nonlinearity="relu", **sizes)


STEPS = 12
WITH_AND_WITHOUT_TABLE = pytest.mark.parametrize("table", [0, 2**20], ids=["no table", "table"], indirect=True)
EACH_CORE = pytest.mark.parametrize("kind", [RNN, ReLU, GRU, LSTM], ids=lambda kind: kind.__name__)


@pytest.fixture
def table(request, monkeypatch) -> None:
    """Sets the largest table of the first layer's products."""
    monkeypatch.setattr(stepping, "_TABLE_ELEMENTS", request.param)


def make_model(core: Core, *, tie_weights: bool = False, make_decoder: type[LinearDecoder] = LinearDecoder):
    torch.manual_seed(0)
    model = LanguageModel(
        vectors=torch.randn(V, H if tie_weights else E), core=core, input_dropout=0.0, output_dropout=0.0,
        locked_dropout=False, embedding_dropout=0.0, tie_weights=tie_weights, freeze_embedding=False,
        make_decoder=make_decoder,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in core.parameters():
            # Larger ones would be chaotic in the RNN, and grow without end with rectified units.
            parameter.copy_((0.2 if isinstance(core, ReLU) else 0.5) * torch.randn_like(parameter))
    return model.eval()


def make_core(kind: type[RecurrentCore] = LSTM, *, num_layers: int = 2, input_size: int = E) -> RecurrentCore:
    return kind(input_size=input_size, hidden_size=H, num_layers=num_layers, dropout=0.0, locked_dropout=False)


def random_state(model: LanguageModel, batch_size: int) -> State:
    return tuple(torch.randn_like(tensor).tanh() for tensor in model.init_state(batch_size))


def run_steps(model: LanguageModel, ids: Tensor, state: State, **how) -> tuple[Tensor, State]:
    """Logits (B, T, V) and the last state."""
    step = token_stepper(model, **how)
    logits = []
    with torch.no_grad():
        for column in ids.unbind(dim=1):
            new, state = step(column, state)
            logits.append(new)
    return torch.stack(logits, dim=1), state


def assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@EACH_CORE
@WITH_AND_WITHOUT_TABLE
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_steps_equal_torchs_own_modules(kind, table, num_layers, batch_size):
    model = make_model(make_core(kind, num_layers=num_layers))
    torch_kind = {RNN: nn.RNN, ReLU: partial(nn.RNN, nonlinearity="relu"), GRU: nn.GRU, LSTM: nn.LSTM}[kind]
    module = torch_kind(E, H, num_layers, batch_first=True)
    with torch.no_grad():
        for i, layer in enumerate(model.core.layers):
            for name, weight in layer.named_parameters():
                module.get_parameter(name.replace("l0", f"l{i}")).copy_(weight)
        ids = torch.randint(V, (batch_size, STEPS))
        state = random_state(model, batch_size)
        theirs = (torch.cat(state[0::2]), torch.cat(state[1::2])) if kind is LSTM else torch.cat(state)
        output, theirs = module(model.embedding(ids), theirs)
        expected = nn.functional.linear(output, model.decoder.weight, model.decoder.bias)
    found, new_state = run_steps(model, ids, state)
    assert_close(found, expected)
    pairs = theirs if kind is LSTM else (theirs,)
    for i, expected_state in enumerate(pairs):
        assert_close(torch.cat(new_state[i :: len(pairs)]), expected_state)


@EACH_CORE
@WITH_AND_WITHOUT_TABLE
@pytest.mark.parametrize("batch_size", [1, 64])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_step_leaves_its_state_and_what_it_returned_before_as_they_were(kind, table, batch_size, bfloat16):
    """So several texts may be continued from one state."""
    model = make_model(make_core(kind))
    step = token_stepper(model, bfloat16=bfloat16)
    state, ids = random_state(model, batch_size), torch.randint(V, (batch_size,))
    before = [tensor.clone() for tensor in state]
    with torch.no_grad():
        logits, new_state = step(ids, state)
        kept = [tensor.clone() for tensor in (logits, *new_state)]
        step(torch.zeros_like(ids), new_state)
        again, _ = step(ids, state)
    assert all(map(torch.equal, state, before))
    assert all(map(torch.equal, (logits, *new_state), kept))
    assert torch.equal(again, logits)


@EACH_CORE
@WITH_AND_WITHOUT_TABLE
def test_preparing_changes_no_parameter(kind, table):
    model = make_model(make_core(kind))
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    for batch_size in (1, 64):
        run_steps(model, torch.randint(V, (batch_size, 2)), model.init_state(batch_size))
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())


@WITH_AND_WITHOUT_TABLE
@pytest.mark.parametrize("batch_size", [1, 64])
def test_tied_weights_are_those_of_the_embedding(table, batch_size):
    model = make_model(make_core(input_size=H), tie_weights=True)
    ids = torch.randint(V, (batch_size, STEPS))
    with torch.no_grad():
        expected = model.decoder.logits(model(ids, model.init_state(batch_size)).hidden)
    assert_close(run_steps(model, ids, model.init_state(batch_size))[0], expected)


@EACH_CORE
@WITH_AND_WITHOUT_TABLE
@pytest.mark.parametrize("batch_size", [1, 64])
def test_bfloat16_is_near_float32_and_keeps_the_states_type(kind, table, batch_size):
    model = make_model(make_core(kind))
    with torch.no_grad():
        for parameter in model.core.parameters():
            parameter.mul_(0.3)  # chaotic weights would make a large error of any rounding
    ids, state = torch.randint(V, (batch_size, STEPS)), random_state(model, batch_size)
    exact, exact_state = run_steps(model, ids, state)
    rounded, new_state = run_steps(model, ids, state, bfloat16=True)
    assert {tensor.dtype for tensor in (rounded, *new_state)} == {torch.float32}
    for found, expected in zip((rounded, *new_state), (exact, *exact_state), strict=True):
        assert 1e-5 < float((found - expected).abs().max()) < 0.05


class OwnStepper(LSTM):
    """An LSTM whose output is negative, in steps too."""

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        output, state = super().forward(inputs, state)
        return -output, state

    def stepper(self) -> Stepper:
        step = super().stepper()

        def negative(inputs: Tensor, state: State) -> tuple[Tensor, State]:
            output, state = step(inputs, state)
            return -output, state

        return negative


class OwnLogits(LinearDecoder):
    """A decoder whose logits are capped."""

    def logits(self, hidden: Tensor) -> Tensor:
        return 3 * torch.tanh(super().logits(hidden) / 3)


def make_feed_forward() -> FeedForward:
    return FeedForward(input_size=E, hidden_size=H, num_layers=1, dropout=0.0, locked_dropout=False, context=2)


@WITH_AND_WITHOUT_TABLE
@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize(
    "make",
    [lambda: OwnStepper(input_size=E, hidden_size=H, num_layers=1, dropout=0.0, locked_dropout=False),
     make_feed_forward],
    ids=["own stepper", "feed-forward"],
)  # fmt: skip
def test_other_cores_and_decoders_run_by_their_own_methods_in_their_own_precision(table, bfloat16, make):
    model = make_model(make(), make_decoder=OwnLogits)
    ids = torch.randint(V, (5, STEPS))
    with torch.no_grad():
        expected = model.decoder.logits(model(ids, model.init_state(5)).hidden)
    found, _ = run_steps(model, ids, model.init_state(5), bfloat16=bfloat16)
    assert_close(found, expected)


@pytest.mark.parametrize(("table", "looked_up"), [(V * 4 * H, True), (V * 4 * H - 1, False)], indirect=["table"])
def test_a_table_is_made_where_it_is_not_too_large(table, looked_up, monkeypatch):
    model = make_model(make_core())
    taken: list[Tensor | None] = []
    prepare = model.core.prepared_stepper

    def watched(*, vectors: Tensor | None, bfloat16: bool) -> Stepper:
        taken.append(vectors)
        return prepare(vectors=vectors, bfloat16=bfloat16)

    monkeypatch.setattr(model.core, "prepared_stepper", watched)
    token_stepper(model)
    assert [vectors is not None for vectors in taken] == [looked_up]
