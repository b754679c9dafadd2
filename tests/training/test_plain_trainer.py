"""The data module and the module with a plain Trainer of Lightning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import compose_config

from lmlab.training.assembly import build_data


class Seen(pl.LightningModule):
    """Records the batches of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.epochs: list[list[torch.Tensor]] = []

    def on_train_epoch_start(self) -> None:
        self.epochs.append([])

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.epochs[-1].append(batch.inputs)
        return self.weight * 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("batching", ["windows", "chunks"])
def test_an_epoch_that_is_cut_short_does_not_repeat_the_order(batching: str, text_file: Path, tmp_path: Path) -> None:
    data = build_data(compose_config(text_file, f"batching={batching}"))
    seen = Seen()
    options: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    trainer = pl.Trainer(accelerator="cpu", max_epochs=3, limit_train_batches=4, default_root_dir=tmp_path, **options)
    trainer.fit(seen, train_dataloaders=data.train_dataloader())
    orders = [torch.cat(epoch) for epoch in seen.epochs]
    assert [len(epoch) for epoch in seen.epochs] == [4, 4, 4]
    for number, found in enumerate(orders):
        expected = [data.train_loader.batch(number, index).inputs for index in range(4)]
        assert torch.equal(found, torch.cat(expected))
    assert not torch.equal(orders[0], orders[1])
