"""Decoders, which compute probabilities of the next token and the loss from hidden states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lmlab.data.loaders.base import IGNORE_INDEX
from lmlab.models.inference import uses_autocast
from lmlab.models.products import product, transposed_product

# Number of logits in memory at once: 16 MiB in float32. Measured on 2 CPU cores with 13,000 words: 2**21 to 2**24 were
# equally fast, 2**20 10% slower.
CHUNK_ELEMENTS = 2**22


class TokenLoss(NamedTuple):
    """Sums over the counted targets; to be divided by `num_tokens` once, after adding up all batches.

    Args:
        nll_sum: total nats, a float32 scalar in training and float64 under `no_grad`.
        num_errors: targets that were not the most probable token.
        num_tokens: counted targets.
    """

    nll_sum: Tensor
    num_errors: Tensor
    num_tokens: Tensor


class TokenStatistics(NamedTuple):
    """Statistics of a model's prediction of each target, for metrics.

    Args:
        nats: (N,) float32, negative log probability of the target; 0 where it is not counted.
        mask: (N,) bool, whether the target is counted.
        wrong: (N,) bool, whether it was not the most probable token; None unless asked for.
        rank: (N,) int64, number of tokens that are more probable than the target; None unless asked for.
        top_probability: (N,) float32, probability of the most probable token; None unless asked for.
        targets: (N,) ids; in an evaluation.
    """

    nats: Tensor
    mask: Tensor
    wrong: Tensor | None = None
    rank: Tensor | None = None
    top_probability: Tensor | None = None
    targets: Tensor | None = None


# Those that are computed only where something needs them.
OPTIONAL_STATISTICS = ("wrong", "rank", "top_probability")


class Decoder(nn.Module, ABC):
    """Computes probabilities of the next token from hidden states.

    To write your own, subclass it, implement `log_probs` and call this constructor. The constructor of the subclass
    takes the keywords `hidden_size` (H), `vocabulary_size` (V) and `tied_to`, an embedding matrix (V, H) to share or
    None. The defaults of `loss` and `token_statistics` use `log_probs` and, if no gradient is needed, never hold the
    log probabilities of a whole batch; a subclass may override them with faster ones. A copy by
    `copy.deepcopy` must be independent.

    Args:
        vocabulary_size: V.

    Attributes:
        vocabulary_size: V.
    """

    def __init__(self, *, vocabulary_size: int) -> None:
        super().__init__()
        self.vocabulary_size = vocabulary_size

    @abstractmethod
    def log_probs(self, hidden: Tensor) -> Tensor:
        """Returns log probabilities (..., V) of hidden states (..., H); float32, each row's probabilities sum to 1."""

    def logits(self, hidden: Tensor) -> Tensor:
        """Returns log probabilities (..., V) up to a constant for each row, for sampling."""
        return self.log_probs(hidden)

    def loss(self, hidden: Tensor, targets: Tensor) -> TokenLoss:
        """Returns the sums over a batch.

        Args:
            hidden: (B, T, H).
            targets: (B, T); `IGNORE_INDEX` for targets that are not counted.
        """
        flat, labels = hidden.flatten(0, -2), targets.flatten()
        if not torch.is_grad_enabled():
            return self._loss_without_gradient(flat, labels)
        log_probs = self.log_probs(flat)
        nll_sum = nn.functional.nll_loss(log_probs, labels, ignore_index=IGNORE_INDEX, reduction="sum")
        counted = labels != IGNORE_INDEX
        wrong = (log_probs.argmax(dim=1) != labels) & counted
        return TokenLoss(nll_sum, wrong.sum(), counted.sum())

    def _loss_without_gradient(self, hidden: Tensor, targets: Tensor) -> TokenLoss:
        found = self.token_statistics(hidden, targets, fields=("wrong",))
        assert found.wrong is not None
        return TokenLoss(found.nats.sum(dtype=torch.float64), found.wrong.sum(), found.mask.sum())

    @torch.no_grad()
    def token_statistics(self, hidden: Tensor, targets: Tensor, *, fields: Collection[str] = ()) -> TokenStatistics:
        """Returns statistics of each target, computed in chunks and without gradients.

        Args:
            hidden: (N, H).
            targets: (N,); `IGNORE_INDEX` for targets that are not counted.
            fields: the optional statistics to compute: ``wrong``, ``rank``, ``top_probability``.
        """
        mask = targets != IGNORE_INDEX
        nats = hidden.new_zeros(targets.shape, dtype=torch.float32)
        wrong = torch.zeros_like(mask) if "wrong" in fields else None
        rank = torch.zeros_like(targets) if "rank" in fields else None
        top = torch.zeros_like(nats) if "top_probability" in fields else None
        for start, stop in _chunks(len(targets), self.vocabulary_size):
            part = slice(start, stop)
            labels = targets[part]
            logits = self.logits(hidden[part]).float()
            nats[part] = nn.functional.cross_entropy(logits, labels, ignore_index=IGNORE_INDEX, reduction="none")
            own, best = logits.gather(1, labels.clamp(min=0)[:, None]), logits.argmax(dim=1, keepdim=True)
            if wrong is not None:
                wrong[part] = (best.squeeze(1) != labels) & mask[part]
            if rank is not None:
                # Ones in float32, which are summed three times as fast as truth values, exactly up to 16 million.
                above = torch.gt(logits, own, out=torch.empty_like(logits)).sum(dim=1)
                rank[part] = torch.where(mask[part], above, 0.0).long()
            if top is not None:
                # Relative to the target, whose probability is known already.
                log_top = (logits.gather(1, best) - own).squeeze(1) - nats[part]
                top[part] = torch.where(mask[part], log_top.exp().clamp(max=1.0), 0.0)
        return TokenStatistics(nats, mask, wrong, rank, top)


class LinearDecoder(Decoder):
    """A linear layer to the vocabulary, followed by softmax.

    Args:
        hidden_size: H.
        vocabulary_size: V.
        tied_to: an embedding matrix (V, H) to share; None for a matrix of its own.
    """

    def __init__(self, *, hidden_size: int, vocabulary_size: int, tied_to: Tensor | None = None) -> None:
        super().__init__(vocabulary_size=vocabulary_size)
        own = nn.Linear(hidden_size, vocabulary_size)
        self.weight: Tensor = own.weight if tied_to is None else tied_to
        self.bias: Tensor = own.bias

    def logits(self, hidden: Tensor) -> Tensor:
        """Returns the linear layer's output (..., V) for hidden states (..., H)."""
        if torch.is_grad_enabled():
            return nn.functional.linear(hidden, self.weight, self.bias)
        return product(hidden.reshape(-1, hidden.shape[-1]), self.weight, self.bias).view(*hidden.shape[:-1], -1)

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Returns log probabilities (..., V) of hidden states (..., H)."""
        return self.logits(hidden).float().log_softmax(dim=-1)

    def loss(self, hidden: Tensor, targets: Tensor) -> TokenLoss:
        """Returns the sums over a batch, without ever holding the logits of the whole batch in memory.

        Args:
            hidden: (B, T, H).
            targets: (B, T); `IGNORE_INDEX` for targets that are not counted.
        """
        flat, labels = hidden.flatten(0, -2), targets.flatten()
        if not torch.is_grad_enabled():
            return self._loss_without_gradient(flat, labels)
        device = flat.device.type
        dtype = torch.get_autocast_dtype(device) if uses_autocast(device) else flat.dtype
        nll_sum, num_errors, num_tokens = _ChunkedCrossEntropy.apply(dtype, flat, self.weight, self.bias, labels)  # type: ignore[no-untyped-call]
        return TokenLoss(nll_sum, num_errors, num_tokens)


def _chunks(rows: int, vocabulary_size: int) -> list[tuple[int, int]]:
    """Returns row ranges of nearly equal size, each with at most `CHUNK_ELEMENTS` logits."""
    count = max(1, -(-rows * vocabulary_size // CHUNK_ELEMENTS))
    size = max(1, -(-rows // count))
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy of a linear layer whose gradients are computed in chunks during the forward pass.

    Later operations change the gradient of a sum only by one factor. So each chunk's logits are converted to gradients
    and discarded immediately, which needs memory for one chunk instead of three copies of all logits.
    """

    @staticmethod
    def forward(
        ctx: Any, dtype: torch.dtype, hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        needs_weight = ctx.needs_input_grad[2]
        # Only the factors of products are in the given type. The gradients of the weights are in their own: sums over
        # chunks, and the factor 1 / tokens, would lose digits in bfloat16.
        given, matrix, added = hidden.to(dtype), weight.to(dtype), bias.to(dtype)
        grads_hidden: list[Tensor] = []
        grad_weight: Tensor | None = None
        grad_bias = torch.zeros_like(bias)
        nll_sum = torch.zeros((), dtype=torch.float32, device=hidden.device)
        num_errors = torch.zeros((), dtype=torch.int64, device=hidden.device)
        counted = labels != IGNORE_INDEX
        safe = torch.where(counted, labels, 0)
        for start, stop in _chunks(len(labels), weight.shape[0]):
            part, mask, label = given[start:stop], counted[start:stop], safe[start:stop, None]
            logits = product(part, matrix, added).float()
            behind = logits.amax(dim=1, keepdim=True) - logits.gather(1, label)
            # A target whose logit equals the largest one counts as correct. Under autocast ties do occur, so there the
            # error rate of training is slightly too low; an evaluation, which takes the argmax, is exact.
            num_errors += ((behind > 0).squeeze(1) & mask).sum()
            grad = logits.softmax(dim=1)
            # From the largest probability, because that of the target may be too small for a float.
            nll_sum += torch.where(mask, behind.squeeze(1) - grad.amax(dim=1).log(), 0.0).sum()
            grad.scatter_add_(1, label, torch.full_like(behind, -1.0))
            grad.mul_(mask[:, None])
            grad_bias += grad.sum(dim=0)
            grad = grad.to(dtype)
            grads_hidden.append(product(grad, matrix.t()))
            if needs_weight:
                made = transposed_product(grad, part).to(weight.dtype)
                grad_weight = made if grad_weight is None else grad_weight.add_(made)
        if needs_weight and grad_weight is None:  # no labels
            grad_weight = torch.zeros_like(weight)
        grad_hidden = grads_hidden[0] if len(grads_hidden) == 1 else torch.cat([given[:0], *grads_hidden])
        ctx.save_for_backward(grad_hidden.to(hidden.dtype), grad_weight, grad_bias)
        num_tokens = counted.sum()
        ctx.mark_non_differentiable(num_errors, num_tokens)
        return nll_sum, num_errors, num_tokens

    @staticmethod
    def backward(ctx: Any, grad_nll: Tensor, *_: Any) -> tuple[None, Tensor, Tensor | None, Tensor, None]:
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        # In place, because these gradients were computed for this backward pass only. The factor stays in float32.
        grad_hidden.mul_(grad_nll)
        if grad_weight is not None:
            grad_weight.mul_(grad_nll)
        return None, grad_hidden, grad_weight, grad_bias.mul_(grad_nll), None
