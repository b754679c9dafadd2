from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from lmlab.config.arguments import quote_free_text

NASTY = [
    "Ron couldn't", "Hello, world", "(b", "42", "naïve", "", " ", "null", "null?", "a=b", "{x}", "[1,2", "${env}", "$",
    "\\", "\\'", "it's \\ 'quoted' \"twice\"", "ends with \\\\", "tab\there", "~/x", "true", "a\nb", "日本語",
    "'whole'", '"whole"',
]  # fmt: skip


def value_that_arrives(argument: str) -> object:
    override = OverridesParser.create().parse_override(argument)
    config = OmegaConf.create({"value": override.value()})
    return config.value


@pytest.mark.parametrize("text", NASTY)
def test_a_prompt_arrives_as_it_was_typed(text: str) -> None:
    assert value_that_arrives(quote_free_text([f"prompt={text}"])[0]) == text


def test_a_path_may_hold_anything_and_tilde_is_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert value_that_arrives(quote_free_text(["data.path=~/a b, c"])[0]) == f"{tmp_path}/a b, c"


def test_a_comma_in_a_sweep_separates_paths_unless_it_is_part_of_one(tmp_path: Path) -> None:
    both = quote_free_text(["data.path=a b.txt,c.txt"], sweep=True)[0]
    override = OverridesParser.create().parse_override(both)
    assert override.is_sweep_override()
    assert both == "data.path='a b.txt',c.txt"
    one = tmp_path / "a,b.txt"
    one.touch()
    assert value_that_arrives(quote_free_text([f"data.path={one}"], sweep=True)[0]) == str(one)


def test_a_list_of_texts_has_references_only_without_quotes() -> None:
    typed = r"""data.prompts=["${a}",'\${b}','it\'s ${c}',${seed}]"""
    override = OverridesParser.create().parse_override(quote_free_text([typed])[0])
    config = OmegaConf.create({"seed": 3, "value": override.value()})
    assert list(config.value) == ["${a}", "${b}", "it's ${c}", 3]


def test_other_settings_and_options_are_left_alone() -> None:
    arguments = ["-m", "model.hidden_size=256,512", "model=lstm", "--cfg", "data.path=null"]
    assert quote_free_text(arguments, sweep=True) == arguments
