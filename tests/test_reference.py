"""The float64 reference against torch's own modules, worked examples, and the evaluator."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import compose_config, made_up_text

import lmlab
from lmlab import reference
from lmlab.config.settings import TrainSettings
from lmlab.config.typed import plain
from lmlab.data.cache import text_sha256
from lmlab.data.fingerprint import fingerprint
from lmlab.data.loaders.sentences import evaluation_loader
from lmlab.data.token_store import build
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.data.tokenizers.word import WordTokenizer
from lmlab.trained import TrainedModel
from lmlab.training.assembly import build_data
from lmlab.training.models import build_model
from lmlab.verification.figures import make_split

VOCABULARY = 11
LENGTHS = (7, 1, 30, 12)


def random_rows(seed: int = 0) -> list[reference.Row]:
    generator = np.random.default_rng(seed)
    ids = [generator.integers(0, VOCABULARY, length + 1) for length in LENGTHS]
    return [reference.Row(row[:-1], row[1:]) for row in ids]


@pytest.mark.parametrize("elements", [2**21, 200])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("make", [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM])
def test_each_row_has_the_nats_and_errors_of_torchs_own_module(make, layers, elements, monkeypatch) -> None:
    """Also where a row is read in several blocks, its state carried, and where logits are cut."""
    monkeypatch.setattr(reference, "_ELEMENTS", elements)
    torch.manual_seed(0)
    core = make(5, 6, num_layers=layers, batch_first=True).double()
    embedding = torch.nn.Embedding(VOCABULARY, 5).double()
    decoder = torch.nn.Linear(6, VOCABULARY).double()
    weights = {"embedding.weight": embedding.weight, "decoder.weight": decoder.weight, "decoder.bias": decoder.bias}
    for name, tensor in core.named_parameters():
        kind, _, number = name.rpartition("_l")
        weights[f"core.layers.{number}.{kind}_l0"] = tensor
    rows = random_rows()
    measured = reference.measure({name: tensor.detach() for name, tensor in weights.items()}, rows)
    wrong = 0
    for row, nats in zip(rows, measured.row_nats, strict=True):
        logits = decoder(core(embedding(torch.from_numpy(row.inputs))[None])[0][0])
        targets = torch.from_numpy(row.targets)
        expected = torch.nn.functional.cross_entropy(logits, targets, reduction="sum").item()
        assert nats == pytest.approx(expected, rel=1e-12)
        wrong += int((logits.argmax(1) != targets).sum())
    assert measured.fewest_errors == measured.most_errors == wrong
    assert measured.num_tokens == sum(LENGTHS)


def bigram(probabilities: torch.Tensor) -> dict[str, torch.Tensor]:
    """A feed-forward model of the last token alone that gives exactly these probabilities (V, V)."""
    size = len(probabilities)
    return {
        "embedding.weight": torch.eye(size),
        "core.layers.0.weight": 40.0 * torch.eye(size),  # tanh(40) is 1
        "core.layers.0.bias": torch.zeros(size),
        "decoder.weight": probabilities.log().t().contiguous(),
        "decoder.bias": torch.zeros(size),
    }


def test_a_bigram_model_by_hand() -> None:
    probs = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]], dtype=torch.float64)
    rows = [reference.Row(np.array([2, 0, 1]), np.array([0, 1, 2])), reference.Row(np.array([1]), np.array([1]))]
    measured = reference.measure(bigram(probs), rows)
    assert measured.row_nats == pytest.approx([-math.log(0.3 * 0.25 * 0.7), -math.log(0.2)], rel=1e-12)
    assert measured.num_tokens == 4
    assert (measured.fewest_errors, measured.most_errors) == (3, 3)


def test_a_window_of_tokens_looks_back_over_blocks_and_not_before_the_first(monkeypatch) -> None:
    monkeypatch.setattr(reference, "_ELEMENTS", 60)
    torch.manual_seed(0)
    weights = {
        "embedding.weight": torch.randn(VOCABULARY, 2),
        "core.layers.0.weight": torch.randn(4, 6),  # three tokens of two numbers
        "core.layers.0.bias": torch.randn(4),
        "core.layers.1.weight": torch.randn(4, 4),
        "core.layers.1.bias": torch.randn(4),
        "decoder.weight": torch.randn(VOCABULARY, 4),
        "decoder.bias": torch.randn(VOCABULARY),
    }
    rows = random_rows()
    w = {name: tensor.double().numpy() for name, tensor in weights.items()}
    for row, nats in zip(rows, reference.measure(weights, rows).row_nats, strict=True):
        expected, seen = 0.0, [np.zeros(2), np.zeros(2)]
        for given, target in zip(row.inputs, row.targets, strict=True):
            seen.append(w["embedding.weight"][given])
            hidden = np.tanh(w["core.layers.0.weight"] @ np.concatenate(seen[-3:]) + w["core.layers.0.bias"])
            hidden = np.tanh(w["core.layers.1.weight"] @ hidden + w["core.layers.1.bias"])
            logits = w["decoder.weight"] @ hidden + w["decoder.bias"]
            expected += np.log(np.exp(logits).sum()) - logits[target]
        assert nats == pytest.approx(expected, rel=1e-12)


def test_equal_logits_may_count_either_way() -> None:
    probs = torch.tensor([[0.4, 0.4, 0.2], [0.2, 0.2, 0.6], [0.1, 0.2, 0.7]], dtype=torch.float64)
    rows = [reference.Row(np.array([0, 0, 1, 2]), np.array([0, 2, 2, 0]))]  # tie, wrong, right, wrong
    measured = reference.measure(bigram(probs), rows)
    assert (measured.fewest_errors, measured.most_errors) == (2, 3)


def test_the_worked_example_of_a_masked_loss(monkeypatch) -> None:
    """Two sentences of unlike length: four targets and six, (1.0 + 3.0) / 10 = 0.4 nats a token."""
    sentences = ["the cat sits", "the model reads the sentence"]
    tokenizer = WordTokenizer(end_token="sentence", lower=True, split="whitespace", min_frequency=1, max_size=None)
    tokenizer.fit(sentences)
    rows = reference.sentence_rows(reference.encoded(sentences, tokenizer))
    words = [[[tokenizer.vocabulary[i] for i in part] for part in row] for row in rows]
    assert words == [
        [["<bos>", "the", "cat", "sits"], ["the", "cat", "sits", "<eos>"]],
        [["<bos>", "the", "model", "reads", "the", "sentence"], ["the", "model", "reads", "the", "sentence", "<eos>"]],
    ]
    by_row = {6: [0.2, 0.6, 0.1, 0.8, 0.9, 0.4], 4: [0.1, 0.3, 0.2, 0.4]}

    def losses(logits, targets):  # of the counted targets alone, the longest row first
        return torch.tensor(by_row[6] + by_row[4]), torch.zeros(len(targets)), torch.zeros(len(targets))

    monkeypatch.setattr(reference, "_compared", losses)
    probs = torch.full((len(tokenizer.vocabulary),) * 2, 0.1)
    measured = reference.measure(bigram(probs), rows)
    assert measured.row_nats == pytest.approx([1.0, 3.0])
    assert measured.num_tokens == 10
    assert measured.row_nats.sum() / measured.num_tokens == pytest.approx(0.4)


def as_lists(rows: list[reference.Row]) -> list[list[list[int]]]:
    return [[row.inputs.tolist(), row.targets.tolist()] for row in rows]


def test_streams_by_hand() -> None:
    ids = np.arange(10, 17)
    with_end = reference.stream_rows(ids, end_id=1, num_streams=3)
    assert as_lists(with_end) == [[[1, 10, 11], [10, 11, 12]], [[12, 13, 14], [13, 14, 15]], [[15], [16]]]
    without = reference.stream_rows(ids, end_id=None, num_streams=3)
    assert as_lists(without) == [[[10, 11], [11, 12]], [[12, 13, 14], [13, 14, 15]], [[15], [16]]]
    # Seven streams of two tokens would need 13 or more: the last are empty.
    assert sum(len(row.targets) for row in reference.stream_rows(np.arange(10), end_id=1, num_streams=7)) == 10


@pytest.mark.parametrize(
    ("tokens", "wanted", "streams"),
    [(0, None, 1), (1_999, None, 1), (4_000, None, 2), (31_999, None, 15), (10**6, None, 16), (10**6, 3, 3), (5, 9, 5)],
)
def test_number_of_streams_by_hand(tokens: int, wanted: int | None, streams: int) -> None:
    assert reference.number_of_streams(tokens, wanted) == streams


PARTS = {
    "lstm": (),
    "gru, windows": ("model=gru", "model.num_layers=2", "batching=windows"),
    "rnn, chunks": ("model=rnn", "batching=chunks", "tokenizer.end_token=document"),
    "feedforward": ("model=feedforward", "model.context=4", "model.num_layers=2"),
    "words": ("tokenizer=word", "model=gru"),
    "words, lines": ("tokenizer=word", "tokenizer.end_token=line"),
    "words, tied": ("tokenizer=word", "model.tie_weights=true", "embedding.dim=16", "tokenizer.end_token=document"),
    "pieces": ("tokenizer=bpe", "tokenizer.vocabulary_size=300", "model=rnn"),
    "pretokenized": ("tokenizer=pretokenized", "model=gru"),
    "one stream": ("evaluation.num_streams=1",),
    "seven streams": ("evaluation.num_streams=7", "tokenizer.end_token=document"),
    "sentences": ("data=sentences", "model=gru"),
    "sentences, feedforward": ("data=sentences", "model=feedforward"),
    "sentences of words": ("data=sentences", "tokenizer=word", "model.num_layers=2"),
    "sentences of pieces": ("data=sentences", "tokenizer=bpe", "tokenizer.vocabulary_size=300"),
}


def untrained(config: TrainSettings, folder: Path) -> TrainedModel:
    """A model of random weights, larger than those a run begins with: its probabilities are far from uniform."""
    tokenizer = build_data(config).tokenizer
    torch.manual_seed(1)
    model = build_model(config, torch.randn(len(tokenizer.vocabulary), config.embedding.dim))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)
    return TrainedModel(model=model.eval(), tokenizer=tokenizer, settings=config, folder=folder)


@pytest.mark.parametrize("name", PARTS)
def test_the_evaluator_gives_the_same(name: str, text_file: Path, tmp_path: Path) -> None:
    config = compose_config(text_file, *PARTS[name])
    lm = untrained(config, tmp_path)
    text = made_up_text(300, seed=5) + "Ein unbekannter Satz: été.\nZoë likes the cat.\n"
    texts = text.splitlines() if config.data.sentences else [text, made_up_text(20, seed=6)]
    assert_equal_figures(lm, texts, config)


def assert_equal_figures(lm: TrainedModel, texts: list[str], config: TrainSettings) -> None:
    expected = lm.evaluate(texts, num_streams=config.evaluation.num_streams)
    split = make_split(texts, lm.tokenizer, plain(config))
    weights = lm.model.state_dict()
    measured = reference.measure(weights, split.rows)
    assert measured.num_tokens == expected["num_tokens"]
    assert measured.row_nats.sum() / measured.num_tokens == pytest.approx(expected["nats_per_token"], rel=1e-6)
    errors = round(expected["error_rate"] * measured.num_tokens)
    assert measured.fewest_errors <= errors <= measured.most_errors
    assert measured.most_errors - measured.fewest_errors < 0.02 * measured.num_tokens
    unknown = sum(int((document == 0).sum()) for document in split.documents)
    assert unknown / sum(map(len, split.documents)) == pytest.approx(expected["unk_rate"])
    assert reference.num_parameters(weights) == lm.model.num_parameters
    store = build(texts, lm.tokenizer)
    streams = evaluation_loader(store, num_streams=config.evaluation.num_streams).num_streams
    assert reference.fingerprint(texts, split.documents, lm.tokenizer.to_dict(), split.num_streams) == fingerprint(
        store, lm.tokenizer, streams
    )


def test_the_evaluator_gives_the_same_of_a_trained_run(trained_run: Path) -> None:
    lm = lmlab.load(trained_run, device="cpu")
    assert_equal_figures(lm, [made_up_text(500, seed=7)], lm.settings)


def test_a_model_that_differs_in_one_weight_is_told_from_it(trained_run: Path) -> None:
    lm = lmlab.load(trained_run, device="cpu")
    split = make_split([made_up_text(100, seed=7)], lm.tokenizer, plain(lm.settings))
    before = reference.measure(lm.model.state_dict(), split.rows).row_nats.sum()
    for name, parameter in lm.model.named_parameters():
        with torch.no_grad():
            kept = parameter.clone()
            parameter[-1] += 0.01
        after = reference.measure(lm.model.state_dict(), split.rows).row_nats.sum()
        assert abs(after - before) > 1e-6 * before, name
        with torch.no_grad():
            parameter.copy_(kept)


def test_texts_are_hashed_as_ever() -> None:
    texts = ["Ein Satz: é\n", "\ud800 half a pair", ""]
    assert reference.text_sha256(texts) == text_sha256(texts)
    assert reference.text_sha256(["abc"]) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_end_token_stands_behind_documents_and_sentences_only() -> None:
    for end_token, ids in (("document", [[3, 2, 1], [2, 1]]), (None, [[2, 1], [1]])):
        tokenizer = CharTokenizer(end_token=end_token)
        tokenizer.fit(["ab"])
        assert [document.tolist() for document in reference.encoded(["ba", "a"], tokenizer)] == ids


def test_it_fits_two_hundred_lines() -> None:
    assert len(Path(reference.__file__).read_text(encoding="utf-8").splitlines()) <= 200
