"""The two states of the code that are compared, each with its own cache, and the commands that are run with them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASE_FILE = Path(__file__).resolve().parent / "numbers_base.txt"
# A command takes seconds; this is for one that hangs.
MOST_SECONDS = 300.0


@dataclass(frozen=True)
class Side:
    """One of the two states of the code.

    Args:
        name: `base` or `work`.
        tree: the checkout.
        cache: what LMLAB_CACHE says, so that neither side reads what the other made.
        stop: set when no more commands are to be begun.
    """

    name: str
    tree: Path
    cache: Path
    stop: threading.Event

    def run(self, folder: Path, *command: str) -> str:
        """Standard output of a Python command.

        Args:
            folder: where it is run; made if need be.
            command: arguments of the interpreter.

        Raises:
            CommandFailed: its exit status is not 0.
        """
        if self.stop.is_set():
            raise CommandFailed(f"{self.name}: stopped")
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(self.tree), "LMLAB_CACHE": str(self.cache)}
        environment["OMP_NUM_THREADS"] = "1"
        what = f"{self.name}: {command[1]}"
        process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output, errors = self._ended(process, what)
        if process.returncode:
            said = (errors.strip() or output.strip()).decode(errors="replace").splitlines()
            raise CommandFailed(f"{what} ended with {process.returncode}: {said[-1] if said else 'nothing said'}")
        return output.decode(errors="replace")

    def _ended(self, process: subprocess.Popen[bytes], what: str) -> tuple[bytes, bytes]:
        """Standard output and error of a process; one that hangs, or is to stop, is killed."""
        begin = time.monotonic()
        while True:
            try:
                return process.communicate(timeout=0.5)
            except subprocess.TimeoutExpired:
                if self.stop.is_set() or time.monotonic() - begin > MOST_SECONDS:
                    process.kill()
                    process.communicate()
                    raise CommandFailed(f"{what} killed after {time.monotonic() - begin:.0f} s") from None


@dataclass(frozen=True)
class Places:
    """Where things are.

    Args:
        base: the older commit.
        work: the working tree.
        texts: the folder of texts.
        outputs: of all cases.
    """

    base: Side
    work: Side
    texts: Path
    outputs: Path


class CommandFailed(Exception):
    """A command ended with an error; the message is one line."""


def base_commit() -> str:
    """The full hash in the first line of numbers_base.txt.

    Raises:
        SystemExit: there is none.
    """
    first = BASE_FILE.read_text(encoding="utf-8").partition("\n")[0].strip()
    if not re.fullmatch(r"[0-9a-f]{40}", first):
        sys.exit(f"{BASE_FILE}: the first line must be the full hash of a commit")
    return first


def check_out(commit: str, folder: Path) -> None:
    """A copy of the repository at a commit, which leaves no trace in the repository itself.

    Raises:
        SystemExit: git cannot do it.
    """
    commands = (
        ["git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder)],
        ["git", "-C", str(folder), "checkout", "--quiet", "--detach", commit],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no reason given"]
            sys.exit(f"no checkout of {commit}: {said[-1]} (a shallow clone lacks it: git fetch --unshallow)")


def check_imports(side: Side, folder: Path) -> None:
    """Whether a side runs its own code, and not an installed package.

    Raises:
        SystemExit: it does not, or the code cannot be imported.
    """
    try:
        found = side.run(folder, "-c", "import lmlab; print(lmlab.__file__)").strip()
    except CommandFailed as error:
        sys.exit(str(error))
    if Path(found).resolve() != (side.tree / "lmlab" / "__init__.py").resolve():
        sys.exit(f"{side.name}: Python imports {found} instead of lmlab in {side.tree}")
