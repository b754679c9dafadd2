"""A terminal shows only what is visible of a text; a file or a pipe gets it as it is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pty = pytest.importorskip("pty")

TEXT = "a\x1b[31mb\rc\u202ed\n\te"
CODE = f"""
import sys
from lmlab import terminal
terminal.take_over(must_arrive=True)
print({TEXT!r})
print({TEXT!r}, file=sys.stderr)
terminal.say("word " * 40)
terminal.aside("word " * 40)
sys.stderr.write("\\rbar")
"""


def on_a_terminal(code: str) -> str:
    """What a program writes to a terminal of 80 columns."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["COLUMNS"] = "80"
        os.execv(sys.executable, [sys.executable, "-c", code])
    found = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # closed at the other end
            piece = b""
        if not piece:
            break
        found += piece
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, found
    return found.decode().replace("\r\n", "\n")


def test_a_terminal_shows_what_is_visible() -> None:
    shown = on_a_terminal(CODE)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.startswith("a\ufffd[31mb\ufffdc\ufffdd\n")
    assert "\nab\ufffdc\ufffdd\n" in shown  # on standard error colours are left out
    assert shown.count("\r") == 1
    assert "\rbar" in shown
    assert max(map(len, shown.split("\n"))) <= 80


def test_a_pipe_gets_the_text_as_it_is() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
    assert done.stdout.decode() == f"{TEXT}\n{'word ' * 40}\n"
    assert done.stderr.decode() == f"{TEXT}\n{'word ' * 40}\n\rbar"


def test_an_error_breaks_within_no_word() -> None:
    words = ["data=text", f"data.path={'a' * 30}", "trainer.max_steps=3", "model=lstmm"]
    code = (
        f"import sys, lmlab.train; sys.argv[1:] = {words!r}\ntry:\n    lmlab.train.main()\nexcept SystemExit:\n    pass"
    )
    error = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stderr
    assert error.count("\n") == 1
    assert len(error) > 80
    shown = on_a_terminal(code)
    assert max(map(len, shown.split("\n"))) <= 80
    assert shown.split() == error.split()


PROGRESS = """
import sys
from lmlab import terminal
terminal._SHOWN_AFTER = terminal._SHOWN_EVERY = {wait}
progress = terminal.Progress("reading a.txt", 200)
for _ in range(2):
    progress.move(50)
progress.close()
print("done", file=sys.stderr)
"""


def test_progress_is_shown_on_a_terminal_and_removed() -> None:
    shown = on_a_terminal(PROGRESS.format(wait=-1))
    assert "\rreading a.txt: 25%" in shown
    assert "\rreading a.txt: 50%\r" in shown
    assert shown.rpartition("\r")[2].strip() == "done"
    assert shown.rpartition("50%")[2].split("\r")[1] == " " * len("reading a.txt: 50%")


def test_progress_is_not_shown_for_a_short_time_nor_to_a_pipe() -> None:
    assert on_a_terminal(PROGRESS.format(wait=60)) == "done\n"
    done = subprocess.run([sys.executable, "-c", PROGRESS.format(wait=-1)], capture_output=True, check=True)
    assert done.stderr == b"done\n"
