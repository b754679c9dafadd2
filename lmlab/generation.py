"""Samples text from a model."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import SupportsIndex

import torch
from torch import Tensor

from lmlab.config.settings.commands import LONGEST_SAMPLE
from lmlab.data.token_store import START_ID, UNKNOWN_ID
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.errors import Diverged
from lmlab.models.core import expand_state
from lmlab.models.inference import evaluation_mode, exact_float32
from lmlab.models.language_model import LanguageModel

# A step of a smaller batch uses one thread, because it is so little work that a second thread can make it much slower.
_ONE_THREAD_BELOW = 16
# Numbers below this, and the seeds of as many samples, fit into 64 bits.
_LARGEST = 2**62 - 1


@dataclass(frozen=True)
class SamplingOptions:
    """How text is sampled.

    Args:
        length: maximum number of tokens to draw.
        temperature: divides the logits; 0 takes the most probable token.
        top_k: only the k most probable tokens; None for all.
        top_p: only the fewest tokens whose probabilities sum to p (nucleus sampling); None for all.
        seed: seed of sample 0. Sample i has seed + i, so that it does not depend on the number of samples.
        banned: ids that are never drawn.
        end_id: the id that ends the text; None to always draw `length` tokens.

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
        """Checks the options.

        Raises:
            TypeError: an option is no number.
            ValueError: an option is out of range.
        """
        check_whole("length", self.length, at_least=1, at_most=LONGEST_SAMPLE)
        check_whole("seed", self.seed, at_least=0)
        if self.top_k is not None:
            check_whole("top_k", self.top_k, at_least=1)
        if not 0 <= _number("temperature", self.temperature) < float("inf"):
            raise ValueError(f"temperature must be 0 or more, not {self.temperature}")
        if self.top_p is not None and not 0 < _number("top_p", self.top_p) <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}")


def check_whole(name: str, value: SupportsIndex, *, at_least: int, at_most: int = _LARGEST) -> None:
    """Checks a number that an argument of Python's gives.

    Raises:
        TypeError: it is no whole number; True and False, which Python takes for one, count as none.
        ValueError: it is out of range.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if not at_least <= number <= at_most:
        raise ValueError(f"{name} must be from {at_least} to {at_most:,}, not {number}")


def _number(name: str, value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {value!r}") from None


@dataclass(frozen=True)
class Sample:
    """A sampled text.

    Args:
        ids: without prompt and end token.
        stop_reason: ``end`` at the end token, ``length`` at the maximal length.
    """

    ids: tuple[int, ...]
    stop_reason: str


def probabilities(logits: Tensor, options: SamplingOptions) -> Tensor:
    """Returns the probabilities from which the next token is drawn.

    Args:
        logits: (B, V) float32.
        options: the ids are banned first, then temperature, top-k and top-p are applied in this order.

    Returns:
        (B, V) float64 rows that sum to 1.

    Raises:
        ValueError: every token is banned.
        Diverged: logits are not finite.
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
        # Selected by rank, not by value, so that ties beyond the k-th are left out.
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
    """Returns the first token whose cumulative probability exceeds a uniform number.

    Args:
        probs: (B, V) float64.
        uniform: (B,) float64 in [0, 1).

    Returns:
        (B,) ids; never one of probability 0.
    """
    cumulative = probs.cumsum(dim=1)
    total = cumulative[:, -1:]
    # Strictly below the row's total, so that rounding cannot select a token of probability 0 at the end.
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
    """Continues a prompt. Uses its own random generators, so that the global ones are unchanged.

    Args:
        model: on any device; its training or evaluation mode is restored.
        prompt: at least one id.
        options: how to sample.
        num_samples: number of samples, generated in one batch.
        on_token: called with each id of sample 0 as it is drawn, except the end token.

    Raises:
        TypeError: a number of samples that is none.
        ValueError: an empty prompt, or no samples.
    """
    check_whole("num_samples", num_samples, at_least=1)
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
    """Returns the model's probabilities of the token after a prompt, at temperature 1.

    Args:
        model: on any device; its training or evaluation mode is restored.
        prompt: at least one id.

    Returns:
        (V,) float64 on the CPU.
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
        # Drawn on the CPU, where the ids are needed and the same probabilities give the same text for every device.
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
    """Returns the ids from which a text is continued.

    A sentence begins with the start token. For running text with an empty prompt this is the end token, or without one
    a line end, a full stop or the first entry of the vocabulary.

    Args:
        tokenizer: the model's tokenizer.
        prompt: ids of the prompt; may be empty.
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
    """Returns the ids that are never drawn: the unknown token, and the start token of sentences."""
    return (UNKNOWN_ID, START_ID) if tokenizer.end_token == "sentence" else (UNKNOWN_ID,)
