"""`python -m lmlab.benchmark`: how close to hand-written code, and so to the hardware, this machine gets."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lmlab.config.command import composed_command
from lmlab.config.command_checks import check_benchmark
from lmlab.config.presets import own_folders
from lmlab.config.settings import BenchmarkSettings
from lmlab.files import expanded, shown
from lmlab.terminal import fitted

if TYPE_CHECKING:
    import torch

    from lmlab.benchmarks.measurement import Measurement
    from lmlab.training.speed import Case


def benchmark(settings: BenchmarkSettings) -> None:
    """Measures each part and prints a line for each figure; writes them to files if asked to."""
    from lmlab.benchmarks import results
    from lmlab.benchmarks.machine import describe_machine, machine_sentence
    from lmlab.config.memory import check_benchmark_memory
    from lmlab.config.typed import plain
    from lmlab.device import choose_device, choose_precision, free_memory

    device = choose_device(settings.accelerator, field="accelerator")
    if device.type == "cuda" and {"layers", "step"} & {*settings.parts}:
        check_benchmark_memory(settings, free_memory(device), where="GPU memory")
    settings.precision = choose_precision(settings.precision, device, field="precision")
    folder = None if settings.output is None else results.made_folder(expanded(settings.output))
    machine = describe_machine(device, precision=settings.precision)
    print(fitted(machine_sentence(machine)))
    print(fitted(results.RATIO))
    measured: list[Measurement] = []
    for part in settings.parts:
        print(fitted(f"\n{part}: {_about(settings)[part]}"))
        print(results.HEADING, flush=True)
        for one in _parts(settings, device)[part]():
            print(results.line(one), flush=True)
            measured.append(one)
        if folder is not None:  # an interruption loses no part that was completed
            results.write_json(folder, machine, plain(settings), measured)
    if folder is not None:
        paths = [folder / results.FILE, *results.write_figure(folder, machine_sentence(machine), measured)]
        print(fitted(f"\nwritten  {', '.join(map(shown, paths))}"))


def _about(settings: BenchmarkSettings) -> Mapping[str, str]:
    """Returns what is measured in each part, in words."""
    shape = f"batch {settings.batch_size} x {settings.sequence_length}, embedding {settings.embedding_dim}"
    vocabulary = f"vocabulary {settings.vocabulary_size:,}"
    mean = settings.sequence_length
    sentences = f"; sentences of {mean} tokens (mean) against full windows by hand, per counted token"
    generation = settings.generation
    return {
        "ceiling": f"matrix products, {settings.steps} of each in turn",
        "layers": f"forward and backward, {settings.steps} of each in turn; {shape}",
        "step": f"the whole step of training against a loop by hand, {settings.steps} of each in turn; {shape}, "
        f"{vocabulary}{sentences if settings.batches == 'sentences' else ''}",
        "generation": f"{generation.length} tokens each against a plain loop, {settings.repetitions} of each in turn; "
        f"embedding {settings.embedding_dim}, {vocabulary}",
        "tokenizers": f"from {settings.tokenizers.megabytes:g} MB of text to its ids, {settings.repetitions} of each "
        "in turn",
        "large_text": "from a file to the first batch of training, in a process of its own",
        "startup": f"whole processes, {settings.repetitions} of each",
    }


def _parts(settings: BenchmarkSettings, device: torch.device) -> Mapping[str, Callable[[], Iterable[Measurement]]]:
    """Returns what measures each part."""
    import torch

    from lmlab.benchmarks.ceiling import measure_ceiling
    from lmlab.benchmarks.generation import measure_generation
    from lmlab.benchmarks.large_text import measure_large_text
    from lmlab.benchmarks.layers import measure_layers
    from lmlab.benchmarks.startup import measure_startup
    from lmlab.benchmarks.steps import measure_steps
    from lmlab.benchmarks.tokenizers import measure_tokenizers
    from lmlab.device import choose_precision
    from lmlab.training.speed import AUTOCAST

    precisions = dict.fromkeys(["32-true", choose_precision("auto", device)])
    generated_in = ["32-true", "bf16-true"] if "bf16-mixed" in precisions else ["32-true"]
    dtypes = [AUTOCAST.get(precision, torch.float32) for precision in precisions]

    def layers() -> Iterator[Measurement]:
        for precision in precisions:
            yield from (measure_layers(c, steps=settings.steps, device=device) for c in _cases(settings, precision))

    def steps() -> Iterator[Measurement]:
        for case in _cases(settings, settings.precision):
            yield measure_steps(case, steps=settings.steps, device=device)

    def generation() -> Iterator[Measurement]:
        generated, repetitions = settings.generation, settings.repetitions
        for model in settings.models:
            case = _case(settings, model, generated.hidden_size, generated.num_layers, "32-true")
            samples, length = generated.num_samples, generated.length
            yield from measure_generation(
                case,
                num_samples=samples,
                length=length,
                precisions=generated_in,
                repetitions=repetitions,
                device=device,
            )

    large = settings.large_text
    size, repetitions = settings.matrix_size, settings.repetitions
    folder = None if large.folder is None else expanded(large.folder)
    return {
        "ceiling": partial(measure_ceiling, size=size, dtypes=dtypes, repetitions=settings.steps, device=device),
        "layers": layers,
        "step": steps,
        "generation": generation,
        "tokenizers": partial(measure_tokenizers, megabytes=settings.tokenizers.megabytes, repetitions=repetitions),
        "large_text": partial(measure_large_text, gigabytes=large.gigabytes, tokenizer=large.tokenizer, folder=folder),
        "startup": partial(measure_startup, repetitions=repetitions),
    }


def _cases(settings: BenchmarkSettings, precision: str) -> Iterator[Case]:
    """Yields each model at each size."""
    for model in settings.models:
        for hidden_size in settings.hidden_sizes:
            yield _case(settings, model, hidden_size, settings.num_layers, precision)


def _case(settings: BenchmarkSettings, model: str, hidden_size: int, num_layers: int, precision: str) -> Case:
    from lmlab.training.speed import Case

    return Case(
        model=model,
        hidden_size=hidden_size,
        num_layers=num_layers,
        embedding_dim=settings.embedding_dim,
        vocabulary_size=settings.vocabulary_size,
        batch_size=settings.batch_size,
        sequence_length=settings.sequence_length,
        precision=precision,
        batching=settings.batches,
        own=_own_folders(),
    )


def _own_folders() -> tuple[Path, ...]:
    """Returns the user's own folders of configuration, in which models may be."""
    return tuple(own_folders(sys.argv[1:]))


def _check(settings: BenchmarkSettings) -> None:
    """Refuses settings that cannot work.

    Raises:
        UserError: the first.
    """
    check_benchmark(settings, sys.argv[1:])


def main() -> None:
    """The command."""
    lost = "no more was measured than was printed; the same command measures again"
    composed_command("benchmark", BenchmarkSettings, _check, benchmark, if_interrupted=lost)


if __name__ == "__main__":
    main()
