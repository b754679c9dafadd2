"""Converts the errors of Hydra and OmegaConf, which have several lines, to one line with a remedy.

What is wrong is found in the errors' attributes and in what had been composed, never in their wording, which differs
between versions; words that are wrong by themselves were refused before (`lmlab.config.words`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import hydra
import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from lmlab.config.folders import configuration_folder, group_options
from lmlab.config.presets import own_folders
from lmlab.config.registry import settings_class
from lmlab.config.setting_names import known_settings, other_names
from lmlab.config.settings import Settings, TrainSettings
from lmlab.config.slots import SLOTS
from lmlab.config.suggestions import MOST_LISTED, choose_one, did_you_mean
from lmlab.errors import UserError, printable

# Hydra's options that another distribution brings.
_DISTRIBUTIONS = {
    "hydra/sweeper/optuna": "hydra-optuna-sweeper",
    "hydra/launcher/joblib": "hydra-joblib-launcher",
    "hydra/launcher/ray": "hydra-ray-launcher",
    "hydra/launcher/submitit_local": "hydra-submitit-launcher",
    "hydra/launcher/submitit_slurm": "hydra-submitit-launcher",
}


def fold(error: BaseException, arguments: Sequence[str], kind: type[Settings] = TrainSettings) -> UserError | None:
    """Returns the error as one line, or None if it is not an error of Hydra or OmegaConf.

    Args:
        error: what was raised while composing.
        arguments: the command line, searched for the override at fault.
        kind: the settings of the command.
    """
    if isinstance(error, UserError):
        return error
    chain = _chain(error)
    plugin = _plugin_at_fault(chain)
    if plugin is not None:
        problem = f"this plug-in of Hydra's failed ({type(error).__name__}: {_first_line(error)})"
        remedy = f"check that it supports hydra-core {hydra.__version__}; LMLAB_DEBUG=1 shows the traceback"
        return UserError(plugin, None, problem, remedy)
    unreadable = next((e for e in chain if isinstance(e, yaml.MarkedYAMLError)), None)
    if unreadable is not None:
        return _unreadable_yaml(unreadable)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    ours = next((e for e in chain if isinstance(e, UserError)), None)
    if ours is not None:  # raised by a resolver of ours, wrapped by OmegaConf
        return ours
    for found in chain:
        if isinstance(found, OverrideParseException):
            key, _, value = found.override.partition("=")
            return UserError(key, printable(value), "cannot be read as a value", f"put it in quotes: {key}=\"'...'\"")
        if isinstance(found, MissingConfigException):
            return _missing_file(found, arguments)
        if isinstance(found, OmegaConfBaseException) and found.full_key:
            return _of_omegaconf(found, arguments, kind)
    word = next((word for word in arguments if word.startswith("hydra")), None)
    first = next((line for e in chain if (line := _first_line(e))), type(error).__name__)
    if word is not None:
        remedy = "correct or leave out the words that begin with hydra (LMLAB_DEBUG=1 shows the details)"
        return UserError(printable(word), None, f"Hydra says: {first}", remedy)
    remedy = "lmlab does not know this error: LMLAB_DEBUG=1 shows the details"
    return UserError("configuration", None, first, remedy)


def _plugin_at_fault(chain: Sequence[BaseException]) -> str | None:
    """Returns the plug-in in whose code an error arose, as far from Hydra's and lmlab's as it got; None for none."""
    step, found = chain[-1].__traceback__, None
    while step is not None:
        module = str(step.tb_frame.f_globals.get("__name__", ""))
        if module.startswith("hydra_plugins."):
            found = ".".join(module.split(".")[:2])
        elif module.startswith(("hydra.", "lmlab.")):
            found = None
        step = step.tb_next
    return found


def _first_line(error: BaseException) -> str:
    lines = (line.strip() for line in str(error).splitlines())
    return printable(next(filter(None, lines), ""), longest=200)


def named_as_typed(error: UserError, arguments: Sequence[str]) -> UserError:
    """Returns an error with a number as it was typed, or with the option typed whose YAML file has the value."""
    typed = {_key(word): word.partition("=")[2] for word in arguments if "=" in word}
    if error.field in typed:
        text = typed[error.field]
        same = text == "???" or _reads_as(text, error.value) or (text[:1] == "[" and isinstance(error.value, list))
        return UserError(error.field, printable(text), error.problem, error.remedy) if same else error
    group, _, rest = error.field.partition(".")
    if error.value is None:
        inside = [key for key in typed if key.startswith(f"{error.field}.")]
        chosen = [group] if rest and rest in re.split(r"[\[\], ]+", typed.get(group, "")) else []
        if len(inside + chosen) == 1:
            (key,) = inside + chosen
            return UserError(key, printable(typed[key]), error.problem, error.remedy)
    if error.value is None or not rest or group not in typed:
        return error
    for folder in (*own_folders(arguments), configuration_folder()):
        path = folder / group / f"{typed[group]}.yaml"
        try:
            option: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue
        there = _value_at(option, rest)
        if there is None or str(there) != str(error.value):
            continue
        if folder == configuration_folder():
            return UserError(group, printable(typed[group]), error.problem, error.remedy)
        return UserError(error.field, error.value, f"{error.problem} ({printable(path)})", error.remedy)
    return error


def _reads_as(text: str, value: Any) -> bool:
    """Returns whether a text is another way to write a number, or true or false."""
    if isinstance(value, bool) or str(value) in ("True", "False"):
        return text.lower() == str(value).lower()
    try:
        return len(text) < 80 and float(text) == float(value)
    except (TypeError, ValueError):
        return False


def _unreadable_yaml(error: yaml.MarkedYAMLError) -> UserError:
    mark = error.problem_mark or error.context_mark
    place = "" if mark is None else f", line {mark.line + 1}"
    name = "configuration" if mark is None else mark.name
    return UserError(f"{name}{place}", None, error.problem or "is not YAML", "correct it (indent by spaces)")


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _missing_file(error: MissingConfigException, arguments: Sequence[str]) -> UserError:
    """Returns the error for a file of options that does not exist, named by another file or for Hydra itself."""
    name = error.missing_cfg_file or ""
    group, _, option = name.rpartition("/")
    own = own_folders(arguments)
    choices = [name for name in error.options or () if not name.startswith("_")] or group_options(group, own)
    if name in _DISTRIBUTIONS:
        problem, remedy = "is not installed", f"python -m pip install {_DISTRIBUTIONS[name]}"
        return UserError(group, option, problem, remedy)
    hint = "" if own or group.startswith("hydra") else "your own options need --config-dir"
    remedy = "; ".join(filter(None, [choose_one(group, option, sorted(choices)), hint]))
    return UserError(group or "configuration", option, "no such option", remedy)


def _of_omegaconf(error: OmegaConfBaseException, arguments: Sequence[str], kind: type[Settings]) -> UserError:
    name = str(error.full_key)
    if isinstance(error, MissingMandatoryValue):
        given = next((word.partition("=")[2] for word in arguments if _key(word) == name), None)
        return UserError(name, given, "has no value", f"give one: {name}=...")
    if isinstance(error, InterpolationResolutionError):
        return _bad_reference(error, arguments, kind)
    if isinstance(error, ConfigKeyError | ConfigAttributeError):
        return _unknown_key(error, name, arguments, kind)
    typed = next((word for word in arguments if _key(word) == name), None)
    value = None if typed is None else printable(typed.partition("=")[2])
    return UserError(name, value, _first_line(error), "check the value")


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _unknown_key(error: OmegaConfBaseException, full: str, arguments: Sequence[str], kind: type[Settings]) -> UserError:
    """Returns the error for a setting that the chosen options do not have."""
    typed = next((_key(word) for word in arguments if f"{_key(word)}.".startswith(f"{full}.")), full)
    composed = _composed(error)
    value = next((printable(word.partition("=")[2]) for word in arguments if _key(word) == typed and "=" in word), None)
    if full.startswith("hydra"):
        remedy = did_you_mean(typed, _dotted_keys(composed)) or "see --hydra-help"
        return UserError(typed, value, "no such setting", remedy)
    refused = _refused(full, arguments)
    if refused is not None:
        return refused
    if typed in _of_the_class(typed, composed):
        return UserError(typed, None, "is not in the YAML file of the chosen option", f"write +{typed}=...")
    known = known_settings(kind)
    removed = next((part for part in _parents(typed) if f"{part}=null" in arguments), None)
    if removed is not None:
        return UserError(typed, value, f"is of what {removed}=null removes", "leave one of them out")
    if typed in known:
        group, _, rest = typed.partition(".")
        having = [name for name in group_options(group) if _has(group, name, rest)] or group_options(group)
        remedy = f"it belongs to {group}={' or '.join(having)}"
        if own_folders(arguments):
            remedy += f", from which your own YAML file may inherit it: defaults: [{having[0]}, _self_]"
        return UserError(typed, value, "not a setting of the chosen option", remedy)
    # The settings of the chosen options come first: they may be those of a user's own part.
    chosen = [*(key for key in _dotted_keys(composed) if not key.startswith("hydra")), *_of_the_class(typed, composed)]
    remedy = did_you_mean(typed, [*chosen, *known], other_names(kind))
    if not remedy:
        parent = typed.rpartition(".")[0]
        siblings = sorted({k for k in [*known, *chosen] if k.rpartition(".")[0] == parent})
        listed = ", ".join(siblings[:MOST_LISTED]) + (", ..." if len(siblings) > MOST_LISTED else "")
        remedy = f"known here: {listed}" if siblings else "--help shows all settings"
    return UserError(typed, value, "no such setting", remedy)


def _parents(name: str) -> Iterator[str]:
    """Yields the dotted names of what a setting is part of, the nearest first."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _has(group: str, option: str, setting: str) -> bool:
    """Returns whether the YAML file of one of lmlab's options, or one that it inherits from, has a setting."""
    path = configuration_folder() / group / f"{option}.yaml"
    content: Any = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    if not isinstance(content, dict):
        return False
    parents = [entry for entry in content.get("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    first = setting.partition(".")[0]
    return first in content or any(_has(group, parent, setting) for parent in parents)


def _refused(name: str, arguments: Sequence[str]) -> UserError | None:
    """Returns the reason for which a part does not take a setting that its class has; None if there is none."""
    part, _, key = name.partition(".")
    key = key.partition(".")[0]
    reasons = SLOTS[part].shared.refused if part in SLOTS else {}
    if key not in reasons:
        return None
    typed = next((word.partition("=")[2] for word in arguments if _key(word) == name), None)
    return UserError(name, typed, *reasons[key])


def _composed(error: OmegaConfBaseException) -> Any:
    """Returns what had been composed when the error was raised; empty if that is unknown."""
    node = error.parent_node
    return {} if node is None else OmegaConf.to_container(node._get_root(), resolve=False)


def _dotted_keys(composed: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in composed.items():
        if key != "_target_":
            yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _dotted_keys(value, f"{prefix}{key}.")


def _value_at(composed: Any, path: str) -> Any:
    """Returns what stands at a dotted name; None if there is nothing."""
    for word in re.findall(r"[^.\[\]]+", path):
        if isinstance(composed, list) and word.isdecimal() and int(word) < len(composed):
            composed = composed[int(word)]
        else:
            composed = composed.get(word) if isinstance(composed, dict) else None
    return composed


def _of_the_class(name: str, composed: Any) -> list[str]:
    """Returns the settings of the part that a setting belongs to; empty if its class may not be imported."""
    path = name.rpartition(".")[0]
    part = _value_at(composed, path)
    if path not in SLOTS or not isinstance(part, dict):
        return []
    try:
        _, found = settings_class(SLOTS[path], part.get("_target_"))
    except UserError:
        return []
    return [f"{path}.{field.name}" for field in dataclasses.fields(found) if field.name != "target"]


def _bad_reference(error: OmegaConfBaseException, arguments: Sequence[str], kind: type[Settings]) -> UserError:
    """Returns the error for a `${...}` that has no value."""
    name, composed = str(error.full_key), _composed(error)
    typed = [word for word in arguments if "${" in word.partition("=")[2]]
    if len(typed) == 1 and all(_key(word) != name for word in arguments):  # which the setting at fault refers to
        name = _key(typed[0])
    text = _value_at(composed, name)
    referred = re.findall(r"\$\{\s*([A-Za-z_][\w.]*)\s*\}", text) if isinstance(text, str) else []
    missing = next((found for found in referred if _value_at(composed, found) is None), None)
    if missing is None:
        reason = str(error).splitlines()[0].partition("raised while resolving interpolation: ")
        said = (reason[2] or reason[0]).strip('" ')
        return UserError(name, None, printable(said, longest=200), "check the ${...} in its value")
    if missing in known_settings(kind):
        last = missing.rpartition(".")[2]
        remedy = f"write {last}: ... in the YAML file of the chosen option, or add +{missing}=..."
        return UserError(missing, None, "has no value, and another setting refers to it", remedy)
    return UserError(name, printable(text), f"refers to {missing}, which is not a setting", "check the ${...} in it")
