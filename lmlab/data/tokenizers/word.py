"""A tokenizer with one id per word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np

from lmlab.data.pieces import Text, pieces
from lmlab.data.tokenizers.base import END, START, UNKNOWN, Ids, Streamer, Tokenizer, special_tokens, whole
from lmlab.data.tokenizers.word_table import WordTable

# `<unk>` and `<eos>` are tokens, also if an already tokenized text spells them out; a word keeps its inner apostrophes
# (couldn't, rock'n'roll) and combining marks; any other visible character is a token.
_WORD = re.compile(r"<unk>|<eos>|[^\W_](?:[\w\u0300-\u036f](?<!_))*(?:['’][^\W_](?:[\w\u0300-\u036f](?<!_))*)*|\S")


# Characters of text from which on a table of words is made to encode it.
_TABLE_FROM = 100_000


class WordTokenizer(Tokenizer):
    """A tokenizer with one id per word.

    Args:
        end_token: ``line``: each line end becomes an end token; ``document``: an end token follows each document;
            ``sentence``: an end token follows each sentence and a start token precedes it; None: no end tokens.
        lower: whether words are lower-cased.
        split: ``punctuation``: punctuation marks are tokens; ``whitespace``: the text is already tokenized and is split
            at white space only.
        min_frequency: words that occur less often become `<unk>`.
        max_size: maximum number of entries of the vocabulary, special tokens included; None for no limit.
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
        # A text may contain `<unk>` and `<eos>` as words; the start token is never read from it.
        self._table: WordTable | None = None
        self._ids = {word: i for i, word in enumerate(self.vocabulary) if word != START}

    def words(self, text: str) -> list[str]:
        """Returns the tokens of a text as strings; with ``end_token=line`` each line end is `<eos>`."""
        return list(chain.from_iterable(self._words_by_piece(text)))

    def _words_by_piece(self, text: Text) -> Iterator[list[str]]:
        """Yields the words of one piece of the text at a time, so that a long text's words are never all in memory."""
        yield from map(self._words_of, self._spelled_pieces(text))

    def _spelled_pieces(self, text: Text) -> Iterator[str]:
        """Yields the text in pieces in which case is as in the vocabulary and end tokens are spelled out."""
        for piece in pieces(text):
            cased = piece.lower() if self.lower else piece
            yield cased.replace("\n", f" {END} ") if self.end_token == "line" else cased
        if self.end_token == "line" and len(text) and not text.endswith("\n"):
            yield END

    def _words_of(self, spelled: str) -> list[str]:
        return spelled.split() if self.split == "whitespace" else _WORD.findall(spelled)

    def fit(self, texts: Sequence[Text]) -> None:
        """Builds the vocabulary from the most frequent words; equally frequent ones in alphabetical order."""
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
        """Returns the ids of a text; 0 for an unknown word."""
        return whole(self.encode_pieces(text))

    def encode_pieces(self, text: Text) -> Iterator[Ids]:
        """Yields the ids of a text that may be long, of one piece at a time."""
        get = self._ids.get
        table = self._fast_table(text)
        for spelled in self._spelled_pieces(text):
            ids = None if table is None else table.encode(spelled)
            if ids is None:
                words = self._words_of(spelled)
                ids = np.fromiter(map(get, words, repeat(0)), dtype=np.int32, count=len(words))
            yield ids

    def _fast_table(self, text: Text) -> WordTable | None:
        """Returns a table for texts split at white space; None for a text that is encoded before it could be made."""
        if self.split == "punctuation" or len(text) < _TABLE_FROM:
            return None
        if self._table is None:
            self._table = WordTable(self._ids)
        return self._table

    def streamer(self) -> Streamer:
        """Returns a decoder that writes line ends for end tokens and, if punctuation was split off, rejoins it."""
        return _WordStreamer(self)

    def unknown(self, text: str) -> list[str]:
        """Returns the distinct unknown words, in order of appearance."""
        distinct = dict.fromkeys(chain.from_iterable(self._words_by_piece(text)))
        return [word for word in distinct if word not in self._ids]

    def restore(self, learned: Mapping[str, Any]) -> None:
        """Restores the vocabulary from what `learned` returned."""
        self._set(learned["vocabulary"][len(special_tokens(self.end_token)) :])


# Marks that both open and close; most words in quotation marks without a punctuation mark at their end.
_MARKS = frozenset({'"', "'", "_", "*"})
_MOST_QUOTED_WORDS = 8


class _WordStreamer:
    """Joins words to text; if punctuation was split off, it is spaced as in printed text."""

    _NO_SPACE_BEFORE = frozenset(".,;:!?)]}…’”%")
    _NO_SPACE_AFTER = frozenset("([{“‘#$£")

    def __init__(self, tokenizer: WordTokenizer) -> None:
        self._vocabulary = tokenizer.vocabulary
        self._end_id = tokenizer.end_id
        self._end_text = "\n" if tokenizer.end_token == "line" else ""
        self._by_rules = tokenizer.split == "punctuation"
        self._glue = True  # no space before the next word
        # Marks that are open, each with the number of tokens since; the token before, and whether it was a word.
        self._open: dict[str, int] = {}
        self._before, self._after_word = "", False

    def push(self, token_id: int) -> str:
        if token_id == self._end_id:
            self._glue = True
            self._open.clear()
            self._before, self._after_word = "", False
            return self._end_text
        word = self._vocabulary[token_id]
        if word == START:
            return ""
        glue_after, glue_before = self._gluing(word) if self._by_rules else (False, False)
        text = word if self._glue or glue_before else " " + word
        self._glue = glue_after
        self._before, self._after_word = word, word[:1].isalnum() or word == UNKNOWN
        return text

    def _gluing(self, word: str) -> tuple[bool, bool]:
        """Returns whether the word is joined to the next one without a space, and whether to the one before."""
        if word in _MARKS:
            closing = self._closes(word)
            if closing:
                del self._open[word]
            else:
                self._open[word] = 0
            return not closing, closing
        for mark in self._open:
            self._open[mark] += 1
        if word in {"-", "–", "—", "/"}:
            return True, True
        return word in self._NO_SPACE_AFTER, word in self._NO_SPACE_BEFORE

    def _closes(self, mark: str) -> bool:
        """Returns whether a mark that both opens and closes does the latter.

        A model may write an odd number of them, after which those that open would be taken for those that close.
        """
        since = self._open.get(mark)
        if since is None:
            return False
        if since == 0 and self._before == mark:
            self._glue = False  # of two in a row the first one closes and the second opens
            return False
        # Speech ends in a punctuation mark: behind a word, a mark closes a few quoted words only.
        return not (self._after_word and since > _MOST_QUOTED_WORDS)
