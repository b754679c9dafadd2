"""What was trained: the right layers, and only settings that all runs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_sweeps import made_job, made_run, resolved

from lmlab.reporting.comparison import Comparison, compare
from lmlab.reporting.setup_tables import architecture_table, setup_table
from lmlab.runs.discovery import find_records


def compared(folder: Path) -> Comparison:
    return compare(find_records(str(folder), output_dir=str(folder)))


LAYERS = [
    {"part": "embedding", "input": 11, "output": 6, "parameters": 66, "trained": False},
    {"part": "LSTM layer", "input": 6, "output": 1024, "parameters": 12345, "trained": True},
]


def test_layers_and_their_sum(tmp_path: Path) -> None:
    made_run(tmp_path / "2026-01-01", config=resolved(), architecture=LAYERS, num_parameters=12411)
    table = architecture_table(compared(tmp_path))
    assert table.title == "Architecture"
    assert table.rows == (
        ("embedding (frozen)", "11", "6", "66"),
        ("LSTM layer", "6", "1,024", "12,345"),
        ("all", "–", "–", "12,411"),
    )


def test_of_several_runs_the_best_ones_layers(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], val__nats_per_token=2.0)
    made_job(tmp_path, 1, ["a=2"], val__nats_per_token=1.0, architecture=LAYERS)
    table = architecture_table(compared(tmp_path))
    assert table.title == "Architecture of a 2"
    assert len(table.rows) == 3


@pytest.mark.parametrize("damaged", [None, 3, "x", {}, []])
def test_runs_that_do_not_tell_have_no_layers(tmp_path: Path, damaged: Any) -> None:
    made_run(tmp_path / "2026-01-01", architecture=damaged)
    assert architecture_table(compared(tmp_path)).rows == ()


def test_damaged_layers_are_dashes(tmp_path: Path) -> None:
    made_run(tmp_path / "2026-01-01", architecture=[{}, {"part": "p", "input": "?", "parameters": float("nan")}])
    rows = architecture_table(compared(tmp_path)).rows
    assert rows[:2] == (("–", "–", "–", "–"), ("p", "–", "–", "–"))


def config(**optimizer: Any) -> dict[str, Any]:
    return {
        "seed": 0,
        "data": {"name": "oz", "batching": {"_target_": "lmlab.data.loaders.streams.StreamsLoader"}},
        "model": {"num_layers": 2, "dropout": 0.0, "locked_dropout": False, "weight_dropout": 0.3},
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.003, **optimizer},
        "trainer": {"max_steps": -1, "gradient_clip_val": None},
    }


def test_settings_that_are_on_by_their_words(tmp_path: Path) -> None:
    costs = {"vocabulary_size": 66, "vector_coverage": 0.875, "num_train_tokens": 2e7, "peak_memory_bytes": None}
    made_run(tmp_path / "2026-01-01", config=config(), **costs, wall_seconds=1234.4, tokens_per_second=7011.2)
    table = setup_table(compared(tmp_path))
    assert table.title == "Settings and cost"
    assert dict(table.rows) == {
        "text": "oz",
        "batches": "StreamsLoader",
        "layers": "2",
        "dropout of hidden-to-hidden weights": "0.3",
        "optimizer": "AdamW",
        "learning rate": "0.003",
        "gradient clipped at a norm of": "never",
        "seed": "0",
        "vocabulary (tokens)": "66",
        "words with a GloVe vector": "87.5%",
        "training tokens": "20M",
        "tokens per second": "7.01k",
        "wall time (s)": "1,234",
    }


def test_settings_that_differ_are_not_shared(tmp_path: Path) -> None:
    for number, lr in enumerate((0.1, 0.2)):
        made_run(tmp_path / f"2026-01-0{number + 1}", config=config(lr=lr))
    table = setup_table(compared(tmp_path))
    assert table.title == "Settings that all runs share"
    assert not {"learning rate", "wall time (s)"} & set(dict(table.rows))
    assert dict(table.rows)["optimizer"] == "AdamW"
