"""Runs that start from a trained one: what is taken over exactly, what is new, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import compose_config, resume_run
from equal_runs import assert_equal_runs

import lmlab
from lmlab.errors import UserError
from lmlab.training.run import train

KINDS = {
    "characters": [],
    "words": ["tokenizer=word", "tokenizer.min_frequency=1"],
    "tied": ["tokenizer=word", "tokenizer.min_frequency=1", "model.tie_weights=true", "embedding.dim=16"],
    "pieces": ["tokenizer=bpe", "tokenizer.vocabulary_size=300"],
    "feed-forward": ["model=feedforward"],
}
QUICK = ("trainer.max_epochs=1", "evaluation.num_samples=0", "evaluation.baselines=false")
NEW = "Ζηνὸς γὰρ öffnen zwölf Boxkämpfer; " * 80


@pytest.fixture(scope="module")
def other_text(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the text, so that entries are missing too, and some that are new."""
    path = tmp_path_factory.mktemp("other") / "other.txt"
    text = text_file.read_text(encoding="utf-8")
    path.write_text(NEW + text[: len(text) // 2] + NEW + NEW, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", list(KINDS))
def test_known_entries_keep_their_ids_and_all_that_is_learned(
    kind: str, text_file: Path, other_text: Path, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    train(compose_config(text_file, *KINDS[kind], *QUICK), tmp_path / "first")
    first = lmlab.load(tmp_path / "first")
    settings = compose_config(other_text, *KINDS[kind], *QUICK, f"init_from={tmp_path / 'first'}")
    data = lmlab.build_data(settings)
    torch.manual_seed(7)
    module = lmlab.build_module(settings, data)
    known, entries = list(first.tokenizer.vocabulary), list(data.tokenizer.vocabulary)
    assert entries[: len(known)] == known
    assert len(set(entries)) == len(entries)
    if kind == "pieces":  # cannot be extended, and need not be
        assert entries == known
    else:
        new = {"Ζ", "ö"} if data.tokenizer.unit == "character" else {"boxkämpfer", "γὰρ"}
        assert new <= set(entries[len(known) :])
    # On what the first run knows, the new model says the same of known entries.
    ids = torch.tensor([first.tokenizer.encode(text_file.read_text(encoding="utf-8"))[:200].tolist()])
    with torch.no_grad():
        models = [first.model.eval(), module.model.eval()]
        theirs, ours = (m.decoder.logits(m(ids, m.init_state(1)).hidden) for m in models)
    assert ours.shape[-1] == len(entries)
    assert torch.equal(ours[..., : len(known)], theirs)
    record = module.origin
    assert record is not None
    summary = json.loads((tmp_path / "first" / "summary.json").read_text())
    assert {record[name] == summary[name] for name in ("fingerprint", "train_fingerprint")} == {True}
    assert Path(record["run"]) == tmp_path / "first"
    assert record["step"] == summary["best_step"]


def test_a_run_says_where_it_started_goes_on_exactly_and_needs_its_origin_no_more(
    text_file: Path, other_text: Path, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("first", "whole", "paused")]
    for folder in folders:
        folder.mkdir()
    first, whole, paused = folders
    before = train(compose_config(text_file, *QUICK), first)
    (tmp_path / "same").mkdir()
    hardly = compose_config(text_file, *QUICK, "optimizer.lr=1e-12", f"init_from={first}")
    assert train(hardly, tmp_path / "same")["val/perplexity"] == pytest.approx(before["val/perplexity"], rel=1e-6)
    settings = [compose_config(other_text, "trainer.max_epochs=2", f"init_from={first}") for _ in range(2)]
    summary = train(settings[0], whole)
    assert summary["init_from"]["run"] == str(first)
    train(settings[1], paused, stop_after_tokens=8_000)
    shutil.rmtree(first)
    resumed = resume_run(paused)
    assert resumed["init_from"] == summary["init_from"]
    assert_equal_runs(paused, whole)


def test_what_does_not_fit_is_refused_before_a_text_is_read(text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    train(compose_config(text_file, *QUICK), tmp_path / "first")
    first, text = f"init_from={tmp_path / 'first'}", tmp_path / "never_read.txt"
    text.write_text("", encoding="utf-8")
    for words, message in [
        ([first, "model=gru"], r"another model; add model=lstm$"),
        ([first, "model.hidden_size=20", "embedding.dim=4"], "add model.hidden_size=16 embedding.dim=8$"),
        ([first, "tokenizer=word"], "CharTokenizer.*WordTokenizer"),
        ([f"init_from={tmp_path / 'nothing'}"], "no such folder.*or init_from=latest"),
        ([f"{first}/checkpoints/last.ckpt"], "not its best checkpoint"),
    ]:
        with pytest.raises(UserError, match=message) as refused:
            lmlab.build_data(compose_config(text, *words))
        assert refused.value.field == "init_from"
