"""Imports go one way. Read from the source, so also those inside functions count."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lmlab

PACKAGE = Path(lmlab.__file__).parent
COMMANDS = {
    f"lmlab.{name}"
    for name in ("train", "evaluate", "generate", "list", "predict", "report", "benchmark", "verify", "__main__")
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name: str, source: str, *, is_package: bool) -> set[str]:
    """What a module imports, as dotted names; `from a import b` is `a.b` where that is a module, else `a`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if is_package else name.split(".")[:-1]
                above = package[: len(package) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            inside = {f"{base}.{alias.name}" for alias in node.names}
            found |= {full if full in MODULES else base for full in inside}
    return found


IMPORTS = {
    name: imports(name, path.read_text(encoding="utf-8"), is_package=path.name == "__init__.py")
    for name, path in MODULES.items()
}


def is_within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def reached(name: str) -> set[str]:
    """All modules of lmlab that importing this one may import, by whatever way."""
    seen, left = set(), [name]
    while left:
        here = left.pop()
        if here not in seen and here in IMPORTS:
            seen.add(here)
            left.extend(IMPORTS[here])
    return seen


def modules_in(*packages: str) -> list[str]:
    found = [name for name in MODULES if is_within(name, *packages)]
    assert found
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import hydra.core", {"hydra.core"}),
        ("def f():\n    from lmlab.training import run", {"lmlab.training.run"}),
        ("from lmlab.training.run import train", {"lmlab.training.run"}),
        ("from ..training import run", {"lmlab.training.run"}),
        ("from . import tokenizers as t", {"lmlab.data.tokenizers"}),
        ("from .tokenizers import Ids", {"lmlab.data.tokenizers"}),
        ("if TYPE_CHECKING:\n    import lmlab.train as t", {"lmlab.train"}),
    ],
)
def test_every_way_to_import_is_seen(source, expected):
    assert imports("lmlab.data.corpus", source, is_package=False) == expected


def test_the_package_is_read_whole():
    assert {"lmlab", "lmlab.data.loaders.base", "lmlab.training.run", "lmlab.train"} <= set(MODULES)
    assert "hydra" in IMPORTS["lmlab.launch.start"]
    assert "lmlab.data.loaders.base" in IMPORTS["lmlab.models.decoder"]


# From the ground up: a room imports from those before it, and from itself. Single files stand among the rooms.
FLOORS = (
    {"errors"},
    {
        "files",
        "signals",
        "device",
        "plain_yaml",
        "changes",
        "digests",
        "version",
        "metric_spec",
        "random_states",
        "memory",
        "memory_limits",
        "layout",
        "command_lines",
        "lean_imports",
    },
    {"terminal", "locks", "output_paths", "timing"},
    {"runs"},
    {"diagnostics"},
    {"data"},
    {"models", "reference", "checkpoints"},
    {"config", "reporting"},
    {"generation"},
    {"evaluation"},
    {"training"},
    {"trained", "testing", "benchmarks"},
    {"loading"},
    {"launch", "verification"},
    {"notebook"},
    {name.removeprefix("lmlab.") for name in COMMANDS},
)


def room(name: str) -> str:
    return name.split(".")[1]


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(name) in rooms)


def test_every_room_has_its_floor():
    rooms = {room(name) for name in MODULES if name != "lmlab"}
    assert rooms == set().union(*FLOORS)


def test_imports_go_down_only():
    for name, imported in IMPORTS.items():
        # The package itself names what a user may import from it, whatever floor that is on.
        for other in sorted((imported & set(MODULES)) - {"lmlab"} if name != "lmlab" else ()):
            assert room(other) == room(name) or floor(other) < floor(name), f"{name} imports {other}"


def test_nobody_imports_a_command():
    assert {"lmlab.train", "lmlab.generate", "lmlab.evaluate"} <= set(MODULES)
    for name, imported in IMPORTS.items():
        assert not imported & COMMANDS, name


def test_only_commands_and_configuration_import_hydra():
    for name, imported in IMPORTS.items():
        if name not in COMMANDS and not is_within(name, "lmlab.config", "lmlab.launch"):
            assert not {m for m in imported if is_within(m, "hydra")}, name


def test_lightning_stays_in_training_and_the_data_module():
    lightning = ("pytorch_lightning", "lightning")
    users = {name for name, found in IMPORTS.items() if any(is_within(m, *lightning) for m in found)}
    assert "lmlab.training.module" in users
    assert {name for name in users if not is_within(name, "lmlab.training")} <= {"lmlab.data.datamodule"}


def test_modules_do_not_import_each_other_in_a_circle():
    for name, imported in IMPORTS.items():
        for other in imported & set(MODULES) - {"lmlab"}:
            assert name not in reached(other) or name == "lmlab", f"{name} and {other}"


def test_runs_and_reports_need_neither_torch_nor_hydra():
    heavy = ("torch", "pytorch_lightning", "torchmetrics", "hydra", "omegaconf")
    for name in modules_in("lmlab.runs", "lmlab.diagnostics", "lmlab.reporting"):
        for other in reached(name):
            assert not {m for m in IMPORTS[other] if is_within(m, *heavy)}, f"{name} imports {other}"


def test_the_reference_shares_nothing_with_the_evaluator():
    evaluator = ("lmlab.training", "lmlab.models", "lmlab.data.loaders")
    evaluator += ("lmlab.data.token_store", "lmlab.data.datamodule", "lmlab.trained")
    for name in ("lmlab.reference", *modules_in("lmlab.verification")):
        shared = {module for module in reached(name) if is_within(module, *evaluator)}
        assert not shared, f"{name} imports {shared}"
    ours = {"lmlab.data.tokenizers", "lmlab.data.tokenizers.base", "lmlab.data.pieces"}
    assert reached("lmlab.reference") <= {"lmlab.reference"} | ours | {"lmlab.data"}


def test_no_two_test_files_have_a_name():
    """pytest imports them by name alone, and takes the one for the other."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_a_training_starts_without_what_only_reports_need():
    """pandas takes a second to import."""
    code = "import sys, lmlab.launch.start, lmlab.training.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "lmlab.diagnostics.diagnose" in loaded
    assert not [name for name in loaded if is_within(name, "pandas", "lmlab.reporting")]


def test_using_a_model_waits_for_nothing_that_trains_or_measures(trained_run: Path) -> None:
    """Lightning and torchmetrics take a second each to import."""
    used = f"lmlab.load({str(trained_run)!r}).generate(length=3)"
    code = f"import sys, lmlab, lmlab.generate, lmlab.predict, lmlab.verify; {used}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in loaded
    assert not [name for name in loaded if is_within(name, "pytorch_lightning", "torchmetrics", "scipy", "tensorboard")]


def test_the_testing_tools_are_there_without_an_import_of_their_own():
    code = "import sys, lmlab; before = 'lmlab.testing' in sys.modules; lmlab.testing.check_core; print(before)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
