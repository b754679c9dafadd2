"""`python -m lmlab.generate`: text from a trained run."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

import sys

from omegaconf import DictConfig

from lmlab.config.checks import check_sampling
from lmlab.config.command import composed_command
from lmlab.reporting.runs import find_run


def generate(config: DictConfig) -> None:
    """Writes the samples to standard output, the first as it is drawn; everything else goes to standard error."""
    folder = find_run(config.run, output_dir=config.output_dir)
    from lmlab.trained import load  # imports torch: after what can go wrong without it

    lm = load(folder, checkpoint=config.checkpoint)
    unknown = lm.tokenizer.unknown(config.prompt)
    if unknown:
        kind = "characters" if all(len(u) == 1 for u in unknown) else "words"
        listed = ", ".join(repr(u) for u in unknown[:10])
        print(f"note: {kind} of the prompt that this run does not know, read as <unk>: {listed}", file=sys.stderr)
    options = lm.sampling_options(
        length=config.length,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        seed=config.seed,
        stop_at_end=config.stop_at_end,
        allow_unknown=config.allow_unknown,
    )
    several = config.num_samples > 1
    print(f"# {lm.folder}, temperature {config.temperature:g}, seed {config.seed}", file=sys.stderr)

    def show(text: str) -> None:
        print(text, end="", flush=True)

    if several:
        print(f"--- sample 1 of {config.num_samples}")
    show(config.prompt)
    samples = lm.write(config.prompt, options, num_samples=config.num_samples, on_text=show)
    print()
    for number, sample in enumerate(samples[1:], 2):
        print(f"--- sample {number} of {config.num_samples}")
        print(config.prompt + sample.text)
    reasons = ", ".join(sample.stop_reason for sample in samples)
    print(f"# stopped by: {reasons}", file=sys.stderr)


def main() -> None:
    """The command."""
    lost = "the text may be incomplete; the same command writes it again"
    composed_command("generate", check_sampling, generate, if_interrupted=lost)


if __name__ == "__main__":
    main()
