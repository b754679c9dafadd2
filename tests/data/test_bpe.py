"""Byte-level BPE, against the text itself, the library run whole, and a few lines of Python that merge by hand."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import tokenizers as library
from conftest import NEEDS_POSIX

from lmlab.data import pieces
from lmlab.data.tokenizers import bpe
from lmlab.data.tokenizers import saved as saved_tokenizers
from lmlab.data.tokenizers.bpe import BPETokenizer
from lmlab.errors import UserError

PROSE = [
    '"Hello," said Harry. "I couldn\'t!" He ran (fast); then stopped: why?\n' * 3,
    "  It's a well-known rock’n’roll song -  _really_ good,\r\n\r\n50% off for $5/day…\n",
    "“So,” she said, ‘now’ [it] {is} 3 o'clock—late. the there then they them\n\tthe the <unk> <eos> naïve 日本 😀😀",
]
WHITE = "\n\t \r\v\f\x1c\x1f\x85\xa0\u1680\u180e\u2003\u2028\u3000\u200b\ufeff"


def fitted(texts: list[str], end_token: str | None = None, size: int = 330, min_frequency: int = 2) -> BPETokenizer:
    tokenizer = BPETokenizer(end_token=end_token, vocabulary_size=size, min_frequency=min_frequency)
    tokenizer.fit(texts)
    return tokenizer


def random_text(generator: random.Random, length: int) -> str:
    """Any character, words, and a good deal of white space; no surrogates."""
    kinds = [
        lambda: chr(generator.choice((generator.randrange(0xD800), generator.randrange(0xE000, 0x110000)))),
        lambda: chr(generator.randrange(0x300)),
        lambda: generator.choice(WHITE),
        lambda: generator.choice(WHITE[:3]),
        lambda: generator.choice(("the", "e\u0301", "\u0301", "'ll", "<unk>", "<eos>", "!?", "10", "said")),
    ]
    return "".join(generator.choice(kinds)() for _ in range(length))


def by_the_library(texts: list[str], size: int, min_frequency: int) -> library.Tokenizer:
    """The same training by the library, each text at once."""
    made = library.Tokenizer(library.models.BPE())
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(
        vocab_size=size, min_frequency=min_frequency, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return made


def merged_by_hand(texts: list[str], num_merges: int, min_frequency: int) -> list[bytes]:
    """The entries that merging makes: the most frequent pair each time, the lowest ids among equals."""
    split = library.pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    order = sorted(library.pre_tokenizers.ByteLevel.alphabet())
    words = Counter(word for text in texts for word, _ in split(text))
    by_id = list(order)
    parts = {word: [order.index(c) for c in word] for word in words}
    while len(by_id) < len(order) + num_merges:
        pairs: Counter[tuple[int, int]] = Counter()
        for word, ids in parts.items():
            for pair in pairwise(ids):
                pairs[pair] += words[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < min_frequency:
            break
        name = by_id[best[0]] + by_id[best[1]]
        new = by_id.index(name) if name in by_id else len(by_id)
        if new == len(by_id):
            by_id.append(name)
        for word, ids in parts.items():
            merged, i = [], 0
            while i < len(ids):
                here = tuple(ids[i : i + 2]) == best
                merged.append(new if here else ids[i])
                i += 2 if here else 1
            parts[word] = merged
    return by_id


# Exactness


@pytest.mark.parametrize("end_token", [None, "document"])
def test_every_text_comes_back_exactly(end_token):
    generator = random.Random(0)
    tokenizer = fitted(PROSE, end_token)
    for length in [0, 1, 2, 3, 17, 300] * 40:
        text = random_text(generator, length)
        ids = tokenizer.encode(text)
        assert ids.dtype == np.int32
        assert tokenizer.decode(ids) == text
        assert 0 not in ids
        assert tokenizer.end_id is None or tokenizer.end_id not in ids
        assert tokenizer.unknown(text) == []


def test_every_single_character_comes_back():
    tokenizer = fitted(PROSE)
    characters = [chr(c) for c in range(0, 0x110000, 101) if not 0xD800 <= c < 0xE000] + [chr(c) for c in range(0x300)]
    for lone in ("".join(characters), " ".join(characters), "\n".join(characters)):
        assert tokenizer.decode(tokenizer.encode(lone)) == lone


def test_a_lone_surrogate_is_read_as_the_replacement_character():
    tokenizer = fitted(["ab\ud800 \udfff ab ab"])
    assert "\ufffd" in fitted(["\ud800" * 50], size=300).vocabulary
    for text in ("\ud800", "a\udfff b", "\ude00\ud83d x", "\ud83d\ude00"):
        expected = "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in text)
        assert tokenizer.decode(tokenizer.encode(text)) == expected


def test_an_unfitted_tokenizer_knows_the_bytes():
    tokenizer = BPETokenizer(end_token=None, vocabulary_size=4096, min_frequency=2)
    assert len(tokenizer.vocabulary) == 257
    assert len(tokenizer.encode("né")) == 3
    assert tokenizer.decode(tokenizer.encode("né")) == "né"


# The vocabulary


@pytest.mark.parametrize(("end_token", "special"), [(None, ["<unk>"]), ("document", ["<unk>", "<eos>"])])
@pytest.mark.parametrize("size", [258, 259, 300, 100_000])
def test_the_vocabulary_is_special_tokens_bytes_and_merges(end_token, special, size):
    tokenizer = fitted(PROSE, end_token, size)
    vocabulary = tokenizer.vocabulary
    assert vocabulary[: len(special)] == special
    assert tokenizer.end_id == (1 if end_token else None)
    assert tokenizer.end_token == end_token
    assert len(vocabulary) == (size if size < 1000 else len(vocabulary)) <= size
    assert len(set(vocabulary)) == len(vocabulary)
    assert vocabulary.count("<unk>") == 1
    singles = vocabulary[len(special) : len(special) + 256]
    printable = {chr(c) for c in range(128)} | {f"\\x{c:02x}" for c in range(128, 256)}
    assert set(singles) == printable


@pytest.mark.parametrize(("size", "min_frequency"), [(290, 2), (290, 4), (320, 1), (600, 3)])
def test_merges_are_those_made_by_hand(size, min_frequency):
    tokenizer = fitted(PROSE, None, size, min_frequency)
    symbols = merged_by_hand(PROSE, size - 257, min_frequency)
    assert len(symbols) > 256
    decode = library.decoders.ByteLevel().decode
    readable = [decode([symbol]) for symbol in symbols]
    whole = [(a, b) for a, b in zip(tokenizer.vocabulary[1:], readable, strict=True) if "\ufffd" not in b]
    assert len(whole) > 128
    assert all(a == b for a, b in whole)


@pytest.mark.parametrize("end_token", [None, "document"])
@pytest.mark.parametrize("min_frequency", [1, 2, 5])
def test_ids_are_the_librarys_behind_the_special_tokens(end_token, min_frequency):
    generator = random.Random(1)
    texts = [random_text(generator, 400) for _ in range(5)] + PROSE
    first = 1 if end_token is None else 2
    tokenizer = fitted(texts, end_token, 500, min_frequency)
    reference = by_the_library(texts, 500 - first, min_frequency)
    assert len(tokenizer.vocabulary) == reference.get_vocab_size() + first
    for text in [*texts, *(random_text(generator, 200) for _ in range(50))]:
        assert tokenizer.encode(text).tolist() == [first + i for i in reference.encode(text).ids]


def test_fitting_again_forgets_the_first_vocabulary():
    tokenizer = fitted(["spam spam spam"])
    assert "spam" in tokenizer.vocabulary
    tokenizer.fit(["eggs eggs eggs"])
    assert tokenizer.vocabulary == fitted(["eggs eggs eggs"]).vocabulary


def test_markup_is_text():
    text = "<unk> <eos><unk> <unk>"
    tokenizer = fitted([text * 30], "document", 400)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert set(tokenizer.encode(text).tolist()).isdisjoint({0, 1})


FIT = """
import sys
from lmlab.data.tokenizers.bpe import BPETokenizer
from lmlab.data.tokenizers.saved import to_json
tokenizer = BPETokenizer(end_token=None, vocabulary_size=600, min_frequency=1)
tokenizer.fit([line * 2 for line in sys.stdin.read().split("|")])
sys.stdout.write(to_json(tokenizer))
"""


def test_two_processes_learn_the_same():
    generator = random.Random(2)
    words = ["".join(generator.choices("abcdefgh", k=generator.randint(1, 6))) for _ in range(400)]
    text = " ".join(words[:200]) + "|" + " ".join(words[200:])
    found = set()
    for threads in ("1", "4", "4"):
        environment = os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        done = subprocess.run(
            [sys.executable, "-c", FIT], input=text, capture_output=True, text=True, check=True, env=environment
        )
        assert done.stderr == ""
        found.add(done.stdout)
    assert len(found) == 1
    assert len(json.loads(found.pop())["vocabulary"]) == 600


# Pieces


def test_pieces_change_nothing(monkeypatch):
    generator = random.Random(3)
    for _ in range(30):
        texts = [random_text(generator, 150) for _ in range(2)]
        monkeypatch.setattr(bpe, "_TRAINING_PIECE", 10**9)
        monkeypatch.setattr(pieces, "PIECE", 10**9)
        whole = fitted(texts, None, 400)
        ids = [whole.encode(text).tolist() for text in texts]
        monkeypatch.setattr(bpe, "_TRAINING_PIECE", generator.choice((1, 5, 20)))
        monkeypatch.setattr(pieces, "PIECE", generator.choice((1, 5, 20)))
        monkeypatch.setattr(bpe, "_REMEMBERED", generator.choice((0, 3, 10**6)))
        apart = fitted(texts, None, 400)
        assert apart.to_dict() == whole.to_dict()
        assert [apart.encode(text).tolist() for text in texts] == ids


def test_stretches_are_cut_only_where_the_librarys_expression_cuts():
    generator = random.Random(4)
    split = library.pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    signs = [*WHITE, " ", " ", "a", "'s", "1", "!", "\u0301", "語", "\x00"]
    for _ in range(3_000):
        text = "".join(generator.choices(signs, k=12))
        stretches = bpe._STRETCH.findall(text)
        assert "".join(stretches) == text
        assert [p for s in stretches for p, _ in split(s)] == [p for p, _ in split(text)], repr(text)
        cut = list(pieces.pieces(text, length=generator.randrange(1, 5)))
        assert [p for s in cut for p, _ in split(s)] == [p for p, _ in split(text)], repr(text)


def test_only_words_of_over_a_thousand_characters_are_cut():
    text = f"{'a' * 1000} {'b1' * 2000}{'!' * 1000}\n\n{'é' * 999}"
    assert "".join(bpe._stretches(text)) == text
    assert bpe._stretches(text) == bpe._STRETCH.findall(text)
    for run in ("a" * 2500, " " * 2500 + "x", "12" * 1250, "?!" * 1250):
        parts = bpe._stretches(f"the end {run} the end")
        assert "".join(parts) == f"the end {run} the end"
        assert parts[:2] == ["the", " end"]
        assert max(map(len, parts)) <= 1001
    fitted = BPETokenizer(end_token=None, vocabulary_size=300, min_frequency=2)
    fitted.fit(["ab" * 5000])
    assert max(map(len, fitted.vocabulary)) <= 1000
    assert fitted.decode(fitted.encode("ab" * 5000).tolist()) == "ab" * 5000


def test_only_a_piece_is_given_to_the_library_at_once(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 1000)
    monkeypatch.setattr(bpe, "_TRAINING_PIECE", 500)
    text = " ".join(f"w{i}" for i in range(20_000))
    assert max(map(len, bpe._training_pieces([text]))) < 600
    given = []

    class Watched:
        def __init__(self, inner):
            self.inner = inner

        def encode_batch_fast(self, batch, **options):
            given.append(sum(map(len, batch)))
            return self.inner.encode_batch_fast(batch, **options)

    tokenizer = BPETokenizer(end_token=None, vocabulary_size=300, min_frequency=2)
    monkeypatch.setattr(tokenizer, "_library", Watched(tokenizer._library))
    tokenizer.encode(text)
    assert len(given) > 50
    assert max(given) < 1100


def test_a_stretch_is_encoded_once(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 1000)
    batches = []
    tokenizer = fitted(PROSE)

    class Watched:
        def encode_batch_fast(self, batch, **options):
            batches.extend(batch)
            return inner.encode_batch_fast(batch, **options)

    inner, tokenizer._library = tokenizer._library, Watched()
    tokenizer.encode("one two " * 1000)
    assert sorted(batches) == [" ", " one", " two", "one"]


# Decoding


def test_streamed_text_is_whole_characters_only():
    generator = random.Random(5)
    tokenizer = BPETokenizer(end_token=None, vocabulary_size=300, min_frequency=2)
    for _ in range(50):
        text = random_text(generator, 40)
        streamer, shown, read = tokenizer.streamer(), "", b""
        for token_id, byte in zip(tokenizer.encode(text), text.encode(), strict=True):
            piece = streamer.push(int(token_id))
            read += bytes([byte])
            shown += piece
            # All that is complete is shown, and nothing else.
            assert shown == read.decode(errors="ignore")
        assert shown == text


@pytest.mark.parametrize("end_token", [None, "document"])
def test_any_ids_decode_like_their_bytes(end_token):
    generator = random.Random(6)
    tokenizer = fitted(PROSE, end_token)
    first = 1 if end_token is None else 2
    of_byte = {}
    for id_, entry in enumerate(tokenizer.vocabulary[first : first + 256], first):
        of_byte[int(entry[2:], 16) if len(entry) == 4 else ord(entry)] = id_
    assert len(of_byte) == 256
    for _ in range(500):
        data = bytes(generator.choices((0x41, 0xE2, 0x80, 0x94, 0xF0, 0x9F, 0xED, 0xA0, 0xC0, 0xFF), k=12))
        ids = [of_byte[byte] for byte in data]
        assert tokenizer.decode(ids) == data.decode(errors="replace")
        streamer = tokenizer.streamer()
        streamed = "".join(streamer.push(i) for i in ids)
        assert tokenizer.decode(ids).startswith(streamed)
        assert set(tokenizer.decode(ids)[len(streamed) :]) <= {"\ufffd"}


def test_an_unfinished_character_is_replaced_when_the_text_ends():
    tokenizer = fitted(PROSE, "document")
    unfinished = BPETokenizer(end_token="document", vocabulary_size=258, min_frequency=2).encode("😀").tolist()[:3]
    hello = tokenizer.encode("hello").tolist()
    assert tokenizer.decode([*hello, *unfinished]) == "hello\ufffd"
    assert tokenizer.decode([*unfinished, 1, *hello]) == "\ufffdhello"
    assert tokenizer.decode([*unfinished, 0, *hello]) == "\ufffd<unk>hello"
    streamer = tokenizer.streamer()
    assert [streamer.push(i) for i in unfinished] == ["", "", ""]
    assert streamer.push(1) == "\ufffd"
    assert streamer.push(hello[0]) == tokenizer.vocabulary[hello[0]]


def test_special_tokens_add_their_own_text_only():
    tokenizer = fitted(["ab"], "document")
    a, b = tokenizer.encode("a").tolist() + tokenizer.encode("b").tolist()
    assert tokenizer.decode([a, 1, b, 1]) == "ab"
    assert tokenizer.decode([a, 0, b]) == "a<unk>b"


def test_streamers_do_not_share_their_state():
    tokenizer = fitted(PROSE)
    half = BPETokenizer(end_token=None, vocabulary_size=258, min_frequency=2).encode("é").tolist()
    one, other = tokenizer.streamer(), tokenizer.streamer()
    assert one.push(half[0]) == ""
    assert other.push(tokenizer.encode("a").tolist()[0]) == "a"
    assert one.push(half[1]) == "é"


# JSON


@pytest.mark.parametrize("end_token", [None, "document"])
def test_a_saved_tokenizer_is_made_again_without_training(end_token, tmp_path, monkeypatch):
    tokenizer = fitted(PROSE, end_token, 420, 1)
    path = tmp_path / "tokenizer.json"
    path.write_text(saved_tokenizers.to_json(tokenizer), encoding="utf-8")
    monkeypatch.setattr(BPETokenizer, "fit", None)
    again = saved_tokenizers.load(path)
    assert type(again) is BPETokenizer
    assert again.to_dict() == tokenizer.to_dict() == json.loads(path.read_text(encoding="utf-8"))
    assert (again.end_id, again.end_token) == (tokenizer.end_id, tokenizer.end_token)
    generator = random.Random(7)
    for text in [*PROSE, *(random_text(generator, 100) for _ in range(30))]:
        ids = tokenizer.encode(text)
        assert np.array_equal(again.encode(text), ids)
        assert again.decode(ids) == text


def test_two_ways_to_merge_into_the_same_entry_survive():
    """``abc`` is merged from ``ab c`` and from ``a bc``: two merges, one entry."""
    texts = ["ab " * 90 + "xbc " * 80 + "abcd abc " * 40 + "bc " * 50]
    tokenizer = fitted(texts, None, 290, 1)
    assert tokenizer.encode("abcd xbc").tolist() == [
        1 + i for i in by_the_library(texts, 289, 1).encode("abcd xbc").ids
    ]
    first = 1
    of = {entry: i for i, entry in enumerate(tokenizer.vocabulary)}
    a, b, c = (of[letter] for letter in "abc")
    twice = BPETokenizer(end_token=None, vocabulary_size=300, min_frequency=1)
    size = first + 256
    twice._set([(a, b), (b, c), (size, c), (a, size + 1), (size + 2, a)])
    assert twice.vocabulary[size:] == ["ab", "bc", "abc", "abca"]
    assert twice.encode("abc").tolist() == [size + 2]
    assert twice.encode("abca").tolist() == [size + 3]
    again = saved_tokenizers.from_dict(twice.to_dict())
    assert again.to_dict() == twice.to_dict()
    assert len(again.to_dict()["merges"]) == 5


DAMAGES = [
    {"merges": None},
    {"merges": [[1, 2, 3]]},
    {"merges": [[1, 10_000]]},
    {"merges": [[-1, 5]]},
    {"merges": [[0, 5]]},
    {"merges": [["a", "b"]]},
    {"merges": [[1.5, 2]]},
    {"merges": 7},
    {"merges": []},
    {"vocabulary": ["<unk>"]},
    {"vocabulary": None},
    {"type": "bpf"},
    {"type": None},
    {"lower": True},
]


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_a_damaged_file_is_refused_in_one_line(damage, tmp_path):
    path = tmp_path / "tokenizer.json"
    saved = fitted(PROSE, None, 300).to_dict() | damage
    path.write_text(json.dumps(saved), encoding="utf-8")
    with pytest.raises(UserError, match="is missing or damaged"):
        saved_tokenizers.load(path)


@NEEDS_POSIX
@pytest.mark.parametrize("key", ["merges", "vocabulary", "type", "end_token", "vocabulary_size", "min_frequency"])
def test_a_file_that_lacks_something_is_refused_in_one_line(key, tmp_path):
    path = tmp_path / "tokenizer.json"
    saved = fitted(PROSE, None, 300).to_dict()
    del saved[key]
    path.write_text(json.dumps(saved), encoding="utf-8")
    with pytest.raises(UserError, match="is missing or damaged"):
        saved_tokenizers.load(path)


# Processes

FORK = """
import os, sys, subprocess
from lmlab.data.tokenizers.bpe import BPETokenizer
tokenizer = BPETokenizer(end_token=None, vocabulary_size=300, min_frequency=1)
tokenizer.fit(["some text " * 50] * 20)
text = " ".join(map(str, range(5000)))
ids = tokenizer.encode(text)
subprocess.run([sys.executable, "-c", "pass"], check=True)
child = os.fork()
if child == 0:
    os._exit(0 if tokenizer.encode(text).tolist() == ids.tolist() else 1)
_, status = os.waitpid(child, 0)
assert tokenizer.encode(text).tolist() == ids.tolist()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_process_encodes_and_nothing_warns():
    environment = {key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment | {"RAYON_NUM_THREADS": "4"},
    )
    assert (done.returncode, done.stderr) == (0, "")
