"""What several tests share: small texts, composed configurations, one small trained run."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from command_server import Server

    from lmlab.config.settings import TrainSettings

# Small work: a second thread would only wait for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["grammar_samples"]


def pytest_configure(config: pytest.Config) -> None:
    if "not gpu" in config.option.markexpr:
        # Also where there is a GPU: figures of several commands are compared digit by digit. tests/gpu has its own.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_sessionfinish() -> None:
    from typed_commands import close

    close()


# Links, pipes, forks, and signals that one process sends to another.
NEEDS_POSIX = pytest.mark.skipif(os.name != "posix", reason="of POSIX systems: Windows lacks it, or the right to it")
# Its server forks.
collect_ignore = [] if hasattr(os, "fork") else ["torture"]
Compose = Callable[..., "TrainSettings"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMLAB_CACHE", str(tmp_path_factory.mktemp("cache")))


def made_up_text(sentences: int, seed: int = 0) -> str:
    """English-like text with a structure that a small model can learn."""
    generator = random.Random(seed)
    names, verbs = ["Anna", "Ben", "the cat", "a bird"], ["sees", "likes", "follows", "won't forget"]
    made = (f"{generator.choice(names)} {generator.choice(verbs)} {generator.choice(names)}" for _ in range(sentences))
    return "".join(f"{s[0].upper()}{s[1:]}.\n" for s in made)


@pytest.fixture(scope="session")
def server() -> Server:
    """The parent of the commands of all tests."""
    from typed_commands import shared_server

    return shared_server()


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "made_up.txt"
    path.write_text(made_up_text(700), encoding="utf-8")
    return path


SMALL = (
    "model.hidden_size=16",
    "embedding.dim=8",
    "data.batch_size=4",
    "data.sequence_length=25",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "trainer.log_every_n_steps=10",
    "callbacks.sample_text.length=30",
    "evaluation.baselines=false",
    "evaluation.num_samples=0",
)


# A run whose weights grow until they overflow, for each step subtracts 100,000 times them.
DIVERGING = (
    "optimizer=sgd",
    "optimizer.lr=1000",
    "optimizer.weight_decay=100",
    "trainer.gradient_clip_val=null",
    "model=rnn",
)


def compose_config(text: Path, *overrides: str) -> TrainSettings:
    """The settings of a small training run on a text."""
    from lmlab.config.checks import check_training
    from lmlab.config.compose import train_settings

    settings = train_settings(["data=text", f"data.path={text}", *SMALL, *overrides])
    check_training(settings)
    return settings


def changed(settings: TrainSettings, **values: Any) -> TrainSettings:
    """A copy with other values, by dotted name."""
    import copy
    from functools import reduce

    found = copy.deepcopy(settings)
    for name, value in values.items():
        *groups, last = name.split(".")
        setattr(reduce(getattr, groups, found), last, value)
    return found


def kinds(summary: dict[str, Any]) -> list[str]:
    """The kinds of a summary's diagnostics, in their order."""
    return [found["kind"] for found in summary["diagnostics"]]


def resume_run(folder: Path, **changes: Any) -> dict[str, Any]:
    """The summary of a run that goes on from its last checkpoint, with changed settings by dotted name."""
    from lmlab.training.resuming import resume_from
    from lmlab.training.run import train

    resumption = resume_from(folder, changes)
    return train(resumption.settings, folder, resumption=resumption)


@pytest.fixture(scope="session")
def trained_run(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two epochs."""
    from lmlab.training.run import train

    folder = tmp_path_factory.mktemp("outputs") / "text-lstm" / "run"
    folder.mkdir(parents=True)
    train(compose_config(text_file, "tokenizer.end_token=document"), folder)
    return folder
