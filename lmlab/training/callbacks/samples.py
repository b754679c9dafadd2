"""Generates text during training and shows it on the terminal, in TensorBoard and in samples.jsonl."""

from __future__ import annotations

import html
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger

from lmlab.data.grammars.grammar import Grammar
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.evaluation.language import leaves_at
from lmlab.generation import Sample, SamplingOptions, excluded_ids, generate, start_of_text
from lmlab.layout import visible
from lmlab.runs.contents import write_samples
from lmlab.training.callbacks.recorder import task_of
from lmlab.training.clock import Clock
from lmlab.training.position import Position
from lmlab.training.wandb_log import RunWandbLogger

log = logging.getLogger(__name__)

# Most characters of a sample that are shown on the terminal.
TERMINAL_CHARACTERS = 600
_MARKUP = frozenset("\\`*_{}[]()#+-.!|~")


class SampleText(pl.Callback):
    """Generates samples from fixed prompts and seeds every N epochs or steps, with random generators of its own.

    Args:
        every_n_epochs: interval in epochs; None for never.
        every_n_steps: interval in optimizer steps; None for never.
        prompts: empty for the beginning of the validation text.
        num_samples: of each prompt. Sample i of prompt p has the seed seed + p * num_samples + i, because prompts with
            the same seed would soon continue alike.
        length: tokens a sample.
        temperature: 0 for the most probable token.
        top_k: None for all tokens.
        top_p: None for all tokens.
        seed: of the first sample.
        tokenizer: the run's.
        folder: the run's.
        clock: shared with the other callbacks.
        fallback_prompts: used if `prompts` is empty.
        grammar: the formal language of the text; None if it is of none. Its samples also have ``valid``, whether prompt
            and text together are in the language and the text ended by itself, and ``leaves``, the position (from 0,
            in characters of prompt and text together) of the first wrong one: their number if the sample is right so
            far, but incomplete or cut at its greatest length, and None if it is valid.
    """

    def __init__(
        self,
        *,
        every_n_epochs: int | None,
        every_n_steps: int | None,
        prompts: Sequence[str],
        num_samples: int,
        length: int,
        temperature: float,
        top_k: int | None,
        top_p: float | None,
        seed: int,
        tokenizer: Tokenizer,
        folder: Path,
        clock: Clock,
        fallback_prompts: Sequence[str],
        grammar: Grammar | None,
    ) -> None:
        self.every_n_epochs = every_n_epochs
        self.every_n_steps = every_n_steps
        self.prompts = list(prompts) or list(fallback_prompts)
        self.num_samples = num_samples
        self.tokenizer = tokenizer
        self.folder = folder
        self.clock = clock
        self.grammar = grammar
        self.options = SamplingOptions(
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            banned=excluded_ids(tokenizer),
            end_id=tokenizer.end_id,
        )
        self.records: list[dict[str, Any]] = []
        self._last_step = -1

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Generates samples at the interval `every_n_steps`."""
        step = trainer.global_step
        if self.every_n_steps and step % self.every_n_steps == 0 and step != self._last_step and step > 0:
            self._sample(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Generates samples at the interval `every_n_epochs`."""
        # If the run ends within an epoch, `draw_last` generates the samples after the last checkpoint is saved, because
        # the epoch would continue if the run were resumed for longer.
        if Position.of(trainer).batch == 0:
            self._sample_epoch(trainer, pl_module)

    def draw_last(self, trainer: pl.Trainer, pl_module: pl.LightningModule, position: Position) -> None:
        """Generates the samples of the epoch in which the run ended, if it ended within one.

        Args:
            trainer: that trained the run.
            pl_module: as training left it.
            position: where the run ended.
        """
        if position.batch:
            self._sample_epoch(trainer, pl_module, epoch=position.epoch)

    def _sample_epoch(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *, epoch: int | None = None) -> None:
        under_way = trainer.current_epoch if epoch is None else epoch
        due = self.every_n_epochs and (under_way + 1) % self.every_n_epochs == 0
        if due and trainer.global_step != self._last_step:
            self._sample(trainer, pl_module, epoch=epoch)

    def _sample(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *, epoch: int | None = None) -> None:
        self._last_step = trainer.global_step
        epoch = trainer.current_epoch if epoch is None else epoch
        with self.clock.paused():
            new = []
            for p, prompt in enumerate(self.prompts):
                options = replace(self.options, seed=self.options.seed + p * self.num_samples)
                drawn = self._draw(pl_module, prompt, options)
                for i, sample in enumerate(drawn):
                    record = {"step": trainer.global_step, "epoch": epoch + 1}
                    new.append(record | self._record(prompt, sample, options.seed + i))
            self.records.extend(new)
            self.write()
            self._show(trainer, new)

    def write(self) -> None:
        """Writes samples.jsonl with all samples so far; in a resumed run this drops samples after its checkpoint."""
        write_samples(self.folder, self.records)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes samples.jsonl of a resumed run."""
        self.write()

    def _draw(self, pl_module: pl.LightningModule, prompt: str, options: SamplingOptions) -> list[Sample]:
        start = start_of_text(self.tokenizer, self.tokenizer.encode(prompt).tolist())
        task = task_of(pl_module)
        with task.averaged_weights():
            return generate(task.model, start, options, num_samples=self.num_samples)

    def _record(self, prompt: str, sample: Sample, seed: int) -> dict[str, Any]:
        ids = self.tokenizer.encode(prompt).tolist()
        prefix = self.tokenizer.decode(ids)
        text = self.tokenizer.decode([*ids, *sample.ids])[len(prefix) :]
        record = {
            "prompt": prompt,
            "text": text,
            "temperature": self.options.temperature,
            "top_k": self.options.top_k,
            "top_p": self.options.top_p,
            "seed": seed,
            "stop_reason": sample.stop_reason,
        }
        if self.grammar is None:
            return record
        leaves = leaves_at(prompt + text, sample.stop_reason, self.grammar)
        return record | {"valid": leaves is None, "leaves": leaves}

    def _show(self, trainer: pl.Trainer, records: list[dict[str, Any]]) -> None:
        first = records[0]
        heading = f"sample, temperature {first['temperature']:g}{mark(first)}"
        log.info(f"  {heading}:{_indented(first['prompt'] + first['text'])}")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                for i, record in enumerate(records):
                    logger.experiment.add_text(f"samples/{i}", as_markdown(record) + mark(record), record["step"])
            elif isinstance(logger, RunWandbLogger):
                logger.log_samples(records)

    def state_dict(self) -> dict[str, Any]:
        """Returns the samples so far."""
        return {"records": [dict(record) for record in self.records], "last_step": self._last_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the samples."""
        self.records = [dict(record) for record in state_dict["records"]]
        self._last_step = state_dict["last_step"]


def mark(record: dict[str, Any]) -> str:
    """Returns whether a sample of a formal language is valid, to be put behind it; nothing for another sample."""
    if "valid" not in record:
        return ""
    if record["valid"]:
        return " [valid]"
    right, length = record["leaves"], len(record["prompt"] + record["text"])
    return " [incomplete]" if right == length else f" [leaves the language after {right} of {length} characters]"


def as_markdown(record: dict[str, Any]) -> str:
    """Returns a sample for TensorBoard's text page: the prompt in bold, all markup in the text escaped."""
    prompt, text = record["prompt"], record["text"]
    bold = prompt.strip()
    if not bold:
        return _escaped(prompt + text)
    # Markdown requires that its stars touch the bold words.
    before, after = prompt.partition(bold)[::2]
    return f"{_escaped(before)}**{_escaped(bold)}**{_escaped(after + text)}"


def _escaped(text: str) -> str:
    """Escapes HTML and Markdown and keeps white space visible."""
    inert = "".join(f"&#{ord(c)};" if c in _MARKUP else html.escape(c) for c in text)
    return inert.replace("  ", " &nbsp;").replace("\n", "<br>")


def _indented(text: str) -> str:
    shown = text if len(text) <= TERMINAL_CHARACTERS else text[:TERMINAL_CHARACTERS] + "..."
    # The log is read on terminals too; samples.jsonl has the exact text.
    return "".join(f"\n    {line}" for line in visible(shown).split("\n"))


def fallback_prompts(validation_text: str, *, by_character: bool) -> list[str]:
    """Returns the beginning of the validation text: three words, or 20 characters of them."""
    words = validation_text.split()[:3]
    prompt = " ".join(words)
    return [prompt[:20] if by_character else prompt]
