"""Checks of how a run is trained: optimizer, learning rates, averaging, early stopping, trainer."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from lmlab.errors import UserError

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")


def check_optimization(config: DictConfig) -> None:
    """Refuses settings of the optimization that cannot work.

    Raises:
        UserError: the first setting that is out of its range.
    """
    _check_optimizer(config)
    _check_scheduler(config)
    if config.averaging.get("decay") is not None:
        between(config, "averaging.decay", 0, 1, "for example averaging.decay=0.999", below=True)
    if config.averaging.get("patience") is not None:
        at_least(config, "averaging.patience", 0)
    _check_trainer(config)
    early = config.callbacks.early_stopping
    if early.patience is not None:
        at_least(config, "callbacks.early_stopping.patience", 1)
    if early.min_delta < 0:
        field = "callbacks.early_stopping.min_delta"
        raise UserError(field, early.min_delta, "is negative", "0 counts every improvement")


def check_hardware(settings: Any, prefix: str) -> None:
    """Refuses a precision or accelerator that does not exist.

    Raises:
        UserError: naming the choices.
    """
    for name, choices in (("precision", PRECISIONS), ("accelerator", ("auto", "cpu", "gpu"))):
        if settings[name] not in choices:
            raise UserError(f"{prefix}{name}", settings[name], "no such option", f"choose one of {', '.join(choices)}")


def at_least(config: Any, field: str, least: int) -> None:
    """Refuses a value below `least`.

    Raises:
        UserError: it is.
    """
    value = OmegaConf.select(config, field)
    if value is None or value < least:
        raise UserError(field, value, f"is less than {least}", f"for example {field}={max(least, 1)}")


def between(config: Any, field: str, low: float, high: float, remedy: str, *, below: bool = False) -> None:
    """Refuses a value outside of low to high; `below` excludes high.

    Raises:
        UserError: it is outside.
    """
    value = OmegaConf.select(config, field)
    if not low <= value <= high or (below and value == high):
        problem = f"is not {low} or more and less than {high}" if below else f"is not between {low} and {high}"
        raise UserError(field, value, problem, remedy)


def _positive(config: Any, field: str, remedy: str) -> None:
    value = OmegaConf.select(config, field)
    if not 0 < value < float("inf"):
        raise UserError(field, value, "is not a positive number", remedy)


def _check_optimizer(config: DictConfig) -> None:
    optimizer = config.optimizer
    _positive(config, "optimizer.lr", "for example optimizer.lr=0.002")
    if optimizer.weight_decay < 0:
        raise UserError("optimizer.weight_decay", optimizer.weight_decay, "is negative", "0 switches it off")
    if optimizer.get("nesterov") and not optimizer.momentum > 0:
        raise UserError("optimizer.nesterov", "true", "needs momentum", "for example optimizer.momentum=0.9")
    betas = optimizer.get("betas")
    if betas is not None and not (len(betas) == 2 and all(0 <= b < 1 for b in betas)):
        raise UserError(
            "optimizer.betas", list(betas), "are not two numbers from 0 to below 1", "for example [0.9,0.999]"
        )


def _check_scheduler(config: DictConfig) -> None:
    scheduler = config.scheduler
    for name, least in (("warmup_steps", 0), ("start_epoch", 0), ("patience", 0)):
        if name in scheduler:
            at_least(config, f"scheduler.{name}", least)
    if "final_fraction" in scheduler:
        between(config, "scheduler.final_fraction", 0, 1, "0 ends at a rate of 0")
    if "min_fraction" in scheduler:
        between(config, "scheduler.min_fraction", 0, 1, "0 sets no lower limit")
    if "rise_fraction" in scheduler:
        between(config, "scheduler.rise_fraction", 0, 1, "for example scheduler.rise_fraction=0.3")
    for name in ("initial_divisor", "final_divisor"):
        if name in scheduler and not 1 <= scheduler[name] < float("inf"):
            raise UserError(f"scheduler.{name}", scheduler[name], "is less than 1", f"for example scheduler.{name}=25")
    if "gamma" in scheduler:
        _positive(config, "scheduler.gamma", "for example scheduler.gamma=0.5")
    if scheduler.get("min_improvement", 0) < 0:
        field = "scheduler.min_improvement"
        raise UserError(field, scheduler.min_improvement, "is negative", "0 counts every improvement")
    if scheduler.get("gamma", 0) >= 1 and "patience" in scheduler:
        raise UserError("scheduler.gamma", scheduler.gamma, "would not reduce the rate", "give less than 1")
    epochs = scheduler.get("epochs")
    if epochs is not None and (not epochs or any(not 0 < epoch < float("inf") for epoch in epochs)):
        raise UserError(
            "scheduler.epochs", list(epochs), "are no epochs of a run", "for example scheduler.epochs=[6,9]"
        )


def _check_trainer(config: DictConfig) -> None:
    trainer = config.trainer
    check_hardware(trainer, "trainer.")
    limited = trainer.max_steps > 0 or trainer.max_tokens > 0
    if trainer.max_epochs < 1 and not (trainer.max_epochs == -1 and limited):
        remedy = "give 1 or more, or -1 together with trainer.max_steps or trainer.max_tokens"
        raise UserError("trainer.max_epochs", trainer.max_epochs, "would train for ever or not at all", remedy)
    for name, unit in (("max_steps", "steps"), ("max_tokens", "tokens")):
        if trainer[name] < 1 and trainer[name] != -1:
            problem = f"is no number of {unit}"
            raise UserError(f"trainer.{name}", trainer[name], problem, "give 1 or more, or -1 for no limit")
    if config.stop_after_tokens is not None:
        at_least(config, "stop_after_tokens", 1)
    if trainer.devices != 1:
        raise UserError("trainer.devices", trainer.devices, "lmlab trains on one device", "set trainer.devices=1")
    if trainer.gradient_clip_val is not None:
        _positive(config, "trainer.gradient_clip_val", "null switches clipping off")
    for name in ("accumulate_grad_batches", "log_every_n_steps"):
        at_least(config, f"trainer.{name}", 1)
    for name in ("check_val_every_n_epoch", "val_check_interval"):
        if trainer[name] is not None:
            at_least(config, f"trainer.{name}", 1)
    if trainer.check_val_every_n_epoch is None and trainer.val_check_interval is None:
        remedy = "set trainer.check_val_every_n_epoch=1"
        raise UserError("trainer.val_check_interval", "null", "the run would never be evaluated", remedy)
