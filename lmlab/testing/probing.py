"""A core with sequences to try it on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmlab.models.core import Core, State
from lmlab.testing.assertions import expect, failures_as_assertions, shape
from lmlab.testing.components import dtype_and_device


@dataclass(frozen=True)
class Probe:
    """A core with sequences to try it on, each (B, T, I).

    Args:
        core: in evaluation mode.
        before: after which the state is no longer fresh.
        inputs: on which something is tried.
        later: read after `inputs`, so that a fault shows that is in the state only.
    """

    core: Core
    before: Tensor
    inputs: Tensor
    later: Tensor

    @property
    def batch_size(self) -> int:
        """B."""
        return len(self.inputs)

    @property
    def num_steps(self) -> int:
        """T."""
        return self.inputs.shape[1]

    def fresh(self) -> State:
        """Returns what `init_state` gives for B rows."""
        return fresh_state(self.core, self.batch_size)

    def carried(self) -> State:
        """Returns the state after `before`."""
        return self.call(self.before, self.fresh())[1]

    def call(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Runs the core on copies and returns copies, so that nothing depends on what it does to either later."""
        output, new_state = call(self.core, inputs.clone(), tuple(tensor.clone() for tensor in state))
        return output.clone(), tuple(tensor.clone() for tensor in new_state)

    def outputs(self, inputs: Tensor, state: State, later: Tensor | None = None) -> Tensor:
        """Returns the outputs of `inputs` and of what follows (B, 2 T, H).

        Args:
            inputs: (B, T, I).
            state: before them.
            later: read after them; None for the attribute of this name.
        """
        first, state = self.call(inputs, state)
        second, _ = self.call(self.later if later is None else later, state)
        return torch.cat([first, second], dim=1)


def make_probe(core: Core, *, input_size: int, batch_size: int, num_steps: int) -> Probe:
    """Draws sequences of the type and on the device of a core."""
    dtype, device = dtype_and_device(core)
    size = (3, batch_size, num_steps, input_size)
    before, inputs, later = torch.randn(size, dtype=dtype, device=device)
    return Probe(core, before, inputs, later)


def fresh_state(core: Core, batch_size: int) -> State:
    """Returns what `init_state` gives; raises AssertionError where that is no state."""
    with failures_as_assertions(f"init_state({batch_size})"):
        state = core.init_state(batch_size)
    return _checked("init_state", state)


def call(core: Core, inputs: Tensor, state: State) -> tuple[Tensor, State]:
    """Runs a core; raises AssertionError where it does not return an output and a state."""
    with failures_as_assertions(f"forward: with inputs of shape {shape(inputs)} it"):
        returned = core(inputs, state)
    is_pair = isinstance(returned, tuple) and len(returned) == 2
    expect(is_pair, f"forward: must return the pair (output, state), but returned {type(returned).__name__}")
    output, new_state = returned
    expect(isinstance(output, Tensor), f"forward: the output must be a tensor, but is {type(output).__name__}")
    return output, _checked("forward", new_state)


def _checked(where: str, state: object) -> State:
    if not isinstance(state, tuple):
        found = f"but is {type(state).__name__}"
        raise AssertionError(f"{where}: the state must be a tuple of tensors (perhaps an empty one), {found}")
    for number, tensor in enumerate(state):
        found = f"but entry {number} is {type(tensor).__name__}"
        expect(isinstance(tensor, Tensor), f"{where}: the state must be a flat tuple of tensors, {found}")
    return state
