"""`python -m lmlab.list`: lists the options of each group, one option with its settings, or runs."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lmlab.config import plugins
from lmlab.config.answers import answered
from lmlab.config.command import run_command
from lmlab.config.completion import known_names
from lmlab.config.documentation import entry, help_lines, markdown
from lmlab.config.effects import beside_a_run
from lmlab.config.folders import configuration_folder, group_options, groups
from lmlab.config.help import COMMANDS, COMPOSED, addition, chosen_settings
from lmlab.config.options import without_options
from lmlab.config.own_files import check_own_file
from lmlab.config.presets import check_own_folders, own_folders, search_path
from lmlab.config.settings import TrainSettings
from lmlab.config.slots import OPEN
from lmlab.config.suggestions import did_you_mean
from lmlab.data.cache import cache_folder
from lmlab.data.catalogue import GLOVE, TEXTS
from lmlab.data.download import RemoteFile, texts_folder
from lmlab.errors import Refused, UserError, printable
from lmlab.files import expanded, shown
from lmlab.metric_spec import FIGURES, OF_ROWS, OF_RUNS, OF_SOURCES
from lmlab.terminal import aside, fitted

if TYPE_CHECKING:
    from lmlab.runs.records import RunRecord


def _run(arguments: list[str]) -> None:
    if answered("list", arguments):
        return
    if arguments == ["settings"]:
        print("\n".join(markdown(COMPOSED)))
        return
    if arguments == ["figures"]:
        print("\n".join(_figures_page()))
        return
    if any(_key(argument) == "runs" for argument in arguments):
        _list_runs(arguments)
        return
    words = plugins.take_from(arguments)
    check_own_folders(words)
    own = own_folders(words)
    blocks = [_described(word, own) for word in without_options("list", words) or groups()]
    print(fitted("\n\n".join("\n".join(block) for block in blocks)))


def _list_runs(arguments: Sequence[str]) -> None:
    """Prints the table of runs, and deletes spare checkpoints if `prune` says so.

    Raises:
        UserError: another argument, or nobody can be asked.
    """
    given = dict(argument.partition("=")[::2] for argument in arguments)
    for name, value in given.items():
        if name not in ("runs", "output_dir", "prune"):
            raise UserError(
                printable(name),
                printable(value) or None,
                "cannot be given with runs",
                "only output_dir=... and prune=true can",
            )
    if "runs=" in arguments:  # as a shell has it where a variable is not set
        raise UserError("runs", '""', "names no run", "write python -m lmlab.list runs for all, or give a folder")
    prune, output_dir = given.get("prune", "false"), given.get("output_dir", "outputs")
    if not output_dir:
        raise UserError("output_dir", '""', "names no folder", "leave it out, or give one")
    if prune not in ("true", "yes", "false"):
        raise UserError("prune", printable(prune) or '""', "no such option", "choose one of true (asks), yes, false")
    # Pandas and SciPy, which tables of figures need, take a while to import.
    from lmlab.reporting.listings import run_table
    from lmlab.runs.discovery import find_records, latest

    if not given["runs"]:
        latest(expanded(output_dir))  # an error of its own where nothing was trained yet
    for sentence in beside_a_run(arguments, "runs"):
        aside(f"note: {sentence}")
    records = find_records(given["runs"] or [output_dir], output_dir=output_dir)
    print("\n".join(run_table(records)))
    if prune != "false":
        _prune(records, ask=prune == "true")


def _prune(records: Sequence[RunRecord], *, ask: bool) -> None:
    """Lists the spare checkpoints of runs, and deletes them after a yes.

    Raises:
        UserError: nobody can be asked.
    """
    from lmlab.reporting.listings import human
    from lmlab.runs.files import BEST_BEFORE_END
    from lmlab.runs.formatting import plural
    from lmlab.runs.pruning import damage, delete, spare_checkpoints

    spare = {record: files for record in records if (files := spare_checkpoints(record))}
    damaged = {record: problem for record in spare if (problem := damage(record))}
    for record, problem in damaged.items():
        print(f"note: {shown(record.folder)}: its other checkpoints stay, for {problem}")
        del spare[record]
    sizes = {file: file.lstat().st_size for files in spare.values() for file in files}
    if not sizes and damaged:
        return
    if not sizes:
        print("\nnothing to delete: no finished run has checkpoints besides best.ckpt and last.ckpt")
        return
    print("\nnot needed to use these finished runs:")
    for file, size in sizes.items():
        print(f"  {human(size):>7}  {shown(file)}")
    if any(file.name == BEST_BEFORE_END for file in sizes):
        print(
            f"note: a run without its {BEST_BEFORE_END} should not be trained for longer: its best weights may be gone"
        )
    what = f"{plural(len(sizes), 'file')}, {human(sum(sizes.values()))}"
    if ask:
        if not sys.stdin.isatty():
            remedy = "prune=yes deletes without asking"
            raise UserError("prune", "true", f"nobody can be asked here; {what} stay", remedy)
        print(f"delete {what}? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("nothing was deleted")
            return
    freed = 0
    for record, files in spare.items():
        try:
            freed += delete(record, files)
        except Refused as error:
            print(f"note: {error}")
    print(f"deleted {human(freed)}")


def _figures_page() -> Iterator[str]:
    """Yields docs/figures.md: a table of every figure that a run records."""
    # Torch, which takes a second, is needed for this page only.
    from lmlab.evaluation.metrics import OWN

    own = {name: metric.spec for name, metric in OWN.items()}
    tables = {
        "Of an evaluation, as `val/<name>` and `test/<name>`": {**own, **{name: FIGURES[name] for name in OF_SOURCES}},
        "Of a run, in summary.json": {name: FIGURES[name] for name in OF_RUNS},
        "Of training so far, in the rows of metrics.csv": {name: FIGURES[name] for name in OF_ROWS},
    }
    yield "# Figures"
    yield ""
    yield "Every figure that a run records. Generated by `python -m lmlab.list figures`; one of your own is added by"
    yield "`metrics.<name>`: [extending.md](extending.md#a-metric)."
    for title, specs in tables.items():
        yield from ("", f"## {title}", "", "| figure | unit | better | definition |", "|---|---|---|---|")
        for spec in specs.values():
            definition = spec.definition.replace("|", "\\|")
            yield f"| `{spec.name}` | {spec.unit} | {spec.direction} | {definition} |"
    yield ""
    yield "`train/nats_per_token`, `train/perplexity`, `train/error_rate` and `tokens_per_second` of metrics.csv are of"
    yield "the steps since the row before, with dropout on. `val/baselines` and `val/by_length` of summary.json are"
    yield "tables: see README."


def _key(word: str) -> str:
    return word.partition("=")[0]


def _described(word: str, own: Sequence[Path]) -> list[str]:
    """Returns the lines on a group (`model`) or an option (`model=lstm`).

    Args:
        word: as typed.
        own: the user's own folders of configuration.

    Raises:
        UserError: there is no such group or option.
    """
    group, equals, option = word.partition("=")
    known = groups()
    if group not in known:
        raise UserError(printable(word) or '""', None, "no such group", _instead(word, known))
    options = group_options(group, own)
    if equals and option not in options:
        remedy = f"choose one of {', '.join(options) or 'none'}"
        raise UserError(group, printable(option) or '""', "no such option", f"{_close(option, options)}{remedy}")
    if equals:
        check_own_file(group, option, own)
    return _describe_option(group, option, own) if equals else _describe_group(group, options, own)


def _instead(word: str, known: Sequence[str]) -> str:
    """Returns what was probably meant by a word that names no group."""
    key = _key(word).strip().lstrip("+~")
    if key.lower() in known:
        return f"did you mean {key.lower()}?"
    holding = [f"{name}={key}" for name in known if key in group_options(name)]
    if holding and "=" not in word:
        return f"did you mean {holding[0]}?"
    own = {_key(typed): typed for typed in COMMANDS["list"].words if " " not in typed}
    if key in own:
        with_runs = COMMANDS["list"].words[own[key]].startswith("with runs")
        alone = f"runs {own[key]}" if with_runs else own[key] if "=" in own[key] else f"{key} alone"
        return f"write python -m lmlab.list {alone}"
    settings = [name.removesuffix("=") for name in known_names("train")[len(COMMANDS["train"].words) :]]
    setting = next((name for name in settings if key and key in (name, name.rpartition(".")[2])), None)
    if setting is not None:
        part = setting.partition(".")[0]
        shows = f"lmlab.list {part}=OPTION shows those of an option" if part in known else "lmlab.train --help shows it"
        return f"it is a setting: python -m {shows}"
    return f"{_close(key, [*known, *own])}choose one of {', '.join(known)}"


def _close(word: str, known: Sequence[str]) -> str:
    question = did_you_mean(word, known)
    return f"{question} Or " if question else ""


def _describe_group(group: str, options: list[str], own: Sequence[Path]) -> list[str]:
    """Returns one or more lines for each option."""
    column = 4 + max(map(len, options))
    lines = [f"{group}="]
    for option in options:
        lines += entry(option, _first_comment(_file_of(group, option, own)), column)
    return [*lines, *(entry(*addition(group)) if group in OPEN else ())]


def _describe_option(group: str, option: str, own: Sequence[Path]) -> list[str]:
    """Returns an option's comment, files and settings."""
    path = _file_of(group, option, own)
    lines = [f"{group}={option}: {_first_comment(path)}"]
    files, folder = _downloads(group, option)
    for file in files:
        there = "downloaded" if (folder / file.name).is_file() else "not downloaded yet"
        lines += [
            "",
            f"{folder / file.name} ({there})",
            f"  {file.url}",
            f"  {file.num_bytes:,} bytes, SHA-256 {file.sha256}",
        ]
    # A preset is shown as it is: the settings that it changes.
    is_preset = group == "experiment"
    if is_preset:
        settings = [f"  {line}" for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        settings = _settings(group, option, own)
    return [*lines, "", "settings:", *settings]


def _file_of(group: str, option: str, own: Sequence[Path]) -> Path:
    """Returns the YAML file of an option that exists."""
    return next(f for folder in (configuration_folder(), *own) if (f := folder / group / f"{option}.yaml").is_file())


def _first_comment(path: Path) -> str:
    """Returns the first comment in an option's file, which describes the option; empty if there is none."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    comments = (line[1:].strip() for line in lines if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


def _downloads(group: str, option: str) -> tuple[tuple[RemoteFile, ...], Path]:
    """Returns the files that an option downloads, and their folder in the cache."""
    if group == "data" and option in TEXTS:
        return TEXTS[option], texts_folder(option)
    if (group, option) == ("embedding", "glove"):
        return (GLOVE,), cache_folder() / "vectors"
    return (), cache_folder()


def _settings(group: str, option: str, own: Sequence[Path]) -> list[str]:
    """Returns a line for each setting of an option, composed with the defaults of all other groups."""
    settings = chosen_settings("train", TrainSettings, [f"{group}={option}", *search_path(own)])
    assert isinstance(settings, TrainSettings)
    part = settings.data.batching if group == "batching" else getattr(settings, group)
    return list(help_lines(part, "data.batching." if group == "batching" else f"{group}."))


def main() -> None:
    """Runs the command."""
    arguments = sys.argv[1:]
    lost = "the list may be incomplete; the same command prints it again"
    sys.exit(run_command(lambda: _run(arguments), arguments, if_interrupted=lost))


if __name__ == "__main__":
    main()
