"""The settings of a user's own part, made from the signature of its class."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from enum import Enum
from typing import Any

from lmlab.config.plugins import PluginError
from lmlab.config.setting import Setting, as_field_metadata
from lmlab.config.settings.parts import PartSettings
from lmlab.config.slots import Slot

_made: dict[tuple[type, str], type[PartSettings]] = {}
# Defaults of these types are settings; another default, an object say, is left to the class.
_PLAIN = (type(None), bool, int, float, str, list, tuple, dict)


def settings_of(made: type, slot: Slot) -> type[PartSettings]:
    """Returns the settings of a class, made from the signature of its constructor and its docstring.

    Args:
        made: the class.
        slot: that it is for.

    Raises:
        PluginError: the constructor lacks a keyword that lmlab passes.
    """
    key = (made, slot.path)
    if key not in _made:
        _made[key] = _settings_of(made, slot)
    return _made[key]


def _settings_of(made: type, slot: Slot) -> type[PartSettings]:
    target = f"{made.__module__}.{made.__qualname__}"
    parameters = inspect.signature(made).parameters
    try:
        kinds = typing.get_type_hints(made.__init__, include_extras=True)  # type: ignore[misc]
    except (NameError, TypeError):  # an annotation that is known to type checkers only
        kinds = {}
    if "target" in parameters:  # the settings keep the class's name there
        raise PluginError(f"{slot.path}._target_", target, "has a keyword target, which cannot be set", "rename it")
    has_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in sorted(slot.given):
        if name not in parameters and not has_any:
            problem = f"its constructor lacks the keyword {name}, which lmlab passes"
            raise PluginError(f"{slot.path}._target_", target, problem, "add the keyword: see docs/extending.md")
    helps = _argument_lines(made)
    shared = {field.name for field in dataclasses.fields(slot.shared)}
    fields: list[Any] = []
    for name, parameter in parameters.items():
        is_keyword = parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if name in slot.given or name in shared or not is_keyword:
            continue
        metadata = as_field_metadata(Setting(helps.get(name, "")))
        kind = kinds.get(name, Any)
        if name in slot.offered:
            fields.append((name, typing.Optional[kind], _with_default(None, metadata)))  # noqa: UP045 (any kind)
        elif parameter.default is parameter.empty:
            fields.append((name, kind, dataclasses.field(metadata=metadata)))
        elif isinstance(parameter.default, Enum):
            fields.append((name, str, _with_default(parameter.default.value, metadata)))
        elif isinstance(parameter.default, _PLAIN):
            fields.append((name, kind, _with_default(parameter.default, metadata)))
    made_class = dataclasses.make_dataclass(
        f"{made.__name__}Settings", fields, bases=(slot.shared,), kw_only=True, namespace={"takes_anything": has_any}
    )
    return typing.cast(type[PartSettings], made_class)


def _with_default(default: Any, metadata: dict[str, Setting]) -> Any:
    if isinstance(default, list | tuple | dict):
        copied = dict(default) if isinstance(default, dict) else list(default)
        return dataclasses.field(default_factory=lambda: copied.copy(), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def _argument_lines(made: type) -> dict[str, str]:
    """What a class's docstring says of its arguments, by name: the lines below `Args:`."""
    lines = (inspect.getdoc(made) or "").partition("Args:\n")[2].splitlines()
    found: dict[str, str] = {}
    for line in lines:
        name, colon, text = line.strip().partition(": ")
        if not line.startswith(" "):
            break
        if colon and name.isidentifier():
            found[name] = text
    return found
