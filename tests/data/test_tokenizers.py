"""Tokenizers, against the text itself and counts made by hand."""

from __future__ import annotations

import json
import random
from collections import Counter

import numpy as np
import pytest
from conftest import compose_config

from lmlab.config import registry
from lmlab.data.tokenizers import saved as saved_tokenizers
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.errors import UserError

PROSE = [
    '"Hello," said Harry. "I couldn\'t!" He ran (fast); then stopped: why?\n',
    "It's a well-known rock’n’roll song - _really_ good, 50% off for $5/day…\n",
    "“So,” she said, ‘now’ [it] {is} 3 o'clock—late.\n",
]


def make_word(**options) -> WordTokenizer:
    defaults = {"end_token": None, "lower": True, "split": "punctuation", "min_frequency": 1, "max_size": None}
    return WordTokenizer(**(defaults | options))


def fitted_char(texts: list[str], end_token: str | None = None) -> CharTokenizer:
    tokenizer = CharTokenizer(end_token=end_token)
    tokenizer.fit(texts)
    return tokenizer


def fitted_word(texts: list[str], **options) -> WordTokenizer:
    tokenizer = make_word(**options)
    tokenizer.fit(texts)
    return tokenizer


def random_text(generator: random.Random, length: int) -> str:
    """Any code point, lone surrogates included, and a good deal of white space and ASCII."""
    white = "\n\t \r\v\f\x00\x85\xa0\u2028\u3000\ufeff"
    kinds = [
        lambda: chr(generator.randrange(0x110000)),
        lambda: chr(generator.randrange(0x300)),
        lambda: generator.choice(white),
    ]
    return "".join(generator.choice(kinds)() for _ in range(length))


# By character


@pytest.mark.parametrize("end_token", [None, "document"])
def test_characters_round_trip_exactly(end_token):
    generator = random.Random(0)
    for length in [0, 1, 2, 17, 300] * 20:
        text = random_text(generator, length)
        tokenizer = fitted_char([text], end_token)
        ids = tokenizer.encode(text)
        assert len(ids) == len(text)
        assert tokenizer.decode(ids) == text
        assert 0 not in ids
        assert tokenizer.end_id is None or tokenizer.end_id not in ids


def test_unseen_characters_become_0():
    tokenizer = fitted_char(["bdf"])
    assert tokenizer.encode("abcdefg\U0010ffff\x00").tolist() == [0, 1, 0, 2, 0, 3, 0, 0, 0]
    assert tokenizer.unknown("gabcag") == ["g", "a", "c"]


def test_an_unfitted_tokenizer_knows_nothing():
    assert CharTokenizer(end_token=None).encode("ab\x00").tolist() == [0, 0, 0]
    assert make_word().encode("a b").tolist() == [0, 0]


def test_character_vocabulary_is_unknown_end_and_the_sorted_characters():
    assert fitted_char(["cab", "\nb"]).vocabulary == ["<unk>", "\n", "a", "b", "c"]
    assert fitted_char(["ab"], "document").vocabulary == ["<unk>", "<eos>", "a", "b"]


def test_markup_is_plain_characters_by_character():
    tokenizer = fitted_char(["<unk><eos>"], "document")
    assert tokenizer.decode(tokenizer.encode("<unk><eos>")) == "<unk><eos>"
    assert set(tokenizer.encode("<unk><eos>").tolist()).isdisjoint({0, 1})


def test_fitting_again_forgets_the_first_vocabulary():
    for tokenizer in (CharTokenizer(end_token=None), make_word()):
        tokenizer.fit(["x y z"])
        tokenizer.fit(["a"])
        assert tokenizer.vocabulary == ["<unk>", "a"]
        assert tokenizer.encode("x").tolist() == [0]


# By word


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ron couldn't", ["Ron", "couldn't"]),
        ("rock'n'roll, rock’n’roll", ["rock'n'roll", ",", "rock’n’roll"]),
        ("'tis the dogs' day'", ["'", "tis", "the", "dogs", "'", "day", "'"]),
        ("well-known—yes", ["well", "-", "known", "—", "yes"]),
        ("_so_ snake_case", ["_", "so", "_", "snake", "_", "case"]),
        ("a...b!?", ["a", ".", ".", ".", "b", "!", "?"]),
        ("x\n\ny\tz", ["x", "y", "z"]),
        ("naïve nai\u0308ve", ["naïve", "nai\u0308ve"]),
        ("<unk>, <eos>", ["<unk>", ",", "<eos>"]),
        ("日本 3.5 B2", ["日本", "3", ".", "5", "B2"]),
        ("", []),
    ],
)
def test_punctuation_is_split_off(text, words):
    assert make_word(lower=False).words(text) == words


def test_words_lose_nothing_but_white_space():
    generator = random.Random(1)
    for _ in range(100):
        text = random_text(generator, 60)
        assert "".join(make_word(lower=False).words(text)) == "".join(text.split())


def test_white_space_splitting_leaves_words_alone():
    text = " Well-known,  they're <unk>\tN 's "
    assert make_word(lower=False, split="whitespace").words(text) == ["Well-known,", "they're", "<unk>", "N", "'s"]


@pytest.mark.parametrize("split", ["punctuation", "whitespace"])
def test_lower_casing_is_optional(split):
    assert make_word(lower=True, split=split).words("The THE the") == ["the"] * 3
    assert make_word(lower=False, split=split).words("The THE the") == ["The", "THE", "the"]


@pytest.mark.parametrize("min_frequency", [1, 2, 5])
@pytest.mark.parametrize("end_token", [None, "line", "document"])
@pytest.mark.parametrize("max_size", [None, 3, 10, 1000])
def test_the_vocabulary_is_the_most_frequent_words(min_frequency, end_token, max_size):
    generator = random.Random(2)
    texts = [" ".join(f"w{int(generator.expovariate(0.2))}" for _ in range(200)) for _ in range(3)]
    tokenizer = fitted_word(texts, min_frequency=min_frequency, end_token=end_token, max_size=max_size)
    counts = Counter(" ".join(texts).split())
    special = ["<unk>"] if end_token is None else ["<unk>", "<eos>"]
    frequent = sorted(word for word in counts if counts[word] >= min_frequency)
    frequent.sort(key=counts.__getitem__, reverse=True)  # stable: alphabetical among equals
    expected = special + frequent
    assert tokenizer.vocabulary == expected[:max_size]
    assert tokenizer.end_id == (None if end_token is None else 1)


def test_words_outside_the_vocabulary_become_0():
    tokenizer = fitted_word(["a a b b c"], min_frequency=2)
    assert tokenizer.encode("a b c d").tolist() == [1, 2, 0, 0]
    assert tokenizer.unknown("d a c d") == ["d", "c"]


@pytest.mark.parametrize("split", ["punctuation", "whitespace"])
@pytest.mark.parametrize("end_token", [None, "line", "document"])
def test_a_literal_unk_is_the_unknown_token(split, end_token):
    text = "the <unk> cat <unk> sat on <unk> the <unk>\n"
    tokenizer = fitted_word([text], split=split, end_token=end_token)
    assert tokenizer.vocabulary.count("<unk>") == 1
    ids = tokenizer.encode(text).tolist()
    assert [i for i, id_ in enumerate(ids) if id_ == 0] == [1, 3, 6, 8]
    assert tokenizer.unknown("<unk>") == []


LINES = [
    " no it was n't black monday \n but while the <unk> did n't fall \n\n\n = heading = \n",
    "one\ntwo",
    "\n",
    "\n\n a",
    "one line\n",
]


@pytest.mark.parametrize("split", ["punctuation", "whitespace"])
@pytest.mark.parametrize("text", LINES)
def test_every_line_has_one_end_token(split, text):
    """As PTB and WikiText are counted: words plus lines, empty lines too, a last line without its end too."""
    lines = text.removesuffix("\n").split("\n")
    tokenizer = fitted_word([text], end_token="line", split=split)
    ids = tokenizer.encode(text).tolist()
    assert ids.count(1) == len(lines)
    assert ids[-1] == 1
    plain = fitted_word([text], split=split)
    assert len(ids) == len(lines) + len(plain.encode(text))


def test_lines_end_where_their_words_end():
    tokenizer = make_word(end_token="line", split="whitespace")
    assert tokenizer.words("a b\n\nc") == ["a", "b", "<eos>", "<eos>", "c", "<eos>"]
    assert make_word(end_token="line").words("a, b\n\nc") == ["a", ",", "b", "<eos>", "<eos>", "c", "<eos>"]


def test_no_text_has_no_lines():
    for split in ("punctuation", "whitespace"):
        assert make_word(end_token="line", split=split).words("") == []


def test_a_text_that_was_tokenized_decodes_to_single_spaces():
    for text in LINES:
        tokenizer = fitted_word([text], end_token="line", split="whitespace", lower=False)
        lines = text.removesuffix("\n").split("\n")
        expected = "".join(" ".join(line.split()) + "\n" for line in lines)
        assert tokenizer.decode(tokenizer.encode(text)) == expected


@pytest.mark.parametrize("text", PROSE)
def test_prose_decodes_as_it_was_printed(text):
    """But for dashes, which print sets close or apart."""
    close = text.replace(" - ", "-")
    tokenizer = fitted_word([text], end_token="line", lower=False)
    assert tokenizer.decode(tokenizer.encode(text)) == close
    flat = fitted_word([text], lower=False)
    assert flat.decode(flat.encode(text)) == close.strip()


def test_a_quotation_left_open_ends_with_its_line():
    text = '"A long one\n"and its second" paragraph\n'
    tokenizer = fitted_word([text], end_token="line", lower=False)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize(
    ("tokens", "printed"),
    [
        # A prompt that lies within speech: the first mark closes it, though none was opened.
        ('come " " well , " said he . " go ! "', 'come " "well," said he. "go!"'),
        # A mark that was never closed, noticed where the next speech begins.
        (
            '" come , he said to all of them and went on to say " go ! " he said',
            '"come, he said to all of them and went on to say "go!" he said',
        ),
        (
            'he called " the great wizard " a humbug . " oh ! " they said',
            'he called "the great wizard" a humbug. "oh!" they said',
        ),
        ("a ' ' b ' c", "a ' 'b' c"),
    ],
)
def test_after_an_odd_number_of_marks_quotations_open_and_close_where_they_should(tokens, printed):
    tokenizer = fitted_word([tokens], lower=False)
    ids = tokenizer.encode(tokens).tolist()
    assert tokenizer.decode(ids) == printed
    streamer = tokenizer.streamer()
    assert "".join(streamer.push(i) for i in ids) == printed


VOCABULARY_TEXT = (
    "the cat couldn't rock'n'roll o’clock re\u0301sume\u0301 B2 3 日本 t s <unk> unk eos <eos> \u0301 "
    "\" ' ’ ‘ “ ” - – — / \\ ( ) [ ] { } < > _ * . , ; : ! ? … % $ £ # & @ + = ~ ` ^ |"
)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("end_token", [None, "line"])
@pytest.mark.parametrize("split", ["punctuation", "whitespace"])
def test_decoded_ids_encode_to_the_same_ids(lower, end_token, split):
    tokenizer = fitted_word([VOCABULARY_TEXT], lower=lower, end_token=end_token, split=split)
    size = len(tokenizer.vocabulary)
    assert size > 50
    generator = random.Random(3)
    last = [] if end_token is None else [1]
    for _ in range(2_000):
        ids = [generator.randrange(size) for _ in range(generator.randint(1, 12))] + last
        text = tokenizer.decode(ids)
        assert tokenizer.encode(text).tolist() == ids, text


def test_an_end_token_of_a_document_adds_no_text():
    for tokenizer in (fitted_char(["ab"], "document"), fitted_word(["ab"], end_token="document")):
        end = tokenizer.end_id
        assert tokenizer.decode([*tokenizer.encode("ab").tolist(), end]) == "ab"


def every_tokenizer(texts: list[str]) -> list[CharTokenizer | WordTokenizer]:
    words = [
        fitted_word(texts, end_token=end_token, split=split, lower=lower, min_frequency=frequency, max_size=size)
        for end_token in (None, "line", "document")
        for split in ("punctuation", "whitespace")
        for lower, frequency, size in ((True, 1, None), (False, 2, 60))
    ]
    return [fitted_char(texts), fitted_char(texts, "document"), *words]


def test_streamed_pieces_put_together_are_the_decoded_text():
    generator = random.Random(4)
    for tokenizer in every_tokenizer(PROSE):
        ids = [generator.randrange(len(tokenizer.vocabulary)) for _ in range(200)]
        streamer = tokenizer.streamer()
        pieces = [streamer.push(i) for i in ids]
        assert "".join(pieces) == tokenizer.decode(ids)
        assert "".join(pieces[:77]) == tokenizer.decode(ids[:77])


def test_streamers_do_not_share_their_state():
    tokenizer = fitted_word(['" a b'])
    quote = tokenizer.encode('"').tolist()[0]
    text = tokenizer.decode([quote, *tokenizer.encode("a b").tolist()])
    assert text == tokenizer.decode([quote, *tokenizer.encode("a b").tolist()]) == '"a b'


def test_tokenizers_survive_json(tmp_path):
    odd = [*PROSE, *PROSE, "\ud800\x00\u2028 \U0001f600\n"]
    path = tmp_path / "tokenizer.json"
    for tokenizer in every_tokenizer(odd):
        path.write_bytes(saved_tokenizers.to_json(tokenizer).encode("utf-8", errors="surrogatepass"))
        again = saved_tokenizers.from_dict(json.loads(saved_tokenizers.to_json(tokenizer)))
        assert type(again) is type(tokenizer)
        assert again.to_dict() == tokenizer.to_dict()
        assert (again.end_id, again.end_token) == (tokenizer.end_id, tokenizer.end_token)
        for text in [*odd, "unknown Ψ\n\n and 'more'"]:
            ids = tokenizer.encode(text)
            assert np.array_equal(again.encode(text), ids)
            assert again.decode(ids) == tokenizer.decode(ids)


def test_a_saved_tokenizer_loads_from_its_file(tmp_path):
    path = tmp_path / "tokenizer.json"
    for tokenizer in every_tokenizer(PROSE):
        path.write_text(saved_tokenizers.to_json(tokenizer), encoding="utf-8")
        assert saved_tokenizers.load(path).to_dict() == tokenizer.to_dict()


def test_a_vocabulary_of_another_format_is_refused():
    saved = fitted_char(["ab"]).to_dict() | {"format": 0}
    with pytest.raises(UserError, match="another version"):
        saved_tokenizers.from_dict(saved)


@pytest.mark.parametrize("end_token", ["null", "document"])
def test_subwords_are_an_option_of_the_configuration(text_file, end_token):
    config = compose_config(
        text_file, "tokenizer=bpe", f"tokenizer.end_token={end_token}", "tokenizer.vocabulary_size=290"
    )
    tokenizer = registry.build("tokenizer", config.tokenizer)
    tokenizer.fit([text_file.read_text(encoding="utf-8")])
    assert tokenizer.to_dict()["type"] == "bpe"
    assert len(tokenizer.vocabulary) == 290


def test_text_that_others_have_tokenized_is_an_option(text_file):
    tokenizer = registry.build("tokenizer", compose_config(text_file, "tokenizer=pretokenized").tokenizer)
    text = " the <unk> N 's The \n \n = end ="
    tokenizer.fit([text])
    counted = ["the", "<unk>", "N", "'s", "The", "<eos>", "<eos>", "=", "end", "=", "<eos>"]
    assert [tokenizer.vocabulary[i] for i in tokenizer.encode(text)] == counted


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("vocabulary_size=257", "tokenizer.vocabulary_size=257: is less than 258"),
        ("min_frequency=0", "tokenizer.min_frequency=0: is less than 1"),
        ("end_token=line", "tokenizer.end_token=line: no such option; choose one of null, document"),
    ],
)
def test_settings_of_subwords_are_checked(text_file, setting, expected):
    with pytest.raises(UserError, match=f"^{expected}"):
        compose_config(text_file, "tokenizer=bpe", f"tokenizer.{setting}")
