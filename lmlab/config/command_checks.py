"""Checks the settings of generate, evaluate, predict and benchmark against each other, the disk and the memory."""

from __future__ import annotations

import re

from lmlab.config.memory import check_benchmark_memory, samples_memory, will_be_on_cpu
from lmlab.config.settings import BenchmarkSettings, EvaluateSettings, GenerateSettings, PredictSettings
from lmlab.data.opening import require_path
from lmlab.errors import UserError
from lmlab.files import expanded
from lmlab.memory_limits import available_memory, check_memory


def check_prediction(settings: PredictSettings) -> None:
    """Refuses a `predict` that cannot work.

    Raises:
        UserError: the name is not that of a checkpoint.
    """
    if settings.checkpoint is not None:
        check_checkpoint(settings.checkpoint)


def check_evaluation(settings: EvaluateSettings) -> None:
    """Refuses an `evaluate` that cannot work; sets `split` to its full name.

    Raises:
        UserError: the first setting that does not fit another, or the disk.
    """
    if settings.data.path is not None and settings.split is not None:
        remedy = "leave split or data.path out"
        raise UserError("split", settings.split, "the text of data.path is evaluated as a whole", remedy)
    split = settings.split or "test"
    settings.split = split if split in ("train", "test") else "validation"
    check_checkpoint(settings.checkpoint)
    if settings.data.path is not None:
        require_path(expanded(settings.data.path), field="data.path")


def check_benchmark(settings: BenchmarkSettings) -> None:
    """Refuses a `benchmark` that cannot work.

    Raises:
        UserError: a vocabulary without a start token, or more than the memory holds.
    """
    if settings.batches == "sentences" and settings.vocabulary_size < 3:  # the start token is the third
        raise UserError("vocabulary_size", settings.vocabulary_size, "is less than 3", "for example vocabulary_size=3")
    if will_be_on_cpu(settings.accelerator):
        check_benchmark_memory(settings, available_memory())


def check_generation(settings: GenerateSettings) -> None:
    """Refuses a `generate` that cannot work.

    Raises:
        UserError: the name is not that of a checkpoint, or the samples do not fit into memory.
    """
    check_checkpoint(settings.checkpoint)
    sizes = {"num_samples": settings.num_samples, "length": settings.length}
    check_memory(samples_memory, sizes, available_memory())


def check_checkpoint(name: str) -> None:
    """Checks the name of a checkpoint.

    Raises:
        UserError: it is not one.
    """
    if not re.fullmatch(r"best|last|step-\d+", name):
        remedy = "choose best, last or a kept checkpoint (step-000500)"
        raise UserError("checkpoint", name, "no such checkpoint", remedy)
