"""Checks every job of a sweep before the first is trained, so that a mistake is not found after hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from omegaconf import DictConfig

from lmlab.config.checks import check_training
from lmlab.config.command import as_typed, describe
from lmlab.config.compose import as_settings
from lmlab.config.effects import without_effect
from lmlab.config.settings import TrainSettings
from lmlab.config.typed import plain
from lmlab.errors import UserError
from lmlab.launch.execution import checked, pop_unstored
from lmlab.runs.records import overrides_as_settings
from lmlab.terminal import say

_MANY = 50
# Notes that are told; a sweep over a setting without effect has one for each value.
_TOLD = 10


def check_jobs(
    jobs: Sequence[list[str]], compose: Callable[[list[str]], DictConfig], *, swept: Collection[str], here: bool
) -> None:
    """Checks each job as it will be checked again when its turn has come.

    Args:
        jobs: the words of each job.
        compose: returns the configuration of a job.
        swept: names of the settings that differ between jobs.
        here: whether the jobs run on this machine, so that its memory and devices matter.

    Raises:
        UserError: the first job that is wrong and the number of wrong ones, or two jobs that are the same run.
    """
    if len(jobs) > _MANY:
        print(f"checking {len(jobs):,} jobs before the first", flush=True)
    wrong: dict[int, Exception] = {}
    first_with: dict[str, int] = {}
    idle: Counter[str] = Counter()
    for index, job in enumerate(jobs):
        try:
            config = compose(job)
            leave_vectors_out(config, job, swept)
            settings = checked(config) if here else _elsewhere(config)
        except Exception as error:
            wrong[index] = error
            continue
        idle.update(without_effect(job, settings))
        pop_unstored(settings)  # these, fresh and output_dir make no other run
        found = {**plain(settings), "fresh": False, "output_dir": ""}
        same = first_with.setdefault(repr(found), index)
        if same != index:
            raise _twice(jobs, same, index)
    if wrong:
        raise _refusal(jobs, wrong, swept)
    _tell(idle, len(jobs))


def _tell(idle: Counter[str], total: int) -> None:
    """Prints what has no effect, each once, and in how many of the jobs."""
    for sentence, count in list(idle.items())[:_TOLD]:
        say(f"note: {sentence}" + (f" ({count:,} of {total:,} jobs)" if count < total else ""))
    if len(idle) > _TOLD:
        say(f"note: and {len(idle) - _TOLD:,} more without effect")


def leave_vectors_out(config: DictConfig, job: list[str], swept: Collection[str]) -> None:
    """Removes the path of pretrained vectors from a job with random ones: it is meant for the other jobs."""
    if "embedding" in swept and overrides_as_settings(job).get("embedding") == "random":
        config.embedding.path = None


def _elsewhere(config: DictConfig) -> TrainSettings:
    settings = as_settings(config, TrainSettings)
    check_training(settings, here=False)
    return settings


def _refusal(jobs: Sequence[list[str]], wrong: dict[int, Exception], swept: Collection[str]) -> Exception:
    """Returns the error of the first wrong job; if it is that of all jobs, without naming a job."""
    index, error = next(iter(wrong.items()))
    lines = {describe(each, jobs[number]) for number, each in wrong.items()}
    if len(lines) == 1 and len(wrong) == len(jobs):
        return error
    varied = ", ".join(f"{key}={value}" for key, value in overrides_as_settings(jobs[index]).items() if key in swept)
    count = f"{len(wrong):,} of {len(jobs):,} jobs {'is' if len(wrong) == 1 else 'are'} wrong"
    where = f"{count}, the first is job {index + 1} ({varied})"
    told = as_typed(error, jobs[index])
    if told is None:
        return UserError(f"job {index + 1}", None, describe(error, jobs[index]), where)
    return UserError(told.field, told.value, told.problem, f"{told.remedy}; {where}" if told.remedy else where)


def _twice(jobs: Sequence[list[str]], first: int, second: int) -> UserError:
    """Returns the error for two jobs with equal settings, such as those of 1e-3 and 0.001."""
    before, word = [pair for pair in zip(jobs[first], jobs[second], strict=True) if pair[0] != pair[1]][-1]
    problem = f"makes job {second + 1} the same run as job {first + 1} ({before}), which would be counted as two"
    return UserError(word.partition("=")[0].lstrip("+~"), word.partition("=")[2], problem, "give one of them")
