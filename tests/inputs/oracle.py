"""Judges what a command did with a case."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from inputs.bench import Bench, Outcome
from inputs.cases import Case, Expect
from lmlab.config import setting_names
from lmlab.config.compose import compose
from lmlab.config.settings import COMMANDS
from lmlab.data.corpus import split_of

# Lists of all options of a group are the longest.
LONGEST = 480
_FOREIGN = re.compile(
    r"Traceback|unexpected|LMLAB_DEBUG|Hydra|OmegaConf|[oO]verride|ConfigAttribute|full_key|object_type|ConfigKeyError"
    r"|defaults list|struct|antlr|mismatched|token recognition|<class|Error\(|NoneType|\bdict\b.*\blist\b"
)
# Of a value that is right elsewhere, but not on this machine.
_OF_THE_MACHINE = re.compile(r"PyTorch sees no|: needs about [\d.,]+ [kMGTPE]*B of memory ")
_MISSING = object()
# A trial run, which comes before all other limits, as its help says.
SETS_OTHERS = ("trainer.fast_dev_run",)


def problems(case: Case, outcome: Outcome, bench: Bench) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with an outcome: the kind of problem, and the particulars."""
    if outcome.status is None:
        yield "hangs", f"still running after {outcome.seconds:.0f} s"
        return
    if outcome.escaped:
        yield "an exception leaves the command", outcome.escaped.strip().splitlines()[-1]
        return
    if outcome.changed and not _is_of_the_run(case, outcome):
        yield "changes what was there", ", ".join(outcome.changed[:5])
    if outcome.status == 0:
        yield from _accepted(case, outcome, bench)
    else:
        yield from _refused(case, outcome)


def _is_of_the_run(case: Case, outcome: Outcome) -> bool:
    """Whether only the run that is resumed has changed."""
    return case.command == "train" and all(name.startswith("work/outputs/text-lstm/run") for name in outcome.changed)


def _refused(case: Case, outcome: Outcome) -> Iterator[tuple[str, str]]:
    line = outcome.err.strip("\n")
    if outcome.status != 1:
        yield f"exit status {outcome.status}", _brief(outcome.err)
        return
    if "\n" in line or not line.startswith("error: "):
        yield "not one line that begins with error:", _brief(outcome.err)
        return
    of_hydra = any(word.lstrip("+~").startswith("hydra") for word in case.words)
    yield from _wording(line, typed=(case.value or "").strip(), of_hydra=of_hydra)
    if outcome.made == ["work/outputs"]:
        yield "leaves an empty folder behind", outcome.made[0]
    elif outcome.made and not (case.whole and case.command == "train" and _only_locks(outcome)):
        yield "leaves something behind", f"{', '.join(outcome.made[:4])} | {_brief(line)}"
    if (case.fields and not _names_one(line, case.fields)) or (
        not case.fields and any(line.startswith(f"error: {word}") for word in case.context if case.damage is None)
    ):
        yield "blames another word", _brief(line)
    elif case.value is not None and not _shows(line, case):
        yield "does not show the value", _brief(line)
    elif case.remedy and case.remedy not in line:
        yield f"has another remedy than {case.remedy!r}", _brief(line)
    if case.expect is Expect.ACCEPTED and not _OF_THE_MACHINE.search(line) and not _names_another(line, case):
        yield "refuses a value in its range", _brief(line)


def _only_locks(outcome: Outcome) -> bool:
    return all(name.startswith("work/outputs/text-lstm/run/") for name in outcome.made)


def _wording(line: str, *, typed: str, of_hydra: bool) -> Iterator[tuple[str, str]]:
    problem, semicolon, remedy = line.partition("; ")
    if not semicolon or not remedy.strip():
        yield "has no remedy", _brief(line)
    if len(line) > LONGEST:
        yield f"is longer than {LONGEST} characters", f"{len(line)}: {_brief(line)}"
    found = _FOREIGN.search(problem.replace(typed, ""))
    if found and not of_hydra:  # who types a word of Hydra's may read its answer
        yield "speaks of what the user does not know", f"{found[0]!r} in {_brief(line)}"
    if any(not character.isprintable() for character in line):
        yield "has a character that is not printable", repr(_brief(line))


def _names_one(line: str, fields: tuple[str, ...]) -> bool:
    named = line.removeprefix("error: ")
    return any(re.match(_as_shown(field), named) or f"/{field}" in named.partition(": ")[0] for field in fields)


def _as_shown(field: str) -> str:
    """Returns a pattern for a name as lmlab shows it: in one line, cut where it is long, without control characters."""
    return "".join(re.escape(character) if " " < character <= "~" else ".{0,9}" for character in field[:70])


def _shows(line: str, case: Case) -> bool:
    """Whether a refusal shows the value: as typed, as it was read, or what can be shown of it."""
    assert case.value is not None
    squeezed, bare = _squeezed(line).lower(), case.value.strip()
    if "{" in bare or not _squeezed(bare):
        return True
    printable_part = re.split(r"[^\x20-\x7e]", bare)[0]
    forms = [printable_part, *_number_forms(bare.strip("'\""))]
    cast = re.fullmatch(r"(?:int|float|str|bool)\((.*)\)", bare)
    if cast:
        forms += [cast[1], *_number_forms(cast[1])]
    if bare.startswith("["):  # one wrong element is enough
        items = [item.strip() for item in re.split(r"[\[\],]", bare) if item.strip()]
        forms += [form for item in items for form in (item, *_number_forms(item))]
    if bare.lower() in ("yes", "on", "y", "1", "no", "off", "n", "0"):
        forms += ["true", "false"]
    if bare in ("~", "None"):
        forms.append("null")
    if "\\" in bare:  # an escape sequence
        forms.append(bare.partition("\\")[0])
    return any(_squeezed(form).lower()[:20] in squeezed for form in forms)


def _number_forms(text: str) -> list[str]:
    """Returns how a number may be shown."""
    try:
        number: int | float = int(text, 0)
    except ValueError:
        try:
            number = float(text)
        except ValueError:
            return []
    if not math.isfinite(float(text)) if isinstance(number, float) else abs(number) >= 2**63:
        return [str(number)[:20], "(a very large number)", "inf"]
    exact = [str(int(number)), "(a very large number)"] if number == int(number) else []
    return [str(number), f"{number:g}", f"{float(number)}", *exact[: 2 if abs(number) >= 2**63 else 1]]


def _squeezed(text: str) -> str:
    return re.sub(r"[\s'\"\\]", "", text)


def _names_another(line: str, case: Case) -> bool:
    """Whether a refusal names the setting that the typed one does not fit."""
    names = {name for name, *_ in setting_names.names(COMMANDS[case.command])} | {
        "run",
        "data",
        "logger",
        "embedding",
        "batching",
        "momentum",
    }
    return any(
        re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", line) for name in names if not case.setting.startswith(name)
    )


def _accepted(case: Case, outcome: Outcome, bench: Bench) -> Iterator[tuple[str, str]]:
    if case.expect is Expect.REFUSED:
        got = _value(outcome.settings[0], case.setting) if outcome.settings and case.setting else "?"
        yield "accepts what it must refuse", f"as {got!r}" if case.setting else _brief(outcome.err or outcome.out)
        return
    if "Traceback" in outcome.err or "Warning:" in outcome.err:
        yield "prints what is not for users", _brief(outcome.err)
    if not case.setting or not outcome.settings:
        return
    base = bench.base_of(case)
    if not base.settings:
        yield "its context is refused", _brief(base.err)
        return
    settings = outcome.settings[0]
    got = _value(settings, case.setting)
    meant = [value for value in case.meanings if value != "auto"]  # which is replaced by what the machine has
    if meant and not any(_same(got, value) for value in meant):
        yield "takes another value than was typed", f"{meant[0]!r} became {got!r}"
    follow = _followers(case.command, tuple(case.context)) if case.command == "train" else {}
    for name, was in _flat(base.settings[0]).items():
        now = _flat(settings).get(name, _MISSING)
        if not _same(now, was) and case.setting not in SETS_OTHERS and not _may_follow(name, case.setting, follow):
            yield "changes another setting too", f"{name} from {was!r} to {now!r} | {_brief(outcome.out + outcome.err)}"


def _may_follow(name: str, setting: str, follow: Mapping[str, str]) -> bool:
    """Whether a setting is the one that was typed or refers to it."""
    seen = {name}
    while name != setting:
        raw = follow.get(name, "")
        named = [other for other in re.findall(r"\$\{([\w.]+)\}", raw) if other not in seen]
        if not named:
            return name.startswith(f"{setting}.")
        if any(_may_follow(other, setting, follow) for other in named[1:]):
            return True
        name = named[0]
        seen.add(name)
    return True


_follow: dict[tuple[str, ...], dict[str, str]] = {}


def _followers(command: str, context: tuple[str, ...]) -> dict[str, str]:
    """Returns the settings whose values refer to others, as the files of the configuration say."""
    if context not in _follow:
        from omegaconf import OmegaConf

        raw = _flat(OmegaConf.to_container(compose(command, list(context)), resolve=False))
        _follow[context] = {name: value for name, value in raw.items() if isinstance(value, str) and "${" in value}
    return _follow[context]


def _flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _value(settings: Any, name: str) -> Any:
    for word in name.split("."):
        settings = settings.get(word, _MISSING) if isinstance(settings, dict) else _MISSING
    return settings


def _same(got: Any, meant: Any) -> bool:
    if isinstance(got, list) and isinstance(meant, list):
        return len(got) == len(meant) and all(map(_same, got, meant))
    if isinstance(got, bool) != isinstance(meant, bool):
        return False
    if isinstance(got, str) and isinstance(meant, str):
        # A path is stored as an absolute one, and each split has several names.
        return got == meant or got.endswith(f"/{meant}") or got == split_of(meant)
    return bool(got == meant)


def _brief(text: str) -> str:
    lines = text.strip().splitlines()
    shown = lines[-1] if lines else "(nothing)"
    more = f" (the last of {len(lines)} lines)" if len(lines) > 1 else ""
    return f"{shown[:300]}{'...' if len(shown) > 300 else ''}{more}"
