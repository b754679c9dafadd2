"""The check of a decoder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from lmlab.data.loaders.base import IGNORE_INDEX
from lmlab.models.decoder import Decoder, TokenLoss, TokenStatistics
from lmlab.models.inference import exact_float32
from lmlab.testing.assertions import expect, expect_close, expect_equal, expect_instance, expect_tensor, shape
from lmlab.testing.components import attempt, dtype_and_device, evaluation_copy, infer_size, same_random_numbers

_ROWS, _STEPS = 4, 6
_FIELDS = {"wrong": torch.bool, "rank": torch.int64, "top_probability": torch.float32}


@dataclass(frozen=True)
class _Probe:
    """A decoder in evaluation mode with a batch.

    Args:
        decoder: under check.
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

    def expect_close(self, found: Tensor, expected: Tensor, message: str) -> None:
        """With the rounding of the decoder's own type, but at least that of log probabilities, which are float32."""
        dtype = torch.float32 if self.hidden.dtype == torch.float64 else self.hidden.dtype
        expect_close(found, expected, message, computed_in=dtype)


def check_decoder(decoder: Decoder, *, hidden_size: int | None = None) -> None:
    """Checks that a decoder's methods agree with its `log_probs`, and those with probabilities.

    It runs a copy of the decoder in evaluation mode on random hidden states, in the precision of its parameters. The
    global random generators are restored afterwards.

    Args:
        decoder: a small vocabulary is quicker.
        hidden_size: H; None infers it: from the attribute `hidden_size`, else by trying the sizes of its parts.

    Raises:
        AssertionError: names the violated requirement.
    """
    expect_instance(decoder, Decoder, "decoder: must be an instance of a subclass of lmlab.Decoder")
    size = getattr(decoder, "vocabulary_size", None)
    is_size = type(size) is int and size >= 1
    expect(is_size, f"vocabulary_size: Decoder's constructor must be called with the number of entries, not {size!r}")
    with same_random_numbers():
        decoder = evaluation_copy(decoder)
        with exact_float32(dtype_and_device(decoder)[1]):
            if hidden_size is None:
                hidden_size = infer_size(decoder, "hidden_size", decoder.log_probs)
            probe = _make_probe(decoder, hidden_size)
            _check_logits(probe)
            _check_statistics(probe)
            _check_loss(probe, trained=False)
        _check_loss(probe, trained=True)
        _check_gradients(probe)


def _make_probe(decoder: Decoder, hidden_size: int) -> _Probe:
    dtype, device = dtype_and_device(decoder)
    hidden = torch.randn(_ROWS, _STEPS, hidden_size, dtype=dtype, device=device)
    log_probs = _log_probs(decoder, hidden)
    # Sampled from the decoder, which may hold some tokens impossible.
    targets = log_probs.flatten(0, 1).exp().multinomial(1).view(_ROWS, _STEPS)
    # So that some predictions are right.
    targets[0] = log_probs[0].argmax(dim=-1)
    # An odd number stays, so that right and wrong predictions are not equally many.
    targets[0, 1] = targets[2, 4:] = targets[3] = IGNORE_INDEX
    probe = _Probe(decoder, hidden, targets, log_probs)
    for fewer, expected in ((hidden[0], log_probs[0]), (hidden[0, 0], log_probs[0, 0])):
        message = f"log_probs: a hidden state's must not depend on the others, but {shape(fewer)} alone differ"
        probe.expect_close(_log_probs(decoder, fewer), expected, message)
    return probe


def _log_probs(decoder: Decoder, hidden: Tensor) -> Tensor:
    """What `log_probs` gives; checks that it has the right shape, type and sums."""
    found = attempt(f"log_probs of hidden states {shape(hidden)}", decoder.log_probs, hidden)
    wanted = (*hidden.shape[:-1], decoder.vocabulary_size)
    expect_tensor(found, f"log_probs: for hidden states {shape(hidden)} it", size=wanted, dtype=torch.float32)
    off = float((found.double().exp().sum(dim=-1) - 1).abs().max())
    message = f"a sum is off by {off:.2g}; use log_softmax over the last dimension"
    expect(off <= 1e-3, f"log_probs: each row's probabilities must sum to 1, but {message}")
    return found


def _check_logits(probe: _Probe) -> None:
    for hidden, log_probs in ((probe.hidden, probe.log_probs), (probe.hidden[0, 0], probe.log_probs[0, 0])):
        logits = attempt(f"logits of hidden states {shape(hidden)}", probe.decoder.logits, hidden)
        expect_tensor(logits, f"logits: for hidden states {shape(hidden)} it", size=log_probs.shape)
        message = "logits: must be the log probabilities up to a constant for each row, but normalised, they differ"
        probe.expect_close(logits.float().log_softmax(dim=-1), log_probs, message)


def _nats(probe: _Probe) -> Tensor:
    """What `log_probs` gives each target (B, T), 0 where it is not counted."""
    own = probe.log_probs.gather(2, probe.targets.clamp(min=0)[..., None]).squeeze(2)
    return torch.where(probe.counted, -own, 0.0)


def _check_statistics(probe: _Probe) -> None:
    """Checks each field alone and all together against `log_probs`."""
    hidden, targets = probe.hidden.flatten(0, 1), probe.targets.flatten()
    for fields in ((), ("wrong",), ("rank",), ("top_probability",), tuple(_FIELDS)):
        asked = f"token_statistics(fields={fields})"
        found = attempt(asked, probe.decoder.token_statistics, hidden, targets, fields=fields)
        expect_instance(found, TokenStatistics, f"{asked}: must return TokenStatistics")
        for name, dtype in {"nats": torch.float32, "mask": torch.bool, **_FIELDS}.items():
            if name in _FIELDS and name not in fields:
                expect(getattr(found, name) is None, f"{asked}: {name} was not asked for and must be None")
            else:
                expect_tensor(getattr(found, name), f"{asked}: {name}", size=targets.shape, dtype=dtype)
        _check_values(probe, found, asked)


def _check_values(probe: _Probe, found: TokenStatistics, asked: str) -> None:
    mask = probe.counted.flatten()
    expect(torch.equal(found.mask, mask), f"{asked}: mask must be False exactly where the target is {IGNORE_INDEX}")
    message = f"{asked}: nats must be -log_probs of the targets, 0 where not counted, but differ"
    probe.expect_close(found.nats, _nats(probe).flatten(), message)
    fewest, most = (number.flatten()[mask] for number in _more_probable(probe))
    if found.rank is not None:
        right = (found.rank[mask] >= fewest) & (found.rank[mask] <= most)
        expect(right.all(), f"{asked}: rank must be the number of tokens that log_probs holds more probable")
    if found.wrong is not None:
        right = torch.where(found.wrong[mask], most > 0, fewest == 0)
        expect(right.all(), f"{asked}: wrong must be whether log_probs holds another token more probable")
        expect(not found.wrong[~mask].any(), f"{asked}: wrong must be False where the target is not counted")
    if found.top_probability is not None:
        expected = probe.log_probs.flatten(0, 1)[mask].amax(dim=1).exp()
        message = f"{asked}: top_probability must be the most probable token's, but differs from log_probs"
        probe.expect_close(found.top_probability[mask], expected, message)


def _more_probable(probe: _Probe) -> tuple[Tensor, Tensor]:
    """How many tokens are more probable than each target (B, T), at least and at most: rounding may swap neighbours."""
    slack = 1e-4 if probe.hidden.dtype in (torch.float32, torch.float64) else 0.05
    own = probe.log_probs.gather(2, probe.targets.clamp(min=0)[..., None])
    # The target itself is within the slack.
    return (probe.log_probs > own + slack).sum(dim=2), (probe.log_probs > own - slack).sum(dim=2) - 1


def _check_loss(probe: _Probe, *, trained: bool) -> None:
    """Checks the sums of a usual batch and of one in which nothing is counted."""
    where = "loss with gradients" if trained else "loss under no_grad"
    nothing = torch.full_like(probe.targets, IGNORE_INDEX)
    for targets, nats in ((probe.targets, _nats(probe)), (nothing, torch.zeros(()))):
        with torch.set_grad_enabled(trained):
            loss = attempt(where, probe.decoder.loss, probe.hidden, targets)
        expect_instance(loss, TokenLoss, f"{where}: must return TokenLoss")
        dtype = torch.float32 if trained else torch.float64
        expect_tensor(loss.nll_sum, f"{where}: nll_sum", size=(), dtype=dtype)
        for name in ("num_tokens", "num_errors"):
            expect_tensor(getattr(loss, name), f"{where}: {name}", size=())
        expected = nats.sum(dtype=dtype).to(loss.nll_sum.device)
        message = f"must be the sum of -log_probs over counted targets, but is {float(loss.nll_sum.detach()):.6g}"
        probe.expect_close(loss.nll_sum, expected, f"{where}: nll_sum {message}")
        counted = targets != IGNORE_INDEX
        expect_equal(int(loss.num_tokens), int(counted.sum()), f"{where}: num_tokens, of the counted targets,")
        fewest, most = (int(((number > 0) & counted).sum()) for number in _more_probable(probe))
        errors = int(loss.num_errors)
        message = "num_errors must be the counted targets that are not the most probable token"
        expect(fewest <= errors <= most, f"{where}: {message}, {fewest}, but is {errors}")


def _check_gradients(probe: _Probe) -> None:
    """Checks those of `loss` against those of autograd through `log_probs`."""
    hidden = probe.hidden.clone().requires_grad_()
    leaves = {"the hidden states": hidden}
    leaves.update((name, parameter) for name, parameter in probe.decoder.named_parameters() if parameter.requires_grad)
    again = dataclasses.replace(probe, hidden=hidden, log_probs=probe.decoder.log_probs(hidden))
    nll_sum = probe.decoder.loss(hidden, probe.targets).nll_sum
    own = attempt("loss: the gradient of nll_sum", _gradients, nll_sum, leaves)
    expected = attempt("log_probs: the gradient", _gradients, _nats(again).sum(), leaves)
    for name, one, other in zip(leaves, own, expected, strict=True):
        message = f"loss: its gradient must be exact, but that of {name} differs from the one through log_probs"
        probe.expect_close(one, other, message)


def _gradients(nll_sum: Tensor, leaves: dict[str, Tensor]) -> tuple[Tensor, ...]:
    # Divided, as in training by the number of tokens.
    return torch.autograd.grad(nll_sum / 3, list(leaves.values()), materialize_grads=True)
