"""Settings stand once: the typed place has name, type, range and help, the YAML files have the values."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import typing
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from omegaconf import OmegaConf

from lmlab.config import registry, setting_names, typed
from lmlab.config.checks import check_training
from lmlab.config.compose import compose, compose_settings, train_settings
from lmlab.config.documentation import help_lines, markdown
from lmlab.config.folders import configuration_folder, group_options
from lmlab.config.help import COMPOSED
from lmlab.config.setting import Range, Setting, known_of
from lmlab.config.settings import COMMANDS, Settings, TrainSettings
from lmlab.config.slots import SLOTS, Slot
from lmlab.config.values import check_value
from lmlab.errors import UserError

OWN = [(slot, target) for slot in SLOTS.values() for target in slot.own if target is not None]


def classes(kind: type[Settings]) -> set[type[Settings]]:
    """The class and those of its groups."""
    hints = typing.get_type_hints(kind)
    groups = [hint for hint in hints.values() if isinstance(hint, type) and issubclass(hint, Settings)]
    return {kind}.union(*map(classes, groups))


EVERY_CLASS = sorted(
    {c for kind in (TrainSettings, *COMPOSED.values()) for c in classes(kind)}
    | {settings for slot in SLOTS.values() for settings in slot.own.values()},
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", EVERY_CLASS)
def test_every_setting_has_a_line_of_help(kind: type[Settings]) -> None:
    for field in dataclasses.fields(kind):
        if field.name != "target":
            known = known_of(field)
            assert known.help, field.name
            assert "\n" not in known.help
            assert not known.help.endswith(".")


def options() -> list[str]:
    groups = ("tokenizer", "batching", "embedding", "model", "optimizer", "scheduler", "averaging", "trainer", "logger")
    return [f"{group}={option}" for group in (*groups, "callbacks", "data") for option in group_options(group)]


def keys(plain: Any, name: str = "") -> set[str]:
    if not isinstance(plain, dict):
        return {name}
    return set().union(*(keys(value, f"{name}.{key}") for key, value in plain.items()))


@pytest.mark.parametrize("option", options())
def test_the_files_have_every_setting_of_the_classes_and_no_other(option: str) -> None:
    """Reading refuses what no class has; what a class would give by a default must stand in a file too."""
    composed: Any = OmegaConf.to_container(compose("train", [option]), resolve=True)
    assert keys(composed) == keys(typed.plain(typed.read(composed, TrainSettings)))


@pytest.mark.parametrize("command", COMPOSED)
def test_the_file_of_a_command_has_every_setting(command: str) -> None:
    composed: Any = OmegaConf.to_container(compose(command, []), resolve=True)
    assert keys(composed) == keys(typed.plain(typed.read(composed, COMPOSED[command])))


def test_files_hold_values_and_nothing_else() -> None:
    """No comment below the first value: what a setting means stands in its class."""
    for path in sorted(configuration_folder().rglob("*.yaml")):
        if path.parent.name in ("experiment", "job_logging", "hydra_logging"):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
        assert not [line for line in lines[first:] if line.strip().startswith("#")], path


@pytest.mark.parametrize(("slot", "target"), OWN, ids=lambda value: value if isinstance(value, str) else "")
def test_the_settings_of_a_class_are_keywords_of_its_constructor(slot: Slot, target: str) -> None:
    made = registry.class_of(slot, target)
    parameters = inspect.signature(made).parameters
    hints = typing.get_type_hints(slot.own[target])
    shared = {field.name for field in dataclasses.fields(slot.shared)} if slot.is_open else set()
    lmlabs_own = {"max_tokens"}  # the trainer's, which becomes a number of steps
    for field in dataclasses.fields(slot.own[target]):
        if field.name in shared | lmlabs_own | {"target"}:
            continue
        # Lightning's logger passes on what it does not know to the library behind it.
        assert field.name in parameters or "kwargs" in parameters, f"{target} takes no {field.name}"
    if target.startswith("lmlab."):
        kinds = typing.get_type_hints(made.__init__)  # type: ignore[misc]
        for name in hints.keys() & kinds.keys():
            assert _plain_kind(kinds[name]) == _plain_kind(hints[name]), f"{target}.{name}"
    needed = {n for n, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD and n != "self"}
    given = needed - {field.name for field in dataclasses.fields(slot.own[target])}
    if slot.is_open:
        assert given <= slot.given


def _plain_kind(kind: Any) -> str:
    # A class takes any sequence where a file has a list; what may be null in a file is checked before it is made.
    text = str(kind).replace("collections.abc.Sequence", "list").replace("<class '", "").replace("'>", "")
    return text.replace(" | None", "")


@pytest.mark.parametrize(
    "name", [name for name, known, _ in setting_names.names(TrainSettings) if known.range is not None]
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_range_takes_nan_or_infinity(name: str, value: float) -> None:
    known, kind = next((known, kind) for found, known, kind in setting_names.names(TrainSettings) if found == name)
    with pytest.raises(UserError, match=name):
        check_value([value] if "list" in str(kind) else value, kind, known, name=name, convert=True)


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        (Range(at_least=0, below=1), [0, 0.5, 0.999], [-1e-9, 1, 1.5]),
        (Range(above=0, at_most=1), [1e-9, 1], [0, -1, 1.0001]),
        (Range(at_least=1, special=-1), [1, 7, -1], [0, -2]),
    ],
)
def test_a_range_takes_what_is_inside(limits: Range, inside: list[float], outside: list[float]) -> None:
    assert all(limits.problem(value) is None for value in inside)
    assert all(limits.problem(value) is not None for value in [*outside, math.nan])


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("3", int, 3), (3.0, int, 3), (5, str, "5"), (1, float, 1.0), ("1e-3", float, 0.001), ("yes", bool, True),
        (0, bool, False), (None, int | None, None), ([1, 2], list[float], [1.0, 2.0]), ("a", str | list[str], "a"),
        (["a"], str | list[str], ["a"]), (0.5, Annotated[float, Range(below=1)], 0.5), ([{"a": 1}], list, [{"a": 1}]),
    ],
)  # fmt: skip
def test_what_is_typed_becomes_what_is_meant(value: Any, kind: Any, expected: Any) -> None:
    found = check_value(value, kind, Setting(""), name="x", convert=True)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("3.5", int), (3.5, int), (True, int), (2**70, int), ("a", float), (True, float), (10**400, float), (None, int),
        ("maybe", bool), ([1], str), (3, list[int]), (["a"], list[int]), (1.5, Annotated[float, Range(below=1)]),
        ({"_target_": "os.system"}, dict), ([{"b": {"_target_": "x"}}], list), ([None], list[str]), ("???", str),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(value: Any, kind: Any) -> None:
    for convert in (True, False):
        with pytest.raises(UserError, match=r"^x"):
            check_value(value, kind, Setting(""), name="x", convert=convert)


def test_settings_become_plain_data_and_back() -> None:
    settings = train_settings(["model=feedforward", "tokenizer=word", "scheduler=step", "averaging=ema"])
    assert typed.plain(typed.read(typed.plain(settings), TrainSettings, stored=True)) == typed.plain(settings)
    assert yaml.safe_load(yaml.safe_dump(typed.plain(settings))) == typed.plain(settings)


def test_the_page_of_settings_is_that_of_the_code() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == "\n".join(markdown(COMPOSED)) + "\n", (
        "python -m lmlab.list settings > docs/settings.md"
    )


@pytest.mark.parametrize("command", COMPOSED)
def test_help_has_a_line_for_every_setting(command: str) -> None:
    kind = COMPOSED[command]
    told = "\n".join(help_lines(compose_settings(command, kind, [])))
    for name, known, _ in setting_names.names(kind):
        assert f"  {name}=" in told
        assert known.help.split()[0] in told


def test_every_optimizer_is_a_choice_that_passes_the_checks() -> None:
    assert set(group_options("optimizer")) == {"adam", "adamw", "nadam", "radam", "rmsprop", "adagrad", "sgd"}
    for option in group_options("optimizer"):
        check_training(train_settings([f"optimizer={option}"]))


def test_every_number_has_a_lower_and_an_upper_bound_and_every_text_a_length() -> None:
    for kind in COMMANDS.values():
        for name, known, hint in setting_names.names(kind):
            for option in (hint, *typing.get_args(hint)):
                plain, *metadata = typing.get_args(option) if typing.get_origin(option) is Annotated else (option,)
                if plain in (int, float) or list[int] == plain or list[float] == plain:
                    (found,) = [item for item in (known.range, *metadata) if item is not None]
                    assert found.at_least is not None or found.above is not None, name
                    assert found.at_most is not None or found.below is not None, name
                if plain is str and known.choices is None and not known.free:
                    for empty in ("", "  ", "a" * (known.longest + 1), "a\x1bb", "\udcff"):
                        with pytest.raises(UserError, match=name):
                            check_value(empty, str, known, name=name, convert=True)


def test_an_example_in_an_error_is_in_the_range() -> None:
    for kind in COMMANDS.values():
        for name, known, hint in setting_names.names(kind):
            with pytest.raises(UserError) as caught:
                check_value({"a": 1}, hint, known, name=name, convert=True)
            example = re.search(rf"for example {re.escape(name)}=(\S+)$", caught.value.remedy)
            if example is not None:
                check_value(yaml.safe_load(example[1]), hint, known, name=name, convert=True)


def test_an_example_for_an_entry_of_a_list_keeps_the_others() -> None:
    with pytest.raises(UserError, match=r"for example data\.split=\[0\.8,0\.001,0\.1\]$"):
        train_settings(["data=text", "data.path=x", "data.split=[0.8,nan,0.1]"])
