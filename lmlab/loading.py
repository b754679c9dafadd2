"""Loads a trained run from a checkpoint, after checks that the files beside it are of the same run."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lmlab import plain_yaml
from lmlab.changes import CHANGEABLE, differences
from lmlab.checkpoints import load_weights, read_model
from lmlab.config import outward, registry, stored
from lmlab.config.command_checks import check_checkpoint
from lmlab.config.memory import Known, check_part
from lmlab.config.plugins import record, recorded, trusting
from lmlab.config.settings import TrainSettings
from lmlab.config.typed import plain, targets
from lmlab.data.tokenizers import saved as saved_tokenizers
from lmlab.device import choose_device
from lmlab.errors import UserError, printable
from lmlab.models.language_model import LanguageModel
from lmlab.runs.discovery import checkpoint_path, find_run
from lmlab.runs.files import CONFIG
from lmlab.trained import TrainedModel
from lmlab.training.models import build_model

if TYPE_CHECKING:
    from lmlab.evaluation.figures import Figures

log = logging.getLogger(__name__)


def load(
    run: str | Path,
    *,
    checkpoint: str = "best",
    output_dir: str = "outputs",
    device: str = "auto",
    plugins: str | Iterable[str] = (),
) -> TrainedModel:
    """Loads a trained run.

    Args:
        run: the run's folder, or ``latest`` for the latest run below `output_dir`.
        checkpoint: ``best``, ``last`` or a kept one (``step-000500``).
        output_dir: the folder in which ``latest`` is looked for.
        device: ``auto``, ``cpu`` or ``gpu``.
        plugins: packages of your own whose classes the run may use.

    Raises:
        UserError: no such run, or a file that is not a checkpoint of lmlab.
    """
    check_checkpoint(str(checkpoint))
    folder = find_run(str(run), output_dir=output_dir, checkpoint=checkpoint)
    path = checkpoint_path(folder, checkpoint)
    with trusting(plugins):
        return _load(folder, path, device)


def _load(folder: Path, path: Path, device: str) -> TrainedModel:
    saved = read_model(path)
    ours = saved["lmlab"]
    settings = stored.read_settings(ours["config"], where=path)
    tokenizer = saved_tokenizers.from_dict(ours["tokenizer"], find=registry.tokenizer_class, where=path)
    _check_beside(folder, plain(settings), path)
    _note_changed_plugins(ours.get("plugins"), settings)
    _leave_out_what_reaches_out(settings)
    model = model_of(settings, saved["state_dict"], len(tokenizer.vocabulary), path)
    model.to(choose_device(device, field="device")).eval()
    known = ours.get("text_fingerprints")
    return TrainedModel(
        model=model,
        tokenizer=tokenizer,
        settings=settings,
        folder=folder,
        figures=_own_figures(settings),
        text_fingerprints=known if isinstance(known, dict) else None,
    )


def _own_figures(settings: TrainSettings) -> Figures | None:
    """Returns what is measured of a text beside lmlab's own figures, made while its packages are trusted."""
    if not settings.metrics.added:
        return None
    from lmlab.evaluation.figures import Figures, build_metrics

    return Figures(build_metrics(settings.metrics.added))


def model_of(settings: TrainSettings, weights: Any, vocabulary_size: int, path: Path) -> LanguageModel:
    """Returns the model of a configuration with the weights of a checkpoint.

    Args:
        settings: the run's settings.
        weights: tensors by name.
        vocabulary_size: entries of the vocabulary.
        path: the checkpoint, for errors.

    Raises:
        UserError: they are not the weights of such a model.
    """
    assert settings.embedding.dim is not None
    _check_size(settings, vocabulary_size, path)
    model = build_model(settings, torch.zeros(vocabulary_size, settings.embedding.dim))
    load_weights(model, weights, path, prefix="model.")
    return model


def _check_size(settings: TrainSettings, vocabulary_size: int, path: Path) -> None:
    """Checks that a checkpoint can hold the weights of its configuration, before memory is taken for them.

    Raises:
        UserError: the file is smaller than they are.
    """
    try:
        check_part(settings, Known(vocabulary_size, 1), path.stat().st_size, only_weights=True)
    except UserError:
        problem = "is smaller than the weights of the model that its configuration makes"
        raise UserError("run", path, problem, "restore it from a copy, or train again") from None


def _note_changed_plugins(stored_record: Any, settings: TrainSettings) -> None:
    """Logs a note if a package has changed since the run was trained, because its figures may differ then."""
    for package, now in record(targets(settings)).items():
        before = recorded(stored_record, package)
        if before is None or before._asdict() != now:
            log.warning(f"note: {package} has changed since this run was trained; its figures may be others now")


def _leave_out_what_reaches_out(settings: TrainSettings) -> None:
    """Removes the metrics whose stored texts may reach out of the run, with a note: the run may be a stranger's."""
    for field, words in outward.words_by_part(settings).items():
        group, _, name = field.partition(".")
        if group == "metrics":
            texts = printable(" ".join(words), longest=300)
            log.warning(f"note: {field} is left out, for its stored {texts} may reach out of the run")
            setattr(settings.metrics, name, None)


def _check_beside(folder: Path, config: dict[str, Any], path: Path) -> None:
    """Checks that checkpoint and config.yaml are of the same run: figures must not be attributed to another.

    Raises:
        UserError: a setting differs; names the first one.
    """
    beside = folder / CONFIG
    if not beside.is_file():
        return
    found = stored.checked(plain_yaml.read(beside), where=beside)
    for name, said, true in differences(found, config):
        # These may have been changed when the run was resumed.
        if name not in (*CHANGEABLE, "data.source.path") and not outward.may_differ(name, said, true):
            problem = f"its {name} is {true!r}, but config.yaml says {said!r}: one of them is of another run"
            raise UserError("run", path, problem, "restore it, or delete config.yaml: the checkpoint has its own copy")
