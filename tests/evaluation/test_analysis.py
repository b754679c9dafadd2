"""exhibits.json: what it shows is what the model and the kept checkpoints themselves say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import compose_config

import lmlab
from lmlab.config import registry
from lmlab.evaluation.analysis import MOST_CHECKPOINTS, _spread
from lmlab.training.run import train

SAMPLED = ("evaluation.num_samples=3", "evaluation.sample_length=20", "evaluation.temperatures=[0,1.5]")


def run_of(text: Path, folder: Path, *overrides: str) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Summary, analysis and the texts of a small run."""
    config = compose_config(text, *overrides)
    summary = train(config, folder)
    found = json.loads((folder / "exhibits.json").read_text(encoding="utf-8"))
    return summary, found, registry.build("data.source", config.data.source).load()


@pytest.fixture(scope="module")
def word_run(
    text_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], dict[str, Any], Any]:
    folder = tmp_path_factory.mktemp("words")
    kept = "callbacks.checkpoints.keep_every=20"
    found = run_of(text_file, folder, "tokenizer=word", kept, "evaluation.prompt=Anna sees", *SAMPLED)
    return folder, *found


def test_the_passage_of_words_is_the_validation_text_and_its_nats_the_models(word_run: Any) -> None:
    folder, _, found, corpus = word_run
    (text,) = corpus.texts("validation")
    tokens = found["passage"]["tokens"]
    shown = "".join(token for token, _ in tokens)
    first = text.split()[0].rstrip(".")  # it is read, but nothing predicts it
    assert len(tokens) == 150
    assert "".join(text.lower().split()).startswith((first + "".join(shown.split())).lower())
    expected = [token.nats for token in lmlab.load(folder, device="cpu").token_nats(text)]
    assert [nats for _, nats in tokens] == pytest.approx(expected[:150], abs=1e-3)


def test_the_passage_of_characters_begins_with_the_first_where_an_end_token_predicts_it(trained_run: Path) -> None:
    tokens = json.loads((trained_run / "exhibits.json").read_text(encoding="utf-8"))["passage"]["tokens"]
    shown = "".join(token for token, _ in tokens)
    expected = [token.nats for token in lmlab.load(trained_run, device="cpu").token_nats(shown)]
    assert len(tokens) == 600
    assert [nats for _, nats in tokens] == pytest.approx(expected[:600], abs=1e-3)


def test_the_bins_together_are_the_validation_figure(word_run: Any) -> None:
    _, summary, found, corpus = word_run
    bins = found["frequency_bands"]
    total = sum(group["tokens"] * group["nats_per_token"] for group in bins)
    assert sum(group["tokens"] for group in bins) == summary["val/num_tokens"]
    assert total / summary["val/num_tokens"] == pytest.approx(summary["val/nats_per_token"], rel=1e-5)
    often = " ".join(corpus.texts("train")).lower()
    assert often.count("sees") >= 100  # so that there are words in the bin from 100 on
    assert {(group["from"], group["to"]) for group in bins} <= {(0, 0), (1, 9), (10, 99), (100, 999), (1000, None)}
    assert any(group["from"] == 100 for group in bins)


def test_samples_at_each_temperature_are_judged(word_run: Any) -> None:
    folder, _, found, _ = word_run
    greedy, warm = found["temperatures"]
    assert (greedy["temperature"], warm["temperature"]) == (0, 1.5)
    assert greedy["prompt"] == "Anna sees"
    lm = lmlab.load(folder, device="cpu")
    assert greedy["text"] == lm.generate("Anna sees", temperature=0, length=20)
    assert greedy["distinct_2"] < warm["distinct_2"]  # three greedy samples are one


def test_predictions_are_those_of_the_kept_checkpoints(word_run: Any) -> None:
    folder, _, found, _ = word_run
    shown = found["predictions"]
    names = [row["name"] for row in shown["checkpoints"]]
    assert len(names) >= 3
    assert names == [*(f"step-{20 * i:06}" for i in range(1, len(names))), "best"]
    for row in shown["checkpoints"]:
        lm = lmlab.load(folder, checkpoint=row["name"], device="cpu")
        expected = lm.next_tokens("Anna sees", top=5)
        assert [token for token, _ in row["next"]] == [one.token for one in expected]
        assert [p for _, p in row["next"]] == pytest.approx([one.probability for one in expected], abs=1e-5)
    assert shown["checkpoints"][0]["next"] != shown["checkpoints"][-1]["next"]


def test_strings_of_a_language_are_judged_as_such(text_file: Path, tmp_path: Path) -> None:
    small = ("data=ndfa", "data.path=null", "data.source.num_strings=200", "data.source.num_held_out=50")
    summary, found, corpus = run_of(text_file, tmp_path, *small, *SAMPLED)
    assert [row["temperature"] for row in found["temperatures"]] == [0, 1.5]
    assert all(0 <= row["valid"] <= 1 for row in found["temperatures"])
    tokens = found["passage"]["tokens"]
    first = corpus.texts("validation")[0]
    assert "".join(token for token, _ in tokens).startswith(f"{first}\n")
    assert "val/by_length" in summary


def test_of_many_checkpoints_some_are_shown_evenly() -> None:
    names = [f"step-{i:06}" for i in range(1, 101)]
    shown = _spread(names)
    assert len(shown) == MOST_CHECKPOINTS
    assert (shown[0], shown[-1]) == (names[0], names[-1])
    gaps = np.diff([names.index(name) for name in shown])
    assert set(gaps.tolist()) == {9}
    assert _spread(names[:5]) == names[:5]
