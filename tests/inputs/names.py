"""Strategies for what stands where a setting's name, a group's option, an option or a run should."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from inputs import cases
from inputs.cases import Case, Expect
from inputs.values import Known, one_edit, settings_of, typed_values, value_case
from lmlab.config import setting_names
from lmlab.config.folders import configuration_folder, group_options
from lmlab.config.settings import COMMANDS

GROUPS = sorted(
    folder.name for folder in configuration_folder().iterdir() if folder.is_dir() and folder.name != "hydra"
)
_ALL = ("train", *sorted(set(COMMANDS) - {"train"}), "list")


def _refused(command: str, about: str, *words: str, fields: Sequence[str] = (), **more: Any) -> Case:
    return Case(command, about, Expect.REFUSED, words, fields=tuple(fields), **more)


def _either(command: str, about: str, *words: str, fields: Sequence[str] = (), **more: Any) -> Case:
    return Case(command, about, Expect.EITHER, words, fields=tuple(fields), **more)


def _names(command: str) -> set[str]:
    names = {name for name, *_ in setting_names.names(COMMANDS[command])}
    groups = {name.rsplit(".", depth)[0] for name in names for depth in range(1, 4)}
    return names | groups | set(GROUPS)


def _simple(setting: Known) -> str:
    """A value of about the right type."""
    text = str(setting.kind)
    return next((value for kind, value in (("int", "2"), ("float", "0.5"), ("bool", "true")) if kind in text), "best")


@st.composite
def name_cases(draw: st.DrawFn) -> Case:
    """A setting's name with one thing wrong."""
    command = draw(st.sampled_from(("train", "train", *sorted(COMMANDS))))
    setting = draw(st.sampled_from(settings_of(command)))
    name, value = setting.name, _simple(setting)
    before, dot, last = name.rpartition(".")
    how = draw(st.sampled_from(_HOWS))
    word = {
        "in capitals": f"{before}{dot}{last.title()}",
        "group in capitals": name.title(),
        "dots as underscores": name.replace(".", "_"),
        "dots left out": name.replace(".", ""),
        "its last word alone": last,
        "dot at the end": f"{name}.",
        "dot at the beginning": f".{name}",
        "two dots": name.replace(".", "..", 1) if dot else f"{name}..x",
        "slash for dot": name.replace(".", "/"),
        "below itself": f"{name}.x",
        "index": f"{name}[0]",
        "package": f"{name}@x",
        "dashes": name.replace("_", "-"),
        "with + and typo": f"+{name}s",
        "with ++ and typo": f"++{name}s",
        "with -": f"-{name}",
        "with --": f"--{name}",
        "blank inside": f"{before}{dot} {last}",
        "another group": f"{draw(st.sampled_from(GROUPS))}.{last}",
        "of another command": draw(st.sampled_from(sorted({n for c in COMMANDS for n in _names(c) if "." not in n}))),
    }.get(how, "")
    if how == "typo":
        word = f"{before}{dot}{draw(one_edit(last))}"
    elif how == "group typo":
        word = f"{draw(one_edit(before))}.{last}" if dot else draw(one_edit(name))
    if how in _SPECIAL:
        return _special(setting, how, value)
    if word.lstrip("+") in _names(command) or word == name:  # not wrong at all
        return value_case(setting, draw(typed_values(setting)))
    fields = (word, word.lstrip("+-"), word.rpartition("@")[0] or word)
    remedy = name if how == "typo" and len(last) > 4 else ""
    return _refused(command, f"name: {how}", f"{word}={value}", fields=fields, context=setting.context, remedy=remedy)


_SPECIAL = (
    "+",
    "++",
    "~",
    "~ with value",
    "twice",
    "no =",
    "==",
    "colon",
    "blank before =",
    "empty name",
    "quoted whole",
    "null group",
)
_HOWS = (
    "typo", "typo", "typo", "group typo", "in capitals", "group in capitals", "dots as underscores", "dots left out",
    "its last word alone", "dot at the end", "dot at the beginning", "two dots", "slash for dot", "below itself",
    "index", "package", "dashes", "with + and typo", "with ++ and typo", "with -", "with --", "blank inside",
    "another group", "of another command", *_SPECIAL,
)  # fmt: skip


def _special(setting: Known, how: str, value: str) -> Case:
    """A name that is right, in a word that is not."""
    name, group = setting.name, setting.name.partition(".")[0]
    words, fields, expect = {
        "+": ((f"+{name}={value}",), (name, f"+{name}"), Expect.EITHER),
        "++": ((f"++{name}={value}",), (name, f"++{name}"), Expect.EITHER),
        "~": ((f"~{name}",), (name, f"~{name}"), Expect.REFUSED),
        "~ with value": ((f"~{name}={value}",), (name, f"~{name}"), Expect.REFUSED),
        "twice": ((f"{name}={value}", f"{name}={value}"), (name,), Expect.EITHER),
        "no =": ((name,), (name,), Expect.REFUSED),
        "==": ((f"{name}=={value}",), (name,), Expect.EITHER),
        "colon": ((f"{name}:{value}",), (name,), Expect.REFUSED),
        "blank before =": ((f"{name} ={value}",), (name,), Expect.EITHER),
        "empty name": ((f"={value}",), ("=", f"={value}"), Expect.REFUSED),
        "quoted whole": ((f"'{name}={value}'",), (f"'{name}", name), Expect.REFUSED),
        "null group": ((f"{group}=null",), (group,), Expect.REFUSED if "." in name else Expect.EITHER),
    }[how]
    if how == "null group" and (
        setting.command != "train" or group in ("experiment", "callbacks", "metrics", "logger")
    ):
        expect = Expect.EITHER
    context = tuple(word for word in setting.context if not (how == "null group" and word.startswith(f"{group}=")))
    return Case(setting.command, f"name: {how}", expect, words, context, fields)


_NO_OPTIONS = (
    "_shared", "_base", "/etc/passwd", "a@b=c", "{}", "{a: 1}", "''", "[[a]]", "a b", "é", "\udcff", "${x}",
    "${oc.env:HOME}", "a" * 5000, "5", "true", "a/b", ".", "..", "*", "glob(*)", "choice(a)", "???", "'", "{", "\\",
)  # fmt: skip


@st.composite
def option_of_group_cases(draw: st.DrawFn) -> Case:
    """A group of `conf/` with one thing wrong about its option."""
    group = draw(st.sampled_from((*GROUPS, "hydra")))
    options = group_options(group) if (configuration_folder() / group).is_dir() else []
    option = draw(st.sampled_from(options or ["default"]))
    misspelt = one_edit(option).filter(lambda made: made not in options)
    made_of_it = (f"../{group}/{option}", f"{option}.yaml", f"{option}@x", option.upper(), f"[{option},{option}x]",
                  f"{option},x", f" {option} x")  # fmt: skip
    bad = draw(st.one_of(misspelt, misspelt, st.sampled_from((*made_of_it, *_NO_OPTIONS))))
    command = draw(st.sampled_from(("train", "train", "train", "list")))
    how = draw(
        st.sampled_from(
            ("option", "option", "option", "+", "++", "~", "@", "no option", "as a path", "null", "of another command")
        )
    )
    fields: tuple[str, ...] = (group,)
    if how == "of another command":
        other = draw(st.sampled_from(sorted(set(COMMANDS) - {"train"})))
        if group in _names(other) & {name for name, *_ in setting_names.names(COMMANDS[other])} or group == "data":
            return _either(other, "group of another command", f"{group}={option}")
        return _refused(other, "group of another command", f"{group}={option}", fields=fields)
    if how == "option":
        words, value = (f"{group}={bad}",), bad
        if bad == "???" or group == "hydra":
            return _either(command, f"option of {command}: {_about(bad, option)}", *words)
        return _refused(command, f"option of {command}: {_about(bad, option)}", *words, fields=fields, value=value)
    word = {
        "+": f"+{group}={option}x",
        "++": f"++{group}={option}x",
        "~": f"~{group}",
        "@": f"{group}@x={option}",
        "no option": f"{group}=",
        "as a path": f"{group}/{option}",
        "null": f"{group}=null",
    }[how]
    return _either(command, f"group of {command}: {how}", word, fields=(group, word, f"{group}@x"))


def _about(bad: str, option: str) -> str:
    return "misspelt" if len(bad) < 40 and bad.isidentifier() and abs(len(bad) - len(option)) < 2 else "no such option"


_OPTIONS = (
    ("-x",), ("--hlep",), ("--x=1",), ("---",), ("-",), ("--",), ("-m",), ("--multirun",), ("-m", "-m"),
    ("--multirun=1",), ("--cfg",), ("--cfg", "job"), ("--cfg", "x"), ("--cfg=job",), ("-c", "job"), ("--config-dir",),
    ("--config-dir", "nowhere"), ("--config-dir=nowhere",), ("--config-dir", cases.TEXT),
    ("--config-dir", cases.SPLITS), ("--config-dir=",), ("-cd", "nowhere"), ("--config-name", "x"), ("-cn", "x"),
    ("--config-path", "x"), ("--info",), ("--info", "x"), ("--resolve",), ("--package", "x"), ("--run",), ("-r",),
    ("--shell-completion",), ("--hydra-help",), ("--experimental-rerun", "x"), ("--version",), ("-h",), ("--help",),
    ("-h", "x"), ("--conf", "x"), ("-mm",), ("--model.hidden_size=5",), ("plugins=[nowhere]",), ("plugins=nowhere",),
    ("plugins=",), ("plugins=[",), ("+plugins=[os]",), ("plugin=[x]",), ("hydra=x",), ("hydra.run.dir=",),
    ("hydra/launcher=x",), ("hydra.mode=x",), ("hydra.sweeper.params=5",), ("hydra.verbose=x",),
    ("hydra.searchpath=[nowhere]",), ("hydra.x=1",), ("hydra.job.name=[",), ("",), (" ",), ("=",), ("==",), ("+",),
    ("~",), ("@",), ("'",), ("a",), ("é=1",), ("\udcff=1",), ("\udcff",), ("a" * 5000,), ("${x}=1",),
    ("++trainer._target_=os.system",), ("+callbacks.x._target_=os.system",), ("+metrics.x={_target_: os.system}",),
    ("+callbacks.x=5",), ("+logger.x=true",), ("callbacks=5",), ("callbacks={}",), ("callbacks.progress=5",),
    ("data.source=x",), ("+model.core._target_=x",), ("optimizer._target_=torch.optim.LBFGS",),
    ("optimizer._target_=5",), ("optimizer._target_=",),
)  # fmt: skip
_SHOWN = (("-h",), ("--help",))
_UNKNOWN = (("-x",), ("--hlep",), ("--x=1",), ("-mm",), ("a",), ("é=1",), ("plugin=[x]",))


@st.composite
def option_cases(draw: st.DrawFn) -> Case:
    """An option of the command line, or a word that is neither an option nor a setting."""
    command, words = draw(st.sampled_from(_ALL)), draw(st.sampled_from(_OPTIONS))
    if words in _UNKNOWN:
        return _refused(command, "unknown option", *words, fields=(words[0], words[0].partition("=")[0]))
    return _either(command, "option", *words, fields=() if words in _SHOWN else _fields_of(words))


_LONG = {"-cd": "--config-dir", "-m": "--multirun", "-c": "--cfg", "-cn": "--config-name", "-r": "--run"}


def _fields_of(words: Sequence[str]) -> tuple[str, ...]:
    """What a refusal may name: a word of the command line, or an option's long name."""
    bare = [word.lstrip("+~").partition("=")[0] for word in words]
    above = [word.rpartition(".")[0] for word in bare if "." in word]
    return (*words, *bare, *above, *(_LONG[word] for word in bare if word in _LONG))


_NO_RUNS = (
    "nowhere", "nowhere/deeper", cases.TEXT, cases.SPLITS, cases.VECTORS, "nolink", "loop", "fifo", "emptyfolder",
    "outputs/text-lstm/run/config.yaml", "outputs/text-lstm/run/checkpoints", "", " ", "null", "''", "${x}", "\udcff",
    "é", "a" * 5000, "a\nb", "[", "[a]", "*", "run", "/dev/null",
)  # fmt: skip


@st.composite
def run_name_cases(draw: st.DrawFn) -> Case:
    """A run that is none."""
    command = draw(st.sampled_from(("train", "generate", "evaluate", "predict", "verify", "report", "list")))
    value = draw(st.sampled_from(_NO_RUNS))
    key = "runs" if command in ("report", "list") else "run"
    of_a_run = key == "runs" and value.startswith("outputs/")  # a file in a run stands for it
    expect = Expect.EITHER if command == "list" or value == "*" or of_a_run else Expect.REFUSED
    more = {"damage": None, "whole": True}
    return Case(
        command,
        f"no run: {command}",
        expect,
        (f"{key}={value}",),
        fields=(key,),
        value=value if value.strip() else None,
        **more,
    )


@st.composite
def sweep_cases(draw: st.DrawFn) -> Case:
    """A sweep of two values of one setting."""
    setting = draw(st.sampled_from(settings_of("train")))
    first, second = draw(typed_values(setting)), draw(typed_values(setting))
    text = draw(st.sampled_from((f"{first.text},{second.text}", second.text, f"choice({first.text},{second.text})")))
    whole = value_case(setting, second)
    either = whole.expect is not Expect.REFUSED or text == second.text or "(" in second.text
    odd = any(mark in first.text + second.text for mark in "'\"[](){}\\$")
    expect = Expect.EITHER if either or odd else Expect.REFUSED
    fields = (setting.name,)
    return Case("train", f"sweep: {whole.about}", expect, ("-m", f"{setting.name}={text}"), setting.context, fields)
