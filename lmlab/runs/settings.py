"""The settings in which runs differ, under the names that a user would type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lmlab.runs.formatting import is_number
from lmlab.runs.records import RunRecord, setting, typed
from lmlab.runs.summary import SEED

if TYPE_CHECKING:
    import pandas as pd

Values = dict[str, str]

# The groups of options, and the settings that choosing an option sets. A data set also sets tokenizer and batching.
_GROUP_SETTINGS = {
    "experiment": ("",),
    "data": ("data.", "tokenizer", "batching", "embedding.", "evaluation."),
    "tokenizer": ("tokenizer.",),
    "batching": ("data.batching.", "data.stride", "data.tokens_per_batch"),
    "embedding": ("embedding.",),
    "model": ("model.",),
    "optimizer": ("optimizer.",),
    "scheduler": ("scheduler.",),
    "averaging": ("averaging.",),
}
# Without a record of its choices, a run's options are derived from the names and classes of its configuration.
_NAMED = {"model": "model.name", "data": "data.name"}
_CLASSES = {"batching": "data.batching._target_"}
# Derived settings and those that do not affect learning; they count only if the runs differ in nothing else.
_MINOR = (
    "callbacks.sample_text.", "callbacks.checkpoints.", "callbacks.gradients.", "data.prompts", "embedding.download",
    "evaluation.", "trainer.log_every_n_steps", "trainer.devices", "trainer.num_sanity_val_steps",
    "trainer.inference_mode", "trainer.detect_anomaly", "trainer.enable_model_summary",
)  # fmt: skip
_PROTOCOL = "evaluation.num_streams"
_NEVER = (
    "name", "output_dir", "fresh", "seed", "logger.", "data.name", "model.name", "callbacks.progress.",
    "callbacks.alarms.", "data.num_workers",
)  # fmt: skip
# By default these settings have the value of another one.
_FOLLOWS = {
    "data.stride": "data.sequence_length",
    "model.input_dropout": "model.dropout",
    "model.output_dropout": "model.dropout",
    "callbacks.sample_text.prompts": "data.prompts",
}


def varied_settings(records: Sequence[RunRecord]) -> list[Values]:
    """Returns for each run its values of the settings in which the runs differ, and its `seed` last.

    For the jobs of one sweep these are the settings that were swept, as typed. Otherwise the configurations are
    compared: a setting is included if a user typed it, or if no other difference explains it. Settings that only follow
    from another option (the class of `model=lstm`, the batch size of `data=ptb`) or repeat another one are left out.

    Args:
        records: of any runs.
    """
    if len(records) < 2:
        found: list[Values] = [{} for _ in records]
    elif _are_one_sweep(records):
        # Without config.yaml, which takes long to read: jobs whose seeds were not swept have the same.
        return _with_seeds(_differing([r.overrides for r in records]), [r.overrides.get(SEED, "") for r in records])
    else:
        found = _of_configurations(records)
    return _with_seeds(found, [record.seed for record in records])


def _with_seeds(found: Sequence[Values], given: Sequence[str]) -> list[Values]:
    seeds = _spelled_alike(given)
    return [{**values, SEED: seed} for values, seed in zip(found, seeds, strict=True)]


def choices(records: Sequence[RunRecord]) -> list[Values]:
    """Returns the chosen option of each group for each run, determined in the same way for all runs."""
    if all(record.choices for record in records):
        return [{group: record.choices.get(group, "null") for group in _GROUP_SETTINGS} for record in records]
    return [{group: option(record.config, group) for group in _GROUP_SETTINGS} for record in records]


def option(config: Mapping[str, Any], group: str) -> str:
    """Returns the option of a group that a configuration has, derived from its names and classes."""
    if group in _NAMED:
        return setting(config, _NAMED[group])
    target = setting(config, _CLASSES.get(group, f"{group}._target_"))
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", target.rpartition(".")[2]).lower()
    return re.sub(r"_?(tokenizer|loader|vectors)$", "", words)


def _are_one_sweep(records: Sequence[RunRecord]) -> bool:
    """Returns whether the runs are jobs of one sweep with known overrides; jobs that have not begun do not count."""
    begun = [record for record in records if record.overrides or record.status != "missing"]
    return len({record.origin for record in records}) == 1 and all(record.overrides for record in begun)


def _of_configurations(records: Sequence[RunRecord]) -> list[Values]:
    import pandas as pd  # takes a second, which training does without

    rows = [{**_flat(r.config), **options} for r, options in zip(records, choices(records), strict=True)]
    frame = pd.DataFrame(rows, dtype=object)
    # Runs that failed at once have no resolved configuration and are only used if there are no others.
    sound = [record.status not in ("failed", "missing") for record in records]
    deciding = frame[sound] if sum(sound) > 1 else frame
    typed_in = list(dict.fromkeys(name for record in records for name in record.overrides))
    varied = [name for name in frame if deciding[name].nunique(dropna=False) > 1]
    groups = [name for name in varied if name in _GROUP_SETTINGS]

    def determined(name: str, by: Sequence[str]) -> bool:
        """Returns whether runs with the same options of these groups always have the same value."""
        return bool((deciding.groupby(list(by), dropna=False)[name].nunique(dropna=False) == 1).all())

    def explained(name: str) -> bool:
        """Returns whether a setting differs only because options do, or only some versions of lmlab have it.

        Options explain a setting only if they determine its value: a file of the configuration may have been edited
        between two runs with the same options.
        """
        covering = [group for group in groups if group != name and _is_any(name, _GROUP_SETTINGS[group])]
        found, known = bool(covering) and determined(name, covering), deciding[name].dropna()
        if len(known) < len(deciding):
            return found or (name not in typed_in and known.nunique() == 1)
        return name not in typed_in and found

    names = [n for n in varied if n not in groups and not _is_any(n, _NEVER) and not n.endswith("_target_")]
    names = _without_repeats([name for name in names if not explained(name)], deciding)
    kept = [name for name in names if not _is_any(name, _MINOR) or name == _PROTOCOL] or ([] if groups else names)
    shown = [group for group in groups if not explained(group)]
    if "data" in shown:
        kept = [name for name in kept if name != "data.path" or not determined(name, ["data"])]
    place = {name: i for i, name in enumerate(typed_in)}
    ordered = [name for part in (shown, kept) for name in sorted(part, key=lambda name: place.get(name, len(place)))]
    return _differing(frame[ordered].fillna("").to_dict("records"))


def _differing(values: Sequence[Values]) -> list[Values]:
    """Keeps the settings with several values; equal numbers are spelled alike."""
    names = list(dict.fromkeys(name for one in values for name in one if name != SEED))
    columns = {name: _spelled_alike([one.get(name, "") for one in values]) for name in names}
    kept = [name for name in names if len(set(columns[name])) > 1]
    return [{name: columns[name][i] for name in kept} for i in range(len(values))]


def _spelled_alike(values: Sequence[str]) -> list[str]:
    """Spells equal numbers like the first of them: `0.001` becomes `1e-3` if that came first."""
    first: dict[float, str] = {}
    return [first.setdefault(float(value), value) if is_number(value) else value for value in values]


def _is_any(name: str, wanted: Sequence[str]) -> bool:
    """Returns whether a name is listed; entries that are empty or end in a dot match all names that begin with them."""
    return any(name.startswith(w) if w.endswith(".") or not w else name == w for w in wanted)


def _without_repeats(names: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """Drops settings that have the same values as another one.

    That is a setting with the same last word nearer the root, or the one that it follows by default.
    """

    def repeats(name: str) -> bool:
        word = name.rpartition(".")[2]
        nearer = [n for n in names if n.rpartition(".")[2] == word and n.count(".") < name.count(".")]
        others = [other for other in [*nearer, _FOLLOWS.get(name, "")] if other in names]
        return any(frame[name].equals(frame[other]) for other in others)

    return [name for name in names if not repeats(name)]


def _flat(config: Mapping[str, Any], prefix: str = "") -> Values:
    """Returns all settings by their dotted names, as typed."""
    found: Values = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = typed(value)
    return found
