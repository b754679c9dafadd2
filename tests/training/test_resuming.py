"""A run that goes on ends as if it had not been interrupted, and refuses what would make it another one."""

from __future__ import annotations

import copy
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import DIVERGING, changed, compose_config, resume_run
from equal_runs import assert_equal_runs, rows

import lmlab
from lmlab import plain_yaml
from lmlab.checkpoints import read_checkpoint, save_checkpoint
from lmlab.config.settings import TrainSettings
from lmlab.errors import Diverged, UserError
from lmlab.training.plan import steps_for_tokens, total_steps
from lmlab.training.run import train


def trained(config: TrainSettings, folder: Path, **more: Any) -> dict[str, Any]:
    folder.mkdir()
    return train(copy.deepcopy(config), folder, **more)


BATCHINGS = {
    "windows": ["batching=windows", "data.stride=12"],
    "chunks": ["batching=chunks"],
    "streams": [],
    "sentences": ["data=sentences", "tokenizer=word"],
}


@pytest.mark.parametrize("batching", BATCHINGS)
def test_a_raised_limit_gives_what_it_would_have_given_from_the_start(
    batching: str, text_file: Path, tmp_path: Path
) -> None:
    overrides = [*BATCHINGS[batching], "data.batch_size=32", "model=rnn", "model.dropout=0.2"]
    config = compose_config(text_file, *overrides)
    trained(changed(config, **{"trainer.max_epochs": 1}), tmp_path / "part")
    resume_run(tmp_path / "part", **{"trainer.max_epochs": 2})
    summary = trained(config, tmp_path / "whole")
    assert summary["status"] == "finished"
    assert_equal_runs(tmp_path / "part", tmp_path / "whole")


def test_a_limit_in_an_epoch_can_be_raised_without_a_trace(text_file: Path, tmp_path: Path) -> None:
    config = compose_config(text_file, "data.batch_size=32", "model=rnn", "trainer.max_epochs=3")
    for name, steps in (("part", 5), ("whole", 20)):
        trained(changed(config, **{"trainer.max_steps": steps}), tmp_path / name)
    # The sample and the evaluation of the early end are not those of the longer run.
    assert [row["step"] for row in rows(tmp_path / "part")] == ["5"]
    resume_run(tmp_path / "part", **{"trainer.max_steps": 20})
    assert_equal_runs(tmp_path / "part", tmp_path / "whole")


def test_the_best_weights_before_an_early_end_are_not_lost(text_file: Path, tmp_path: Path) -> None:
    """The end is evaluated and the best; the longer run never gets as good again."""
    overrides = ["model=rnn", "data.batch_size=32", "trainer.max_epochs=9", "trainer.val_check_interval=4"]
    overrides += ["scheduler=step", "scheduler.gamma=200", "scheduler.epochs=[0.6]", "optimizer.lr=0.003"]
    overrides += ["trainer.precision=32-true"]  # where the best is must not depend on the machine
    config = compose_config(text_file, *overrides)
    for name, steps in (("part", 7), ("whole", 16)):
        trained(changed(config, **{"trainer.max_steps": steps}), tmp_path / name)
    assert read_checkpoint(tmp_path / "part" / "checkpoints" / "best.ckpt")["global_step"] == 7
    resume_run(tmp_path / "part", **{"trainer.max_steps": 16})
    assert read_checkpoint(tmp_path / "part" / "checkpoints" / "best.ckpt")["global_step"] in (4, 8)
    assert_equal_runs(tmp_path / "part", tmp_path / "whole")


@pytest.mark.parametrize("scheduler", ["cosine", "one_cycle"])
def test_a_limit_that_the_learning_rate_follows_is_not_raised(scheduler: str, text_file: Path, tmp_path: Path) -> None:
    config = compose_config(text_file, f"scheduler={scheduler}", "trainer.max_steps=3", "model=rnn")
    trained(config, tmp_path / "run")
    with pytest.raises(UserError, match=r"trainer\.max_steps=5: the learning rate follows the run's length"):
        resume_run(tmp_path / "run", **{"trainer.max_steps": 5})


@pytest.mark.parametrize("batching", BATCHINGS)
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_budget_in_tokens_ends_with_the_step_that_reaches_it(
    batching: str, accumulate: int, text_file: Path, tmp_path: Path
) -> None:
    overrides = [*BATCHINGS[batching], "data.batch_size=32", "model=rnn", "trainer.max_epochs=-1"]
    overrides.append(f"trainer.accumulate_grad_batches={accumulate}")
    config = compose_config(text_file, *overrides, "trainer.max_tokens=45000")
    summary = trained(config, tmp_path / "run")
    assert summary["num_train_tokens"] >= 45_000
    # One step less is less than the budget.
    whole = summary["num_train_tokens"]
    step = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["global_step"]
    fewer = changed(config, **{"trainer.max_tokens": -1, "trainer.max_steps": step - 1})
    assert trained(fewer, tmp_path / "fewer")["num_train_tokens"] < 45_000 <= whole


def test_batches_of_every_kind_have_as_many_targets_as_they_say(text_file: Path) -> None:
    from lmlab.training.assembly import build_data

    for overrides in BATCHINGS.values():
        limits = ["trainer.accumulate_grad_batches=2", "trainer.max_epochs=2"]
        config = compose_config(text_file, *overrides, *limits, "data.batch_size=7")
        data = build_data(config)
        loader = data.train_loader
        for epoch in (0, 1):
            counted = [int((batch.targets >= 0).sum()) for batch in loader]
            assert counted == loader.num_targets(epoch).tolist()
        by_epoch = sum(counted)
        steps = math.ceil(len(counted) / 2)
        assert steps_for_tokens(config, data, by_epoch) == steps
        assert steps_for_tokens(config, data, by_epoch + 1) == steps + 1
        assert steps_for_tokens(config, data, 2 * by_epoch) == 2 * steps
        assert steps_for_tokens(config, data, 1) == 1
        assert total_steps(config, data) == 2 * steps


def test_a_pause_changes_nothing(text_file: Path, tmp_path: Path) -> None:
    config = compose_config(text_file, "scheduler=cosine", "data.batch_size=16", "model=rnn")
    paused = trained(config, tmp_path / "part", stop_after_tokens=6_000)
    assert paused["status"] == "interrupted"
    assert 6_000 <= paused["num_train_tokens"] < 6_000 + 16 * 25
    assert not (tmp_path / "part" / "metrics.csv").exists() or not rows(tmp_path / "part")
    resume_run(tmp_path / "part")
    trained(config, tmp_path / "whole")
    assert_equal_runs(tmp_path / "part", tmp_path / "whole")


def test_early_stopping_is_not_forgotten(text_file: Path, tmp_path: Path) -> None:
    overrides = ["optimizer.lr=1.0", "callbacks.early_stopping.patience=1", "trainer.max_epochs=8", "model=rnn"]
    config = compose_config(text_file, *overrides, "data.batch_size=16")
    summary = trained(config, tmp_path / "run")
    ended = rows(tmp_path / "run")
    assert summary["early_stopping"]["stopped"]
    assert len(ended) < 8
    # As if killed while the summary was being made.
    (tmp_path / "run" / "summary.json").unlink()
    again = resume_run(tmp_path / "run")
    assert rows(tmp_path / "run") == ended
    assert again["early_stopping"] == summary["early_stopping"]
    assert again["num_train_tokens"] == summary["num_train_tokens"]
    assert again["tokens_per_second"] == pytest.approx(summary["tokens_per_second"], rel=0.5)
    with pytest.raises(UserError, match="ended by early stopping"):
        resume_run(tmp_path / "run", **{"trainer.max_epochs": 9})


@pytest.fixture(scope="module")
def stopped(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was paused after its first evaluation; tests copy it."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    config = compose_config(text_file, "data.batch_size=16", "model=rnn", "trainer.max_epochs=3")
    trained(config, folder, stop_after_tokens=30_000)
    assert rows(folder)
    return folder


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "run"))


def refused(run: Path, **changes: Any) -> str:
    before = {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as caught:
        resume_run(run, **changes)
    assert before == {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    return str(caught.value)


def test_an_edited_configuration_is_refused_by_name(run: Path) -> None:
    config = plain_yaml.read(run / "config.yaml")
    config["optimizer"]["lr"] = 0.5
    (run / "config.yaml").write_text(plain_yaml.dump(config))
    assert "says optimizer.lr=0.5, but the run is trained with 0.003" in refused(run)


def test_a_permuted_vocabulary_is_refused(run: Path) -> None:
    tokenizer = json.loads((run / "tokenizer.json").read_text())
    tokenizer["vocabulary"][5], tokenizer["vocabulary"][6] = tokenizer["vocabulary"][6], tokenizer["vocabulary"][5]
    (run / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "is not the tokenizer" in refused(run)


@pytest.mark.parametrize("name", ["config.yaml", "tokenizer.json"])
def test_what_the_checkpoint_has_too_is_written_again(run: Path, name: str) -> None:
    before = (run / name).read_text()
    (run / name).unlink()
    resume_run(run)
    assert (run / name).read_text() == before


def test_a_raised_limit_survives_a_kill_before_its_first_step(run: Path) -> None:
    from lmlab.training.resuming import resume_from

    resumption = resume_from(run, {"trainer.max_epochs": 4})
    resumption.keep_changes(run)
    assert plain_yaml.read(run / "config.yaml")["trainer"]["max_epochs"] == 3
    resume_run(run)
    assert plain_yaml.read(run / "config.yaml")["trainer"]["max_epochs"] == 4
    assert rows(run)[-1]["epoch"] == "4.0"


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_another_text_is_refused_by_its_split(run: Path, split: str) -> None:
    saved = read_checkpoint(run / "checkpoints" / "last.ckpt")
    saved["lmlab"]["text_fingerprints"][split] = "0" * 64
    save_checkpoint(saved, run / "checkpoints" / "last.ckpt")
    assert f"its {split} text has changed" in refused(run)


def test_a_text_may_have_moved(run: Path, text_file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.txt"
    shutil.copyfile(text_file, moved)
    summary = resume_run(run, **{"data.path": str(moved)})
    assert summary["status"] == "finished"
    assert plain_yaml.read(run / "config.yaml")["data"]["path"] == str(moved)


def test_a_place_that_does_not_fit_the_step_is_refused(run: Path) -> None:
    saved = read_checkpoint(run / "checkpoints" / "last.ckpt")
    saved["lmlab"]["position"]["batch"] += 1
    save_checkpoint(saved, run / "checkpoints" / "last.ckpt")
    assert "do not belong together" in refused(run)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_in_last_falls_back_to_the_checkpoint_before(
    run: Path, stopped: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    flip(run / "checkpoints" / "last.ckpt")
    resume_run(run)
    assert "going on from the checkpoint before it" in caplog.text
    whole = Path(shutil.copytree(stopped, tmp_path / "whole"))
    resume_run(whole)
    assert_equal_runs(run, whole)


def test_a_flipped_bit_in_both_is_told(run: Path) -> None:
    for name in ("last", "previous"):
        flip(run / "checkpoints" / f"{name}.ckpt")
    assert "is damaged" in refused(run)


def test_best_weights_that_are_damaged_or_gone_are_told_before_training(run: Path) -> None:
    flip(run / "checkpoints" / "best.ckpt")
    assert "best.ckpt: is damaged" in refused(run)
    (run / "checkpoints" / "best.ckpt").unlink()
    assert "is gone, and with it the best weights" in refused(run)


def test_best_weights_of_another_step_are_told(run: Path) -> None:
    path = run / "checkpoints" / "best.ckpt"
    saved = read_checkpoint(path)
    saved["global_step"] += 1
    save_checkpoint(saved, path)
    assert "but the best evaluation was at step" in refused(run)


def test_divergence_is_an_error_of_its_own(text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged):
        trained(compose_config(text_file, *DIVERGING), tmp_path / "run")


@pytest.mark.parametrize("part", ["lmlab_task", "callbacks", "random_states", "optimizer_states", "position", "config"])
def test_a_checkpoint_with_parts_missing_is_told(run: Path, part: str) -> None:
    path = run / "checkpoints" / "last.ckpt"
    saved = read_checkpoint(path)
    del (saved if part in saved else saved["lmlab"])[part]
    save_checkpoint(saved, path)
    assert "has parts missing" in refused(run)


def test_weights_of_another_shape_are_told_by_name(run: Path) -> None:
    for name in ("last", "best"):
        path = run / "checkpoints" / f"{name}.ckpt"
        saved = read_checkpoint(path)
        saved["state_dict"]["model.decoder.bias"] = torch.zeros(3)
        save_checkpoint(saved, path)
    assert "its weight model.decoder.bias is (3,) float32, where its configuration makes (25,) float32" in refused(run)
    with pytest.raises(UserError, match=r"its weight model\.decoder\.bias is \(3,\)"):
        lmlab.load(run)


def test_best_weights_of_another_run_are_told(run: Path) -> None:
    path = run / "checkpoints" / "best.ckpt"
    saved = read_checkpoint(path)
    saved["lmlab"]["config"]["seed"] = 5
    save_checkpoint(saved, path)
    assert "is of another run: its seed is 5, this run's 0" in refused(run)
    with pytest.raises(UserError, match=r"its seed is 5, but config\.yaml says 0"):
        lmlab.load(run)


def test_what_is_typed_beside_a_refusal_is_forgotten(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("Another text altogether. " * 900)
    told = refused(run, **{"data.path": str(other)})
    assert told.startswith(f"data.path={other}: its train text is not the one that {run} was begun with; ")
    resume_run(run)
