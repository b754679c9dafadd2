"""Corpus, tokenizer and loaders together."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lmlab.data import token_store
from lmlab.data.corpus import Corpus, Document
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.fingerprint import fingerprint
from lmlab.data.loaders.base import IGNORE_INDEX
from lmlab.data.loaders.streams import StreamsLoader
from lmlab.data.sources.base import Source
from lmlab.data.token_store import TokenStore
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.diagnostics.rules import noted
from lmlab.errors import UserError

TRAIN = "abcab cab abba. " * 20
VALIDATION = "abc xyz. " * 5


def make_corpus(train: str = TRAIN, validation: str = VALIDATION, **more: str) -> Corpus:
    texts = {"train": train, "validation": validation} | more
    return Corpus({name: (Document(name, text),) for name, text in texts.items()})


class Given(Source):
    """A source of a text that is there already."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus, self.loaded = corpus, 0

    def load(self) -> Corpus:
        self.loaded += 1
        return self.corpus


def make_loader(store: TokenStore) -> StreamsLoader:
    return StreamsLoader(store=store, batch_size=4, sequence_length=10, seed=0)


def make_data(corpus: Corpus | None = None, tokenizer: Tokenizer | None = None, **options) -> LanguageModelData:
    data = LanguageModelData(
        source=Given(corpus or make_corpus()),
        tokenizer=tokenizer or CharTokenizer(end_token=None),
        make_train_loader=make_loader,
        **options,
    )
    data.setup()
    return data


def make_words(**options) -> WordTokenizer:
    defaults = {"end_token": "line", "lower": True, "split": "whitespace", "min_frequency": 1, "max_size": None}
    return WordTokenizer(**(defaults | options))


def counted(loader) -> list[int]:
    """Targets of a loader of one stream, in order."""
    return [int(i) for batch in loader for i in batch.targets[batch.targets != IGNORE_INDEX]]


def test_the_tokenizer_is_fitted_on_the_training_text_only():
    data = make_data()
    assert set(data.tokenizer.vocabulary[1:]) == set(TRAIN)
    assert data.tokenizer.unknown("xyz") == ["x", "y", "z"]


def test_a_tokenizer_that_is_not_to_be_fitted_stays_as_it_is():
    tokenizer = CharTokenizer(end_token=None)
    tokenizer.fit(["xyz"])
    assert make_data(tokenizer=tokenizer, fit=False).tokenizer.vocabulary == ["<unk>", "x", "y", "z"]


def test_every_split_is_encoded():
    data = make_data(make_corpus(test="cab"))
    assert {name: store.num_characters for name, store in data.stores.items()} == {
        "train": len(TRAIN),
        "validation": len(VALIDATION),
        "test": 3,
    }
    assert data.tokenizer.decode(data.stores["test"].ids) == "cab"


def test_training_batches_come_from_the_training_text():
    data = make_data()
    batch = next(iter(data.train_dataloader()))
    assert batch.inputs.shape == (4, 10)
    total = sum(int((b.targets != IGNORE_INDEX).sum()) for b in data.train_dataloader())
    assert total == data.stores["train"].num_targets


def test_the_training_loader_keeps_its_position():
    data = make_data()
    assert data.train_dataloader() is data.train_dataloader()


def test_validation_is_served_under_the_protocol():
    data = make_data(tokenizer=make_words())
    loader = data.val_dataloader()
    assert loader.num_streams == 1
    assert counted(loader) == data.stores["validation"].ids.tolist()
    long = make_data(make_corpus(validation=VALIDATION * 200))
    assert long.val_dataloader().num_streams == 4


def test_the_number_of_streams_can_be_set():
    assert make_data(num_streams=3).val_dataloader().num_streams == 3


def test_any_split_can_be_evaluated_and_others_are_refused():
    data = make_data(make_corpus(test="cabba"), make_words())
    assert counted(data.evaluation_loader("test")) == data.stores["test"].ids.tolist()
    with pytest.raises(UserError, match="its splits are train, validation"):
        make_data().evaluation_loader("test")


@pytest.mark.parametrize(("split", "text"), [("validation", "a"), ("test", ""), ("train", "b")])
def test_a_split_with_nothing_to_predict_is_refused(split, text):
    with pytest.raises(UserError, match=f"the {split} split has {len(text)} token"):
        make_data(make_corpus(**{split: text}))


def test_one_token_after_an_end_token_is_enough():
    data = make_data(make_corpus(validation="a"), make_words())
    assert len(counted(data.val_dataloader())) == 2


# Diagnostics


def test_nothing_is_said_without_a_cause():
    assert make_data(make_corpus(validation="cab. " * 10)).diagnostics == []


def test_many_unknown_words_of_the_worst_split_are_said():
    known = "cab " * 18
    corpus = make_corpus(validation=known + "x\n", test=known + "cab x x\n")
    (found,) = make_data(corpus, make_words()).diagnostics
    # One token of 20 (the end of the line is one) is not too many, two of 22 are.
    assert (found.kind, found.values["rate"]) == ("unknown-words", 2 / 22)
    assert "tokenizer.min_frequency" in found.words("remedy")


def test_unknown_characters_have_a_remedy_of_their_own():
    (found,) = make_data(make_corpus(validation="cxb")).diagnostics
    assert (found.kind, found.values["rate"]) == ("unknown-words", 1 / 3)
    assert "lacks characters" in found.words("remedy")
    assert "tokenizer" not in found.words("remedy")


def test_a_shrunk_batch_and_the_warnings_of_the_corpus_are_passed_on():
    corpus = replace(make_corpus(train="abc", validation="cab"), warnings=("from the source",))
    data = make_data(corpus)
    assert data.diagnostics == [noted("other", text=text) for text in ("from the source", data.train_loader.note)]
    assert data.train_loader.note


# The fingerprint


def made(text: str, tokenizer: Tokenizer, num_streams: int = 1) -> str:
    return fingerprint(token_store.build([text], tokenizer), tokenizer, num_streams)


def fitted(tokenizer: Tokenizer, text: str = TRAIN) -> Tokenizer:
    tokenizer.fit([text])
    return tokenizer


def test_equal_text_vocabulary_and_protocol_give_equal_fingerprints():
    assert made("abc", fitted(CharTokenizer(end_token=None))) == made("abc", fitted(CharTokenizer(end_token=None)))
    assert re.fullmatch("[0-9a-f]{64}", made("abc", fitted(CharTokenizer(end_token=None))))


def test_the_order_of_the_training_text_does_not_matter():
    one, other = fitted(CharTokenizer(end_token=None), "abc"), fitted(CharTokenizer(end_token=None), "ccbbaa")
    assert made("cab", one) == made("cab", other)


def test_whatever_changes_a_perplexity_changes_the_fingerprint():
    text = "ab cab\n"
    prints = [
        made(text, fitted(CharTokenizer(end_token=None))),
        made(text + " ", fitted(CharTokenizer(end_token=None))),
        made("AB cab\n", fitted(CharTokenizer(end_token=None))),
        made(text, fitted(CharTokenizer(end_token=None)), num_streams=2),
        made(text, fitted(CharTokenizer(end_token="document"))),
        made(text, fitted(CharTokenizer(end_token=None), TRAIN + "z")),
        made(text, fitted(make_words())),
        made(text, fitted(make_words(lower=False))),
        made(text, fitted(make_words(end_token=None))),
        made(text, fitted(make_words(end_token="document"))),
        made(text, fitted(make_words(split="punctuation"))),
        made(text, fitted(make_words(max_size=3))),
    ]
    assert len(set(prints)) == len(prints)


def test_texts_that_differ_in_unknown_words_only_have_other_fingerprints():
    tokenizer = fitted(make_words())
    assert made("cab xx", tokenizer) != made("cab yy", tokenizer)


def test_other_borders_between_documents_change_the_fingerprint():
    """Where an end token follows each document, the borders are part of what is predicted."""
    tokenizer = fitted(CharTokenizer(end_token="document"))
    one = token_store.build(["ab", "cab"], tokenizer)
    other = token_store.build(["abc", "ab"], tokenizer)
    assert one.ids.tolist() != other.ids.tolist()
    assert fingerprint(one, tokenizer, 1) != fingerprint(other, tokenizer, 1)


@pytest.mark.parametrize("loses", [False, True])
def test_a_user_s_tokenizer_that_loses_text_is_told(loses: bool) -> None:
    class Own(CharTokenizer):
        type_name = ""

        def encode(self, text: str):
            return super().encode(text[::2] if loses else text)

    lost = noted("text-lost", tokenizer="Own")
    assert (lost in make_data(tokenizer=Own(end_token=None)).diagnostics) == loses
    assert "text-lost" not in [found.kind for found in make_data(tokenizer=make_words()).diagnostics]


def test_a_text_is_read_once_and_nothing_is_there_before() -> None:
    source = Given(make_corpus(test="cab"))
    data = LanguageModelData(source=source, tokenizer=CharTokenizer(end_token=None), make_train_loader=make_loader)
    assert source.loaded == 0
    for name in ("corpus", "stores", "train_loader"):
        with pytest.raises(RuntimeError, match="call setup"):
            getattr(data, name)
    for stage in ("fit", "validate", "test", "predict"):
        data.prepare_data()
        data.setup(stage)
    assert source.loaded == 1
    assert data.train_dataloader() is data.train_loader
    assert (
        counted(data.test_dataloader()) == counted(data.predict_dataloader()) == counted(data.evaluation_loader("test"))
    )


def test_without_a_test_split_predictions_are_of_validation_and_a_test_is_refused() -> None:
    data = make_data()
    assert counted(data.predict_dataloader()) == counted(data.val_dataloader())
    with pytest.raises(UserError, match="no such split"):
        data.test_dataloader()
