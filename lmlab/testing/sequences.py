"""What a core does with sequences in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lmlab.models.core import State, expand_state, initial_state
from lmlab.testing.assertions import distance, expect, failures_as_assertions, is_close, shape
from lmlab.testing.components import seed_everything
from lmlab.testing.probing import Probe, call


def check_determinism(probe: Probe) -> None:
    """Nothing is random: neither the outputs nor the fresh state."""
    runs = []
    for seed in (1, 2):
        seed_everything(seed)
        runs.append(probe.outputs(probe.inputs, probe.fresh()))
    found = f"two runs on the same inputs differ by up to {distance(*runs):.2g}"
    expect(is_close(*runs), f"evaluation mode: nothing may be random, but {found}")


def check_causality(probe: Probe) -> None:
    """No output depends on a later input."""
    fresh = probe.fresh()
    expected, _ = probe.call(probe.inputs, fresh)
    for step in range(1, probe.num_steps):
        changed = probe.inputs.clone()
        changed[:, step:] = probe.later[:, step:]
        output, _ = probe.call(changed, fresh)
        before, after = expected[:, :step], output[:, :step]
        found = f"other inputs from step {step} on (of 0 to {probe.num_steps - 1}) change outputs before it"
        message = f"{found} by up to {distance(after, before):.2g}"
        expect(is_close(after, before), f"forward: must read from left to right, but {message}")


def check_rows(probe: Probe) -> None:
    """Rows do not influence each other, and their places do not matter."""
    state = probe.carried()
    expected = probe.outputs(probe.inputs, state)
    inputs, later = probe.inputs.clone(), probe.later.clone()
    inputs[0], later[0] = probe.later[0], probe.before[0]
    other = probe.call(probe.before.flip(1), probe.fresh())[1]
    changed = tuple(torch.cat([b[:, :1], a[:, 1:]], dim=1) for a, b in zip(state, other, strict=True))
    output = probe.outputs(inputs, changed, later)[1:]
    found = f"another row 0 changes the other rows by up to {distance(output, expected[1:]):.2g}"
    expect(is_close(output, expected[1:]), f"forward: rows of a batch must not influence each other, but {found}")
    for order, what in (
        (torch.arange(probe.batch_size).roll(1), "rows in another order give other outputs"),
        (torch.arange(1), "a row alone gives another output than within a batch"),
    ):
        order = order.to(probe.inputs.device)
        moved = probe.outputs(probe.inputs[order], tuple(t[:, order] for t in state), probe.later[order])
        found = f"{what}, by up to {distance(moved, expected[order]):.2g}"
        expect(is_close(moved, expected[order]), f"forward: rows of a batch must not influence each other, but {found}")


def check_halves(probe: Probe) -> None:
    """One call equals two on its parts, with the state handed on as it is."""
    expected = probe.outputs(probe.inputs, probe.fresh())
    for step in _cuts(probe.num_steps):
        first, state = call(probe.core, probe.inputs[:, :step].clone(), probe.fresh())
        second, state = call(probe.core, probe.inputs[:, step:].clone(), state)
        third, _ = call(probe.core, probe.later.clone(), state)
        found = distance(torch.cat([first, second, third], dim=1), expected)
        message = f"{_parts(probe, step)} differ by up to {found:.2g}"
        same = is_close(torch.cat([first, second, third], dim=1), expected)
        expect(same, f"forward: {message}; the state must carry all that matters")


def check_memory(probe: Probe) -> None:
    """What the core remembers is in the state alone: another text in between changes nothing."""
    expected = probe.outputs(probe.inputs, probe.fresh())
    step = probe.num_steps // 2
    first, state = call(probe.core, probe.inputs[:, :step].clone(), probe.fresh())
    # As validation and samples do in the middle of training.
    call(probe.core, probe.before.clone(), probe.fresh())
    second, state = call(probe.core, probe.inputs[:, step:].clone(), state)
    third, _ = call(probe.core, probe.later.clone(), state)
    output = torch.cat([first, second, third], dim=1)
    message = (
        f"{_parts(probe, step)} differ by up to {distance(output, expected):.2g} with another text read in between"
    )
    expect(is_close(output, expected), f"forward: {message}; all that is remembered must be in the state")


def check_copied_state(probe: Probe) -> None:
    """A state that was detached, cloned and put into a plain tuple is as good as before."""
    state = call(probe.core, probe.before.clone(), probe.fresh())[1]
    plain = tuple(tensor.detach().clone() for tensor in state)
    expected = call(probe.core, probe.inputs.clone(), state)[0].clone()
    output, _ = call(probe.core, probe.inputs.clone(), plain)
    found = f"a copy changes what follows by up to {distance(output, expected):.2g}"
    expect(is_close(output, expected), f"state: lmlab detaches and clones it after every batch, but {found}")


def check_reset(probe: Probe) -> None:
    """A row that is reset runs as a fresh one, the others go on."""
    fresh, state = probe.fresh(), probe.carried()
    reset = torch.arange(probe.batch_size, device=probe.inputs.device) % 2 == 0
    with failures_as_assertions("lmlab.models.core.initial_state with some rows reset"):
        start = initial_state(probe.core.init_state, state, reset)
    output = probe.outputs(probe.inputs, start)
    for rows, source, what in ((reset, fresh, "a row that is reset must run as a fresh one"),
                               (~reset, state, "where other rows are reset, a row must go on")):  # fmt: skip
        expected = probe.outputs(probe.inputs, source)
        found = distance(output[rows], expected[rows])
        expect(is_close(output[rows], expected[rows]), f"reset: {what}, but its outputs differ by up to {found:.2g}")


def check_stepper(probe: Probe) -> None:
    """Steps equal `forward`: from a fresh row repeated, and after a text read at once, as text is generated."""
    fresh = probe.core.init_state(1)
    after = probe.call(probe.before[:1], fresh)[1]
    for state, what in ((fresh, "from a fresh state"), (after, "after a text was read by forward")):
        start = expand_state(state, probe.batch_size)
        expected, _ = probe.call(probe.inputs, start)
        for number, output in enumerate(_steps(probe, start)):
            wanted = expected[:, number]
            found = f"its shape is {shape(output)}, not {shape(wanted)}"
            expect(output.shape == wanted.shape, f"stepper: a step must return an output (B, H), but {found}")
            message = f"{what}, step {number} differs by up to {distance(output, wanted):.2g}"
            expect(is_close(output, wanted), f"stepper: steps must equal forward, but {message}")


def _steps(probe: Probe, state: State) -> list[Tensor]:
    with failures_as_assertions("stepper()"):
        step = probe.core.stepper()
    outputs = []
    for inputs in probe.inputs.unbind(dim=1):
        with failures_as_assertions(f"stepper: a step with inputs of shape {shape(inputs)}"):
            output, state = step(inputs.clone(), state)
        outputs.append(output)
    return outputs


def _cuts(num_steps: int) -> list[int]:
    """In the middle first, for the message; then where one of the parts is a single step."""
    return list(dict.fromkeys([num_steps // 2, 1, num_steps - 1]))


def _parts(probe: Probe, step: int) -> str:
    return f"one call on {probe.num_steps} tokens and two on {step} and {probe.num_steps - step}"


# In the order in which a fault is best told: one that looks ahead, say, also fails the later ones.
SEQUENCE_CHECKS: tuple[Callable[[Probe], None], ...] = (
    check_determinism,
    check_causality,
    check_rows,
    check_copied_state,
    check_halves,
    check_memory,
    check_reset,
    check_stepper,
)
