"""The check of a core."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from lmlab.models.core import Core, State
from lmlab.models.inference import exact_float32
from lmlab.testing.assertions import expect, expect_close, expect_equal, expect_instance, expect_tensor, is_close, shape
from lmlab.testing.components import attempt, copied, dtype_and_device, evaluation_copy, infer_size, same_random_numbers
from lmlab.testing.core_behaviour import Probe, call, check_evaluation, check_training, fresh_state, make_probe


def check_core(core: Core, *, input_size: int | None = None, batch_size: int = 3, num_steps: int = 7) -> None:
    """Checks what lmlab relies on in a core: the list in the docstring of `lmlab.Core`.

    It runs a copy of the core on random inputs, in the precision of its parameters. The global random generators are
    restored afterwards.

    Args:
        core: small ones are quicker.
        input_size: I; None infers it: from the attribute `input_size`, else by trying the sizes of the core's parts.
        batch_size: rows that it is tried with, at least 2.
        num_steps: steps of a call, at least 2.

    Raises:
        AssertionError: names the violated requirement.
        ValueError: fewer than 2 rows or steps.
    """
    expect_instance(core, Core, "core: must be an instance of a subclass of lmlab.Core")
    if batch_size < 2 or num_steps < 2:
        raise ValueError("batch_size and num_steps must be at least 2")
    with same_random_numbers():
        core = evaluation_copy(core)
        with exact_float32(dtype_and_device(core)[1]):
            _check_output_size(core)
            _check_registered(core)
            _check_fresh_state(core)
            _check_moved_state(core)
            other = _with_other_values(core)
            if input_size is None:
                input_size = infer_size(core, "input_size", lambda inputs: core(inputs, core.init_state(2)))
            probe = make_probe(core, input_size=input_size, batch_size=batch_size, num_steps=num_steps)
            _check_shapes(probe)
            check_evaluation(probe)
            _check_layers(probe)
            _check_state_dict(probe, other)
        check_training(probe)


def _check_output_size(core: Core) -> None:
    found = getattr(core, "output_size", None)
    is_size = type(found) is int and found >= 1
    expect(is_size, f"output_size: the constructor must set it to the size of an output, not {found!r}")


def _check_registered(core: Core) -> None:
    """Checks that torch knows all parameters and layers: those in a plain list are neither trained nor saved."""
    known = {*map(id, core.modules()), *map(id, core.parameters())}
    for name, part in core.named_modules():
        if type(part).__module__.startswith("torch."):
            continue
        for attribute, value in vars(part).items():
            inside = list(value.values()) if isinstance(value, dict) else value
            held = inside if isinstance(inside, list | tuple) else [inside]
            lost = any(isinstance(one, nn.Module | nn.Parameter) and id(one) not in known for one in held)
            where = f"{name}.{attribute}".lstrip(".")
            found = f"{where} is a plain list or dictionary; use nn.ModuleList, nn.ParameterList and the like"
            expect(not lost, f"parameters: torch must know all of them, to train and save them, but {found}")


def _check_fresh_state(core: Core) -> None:
    """Checks the tensors of the state, and that all rows are equal whatever the batch size."""
    # Text is generated from the state of a single row, repeated.
    single = fresh_state(core, 1)
    same = all(map(is_close, single, fresh_state(core, 1)))
    expect(same, "init_state: must return the same state every time in evaluation mode, but two calls differ")
    for batch_size in (1, 2, 5):
        state = fresh_state(core, batch_size)
        expect_equal(len(state), len(single), f"init_state: the number of tensors for batch size {batch_size}")
        for number, (tensor, row) in enumerate(zip(state, single, strict=True)):
            name = f"init_state({batch_size})[{number}]"
            _check_fresh_tensor(core, name, tensor, batch_size)
            expect_tensor(tensor, name, size=(row.shape[0], batch_size, *row.shape[2:]))
            message = f"init_state: all rows must be equal, but some of {name} differ from init_state(1)[{number}]"
            expect_close(tensor, row.expand_as(tensor), message)


def _check_fresh_tensor(core: Core, name: str, tensor: Tensor, batch_size: int) -> None:
    expect(tensor.is_floating_point(), f"init_state: {name} must be floating-point, but is {tensor.dtype}")
    has_batch = tensor.ndim >= 2 and tensor.shape[1] == batch_size
    expect(has_batch, f"init_state: {name} must have the batch ({batch_size}) on dim 1, but is {shape(tensor)}")
    dtype, device = dtype_and_device(core)
    dtypes = {p.dtype for p in core.parameters() if p.is_floating_point()} or {dtype}
    devices = {p.device for p in core.parameters()} or {device}
    for found, allowed in ((tensor.dtype, dtypes), (tensor.device, devices)):
        wanted = " or ".join(sorted(map(str, allowed)))
        expect(found in allowed, f"init_state: {name} must be {wanted} as the parameters, but is {found}")


def _check_moved_state(core: Core) -> None:
    """Checks that the state follows the parameters to another type and device, which needs no GPU to be seen."""
    if next(core.parameters(), None) is None:
        return
    dtype = torch.float32 if dtype_and_device(core)[0] == torch.float64 else torch.float64
    state = fresh_state(copied(core).to(dtype), 2)
    wrong = next((tensor.dtype for tensor in state if tensor.dtype != dtype), None)
    expect(wrong is None, f"init_state: must follow the parameters' type, but gave {wrong} after core.to({dtype})")
    moved = copied(core).to("meta")
    try:
        state = moved.init_state(2)
    except (NotImplementedError, RuntimeError):  # it reads values, which a tensor on this device does not have
        return
    kept = next((tensor.device for tensor in state if tensor.device.type != "meta"), None)
    expect(kept is None, f"init_state: must follow the parameters' device, but stayed on {kept} when they were moved")


def _check_shapes(probe: Probe) -> None:
    """Checks outputs and states for one row and several, one step and several."""
    size, length = probe.inputs.shape[:2]
    for batch_size, num_steps in ((size, length), (size, 1), (1, length)):
        inputs = probe.inputs[:batch_size, :num_steps]
        fresh = fresh_state(probe.core, batch_size)
        # As lmlab gives it at the beginning of a text: not a copy, perhaps an expanded parameter.
        given = inputs.clone()
        output, state = call(probe.core, given, fresh)
        expect_close(given, inputs, "forward: must not change its inputs in place")
        wanted = (batch_size, num_steps, probe.core.output_size)
        expect_tensor(output, f"forward: the output (B, T, output_size) for inputs {shape(inputs)}", size=wanted)
        expect_equal(output.dtype, inputs.dtype, "forward: the type of the output")
        finite = bool(torch.isfinite(output).all())
        expect(finite, "forward: for inputs from a standard normal distribution the output must be finite")
        _check_kept(state, fresh)
        _check_kept(probe.call(inputs, state)[1], fresh)


def _check_kept(state: State, fresh: State) -> None:
    requirement = "forward: the state must keep the structure that init_state gives:"
    expect_equal(len(state), len(fresh), f"{requirement} the number of tensors")
    for number, (new, old) in enumerate(zip(state, fresh, strict=True)):
        expect_tensor(new, f"{requirement} tensor {number}", size=old.shape)
        expect_equal(new.device, old.device, f"{requirement} the device of tensor {number}")
        found = f"tensor {number} is {new.dtype}"
        expect(new.is_floating_point(), f"forward: the state must be floating-point, but {found}")


def _check_layers(probe: Probe) -> None:
    """Checks that they are modules of the core, and return their output first."""
    layers = attempt("named_layers()", probe.core.named_layers)
    expect_instance(layers, Mapping, "named_layers: must return a mapping")
    parts = set(probe.core.modules())
    for name, layer in layers.items():
        expect_instance(name, str, f"named_layers: names must be text, but one is {name!r}")
        expect(layer in parts, f"named_layers: {name!r} must be a module of the core, but is a {type(layer).__name__}")
        for output in _layer_outputs(probe, layer):
            first = output[0] if isinstance(output, tuple) and output else output
            expect_tensor(first, f"named_layers: the first that {name!r} returns, its output,")


def _layer_outputs(probe: Probe, layer: nn.Module) -> list[Any]:
    outputs: list[Any] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    try:
        probe.call(probe.inputs, probe.fresh())
    finally:
        handle.remove()
    return outputs


def _with_other_values(core: Core) -> Core:
    """A copy with other values, for a mere copy also has what is not in the state_dict, as a new core would not."""
    other = copied(core)
    for tensor in [*other.parameters(), *other.state_dict().values()]:
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            tensor.normal_()
    return other


def _check_state_dict(probe: Probe, other: Core) -> None:
    """Checks that a core with other values computes the same outputs after loading it."""
    ours, theirs = probe.core.state_dict(), other.state_dict()
    changed = ", ".join(sorted(set(ours) ^ set(theirs)))
    expect(not changed, f"state_dict: forward must not make or remove parameters or buffers, but it did: {changed}")
    loaded = dataclasses.replace(probe, core=other)
    # Used before, as a model whose best weights are loaded after training: what it prepared must follow them.
    with suppress(AssertionError):
        loaded.outputs(probe.inputs, loaded.fresh())
    attempt("load_state_dict of what state_dict gave", other.load_state_dict, ours)
    expected, found = probe.outputs(probe.inputs, probe.fresh()), loaded.outputs(probe.inputs, loaded.fresh())
    message = "state_dict: must have all that outputs depend on, but loaded into a core with other values they differ"
    expect_close(found, expected, message)
