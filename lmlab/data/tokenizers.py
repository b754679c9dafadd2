"""Text to ids and back. A tokenizer is fitted on training text only and saved as JSON."""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from lmlab.data.pieces import pieces, slices

UNKNOWN = "<unk>"
END = "<eos>"
START = "<bos>"
FORMAT = 1

Ids = NDArray[np.int32]


def special_tokens(end_token: str | None) -> list[str]:
    """The entries at the beginning of a vocabulary that are no text.

    Args:
        end_token: where end tokens stand; sentences begin with a start token as well.
    """
    if end_token is None:
        return [UNKNOWN]
    return [UNKNOWN, END, START] if end_token == "sentence" else [UNKNOWN, END]


class Streamer(Protocol):
    """Turns ids into text one at a time, for text that appears while it is written."""

    def push(self, token_id: int) -> str:
        """The text that this id adds."""
        ...


class Tokenizer(ABC):
    """Text to ids and back.

    One of your own is a subclass whose constructor takes keywords, keeps each of them as an attribute of the same name,
    and has `end_token` among them. `lmlab.testing.check_tokenizer` checks what lmlab relies on:

    - `vocabulary` begins with the special tokens (`special_tokens(end_token)`): `<unk>` is 0, the end token 1.
    - `fit` depends on its texts alone; `encode` gives ids below the length of the vocabulary.
    - `decode(encode(text))` is the text, up to what the tokenizer says it drops.
    - A new object with the same keywords, after `restore(learned())`, gives the same ids.

    Attributes:
        type_name: in tokenizer.json; the class's full name unless it is lmlab's own.
        unit: what an id stands for, ``character``, ``word`` or ``piece`` (of a word). It chooses the order of the
            n-gram baseline, and how long a stretch of text is shown.
        end_token: where end tokens stand: ``line``, ``document``, ``sentence``, or None.
        vocabulary: the entries by id.
    """

    type_name: ClassVar[str] = ""
    unit: ClassVar[str] = "piece"
    end_token: str | None
    vocabulary: Sequence[str]

    @property
    def end_id(self) -> int | None:
        """The end token's id; None without end tokens."""
        return None if self.end_token is None else 1

    @abstractmethod
    def fit(self, texts: Sequence[str]) -> None:
        """Makes the vocabulary from the training documents."""

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """Returns the ids of a text, (N,) int32; what is not in the vocabulary becomes 0.

        Adds no end token of a document or sentence; with ``end_token=line`` each line end is one.
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
        """Takes what `learned` returned.

        Raises:
            ValueError, LookupError, TypeError: it cannot be from `learned`.
        """

    def to_dict(self) -> dict[str, Any]:
        """Returns all that makes the tokenizer again, for tokenizer.json and checkpoints."""
        name = self.type_name or f"{type(self).__module__}.{type(self).__qualname__}"
        return {"format": FORMAT, "type": name, **self.options(), **self.learned()}


class CharTokenizer(Tokenizer):
    """One id a character. Exact: ``decode(encode(text)) == text`` for every text of known characters.

    Args:
        end_token: ``document`` puts an end token behind each document, ``sentence`` behind each sentence, which also
            begins with a start token; None has neither.
    """

    type_name = "char"
    unit = "character"

    def __init__(self, *, end_token: str | None) -> None:
        self.end_token = end_token
        self._set([])

    def _set(self, characters: Sequence[str]) -> None:
        special = special_tokens(self.end_token)
        self.vocabulary: list[str] = [*special, *characters]
        codes = np.array([ord(c) for c in characters], dtype=np.int64)
        # A table over code points: a megabyte of text is encoded in about a millisecond.
        self._table = np.zeros(int(codes.max(initial=0)) + 2, dtype=np.int32)
        self._table[codes] = np.arange(len(special), len(special) + len(characters), dtype=np.int32)

    def fit(self, texts: Sequence[str]) -> None:
        """Takes every distinct character, in the order of code points."""
        self._set(sorted(set().union(*map(set, texts))))

    def encode(self, text: str) -> Ids:
        """The ids of a text; 0 for an unknown character."""
        ids = np.empty(len(text), dtype=np.int32)
        start = 0
        for piece in slices(text):
            codes = np.frombuffer(piece.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
            ids[start : start + len(piece)] = self._table[np.minimum(codes, len(self._table) - 1)]
            start += len(piece)
        return ids

    def streamer(self) -> Streamer:
        """A fresh streaming decoder."""
        return _CharStreamer(self.vocabulary)

    def unknown(self, text: str) -> list[str]:
        """The distinct unknown characters, in order of appearance."""
        known = set(self.vocabulary)
        return [c for c in dict.fromkeys(text) if c not in known]

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Takes what `learned` returned."""
        self._set(learned["vocabulary"][len(special_tokens(self.end_token)) :])


class _CharStreamer:
    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._vocabulary = vocabulary

    def push(self, token_id: int) -> str:
        entry = self._vocabulary[token_id]
        return "" if entry in (END, START) else entry


# `<unk>` and `<eos>` are tokens also where a text that was tokenized before spells them out; a word keeps its
# inner apostrophes (couldn't, rock'n'roll) and combining marks; any other visible character is a token.
_WORD = re.compile(r"<unk>|<eos>|[^\W_](?:[\w\u0300-\u036f](?<!_))*(?:['’][^\W_](?:[\w\u0300-\u036f](?<!_))*)*|\S")
_WORD_OR_LINE = re.compile(_WORD.pattern + r"|\n")


class WordTokenizer(Tokenizer):
    """One id a word.

    Args:
        end_token: ``line``: the end token stands for each line end; ``document``: it follows each document;
            ``sentence``: each sentence, which begins with a start token; None: none.
        lower: words are lower-cased.
        split: ``punctuation``: punctuation marks are tokens; ``whitespace``: the text is tokenized already.
        min_frequency: rarer words become `<unk>`.
        max_size: most entries of the vocabulary, special tokens included; None for no limit.
    """

    type_name = "word"
    unit = "word"

    def __init__(
        self, *, end_token: str | None, lower: bool, split: str, min_frequency: int, max_size: int | None
    ) -> None:
        self.end_token = end_token
        self.lower = lower
        self.split = split
        self.min_frequency = min_frequency
        self.max_size = max_size
        self._set([])

    def _set(self, words: Sequence[str]) -> None:
        special = special_tokens(self.end_token)
        self.vocabulary: list[str] = [*special, *words]
        # A text may spell out the unknown and the end token; a start token is never read from it.
        self._ids = {word: i for i, word in enumerate(self.vocabulary) if word != START}

    def words(self, text: str) -> list[str]:
        """The tokens of a text as strings; with ``end_token=line`` each line end is `<eos>`."""
        return list(chain.from_iterable(self._words_by_piece(text)))

    def _words_by_piece(self, text: str) -> Iterator[list[str]]:
        """The words of one piece after the other, so that those of a long text are never all there at once."""
        for piece in pieces(text):
            yield self._words_of(piece.lower() if self.lower else piece)
        if self.end_token == "line" and text and not text.endswith("\n"):
            yield [END]

    def _words_of(self, piece: str) -> list[str]:
        if self.split == "punctuation":
            if self.end_token != "line":
                return _WORD.findall(piece)
            return [END if word == "\n" else word for word in _WORD_OR_LINE.findall(piece)]
        return (piece.replace("\n", f" {END} ") if self.end_token == "line" else piece).split()

    def fit(self, texts: Sequence[str]) -> None:
        """Takes the most frequent words; among equals, the first in alphabetical order."""
        counts: Counter[str] = Counter()
        for text in texts:
            for words in self._words_by_piece(text):
                counts.update(words)
        for special in (UNKNOWN, END, START):
            counts.pop(special, None)
        kept = sorted((w for w, n in counts.items() if n >= self.min_frequency), key=lambda w: (-counts[w], w))
        room = None if self.max_size is None else max(0, self.max_size - len(special_tokens(self.end_token)))
        self._set(kept[:room])

    def encode(self, text: str) -> Ids:
        """The ids of a text; 0 for an unknown word."""
        get = self._ids.get
        parts = [np.zeros(0, dtype=np.int32)]
        for words in self._words_by_piece(text):
            parts.append(np.fromiter(map(get, words, repeat(0)), dtype=np.int32, count=len(words)))
        return np.concatenate(parts)

    def streamer(self) -> Streamer:
        """Returns a decoder that spaces as print does if punctuation was split off; line ends for end tokens."""
        return _WordStreamer(self)

    def unknown(self, text: str) -> list[str]:
        """The distinct unknown words, in order of appearance."""
        distinct = dict.fromkeys(chain.from_iterable(self._words_by_piece(text)))
        return [word for word in distinct if word not in self._ids]

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Takes what `learned` returned."""
        self._set(learned["vocabulary"][len(special_tokens(self.end_token)) :])


class _WordStreamer:
    """Puts words together again; where punctuation was split off, by the rules of print."""

    _NO_SPACE_BEFORE = frozenset(".,;:!?)]}…’”%")
    _NO_SPACE_AFTER = frozenset("([{“‘#$£")

    def __init__(self, tokenizer: WordTokenizer) -> None:
        self._vocabulary = tokenizer.vocabulary
        self._end_id = tokenizer.end_id
        self._end_text = "\n" if tokenizer.end_token == "line" else ""
        self._by_rules = tokenizer.split == "punctuation"
        self._glue = True  # no space before the next word
        self._open_quotes: set[str] = set()

    def push(self, token_id: int) -> str:
        if token_id == self._end_id:
            self._glue = True
            self._open_quotes.clear()
            return self._end_text
        word = self._vocabulary[token_id]
        if word == START:
            return ""
        glue_after, glue_before = self._gluing(word) if self._by_rules else (False, False)
        text = word if self._glue or glue_before else " " + word
        self._glue = glue_after
        return text

    def _gluing(self, word: str) -> tuple[bool, bool]:
        """Whether no space follows, and whether none precedes."""
        if word in {'"', "'", "_", "*"}:  # the same mark opens and closes
            closing = word in self._open_quotes
            self._open_quotes ^= {word}
            return not closing, closing
        if word in {"-", "–", "—", "/"}:
            return True, True
        return word in self._NO_SPACE_AFTER, word in self._NO_SPACE_BEFORE
