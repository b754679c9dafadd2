"""The base class of all sources of text."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lmlab.data.corpus import Corpus
from lmlab.errors import UserError


class Source(ABC):
    """A source of text.

    To write your own, subclass it with a constructor that takes the keys below `source` in the data set's YAML file.
    `lmlab.testing.check_source` checks that loading gives the same corpus every time, with a training and a validation
    split.
    """

    def check(self) -> None:  # noqa: B027  (most sources have nothing to check)
        """Checks the options without reading the text; called before anything slow is done.

        Raises:
            UserError: a file is missing, or an option has an invalid value.
        """

    @abstractmethod
    def load(self) -> Corpus:
        """Reads the text.

        Raises:
            UserError: the text cannot be used.
        """


def read(source: Source) -> Corpus:
    """Returns the text of a source, which may be a user's own.

    Raises:
        UserError: the text cannot be used, or the source gives something else.
    """
    corpus: object = source.load()
    if not isinstance(corpus, Corpus):
        problem = f"load() of {type(source).__name__} returned {type(corpus).__name__}, not an lmlab.Corpus"
        raise UserError("data.source", None, problem, "lmlab.testing.check_source checks a source")
    return corpus
