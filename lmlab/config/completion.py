"""Completion of the commands' words in bash, zsh and fish, from the same registry as help and checks."""

from __future__ import annotations

import os
import re
import shlex
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lmlab.config import plugins
from lmlab.config.documentation import as_typed, described
from lmlab.config.folders import group_options, groups
from lmlab.config.help import COMMANDS, chosen_settings
from lmlab.config.options import CONFIG_DIR, of_command
from lmlab.config.presets import own_folders
from lmlab.config.setting import Setting
from lmlab.config.setting_names import names
from lmlab.config.settings import COMMANDS as SETTINGS
from lmlab.errors import UserError
from lmlab.files import expanded
from lmlab.runs.files import CONFIG

_RUNS = ("run", "runs")
_PROGRAMS = "python python3"
_BASH = """_lmlab() {
    local IFS=$'\\n'
    local -a command=("${1/#\\~\\//$HOME/}")
    if [[ ${1##*/} == python* ]]; then
        [[ ${COMP_WORDS[1]} == -m ]] || return
        if ((COMP_CWORD == 2)); then
            COMPREPLY=($(IFS=' '; compgen -W "%(modules)s" -- "${COMP_WORDS[2]}"))
            COMPREPLY=("${COMPREPLY[@]/%%/ }")
            return
        fi
        [[ ${COMP_WORDS[2]} == lmlab.* ]] || return
        command+=(-m "${COMP_WORDS[2]}")
    fi
    COMPREPLY=($(COMP_LINE=${COMP_LINE:0:COMP_POINT} LMLAB_BREAKS=$COMP_WORDBREAKS \\
        "${command[@]}" --shell-completion query=bash 2> /dev/null))
}
complete -o nospace -F _lmlab %(commands)s
complete -o nospace -o bashdefault -o default -F _lmlab %(programs)s"""
_ZSH = """_lmlab() {
    local -a command found
    command=(${(Q)words[1]/#\\~\\//$HOME/})
    if [[ ${words[1]:t} == python* ]]; then
        if [[ ${words[2]} != -m ]] || (( CURRENT < 3 )); then _default; return; fi
        if (( CURRENT == 3 )); then compadd %(modules)s; return; fi
        if [[ ${words[3]} != lmlab.* ]]; then _default; return; fi
        command+=(-m ${words[3]})
    fi
    found=(${(f)"$(COMP_LINE=$LBUFFER $command --shell-completion query=zsh 2> /dev/null)"})
    compadd -S '' -- ${(M)found:#*[=./]}
    compadd -- ${found:#*[=./]}
}
compdef _lmlab %(commands)s %(programs)s"""
_FISH = """function __lmlab
    set -l words (commandline -cpo)
    set -l command $words[1]
    if string match -qr 'python[^/]*$' -- $command
        set command $command -m $words[3]
    end
    env COMP_LINE=(commandline -cp) $command --shell-completion query=fish 2> /dev/null
end
for command in %(commands)s
    complete -c $command -f -a '(__lmlab)'
end
for command in %(programs)s
    complete -c $command -n 'string match -qr -- "-m +lmlab\\.\\S+ " (commandline -cp)' -f -a '(__lmlab)'
end"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def answer(command: str, arguments: Sequence[str]) -> str:
    """Returns what `--shell-completion install=SHELL` and `query=SHELL` print.

    Raises:
        UserError: neither, or another shell.
    """
    asked = [word.partition("=")[::2] for word in arguments if "=" in word]
    for action, shell in asked:
        if action == "install" and shell in _SCRIPTS:
            commands, modules = (" ".join(f"lmlab{mark}{name}" for name in COMMANDS) for mark in "-.")
            return _SCRIPTS[shell] % {"commands": commands, "modules": modules, "programs": _PROGRAMS}
        if action == "query" and shell in _SCRIPTS:
            return "\n".join(_query(command, os.environ.get("COMP_LINE", ""), shell))
    action, shell = next((found for found in asked if found[0] in ("install", "query")), ("install", ""))
    remedy = f"choose one of {', '.join(f'install={name}' for name in _SCRIPTS)}"
    raise UserError("--shell-completion", f"{action}={shell}" if shell else None, "names no shell", remedy)


def _query(command: str, line: str, shell: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError:  # a quote that is not closed yet
        return []
    word = "" if line[-1:].isspace() or not words else words.pop()
    program = (f"lmlab-{command}", f"lmlab.{command}")
    place = next((i for i, w in enumerate(words) if os.path.basename(w).removesuffix(".exe") in program), -1)
    found = candidates(command, words[place + 1 :], word)
    if shell != "bash":
        return found
    # What bash puts in place of a word stands as it is, ends in a blank where another word follows, and replaces only
    # what is behind a character at which bash breaks words.
    breaks = set(os.environ.get("LMLAB_BREAKS", "")) & {"=", ":"}
    cut = 1 + max((word.rfind(character) for character in breaks), default=-1)
    typed = (re.sub(r"([^\w@%+=:,./~\[\]<>-])", r"\\\1", name[cut:]) for name in found)
    return [name if name.endswith(("=", ".", "/")) else f"{name} " for name in typed]


def candidates(command: str, before: Sequence[str], word: str) -> list[str]:
    """Returns what a word that has been begun can become.

    Args:
        command: `train`, ...
        before: the words before it; they choose parts, whose settings are offered.
        word: its beginning, which may be empty. A candidate that ends in `=`, `.` or `/` can be continued.
    """
    if before and before[-1] in CONFIG_DIR:
        found = _paths(word, folders_only=True)
    elif word.startswith("-"):
        found = (name for option in of_command(command) for name in (option.name, option.short) if name)
    elif "=" in word:
        key, _, value = word.partition("=")
        begun = re.split(r"[,\[]", value)[-1]
        rest = value.removesuffix(begun)
        found = (f"{key}={rest}{v}" for v in _values(command, before, key.lstrip("+~"), begun))
    else:
        sign = word[: len(word) - len(word.lstrip("+~"))]
        depth = word.count(".")
        steps = (name.split(".") for name in known_names(command, before))
        found = (sign + ".".join(parts[: depth + 1]) + ("." if len(parts) > depth + 1 else "") for parts in steps)
    return sorted({name for name in found if name.startswith(word)})


def known_names(command: str, words: Sequence[str] = ()) -> list[str]:
    """Returns what can be typed first: groups and settings as `key=`, and the command's other words.

    Args:
        command: `train`, ...
        words: of its command line, which choose parts.
    """
    typed = [re.sub(r"=.*", "=", word) for word in COMMANDS[command].words if " " not in word]
    own = [f"{group}=" for group in groups()] if command in ("train", "list") else []
    more = [*groups()] if command == "list" else [f"{name}=" for name in _settings(command, words)]
    return list(dict.fromkeys([*typed, *own, *more]))


def _settings(command: str, words: Sequence[str]) -> dict[str, tuple[Setting, Any, str]]:
    """Returns what is known of the settings of the chosen parts, their types and their values."""
    kind = SETTINGS.get(command)
    if kind is None:
        return {}
    try:
        chosen = chosen_settings(command, kind, plugins.take_from(words))
        return {name: (known, hint, as_typed(value)) for name, value, hint, known in described(chosen)}
    except UserError:  # the command line is not complete yet: those of all parts
        return {name: (known, hint, "") for name, known, hint in names(kind)}


def _values(command: str, before: Sequence[str], key: str, value: str) -> Iterator[str]:
    last = key.rpartition(".")[2]
    if command in ("train", "list") and key in groups():
        yield from group_options(key, own_folders(before))
        return
    if command == "benchmark" and key == "models":
        yield from group_options("model", own_folders(before))
        return
    known, hint, now = _settings(command, before).get(key, (Setting(""), str, ""))
    if known.is_path or last in _RUNS:
        if last in _RUNS:
            yield from ("latest", *_runs(before))
        yield from _paths(value)
    elif key == "prune":
        yield from ("true", "yes", "false")
    else:
        yield from _choices(known, hint)
        yield from (now,) if now and not re.search(r"[\s\[\"]", now) else ()


def _choices(known: Setting, hint: Any) -> Iterator[str]:
    yield from known.choices or ()
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    for kind in kinds:
        if kind is types.NoneType:
            yield "null"
        elif kind is bool:
            yield from ("true", "false")
        elif typing.get_origin(kind) is typing.Literal:
            yield from map(str, typing.get_args(kind))


def _runs(before: Sequence[str]) -> list[str]:
    """Returns the runs and sweeps below output_dir, as far as one has a look at a glance."""
    given = [word.partition("=")[2] for word in before if word.startswith("output_dir=")]
    folder = expanded(given[-1] if given else "outputs")
    return [path.parent.as_posix() for depth in ("*/*", "*/*/*") for path in folder.glob(f"{depth}/{CONFIG}")]


def _paths(begun: str, *, folders_only: bool = False) -> Iterable[str]:
    head, slash, _ = begun.rpartition("/")
    try:
        entries = list(os.scandir(os.path.expanduser(head + slash) or "."))
    except OSError:
        return ()
    hidden = begun.startswith(".", len(head + slash))
    found = (e for e in entries if hidden or not e.name.startswith("."))
    return [head + slash + e.name + "/" * e.is_dir() for e in found if e.is_dir() or not folders_only]
