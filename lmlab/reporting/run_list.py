"""The table of runs and sweeps for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from lmlab.errors import printable
from lmlab.files import shown
from lmlab.metric_spec import compact
from lmlab.reporting.formatting import listing, number, perplexity, plural
from lmlab.reporting.tables import aligned, best_folder
from lmlab.runs.discovery import written
from lmlab.runs.disk import num_bytes
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.summary import DONE, NATS
from lmlab.runs.sweeps import Job, job_folders, planned_jobs

_HEADER = ("run", "status", "data", "model", "nats/token", "perplexity", "epochs", "size", "last written")


def run_table(records: Sequence[RunRecord]) -> list[str]:
    """Returns the lines of a table with a row for each run, the newest last, and a line for each damaged file.

    The jobs of a sweep share a row if all of them are there, unless nothing else is.
    """
    groups: dict[Path, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.origin, []).append(record)
    whole = {origin for origin, found in groups.items() if len(groups) > 1 and _is_whole(origin, found)}
    rows = [
        (max(written(record.folder) for record in found), origin if origin in whole else found[0].folder, found)
        for origin, group in groups.items()
        for found in ([group] if origin in whole else [[record] for record in group])
    ]
    cells = [_row(folder, found, when, sweep=folder in whole) for when, folder, found in sorted(rows, key=_by_time)]
    total = f"{plural(len(records), 'run')}, {human(sum(num_bytes(folder) for _, folder, _ in rows))}"
    notes = [f"note: {shown(record.folder)}: {damage}" for record in records for damage in record.damages]
    return [*aligned([_HEADER, *cells], left=4), total, *notes]


def human(size: int) -> str:
    """Formats a number of bytes: 4.02MB."""
    return f"{compact(size)}B"


def _by_time(row: tuple[float, Path, list[RunRecord]]) -> tuple[float, Path]:
    return row[:2]


def _is_whole(origin: Path, records: Sequence[RunRecord]) -> bool:
    return records[0].number is not None and job_folders(origin) == {record.folder for record in records}


def _row(folder: Path, records: Sequence[RunRecord], when: float, *, sweep: bool) -> list[str]:
    best = _best(records)
    nats = None if best is None else best.metric(NATS)
    data, model = (_names(records, group) for group in ("data", "model"))
    figures = ["-", "-"] if nats is None else [number(nats), perplexity(nats)]
    return [
        shown(folder),
        _done(folder, records) if sweep else records[0].status,
        *(data, model),
        *figures,
        _epochs(best or records[0]),
        human(num_bytes(folder)),
        f"{datetime.fromtimestamp(when):%Y-%m-%d %H:%M}",
    ]


def _best(records: Sequence[RunRecord]) -> RunRecord | None:
    """Returns the best run of a sweep, or the only one; None if they cannot be compared."""
    if len(records) == 1:
        return records[0]
    best = best_folder([Job(r.folder, i, r.overrides, r.summary) for i, r in enumerate(records)])
    return next((record for record in records if record.folder == best), None)


def _done(sweep: Path, records: Sequence[RunRecord]) -> str:
    done = sum(record.status in DONE for record in records)
    return f"{done} of {max(planned_jobs(sweep) or 0, len(records))} jobs done"


def _names(records: Sequence[RunRecord], group: str) -> str:
    found = dict.fromkeys(setting(record.config, f"{group}.name") or record.overrides.get(group) for record in records)
    return listing([printable(name, longest=20) for name in found if name]) or "-"


def _epochs(record: RunRecord) -> str:
    epoch = record.history[-1].get("epoch") if record.history else record.metric("best_epoch")
    return "-" if epoch is None else f"{epoch:.3g}"
