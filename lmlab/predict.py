"""`python -m lmlab.predict`: what a run's checkpoints expect after a prompt."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

from pathlib import Path

from lmlab.command_lines import for_shell
from lmlab.config.checks import check_prediction
from lmlab.config.command import composed_command
from lmlab.config.settings import PredictSettings
from lmlab.config.stored import check_trust
from lmlab.files import shown
from lmlab.layout import aligned
from lmlab.runs.discovery import checkpoint_names, find_run
from lmlab.terminal import fitted, width


def predict(settings: PredictSettings) -> None:
    """Prints a row for each checkpoint: kept ones in order, then the best and the last."""
    folder = find_run(settings.run, output_dir=settings.output_dir)
    check_trust(folder)
    names = checkpoint_names(folder) if settings.checkpoint is None else [settings.checkpoint]
    rows = [[name, *_cells(folder, name, settings.prompt, settings.top)] for name in names]
    most = max(map(len, rows), default=1)  # no more columns than entries of the vocabulary
    rows.insert(0, ["checkpoint", *(f"{place}." for place in range(1, most))])
    print(fitted(f"after {settings.prompt!r}, in {for_shell([shown(folder)])}"))
    print("\n".join(aligned([row + [""] * (most - len(row)) for row in rows], left=most, width=width())))


def _cells(folder: Path, checkpoint: str, prompt: str, top: int) -> list[str]:
    from lmlab.trained import load  # imports torch: after what can go wrong without it

    lm = load(folder, checkpoint=checkpoint)
    return [f"{found.token!r} {found.probability:.1%}" for found in lm.next_tokens(prompt, top=top)]


def main() -> None:
    """The command."""
    lost = "the table may be incomplete; the same command prints it again"
    composed_command("predict", PredictSettings, check_prediction, predict, if_interrupted=lost)


if __name__ == "__main__":
    main()
