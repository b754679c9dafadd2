"""`python -m lmlab.generate`: text from a trained run."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lmlab.command_lines import for_shell
from lmlab.config.command import composed_command
from lmlab.config.command_checks import check_generation
from lmlab.config.settings import GenerateSettings
from lmlab.config.stored import check_trust
from lmlab.files import shown
from lmlab.runs.discovery import find_run
from lmlab.terminal import aside, tell_unknown

if TYPE_CHECKING:
    from lmlab.data.tokenizers.base import Tokenizer


def generate(settings: GenerateSettings) -> None:
    """Writes the samples to standard output, the first as it is drawn; everything else goes to standard error."""
    folder = find_run(settings.run, output_dir=settings.output_dir, checkpoint=settings.checkpoint)
    check_trust(folder)
    # These import torch: after what can go wrong without it.
    from lmlab.device import slow_bfloat16
    from lmlab.loading import load

    lm = load(folder, checkpoint=settings.checkpoint)
    tell_unknown(lm.tokenizer.unknown(settings.prompt))
    for note in without_effect(settings, lm.tokenizer):
        aside(f"note: {note}")
    if slow_bfloat16(settings.precision, next(lm.model.parameters()).device):
        aside(f"note: precision={settings.precision}: this CPU has no bfloat16 units, so 32-true is faster")
    options = lm.sampling_options(
        length=settings.length,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        seed=settings.seed,
        stop_at_end=settings.stop_at_end,
        allow_unknown=settings.allow_unknown,
        precision=settings.precision,
    )
    several = settings.num_samples > 1
    about = f"# {for_shell([shown(lm.folder)])}, temperature {abs(settings.temperature):g}, seed {settings.seed}"
    aside(about)

    def show(text: str) -> None:
        print(text, end="", flush=True)

    if several:
        print(f"--- sample 1 of {settings.num_samples}")
    show(settings.prompt)
    samples = lm.write(settings.prompt, options, num_samples=settings.num_samples, on_text=show)
    print()
    for number, sample in enumerate(samples[1:], 2):
        print(f"--- sample {number} of {settings.num_samples}")
        print(settings.prompt + sample.text)
    reasons = Counter(sample.stop_reason for sample in samples)
    counted = ", ".join(f"{reason} ({count:,})" if several else reason for reason, count in reasons.items())
    aside(f"# stopped by: {counted}")


def without_effect(settings: GenerateSettings, tokenizer: Tokenizer) -> Iterator[str]:
    """Yields what cannot have the effect meant, in words."""
    entries = len(tokenizer.vocabulary)
    if settings.temperature == 0:
        idle = {"top_k": settings.top_k, "top_p": settings.top_p, "seed": settings.seed or None}
        if given := [f"{name}={value}" for name, value in idle.items() if value is not None]:
            does = "does" if len(given) == 1 else "do"
            yield f"temperature=0 takes the most probable token: {' and '.join(given)} {does} not count"
    elif settings.top_k is not None and settings.top_k > entries:
        yield f"top_k={settings.top_k}: the vocabulary has {entries:,} entries"
    certain = "temperature=0" if settings.temperature == 0 else "top_k=1" if settings.top_k == 1 else None
    if settings.num_samples > 1 and certain is not None:
        yield f"{certain} leaves nothing to chance: all samples are the same"
    if not settings.stop_at_end and tokenizer.end_id is None:
        yield "stop_at_end=false does not count: this run's texts have no end token"


def main() -> None:
    """The command."""
    lost = "the text may be incomplete; the same command writes it again"
    composed_command(
        "generate",
        GenerateSettings,
        check_generation,
        generate,
        if_interrupted=lost,
    )


if __name__ == "__main__":
    main()
