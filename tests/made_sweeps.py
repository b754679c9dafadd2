"""Sweep folders as `lmlab.train -m` leaves them, made by hand so that tests need no training."""

from __future__ import annotations

import json
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
    given = {key.replace("__", "/"): value for key, value in summary.items()}
    if given.get("status") == "failed":
        (folder / "summary.json").write_text(json.dumps({"name": "text-lstm", **given}))
    elif given.get("status") != "missing":
        (folder / "summary.json").write_text(json.dumps({**FINISHED, **given}))
    return folder
