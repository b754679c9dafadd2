"""The figures of an evaluation against sums by hand, in parts, over processes and with metrics of a user."""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch import Tensor
from torchmetrics import Metric

from lmlab.data.token_store import TokenStore
from lmlab.errors import UserError
from lmlab.evaluation.figures import Figures, numbers
from lmlab.evaluation.metrics import OWN, CalibrationError, TokenMetric, TopKAccuracy
from lmlab.metric_spec import MetricSpec
from lmlab.models.decoder import OPTIONAL_STATISTICS, TokenStatistics


def made_up(size: int, seed: int) -> TokenStatistics:
    """Statistics of random predictions over 20 tokens, one in ten of them not counted."""
    rng = torch.Generator().manual_seed(seed)
    probs = (3 * torch.randn(size, 20, generator=rng)).softmax(dim=1)
    targets = torch.randint(20, (size,), generator=rng)
    mask = torch.rand(size, generator=rng) < 0.9
    own = probs.gather(1, targets[:, None])
    return TokenStatistics(
        nats=torch.where(mask, -own.log().squeeze(1), 0.0),
        mask=mask,
        wrong=(probs.argmax(dim=1) != targets) & mask,
        rank=torch.where(mask, (probs > own).sum(dim=1), 0),
        top_probability=torch.where(mask, probs.amax(dim=1), 0.0),
        targets=targets,
    )


def store_of(targets: list[int], *, characters: int, end_token: bool) -> TokenStore:
    ids = np.array(targets, dtype=np.int32)
    return TokenStore(ids, characters, int((ids == 0).sum()), "", 1 if end_token else None)


def by_hand(batches: list[TokenStatistics]) -> dict[str, float]:
    """The figures that need no text, by loops over tokens in float64."""
    found: list[tuple[float, bool, int, float, int]] = []
    for batch in batches:
        columns = (batch.nats, batch.wrong, batch.rank, batch.top_probability, batch.targets)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        found += [row for row, counted in zip(rows, batch.mask.tolist(), strict=True) if counted]
    count, bins = len(found), [[0.0, 0.0] for _ in range(15)]
    for _, wrong, _, top, _ in found:
        inside = next(b for b in range(15) if top <= (b + 1) / 15)
        bins[inside][0] += not wrong
        bins[inside][1] += top
    nats = math.fsum(row[0] for row in found) / count
    return {
        "nats_per_token": nats,
        "perplexity": math.exp(nats),
        "error_rate": sum(row[1] for row in found) / count,
        "unk_rate": sum(row[4] == 0 for row in found) / count,
        "top_5_accuracy": sum(row[2] < 5 for row in found) / count,
        "calibration_error": math.fsum(abs(hits - total) for hits, total in bins) / count,
        "num_tokens": count,
    }


def test_figures_equal_sums_by_hand() -> None:
    """Batches of other sizes: each token counts once, whatever batch it is in."""
    batches = [made_up(size, seed) for seed, size in enumerate((700, 1, 40, 300))]
    figures = Figures()
    for batch in batches:
        figures.update(batch)
    found = numbers(figures.figures(None))
    assert found == pytest.approx(by_hand(batches), rel=1e-6)
    assert list(found) == [name for name in OWN if name != "bits_per_char"]
    assert type(found["num_tokens"]) is int


def test_figures_are_scalar_tensors() -> None:
    figures = Figures()
    figures.update(made_up(50, 0))
    for name, value in figures.figures(None).items():
        assert value.shape == ()
        assert value.dtype == (torch.int64 if name == "num_tokens" else torch.float64)


@pytest.mark.parametrize("end_token", [True, False])
def test_a_whole_split_has_bits_per_character_and_all_its_unknown_tokens(end_token: bool) -> None:
    """Without an end token the first one is read, but not predicted: it is unknown, too, and belongs to the split."""
    ids = [0, 3, 0, 2, 5, 0, 7, 7]
    store = store_of(ids, characters=21, end_token=end_token)
    predicted = torch.tensor(ids if end_token else ids[1:])
    size = len(predicted)
    ones = torch.ones(size, dtype=torch.bool)
    nats = torch.full((size,), 2 * math.log(2))
    batch = TokenStatistics(nats, ones, ~ones, torch.zeros(size, dtype=torch.int64), torch.ones(size), predicted)
    figures = Figures()
    figures.update(batch)
    found = numbers(figures.figures(store))
    assert found["bits_per_char"] == pytest.approx(2 * size / 21, rel=1e-7)
    assert found["unk_rate"] == store.unk_rate == 3 / 8
    figures.update(batch)  # twice as many tokens as the split has: not the split
    assert "bits_per_char" not in figures.figures(store)


def test_a_part_of_a_split_says_nothing_of_the_whole() -> None:
    store = store_of([4] * 100, characters=100, end_token=True)
    figures = Figures()
    figures.update(made_up(50, 0))
    assert "bits_per_char" not in figures.figures(store)
    figures.reset()
    batch = made_up(100, 0)
    figures.update(batch._replace(mask=torch.ones(100, dtype=torch.bool)))
    assert "bits_per_char" in figures.figures(store)


def test_no_tokens_have_no_mean() -> None:
    figures = Figures()
    none = torch.zeros(5, dtype=torch.bool)
    figures.update(made_up(5, 0)._replace(mask=none, wrong=none, nats=torch.zeros(5)))
    found = numbers(figures.figures(None))
    assert found.pop("num_tokens") == 0
    assert all(map(math.isnan, found.values()))


def test_a_uniform_guess_over_v_tokens_has_perplexity_v() -> None:
    for size in (2, 67, 10_000):
        figures = Figures()
        batch = made_up(500, 0)
        figures.update(batch._replace(nats=torch.where(batch.mask, math.log(size), 0.0)))
        assert float(figures.figures(None)["perplexity"]) == pytest.approx(size, rel=1e-6)


def test_a_perplexity_too_large_for_a_float_is_infinite() -> None:
    figures = Figures()
    batch = made_up(5, 0)
    figures.update(batch._replace(nats=torch.full((5,), 1e6)))
    assert float(figures.figures(None)["perplexity"]) == math.inf


def test_small_additions_to_a_large_total_are_not_lost() -> None:
    one = torch.ones(1, dtype=torch.bool)
    batch = TokenStatistics(torch.tensor([0.5]), one, one, torch.tensor([1]), torch.tensor([0.5]), torch.tensor([1]))
    figures = Figures()
    figures.update(batch._replace(nats=torch.tensor([2.0**25])))
    for _ in range(1000):
        figures.update(batch)
    assert float(figures["nats_per_token"].nats) == 2.0**25 + 500


def test_figures_can_be_started_anew_copied_and_pickled() -> None:
    figures = Figures()
    figures.update(made_up(50, 0))
    copy = pickle.loads(pickle.dumps(figures))
    assert numbers(copy.figures(None)) == numbers(figures.figures(None))
    figures.reset()
    figures.update(made_up(30, 1))
    assert numbers(figures.figures(None)) == pytest.approx(by_hand([made_up(30, 1)]), rel=1e-6)
    assert copy["num_tokens"].compute() == made_up(50, 0).mask.sum()


def test_figures_of_the_same_sums_share_them() -> None:
    figures = Figures()
    assert ["nats_per_token", "perplexity", "bits_per_char", "num_tokens"] in figures.compute_groups.values()
    assert len(figures.compute_groups) == len(OWN) - 3


def test_bins_of_calibration_are_open_below_and_closed_above() -> None:
    """Probabilities 0.5 and 1.0 fall in the halves; 8 of 10 right at 0.5, 5 of 10 at 1.0: |8 - 5| + |5 - 10| of 20."""
    top = torch.tensor([0.5] * 10 + [1.0] * 10)
    right = torch.tensor([True] * 8 + [False] * 2 + [True] * 5 + [False] * 5)
    ones = torch.ones(20, dtype=torch.bool)
    metric = CalibrationError(num_bins=2)
    metric.update(TokenStatistics(torch.zeros(20), ones, ~right, None, top))
    assert float(metric.compute()) == pytest.approx(8 / 20)
    perfect = CalibrationError()
    perfect.update(
        TokenStatistics(torch.zeros(20), ones, torch.tensor([True, False] * 10), None, torch.full((20,), 0.5))
    )
    assert float(perfect.compute()) == 0


def test_top_k_has_a_name_of_its_own() -> None:
    assert TopKAccuracy(k=10).spec.name == "top_10_accuracy"
    assert TopKAccuracy().spec.name == "top_5_accuracy"
    with pytest.raises(ValueError, match="k must be"):
        TopKAccuracy(k=0)


# Several processes


def _worker(rank: int, place: str, results: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    figures = Figures({"added": Brier()})
    for seed in (0, 1) if rank == 0 else (2,):
        figures.update(made_up(200 + seed, seed))
    torch.save(numbers(figures.figures(None)), f"{results}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_sum_before_they_divide(tmp_path) -> None:
    """One has two batches, the other one: the figures are those of all three, in both processes."""
    torch.multiprocessing.spawn(_worker, (str(tmp_path / "store"), str(tmp_path)), nprocs=2)
    batches = [made_up(200 + seed, seed) for seed in range(3)]
    added = Brier()
    for batch in batches:
        added.update(batch)
    expected = by_hand(batches) | {"added": float(added.compute())}
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found == pytest.approx(expected, rel=1e-6)


# A user's


class Brier(Metric):
    """A plain metric of torchmetrics: the squared distance of the target's probability from 1."""

    spec = MetricSpec("brier", format=".3f", direction="lower", definition="mean of (1 - p)^2")
    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, statistics: TokenStatistics) -> None:
        missed = (1 - (-statistics.nats.double()).exp()).square()
        self.total += torch.where(statistics.mask, missed, 0.0).sum()
        self.count += statistics.mask.sum()

    def compute(self) -> Tensor:
        return self.total / self.count


class Shape(TokenMetric):
    """Returns whatever it is given, and draws random numbers."""

    spec = MetricSpec("shape")

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def update(self, statistics: TokenStatistics) -> None:
        torch.rand(3)

    def compute(self) -> object:
        torch.rand(3)
        return self.value


def test_an_added_metric_comes_before_the_count() -> None:
    figures = Figures({"mine": Brier()})
    assert list(figures.specs)[-2:] == ["mine", "num_tokens"]
    assert dataclasses.replace(figures.specs["mine"], name="brier", label="") == Brier.spec
    assert figures.specs["mine"].words == "brier (mine)"
    assert Figures({"brier": Brier()}).specs["brier"] == Brier.spec
    figures.update(made_up(50, 0))
    found = figures.figures(None)
    assert list(found)[-2:] == ["mine", "num_tokens"]
    assert 0 < float(found["mine"]) < 1


def test_only_statistics_that_are_asked_for_are_computed() -> None:
    own = {field for metric in OWN.values() for field in metric.fields}
    assert Figures().fields == tuple(field for field in OPTIONAL_STATISTICS if field in own)
    assert Figures({"all": Brier()}).fields == OPTIONAL_STATISTICS, "a metric that does not say may need any"


@pytest.mark.parametrize("value", [torch.zeros(2), None, "x", torch.zeros((), dtype=torch.complex64)])
def test_a_metric_that_returns_no_number_is_named(value: object) -> None:
    figures = Figures({"shape": Shape(value)})
    figures.update(made_up(5, 0))
    with pytest.raises(UserError, match=r"^metrics.shape: its compute returns .*; return a scalar tensor"):
        figures.figures(None)


def test_a_metric_that_draws_random_numbers_changes_none_of_the_run() -> None:
    figures = Figures({"shape": Shape(1.0)})
    before = torch.get_rng_state()
    figures.update(made_up(5, 0))
    figures.figures(None)
    assert torch.equal(torch.get_rng_state(), before)


def bad() -> Iterator[dict[str, str]]:
    yield {"name": "a b"}
    yield {"name": "a/b"}
    yield {"name": ""}
    yield {"name": "x", "format": "9999999999f"}
    yield {"name": "x", "format": "d"}
    yield {"name": "x", "format": "{}"}
    yield {"name": "x", "direction": "up"}
    yield {"name": "x", "unit": 3}  # type: ignore[dict-item]


@pytest.mark.parametrize("fields", list(bad()))
def test_a_specification_that_cannot_be_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"name|format|direction|text"):
        MetricSpec(**fields)
