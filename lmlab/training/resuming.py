"""Resumes an interrupted run from its last checkpoint, and raises an error if anything else disagrees with it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmlab import plain_yaml
from lmlab.changes import CHANGEABLE, LIMITS, TEXT, differences
from lmlab.checkpoints import FORMAT, OtherVersion, read_checkpoint, save_checkpoint
from lmlab.config import outward, plugins, registry, stored, typed
from lmlab.config.retyped import Retyped
from lmlab.config.settings import TrainSettings
from lmlab.config.slots import SLOTS
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.data.tokenizers.saved import from_dict
from lmlab.errors import UserError
from lmlab.files import shown
from lmlab.runs.contents import read_tokenizer
from lmlab.runs.files import BEST, BEST_BEFORE_END, CHECKPOINTS, CONFIG, LAST, PREVIOUS, TOKENIZER, without_surrogates
from lmlab.training.position import Position

log = logging.getLogger(__name__)

# A configuration in the form in which it is stored in files.
Config = dict[str, Any]


@dataclass(frozen=True)
class Resumption:
    """Everything needed to resume a run.

    Args:
        settings: the run's settings, including those changed on the command line.
        config: the same in the form in which it is stored in files.
        config_before: the configuration without the changes from the command line.
        tokenizer: fitted when the run began.
        checkpoint: contents of last.ckpt, verified.
        position: the position of the checkpoint.
        fingerprints: SHA-256 of the texts that the run began with, by split; those that an older lmlab did not store
            are absent.
    """

    settings: TrainSettings
    config: Config
    config_before: Config
    tokenizer: Tokenizer
    checkpoint: dict[str, Any]
    position: Position
    fingerprints: dict[str, str]

    @property
    def vector_coverage(self) -> float | None:
        """Share of the vocabulary with a pretrained vector; None for random ones."""
        coverage: float | None = self.checkpoint["lmlab_task"].get("vector_coverage")
        return coverage

    def check_texts(self, texts: Mapping[str, str], folder: Path) -> None:
        """Checks that the texts are those that the run began with.

        Args:
            texts: SHA-256 by split of the texts read now.
            folder: the run's folder.

        Raises:
            UserError: a text has changed; names the split.
        """
        for split, expected in self.fingerprints.items():
            if texts.get(split) != expected:
                if self.config["data"]["path"] != self.config_before["data"]["path"]:
                    problem = f"its {split} text is not the one that {shown(folder)} was begun with"
                    remedy = "give the place that this text was moved to, or start a new run"
                    raise UserError("data.path", self.settings.data.path, problem, remedy)
                problem = f"its {split} text has changed"
                remedy = "restore it (data.path=... says where a text was moved to), or start a new run"
                raise UserError("run", shown(folder), problem, remedy)

    def keep_changes(self, folder: Path) -> None:
        """Writes the changed settings into last.ckpt.

        Called after all checks, so that a command that fails changes nothing.
        """
        if self.config != self.config_before:
            # The checkpoint is written first, because it is decisive. It includes the old configuration too, because
            # config.yaml still has that one until it is written as well.
            self.checkpoint["lmlab"] |= {"config": self.config, "config_before": self.config_before}
            save_checkpoint(self.checkpoint, folder / CHECKPOINTS / LAST)

    def check_position(self, *, num_batches: int, folder: Path) -> None:
        """Checks that the checkpoint's position in the text agrees with its number of steps.

        Raises:
            UserError: they disagree.
        """
        accumulate = self.settings.trainer.accumulate_grad_batches
        if not self.position.fits(num_batches=num_batches, accumulate=accumulate):
            place = f"epoch {self.position.epoch}, batch {self.position.batch} of {num_batches}"
            problem = f"last.ckpt stands at step {self.position.step} but at {place}, which do not belong together"
            raise UserError("run", shown(folder), problem, "start a new run")


def resume_from(folder: Path, changes: Mapping[str, Any], *, retyped: Retyped | None = None) -> Resumption:
    """Reads everything needed to resume a run, and checks it.

    Args:
        folder: the run's folder, with a last.ckpt.
        changes: settings changed on the command line, by dotted name: limits, and ``data.path``.
        retyped: what is typed about loggers, added callbacks and added metrics on the command line.

    Raises:
        UserError: a damaged checkpoint, a file of the run that disagrees with it, a change that is not allowed
            because it would result in a different run, or something that reaches out and was not typed.
    """
    saved = _last_checkpoint(folder)
    ours = saved["lmlab"]
    if not _is_whole(saved):
        problem = "has parts missing, or of another kind"
        raise UserError("run", folder / CHECKPOINTS / LAST, problem, "train the run again")
    where = folder / CHECKPOINTS / LAST
    config = _agreeing(folder, ours, stored.checked(ours["config"], where=where))
    _check_tokenizer(folder, ours["tokenizer"])
    found = stored.read_settings(_changed(config, changes, saved), where=where)
    changed = outward.confirmed(found, retyped or Retyped(), run=shown(folder))
    # Read in the same way as when the run is resumed the next time.
    settings = stored.read_settings(changed, where=where)
    plugins.check_unchanged(ours.get("plugins"), typed.targets(settings), field="run", value=shown(folder))
    if ours["format"] < FORMAT:
        position = Position.from_loops(saved["loops"], saved["global_step"])
    else:
        position = Position(**ours["position"])
    _check_best(folder, saved, config)
    known = ours.get("text_fingerprints") or {"train": ours["train_fingerprint"]}
    tokenizer = from_dict(ours["tokenizer"], find=registry.tokenizer_class, where=where)
    return Resumption(settings, changed, config, tokenizer, saved, position, dict(known))


def _is_whole(saved: Mapping[str, Any]) -> bool:
    """Returns whether everything needed to resume a run exists in the checkpoint and has the right type."""
    ours = saved["lmlab"]
    kinds: dict[str, type] = {
        "lmlab_task": dict, "loops": dict, "callbacks": dict, "state_dict": dict, "random_states": dict,
        "optimizer_states": list, "lr_schedulers": list, "global_step": int,
    }  # fmt: skip
    own: dict[str, type] = {"tokenizer": dict, "config": dict, "train_fingerprint": str}
    if ours["format"] == FORMAT:
        own |= {"position": dict, "should_stop": bool, "event_files": dict, "text_fingerprints": dict}
    if not all(isinstance(saved.get(name), kind) for name, kind in kinds.items()):
        return False
    if not all(isinstance(ours.get(name), kind) for name, kind in own.items()):
        return False
    position, files = ours.get("position", {}), ours.get("event_files", {})
    recorder = saved["callbacks"].get("Recorder")
    rows = recorder.get("rows") if isinstance(recorder, dict) else None
    return (
        isinstance(rows, list)
        and all(isinstance(row, dict) and _is_row(row) for row in rows)
        and len(saved["optimizer_states"]) == len(saved["lr_schedulers"]) == 1
        and position.keys() in ({"epoch", "batch", "step"}, set())
        and position.get("step", saved["global_step"]) == saved["global_step"]
        and all(type(value) is int for value in [*position.values(), *files.values()])
        and all(size >= 0 for size in files.values())
    )


def _is_row(row: Mapping[str, Any]) -> bool:
    return all(isinstance(row.get(name), int | float) for name in ("step", "val/nats_per_token"))


def _last_checkpoint(folder: Path) -> dict[str, Any]:
    """Returns the contents of last.ckpt or, if it is damaged or missing, of the checkpoint before it."""
    last, previous = (folder / CHECKPOINTS / name for name in (LAST, PREVIOUS))
    try:
        return read_checkpoint(last)
    except UserError as error:
        # What another version has written is not damaged, and is not replaced.
        if isinstance(error, OtherVersion) or not previous.is_file():
            raise
        saved = read_checkpoint(previous)
        log.warning(f"warning: {error.field}={error.value}: {error.problem}; going on from the checkpoint before it")
        # Replaces last.ckpt, so that the next save does not keep the damaged one as the previous checkpoint.
        save_checkpoint(saved, last)
        return saved


def _agreeing(folder: Path, ours: Mapping[str, Any], config: Config) -> Config:
    """Returns the checkpoint's configuration after checking that config.yaml agrees with it.

    Raises:
        UserError: config.yaml differs.
    """
    path = folder / CONFIG
    if not path.exists():
        return config
    beside = stored.checked(plain_yaml.read(path), where=path)
    before = ours.get("config_before")
    allowed = LIMITS if ours["format"] < FORMAT else ()  # an older lmlab wrote a raised limit to config.yaml first
    differing = [(name, new, old) for name, new, old in differences(beside, config) if name not in allowed]
    if differing and not (before is not None and beside == stored.checked(before, where=path)):
        name, new, old = differing[0]
        problem = f"says {name}={_typed(new)}, but the run is trained with {_typed(old)}"
        remedy = "restore the file, or delete it: the checkpoint has its own copy"
        raise UserError("run", shown(path), problem, remedy)
    for name in allowed:
        part, _, key = name.partition(".")
        config[part][key] = beside[part][key]
    return config


def _check_tokenizer(folder: Path, expected: Mapping[str, Any]) -> None:
    found = read_tokenizer(folder)
    if found and found != without_surrogates(json.loads(json.dumps(expected))):
        remedy = "restore the file, or delete it: the checkpoint has its own copy"
        raise UserError("run", shown(folder / TOKENIZER), "is not the tokenizer that the run is trained with", remedy)


def _changed(config: Config, changes: Mapping[str, Any], saved: Mapping[str, Any]) -> Config:
    """Returns the configuration with the changes from the command line.

    Raises:
        UserError: a limit was lowered, or was raised although the steps already done would then have been different.
    """
    changed: Config = json.loads(json.dumps(config))
    for name, value in changes.items():
        part, _, key = name.partition(".")
        if name == TEXT:
            if "path" not in changed["data"]["source"]:
                raise UserError(name, value, "this run does not read a text file", "leave it out")
            changed["data"]["path"] = changed["data"]["source"]["path"] = value
            continue
        stored = changed[part][key]
        if value == stored:
            continue
        _check_raised(name, value, stored, config, saved)
        changed[part][key] = value
    return changed


def _check_raised(name: str, value: int, stored: int, config: Config, saved: Mapping[str, Any]) -> None:
    scheduler = registry.class_of(SLOTS["scheduler"], config["scheduler"]["_target_"])
    if getattr(scheduler, "depends_on_length", False):
        problem = "the learning rate follows the run's length, so another length would make it jump"
        raise UserError(name, value, problem, "start a new run of that length (stop_after_tokens=... pauses one)")
    if config["trainer"]["fast_dev_run"]:
        raise UserError(name, value, "the run is a trial of one epoch (trainer.fast_dev_run)", "start a new run")
    if stored == -1:
        raise UserError(name, value, "this run has no such limit to be raised", "raise the one that it has")
    if value != -1 and value < stored:
        problem = f"would lower the limit of a resumed run ({stored}; -1 is none)"
        raise UserError(name, value, problem, "raise it, or start a new run")
    if saved["lmlab"].get("should_stop"):
        if config["trainer"]["max_time"] is not None:
            problem = "the run was ended by trainer.max_time or early stopping"
            raise UserError(name, value, problem, "start a new run with more time")
        problem = "the run was ended by early stopping, not by a limit"
        raise UserError(name, value, problem, "start a new run with a larger callbacks.early_stopping.patience")


def _check_best(folder: Path, saved: Mapping[str, Any], config: Config) -> None:
    """Checks that best.ckpt has the best weights so far, because the summary is made from them.

    Raises:
        UserError: best.ckpt is missing or does not have them.
    """
    rows = saved["callbacks"]["Recorder"]["rows"]
    if not rows:
        return
    best = min(rows, key=lambda row: row["val/nats_per_token"])
    path = folder / CHECKPOINTS / BEST
    remedy = "restore it from a copy, or train the run again"
    if not path.is_file():
        raise UserError("run", shown(path), "is gone, and with it the best weights so far", remedy)
    before_end = path.with_name(BEST_BEFORE_END)
    if before_end.is_file() and read_checkpoint(before_end)["global_step"] == best["step"]:
        save_checkpoint(read_checkpoint(before_end), path)
    found = read_checkpoint(path)
    step = found["global_step"]
    for name, old, new in differences(stored.checked(found["lmlab"]["config"], where=path), config):
        # These may have been changed since best.ckpt was saved.
        if name not in (*CHANGEABLE, "data.source.path") and not outward.may_differ(name, old, new):
            problem = f"is of another run: its {name} is {_typed(old)}, this run's {_typed(new)}"
            raise UserError("run", shown(path), problem, remedy)
    # A best.ckpt of a later step was saved after last.ckpt and will be saved again; so will that of the last one,
    # made after the end of training.
    if step < best["step"] or (step != best["step"] and step < saved["global_step"]):
        problem = f"is of step {step}, but the best evaluation was at step {best['step']:g}"
        raise UserError("run", shown(path), problem, remedy)


def _typed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
