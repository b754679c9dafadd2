"""A run that starts from a trained one: its vocabulary, to which that of the new text is added, and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmlab.checkpoints import read_model
from lmlab.config import registry
from lmlab.config.origin import CHECKPOINT, FIELD, check_origin
from lmlab.config.settings import TrainSettings
from lmlab.data.tokenizers import saved as saved_tokenizers
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.errors import UserError
from lmlab.files import shown
from lmlab.models.language_model import LanguageModel
from lmlab.runs.discovery import checkpoint_path
from lmlab.runs.summary import read_summary

_SAME = "give the settings of its model, as its config.yaml has them"


@dataclass(frozen=True)
class Origin:
    """The trained run that another starts from.

    Args:
        folder: the run's.
        tokenizer: fitted.
        weights: of its best checkpoint, by name.
        record: for summary.json.
    """

    folder: Path
    tokenizer: Tokenizer
    weights: Mapping[str, Tensor]
    record: Mapping[str, Any]


def read_origin(settings: TrainSettings) -> Origin | None:
    """Returns the run of `init_from`; None if there is none.

    Raises:
        UserError: there is no such run, it cannot be read, or it has another model or kind of tokenizer.
    """
    if settings.init_from is None:
        return None
    folder = check_origin(settings)
    try:
        path = checkpoint_path(folder, CHECKPOINT)
        saved = read_model(path)
        known = saved["lmlab"]["tokenizer"]
        tokenizer = saved_tokenizers.from_dict(known, find=registry.tokenizer_class, where=path)
    except UserError as error:
        raise UserError(FIELD, settings.init_from, error.problem, error.remedy) from None
    summary = read_summary(folder)
    names = ("name", "fingerprint", "text_fingerprint", "train_fingerprint", "val/nats_per_token")
    record = {"run": str(folder), "step": saved["global_step"]}
    record |= {name: summary[name] for name in names if name in summary}
    return Origin(folder, tokenizer, saved["state_dict"], record)


def describe_origin(origin: Origin, vocabulary_size: int) -> str:
    """Returns a line that says what is taken over.

    Args:
        origin: the run.
        vocabulary_size: of the run that starts from it.
    """
    known = len(origin.tokenizer.vocabulary)
    new = f"{vocabulary_size - known:,} new ones behind them" if vocabulary_size > known else "none is new"
    step = origin.record["step"]
    return f"start      weights of {shown(origin.folder)} (step {step:,}); its {known:,} entries keep their ids, {new}"


def take_weights(model: LanguageModel, origin: Origin) -> None:
    """Copies the weights into a model; rows of entries that are new to the vocabulary keep their first values.

    Raises:
        UserError: a weight is missing, unknown or of another shape.
    """
    known = len(origin.tokenizer.vocabulary)
    given = {name.removeprefix("model."): w for name, w in origin.weights.items() if name.startswith("model.")}
    own = model.state_dict()
    for name in own.keys() ^ given.keys():
        where = "there" if name in given else "here"
        raise UserError(FIELD, origin.folder, f"is of another model: only {where} is {name}", _SAME)
    with torch.no_grad():
        for name, weight in own.items():
            is_of_entries = given[name].ndim > 0 and len(given[name]) == known
            rows = weight[:known] if is_of_entries and weight.ndim > 0 else weight
            if rows.shape != given[name].shape:
                shapes = f"{tuple(given[name].shape)} there and {tuple(weight.shape)} here"
                raise UserError(FIELD, origin.folder, f"is of another model: {name} is {shapes}", _SAME)
            rows.copy_(given[name])
