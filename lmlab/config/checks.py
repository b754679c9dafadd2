"""Checks of settings against each other and against the disk, without torch, so that mistakes are reported at once."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from typing import Any

import yaml

from lmlab.config import plugins
from lmlab.config.compose import train_settings
from lmlab.config.folders import check_folder_name, configuration_folder
from lmlab.config.glove import GLOVE, GLOVE_DIMENSIONS, dimension_words
from lmlab.config.memory import check_training_memory
from lmlab.config.options import CONFIG_DIR
from lmlab.config.presets import GROUP, asks_for_a_sweep, check_own_folders, own_folders, search_path
from lmlab.config.registry import build, class_of
from lmlab.config.settings import TrainSettings
from lmlab.config.settings.data import (
    BPETokenizerSettings,
    CharTokenizerSettings,
    SentencesSettings,
    TextFilesSettings,
    WindowsSettings,
    WordTokenizerSettings,
)
from lmlab.config.settings.models import EmbeddingSettings
from lmlab.config.settings.optimization import CosineSettings, RMSpropSettings, SGDSettings
from lmlab.config.settings.trainer import TrainerSettings
from lmlab.config.slots import SLOTS
from lmlab.data.opening import require_path
from lmlab.data.vector_dimension import vector_dimension
from lmlab.errors import UserError
from lmlab.files import expanded

# A share of a split that is smaller can only be a mistake: of 100 MB, 1,000 characters.
_LEAST_SHARE = 1e-5
# With a smaller one the mean squared gradient is nearly the squared mean, and rounding makes their difference negative.
_LEAST_CENTERED_ALPHA = 0.1
# Names of files that are open: the same name is another file in the next command.
_STANDS_FOR_ANOTHER = re.compile(r"/dev/(stdin|fd/\d+)|/proc/[^/]+/fd/\d+")
_RANDOM = "lmlab.models.embedding.RandomVectors"
_DEVICE_STATS = "pytorch_lightning.callbacks.DeviceStatsMonitor"
_NEED_LOGGER = (_DEVICE_STATS, "pytorch_lightning.callbacks.LearningRateMonitor")


def compose(arguments: Sequence[str] = ()) -> TrainSettings:
    """Returns the checked settings of a run, from the words of a command line (`["model=gru", "optimizer.lr=1e-3"]`).

    Args:
        arguments: as for `python -m lmlab.train`, for a single run; ``--config-dir=...`` and ``plugins=[...]`` too,
            which makes a package trusted in this process.

    Raises:
        UserError: the first setting that is wrong.
    """
    if not isinstance(arguments, list | tuple) or not all(isinstance(word, str) for word in arguments):
        example = 'for example ["model=gru", "optimizer.lr=1e-3"]'
        raise UserError("arguments", None, "must be a list of text, as the words of a command", example)
    words = plugins.take_from(arguments)
    check_own_folders(words)
    options = [word for word in words if word.startswith("-")]
    for option in options:
        if option.partition("=")[0] not in CONFIG_DIR or "=" not in option:
            problem = "cannot be used here: it is an option of the command"
            raise UserError(option, None, problem, "leave it out (a folder of your own: --config-dir=my_conf)")
    if asks_for_a_sweep(words):
        preset = [word.partition("=")[2] for word in words if word.lstrip("+").startswith(f"{GROUP}=")][-1]
        remedy = f"start it by python -m lmlab.train {GROUP}={preset}"
        raise UserError(GROUP, preset, "is a sweep, but this is a single run", remedy)
    own = own_folders(words)
    given = [word for word in words if word not in options]
    settings = train_settings([*given, *dimension_words(given), *search_path(own)])
    check_training(settings)
    return settings


def check_training(settings: TrainSettings, *, resuming: bool = False, here: bool = True) -> None:
    """Refuses a training run that cannot work, naming the setting at fault; sets what follows from others.

    Args:
        settings: each within its own range.
        resuming: whether the run is resumed, so that its embedding is in the checkpoint.
        here: whether it runs on this machine, so that its memory matters.

    Raises:
        UserError: the first setting that does not fit another, the disk, or the memory.
    """
    _check_data(settings)
    _check_sentences(settings)
    _check_tokenizer(settings)
    _check_embedding(settings, resuming=resuming)
    _check_optimization(settings)
    _check_trainer(settings)
    _check_callbacks(settings)
    _check_loggers(settings)
    if not resuming:
        _check_reach(settings)
    check_folder_name("name", settings.name)
    if here:
        check_training_memory(settings)


def _check_data(settings: TrainSettings) -> None:
    data, source = settings.data, settings.data.source
    if len(data.split) not in (2, 3) or min(data.split[:2]) <= 0:
        remedy = "give the fractions for train, validation and test, for example data.split=[0.8,0.1,0.1]"
        problem = "must be two or three fractions, those for train and validation above 0"
        raise UserError("data.split", data.split, problem, remedy)
    if any(0 < share < _LEAST_SHARE * sum(data.split) for share in data.split):
        problem = f"a split would get less than {_LEAST_SHARE * 100:g}% of the text"
        raise UserError("data.split", data.split, problem, "for example data.split=[0.8,0.1,0.1]; 0 leaves out test")
    if data.path and not hasattr(source, "path"):
        raise UserError("data.path", data.path, f"data={data.name} does not use data.path", "add data=text")
    if data.path and _STANDS_FOR_ANOTHER.fullmatch(data.path):
        problem = "stands for what is open in this command, so that the run could not be resumed or evaluated again"
        raise UserError("data.path", data.path, problem, "give the path of the file itself")
    if isinstance(source, TextFilesSettings) and not source.path:
        problem, remedy = "this data set needs your own text", "give a file or folder: data.path=my_text.txt"
        raise UserError("data.path", None, problem, remedy)
    if data.encoding != "auto":
        try:
            "".encode(data.encoding)
        except (LookupError, ValueError):
            remedy = "for example utf-8, latin-1 or auto"
            raise UserError("data.encoding", data.encoding, "no such encoding", remedy) from None
    build("data.source", source).check()


def _check_sentences(settings: TrainSettings) -> None:
    """Sentences are batched as sentences, running text is not; the tokenizer follows the data."""
    data, loader = settings.data, settings.data.batching
    assert loader.target is not None
    if loader.target in SLOTS["data.batching"].own:
        by_sentence = isinstance(loader, SentencesSettings)
    else:
        by_sentence = bool(getattr(class_of(SLOTS["data.batching"], loader.target), "sentences", False))
    if data.sentences != by_sentence:
        is_own = loader.target in SLOTS["data.batching"].own
        name = loader.class_name.removesuffix("Loader").lower() if is_own else loader.target
        if by_sentence:
            remedy = "use batching=streams, windows or chunks, or data=sentences for a text with one sentence a line"
            problem = f"is for data.sentences=true, but data={data.name} is running text (data.sentences=false)"
            raise UserError("batching", name, problem, remedy)
        remedy = "use batching=sentences, or leave data.sentences out"
        if not _has_sentences(data.name):
            problem = f"says that data={data.name} consists of sentences, but batching={name} is for running text"
            raise UserError("data.sentences", "true", problem, remedy)
        problem = f"is for running text, but data.sentences=true says that data={data.name} consists of sentences"
        raise UserError("batching", name, problem, remedy)
    if data.sentences:
        if settings.tokenizer.end_token not in (None, "sentence"):
            problem = "sentences have their own start and end tokens"
            remedy = "set tokenizer.end_token=null"
            raise UserError("tokenizer.end_token", settings.tokenizer.end_token, problem, remedy)
        settings.tokenizer.end_token = "sentence"


def _has_sentences(name: str) -> bool:
    """Returns whether a data set consists of sentences, whatever was typed; of a user's own it is assumed."""
    path = configuration_folder() / "data" / f"{name}.yaml"
    found: Any = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {"sentences": True}
    return bool(found.get("data", found).get("sentences"))


def _check_tokenizer(settings: TrainSettings) -> None:
    tokenizer = settings.tokenizer
    allowed: tuple[str | None, ...] = (None, "line", "document")
    if isinstance(tokenizer, CharTokenizerSettings | BPETokenizerSettings):
        allowed = (None, "document")
    if settings.data.sentences:
        allowed = ("sentence",)
    if tokenizer.end_token not in allowed:
        choices = ", ".join(str(a or "null") for a in allowed)
        raise UserError("tokenizer.end_token", tokenizer.end_token, "no such option", f"choose one of {choices}")
    # The 256 bytes and the special tokens are always there.
    special = 3 if settings.data.sentences else 2
    if isinstance(tokenizer, WordTokenizerSettings) and tokenizer.max_size is not None:
        _at_least("tokenizer.max_size", tokenizer.max_size, special + 1)
    if isinstance(tokenizer, BPETokenizerSettings):
        _at_least("tokenizer.vocabulary_size", tokenizer.vocabulary_size, special + 256)


def _at_least(field: str, value: int, least: int) -> None:
    if value < least:
        raise UserError(field, value, f"is less than {least}", f"for example {field}={least}")


def _check_embedding(settings: TrainSettings, *, resuming: bool) -> None:
    model, embedding = settings.model, settings.embedding
    is_glove = embedding.target == GLOVE
    if embedding.target == _RANDOM:
        if embedding.dim is None:
            raise UserError("embedding.dim", "null", "random vectors need a size", "for example embedding.dim=128")
        if embedding.path:
            raise UserError("embedding.path", embedding.path, "random vectors need no file", "add embedding=glove")
    if is_glove and isinstance(settings.tokenizer, BPETokenizerSettings):
        problem = "GloVe has vectors for words, not for their pieces"
        raise UserError("embedding", "glove", problem, "add tokenizer=word, or use embedding=random")
    if is_glove and embedding.path and not resuming:
        require_path(expanded(embedding.path), field="embedding.path")
    elif is_glove and not embedding.path and embedding.dim not in (None, *GLOVE_DIMENSIONS):
        choices = ", ".join(map(str, GLOVE_DIMENSIONS))
        problem = "glove.6B has no vectors of this size"
        raise UserError("embedding.dim", embedding.dim, problem, f"choose one of {choices}, or give embedding.path")
    dim = embedding.dim if resuming else _dimension(embedding)
    if not model.tie_weights:
        return
    if dim not in (None, model.hidden_size):  # None: known when the file has been read
        problem = f"needs embedding.dim ({dim}) equal to model.hidden_size ({model.hidden_size})"
        raise UserError("model.tie_weights", "true", problem, "set one of them")
    if embedding.freeze:
        problem = "with embedding.freeze=true the decoder could not learn"
        raise UserError("model.tie_weights", "true", problem, "set one of them to false")


def _dimension(embedding: EmbeddingSettings) -> int | None:
    """Returns the size of the vectors; None if only reading the file can tell.

    Raises:
        UserError: the file has another than that of the settings.
    """
    if embedding.target != GLOVE:
        return embedding.dim
    if not embedding.path:
        return embedding.dim or max(GLOVE_DIMENSIONS)
    path = expanded(embedding.path)
    in_file = vector_dimension(path, embedding.dim)
    if in_file is not None and embedding.dim not in (None, in_file):
        remedy = f"set embedding.dim={in_file} or leave it out"
        raise UserError("embedding.dim", embedding.dim, f"{path} has {in_file} dimensions", remedy)
    return in_file or embedding.dim


def _check_optimization(settings: TrainSettings) -> None:
    optimizer = settings.optimizer
    if isinstance(optimizer, SGDSettings) and optimizer.nesterov and not optimizer.momentum > 0:
        raise UserError("optimizer.nesterov", "true", "needs momentum", "for example optimizer.momentum=0.9")
    if isinstance(optimizer, RMSpropSettings) and optimizer.centered and optimizer.alpha < _LEAST_CENTERED_ALPHA:
        problem = (
            f"the deviation of the gradient needs an optimizer.alpha of 0.1 or more, and it is {optimizer.alpha:g}"
        )
        raise UserError("optimizer.centered", "true", problem, "for example optimizer.alpha=0.99")


def _check_reach(settings: TrainSettings) -> None:
    """Refuses a loader or scheduler that would silently do less than it says; a run that began so goes on."""
    data, scheduler = settings.data, settings.scheduler
    loader = data.batching
    if isinstance(loader, WindowsSettings) and loader.stride > loader.sequence_length:
        problem = f"would leave out the tokens between windows of data.sequence_length={loader.sequence_length}"
        raise UserError("data.stride", loader.stride, problem, f"give at most {loader.sequence_length}")
    steps = settings.trainer.max_steps
    if isinstance(scheduler, CosineSettings) and steps != -1 and scheduler.warmup_steps > steps:
        problem = f"is more than the run's steps (trainer.max_steps={steps})"
        raise UserError("scheduler.warmup_steps", scheduler.warmup_steps, problem, f"give at most {steps}")


def _check_loggers(settings: TrainSettings) -> None:
    if settings.logger.wandb is None:
        return
    found = importlib.util.find_spec("wandb")
    if found is None or found.origin is None:  # a folder of that name, which wandb itself makes, is no package
        problem, remedy = "needs the package wandb, which is not installed", "pip install 'lmlab[wandb]'"
        raise UserError("logger", "wandb", problem, remedy)


def _check_trainer(settings: TrainSettings) -> None:
    trainer = settings.trainer
    _apply_fast_dev_run(trainer)
    if trainer.max_epochs == -1 and trainer.max_steps == -1 and trainer.max_tokens == -1:
        remedy = "give 1 or more, or -1 together with trainer.max_steps or trainer.max_tokens"
        raise UserError("trainer.max_epochs", trainer.max_epochs, "would never stop training", remedy)
    if trainer.check_val_every_n_epoch is None and trainer.val_check_interval is None:
        remedy = "set trainer.check_val_every_n_epoch=1"
        raise UserError("trainer.val_check_interval", "null", "the run would never be evaluated", remedy)
    for least, most in (("min_epochs", "max_epochs"), ("min_steps", "max_steps")):
        low, high = getattr(trainer, least), getattr(trainer, most)
        if low is not None and high != -1 and low > high:
            raise UserError(f"trainer.{least}", low, f"is more than trainer.{most} ({high})", f"raise trainer.{most}")
    if trainer.max_time is not None and not re.fullmatch(r"(?!00+:00:00:00)\d+:\d\d:\d\d:\d\d", trainer.max_time):
        problem, remedy = "is not a time in the form DD:HH:MM:SS", "for example trainer.max_time=00:01:30:00"
        raise UserError("trainer.max_time", trainer.max_time, problem, remedy)
    if trainer.benchmark and trainer.deterministic:
        problem = "cuDNN would choose other kernels from run to run, which trainer.deterministic=true rules out"
        raise UserError("trainer.benchmark", "true", problem, "set one of them to false")
    for limit in ("limit_train_batches", "limit_val_batches"):
        if trainer.overfit_batches is not None and getattr(trainer, limit) is not None:
            problem = "limits the same batches as trainer.overfit_batches"
            raise UserError(f"trainer.{limit}", getattr(trainer, limit), problem, "leave one of them out")


def _apply_fast_dev_run(trainer: TrainerSettings) -> None:
    """Sets the limits that follow from `trainer.fast_dev_run`, which like Lightning's comes before all others."""
    if not trainer.fast_dev_run:
        return
    trainer.limit_train_batches = trainer.limit_val_batches = trainer.limit_test_batches = int(trainer.fast_dev_run)
    trainer.overfit_batches = trainer.min_epochs = trainer.min_steps = trainer.val_check_interval = None
    trainer.max_epochs = trainer.check_val_every_n_epoch = 1
    trainer.max_steps = trainer.max_tokens = -1


def _check_callbacks(settings: TrainSettings) -> None:
    """Refuses callbacks of Lightning's that cannot work; Lightning itself says so only after the text has been read."""
    for name, added in settings.callbacks.added.items():
        if added.target not in _NEED_LOGGER:
            continue
        remedy = f"leave logger=none out, or remove it: callbacks.{name}=null"
        if not any(vars(settings.logger).values()):
            raise UserError(f"callbacks.{name}", added.class_name, "has no logger to send its figures to", remedy)


def check_device_statistics(settings: TrainSettings, device: str) -> None:
    """Refuses statistics of the processor that cannot be taken.

    Args:
        settings: the run's settings.
        device: the kind of device that the run uses, ``cpu`` or ``cuda``.

    Raises:
        UserError: a DeviceStatsMonitor needs psutil, which is not installed.
    """
    for name, added in settings.callbacks.added.items():
        wanted = getattr(added, "cpu_stats", None)
        if added.target != _DEVICE_STATS or not (wanted or (wanted is None and device == "cpu")):
            continue
        if importlib.util.find_spec("psutil") is None:
            problem = "needs psutil for statistics of the processor, which is not installed"
            raise UserError(f"callbacks.{name}", added.class_name, problem, "python -m pip install psutil")
