"""Collects the results of a run: its figures at the best step and those of its baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks.early_stopping import EarlyStopping, EarlyStoppingReason

from lmlab.checkpoints import load_weights, read_checkpoint
from lmlab.config import registry
from lmlab.config.settings import TrainSettings
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.fingerprint import fingerprint
from lmlab.data.sources.generated import Generated, make_grammar
from lmlab.errors import UserError
from lmlab.evaluation.analysis import analyse
from lmlab.evaluation.baseline_figures import baseline_figures
from lmlab.evaluation.prompts import SEARCHED, prompt_figures
from lmlab.evaluation.protocol import evaluate
from lmlab.evaluation.sample_figures import sample_figures
from lmlab.evaluation.source_comparison import excess_by_length
from lmlab.evaluation.streams import StreamTotals
from lmlab.models.architecture import architecture
from lmlab.models.language_model import LanguageModel
from lmlab.runs.contents import write_exhibits
from lmlab.runs.files import BEST, CHECKPOINTS
from lmlab.training.callbacks.recorder import Recorder, source_figures
from lmlab.training.callbacks.samples import fallback_prompts
from lmlab.training.clock import Clock
from lmlab.training.module import LanguageModelModule
from lmlab.training.schedulers import Plateau
from lmlab.training.summary import best_figures, device_name, part_settings, versions


def summarize(
    settings: TrainSettings,
    data: LanguageModelData,
    task: LanguageModelModule,
    recorder: Recorder,
    clock: Clock,
    device: torch.device,
    folder: Path,
    *,
    finished: bool,
) -> dict[str, Any]:
    """Returns the contents of summary.json except diagnostics and memory.

    Args:
        settings: the run's settings.
        data: the run's data.
        task: the module after training; if the run is finished, it has the best weights afterwards.
        recorder: the recorder with all evaluations.
        clock: the run's clock.
        device: the device of training.
        folder: the run's folder.
        finished: False for a run that stops early and has no figures of its best checkpoint yet.
    """
    wall_seconds, validation, partial = clock.wall_seconds, data.stores["validation"], data.partial
    best = recorder.best_row
    summary: dict[str, Any] = {"status": "finished" if finished else "interrupted", "name": settings.name}
    if best is not None:
        summary |= best_figures(best)
        if finished:
            summary |= _figures_of_the_best(settings, task, data, device, folder, step=int(best["step"]))
    tokens = task.tokens_seen + task.since_evaluation.totals.num_tokens
    return summary | {
        "metrics": task.validation.stored_specs(),
        "num_parameters": task.model.num_parameters,
        "architecture": architecture(task.model),
        "num_train_tokens": tokens,
        "tokens_per_second": tokens / max(1e-9, clock.training_seconds),
        "wall_seconds": wall_seconds,
        "vocabulary_size": len(data.tokenizer.vocabulary),
        **({"partial": partial} if partial else {}),
        "fingerprint": fingerprint(validation, data.tokenizer, data.val_dataloader().num_streams, partial=partial),
        "text_fingerprint": validation.text_sha256,
        "train_fingerprint": data.stores["train"].text_sha256,
        **({"test_fingerprint": data.stores["test"].text_sha256} if "test" in data.stores else {}),
        "device": device_name(device),
        "precision": settings.trainer.precision,
        "versions": versions(),
    }


def _baselines(settings: TrainSettings, data: LanguageModelData, splits: list[str]) -> dict[str, Any]:
    order, train = settings.evaluation.ngram_order, data.stores["train"]
    names = {"validation": "val", "test": "test"}
    return {
        f"{names[split]}/baselines": baseline_figures(train, data.stores[split], data.tokenizer, order=order)
        for split in splits
    }


def training_settings(
    settings: TrainSettings, task: LanguageModelModule, callbacks: list[pl.Callback]
) -> dict[str, Any]:
    """Returns the settings of training, and the actions of the parts that react to validation."""
    scheduler = part_settings(settings.scheduler)
    assert scheduler is not None
    if isinstance(task.lr_lambda, Plateau):
        scheduler["num_reductions"] = task.lr_lambda.num_reductions
    averaging = part_settings(settings.averaging)
    if averaging is not None and task.averaging is not None:
        averaging["from_step"] = task.averaging.average.from_step
    stopping = next((callback for callback in callbacks if isinstance(callback, EarlyStopping)), None)
    early = None
    if stopping is not None:
        early = {"patience": stopping.patience, "min_delta": abs(stopping.min_delta)}
        early["stopped"] = stopping.stopping_reason is EarlyStoppingReason.PATIENCE_EXHAUSTED
    return {"scheduler": scheduler, "averaging": averaging, "early_stopping": early}


def _figures_of_the_best(
    settings: TrainSettings,
    task: LanguageModelModule,
    data: LanguageModelData,
    device: torch.device,
    folder: Path,
    *,
    step: int,
) -> dict[str, Any]:
    """Evaluates the best checkpoint: test split, baselines and samples.

    Raises:
        UserError: best.ckpt is damaged, or belongs to another step than the best evaluation.
    """
    path = folder / CHECKPOINTS / BEST
    best = read_checkpoint(path)
    if best["global_step"] != step:
        problem = f"is of step {best['global_step']}, but the best evaluation was at step {step}"
        raise UserError("run", path, problem, "train the run again")
    load_weights(task, best.get("state_dict"), path)
    task.model.to(device)
    wanted = settings.evaluation
    found: dict[str, Any] = {}
    tested = "test" in data.stores and wanted.test
    if tested:
        found |= _test_figures(task, data)
    evaluated = ["validation", "test"] if tested else ["validation"]
    # Baselines and strings by length are of the whole split, so that beside figures of a part they would mislead.
    whole = [split for split in evaluated if split not in data.partial]
    source = registry.build("data.source", settings.data.source)
    if "validation" in whole and data.stores["validation"].sentences is None:
        # The figures of the best step are known, but not of which streams.
        streams = StreamTotals()
        evaluate(task.model, data.val_dataloader(), streams=streams)
        found |= _of_streams("val", streams)
        if not isinstance(source, Generated):
            text = data.corpus.beginning("validation", SEARCHED)
            behind = prompt_figures(task.model, data.tokenizer, text)
            found |= {} if behind is None else {"val/prompts": behind}
    if wanted.baselines:
        found |= _baselines(settings, data, whole)
    if isinstance(source, Generated) and "validation" in whole:
        strings, grammar = data.corpus.strings("validation"), make_grammar(source.name)
        found["val/by_length"] = excess_by_length(task.model, data.stores["validation"], strings, grammar)
    if wanted.num_samples:
        length, count = wanted.sample_length, wanted.num_samples
        found["samples"] = sample_figures(task.model, data, source, num_samples=count, length=length)
    return found


def write_analysis(settings: TrainSettings, data: LanguageModelData, model: LanguageModel, folder: Path) -> None:
    """Writes exhibits.json of a finished run, which has the contents of a report other than figures.

    Args:
        settings: the run's settings.
        data: the run's data.
        model: the model with the best weights.
        folder: the run's folder.
    """
    wanted = settings.evaluation
    by_character = data.tokenizer.unit == "character"
    beginning = fallback_prompts(data.corpus.beginning("validation"), by_character=by_character)
    prompts = [*settings.data.prompts, *beginning]
    found = analyse(
        model,
        data,
        registry.build("data.source", settings.data.source),
        folder,
        prompt=prompts[0] if wanted.prompt is None else wanted.prompt,
        temperatures=wanted.temperatures,
        num_samples=wanted.num_samples,
        length=wanted.sample_length,
    )
    write_exhibits(folder, found)


def _test_figures(task: LanguageModelModule, data: LanguageModelData) -> dict[str, Any]:
    store = data.stores["test"]
    streams = StreamTotals() if store.sentences is None else None
    found = evaluate(task.model, data.evaluation_loader("test"), store=store, figures=task.test, streams=streams)
    figures = {f"test/{name}": value for name, value in found.items()}
    if found["num_tokens"] != store.num_targets:
        return figures
    return figures | _of_streams("test", streams) | source_figures("test", found, data.corpus.source_nats.get("test"))


def _of_streams(prefix: str, streams: StreamTotals | None) -> dict[str, Any]:
    table = None if streams is None else streams.table()
    return {} if table is None else {f"{prefix}/streams": table}
