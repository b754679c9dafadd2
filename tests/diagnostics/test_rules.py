"""Each rule: that it applies where it should and only there, and that its words can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rule_cases import OF_COMPARISONS, OF_RUNS, OfComparison, OfRun

from lmlab.diagnostics.diagnose import of_comparison, of_run
from lmlab.diagnostics.rules import RULES, Diagnostic, Rule

APPLIES, DOES_NOT = 0, 1


def runs(side: int) -> list[object]:
    listed = [(kind, case) for kind, cases in OF_RUNS.items() for case in cases[side]]
    return [pytest.param(kind, case, id=f"{kind}-{number}") for number, (kind, case) in enumerate(listed)]


def comparisons(side: int) -> list[object]:
    listed = [(kind, case) for kind, cases in OF_COMPARISONS.items() for case in cases[side]]
    return [pytest.param(kind, case, id=f"{kind}-{number}") for number, (kind, case) in enumerate(listed)]


def assert_readable(diagnostic: Diagnostic) -> None:
    """Whole sentences, made of the values that the rule itself found, which can be stored."""
    json.dumps(dict(diagnostic.values), allow_nan=False)
    rule = diagnostic.rule
    for name in ("finding", "meaning", "remedy", "limits"):
        words = getattr(rule, name)
        text = words.format_map(diagnostic.values) if isinstance(words, str) else words(diagnostic.values)
        assert diagnostic.words(name) == text
        if name != "finding":
            assert text.endswith((".", "?")) or not text
    assert rule.finding
    assert rule.title[0].isupper()
    for line in (str(diagnostic), diagnostic.text(1)):
        assert line.endswith((".", "?"))
        for wrong in ("{", "}", "  ", "..", " .", "None", "nan", "\n"):
            assert wrong not in line.replace("...", ""), line
    # A number without its unit says nothing, and neither does one of many digits.
    assert not [word for word in str(diagnostic).split() if len(word.partition(".")[2].rstrip("%.,;)")) > 4 and
                word.replace(".", "").isdigit()]  # fmt: skip


def test_every_rule_has_cases() -> None:
    assert {*OF_RUNS} == {kind for kind, rule in RULES.items() if rule.about == "run"}
    assert {*OF_COMPARISONS} == {kind for kind, rule in RULES.items() if rule.about == "comparison"}
    assert all(all(cases) for cases in (*OF_RUNS.values(), *OF_COMPARISONS.values()))


@pytest.mark.parametrize(("kind", "case"), runs(APPLIES))
def test_a_run_has_it(kind: str, case: OfRun, tmp_path: Path) -> None:
    (found,) = [diagnostic for diagnostic in of_run(case(tmp_path)) if diagnostic.kind == kind]
    assert found.level == RULES[kind].level
    assert_readable(found)


@pytest.mark.parametrize(("kind", "case"), runs(DOES_NOT))
def test_a_run_next_to_it_has_it_not(kind: str, case: OfRun, tmp_path: Path) -> None:
    assert kind not in [diagnostic.kind for diagnostic in of_run(case(tmp_path))]


@pytest.mark.parametrize(("kind", "case"), comparisons(APPLIES))
def test_a_comparison_has_it(kind: str, case: OfComparison, tmp_path: Path) -> None:
    (found,) = [diagnostic for diagnostic in of_comparison(case(tmp_path)) if diagnostic.kind == kind]
    assert found.level == RULES[kind].level
    assert_readable(found)


@pytest.mark.parametrize(("kind", "case"), comparisons(DOES_NOT))
def test_a_comparison_next_to_it_has_it_not(kind: str, case: OfComparison, tmp_path: Path) -> None:
    assert kind not in [diagnostic.kind for diagnostic in of_comparison(case(tmp_path))]


def test_no_two_rules_are_of_a_kind() -> None:
    with pytest.raises(ValueError, match="two rules of the kind leak"):
        Rule("leak", "x").says(finding="y")


# What the first case of a rule says, in which the values are read off.
WORDS = {
    "below-source": "20.2 nats better",
    "diverged": "6.1000 nats per token on validation and 6.2000 on training text at the end, 1.1000 above the best",
    "collapse": "3.0200 nats per token on the validation text, where the frequencies of single tokens alone give 3.0",
    "disagreement": "1.5000 (perplexity 4.482) on validation and 1.7600 (perplexity 5.812) on the test text",
    "strayed": "Of the 16 parts of the validation text that are read side by side, the worst has 2.7600",
    "baseline": "a 5-gram model (Kneser-Ney), which only counts, has 1.8750 on the same tokens",
    "clipping": "on 51.0% of the steps",
    "still-falling": "0.0210 nats per token better than the one before",
    "partial": "(1 of 2 training batches; 3 of 4 validation batches)",
    "different-text": "2 different texts",
    "different-vocabulary": "vocabularies of 65 and 9,000 entries",
    "edge": "model.dropout 0.4 is the largest of 3 values",
    "training-tokens": "between 1M and 3M tokens",
    "steps": "in 100 to 210 steps",
    "parameters": "between 10k and 25k parameters, 2.5 times as many",
    "unknown-in-bits": "Up to 3.4% of a run's tokens",
    "machines": "CPU (1 threads) and NVIDIA H200",
    "versions": "torch 2.11 and 2.13",
}


@pytest.mark.parametrize("kind", WORDS)
def test_the_values_are_those_of_the_runs(kind: str, tmp_path: Path) -> None:
    found = of_run(OF_RUNS[kind][0][0](tmp_path)) if kind in OF_RUNS else None
    every = of_comparison(OF_COMPARISONS[kind][0][0](tmp_path)) if found is None else found
    (line,) = [str(diagnostic) for diagnostic in every if diagnostic.kind == kind]
    assert WORDS[kind] in line


def test_the_order_of_rules_is_the_same_whichever_is_imported_first() -> None:
    code = "import lmlab.diagnostics.run_rules; from lmlab.diagnostics.rules import RULES; print(*RULES)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == list(RULES)
