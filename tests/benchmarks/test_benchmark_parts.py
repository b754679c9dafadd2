"""The parts of the benchmark at tiny sizes: every figure is there, positive, and of what it says."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lmlab.benchmarks import startup
from lmlab.benchmarks.ceiling import measure_ceiling
from lmlab.benchmarks.generation import PlainLoop, measure_generation
from lmlab.benchmarks.large_text import measure_large_text
from lmlab.benchmarks.layers import measure_layers
from lmlab.benchmarks.measurement import Measurement
from lmlab.benchmarks.processes import run_python
from lmlab.benchmarks.tokenizers import index_of, line_by_line, measure_tokenizers, random_text, word_tokenizer
from lmlab.training.speed import Case

CPU = torch.device("cpu")
CASE = Case(
    model="gru",
    hidden_size=8,
    num_layers=2,
    embedding_dim=4,
    vocabulary_size=11,
    batch_size=3,
    sequence_length=5,
    precision="32-true",
    batching="streams",
)


def check(measured: Measurement, unit: str, repetitions: int, *, compared: bool) -> None:
    assert measured.unit == unit
    assert measured.repetitions == repetitions
    assert measured.value > 0
    against = (measured.baseline, measured.baseline_value, measured.ratio_of_times)
    assert [value is not None for value in against] == [compared] * 3
    if measured.baseline_value is not None and measured.ratio_of_times is not None:
        assert measured.baseline_value > 0
        assert measured.ratio_of_times > 0


def test_ceiling() -> None:
    dtypes = [torch.float32, torch.bfloat16]
    found = list(measure_ceiling(size=16, dtypes=dtypes, repetitions=3, device=CPU))
    assert [one.case for one in found] == ["16 x 16, float32", "16 x 16, bfloat16"]
    for one in found:
        check(one, "GFLOP/s", 3, compared=True)


@pytest.mark.parametrize(("model", "baseline"), [("rnn", "nn.RNN"), ("lstm", "nn.LSTM"), ("feedforward", None)])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_layers(model: str, baseline: str | None, precision: str) -> None:
    measured = measure_layers(dataclasses.replace(CASE, model=model, precision=precision), steps=2, device=CPU)
    assert measured.baseline == baseline
    assert measured.case == f"{model} 2 x 8, {precision}"
    check(measured, "tokens/s", 2, compared=baseline is not None)


@pytest.mark.parametrize(("model", "compared"), [("gru", True), ("feedforward", False)])
def test_generation(model: str, compared: bool) -> None:
    threads = torch.get_num_threads()
    case = dataclasses.replace(CASE, model=model)
    how = {"length": 4, "precisions": ["32-true", "bf16-true"], "repetitions": 2, "device": CPU}
    found = list(measure_generation(case, num_samples=[1, 3], **how))
    cases = [(number, precision) for number in (1, 3) for precision in ("32-true", "bf16-true")]
    assert [one.case for one in found] == [f"{model} 2 x 8, batch {n}, {precision}" for n, precision in cases]
    for one in found:
        check(one, "tokens/s", 2, compared=compared)
    assert torch.get_num_threads() == threads


def test_the_plain_loop_draws_ids_of_the_vocabulary() -> None:
    loop = PlainLoop(torch.nn.LSTM(4, 8, 2, batch_first=True), vocabulary_size=7, device=CPU)
    drawn = loop(3, 50)
    assert drawn.shape == (3, 50)
    assert 0 <= int(drawn.min()) < int(drawn.max()) < 7


def partition(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place where each id first occurs, which does not depend on how the vocabulary is ordered."""
    return np.unique(ids, return_index=True)[1][np.unique(ids, return_inverse=True)[1]]


def test_both_algorithms_give_the_same_words() -> None:
    text = random_text(150_000) + "\n"
    tokenizer = word_tokenizer()
    tokenizer.fit([text])
    ours, theirs = tokenizer.encode(text), line_by_line(text, index_of(text)).numpy()
    assert len(Counter(theirs.tolist())) > 100
    np.testing.assert_array_equal(partition(ours), partition(theirs))


def test_tokenizers() -> None:
    found = list(measure_tokenizers(megabytes=0.01, repetitions=2))
    kinds, whats = ("words", "characters"), ("vocabulary and ids", "ids")
    assert [one.case for one in found] == [f"{kind}, {what}" for kind in kinds for what in whats]
    for one in found:
        check(one, "MB/s", 2, compared=one.case.startswith("words"))


def test_large_text(tmp_path: Path) -> None:
    time, own, memory = measure_large_text(gigabytes=[0.0002], tokenizer="char", folder=tmp_path)
    for one in (time, own):
        check(one, "s/GB", 1, compared=False)
    check(memory, "GB", 1, compared=False)
    assert 0.01 < memory.value < 20
    assert list(tmp_path.iterdir()) == []


def test_startup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "_LIBRARIES", "pass")  # they take seconds, which the first step takes too
    found = list(startup.measure_startup(repetitions=1, warm_up=0, text_bytes=20_000))
    assert len(found) == 4
    for one in found:
        check(one, "s", 1, compared=one is found[-1])
    first = found[-1]
    assert first.ratio_of_times is not None
    assert first.ratio_of_times > 1  # torch was imported


def test_a_process_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="status 1: ValueError: no"):
        run_python(["-c", "raise ValueError('no')"], tmp_path)
    assert run_python(["-c", "import os; print(os.getcwd())"], tmp_path).strip() == str(tmp_path.resolve())
