"""A run at Weights & Biases, which goes on as the same run there when it is resumed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger

from lmlab.config.settings.trainer import WandbSettings

_COLUMNS = ("prompt", "text", "temperature", "seed")


class RunWandbLogger(WandbLogger):
    """Lightning's logger for Weights & Biases; its files are in the run's own folder.

    Args:
        settings: the run's.
        folder: the run's.
        run_id: of an earlier part of the run; None to begin a run there.
    """

    def __init__(self, settings: WandbSettings, folder: Path, *, run_id: str | None = None) -> None:
        super().__init__(
            project=settings.project,
            name=settings.name or folder.name,
            save_dir=str(folder),
            id=run_id or secrets.token_hex(4),
            entity=settings.entity,
            group=settings.group,
            tags=settings.tags or None,
            notes=settings.notes,
            # Lightning's `offline` would set it for all later runs of the process.
            mode="offline" if settings.offline else None,
            # What is printed belongs to the terminal and train.log; a summary is lmlab's.
            settings={"console": "off", "quiet": True},
        )
        self._wandb_init.pop("anonymous")  # without effect, which newer versions warn of

    def log_samples(self, records: Sequence[dict[str, Any]]) -> None:
        """Shows generated texts as a table."""
        rows = [[record[name] for name in _COLUMNS] for record in records]
        self.log_text("samples", columns=list(_COLUMNS), data=rows, step=records[0]["step"])

    def place(self) -> str:
        """Returns where the run can be seen, or how to send it there."""
        if self.experiment.offline:
            return f"offline; to send it: wandb sync {Path(self.experiment.dir).parent}"
        return str(self.experiment.url)

    def close(self, *, failed: bool) -> None:
        """Ends the run there, so that the next run of this process gets one of its own."""
        if self._experiment is not None and self._experiment.id == self._id:
            self._experiment.finish(exit_code=int(failed))

    def state_dict(self) -> dict[str, Any]:
        """Returns the id of the run there."""
        return {"run_id": self._id}
