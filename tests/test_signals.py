"""The owner of the signals, stage by stage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmlab import signals, terminal
from lmlab.config.command import describe, run_command
from lmlab.errors import InterruptedRun

if os.name != "posix":
    pytest.skip("Windows sends no such signals to a process", allow_module_level=True)

THREE = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# A command that owns its signals, without one of ours: what it does is appended.
COMMAND = "from lmlab import signals\nsignals.own('__main__')\nimport os, signal, sys, time\n"
RUN = "from lmlab.config.command import run_command\nsys.exit(run_command(work, [], if_interrupted='LOST'{}))\n"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    of_the_tests = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests themselves run under nohup
    before = {number: signal.getsignal(number) for number in THREE}
    yield
    signals.reset()
    terminal.reset()
    assert {number: signal.getsignal(number) for number in THREE} == before
    signal.signal(signal.SIGHUP, of_the_tests)


def program(code: str, *, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", COMMAND + code]
    return subprocess.run(
        words, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60, preexec_fn=hangs_up
    )


def hangs_up() -> None:
    """Also where the tests themselves run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def work(*lines: str, more: str = "") -> str:
    return "def work():\n" + "".join(f"    {line}\n" for line in lines) + RUN.format(more)


@pytest.mark.parametrize("number", THREE)
def test_the_work_is_ended_by_an_exception(number: int) -> None:
    with pytest.raises(InterruptedRun) as stop, signals.raising():
        signal.raise_signal(number)
    assert stop.value.signal_number == number == signals.received()


@pytest.mark.parametrize("number", THREE)
def test_the_first_is_deferred_and_the_second_is_not(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    with signals.deferred():
        signal.raise_signal(number)
        assert signals.received() == number
        with signals.deferred():
            pass
        with pytest.raises(InterruptedRun) as stop:
            signal.raise_signal(signal.SIGINT)
        assert stop.value.signal_number == number
    assert capsys.readouterr().out == "\nstopping after this step; again to stop at once\n"
    with pytest.raises(InterruptedRun):
        signals.check()


def test_nothing_is_raised_where_nothing_came() -> None:
    with signals.deferred():
        signals.check()
    assert signals.received() is None


def test_the_handlers_are_given_back_when_an_exception_passes() -> None:
    mine = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(ZeroDivisionError), signals.deferred():
            _ = 1 / (signal.getsignal(signal.SIGTERM) == before)
        assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGTERM, mine)


def test_a_second_run_in_a_notebook_does_not_end_with_the_first_ones_signal() -> None:
    with signals.deferred():
        signal.raise_signal(signal.SIGINT)
    assert signals.received() == signal.SIGINT
    with signals.deferred():
        assert signals.received() is None
        signals.check()


def test_a_terminal_that_closes_sends_its_signal_twice_and_means_it_once() -> None:
    with signals.deferred():
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
    assert signals.received() == signal.SIGHUP


def test_more_signals_do_not_disturb_the_putting_in_order_after_the_first() -> None:
    in_order = []

    def cleaning() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGHUP)
            in_order.append(True)

    with pytest.raises(InterruptedRun) as stop, signals.raising():
        cleaning()
    assert in_order
    assert stop.value.signal_number == signal.SIGTERM


def test_somebody_elses_handler_is_replaced() -> None:
    with signals.deferred():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signals.take_back()
        signal.raise_signal(signal.SIGTERM)
    assert signals.received() == signal.SIGTERM


def test_what_was_ignored_under_nohup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.raising():
            signal.raise_signal(signal.SIGHUP)
        assert signals.received() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_output_does_not_reach_the_code_that_the_signal_came_into(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        flush = write

    monkeypatch.setattr(sys, "stdout", Broken())
    with signals.deferred():
        signal.raise_signal(signal.SIGINT)
    assert signals.received() == signal.SIGINT


def test_a_thread_leaves_the_signals_alone() -> None:
    found = []

    def inside() -> None:
        with signals.deferred():
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [before]


def test_an_import_is_finished_before_the_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import signal\nsignal.raise_signal(signal.SIGTERM)\nfinished = True\n"
    (tmp_path / "made_up_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    after = []

    def importing() -> None:
        import made_up_module  # type: ignore[import-not-found]

        after.append(made_up_module)

    with pytest.raises(InterruptedRun), signals.raising():
        importing()
    assert not after
    assert sys.modules["made_up_module"].finished
    assert sys.gettrace() is None


def test_a_command_that_keeps_nothing_does_not_wait_for_an_import(tmp_path: Path) -> None:
    source = (
        "import signal\ntry:\n    signal.raise_signal(signal.SIGTERM)\nfinally:\n    print('went on', flush=True)\n"
    )
    (tmp_path / "made_up_import.py").write_text(source)
    done = program(work("print('kept')", f"sys.path.insert(0, {str(tmp_path)!r})", "import made_up_import"))
    assert (done.returncode, done.stdout, done.stderr) == (143, "kept\n", "interrupted: LOST\n")


def test_a_library_is_no_command() -> None:
    before = signal.getsignal(signal.SIGTERM)
    signals.own("lmlab.report")
    assert not signals.is_owned()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("file", ["bin/lmlab-report", "lmlab-report.exe/__main__.py", "lmlab-report-script.py"])
def test_an_installed_script_is_its_command(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", file, raising=False)
    assert signals._is_program("lmlab.report")
    assert not signals._is_program("lmlab.list")


@pytest.mark.parametrize("number", THREE)
def test_before_anything_was_begun(number: int) -> None:
    done = program(f"os.kill(os.getpid(), {int(number)})\ntime.sleep(9)")
    assert done.returncode == 128 + number
    assert done.stderr == "stopped before anything was started; type the command again\n"


@pytest.mark.parametrize(
    "lines",
    [
        ["raise ImportError('half a library')"],
        ["raise SystemExit(1)"],
        ["raise KeyboardInterrupt"],
        ["import atexit", "atexit.register(print, 'late', file=sys.stderr)", "time.sleep(9)"],
        ["return"],
    ],
    ids=str,
)
def test_whatever_ends_a_command_after_a_signal_is_the_interruption(lines: list[str]) -> None:
    swallow = ["print('kept')", "try: os.kill(os.getpid(), signal.SIGTERM)", "except BaseException: pass"]
    quick = [line.replace("time.sleep(9)", "signals.check()") for line in lines]
    done = program(work(*swallow, *quick))
    assert (done.returncode, done.stdout, done.stderr) == (143, "kept\n", "interrupted: LOST\n")


def test_an_interruption_that_a_destructor_swallows_comes_again() -> None:
    done = program(
        "class Held:\n    def __del__(self):\n        signal.raise_signal(signal.SIGTERM)\n"
        + work("Held()", "print('not reached')")
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "interrupted: LOST\n")


def test_a_message_says_more_than_the_usual_one() -> None:
    catch = ["except BaseException as e:", "    e.message = 'all saved'", "    raise"]
    inner = ["try: signal.raise_signal(signal.SIGINT)", *catch]
    done = program(work(*inner))
    assert (done.returncode, done.stderr) == (130, "interrupted: all saved\n")


def test_a_forked_worker_ends_as_it_would_have_without_us() -> None:
    lines = ["pid = os.fork()", "if not pid: time.sleep(9)", "time.sleep(0.1)", "os.kill(pid, 15)"]
    done = program(work(*lines, "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "-15\n", "")


def test_a_finished_command_keeps_its_status() -> None:
    end = "import atexit\natexit.register(os.kill, os.getpid(), 15)\n"
    done = program(end + work("print('done')"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("more", ["", ", output_is_all=False"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_device_is_told_in_one_line(more: str, unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "wb") as full:
        done = program(
            work("from lmlab.terminal import say", "say('a', 'b')", "print('worked', file=sys.stderr)", more=more),
            stdout=full.fileno(),
        )
    line = "error: standard output: No space left on device; free disk space, or redirect the output\n"
    # Where the work is worth more than the output it goes on.
    assert (done.returncode, done.stderr) == (1, f"worked\n{line}")


def test_work_that_is_worth_more_than_its_output_goes_on_without_a_reader() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    logs = ["import logging", "logging.basicConfig(stream=sys.stdout, level=0)", "logging.info('hello')"]
    done = program(
        work(*logs, "print('x', flush=True)", "print('worked', file=sys.stderr)", more=", output_is_all=False"),
        stdout=writer,
    )
    assert (done.returncode, done.stderr) == (141, "worked\n")
    done = program(work("print('x', flush=True)", "print('not reached', file=sys.stderr)"), stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(("more", "status"), [("", 1), (", output_is_all=False", 0)])
def test_an_output_that_is_closed_from_the_beginning(more: str, status: int, tmp_path: Path) -> None:
    lines = [f"opened = open({str(tmp_path / 'file')!r}, 'w')", "print('x', flush=True)", "opened.write('y')"]
    code = COMMAND + work(*lines, more=more)
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -c "$1" >&-', sys.executable, code], stderr=subprocess.PIPE, text=True, check=False
    )
    told = "error: standard output: is closed; redirect it, for example > output.txt or > /dev/null\n"
    assert (done.returncode, done.stderr) == (status, told if status else "")
    assert (tmp_path / "file").read_text() == "y"  # not what was printed


def test_a_python_interrupt_is_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert run_command(interrupted, [], if_interrupted="nothing") == 130
    assert capsys.readouterr().err == "interrupted: nothing\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(28, "No space left on device", "a/b"),
            "a/b: No space left on device; free disk space, then try again",
        ),
        (OSError(122, "Disk quota exceeded"), "disk: Disk quota exceeded; free disk space, then try again"),
        (
            RuntimeError("[enforce fail] . unexpected pos 64 vs 0"),
            "disk: no space left, or the file size limit was reached; free disk space, then try again",
        ),
        (PermissionError(13, "Permission denied", "c"), "c: Permission denied; check the path and its permissions"),
    ],
)
def test_an_error_of_the_disk_names_its_path_and_the_remedy(error: Exception, line: str) -> None:
    assert describe(error, []) == line


def test_torchs_words_for_a_full_disk_get_the_path_from_where_they_come_from() -> None:
    error = RuntimeError("PytorchStreamWriter failed writing file data.pkl: file write failed")
    error.__context__ = OSError(28, "No space left on device", "run/last.ckpt")
    assert describe(error, []).startswith("run/last.ckpt: No space left on device")


def test_it_is_imported_before_anything_that_takes_time() -> None:
    code = "import sys, lmlab; before = set(sys.modules); import lmlab.signals, time; print(*set(sys.modules) - before)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(found) <= {"lmlab.signals", "lmlab.errors", "signal", "atexit", "time", "contextlib", "types"}


@pytest.mark.parametrize("name", ["train", "verify", "evaluate", "generate", "predict", "report", "list", "benchmark"])
def test_every_command_owns_its_signals_before_its_other_imports(name: str) -> None:
    path = Path(signals.__file__).with_name(f"{name}.py")
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[1:4] == ["from __future__ import annotations", "from lmlab import signals", "signals.own(__name__)"]


def test_time_passes_between_two_requests() -> None:
    """A swallowed interruption can be asked for again."""
    swallowed = []

    def swallowing() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except InterruptedRun:
            swallowed.append(time.sleep(signals._SAME_REQUEST_SECONDS + 0.05))
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRun), signals.raising():
        swallowing()
    assert swallowed
