"""Lower bounds of the memory that a run needs, from its settings; without torch.

Only what is certain is counted, so that nothing that would work is refused: a core, decoder or optimizer of one's own
counts nothing, and neither do Python, its libraries and the text. Per number 4 bytes, in activations under autocast 2.

- weights: V E of the embedding; per recurrent layer g H (I + H + 2) with g = 1 (RNN), 3 (GRU) or 4 (LSTM) gates and I
  inputs; per feed-forward layer H (I + 1), where the first has context x E inputs; V H + V of the decoder, V if tied.
- optimizer: what it keeps per trained weight: 2 numbers for Adam and its kin, 1 for RMSprop and Adagrad, and momentum.
- averaging: another copy of the trained weights for an exponential moving average.
- gradients: one number per trained weight. Lightning keeps those of a step until the next one's activations are made.
- activations of a step of N tokens, kept for the way back: N E of the embedding (times the context of a feed-forward
  model), and per layer N H, of a GRU 4 N H and of an LSTM 6 N H with its gates and cells.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

from lmlab.config.settings import BenchmarkSettings, TrainSettings
from lmlab.config.settings.data import BPETokenizerSettings, WordTokenizerSettings
from lmlab.config.settings.optimization import (
    AdagradSettings,
    AdamSettings,
    EMASettings,
    RMSpropSettings,
    SGDSettings,
)
from lmlab.memory_limits import Parts, available_memory, check_memory, may_have_gpu

_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
_RECURRENT = {f"lmlab.models.recurrent.{name.upper()}": gates for name, gates in _GATES.items()}
_KEPT_PER_UNIT = {"lmlab.models.recurrent.GRU": 4, "lmlab.models.recurrent.LSTM": 6}
_FEEDFORWARD = "lmlab.models.feedforward.FeedForward"
_LINEAR = "lmlab.models.decoder.LinearDecoder"
_NUMBER = 4
_HIDDEN, _LAYERS, _CONTEXT, _DIM = "model.hidden_size", "model.num_layers", "model.context", "embedding.dim"
_BATCH, _LENGTH = "data.batch_size", "data.sequence_length"


class Known(NamedTuple):
    """What is known of a run's text when its memory is estimated.

    Args:
        vocabulary_size: entries of the vocabulary.
        tokens_per_batch: mean number of tokens of a batch, padding counted.
    """

    vocabulary_size: int
    tokens_per_batch: float


# The least that any text has, before it is read: a batch is no longer than the text.
_UNKNOWN = Known(1, 1)


def check_training_memory(settings: TrainSettings, known: Known = _UNKNOWN, *, on_cpu: bool | None = None) -> None:
    """Refuses a run that needs more memory than this machine has.

    Where a GPU may be used, only the weights are counted, which are made in the machine's memory first.

    Args:
        settings: each within its own range.
        known: what is known of the text.
        on_cpu: whether the run will be on the CPU; None to find out without torch.

    Raises:
        UserError: it needs more.
    """
    there = available_memory()
    if on_cpu is None:
        on_cpu = will_be_on_cpu(settings.trainer.accelerator)
    check_part(settings, known, there, only_weights=not on_cpu)
    sizes = {f"evaluation.{name}": getattr(settings.evaluation, name) for name in ("num_samples", "sample_length")}
    check_memory(samples_memory, sizes, there)
    if settings.callbacks.sample_text is not None:
        sizes = {
            f"callbacks.sample_text.{n}": getattr(settings.callbacks.sample_text, n) for n in ("num_samples", "length")
        }
        check_memory(samples_memory, sizes, there)


def will_be_on_cpu(accelerator: str) -> bool:
    """Returns whether a setting chooses the CPU for certain, which is known without torch."""
    return accelerator == "cpu" or (accelerator == "auto" and not may_have_gpu())


def check_part(
    settings: TrainSettings, known: Known, there: int | None, *, only_weights: bool = False, where: str = "memory"
) -> None:
    """Refuses a run that needs more memory than there is in one place.

    Args:
        settings: the run's settings.
        known: what is known of the text.
        there: bytes; None if unknown.
        only_weights: whether the rest is elsewhere.
        where: the kind of memory, for the error.

    Raises:
        UserError: it needs more.
    """

    def needed(sizes: Mapping[str, int]) -> Parts:
        parts = training_memory(settings, sizes, known)
        return {"weights": parts["weights"]} if only_weights else parts

    check_memory(needed, _sizes(settings, known), there, where=where)


def _sizes(settings: TrainSettings, known: Known) -> dict[str, int]:
    """Returns the sizes of the estimate by the names of their settings."""
    core, tokenizer = settings.model.core, settings.tokenizer
    sizes = {_DIM: settings.embedding.dim or 1}
    for name in (_HIDDEN, _LAYERS, _CONTEXT):
        value = getattr(core, name.partition(".")[2], None)
        if type(value) is int:
            sizes[name] = value
    if known.vocabulary_size > 1:
        names = {WordTokenizerSettings: "tokenizer.max_size", BPETokenizerSettings: "tokenizer.vocabulary_size"}
        sizes[names.get(type(tokenizer), "the size of the vocabulary")] = known.vocabulary_size
    if known.tokens_per_batch > 1:
        sizes |= {_BATCH: settings.data.batch_size, _LENGTH: settings.data.sequence_length}
    return sizes


def training_memory(settings: TrainSettings, sizes: Mapping[str, int], known: Known) -> dict[str, float]:
    """Returns the bytes of each part of a training step, for the settings with other sizes.

    Args:
        settings: the run's settings.
        sizes: by the names of their settings, as far as they matter.
        known: what is known of the text.
    """
    vocabulary = next((value for name, value in sizes.items() if name.startswith(("tokenizer", "the size"))), 1)
    # A smaller batch has fewer tokens in proportion, as far as the text allows.
    asked = settings.data.batch_size * settings.data.sequence_length
    share = sizes.get(_BATCH, 1) * sizes.get(_LENGTH, 1) / asked if _BATCH in sizes else 1.0
    tokens = known.tokens_per_batch * share
    dim = sizes[_DIM]
    if settings.model.tie_weights and _HIDDEN in sizes:
        dim = min(dim, sizes[_HIDDEN])
    embedding = vocabulary * dim
    hidden, layers = sizes.get(_HIDDEN, 0), sizes.get(_LAYERS, 1)
    core = _core_weights(settings.model.core.target, dim, hidden, layers, sizes.get(_CONTEXT, 1))
    decoder = vocabulary * (1 if settings.model.tie_weights else hidden + 1)
    weights = embedding + core + (decoder if core and settings.model.decoder.target == _LINEAR else 0)
    trained = weights - (embedding if settings.embedding.freeze else 0)
    number = _NUMBER if settings.trainer.precision == "32-true" else 2  # auto may choose autocast
    inputs = dim * sizes.get(_CONTEXT, 1)
    kept = _KEPT_PER_UNIT.get(settings.model.core.target or "", 1 if core else 0)
    return {
        "weights": weights * _NUMBER,
        "optimizer": _kept_per_weight(settings) * trained * _NUMBER,
        "averaging": trained * _NUMBER if isinstance(settings.averaging, EMASettings) else 0,
        "gradients": trained * _NUMBER,
        "activations": tokens * number * (inputs + kept * layers * hidden),
    }


def _core_weights(target: str | None, dim: int, hidden: int, layers: int, context: int) -> int:
    """Returns the number of a core's weights; 0 for one that is not known."""
    if target in _RECURRENT:
        inputs = dim + (layers - 1) * hidden  # of all layers together
        return _RECURRENT[target] * hidden * (inputs + layers * (hidden + 2))
    if target == _FEEDFORWARD:
        return hidden * (dim * context + (layers - 1) * hidden + layers)
    return 0


def _kept_per_weight(settings: TrainSettings) -> int:
    """Returns how many numbers the optimizer keeps for each weight; 0 for one that is not known."""
    optimizer = settings.optimizer
    if isinstance(optimizer, AdamSettings):
        return 2
    if isinstance(optimizer, RMSpropSettings):
        return 1 + (optimizer.momentum > 0) + optimizer.centered
    if isinstance(optimizer, SGDSettings):
        return int(optimizer.momentum > 0)
    return int(isinstance(optimizer, AdagradSettings))


def samples_memory(sizes: Mapping[str, int]) -> Parts:
    """Returns the bytes of the random numbers of samples: 8 each, twice while they are put together.

    Args:
        sizes: the number of samples and their length, in this order.
    """
    num_samples, length = sizes.values()
    return {"random numbers": 16 * num_samples * length}


def check_benchmark_memory(settings: BenchmarkSettings, there: int | None, *, where: str = "memory") -> None:
    """Refuses a benchmark whose weights, gradients or ids need more memory than there is.

    Args:
        settings: of the benchmark.
        there: bytes; None if unknown.
        where: the kind of memory, for the error.

    Raises:
        UserError: it needs more.
    """
    for model in settings.models:
        target = _recurrent_target(model)
        for hidden_size in settings.hidden_sizes:
            sizes = {
                "hidden_sizes": hidden_size,
                "num_layers": settings.num_layers,
                "embedding_dim": settings.embedding_dim,
                "vocabulary_size": settings.vocabulary_size,
                "batch_size": settings.batch_size,
                "sequence_length": settings.sequence_length,
                "steps": settings.steps,
            }
            needed = functools.partial(_benchmark_memory, target)
            check_memory(needed, sizes, there, where=where)


def check_benchmark_parts_memory(settings: BenchmarkSettings, there: int | None) -> None:
    """Refuses a ceiling or a generation whose matrices need more memory than there is.

    Args:
        settings: of the benchmark.
        there: bytes; None if unknown.

    Raises:
        UserError: it needs more.
    """
    if "ceiling" in settings.parts:
        # Two factors and their product.
        check_memory(
            lambda n: {"matrices": 3 * n["matrix_size"] ** 2 * _NUMBER}, {"matrix_size": settings.matrix_size}, there
        )
    if "generation" in settings.parts:
        for model in settings.models:
            how = settings.generation
            sizes = {
                "generation.hidden_size": how.hidden_size,
                "generation.num_layers": how.num_layers,
                "embedding_dim": settings.embedding_dim,
                "vocabulary_size": settings.vocabulary_size,
            }
            check_memory(functools.partial(_generation_memory, _recurrent_target(model)), sizes, there)


def _recurrent_target(model: str) -> str:
    """Returns the class of a recurrent model of lmlab's; an empty text for others, of which nothing is counted."""
    return next((name for name in _RECURRENT if name.endswith(f".{model.upper()}")), "")


def _generation_memory(target: str, sizes: Mapping[str, int]) -> Parts:
    """Returns the bytes of the weights of a model and of the loop that it is compared with."""
    hidden, layers, dim, vocabulary = sizes.values()
    weights = vocabulary * dim + _core_weights(target, dim, hidden, layers, 1) + vocabulary * (hidden + 1)
    return {"weights": 2 * weights * _NUMBER}


def _benchmark_memory(target: str, sizes: Mapping[str, int]) -> Parts:
    """Returns the bytes of two models with Adam, and of the ids of all steps (int32) and the logits of one by hand."""
    hidden, layers, dim, vocabulary, batch, length, steps = sizes.values()
    weights = vocabulary * dim + _core_weights(target, dim, hidden, layers, 1) + vocabulary * (hidden + 1)
    return {
        "weights and optimizer": 2 * 3 * weights * _NUMBER,
        "ids": steps * batch * length * _NUMBER,
        "logits": batch * length * vocabulary * 2,
    }
