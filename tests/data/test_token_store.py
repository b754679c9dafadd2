"""Ids of a split, against the tokenizer's own."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from lmlab.data import pieces, token_store
from lmlab.data.tokenizers.bpe import BPETokenizer
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.errors import UserError

TEXTS = ["One fish,\ntwo fish.\n", "Red fish, naïve fish.\n", "Blue?"]


def fitted(end_token: str | None, texts: list[str] | None = None) -> CharTokenizer:
    tokenizer = CharTokenizer(end_token=end_token)
    tokenizer.fit(TEXTS if texts is None else texts)
    return tokenizer


def fitted_words(end_token: str | None) -> WordTokenizer:
    tokenizer = WordTokenizer(end_token=end_token, lower=True, split="punctuation", min_frequency=1, max_size=None)
    tokenizer.fit(TEXTS)
    return tokenizer


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LMLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_documents_follow_each_other():
    tokenizer = fitted(None)
    store = token_store.build(TEXTS, tokenizer)
    assert store.ids.tolist() == tokenizer.encode("".join(TEXTS)).tolist()
    assert store.ids.dtype == np.uint8
    assert len(store) == len("".join(TEXTS))


@pytest.mark.parametrize("make", [fitted, fitted_words])
def test_an_end_token_follows_each_document(make):
    tokenizer = make("document")
    expected = [i for text in TEXTS for i in [*tokenizer.encode(text).tolist(), tokenizer.end_id]]
    store = token_store.build(TEXTS, tokenizer)
    assert store.ids.tolist() == expected
    assert store.end_id == tokenizer.end_id == 1


def test_end_tokens_of_lines_are_not_doubled_by_documents():
    store = token_store.build(TEXTS, fitted_words("line"))
    # Two lines, one, and a last one without its line end.
    assert store.ids.tolist().count(1) == 4


@pytest.mark.parametrize(("end_token", "uncounted"), [(None, 1), ("document", 0)])
def test_the_first_token_is_a_target_only_where_there_is_an_end_token(end_token, uncounted):
    store = token_store.build(TEXTS, fitted(end_token))
    assert store.num_targets == len(store) - uncounted


def test_an_empty_split_has_nothing_to_predict():
    store = token_store.build([], fitted(None))
    assert (len(store), store.num_targets, store.num_characters, store.unk_rate) == (0, 0, 0, 0)


def test_characters_are_those_of_the_text():
    store = token_store.build(TEXTS, fitted_words("document"))
    assert store.num_characters == sum(len(t) for t in TEXTS)


def test_the_digest_is_of_the_utf8_text():
    store = token_store.build(TEXTS, fitted("document"))
    assert store.text_sha256 == hashlib.sha256("".join(TEXTS).encode()).hexdigest()


def test_the_digest_of_a_long_text_is_that_of_the_whole(monkeypatch):
    texts = ["naïve \ud83d\ude00 😀 " * 40, "", "x"]
    whole = hashlib.sha256("".join(texts).encode(errors="surrogatepass")).hexdigest()
    for size in (1, 7, 10**6):
        monkeypatch.setattr(pieces, "PIECE", size)
        assert token_store.build(texts, fitted(None, texts)).text_sha256 == whole


def test_subwords_are_stored_like_words():
    tokenizer = BPETokenizer(end_token="document", vocabulary_size=270, min_frequency=2)
    tokenizer.fit(TEXTS)
    store = token_store.build(TEXTS, tokenizer)
    assert store.ids.tolist() == [i for text in TEXTS for i in [*tokenizer.encode(text).tolist(), 1]]
    assert (store.num_unknown, store.end_id, store.num_characters) == (0, 1, len("".join(TEXTS)))


def test_unknown_tokens_are_counted():
    store = token_store.build(["One zish"], fitted(None))
    assert store.num_unknown == 1
    assert store.unk_rate == 1 / 8


@pytest.mark.parametrize("end_token", [None, "document"])
def test_cached_ids_equal_those_in_memory(end_token, cache):
    tokenizer = fitted(end_token)
    memory = token_store.build(TEXTS, tokenizer)
    assert not cache.exists()
    cached = token_store.build(TEXTS, tokenizer, cached_from=1)
    assert isinstance(cached.ids, np.memmap)
    assert cached.ids.tolist() == memory.ids.tolist()
    assert (cached.num_unknown, cached.text_sha256) == (memory.num_unknown, memory.text_sha256)
    assert [path.suffix for path in (cache / "tokens").iterdir()] == [".ids"]


def test_a_cached_text_is_not_encoded_again(monkeypatch):
    tokenizer = fitted(None)
    first = token_store.build(TEXTS, tokenizer, cached_from=1)

    def refuse(text):
        raise AssertionError("encoded again")

    monkeypatch.setattr(tokenizer, "encode", refuse)
    assert token_store.build(TEXTS, tokenizer, cached_from=1).ids.tolist() == first.ids.tolist()


@pytest.mark.parametrize("damage", ["altered", "cut", "emptied", "unsealed"])
def test_a_cached_text_that_was_damaged_is_encoded_again(damage, cache):
    tokenizer = fitted(None)
    expected = token_store.build(TEXTS, tokenizer).ids.tolist()
    token_store.build(TEXTS, tokenizer, cached_from=1)
    (path,) = (cache / "tokens").iterdir()
    data = bytearray(path.read_bytes())
    if damage == "altered":
        data[130:134] = data[134:138]
        assert data != path.read_bytes()
    path.write_bytes({"altered": data, "cut": data[:-5], "emptied": b"", "unsealed": data[:-77]}[damage])
    assert token_store.build(TEXTS, tokenizer, cached_from=1).ids.tolist() == expected
    assert path.read_bytes()[-77:].startswith(b"lmlab-sha256:")


def test_a_sentence_that_spells_the_end_token_is_one_sentence():
    texts = ["a b", "c <eos> d e", "f"]
    tokenizer = WordTokenizer(lower=False, split="whitespace", min_frequency=1, max_size=None, end_token="sentence")
    tokenizer.fit(texts)
    store = token_store.build(texts, tokenizer)
    assert np.count_nonzero(store.ids == tokenizer.end_id) == 4
    assert store.sentences.tolist() == [0, 3, 8]


def test_another_text_vocabulary_or_document_border_is_cached_apart():
    lots = [
        (TEXTS, fitted("document")),
        (["".join(TEXTS)], fitted("document")),
        ([TEXTS[0] + "R", TEXTS[1][1:], TEXTS[2]], fitted("document")),
        ([text.swapcase() for text in TEXTS], fitted("document")),
        (TEXTS, fitted(None)),
        (TEXTS, fitted("document", ["abc"])),
        (["another text"], fitted("document")),
    ]
    for texts, tokenizer in lots:
        cached = token_store.build(texts, tokenizer, cached_from=1)
        assert cached.ids.tolist() == token_store.build(texts, tokenizer).ids.tolist()


def test_the_environment_sets_the_cache_folder(cache):
    assert token_store.cache_folder() == cache


@pytest.mark.parametrize("wrong", [-1, 4, 100])
def test_ids_without_an_entry_are_told_of_a_user_s_tokenizer(wrong: int) -> None:
    class Own(CharTokenizer):
        type_name = ""

        def encode(self, text: str):
            return np.append(super().encode(text), np.int32(wrong))

    tokenizer = Own(end_token=None)
    tokenizer.fit(["abc"])
    with pytest.raises(UserError, match=f"Own gives the id {wrong}, but its vocabulary has 4 entries"):
        token_store.build(["abc"], tokenizer)
