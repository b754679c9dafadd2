"""Folders of runs and sweeps as `lmlab.train` leaves them, made by hand so that tests need no training."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

FINISHED: dict[str, Any] = {
    "status": "finished",
    "name": "text-lstm",
    "val/nats_per_token": 2.0,
    "val/perplexity": 7.38905609893065,
    "val/bits_per_char": 2.9,
    "val/error_rate": 0.5,
    "val/unk_rate": 0.0,
    "val/num_tokens": 1234,
    "best_epoch": 2.0,
    "best_step": 280,
    "num_parameters": 12_345,
    "tokens_per_second": 4_020.5,
    "wall_seconds": 3.21,
    "peak_memory_bytes": 500_000_000,
    "device": "CPU (1 threads)",
    "fingerprint": "f" * 64,
    "text_fingerprint": "t" * 64,
    "warnings": [],
}


def made_job(sweep: Path, number: int, overrides: list[str], **summary: Any) -> Path:
    """A job's folder with a summary like a finished one's but for what is given.

    Args:
        sweep: its parent.
        number: of the job.
        overrides: as Hydra keeps them.
        **summary: figures, `__` for the slash; `status="missing"` leaves no summary.
    """
    folder = sweep / f"{number}_job"
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(overrides))
    _write_summary(folder, summary)
    return folder


def _write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    given = {key.replace("__", "/"): value for key, value in summary.items()}
    if given.get("status") == "failed":
        (folder / "summary.json").write_text(json.dumps({"name": "text-lstm", **given}))
    elif given.get("status") != "missing":
        (folder / "summary.json").write_text(json.dumps({**FINISHED, **given}))


def made_run(
    folder: Path,
    overrides: Sequence[str] = (),
    *,
    config: Mapping[str, Any] | None = None,
    choices: Mapping[str, str] | None = None,
    history: Sequence[Mapping[str, float]] = (),
    samples: Sequence[Mapping[str, Any]] = (),
    analysis: Mapping[str, Any] | None = None,
    **summary: Any,
) -> Path:
    """A run's folder; what is not given is not there, but for Hydra's record and the summary.

    Args:
        folder: its own; those above it are made.
        overrides: as Hydra keeps them.
        config: resolved.
        choices: options by their groups, as in Hydra's record.
        history: rows of metrics.csv.
        samples: lines of samples.jsonl.
        analysis: of exhibits.json.
        **summary: as for `made_job`.
    """
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    if choices is not None:
        record = {"hydra": {"runtime": {"choices": {**choices, "hydra/env": "default"}}, "verbose": False}}
        (folder / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump(record))
    if config is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)))
    if history:
        write_history(folder, history)
    if samples:
        lines = (json.dumps(dict(sample), ensure_ascii=False) for sample in samples)
        (folder / "samples.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if analysis is not None:
        (folder / "exhibits.json").write_text(json.dumps(dict(analysis)), encoding="utf-8")
    _write_summary(folder, summary)
    return folder


def write_history(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """metrics.csv with the columns of the first row; what another row lacks is left empty."""
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def evaluations(validation: Sequence[float], training: Sequence[float] = (), **more: float) -> list[dict[str, float]]:
    """Rows of metrics.csv, an epoch of 10 steps each.

    Args:
        validation: nats per token.
        training: the same; left out where there are none.
        **more: further columns, `__` for the slash.
    """
    rows = []
    for i, nats in enumerate(validation):
        row: dict[str, float] = {"step": 10 * (i + 1), "epoch": float(i + 1), "val/nats_per_token": nats}
        if training:
            row["train/nats_per_token"] = training[i]
        rows.append(row | {key.replace("__", "/"): value for key, value in more.items()})
    return rows


def resolved(**changes: Any) -> dict[str, Any]:
    """A resolved configuration as config.yaml has it, in which a setting stands in all the places that repeat it.

    Args:
        **changes: settings by their dotted names, with `__` for the dot.
    """
    given = {key.replace("__", "."): value for key, value in changes.items()}
    size, layers = given.get("model.hidden_size", 256), given.get("model.num_layers", 1)
    dropout, batch, length = given.get("model.dropout", 0.2), given.get("data.batch_size", 32), 100
    model = given.get("model.name", "lstm")
    core = {"_target_": f"lmlab.models.recurrent.{model.upper()}", "hidden_size": size, "num_layers": layers}
    config: dict[str, Any] = {
        "name": f"text-{model}",
        "seed": 0,
        "output_dir": "outputs",
        "fresh": False,
        "data": {
            "name": "text",
            "path": "/texts/book.txt",
            "prompts": [],
            "batch_size": batch,
            "sequence_length": length,
            "stride": length,
            "batching": {"_target_": "lmlab.data.loaders.streams.StreamsLoader", "batch_size": batch},
        },
        "tokenizer": {"_target_": "lmlab.data.tokenizers.char.CharTokenizer", "end_token": None},
        "model": {
            "name": model,
            "hidden_size": size,
            "num_layers": layers,
            "dropout": dropout,
            "input_dropout": dropout,
            "output_dropout": dropout,
            "core": {**core, "dropout": dropout},
        },
        "embedding": {"_target_": "lmlab.models.embedding.RandomVectors", "dim": 128},
        "optimizer": {"_target_": "torch.optim.Adam", "lr": 3.0e-3, "weight_decay": 0.0},
        "scheduler": {"_target_": "lmlab.training.schedulers.Constant"},
        "averaging": {"_target_": None},
        "trainer": {"max_epochs": 12, "precision": "32-true", "log_every_n_steps": 20},
        "callbacks": {"sample_text": {"every_n_epochs": 1, "temperature": 0.8}},
        "evaluation": {"num_streams": None, "num_samples": 20},
    }
    for name, value in given.items():
        part, *above = reversed(name.split("."))
        place = config
        for key in reversed(above):
            place = place.setdefault(key, {})
        place[part] = value
    return config
