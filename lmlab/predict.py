"""`python -m lmlab.predict`: what a run's checkpoints expect after a prompt."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

from lmlab.command_lines import for_shell
from lmlab.config.command import composed_command
from lmlab.config.command_checks import check_prediction
from lmlab.config.settings import PredictSettings
from lmlab.config.stored import check_trust
from lmlab.files import shown
from lmlab.layout import aligned
from lmlab.runs.discovery import checkpoint_names, find_run, named_checkpoint
from lmlab.terminal import fitted, tell_unknown, width


def predict(settings: PredictSettings) -> None:
    """Prints a row for each checkpoint: kept ones in order, then the best and the last."""
    checkpoint = named_checkpoint(settings.run) if settings.checkpoint is None else settings.checkpoint
    folder = find_run(settings.run, output_dir=settings.output_dir, checkpoint=checkpoint)
    check_trust(folder)
    names = checkpoint_names(folder) if checkpoint is None else [checkpoint]
    from lmlab.loading import load  # imports torch: after what can go wrong without it

    rows: list[list[str]] = []
    for name in names:
        lm = load(folder, checkpoint=name)
        if not rows:  # all have the same tokenizer
            tell_unknown(lm.tokenizer.unknown(settings.prompt))
        found = lm.next_tokens(settings.prompt, top=settings.top)
        rows.append([name, *(f"{token!r} {probability:.1%}" for token, probability in found)])
    most = max(map(len, rows), default=1)  # no more columns than entries of the vocabulary
    rows.insert(0, ["checkpoint", *(f"{place}." for place in range(1, most))])
    print(fitted(f"after {settings.prompt!r}, in {for_shell([shown(folder)])}"))
    print("\n".join(aligned([row + [""] * (most - len(row)) for row in rows], left=most, width=width())))


def main() -> None:
    """The command."""
    lost = "the table may be incomplete; the same command prints it again"
    composed_command("predict", PredictSettings, check_prediction, predict, if_interrupted=lost)


if __name__ == "__main__":
    main()
