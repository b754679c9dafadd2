"""`python -m lmlab.benchmark`: how close to a hand-written loop, and so to the hardware, this machine gets."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)


from lmlab.config.command import composed_command
from lmlab.config.command_checks import check_benchmark
from lmlab.config.settings import BenchmarkSettings
from lmlab.errors import UserError
from lmlab.terminal import fitted


def benchmark(settings: BenchmarkSettings) -> None:
    """Times each model at each size and prints a line for it."""
    from lmlab.config.memory import check_benchmark_memory
    from lmlab.device import choose_device, choose_precision, free_memory
    from lmlab.training.lightning_messages import forwarded
    from lmlab.training.speed import Case, measure
    from lmlab.training.summary import device_name

    device = choose_device(settings.accelerator, field="accelerator")
    if device.type == "cuda":
        check_benchmark_memory(settings, free_memory(device), where="GPU memory")
    settings.precision = choose_precision(settings.precision, device, field="precision")
    about = (
        f"{device_name(device)}, {settings.precision}: {settings.steps} steps each, in turn; "
        f"batch {settings.batch_size} x "
        f"{settings.sequence_length}, embedding {settings.embedding_dim}, vocabulary {settings.vocabulary_size:,}"
    )
    print(fitted(about))
    if settings.batches == "sentences":
        mean = settings.sequence_length
        print(fitted(f"sentences of {mean} tokens (mean) against full windows by hand, per counted token"))
    print(f"{'model':14}{'lmlab tokens/s':>16}{'by hand':>12}{'ratio of times a token':>24}")
    for model in settings.models:
        for hidden_size in settings.hidden_sizes:
            case = Case(
                model=model,
                hidden_size=hidden_size,
                num_layers=settings.num_layers,
                embedding_dim=settings.embedding_dim,
                vocabulary_size=settings.vocabulary_size,
                batch_size=settings.batch_size,
                sequence_length=settings.sequence_length,
                precision=settings.precision,
                batching=settings.batches,
            )
            with forwarded():
                timing = measure(case, steps=settings.steps, device=device)
            ours, theirs = timing.rates
            name = f"{model} {settings.num_layers} x {hidden_size}"
            print(f"{name:14}{ours:>16,.0f}{theirs:>12,.0f}{timing.ratio:>24.3f}", flush=True)


def _check(settings: BenchmarkSettings) -> None:
    """Refuses settings that cannot work.

    Raises:
        UserError: the first.
    """
    for name in ("models", "hidden_sizes"):
        if not getattr(settings, name):
            raise UserError(name, "[]", "names nothing to time", "give one or more, or leave it out")
    check_benchmark(settings)


def main() -> None:
    """The command."""
    lost = "no more was measured than was printed; the same command measures again"
    composed_command("benchmark", BenchmarkSettings, _check, benchmark, if_interrupted=lost)


if __name__ == "__main__":
    main()
