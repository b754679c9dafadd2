"""What a core does in training mode."""

from __future__ import annotations

import torch
from torch import Tensor

from lmlab.models.core import State
from lmlab.testing.assertions import expect, is_close
from lmlab.testing.probing import Probe


def check_gradients(probe: Probe) -> None:
    """Inputs and all trained parameters get a finite gradient over two windows of truncated back-propagation."""
    core = probe.core
    core.train()
    state: State = probe.fresh()
    for inputs in (probe.inputs, probe.later):
        leaf = inputs.clone().requires_grad_()
        output, state = probe.call(leaf, state)
        expect(output.requires_grad, "gradients: the output must have one, but is detached from inputs and parameters")
        torch.autograd.backward(_weighted(output))
        if leaf.grad is None:
            raise AssertionError("gradients: the inputs must get one, or no embedding is trained, but they get none")
        expect(torch.isfinite(leaf.grad).all(), "gradients: that of the inputs must be finite, but is not")
        state = tuple(tensor.detach() for tensor in state)
    trained = [(name, parameter) for name, parameter in core.named_parameters() if parameter.requires_grad]
    missing = ", ".join(name for name, parameter in trained if parameter.grad is None)
    remedy = "use them in forward or init_state, or switch their requires_grad off"
    expect(not missing, f"gradients: every trained parameter must get one, but these get none: {missing}; {remedy}")
    bad = ", ".join(name for name, p in trained if p.grad is not None and not bool(torch.isfinite(p.grad).all()))
    expect(not bad, f"gradients: they must be finite, but those of these parameters are not: {bad}")


def check_training(probe: Probe) -> None:
    """Also in training, where outputs may be random, none depends on other rows or on later inputs."""
    probe.core.train()
    leaf = probe.inputs.clone().requires_grad_()
    output, _ = probe.call(leaf, probe.fresh())
    by_row = _gradient(output[0], leaf)
    remedy = "(batch normalisation does so)"
    message = f"in training mode the output of row 0 depends on other rows {remedy}"
    expect(_is_nothing(by_row[1:], by_row), f"forward: rows of a batch must not influence each other, but {message}")
    for step in range(1, probe.num_steps):
        by_step = _gradient(output[:, :step], leaf)
        message = f"in training mode outputs before step {step} depend on inputs from it on"
        expect(_is_nothing(by_step[:, step:], by_step), f"forward: must read from left to right, but {message}")


def _weighted(output: Tensor) -> Tensor:
    """A loss in which no two numbers have the same weight: the sum of normalised outputs, say, has no gradient."""
    return (output * torch.randn_like(output)).sum()


def _gradient(output: Tensor, leaf: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(_weighted(output), leaf, retain_graph=True)
    return gradient


def _is_nothing(part: Tensor, whole: Tensor) -> bool:
    """Whether a part of a gradient is zero but for rounding."""
    largest = whole.abs().max().clamp(min=torch.finfo(whole.dtype).tiny)
    scaled = part / largest
    return is_close(scaled, torch.zeros_like(scaled))
