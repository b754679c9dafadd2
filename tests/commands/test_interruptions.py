"""The three signals, at several moments of the commands as they are typed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from made_sweeps import evaluations, made_run

if not Path("/proc/self/maps").exists():
    pytest.skip("what a process has loaded and caught is told by /proc, on Linux", allow_module_level=True)

BEGUN = "stopped before anything was started; type the command again"
# What each command says when it is interrupted in its work.
LOST = {
    "list": "interrupted: the list may be incomplete; the same command prints it again",
    "generate": "interrupted: the text may be incomplete; the same command writes it again",
    "evaluate": "interrupted: the figures may be incomplete; the same command gives them again",
    "report": "interrupted: the report may be incomplete; the same command writes it again",
}
Ready = Callable[[subprocess.Popen[str]], bool]


def owns_signals(process: subprocess.Popen[str]) -> bool:
    """Whether SIGHUP is caught, which Python by itself does not do."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) & 1 << (signal.SIGHUP - 1))


def has_mapped(library: str) -> Ready:
    """Whether a compiled library is loaded: that happens in the middle of an import."""
    return lambda process: library in Path(f"/proc/{process.pid}/maps").read_text()


def interrupted(number: int, ready: Ready, *words: str, cwd: Path, delay: float = 0.0) -> tuple[int, str, str]:
    """Status, stdout and stderr of a command that gets a signal as soon as it is ready for it."""
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL) and None,
    )
    while process.poll() is None and not ready(process):
        time.sleep(0.001)
    time.sleep(delay)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert "Traceback" not in stderr
    return process.returncode, stdout, stderr


def told(stderr: str) -> list[str]:
    """What a command says besides its remarks about the text."""
    return [line for line in stderr.splitlines() if not line.startswith("# ")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", LOST)
def test_right_after_the_start(name: str, number: int, tmp_path: Path) -> None:
    status, stdout, stderr = interrupted(number, owns_signals, f"lmlab.{name}", cwd=tmp_path)
    assert (status, stdout) == (128 + number, "")
    assert stderr == f"{BEGUN}\n"
    assert list(tmp_path.iterdir()) == []


def test_the_readme_s_first_command_trains_without_a_word(tmp_path: Path) -> None:
    def trains(process: subprocess.Popen[str]) -> bool:
        return any("python_docs" in path.read_text() for path in tmp_path.glob("outputs/*/*/train.log"))

    status, stdout, stderr = interrupted(signal.SIGINT, trains, "lmlab.train", cwd=tmp_path, delay=1.0)
    assert status == 128 + signal.SIGINT, stderr
    assert "python_docs" in stdout
    assert "python -m lmlab.train run=" in stderr  # how to go on


@pytest.mark.parametrize(
    ("name", "number", "delay"),
    [
        ("evaluate", signal.SIGINT, 0.0),
        ("evaluate", signal.SIGHUP, 0.4),
        ("generate", signal.SIGTERM, 0.6),
    ],
)
def test_while_torch_is_imported(name: str, number: int, delay: float, trained_run: Path, tmp_path: Path) -> None:
    long = ["length=1000000", "stop_at_end=false"] if name == "generate" else []
    words = [f"lmlab.{name}", f"run={trained_run}", *long]
    status, _, stderr = interrupted(number, has_mapped("libtorch"), *words, cwd=tmp_path, delay=delay)
    assert status == 128 + number
    assert told(stderr) == [LOST[name]]


def test_a_text_that_was_begun_is_not_lost(trained_run: Path, tmp_path: Path) -> None:
    words = [f"run={trained_run}", "prompt=Anna sees", "length=1000000", "stop_at_end=false"]

    def writes(process: subprocess.Popen[str]) -> bool:
        assert process.stdout is not None
        return bool(os.read(process.stdout.fileno(), 1))

    status, stdout, stderr = interrupted(signal.SIGHUP, writes, "lmlab.generate", *words, cwd=tmp_path, delay=0.3)
    assert status == 128 + signal.SIGHUP
    assert stdout.startswith("nna sees")
    assert told(stderr) == [LOST["generate"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_report_that_was_begun(number: int, tmp_path: Path) -> None:
    made_run(tmp_path / "outputs" / "a" / "run", history=evaluations([2.0, 1.5]))
    status, _, stderr = interrupted(number, has_mapped("matplotlib"), "lmlab.report", cwd=tmp_path)
    assert status == 128 + number
    assert told(stderr) == [LOST["report"]]


def test_the_end_of_watching_is_told_as_that(tmp_path: Path) -> None:
    made_run(tmp_path / "outputs" / "a" / "run", history=evaluations([2.0, 1.5]), status="missing")
    page = tmp_path / "outputs" / "a" / "run" / "report" / "index.html"
    words = ["watch=true", "every_seconds=60"]
    status, _, stderr = interrupted(
        signal.SIGINT, lambda _: page.is_file(), "lmlab.report", *words, cwd=tmp_path, delay=0.5
    )
    assert status == 130
    assert stderr.startswith("interrupted: watching stopped; the report shows the state at ")
    assert len(stderr.splitlines()) == 1
