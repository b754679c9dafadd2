"""What a diagnostic is, and a rule: when it applies and how it is put into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from lmlab.runs.formatting import listing, plural, sentence

Level = Literal["alarm", "warning", "note"]
Values = Mapping[str, Any]
Words = str | Callable[[Values], str]
Test = TypeVar("Test", bound=Callable[[Any], Values | None])


@dataclass(frozen=True)
class Rule:
    """When a diagnostic applies, and its words. A text is a format string of the values, or a function of them.

    The level is ``alarm`` if the numbers cannot be used or compared as they are, ``warning`` if a conclusion depends on
    the problem, otherwise ``note``.
    """

    kind: str  # a word, or several joined by hyphens; unique
    title: str  # a few words
    level: Level = "warning"
    about: Literal["run", "comparison"] = "run"  # what is tested
    finding: Words = ""  # what was found, a clause
    meaning: Words = ""  # in sentences
    remedy: Words = ""  # what the user can do, in sentences
    limits: Words = ""  # what must not be concluded, a sentence for the head of a report
    short: str = ""  # a word or two for a table of runs; empty to leave it out there
    worst: str = ""  # the value by which one of several runs is worst; with a minus, the smallest; empty for the first
    apart: str = ""  # the value for which runs that differ in it are told apart
    live: bool = False  # whether it is told while a run trains, as soon as it shows
    noted: bool = False  # whether what the run itself has stored counts before what its folder shows
    stored: bool = True  # in the summary of a run; not what only the state of its folder shows
    test: Callable[[Any], Values | None] | None = None  # returns the values if a run, or a comparison, has it

    def says(self, **words: Any) -> Callable[[Test], Test]:
        """Adds the rule with its words, and returns the decorator of its test, if not only the run itself can know.

        Raises:
            ValueError: there is one of its kind.
        """
        if self.kind in RULES:
            raise ValueError(f"two rules of the kind {self.kind}")
        RULES[self.kind] = replace(self, **words)

        def decorate(test: Test) -> Test:
            RULES[self.kind] = replace(RULES[self.kind], test=test)
            return test

        return decorate


# By kind; those that were added first come first among those of a level.
RULES: dict[str, Rule] = {}


@dataclass(frozen=True)
class Diagnostic:
    """A problem that a reader should know before trusting the numbers."""

    kind: str  # of the rule that found it
    level: Level  # of that rule
    values: Values  # what was found, as numbers and texts; of several runs that of the worst
    runs: tuple[str, ...] = ()  # labels of the affected runs, that of the values first; empty if about one run or all

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
        """Returns what was found, in which runs of the total of a report, and what it means."""
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
