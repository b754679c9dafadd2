"""Where results are written: to folders that can be, and never over a file that is not a result of the same kind."""

from __future__ import annotations

import json
import os
from collections.abc import Set
from pathlib import Path

from lmlab.command_lines import for_shell
from lmlab.errors import UserError, printable
from lmlab.files import expanded, shown

# What every result of an evaluation has.
_EVALUATION = frozenset({"run", "checkpoint", "text", "fingerprint"})
# Bytes of a name, in the file systems of all three operating systems.
_LONGEST_NAME = 255
# A larger file is no result of an evaluation or a benchmark.
_MOST_BYTES = 1_000_000
# Stands near the beginning of the page of every report, so that a report is known by it.
REPORT_MARK = (
    """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; """
    """img-src data:">"""
)
PAGE, FIGURES = "index.html", "figures"


def check_writable(field: str, folder: str) -> None:
    """Checks that a folder can be made, or written to if it is there already.

    Args:
        field: the setting that names it, for errors.
        folder: as typed.

    Raises:
        UserError: it is a file, lies below a file, is in no user's home, or may not be written to.
    """
    if os.path.expanduser(folder).startswith("~"):  # a shell that is asked to make a folder takes it for a name too
        problem = f"there is no home folder {folder.partition('/')[0]}"
        raise UserError(field, printable(folder), problem, f"write {field}=./{printable(folder)} for such a name")
    path = expanded(folder).absolute()
    try:
        there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    except OSError as error:
        raise UserError(field, printable(folder), error.strerror or "cannot be used", "give another folder") from None
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise UserError(field, printable(folder), "is too long for a name of a folder", "shorten it")
    where = "" if there == path else f"{printable(there)} "
    if not there.is_dir():
        raise UserError(field, printable(folder), f"{where}is not a folder", "give another folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(field, printable(folder), f"{where}may not be written to", "give another folder")


def evaluation_file(output: str) -> Path:
    """Returns the path of the file for the result of an evaluation, links followed.

    Raises:
        UserError: no file can be written there, or another file would be lost.
    """
    try:
        return _evaluation_file(output)
    except OSError as error:  # too long a name
        raise UserError("output", output, error.strerror or "cannot be used", "name another file") from None


def _evaluation_file(output: str) -> Path:
    if output == "-":  # standard output elsewhere, where the table of the result already is
        raise UserError("output", output, "is not the name of a file", f"name one: {_example(Path('result.json'))}")
    given = expanded(output)
    path = Path(os.path.realpath(given))
    if path.is_dir():
        raise UserError("output", output, "is a folder", f"name a file: {_example(given / 'result.json')}")
    if given.exists() and not given.is_file():
        raise UserError("output", output, "a device, not a file", "name a file on the disk")
    if output.endswith(("/", os.sep)):
        raise UserError(
            "output", output, "is a folder, which is not there", f"make it first, or write {_example(given)}"
        )
    if not path.parent.is_dir():
        if (file := next(filter(Path.is_file, given.parents), None)) is not None:
            raise UserError("output", output, f"{shown(file)} is not a folder", f"write {_example(Path(path.name))}")
        problem = f"there is no folder {shown(given.parent)}"
        raise UserError("output", output, problem, f"make it first, or write {_example(Path(path.name))}")
    _check_writable(path.parent, output)
    if path.exists() and not is_result(path, _EVALUATION):
        problem = "is there already and is no result of an evaluation; it would be lost"
        raise UserError("output", output, problem, "name a new file")
    return path


def is_result(path: Path, keys: Set[str]) -> bool:
    """Returns whether a path is a file of JSON of ours, not too large, with these keys at least."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() >= keys


def made_report_folder(folder: Path) -> None:
    """Makes the folder of a report, if it is not there.

    Raises:
        UserError: it cannot be made, or has other files, which would be replaced by the report's or mixed with them.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inside = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except FileExistsError:
        raise UserError("output", folder, "is a file", "give a folder") from None
    except OSError as error:
        problem = f"cannot be used as a folder: {error.strerror}"
        raise UserError("output", folder, problem, "name another folder") from None
    _check_writable(folder, folder)
    # An interrupted first report has figures alone, or its page already.
    if inside - {FIGURES} and not _is_report(folder / PAGE):
        problem = "holds other files, with which those of the report would be mixed"
        raise UserError("output", folder, problem, f"name a new folder, for example {_example(folder / 'report')}")


def _is_report(page: Path) -> bool:
    try:
        with page.open("rb") as file:
            return REPORT_MARK.encode() in file.read(1000)
    except OSError:
        return False


def _check_writable(folder: Path, output: object) -> None:
    if not os.access(folder, os.W_OK):
        raise UserError("output", output, f"{shown(folder)} cannot be written to", "name another place")


def _example(path: Path) -> str:
    return for_shell([f"output={shown(path)}"])
