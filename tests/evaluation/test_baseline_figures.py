"""What stands beside a model's figure: baselines, the source of its strings, samples, gradients, kept checkpoints."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import compose_config

import lmlab
from lmlab.config.checks import check_training
from lmlab.config.compose import train_settings
from lmlab.config.settings import TrainSettings
from lmlab.data.sources.generated import Generated, make_grammar
from lmlab.data.token_store import build
from lmlab.data.tokenizers.char import CharTokenizer
from lmlab.errors import UserError
from lmlab.evaluation.baseline_figures import baseline_figures, part_note
from lmlab.runs.discovery import checkpoint_names
from lmlab.training.callbacks.gradients import layer_norms
from lmlab.training.health import first_bad_layer
from lmlab.training.run import train


def compose_grammar(name: str, *overrides: str) -> TrainSettings:
    small = ["model.hidden_size=16", "embedding.dim=8", "model.dropout=0", "trainer=cpu", "trainer.max_epochs=1"]
    sizes = ["data.source.num_strings=2000", "data.source.num_held_out=300", "optimizer.lr=0.02"]
    settings = train_settings([f"data={name}", *small, *sizes, *overrides])
    check_training(settings)
    return settings


@pytest.mark.parametrize("name", ["ndfa", "brackets", "toy"])
def test_a_grammar_run_shows_the_source_on_the_very_strings(name: str, tmp_path: Path) -> None:
    summary = train(compose_grammar(name), tmp_path)
    corpus = Generated(grammar=name, num_strings=2000, num_held_out=300, seed=0).load()
    for prefix, split in (("val", "validation"), ("test", "test")):
        strings = corpus.texts(split)
        tokens = sum(len(string) + 1 for string in strings)
        source = sum(map(make_grammar(name).nats, strings)) / tokens
        assert summary[f"{prefix}/num_tokens"] == tokens
        assert summary[f"{prefix}/source_nats_per_token"] == pytest.approx(source, rel=1e-12)
        excess = summary[f"{prefix}/nats_per_token"] - source
        assert summary[f"{prefix}/excess_nats_per_token"] == pytest.approx(excess, abs=1e-12)
        assert excess > 0
    row = list(csv.DictReader((tmp_path / "metrics.csv").open()))[-1]
    assert float(row["val/source_nats_per_token"]) == summary["val/source_nats_per_token"]
    language = summary["samples"]["language"]
    assert language["samples"] == 1000
    assert 0 <= language["valid"] <= 1
    assert ("closing" in summary["samples"]) == (name == "brackets")
    assert {"uniform", "unigram", "kneser_ney_5"} == set(summary["val/baselines"])
    assert summary["val/baselines"]["uniform"] == pytest.approx(math.log(summary["vocabulary_size"]))
    assert all(value > summary["val/source_nats_per_token"] for value in summary["val/baselines"].values())


def test_strings_of_a_grammar_are_the_same_by_seed_and_held_out_ones_are_others() -> None:
    first, again, other = (
        Generated(grammar="toy", num_strings=50, num_held_out=50, seed=seed).load() for seed in (1, 1, 2)
    )
    assert first.splits == again.splits
    assert first.texts("train") != other.texts("train")
    assert len({tuple(first.texts(split)) for split in ("train", "validation", "test")}) == 3


def test_baselines_count_the_tokens_of_the_models_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    text, held_out = "abracadabra " * 30, "abra cadabra"
    tokenizer = CharTokenizer(end_token=None)
    tokenizer.fit([text])
    stores = [build([t], tokenizer) for t in (text, held_out)]
    figures = baseline_figures(*stores, tokenizer, order=1)
    counts, size = Counter(text), len(tokenizer.vocabulary)
    expected = [-math.log((counts[c] + 1) / (len(text) + size)) for c in held_out[1:]]  # nothing predicts the first
    assert figures["unigram"] == pytest.approx(np.mean(expected))
    assert set(figures) == {"uniform", "unigram", "kneser_ney_1"}
    monkeypatch.setattr("lmlab.evaluation.baseline_figures._KEPT_FROM", 10)
    kept = [baseline_figures(*stores, tokenizer, order=3) for _ in range(2)]
    assert kept[0] == kept[1] == baseline_figures(*stores, tokenizer, order=3)
    assert kept[0]["kneser_ney_3"] < figures["unigram"]


def test_of_a_long_training_text_a_part_is_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "lmlab.evaluation.baseline_figures"
    tokenizer = CharTokenizer(end_token=None)
    tokenizer.fit(["abc"])
    whole, part, held_out = (build([t], tokenizer) for t in ("ab" * 20 + "c" * 60, "ab" * 20, "abcabc"))
    assert part_note(whole, tokenizer) == []
    monkeypatch.setattr(f"{module}.MOST_TOKENS", 99)
    monkeypatch.setattr(f"{module}._PART", {"character": 40})
    assert part_note(part, tokenizer) == []
    assert part_note(whole, tokenizer) == ["the n-gram baseline counts the first 40 training tokens"]
    figures = [baseline_figures(train, held_out, tokenizer, order=2) for train in (whole, part)]
    assert figures[0] == figures[1]


def test_natural_samples_are_judged(text_file: Path, tmp_path: Path) -> None:
    more = ["evaluation.num_samples=3", "evaluation.sample_length=40", "trainer.max_steps=5"]
    samples = train(compose_config(text_file, *more), tmp_path)["samples"]
    assert samples["num_samples"] == 3
    assert samples["mean_tokens"] == 40
    assert samples["ended"] == 0
    assert 0 < samples["distinct_2"] <= 1
    assert samples["uniformity"] is None  # of so few tokens
    json.dumps(samples, allow_nan=False)


def test_text_that_leaked_into_training_is_an_alarm(text_file: Path, tmp_path: Path) -> None:
    text = text_file.read_text()
    for name, part in (("train", text), ("valid", text[1000:3000]), ("test", "Anna sees Ben. " * 20)):
        (tmp_path / f"{name}.txt").write_text(part)
    folder = tmp_path / "run"
    folder.mkdir()
    summary = train(compose_config(tmp_path, "trainer.max_steps=2"), folder)
    (leak,) = [found for found in summary["diagnostics"] if found["kind"] == "leak"]
    assert leak["level"] == "alarm"
    assert leak["values"]["share"] == 1.0


def test_norms_by_layer_make_up_the_whole(text_file: Path, tmp_path: Path) -> None:
    more = ["callbacks.gradients.per_layer=true", "model.num_layers=2", "trainer.max_steps=20"]
    train(compose_config(text_file, *more), tmp_path)
    rows = list(csv.DictReader((tmp_path / "gradients.csv").open()))
    assert [int(row["step"]) for row in rows] == [10, 20]
    assert set(rows[0]) == {"step", *(f"grad_norm/{n}" for n in ("embedding", "core.0", "core.1", "decoder"))}
    lm = lmlab.load(tmp_path)
    model = lm.model.train()
    ids = torch.randint(0, 5, (2, 7))
    torch.autograd.backward(model.decoder.logits(model(ids, model.init_state(2)).hidden).square().sum())
    whole = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
    parts = torch.stack(list(layer_norms(model).values()))
    torch.testing.assert_close(parts.square().sum().sqrt(), whole)


def test_the_norm_after_clipping_is_at_most_the_clip(text_file: Path, tmp_path: Path) -> None:
    train(compose_config(text_file, "trainer.gradient_clip_val=0.05", "trainer.max_epochs=1"), tmp_path)
    row = next(iter(csv.DictReader((tmp_path / "metrics.csv").open())))
    assert 0 < float(row["grad_norm_clipped"]) <= 0.05 + 1e-6 < float(row["grad_norm"])


def test_kept_checkpoints_predict_like_the_model_of_their_step(text_file: Path, tmp_path: Path) -> None:
    more = ["callbacks.checkpoints.keep_every=10", "trainer.max_steps=20", "trainer.val_check_interval=20"]
    train(compose_config(text_file, *more), tmp_path)
    assert checkpoint_names(tmp_path) == ["step-000010", "step-000020", "best", "last"]
    early, late, best = (lmlab.load(tmp_path, checkpoint=name) for name in ("step-000010", "step-000020", "best"))
    assert late.next_tokens("Ann", top=3) == best.next_tokens("Ann", top=3)
    assert early.next_tokens("Ann", top=3) != late.next_tokens("Ann", top=3)
    everything = late.next_tokens("Ann", top=1000)
    assert sum(found.probability for found in everything) == pytest.approx(1)
    assert [f.probability for f in everything] == sorted((f.probability for f in everything), reverse=True)
    (nats,) = late.token_nats("Anna")[-1:]
    chance = next(found.probability for found in everything if found.token == "a")
    assert math.exp(-nats.nats) == pytest.approx(chance, rel=1e-4)


@pytest.mark.parametrize("layer", ["embedding", "core.0", "core.1", "decoder"])
def test_the_first_layer_that_gives_no_numbers_is_named(layer: str, text_file: Path, tmp_path: Path) -> None:
    train(compose_config(text_file, "model.num_layers=2", "trainer.max_steps=1"), tmp_path)
    model = lmlab.load(tmp_path).model
    broken = {
        "embedding": model.embedding.weight,
        "core.0": model.core.layers[0].weight_hh_l0,
        "core.1": model.core.layers[1].weight_ih_l0,
        "decoder": model.decoder.weight,
    }[layer]
    with torch.no_grad():
        broken.fill_(math.nan)
    from lmlab.data.loaders.base import Batch

    ids = torch.ones(2, 4, dtype=torch.long)
    assert first_bad_layer(model, Batch(ids, ids, torch.ones(2).bool()), model.init_state(2)) == layer


def test_a_loss_that_is_no_number_ends_the_run_with_its_step(text_file: Path, tmp_path: Path, monkeypatch) -> None:
    from lmlab.training.module import LanguageModelModule

    step = LanguageModelModule.training_step

    def broken(self, batch, batch_idx):
        if self.global_step == 7:
            with torch.no_grad():
                self.model.core.layers[0].weight_hh_l0.fill_(math.nan)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(LanguageModelModule, "training_step", broken)
    with pytest.raises(UserError, match=r"the loss of step 8 is not finite, first in core\.0"):
        train(compose_config(text_file), tmp_path)
