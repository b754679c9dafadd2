"""The checks of decoders and embeddings: what passes, and for each requirement a part that violates it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lmlab.data.loaders.base import IGNORE_INDEX
from lmlab.models.decoder import Decoder, LinearDecoder, TokenLoss, TokenStatistics
from lmlab.models.embedding import EmbeddingVectors, GloveVectors, RandomVectors, Vectors
from lmlab.testing import check_decoder, check_embedding

H, V = 6, 11


class Minimal(Decoder):
    """Nothing but log probabilities."""

    def __init__(self) -> None:
        super().__init__(vocabulary_size=V)
        torch.manual_seed(0)
        self.layer = nn.Linear(H, V)

    def log_probs(self, hidden: Tensor) -> Tensor:
        return self.layer(hidden).float().log_softmax(-1)


# What passes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("tied", [False, True])
def test_lmlabs_decoder_passes(tied: bool, dtype: torch.dtype) -> None:
    matrix = nn.Parameter(torch.randn(V, H)) if tied else None
    check_decoder(LinearDecoder(hidden_size=H, vocabulary_size=V, tied_to=matrix).to(dtype))


def test_a_minimal_decoder_passes() -> None:
    check_decoder(Minimal())


def test_a_decoder_with_impossible_tokens_passes() -> None:
    class Impossible(Minimal):
        def log_probs(self, hidden):
            logits = self.layer(hidden).float()
            return logits.masked_fill(torch.arange(V) == V - 1, float("-inf")).log_softmax(-1)

    check_decoder(Impossible())


def test_a_decoder_whose_size_is_nowhere_to_be_found_asks_for_it() -> None:
    class Halves(Minimal):
        def log_probs(self, hidden):
            return super().log_probs(hidden.unflatten(-1, (2, H)).sum(-2))

    with pytest.raises(AssertionError, match="pass hidden_size="):
        check_decoder(Halves())
    check_decoder(Halves(), hidden_size=2 * H)


def test_a_decoder_is_afterwards_as_before() -> None:
    decoder = LinearDecoder(hidden_size=H, vocabulary_size=V)
    with torch.no_grad():
        decoder.bias.zero_()
    torch.manual_seed(5)
    drawn = torch.rand(())
    torch.manual_seed(5)
    check_decoder(decoder)
    assert torch.rand(()) == drawn
    assert not decoder.bias.any()
    assert decoder.training
    assert decoder.weight.grad is None


# What is refused: decoders


class Unnormalised(Minimal):
    def log_probs(self, hidden):
        return self.layer(hidden).float()


class HalfPrecision(Minimal):
    def log_probs(self, hidden):
        return super().log_probs(hidden).half()


class BatchesOnly(Minimal):
    def log_probs(self, hidden):
        return self.layer(hidden).float().log_softmax(1)


class MixesPositions(Minimal):
    def log_probs(self, hidden):
        return super().log_probs(hidden - hidden.mean(0, keepdim=True) if hidden.ndim > 1 else hidden)


class NoVocabulary(Minimal):
    def __init__(self):
        super().__init__()
        del self.vocabulary_size


class OneTokenMore(Minimal):
    def __init__(self):
        super().__init__()
        self.vocabulary_size = V + 1


class Sharpened(Minimal):
    def logits(self, hidden):
        return 2 * self.log_probs(hidden)


class WithoutBias(Minimal):
    def logits(self, hidden):
        return hidden @ self.layer.weight.t()


class MeanLoss(Minimal):
    def loss(self, hidden, targets):
        loss = super().loss(hidden, targets)
        return loss._replace(nll_sum=loss.nll_sum / loss.num_tokens.clamp(min=1))


class CountsPadding(Minimal):
    def loss(self, hidden, targets):
        loss = super().loss(hidden, targets)
        return loss._replace(num_tokens=torch.tensor(targets.numel()))


class CountsOtherErrors(Minimal):
    def loss(self, hidden, targets):
        loss = super().loss(hidden, targets)
        return loss._replace(num_errors=loss.num_tokens - loss.num_errors)


class SingleSums(Minimal):
    def loss(self, hidden, targets):
        loss = super().loss(hidden, targets)
        return loss._replace(nll_sum=loss.nll_sum.float())


class PlainNumbers(Minimal):
    def loss(self, hidden, targets):
        loss = super().loss(hidden, targets)
        return loss._replace(num_tokens=int(loss.num_tokens))


class PairLoss(Minimal):
    def loss(self, hidden, targets):
        loss = super().loss(hidden, targets)
        return loss.nll_sum, loss.num_tokens


class LossWithoutBias(Minimal):
    def loss(self, hidden, targets):
        whole = super().loss(hidden, targets)
        if not torch.is_grad_enabled():
            return whole
        fixed = self.layer.bias.detach()
        logits = torch.nn.functional.linear(hidden.flatten(0, 1), self.layer.weight, fixed)
        nll = nn.functional.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE_INDEX, reduction="sum")
        return TokenLoss(nll, whole.num_errors, whole.num_tokens)


class PenaltyInTraining(Minimal):
    def loss(self, hidden, targets):
        loss = super().loss(hidden, targets)
        return loss._replace(nll_sum=loss.nll_sum + 1) if torch.is_grad_enabled() else loss


class LossOfCopies(Minimal):
    def loss(self, hidden, targets):
        loss = super().loss(hidden, targets)
        return loss._replace(nll_sum=loss.nll_sum.detach())


class ReportsPadding(Minimal):
    def token_statistics(self, hidden, targets, *, fields=()):
        found = super().token_statistics(hidden, targets.clamp(min=0), fields=fields)
        return found._replace(mask=targets != IGNORE_INDEX)


class NeverWrong(Minimal):
    def token_statistics(self, hidden, targets, *, fields=()):
        found = super().token_statistics(hidden, targets, fields=fields)
        return found._replace(wrong=None if found.wrong is None else torch.zeros_like(found.wrong))


class RanksFromOne(Minimal):
    def token_statistics(self, hidden, targets, *, fields=()):
        found = super().token_statistics(hidden, targets, fields=fields)
        return found._replace(rank=None if found.rank is None else found.rank + 1)


class TopLogits(Minimal):
    def token_statistics(self, hidden, targets, *, fields=()):
        found = super().token_statistics(hidden, targets, fields=fields)
        top = None if found.top_probability is None else found.top_probability.log()
        return found._replace(top_probability=top)


class GivesWhatNobodyAsked(Minimal):
    def token_statistics(self, hidden, targets, *, fields=()):
        return super().token_statistics(hidden, targets, fields=("wrong", "rank"))


class FewerLogits(Minimal):
    def logits(self, hidden):
        return super().logits(hidden)[..., :-1]


class CountsEverything(Minimal):
    def token_statistics(self, hidden, targets, *, fields=()):
        return super().token_statistics(hidden, targets, fields=fields)._replace(mask=torch.ones_like(targets).bool())


class WrongPadding(Minimal):
    def token_statistics(self, hidden, targets, *, fields=()):
        found = super().token_statistics(hidden, targets, fields=fields)
        return found._replace(wrong=None if found.wrong is None else found.wrong | ~found.mask)


class StatisticsAsPair(Minimal):
    def token_statistics(self, hidden, targets, *, fields=()):
        return tuple(super().token_statistics(hidden, targets, fields=fields))


class NatsOnly(Minimal):
    def token_statistics(self, hidden, targets, *, fields=()):
        found = super().token_statistics(hidden, targets)
        return TokenStatistics(found.nats, found.mask)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            Unnormalised,
            "log_probs: each row's probabilities must sum to 1, but a sum is off by .*; use log_softmax over",
        ),
        (HalfPrecision, r"log_probs: .* must be a tensor \(4, 6, 11\) of torch\.float32, but is .* of torch\.float16"),
        (BatchesOnly, "log_probs: each row's probabilities must sum to 1.* over the last dimension"),
        (MixesPositions, "log_probs: a hidden state's must not depend on the others"),
        (NoVocabulary, "vocabulary_size: Decoder's constructor must be called with the number of entries, not None"),
        (OneTokenMore, r"log_probs: for hidden states \(4, 6, 6\) .* \(4, 6, 12\) of .*, but is \(4, 6, 11\)"),
        (FewerLogits, r"logits: for hidden states \(4, 6, 6\) it must be a tensor \(4, 6, 11\), but is \(4, 6, 10\)"),
        (CountsEverything, "mask must be False exactly where the target is -100"),
        (WrongPadding, "wrong must be False where the target is not counted"),
        (StatisticsAsPair, "must return TokenStatistics, not tuple"),
        (Sharpened, "logits: must be the log probabilities up to a constant for each row, but normalised, they differ"),
        (WithoutBias, "logits: must be the log probabilities up to a constant for each row"),
        (MeanLoss, "loss under no_grad: nll_sum must be the sum of -log_probs over counted targets"),
        (CountsPadding, "loss under no_grad: num_tokens, of the counted targets, must be .*, but is 24"),
        (CountsOtherErrors, "loss under no_grad: num_errors must be"),
        (SingleSums, r"nll_sum must be a tensor \(\) of torch\.float64, but is \(\) of torch\.float32"),
        (PlainNumbers, r"loss under no_grad: num_tokens must be a tensor \(\), not int"),
        (PairLoss, "loss under no_grad: must return TokenLoss, not tuple"),
        (LossWithoutBias, r"loss: its gradient must be exact, but that of layer\.bias differs"),
        (PenaltyInTraining, "loss with gradients: nll_sum must be the sum of -log_probs over counted targets"),
        (LossOfCopies, "loss: the gradient of nll_sum raised"),
        (ReportsPadding, "nats must be -log_probs of the targets, 0 where not counted"),
        (NeverWrong, "wrong must be whether log_probs holds another token more probable"),
        (RanksFromOne, "rank must be the number of tokens that log_probs holds more probable"),
        (TopLogits, "top_probability must be the most probable token's"),
        (GivesWhatNobodyAsked, "wrong was not asked for and must be None"),
        (NatsOnly, r"wrong must be a tensor \(24,\) of torch\.bool, not NoneType"),
    ],
)
def test_a_fault_of_a_decoder_is_named(kind, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_decoder(kind())


def test_another_module_is_no_decoder() -> None:
    with pytest.raises(AssertionError, match=r"must be an instance of a subclass of lmlab\.Decoder, not Linear"):
        check_decoder(nn.Linear(H, V))


# Embeddings


def test_lmlabs_embeddings_pass(tmp_path) -> None:
    check_embedding(RandomVectors(dim=5))
    path = tmp_path / "glove.txt"
    path.write_text(
        "".join(f"{word} {' '.join(str(0.1 * i + len(word)) for i in range(4))}\n" for word in ["the", "of"])
    )
    check_embedding(GloveVectors(path=str(path), dim=None))
    check_embedding(GloveVectors(path=str(path), dim=4), vocabulary=["<unk>", "the", "cat"])
    with pytest.raises(AssertionError, match=r"raised UserError: .*none of the 1 entries of the vocabulary is in it"):
        check_embedding(GloveVectors(path=str(path), dim=4), vocabulary=["<unk>", "cat"])


class Numbers(EmbeddingVectors):
    """The vector of an entry is its number, three times."""

    def vectors(self, *, vocabulary, num_special, tied):
        return Vectors(torch.arange(len(vocabulary), dtype=torch.float32)[:, None].expand(-1, 3).clone())


class LessSpecial(Numbers):
    def vectors(self, *, vocabulary, num_special, tied):
        return super().vectors(vocabulary=vocabulary[num_special:], num_special=0, tied=tied)


class Double(Numbers):
    def vectors(self, *, vocabulary, num_special, tied):
        return Vectors(torch.zeros(len(vocabulary), 3, dtype=torch.float64))


class DividesByItsLength(Numbers):
    def vectors(self, **given):
        weight = super().vectors(**given).weight
        return Vectors(weight / weight.norm(dim=1, keepdim=True))


class OtherSizeWhereTied(Numbers):
    def vectors(self, *, tied, **given):
        weight = super().vectors(tied=tied, **given).weight
        return Vectors(weight[:, :2] if tied else weight)


class FailsWhereTied(Numbers):
    def vectors(self, *, tied, **given):
        if tied:
            raise NotImplementedError("not tied")
        return super().vectors(tied=tied, **given)


class NotSeeded(Numbers):
    generator = torch.Generator()

    def vectors(self, *, vocabulary, num_special, tied):
        return Vectors(torch.randn(len(vocabulary), 3, generator=self.generator))


class TensorOnly(Numbers):
    def vectors(self, **given):
        return super().vectors(**given).weight


class OtherDim(Numbers):
    dim = 7


class FoundTooFew(Numbers):
    def vectors(self, **given):
        return Vectors(super().vectors(**given).weight, 1.0, (True,))


class NoTensor(Numbers):
    def vectors(self, **given):
        return Vectors(super().vectors(**given).weight.numpy())


class TooMuchCoverage(Numbers):
    def vectors(self, **given):
        return Vectors(super().vectors(**given).weight, coverage=95.0)


class CoverageOfNothing(Numbers):
    def vectors(self, *, vocabulary, num_special, tied):
        weight = super().vectors(vocabulary=vocabulary, num_special=num_special, tied=tied).weight
        return Vectors(weight, 1.0, (False,) * len(vocabulary))


def test_an_embedding_of_ones_own_passes() -> None:
    check_embedding(Numbers())


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (LessSpecial, r"the weight must have a row for each of \d+ entries, but is"),
        (Double, r"vectors\(tied=False\): the weight must be a tensor of torch\.float32, but is .* torch\.float64"),
        (DividesByItsLength, "the weight must be finite, but the vectors of these entries are not: <unk>"),
        (OtherSizeWhereTied, "the dimension must not depend on `tied`, but is 3 and 2 where they are tied"),
        (FailsWhereTied, r"vectors\(tied=True\) raised NotImplementedError: not tied"),
        (NotSeeded, "with equal seeds two calls must return equal vectors"),
        (TensorOnly, r"must return lmlab\.Vectors, not Tensor"),
        (OtherDim, "the length of vectors, by the attribute dim, must be 7, but is 3"),
        (FoundTooFew, r"the length of found must be \d+, but is 1"),
        (NoTensor, r"the weight must be a tensor of torch\.float32, not ndarray"),
        (TooMuchCoverage, "coverage must be a share of the vocabulary or None, but is 95.0"),
        (CoverageOfNothing, "coverage must be the share of found without special tokens, 0, but is 1.0"),
    ],
)
def test_a_fault_of_an_embedding_is_named(kind, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_embedding(kind())


def test_another_object_is_no_embedding() -> None:
    with pytest.raises(AssertionError, match=r"must be .* a subclass of lmlab\.EmbeddingVectors, not Embedding"):
        check_embedding(nn.Embedding(3, 3))
