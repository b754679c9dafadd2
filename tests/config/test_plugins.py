"""A user's own package: what makes it trusted, what is made from it, and what is refused before it is imported."""

from __future__ import annotations

import copy
import importlib
import importlib.metadata
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmlab.config import plugins, registry, setting_names, stored, typed
from lmlab.config.compose import train_settings
from lmlab.config.plugins import PluginError, Untrusted
from lmlab.config.settings import TrainSettings
from lmlab.errors import UserError

PACKAGE = '''
import os
import pathlib
from typing import Annotated

import lmlab
import torch
from lmlab.models.recurrent import GRU
from torch import nn

pathlib.Path(__file__).with_suffix(".imported").touch()


class LeakyCore(lmlab.Core):
    """A core.

    Args:
        input_size: I.
        leak: what is kept of the state.
    """

    def __init__(self, *, input_size: int, hidden_size: int, leak: Annotated[float, lmlab.Range(at_least=0, below=1)],
                 num_layers: int = 1, dropout: float = 0.0, locked_dropout: bool = False) -> None:
        super().__init__()
        self.output_size = hidden_size

    def init_state(self, batch_size):
        return ()

    def forward(self, inputs, state):
        return inputs, state


class Half(lmlab.Core):
    def __init__(self, *, input_size: int, hidden_size: int, num_layers: int, dropout: float, locked_dropout: bool):
        super().__init__()


class NoInput(LeakyCore):
    def __init__(self, *, hidden_size: int):
        super().__init__(input_size=1, hidden_size=1, leak=0)


class Anything(LeakyCore):
    def __init__(self, *, input_size: int, hidden_size: int, **more):
        super().__init__(input_size=input_size, hidden_size=hidden_size, leak=0)


class NoCore(nn.Module):
    pass


def function(**keywords):
    raise AssertionError("made")
'''


@pytest.fixture(autouse=True)
def untrusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(plugins.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("my_models", "my_models_evil"):
        (tmp_path / f"{name}.py").write_text(PACKAGE)
    plugins._from_entry_points.cache_clear()
    importlib.invalidate_caches()
    yield
    plugins._from_entry_points.cache_clear()
    for name in ("my_models", "my_models_evil"):
        sys.modules.pop(name, None)


def with_core(target: Any, **keywords: Any) -> dict[str, Any]:
    found = typed.plain(train_settings(["model=lstm"]))
    for group in (found["model"], found["model"]["core"]):
        group.pop("weight_dropout")
    found["model"]["core"] |= {"_target_": target, "leak": 0.5, **keywords}
    return found


def read(target: Any = "my_models.LeakyCore", **keywords: Any) -> TrainSettings:
    return stored.read_settings(with_core(target, **keywords), where="x")


def imported() -> bool:
    return any(Path.cwd().glob("*.imported"))


def test_without_trust_nothing_is_imported_and_one_line_says_how() -> None:
    with pytest.raises(Untrusted) as caught:
        read()
    assert "package my_models" in str(caught.value)
    assert "plugins=[my_models]" in str(caught.value)
    assert not imported()


@pytest.mark.parametrize("names", [5, [5], None, "nothere"])
def test_what_names_no_package_is_not_trusted(names: Any) -> None:
    with pytest.raises(UserError, match="plugins"), plugins.trusting(names):
        pass


def test_each_way_of_trust(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with plugins.trusting(["my_models"]):
        assert read().model.core.target == "my_models.LeakyCore"
    with pytest.raises(Untrusted):
        read()
    monkeypatch.setenv(plugins.VARIABLE, "other, my_models")
    assert read().model.core.target == "my_models.LeakyCore"
    monkeypatch.delenv(plugins.VARIABLE)
    install(tmp_path / "installed", monkeypatch)
    plugins._from_entry_points.cache_clear()
    assert read().model.core.target == "my_models.LeakyCore"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution that declares my_models as a plug-in, in a folder on the path."""
    information = folder / "my_models-1.2.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my_models\nVersion: 1.2\n")
    (information / "entry_points.txt").write_text("[lmlab.plugins]\nmine = my_models\n")
    monkeypatch.syspath_prepend(str(folder))


@pytest.mark.parametrize("path", ["", "."])
def test_an_entry_point_that_only_lies_in_the_working_directory_gives_no_trust(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch)
    monkeypatch.syspath_prepend(path)  # as `python -m` has it
    with pytest.raises(Untrusted):
        read()
    assert not imported()


def test_an_entry_point_is_imported_only_when_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "installed", monkeypatch)
    assert plugins.trusted_package("my_models.LeakyCore") == "my_models"
    stored.read_settings(typed.plain(train_settings([])), where="x")
    assert not imported()


@pytest.mark.parametrize("word", ["plugins=[my_models]", "plugins=my_models", "plugins=[yaml, my_models]"])
def test_words_of_a_command_line_are_taken(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugins.VARIABLE, "")
    assert plugins.take_from(["model=leaky", word, "seed=1"]) == ["model=leaky", "seed=1"]
    assert read().model.core.target == "my_models.LeakyCore"
    assert "my_models" in os.environ[plugins.VARIABLE]  # for the workers of a launcher


@pytest.mark.parametrize("word", ["plugins=[a/b]", "plugins=[a-b]", "plugins=[1a]", "plugins=[a b]", "plugins=[.a]"])
def test_what_is_no_name_of_a_package_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="is not a package name"):
        plugins.take_from([word])


@pytest.mark.parametrize(("value", "problem"), [("a-b", "is not a package name"), ("os", "of your own")])
def test_a_mistake_in_the_environment_is_told_at_once(
    value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(plugins.VARIABLE, value)
    with pytest.raises(UserError, match=f"{plugins.VARIABLE}={value}: .*{problem}"):
        plugins.take_from([])


def test_a_package_that_is_nowhere_is_refused() -> None:
    with pytest.raises(UserError, match="plugins=no_such_package: there is no such package"):
        plugins.take_from(["plugins=[no_such_package]"])


@pytest.mark.parametrize(
    "target",
    [
        "my_models_evil.LeakyCore", "my_models", "my_models.", ".my_models.LeakyCore", "my_models/x.LeakyCore",
        "os.system", "builtins.eval", "lmlab.x.os.system", "lmlab.models.core.Core", "lmlab.models.dropout.Dropout",
        "lmlab.config.plugins.record", "torch.nn.LSTM", "torch.hub.load", "pytorch_lightning.Trainer", "${oc.env:HOME}",
        "", "LeakyCore", ["my_models.LeakyCore"], {"a": "my_models.LeakyCore"}, 5, None, "my_models.LeakyCore\n",
        "a" * 99,
    ],
)  # fmt: skip
def test_names_that_only_look_trusted_are_refused_unimported(target: Any) -> None:
    with plugins.trusting(["my_models"]), pytest.raises(UserError, match=r"model\.core\._target_"):
        read(target)
    assert not Path("my_models_evil.imported").exists()


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("my_models.GRU", "is defined in lmlab.models.recurrent, outside my_models"),
        ("my_models.os.system", "no module my_models.os"),
        ("my_models.nn.Linear", "no module my_models.nn"),
        ("my_models.NoCore", "is not a subclass of lmlab.models.core.Core"),
        ("my_models.function", "has no class function"),
        ("my_models.Missing", "has no class Missing"),
        ("my_models.Half", "does not implement forward, init_state"),
        ("my_models.NoInput", "lacks the keyword input_size"),
    ],
)
def test_what_a_trusted_package_does_not_define_as_a_core_is_refused(target: str, problem: str) -> None:
    with plugins.trusting(["my_models"]), pytest.raises(UserError, match=problem) as caught:
        read(target)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("keywords", "problem"),
    [
        ({"leek": 1}, r"model\.core\.leek"),
        ({"input_size": 5}, r"model\.core\.input_size"),
        ({"leak": "much"}, r"model\.core\.leak=much.*not a number"),
        ({"leak": float("nan")}, r"model\.core\.leak"),
        ({"leak": 1.0}, r"model\.core\.leak=1: is not less than 1"),
        ({"leak": {"_target_": "os.system"}}, r"model\.core\.leak"),
    ],
)
def test_keywords_are_checked_against_the_signature(keywords: dict[str, Any], problem: str) -> None:
    with plugins.trusting(["my_models"]), pytest.raises(UserError, match=problem):
        read(**keywords)


def test_a_class_that_takes_any_keyword_gets_what_stands_there() -> None:
    with plugins.trusting(["my_models"]):
        core = read("my_models.Anything", more=[1, {"a": 2}]).model.core
        assert core.more == [1, {"a": 2}]
        assert registry.build("model.core", core, input_size=3).output_size == core.hidden_size


def test_a_part_is_made_with_its_keywords_and_what_lmlab_gives() -> None:
    with plugins.trusting(["my_models"]):
        core = read().model.core
        assert registry.build("model.core", core, input_size=3).output_size == 256
        assert typed.plain(core) == {
            "_target_": "my_models.LeakyCore", "hidden_size": 256, "num_layers": 1, "dropout": 0.2,
            "locked_dropout": False, "leak": 0.5,
        }  # fmt: skip
        known = {name: known.help for name, known, _ in setting_names.names(type(core))}
        assert known["leak"] == "what is kept of the state."


def test_the_trainer_callbacks_and_logger_are_lmlabs_own() -> None:
    for name in ("trainer", "logger.tensorboard", "callbacks.alarms"):
        config = typed.plain(train_settings([]))
        group = config
        for part in name.split("."):
            group = group[part]
        group["_target_"] = "my_models.LeakyCore"
        with plugins.trusting(["my_models"]), pytest.raises(UserError, match="is not a class allowed"):
            stored.read_settings(config, where="x")


def test_plugins_in_a_file_are_refused() -> None:
    config = with_core("my_models.LeakyCore") | {"plugins": ["my_models"]}
    with pytest.raises(UserError, match="a file cannot make a package trusted"):
        stored.read_settings(config, where="x")
    assert not imported()


def test_a_package_that_changed_is_refused_by_name_to_go_on() -> None:
    with plugins.trusting(["my_models"]):
        recorded = plugins.record(["my_models.LeakyCore", "torch.optim.Adam", "lmlab.models.recurrent.GRU"])
        assert list(recorded) == ["my_models"]
        plugins.check_unchanged(recorded, ["my_models.LeakyCore"], field="run", value="x")
        Path("my_models.py").write_text(PACKAGE + "# changed\n")
        with pytest.raises(PluginError, match="different source code of the package my_models"):
            plugins.check_unchanged(recorded, ["my_models.LeakyCore"], field="run", value="x")


def test_a_package_of_several_files_is_recorded_whole(tmp_path: Path) -> None:
    folder = tmp_path / "my_package" / "inner"
    folder.mkdir(parents=True)
    for path in (folder.parent / "__init__.py", folder / "__init__.py", folder / "core.py"):
        path.write_text("")
    importlib.invalidate_caches()
    with plugins.trusting(["my_package"]):
        before = plugins.record(["my_package.inner.core.X"])
        (folder / "core.py").write_text("x = 1\n")
        assert plugins.record(["my_package.inner.core.X"]) != before


@pytest.mark.parametrize("stored_record", [None, {}, "x", 5, ["my_models"], {"my_models": 5}, {"my_models": {}}])
def test_a_run_whose_record_of_a_package_is_damaged_is_not_gone_on_with(stored_record: Any) -> None:
    with (
        plugins.trusting(["my_models"]),
        pytest.raises(PluginError, match="record of the package my_models is missing"),
    ):
        plugins.check_unchanged(stored_record, ["my_models.LeakyCore"], field="run", value="x")


def test_what_a_damaged_record_says_is_printable() -> None:
    stored_record = {"my_models": {"version": "\x1b[2J", "sha256": "\x1b]0;t\x07"}}
    with plugins.trusting(["my_models"]), pytest.raises(PluginError) as caught:
        plugins.check_unchanged(stored_record, ["my_models.LeakyCore"], field="run", value="x")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "target", ["my_models.\x1b[31m.X", "my_models..X", "my_models.", "my_models.X.", "my_models.__main__.X"]
)
def test_what_is_no_name_of_a_class_is_refused_without_an_import(target: str) -> None:
    with plugins.trusting(["my_models"]), pytest.raises(UserError) as caught:
        read(target)
    assert str(caught.value).isprintable()
    assert not imported()


@pytest.mark.parametrize("name", ["lmlab", "torch", "os", "my-models", "1x", ""])
def test_what_is_no_package_of_a_user_cannot_be_trusted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^plugins="), plugins.trusting([name]):
        pass
    monkeypatch.setenv(plugins.VARIABLE, "my models")
    with pytest.raises(UserError, match=f"^{plugins.VARIABLE}=my models: is not a package name"):
        read()


def test_one_package_may_be_given_as_text() -> None:
    with plugins.trusting("my_models"):
        assert read().model.core.target == "my_models.LeakyCore"


@pytest.mark.parametrize("place", ["module", "constructor"])
def test_a_package_that_exits_says_so(place: str, tmp_path: Path) -> None:
    text = PACKAGE + "raise SystemExit\n"
    if place == "constructor":
        text = PACKAGE.replace("self.output_size = hidden_size", "raise SystemExit")
    (tmp_path / "my_models.py").write_text(text)
    with plugins.trusting(["my_models"]), pytest.raises(UserError, match=r"my_models.*SystemExit"):
        registry.build("model.core", read().model.core, input_size=3)


def test_a_keyword_called_target_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "my_models.py").write_text(PACKAGE.replace("leak: Annotated", "target: int = 1, leak: Annotated"))
    with plugins.trusting(["my_models"]), pytest.raises(PluginError, match="keyword target, which cannot be set"):
        read()


@pytest.mark.parametrize("key", ["my-key", "lambda", "_partial_"])
def test_a_class_that_takes_any_keyword_gets_no_other_names(key: str) -> None:
    with plugins.trusting(["my_models"]), pytest.raises(UserError, match="is not a name of a keyword argument"):
        read("my_models.Anything", **{key: 1})


def test_a_setting_of_the_core_that_stands_at_the_model_with_another_value_is_refused() -> None:
    with plugins.trusting(["my_models"]):
        config = with_core("my_models.LeakyCore")
        config["model"]["leak"] = 0.1
        with pytest.raises(UserError, match=r"model\.leak=0\.1: has no effect: model\.core\.leak is 0\.5"):
            stored.read_settings(config, where="x")
        config["model"]["leak"] = 0.5  # as a file that says leak: ${model.leak} has it
        assert stored.read_settings(config, where="x")


def test_an_error_in_a_package_is_located(tmp_path: Path) -> None:
    with plugins.trusting(["my_models"]):
        import my_models

        with pytest.raises(AssertionError) as caught:
            my_models.function()
        assert re.fullmatch(r"my_models\.function, line \d+", plugins.location_of(caught.value))
    assert plugins.location_of(caught.value) == ""


def test_a_module_that_fails_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "my_models.py").write_text("import no_such_library_at_all\n")
    with plugins.trusting(["my_models"]):
        with pytest.raises(PluginError, match="needs no_such_library_at_all"):
            read()
        sys.modules.pop("my_models", None)
        importlib.invalidate_caches()
        (tmp_path / "my_models.py").write_text("raise RuntimeError('not\\ntoday') # longer than before\n")
        with pytest.raises(PluginError, match="failed with RuntimeError: not") as caught:
            read()
    assert len(str(caught.value).splitlines()) == 1


def test_stored_names_are_copied_not_followed() -> None:
    config = with_core("my_models.LeakyCore")
    before = copy.deepcopy(config)
    with plugins.trusting(["my_models"]):
        stored.read_settings(config, where="x")
    assert config == before
