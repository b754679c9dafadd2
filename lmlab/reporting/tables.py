"""Tables of results for the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from lmlab.metric_spec import MetricSpec, added_to, compact, exp
from lmlab.reporting.intervals import Estimate, difference
from lmlab.reporting.sweeps import Ranking, SweepCondition, differing, rank
from lmlab.runs.summary import BITS, DAMAGED, EXCESS, NATS, PARTIAL, SEED, describe_partial
from lmlab.runs.sweeps import Job

# With fewer repetitions a confidence interval is too wide to be useful.
ENOUGH_SEEDS = 3
# Above this share of unknown tokens, bits per character of different tokenizers hardly compare.
UNK_SEEN = 0.01
# If more jobs than this failed for the same reason, they share one line.
SAME_REASON = 3
# Rows shown; results.csv has all.
MOST_ROWS = 40


def _number_or_zero(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def aligned(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Aligns columns: the first `left` to the left, the rest to the right.

    Args:
        rows: the header first; all of equal length.
        left: number of columns with words.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Returns the last part of each setting's name if that is unambiguous: `hidden_size` for `model.hidden_size`."""
    last = [name.rpartition(".")[2] for name in names]
    return {name: word if last.count(word) == 1 else name for name, word in zip(names, last, strict=True)}


def sweep_table(jobs: Sequence[Job]) -> list[str]:
    """Returns the lines of a sweep's ranked table with its notes and failures."""
    ranking = rank(jobs)
    lines = _ranked(ranking) if ranking.conditions or ranking.partial else []
    notes = [*([ranking.note] if ranking.note else []), *_notes(jobs, ranking), *_partial_notes(jobs)]
    lines += [f"note: {note}" for note in notes]
    return lines + _unfinished(jobs)


def _unfinished(jobs: Sequence[Job]) -> list[str]:
    """Returns a line for each job that failed, was interrupted or is damaged; many with the same reason share one."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        if job.status in ("failed", "interrupted", DAMAGED):
            reason = job.reason or "interrupted; it can be resumed where it stopped"
            by_reason.setdefault((job.status, reason), []).append(job.folder.name)
    lines = []
    for (status, reason), names in by_reason.items():
        shown = [[name] for name in names] if len(names) <= SAME_REASON else [names]
        for group in shown:
            more = f" and {len(group) - 1} more" if len(group) > 1 else ""
            lines.append(f"{status:<8}  {group[0]}{more}: {reason}")
    return lines


def _listed(settings: dict[str, str], names: Sequence[str], short: dict[str, str]) -> str:
    return " ".join(f"{short[name]}={settings.get(name, '')}" for name in names)


def _ranked(ranking: Ranking) -> list[str]:
    conditions = [*ranking.conditions, *ranking.partial]
    names = list(conditions[0].settings)
    short = short_names(names)
    repeated = any(len(condition.jobs) > 1 for condition in conditions)
    header = ["", *(short[name] for name in names)]
    left = len(header)
    known = any(math.isfinite(condition.mean(EXCESS).mean) for condition in conditions)
    header += [*(["seeds"] if repeated else []), "nats/token", *(["above source"] if known else [])]
    added = {
        name: spec for condition in conditions for job in condition.jobs for name, spec in added_to(job.summary).items()
    }
    header += ["perplexity", "bits/char", *(spec.words for spec in added.values()), "parameters"]
    header += ["tokens/s", "memory", "best epoch"]
    rows = [header]
    for place, condition in enumerate(conditions[:MOST_ROWS], 1):
        nats = condition.mean(NATS)
        numbered = f"{place}." if ranking.metric else ""
        row = [numbered if place <= len(ranking.conditions) else PARTIAL, *condition.settings.values()]
        row += [str(len(condition.jobs))] if repeated else []
        row += [with_interval(nats)]
        row += [_decimals(condition.mean(EXCESS).mean, "+.4f")] if known else []
        row += [f"{exp(nats.mean):,.3f}", _decimals(condition.mean(BITS).mean, ".4f")]
        row += [_cell(spec, condition.mean(f"val/{name}").mean) for name, spec in added.items()]
        row += [compact(condition.mean("num_parameters").mean), compact(condition.mean("tokens_per_second").mean)]
        row += [f"{compact(condition.mean('peak_memory_bytes').mean)}B", f"{condition.mean('best_epoch').mean:.3g}"]
        rows.append(row)
    lines = aligned(rows, left=left)
    more = len(conditions) - MOST_ROWS
    return [*lines, f"and {more} more in results.csv"] if more > 0 else lines


def _cell(spec: MetricSpec, value: float) -> str:
    return spec.shown(value) if math.isfinite(value) else "-"


def _partial_notes(jobs: Sequence[Job]) -> list[str]:
    partial = [job for job in jobs if job.status == PARTIAL]
    if not partial:
        return []
    what = describe_partial(partial[0].summary[PARTIAL])
    return [f"{len(partial)} of the jobs are partial and have no place: they read a part of the text only ({what})"]


def _decimals(value: float, how: str) -> str:
    """Formats a figure that a part of a text does not have."""
    return format(value, how) if math.isfinite(value) else "-"


def with_interval(value: Estimate) -> str:
    """Formats a value: 1.2345, or 1.2345 ± 0.0067 over several seeds."""
    return f"{value.mean:.4f}" if value.half_width is None else f"{value.mean:.4f} ± {value.half_width:.4f}"


def _notes(jobs: Sequence[Job], ranking: Ranking) -> list[str]:
    """Returns what a reader should know before trusting the ranks."""
    if ranking.metric is None or not ranking.conditions:
        return []
    notes = []
    best = ranking.conditions[0]
    repeated = any(SEED in differing([*condition.jobs]) for condition in ranking.conditions)
    if repeated:
        notes.append("nats/token is the mean over seeds ± the half width of its 95% interval; perplexity is exp(mean)")
    unknown = max(_number_or_zero(job.summary.get("val/unk_rate")) for s in ranking.conditions for job in s.jobs)
    if ranking.metric == BITS and unknown > UNK_SEEN:
        notes.append(f"up to {unknown:.1%} of a job's tokens are <unk>, which flatters its bits per character")
    if len(ranking.conditions) > 1:
        notes += _doubt(ranking, repeated=repeated)
    for name in best.settings:
        edge = _edge(name, best, ranking.conditions)
        if edge:
            notes.append(edge)
    warned = [job for job in jobs if job.status == "finished" and job.summary.get("warnings")]
    if warned:
        kinds = sorted({kind for job in warned for warning in job.summary["warnings"] if (kind := _kind(warning))})
        what = f" ({', '.join(kinds)})" if kinds else ""
        notes.append(f"{len(warned)} of the jobs ended with warnings{what}: see warnings in their summary.json")
    return notes


def _kind(warning: str) -> str:
    """Returns the kind of a warning that begins with one, such as `overfitting`; otherwise empty."""
    found = re.match(r"([a-z ]{3,30}):", warning)
    return found[1] if found else ""


def _doubt(ranking: Ranking, *, repeated: bool) -> list[str]:
    assert ranking.metric is not None
    fewest = min(len(condition.jobs) for condition in ranking.conditions)
    if fewest < ENOUGH_SEEDS:
        seeds = "one seed" if fewest == 1 else f"{fewest} seeds"
        return [f"{seeds} a setting: small differences may be chance; sweep seed=0,1,2 as well to see"]
    first, second = (condition.values(ranking.metric) for condition in ranking.conditions[:2])
    if repeated and first and second and not difference(first, second).significant:
        return ["the first two differ by less than the 95% interval of their difference: their order may be chance"]
    return []


def _edge(name: str, best: SweepCondition, settings: Sequence[SweepCondition]) -> str:
    """Returns a note if the best value of a numeric setting is the largest or smallest of three or more tried."""
    try:
        tried = sorted({float(condition.settings[name]) for condition in settings})
        value = float(best.settings[name])
    except ValueError:
        return ""
    if len(tried) < 3 or value not in (tried[0], tried[-1]):
        return ""
    word = "smallest" if value == tried[0] else "largest"
    return f"the best {name} ({best.settings[name]}) is the {word} that was tried: a better one may lie beyond"


def job_line(job: Job, *, total: int | None, names: Sequence[str], best: bool) -> str:
    """Returns the line for a job that has ended.

    Args:
        job: with its summary.
        total: number of jobs of the sweep; None if unknown.
        names: the settings that differ.
        best: whether it is the best so far.
    """
    count = f"{job.number + 1}/{total}" if total else str(job.number + 1)
    width = 2 * len(str(total)) + 1 if total else 0
    listed = _listed(job.settings, names, short_names(names))
    if job.status in ("failed", DAMAGED):
        return f"{count:>{width}}  {listed}  {job.status}: {job.reason}"
    summary = job.summary
    nats, seconds = job.nats, summary.get("wall_seconds", math.nan)
    figures = f"val {nats:.4f} nats  perplexity {exp(nats):,.3f}"
    # Bits per character are not known of a part of the text.
    if BITS in summary or job.status != PARTIAL:
        figures += f"  bits/char {summary.get(BITS) or math.nan:.4f}"
    mark = "  partial" if job.status == PARTIAL else "  *best" if best else ""
    warned = f"  {len(summary['warnings'])} warnings" if len(summary.get("warnings", [])) > 1 else ""
    warned = "  1 warning" if len(summary.get("warnings", [])) == 1 else warned
    return f"{count:>{width}}  {listed}  {figures}  {seconds:.0f} s{warned}{mark}"


def best_folder(jobs: Sequence[Job]) -> Path | None:
    """Returns the folder of the best run of the best condition; None without finished jobs or a ranking."""
    ranking = rank(jobs)
    if ranking.metric is None or not ranking.conditions:
        return None
    metric = ranking.metric
    return min(ranking.conditions[0].jobs, key=lambda job: float(job.summary.get(metric) or math.inf)).folder
