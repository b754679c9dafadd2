"""Finds what is typed where it is without effect: for another loader than the chosen one, or beside a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from lmlab.config.settings import Settings, TrainSettings
from lmlab.config.settings.data import SentencesSettings
from lmlab.config.slots import SLOTS
from lmlab.errors import printable
from lmlab.runs.discovery import LATEST


def without_effect(words: Sequence[str], settings: TrainSettings) -> Iterator[str]:
    """Yields a sentence for each setting of data on the command line of a single run that does nothing.

    Args:
        words: as typed.
        settings: checked.
    """
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


def beside_a_run(words: Sequence[str], settings: Settings) -> Iterator[str]:
    """Yields a sentence for a folder of runs that is typed beside the run itself.

    Args:
        words: as typed.
        settings: of a command that reads a run.
    """
    run = getattr(settings, "run", LATEST)
    typed = {word.lstrip("+").partition("=")[0]: word.partition("=")[2] for word in words}
    if "output_dir" in typed and run != LATEST:
        yield f"output_dir={printable(typed['output_dir'])} does not count: run={printable(run)} says where the run is"


def _option(target: str | None) -> str:
    return (target or "").rpartition(".")[2].removesuffix("Loader").lower()
