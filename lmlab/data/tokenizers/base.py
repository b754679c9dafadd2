"""The base class of all tokenizers, which convert text to ids and back."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "<unk>"


END = "<eos>"


START = "<bos>"


FORMAT = 1


Ids = NDArray[np.int32]


def id_type(vocabulary_size: int) -> np.dtype[Any]:
    """Returns the smallest integer type that has all ids of a vocabulary: one, two (both unsigned) or four bytes."""
    return np.dtype(np.uint8 if vocabulary_size <= 1 << 8 else np.uint16 if vocabulary_size <= 1 << 16 else np.int32)


def whole(pieces: Iterable[NDArray[np.integer[Any]]]) -> Ids:
    """Returns the ids of pieces as one array, (N,) int32."""
    return np.concatenate([np.zeros(0, dtype=np.int32), *pieces], dtype=np.int32)


def special_tokens(end_token: str | None) -> list[str]:
    """Returns the entries at the beginning of a vocabulary that do not stand for text.

    Args:
        end_token: where end tokens are put, as in `Tokenizer`; ``sentence`` has a start token as well.
    """
    if end_token is None:
        return [UNKNOWN]
    return [UNKNOWN, END, START] if end_token == "sentence" else [UNKNOWN, END]


class Streamer(Protocol):
    """Converts ids to text one at a time, so that generated text can be shown as it is produced."""

    def push(self, token_id: int) -> str:
        """Returns the text that this id adds."""
        ...


class Tokenizer(ABC):
    """Converts text to ids and back.

    To write your own, subclass it with a constructor that takes keywords, `end_token` among them, and keeps each as an
    attribute of the same name. `lmlab.testing.check_tokenizer` checks what lmlab relies on:

    - `vocabulary` begins with the special tokens (`special_tokens(end_token)`): `<unk>` is 0, the end token 1.
    - `fit` depends on its texts alone; `encode` gives ids below the length of the vocabulary.
    - `decode(encode(text))` is the text, up to what the tokenizer says it drops.
    - A new object with the same keywords, after `restore(learned())`, gives the same ids; no key of `learned` is one of
      these keywords, `format` or `type`.
    - The ids of an empty text are empty.

    Attributes:
        type_name: the class's name in tokenizer.json; its full name unless the class is lmlab's own.
        unit: what an id stands for, ``character``, ``word`` or ``piece`` (of a word). It chooses the order of the
            n-gram baseline, and how long a stretch of text is shown.
        end_token: where end tokens are put: ``line``, ``document``, ``sentence``, or None.
        vocabulary: the entries by id.
    """

    type_name: ClassVar[str] = ""
    unit: ClassVar[str] = "piece"
    end_token: str | None
    vocabulary: Sequence[str]

    @property
    def end_id(self) -> int | None:
        """The end token's id; None if there are no end tokens."""
        return None if self.end_token is None else 1

    @abstractmethod
    def fit(self, texts: Sequence[str]) -> None:
        """Builds the vocabulary from the training documents."""

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """Returns the ids of a text, (N,) int32; parts that are not in the vocabulary become 0.

        Adds no end token for a document or sentence; with ``end_token=line`` each line end becomes one.
        """

    @abstractmethod
    def streamer(self) -> Streamer:
        """Returns a decoder that takes one id after the other."""

    def decode(self, ids: Iterable[int]) -> str:
        """Returns the text of ids."""
        streamer = self.streamer()
        return "".join(streamer.push(i) for i in ids)

    def unknown(self, text: str) -> list[str]:
        """Returns the distinct parts of a text that are not in the vocabulary, in order of appearance."""
        return []

    def options(self) -> dict[str, Any]:
        """Returns the constructor's keywords with their values."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def learned(self) -> dict[str, Any]:
        """Returns what `fit` learned, as lists, dictionaries, text and numbers; the vocabulary must be in it."""
        return {"vocabulary": list(self.vocabulary)}

    @abstractmethod
    def restore(self, learned: Mapping[str, Any]) -> None:
        """Restores the fitted state from what `learned` returned.

        Raises:
            ValueError, LookupError, TypeError: `learned` cannot have returned this.
        """

    def to_dict(self) -> dict[str, Any]:
        """Returns everything needed to reconstruct the tokenizer, for tokenizer.json and checkpoints."""
        name = self.type_name or f"{type(self).__module__}.{type(self).__qualname__}"
        return {"format": FORMAT, "type": name, **self.options(), **self.learned()}
