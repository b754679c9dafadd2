"""Drawing text from a model: logits to ids, and `generate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from lmlab.data.token_store import START_ID, UNKNOWN_ID
from lmlab.data.tokenizers import Tokenizer
from lmlab.errors import Diverged
from lmlab.models.core import expand_state
from lmlab.models.language_model import LanguageModel
from lmlab.training.evaluation import evaluation_mode, exact_float32

# One step of a small batch is too little work to share: with a second thread it can be many times slower.
_ONE_THREAD_BELOW = 16


@dataclass(frozen=True)
class SamplingOptions:
    """How text is drawn.

    Args:
        length: most tokens to draw.
        temperature: logits are divided by it; 0 takes the most probable token.
        top_k: only the k most probable tokens; None for all.
        top_p: only the fewest tokens whose probabilities reach p (nucleus); None for all.
        seed: of sample 0; sample i has seed + i, so a sample does not depend on how many are drawn.
        banned: ids that are never drawn.
        end_id: drawing it ends the text; None never ends early.

    Source: top-p: Holtzman et al. 2020, The Curious Case of Neural Text Degeneration.
    """

    length: int
    temperature: float
    top_k: int | None
    top_p: float | None
    seed: int
    banned: tuple[int, ...] = ()
    end_id: int | None = None

    def __post_init__(self) -> None:
        """Refuses what means nothing.

        Raises:
            ValueError: by the option's name.
        """
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature must be 0 or more, not {self.temperature}")
        if self.length < 1:
            raise ValueError(f"length must be 1 or more, not {self.length}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be 1 or more, not {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}")


@dataclass(frozen=True)
class Sample:
    """One drawn text.

    Args:
        ids: without prompt and end token.
        stop_reason: ``end`` at the end token, ``length`` at the cap.
    """

    ids: tuple[int, ...]
    stop_reason: str


def probabilities(logits: Tensor, options: SamplingOptions) -> Tensor:
    """What the next token is drawn from.

    Args:
        logits: (B, V) float32.
        options: temperature, top-k, top-p and banned ids; applied in this order after banning.

    Returns:
        (B, V) float64 rows that sum to 1.

    Raises:
        ValueError: every token is banned.
        Diverged: logits that are no numbers.
    """
    if not bool(torch.isfinite(logits).all()):
        remedy = "lower optimizer.lr or set a smaller trainer.gradient_clip_val"
        raise Diverged("model", None, "its outputs are no longer numbers: training diverged", remedy)
    if len(set(options.banned)) >= logits.shape[1]:
        raise ValueError("every token is banned")
    scores = logits.double()
    if options.banned:
        scores = scores.index_fill(1, torch.tensor(options.banned, device=scores.device), float("-inf"))
    if options.temperature == 0:
        return torch.nn.functional.one_hot(scores.argmax(dim=1), scores.shape[1]).double()
    scores = (scores - scores.amax(dim=1, keepdim=True)) / options.temperature
    if options.top_k is not None and options.top_k < scores.shape[1]:
        # By rank, not by value: ties beyond the k-th are left out.
        kept = scores.topk(options.top_k, dim=1)
        scores = torch.full_like(scores, float("-inf")).scatter(1, kept.indices, kept.values)
    probs = scores.softmax(dim=1)
    if options.top_p is not None and options.top_p < 1:
        ordered, order = probs.sort(dim=1, descending=True, stable=True)
        reached_before = ordered.cumsum(dim=1) - ordered
        ordered = ordered.masked_fill(reached_before >= options.top_p, 0.0)
        probs = torch.zeros_like(probs).scatter(1, order, ordered)
    return probs / probs.sum(dim=1, keepdim=True)


def draw(probs: Tensor, uniform: Tensor) -> Tensor:
    """The token at which the cumulative probability passes a uniform number.

    Args:
        probs: (B, V) float64.
        uniform: (B,) float64 in [0, 1).

    Returns:
        (B,) ids; never one of probability 0.
    """
    cumulative = probs.cumsum(dim=1)
    total = cumulative[:, -1:]
    # Below the row's own total, so that rounding cannot lead past the last token with a probability.
    target = torch.minimum(uniform[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target, right=True).squeeze(1)


def generate(
    model: LanguageModel,
    prompt: Sequence[int],
    options: SamplingOptions,
    *,
    num_samples: int = 1,
    on_token: Callable[[int], None] | None = None,
) -> list[Sample]:
    """Continues a prompt. Draws from generators of its own, so nothing else that is random changes.

    Args:
        model: any device; left in the mode it was in.
        prompt: at least one id.
        options: how to draw.
        num_samples: drawn side by side.
        on_token: called with each id of sample 0 as it is drawn (not with the end token).

    Raises:
        ValueError: an empty prompt.
    """
    if not prompt:
        raise ValueError("a prompt needs at least one token")
    device = next(model.parameters()).device
    uniforms = torch.stack(
        [
            torch.rand(options.length, dtype=torch.float64, generator=torch.Generator().manual_seed(options.seed + i))
            for i in range(num_samples)
        ]
    )
    with evaluation_mode(model), exact_float32(device), _threads_for(num_samples, device):
        drawn = _drawn(model, prompt, options, uniforms, device, on_token)
    return [_sample(row, options.end_id) for row in drawn]


def next_token_probabilities(model: LanguageModel, prompt: Sequence[int]) -> Tensor:
    """The model's own probabilities of the token after a prompt: (V,) float64 on the CPU, at temperature 1.

    Args:
        model: any device; left in the mode it was in.
        prompt: at least one id.
    """
    device = next(model.parameters()).device
    with evaluation_mode(model), exact_float32(device), _threads_for(1, device):
        hidden = model(torch.tensor([list(prompt)], device=device), model.init_state(1)).hidden
        logits = model.decoder.logits(hidden[0, -1]).cpu()
    return logits.double().softmax(dim=0)


def _drawn(
    model: LanguageModel,
    prompt: Sequence[int],
    options: SamplingOptions,
    uniforms: Tensor,
    device: torch.device,
    on_token: Callable[[int], None] | None,
) -> list[list[int]]:
    num_samples = len(uniforms)
    state = model.init_state(1)
    if len(prompt) > 1:
        state = model(torch.tensor([prompt[:-1]], device=device), state).state
    state = expand_state(state, num_samples)
    step = model.core.stepper()
    token = torch.full((num_samples,), prompt[-1], device=device)
    ids: list[Tensor] = []
    ended = torch.zeros(num_samples, dtype=torch.bool)
    for position in range(options.length):
        hidden, state = step(model.embedding(token), state)
        # Chosen on the CPU: the ids are wanted there, and the same numbers give the same text on every device.
        chosen = _choose(model.decoder.logits(hidden).cpu(), options, uniforms[:, position])
        ids.append(chosen)
        if on_token is not None and not ended[0] and int(chosen[0]) != options.end_id:
            on_token(int(chosen[0]))
        if options.end_id is not None:
            ended |= chosen == options.end_id
            if bool(ended.all()):
                break
        token = chosen.to(device)
    rows: list[list[int]] = torch.stack(ids, dim=1).tolist()
    return rows


def _choose(logits: Tensor, options: SamplingOptions, uniform: Tensor) -> Tensor:
    probs = probabilities(logits, options)
    return probs.argmax(dim=1) if options.temperature == 0 else draw(probs, uniform)


def _sample(ids: list[int], end_id: int | None) -> Sample:
    if end_id is not None and end_id in ids:
        return Sample(tuple(ids[: ids.index(end_id)]), "end")
    return Sample(tuple(ids), "length")


@contextmanager
def _threads_for(num_samples: int, device: torch.device) -> Iterator[None]:
    threads = torch.get_num_threads()
    if device.type != "cpu" or num_samples >= _ONE_THREAD_BELOW:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def start_of_text(tokenizer: Tokenizer, prompt: Sequence[int]) -> list[int]:
    """The ids from which a text is continued.

    A sentence begins with the start token. Where an empty prompt of running text leaves nothing to begin with, it is
    the end token, else a line end, a full stop, or the first entry.

    Args:
        tokenizer: the model's.
        prompt: its ids, perhaps none.
    """
    vocabulary = tokenizer.vocabulary
    if tokenizer.end_token == "sentence":
        return [START_ID, *prompt]
    if prompt:
        return list(prompt)
    if tokenizer.end_id is not None:
        return [tokenizer.end_id]
    for entry in ("\n", "."):
        if entry in vocabulary:
            return [list(vocabulary).index(entry)]
    return [min(1, len(vocabulary) - 1)]


def excluded_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The ids that are no text and end none: the unknown token, and a sentence's start token."""
    return (UNKNOWN_ID, START_ID) if tokenizer.end_token == "sentence" else (UNKNOWN_ID,)
