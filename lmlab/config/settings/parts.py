"""Base classes of groups of settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

LARGEST_SEED = 2**32 - 1


@dataclass(kw_only=True)
class Settings:
    """A group of settings.

    Attributes:
        refused: arguments of the part's class that are no settings: what is wrong with each, and what to do.
    """

    refused: ClassVar[Mapping[str, tuple[str, str]]] = {}


@dataclass(kw_only=True)
class PartSettings(Settings):
    """The settings of a part that is made from its class.

    Args:
        target: the class's full name, `_target_` in files; None for a part that is switched off.
    """

    target: str | None

    @property
    def class_name(self) -> str:
        """The class's own name; empty for a part that is switched off."""
        return "" if self.target is None else self.target.rpartition(".")[2]


@dataclass(kw_only=True)
class AddedSettings(PartSettings):
    """A part that a configuration adds under a name of its own; its settings are the keywords of its class."""


@dataclass(kw_only=True)
class OpenSettings(Settings):
    """A group of parts to which others may be added; those are further fields."""

    @property
    def added(self) -> dict[str, AddedSettings]:
        """The parts that were added, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, AddedSettings)}
