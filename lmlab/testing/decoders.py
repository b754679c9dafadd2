"""The check of a decoder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from lmlab.data.loaders.base import IGNORE_INDEX
from lmlab.models.decoder import Decoder, TokenLoss, TokenStatistics
from lmlab.models.inference import exact_float32
from lmlab.testing.assertions import distance, expect, failures_as_assertions, is_close, shape
from lmlab.testing.components import copied, dtype_and_device, infer_size, preserved

_ROWS, _STEPS = 4, 6
_FIELDS = {"wrong": torch.bool, "rank": torch.int64, "top_probability": torch.float32}


@dataclass(frozen=True)
class _Probe:
    """A decoder with a batch.

    Args:
        decoder: in evaluation mode.
        hidden: (B, T, H).
        targets: (B, T), some of them not counted.
        log_probs: (B, T, V) of the hidden states.
    """

    decoder: Decoder
    hidden: Tensor
    targets: Tensor
    log_probs: Tensor

    @property
    def counted(self) -> Tensor:
        return self.targets != IGNORE_INDEX

    def same(self, found: Tensor, expected: Tensor) -> bool:
        """Whether both are equal but for the rounding of the decoder's own type; log probabilities are float32."""
        dtype = torch.float32 if self.hidden.dtype == torch.float64 else self.hidden.dtype
        return found.shape == expected.shape and is_close(found, expected, computed_in=dtype)


def check_decoder(decoder: Decoder, *, hidden_size: int | None = None) -> None:
    """Checks that a decoder's methods agree with its `log_probs`, and those with probabilities.

    It runs the decoder in evaluation mode on random hidden states, in the precision of its parameters. Parameters,
    gradients, mode and the global random generators are afterwards as before.

    Args:
        decoder: a small vocabulary is quicker.
        hidden_size: H; None finds it out: from the attribute `hidden_size`, else by trying the sizes of its parts.

    Raises:
        AssertionError: says which promise is broken.
    """
    is_decoder = isinstance(decoder, Decoder)
    expect(is_decoder, f"decoder: must be made from a subclass of lmlab.Decoder, but is {type(decoder).__name__}")
    size = getattr(decoder, "vocabulary_size", None)
    is_size = type(size) is int and size >= 1
    expect(is_size, f"vocabulary_size: Decoder's constructor must be called with the number of entries, not {size!r}")
    with preserved(decoder):
        copied(decoder)
        with exact_float32(dtype_and_device(decoder)[1]):
            probe = _make_probe(decoder, _hidden_size(decoder) if hidden_size is None else hidden_size)
            _check_logits(probe)
            _check_statistics(probe)
            _check_sums(probe, trained=False)
        _check_sums(probe, trained=True)
        _check_gradients(probe)


def _hidden_size(decoder: Decoder) -> int:
    dtype, device = dtype_and_device(decoder)

    def attempt(size: int) -> object:
        return decoder.log_probs(torch.randn(2, size, dtype=dtype, device=device))

    return infer_size(decoder, "hidden_size", attempt)


def _make_probe(decoder: Decoder, hidden_size: int) -> _Probe:
    dtype, device = dtype_and_device(decoder)
    hidden = torch.randn(_ROWS, _STEPS, hidden_size, dtype=dtype, device=device)
    log_probs = _log_probs(decoder, hidden)
    # Drawn from the decoder, which may hold some tokens impossible.
    targets = log_probs.flatten(0, 1).exp().multinomial(1).view(_ROWS, _STEPS)
    # So that some are right.
    targets[0] = log_probs[0].argmax(dim=-1)
    targets[0, 1] = targets[2, 3:] = targets[3] = IGNORE_INDEX
    probe = _Probe(decoder, hidden, targets, log_probs)
    for fewer in (hidden[0], hidden[0, 0]):
        found, expected = _log_probs(decoder, fewer), log_probs[0] if fewer.ndim == 2 else log_probs[0, 0]
        message = f"those of {shape(fewer)} alone differ from within a batch by up to {distance(found, expected):.2g}"
        expect(probe.same(found, expected), f"log_probs: a hidden state's must not depend on the others, but {message}")
    return probe


def _log_probs(decoder: Decoder, hidden: Tensor) -> Tensor:
    """What `log_probs` gives, found to have the right shape, type and sums."""
    with failures_as_assertions(f"log_probs of hidden states {shape(hidden)}"):
        found = decoder.log_probs(hidden)
    wanted = (*hidden.shape[:-1], decoder.vocabulary_size)
    message = f"for hidden states {shape(hidden)} the shape must be {wanted}, but is {shape(found)}"
    expect(tuple(found.shape) == wanted, f"log_probs: {message}")
    expect(found.dtype == torch.float32, f"log_probs: must be float32, but are {found.dtype}")
    totals = found.double().exp().sum(dim=-1)
    off = distance(totals, torch.ones_like(totals))
    message = f"a sum is off by {off:.2g}; use log_softmax over the last dimension"
    expect(off <= 1e-3, f"log_probs: each row's probabilities must sum to 1, but {message}")
    return found


def _check_logits(probe: _Probe) -> None:
    for hidden, log_probs in ((probe.hidden, probe.log_probs), (probe.hidden[0, 0], probe.log_probs[0, 0])):
        with failures_as_assertions(f"logits of hidden states {shape(hidden)}"):
            logits = probe.decoder.logits(hidden)
        found = f"for hidden states {shape(hidden)} it is {shape(logits)}, not {shape(log_probs)}"
        expect(logits.shape == log_probs.shape, f"logits: the shape must be that of log_probs, but {found}")
        normalised = logits.float().log_softmax(dim=-1)
        message = f"normalised, they differ by up to {distance(normalised, log_probs):.2g}"
        same = probe.same(normalised, log_probs)
        expect(same, f"logits: must be the log probabilities up to a constant for each row, but {message}")


def _nats(probe: _Probe) -> Tensor:
    """What `log_probs` gives each target (B, T), 0 where it is not counted."""
    own = probe.log_probs.gather(2, probe.targets.clamp(min=0)[..., None]).squeeze(2)
    return torch.where(probe.counted, -own, 0.0)


def _check_statistics(probe: _Probe) -> None:
    """Each field alone and all together, against `log_probs`."""
    hidden, targets = probe.hidden.flatten(0, 1), probe.targets.flatten()
    for fields in ((), ("wrong",), ("rank",), ("top_probability",), tuple(_FIELDS)):
        asked = f"token_statistics(fields={fields})"
        with failures_as_assertions(asked):
            found = probe.decoder.token_statistics(hidden, targets, fields=fields)
        expect(isinstance(found, TokenStatistics), f"{asked}: must return TokenStatistics, not {type(found).__name__}")
        for name, dtype in {"nats": torch.float32, "mask": torch.bool, **_FIELDS}.items():
            value = getattr(found, name)
            if name in _FIELDS and name not in fields:
                expect(value is None, f"{asked}: {name} was not asked for and must be None")
                continue
            is_tensor = isinstance(value, Tensor) and value.shape == targets.shape and value.dtype == dtype
            what = f"{shape(value)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
            expect(is_tensor, f"{asked}: {name} must be {shape(targets)} {dtype}, but is {what}")
        _check_values(probe, found, asked)


def _check_values(probe: _Probe, found: TokenStatistics, asked: str) -> None:
    mask = probe.counted.flatten()
    expect(torch.equal(found.mask, mask), f"{asked}: mask must be False exactly where the target is {IGNORE_INDEX}")
    nats = _nats(probe).flatten()
    message = f"they differ from -log_probs by up to {distance(found.nats, nats):.2g}"
    expect(probe.same(found.nats, nats), f"{asked}: nats must be those of the targets, 0 where not counted; {message}")
    fewest, most = (number.flatten()[mask] for number in _more_probable(probe))
    if found.rank is not None:
        rank = found.rank[mask]
        message = "rank must be the number of tokens that are more probable than the target"
        expect(((rank >= fewest) & (rank <= most)).all(), f"{asked}: {message}, but by log_probs some are not")
    if found.wrong is not None:
        wrong = found.wrong[mask]
        agree = torch.where(wrong, most > 0, fewest == 0)
        message = "wrong must say whether another token than the target is the most probable"
        expect(agree.all(), f"{asked}: {message}, but by log_probs some do not")
        expect(not found.wrong[~mask].any(), f"{asked}: wrong must be False where the target is not counted")
    if found.top_probability is not None:
        top, expected = found.top_probability[mask], probe.log_probs.flatten(0, 1)[mask].amax(dim=1).exp()
        message = f"it differs from log_probs by up to {distance(top, expected):.2g}"
        expect(probe.same(top, expected), f"{asked}: top_probability must be the most probable token's; {message}")


def _more_probable(probe: _Probe) -> tuple[Tensor, Tensor]:
    """How many tokens are more probable than each target (B, T), at least and at most: rounding may swap neighbours."""
    slack = 1e-4 if probe.hidden.dtype in (torch.float32, torch.float64) else 0.05
    own = probe.log_probs.gather(2, probe.targets.clamp(min=0)[..., None])
    # The target itself lies within the slack.
    return (probe.log_probs > own + slack).sum(dim=2), (probe.log_probs > own - slack).sum(dim=2) - 1


def _check_sums(probe: _Probe, *, trained: bool) -> None:
    """The sums of `loss`, of a usual batch and of one in which nothing is counted."""
    where = "loss with gradients" if trained else "loss under no_grad"
    nothing = torch.full_like(probe.targets, IGNORE_INDEX)
    for targets, nats in ((probe.targets, _nats(probe)), (nothing, torch.zeros(()))):
        with torch.set_grad_enabled(trained), failures_as_assertions(where):
            loss = probe.decoder.loss(probe.hidden, targets)
        expect(isinstance(loss, TokenLoss), f"{where}: must return TokenLoss, not {type(loss).__name__}")
        for name, value in loss._asdict().items():
            expect(isinstance(value, Tensor), f"{where}: {name} must be a tensor, but is {type(value).__name__}")
        dtype = torch.float32 if trained else torch.float64
        is_scalar = loss.nll_sum.ndim == 0 and loss.nll_sum.dtype == dtype
        found = f"{shape(loss.nll_sum)} {loss.nll_sum.dtype}"
        expect(is_scalar, f"{where}: nll_sum must be a scalar of {dtype}, but is {found}")
        expected = nats.sum(dtype=dtype).to(loss.nll_sum.device)
        message = f"must be the sum of -log_probs over counted targets, {float(expected):.6g}"
        expect(
            probe.same(loss.nll_sum, expected), f"{where}: nll_sum {message}, but is {float(loss.nll_sum.detach()):.6g}"
        )
        counted = targets != IGNORE_INDEX
        message = f"num_tokens must be the {int(counted.sum())} counted targets, but is {int(loss.num_tokens)}"
        expect(int(loss.num_tokens) == int(counted.sum()), f"{where}: {message}")
        fewest, most = (int(((number > 0) & counted).sum()) for number in _more_probable(probe))
        message = "num_errors must be the counted targets that are not the most probable token"
        errors = int(loss.num_errors)
        expect(fewest <= errors <= most, f"{where}: {message}, {fewest}, but is {errors}")


def _check_gradients(probe: _Probe) -> None:
    """Those of `loss` against those of autograd through `log_probs`."""
    hidden = probe.hidden.clone().requires_grad_()
    named = [(name, parameter) for name, parameter in probe.decoder.named_parameters() if parameter.requires_grad]
    names, leaves = ["the hidden states", *(name for name, _ in named)], [hidden, *(p for _, p in named)]
    again = dataclasses.replace(probe, hidden=hidden, log_probs=probe.decoder.log_probs(hidden))
    with failures_as_assertions("loss: the gradient of nll_sum"):
        # A factor as in training, where the sum is divided by the tokens.
        own = torch.autograd.grad(probe.decoder.loss(hidden, probe.targets).nll_sum / 3, leaves, allow_unused=True)
    with failures_as_assertions("log_probs: the gradient"):
        expected = torch.autograd.grad(_nats(again).sum() / 3, leaves, allow_unused=True)
    for name, leaf, found, wanted in zip(names, leaves, own, expected, strict=True):
        one, other = (torch.zeros_like(leaf) if gradient is None else gradient for gradient in (found, wanted))
        message = f"that of {name} differs from the one through log_probs by up to {distance(one, other):.2g}"
        expect(probe.same(one, other), f"loss: its gradient must be exact, but {message}")
