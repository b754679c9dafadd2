"""Sentences in batches: nothing lost, nothing counted twice, padding without effect."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lmlab.data.loaders.base import IGNORE_INDEX, Batch
from lmlab.data.loaders.sentences import (
    ROUND,
    SentenceEvaluationLoader,
    SentencesLoader,
    cut,
    evaluation_loader,
    in_order,
    lengths_of,
    sentence_batch,
)
from lmlab.data.token_store import START_ID, TokenStore, build
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.evaluation.protocol import evaluate, nats_by_token
from lmlab.models.feedforward import FeedForward
from lmlab.models.language_model import LanguageModel
from lmlab.models.recurrent import LSTM


def words() -> WordTokenizer:
    return WordTokenizer(end_token="sentence", lower=True, split="whitespace", min_frequency=1, max_size=None)


def store_of(sentences: list[str], tokenizer=None) -> TokenStore:
    tokenizer = tokenizer or CharTokenizer(end_token="sentence")
    tokenizer.fit(sentences)
    return build(sentences, tokenizer)


def made_up(count: int, seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    return [
        "".join(generator.choice(list("abcd "), size=generator.integers(1, 40))).strip() or "a" for _ in range(count)
    ]


def rows_of(batch: Batch) -> list[tuple[int, ...]]:
    return [tuple(row[row != IGNORE_INDEX].tolist()) for row in batch.targets]


def sentences_of(store: TokenStore) -> list[tuple[int, ...]]:
    ends = [*store.sentences[1:].tolist(), len(store)]
    return [tuple(store.ids[a:b].tolist()) for a, b in zip(store.sentences.tolist(), ends, strict=True)]


def test_the_worked_example_of_two_sentences() -> None:
    store = store_of(["the cat sits", "the model reads the sentence"], words())
    batch = sentence_batch(store, np.array([0, 1]), lengths_of(store))
    vocabulary = {word: i for i, word in enumerate(["<unk>", "<eos>", "<bos>"])}
    assert batch.inputs[:, 0].tolist() == [START_ID, START_ID] == [vocabulary["<bos>"]] * 2
    counted = batch.targets != IGNORE_INDEX
    assert counted.sum(dim=1).tolist() == [4, 6]
    assert [int(row[c][-1]) for row, c in zip(batch.targets, counted, strict=True)] == [1, 1]
    assert torch.equal(batch.inputs[:, 1:][counted[:, 1:]], batch.targets[:, :-1][counted[:, 1:]])
    losses = torch.tensor([[0.1, 0.3, 0.2, 0.4, 0.7, 0.5], [0.2, 0.6, 0.1, 0.8, 0.9, 0.4]])
    assert (losses * counted).sum() / counted.sum() == pytest.approx(0.4)
    assert batch.reset.all()


@pytest.mark.parametrize(("batch_size", "budget"), [(7, None), (1, None), (64, 200), (64, 50), (64, 5)])
def test_an_epoch_has_every_sentence_once_whole(batch_size: int, budget: int | None) -> None:
    store = store_of(made_up(150))
    loader = SentencesLoader(store=store, batch_size=batch_size, tokens_per_batch=budget, seed=3)
    batches = list(loader)
    assert len(batches) == len(loader)
    assert sorted(row for batch in batches for row in rows_of(batch)) == sorted(sentences_of(store))
    for batch in batches:
        rows, longest = batch.targets.shape
        if budget is None:
            assert rows <= batch_size
        else:
            assert rows * longest <= budget or rows == 1
        assert (batch.targets != IGNORE_INDEX).any(dim=0).all()  # no column of padding alone


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    store = store_of(made_up(200))

    def epochs(seed: int) -> list[list[tuple[int, ...]]]:
        loader = SentencesLoader(store=store, batch_size=8, tokens_per_batch=None, seed=seed)
        return [[row for batch in loader for row in rows_of(batch)] for _ in range(2)]

    assert epochs(0) == epochs(0)
    assert epochs(0) != epochs(1)
    first, second = epochs(0)
    assert first != second
    assert sorted(first) == sorted(second)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 300])
def test_each_round_of_batches_has_one_of_every_part_of_the_lengths(batch_size: int) -> None:
    # Every length is another one, so a batch's place among the lengths can be read off its longest row.
    store = store_of(["a" * n for n in range(1, 301)])
    loader = SentencesLoader(store=store, batch_size=batch_size, tokens_per_batch=None, seed=5)
    num_rounds = -(-len(loader) // ROUND)
    orders = []
    for _ in range(2):
        places = [(batch.targets.shape[1] - 2) // batch_size for batch in loader]
        orders.append(places)
        assert sorted(places) == list(range(len(loader)))
        parts = [place // num_rounds for place in places]
        full = len(set(parts)) - 1  # the last part may be short
        whole = [part for part in parts if part < full]
        rounds = [whole[i : i + full] for i in range(0, len(whole), full)] if full else []
        assert all(sorted(one) == list(range(full)) for one in rounds)
    assert len(loader) == 1 or orders[0] != orders[1]


def test_an_interrupted_epoch_goes_on_where_it_stopped() -> None:
    store = store_of(made_up(100))

    def loader() -> SentencesLoader:
        return SentencesLoader(store=store, batch_size=8, tokens_per_batch=None, seed=1)

    whole = loader()
    expected = [rows_of(batch) for _ in range(2) for batch in whole]
    part = loader()
    seen = []
    for number, batch in enumerate(part):
        seen.append(rows_of(batch))
        if number == 4:
            break
    other = loader()
    other.load_state_dict(part.state_dict())
    seen += [rows_of(batch) for _ in range(2) for batch in other]
    assert seen == expected


def test_sentences_of_a_batch_are_of_nearly_equal_length() -> None:
    store = store_of(made_up(2_000))
    loader = SentencesLoader(store=store, batch_size=64, tokens_per_batch=1_000, seed=0)
    padded = sum(batch.targets.numel() for batch in loader)
    assert padded / len(store) < 1.05
    assert loader.padded_tokens * len(loader) == pytest.approx(padded)
    assert "padding" in loader.describe()


def test_a_sentence_longer_than_the_budget_is_a_batch_of_its_own_and_said() -> None:
    store = store_of(["ab" * 50, "a", "b", "ab"])
    loader = SentencesLoader(store=store, batch_size=64, tokens_per_batch=10, seed=0)
    assert sorted(batch.targets.shape for batch in loader) == [(1, 101), (3, 3)]
    assert "1 are longer" in loader.note


def test_a_sentence_that_fills_its_batch_with_padding_is_named() -> None:
    sentences = [f"a b c {i}" for i in range(23)]
    assert SentencesLoader(store=store_of(sentences), batch_size=8, tokens_per_batch=None, seed=0).note == ""
    store = store_of([*sentences[:7], "long " * 500, *sentences[7:]])
    loader = SentencesLoader(store=store, batch_size=8, tokens_per_batch=None, seed=0)
    assert "sentence 8 of the training split has 2,501 tokens" in loader.note
    last = loader.batch(0, int(loader.num_targets(0).argmax()))
    padding = 1 - int((last.targets != IGNORE_INDEX).sum()) / last.targets.numel()
    assert f"{padding:.1%} of its batch of {len(last.targets)} sentences" in loader.note
    assert SentencesLoader(store=store, batch_size=1, tokens_per_batch=None, seed=0).note == ""


def test_cut_of_no_limit_is_one_range() -> None:
    assert cut(np.array([3, 5, 2]), batch_size=None, tokens_per_batch=None) == [(0, 3)]


def make_model(vocabulary: int, kind: str = "lstm") -> LanguageModel:
    torch.manual_seed(0)
    if kind == "lstm":
        core = LSTM(input_size=6, hidden_size=8, num_layers=2, dropout=0.0, locked_dropout=False)
    else:
        core = FeedForward(input_size=6, hidden_size=8, num_layers=1, dropout=0.0, locked_dropout=False, context=3)
    return LanguageModel(
        vectors=torch.randn(vocabulary, 6), core=core, input_dropout=0.0, output_dropout=0.0, locked_dropout=False,
        embedding_dropout=0.0, tie_weights=False, freeze_embedding=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["lstm", "feedforward"])
def test_padding_changes_neither_loss_nor_gradient(kind: str) -> None:
    store = store_of(made_up(9))
    lengths = lengths_of(store)
    model = make_model(8, kind).double()
    together = sentence_batch(store, np.arange(9), lengths)
    alone = [sentence_batch(store, np.array([i]), lengths) for i in range(9)]

    def gradients(batches: list[Batch]) -> tuple[float, list[torch.Tensor]]:
        model.zero_grad()
        total = torch.zeros((), dtype=torch.float64)
        for batch in batches:
            hidden = model(batch.inputs, model.init_state(len(batch.reset))).hidden
            logits = model.decoder.logits(hidden)
            total = total + torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), batch.targets.flatten(), reduction="sum"
            )
        torch.autograd.backward(total)
        return float(total.detach()), [p.grad.clone() for p in model.parameters()]

    padded, single = gradients([together]), gradients(alone)
    assert padded[0] == pytest.approx(single[0], rel=1e-12)
    for a, b in zip(padded[1], single[1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_other_batches_change_no_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(made_up(300))
    model = make_model(8)
    found = []
    for budget in (40, 300, 16_384):
        monkeypatch.setattr("lmlab.data.loaders.sentences.EVALUATION_BUDGET", budget)
        figures = evaluate(model, SentenceEvaluationLoader(store))
        assert figures["num_tokens"] == len(store)
        found.append(figures)
    for figures in found[1:]:
        assert figures == pytest.approx(found[0], rel=1e-6)


def test_an_evaluation_is_the_sum_over_sentences_each_from_a_fresh_state() -> None:
    sentences = ["abca", "b", "dd a"]
    store = store_of(sentences)
    model = make_model(8)
    nats = nats_by_token(model, in_order(store))
    assert len(nats) == len(store)
    figures = evaluate(model, evaluation_loader(store, num_streams=None))
    assert float(nats.double().mean()) == pytest.approx(figures["nats_per_token"], rel=1e-6)
    # the second sentence alone, and with the first before it, costs the same
    other = store_of(sentences, tokenizer := CharTokenizer(end_token="sentence"))
    alone = build(sentences[1:2], tokenizer)
    start = other.sentences[1]
    torch.testing.assert_close(nats[start : start + 2], nats_by_token(model, in_order(alone)))


def test_one_token_and_empty_sentences() -> None:
    store = store_of(["a", "", "b"])
    assert lengths_of(store).tolist() == [2, 1, 2]
    assert store.num_targets == 5
    batch = sentence_batch(store, np.array([1]), lengths_of(store))
    assert (batch.inputs.tolist(), batch.targets.tolist()) == ([[START_ID]], [[1]])


def test_the_start_token_is_never_a_target() -> None:
    store = store_of(["<bos> a <bos>", "b"], words())
    assert START_ID not in store.ids
    assert store.num_unknown == 2
