"""Text to ids and back. A tokenizer is fitted on training text only and saved as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any, Protocol

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


class Tokenizer(Protocol):
    """What the rest of lmlab asks of a tokenizer."""

    @property
    def vocabulary(self) -> Sequence[str]:
        """The entries by id; `<unk>` is 0."""
        ...

    @property
    def end_id(self) -> int | None:
        """The end token's id, or None where the tokenizer has none."""
        ...

    @property
    def end_token(self) -> str | None:
        """Where end tokens stand: ``line``, ``document``, ``sentence`` or None."""
        ...

    def fit(self, texts: Sequence[str]) -> None:
        """Makes the vocabulary from training documents."""
        ...

    def encode(self, text: str) -> Ids:
        """The ids of a text; unknown characters or words become 0. Adds no end token of a document."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids."""
        ...

    def streamer(self) -> Streamer:
        """A fresh streaming decoder."""
        ...

    def unknown(self, text: str) -> list[str]:
        """The distinct characters or words of a text that are not in the vocabulary, in order of appearance."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Everything needed to make it again, as plain containers."""
        ...


class CharTokenizer:
    """One id a character. Exact: ``decode(encode(text)) == text`` for every text of known characters.

    Args:
        end_token: ``document`` puts an end token behind each document, ``sentence`` behind each sentence, which also
            begins with a start token; None has neither.
    """

    def __init__(self, *, end_token: str | None) -> None:
        self.end_token = end_token
        self._set([])

    def _set(self, characters: Sequence[str]) -> None:
        special = special_tokens(self.end_token)
        self.vocabulary: list[str] = [*special, *characters]
        self.end_id: int | None = None if self.end_token is None else 1
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

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; an end token adds nothing."""
        streamer = self.streamer()
        return "".join(streamer.push(i) for i in ids)

    def streamer(self) -> Streamer:
        """A fresh streaming decoder."""
        return _CharStreamer(self.vocabulary)

    def unknown(self, text: str) -> list[str]:
        """The distinct unknown characters, in order of appearance."""
        known = set(self.vocabulary)
        return [c for c in dict.fromkeys(text) if c not in known]

    def to_dict(self) -> dict[str, Any]:
        """Options and vocabulary."""
        return {"format": FORMAT, "type": "char", "end_token": self.end_token, "vocabulary": list(self.vocabulary)}

    def restore(self, *, vocabulary: Sequence[str]) -> None:
        """Takes what was learned before."""
        self._set(vocabulary[len(special_tokens(self.end_token)) :])


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


class WordTokenizer:
    """One id a word.

    Args:
        end_token: ``line``: the end token stands for each line end; ``document``: it follows each document;
            ``sentence``: each sentence, which begins with a start token; None: none.
        lower: words are lower-cased.
        split: ``punctuation``: punctuation marks are tokens; ``whitespace``: the text is tokenized already.
        min_frequency: rarer words become `<unk>`.
        max_size: most entries of the vocabulary, special tokens included; None for no limit.
    """

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
        self.end_id: int | None = None if self.end_token is None else 1
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

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, spaced as print is where punctuation was split off; line ends where end tokens stood."""
        streamer = self.streamer()
        return "".join(streamer.push(i) for i in ids)

    def streamer(self) -> Streamer:
        """A fresh streaming decoder."""
        return _WordStreamer(self)

    def unknown(self, text: str) -> list[str]:
        """The distinct unknown words, in order of appearance."""
        distinct = dict.fromkeys(chain.from_iterable(self._words_by_piece(text)))
        return [word for word in distinct if word not in self._ids]

    def to_dict(self) -> dict[str, Any]:
        """Options and vocabulary."""
        return {
            "format": FORMAT,
            "type": "word",
            "end_token": self.end_token,
            "lower": self.lower,
            "split": self.split,
            "min_frequency": self.min_frequency,
            "max_size": self.max_size,
            "vocabulary": list(self.vocabulary),
        }

    def restore(self, *, vocabulary: Sequence[str]) -> None:
        """Takes what was learned before."""
        self._set(vocabulary[len(special_tokens(self.end_token)) :])


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
