"""`python -m lmlab.report`: compares runs on a page, as text, in tables and in figures."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lmlab.command_lines import for_shell
from lmlab.config.command import composed_command
from lmlab.config.settings import ReportSettings
from lmlab.errors import InterruptedRun, UserError
from lmlab.files import expanded, shown
from lmlab.layout import one_line
from lmlab.output_paths import made_report_folder
from lmlab.runs.summary import DONE, ENDED
from lmlab.terminal import fitted

if TYPE_CHECKING:
    from lmlab.runs.records import RunRecord


def report(settings: ReportSettings) -> None:
    """Writes the report and prints its headline, findings and path; with `watch`, rewrites it when a run changes."""
    from lmlab.runs.discovery import LATEST, find_records

    records = find_records(settings.runs, output_dir=settings.output_dir)
    folder = _folder(settings, records)
    if settings.output is None and folder.is_symlink():
        raise UserError("output", folder, "is a symbolic link", "name a folder: output=...")
    made_report_folder(folder)
    from lmlab.reporting.report import write_report
    from lmlab.runs.records import job_folders

    # The latest run at this time; another run may start while this one is watched.
    runs = sorted({str(record.origin) for record in records}) if settings.runs == LATEST else settings.runs
    # Looked up before the runs are read again, so that a job that starts in between is included.
    started_jobs = {record.origin: job_folders(record.origin) for record in records if record.number is not None}
    records = find_records(runs, output_dir=settings.output_dir)
    complete_sweeps = {sweep for sweep, jobs in started_jobs.items() if jobs <= {record.folder for record in records}}
    ended = _ended(records, complete_sweeps)
    summary = write_report(records, folder, along=settings.along, watching=settings.watch and not ended)
    print(fitted(one_line(summary.headline)))
    for sentence in summary.shows:
        print(fitted(one_line(f"  {sentence}")))
    print(fitted(f"report      {for_shell([shown(folder / 'index.html')])}"))
    beside = "report.md, results.csv, experiment_logs.csv, history.csv, figures/"
    print(fitted(f"also        {for_shell([shown(folder)])}: {beside}"))
    if settings.watch and ended:
        print(fitted("watching    ended at once: no run is training, and no job is left"))
    before = _state(records)
    while settings.watch and not ended:
        _wait(settings.every_seconds)
        records = find_records(runs, output_dir=settings.output_dir)
        ended = _ended(records, complete_sweeps)
        if _state(records) != before or ended:
            before = _state(records)
            summary = write_report(records, folder, along=settings.along, watching=not ended)
            done = sum(record.status in DONE for record in records)
            line = f"{datetime.now():%H:%M:%S}  {done} of {len(records)} finished: {summary.headline}"
            print(fitted(one_line(line)), flush=True)


def _wait(seconds: float) -> None:
    """Sleeps; an interruption is the usual end of watching.

    Raises:
        InterruptedRun: a signal ended it; the message says how recent the report is.
    """
    try:
        time.sleep(seconds)
    except InterruptedRun as stop:
        stop.message = f"watching stopped; the report shows the state at {datetime.now():%H:%M:%S} or earlier"
        raise


def _folder(settings: ReportSettings, records: Sequence[RunRecord]) -> Path:
    if settings.output is not None:
        return expanded(settings.output)
    from lmlab.runs.records import job_folders

    origins = {record.origin for record in records}
    alone = records[0].folder if len(records) == 1 else None
    if alone is not None and (
        records[0].number is None or os.path.realpath(os.path.expanduser(str(settings.runs))) == os.path.realpath(alone)
    ):
        return alone / "report"
    # All jobs of one sweep, even if there is only one so far: the report belongs to the sweep.
    if len(origins) == 1 and job_folders(next(iter(origins))) <= {record.folder for record in records}:
        return origins.pop() / "report"
    return expanded(settings.output_dir) / "reports" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"


def _ended(records: Sequence[RunRecord], complete_sweeps: Collection[Path]) -> bool:
    """Returns whether all have ended: no run trains, and no sweep that was chosen completely has jobs left."""
    from lmlab.runs.records import planned_jobs

    if any(record.status not in ENDED for record in records):
        return False
    jobs = Counter(record.origin for record in records)
    return all(jobs[sweep] >= (planned_jobs(sweep) or 0) for sweep in complete_sweeps)


def _state(records: Sequence[RunRecord]) -> list[tuple[str, str, int]]:
    return [(str(record.folder), record.status, len(record.history)) for record in records]


def _check(settings: ReportSettings) -> None:
    """Refuses a time between checks where nothing is checked.

    Raises:
        UserError: naming it.
    """
    typed = any(word.lstrip("+").startswith("every_seconds=") for word in sys.argv[1:])
    if typed and not settings.watch:
        problem = "counts only while runs are watched"
        raise UserError("every_seconds", f"{settings.every_seconds:g}", problem, "add watch=true, or leave it out")


def main() -> None:
    """The command."""
    lost = "the report may be incomplete; the same command writes it again"
    composed_command("report", ReportSettings, _check, report, if_interrupted=lost, output_is_all=False)


if __name__ == "__main__":
    main()
