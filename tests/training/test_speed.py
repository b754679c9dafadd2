"""The benchmark: both loops train, and what is divided by is what was counted."""

from __future__ import annotations

import pytest
import torch

from lmlab.data.loaders.base import IGNORE_INDEX
from lmlab.training.speed import WARM_UP, Case, _loader, measure


def case(model: str, batching: str) -> Case:
    return Case(
        model=model,
        hidden_size=8,
        num_layers=1,
        embedding_dim=4,
        vocabulary_size=20,
        batch_size=5,
        sequence_length=30,
        precision="32-true",
        batching=batching,
    )


@pytest.mark.parametrize(("model", "batching"), [("lstm", "streams"), ("gru", "sentences")])
def test_every_step_is_timed_for_both_loops(model: str, batching: str) -> None:
    timing = measure(case(model, batching), steps=4, device=torch.device("cpu"))
    assert len(timing.lmlab) == len(timing.baseline) == 4
    assert min(timing.lmlab + timing.baseline) > 0


def test_sentences_scatter_around_the_sequence_length_with_little_padding() -> None:
    batches = list(_loader(case("lstm", "sentences"), steps=4))
    counted = [(batch.targets != IGNORE_INDEX) for batch in batches]
    assert len(batches) > 4 + WARM_UP
    lengths = torch.cat([rows.sum(dim=1) for rows in counted]).double()
    assert lengths.mean() == pytest.approx(30, rel=0.1)
    assert lengths.std() == pytest.approx(15, rel=0.2)
    padded = sum(rows.numel() for rows in counted)
    assert 1 < padded / lengths.sum() < 1.1


def test_a_model_that_torch_lacks_is_timed_alone() -> None:
    timing = measure(case("feedforward", "streams"), steps=3, device=torch.device("cpu"))
    assert len(timing.lmlab) == 3
    assert timing.baseline == ()
    assert timing.ratio is None
