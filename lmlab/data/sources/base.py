"""What every source of a text is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lmlab.data.corpus import Corpus


class Source(ABC):
    """Where a text comes from.

    One of your own is a subclass whose constructor takes what stands below `source` in the data set's YAML file.
    `lmlab.testing.check_source` checks that loading gives the same every time, with a training and a validation split.
    """

    def check(self) -> None:  # noqa: B027  (most sources have nothing to check)
        """Refuses, without reading the text, what cannot work; called before anything slow is done.

        Raises:
            UserError: a file is missing, or an option means nothing.
        """

    @abstractmethod
    def load(self) -> Corpus:
        """Reads the text.

        Raises:
            UserError: it cannot be used.
        """
