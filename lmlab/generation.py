"""Samples text from a model."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import SupportsIndex

import torch
from torch import Tensor

from lmlab.config.settings.commands import GENERATION_PRECISIONS, LONGEST_SAMPLE
from lmlab.data.token_store import START_ID, UNKNOWN_ID
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.errors import Diverged
from lmlab.models.core import State, expand_state
from lmlab.models.inference import evaluation_mode, exact_float32
from lmlab.models.language_model import LanguageModel
from lmlab.models.stepping import token_stepper

# A step of a smaller batch uses one thread, because it is so little work that a second thread can make it much slower.
_ONE_THREAD_BELOW = 16
# On a CPU, this many probabilities are drawn from at once: a draw reads and writes them ten times, so they should fit
# into a core's cache. Measured with 512 rows of 10,000: 21 ms for 2**15, 18 for 2**17, 116 for all at once.
_DRAW_ELEMENTS = 2**17
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
        precision: ``32-true``, or ``bf16-true`` to compute matrix products in bfloat16 in lmlab's own recurrent cores
            and linear decoder.

    Source: top-p: Holtzman et al. 2020, The Curious Case of Neural Text Degeneration.
    """

    length: int
    temperature: float
    top_k: int | None
    top_p: float | None
    seed: int
    banned: tuple[int, ...] = ()
    end_id: int | None = None
    precision: str = "32-true"

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
        if self.precision not in GENERATION_PRECISIONS:
            raise ValueError(f"precision must be {' or '.join(GENERATION_PRECISIONS)}, not {self.precision!r}")


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
    _check_finite(logits.sum(dtype=torch.float64))
    weights = _weights(_without_banned(logits, _banned_row(logits, options)), options)
    return weights / weights.sum(dim=1, keepdim=True)


def _check_finite(total: Tensor) -> None:
    """Checks the float64 sum of float32 logits, which is finite exactly if all of them are.

    Raises:
        Diverged: it is not finite.
    """
    if not math.isfinite(float(total)):
        remedy = "lower optimizer.lr or set a smaller trainer.gradient_clip_val"
        raise Diverged("model", None, "its outputs are no longer numbers: training diverged", remedy)


def _banned_row(logits: Tensor, options: SamplingOptions) -> Tensor | None:
    """Returns what is added to the logits (B, V): minus infinity (V,) for banned ids; None if there are none.

    Raises:
        ValueError: every token is banned.
    """
    if not options.banned:
        return None
    if len(set(options.banned)) >= logits.shape[1]:
        raise ValueError("every token is banned")
    row = torch.zeros_like(logits[0])
    row[list(options.banned)] = float("-inf")
    return row


def _without_banned(logits: Tensor, banned_row: Tensor | None) -> Tensor:
    return logits if banned_row is None else logits + banned_row


def _weights(logits: Tensor, options: SamplingOptions) -> Tensor:
    """Returns probabilities (B, V) in float64, each row divided by its largest, from logits without the banned ids."""
    if options.temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(dim=1), logits.shape[1]).double()
    scores = logits - logits.amax(dim=1, keepdim=True).double()
    if options.temperature != 1:
        scores.div_(options.temperature)
    if options.top_k is not None and options.top_k < scores.shape[1]:
        # Selected by rank, not by value, so that ties beyond the k-th are left out.
        kept = scores.topk(options.top_k, dim=1)
        scores = torch.full_like(scores, float("-inf")).scatter(1, kept.indices, kept.values)
    weights = scores.exp_()
    if options.top_p is not None and options.top_p < 1:
        ordered, order = weights.sort(dim=1, descending=True, stable=True)
        shares, total = _cumulative_shares(ordered)
        reached_before = torch.nn.functional.pad(shares[:, :-1], (1, 0))
        ordered = ordered.masked_fill(reached_before >= options.top_p * total, 0.0)
        weights = torch.zeros_like(weights).scatter(1, order, ordered)
    return weights


def _cumulative_shares(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Returns cumulative sums (B, V) of weights of at most 1 as whole numbers, and their totals (B, 1) as float64.

    Sums of whole numbers are exact in whatever order a device adds: they never fall, and the same weights give the same
    text. Weights are cut off to multiples of 2^-55 for 100 tokens, 2^-48 for 10,000; the uniform numbers are multiples
    of 2^-53.
    """
    scale = 2.0 ** (62 - weights.shape[1].bit_length())
    shares = (weights * scale).long().cumsum(dim=1)
    return shares, shares[:, -1:].double()


def draw(weights: Tensor, uniform: Tensor) -> Tensor:
    """Returns the first token whose cumulative probability exceeds a uniform number.

    Args:
        weights: (B, V) float64 probabilities, or a multiple of them; at most 1, and the largest of a row not tiny.
        uniform: (B,) float64 in [0, 1).

    Returns:
        (B,) ids; never one of probability 0.
    """
    shares, total = _cumulative_shares(weights)
    # Below the row's total however it is rounded, because 1 - 2^-53 is the largest number below 1: so a token of
    # probability 0 at the end is not selected.
    target = (uniform[:, None] * total).long()
    # Weights that are no numbers must not select an id outside the vocabulary either.
    return torch.searchsorted(shares, target, right=True).squeeze(1).clamp_(max=weights.shape[1] - 1)


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
    # Drawn where the logits are, so that no step waits for a copy; other devices than these may lack float64.
    drawn_on = device if device.type == "cuda" else torch.device("cpu")
    uniforms = uniforms.to(drawn_on)
    look_every = 1 if on_token is not None else _look_every(device)
    step = token_stepper(model, bfloat16=options.precision == "bf16-true")
    state = _state_before_last(model, prompt, num_samples)
    token = torch.full((num_samples,), prompt[-1], device=device)
    banned_row: Tensor | None = None
    logits_sum = torch.zeros((), dtype=torch.float64, device=drawn_on)
    ended = torch.zeros(num_samples, dtype=torch.bool, device=drawn_on)
    ids: list[Tensor] = []
    for position in range(options.length):
        logits, state = step(token, state)
        logits = logits.to(drawn_on)
        if position == 0:
            banned_row = _banned_row(logits, options)
        chosen = _choose(logits, banned_row, options, uniforms[:, position])
        ids.append(chosen)
        logits_sum += logits.sum(dtype=torch.float64)
        if options.end_id is not None:
            ended |= chosen == options.end_id
        if len(ids) % look_every == 0 or len(ids) == options.length:
            _check_finite(logits_sum)
            if on_token is not None and not ended[0]:
                on_token(int(chosen[0]))
            if options.end_id is not None and ended.all():
                break
        token = chosen.to(device)
    rows: list[list[int]] = torch.stack(ids, dim=1).tolist()
    return rows


def _look_every(device: torch.device) -> int:
    """Returns in how many tokens once errors and ends of texts are looked for, which waits for all of a GPU's work."""
    return 1 if device.type == "cpu" else 32


def _state_before_last(model: LanguageModel, prompt: Sequence[int], num_samples: int) -> State:
    """Returns the state after all but the last id of a prompt, for each sample."""
    state = model.init_state(1)
    if len(prompt) > 1:
        device = next(model.parameters()).device
        state = model(torch.tensor([prompt[:-1]], device=device), state).state
    return expand_state(state, num_samples)


def _choose(logits: Tensor, banned_row: Tensor | None, options: SamplingOptions, uniform: Tensor) -> Tensor:
    """Returns an id (B,) for each row of logits (B, V), by few rows at a time on a CPU."""
    size = len(logits) if logits.device.type != "cpu" else max(1, _DRAW_ELEMENTS // logits.shape[1])
    if size >= len(logits):
        return _choose_at_once(logits, banned_row, options, uniform)
    parts = [slice(start, start + size) for start in range(0, len(logits), size)]
    return torch.cat([_choose_at_once(logits[part], banned_row, options, uniform[part]) for part in parts])


def _choose_at_once(logits: Tensor, banned_row: Tensor | None, options: SamplingOptions, uniform: Tensor) -> Tensor:
    logits = _without_banned(logits, banned_row)
    return logits.argmax(dim=1) if options.temperature == 0 else draw(_weights(logits, options), uniform)


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
