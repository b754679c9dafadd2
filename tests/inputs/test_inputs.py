"""Whatever is typed: one line that names the word at fault and what to do about it, or just what was meant.

    python -m pytest tests/inputs --cases 3000 --cases-seed 7

All failures are listed by kind, each as a command line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.strategies import SearchStrategy

from inputs import files, names, values
from inputs.bench import Bench
from inputs.cases import Case
from inputs.oracle import problems
from lmlab.config.settings import COMMANDS

_OTHERS = sorted(set(COMMANDS) - {"train"})
# The parts of a hundred cases, in pieces that can be run at the same time.
FAMILIES: dict[str, tuple[int, int, Callable[[], SearchStrategy[Case]]]] = {
    "values": (32, 3, lambda: values.value_cases(["train"])),
    "values of other commands": (16, 1, lambda: values.value_cases(_OTHERS)),
    "names": (16, 2, names.name_cases),
    "options of groups": (10, 1, names.option_of_group_cases),
    "options": (8, 1, names.option_cases),
    "sweeps": (4, 1, names.sweep_cases),
    "no runs": (4, 1, names.run_name_cases),
    "data files": (5, 1, files.data_cases),
    "run files": (5, 1, files.run_cases),
}
_PIECES = [(name, piece) for name, (_, pieces, _) in FAMILIES.items() for piece in range(pieces)]


def drawn(strategy: SearchStrategy[Case], count: int, seed: int) -> list[Case]:
    """Returns cases without duplicates, the same for the same seed."""
    found: dict[str, Case] = {}

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def draw(case: Case) -> None:
        found.setdefault(str(case), case)

    draw()
    return list(found.values())[:count]


def listing(found: dict[str, list[tuple[Case, str]]], count: int, shown: int) -> str:
    """Returns all failures by kind: how many, and the shortest command lines of each."""
    lines = [f"{len({str(case) for failures in found.values() for case, _ in failures})} of {count} cases are wrong"]
    for kind, failures in sorted(found.items(), key=lambda item: -len(item[1])):
        lines.append(f"\n[{kind}] {len(failures)} cases")
        by_about = defaultdict(list)
        for case, particulars in failures:
            by_about[case.about].append((len(str(case)), str(case), particulars))
        for about, those in sorted(by_about.items(), key=lambda item: -len(item[1])):
            lines.append(f"  ({about}, {len(those)})")
            for _, command, particulars in sorted(those)[:shown]:
                lines += [f"    {command}", f"        {particulars}"]
    return "\n".join(lines)


def judged(cases: list[Case], bench: Bench) -> dict[str, list[tuple[Case, str]]]:
    found: dict[str, list[tuple[Case, str]]] = defaultdict(list)
    for case in cases:
        for kind, particulars in problems(case, bench.run(case), bench):
            found[kind].append((case, particulars))
    return found


@pytest.mark.parametrize(("family", "piece"), _PIECES)
def test_what_is_typed_is_taken_as_meant_or_refused_in_one_line(
    family: str, piece: int, request: pytest.FixtureRequest
) -> None:
    share, pieces, strategy = FAMILIES[family]
    of_runs = family in ("run files", "no runs")
    bench = request.getfixturevalue("bench_with_run" if of_runs else "bench")
    count = max(1, round(request.config.getoption("--cases", default=300) * share / 100 / pieces))
    seed = request.config.getoption("--cases-seed", default=0) * 100 + piece
    cases = drawn(strategy(), count, seed)
    found = judged(cases, bench)
    if found:
        pytest.fail(f"{family}: {listing(found, len(cases), shown=2)}", pytrace=False)
