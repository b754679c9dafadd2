"""Tables of what was trained: the layers of the model and the settings of the runs."""

from __future__ import annotations

from pathlib import Path

from lmlab.metric_spec import OF_RUNS, heading, spec_of
from lmlab.reporting.comparison import Comparison
from lmlab.reporting.formatting import count
from lmlab.reporting.report_tables import NOTHING, Table
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.summary import finite

# The settings that are needed to repeat a run, under descriptive names. Those that a run does not have, or that are
# off, are left out.
_SETTINGS = {
    "text": "data.name",
    "tokens": "tokenizer._target_",
    "vocabulary at most": "tokenizer.vocabulary_size",
    "batches": "data.batching._target_",
    "rows in a batch": "data.batch_size",
    "tokens in a row": "data.sequence_length",
    "tokens in a batch at most": "data.tokens_per_batch",
    "model": "model.name",
    "layers": "model.num_layers",
    "units in a layer": "model.hidden_size",
    "tokens seen (context)": "model.context",
    "embedding": "embedding._target_",
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
    "optimizer": "optimizer._target_",
    "learning rate": "optimizer.lr",
    "momentum": "optimizer.momentum",
    "weight decay": "optimizer.weight_decay",
    "schedule of the learning rate": "scheduler._target_",
    "averaging of the weights": "averaging._target_",
    "gradient clipped at a norm of": "trainer.gradient_clip_val",
    "epochs at most": "trainer.max_epochs",
    "steps at most": "trainer.max_steps",
    "precision of training": "trainer.precision",
    "seed": "seed",
}
_OFF = ("", "null", "false", "0.0", "0", "-1")
# Settings that are shown even if they are zero or missing.
_ALWAYS = ("gradient clipped at a norm of", "learning rate", "seed")


def architecture_table(comparison: Comparison) -> Table:
    """Returns the layers of the shown run's model with their parameters; empty if the run has not stored them."""
    record = comparison.shown or comparison.records[0]
    listed = record.summary.get("architecture")
    rows = []
    for part in listed if isinstance(listed, list) else []:
        given = part if isinstance(part, dict) else {}
        sizes = [finite(given.get(name)) for name in ("input", "output", "parameters")]
        cells = (NOTHING if size is None else count(size) for size in sizes)
        frozen = " (frozen)" if given.get("trained") is False else ""
        rows.append((f"{given.get('part', NOTHING)}{frozen}", *cells))
    total = record.metric("num_parameters")
    if rows and total is not None:
        rows.append(("all", NOTHING, NOTHING, count(total)))
    of = f" of {comparison.label(record)}" if len(comparison.records) > 1 else ""
    return Table(f"Architecture{of}", ("part", "input", "output", "parameters"), tuple(rows), 1)


def setup_table(comparison: Comparison) -> Table:
    """Returns the settings that all runs share, and for a single run its cost too."""
    rows = []
    for words, name in _SETTINGS.items():
        values = {_last_part(setting(record.config, name)) for record in comparison.records if record.config}
        if len(values) != 1:
            continue
        (value,) = values
        if value not in _OFF:
            rows.append((words, value))
        elif words in _ALWAYS:
            rows.append((words, {"null": "never", "": NOTHING}.get(value, value)))
    if len(comparison.records) == 1:
        rows += _costs(comparison.records[0])
    title = "Settings and cost" if len(comparison.records) == 1 else "Settings that all runs share"
    return Table(title, ("setting", "value"), tuple(rows), 2)


def _costs(record: RunRecord) -> list[tuple[str, str]]:
    """What a single run took; for several runs these are columns of the table of results."""
    known = {name: record.metric(name) for name in OF_RUNS if name not in ("best_epoch", "best_step", "num_parameters")}
    return [(heading(name), spec_of(name).shown(value)) for name, value in known.items() if value is not None]


def _last_part(value: str) -> str:
    """Returns the last part of a class name (``AdamW`` of ``torch.optim.AdamW``) or the name of a file."""
    if "/" in value:
        return Path(value).name
    parts = value.split(".")
    return parts[-1] if len(parts) > 1 and all(part.isidentifier() for part in parts) else value
