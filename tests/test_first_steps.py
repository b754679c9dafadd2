"""The notebook of examples/: what can be said of it without executing it, which `.ci/notebook` does."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import lmlab
from lmlab.config.checks import compose
from lmlab.notebook import Run
from lmlab.trained import TrainedModel

PATH = Path(__file__).resolve().parent.parent / "examples" / "first_steps.ipynb"
NOTEBOOK: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
TREE = ast.parse("\n".join("".join(cell["source"]) for cell in CODE))


def test_it_is_a_notebook_that_any_kernel_opens() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert NOTEBOOK["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in NOTEBOOK["cells"]:
        wanted = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            wanted |= {"execution_count", "outputs"}
        assert cell.keys() == wanted
        assert cell["cell_type"] in ("code", "markdown")
        assert isinstance(cell["source"], list)
        assert "".join(cell["source"]).strip()


@pytest.mark.parametrize("cell", CODE, ids=lambda cell: cell["id"])
def test_a_cell_is_stored_without_what_it_printed(cell: dict[str, Any]) -> None:
    assert cell["outputs"] == []
    assert cell["execution_count"] is None
    ast.parse("".join(cell["source"]))


def attributes(of: str) -> set[str]:
    """The names that are read from a variable."""
    return {
        node.attr
        for node in ast.walk(TREE)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == of
    }


def test_what_it_uses_of_lmlab_is_there() -> None:
    assert {"fit", "load_runs", "compose", "build_data", "build_module"} <= attributes("lmlab") <= set(lmlab.__all__)
    assert attributes("gru") | attributes("best") | attributes("run") <= {*dir(Run), "folder"}
    shown = {"generate", "generate_samples", "next_tokens", "evaluate"}
    assert shown <= attributes("lm") <= set(dir(TrainedModel))


def test_its_settings_compose() -> None:
    lists = [node for node in ast.walk(TREE) if isinstance(node, ast.List)]
    words = [[item.value for item in node.elts if isinstance(item, ast.Constant)] for node in lists]
    settings = [found for found in words if any("=" in str(word) for word in found)]
    assert len(settings) >= 3
    for overrides in settings:
        compose(overrides)
