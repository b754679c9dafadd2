"""The check of a core: what passes, and for each requirement a core that violates it."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lmlab.models.core import Core, State
from lmlab.models.feedforward import FeedForward
from lmlab.models.recurrent import GRU, LSTM, RNN
from lmlab.testing import check_core

I, H = 4, 5  # noqa: E741  (the letters of the contract)


class Cell(Core):
    """h' = tanh(A x + B h), from a learned first state that is not zero; others violate one requirement each."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.output_size = H
        self.read = nn.Linear(I, H)
        self.again = nn.Linear(H, H)
        self.first = nn.Parameter(torch.randn(H))

    def init_state(self, batch_size: int) -> State:
        return (self.first.expand(1, batch_size, H),)

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        hidden, outputs = state[0][0], []
        for step in self.read(inputs).unbind(1):
            hidden = torch.tanh(step + self.again(hidden))
            outputs.append(hidden)
        return torch.stack(outputs, 1), (hidden[None],)


# What passes


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
@pytest.mark.parametrize("weight_dropout", [0.0, 0.3])
def test_lmlabs_recurrent_cores_pass(kind, weight_dropout: float) -> None:
    sizes = {"input_size": I, "hidden_size": H, "num_layers": 2}
    check_core(kind(**sizes, dropout=0.4, locked_dropout=True, weight_dropout=weight_dropout))


@pytest.mark.parametrize("context", [1, 3])
def test_lmlabs_feed_forward_core_passes(context: int) -> None:
    core = FeedForward(input_size=I, hidden_size=H, num_layers=2, dropout=0.4, locked_dropout=False, context=context)
    check_core(core, batch_size=2, num_steps=2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_core_of_another_type_passes(dtype: torch.dtype) -> None:
    core = LSTM(input_size=I, hidden_size=H, num_layers=2, dropout=0.2, locked_dropout=False)
    check_core(core.to(dtype))


def test_a_learned_first_state_passes() -> None:
    check_core(Cell())


class Stateless(Core):
    """Each token by itself: its state is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.output_size = H
        self.layer = nn.Linear(I, H)

    def init_state(self, batch_size: int) -> State:
        return ()

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        return self.layer(inputs), state


class Bare(Core):
    """Without any layer: only a parameter says the size of the inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.output_size = I
        self.share = nn.Parameter(torch.full((I,), 0.3))

    def init_state(self, batch_size: int) -> State:
        return (self.share.new_zeros(1, batch_size, I),)

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        mean, outputs = state[0][0], []
        for step in inputs.unbind(1):
            mean = torch.lerp(step, mean, self.share)
            outputs.append(mean)
        return torch.stack(outputs, 1), (mean[None],)


class Untold(Bare):
    """Nothing in it has the size of its inputs, of which it reads pairs of neighbours."""

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        return super().forward(inputs.unflatten(2, (2, I)).sum(2), state)


def test_an_empty_state_passes() -> None:
    check_core(Stateless())


def test_the_size_of_the_inputs_is_found_by_trying() -> None:
    check_core(Bare())


def test_a_size_that_is_nowhere_to_be_found_is_asked_for() -> None:
    with pytest.raises(AssertionError, match="pass input_size="):
        check_core(Untold())
    check_core(Untold(), input_size=2 * I)


@pytest.mark.parametrize("sizes", [{"batch_size": 1}, {"num_steps": 1}])
def test_one_row_or_one_step_shows_nothing(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        check_core(Cell(), **sizes)


class Norms(Cell):
    """Batch normalisation; in evaluation mode there is nothing wrong with it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(I)

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        return super().forward(self.norm(inputs.transpose(1, 2)).transpose(1, 2), state)


@pytest.mark.parametrize("kind", [Cell, Norms])
def test_everything_is_afterwards_as_before(kind) -> None:
    core = kind()
    core.again.eval()
    with torch.no_grad():
        core.again.bias.zero_()
    core.first.grad = torch.ones(H)
    before = {name: value.clone() for name, value in core.state_dict().items()}
    for generator in (torch.manual_seed, np.random.seed, random.seed):
        generator(5)
    drawn = [torch.rand(()), np.random.rand(), random.random()]
    for generator in (torch.manual_seed, np.random.seed, random.seed):
        generator(5)
    if kind is Norms:
        with pytest.raises(AssertionError):
            check_core(core)
    else:
        check_core(core)
    assert [torch.rand(()), np.random.rand(), random.random()] == drawn
    assert all(torch.equal(core.state_dict()[name], value) for name, value in before.items())
    assert core.training
    assert not core.again.training
    assert core.read.weight.grad is None
    assert torch.equal(core.first.grad, torch.ones(H))


# What is refused: the state


class ListState(Cell):
    def init_state(self, batch_size):
        return list(super().init_state(batch_size))


class BatchFirst(Cell):
    def init_state(self, batch_size):
        return (self.first.expand(batch_size, 1, H),)


class WholeNumbers(Cell):
    def init_state(self, batch_size):
        return (torch.zeros(1, batch_size, H, dtype=torch.int64),)


class NeedsBatchSize(Cell):
    def init_state(self, batch_size):
        return (super().init_state(batch_size)[0] / batch_size,)


class RandomStart(Cell):
    def init_state(self, batch_size):
        return (torch.randn(1, 1, H).expand(1, batch_size, H),)


class FixedType(Cell):
    def init_state(self, batch_size):
        return (torch.zeros(1, batch_size, H),)


class FixedDevice(Cell):
    def init_state(self, batch_size):
        return (torch.zeros(1, batch_size, H, dtype=self.first.dtype),)


class GrowingState(Cell):
    def forward(self, inputs, state):
        output, (hidden,) = super().forward(inputs, (state[0][:1],))
        return output, (torch.cat([state[0], hidden]),)


class GrowsLater(Cell):
    """Its state grows from the second call on."""

    def forward(self, inputs, state):
        is_fresh = torch.equal(state[0], self.init_state(len(inputs))[0])
        output, (hidden,) = super().forward(inputs, state)
        return output, (hidden if is_fresh else torch.cat([hidden, hidden]),)


class MovesItsState(Cell):
    def forward(self, inputs, state):
        output, (hidden,) = super().forward(inputs, state)
        return output, (hidden.to("meta"),)


class LayersByBatchSize(Cell):
    def init_state(self, batch_size):
        return (self.first.expand(batch_size, batch_size, H),)


class MoreState(Cell):
    def forward(self, inputs, state):
        output, state = super().forward(inputs, state)
        return output, (*state, *state)


class FewerForMany(Cell):
    def init_state(self, batch_size):
        return super().init_state(batch_size) if batch_size == 1 else ()


class OtherType(Cell):
    """Not the type of the parameters, whatever that is."""

    def init_state(self, batch_size):
        return (super().init_state(batch_size)[0].bfloat16(),)


class NestedState(Cell):
    def init_state(self, batch_size):
        return (super().init_state(batch_size),)


class CountingState(Cell):
    def forward(self, inputs, state):
        output, (hidden,) = super().forward(inputs, (state[0],))
        return output, (torch.zeros(hidden.shape, dtype=torch.int64),)


class NoOutput(Cell):
    def forward(self, inputs, state):
        return None, super().forward(inputs, state)[1]


class NamedState(NamedTuple):
    hidden: Tensor


class NeedsItsOwnTuple(Cell):
    def init_state(self, batch_size):
        return NamedState(*super().init_state(batch_size))

    def forward(self, inputs, state):
        output, state = super().forward(inputs, (state.hidden,))
        return output, NamedState(*state)


class ShowsTheWrongSize(Cell):
    def __init__(self):
        super().__init__()
        self.output_size = H + 1


class NoSize(Cell):
    def __init__(self):
        super().__init__()
        del self.output_size


class ChangesItsInputs(Cell):
    def forward(self, inputs, state):
        found = super().forward(inputs, state)
        inputs.zero_()
        return found


class Doubles(Cell):
    def forward(self, inputs, state):
        output, state = super().forward(inputs, state)
        return output.double(), state


class NotFinite(Cell):
    def forward(self, inputs, state):
        output, state = super().forward(inputs, state)
        return output.log(), state


class OutputOnly(Cell):
    def forward(self, inputs, state):
        return super().forward(inputs, state)[0]


class Fails(Cell):
    def forward(self, inputs, state):
        raise RuntimeError("no such kernel")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (ListState, "init_state: the state must be a tuple of tensors .*, not list"),
        (BatchFirst, r"init_state: .* must have the batch \(2\) on dim 1, but is \(2, 1, 5\)"),
        (WholeNumbers, "must be floating-point, but is torch.int64"),
        (NeedsBatchSize, r"init_state: all rows must be equal, but some of init_state\(2\)\[0\] differ from"),
        (RandomStart, "init_state: must return the same state every time in evaluation mode"),
        (FixedType, r"init_state: must follow the parameters' type, but gave torch\.float32 after core\.to"),
        (FixedDevice, "init_state: must follow the parameters' device, but stayed on cpu"),
        (GrowingState, r"keep the structure .*: tensor 0 must be a tensor \(1, 3, 5\), but is \(2, 3, 5\)"),
        (GrowsLater, r"keep the structure .*: tensor 0 must be a tensor \(1, 3, 5\), but is \(2, 3, 5\)"),
        (MovesItsState, "keep the structure .*: the device of tensor 0 must be cpu, but is meta"),
        (LayersByBatchSize, r"init_state\(2\)\[0\] must be a tensor \(1, 2, 5\), but is \(2, 2, 5\)"),
        (MoreState, "forward: the state must keep the structure .*: the number of tensors must be 1, but is 2"),
        (FewerForMany, "init_state: the number of tensors for batch size 2 must be 1, but is 0"),
        (OtherType, r"must be torch\.float32 as the parameters, but is torch\.bfloat16"),
        (NestedState, "init_state: the state must be a flat tuple of tensors: entry 0 must be a tensor, not tuple"),
        (CountingState, r"forward: the state must be floating-point, but tensor 0 is torch\.int64"),
        (NoOutput, "forward: the output must be a tensor, not NoneType"),
        (NeedsItsOwnTuple, "forward: .* AttributeError: 'tuple' object has no attribute 'hidden'"),
        (ShowsTheWrongSize, r"output_size\) for inputs \(3, 7, 4\) must be a tensor \(3, 7, 6\), but is \(3, 7, 5\)"),
        (NoSize, "output_size: the constructor must set it"),
        (ChangesItsInputs, "forward: must not change its inputs in place"),
        (Doubles, r"forward: the type of the output must be torch\.float32, but is torch\.float64"),
        (NotFinite, "the output must be finite"),
        (OutputOnly, r"forward: must return the pair \(output, state\)"),
        (Fails, "input_size: .*the last one raised RuntimeError: no such kernel.*pass input_size="),
    ],
)
def test_a_fault_of_states_and_shapes_is_named(kind, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_core(kind())


def test_what_forward_raises_is_told_with_its_cause() -> None:
    with pytest.raises(
        AssertionError, match=r"forward: with inputs of shape .* RuntimeError: no such kernel"
    ) as caught:
        check_core(Fails(), input_size=I)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_another_module_is_no_core() -> None:
    with pytest.raises(AssertionError, match=r"must be an instance of a subclass of lmlab\.Core, not LSTM"):
        check_core(nn.LSTM(I, H))


# What is refused: sequences


class MixesRows(Cell):
    def forward(self, inputs, state):
        return super().forward(inputs + 0.1 * inputs.mean(0), state)


class MixesStates(Cell):
    def forward(self, inputs, state):
        return super().forward(inputs, (state[0] + 0.1 * state[0].mean(1, keepdim=True),))


class KnowsPlaces(Cell):
    def forward(self, inputs, state):
        return super().forward(inputs + torch.arange(len(inputs))[:, None, None], state)


class LooksAhead(Cell):
    def forward(self, inputs, state):
        ahead = torch.cat([inputs[:, 1:], torch.zeros_like(inputs[:, :1])], 1)
        return super().forward(inputs + 0.1 * ahead, state)


class LooksAheadInTraining(LooksAhead):
    def forward(self, inputs, state):
        return super().forward(inputs, state) if self.training else Cell.forward(self, inputs, state)


class DropsState(Cell):
    def forward(self, inputs, state):
        return super().forward(inputs, self.init_state(len(inputs)))


class ReturnsTheOldState(Cell):
    def forward(self, inputs, state):
        return super().forward(inputs, state)[0], state


class StateOfTheStepBefore(Cell):
    def forward(self, inputs, state):
        output, _ = super().forward(inputs, state)
        return output, (state[0] if inputs.shape[1] == 1 else output[:, -2][None],)


class SharesItsState(Cell):
    """The state that it returns is overwritten by the next call."""

    def forward(self, inputs, state):
        output, (hidden,) = super().forward(inputs, state)
        if self.training:
            return output, (hidden,)
        if not hasattr(self, "kept") or self.kept.shape != hidden.shape:
            self.kept = torch.empty_like(hidden)
        self.kept.copy_(hidden)
        return output, (self.kept,)


class KnowsItsTensor(Cell):
    """Goes on only from the very tensor that it returned."""

    def init_state(self, batch_size):
        self.last = super().init_state(batch_size)[0]
        return (self.last,)

    def forward(self, inputs, state):
        if state[0] is not self.last:
            state = super().init_state(len(inputs))
        output, (self.last,) = super().forward(inputs, state)
        return output, (self.last,)


class Locked(Cell):
    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


class OneClock(Cell):
    """Counts its steps in the state, but reads the count of row 0 for all rows."""

    def init_state(self, batch_size):
        return (*super().init_state(batch_size), self.first.new_zeros(1, batch_size, 1))

    def forward(self, inputs, state):
        hidden, clock = state
        steps = torch.arange(inputs.shape[1])[None, :, None]
        output, (hidden,) = super().forward(inputs + torch.sin(self.read_clock(clock) + steps), (hidden,))
        return output, (hidden, clock + inputs.shape[1])

    def read_clock(self, clock):
        return clock[0, :1, None]


class LatestClock(OneClock):
    """Reads the latest count of all rows."""

    def read_clock(self, clock):
        return clock.max()


class RandomAlways(Cell):
    def forward(self, inputs, state):
        return super().forward(nn.functional.dropout(inputs, 0.1), state)


class ForgetfulStepper(Cell):
    def stepper(self):
        def step(inputs, state):
            hidden = torch.tanh(self.read(inputs) + self.again(state[0][0]))
            return hidden, state

        return step


class OtherStepper(Cell):
    def stepper(self):
        def step(inputs, state):
            hidden = torch.tanh(self.read(inputs) + state[0][0] @ self.again.weight.t())
            return hidden, (hidden[None],)

        return step


class StepperWithTime(Cell):
    def stepper(self):
        return lambda inputs, state: self(inputs[:, None], state)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (MixesRows, "rows of a batch must not influence each other, but another row 0 changes the other rows"),
        (MixesStates, "rows of a batch must not influence each other, but another row 0 changes"),
        (KnowsPlaces, "rows of a batch must not influence each other, but their order changes outputs"),
        (Norms, "in training mode the output of row 0 depends on other rows"),
        (LooksAhead, "must be causal, but other inputs from step 1 on change outputs before it .largest difference"),
        (LooksAheadInTraining, "must be causal, but in training mode outputs before step 1"),
        (DropsState, "the state must carry all that matters, but one call on 7 tokens and two on 3 and 4 differ"),
        (ReturnsTheOldState, "one call on 7 tokens and two on 3 and 4 differ"),
        (StateOfTheStepBefore, "one call on 7 tokens and two on 3 and 4 differ"),
        (SharesItsState, "all that is remembered must be in the state, but another text read in between changes"),
        (KnowsItsTensor, "state: lmlab detaches and clones it after every batch, but a copy changes outputs"),
        (Locked, "copy.deepcopy, which lmlab makes to time a batch, raised TypeError: cannot be copied"),
        (LatestClock, "reset: a row that is reset must run as a fresh one, but differs"),
        (OneClock, "reset: a row that is not reset must continue, but differs where other rows are reset"),
        (RandomAlways, "evaluation mode: nothing may be random, but two runs on the same inputs differ"),
        (ForgetfulStepper, "stepper: steps must equal forward, but from a fresh state, step 1 differs"),
        (OtherStepper, "stepper: steps must equal forward, but from a fresh state, step 0 differs"),
        (StepperWithTime, r"stepper: the output of a step \(B, H\) must be a tensor \(3, 5\), but is \(3, 1, 5\)"),
    ],
)
def test_a_fault_in_sequences_is_named(kind, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_core(kind())


def test_a_fault_behind_a_layer_that_begins_at_zero_is_found() -> None:
    class Hidden(LooksAhead):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.zeros(H))

        def forward(self, inputs, state):
            output, state = super().forward(inputs, state)
            return self.gain * output, (self.gain * state[0],)

    with pytest.raises(AssertionError, match="must be causal"):
        check_core(Hidden())


# What is refused: parameters


class Unused(Cell):
    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(H, H)


class Detached(Cell):
    def forward(self, inputs, state):
        output, state = super().forward(inputs, state)
        return output.detach(), state


class NoGradientOfInputs(Cell):
    def forward(self, inputs, state):
        return super().forward(inputs.detach(), state)


class InfiniteGradient(Cell):
    def forward(self, inputs, state):
        output, state = super().forward(inputs, state)
        return output + (0 * self.first).sqrt(), state


class PlainList(Cell):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(I, I)]

    def forward(self, inputs, state):
        return super().forward(self.layers[0](inputs), state)


class ForeignLayer(Cell):
    def named_layers(self):
        return {"core.0": nn.Linear(I, H)}


class ListOfLayers(Cell):
    def named_layers(self):
        return [self.read]


class NumberedLayers(Cell):
    def named_layers(self):
        return {0: self.read}


class InfiniteGradientOfInputs(Cell):
    def forward(self, inputs, state):
        output, state = super().forward(inputs, state)
        return output + (0 * inputs).sum(2, keepdim=True).sqrt(), state


class Records(nn.Module):
    def forward(self, inputs):
        return {"output": inputs}


class OutputInARecord(Cell):
    def __init__(self):
        super().__init__()
        self.records = Records()

    def named_layers(self):
        return {"core.0": self.records}

    def forward(self, inputs, state):
        return super().forward(self.records(inputs)["output"], state)


class KeepsOldWeights(Stateless):
    """Prepares its weights once, and does not notice that others are loaded."""

    def forward(self, inputs, state):
        if not hasattr(self, "prepared"):
            self.prepared = self.layer.weight.detach().t().contiguous()
        return inputs @ self.prepared + self.layer.bias, state


class LazyBuffer(Stateless):
    def forward(self, inputs, state):
        if not hasattr(self, "scale"):
            self.register_buffer("scale", torch.ones(()))
        return super().forward(inputs * self.scale, state)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Unused, "every trained parameter must get one .*, but these get none: spare.weight, spare.bias$"),
        (Detached, "output.requires_grad is False: it is detached"),
        (NoGradientOfInputs, "gradients: the inputs received no gradient, so no embedding could be trained"),
        (InfiniteGradient, "gradients: they must be finite, but those of these parameters are not: first"),
        (InfiniteGradientOfInputs, "gradients: that of the inputs must be finite"),
        (ListOfLayers, "named_layers: must return a mapping, not list"),
        (NumberedLayers, "named_layers: names must be text, but one is 0"),
        (PlainList, "parameters: torch must know all of them.* layers is a plain list"),
        (ForeignLayer, "named_layers: 'core.0' must be a module of the core, but is a Linear"),
        (OutputInARecord, "named_layers: the first that 'core.0' returns, its output, must be a tensor, not dict"),
        (KeepsOldWeights, "state_dict: must have all that outputs depend on"),
        (LazyBuffer, "state_dict: forward must not make or remove parameters or buffers, but it did: scale"),
    ],
)
def test_a_fault_of_parameters_is_named(kind, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_core(kind(), input_size=I)


def test_a_frozen_parameter_needs_no_gradient() -> None:
    core = Unused()
    core.spare.requires_grad_(False)
    check_core(core)
