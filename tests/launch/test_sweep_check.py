"""All jobs of a sweep are checked before the first."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from conftest import SMALL
from omegaconf import DictConfig

from lmlab.config.compose import compose
from lmlab.errors import UserError
from lmlab.launch.sweep_check import check_jobs


def check(text: Path, *jobs: str, swept: Collection[str], here: bool = True) -> list[str]:
    """Checks jobs with the given words; returns the words of each job that was composed."""
    common = ["data=text", f"data.path={text}", *SMALL]

    made: list[str] = []

    def composed(job: list[str]) -> DictConfig:
        made.append(" ".join(job))
        return compose("train", [*common, *job])

    check_jobs([job.split() for job in jobs], composed, swept=swept, here=here)
    return made


def refusal(text: Path, *jobs: str, swept: Collection[str]) -> str:
    with pytest.raises(UserError) as refused:
        check(text, *jobs, swept=swept)
    return str(refused.value)


def test_right_jobs_pass_and_each_is_composed_once(text_file: Path) -> None:
    assert check(text_file, "seed=0", "seed=1", swept=["seed"]) == ["seed=0", "seed=1"]


def test_the_first_wrong_job_is_named_with_what_varies_and_how_many_there_are(text_file: Path) -> None:
    jobs = [f"model.hidden_size={size} seed={seed} optimizer.lr=0.1" for size in (4, 0) for seed in (0, 1)]
    told = refusal(text_file, *jobs, swept=["model.hidden_size", "seed"])
    assert told.startswith("model.hidden_size=0: is less than 1; ")
    assert told.endswith("; 2 of 4 jobs are wrong, the first is job 3 (model.hidden_size=0, seed=0)")


def test_different_mistakes_are_counted_together(text_file: Path) -> None:
    told = refusal(text_file, "model.hidden_size=0", "model.hidden_size=4", "model.hidden_size=x", swept=["model"])
    assert told.startswith("model.hidden_size=0: ")
    assert "2 of 3 jobs are wrong" in told


def test_what_is_wrong_with_all_jobs_is_told_as_of_a_single_run(text_file: Path) -> None:
    told = refusal(text_file, "seed=0 model.num_layers=0", "seed=1 model.num_layers=0", swept=["seed"])
    assert told.startswith("model.num_layers=0: is less than 1")
    assert "job" not in told


def test_checks_that_need_the_device_are_made_where_the_jobs_run(text_file: Path) -> None:
    jobs = ("trainer.precision=16-mixed", "trainer.precision=32-true")
    assert "the first is job 1 (trainer.precision=16-mixed)" in refusal(text_file, *jobs, swept=["trainer.precision"])
    check(text_file, *jobs, swept=["trainer.precision"], here=False)


def test_values_that_make_the_same_run_are_refused(text_file: Path) -> None:
    told = refusal(text_file, "optimizer.lr=1", "optimizer.lr=2", "optimizer.lr=1.0", swept=["optimizer.lr"])
    assert told.startswith("optimizer.lr=1.0: makes job 3 the same run as job 1 (optimizer.lr=1)")


def test_the_path_of_vectors_is_for_the_jobs_that_read_them(text_file: Path, tmp_path: Path) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_text(f"the {' '.join(['0.5'] * 8)}\n", encoding="utf-8")
    more = f"tokenizer=word embedding.path={vectors}"
    jobs = [f"embedding=random {more}", f"embedding=glove {more}"]
    assert check(text_file, *jobs, swept=["embedding"]) == jobs
    assert "embedding.path" in refusal(text_file, *jobs, swept=["embedding.path"])  # it is not said to be for others


def test_what_has_no_effect_is_told_once_with_the_number_of_its_jobs(
    text_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [f"data.stride=5 model.dropout={share} model.locked_dropout=true" for share in (0, 0.1)]
    check(text_file, *jobs, swept=["model.dropout"])
    assert capsys.readouterr().out.splitlines() == [
        "note: data.stride=5 has no effect with batching=streams; it is for windows",
        "note: model.locked_dropout=true has no effect without dropout (model.dropout) (1 of 2 jobs)",
    ]


def test_notes_of_many_jobs_are_counted(text_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(text_file, *(f"data.stride={stride}" for stride in range(1, 15)), swept=["data.stride"])
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 11
    assert told[-1] == "note: and 4 more without effect"
