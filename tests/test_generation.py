"""Drawing, against softmax by hand and models whose probabilities are known."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lmlab import generation
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.errors import Diverged
from lmlab.generation import SamplingOptions, draw, excluded_ids, generate, probabilities, start_of_text
from lmlab.models.language_model import LanguageModel
from lmlab.models.recurrent import GRU, LSTM, RNN

EVERYTHING = SamplingOptions(length=20, temperature=1.0, top_k=None, top_p=None, seed=0)
V = 9


def random_logits(rows: int = 5, size: int = V, *, seed: int = 0) -> Tensor:
    return 2 * torch.randn(rows, size, generator=torch.Generator().manual_seed(seed))


def make_model(kind: type = LSTM, *, dropout: float = 0.0, seed: int = 0) -> LanguageModel:
    """Two layers with weights large enough that every step depends on much of what came before."""
    torch.manual_seed(seed)
    core = kind(input_size=4, hidden_size=8, num_layers=2, dropout=dropout, locked_dropout=False)
    model = LanguageModel(
        vectors=2 * torch.randn(V, 4), core=core, input_dropout=dropout, output_dropout=dropout, locked_dropout=False,
        embedding_dropout=0.0, tie_weights=False,
        freeze_embedding=False,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in [*core.parameters(), model.decoder.weight]:
            parameter.mul_(4)
    return model.eval()


def make_unigram_model(probs: list[float]) -> LanguageModel:
    """Predicts the same whatever came before."""
    core = RNN(input_size=2, hidden_size=2, num_layers=1, dropout=0.0, locked_dropout=False)
    model = LanguageModel(
        vectors=torch.zeros(len(probs), 2), core=core, input_dropout=0.0, output_dropout=0.0, locked_dropout=False,
        embedding_dropout=0.0, tie_weights=False,
        freeze_embedding=False,
    )  # fmt: skip
    with torch.no_grad():
        model.decoder.weight.zero_()
        model.decoder.bias.copy_(torch.tensor(probs).log())
    return model.eval()


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


# Probabilities


def test_temperature_1_is_softmax():
    logits = random_logits()
    found = probabilities(logits, EVERYTHING)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, logits.double().softmax(dim=1), rtol=1e-12, atol=0)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0, 30.0])
def test_temperature_raises_probabilities_to_a_power(temperature):
    logits = random_logits()
    expected = logits.double().softmax(dim=1) ** (1 / temperature)
    expected /= expected.sum(dim=1, keepdim=True)
    found = probabilities(logits, replace(EVERYTHING, temperature=temperature))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-15)


def test_temperature_0_is_certain_of_the_most_probable():
    logits = random_logits()
    found = probabilities(logits, replace(EVERYTHING, temperature=0.0))
    assert found.argmax(dim=1).tolist() == logits.argmax(dim=1).tolist()
    assert found.max(dim=1).values.tolist() == [1.0] * 5
    assert found.sum(dim=1).tolist() == [1.0] * 5


def test_a_tiny_temperature_comes_near_0_without_overflow():
    logits = random_logits()
    tiny = probabilities(logits, replace(EVERYTHING, temperature=1e-308))
    assert torch.equal(tiny, probabilities(logits, replace(EVERYTHING, temperature=0.0)))


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"length": 0}, ValueError, "length must be from 1"),
        ({"length": 10**7 + 1}, ValueError, "length must be from 1 to 10,000,000"),
        ({"length": 1.5}, TypeError, "length must be a whole number, not 1.5"),
        ({"length": True}, TypeError, "length must be a whole number, not True"),
        ({"top_k": "3"}, TypeError, "top_k must be a whole number, not '3'"),
        ({"top_p": "x"}, TypeError, "top_p must be a number, not 'x'"),
        ({"temperature": None}, TypeError, "temperature must be a number, not None"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"seed": 2**64}, ValueError, "seed must be from 0"),
        ({"precision": "fp8"}, ValueError, "precision must be 32-true or bf16-true, not 'fp8'"),
    ],
)
def test_options_of_a_wrong_kind_are_named(changed: dict[str, Any], error: type[Exception], said: str) -> None:
    given: dict[str, Any] = {"length": 5, "temperature": 1.0, "top_k": None, "top_p": None, "seed": 0}
    with pytest.raises(error, match=said):
        SamplingOptions(**given | changed)


@pytest.mark.parametrize("temperature", [-1e-9, -1.0])
def test_a_negative_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be 0 or more"):
        probabilities(random_logits(), replace(EVERYTHING, temperature=temperature))


def by_hand(logits: list[float], options: SamplingOptions) -> list[float]:
    """Banning, temperature, top-k, top-p, one after the other on plain numbers."""
    scores = torch.tensor(logits, dtype=torch.float64).div(options.temperature).exp().tolist()
    alive = [i for i in range(len(scores)) if i not in options.banned]
    alive.sort(key=lambda i: -scores[i])
    if options.top_k is not None:
        alive = alive[: options.top_k]
    if options.top_p is not None:
        total, reached, kept = sum(scores[i] for i in alive), 0.0, []
        for i in alive:
            if reached >= options.top_p:
                break
            kept.append(i)
            reached += scores[i] / total
        alive = kept
    total = sum(scores[i] for i in alive)
    return [scores[i] / total if i in alive else 0.0 for i in range(len(scores))]


def test_every_combination_of_options_is_as_by_hand():
    generator = random.Random(0)
    for seed in range(300):
        options = replace(
            EVERYTHING,
            temperature=generator.choice([0.3, 1.0, 1.7]),
            top_k=generator.choice([None, 1, 2, 5, V, V + 3]),
            top_p=generator.choice([None, 0.01, 0.5, 0.9, 0.999, 1.0]),
            banned=tuple(generator.sample(range(V), generator.randint(0, 4))),
        )
        logits = random_logits(3, seed=seed)
        expected = torch.tensor([by_hand(row, options) for row in logits.tolist()], dtype=torch.float64)
        torch.testing.assert_close(probabilities(logits, options), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("top_k", range(1, V + 1))
def test_top_k_keeps_exactly_the_k_most_probable(top_k):
    logits = random_logits(20)
    found = probabilities(logits, replace(EVERYTHING, top_k=top_k))
    for row, kept in zip(logits, found > 0, strict=True):
        assert set(kept.nonzero().flatten().tolist()) == set(row.argsort(descending=True)[:top_k].tolist())


def test_top_k_keeps_k_of_equals():
    found = probabilities(torch.zeros(2, V), replace(EVERYTHING, top_k=3))
    assert (found > 0).sum(dim=1).tolist() == [3, 3]


@pytest.mark.parametrize("top_p", [0.05, 0.4, 0.7, 0.95])
def test_top_p_keeps_the_fewest_that_reach_p(top_p):
    logits = random_logits(50)
    probs = logits.double().softmax(dim=1)
    for row, kept in zip(probs, probabilities(logits, replace(EVERYTHING, top_p=top_p)) > 0, strict=True):
        inside = row[kept].sort(descending=True).values
        assert float(inside.sum()) >= top_p
        assert float(inside[:-1].sum()) < top_p
        assert bool((row[~kept] <= inside[-1]).all())


def test_top_p_keeps_one_at_least():
    found = probabilities(random_logits(), replace(EVERYTHING, top_p=1e-12))
    assert (found > 0).sum(dim=1).tolist() == [1] * 5


# Draws


def test_draws_have_the_frequencies_of_their_probabilities():
    """Evenly spaced numbers give each token its share of them, to within one at either border."""
    count = 10_000
    uniform = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    for row in random_logits().double().softmax(dim=1):
        drawn = draw(row.expand(count, -1), uniform)
        for token, prob in enumerate(row.tolist()):
            assert abs(int((drawn == token).sum()) - count * prob) <= 1.001


def test_tokens_without_probability_are_never_drawn():
    probs = torch.tensor([[0.0, 0.3, 0.0, 0.7, 0.0]], dtype=torch.float64)
    edges = [0.0, 1e-300, 0.3, 0.3 - 1e-17, 1 - 2**-53]
    for uniform in edges:
        assert int(draw(probs, torch.tensor([uniform], dtype=torch.float64))) in (1, 3)
    # Rows whose sum is below 1 by rounding.
    thirds = torch.full((1, 4), 0.1, dtype=torch.float64)
    thirds[0, 3] = 0.0
    assert int(draw(thirds, torch.tensor([0.9999999999999999], dtype=torch.float64))) == 2


def test_the_largest_number_draws_no_token_of_probability_0_at_the_end():
    """Whatever the total is rounded to."""
    generator = torch.Generator().manual_seed(0)
    for size in (2, 3, 100, 10_000):
        weights = torch.rand(50, size, dtype=torch.float64, generator=generator)
        weights[:, -1] = 0
        drawn = draw(weights, torch.full((50,), 1 - 2**-53, dtype=torch.float64))
        assert bool((weights.gather(1, drawn[:, None]) > 0).all())


def test_draws_from_a_large_vocabulary_are_exact_to_twelve_digits():
    """Weights from 1 down to 1e-11: a number just before and one just after each border."""
    size = 10_000
    weights = torch.logspace(0, -11, size, dtype=torch.float64)
    borders = weights.cumsum(dim=0) / weights.sum()
    tokens = torch.tensor([0, 1, 17, 900, 2500])
    near = 1e-13
    for shift, expected in ((-near, tokens), (near, tokens + 1)):
        drawn = draw(weights.expand(len(tokens), -1), borders[tokens] + shift)
        assert drawn.tolist() == expected.tolist()


def test_no_id_is_drawn_outside_the_vocabulary():
    """Not even from weights that are no numbers: a GPU would break down where such an id is looked up."""
    nan, inf = float("nan"), float("inf")
    weights = torch.tensor([[nan] * 4, [1, nan, 0, 0], [0, 0, 0, 1], [1, 0, 0, inf]], dtype=torch.float64)
    for uniform in (0.0, 0.5, 1 - 2**-53):
        drawn = draw(weights, torch.full((4,), uniform, dtype=torch.float64))
        assert bool(((drawn >= 0) & (drawn < 4)).all())


def test_each_row_is_drawn_by_its_own_number():
    probs = torch.full((4, 4), 0.25, dtype=torch.float64)
    uniform = torch.tensor([0.9, 0.1, 0.6, 0.3], dtype=torch.float64)
    assert draw(probs, uniform).tolist() == [3, 0, 2, 1]


# Texts


def drawn_ids(model: LanguageModel, options: SamplingOptions, num_samples: int) -> list[int]:
    return [i for sample in generate(model, [0], options, num_samples=num_samples) for i in sample.ids]


def assert_frequencies(ids: list[int], probs: list[float]) -> None:
    """Each within 5 standard deviations."""
    for token, prob in enumerate(probs):
        deviation = (len(ids) * prob * (1 - prob)) ** 0.5
        assert abs(ids.count(token) - len(ids) * prob) <= 5 * deviation, token


def test_texts_at_temperature_1_have_the_models_frequencies():
    probs = [0.5, 0.25, 0.15, 0.09, 0.01]
    ids = drawn_ids(make_unigram_model(probs), EVERYTHING, 500)
    assert len(ids) == 500 * EVERYTHING.length
    assert_frequencies(ids, probs)


def test_banned_tokens_are_never_drawn():
    probs = [0.5, 0.25, 0.15, 0.1]
    model = make_unigram_model(probs)
    ids = drawn_ids(model, replace(EVERYTHING, banned=(0, 2)), 200)
    assert_frequencies(ids, [0.0, 0.25 / 0.35, 0.0, 0.1 / 0.35])
    assert set(drawn_ids(model, replace(EVERYTHING, temperature=0.0, banned=(0,)), 1)) == {1}


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
@pytest.mark.parametrize("prompt", [[3], [1, 4, 1, 5]])
def test_temperature_0_follows_the_most_probable_token(kind, prompt):
    """As reading the whole text from the beginning for every token does."""
    variety = 0
    for seed in range(5):
        model = make_model(kind, seed=seed)
        ids = list(prompt)
        with torch.no_grad():
            for _ in range(15):
                hidden = model(torch.tensor([ids]), model.init_state(1)).hidden
                ids.append(int(model.decoder.logits(hidden[0, -1]).argmax()))
        (sample,) = generate(model, prompt, replace(EVERYTHING, length=15, temperature=0.0))
        assert list(sample.ids) == ids[len(prompt) :]
        variety = max(variety, len(set(sample.ids)))
    assert variety > 2


def test_draws_depend_on_what_was_drawn_before():
    """The frequencies of the second token, given the first, are the model's."""
    model = make_model()
    samples = generate(model, [2, 7], replace(EVERYTHING, length=2), num_samples=3000)
    first = max(range(V), key=lambda i: sum(s.ids[0] == i for s in samples))
    second = [s.ids[1] for s in samples if s.ids[0] == first]
    assert len(second) > 300
    with torch.no_grad():
        hidden = model(torch.tensor([[2, 7, first]]), model.init_state(1)).hidden
        probs = model.decoder.logits(hidden[0, -1]).softmax(dim=0).tolist()
    assert_frequencies(second, probs)


def test_the_same_seed_gives_the_same_text_and_another_another():
    model = make_model()
    options = replace(EVERYTHING, length=40)
    assert generate(model, [1], options) == generate(model, [1], options)
    assert generate(model, [1], options) != generate(model, [1], replace(options, seed=1))


@pytest.mark.parametrize("num_samples", [1, 3, 20])
def test_a_sample_does_not_depend_on_how_many_are_drawn(num_samples):
    model = make_model()
    together = generate(model, [1], replace(EVERYTHING, seed=5), num_samples=num_samples)
    assert len(together) == num_samples
    for i, sample in enumerate(together):
        assert [sample] == generate(model, [1], replace(EVERYTHING, seed=5 + i))
    assert len(set(together)) == num_samples


def test_a_longer_text_begins_like_a_shorter_one():
    model = make_model()
    long, short = (generate(model, [1], replace(EVERYTHING, length=length))[0].ids for length in (30, 10))
    assert long[:10] == short


def test_drawing_changes_no_other_random_number():
    model = make_model(dropout=0.5)
    before, python_before = torch.get_rng_state(), random.getstate()
    generate(model, [1, 2], EVERYTHING, num_samples=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert random.getstate() == python_before


def test_other_random_numbers_do_not_change_the_text():
    model = make_model()
    torch.manual_seed(1)
    first = generate(model, [1], EVERYTHING)
    torch.manual_seed(2)
    assert generate(model, [1], EVERYTHING) == first


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_read_without_dropout_and_left_in_its_mode(training):
    expected = generate(make_model(), [1, 2, 3], EVERYTHING)
    model = make_model(dropout=0.5).train(training)
    modes = []
    model.core.register_forward_hook(lambda module, *_: modes.append(module.training))
    assert generate(model, [1, 2, 3], EVERYTHING) == expected
    assert modes == [False]
    assert all(module.training is training for module in model.modules())


@pytest.mark.usefixtures("two_threads")
def test_the_mode_is_restored_after_an_error():
    model = make_model().train()

    def fail(token_id: int) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        generate(model, [1], EVERYTHING, on_token=fail)
    assert model.training
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_threads_and_gradients_are_left_as_they_were():
    for num_samples in (1, 40):
        generate(make_model(), [1], EVERYTHING, num_samples=num_samples)
        assert torch.get_num_threads() == 2
        assert torch.is_grad_enabled()


def test_texts_end_at_the_end_token_or_at_the_cap():
    model = make_unigram_model([0.3, 0.1, 0.6])
    samples = generate(model, [0], replace(EVERYTHING, length=10, end_id=1), num_samples=100)
    assert {s.stop_reason for s in samples} == {"end", "length"}
    for sample in samples:
        assert 1 not in sample.ids
        assert (len(sample.ids) == 10) is (sample.stop_reason == "length")
    ended = sum(s.stop_reason == "end" for s in samples) / 100
    assert ended == pytest.approx(1 - 0.9**10, abs=0.2)


def test_without_an_end_token_texts_reach_the_cap():
    samples = generate(make_unigram_model([0.3, 0.1, 0.6]), [0], EVERYTHING, num_samples=20)
    assert {(s.stop_reason, len(s.ids)) for s in samples} == {("length", EVERYTHING.length)}


def test_an_end_token_drawn_at_once_leaves_an_empty_text():
    (sample,) = generate(make_unigram_model([1e-9, 1.0]), [0], replace(EVERYTHING, temperature=0.0, end_id=1))
    assert (sample.ids, sample.stop_reason) == ((), "end")


@pytest.mark.parametrize("num_samples", [1, 30])
@pytest.mark.parametrize("end_id", [None, 1])
def test_each_token_of_sample_0_is_handed_on(num_samples, end_id):
    model = make_unigram_model([0.3, 0.1, 0.6])
    for seed in range(10):
        heard: list[int] = []
        options = replace(EVERYTHING, seed=seed, end_id=end_id)
        samples = generate(model, [0], options, num_samples=num_samples, on_token=heard.append)
        assert tuple(heard) == samples[0].ids


EACH_INTERVAL = pytest.mark.parametrize("look_every", [1, 7, 32])


@EACH_INTERVAL
@pytest.mark.parametrize("end_id", [None, 3])
def test_samples_do_not_depend_on_how_often_their_ends_are_looked_for(look_every, end_id, monkeypatch):
    """A GPU looks once in many tokens."""
    model = make_model()
    options = replace(EVERYTHING, length=50, end_id=end_id)
    expected = [generate(model, [1], replace(options, seed=i))[0] for i in range(10)]
    asked = []

    def interval(device: torch.device) -> int:
        asked.append(device)
        return look_every

    monkeypatch.setattr(generation, "_look_every", interval)
    assert generate(model, [1], options, num_samples=10) == expected
    assert asked


@pytest.mark.parametrize("elements", [1, 3 * V, 4 * V - 1])
@pytest.mark.parametrize("changed", [{}, {"temperature": 0.0}, {"banned": (4,)}, {"top_k": 3}, {"top_p": 0.5}])
def test_samples_do_not_depend_on_how_many_are_drawn_at_once(elements, changed, monkeypatch):
    model = make_model()
    options = replace(EVERYTHING, **changed)
    expected = generate(model, [1], options, num_samples=10)
    monkeypatch.setattr(generation, "_DRAW_ELEMENTS", elements)
    assert generate(model, [1], options, num_samples=10) == expected


def break_down_at(model: LanguageModel, step: int, value: float) -> None:
    """Lets a single logit of one row be no number in one step."""
    decoder_logits = model.decoder.logits
    count = 0

    def logits(hidden: Tensor) -> Tensor:
        nonlocal count
        found = decoder_logits(hidden)
        if count == step:
            found[-1, 4] = value
        count += 1
        return found

    class Broken(type(model.decoder)):
        pass

    Broken.logits = staticmethod(logits)
    model.decoder.__class__ = Broken


@EACH_INTERVAL
@pytest.mark.parametrize("step", [0, 5, 19])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("changed", [{}, {"temperature": 0.0}, {"banned": (4,)}, {"top_k": 3}, {"top_p": 0.5}])
def test_logits_that_are_no_numbers_give_no_sample(look_every, step, value, changed, monkeypatch):
    monkeypatch.setattr(generation, "_look_every", lambda device: look_every)
    model = make_model()
    break_down_at(model, step, value)
    with pytest.raises(Diverged, match="its outputs are no longer numbers"):
        generate(model, [1], replace(EVERYTHING, **changed), num_samples=3)


@EACH_INTERVAL
def test_no_token_is_handed_on_that_comes_from_no_number(look_every, monkeypatch):
    monkeypatch.setattr(generation, "_look_every", lambda device: look_every)
    model = make_model()
    expected = generate(model, [1], EVERYTHING)[0].ids
    break_down_at(model, 5, float("nan"))
    heard: list[int] = []
    with pytest.raises(Diverged):
        generate(model, [1], EVERYTHING, on_token=heard.append)
    assert tuple(heard) == expected[:5]


def test_banning_every_token_is_refused():
    for banned in (tuple(range(V)), (*range(V), 0)):
        with pytest.raises(ValueError, match="every token is banned"):
            generate(make_model(), [1], replace(EVERYTHING, banned=banned))


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_bfloat16_gives_texts_of_its_own_that_can_be_repeated(kind):
    model = make_model(kind)
    options = replace(EVERYTHING, length=200, precision="bf16-true")
    samples = generate(model, [1], options, num_samples=5)
    assert samples == generate(model, [1], options, num_samples=5)
    assert samples != generate(model, [1], replace(options, precision="32-true"), num_samples=5)
    assert next(model.parameters()).dtype == torch.float32


def test_texts_in_bfloat16_have_the_models_frequencies():
    probs = [0.5, 0.25, 0.15, 0.09, 0.01]
    assert_frequencies(drawn_ids(make_unigram_model(probs), replace(EVERYTHING, precision="bf16-true"), 500), probs)


def test_an_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="at least one token"):
        generate(make_model(), [], EVERYTHING)


def test_the_start_of_a_text_is_its_end_token_else_a_line_end_or_full_stop():
    def start(text: str, end_token: str | None, prompt: str = "") -> list[int]:
        tokenizer = CharTokenizer(end_token=end_token)
        tokenizer.fit([text])
        return start_of_text(tokenizer, tokenizer.encode(prompt).tolist())

    assert start("\n.", "document") == [1]
    assert start("\n.a", None) == [1]
    assert start("!.a", None) == [2]
    assert start("ba", None) == [1]
    assert start("", None) == [0]
    assert start("ba", None, "ab") == [1, 2]
    assert start("ba", "sentence") == [2]
    assert start("ba", "sentence", "ab") == [2, 3, 4]


def test_special_tokens_that_are_no_text_are_never_drawn():
    for end_token, expected in ((None, (0,)), ("document", (0,)), ("sentence", (0, 2))):
        tokenizer = CharTokenizer(end_token=end_token)
        assert excluded_ids(tokenizer) == expected
        assert not {tokenizer.vocabulary[i] for i in expected} - {"<unk>", "<bos>"}
