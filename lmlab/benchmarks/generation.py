"""Generating text, against a plain loop over the module of `torch.nn`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from lmlab.benchmarks.measurement import Measurement, rate
from lmlab.generation import SamplingOptions, generate
from lmlab.models.counterparts import counterpart
from lmlab.timing import in_turn, seconds
from lmlab.training.models import build_model
from lmlab.training.speed import Case, run_settings

PART = "generation"
TEMPERATURE = 0.8
# The token that texts begin with; any will do.
_FIRST = 0
# Tokens that are drawn to find the better number of threads.
_TRIED = 20


class PlainLoop:
    """What one writes first: a module, softmax of the logits and `torch.multinomial` for each token.

    Args:
        layers: of `torch.nn`, the batch first.
        vocabulary_size: V.
        device: on which it runs.
    """

    def __init__(self, layers: nn.RNNBase, *, vocabulary_size: int, device: torch.device) -> None:
        self.embedding = nn.Embedding(vocabulary_size, layers.input_size).to(device)
        self.layers = layers.to(device).eval()
        self.decoder = nn.Linear(layers.hidden_size, vocabulary_size).to(device)
        self.device = device

    @torch.no_grad()
    def __call__(self, num_samples: int, length: int) -> Tensor:
        """Returns ids (B, length)."""
        token = torch.full((num_samples, 1), _FIRST, device=self.device)
        state, drawn = None, []
        for _ in range(length):
            outputs, state = self.layers(self.embedding(token), state)
            probs = torch.softmax(self.decoder(outputs[:, -1]) / TEMPERATURE, dim=-1)
            token = torch.multinomial(probs, 1)
            drawn.append(token)
        return torch.cat(drawn, dim=1)


def measure_generation(
    case: Case,
    *,
    num_samples: Sequence[int],
    length: int,
    precisions: Sequence[str],
    repetitions: int,
    device: torch.device,
) -> Iterator[Measurement]:
    """Yields the tokens per second of generating texts, drawn at a temperature.

    The plain loop computes in float32 and has the number of threads, one or all, with which it is faster.

    Args:
        case: the model and its sizes.
        num_samples: texts that are generated at a time.
        length: tokens of a text.
        precisions: of lmlab's products, ``32-true`` or ``bf16-true``.
        repetitions: number of timed calls of each.
        device: on which they run.

    Raises:
        UserError: the model cannot be made with these sizes.
    """
    model = build_model(run_settings(case), torch.randn(case.vocabulary_size, case.embedding_dim)).to(device).eval()
    layers = counterpart(model.core)
    loop = None if layers is None else PlainLoop(layers, vocabulary_size=case.vocabulary_size, device=device)
    for number in num_samples:
        theirs, name = None, ""
        if loop is not None:
            threads = _better_threads(partial(loop, number, min(length, _TRIED)), device)
            theirs = _with_threads(partial(loop, number, length), threads)
            in_threads = f", {threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else ""
            name = f"nn.{type(layers).__name__}{in_threads}"
        for precision in precisions:
            options = SamplingOptions(
                length=length, temperature=TEMPERATURE, top_k=None, top_p=None, seed=0, precision=precision
            )
            ours = partial(generate, model, [_FIRST], options, num_samples=number)
            timing = in_turn(ours, theirs, repetitions=repetitions, units=number * length, device=device)
            yield rate(PART, f"{case.name}, batch {number}, {precision}", "tokens/s", timing, name)


def _with_threads(function: Callable[[], object], threads: int) -> Callable[[], None]:
    def run() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            function()
        finally:
            torch.set_num_threads(before)

    return run


def _better_threads(function: Callable[[], object], device: torch.device) -> int:
    """Returns with how many threads a function is faster, one or all; the lesser of two calls counts."""
    numbers = sorted({1, torch.get_num_threads()}) if device.type == "cpu" else [torch.get_num_threads()]
    if len(numbers) == 1:
        return numbers[0]
    runs = {number: _with_threads(function, number) for number in numbers}
    for run in runs.values():
        run()
    taken = {number: min(seconds(run, device) for _ in range(2)) for number, run in runs.items()}
    return min(taken, key=lambda number: taken[number])
