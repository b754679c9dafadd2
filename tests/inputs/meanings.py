"""What a person may mean by a word typed for a setting, read without lmlab, Hydra and OmegaConf."""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lmlab.config.setting import Range, Setting

LARGEST = 2**63
_TRUE, _FALSE = {"true", "yes", "y", "on"}, {"false", "no", "n", "off"}
_CAST = re.compile(r"(int|float|str|bool)\((.*)\)")


@dataclass(frozen=True)
class Scalar:
    """One type that a setting may have.

    Args:
        kind: int, float, bool or str.
        range: of a number.
        known: the setting's choices, and the longest text.
    """

    kind: type
    range: Range | None
    known: Setting

    @property
    def choices(self) -> tuple[str, ...] | None:
        return self.known.choices if self.kind is str else None

    def allows(self, value: Any) -> bool:
        if self.choices is not None:
            return value in self.choices
        if self.kind in (int, float):
            if self.kind is int and abs(value) >= LARGEST:
                return False
            return math.isfinite(value) and (self.range is None or _is_within(value, self.range))
        return self.kind is bool or self._allows_text(value)

    def _allows_text(self, value: str) -> bool:
        unfit = ("Cs",) if self.known.free else ("Cc", "Cs", "Zl", "Zp")
        if len(value) > self.known.longest or any(unicodedata.category(character) in unfit for character in value):
            return False
        return self.known.free or bool(value.strip())


def _is_within(value: float, limits: Range) -> bool:
    """Whether a number is in a range, by the range's own numbers."""
    return value == limits.special or not (
        (limits.at_least is not None and value < limits.at_least)
        or (limits.above is not None and value <= limits.above)
        or (limits.at_most is not None and value > limits.at_most)
        or (limits.below is not None and value >= limits.below)
    )


@dataclass(frozen=True)
class Shape:
    """What a setting's type says.

    Args:
        scalars: the types of its value, or of a list's elements.
        optional: whether null is a value.
        is_list: whether it is a list.
        is_scalar: whether it may be a single value.
        is_literal: whether it is any text, which is typed without quotes.
    """

    scalars: tuple[Scalar, ...]
    optional: bool
    is_list: bool
    is_scalar: bool
    is_literal: bool


def shape_of(known: Setting, kind: Any) -> Shape | None:
    """Returns the shape of a setting; None for one of any type."""
    options = list(typing.get_args(kind)) if typing.get_origin(kind) in (types.UnionType, typing.Union) else [kind]
    optional = types.NoneType in options
    scalars, is_list, is_scalar = [], False, False
    for option in options:
        metadata: Sequence[Any] = ()
        if typing.get_origin(option) is typing.Annotated:
            option, *metadata = typing.get_args(option)
        limits = known.range or next((item for item in metadata if isinstance(item, Range)), None)
        if typing.get_origin(option) is list:
            is_list = True
            (option,) = typing.get_args(option)
        elif option is not types.NoneType:
            is_scalar = True
        if typing.get_origin(option) is typing.Literal:
            scalars.append(Scalar(str, None, dataclasses.replace(known, choices=typing.get_args(option))))
        elif option in (int, float, bool, str):
            scalars.append(Scalar(option, limits, known))
        elif option is not types.NoneType:
            return None
    is_literal = is_scalar and any(scalar.kind is str and scalar.choices is None for scalar in scalars)
    return Shape(tuple(scalars), optional, is_list, is_scalar, is_literal)


def meanings(text: str, shape: Shape) -> list[Any] | None:
    """Returns the values within range that a text may mean; none where it must be refused, None where that is open."""
    bare = text.strip()
    if bare == "null" and not shape.optional:
        return []
    if shape.is_literal:
        return _of_literal(text, shape)
    if bare in ("null", "NULL", "Null", "~", "None", "none") and shape.optional:
        return [None, bare] if any(scalar.kind is str for scalar in shape.scalars) else [None]
    if any(mark in text for mark in ("${", "\\")) or (bare[:1] in ("'", '"') and bare[1:-1].count(bare[0])):
        return None if shape.scalars[0].kind is str or "${" in text else []
    if shape.is_list and not shape.is_scalar:
        if bare[:1] != "[" or bare[-1:] != "]":
            return None if bare.startswith(("sort(", "shuffle(", "extend_list(")) else []
        return _of_list(bare[1:-1], shape)
    if shape.is_list or (shape.scalars[0].kind is str and shape.scalars[0].choices is None):
        if bare != text or not re.fullmatch(r"\w[\w./-]*", text, re.ASCII):
            return None
        return [text] if any(scalar.allows(text) for scalar in shape.scalars if scalar.kind is str) else []
    return [value for scalar in shape.scalars for value in _of_scalar(bare, scalar)]


def is_plain(text: str, shape: Shape) -> bool:
    """Whether a text is written as the documentation writes such a value, so that it must be read."""
    if text == "null":
        return shape.optional
    kinds = {scalar.kind for scalar in shape.scalars}
    if shape.is_list or shape.is_literal:
        return False
    choices = "|".join(map(re.escape, shape.scalars[0].choices or ()))
    patterns = {int: r"-?(0|[1-9]\d*)", float: r"-?\d+(\.\d+)?(e[-+]?\d+)?", bool: "true|false", str: choices}
    return len(text) < 20 and any(re.fullmatch(patterns[kind], text, re.ASCII) for kind in kinds)


def _of_literal(text: str, shape: Shape) -> list[Any] | None:
    if text == "null" and shape.optional:
        return [None]
    if not any(scalar.allows(text) for scalar in shape.scalars):
        return []
    is_function = re.fullmatch(r"\w+\(.*\)", text, re.DOTALL)
    is_open = text in ("", "???") or text[0] in "~'\"[" or "," in text or text != text.strip() or is_function
    return None if is_open else [text]


def _of_list(inside: str, shape: Shape) -> list[Any] | None:
    if re.search(r"""['"\[\](){}\\]""", inside):
        return None
    items = [item.strip() for item in inside.split(",")] if inside.strip() else []
    found = [[value for scalar in shape.scalars for value in _of_scalar(item, scalar)] for item in items]
    if any(not values for values in found):
        return []
    return [[values[0] for values in found]]


def _of_scalar(text: str, scalar: Scalar) -> list[Any]:
    cast = _CAST.fullmatch(text)
    if cast:
        return _of_scalar(cast[2].strip(), scalar)
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    if scalar.kind is str:
        found: list[Any] = [text, text.lower()]
    elif scalar.kind is bool:
        word = text.lower()
        number = [bool(number) for number in _numbers(text, int) if number in (0, 1)]
        found = [True] if word in _TRUE else [False] if word in _FALSE else number
    else:
        found = _numbers(text, scalar.kind)
    return [value for value in found if scalar.allows(value)]


def _numbers(text: str, kind: type) -> list[Any]:
    try:
        number = float(text) if re.search(r"[.eE]", text) and not text.lower().startswith("0x") else int(text, 0)
    except ValueError:
        try:
            number = int(text)  # 007
        except (ValueError, OverflowError):
            return []
    if kind is int:
        is_whole = isinstance(number, int) or number.is_integer()
        return [int(number)] if is_whole else []
    try:
        return [float(number)]
    except OverflowError:
        return []
