"""Progress on the terminal: a bar with loss, perplexity and speed, and a line for each evaluation."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from typing import Any

import pytorch_lightning as pl

from lmlab.training.callbacks.recorder import Recorder, task_of
from lmlab.training.clock import Clock
from lmlab.training.token_totals import Totals

with warnings.catch_warnings():
    # In a notebook without ipywidgets the bar is a line of text, which is good enough.
    warnings.filterwarnings("ignore", message="IProgress not found")
    from tqdm.auto import tqdm

log = logging.getLogger(__name__)

# Reading the loss waits for the device, so it is read at intervals of time and not at each step.
REFRESH_SECONDS = 0.5
_FORMAT = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class Progress(pl.Callback):
    """Shows the progress bar (on a terminal or in a notebook only) and a line for each evaluation.

    Args:
        enabled: whether the bar is shown.
        recorder: whose rows are printed.
        clock: shared with the other callbacks.
        total_steps: optimizer steps of the whole run.
        label: text before the bar.
    """

    def __init__(self, *, enabled: bool, recorder: Recorder, clock: Clock, total_steps: int, label: str) -> None:
        in_notebook = "ipykernel" in sys.modules
        self.enabled = enabled and (sys.stderr.isatty() or in_notebook)
        # A notebook's bar is made of widgets, which have a layout of their own.
        self._format = None if in_notebook else _FORMAT
        self.recorder = recorder
        self.clock = clock
        self.total_steps = total_steps
        self.label = label
        self.bar: Any = None
        self._shown_at = 0.0
        self._before = Totals(0.0, 0, 0)
        self._before_seconds = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Opens the bar."""
        if self.enabled:
            self.bar = tqdm(
                total=self.total_steps,
                initial=trainer.global_step,
                desc=self.label,
                unit="step",
                file=sys.stderr,
                dynamic_ncols=True,
                leave=False,
                mininterval=REFRESH_SECONDS,
                bar_format=self._format,
            )

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Updates the bar, at most twice a second."""
        if self.bar is None or time.monotonic() - self._shown_at < REFRESH_SECONDS:
            return
        totals = task_of(pl_module).since_evaluation.totals
        seconds = self.clock.training_seconds
        before = self._before if totals.num_tokens >= self._before.num_tokens else Totals(0.0, 0, 0)
        recent = Totals(totals.nats - before.nats, 0, totals.num_tokens - before.num_tokens)
        speed = recent.num_tokens / max(1e-9, seconds - self._before_seconds)
        self._before, self._before_seconds, self._shown_at = totals, seconds, time.monotonic()
        self.bar.set_postfix_str(
            f"epoch {trainer.current_epoch + 1}, loss {recent.nats_per_token:.3f} nats, "
            f"perplexity {recent.perplexity:,.2f}, {speed:,.0f} tokens/s",
            refresh=False,
        )
        self.bar.n = trainer.global_step
        self.bar.refresh()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prints a line with the results of the evaluation."""
        if not self.recorder.rows:
            return
        row = self.recorder.rows[-1]
        excess = row.get("val/excess_nats_per_token")
        above = "" if excess is None else f"  {excess:+.4f} above the source"
        bits = row.get("val/bits_per_char")  # not known of a part of the text
        by_character = "" if bits is None else f"  bits/char {bits:.3f}"
        best = " *best" if row is self.recorder.best_row else ""
        self.clear()
        log.info(
            f"epoch {row['epoch']:g}  step {row['step']:,}  {row['seconds']:.0f} s  "
            f"train {row['train/nats_per_token']:.4f}  val {row['val/nats_per_token']:.4f} nats{above}  "
            f"perplexity {row['val/perplexity']:,.3f}{by_character}  "
            f"{row['tokens_per_second']:,.0f} tokens/s{best}"
        )

    def clear(self) -> None:
        """Removes the bar so that a line of text can be printed."""
        if self.bar is not None:
            self.bar.clear()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Closes the bar."""
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Closes the bar."""
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
