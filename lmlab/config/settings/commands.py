"""Settings of the commands that take a single configuration: generate, evaluate, predict, verify, report, benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lmlab.config.setting import setting
from lmlab.config.settings.parts import LARGEST_SEED, Settings
from lmlab.config.settings.trainer import ACCELERATORS, PRECISIONS

_RUN = "a run's folder, or latest: the newest run below output_dir"
_OUTPUT_DIR = "folder that is searched for latest"
_CHECKPOINT = "best, last or a kept checkpoint (step-000500)"

LONGEST_SAMPLE = 10**7
# Precisions of matrix products when text is generated.
GENERATION_PRECISIONS = ("32-true", "bf16-true")
# The parts of a benchmark, the quickest first.
BENCHMARKS = ("ceiling", "layers", "step", "generation", "tokenizers", "large_text", "startup")


@dataclass(kw_only=True)
class GenerateSettings(Settings):
    """What `python -m lmlab.generate` takes."""

    run: str = setting(_RUN, is_path=True)
    output_dir: str = setting(_OUTPUT_DIR, is_path=True)
    checkpoint: str = setting(_CHECKPOINT)
    prompt: str = setting("text that the samples continue", free=True, also=("text", "start", "input"))
    length: int = setting(
        "tokens (characters, words or pieces) generated after the prompt",
        at_least=1,
        at_most=LONGEST_SAMPLE,
        also=("max_new_tokens", "max_tokens", "max_length"),
    )
    num_samples: int = setting(
        "number of samples; sample i (from 0) uses seed + i",
        at_least=1,
        at_most=10**6,
        also=("n", "num_return_sequences"),
    )
    temperature: float = setting(
        "0: always the most probable token",
        at_least=0.001,
        at_most=100,
        special=0,
        remedy="0 takes the most probable token",
        also=("temp",),
    )
    top_k: int | None = setting(
        "draw among the k most probable tokens; null: all",
        at_least=1,
        at_most=10**9,
        remedy="null keeps all tokens",
        also=("k",),
    )
    top_p: float | None = setting(
        "draw among the most probable tokens that together have this probability; null: all",
        above=0,
        at_most=1,
        remedy="null keeps all tokens",
        also=("p", "nucleus"),
    )
    allow_unknown: bool = setting("allow <unk> in the samples")
    stop_at_end: bool = setting("stop at the end token, if the tokenizer has one")
    seed: int = setting("random seed; the same seed gives the same text", at_least=0, at_most=LARGEST_SEED)
    precision: str = setting(
        "of matrix products; bf16-true is faster for several samples on a CPU with bfloat16 units",
        choices=GENERATION_PRECISIONS,
        also=("bf16", "dtype"),
    )


@dataclass(kw_only=True)
class TextSettings(Settings):
    """A text other than the run's own."""

    path: str | None = setting(
        "a file, or a folder of .txt files, evaluated as a whole; null: the run's own data", is_path=True
    )
    encoding: str = setting("auto, or any encoding that Python supports")


@dataclass(kw_only=True)
class EvaluateSettings(Settings):
    """What `python -m lmlab.evaluate` takes."""

    run: str = setting(_RUN, is_path=True)
    output_dir: str = setting(_OUTPUT_DIR, is_path=True)
    checkpoint: str = setting(_CHECKPOINT)
    split: str | None = setting(
        "part of the run's own data (valid, val and dev: validation); null: test",
        choices=("train", "validation", "test", "valid", "val", "dev"),
    )
    data: TextSettings = setting("a text other than the run's own")
    num_streams: int | None = setting(
        "null: as the run was evaluated; 1: one stream from the first token to the last", at_least=1, at_most=10**6
    )
    baselines: bool = setting(
        "uniform, unigram and Kneser-Ney models, fitted on the run's training text, on the same tokens"
    )
    output: str | None = setting("also write the result to this JSON file", is_path=True)


@dataclass(kw_only=True)
class PredictSettings(Settings):
    """What `python -m lmlab.predict` takes."""

    run: str = setting(_RUN, is_path=True)
    output_dir: str = setting(_OUTPUT_DIR, is_path=True)
    checkpoint: str | None = setting("one checkpoint (best, last, step-000500); null: all checkpoints of the run")
    prompt: str = setting("text to continue", free=True, also=("text", "start", "input"))
    top: int = setting("number of most probable tokens to show", at_least=1, at_most=10**6)


@dataclass(kw_only=True)
class VerifySettings(Settings):
    """What `python -m lmlab.verify` takes."""

    run: str = setting(_RUN, is_path=True)
    output_dir: str = setting(_OUTPUT_DIR, is_path=True)
    checkpoint: str = setting("checkpoint to verify: best, last or a kept one (step-000500)")


@dataclass(kw_only=True)
class ReportSettings(Settings):
    """What `python -m lmlab.report` takes."""

    runs: str | list[str] = setting(
        "folder of a run or sweep, a folder above several, a glob, several of these separated by commas, or latest",
        is_path=True,
    )
    output_dir: str = setting(_OUTPUT_DIR, is_path=True)
    output: str | None = setting(
        "folder of the report; null: report/ in the run's or sweep's folder, else output_dir/reports/<date>_<time>",
        is_path=True,
    )
    along: Literal["tokens", "steps", "epochs", "seconds"] = setting("x axis of the learning curves")
    watch: bool = setting("rewrite the report when a run changes, until all runs have ended or Ctrl-C")
    every_seconds: float = setting("seconds between checks with watch=true", at_least=0.01, at_most=86400)


@dataclass(kw_only=True)
class GenerationBenchmarkSettings(Settings):
    """What is generated to be timed."""

    hidden_size: int = setting("units per layer", at_least=1, at_most=10**6)
    num_layers: int = setting("stacked layers", at_least=1, at_most=1000)
    num_samples: list[int] = setting(
        "texts generated at a time; several are timed in turn", at_least=1, at_most=10**6, longest=100, fewest=1
    )
    length: int = setting("tokens of a text", at_least=1, at_most=LONGEST_SAMPLE)


@dataclass(kw_only=True)
class TokenizersBenchmarkSettings(Settings):
    """The text whose words and characters are made ids."""

    megabytes: float = setting("size of the text, which is made from a seed", at_least=0.001, at_most=10_000)


@dataclass(kw_only=True)
class LargeTextBenchmarkSettings(Settings):
    """Large texts, which are read in a process of its own."""

    gigabytes: list[float] = setting(
        "sizes of the texts, which are made from a seed", at_least=0.001, at_most=10_000, longest=100, fewest=1
    )
    tokenizer: str = setting("char or word", choices=("char", "word"))
    folder: str | None = setting(
        "folder for the texts, which are removed afterwards; null: the system's temporary one", is_path=True
    )


@dataclass(kw_only=True)
class BenchmarkSettings(Settings):
    """What `python -m lmlab.benchmark` takes."""

    what: str | list[str] = setting(
        "parts: ceiling (matrix products), layers (forward and backward), step (the whole step of training), "
        "generation, tokenizers, large_text, startup; all",
        choices=(*BENCHMARKS, "all"),
        fewest=1,
    )
    models: list[str] = setting(
        "models of layers, step and generation: options of the group model, your own too; those that torch.nn has are "
        "compared with it",
        fewest=1,
    )
    hidden_sizes: list[int] = setting(
        "units per layer; several are timed in turn", at_least=1, at_most=10**6, longest=100, fewest=1
    )
    num_layers: int = setting("stacked layers", at_least=1, at_most=1000)
    embedding_dim: int = setting("size of an embedding vector", at_least=1, at_most=10**6)
    vocabulary_size: int = setting("entries of the vocabulary", at_least=1, at_most=10**8)
    batch_size: int = setting("rows per batch", at_least=1, at_most=10**6)
    sequence_length: int = setting("tokens per row", at_least=1, at_most=10**6)
    batches: str = setting(
        "streams, or sentences with lengths distributed around sequence_length", choices=("streams", "sentences")
    )
    steps: int = setting(
        "timed steps per implementation, alternating; as many passes and matrix products", at_least=1, at_most=10**6
    )
    repetitions: int = setting(
        "timed calls per implementation of generation, tokenizers and startup, alternating", at_least=1, at_most=10**6
    )
    accelerator: str = setting("auto (a GPU if there is one), cpu or gpu", choices=ACCELERATORS)
    precision: str = setting(
        "auto, or a precision; of step alone: other parts have float32 and, where there are units for it, 16 bits",
        choices=PRECISIONS,
    )
    matrix_size: int = setting("rows and columns of the matrices of ceiling", at_least=1, at_most=10**5)
    generation: GenerationBenchmarkSettings = setting("what is generated")
    tokenizers: TokenizersBenchmarkSettings = setting("the text whose words and characters are made ids")
    large_text: LargeTextBenchmarkSettings = setting("large texts")
    output: str | None = setting(
        "folder for benchmark.json, benchmark.png and benchmark.svg; null: only the table is shown", is_path=True
    )

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that are measured, the quickest first."""
        named = [self.what] if isinstance(self.what, str) else self.what
        return BENCHMARKS if "all" in named else tuple(part for part in BENCHMARKS if part in named)
