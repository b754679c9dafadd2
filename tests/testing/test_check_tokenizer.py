"""The check of a tokenizer: what passes, and for each requirement a tokenizer that violates it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lmlab.data.tokenizers.base import Tokenizer, special_tokens
from lmlab.data.tokenizers.bpe import BPETokenizer
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.testing import check_tokenizer

TEXTS = [
    'Anna sees Ben.\nBen won\'t see "the cat"!\n\nThe cat likes Anna: 50% é.',
    "A second text, a second line\nAnna sees it.\n",
]


@pytest.mark.parametrize("end_token", [None, "document", "sentence"])
def test_lmlabs_exact_tokenizers_pass(end_token: str | None) -> None:
    check_tokenizer(CharTokenizer(end_token=end_token), TEXTS)
    check_tokenizer(BPETokenizer(end_token=end_token, vocabulary_size=280, min_frequency=2), TEXTS)


@pytest.mark.parametrize("end_token", [None, "line", "document", "sentence"])
@pytest.mark.parametrize("split", ["punctuation", "whitespace"])
def test_lmlabs_word_tokenizer_passes(end_token: str | None, split: str) -> None:
    for options in (
        {"lower": True, "min_frequency": 1, "max_size": None},
        {"lower": False, "min_frequency": 2, "max_size": 9},
    ):
        check_tokenizer(WordTokenizer(end_token=end_token, split=split, **options), TEXTS, exact=False)


def test_what_a_word_tokenizer_drops_is_shown_unless_it_is_declared() -> None:
    tokenizer = WordTokenizer(end_token=None, lower=True, split="whitespace", min_frequency=1, max_size=None)
    with pytest.raises(AssertionError, match=r"decode\(encode\(text\)\) must be the text .*at character 0 \"Anna"):
        check_tokenizer(tokenizer, TEXTS)


def test_a_text_is_needed() -> None:
    for texts in ([], [""], "abc"):
        with pytest.raises(ValueError, match="list of documents"):
            check_tokenizer(CharTokenizer(end_token=None), texts)


class Pairs(Tokenizer):
    """Two characters an id; others violate one requirement each. A last odd one stands alone."""

    unit = "piece"

    def __init__(self, *, end_token: str | None = None, most: int = 1000) -> None:
        self.end_token = end_token
        self.most = most
        self.vocabulary: list[str] = special_tokens(end_token)

    def pairs(self, text: str) -> list[str]:
        return [text[i : i + 2] for i in range(0, len(text), 2)]

    def fit(self, texts: Sequence[str]) -> None:
        found = sorted({pair for text in texts for pair in self.pairs(text)})
        self.vocabulary = [*special_tokens(self.end_token), *found[: self.most]]

    def encode(self, text: str) -> np.ndarray:
        number = {entry: i for i, entry in enumerate(self.vocabulary)}
        return np.array([number.get(pair, 0) for pair in self.pairs(text)], dtype=np.int32)

    def streamer(self) -> Any:
        return Stream(self)

    def restore(self, learned: Any) -> None:
        self.vocabulary = list(learned["vocabulary"])


class Stream:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def push(self, token_id: int) -> str:
        return self.tokenizer.vocabulary[token_id]


@pytest.mark.parametrize("end_token", [None, "document", "sentence"])
def test_a_tokenizer_of_ones_own_passes(end_token: str | None) -> None:
    check_tokenizer(Pairs(end_token=end_token), TEXTS)
    check_tokenizer(Pairs(end_token=end_token, most=9), TEXTS, exact=False)


class LosesState(Pairs):
    """A table made by `fit` is not among what was learned."""

    def fit(self, texts):
        super().fit(texts)
        self.table = {entry: i for i, entry in enumerate(self.vocabulary)}

    def encode(self, text):
        return np.array([getattr(self, "table", {}).get(p, 0) for p in self.pairs(text)], dtype=np.int32)


class NoEndToken(Pairs):
    def __init__(self):
        super().__init__()


class RenamesAnOption(Pairs):
    def __init__(self, *, end_token=None, largest=1000):
        super().__init__(end_token=end_token, most=largest)


class ChangesAnOption(Pairs):
    def __init__(self, *, end_token=None, most=1000):
        super().__init__(end_token=end_token, most=most + 1)


class KeepsASet(Pairs):
    def __init__(self, *, end_token=None, kept=frozenset()):
        super().__init__(end_token=end_token)
        self.kept = kept


class NoSpecialTokens(Pairs):
    def fit(self, texts):
        super().fit(texts)
        self.vocabulary = self.vocabulary[1:]


class LearnsNothing(Pairs):
    def fit(self, texts):
        pass


class Accumulates(Pairs):
    def fit(self, texts):
        before = self.vocabulary[1:]
        super().fit(texts)
        self.vocabulary += [entry for entry in before if entry not in self.vocabulary]


class Shuffles(Pairs):
    def fit(self, texts):
        super().fit(texts)
        rest = self.vocabulary[1:]
        random.shuffle(rest)
        self.vocabulary = self.vocabulary[:1] + rest


class Longs(Pairs):
    def encode(self, text):
        return super().encode(text).astype(np.int64)


class Lists(Pairs):
    def encode(self, text):
        return super().encode(text).tolist()


class OutOfRange(Pairs):
    def encode(self, text):
        ids = super().encode(text)
        ids[ids == 0] = len(self.vocabulary)
        return ids


class Learns(Pairs):
    """Takes what it has not seen into the vocabulary."""

    def encode(self, text):
        self.vocabulary += [p for p in dict.fromkeys(self.pairs(text)) if p not in self.vocabulary]
        return super().encode(text)


class AddsEnds(Pairs):
    def encode(self, text):
        return np.append(super().encode(text), self.end_id).astype(np.int32)


class AddsEndsToText(Pairs):
    def encode(self, text):
        return np.append(super().encode(text), [self.end_id] if text else []).astype(np.int32)


class KnowsNoLines(Pairs):
    """Says that end tokens stand for line ends, and has none."""


class NamesWhatItKnows(Pairs):
    def unknown(self, text):
        return list(dict.fromkeys(self.pairs(text)))


class NamesTwice(Pairs):
    def unknown(self, text):
        return 2 * [p for p in self.pairs(text) if p not in self.vocabulary]


class EncodesUnknownAsOne(Pairs):
    def encode(self, text):
        ids = super().encode(text)
        ids[ids == 0] = 1
        return ids

    def unknown(self, text):
        return list(dict.fromkeys(p for p in self.pairs(text) if p not in self.vocabulary))


class Lowers(Pairs):
    def pairs(self, text):
        return super().pairs(text.lower())


class OtherDecode(Pairs):
    def decode(self, ids):
        return "".join(self.vocabulary[i] for i in ids)

    def streamer(self):
        made = super().streamer()
        push = made.push
        made.push = lambda token_id: push(token_id) + " "
        return made


class ShortBuffer(Pairs):
    def encode(self, text):
        return super().encode(text[:5000])


class FailsOnSpecial(Pairs):
    def streamer(self):
        made = super().streamer()
        text = {i: entry for i, entry in enumerate(self.vocabulary) if i > 0}
        made.push = text.__getitem__
        return made


class SharedStreamer(Pairs):
    """All its streamers are one, which puts a bar before all but the first text."""

    begun = False

    def decode(self, ids):
        return "".join(self.vocabulary[i] for i in ids)

    def streamer(self):
        made = super().streamer()
        push = made.push
        made.push = lambda token_id: push(token_id) + self.bar()
        return made

    def bar(self):
        self.pushed = getattr(self, "pushed", 0) + 1
        return "" if self.pushed < 100 else "|"


class LacksAnOption(Pairs):
    def options(self):
        return {"end_token": self.end_token}


class OtherUnit(Pairs):
    unit = "syllable"


class Bytes(Pairs):
    def fit(self, texts):
        super().fit(texts)
        self.vocabulary.append(b"x")


class OtherEnd(Pairs):
    end_id = 2


class RandomIds(Pairs):
    def encode(self, text):
        ids = super().encode(text)
        return np.random.permutation(ids).astype(np.int32)


class StartsText(Pairs):
    """Also the empty one."""

    def encode(self, text):
        return np.append(np.int32(1), super().encode(text))


class TupleOfUnknown(Pairs):
    def unknown(self, text):
        return ()


class DecodesToList(Pairs):
    def decode(self, ids):
        return [self.vocabulary[i] for i in ids]


class PushesIds(Pairs):
    def decode(self, ids):
        return "".join(self.vocabulary[i] for i in ids)

    def streamer(self):
        made = super().streamer()
        made.push = lambda token_id: token_id
        return made


class SharesAStreamer(Pairs):
    """There is one streamer only, which writes something else after ten unknown tokens; the check pushes eight."""

    def decode(self, ids):
        return "".join(self.vocabulary[i] for i in ids)

    def streamer(self):
        if not hasattr(self, "shared"):
            self.shared, self.unknowns = super().streamer(), 0
            self.shared.push = self.push
        return self.shared

    def push(self, token_id):
        self.unknowns += token_id == 0
        return self.vocabulary[token_id] if self.unknowns < 10 else "again"


class RestoresOtherEntries(Pairs):
    def restore(self, learned):
        self.vocabulary = [*learned["vocabulary"], "more"]


class DecodesWhatItFitted(Pairs):
    """What `decode` needs is not among what was learned."""

    def fit(self, texts):
        super().fit(texts)
        self.texts = dict(enumerate(self.vocabulary))

    def streamer(self):
        made = super().streamer()
        made.push = lambda token_id: getattr(self, "texts", {}).get(token_id, "")
        return made


class LearnsTheTime(Pairs):
    """Something in it is of the object, not of the texts."""

    fitted = "yes"

    def learned(self):
        return super().learned() | {"fitted": self.fitted}

    def restore(self, learned):
        super().restore(learned)
        self.fitted = "restored"


class ListLearned(Pairs):
    def learned(self):
        return self.vocabulary


class KeepsASetOfEntries(Pairs):
    def learned(self):
        return {"vocabulary": self.vocabulary, "entries": set(self.vocabulary)}


class NoVocabularyLearned(Pairs):
    def learned(self):
        return {"entries": self.vocabulary}

    def restore(self, learned):
        self.vocabulary = learned["entries"]


class LearnedAndOption(Pairs):
    def learned(self):
        return super().learned() | {"most": self.most}


class NumberKeys(Pairs):
    """JSON makes text of the keys."""

    def fit(self, texts):
        super().fit(texts)
        self.lengths = {i: len(entry) for i, entry in enumerate(self.vocabulary)}

    def learned(self):
        return super().learned() | {"lengths": self.lengths}

    def restore(self, learned):
        super().restore(learned)
        self.lengths = learned["lengths"]

    def encode(self, text):
        ids = super().encode(text)
        return ids[[self.lengths[int(i)] > 0 for i in ids]] if len(ids) else ids


class RestoresAnything(Pairs):
    def restore(self, learned):
        self.vocabulary = list(learned.get("vocabulary", []))


class RestoresWithAnotherError(Pairs):
    def restore(self, learned):
        if "vocabulary" not in learned:
            raise RuntimeError("damaged")
        super().restore(learned)


class SavesAnotherOrder(Pairs):
    def to_dict(self):
        saved = super().to_dict()
        return saved | {"vocabulary": [saved["vocabulary"][0], *saved["vocabulary"][:0:-1]]}


class Char(CharTokenizer):
    """Keeps the name of lmlab's own class in tokenizer.json."""


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (ShortBuffer(), "decode: .* must be the text"),
        (LosesState(), "restore: a new object .* must give the same ids, but not for"),
        (NoEndToken(), "constructor: must have the keyword end_token"),
        (RenamesAnOption(), "options: the constructor's keywords .* of the same name, but .* no attribute 'largest'"),
        (ChangesAnOption(), "options: a new object made with them must have the same, but differs in most"),
        (KeepsASet(kept={1}), "options: the values must be made of lists, dictionaries, text and plain numbers"),
        (Pairs(end_token="word"), "end_token: must be one of .None, 'line', 'document', 'sentence'., but is 'word'"),
        (NoSpecialTokens(), r"vocabulary: its first entries with end_token=None must be \['<unk>'\], but is \['"),
        (LearnsNothing(), "vocabulary: contains only special tokens after fit"),
        (Accumulates(), "fit: must depend on its texts alone"),
        (Shuffles(), "fit: must depend on its texts alone"),
        (Longs(), r"encode: must return a numpy array \(N,\) of int32, but returned 1-d int64"),
        (Lists(), r"encode: must return a numpy array \(N,\) of int32, not list"),
        (OutOfRange(), "encode: ids must be in 0 to .*, the vocabulary's"),
        (Learns(), "learned: must not change after fit"),
        (AddsEnds(end_token="document"), "encode: must not add end tokens .lmlab adds one after each document"),
        (AddsEnds(end_token="line"), "encode: with end_token='line' each line end must be an end token, 3"),
        (AddsEndsToText(end_token="sentence"), "encode: must not add end tokens .lmlab adds one after each sentence"),
        (KnowsNoLines(end_token="line"), "encode: with end_token='line' each line end must be an end token, 3"),
        (NamesWhatItKnows(), "unknown: must name what is not in the vocabulary, but names .*, which are"),
        (NamesTwice(), "unknown: parts must be distinct"),
        (EncodesUnknownAsOne(), "unknown: what is not in the vocabulary must be encoded as 0"),
        (Lowers(), r"decode\(encode\(text\)\) must be the text .* at character 0 \"Anna sees Ben.* became \"anna sees"),
        (OtherDecode(), "streamer: the ids of a text must give what decode gives"),
        (FailsOnSpecial(), r"streamer: push\(0\) raised KeyError"),
        (SharedStreamer(), "streamer: .* must give what decode gives"),
        (LacksAnOption(), "options: must have each keyword of the constructor, but lacks most"),
        (OtherUnit(), "unit: must be one of .'character', 'word', 'piece'., but is 'syllable'"),
        (Bytes(), r"vocabulary: each entry must be text \(str\)"),
        (OtherEnd(end_token="document"), "end_id: must be 1, but is 2"),
        (RandomIds(), "encode: must be the same every time"),
        (StartsText(), r"encode: the ids of the empty text, end tokens included, must be \[\], but is \[1\]"),
        (TupleOfUnknown(), r"unknown: must return a list of parts of the text, but returned \(\)"),
        (DecodesToList(), r"decode: must return text \(str\), not list"),
        (PushesIds(), "streamer: push must return the text that an id adds, not int"),
        (SharesAStreamer(), "streamer: each one must start from nothing, but a second one gave other text"),
        (RestoresOtherEntries(), "restore: a new object .* must have the same vocabulary"),
        (DecodesWhatItFitted(), "restore: a new object .* must give the same text, but not for the ids of"),
        (LearnsTheTime(), r"restore: .* must have learned the same, but learned\(\) differs"),
        (ListLearned(), "learned: must be a dictionary, not list"),
        (KeepsASetOfEntries(), "learned: what fit learned must be made of lists"),
        (NoVocabularyLearned(), "learned: must have the vocabulary, a list under that name"),
        (LearnedAndOption(), "learned: must use other names than the constructor's keywords, .* but has most"),
        (NumberKeys(), r"encode\(\"Anna.* raised KeyError"),
        (RestoresAnything(), "restore: must refuse an empty dictionary .*, but accepted it"),
        (RestoresWithAnotherError(), "restore: must refuse an empty dictionary .*, but raised RuntimeError"),
        (SavesAnotherOrder(), "to_dict: a tokenizer made from tokenizer.json must have the same vocabulary"),
        (Char(end_token=None), "to_dict: must name the tokenizer's own class, but its type_name 'char' is that of"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Tokenizer) else "",
)  # fmt: skip
def test_a_fault_of_a_tokenizer_is_named(tokenizer: Tokenizer, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_tokenizer(tokenizer, TEXTS)


def test_a_tokenizer_is_fitted_afterwards_and_random_numbers_go_on() -> None:
    tokenizer = Pairs()
    random.seed(5)
    drawn = random.random()
    random.seed(5)
    check_tokenizer(tokenizer, TEXTS)
    assert random.random() == drawn
    assert tokenizer.decode(tokenizer.encode(TEXTS[0]).tolist()) == TEXTS[0]
    assert json.dumps(tokenizer.to_dict())


def test_another_object_is_no_tokenizer() -> None:
    with pytest.raises(AssertionError, match=r"must be an instance of a subclass of lmlab\.Tokenizer, not str"):
        check_tokenizer("char", TEXTS)
