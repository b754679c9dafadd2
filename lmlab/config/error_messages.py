"""Converts the errors of Hydra and OmegaConf, which have several lines, to one line with a remedy."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lmlab.config import typed
from lmlab.config.folders import configuration_folder, group_options
from lmlab.config.presets import own_folders
from lmlab.config.registry import settings_class
from lmlab.config.settings import Settings, TrainSettings
from lmlab.config.slots import SLOTS
from lmlab.errors import UserError


def fold(error: BaseException, arguments: list[str], kind: type[Settings] = TrainSettings) -> UserError | None:
    """Returns the error as one line, or None if it is not an error of Hydra or OmegaConf.

    Args:
        error: what was raised while composing.
        arguments: the command line, searched for the override at fault.
        kind: the settings of the command.
    """
    if isinstance(error, UserError):
        return error
    if "Config group override must be a string or a list" in str(error):
        nulls = [key for a in arguments if a.endswith("=null") and (key := a.partition("=")[0]) in _groups()]
        return UserError(nulls[0] if nulls else "configuration", "null", "a run needs it", "choose one of its options")
    chain = _chain(error)
    unreadable = next((e for e in chain if isinstance(e, yaml.MarkedYAMLError)), None)
    if unreadable is not None:
        return _unreadable_yaml(unreadable)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    ours = next((e for e in chain if isinstance(e, UserError)), None)
    if ours is not None:  # raised by a resolver of ours, wrapped by OmegaConf
        return ours
    text = "\n".join(str(e) for e in chain)
    for reader in (_unparsable, _unknown_option, _unknown_key, _bad_interpolation):
        folded = reader(error, text, arguments, kind)
        if folded is not None:
            return folded
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return UserError("configuration", None, first, "set LMLAB_DEBUG=1 for the details")


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


def _match(pattern: str, text: str) -> re.Match[str] | None:
    return re.search(pattern, text, re.MULTILINE)


def _suggest(word: str, choices: list[str]) -> str:
    close = get_close_matches(word, choices, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else ""


def _unparsable(error: BaseException, text: str, arguments: list[str], kind: type[Settings]) -> UserError | None:
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        if "=" not in error.override:
            return UserError(
                error.override, None, "not a setting", "write key=value, for example model.hidden_size=512"
            )
        return UserError(key, value, "cannot be read as a value", f"put it in quotes: {key}=\"'...'\"")
    ambiguous = _match(r"Ambiguous value for argument '([^=']+)=(.*)'", text)
    if ambiguous:
        remedy = f"for a sweep add -m; for a list write '{ambiguous[1]}=[{ambiguous[2]}]'"
        return UserError(ambiguous[1], ambiguous[2], "has several values, but this is a single run", remedy)
    return None


def _unknown_option(error: BaseException, text: str, arguments: list[str], kind: type[Settings]) -> UserError | None:
    missing = _match(r"Could not (?:find|load) '([^']+)/([^'/]+)'", text)
    if missing:
        group, option = missing[1], missing[2]
        own = own_folders(arguments)
        options = group_options(group, own)
        typed = group if any(a.startswith(f"{group}=") for a in arguments) else "configuration"
        listed = ", ".join(options) or "none"
        hint = "" if own else "your own options need --config-dir"
        remedy = "; ".join(filter(None, [f"choose one of {listed}", _suggest(option, options), hint]))
        return UserError(typed, option, "no such option", remedy)
    group_error = _match(r"Could not override '([^'@]+)[^']*'\.\s*(?:No match in the defaults list|Did you mean)", text)
    if group_error and "." not in group_error[1]:
        known = [*_groups(), *_settings(Path("train.yaml"))]
        remedy = _suggest(group_error[1], known) or f"top-level settings are {', '.join(known)}"
        return UserError(group_error[1], None, "no such setting", remedy)
    if isinstance(error, MissingConfigException):
        return UserError("configuration", None, text.splitlines()[0], "check the name")
    return None


def _unknown_key(error: BaseException, text: str, arguments: list[str], kind: type[Settings]) -> UserError | None:
    unknown = _match(r"Key '([^']+)' (?:is )?not in (?:struct|'[^']+')", text)
    if unknown is None:
        return None
    word = unknown[1]
    full = _match(r"full_key: (\S+)", text)
    typed_name = next(
        (a.lstrip("+~").partition("=")[0] for a in arguments if word in re.split(r"[.=]", a.lstrip("+~"))), None
    )
    name = typed_name or (full[1] if full else word)
    refused = _refused(full[1] if full else name, arguments)
    if refused is not None:
        return refused
    if name == "plugin":
        return UserError(name, None, "no such setting", "did you mean plugins?")
    composed = _composed(error)
    if name in _of_the_class(name, composed):
        return UserError(name, None, "is not in the YAML file of the chosen option", f"write +{name}=...")
    known = known_settings(kind)
    if name in known:
        group = name.partition(".")[0]
        remedy = f"belongs to another option of {group} ({', '.join(group_options(group))})"
        return UserError(name, None, "not a setting of the chosen option", remedy)
    # The settings of the chosen options come first: they may be those of a user's own part.
    chosen = [*_dotted_keys(composed), *_of_the_class(name, composed)]
    remedy = (
        _suggest(name, chosen)
        or _suggest_by_last_word(name, chosen)
        or _suggest(name, known)
        or _suggest_by_last_word(name, known)
    )
    if not remedy:
        parent = name.rpartition(".")[0]
        siblings = sorted({k for k in [*known, *chosen] if k.rpartition(".")[0] == parent})
        remedy = f"known here: {', '.join(siblings)}" if siblings else "see --cfg job for all settings"
    return UserError(name, None, "no such setting", remedy)


def _refused(name: str, arguments: list[str]) -> UserError | None:
    """Returns the reason for which a part does not take a setting that its class has; None if there is none."""
    part, _, key = name.partition(".")
    key = key.partition(".")[0]
    reasons = SLOTS[part].shared.refused if part in SLOTS else {}
    if key not in reasons:
        return None
    typed = next((a.partition("=")[2] for a in arguments if a.lstrip("+~").partition("=")[0] == name), None)
    return UserError(name, typed, *reasons[key])


def _composed(error: BaseException) -> Any:
    """Returns what had been composed when an unknown key was found; empty if that is unknown."""
    node = next((e.parent_node for e in _chain(error) if isinstance(e, OmegaConfBaseException) and e.parent_node), None)
    return {} if node is None else OmegaConf.to_container(node._get_root(), resolve=False)


def _dotted_keys(composed: Any, prefix: str = "") -> Iterator[str]:
    for key, value in composed.items():
        if key != "_target_":
            yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _dotted_keys(value, f"{prefix}{key}.")


def _of_the_class(name: str, composed: Any) -> list[str]:
    """Returns the settings of the part that a setting belongs to; empty if its class may not be imported."""
    path = name.rpartition(".")[0]
    part = composed
    for word in path.split("."):
        part = part.get(word) if isinstance(part, dict) else None
    if path not in SLOTS or not isinstance(part, dict):
        return []
    try:
        _, found = settings_class(SLOTS[path], part.get("_target_"))
    except UserError:
        return []
    return [f"{path}.{field.name}" for field in dataclasses.fields(found) if field.name != "target"]


def _suggest_by_last_word(name: str, known: list[str]) -> str:
    last = name.rpartition(".")[2]
    same = [k for k in known if k.rpartition(".")[2] == last]
    return f"did you mean {same[0]}?" if same else ""


def _bad_interpolation(error: BaseException, text: str, arguments: list[str], kind: type[Settings]) -> UserError | None:
    bad = _match(r"Interpolation key '([^']+)' not found", text)
    if bad is None:
        raised = _match(r"raised while resolving interpolation: \"?([^\n\"]+)", text)
        name = _match(r"full_key: (\S+)", text)
        if raised is None or name is None:
            return None
        return UserError(name[1], None, raised[1], "check the ${...} in its value")
    if bad[1] in known_settings(kind):
        last = bad[1].rpartition(".")[2]
        remedy = f"write {last}: ... in the YAML file of the chosen option, or add +{bad[1]}=..."
        return UserError(bad[1], None, "has no value, and another setting refers to it", remedy)
    return UserError(bad[1], None, "is referred to, but is not a setting", "check the ${...} that names it")


def _groups() -> list[str]:
    return sorted(p.name for p in configuration_folder().iterdir() if p.is_dir() and p.name != "hydra")


def _settings(path: Path) -> list[str]:
    lines = (configuration_folder() / path).read_text(encoding="utf-8").splitlines()
    return [
        line.split(":")[0]
        for line in lines
        if re.match(r"[a-z_]+:", line) and not line.startswith(("defaults", "hydra"))
    ]


def known_settings(kind: type[Settings]) -> list[str]:
    """Returns every setting of a command, with dots: `model.hidden_size`; and its groups."""
    leaves = [name for name, *_ in typed.names(kind)]
    words = [name.split(".") for name in leaves]
    return sorted({".".join(parts[:count]) for parts in words for count in range(1, len(parts) + 1)})
