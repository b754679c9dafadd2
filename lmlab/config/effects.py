"""Finds what is typed and has no effect, because of the parts chosen, of another setting, or beside a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from lmlab.config.settings import TrainSettings
from lmlab.config.settings.data import SentencesSettings
from lmlab.config.slots import SLOTS
from lmlab.errors import printable
from lmlab.runs.discovery import LATEST

# Limits that trainer.fast_dev_run sets itself.
_REPLACED_BY_A_TRIAL = (
    "max_epochs", "max_steps", "max_tokens", "min_epochs", "min_steps", "limit_train_batches", "limit_val_batches",
    "limit_test_batches", "overfit_batches", "check_val_every_n_epoch", "val_check_interval",
)  # fmt: skip


def without_effect(words: Sequence[str], settings: TrainSettings) -> Iterator[str]:
    """Yields a sentence for each setting of a run's words that does nothing.

    Args:
        words: as typed, of a single run or of a sweep's job.
        settings: checked.
    """
    yield from _for_other_loaders(words, settings)
    yield from _for_other_sources(words, settings)
    typed = {key.lstrip("+"): value for key, found, value in (word.partition("=") for word in words) if found}
    for key, is_idle, reason in _IDLE:
        # What is typed as the value that switches it off is not meant to have an effect.
        if typed.get(key, "null") not in ("null", "false", "0") and is_idle(settings):
            yield f"{key}={printable(typed[key])} has no effect {reason}"
    for key in (f"trainer.{name}" for name in _REPLACED_BY_A_TRIAL):
        if key in typed and settings.trainer.fast_dev_run:
            yield f"{key}={printable(typed[key])} has no effect beside trainer.fast_dev_run, which sets it"


def typed_twice(words: Sequence[str]) -> Iterator[str]:
    """Yields a sentence for each word whose setting a later word sets to something else; the last one counts.

    Args:
        words: a command line, as typed.
    """
    last: dict[str, str] = {}
    for word in words:
        key, found, _ = word.lstrip("+").partition("=")
        if not found or key.startswith(("-", "~")):
            continue
        if key in last and last[key] != word:
            yield f"{printable(last[key])} has no effect before {printable(word)}: the last one counts"
        last[key] = word


def _runs_to_its_end(settings: TrainSettings) -> bool:
    early = settings.callbacks.early_stopping
    stops = early is not None and early.patience is not None
    return not stops and settings.trainer.max_time is None and not settings.callbacks.added


def _never_stops_early(settings: TrainSettings) -> bool:
    early = settings.callbacks.early_stopping
    return early is None or early.patience is None


def _has_no_dropout(settings: TrainSettings) -> bool:
    model = settings.model
    return not any((model.dropout, model.input_dropout, model.output_dropout))


def _draws_nothing(settings: TrainSettings) -> bool:
    samples = settings.callbacks.sample_text
    return samples is not None and samples.temperature == 0


_NO_END = "where nothing ends the run early (callbacks.early_stopping.patience, trainer.max_time)"
_NO_DRAW = "beside callbacks.sample_text.temperature=0, which draws nothing"
# Settings that need another one: the setting, whether it is idle, and why.
_IDLE: tuple[tuple[str, Callable[[TrainSettings], bool], str], ...] = (
    ("trainer.min_epochs", _runs_to_its_end, _NO_END),
    ("trainer.min_steps", _runs_to_its_end, _NO_END),
    (
        "callbacks.early_stopping.min_delta",
        _never_stops_early,
        "without callbacks.early_stopping.patience",
    ),
    (
        "trainer.gradient_clip_algorithm",
        lambda settings: settings.trainer.gradient_clip_val is None,
        "beside trainer.gradient_clip_val=null",
    ),
    (
        "trainer.limit_test_batches",
        lambda settings: not settings.evaluation.test and not settings.trainer.fast_dev_run,
        "on training beside evaluation.test=false",
    ),
    (
        "evaluation.ngram_order",
        lambda settings: not settings.evaluation.baselines,
        "beside evaluation.baselines=false",
    ),
    ("model.locked_dropout", _has_no_dropout, "without dropout (model.dropout)"),
    ("callbacks.sample_text.top_k", _draws_nothing, _NO_DRAW),
    ("callbacks.sample_text.top_p", _draws_nothing, _NO_DRAW),
    ("callbacks.sample_text.seed", _draws_nothing, _NO_DRAW),
)


def _for_other_sources(words: Sequence[str], settings: TrainSettings) -> Iterator[str]:
    """Yields a sentence for each setting that the text, which is published as it is or generated, does not use."""
    source = settings.data.source
    if source.target not in SLOTS["data.source"].own:
        return
    reasons = {"split": "has its own split", "encoding": "reads no file of yours"}
    for word in words:
        key, found, value = word.partition("=")
        group, _, name = key.partition(".")
        if found and group == "data" and name in reasons and not hasattr(source, name):
            yield f"{key}={printable(value)} has no effect with data={settings.data.name}, which {reasons[name]}"


def _for_other_loaders(words: Sequence[str], settings: TrainSettings) -> Iterator[str]:
    """Yields a sentence for each setting of data that the chosen loader does not use."""
    loader, own = settings.data.batching, SLOTS["data.batching"].own
    if loader.target not in own:
        return
    chosen = _option(loader.target)
    for word in words:
        key, _, value = word.partition("=")
        group, _, name = key.partition(".")
        if group != "data" or hasattr(loader, name):
            continue
        takers = [_option(target) for target, kind in own.items() if name in {f.name for f in dataclasses.fields(kind)}]
        if takers:
            yield f"{key}={printable(value)} has no effect with batching={chosen}; it is for {' and '.join(takers)}"
    typed = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    if "data.batch_size" in typed and isinstance(loader, SentencesSettings) and loader.tokens_per_batch is not None:
        value = printable(typed["data.batch_size"])
        yield f"data.batch_size={value} has no effect beside data.tokens_per_batch={loader.tokens_per_batch}"


def beside_a_run(words: Sequence[str], key: str = "run") -> Iterator[str]:
    """Yields a sentence for a folder of runs that is typed beside the run itself.

    Args:
        words: of a command that reads a run, as typed.
        key: that names the run.
    """
    typed = {word.lstrip("+").partition("=")[0]: word.partition("=")[2] for word in words}
    run = typed.get(key, "").strip("'\"")
    if "output_dir" in typed and run not in ("", LATEST):
        where = printable(typed["output_dir"])
        yield f"output_dir={where} does not count: {key}={printable(run)} says where to look"


def _option(target: str | None) -> str:
    return (target or "").rpartition(".")[2].removesuffix("Loader").lower()
