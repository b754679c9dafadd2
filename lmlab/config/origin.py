"""The trained run that another starts from: what can be checked without torch, before a text is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmlab import plain_yaml
from lmlab.config import registry, stored
from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError
from lmlab.runs.discovery import find_run
from lmlab.runs.files import CONFIG

FIELD, CHECKPOINT = "init_from", "best"
# What must be as it was for the weights to fit, as one types it.
_MODEL = ("model.name", "model.hidden_size", "model.num_layers", "model.tie_weights", "embedding.dim")


def check_origin(settings: TrainSettings) -> Path:
    """Returns the absolute folder of the run of `init_from`, after checks that need no checkpoint.

    Raises:
        UserError: there is no such run, or it has another model or kind of tokenizer.
    """
    run = settings.init_from
    assert run is not None
    try:
        folder = find_run(run, output_dir=settings.output_dir, checkpoint=CHECKPOINT).absolute()
        theirs = stored.read_settings(plain_yaml.read(folder / CONFIG), where=folder / CONFIG)
    except UserError as error:
        if "checkpoint=" in error.remedy:
            raise UserError(FIELD, run, "is not its best checkpoint", "name the run's folder") from None
        raise UserError(FIELD, run, error.problem, error.remedy.replace("run=", f"{FIELD}=")) from None
    tokenizers = [registry.build("tokenizer", one.tokenizer) for one in (theirs, settings)]
    if type(tokenizers[0]) is not type(tokenizers[1]) or tokenizers[0].options() != tokenizers[1].options():
        there, here = (f"{type(one).__name__}({_listed(one.options())})" for one in tokenizers)
        raise UserError(FIELD, run, f"reads text by {there}, this run by {here}", "choose the same tokenizer")
    values = ((name.removesuffix(".name"), _value(theirs, name), _value(settings, name)) for name in _MODEL)
    # A dimension that is None is known when a file of vectors has been read.
    other = [f"{name}={_typed(there)}" for name, there, here in values if None not in (there, here) and there != here]
    if other:
        raise UserError(FIELD, run, "is of another model", f"add {' '.join(other)}")
    return folder


def _value(settings: TrainSettings, name: str) -> Any:
    found: Any = settings
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _typed(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())
