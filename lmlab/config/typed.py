"""Plain data (a composed configuration, a stored one) to typed settings, and back."""

from __future__ import annotations

import copy
import dataclasses
import functools
import keyword
import typing
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from lmlab.config.registry import settings_class
from lmlab.config.setting import Setting, as_field_metadata, known_of
from lmlab.config.setting_names import is_group, other_names
from lmlab.config.settings import (
    AddedSettings,
    CallbacksSettings,
    LoggersSettings,
    ModelSettings,
    OpenSettings,
    PartSettings,
    Settings,
    TrainSettings,
)
from lmlab.config.slots import MOVED, SLOTS, Slot, added_slot
from lmlab.config.suggestions import MOST_LISTED, did_you_mean
from lmlab.config.values import check_value
from lmlab.errors import UserError, printable

Kind = TypeVar("Kind", bound=Settings)
_TARGET = "_target_"
_KNOWN = frozenset({target for slot in SLOTS.values() for target in slot.own} | set(MOVED))
# Settings of a model that its core has too, for another place: dropout between layers, and before and after the core.
MAY_DIFFER = ("dropout", "locked_dropout")
_OWN = "lmlab.config.settings."


def read(plain: Any, kind: type[Kind], *, stored: bool = False) -> Kind:
    """Returns plain data as settings, every one of which is there, of its type and in its range.

    Args:
        plain: mappings with text as keys, lists, text, numbers, true, false, null.
        kind: the class of the settings.
        stored: data that lmlab wrote, perhaps before some settings existed; values have their types.

    Raises:
        UserError: by its dotted name, the first setting that is unknown, missing, of a wrong type or out of range, or
            the first `_target_` that is not allowed.
    """
    made = _Reader(stored).group(plain, kind, "")
    assert isinstance(made, kind)
    return made


def plain(settings: Settings) -> dict[str, Any]:
    """Returns settings as plain data, which `read` takes back."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value is None and isinstance(settings, LoggersSettings):  # one that is not there
            continue
        name = _TARGET if field.name == "target" else field.name
        found[name] = plain(value) if isinstance(value, Settings) else copy.deepcopy(value)
    return found


def targets(settings: Settings) -> Iterator[str]:
    """Yields the full names of all classes that settings name."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Settings):
            yield from targets(value)
        elif field.name == "target" and value is not None:
            yield value


def get(settings: Settings, name: str) -> Any:
    """Returns a setting by its dotted name.

    Raises:
        AttributeError: there is none of this name.
    """
    return functools.reduce(getattr, name.split("."), settings)


def _is_part(kind: Any) -> bool:
    return any(map(is_group, (kind, *typing.get_args(kind))))


def _model_class(core: type[PartSettings], names: frozenset[str], *, all_of_them: bool) -> type[Settings]:
    """Returns the class of a model's settings with the further ones of its core, which refers to `${model....}`."""
    there = {field.name for field in dataclasses.fields(ModelSettings)}
    hints = typing.get_type_hints(core, include_extras=True)
    extra: list[Any] = [
        (field.name, hints[field.name], dataclasses.field(metadata=as_field_metadata(known_of(field))))
        for field in dataclasses.fields(core)
        if field.name not in {*there, "target"} and (all_of_them or field.name in names)
    ]
    made = dataclasses.make_dataclass("ModelSettings", extra, bases=(ModelSettings,), kw_only=True)
    return typing.cast(type[Settings], made)


def _open_class(kind: type[OpenSettings], group: str, found: Mapping[str, Any]) -> type[Settings]:
    """Returns the class of an open group's settings with those parts that are added; null adds none.

    Raises:
        UserError: a name that cannot be used, or, of what is removed, one that is not there.
    """
    if _TARGET in found:
        problem = f"a part of {group} stands under a name of its own"
        raise UserError(f"{group}.{_TARGET}", _brief(found[_TARGET]), problem, f"write {group}.<name>.{_TARGET}")
    there = {field.name for field in dataclasses.fields(kind)}
    added = {name: value for name, value in found.items() if name not in there and isinstance(value, dict | None)}
    for name, value in added.items():
        unusable = keyword.iskeyword(name) or name.startswith("_") or hasattr(kind, name)
        if not name.isidentifier() or unusable:
            raise UserError(f"{group}.{name}", None, "cannot be the name of a part", "use letters, digits and _")
        close = get_close_matches(name, there, n=1, cutoff=0.8)
        if value is None and close:
            raise UserError(f"{group}.{name}", "null", "no such setting", f"did you mean {group}.{close[0]}?")
    extra: list[Any] = [
        (name, AddedSettings | None if value is None else AddedSettings) for name, value in added.items()
    ]
    made = dataclasses.make_dataclass(kind.__name__, extra, bases=(kind,), kw_only=True)
    return typing.cast(type[Settings], made)


def _several_loggers(found: dict[str, Any]) -> dict[str, Any]:
    """Returns the loggers of a stored run; an older one has a single logger, or null for none, without a name."""
    if found.keys() != {_TARGET}:
        return found
    return {} if found[_TARGET] is None else {"tensorboard": dict(found)}


def _needs_import(value: Any) -> bool:
    """Returns whether plain data names a class that is not known without importing it."""
    if not isinstance(value, dict):
        return False
    target = value.get(_TARGET)
    return (isinstance(target, str) and target not in _KNOWN) or any(map(_needs_import, value.values()))


def _check_core_follows(model: ModelSettings) -> None:
    """Checks that the settings of a model that are its core's are the core's, which alone have an effect.

    Raises:
        UserError: one differs.
    """
    for field in dataclasses.fields(model.core):
        there, here = getattr(model, field.name, None), getattr(model.core, field.name)
        if hasattr(model, field.name) and field.name not in MAY_DIFFER and there != here:
            problem = f"has no effect: model.core.{field.name} is {_brief(here)}"
            raise UserError(f"model.{field.name}", _brief(there), problem, f"set model.core.{field.name} instead")


class _Reader:
    """Reads plain data according to the classes of its settings.

    Args:
        stored: see `read`.
    """

    def __init__(self, stored: bool) -> None:
        self._stored = stored

    def group(self, value: Any, kind: type[Settings], name: str) -> Settings:
        """Returns a group of settings."""
        found = self._mapping(value, name)
        if kind is LoggersSettings and self._stored:
            found = _several_loggers(found)
        target: str | None = None
        slot = SLOTS.get(name) if issubclass(kind, PartSettings) else None
        if kind is AddedSettings:
            slot = added_slot(*name.split("."))
        elif issubclass(kind, OpenSettings):
            kind = _open_class(kind, name, found)
        if slot is not None:
            target, kind = self._chosen(found, slot)
        elif kind is ModelSettings:
            kind = self._model(found)
        if slot is None and _TARGET in found and not self._stored:
            raise UserError(_dotted(name, _TARGET), _brief(found[_TARGET]), "is not chosen by a class", "remove it")
        values = self._values(found, kind, name)
        if slot is not None:
            values["target"] = target
        made = kind(**values)
        if isinstance(made, ModelSettings):
            _check_core_follows(made)
        return made

    def _values(self, found: Mapping[str, Any], kind: type[Settings], name: str) -> dict[str, Any]:
        hints = typing.get_type_hints(kind, include_extras=True)
        fields = {field.name: field for field in dataclasses.fields(kind) if field.name != "target"}
        for key in found:
            if not name and key == "plugins":
                problem = "a file cannot make a package trusted"
                remedy = "remove it, and type plugins=[...] on the command line"
                raise UserError(key, _brief(found[key]), problem, remedy)
            if not name and key == "batching":
                remedy = "begin the YAML file with the line: # @package data.batching"
                raise UserError(key, None, "its settings are not where those of a loader belong", remedy)
            if key in kind.refused:
                problem, remedy = kind.refused[key]
                raise UserError(_dotted(name, key), _brief(found[key]), problem, remedy)
            if key not in fields and key != _TARGET:
                value, remedy = _brief(found[key]), _remedy_for(_dotted(name, key), kind, name)
                raise UserError(_dotted(name, key), value, "no such setting", remedy)
        values: dict[str, Any] = {}
        # Parts come after single values, which are theirs too; those of a user's own package, which takes long to
        # import, come last: other mistakes are told at once.
        for key, field in sorted(
            fields.items(), key=lambda item: (_needs_import(found.get(item[0])), _is_part(hints[item[0]]))
        ):
            full = _dotted(name, key)
            if key in found:
                values[key] = self._setting(found[key], hints[key], known_of(field), full)
                continue
            known = known_of(field)
            if known.is_newer:
                values[key] = self._setting(copy.deepcopy(known.before), hints[key], known, full)
            elif not _has_default(field) or (self._stored and kind.__module__.startswith(_OWN)):
                # lmlab writes every setting of its own parts.
                if issubclass(kind, CallbacksSettings) and not self._stored:
                    remedy = "begin the YAML file with the line: defaults: [default, _self_]"
                    raise UserError(name, None, f"the option chosen lacks lmlab's own callbacks ({key}, ...)", remedy)
                raise self._left_out(full, hints[key])
        return values

    def _setting(self, value: Any, kind: Any, known: Setting, name: str) -> Any:
        optional = [option for option in typing.get_args(kind) if is_group(option)]
        if optional:  # a part that may be removed
            return None if value is None else self.group(value, optional[0], name)
        if is_group(kind):
            return self.group(value, kind, name)
        if value == "???":
            raise self._missing(name, kind)
        if self._stored and known.typed_only and value is not None:
            problem = f"is for the command alone and not taken from a file: type {name}=..."
            raise UserError(name, _brief(value), problem, "remove it")
        return check_value(value, kind, known, name=name, convert=not self._stored)

    def _chosen(self, found: Mapping[str, Any], slot: Slot) -> tuple[str | None, type[PartSettings]]:
        if _TARGET not in found:
            raise self._left_out(f"{slot.path}.{_TARGET}", str)
        target, kind = settings_class(slot, found[_TARGET])
        if getattr(kind, "takes_anything", False):
            there = {field.name for field in dataclasses.fields(kind)}
            for key in found:
                if key != _TARGET and (not key.isidentifier() or keyword.iskeyword(key) or key.startswith("_")):
                    raise UserError(_dotted(slot.path, key), None, "is not a name of a keyword argument", "remove it")
            more: list[Any] = [(key, Any) for key in found if key not in there and key != _TARGET]
            made = dataclasses.make_dataclass(kind.__name__, more, bases=(kind,), kw_only=True)
            return target, typing.cast(type[PartSettings], made)
        return target, kind

    def _model(self, found: Mapping[str, Any]) -> type[Settings]:
        slot = SLOTS["model.core"]
        target, core = self._chosen(self._mapping(found.get("core"), slot.path), slot)
        return _model_class(core, frozenset(found), all_of_them=target in slot.own)

    def _mapping(self, value: Any, name: str) -> dict[str, Any]:
        if type(value) is not dict:
            if value is None:
                raise self._missing(name or "run", Settings)
            raise UserError(name or "run", _brief(value), "is not a group of settings", f"choose an option: {name}=...")
        for key in value:
            if type(key) is not str:
                raise UserError(name or "run", _brief(key), "is not the name of a setting", "remove it")
        return value

    def _left_out(self, name: str, kind: Any) -> UserError:
        """Returns the error for a setting that the YAML file of an option should have."""
        if self._stored or _is_part(kind):
            return self._missing(name, kind)
        group, _, last = name.rpartition(".")
        remedy = f"write {last}: ... there, or inherit it by a first line such as defaults: [..., _self_]"
        return UserError(name, None, f"is not in the YAML file of the option chosen for {group}", remedy)

    def _missing(self, name: str, kind: Any) -> UserError:
        if self._stored:
            return UserError(name, None, "is missing", "")
        if kind is Settings or is_group(kind):
            return UserError(name, "null", "a run needs it", f"leave {name}=... out for the default")
        return UserError(name, None, "has no value", f"give one: {name}=...")


def _remedy_for(full: str, kind: type[Settings], group: str) -> str:
    """Returns what to do about a setting that a group does not have."""
    known = [_dotted(group, field.name) for field in dataclasses.fields(kind) if field.name != "target"]
    close = did_you_mean(full, known, other_names(TrainSettings))
    if close or kind is TrainSettings:
        return close or "leave it out; --help shows all settings"
    more = ", ..." if len(known) > MOST_LISTED else ""
    return f"known here: {', '.join(known[:MOST_LISTED])}{more}"


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _brief(value: Any) -> Any:
    return value if isinstance(value, list) else printable(value)


def _dotted(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
