"""What a configuration may make: for each part an exact list of lmlab's own classes, and those of trusted packages."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import typing
from collections.abc import Iterator
from typing import Any

import yaml

from lmlab.config import plugins
from lmlab.config.folders import configuration_folder, group_options
from lmlab.config.plugins import PluginError
from lmlab.config.settings.parts import PartSettings
from lmlab.config.signatures import settings_of
from lmlab.config.slots import MOVED, OPEN, SLOTS, Slot
from lmlab.errors import UserError


def settings_class(slot: Slot, target: Any) -> tuple[str | None, type[PartSettings]]:
    """Returns a class's full name as it is today, and the settings that the class takes.

    lmlab's own parts are known without importing anything; a trusted package is imported.

    Args:
        slot: of the part.
        target: as a configuration has it.

    Raises:
        UserError: it may not be made here, or cannot be.
        Untrusted: it is of a package that is not trusted.
    """
    field = f"{slot.path}._target_"
    listed = f"is not a class allowed for {slot.path}"
    if target is not None and type(target) is not str:
        raise UserError(field, f"({type(target).__name__})", listed, _remedy(slot))
    if target == "???":
        raise UserError(slot.group, None, f"{field} has no value", f"choose an option: {slot.group}=...")
    if target is not None:
        target = MOVED.get(target, target)
    if target in slot.own:
        return target, slot.own[target]
    if target is not None and slot.is_open:
        of_conf = target.startswith("lmlab.") and target in _named_in_conf(slot.group)
        if of_conf or target in slot.others or plugins.trusted_package(target) is not None:
            return target, settings_of(_import(slot, target), slot)
        if plugins.is_dotted(target) and target.partition(".")[0] not in plugins.LIBRARIES:
            raise plugins.untrusted(target, field)
    raise UserError(field, "null" if target is None else target, listed, _remedy(slot))


def class_of(slot: Slot, target: str) -> type:
    """Imports the class that a part is made from.

    Raises:
        UserError: it may not be made here, or cannot be.
    """
    target, _ = typing.cast(tuple[str, Any], settings_class(slot, target))
    return _import(slot, target)


def build(slot_path: str, part: PartSettings, **given: Any) -> Any:
    """Makes a part from its settings.

    Args:
        slot_path: `model.core`, `optimizer`, ...
        part: its settings.
        given: what configuration cannot hold: tensors, loaders, folders.

    Raises:
        UserError: it cannot be made with these values.
    """
    return make(SLOTS[slot_path], part, **given)


def make(slot: Slot, part: PartSettings, **given: Any) -> Any:
    """Makes a part for a slot, as `build` does."""
    assert part.target is not None
    made = class_of(slot, part.target)
    keywords = _keywords(made, part) | given
    if part.target in slot.own:
        return made(**keywords)
    try:
        return made(**keywords)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        what = str(error) or type(error).__name__
        problem = f"{part.target} could not be created: {what}"
        raise UserError(
            slot.path, None, problem, "check its constructor's arguments (LMLAB_DEBUG=1 shows the traceback)"
        ) from error


def tokenizer_class(name: str) -> Any:
    """Returns the class of a stored tokenizer that is not lmlab's own.

    Raises:
        UserError: it may not be made.
    """
    return class_of(SLOTS["tokenizer"], name)


def takes(slot_path: str, part: PartSettings, keyword: str) -> bool:
    """Whether the constructor of a part has a keyword of this name."""
    assert part.target is not None
    return keyword in inspect.signature(class_of(SLOTS[slot_path], part.target)).parameters


def _keywords(made: type, part: PartSettings) -> dict[str, Any]:
    """The settings that the class takes; those that a slot shares are not for every class."""
    parameters = inspect.signature(made).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    values = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.name != "target"}
    return {name: value for name, value in values.items() if anything or name in parameters}


def _import(slot: Slot, target: str) -> type:
    field = f"{slot.path}._target_"
    package = plugins.trusted_package(target) if target not in slot.own and not target.startswith("lmlab.") else None
    if package is not None:
        found = plugins.load_class(target, package, field=field)
    else:
        module, _, name = target.rpartition(".")
        found = getattr(importlib.import_module(module), name)
    module, _, name = slot.base.rpartition(".")
    base = getattr(importlib.import_module(module), name)
    if not issubclass(found, base):
        raise UserError(
            field, target, f"is not a subclass of {slot.base}", f"{slot.path} needs one: see docs/extending.md"
        )
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise PluginError(field, target, f"does not implement {', '.join(missing)}", "see docs/extending.md")
    return found


@functools.cache
def _named_in_conf(group: str) -> frozenset[str]:
    """All classes that lmlab's own files name in a group: they are as trusted as its code."""

    def targets(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "_target_" and isinstance(value, str):
                    yield value
                else:
                    yield from targets(value)

    files = (configuration_folder() / group).glob("*.yaml")
    return frozenset(t for file in files for t in targets(yaml.safe_load(file.read_text(encoding="utf-8"))))


def _remedy(slot: Slot) -> str:
    if slot.others:
        names = ", ".join(sorted(name.rpartition(".")[2] for name in slot.others))
        return f"use a class of your own package, or one of {names}"
    own = ", or use a class of your own package" if slot.is_open and slot.group in OPEN else ""
    return f"choose an option: {slot.group}={'|'.join(group_options(slot.group))}{own}"
