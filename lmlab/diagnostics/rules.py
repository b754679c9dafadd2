"""What a diagnostic is, and a rule: when it applies and how it is put into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from lmlab.runs.formatting import listing, plural, sentence

Level = Literal["alarm", "warning", "note"]
Values = Mapping[str, Any]
Words = str | Callable[[Values], str]
Test = TypeVar("Test", bound=Callable[[Any], Values | None])


@dataclass(frozen=True)
class Rule:
    """When a diagnostic applies, and its words. A text is a format string of the values, or a function of them.

    Args:
        test: returns the values if a run, or a comparison, has it; None if only the run itself can know.
        about: what is tested.
        kind: a word, or several joined by hyphens; unique.
        title: a few words.
        finding: what was found, a clause.
        level: ``alarm`` if the numbers cannot be used or compared as they are, ``warning`` if a conclusion depends on
            the problem, otherwise ``note``.
        meaning: what it means, in sentences.
        remedy: what the user can do, in sentences.
        limits: what must not be concluded, a sentence for the head of a report.
        short: a word or two for a table of runs; empty to leave it out there.
        worst: the value by which one of several runs is worst; with a minus, the smallest. Empty for the first.
        apart: the value for which runs that differ in it are told apart.
        live: whether it is told while a run trains, as soon as it shows.
        noted: whether what the run itself has stored counts before what its folder shows.
        stored: whether a run stores it in its summary; False for what only the state of its folder shows.
    """

    test: Callable[[Any], Values | None] | None
    about: Literal["run", "comparison"]
    kind: str
    title: str
    finding: Words
    level: Level = "warning"
    meaning: Words = ""
    remedy: Words = ""
    limits: Words = ""
    short: str = ""
    worst: str = ""
    apart: str = ""
    live: bool = False
    noted: bool = False
    stored: bool = True


# By kind; those that were added first come first among those of a level.
RULES: dict[str, Rule] = {}


def add(kind: str, test: Callable[[Any], Values | None] | None = None, *, about: Any = "run", **words: Any) -> None:
    """Adds a rule; see `Rule` for the arguments.

    Raises:
        ValueError: there is one of its kind.
    """
    if kind in RULES:
        raise ValueError(f"two rules of the kind {kind}")
    RULES[kind] = Rule(test, about, kind, **words)


def rule(kind: str, *, about: Any = "run", **words: Any) -> Callable[[Test], Test]:
    """Decorates the test of a rule: a function from a `RunRecord` or a `Comparison` to its values, or to None."""

    def decorate(test: Test) -> Test:
        add(kind, test, about=about, **words)
        return test

    return decorate


@dataclass(frozen=True)
class Diagnostic:
    """A problem that a reader should know before trusting the numbers.

    Args:
        kind: of the rule that found it.
        level: of that rule.
        values: what was found, as numbers and texts; of several runs that of the worst.
        runs: labels of the affected runs, that of the `values` first; empty if it is about a single run or all.
    """

    kind: str
    level: Level
    values: Values
    runs: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule:
        """The rule that found it; of a kind that this lmlab does not know, that of ``other``."""
        return RULES.get(self.kind, RULES["other"])

    def words(self, name: Literal["finding", "meaning", "remedy", "limits"]) -> str:
        """Returns one of the rule's texts, with the values."""
        words = getattr(self.rule, name)
        try:
            return words.format_map(self.values) if isinstance(words, str) else str(words(self.values))
        except (KeyError, ValueError, TypeError, IndexError):  # another version of lmlab stored other values
            return str(self.values.get("text", "")) if name == "finding" else ""

    def __str__(self) -> str:
        """The whole in a line, for a log."""
        return f"{self.rule.title}: {self.text(1)} {self.words('remedy')}".strip()

    def text(self, total: int) -> str:
        """Returns what was found, in which runs, and what it means.

        Args:
            total: number of runs of the report.
        """
        found = f"{sentence(self.words('finding'))} {self.words('meaning')}".strip()
        if not self.runs or total == 1:
            return found
        example = f", {'most' if self.rule.worst else 'for instance'} in “{self.runs[0]}”" if len(self.runs) > 1 else ""
        return f"In {self.where(total)}{example}: {found}"

    def where(self, total: int) -> str:
        """Returns the affected runs as part of a sentence; empty if it is about all."""
        return name_runs(self.runs, total) if self.runs else ""


def noted(kind: str, **values: Any) -> Diagnostic:
    """Returns a diagnostic that is known to apply."""
    return Diagnostic(kind, RULES[kind].level, values)


def name_runs(labels: Sequence[str], total: int) -> str:
    """Returns runs as part of a sentence: `this run`, `both runs`, `“gru”`, `2 of the 12 runs (“gru” and “lstm”)`."""
    if total == 1:
        return "this run"
    quoted = [f"“{label}”" for label in labels]
    if len(quoted) == total:
        return "both runs" if total == 2 else f"all {plural(total, 'run')}"
    return quoted[0] if len(quoted) == 1 else f"{len(quoted)} of the {plural(total, 'run')} ({listing(quoted)})"
