from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("generated mistakes")
    group.addoption("--cases", type=int, default=300, help="how many cases tests/inputs generates (300)")
    group.addoption("--cases-seed", type=int, default=0, help="another seed, other cases (0)")
