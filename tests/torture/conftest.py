from __future__ import annotations

from pathlib import Path

import pytest

from torture.cases import write_texts

MARKER = "torture: breaks runs for LMLAB_TORTURE_SECONDS (600); run with `-m torture`"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "torture" not in (config.option.markexpr or ""):
        for item in items:
            if item.get_closest_marker("torture"):
                item.add_marker(pytest.mark.skip(reason="run with `-m torture`"))


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torture") / "texts"
    write_texts(folder)
    return folder
