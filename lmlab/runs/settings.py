"""The settings in which runs differ, under the names that a user would type, and short labels made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lmlab.runs.formatting import is_number
from lmlab.runs.records import RunRecord, setting, typed
from lmlab.runs.summary import SEED

Values = dict[str, str]
RUN = "run"  # pseudo-setting that distinguishes repetitions of the same settings and seeds in different folders
# Settings whose values are clear without the setting's name.
_SPEAKING = frozenset({"model", "data", "optimizer", "experiment", RUN})
_MOST_IN_LABEL = 4  # settings; of more a label has only those that are needed to distinguish the runs
# The groups of options, and the settings that choosing an option sets. A data set also sets tokenizer and batching.
_GROUP_SETTINGS = {
    "experiment": ("",),
    "data": ("data.", "tokenizer", "batching", "embedding.", "evaluation."),
    "tokenizer": ("tokenizer.",),
    "batching": (
        "data.batching.",
        "data.stride",
        "data.tokens_per_batch",
        "data.reset_probability",
        "data.random_offset",
    ),
    **{group: (f"{group}.",) for group in ("embedding", "model", "optimizer", "scheduler", "averaging")},
}
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
    """
    begun = [record for record in records if record.overrides or record.status != "missing"]
    several = len(records) > 1
    if one_sweep := several and len({r.origin for r in records}) == 1 and all(r.overrides for r in begun):
        found = _differing([record.overrides for record in records])
    else:
        found = _of_configurations(records) if several else [{} for _ in records]
    # In a sweep without config.yaml, which takes long to read: jobs whose seeds were not swept have the same.
    seeds = _spelled_alike([record.overrides.get(SEED, "") if one_sweep else record.seed for record in records])
    return [{**values, SEED: seed} for values, seed in zip(found, seeds, strict=True)]


def choices(records: Sequence[RunRecord]) -> list[Values]:
    """Returns the chosen option of each group for each run, determined in the same way for all runs."""
    if all(record.choices for record in records):
        return [{group: record.choices.get(group, "null") for group in _GROUP_SETTINGS} for record in records]
    return [{group: option(record.config, group) for group in _GROUP_SETTINGS} for record in records]


def option(config: Mapping[str, Any], group: str) -> str:
    """Returns the option of a group that a configuration has, derived from its names and classes."""
    if group in ("model", "data"):
        return setting(config, f"{group}.name")
    target = setting(config, f"{'data.' if group == 'batching' else ''}{group}._target_")
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", target.rpartition(".")[2]).lower()
    return re.sub(r"_?(tokenizer|loader|vectors)$", "", words)


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

    def repeats(name: str, others: Sequence[str]) -> bool:
        """Returns whether a setting has the values of one that it follows or of its last word nearer the root."""
        word, depth, followed = name.rpartition(".")[2], name.count("."), _FOLLOWS.get(name)
        nearer = [n for n in others if n == followed or (n.rpartition(".")[2] == word and n.count(".") < depth)]
        return any(deciding[name].equals(deciding[other]) for other in nearer)

    names = [n for n in varied if n not in groups and not _is_any(n, _NEVER) and not n.endswith("_target_")]
    names = [name for name in names if not explained(name)]
    names = [name for name in names if not repeats(name, names)]
    kept = [name for name in names if not _is_any(name, _MINOR) or name == _PROTOCOL] or ([] if groups else names)
    shown = [group for group in groups if not explained(group)]
    if "data" in shown:
        kept = [name for name in kept if name != "data.path" or not determined(name, ["data"])]
    first = [*typed_in, *varied]
    ordered = [*sorted(shown, key=first.index), *sorted(kept, key=first.index)]
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


def _flat(config: Mapping[str, Any], prefix: str = "") -> Values:
    """Returns all settings by their dotted names, as typed."""
    found: Values = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: typed(value)}
    return found


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Returns the last part of each setting's name if that is unambiguous: `hidden_size` for `model.hidden_size`."""
    last = [name.rpartition(".")[2] for name in names]
    return {name: word if last.count(word) == 1 else name for name, word in zip(names, last, strict=True)}


def setting_labels(settings: Sequence[Values], short: dict[str, str]) -> list[str]:
    """Returns labels like ``gru, hidden_size 128``; of many settings they have those that tell the runs apart."""
    names = [name for name in (settings[0] if settings else {}) if name != SEED]
    if len(names) > _MOST_IN_LABEL:
        names = _distinguishing(names, settings)
    words = ([_word(name, values.get(name, ""), short) for name in names] for values in settings)
    return [", ".join(filter(None, parts)) for parts in words]


def _word(name: str, value: str, short: dict[str, str]) -> str:
    """Returns the part of a label for one setting; empty if the run does not have it."""
    if name.endswith("path"):
        value = Path(value).name or value
    if name == "init_from":
        value = "/".join(Path(value).parts[-2:])  # a run's name and time
    if name in _SPEAKING:
        return value if value != "null" else ""
    return value and f"{short.get(name, name)} {value}"


def _distinguishing(names: Sequence[str], settings: Sequence[Values]) -> list[str]:
    """Returns a few settings that distinguish as many runs as all settings together.

    Settings whose values need no name come first, then the others one by one, the most distinguishing first.
    """

    def num_distinct(chosen: Sequence[str]) -> int:
        return len({tuple(values.get(name, "") for name in chosen) for values in settings})

    others = [name for name in names if name != RUN]
    found = [name for name in others if name in _SPEAKING]
    for left in (others, names):  # the folder's name only if nothing else distinguishes the runs
        while num_distinct(found) < num_distinct(left):
            found.append(max(left, key=lambda name: num_distinct([*found, name])))
    return [name for name in names if name in found]
