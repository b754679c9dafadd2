"""Refuses what is typed for another loader than the chosen one, where it would be without effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from lmlab.config.settings import TrainSettings
from lmlab.config.settings.data import SentencesSettings
from lmlab.config.slots import SLOTS
from lmlab.errors import UserError, printable


def check_effect(words: Sequence[str], settings: TrainSettings) -> None:
    """Checks the settings of data on the command line of a single run.

    Args:
        words: as typed.
        settings: checked.

    Raises:
        UserError: the first without effect.
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
            problem = f"has no effect with batching={chosen}, but with {' and '.join(takers)}"
            raise UserError(key, printable(value), problem, "leave it out, or choose another batching")
    typed = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    if "data.batch_size" in typed and isinstance(loader, SentencesSettings) and loader.tokens_per_batch is not None:
        problem = f"has no effect beside data.tokens_per_batch={loader.tokens_per_batch}"
        remedy = "leave it out, or write data.tokens_per_batch=null"
        raise UserError("data.batch_size", printable(typed["data.batch_size"]), problem, remedy)


def _option(target: str | None) -> str:
    return (target or "").rpartition(".")[2].removesuffix("Loader").lower()
