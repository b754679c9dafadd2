"""Whether the working tree gives exactly the numbers of an older commit.

A change that is meant to change no number is checked by this: short trainings are run with the commit that
numbers_base.txt names and with the working tree, by the same commands, and figures, samples and weights must be
equal, the weights bit for bit. Folders of runs that the older commit made must be usable by the working tree as well.

    .venv/bin/python .ci/compare_numbers.py                        # minutes; status 1 where anything differs
    .venv/bin/python .ci/compare_numbers.py --only lstm-streams

numbers_base.txt has the commit's full hash in its first line. Where numbers are changed on purpose, the commit that
does so becomes the new base, and a line with # below says what changed.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from types import FrameType

import torch
from numbers_cases import CASES, Case
from numbers_sides import ROOT, CommandFailed, Places, Side, base_commit, check_imports, check_out
from numbers_texts import write, write_texts


def differences_of(case: Case, places: Places) -> list[str]:
    """What differs in a case; that a command fails, on whichever side, is a difference."""
    found = []
    try:
        for line in case.compare(case, places):
            found.append(line)
    except (CommandFailed, OSError) as error:
        found.append(str(error))
    if found:
        folder = places.outputs / case.name
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "differences.txt", "\n".join(found) + "\n")
    return found


def compare(cases: Sequence[Case], places: Places, *, jobs: int) -> int:
    """Runs cases, prints a line for each as it ends, and returns how many differ.

    Args:
        cases: to run.
        places: with texts written.
        jobs: how many at a time.
    """
    differing = 0
    with ThreadPoolExecutor(jobs) as pool:
        try:
            running: dict[Future[list[str]], Case] = {}
            for case in cases:
                running[pool.submit(differences_of, case, places)] = case
            for done in as_completed(running):
                name, found = running[done].name, done.result()
                more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
                print(f"DIFFERS {name}: {found[0]}{more}" if found else f"ok {name}", flush=True)
                differing += bool(found)
        except BaseException:
            places.work.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return differing


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compares the working tree's numbers with those of an older commit.")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[case.name for case in CASES], help="these cases")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cases at a time (2)")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="keep texts, runs and differences.txt of each case in a new or empty folder",
    )
    parser.add_argument("--list", action="store_true", help="print the cases and end")
    parser.add_argument("--tree", type=Path, default=ROOT, help=argparse.SUPPRESS)  # instead of the working tree
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")
    if options.keep and options.keep.exists() and (not options.keep.is_dir() or any(options.keep.iterdir())):
        parser.error(f"--keep {options.keep}: give a new or an empty folder")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    options = parsed(arguments)
    cases = [case for case in CASES if not options.only or case.name in options.only]
    if options.list:
        print("\n".join(f"{case.name:32} {case.settings}" for case in cases))
        return 0
    signal.signal(signal.SIGTERM, _end)
    torch.set_num_threads(1)
    begin, commit, stop = time.monotonic(), base_commit(), threading.Event()
    with tempfile.TemporaryDirectory(prefix="compare-numbers-") as name:
        temporary = Path(name).resolve()
        check_out(commit, temporary / "checkout")
        outputs = options.keep.resolve() if options.keep else temporary / "outputs"
        base = Side("base", temporary / "checkout", temporary / "cache-base", stop)
        work = Side("work", options.tree.resolve(), temporary / "cache-work", stop)
        for side in (base, work):
            check_imports(side, temporary)
        write_texts(outputs / "texts")
        differing = compare(cases, Places(base, work, outputs / "texts", outputs), jobs=options.jobs)
    # Printed last, when all temporary folders are gone.
    verdict = f"{differing} of {len(cases)} cases differ" if differing else f"all {len(cases)} cases are equal"
    print(f"{verdict}: {commit[:7]} and {work.tree}, {time.monotonic() - begin:.0f} s")
    return 1 if differing else 0


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Makes SIGTERM an exception, so that temporary folders are removed."""
    raise SystemExit(143)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
