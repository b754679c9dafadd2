"""Settings of the commands that are one configuration: generate, evaluate, predict, verify, report, benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lmlab.config.setting import setting
from lmlab.config.settings.parts import Settings
from lmlab.config.settings.trainer import ACCELERATORS, LARGEST_SEED, PRECISIONS

_RUN = "a run's folder, or latest below output_dir"
_OUTPUT_DIR = "where latest is looked for"
_CHECKPOINT = "best, last, or one that was kept (step-000500)"


@dataclass(kw_only=True)
class GenerateSettings(Settings):
    """What `python -m lmlab.generate` takes."""

    run: str = setting(_RUN)
    output_dir: str = setting(_OUTPUT_DIR)
    checkpoint: str = setting(_CHECKPOINT)
    prompt: str = setting("what the samples continue")
    length: int = setting("tokens (characters or words) to write after the prompt", at_least=1)
    num_samples: int = setting("sample i has seed + i", at_least=1)
    temperature: float = setting(
        "0: always the most probable token", at_least=0, remedy="0 takes the most probable token"
    )
    top_k: int | None = setting(
        "draw among the k most probable tokens; null: all", at_least=1, remedy="null keeps all tokens"
    )
    top_p: float | None = setting(
        "draw among the most probable tokens that together have this probability; null: all",
        above=0,
        at_most=1,
        remedy="null keeps all tokens",
    )
    allow_unknown: bool = setting("<unk> may be written")
    stop_at_end: bool = setting("stop at the end token, where the tokenizer has one")
    seed: int = setting("same seed, same text", at_least=0, at_most=LARGEST_SEED)


@dataclass(kw_only=True)
class TextSettings(Settings):
    """Another text than the run's own."""

    path: str | None = setting("a file, or a folder of .txt files, evaluated whole; null: the run's own data")
    encoding: str = setting("auto, or any encoding Python knows")


@dataclass(kw_only=True)
class EvaluateSettings(Settings):
    """What `python -m lmlab.evaluate` takes."""

    run: str = setting(_RUN)
    output_dir: str = setting(_OUTPUT_DIR)
    checkpoint: str = setting(_CHECKPOINT)
    split: str | None = setting("train, validation or test of the run's own data; null: test")
    data: TextSettings = setting("another text than the run's own")
    num_streams: int | None = setting(
        "null: as the run was evaluated; 1: one stream from the first token to the last", at_least=1
    )
    baselines: bool = setting(
        "uniform, unigram and Kneser-Ney models, fitted on the run's training text, on the same tokens"
    )
    output: str | None = setting("also write the result to this JSON file")


@dataclass(kw_only=True)
class PredictSettings(Settings):
    """What `python -m lmlab.predict` takes."""

    run: str = setting(_RUN)
    output_dir: str = setting(_OUTPUT_DIR)
    checkpoint: str | None = setting("one checkpoint (best, last, step-000500); null: all that there are")
    prompt: str = setting("what is to be continued")
    top: int = setting("so many of the most probable tokens", at_least=1)


@dataclass(kw_only=True)
class VerifySettings(Settings):
    """What `python -m lmlab.verify` takes."""

    run: str = setting(_RUN)
    output_dir: str = setting(_OUTPUT_DIR)
    checkpoint: str = setting("whose weights are read: best, last, or one that was kept (step-000500)")


@dataclass(kw_only=True)
class ReportSettings(Settings):
    """What `python -m lmlab.report` takes."""

    runs: str | list[str] = setting(
        "a run's folder, a sweep's, a folder above several, a glob, several with commas between, or latest"
    )
    output_dir: str = setting(_OUTPUT_DIR)
    output: str | None = setting(
        "folder of the report; null: report in the run's or sweep's own, for several output_dir/reports/<date>_<time>"
    )
    along: Literal["tokens", "steps", "epochs", "seconds"] = setting("what learning curves go along")
    watch: bool = setting("write the report again as jobs end, until all have or Ctrl-C")
    every_seconds: float = setting("how often watch looks", above=0)


@dataclass(kw_only=True)
class BenchmarkSettings(Settings):
    """What `python -m lmlab.benchmark` takes."""

    models: list[str] = setting(
        "each at each size is timed against a hand-written loop with the same layers", choices=("rnn", "gru", "lstm")
    )
    hidden_sizes: list[int] = setting("units of a layer", at_least=1)
    num_layers: int = setting("stacked layers", at_least=1)
    embedding_dim: int = setting("size of a vector", at_least=1)
    vocabulary_size: int = setting("entries", at_least=1)
    batch_size: int = setting("rows of a batch", at_least=1)
    sequence_length: int = setting("tokens of a row", at_least=1)
    batches: str = setting(
        "streams; or sentences with lengths that scatter around sequence_length", choices=("streams", "sentences")
    )
    steps: int = setting("of each, taken in turn", at_least=1)
    accelerator: str = setting("a GPU where there is one (auto), cpu or gpu", choices=ACCELERATORS)
    precision: str = setting("auto, or a precision by name", choices=PRECISIONS)
