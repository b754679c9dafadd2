"""What a core does with random sequences: outputs and states in evaluation mode, gradients in training mode."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmlab.models.core import Core, State, expand_state, initial_state
from lmlab.testing.assertions import expect, expect_close, expect_instance, expect_tensor, is_close, shape
from lmlab.testing.components import attempt, dtype_and_device, failures_as_assertions, seed_everything


@dataclass(frozen=True)
class Probe:
    """A core with random sequences, each (B, T, I).

    Args:
        core: in evaluation mode.
        before: read first where the state should not be fresh.
        inputs: what a check varies.
        later: read after `inputs`, to show a fault that is in the state only.
    """

    core: Core
    before: Tensor
    inputs: Tensor
    later: Tensor

    def fresh(self) -> State:
        """Returns what `init_state` gives for B rows."""
        return fresh_state(self.core, len(self.inputs))

    def carried(self) -> State:
        """Returns the state after `before`."""
        return self.call(self.before, self.fresh())[1]

    def call(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Runs the core on copies and returns copies, so that nothing depends on what it does to either later."""
        output, new_state = call(self.core, inputs.clone(), tuple(tensor.clone() for tensor in state))
        return output.clone(), tuple(tensor.clone() for tensor in new_state)

    def outputs(self, inputs: Tensor, state: State, later: Tensor | None = None) -> Tensor:
        """Returns the outputs of `inputs` and of the sequence after it, by default `self.later`: (B, 2 T, H)."""
        first, state = self.call(inputs, state)
        second, _ = self.call(self.later if later is None else later, state)
        return torch.cat([first, second], dim=1)


def make_probe(core: Core, *, input_size: int, batch_size: int, num_steps: int) -> Probe:
    """Draws sequences of the type and on the device of a core."""
    dtype, device = dtype_and_device(core)
    return Probe(core, *torch.randn(3, batch_size, num_steps, input_size, dtype=dtype, device=device))


def fresh_state(core: Core, batch_size: int) -> State:
    """Returns what `init_state` gives; raises AssertionError where that is no state."""
    state = attempt(f"init_state({batch_size})", core.init_state, batch_size)
    return _checked("init_state", state)


def call(core: Core, inputs: Tensor, state: State) -> tuple[Tensor, State]:
    """Runs a core; raises AssertionError where it does not return an output and a state."""
    returned = attempt(f"forward: with inputs of shape {shape(inputs)} it", core, inputs, state)
    is_pair = isinstance(returned, tuple) and len(returned) == 2
    expect(is_pair, f"forward: must return the pair (output, state), not {type(returned).__name__}")
    expect_tensor(returned[0], "forward: the output")
    return returned[0], _checked("forward", returned[1])


def _checked(where: str, state: State) -> State:
    expect_instance(state, tuple, f"{where}: the state must be a tuple of tensors (perhaps an empty one)")
    for number, tensor in enumerate(state):
        expect_tensor(tensor, f"{where}: the state must be a flat tuple of tensors: entry {number}")
    return state


def check_evaluation(probe: Probe) -> None:
    """Checks outputs and states in evaluation mode, in the order that names a fault best."""
    _check_determinism(probe)
    _check_causality(probe)
    _check_batch_independence(probe)
    _check_copied_state(probe)
    _check_state_passing(probe)
    _check_all_state_explicit(probe)
    _check_reset(probe)
    _check_stepper(probe)


def _check_determinism(probe: Probe) -> None:
    seed_everything(1)
    first = probe.outputs(probe.inputs, probe.fresh())
    seed_everything(2)
    second = probe.outputs(probe.inputs, probe.fresh())
    expect_close(first, second, "evaluation mode: nothing may be random, but two runs on the same inputs differ")


def _check_causality(probe: Probe) -> None:
    fresh = probe.fresh()
    expected, _ = probe.call(probe.inputs, fresh)
    for step in range(1, probe.inputs.shape[1]):
        changed = probe.inputs.clone()
        changed[:, step:] = probe.later[:, step:]
        output, _ = probe.call(changed, fresh)
        found = f"other inputs from step {step} on change outputs before it"
        expect_close(output[:, :step], expected[:, :step], f"forward: must be causal, but {found}")


def _check_batch_independence(probe: Probe) -> None:
    """Checks that rows do not influence each other, and that their order does not matter."""
    requirement = "forward: rows of a batch must not influence each other, but"
    state = probe.carried()
    expected = probe.outputs(probe.inputs, state)
    inputs, later = probe.inputs.clone(), probe.later.clone()
    inputs[0], later[0] = probe.later[0], probe.before[0]
    other = probe.call(probe.before.flip(1), probe.fresh())[1]
    changed = tuple(torch.cat([b[:, :1], a[:, 1:]], dim=1) for a, b in zip(state, other, strict=True))
    output = probe.outputs(inputs, changed, later)
    expect_close(output[1:], expected[1:], f"{requirement} another row 0 changes the other rows")
    orders = torch.arange(len(inputs), device=inputs.device)
    for order, found in ((orders.roll(1), "their order changes outputs"), (orders[:1], "a row alone differs")):
        output = probe.outputs(probe.inputs[order], tuple(t[:, order] for t in state), probe.later[order])
        expect_close(output, expected[order], f"{requirement} {found}")


def _check_copied_state(probe: Probe) -> None:
    """Checks that a state may be detached, cloned and put into a plain tuple."""
    state = call(probe.core, probe.before.clone(), probe.fresh())[1]
    plain = tuple(tensor.detach().clone() for tensor in state)
    expected = call(probe.core, probe.inputs.clone(), state)[0].clone()
    output, _ = call(probe.core, probe.inputs.clone(), plain)
    expect_close(output, expected, "state: lmlab detaches and clones it after every batch, but a copy changes outputs")


def _check_state_passing(probe: Probe) -> None:
    """Checks that one call equals several on its parts, with the state passed on as it is."""
    expected = probe.outputs(probe.inputs, probe.fresh())
    length = probe.inputs.shape[1]
    # The halves come first, for the message; then a part of a single step.
    for step in dict.fromkeys([length // 2, 1, length - 1]):
        found = f"one call on {length} tokens and two on {step} and {length - step} differ"
        requirement = "forward: the state must carry all that matters"
        expect_close(_outputs_in_parts(probe, step), expected, f"{requirement}, but {found}")


def _check_all_state_explicit(probe: Probe) -> None:
    """Checks that all memory is in the state: another text in between changes nothing."""
    output = _outputs_in_parts(probe, probe.inputs.shape[1] // 2, read_between=True)
    message = "forward: all that is remembered must be in the state, but another text read in between changes outputs"
    expect_close(output, probe.outputs(probe.inputs, probe.fresh()), message)


def _outputs_in_parts(probe: Probe, step: int, *, read_between: bool = False) -> Tensor:
    """Outputs of `inputs`, cut before a step, and of `later`, with neither inputs nor states copied in between."""
    first, state = call(probe.core, probe.inputs[:, :step].clone(), probe.fresh())
    if read_between:  # as validation and samples do in the middle of training
        call(probe.core, probe.before.clone(), probe.fresh())
    second, state = call(probe.core, probe.inputs[:, step:].clone(), state)
    third, _ = call(probe.core, probe.later.clone(), state)
    return torch.cat([first, second, third], dim=1)


def _check_reset(probe: Probe) -> None:
    fresh, state = probe.fresh(), probe.carried()
    reset = torch.arange(len(probe.inputs), device=probe.inputs.device) % 2 == 0
    with failures_as_assertions("lmlab.models.core.initial_state with some rows reset"):
        start = initial_state(probe.core.init_state, state, reset)
    output = probe.outputs(probe.inputs, start)
    expected = probe.outputs(probe.inputs, fresh)
    expect_close(output[reset], expected[reset], "reset: a row that is reset must run as a fresh one, but differs")
    expected = probe.outputs(probe.inputs, state)
    message = "reset: a row that is not reset must continue, but differs where other rows are reset"
    expect_close(output[~reset], expected[~reset], message)


def _check_stepper(probe: Probe) -> None:
    """Checks steps against `forward` from a single row's state, repeated: a fresh one, and that after a text."""
    fresh = probe.core.init_state(1)
    after = probe.call(probe.before[:1], fresh)[1]
    for single, what in ((fresh, "from a fresh state"), (after, "after a text was read by forward")):
        state = expand_state(single, len(probe.inputs))
        expected, _ = probe.call(probe.inputs, state)
        step = attempt("stepper()", probe.core.stepper)
        for number, inputs in enumerate(probe.inputs.unbind(dim=1)):
            with failures_as_assertions(f"stepper: a step with inputs of shape {shape(inputs)}"):
                output, state = step(inputs.clone(), state)
            expect_tensor(output, "stepper: the output of a step (B, H)", size=expected[:, number].shape)
            message = f"stepper: steps must equal forward, but {what}, step {number} differs"
            expect_close(output, expected[:, number], message)


def check_training(probe: Probe) -> None:
    """Checks gradients, and by them what outputs depend on in training mode, where they may be random."""
    probe.core.train()
    _check_gradients(probe)
    _check_dependencies(probe)


def _check_gradients(probe: Probe) -> None:
    """Checks those of inputs and trained parameters over two windows of truncated back-propagation."""
    state: State = probe.fresh()
    for inputs in (probe.inputs, probe.later):
        leaf = inputs.clone().requires_grad_()
        output, state = probe.call(leaf, state)
        expect(output.requires_grad, "output.requires_grad is False: it is detached from inputs and parameters")
        torch.autograd.backward(_weighted(output))
        if leaf.grad is None:
            raise AssertionError("gradients: the inputs received no gradient, so no embedding could be trained")
        expect(torch.isfinite(leaf.grad).all(), "gradients: that of the inputs must be finite, but is not")
        state = tuple(tensor.detach() for tensor in state)
    trained = [(name, parameter) for name, parameter in probe.core.named_parameters() if parameter.requires_grad]
    missing = ", ".join(name for name, parameter in trained if parameter.grad is None)
    message = "gradients: every trained parameter must get one (else set requires_grad to False), but these get none"
    expect(not missing, f"{message}: {missing}")
    bad = ", ".join(name for name, p in trained if p.grad is not None and not bool(torch.isfinite(p.grad).all()))
    expect(not bad, f"gradients: they must be finite, but those of these parameters are not: {bad}")


def _check_dependencies(probe: Probe) -> None:
    leaf = probe.inputs.clone().requires_grad_()
    output, _ = probe.call(leaf, probe.fresh())
    by_row = _gradient(output[0], leaf)
    found = "in training mode the output of row 0 depends on other rows (as with batch normalisation)"
    expect(_is_zero(by_row[1:], by_row), f"forward: rows of a batch must not influence each other, but {found}")
    for step in range(1, leaf.shape[1]):
        by_step = _gradient(output[:, :step], leaf)
        found = f"in training mode outputs before step {step} depend on inputs from it on"
        expect(_is_zero(by_step[:, step:], by_step), f"forward: must be causal, but {found}")


def _weighted(output: Tensor) -> Tensor:
    """A loss in which no two numbers have the same weight: the sum of normalised outputs, say, has no gradient."""
    return (output * torch.randn_like(output)).sum()


def _gradient(output: Tensor, leaf: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(_weighted(output), leaf, retain_graph=True)
    return gradient


def _is_zero(part: Tensor, whole: Tensor) -> bool:
    """Whether a part of a gradient is zero up to rounding."""
    scaled = part / whole.abs().max().clamp(min=torch.finfo(whole.dtype).tiny)
    return is_close(scaled, torch.zeros_like(scaled))
