"""What was trained: the layers of the model and the settings of the runs, in words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lmlab.metric_spec import OF_RUNS, heading, spec_of
from lmlab.reporting.tables import NOTHING
from lmlab.runs.comparison import Comparison
from lmlab.runs.formatting import count
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.settings import choices
from lmlab.runs.summary import finite

# The settings that are needed to repeat a run, or groups of options, in words. Those that a run does not have, or that
# are off, are left out.
_SETTINGS = {
    "text": "data",
    "tokens": "tokenizer",
    "vocabulary at most": "tokenizer.vocabulary_size",
    "batches": "batching",
    "rows in a batch": "data.batch_size",
    "tokens in a row": "data.sequence_length",
    "tokens in a batch at most": "data.tokens_per_batch",
    "model": "model",
    "layers": "model.num_layers",
    "units in a layer": "model.hidden_size",
    "tokens seen (context)": "model.context",
    "embedding": "embedding",
    "embedding units": "embedding.dim",
    "pretrained vectors": "embedding.path",
    "embedding frozen": "embedding.freeze",
    "tied weights": "model.tie_weights",
    "dropout between layers": "model.dropout",
    "dropout before the first layer": "model.input_dropout",
    "dropout after the last layer": "model.output_dropout",
    "one dropout mask for all steps": "model.locked_dropout",
    "dropout of hidden-to-hidden weights": "model.weight_dropout",
    "dropout of words": "model.embedding_dropout",
    "optimizer": "optimizer",
    "learning rate": "optimizer.lr",
    "momentum": "optimizer.momentum",
    "weight decay": "optimizer.weight_decay",
    "schedule of the learning rate": "scheduler",
    "averaging of the weights": "averaging",
    "gradient clipped at a norm of": "trainer.gradient_clip_val",
    "epochs at most": "trainer.max_epochs",
    "steps at most": "trainer.max_steps",
    "precision of training": "trainer.precision",
    "seed": "seed",
}
_OFF = ("", "null", "none", "false", "0.0", "0", "-1")
_WORDS = {"true": "yes", "32-true": "float32", "bf16-mixed": "bfloat16, weights in float32"}


def architecture_table(record: RunRecord) -> pd.DataFrame:
    """Returns the layers of a run's model with their parameters; empty if the run has not stored them."""
    rows = []
    for part in record.summary.get("architecture") or ():
        sizes = {name: finite(part.get(name)) for name in ("input", "output", "parameters")}
        frozen = " (frozen)" if part.get("trained") is False else ""
        cells = {name: NOTHING if size is None else count(size) for name, size in sizes.items()}
        rows.append({"part": f"{part.get('part', NOTHING)}{frozen}"} | cells)
    total = record.metric("num_parameters")
    if rows and total is not None:
        rows.append({"part": "all", "input": NOTHING, "output": NOTHING, "parameters": count(total)})
    return pd.DataFrame(rows)


def setup_table(comparison: Comparison) -> pd.DataFrame:
    """Returns the settings that all runs share, and for a single run its cost too."""
    records = [record for record in comparison.records if record.config]
    options = choices(records)
    rows = {}
    for words, name in _SETTINGS.items():
        chosen = {o.get(name) or setting(r.config, name) for r, o in zip(records, options, strict=True)}
        if len(chosen) == 1 and (value := chosen.pop()) not in _OFF:
            rows[words] = _WORDS.get(value, Path(value).name)
    if len(comparison.records) == 1:
        costs = {name: comparison.records[0].metric(name) for name in OF_RUNS if name != "num_parameters"}
        rows |= {heading(name): spec_of(name).shown(value) for name, value in costs.items() if value is not None}
    return pd.DataFrame({"setting": [*rows], "value": [*rows.values()]})
