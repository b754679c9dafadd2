"""The chunked loss, against `torch.nn.functional.cross_entropy` on all logits at once."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lmlab.data.loaders.base import IGNORE_INDEX
from lmlab.models import decoder as decoder_module
from lmlab.models.decoder import LinearDecoder
from lmlab.training.token_totals import TokenTotals

H, V = 6, 13


@pytest.fixture(params=[1, 3 * V, 5 * V + 1, 2**22], ids=lambda elements: f"chunks of {elements}")
def chunk_elements(request, monkeypatch):
    """From a row a chunk to all in one."""
    monkeypatch.setattr(decoder_module, "CHUNK_ELEMENTS", request.param)
    return request.param


def make_decoder(*, tied_to: nn.Parameter | None = None) -> LinearDecoder:
    torch.manual_seed(0)
    return LinearDecoder(hidden_size=H, vocabulary_size=V, tied_to=tied_to)


def make_batch(*, ignored: float = 0.3) -> tuple[Tensor, Tensor]:
    """Hidden states (4, 7, H) and targets of which a share is ignored."""
    generator = torch.Generator().manual_seed(1)
    hidden = 3 * torch.randn(4, 7, H, generator=generator)
    targets = torch.randint(V, (4, 7), generator=generator)
    targets[torch.rand(4, 7, generator=generator) < ignored] = IGNORE_INDEX
    return hidden, targets


def reference_loss(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    logits = hidden.flatten(0, 1) @ weight.t() + bias
    return nn.functional.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE_INDEX, reduction="sum")


def reference_nats(decoder: LinearDecoder, hidden: Tensor, targets: Tensor) -> float:
    with torch.no_grad():
        return reference_loss(hidden.double(), decoder.weight.double(), decoder.bias.double(), targets).item()


def reference_gradients(decoder: LinearDecoder, hidden: Tensor, targets: Tensor) -> list[Tensor]:
    """Of the summed loss, in float64: hidden, weight, bias."""
    leaves = [t.detach().double().requires_grad_() for t in (hidden, decoder.weight, decoder.bias)]
    return list(torch.autograd.grad(reference_loss(*leaves, targets), leaves))


def gradients(decoder: LinearDecoder, hidden: Tensor, targets: Tensor, *, factor: float = 1.0) -> list[Tensor]:
    leaf = hidden.detach().requires_grad_()
    (decoder.loss(leaf, targets).nll_sum * factor).backward()
    return [leaf.grad, decoder.weight.grad, decoder.bias.grad]


def assert_close(ours: Tensor, theirs: Tensor, *, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    torch.testing.assert_close(ours.double(), theirs.double(), rtol=rtol, atol=atol)


@pytest.mark.parametrize("ignored", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("training", [True, False])
def test_sums_equal_those_over_all_logits(chunk_elements, ignored, training):
    decoder = make_decoder()
    hidden, targets = make_batch(ignored=ignored)
    with torch.set_grad_enabled(training):
        loss = decoder.loss(hidden, targets)
    expected = reference_nats(decoder, hidden, targets)
    assert loss.nll_sum.item() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    predicted = (hidden @ decoder.weight.t() + decoder.bias).argmax(dim=2)
    counted = targets != IGNORE_INDEX
    assert int(loss.num_errors) == int((predicted != targets)[counted].sum())
    assert int(loss.num_tokens) == int(counted.sum())


def test_totals_without_gradients_are_float64():
    decoder = make_decoder()
    with torch.no_grad():
        assert decoder.loss(*make_batch()).nll_sum.dtype == torch.float64


def test_some_predictions_are_right():
    """Else the counts of errors above would say little."""
    decoder = make_decoder()
    hidden, _ = make_batch()
    predicted = decoder.logits(hidden).argmax(dim=2)
    predicted[0] = (predicted[0] + 1) % V
    for training in (True, False):
        with torch.set_grad_enabled(training):
            assert int(decoder.loss(hidden, predicted).num_errors) == 7


def test_gradients_equal_those_over_all_logits(chunk_elements):
    decoder = make_decoder()
    hidden, targets = make_batch()
    expected = reference_gradients(decoder, hidden, targets)
    for ours, theirs in zip(gradients(decoder, hidden, targets), expected, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("factor", [-2.5, 1 / 28, 0.0])
def test_a_scaled_loss_has_scaled_gradients(chunk_elements, factor):
    decoder = make_decoder()
    hidden, targets = make_batch()
    expected = reference_gradients(decoder, hidden, targets)
    for ours, theirs in zip(gradients(decoder, hidden, targets, factor=factor), expected, strict=True):
        assert_close(ours, factor * theirs)


def test_backward_passes_add_up(chunk_elements):
    decoder = make_decoder()
    hidden, targets = make_batch()
    other_hidden, other_targets = hidden.flip(0) * 0.5, targets.roll(1, dims=1)
    first = reference_gradients(decoder, hidden, targets)
    second = reference_gradients(decoder, other_hidden, other_targets)
    gradients(decoder, hidden, targets)
    _, weight, bias = gradients(decoder, other_hidden, other_targets, factor=3.0)
    assert_close(weight, first[1] + 3 * second[1])
    assert_close(bias, first[2] + 3 * second[2])


def test_losses_of_two_batches_may_be_added_before_going_back():
    decoder = make_decoder()
    hidden, targets = make_batch()
    total = decoder.loss(hidden, targets).nll_sum + 2 * decoder.loss(hidden.flip(0), targets).nll_sum
    total.backward()
    expected = [
        a + 2 * b
        for a, b in zip(
            reference_gradients(decoder, hidden, targets),
            reference_gradients(decoder, hidden.flip(0), targets),
            strict=True,
        )
    ]
    assert_close(decoder.weight.grad, expected[1])
    assert_close(decoder.bias.grad, expected[2])


def test_ignored_targets_have_no_gradient(chunk_elements):
    decoder = make_decoder()
    hidden, targets = make_batch()
    grad_hidden, _, _ = gradients(decoder, hidden, targets)
    assert not bool(grad_hidden[targets == IGNORE_INDEX].any())
    assert bool((grad_hidden[targets != IGNORE_INDEX] != 0).all())


def test_what_stands_at_ignored_targets_does_not_matter(chunk_elements):
    hidden, targets = make_batch()
    other = hidden.clone()
    other[targets == IGNORE_INDEX] = 50.0
    found = []
    for states in (hidden, other):
        decoder = make_decoder()
        grad_hidden, weight, bias = gradients(decoder, states, targets)
        found.append([decoder.loss(states, targets).nll_sum, grad_hidden, weight, bias])
    for one, changed in zip(*found, strict=True):
        assert torch.equal(one, changed)


def test_no_targets_at_all_cost_nothing():
    decoder = make_decoder()
    for training in (True, False):
        with torch.set_grad_enabled(training):
            loss = decoder.loss(torch.zeros(2, 0, H), torch.zeros(2, 0, dtype=torch.int64))
        assert [part.item() for part in loss] == [0, 0, 0]


def test_huge_logits_stay_finite(chunk_elements):
    decoder = make_decoder()
    hidden, targets = make_batch()
    hidden = hidden * 1e4
    expected = reference_nats(decoder, hidden, targets)
    assert decoder.loss(hidden, targets).nll_sum.item() == pytest.approx(expected, rel=1e-5)
    assert all(bool(g.isfinite().all()) for g in gradients(decoder, hidden, targets))


def test_a_tied_weight_gets_the_gradient():
    embedding = nn.Parameter(torch.randn(V, H, generator=torch.Generator().manual_seed(2)))
    decoder = make_decoder(tied_to=embedding)
    hidden, targets = make_batch()
    expected = reference_gradients(decoder, hidden, targets)
    gradients(decoder, hidden, targets)
    assert embedding.grad is decoder.weight.grad
    assert_close(embedding.grad, expected[1])


def test_a_frozen_weight_gets_none_and_the_others_do():
    embedding = nn.Parameter(torch.randn(V, H, generator=torch.Generator().manual_seed(2)), requires_grad=False)
    decoder = make_decoder(tied_to=embedding)
    hidden, targets = make_batch()
    expected = reference_gradients(decoder, hidden, targets)
    grad_hidden, weight, bias = gradients(decoder, hidden, targets)
    assert weight is None
    assert_close(grad_hidden, expected[0])
    assert_close(bias, expected[2])


def test_bfloat16_comes_close(chunk_elements):
    decoder = make_decoder()
    hidden, targets = make_batch()
    expected = reference_nats(decoder, hidden, targets)
    expected_gradients = reference_gradients(decoder, hidden, targets)
    leaf = hidden.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = decoder.loss(leaf, targets)
    loss.nll_sum.backward()
    assert loss.nll_sum.item() == pytest.approx(expected, rel=0.01)
    for leaf_, theirs in zip((leaf, decoder.weight, decoder.bias), expected_gradients, strict=True):
        assert leaf_.grad.dtype == torch.float32
        assert float((leaf_.grad.double() - theirs).norm() / theirs.norm()) < 0.03


class _Largest(TorchDispatchMode):
    """Notes the most elements that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.elements = max(self.elements, result.numel())
        return result


@pytest.mark.parametrize("training", [True, False])
def test_logits_are_never_held_all_at_once(monkeypatch, training):
    rows, size = 64, 500
    monkeypatch.setattr(decoder_module, "CHUNK_ELEMENTS", 4 * size)
    decoder = LinearDecoder(hidden_size=2, vocabulary_size=size, tied_to=None)
    hidden = torch.randn(4, rows // 4, 2, requires_grad=training)
    with _Largest() as largest, torch.set_grad_enabled(training):
        loss = decoder.loss(hidden, torch.zeros(4, rows // 4, dtype=torch.int64))
        if training:
            loss.nll_sum.backward()
    assert size <= largest.elements <= 4 * size


def test_nats_of_each_token_are_its_cross_entropy(chunk_elements):
    decoder = make_decoder()
    hidden, targets = make_batch()
    flat, labels = hidden.flatten(0, 1), targets.flatten()
    found = decoder.token_statistics(flat, labels, fields=("wrong",))
    nats, wrong = found.nats, found.wrong
    probs = (flat.double() @ decoder.weight.t().double() + decoder.bias.double()).softmax(dim=1).detach()
    for row, label in enumerate(labels.tolist()):
        if label == IGNORE_INDEX:
            assert float(nats[row]) == 0
            assert not bool(wrong[row])
        else:
            assert float(nats[row]) == pytest.approx(-math.log(float(probs[row, label])), rel=1e-5, abs=1e-6)
            assert bool(wrong[row]) == (int(probs[row].argmax()) != label)


def test_logits_are_linear_in_the_hidden_states():
    decoder = make_decoder()
    hidden, _ = make_batch()
    assert_close(decoder.logits(hidden), torch.einsum("bth,vh->btv", hidden, decoder.weight) + decoder.bias)


# Nats of each target; the last two of the first row are padding.
WORKED = torch.tensor([[0.1, 0.3, 0.2, 0.4, 0.7, 0.5], [0.2, 0.6, 0.1, 0.8, 0.9, 0.4]], dtype=torch.float64)


@pytest.mark.parametrize("training", [True, False])
def test_the_worked_example_costs_0_4_nats_a_token(training):
    """4 targets count in the first row, 6 in the second: 4.0 nats over 10, not the mean of two means (0.375)."""
    decoder = LinearDecoder(hidden_size=3, vocabulary_size=3, tied_to=None)
    with torch.no_grad():
        decoder.weight.copy_(torch.eye(3))
        decoder.bias.zero_()
    targets = torch.tensor([[0, 1, 2, 0, 1, 2], [2, 1, 0, 2, 1, 0]])
    target_prob = (-WORKED).exp()[..., None]
    probs = torch.where(nn.functional.one_hot(targets, 3) == 1, target_prob, (1 - target_prob) / 2)
    hidden = probs.log().float()
    targets[0, 4:] = IGNORE_INDEX

    for batches in ([(hidden, targets)], [(hidden[:1], targets[:1]), (hidden[1:], targets[1:])]):
        totals = TokenTotals()
        with torch.set_grad_enabled(training):
            for states, labels in batches:
                totals.update(decoder.loss(states, labels))
        found = totals.totals
        assert found.num_tokens == 10
        assert found.nats == pytest.approx(4.0, rel=1e-6)
        assert found.nats_per_token == pytest.approx(0.4, rel=1e-6)
        assert found.perplexity == pytest.approx(math.exp(0.4), rel=1e-6)
        # The most probable in every case: the least likely target has e^-0.9 = 0.41, either other entry 0.30.
        assert found.num_errors == 0
