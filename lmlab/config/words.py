"""Checks the words of a command line before Hydra reads them: only here is it known which of them is at fault."""

from __future__ import annotations

from collections.abc import Sequence

from lmlab.config import hydra_words, options, setting_names
from lmlab.config.arguments import quote_free_text
from lmlab.config.presets import GROUP, own_folders
from lmlab.config.settings import COMMANDS, Settings
from lmlab.config.word_forms import Word, read_word
from lmlab.config.word_names import check_name
from lmlab.config.word_values import check_word_value
from lmlab.errors import UserError


def checked(words: Sequence[str], command: str, *, sweep: bool = False) -> list[str]:
    """Returns the words of a command line as Hydra takes them, options first, after checks that do not compose.

    Args:
        words: as typed, without those that name trusted packages.
        command: its name.
        sweep: whether commas and functions such as ``range(1,4)`` give several values.

    Raises:
        UserError: the first word that cannot be right, whatever else is chosen.
    """
    kind = COMMANDS[command]
    given: list[str] = []
    found_options: list[options.Given] = []
    settings: list[str] = []
    for found in options.divided(words):
        if isinstance(found, str):
            settings.append(found)
            continue
        options.check(found, command)
        found_options.append(found)
        given += found.parts
    options.check_together(found_options)
    own = own_folders(words)
    beside = zip(["", *settings], settings, [*settings[1:], ""], strict=False)
    found_words = [read_word(text, command, before=before, behind=behind) for before, text, behind in beside]
    for word in found_words:
        check_name(word, kind)
        check_word_value(word, kind, own, sweep=sweep)
        if apart := next((found.name for found in found_options if found.name in options.APART), None):
            raise UserError(word.key, word.shown, f"changes nothing of what {apart} shows", "leave it out")
    if _last_preset(found_words) == "null":  # Hydra has no word that leaves a group out
        found_words = [word for word in found_words if word.key != GROUP]
    return [*given, *quote_free_text([_as_hydra_has_it(word, kind) for word in found_words], sweep=sweep)]


def check_forms(words: Sequence[options.Given | str], command: str) -> None:
    """Checks that options are a command's and that other words have the form of settings, whatever they set.

    Raises:
        UserError: the first that is not so.
    """
    before = ""
    for place, word in enumerate(words):
        if isinstance(word, str):
            behind = next((later for later in words[place + 1 :] if isinstance(later, str)), "")
            read_word(word, command, before=before, behind=behind)
            before = word
        else:
            options.check(word, command)


def _last_preset(words: Sequence[Word]) -> str:
    return next((word.value for word in reversed(words) if word.key == GROUP), "")


def _as_hydra_has_it(word: Word, kind: type[Settings]) -> str:
    """Returns a word, for which + also stands where the YAML file of the chosen option has the setting already."""
    if word.key.startswith(hydra_words.ENVIRONMENT):
        return f"++{word.key}={word.value}"
    return f"+{word.text}" if word.sign == "+" and word.key in setting_names.known_settings(kind) else word.text
