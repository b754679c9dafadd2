"""The figures of all baselines, against sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lmlab.evaluation.baselines.comparison import baselines
from lmlab.evaluation.baselines.frequencies import uniform_nats, unigram_nats
from lmlab.evaluation.baselines.kneser_ney import KneserNey

TRAIN = np.array([0, 1, 0, 2, 0, 1, 0, 1, 2, 2, 0, 3], dtype=np.int32)
TEST = np.array([1, 0, 4, 2, 3, 0, 1], dtype=np.int32)
TRAIN_STARTS, STARTS = np.array([0, 5]), np.array([0, 3])


def test_uniform():
    assert uniform_nats(50) == math.log(50)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_unigram_is_add_one(dtype):
    nats = unigram_nats(np.array([0, 0, 2], dtype=dtype), np.array([0, 1, 2, 3, 0], dtype=dtype), 4)
    np.testing.assert_allclose(np.exp(-nats), [3 / 7, 1 / 7, 2 / 7, 1 / 7, 3 / 7], rtol=1e-14)
    assert nats.dtype == np.float64


def test_unigram_without_training_text_is_uniform():
    nothing = np.zeros(0, dtype=np.int32)
    np.testing.assert_allclose(unigram_nats(nothing, TEST, 5), math.log(5), rtol=1e-14)
    assert unigram_nats(TRAIN, nothing, 5).shape == (0,)


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("counted", [[1] * 7, [0, 1, 1, 0, 1, 1, 1], [0, 0, 1, 0, 0, 0, 0]])
def test_figures_are_sums_over_the_counted_divided_once(order, counted):
    mask = np.array(counted, dtype=bool)
    found = baselines(TRAIN, TRAIN_STARTS, TEST, STARTS, counted=mask, vocabulary_size=5, order=order)
    kneser_ney = KneserNey(order, 5).fit(TRAIN, TRAIN_STARTS).nats(TEST, STARTS)
    unigram = -np.log((np.bincount(TRAIN, minlength=5) + 1) / (12 + 5))[TEST]
    chosen = [i for i in range(7) if counted[i]]
    assert found == {
        "uniform": pytest.approx(math.log(5), abs=1e-14),
        "unigram": pytest.approx(sum(unigram[i] for i in chosen) / len(chosen), abs=1e-14),
        f"kneser_ney_{order}": pytest.approx(sum(kneser_ney[i] for i in chosen) / len(chosen), abs=1e-14),
    }
    assert list(found) == ["uniform", "unigram", f"kneser_ney_{order}"]
    assert all(type(nats) is float for nats in found.values())


def test_starts_of_both_texts_are_used():
    mask = np.ones(7, dtype=bool)
    figures = {
        baselines(TRAIN, np.array(a), TEST, np.array(b), counted=mask, vocabulary_size=5, order=3)["kneser_ney_3"]
        for a in ([0], [0, 5])
        for b in ([0], [0, 3])
    }
    assert len(figures) == 4


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("chunk", [1, 2, 3, 50])
def test_a_text_may_be_predicted_in_chunks(chunk, order, monkeypatch):
    generator = np.random.default_rng(0)
    train, ids = generator.integers(5, size=400), generator.integers(5, size=60)
    starts, counted = np.array([0, 3, 4, 20, 21, 59]), generator.random(60) < 0.7
    how = {"counted": counted, "vocabulary_size": 5, "order": order}
    expected = baselines(train, np.array([0, 90]), ids, starts, **how)
    monkeypatch.setattr("lmlab.evaluation.baselines.comparison.CHUNK", chunk)
    found = baselines(train, np.array([0, 90]), ids, starts, **how)
    assert found == pytest.approx(expected, rel=1e-12)


def test_nothing_counted_is_nan():
    for ids in (TEST, TEST[:0]):
        mask = np.zeros(len(ids), dtype=bool)
        found = baselines(TRAIN, TRAIN_STARTS, ids, STARTS, counted=mask, vocabulary_size=5, order=2)
        assert found["uniform"] == math.log(5)
        assert math.isnan(found["unigram"])
        assert math.isnan(found["kneser_ney_2"])


def test_what_does_not_fit_is_refused():
    wrong_masks = (np.ones(6, dtype=bool), np.ones(7, dtype=int))
    for mask in wrong_masks:  # ones as integers would be taken for positions
        with pytest.raises(ValueError, match="counted"):
            baselines(TRAIN, TRAIN_STARTS, TEST, STARTS, counted=mask, vocabulary_size=5, order=2)
    with pytest.raises(ValueError, match="0 to 4"):
        baselines(TRAIN, TRAIN_STARTS, TEST, STARTS, counted=np.ones(7, dtype=bool), vocabulary_size=4, order=2)
