"""Printed command lines can be copied into a shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from lmlab.command_lines import command_line, for_shell, tensorboard

NASTY = ["a b", "it's", '"', "$HOME", "*", "[x]", "~", "-", "", "中文", "a;b|c&d", "\\", "#", "!"]


@pytest.mark.parametrize("value", NASTY)
def test_a_shell_reads_the_words_again(value: str) -> None:
    line = command_line("generate", [f"plugins=[{value}]"], run=value, prompt=None)
    assert shlex.split(line) == ["python", "-m", "lmlab.generate", f"run={value}", f"plugins=[{value}]"]
    assert shlex.split(tensorboard(value)) == ["tensorboard", "--logdir", value]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("value", [*NASTY, "a\nb", "\x1b[31m'", "tab\tand\\", "\u202eé"])
def test_bash_does_so_even_with_what_a_terminal_does_not_show(value: str) -> None:
    line = for_shell(["printf", "%s", f"run={value}"])
    assert line.isprintable()
    assert subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout.decode() == f"run={value}"
