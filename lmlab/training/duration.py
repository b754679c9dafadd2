"""How long a run takes, told before it begins."""

from __future__ import annotations

import copy
import math
import time

import torch

from lmlab.config.settings import TrainSettings
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.loaders.base import Batch
from lmlab.device import synchronize
from lmlab.models.language_model import LanguageModel
from lmlab.random_states import random_states, restore_random_states

# The time of an evaluated token as a share of that of a trained one (forward only, fewer and longer rows).
_EVALUATION_COST = 0.45
# Of a batch, beside the model: the Trainer, callbacks and loggers; measured on two cores with a model of 16 units.
_OVERHEAD_SECONDS = 0.0012
# Of shorter runs the greater part is what an estimate leaves out: samples, test figures, files.
_SHORT = 20.0
# Time spent on the measurement, if it is not a single batch that takes longer.
_MEASURED_SECONDS = 0.1


def steps_per_epoch(settings: TrainSettings, data: LanguageModelData) -> int:
    """Returns the number of optimizer steps of an epoch."""
    return math.ceil(len(data.train_loader) / settings.trainer.accumulate_grad_batches)


def num_batches(settings: TrainSettings, data: LanguageModelData, steps: int) -> int:
    """Returns the number of batches of the first `steps` optimizer steps; the last step of an epoch may have fewer."""
    epochs, rest = divmod(steps, steps_per_epoch(settings, data))
    return epochs * len(data.train_loader) + rest * settings.trainer.accumulate_grad_batches


def evaluations_before(settings: TrainSettings, data: LanguageModelData, steps: int) -> int:
    """Returns the number of evaluations before the last of `steps` optimizer steps, which is always evaluated too."""
    trainer, batches = settings.trainer, num_batches(settings, data, steps)
    if trainer.val_check_interval is not None:
        interval = trainer.val_check_interval * trainer.accumulate_grad_batches
    else:
        interval = len(data.train_loader) * (trainer.check_val_every_n_epoch or 1)
    return max(0, batches - 1) // interval


def seconds_per_batch(model: LanguageModel, data: LanguageModelData, device: torch.device, precision: str) -> float:
    """Measures the time of a training batch on a copy of the model; weights and random generators do not change."""
    before = random_states()
    trial = copy.deepcopy(model).to(device).train()
    batch = Batch(*(tensor.to(device) for tensor in data.train_loader.example()))
    dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
    times: list[float] = []
    while (len(times) < 3 and sum(times) < 2.0) or sum(times) < _MEASURED_SECONDS:
        begun = time.perf_counter()
        with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            output = trial(batch.inputs, trial.init_state(len(batch.reset)))
            loss = trial.decoder.loss(output.hidden, batch.targets)
        torch.autograd.backward(loss.nll_sum / loss.num_tokens)
        synchronize(device)
        times.append(time.perf_counter() - begun)
    restore_random_states(before)
    return min(times) * data.train_loader.padded_tokens / max(1, batch.inputs.numel())


def estimated_seconds(
    settings: TrainSettings, data: LanguageModelData, batch_seconds: float, *, steps: int, done: int = 0
) -> float:
    """Returns the estimated time of training: steps with their optimizer, and evaluations.

    Args:
        settings: the run's settings.
        data: the run's data.
        batch_seconds: of a batch, see `seconds_per_batch`.
        steps: optimizer steps after which it ends or pauses.
        done: optimizer steps that were made before.
    """
    batches = num_batches(settings, data, steps) - num_batches(settings, data, done)
    limit = data.partial.get("validation")
    share = 1.0 if limit is None else limit["batches"] / limit["of"]
    evaluations = 1 + evaluations_before(settings, data, steps) - evaluations_before(settings, data, done)
    evaluated = share * len(data.stores["validation"]) / data.train_loader.padded_tokens * _EVALUATION_COST
    return batches * (1.1 * batch_seconds + _OVERHEAD_SECONDS) + evaluations * evaluated * batch_seconds


def describe_time(settings: TrainSettings, seconds: float) -> str:
    """Describes an estimated time of training, and what may end it earlier."""
    trainer, early = settings.trainer, settings.callbacks.early_stopping
    limit = math.inf
    if trainer.max_time is not None:
        days, hours, minutes, rest = map(int, trainer.max_time.split(":"))
        limit = ((days * 24 + hours) * 60 + minutes) * 60.0 + rest
    if seconds > limit and trainer.min_steps is None and trainer.min_epochs is None:
        return f"about {human_seconds(limit)} of training, when trainer.max_time ends it"
    if seconds < _SHORT:
        return "less than a minute of training"
    stops = early is not None and early.patience is not None
    return f"about {human_seconds(seconds)} of training{', or less with early stopping' if stops else ''}"


def human_seconds(seconds: float) -> str:
    """Returns a duration in words: 45 s, 3 min, 2.5 h, 12 days."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:,.0f} days"
