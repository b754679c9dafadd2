"""Gradients under float16's loss scale, which torch's scaler also has for a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import compose_config
from pytorch_lightning.plugins.precision import MixedPrecision

from lmlab.data.datamodule import LanguageModelData
from lmlab.training.assembly import build_data, build_module
from lmlab.training.module import LanguageModelModule

OPTIMIZERS = {"fused": ["optimizer=adam"], "in several kernels": ["optimizer=rmsprop"]}


def built(text: Path, *overrides: str) -> tuple[LanguageModelData, LanguageModelModule]:
    settings = compose_config(text, "model=feedforward", "trainer.precision=32-true", *overrides)
    data = build_data(settings)
    data.setup()
    pl.seed_everything(0, verbose=False)
    return data, build_module(settings, data)


def trained(text: Path, folder: Path, scale: float | None, *overrides: str) -> LanguageModelModule:
    data, module = built(text, *overrides)
    scaler = None if scale is None else torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=10**6)
    how: dict[str, Any] = {} if scaler is None else {"plugins": MixedPrecision("16-mixed", "cpu", scaler=scaler)}
    quiet: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=4,
        gradient_clip_val=0.1,
        limit_val_batches=0,
        default_root_dir=folder,
        **quiet,
        **how,
    )
    trainer.fit(module, train_dataloaders=data.train_dataloader())
    return module


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_norms_clipping_and_weights_are_those_without_a_scale(optimizer: str, text_file: Path, tmp_path: Path) -> None:
    plain, scaled = (trained(text_file, tmp_path, scale, *OPTIMIZERS[optimizer]) for scale in (None, 1024.0))
    (steps, expected), (counted, found) = plain.gradients.take(), scaled.gradients.take()
    assert steps == counted == 4
    assert found == pytest.approx(expected, rel=0.02)
    assert expected["grad_norm"] > 0.2  # so that clipping does something
    for a, b in zip(plain.model.parameters(), scaled.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=0.01)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steps_that_overflow_change_nothing_and_are_not_counted(
    optimizer: str, text_file: Path, tmp_path: Path
) -> None:
    module = trained(text_file, tmp_path, 2.0**40, *OPTIMIZERS[optimizer])
    assert module.gradients.take() == (0, {})
    _, before = built(text_file, *OPTIMIZERS[optimizer])
    for a, b in zip(before.model.parameters(), module.model.parameters(), strict=True):
        assert torch.equal(a, b)
