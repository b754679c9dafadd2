"""Where trials happen: a folder of its own, in which everything that a child may write is seen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_server import Ended, Server


@dataclass(frozen=True)
class Place:
    """Where trials happen: a folder of its own, in which everything that a child may write is seen.

    Args:
        root: with `work` (the working directory), `cache`, `home` and `tmp`; each is made.
    """

    root: Path

    def __post_init__(self) -> None:
        for name in ("work", "cache", "home", "tmp"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @property
    def work(self) -> Path:
        """The working directory."""
        return self.root / "work"

    def run(self, server: Server, *arguments: str, **more: Any) -> Ended:
        """One command in this place; for the arguments see `Server.run`."""
        names = {"LMLAB_CACHE": "cache", "HOME": "home", "TMPDIR": "tmp", "XDG_CACHE_HOME": "home"}
        environment = os.environ | {variable: str(self.root / name) for variable, name in names.items()}
        environment.pop("LMLAB_DEBUG", None)
        watched = [self.work, self.root / "cache"]
        return server.run(*arguments, cwd=self.work, environment=environment, watched=watched, **more)

    def strays(self) -> list[str]:
        """Files outside of work/outputs and the cache."""
        found = [p for name in ("home", "tmp") for p in (self.root / name).rglob("*") if p.is_file()]
        found += [p for p in self.work.iterdir() if p.name != "outputs"]
        return [f"a file outside of the run: {path.relative_to(self.root)}" for path in found]
