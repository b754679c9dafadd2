"""`python -m lmlab.benchmark`: how close to a hand-written loop, and so to the hardware, this machine gets."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

from omegaconf import DictConfig

from lmlab.config.checks import check_benchmark
from lmlab.config.command import composed_command


def benchmark(config: DictConfig) -> None:
    """Times each model at each size and prints a line for it."""
    from lmlab.device import choose_device, choose_precision
    from lmlab.training.run import quiet
    from lmlab.training.speed import Case, measure
    from lmlab.training.summary import device_name

    quiet()
    device = choose_device(config.accelerator)
    config.precision = choose_precision(config.precision, device)
    print(
        f"{device_name(device)}, {config.precision}: {config.steps} steps each, in turn; batch {config.batch_size} x "
        f"{config.sequence_length}, embedding {config.embedding_dim}, vocabulary {config.vocabulary_size:,}"
    )
    if config.batches == "sentences":
        print(f"sentences of {config.sequence_length} tokens (mean) against full windows by hand, per counted token")
    print(f"{'model':14}{'lmlab tokens/s':>16}{'by hand':>12}{'ratio of times a token':>24}")
    for model in config.models:
        for hidden_size in config.hidden_sizes:
            case = Case(
                model=model,
                hidden_size=hidden_size,
                num_layers=config.num_layers,
                embedding_dim=config.embedding_dim,
                vocabulary_size=config.vocabulary_size,
                batch_size=config.batch_size,
                sequence_length=config.sequence_length,
                precision=config.precision,
                batching=config.batches,
            )
            timing = measure(case, steps=config.steps, device=device)
            ours, theirs = timing.tokens_per_second
            name = f"{model} {config.num_layers} x {hidden_size}"
            print(f"{name:14}{ours:>16,.0f}{theirs:>12,.0f}{timing.ratio:>24.3f}", flush=True)


def main() -> None:
    """The command."""
    lost = "no more was measured than was printed; the same command measures again"
    composed_command("benchmark", check_benchmark, benchmark, if_interrupted=lost)


if __name__ == "__main__":
    main()
