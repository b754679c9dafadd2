"""What Lightning says while a run trains, as lines of lmlab's log, but for what does not apply to a run of lmlab."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

log = logging.getLogger(__name__)

# Beginnings of messages that do not apply to a run of lmlab; everything else is passed on.
INAPPLICABLE = (
    # The plan names the device and the precision; what a run uses is chosen by trainer.accelerator.
    r"(GPU|TPU|HPU) available\b",
    r"LOCAL_RANK: \d+ - CUDA_VISIBLE_DEVICES",
    r"Using (16-?bit|bfloat16) Automatic Mixed Precision",
    # trainer.precision decides, and evaluation has TF32 off by protocol.
    r"You are using a CUDA device .* that has Tensor Cores",
    # Advertises packages for the Lightning platform.
    r"💡 Tip: ",
    # lmlab reads and writes checkpoints itself, always as plain data, and says from which step a run goes on.
    r"`weights_only` was not set",
    r"Restor(ing|ed all) states from the checkpoint",
    # The result says how far training went, and where it ended.
    r"`Trainer\.fit` stopped: `max_",
    r"Detected KeyboardInterrupt",
    # Curves go by step, across epochs, and metrics.csv has a row for each evaluation, however short an epoch is.
    r"The number of training batches \(\d+\) is smaller than the logging interval",
    # `lmlab.benchmark` times training alone; a run always has a validation split.
    r"You defined a `validation_step` but have no `val_dataloader`",
    # Lightning's own use of torch.
    r"`?isinstance\(treespec, LeafSpec\)`? is deprecated",
)
_INAPPLICABLE = re.compile("|".join(INAPPLICABLE))
_LOGGERS = ("pytorch_lightning", "lightning_fabric")


@contextlib.contextmanager
def forwarded() -> Iterator[None]:
    """Passes warnings and Lightning's log messages on to lmlab's log: a warning in one line, and once.

    Filters and handlers are afterwards as they were before, for Trainers of the user's own in the same process.
    """
    forward = _Forward()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger, logger.handlers, logger.propagate) for logger in loggers]
    with warnings.catch_warnings():
        # A message that is no error and not ignored by the user's own filters comes here.
        warnings.showwarning = forward.show  # type: ignore[assignment]
        for beginning in INAPPLICABLE:
            warnings.filterwarnings("ignore", message=beginning)
        for logger in loggers:
            logger.handlers, logger.propagate = [forward], False
        try:
            yield
        finally:
            for logger, handlers, propagate in before:
                logger.handlers, logger.propagate = handlers, propagate


class _Forward(logging.Handler):
    """Writes messages to lmlab's log, each warning once."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def show(self, message: Warning | str, *_: Any) -> None:
        """Logs a warning, without the line of code that it came from."""
        self._tell(logging.WARNING, str(message))

    def emit(self, record: logging.LogRecord) -> None:
        """Logs a message of Lightning's loggers."""
        self._tell(record.levelno, record.getMessage())

    def _tell(self, level: int, text: str) -> None:
        text = text.strip()
        if _INAPPLICABLE.match(text):
            return
        if level >= logging.WARNING:
            text = f"warning: {' '.join(text.split())}"
            if text in self._told:
                return
            self._told.add(text)
        with tqdm.external_write_mode():  # a bar is not in its way
            log.log(level, text)
