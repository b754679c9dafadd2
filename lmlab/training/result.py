"""Describes a run's result: its figures, where its files are, and the commands that go on from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lmlab.command_lines import command_line, for_shell, tensorboard
from lmlab.config.plugins import as_words
from lmlab.config.settings import TrainSettings
from lmlab.config.typed import targets
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.evaluation.baseline_figures import describe_baselines
from lmlab.evaluation.prompts import describe_prompts
from lmlab.evaluation.sample_figures import describe_samples
from lmlab.evaluation.source_comparison import describe_excess
from lmlab.files import expanded, shown
from lmlab.layout import aligned, one_line
from lmlab.metric_spec import added_to
from lmlab.training.duration import human_seconds
from lmlab.training.plan import partial_note

_SPLITS = (("val", "validation"), ("test", "test"))
# A longer prompt is not suggested.
_LONGEST_PROMPT = 30


def describe_result(summary: Mapping[str, Any], commands: Sequence[str], folder: Path) -> str:
    """Describes the result: a short table, the location of the files, and what to do next.

    Args:
        summary: of the run, with figures.
        commands: see `next_commands`.
        folder: the run's.
    """
    stopped = summary["stopped_by"]
    lines = [
        *_table(summary),
        *_added_figures(summary),
        *_end_figures(summary),
        f"best epoch  {summary['best_epoch']:g} (step {summary['best_step']:,}), "
        f"{summary['tokens_per_second']:,.0f} tokens/s, {human_seconds(summary['wall_seconds'])} in all",
        *([f"stopped     by callbacks.{stopped}, before the limits of the run"] if stopped else []),
        *(f"partial     {note}" for note in partial_note(summary.get("partial", {}))),
        *(f"{found['level']:<11} {found['text']}" for found in summary["diagnostics"]),
        f"files       {for_shell([shown(folder)])}",
        *commands,
    ]
    return "\n" + "\n".join(map(one_line, lines))


def next_commands(
    settings: TrainSettings,
    folder: Path,
    *,
    split: str,
    prompt: str | None,
    words: Sequence[str] | None,
) -> list[str]:
    """Returns the commands that go on from a run, each in a line.

    Args:
        settings: the run's.
        folder: the run's.
        split: that can be evaluated.
        prompt: for the run's own text; None for a text from its beginning.
        words: with which the run was started; None if that is not known, or one cannot start it again.
    """
    place, trusted = shown(folder), as_words(targets(settings))
    after = [
        command_line("generate", ["temperature=0.8", *trusted], run=place, prompt=prompt),
        command_line("evaluate", trusted, run=place, split=split),
        command_line("report", runs=place),
    ]
    if words is not None:
        rate, swept = settings.optimizer.lr, "optimizer.lr"
        kept = [word for word in words if word.lstrip("+").partition("=")[0] != swept]
        rates = ",".join(f"{factor * rate:g}" for factor in (0.5, 1, 2))
        # Packages are trusted by name, as typed; options come before settings.
        after.append(command_line("train", ["-m", *kept, f"{swept}={rates}", *trusted]))
    curves = (
        [] if settings.logger.tensorboard is None else [f"curves      {tensorboard(shown(_above(folder, settings)))}"]
    )
    return [*curves, *(f"{'' if i else 'next':12}{line}" for i, line in enumerate(after))]


def _above(folder: Path, settings: TrainSettings) -> Path:
    """Returns the folder of all runs, if the run's own is in it."""
    folders = expanded(settings.output_dir).absolute(), *folder.parents
    return folders[0] if folders[0] in folders[1:] else folder


def fitting_prompt(prompts: Sequence[str], tokenizer: Tokenizer) -> str | None:
    """Returns the first prompt that the tokenizer knows and that is easy to type; None if there is none."""
    for prompt in prompts:
        if prompt.strip() and prompt.isprintable() and len(prompt) <= _LONGEST_PROMPT and not tokenizer.unknown(prompt):
            return prompt
    return None


def _table(summary: Mapping[str, Any]) -> list[str]:
    """Returns the table of the splits; the nats of the source where they are known."""
    known = "val/source_nats_per_token" in summary
    rows = [["", "nats/token", *(["source", "above it"] if known else []), "perplexity", "bits/char", "tokens"]]
    for prefix, words in _SPLITS:
        if f"{prefix}/nats_per_token" not in summary:
            continue
        bits = summary.get(f"{prefix}/bits_per_char")
        row = [words, f"{summary[f'{prefix}/nats_per_token']:.4f}"]
        source, excess = (summary.get(f"{prefix}/{w}_nats_per_token") for w in ("source", "excess"))
        row += (
            ["-" if source is None else f"{source:.4f}", "-" if excess is None else f"{excess:+.4f}"] if known else []
        )
        row += [f"{summary[f'{prefix}/perplexity']:,.3f}", "-" if bits is None else f"{bits:.4f}"]
        rows.append([*row, f"{int(summary[f'{prefix}/num_tokens']):,}"])
    return aligned(rows, left=1)


def _added_figures(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields a line for each figure that the configuration adds."""
    for name, spec in added_to(dict(summary)).items():
        values = {words: summary.get(f"{split}/{name}") for split, words in _SPLITS}
        known = [f"{spec.shown(value)} ({words})" for words, value in values.items() if value is not None]
        yield f"{spec.words:<10}  {', '.join(known)}"


def _end_figures(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines on what was made of the best weights at the end of the run."""
    if "val/baselines" in summary:
        yield f"baselines   {describe_baselines(summary['val/baselines'])} (validation)"
    if "val/prompts" in summary:
        yield f"prompts     {describe_prompts(summary['val/prompts'])}"
    if "val/by_length" in summary:
        yield f"by length   {describe_excess(summary['val/by_length'])}"
    if "samples" in summary:
        yield f"samples     {describe_samples(summary['samples'])}"
