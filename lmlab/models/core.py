"""The base class for the core of a language model, and functions on its states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from lmlab.errors import UserError

# What a core remembers of the previous tokens: a flat tuple of tensors, each with the batch on dim 1. It may be empty.
State = tuple[Tensor, ...]
# Runs one step: (inputs (B, I), state) -> (output (B, H), state).
Stepper = Callable[[Tensor, State], tuple[Tensor, State]]


class Core(nn.Module, ABC):
    """The part of a language model between the embedding and the decoder.

    To write your own, subclass it with a constructor that takes keywords: `input_size` (the size of the embedding),
    which lmlab passes, and the keys below `core` in the model's YAML file.

    lmlab relies on the following, which `lmlab.testing.check_core` checks:

    - `output_size` is set by the constructor.
    - `init_state` gives a tuple of floating-point tensors, each with at least two dimensions and the batch on dim 1;
      all rows are equal, whatever the batch size. It may hold parameters, expanded to the batch: they are then trained.
    - `forward` reads its inputs from left to right: one call on T tokens equals two calls on its halves, with the state
      of the first given to the second; rows of a batch do not influence each other.
    - A row that is reset receives the state from `init_state`, at the beginning of a batch.
    - In evaluation mode nothing is random.
    - All parameters and buffers are made by the constructor, and every trained parameter gets a gradient. A copy by
      `copy.deepcopy` is a core of its own.
    - A state can be detached and cloned without changing later outputs: truncated back-propagation does so after every
      batch, and a checkpoint stores it.

    Attributes:
        output_size: H, size of the output of a step.
    """

    output_size: int

    @abstractmethod
    def init_state(self, batch_size: int) -> State:
        """Returns the state before the first token.

        Args:
            batch_size: B.

        Returns:
            Tensors on the device and of the type of the core's parameters, the batch on dim 1.
        """

    @abstractmethod
    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Runs T steps.

        Args:
            inputs: (B, T, I).
            state: from `init_state` or the previous call.

        Returns:
            The output of every step (B, T, H), and the state after the last one.
        """

    def stepper(self) -> Stepper:
        """Returns a function that runs one step, to generate text; the core is in evaluation mode.

        The default calls `forward` with T = 1. A core may prepare its weights here, because the function is not used
        after the weights have changed.
        """

        def step(inputs: Tensor, state: State) -> tuple[Tensor, State]:
            output, new_state = self(inputs[:, None], state)
            return output[:, 0], new_state

        return step

    def named_layers(self) -> Mapping[str, nn.Module]:
        """Returns the modules for which sizes and gradient norms are shown separately, in order of computation.

        The first tensor that a module returns must be its output. The default is the core as a whole.
        """
        return {"core": self}


def initial_state(init_state: Callable[[int], State], state: State | None, reset: Tensor) -> State:
    """Returns the state that a batch starts from: the previous one, with a fresh state in the rows that are reset.

    Args:
        init_state: the core's method.
        state: after the previous batch; None for the first batch. A state of another batch size belongs to other rows
            and is not used.
        reset: (B,) bool.

    Raises:
        UserError: the state has another form than a fresh one.
    """
    fresh = init_state(len(reset))
    if state is None:
        return fresh
    if _form(state) != _form(fresh):
        problem = f"forward returned a state of shapes {_shapes(state)}, init_state one of {_shapes(fresh)}"
        raise UserError("model.core", None, problem, "they must agree: lmlab.testing.check_core checks a core")
    if any(tensor.shape[1] != len(reset) for tensor in state):
        return fresh
    return reset_rows(state, fresh, reset)


def _form(state: State) -> list[tuple[int, ...]]:
    """Returns the shapes of a state without the batch."""
    return [(*tensor.shape[:1], *tensor.shape[2:]) for tensor in state]


def _shapes(state: State) -> str:
    return ", ".join(str(tuple(tensor.shape)) for tensor in state) or "no tensors"


def reset_rows(state: State, fresh: State, reset: Tensor) -> State:
    """Replaces the state of some rows.

    Args:
        state: tensors with the batch on dim 1.
        fresh: tensors of the same shapes, whose values the reset rows receive.
        reset: (B,) bool.
    """
    return tuple(
        torch.where(reset.view(1, -1, *[1] * (old.ndim - 2)), new.to(old.dtype), old)
        for old, new in zip(state, fresh, strict=True)
    )


def expand_state(state: State, batch_size: int) -> State:
    """Repeats the state of a single row.

    Args:
        state: tensors with 1 on dim 1.
        batch_size: B.
    """
    return tuple(t.expand(t.shape[0], batch_size, *t.shape[2:]).contiguous() for t in state)
