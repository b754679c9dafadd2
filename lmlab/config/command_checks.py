"""Checks the settings of generate, evaluate, predict and benchmark against each other, the disk and the memory."""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lmlab.config.compose import train_settings
from lmlab.config.folders import group_options
from lmlab.config.memory import check_benchmark_memory, check_benchmark_parts_memory, samples_memory, will_be_on_cpu
from lmlab.config.own_files import check_own_file
from lmlab.config.presets import own_folders, search_path
from lmlab.config.settings import BenchmarkSettings, EvaluateSettings, GenerateSettings, PredictSettings
from lmlab.config.settings.commands import LargeTextBenchmarkSettings
from lmlab.config.suggestions import choose_one
from lmlab.data.opening import require_path
from lmlab.errors import UserError, printable
from lmlab.files import expanded
from lmlab.memory_limits import as_bytes, available_memory, check_memory
from lmlab.output_paths import check_writable
from lmlab.runs.formatting import listing

# The parts of a benchmark that have a setting, or all settings of a group.
_MODELS = ("layers", "step", "generation")
_PARTS_OF: Mapping[str, tuple[str, ...]] = {
    "generation": ("generation",),
    "tokenizers": ("tokenizers",),
    "large_text": ("large_text",),
    "matrix_size": ("ceiling",),
    "models": _MODELS,
    "embedding_dim": _MODELS,
    "vocabulary_size": ("step", "generation"),
    "hidden_sizes": ("layers", "step"),
    "num_layers": ("layers", "step"),
    "batch_size": ("layers", "step"),
    "sequence_length": ("layers", "step"),
    "batches": ("step",),
    "precision": ("step",),
    "steps": ("ceiling", "layers", "step"),
    "repetitions": ("generation", "tokenizers", "startup"),
}
# Bytes on the disk for a byte of a large text: the text, and its ids of one byte for a character or two for a word.
_DISK_PER_BYTE = 2


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


def check_benchmark(settings: BenchmarkSettings, words: Sequence[str] = ()) -> None:
    """Refuses a `benchmark` that cannot work, or a word of it that would have no effect.

    Args:
        settings: each within its own range.
        words: of the command line, as typed.

    Raises:
        UserError: the first setting that does not fit the parts, the models, the disk or the memory.
    """
    parts = settings.parts
    for word in words:
        name, typed, value = word.partition("=")
        of = next((of for group, of in _PARTS_OF.items() if f"{name}.".startswith(f"{group}.")), None)
        if typed and of is not None and not {*of} & {*parts}:
            remedy = f"add one of these to what, or what={of[0]}" if len(of) > 1 else f"add what={of[0]}"
            raise UserError(name, printable(value), f"is for {listing(of)}, which is not measured", remedy)
    if {*_MODELS} & {*parts}:
        _check_models(settings.models, own_folders(words))
    if settings.batches == "sentences" and settings.vocabulary_size < 3:  # the start token is the third
        raise UserError("vocabulary_size", settings.vocabulary_size, "is less than 3", "for example vocabulary_size=3")
    if {"layers", "step"} & {*parts} and will_be_on_cpu(settings.accelerator):
        check_benchmark_memory(settings, available_memory())
    if will_be_on_cpu(settings.accelerator):
        check_benchmark_parts_memory(settings, available_memory())
    if "large_text" in parts:
        _check_disk(settings.large_text)
    if settings.output is not None:
        check_writable("output", settings.output)


def _check_models(models: Sequence[str], own: Sequence[Path]) -> None:
    """Checks that models are options, and the user's own further: a class may not be trusted.

    Raises:
        UserError: the first that is none.
    """
    options = group_options("model", own)
    for name in models:
        if name not in options:
            problem = f"{printable(name)}: no such option"
            hint = "" if own else "; your own options need --config-dir"
            listed = f"[{','.join(map(str, models))}]"
            raise UserError("models", printable(listed), problem, f"{choose_one('model', name, options)}{hint}")
        if name not in group_options("model"):
            check_own_file("model", name, own)
            train_settings([f"model={name}", *search_path(own)])


def _check_disk(settings: LargeTextBenchmarkSettings) -> None:
    """Checks that the disk can hold the largest text and its ids.

    Raises:
        UserError: it cannot, or there is no such folder.
    """
    if settings.folder is not None and not stat.S_ISDIR(
        require_path(expanded(settings.folder), field="large_text.folder", remedy="make it first").st_mode
    ):
        raise UserError("large_text.folder", settings.folder, "is not a folder", "give a folder")
    place = tempfile.gettempdir() if settings.folder is None else expanded(settings.folder)
    largest = max(settings.gigabytes)
    needed, there = _DISK_PER_BYTE * largest * 1e9, shutil.disk_usage(place).free
    if needed > there:
        problem = f"{largest:g} GB of text need {as_bytes(needed)} of disk in {place}, {as_bytes(there)} are there"
        remedy = "give smaller sizes, or another large_text.folder"
        raise UserError("large_text.gigabytes", f"{largest:g}", problem, remedy)


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
