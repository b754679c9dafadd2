"""A training run from configuration to summary."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf

from lmlab.build import instantiate
from lmlab.data import saved_tokenizers
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.saved_tokenizers import to_json
from lmlab.device import choose_device, precision_warnings
from lmlab.errors import InterruptedRun
from lmlab.files import shown, write_text
from lmlab.models.embeddings import Vectors
from lmlab.training.assembly import Config, build_data, build_model, build_task, build_vectors
from lmlab.training.callbacks.alarms import Alarms
from lmlab.training.callbacks.checkpoints import AtomicCheckpointIO, read_checkpoint
from lmlab.training.callbacks.hparams import HParams, single_run_settings, typed
from lmlab.training.callbacks.recorder import Recorder
from lmlab.training.callbacks.samples import fallback_prompts
from lmlab.training.clock import Clock
from lmlab.training.judging import baseline_warning
from lmlab.training.plan import (
    describe_plan,
    describe_result,
    estimated_seconds,
    seconds_per_batch,
    steps_per_epoch,
    total_steps,
    vector_warnings,
)
from lmlab.training.results import summarize, training_settings, write_exhibits
from lmlab.training.summary import (
    peak_memory_bytes,
    reset_peak_memory,
    write_summary,
)
from lmlab.training.task import LanguageModelTask

log = logging.getLogger(__name__)


def train(
    config: Config,
    folder: Path,
    *,
    resume: bool = False,
    hparams: dict[str, str] | None = None,
    label: str = "training",
) -> dict[str, Any]:
    """Trains, evaluates the best checkpoint and leaves everything in the run's folder.

    Args:
        config: plain and resolved; see `conf/train.yaml`.
        folder: exists; the run's own.
        resume: go on from last.ckpt, exactly as if the run had not been interrupted.
        hparams: what tells this run from others on TensorBoard's HPARAMS page; None for the main settings.
        label: of the progress bar.

    Returns:
        The summary.

    Raises:
        UserError: text, vectors or device cannot be used, or training diverged.
        InterruptedRun: a signal ended training; the state was saved.
    """
    quiet()
    coverage = _go_on(folder) if resume else None  # reads the checkpoint before any file is written
    device = choose_device(config["trainer"]["accelerator"])
    reset_peak_memory(device)
    data = build_data(config, tokenizer=saved_tokenizers.load(folder / "tokenizer.json") if resume else None)
    pl.seed_everything(config["seed"], verbose=False)
    vectors = _vectors_to_be_loaded(config, data, coverage) if resume else build_vectors(config, data.tokenizer)
    model = build_model(config, vectors.weight)
    config["embedding"]["dim"] = model.embedding.embedding_dim
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))
    write_text(folder / "tokenizer.json", to_json(data.tokenizer))
    seconds = estimated_seconds(config, data, seconds_per_batch(model, data, device, config["trainer"]["precision"]))
    log.info(describe_plan(config, data, model, vectors, device, seconds) + "\n")

    task = build_task(
        config, model, total_steps=total_steps(config, data), steps_per_epoch=steps_per_epoch(config, data)
    )
    task.vector_coverage = vectors.coverage
    clock = Clock()
    recorder = _recorder(config, folder, data, clock)
    notes = [*data.warnings, *vector_warnings(vectors), *precision_warnings(config["trainer"]["precision"], device)]
    told_by = single_run_settings(config) if hparams is None else typed(hparams)
    callbacks = _callbacks(config, folder, data, recorder, clock, notes, label)
    callbacks.append(HParams(settings=told_by, recorder=recorder))
    alarms = next(callback for callback in callbacks if isinstance(callback, Alarms))
    trainer = _trainer(config, folder, device, callbacks)
    interrupted: InterruptedRun | None = None
    try:
        trainer.fit(task, datamodule=data, ckpt_path=folder / "checkpoints" / "last.ckpt" if resume else None)
        _evaluate_the_end(trainer, task, data, recorder)
    except InterruptedRun as stop:
        interrupted = stop
    summary = summarize(config, data, task, recorder, clock, device, clock.wall_seconds, interrupted, folder)
    summary |= training_settings(config, task, callbacks) | {"vector_coverage": vectors.coverage}
    summary["warnings"] = alarms.all(task)
    if "val/baselines" in summary:
        summary["warnings"] += baseline_warning(summary["val/nats_per_token"], summary["val/baselines"])
    summary["peak_memory_bytes"] = peak_memory_bytes(device)
    if recorder.rows and not interrupted:
        write_exhibits(config, data, task.model, folder)
    write_summary(folder, summary)
    (folder / "hparams.yaml").unlink(missing_ok=True)  # Lightning's, and empty: config.yaml has the settings
    _tell(config, summary, folder, interrupted)
    if interrupted:
        raise interrupted
    return summary


def _go_on(folder: Path) -> float | None:
    """Tells from where a run goes on; what share of its vocabulary had a pretrained vector, None for random ones."""
    saved = read_checkpoint(folder / "checkpoints" / "last.ckpt")
    log.info(f"going on with {folder} after step {saved['global_step']:,}")
    coverage: float | None = saved["lmlab_task"].get("vector_coverage")
    return coverage


def _recorder(config: Config, folder: Path, data: LanguageModelData, clock: Clock) -> Recorder:
    return Recorder(
        folder=folder,
        clock=clock,
        characters=data.stores["validation"].num_characters,
        source_nats=data.corpus.source_nats.get("validation"),
        log_every_n_steps=config["trainer"]["log_every_n_steps"],
    )


def _vectors_to_be_loaded(config: Config, data: LanguageModelData, coverage: float | None) -> Vectors:
    """Of the right shape; the checkpoint has the values, and a GloVe file need not be there any more."""
    return Vectors(torch.zeros(len(data.tokenizer.vocabulary), config["embedding"]["dim"]), coverage=coverage)


def quiet() -> None:
    """Lightning's advice is for its own users; ours is in the plan."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning\..*")
    warnings.filterwarnings("ignore", module=r"lightning_fabric\..*")


def _callbacks(
    config: Config,
    folder: Path,
    data: LanguageModelData,
    recorder: Recorder,
    clock: Clock,
    notes: list[str],
    label: str,
) -> list[pl.Callback]:
    """In the order in which Lightning calls them: numbers first, then what reads them."""
    settings = config["callbacks"]
    batching = config["data"]["batching"]
    # Windows that overlap read each token several times an epoch.
    passes = max(1.0, batching["sequence_length"] / batching["stride"]) if batching.get("stride") else 1.0
    alarms: Alarms = instantiate(settings["alarms"], recorder=recorder, notes=notes, passes_per_epoch=passes)
    progress = instantiate(
        settings["progress"], recorder=recorder, clock=clock, total_steps=total_steps(config, data), label=label
    )
    samples = instantiate(
        settings["sample_text"],
        tokenizer=data.tokenizer,
        folder=folder,
        clock=clock,
        fallback_prompts=fallback_prompts(
            data.corpus.texts("validation")[0], by_character=data.tokenizer.to_dict()["type"] == "char"
        ),
    )
    checkpoints = instantiate(
        settings["checkpoints"],
        folder=folder,
        recorder=recorder,
        clock=clock,
        tokenizer=data.tokenizer.to_dict(),
        config=config,
        train_fingerprint=data.stores["train"].text_sha256,
    )
    gradients = instantiate(
        settings["gradients"], folder=folder, log_every_n_steps=config["trainer"]["log_every_n_steps"]
    )
    stopping = settings["early_stopping"]
    early = [] if stopping["patience"] is None else [instantiate(stopping, monitor="val/nats_per_token", mode="min")]
    return [recorder, progress, alarms, gradients, *early, samples, checkpoints]


def _trainer(config: Config, folder: Path, device: torch.device, callbacks: list[pl.Callback]) -> pl.Trainer:
    settings = dict(config["trainer"])
    if settings["val_check_interval"] is not None:
        # In optimizer steps and across epochs, while Lightning counts batches.
        settings["val_check_interval"] *= settings["accumulate_grad_batches"]
        settings["check_val_every_n_epoch"] = None
    settings["accelerator"] = "gpu" if device.type == "cuda" else "cpu"
    logger = False
    if config["logger"]["_target_"]:
        logger = instantiate(config["logger"], save_dir=str(folder), name="", version="")
    trainer = instantiate(
        settings,
        callbacks=callbacks,
        logger=logger,
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        default_root_dir=str(folder),
    )
    assert isinstance(trainer, pl.Trainer)
    return trainer


def _evaluate_the_end(
    trainer: pl.Trainer, task: LanguageModelTask, data: LanguageModelData, recorder: Recorder
) -> None:
    """A run that ends between two evaluations is evaluated where it ended."""
    if not recorder.rows or recorder.rows[-1]["step"] != trainer.global_step:
        trainer.validate(task, datamodule=data, verbose=False)


def _tell(config: Config, summary: dict[str, Any], folder: Path, interrupted: InterruptedRun | None) -> None:
    if "val/nats_per_token" in summary:
        log.info(describe_result(config, summary, folder))
    if interrupted:
        log.info(f"interrupted; nothing is lost. To go on: python -m lmlab.train run={shown(folder)}")
