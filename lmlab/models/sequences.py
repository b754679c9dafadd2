"""GRU and RNN layers whose training on a CPU is one function of the whole sequence, which is faster than torch's own.

`torch.nn` records every operation of every step for its backward pass. Here the input products of all steps are one
product and so are the weights' gradients; what the forward pass computed is kept in place; and of the backward pass,
the factors that do not depend on the incoming gradient are made for several steps at once, so that one product and
three small operations are left for each step. Parameters, names and results are those of the `torch.nn` module. An LSTM
needs none of this: oneDNN computes the whole layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lmlab.models import products
from lmlab.models.products import PreparedProduct, product, transposed_product

# Elements of a tensor that the backward pass makes at once: with fewer, calling an operation takes longer than its
# work; with more, they leave the processor's cache.
_BLOCK = 2**16
# Without a gradient torch's own layer is the faster one where the work of a step, B H^2, is at most this: calling the
# operations of a step then takes longer than their work, and torch calls fewer. Measured on two cores in float32: a GRU
# takes 0.4 times as long at 16 x 32, 0.8 at 16 x 128 and 1.5 at 16 x 256.
_SMALL = 2**18


class GRU(nn.GRU):
    """`torch.nn.GRU` of one layer with biases and the batch first; faster on a CPU, the same elsewhere.

    Source: Cho et al. 2014; the reset gate multiplies W_hn h + b_hn, as in `torch.nn.GRU` (and cuDNN).
    """

    def forward(self, input: Tensor, hx: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Returns the outputs (B, T, H) and the state (1, B, H) for inputs (B, T, I) and a state.

        A gradient of a gradient can be taken on other devices only.
        """
        if _is_torchs(hx):
            outputs, state = super().forward(input, hx)
            return outputs, state
        return _run(_GRUSequence, self, input, hx)


class RNN(nn.RNN):
    """`torch.nn.RNN` of one layer with biases and the batch first; faster on a CPU, the same elsewhere.

    Source: Elman 1990, Finding Structure in Time.
    """

    def forward(self, input: Tensor, hx: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Returns the outputs (B, T, H) and the state (1, B, H) for inputs (B, T, I) and a state.

        A gradient of a gradient can be taken on other devices only.
        """
        if _is_torchs(hx):
            outputs, state = super().forward(input, hx)
            return outputs, state
        return _run(_RNNSequence, self, input, hx, self.nonlinearity)


def _is_torchs(hidden: Tensor) -> bool:
    """Returns whether torch's own layer is used for a state (1, B, H)."""
    _, batch, units = hidden.shape
    return hidden.device.type != "cpu" or (not torch.is_grad_enabled() and batch * units * units <= _SMALL)


def _run(
    function: type[torch.autograd.Function], layer: nn.RNNBase, inputs: Tensor, hidden: Tensor, *options: str
) -> tuple[Tensor, Tensor]:
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    parameters = [getattr(layer, name) for name in names]
    dtype = _type_of_products(hidden, parameters[1])
    with torch.autocast("cpu", enabled=False):
        states: Tensor = function.apply(dtype, inputs, hidden[0], *parameters, *options)  # type: ignore[no-untyped-call]
    return states.transpose(0, 1), states[-1:]


def _type_of_products(hidden: Tensor, w_hh: Tensor) -> torch.dtype:
    """Returns that of autocast, or the parameters' where it is as fast: in products so small that calls bound them."""
    is_small = hidden.shape[1] * w_hh.numel() <= products.SMALL
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") and not is_small else w_hh.dtype


def _tanh_scale(dtype: torch.dtype) -> int:
    """Returns by what `_tanh_` wants its argument to be multiplied.

    tanh(x) = 2 sigmoid(2 x) - 1, and in float32 a sigmoid takes an eighth of the time of a tanh. Near 0 the difference
    has an absolute error of one rounding of 1, which float32 can afford.
    """
    return 2 if dtype == torch.float32 else 1


def _tanh_(scaled: Tensor) -> Tensor:
    """Replaces x, times `_tanh_scale`, by tanh(x)."""
    return scaled.sigmoid_().mul_(2).sub_(1) if _tanh_scale(scaled.dtype) == 2 else scaled.tanh_()


def _gradients(ctx: Any, of_gates: Tensor, batch: int, of_hidden: Tensor, *of_parameters: Tensor) -> Any:
    """Returns the gradients of all arguments from those of the gates (T B, G H)."""
    w_ih = ctx.saved_tensors[-2]
    of_inputs = None
    if ctx.needs_input_grad[1]:
        of_rows = product(of_gates, w_ih.to(of_gates.dtype).t()).to(w_ih.dtype)
        of_inputs = of_rows.view(-1, batch, w_ih.shape[1]).transpose(0, 1)
    return None, of_inputs, of_hidden, *(of_one.to(w_ih.dtype) for of_one in of_parameters)


class _GRUSequence(torch.autograd.Function):
    """All steps of a layer.

    Of each step, gates r, z and n with W_hn h + b_hn = m: n = tanh(x_n + r m), h' = n + z (h - n).

    States, gates and their gradients are in the parameters' type, as torch keeps a GRU's state under autocast: a state
    that is rounded in each step forgets small changes. Only the factors of products are rounded.
    """

    @staticmethod
    def forward(
        ctx: Any,
        dtype: torch.dtype,
        inputs: Tensor,
        hidden: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
    ) -> Tensor:
        """Takes the type of products, inputs (B, T, I) and the state (B, H); returns outputs (T, B, H)."""
        batch, steps, _ = inputs.shape
        units = hidden.shape[1]
        scale = w_ih.new_ones(3 * units, 1)
        scale[2 * units :] = _tanh_scale(w_ih.dtype)
        by_step = inputs.to(dtype).transpose(0, 1).reshape(steps * batch, -1)
        # First W_ih x + b_ih; then r, z and n are written over it.
        given = product(by_step, (w_ih * scale).to(dtype), (b_ih * scale[:, 0]).to(dtype))
        gates = given.to(w_ih.dtype).view(steps, batch, 3 * units)
        gated = w_ih.new_empty(steps, batch, units)  # r m, times the scale of tanh
        states = w_ih.new_empty(steps + 1, batch, units)
        rounded = states if dtype == states.dtype else torch.empty_like(states, dtype=dtype)  # factors of products
        states[0] = rounded[0] = hidden
        from_state = PreparedProduct((w_hh * scale).to(dtype), (b_hh * scale[:, 0]).to(dtype))
        r_and_z = gates[:, :, : 2 * units]
        parts = (r_and_z, *gates.chunk(3, dim=2), gated, states[:-1], states[1:], rounded[:-1], rounded[1:])
        # Unbound at once, which takes a tenth of the time of indexing in each step.
        of_step = zip(*(part.unbind(0) for part in parts), strict=True)
        for both, r, z, n, r_m, before, after, rounded_before, rounded_after in of_step:
            for_both, m = from_state(rounded_before).split_with_sizes([2 * units, units], dim=1)
            both.add_(for_both).sigmoid_()
            _tanh_(n.add_(torch.mul(r, m, out=r_m)))
            torch.lerp(n, before, z, out=after)
            if rounded is not states:
                rounded_after.copy_(after)
        ctx.save_for_backward(by_step, states, rounded, gates, gated, w_ih, w_hh)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        with torch.autocast("cpu", enabled=False):
            return _GRUSequence._backward(ctx, grad)

    @staticmethod
    def _backward(ctx: Any, grad: Tensor) -> Any:
        by_step, states, rounded, gates, gated, _w_ih, w_hh = ctx.saved_tensors
        steps, batch, units = gated.shape
        dtype = by_step.dtype
        # Gradients of r, z and m and of n, all before their functions.
        of_gates = gates.new_empty(steps, batch, 3, units, dtype=dtype)
        of_new = torch.empty_like(gated)
        to_state = PreparedProduct(w_hh.to(dtype).t())
        above = grad.unbind(0)
        of_state = above[-1]
        size = max(1, _BLOCK // (batch * units))
        for start in range((steps - 1) // size * size, -1, -size):
            block = slice(start, start + size)
            r, z, n = gates[block].chunk(3, dim=2)
            to_new = (1 - z).mul_(1 - n * n)
            to_reset = (1 - r).mul_(gated[block]).mul_(to_new).div_(_tanh_scale(n.dtype))
            to_update = (1 - z).mul_(z).mul_(states[:-1][block] - n)
            factors = torch.stack([to_reset, to_update, to_new * r], dim=2)
            made = of_gates[block]
            parts = (factors, to_new, z, made, made.view(-1, batch, 3 * units), of_new[block])
            of_step = list(zip(*(part.unbind(0) for part in parts), strict=True))
            for t in range(start + len(of_step) - 1, start - 1, -1):
                factor, factor_new, update, to_gates, as_matrix, to_n = of_step[t - start]
                torch.mul(of_state[:, None], factor, out=to_gates)
                torch.mul(of_state, factor_new, out=to_n)
                of_state = (of_state * update).add_(to_state(as_matrix))
                if t > 0:
                    of_state += above[t - 1]
        flat = of_gates.view(steps * batch, 3 * units)
        of_w_hh = transposed_product(flat, rounded[:-1].view(-1, units))
        of_b_hh = flat.sum(0, dtype=grad.dtype)
        of_gates[:, :, 2] = of_new
        of_b_ih = torch.cat([of_b_hh[: 2 * units], of_new.view(-1, units).sum(0)])
        of_w_ih = transposed_product(flat, by_step)
        return _gradients(ctx, flat, batch, of_state, of_w_ih, of_w_hh, of_b_ih, of_b_hh)


class _RNNSequence(torch.autograd.Function):
    """All steps of a layer: h' = f(W [x, h] + b) with f = tanh or ReLU.

    Inputs and states are kept side by side, so that a step is one product with f as its last part, and states are in
    the products' type, as torch keeps an RNN's.
    """

    @staticmethod
    def forward(
        ctx: Any,
        dtype: torch.dtype,
        inputs: Tensor,
        hidden: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
        activation: str,
    ) -> Tensor:
        """Takes the type of products, inputs (B, T, I) and the state (B, H); returns outputs (T, B, H)."""
        batch, steps, size = inputs.shape
        both = inputs.new_empty(steps + 1, batch, size + hidden.shape[1], dtype=dtype)
        both[:-1, :, :size] = inputs.transpose(0, 1)
        both[-1, :, :size] = 0
        both[0, :, size:] = hidden
        weight, bias = torch.cat([w_ih, w_hh], dim=1).to(dtype), (b_ih + b_hh).to(dtype)
        step = PreparedProduct(weight, bias, activation=activation)
        for now, after in zip(both[:-1].unbind(0), both[1:, :, size:].unbind(0), strict=True):
            after.copy_(step(now))
        ctx.save_for_backward(both, w_ih, w_hh)
        ctx.is_relu = activation == "relu"
        return both[1:, :, size:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        with torch.autocast("cpu", enabled=False):
            return _RNNSequence._backward(ctx, grad)

    @staticmethod
    def _backward(ctx: Any, grad: Tensor) -> Any:
        both, w_ih, w_hh = ctx.saved_tensors
        steps, batch, units = grad.shape
        size = w_ih.shape[1]
        states = both[1:, :, size:]
        # The derivatives of f, over which the gradients of the sums are written.
        of_sums = (states > 0).to(both.dtype) if ctx.is_relu else 1 - states * states
        to_state = PreparedProduct(w_hh.to(both.dtype).t())
        above, of_sum = grad.to(both.dtype).unbind(0), of_sums.unbind(0)
        of_state = above[-1]
        for t in range(steps - 1, -1, -1):
            of_state = to_state(of_sum[t].mul_(of_state))
            if t > 0:
                of_state += above[t - 1]
        flat = of_sums.view(-1, units)
        of_weights = transposed_product(flat, both[:-1].view(steps * batch, -1))
        of_bias = flat.sum(0, dtype=w_ih.dtype)
        parts = of_weights.split_with_sizes([size, units], dim=1)
        return *_gradients(ctx, flat, batch, of_state.to(w_ih.dtype), *parts, of_bias, of_bias), None
