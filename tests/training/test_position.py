"""Where a run stands, and that Lightning goes on from there whatever came before."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from lmlab.data.loaders.base import PlaceInEpoch
from lmlab.training.position import Position


@pytest.mark.parametrize(
    ("position", "num_batches", "accumulate", "fits"),
    [
        (Position(0, 0, 0), 5, 1, True),
        (Position(2, 3, 13), 5, 1, True),
        (Position(2, 3, 12), 5, 1, False),
        (Position(1, 2, 4), 5, 2, True),  # 3 steps an epoch, of 2, 2 and 1 batches
        (Position(1, 0, 3), 5, 2, True),
        (Position(1, 0, 2), 5, 2, False),
        (Position(0, 5, 5), 5, 1, False),  # that is the next epoch
        (Position(-1, 0, -5), 5, 1, False),
    ],
)
def test_step_and_place_must_agree(position: Position, num_batches: int, accumulate: int, fits: bool) -> None:
    assert position.fits(num_batches=num_batches, accumulate=accumulate) is fits


class _Loader:
    """Numbers that say of which epoch and batch they are."""

    def __init__(self, epoch: int, position: int) -> None:
        self.place = PlaceInEpoch(5)
        self.place.load_state_dict({"epoch": epoch, "position": position})

    def __len__(self) -> int:
        return 5

    def __iter__(self) -> Any:
        for place in self.place.steps():
            yield torch.tensor(place)


class _Module(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen: list[tuple[int, int]] = []
        self.evaluated: list[int] = []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        epoch, place = batch.tolist()
        assert (epoch, place) == (self.trainer.current_epoch, batch_idx)
        self.seen.append((epoch, place))
        return self.layer(torch.ones(1)).sum()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.evaluated.append(self.global_step)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.0)


@pytest.mark.parametrize("limits", [{"max_epochs": 3}, {"max_steps": 13, "max_epochs": 9}])
@pytest.mark.parametrize("every", [{}, {"val_check_interval": 3, "check_val_every_n_epoch": None}])
@pytest.mark.parametrize("done", [0, 1, 3, 4, 5, 6, 9, 10, 12])
def test_lightning_goes_on_with_the_next_batch_and_evaluation(
    done: int, limits: dict[str, Any], every: dict[str, Any], tmp_path: Any
) -> None:
    def fit(position: Position | None) -> tuple[_Module, pl.Trainer]:
        module = _Module()
        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
        trainer = pl.Trainer(
            **limits, **every, **quiet, num_sanity_val_steps=0, enable_model_summary=False, accelerator="cpu"
        )
        path = None
        if position is not None:
            path = tmp_path / "a.ckpt"
            checkpoint = {
                "state_dict": module.state_dict(),
                "loops": position.as_loops(5),
                "optimizer_states": [module.configure_optimizers().state_dict()],
                "lr_schedulers": [],
                "pytorch-lightning_version": pl.__version__,
                "epoch": position.epoch,
                "global_step": position.step,
                "callbacks": {},
            }
            torch.save(checkpoint, path)
        loader = _Loader(0, 0) if position is None else _Loader(position.epoch, position.batch)
        trainer.fit(module, loader, [torch.zeros(1)], ckpt_path=path)
        return module, trainer

    whole, whole_trainer = fit(None)
    part, trainer = fit(Position(done // 5, done % 5, done))
    assert part.seen == whole.seen[done:]
    # An evaluation that belongs to the step before is not made again.
    assert part.evaluated == [step for step in whole.evaluated if step > done]
    assert trainer.global_step == whole_trainer.global_step
    assert Position.of(trainer) == Position.of(whole_trainer)
