"""The user's own packages whose classes a configuration may name, and how each came to be trusted.

Only the user can declare a package as trusted: `plugins=[my_models]` on the command line, the environment's
`LMLAB_PLUGINS`, an installed distribution's entry point in the group `lmlab.plugins`, or an argument of a function. A
folder, a file or a checkpoint cannot.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from lmlab.errors import UserError, printable

GROUP = "lmlab.plugins"
VARIABLE = "LMLAB_PLUGINS"
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_OPTION = "plugins"
# Top-level names that are never packages of a user's own.
LIBRARIES = frozenset(
    {*sys.stdlib_module_names, "lmlab", "torch", "pytorch_lightning", "lightning", "torchmetrics", "numpy"}
)
# Given to a function, for as long as it runs.
_passed: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("plugins", default=())


class PluginError(UserError):
    """One of the user's own packages is not trusted, missing, or not the one that a run needs."""


class Untrusted(PluginError):
    """A configuration names a class of a package that the user has not declared as trusted."""


class PluginRecord(NamedTuple):
    """What a run records about a package.

    Args:
        version: of the distribution, or the package's `__version__`; empty if there is none.
        sha256: of its Python files.
    """

    version: str
    sha256: str


def take_from(arguments: Sequence[str]) -> list[str]:
    """Trusts what `plugins=` names on a command line, and returns the other words.

    Raises:
        UserError: a name is not that of a package.
    """
    rest: list[str] = []
    _from_environment()  # a mistake in it is told before anything is written
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key.lstrip("+") != _OPTION or not equals:
            rest.append(argument)
            continue
        names = _checked(filter(None, (name.strip(" '\"") for name in value.strip("[] ").split(","))))
        _check_there(names)
        _trust_in_this_process(names)
    return rest


def words_of(arguments: Sequence[str]) -> list[str]:
    """Returns the words of a command line that `take_from` takes."""
    return [word for word in arguments if word.partition("=")[0].lstrip("+") == _OPTION and "=" in word]


@contextlib.contextmanager
def trusting(names: str | Iterable[str]) -> Iterator[None]:
    """Trusts packages for the time of a call.

    Raises:
        UserError: a name is not that of a package that is there.
    """
    checked = _checked([names] if isinstance(names, str) else names)
    _check_there(checked)
    token = _passed.set((*_passed.get(), *checked))
    try:
        yield
    finally:
        _passed.reset(token)


def trusted_package(target: str) -> str | None:
    """Returns the trusted package that a class's full name is in, None where it is in none."""
    if not is_dotted(target) or "__main__" in target.split("."):  # a package's program is not a place for classes
        return None
    return next((name for name in _trusted() if target.startswith(f"{name}.")), None)


def is_dotted(target: str) -> bool:
    """Returns whether it is a name that includes a package."""
    return "." in target and _NAME.fullmatch(target) is not None


def load_class(target: str, package: str, *, field: str) -> type:
    """Imports a class of a trusted package.

    Args:
        target: its full name.
        package: trusted, and the beginning of the name.
        field: that names it, for errors.

    Raises:
        PluginError: there is no such class, or it is defined elsewhere.
    """
    module_name, _, name = target.rpartition(".")
    _make_importable()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise PluginError(
                field, target, f"its module needs {error.name}, which is not installed", "install it"
            ) from None
        where = f"there is no module {error.name} in {os.getcwd()} or installed"
        raise PluginError(field, target, where, "check the name, or run in the folder that contains it") from None
    except (Exception, SystemExit) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        problem = f"importing {module_name} failed with {type(error).__name__}: {first}"
        raise PluginError(field, target, problem, "fix it (LMLAB_DEBUG=1 shows the traceback)") from error
    found = getattr(module, name, None)
    if not isinstance(found, type):
        problem = f"{module_name} has no class {name}"
        raise PluginError(field, target, problem, "check the name")
    if not f"{found.__module__}.".startswith(f"{package}."):
        problem = f"is defined in {found.__module__}, outside {package}"
        raise PluginError(field, target, problem, "name a class that the package defines itself")
    return found


def untrusted(target: str, field: str) -> Untrusted:
    """Returns the error for a class of a package that is not trusted."""
    package = target.partition(".")[0]
    problem = f"belongs to the package {package}, which is not trusted"
    close = get_close_matches(package, [*_passed.get(), *_from_environment()], n=1)
    if close:
        problem += f" (plugins names {close[0]})"
    remedy = (
        f'if you trust its code, add plugins=[{package}] to the command line (from Python: plugins=["{package}"]) '
        f"or set {VARIABLE}={package}"
    )
    return Untrusted(field, target, problem, remedy)


def location_of(error: BaseException) -> str:
    """Returns the function and line of a trusted package in which an error was raised; empty if there is none."""
    found, step = "", error.__traceback__
    while step is not None:
        frame = step.tb_frame
        module = frame.f_globals.get("__name__", "")
        if trusted_package(f"{module}.x") is not None:
            found = f"{module}.{frame.f_code.co_qualname}, line {step.tb_lineno}"
        step = step.tb_next
    return found


def record(targets: Iterable[str]) -> dict[str, dict[str, str]]:
    """Returns, by name, version and digest of the packages that classes belong to, except lmlab and torch."""
    packages = sorted({package for target in targets if (package := trusted_package(target)) is not None})
    return {package: _record(package)._asdict() for package in packages}


def as_words(targets: Iterable[str]) -> list[str]:
    """Returns the argument for the packages that classes belong to; empty for none."""
    packages = sorted({package for target in targets if (package := trusted_package(target)) is not None})
    return [f"{_OPTION}=[{','.join(packages)}]"] if packages else []


def check_unchanged(stored: Any, targets: Iterable[str], *, field: str, value: str) -> None:
    """Refuses to resume a run with another version of a package than the one with which it was started.

    Args:
        stored: from `record`, when the run was started; read from a file, so it may be damaged.
        targets: full names of the run's classes.
        field: for errors.
        value: for errors.

    Raises:
        PluginError: naming the package and both versions.
    """
    for package, now in record(targets).items():
        before = recorded(stored, package)
        if before is None:
            problem = f"its record of the package {package} is missing or damaged"
            raise PluginError(field, value, problem, "restore the run, or start a new one")
        if before._asdict() == now:
            continue
        versions = [printable(before.version) or "without a version", now["version"] or "without a version"]
        differ = f"({versions[0]} then, {versions[1]} now)" if versions[0] != versions[1] else f"({versions[0]})"
        problem = f"was started with different source code of the package {package} {differ}"
        remedy = f"restore that source code (SHA-256 {printable(before.sha256[:12])}), or start a new run"
        raise PluginError(field, value, problem, remedy)


def recorded(stored: Any, package: str) -> PluginRecord | None:
    """Returns what a run recorded of a package; None if there is no such record, or a damaged one."""
    found = stored.get(package) if isinstance(stored, dict) else None
    if not isinstance(found, dict):
        return None
    version, sha256 = found.get("version"), found.get("sha256")
    return PluginRecord(version, sha256) if isinstance(version, str) and isinstance(sha256, str) else None


def _check_there(names: Iterable[str]) -> None:
    """Refuses a package that is neither in the working directory nor installed; nothing is imported."""
    _make_importable()
    for name in names:
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            problem = f"there is no such package in {os.getcwd()} or installed"
            raise UserError(_OPTION, name, problem, "check the name, or run in the folder that contains it")


def _checked(names: Iterable[str]) -> list[str]:
    example = f"for example {_OPTION}=[my_models]"
    if not isinstance(names, Iterable):
        raise UserError(_OPTION, names, "is neither a text nor a list of texts", example)
    found = list(names)
    for name in found:
        if not isinstance(name, str):
            raise UserError(_OPTION, name, "is not a text", example)
        if _NAME.fullmatch(name) is None:
            raise UserError(_OPTION, name, "is not a package name", example)
        if name.partition(".")[0] in LIBRARIES:
            raise UserError(_OPTION, name, "is not a package of your own", example)
    return found


def _trust_in_this_process(names: Iterable[str]) -> None:
    """In the environment, so that the workers of a sweep's launcher trust the same."""
    there = _from_environment()
    os.environ[VARIABLE] = ",".join([*there, *(name for name in names if name not in there)])


def _from_environment() -> list[str]:
    names = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    wrong = next((name for name in names if name and _NAME.fullmatch(name) is None), None)
    if wrong is not None:
        raise UserError(VARIABLE, wrong, "is not a package name", f"for example {VARIABLE}=my_models,my_texts")
    library = next((name for name in names if name.partition(".")[0] in LIBRARIES), None)
    if library is not None:
        raise UserError(VARIABLE, library, "is not a package of your own", f"for example {VARIABLE}=my_models")
    return [name for name in names if name]


def _trusted() -> list[str]:
    return [*_passed.get(), *_from_environment(), *_from_entry_points()]


@functools.cache
def _from_entry_points() -> tuple[str, ...]:
    """Returns the packages of installed entry points, from metadata only: nothing is imported until it is needed.

    `python -m` searches the working directory too, which may be a stranger's; what lies there is not installed.
    """
    here = os.path.realpath(os.getcwd())
    folders = [path for path in sys.path if path and os.path.realpath(path) != here]
    points = (p for d in importlib.metadata.distributions(path=folders) for p in d.entry_points.select(group=GROUP))
    return tuple(dict.fromkeys(point.module for point in points if _NAME.fullmatch(point.module)))


def _make_importable() -> None:
    """Puts the working directory on the path; an installed command does not have it there."""
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
        importlib.invalidate_caches()


def _record(package: str) -> PluginRecord:
    _make_importable()
    found = importlib.util.find_spec(package)
    files: list[tuple[str, Path]] = []
    if found is not None and found.submodule_search_locations is not None:
        for folder in map(Path, found.submodule_search_locations):
            files += [(path.relative_to(folder).as_posix(), path) for path in folder.rglob("*.py")]
    elif found is not None and found.origin is not None:
        files.append(("", Path(found.origin)))
    digest = hashlib.sha256()
    for name, path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return PluginRecord(_version(package), digest.hexdigest())


def _version(package: str) -> str:
    top = package.partition(".")[0]
    for distribution in importlib.metadata.packages_distributions().get(top, ()):
        return importlib.metadata.version(distribution)
    return str(getattr(sys.modules.get(package), "__version__", ""))
