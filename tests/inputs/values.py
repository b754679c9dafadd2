"""Strategies for the value of a setting, from its type, its range and its choices."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from inputs import cases
from inputs.cases import Case, Expect
from inputs.meanings import Scalar, Shape, is_plain, meanings, shape_of
from lmlab.config import setting_names, typed
from lmlab.config.folders import configuration_folder, group_options
from lmlab.config.setting import Range, Setting
from lmlab.config.settings import COMMANDS
from lmlab.config.slots import SLOTS

# Right for no number, no truth value and no list of them, whatever its range.
WRONG_FOR_NUMBERS = (
    "", " ", "''", '""', "abc", "nan", "NaN", "inf", "-inf", ".inf", "infinity", "1" + "0" * 400, "-1" + "0" * 400,
    "1e999", "1" * 5000, "a" * 5000, "{}", "{a: 1}", "{a:1}", "[[1]]", "[", "]", "{", "}", "(", ")", "'", '"', "'5",
    '5"', "1,2", "1,2,", ",", "1,a", "range(1,3)", "range(3)", "range()", "interval(0,1)", "choice()", "choice(1)",
    "choice(1,2)", "glob(*)", "glob()", "shuffle(1,2)", "sort(2,1)", "tag(a,1)", "${x}", "${oc.env:HOME}", "${", "$",
    "$x", "???", "\\n", "\\", "5\\", "5\\n", "5;6", "5 6", "5\n6", "@x", "a=b", "=", "=5", "#", "5#", "*", "&a",
    "!!int 5", "%", "é", "日本", "🙂", "\udcff", "5\udcff", "\u202e5", "5\u00a0",
    "１２", "1.2.3", "--5", "1e", "e1", "0b2",
    "5m", "50%", "1/2", "None", "x" * 200 + "é",
)  # fmt: skip
ODD_NUMBERS = (
    "1e3", "1E3", "1_000", "+5", "05", "0x10", "0b1", "1.0", "5.", ".5", "1e30", "-0", "-0.0", "1e-400", "0.1e1", " 5",
    "5 ", "\t5", "'5'", '"5"', "int(5)", "float(0.5)", "str(5)", "5.5", "true", "false", "yes", "2", "null", "NULL",
    "~", "none", "${seed}", "9223372036854775808", "-9223372036854775809", "1e18",
)  # fmt: skip
ODD_TEXTS = (
    "", " ", "a", "a b", "a,b", "5", "1e3", "true", "null", "None", "${x}", "${oc.env:HOME}", "${data.name}", "$", "\\",
    "\\n", "\\'", "'", '"', "it's", "'a'", "a'b'c", "[a]", "[", "]", "{", "}", "{a:1}", "(", ")", "a=b", "=", "a:b",
    "#", "é", "日本", "🙂", "\udcff", "a\nb", "a\tb", "\x1b[31m", "\u202e", "a" * 300, "a" * 5000, "*", "?", "a@b",
    "%s", "{0}", "choice(a,b)", "range(1,3)", "glob(*)", "a;b", "a|b", ".", "a/b", "a//b", "-", "--x", "a\\",
    "nowhere.txt", cases.TEXT, cases.SPLITS, "outputs", "latest", "best", "step-1", "utf-8", "latin-1", "rot13", "idna",
    "00:00:00:01",
)  # fmt: skip


class Typed(NamedTuple):
    """A value as typed, and what was generated."""

    text: str
    about: str


class Known(NamedTuple):
    """A setting that a command has, and the words that make it exist."""

    command: str
    name: str
    known: Setting
    kind: Any
    context: tuple[str, ...]


@functools.cache
def settings_of(command: str) -> list[Known]:
    """Returns all settings of a command that can be made to exist."""
    found = []
    for name, known, kind in setting_names.names(COMMANDS[command]):
        context = _context(name) if command == "train" else ()
        if context is not None:
            found.append(Known(command, name, known, kind, context))
    return found


def _accepted(words: tuple[str, ...]) -> Any:
    from lmlab.config.checks import compose
    from lmlab.errors import UserError

    try:
        return compose(list(words))
    except UserError:
        return None


def _has(settings: Any, name: str) -> bool:
    try:
        typed.get(settings, name)
    except AttributeError:
        return False
    return True


@functools.cache
def _composed(words: tuple[str, ...]) -> Any:
    for more in ((), (f"data.path={cases.TEXT}",), (f"embedding.path={cases.VECTORS}",)):
        settings = _accepted((*words, *more))
        if settings is not None:
            return (*words, *more), settings
    return None


@functools.cache
def _context(name: str) -> tuple[str, ...] | None:
    """Returns words with which a run has a setting, none of them about the setting; None where there are none."""
    slot = next((slot for path, slot in SLOTS.items() if name.startswith(f"{path}.")), None)
    group = slot.group if slot is not None else name.partition(".")[0]
    options = group_options(group) if (configuration_folder() / group).is_dir() else []
    for words in [(), *((f"{group}={option}",) for option in options if _may_have(group, option, slot, name))]:
        found = _composed(words)
        if found is not None and _has(found[1], name) and not any(word.startswith(f"{name}=") for word in found[0]):
            return found[0]
    return None


def _may_have(group: str, option: str, slot: Any, name: str) -> bool:
    """Whether an option's class has a setting, as far as its file says: composing takes a while."""
    if slot is None:
        return True
    inside: Any = yaml.safe_load((configuration_folder() / group / f"{option}.yaml").read_text(encoding="utf-8"))
    path = slot.path.removeprefix(group).strip(".") if slot.path.startswith(group) else ""
    for word in filter(None, path.split(".")):
        inside = inside.get(word, {}) if isinstance(inside, dict) else {}
    target = inside.get("_target_") if isinstance(inside, dict) else None
    return target is None or name.rpartition(".")[2] in getattr(slot.own.get(target), "__dataclass_fields__", ())


def typed_values(setting: Known) -> SearchStrategy[Typed]:
    """Returns a strategy for what is typed as the value of a setting: right, wrong and odd."""
    shape = shape_of(setting.known, setting.kind)
    odd = st.sampled_from(ODD_TEXTS + ODD_NUMBERS).map(lambda text: Typed(text, "odd text"))
    anything = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30).map(
        lambda text: Typed(text, "any text")
    )
    if shape is None:
        return odd | anything
    scalars = st.sampled_from(shape.scalars).flatmap(_scalar)
    if not any(scalar.kind is str and scalar.choices is None for scalar in shape.scalars):
        wrong = st.sampled_from(WRONG_FOR_NUMBERS).map(lambda text: Typed(text, "no such value"))
        numbers = st.sampled_from(ODD_NUMBERS).map(lambda text: Typed(text, "odd notation"))
        single = st.one_of(scalars, scalars, wrong, numbers, anything)
    else:
        single = st.one_of(scalars, odd, anything)
    if not shape.is_list:
        return st.one_of(single, st.lists(scalars, max_size=3).map(_as_list("a list for a single value")))
    of_right = st.lists(scalars, max_size=4).map(_as_list("list"))
    of_one_wrong = st.lists(scalars, max_size=2).flatmap(
        lambda some: single.map(lambda one: _as_list("list with one")([*some, one]))
    )
    nested = of_right.map(lambda made: Typed(f"[{made.text}]", "nested list"))
    return st.one_of(of_right, of_one_wrong, nested, single)


def _as_list(about: str) -> Any:
    def made(items: Sequence[Typed]) -> Typed:
        kinds = "/".join(dict.fromkeys(item.about for item in items))
        return Typed(f"[{','.join(item.text for item in items)}]", f"{about}: {kinds}")

    return made


def _scalar(scalar: Scalar) -> SearchStrategy[Typed]:
    if scalar.choices is not None:
        chosen = st.sampled_from(scalar.choices)
        return st.one_of(
            chosen.map(lambda text: Typed(text, "choice")),
            chosen.map(lambda text: Typed(text.upper(), "choice in capitals")),
            chosen.flatmap(one_edit).map(lambda text: Typed(text, "choice misspelt")),
        )
    if scalar.kind is bool:
        return st.sampled_from(("true", "false", "True", "yes", "off", "1", "0")).map(lambda t: Typed(t, "truth value"))
    if scalar.kind is str:
        return st.from_regex(r"[a-z]{1,8}", fullmatch=True).map(lambda text: Typed(text, "word"))
    return _number(scalar.kind, scalar.range or Range())


def _number(kind: type, limits: Range) -> SearchStrategy[Typed]:
    """Numbers inside, just inside, just outside and far outside a range."""
    low, high = limits.at_least, limits.at_most
    low = limits.above if low is None else low
    high = limits.below if high is None else high
    edges = [
        Typed(text, "at the edge of its range")
        for edge in (low, high)
        if edge is not None
        for text in _near(edge, kind)
    ]
    if limits.special is not None:
        edges += [Typed(text, "at its special value") for text in _near(limits.special, kind)]
    within: SearchStrategy[Any]
    if kind is int:
        within = st.integers(int(low) if low is not None else -1000, int(high) if high is not None else 2**40)
        far = st.integers(-(2**70), 2**70).map(str)
    else:
        within = st.floats(low, high, allow_nan=False, allow_infinity=False)
        far = st.floats(allow_nan=False, allow_infinity=False).map(repr)
    inside = within.map(lambda number: Typed(repr(number), "number in its range"))
    outside = far.map(lambda text: Typed(text, "any number"))
    return st.one_of(inside, outside, *([st.sampled_from(edges)] if edges else []))


def _near(edge: float, kind: type) -> Iterator[str]:
    if kind is int:
        yield from (str(int(edge) + more) for more in (-1, 0, 1))
    else:
        yield from (repr(math.nextafter(edge, -math.inf)), repr(float(edge)), repr(math.nextafter(edge, math.inf)))


def one_edit(word: str) -> SearchStrategy[str]:
    """Returns a strategy for a word with one letter left out, doubled, changed, or two that changed places."""

    def edited(place: int, how: str, letter: str) -> str:
        before, here, after = word[:place], word[place], word[place + 1 :]
        made = {"left out": "", "doubled": here * 2, "changed": letter, "added": here + letter}
        if how == "swapped":
            return before + after[:1] + here + after[1:]
        return before + made[how] + after

    hows = st.sampled_from(("left out", "doubled", "changed", "added", "swapped"))
    letters = st.sampled_from("abcdefghijklmnopqrstuvwxyz")
    return st.builds(edited, st.integers(0, len(word) - 1), hows, letters).filter(lambda made: made not in (word, ""))


@st.composite
def value_cases(draw: st.DrawFn, commands: Sequence[str]) -> Case:
    """A setting of a command with a generated value."""
    command = draw(st.sampled_from(commands))
    setting = draw(st.sampled_from(settings_of(command)))
    return value_case(setting, draw(typed_values(setting)))


def value_case(setting: Known, typed_value: Typed) -> Case:
    """Returns the case of a setting with a value, and what must become of it."""
    text, about = typed_value
    shape = shape_of(setting.known, setting.kind)
    meant = None if shape is None else meanings(text, shape)
    expect = Expect.EITHER
    if meant == []:
        expect = Expect.REFUSED
    elif shape is not None and meant is not None and is_plain(text, shape):
        expect = Expect.ACCEPTED
    return Case(
        command=setting.command,
        about=f"{'literal ' if shape is not None and shape.is_literal else ''}{_kind_of(shape)}: {about}",
        expect=expect,
        words=(f"{setting.name}={text}",),
        context=setting.context,
        fields=(setting.name,),
        value=text,
        setting=setting.name,
        meanings=tuple(meant or ()),
    )


def _kind_of(shape: Shape | None) -> str:
    if shape is None:
        return "any"
    names = "|".join(scalar.kind.__name__ for scalar in shape.scalars)
    return f"list of {names}" if shape.is_list else names
