"""A training run from configuration to summary."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_summary.model_summary import ModelSummary

from lmlab import signals
from lmlab.checkpoints import load_weights
from lmlab.command_lines import for_shell
from lmlab.config.memory import Known, check_part, check_training_memory
from lmlab.config.outward import resume_command
from lmlab.config.repeat import words_to_repeat
from lmlab.config.settings import TrainSettings
from lmlab.config.typed import plain
from lmlab.data.corpus import Corpus
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.tokenizers.saved import to_json
from lmlab.device import (
    allow_deterministic_kernels,
    choose_device,
    choose_precision,
    free_memory,
    slow_bfloat16,
    synchronize,
)
from lmlab.diagnostics.diagnose import as_stored, of_run
from lmlab.diagnostics.rules import Diagnostic, noted
from lmlab.errors import InterruptedRun, UserError
from lmlab.files import shown, write_text
from lmlab.memory import keep_freed_memory
from lmlab.models.embedding import Vectors
from lmlab.models.language_model import LanguageModel
from lmlab.runs.contents import write_config
from lmlab.runs.files import CHECKPOINTS, LAST, TOKENIZER
from lmlab.runs.records import RunInTraining
from lmlab.runs.summary import Summary, mark_unfinished, write_summary
from lmlab.training import event_files
from lmlab.training.assembly import build_data, build_vectors, module_of
from lmlab.training.batch_limits import limit_batches
from lmlab.training.callbacks.added import AddedCallbacks
from lmlab.training.callbacks.checkpoints import Checkpoints, PausedRun
from lmlab.training.callbacks.gradients import Gradients
from lmlab.training.callbacks.hparams import HParams, shown_settings
from lmlab.training.callbacks.recorder import Recorder
from lmlab.training.callbacks.samples import SampleText, fallback_prompts
from lmlab.training.callbacks.time_limit import TimeLimit
from lmlab.training.clock import Clock
from lmlab.training.duration import estimated_seconds, evaluations_before, seconds_per_batch, steps_per_epoch
from lmlab.training.initial import describe_origin, read_origin, take_weights
from lmlab.training.lightning_messages import forwarded
from lmlab.training.loggers import Loggers
from lmlab.training.models import build_model
from lmlab.training.module import LanguageModelModule
from lmlab.training.plan import (
    describe_plan,
    not_reached,
    slower_sizes,
    steps_for_tokens,
    total_steps,
)
from lmlab.training.position import Position
from lmlab.training.result import describe_result, fitting_prompt, next_commands
from lmlab.training.results import summarize, training_settings, write_analysis
from lmlab.training.resuming import Resumption
from lmlab.training.schedule_reach import cut_schedules
from lmlab.training.summary import peak_memory_bytes, reset_peak_memory
from lmlab.training.trainer import build_callbacks, build_trainer
from lmlab.training.waiting import too_few_evaluations

log = logging.getLogger(__name__)

Kind = TypeVar("Kind")


@forwarded()
def train(
    settings: TrainSettings,
    folder: Path,
    *,
    resumption: Resumption | None = None,
    swept: dict[str, str] | None = None,
    label: str = "training",
    stop_after_tokens: int | None = None,
    profiler: str | None = None,
    corpus: Corpus | None = None,
) -> dict[str, Any]:
    """Trains, evaluates the best checkpoint and writes everything to the run's folder.

    Args:
        settings: checked settings; see `conf/train.yaml`.
        folder: the run's own folder, which exists.
        resumption: what to resume from, exactly as if the run had not been interrupted; None to begin a run.
        swept: the settings that the sweep sweeps whose job this is, as typed, for TensorBoard's HPARAMS page; None if
            it is no job of a sweep.
        label: label of the progress bar.
        stop_after_tokens: number of trained tokens after which training pauses; None for no pause.
        profiler: name of a profiler (`trainer.profiler`); None for none.
        corpus: the run's text, if it has been read already.

    Returns:
        The summary; its status is ``finished``, or ``interrupted`` if the run was paused.

    Raises:
        UserError: text, vectors or device cannot be used, or training diverged.
        InterruptedRun: a signal ended the run; its message says what was saved.
    """
    run = _assemble(settings, folder, resumption, swept, label, stop_after_tokens, profiler, corpus)
    failed = True
    try:
        run.fit(resumption)
        summary = run.finish()
        failed = False
        return summary
    except PausedRun:
        failed = False
        summary = run.summarize_unfinished()
        done = f"step {run.trainer.global_step:,} and {summary['num_train_tokens']:,} tokens"
        log.info(f"paused after {done}, all saved")
        log.info(f"To resume: {resume_command(folder, settings)}")
        return summary
    except InterruptedRun as stop:
        stop.message = run.what_is_saved()
        run.summarize_unfinished()
        raise
    finally:
        run.loggers.close(failed=failed)


def _assemble(
    settings: TrainSettings,
    folder: Path,
    resumption: Resumption | None,
    swept: dict[str, str] | None,
    label: str,
    stop_after_tokens: int | None,
    profiler: str | None,
    corpus: Corpus | None,
) -> _Run:
    """Builds all parts of a run, writes config.yaml and tokenizer.json, and logs the plan."""
    device = choose_device(settings.trainer.accelerator)
    settings.trainer.precision = choose_precision(settings.trainer.precision, device)
    keep_freed_memory()
    if settings.trainer.deterministic:
        allow_deterministic_kernels(device)
    reset_peak_memory(device)
    data = build_data(settings, tokenizer=resumption.tokenizer if resumption else None, corpus=corpus)
    limit_batches(settings.trainer, data)
    if resumption:
        _check_resumption(resumption, data, folder)
    _check_memory(settings, data, device)
    if device.type == "cuda":
        data.train_loader.keep_on(device, free_memory(device) // 8)
    pl.seed_everything(settings.seed, verbose=False)
    vectors = (
        _vectors_to_be_loaded(settings, data, resumption) if resumption else build_vectors(settings, data.tokenizer)
    )
    model = build_model(settings, vectors.weight)
    origin = None if resumption else read_origin(settings)
    if origin is not None:
        take_weights(model, origin)
    settings.embedding.dim = model.embedding.embedding_dim
    write_config(folder, plain(settings))
    write_text(folder / TOKENIZER, to_json(data.tokenizer))
    steps = total_steps(settings, data)
    pause_at = None if stop_after_tokens is None else steps_for_tokens(settings, data, stop_after_tokens)
    done = resumption.position.step if resumption else 0
    if origin is not None:
        log.info(describe_origin(origin, len(data.tokenizer.vocabulary)))
    _log_plan(settings, data, model, vectors, device, steps=steps, pause_at=pause_at, done=done)
    task = _task(settings, model, vectors)
    task.origin = None if origin is None else dict(origin.record)
    task.lr_lambda = task.make_scheduler(total_steps=steps, steps_per_epoch=steps_per_epoch(settings, data))
    if settings.trainer.enable_model_summary:  # Lightning's own would be silenced with its advice
        log.info(f"{ModelSummary(task)}\n")
    if resumption:  # Lightning loads them again, but its errors have many lines
        load_weights(task, resumption.checkpoint.get("state_dict"), folder / CHECKPOINTS / LAST)
    clock = Clock(lambda: synchronize(device))
    before = _diagnostics_before(settings, data, task, device, steps)
    known = {"vocabulary_size": len(data.tokenizer.vocabulary), "vector_coverage": vectors.coverage}
    if resumption:
        event_files.cut_back(folder, resumption.checkpoint["lmlab"].get("event_files"))
    page = shown_settings(plain(settings), swept)
    added = AddedCallbacks(settings.callbacks.added)
    loggers = Loggers(
        settings.logger,
        folder,
        shown=page.values,
        purge_from=None if resumption is None else resumption.position.step + 1,
        state=None if resumption is None else resumption.checkpoint["callbacks"].get("Loggers"),
    )
    callbacks = build_callbacks(
        settings,
        folder,
        data,
        clock,
        known={**known, "diagnostics": as_stored(before)},
        label=label,
        shown=page,
        added=added,
        loggers=loggers,
        steps=steps,
        pause_at=pause_at,
    )
    trainer = build_trainer(settings, folder, device, callbacks, steps, resumption, loggers, profiler)
    return _Run(settings, folder, device, data, task, clock, trainer, callbacks, added, loggers, steps, before)


def _log_plan(
    settings: TrainSettings,
    data: LanguageModelData,
    model: LanguageModel,
    vectors: Vectors,
    device: torch.device,
    *,
    steps: int,
    pause_at: int | None,
    done: int,
) -> None:
    """Logs what the run will do, how long that takes, and what is wanted of it that it does not reach."""
    batch_seconds = seconds_per_batch(model, data, device, settings.trainer.precision)
    end = steps if pause_at is None else min(steps, pause_at)
    seconds = estimated_seconds(settings, data, batch_seconds, steps=end, done=done)
    log.info(describe_plan(settings, data, model, vectors, device, seconds) + "\n")
    slower = slower_sizes(settings, model.embedding.embedding_dim, device.type)
    for sentence in (*not_reached(settings, steps=steps, pause_at=pause_at, done=done), *slower):
        log.info(f"note: {sentence}")


def _diagnostics_before(
    settings: TrainSettings, data: LanguageModelData, task: LanguageModelModule, device: torch.device, steps: int
) -> list[Diagnostic]:
    """Returns what is known to be wrong before training."""
    found = data.diagnostics
    if slow_bfloat16(settings.trainer.precision, device):
        found.append(noted("precision"))
    found += cut_schedules(task.lr_lambda, steps)
    return found + too_few_evaluations(settings, task, evaluations_before(settings, data, steps))


def _check_memory(settings: TrainSettings, data: LanguageModelData, device: torch.device) -> None:
    """Checks that the run fits into memory, now that its vocabulary, batches and device are known."""
    known = Known(len(data.tokenizer.vocabulary), data.train_loader.padded_tokens)
    check_training_memory(settings, known, on_cpu=device.type == "cpu")
    if device.type == "cuda":
        check_part(settings, known, free_memory(device), where="GPU memory")


def _check_resumption(resumption: Resumption, data: LanguageModelData, folder: Path) -> None:
    """Checks that the texts and batches are those that the run has been trained on so far."""
    resumption.check_texts({split: store.text_sha256 for split, store in data.stores.items()}, folder)
    resumption.check_position(num_batches=len(data.train_loader), folder=folder)
    resumption.keep_changes(folder)
    log.info(f"going on with {for_shell([shown(folder)])} after step {resumption.position.step:,}")


def _task(settings: TrainSettings, model: LanguageModel, vectors: Vectors) -> LanguageModelModule:
    """Returns the module for a run, which records and saves more than a Trainer does."""
    task = module_of(settings, model)
    task.logs_evaluations = False  # the recorder does
    task.observes_all = True  # the last evaluation may come after training
    if task.averaging is not None:
        task.averaging.saves_average = False  # last.ckpt has the trained weights, and best.ckpt is saved in time
    task.vector_coverage = vectors.coverage
    return task


@dataclass(frozen=True)
class _Run:
    """The parts of a run.

    Args:
        settings: checked settings.
        folder: the run's own folder.
        device: the device of training.
        data: the texts and their batches.
        task: the module that is trained.
        clock: the clock, shared by the callbacks.
        trainer: the Trainer with the callbacks.
        callbacks: in the order in which they are called.
        added: those of them that the configuration adds.
        loggers: the run's loggers.
        steps: optimizer steps of the whole run.
        before: what was wrong before training.
    """

    settings: TrainSettings
    folder: Path
    device: torch.device
    data: LanguageModelData
    task: LanguageModelModule
    clock: Clock
    trainer: pl.Trainer
    callbacks: list[pl.Callback]
    added: AddedCallbacks
    loggers: Loggers
    steps: int
    before: list[Diagnostic]

    def _one(self, kind: type[Kind]) -> Kind:
        return next(callback for callback in self.callbacks if isinstance(callback, kind))

    def _all(self, kind: type[Kind]) -> list[Kind]:
        """Returns the callback of a kind in a list; none if it was removed."""
        return [callback for callback in self.callbacks if isinstance(callback, kind)]

    def fit(self, resumption: Resumption | None) -> None:
        """Trains until a limit or early stopping ends training; does nothing if that has already happened.

        Raises:
            UserError: training ended before a limit was reached.
        """
        if resumption is not None:
            position, num_batches = resumption.position, len(self.data.train_loader)
            resumption.checkpoint["loops"] = position.as_loops(num_batches)
            # Lightning restores a loader only if it considers the run to be within an epoch.
            self.data.train_loader.load_state_dict({"epoch": position.epoch, "position": position.batch})
        with signals.deferred():
            self.trainer.fit(self.task, datamodule=self.data, ckpt_path="last.ckpt" if resumption else None)
        signals.check()
        if (
            resumption is not None
            and resumption.position.batch
            and resumption.position.step == self.trainer.global_step
        ):
            # The run had ended within an epoch. Lightning counts it as complete at the end of training, which was not
            # reached now because no step was left.
            self.trainer.fit_loop.epoch_progress.increment_processed()
            self.trainer.fit_loop.epoch_progress.increment_completed()
        if self.trainer.global_step < self.steps and not self.trainer.should_stop:
            problem = f"ended after step {self.trainer.global_step} of {self.steps} without reaching a limit"
            raise UserError("training", None, problem, f"go on: {resume_command(self.folder, self.settings)}")

    def finish(self) -> dict[str, Any]:
        """Makes the last sample and evaluation, test figures, analysis and summary; returns the summary.

        All of it is made from the contents of last.ckpt, so that it can be repeated after an interruption.
        """
        recorder = self._one(Recorder)
        # If a resumed run had no step left, the clock has not been started.
        self.clock.start()
        self.clock.pause()
        self._one(Checkpoints).restore_random_states()
        mark_unfinished(self.folder, self.settings.name)
        recorder.write()
        for samples in self._all(SampleText):
            samples.write()
        for gradients in self._all(Gradients):
            gradients.write()
        self._one(HParams).end(self.trainer)
        for samples in self._all(SampleText):
            samples.draw_last(self.trainer, self.task, Position.of(self.trainer))
        if not recorder.rows or recorder.rows[-1]["step"] != self.trainer.global_step:
            # Training ended between two evaluations.
            self.trainer.validate(self.task, datamodule=self.data, verbose=False)
        summary = self._summary(finished=True)
        if recorder.rows:
            write_analysis(self.settings, self.data, self.task.model, self.folder)
        write_summary(self.folder, summary)
        self._tell(summary)
        return summary

    def summarize_unfinished(self) -> dict[str, Any]:
        """Writes and returns the summary of a run that stops before its end."""
        summary = self._summary(finished=False)
        write_summary(self.folder, summary)
        self._tell(summary)
        return summary

    def _tell(self, summary: dict[str, Any]) -> None:
        """Logs the result, if there is one."""
        if "val/nats_per_token" not in summary:
            return
        beginning = self.data.corpus.beginning("validation")
        by_character = self.data.tokenizer.unit == "character"
        own = [*self.settings.data.prompts, *fallback_prompts(beginning, by_character=by_character)]
        commands = next_commands(
            self.settings,
            self.folder,
            split="test" if "test" in self.data.stores else "validation",
            prompt=fitting_prompt(own, self.data.tokenizer),
            words=words_to_repeat(self.folder),
        )
        log.info(describe_result(summary, commands, self.folder))

    def what_is_saved(self) -> str:
        """Describes what an interrupted run has saved, and how to resume it."""
        saved, again = self._one(Checkpoints).saved_step, resume_command(self.folder, self.settings)
        if saved is None:
            return f"nothing was saved yet. To start again: {again}"
        lost = self.trainer.global_step - saved
        if saved >= self.steps or (self.trainer.should_stop and not lost):
            return f"training is done and saved; what comes after it will be made again. To resume: {again}"
        behind = f" ({lost:,} of them after the last save, to be made again)" if lost > 0 else ""
        done = f"{self.trainer.global_step:,} of {self.steps:,} steps are done"
        return f"{done}{behind}; nothing is lost. To resume: {again}"

    def _summary(self, *, finished: bool) -> dict[str, Any]:
        summary = summarize(
            self.settings,
            self.data,
            self.task,
            self._one(Recorder),
            self.clock,
            self.device,
            self.folder,
            finished=finished,
        )
        summary |= training_settings(self.settings, self.task, self.callbacks)
        summary["stopped_by"] = self._one(Checkpoints).stopped.by
        summary["vector_coverage"] = self.task.vector_coverage
        if self.task.origin is not None:
            summary["init_from"] = self.task.origin
        summary["diagnostics"] = self._diagnostics(summary)
        summary["peak_memory_bytes"] = peak_memory_bytes(self.device)
        recorded = self._one(Checkpoints).ours["plugins"]
        return summary | ({"plugins": recorded} if recorded else {})

    def _diagnostics(self, summary: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns what is wrong with the run as its summary has it."""
        known = [*self.before, *self.added.diagnostics()]
        done, limit = self.trainer.global_step, self.settings.trainer.max_time
        if done < self.steps and any(one.is_over for one in self._all(TimeLimit)):
            known.append(noted("time-limit", limit=limit, done=done, steps=self.steps))
        with_known = Summary({**summary, "diagnostics": as_stored(known)})
        rows, config = self._one(Recorder).rows, plain(self.settings)
        return as_stored(of_run(RunInTraining(self.folder, self.settings.name, with_known, rows, config)))


def _vectors_to_be_loaded(settings: TrainSettings, data: LanguageModelData, resumption: Resumption) -> Vectors:
    """Returns vectors of the right shape, whose values are later loaded from the checkpoint.

    A GloVe file is not read and need not exist any more.
    """
    assert settings.embedding.dim is not None, "set when the run began"
    shape = (len(data.tokenizer.vocabulary), settings.embedding.dim)
    return Vectors(torch.zeros(shape), coverage=resumption.vector_coverage)
