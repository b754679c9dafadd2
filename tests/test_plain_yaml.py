"""Files of strangers: read without harm, and what is written comes back equal."""

from __future__ import annotations

import math
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import NEEDS_POSIX
from omegaconf import OmegaConf

from lmlab import plain_yaml
from lmlab.errors import UserError

NASTY = [
    "", " ", "  x", "x ", "null", "Null", "~", "true", "yes", "No", "on", "y", "1", "-1", "0x1F", "0o17",
    "017", "1_000",
    "1e-3", "1e5", "1.0", ".5", ".inf", "-.INF", ".nan", "nan", "inf", "1:30", "1:30.5", "=", "<<", "-", "- a",
    "?", "? a",
    ":", "a: b", "a:", "#", "a #b", "a#b", "&a", "*a", "!a", "!!int 1", "|", ">", "%YAML", "@", "`", "'", '"', "it's",
    '"x"', "{a: 1}", "[1]", "{", "]", ",", "a,b", "---", "...", "--- a", "2024-01-01", "2024-01-01 10:00:00", "\n",
    "a\nb",
    "a\n\nb\n", "\n a", "\r", "a\r\nb", "\t", "a\tb", "\t#", "\0", "\x07", "\x1b[31m", "\x7f", "\x85", "\xa0", "\u2028",
    "\u2029", "\ufeff", "\ufffd", "日本語", "é", "😀", "${x}", "${oc.env:HOME}", "\\${x}", "\\", "\\n", "a\\", "$",
    "???",
    "a" * 300, "word " * 100, " ".join(["long"] * 60) + "\n" + "x" * 200,
]  # fmt: skip
NUMBERS = [
    0, -1, 10**18, -(2**70), 0.0, -0.0, 0.1, 1e-05, 1e-300, 5e-324, 1e16, 1e22, 1.7976931348623157e308, -2.5e-7, 3.0,
    math.inf, -math.inf, True, False, None,
]  # fmt: skip


def round_trip(value: Any, folder: Path) -> Any:
    path = folder / "value.yaml"
    path.write_text(plain_yaml.dump(value), encoding="utf-8", newline="")
    return plain_yaml.read(path)


def same(left: Any, right: Any) -> bool:
    """Equal, with equal types all the way down and keys in one order (1 == 1.0 == True would hide a change)."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def random_text(generator: random.Random) -> str:
    if generator.random() < 0.3:
        return generator.choice(NASTY)
    alphabet = "ab 01.-+eE:#'\"\\\n\t{}[],&*!|>%@`?$~=_\u00e9\u2028\x85\ufeff😀\x00\x1f"
    return "".join(generator.choice(alphabet) for _ in range(generator.randrange(12)))


def random_value(generator: random.Random, depth: int = 0) -> Any:
    kind = generator.randrange(6 if depth < 4 else 4)
    if kind < 2:
        return random_text(generator)
    if kind == 2:
        return generator.choice(NUMBERS)
    if kind == 3:
        return generator.choice(
            [generator.uniform(-1, 1) * 10 ** generator.randrange(-30, 30), generator.getrandbits(50)]
        )
    if kind == 4:
        return [random_value(generator, depth + 1) for _ in range(generator.randrange(4))]
    return {random_text(generator): random_value(generator, depth + 1) for _ in range(generator.randrange(4))}


def test_what_is_written_comes_back_equal(tmp_path: Path) -> None:
    generator = random.Random(11)
    for _ in range(1500):
        value = random_value(generator)
        assert same(round_trip(value, tmp_path), value), value


def test_every_nasty_string_and_number_survives_as_value_key_and_item(tmp_path: Path) -> None:
    value = {"strings": NASTY, "numbers": NUMBERS, "keys": {text: text for text in NASTY}}
    assert same(round_trip(value, tmp_path), value)
    for text in NASTY:
        assert same(round_trip(text, tmp_path), text), text


def test_equal_objects_are_written_out_each_time(tmp_path: Path) -> None:
    shared = ["a"]
    assert same(round_trip({"x": shared, "y": shared}, tmp_path), {"x": ["a"], "y": ["a"]})


def test_what_omegaconf_wrote_is_read_as_omegaconf_reads_it(tmp_path: Path) -> None:
    generator = random.Random(5)
    path = tmp_path / "old.yaml"
    readable = [text for text in NASTY if "${" not in text and text not in ("???", "\x85")]  # that one it wrote wrongly
    values = {f"k{i}": generator.choice([*readable, *NUMBERS[:-3], None, True]) for i in range(300)}
    path.write_text(OmegaConf.to_yaml(OmegaConf.create(values)), encoding="utf-8", newline="")
    assert same(plain_yaml.read(path), values)
    plain = "a: 1e-05\nb: 1E5\nc: 1:30\nd: 017\ne: yes\nf: 2024-01-01\ng: .5\nh: 1_0.5\ni: ~\nj:\nk: -.inf\nl: 0x1F\n"
    path.write_text(plain)
    assert same(plain_yaml.read(path), OmegaConf.to_container(OmegaConf.load(path)))


def test_other_readers_of_yaml_see_the_same_numbers_and_strings() -> None:
    value = {"numbers": [0.1, 1e-05, 1e22, 3], "strings": [text for text in NASTY if text not in ("<<",)]}
    assert same(yaml.safe_load(plain_yaml.dump(value)), value)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BOMB, "anchor or alias"),
        ("a: *b", "alias"),
        ("&a x", "anchor"),
        ("a: !!python/object/apply:os.system [touch evil]", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("!!set {a}", "tag"),
        ("a: !x 1", "tag"),
        ("a: ! 1", "tag"),
        ("[" * 60 + "]" * 60, "nested too deeply"),
        ("[" * 500_000, "nest"),
        ("".join(" " * i + "- \n" for i in range(60)), "nested too deeply"),
        ("[" + "1," * 200_000 + "]", "too many values"),
        ("a: 1\na: 2", "twice"),
        ("1: a", "not a string"),
        ("? [a]\n: b", "not a string"),
        ("true: a", "not a string"),
        ("a: " + "9" * 5000, "endless number"),
        ("a: 1" + ":1" * 100_000, "endless number"),
        ("a: 0x" + "f" * 100_000, "endless number"),
        ("a: [", "did not find .*line 2"),
        ("a: b: c", "line 1"),
        ("a\n---\nb", "document"),
        ('a: "\\ud800"', "run="),
        ("a: \x01", "is not YAML"),
    ],
)
def test_what_could_do_harm_is_refused_at_once_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    before = time.perf_counter()
    with pytest.raises(UserError, match=problem) as caught:
        plain_yaml.read(path)
    assert time.perf_counter() - before < 5
    assert str(caught.value).startswith(f"run={path}: ")
    assert str(caught.value).endswith("restore the file, or train again")


@NEEDS_POSIX
def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"a: \xff\xfe")
    (tmp_path / "large").write_bytes(b"a: " + b"x" * 2**20)
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        ("binary", "is not UTF-8"),
        ("large", "is larger than 1 MiB"),
        ("pipe", "is not a file"),
        (".", "is not a file"),
        ("absent", "No such file"),
        ("a\0b", "is not a file name"),
    ):
        with pytest.raises(UserError, match=problem):
            plain_yaml.read(tmp_path / name)


def test_deep_in_a_program_it_is_still_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.yaml").write_text("a")

    def too_deep(*_: Any) -> None:
        raise RecursionError

    monkeypatch.setattr(yaml, "load", too_deep)
    with pytest.raises(UserError, match="nested too deeply"):
        plain_yaml.read(tmp_path / "x.yaml")


def test_an_empty_file_is_nothing_and_a_mark_of_order_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("")
    assert plain_yaml.read(path) is None
    path.write_text("\ufeffa: 1\n", encoding="utf-8")
    assert plain_yaml.read(path) == {"a": 1}


def test_what_is_not_plain_is_not_written() -> None:
    for value in ({1: "a"}, {"a": (1, 2)}, {"a": Path("x")}, {"a": {1}}):
        with pytest.raises(TypeError):
            plain_yaml.dump(value)
    with pytest.raises(UserError, match=r"data\.path=.*not UTF-8"):
        plain_yaml.dump({"data": {"path": "/x/\udcff"}})
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TypeError, match="deeply"):
        plain_yaml.dump(endless)
