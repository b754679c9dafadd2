"""The settings in which runs differ, under the names that a user would type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lmlab.runs.formatting import is_number
from lmlab.runs.records import RunRecord, setting, typed
from lmlab.runs.summary import SEED

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
    # Runs that failed at once have no resolved configuration and are only used if there are no others.
    sound = [i for i, record in enumerate(records) if record.status not in ("failed", "missing")]
    deciding = sound if len(sound) > 1 else list(range(len(records)))
    flat = [_flat(record.config) for record in records]
    chosen = choices(records)
    overridden = list(dict.fromkeys(name for record in records for name in record.overrides))
    groups = _varied(list(_GROUP_SETTINGS), [chosen[i] for i in deciding])
    all_names = dict.fromkeys(name for values in flat for name in values)
    names = _varied(all_names, [flat[i] for i in deciding])
    names = [name for name in names if not _is_any(name, _NEVER) and not name.endswith("_target_")]
    options = [chosen[i] for i in deciding]
    names = [
        name
        for name in names
        if not _explained(name, groups, [flat[i] for i in deciding], options, overridden=name in overridden)
    ]
    names = _without_repeats(names, [flat[i] for i in deciding])
    kept = [name for name in names if not _is_any(name, _MINOR) or name == _PROTOCOL] or ([] if groups else names)
    shown = [
        group for group in groups if not _explained(group, groups, options, options, overridden=group in overridden)
    ]
    if "data" in shown:
        kept = [name for name in kept if name != "data.path" or not _determined(name, flat, ["data"], chosen)]
    values = [{**one, **options} for one, options in zip(flat, chosen, strict=True)]
    place = {name: i for i, name in enumerate(overridden)}
    ordered = [name for part in (shown, kept) for name in sorted(part, key=lambda name: place.get(name, len(place)))]
    return _differing([{name: one.get(name, "") for name in ordered} for one in values])


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


def _varied(names: Iterable[str], values: Sequence[Values]) -> list[str]:
    return [name for name in names if len({one.get(name) for one in values}) > 1]


def _explained(
    name: str, groups: Sequence[str], flat: Sequence[Values], chosen: Sequence[Values], *, overridden: bool
) -> bool:
    """Returns whether a setting differs only because options do, or because only some versions of lmlab have it.

    Options explain a setting only if they determine its value: a file of the configuration may have been edited between
    two runs with the same options.
    """
    covering = [group for group in groups if group != name and _is_any(name, _GROUP_SETTINGS[group])]
    explained = bool(covering) and _determined(name, flat, covering, chosen)
    if any(name not in one for one in flat):
        known = {one[name] for one in flat if name in one}
        return explained or (not overridden and len(known) == 1)
    return not overridden and explained


def _is_any(name: str, wanted: Sequence[str]) -> bool:
    """Returns whether a name is listed; entries that are empty or end in a dot match all names that begin with them."""
    return any(name.startswith(w) if w.endswith(".") or not w else name == w for w in wanted)


def _without_repeats(names: Sequence[str], flat: Sequence[Values]) -> list[str]:
    """Drops settings that have the same values as another one.

    That is a setting with the same last word nearer the root, or the one that it follows by default.
    """
    columns = {name: [one.get(name, "") for one in flat] for name in names}

    def repeats(name: str) -> bool:
        word = name.rpartition(".")[2]
        nearer = [n for n in names if n.rpartition(".")[2] == word and n.count(".") < name.count(".")]
        return any(columns[name] == columns[other] for other in [*nearer, _FOLLOWS.get(name, "")] if other in columns)

    return [name for name in names if not repeats(name)]


def _determined(name: str, flat: Sequence[Values], by: Sequence[str], chosen: Sequence[Values]) -> bool:
    """Returns whether runs with the same options of these groups always have the same value."""
    pairs = {
        (tuple(options[group] for group in by), one.get(name, "")) for one, options in zip(flat, chosen, strict=True)
    }
    return len(pairs) == len({option for option, _ in pairs})


def _flat(config: Mapping[str, Any], prefix: str = "") -> Values:
    """Returns all settings by their dotted names, as typed."""
    found: Values = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = typed(value)
    return found
