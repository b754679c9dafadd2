"""The words with which a run was started, for commands that start it again with a change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import HydraException
from hydra.types import RunMode

from lmlab.changes import PAUSE, PROFILER
from lmlab.config.arguments import quote, text_setting
from lmlab.config.options import CONFIG_DIR

# Settings that concern one call of the command, not the run.
_OF_A_CALL = ("fresh", PAUSE, PROFILER)


def words_to_repeat(folder: Path) -> list[str] | None:
    """Returns the words of the command line that is starting a run now, without those of the call alone.

    They are not read from the run's record, which may be a stranger's.

    Args:
        folder: the run's.

    Returns:
        The words, options first; None if it is resumed, a job of a sweep or started from Python, or if they would mean
        something else in a sweep.
    """
    if not HydraConfig.initialized():
        return None
    given = HydraConfig.get()
    if given.mode == RunMode.MULTIRUN or Path(given.runtime.output_dir) != folder:
        return None
    words = [_as_typed(word) for word in given.overrides.task if _key(word) not in _OF_A_CALL]
    if any(
        "," in word and text_setting(_key(word)) is not None for word in words
    ):  # a sweep would have several values there
        return None
    return [*_own_folders(given), *words]


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _as_typed(word: str) -> str:
    """Returns a word without the quotes that lmlab has put around free text for Hydra."""
    name, _, value = word.partition("=")
    if text_setting(_key(word)) is None:
        return word
    try:
        parsed: Any = OverridesParser.create().parse_override(word)._value
    except HydraException:
        return word
    text = parsed.text.replace("\\${", "${") if isinstance(parsed, QuotedString) else None
    return f"{name}={text}" if text is not None and quote(text) == value else word


def _own_folders(given: Any) -> Iterator[str]:
    """Yields the words for the user's own folders of configuration."""
    for source in given.runtime.config_sources:
        if source.provider == "command-line":
            yield f"{CONFIG_DIR[0]}={source.path}"
    yield from (word for word in given.overrides.hydra if _key(word) == "hydra.searchpath")
