"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lmlab.config.setting import setting
from lmlab.config.settings.data import LoaderSettings, SourceSettings, TokenizerSettings
from lmlab.config.settings.models import CoreSettings, DecoderSettings, EmbeddingSettings
from lmlab.config.settings.optimization import AveragingSettings, OptimizerSettings, SchedulerSettings
from lmlab.config.settings.parts import LARGEST_SEED, OpenSettings, Settings
from lmlab.config.settings.trainer import (
    AlarmsSettings,
    CheckpointsSettings,
    EarlyStoppingSettings,
    GradientsSettings,
    LoggerSettings,
    ProgressSettings,
    SampleTextSettings,
    TrainerSettings,
    WandbSettings,
)


def _rate(help: str) -> Any:
    return setting(help, at_least=0, below=1, remedy="give 0 or more and less than 1")


@dataclass(kw_only=True)
class DataSettings(Settings):
    """The text, and how it is divided into batches."""

    name: str = setting("name of the data set in the run's name and in tables", longest=100)
    path: str | None = setting(
        "a file, or a folder of .txt files; null for a data set with its own text",
        is_path=True,
        also=(
            "file",
            "files",
            "filename",
            "input",
            "input_file",
            "corpus",
            "text",
            "train_file",
            "data_path",
            "data_dir",
        ),
    )
    split: list[float] = setting(
        "fractions for train, validation and test, normalised by their sum; the third may be left out",
        at_least=0,
        at_most=10**9,
        longest=3,
        fewest=2,
        also=(
            "val_split",
            "validation_split",
            "train_split",
            "splits",
        ),
    )
    encoding: str = setting(
        "auto: what a byte order mark says, else UTF-8 (a few damaged places become U+FFFD), else Windows-1252; "
        "or any encoding that Python supports"
    )
    prompts: list[str] = setting(
        "prompts of the samples written while training; empty: the beginning of the validation text",
        longest=1000,
        free=True,
    )
    batch_size: int = setting(
        "rows per batch: streams, windows, chunks or sentences",
        at_least=1,
        at_most=10**6,
        also=(
            "bs",
            "batch",
        ),
    )
    sequence_length: int = setting(
        "tokens per row; batching=streams: length of truncated back-propagation",
        at_least=1,
        at_most=10**6,
        also=(
            "seq_length",
            "seq_len",
            "block_size",
            "bptt",
            "context_length",
            "max_length",
            "max_len",
            "window_size",
        ),
    )
    stride: int = setting("batching=windows: tokens from one window to the next", at_least=1, at_most=10**6)
    tokens_per_batch: int | None = setting(
        "batching=sentences: maximum number of tokens per batch, including padding, instead of batch_size sentences",
        at_least=1,
        at_most=10**9,
    )
    reset_probability: float = setting(
        "batching=streams: probability that a row starts a batch from a fresh state, as prompts are read",
        at_least=0,
        at_most=1,
        before=0.0,
    )
    random_offset: bool = setting(
        "batching=streams: begin each epoch at a random place of the text, which is read as a ring", before=False
    )
    sentences: bool = setting("each document is a sentence, read from a fresh state; batching=sentences")
    source: SourceSettings = setting("where the text comes from")
    batching: LoaderSettings = setting("how it is divided into batches")


@dataclass(kw_only=True)
class ModelSettings(Settings):
    """The model; a core may have more settings, which are also settings of the model."""

    name: str = setting("name of the model in the run's name and in tables", longest=100)
    hidden_size: int = setting(
        "units per layer",
        at_least=1,
        at_most=10**6,
        also=(
            "hidden",
            "hidden_dim",
            "rnn_size",
            "nhid",
            "n_hidden",
            "num_units",
            "units",
        ),
    )
    num_layers: int = setting(
        "stacked layers",
        at_least=1,
        at_most=1000,
        also=(
            "layers",
            "n_layers",
            "nlayers",
            "depth",
        ),
    )
    dropout: float = _rate("between layers; before the first and after the last unless set separately")
    input_dropout: float = _rate("before the first layer")
    output_dropout: float = _rate("after the last layer")
    locked_dropout: bool = setting("one dropout mask for all steps of a batch, in all three places")
    embedding_dropout: float = _rate("fraction of the vocabulary whose vectors are set to zero for a batch")
    tie_weights: bool = setting(
        "one matrix for embedding and decoder; needs embedding.dim equal to model.hidden_size",
        also=(
            "tied",
            "tie_embeddings",
        ),
    )
    core: CoreSettings = setting("the core between embedding and decoder")
    decoder: DecoderSettings = setting(
        "the decoder after the core", before={"_target_": "lmlab.models.decoder.LinearDecoder"}
    )


@dataclass(kw_only=True)
class CallbacksSettings(OpenSettings):
    """What is done in addition to training; null removes any but the checkpoints."""

    sample_text: SampleTextSettings | None = setting("samples of text while training")
    checkpoints: CheckpointsSettings = setting("when weights are saved")
    early_stopping: EarlyStoppingSettings | None = setting("when a run ends before its limits")
    gradients: GradientsSettings | None = setting("norms of the gradient")
    alarms: AlarmsSettings | None = setting("warnings while training")
    progress: ProgressSettings | None = setting("the progress bar")


@dataclass(kw_only=True)
class MetricsSettings(OpenSettings):
    """Figures of evaluations in addition to lmlab's own."""


@dataclass(kw_only=True)
class LoggersSettings(OpenSettings):
    """Where figures go while training, in addition to metrics.csv; null removes one."""

    tensorboard: LoggerSettings | None = setting("event files in the run's folder (logger=tensorboard)", before=None)
    csv: LoggerSettings | None = setting("log.csv in the run's folder (logger=csv)", before=None)
    wandb: WandbSettings | None = setting("Weights & Biases, over the network (logger=wandb)", before=None)


@dataclass(kw_only=True)
class EvaluationSettings(Settings):
    """What is measured at the end."""

    num_streams: int | None = setting(
        "contiguous streams that a split is divided into; null: max(1, min(16, tokens // 2000))",
        at_least=1,
        at_most=10**6,
    )
    test: bool = setting("evaluate the best checkpoint on the test split when training ends")
    baselines: bool = setting("evaluate uniform, unigram and Kneser-Ney models on the same tokens, for comparison")
    ngram_order: int | None = setting(
        "order of the Kneser-Ney model; null: 5 by character, 3 by word", at_least=1, at_most=20
    )
    num_samples: int = setting(
        "samples of the best model at temperature 1 whose quality is measured (0: none)", at_least=0, at_most=10**5
    )
    sample_length: int = setting("maximum number of tokens of each of these samples", at_least=1, at_most=10**6)
    temperatures: list[float] = setting(
        "the report shows samples at these temperatures (0: always the most probable token)",
        at_least=0.001,
        at_most=100,
        special=0,
        longest=100,
    )
    prompt: str | None = setting(
        "text that these samples continue; null: the first of data.prompts, or the beginning of the validation text",
        free=True,
    )


@dataclass(kw_only=True)
class TrainSettings(Settings):
    """What `python -m lmlab.train` takes."""

    name: str = setting(
        "the run's name and the first folder below output_dir",
        longest=200,
        also=(
            "run_name",
            "experiment_name",
            "exp_name",
        ),
    )
    seed: int = setting(
        "random seed",
        at_least=0,
        at_most=LARGEST_SEED,
        also=(
            "random_seed",
            "random_state",
        ),
    )
    output_dir: str = setting(
        "the run's folder is created below this folder",
        is_path=True,
        also=(
            "output",
            "out",
            "out_dir",
            "outdir",
            "save_dir",
            "log_dir",
            "logdir",
            "checkpoint_dir",
        ),
    )
    fresh: bool = setting("false: repeating a sweep command continues the existing sweep; true: starts a new one")
    stop_after_tokens: int | None = setting(
        "pause after this many trained tokens, without any other effect; run=... resumes; null: never",
        at_least=1,
        at_most=10**15,
        before=None,
    )
    init_from: str | None = setting(
        "a trained run whose best weights and vocabulary this one starts from; its own text adds to the vocabulary",
        before=None,
        also=("finetune", "pretrained", "warm_start", "init_checkpoint"),
    )
    data: DataSettings = setting("the text, and how it is divided into batches")
    tokenizer: TokenizerSettings = setting("how text becomes ids")
    model: ModelSettings = setting("the model")
    embedding: EmbeddingSettings = setting("initial values of the embedding")
    optimizer: OptimizerSettings = setting("optimizer of the weights")
    scheduler: SchedulerSettings = setting("the learning rate over the run")
    averaging: AveragingSettings = setting("an average of the weights for validation, samples and best.ckpt")
    trainer: TrainerSettings = setting("how long and on what it is trained")
    callbacks: CallbacksSettings = setting("what is done in addition to training")
    logger: LoggersSettings = setting("where figures go while training, in addition to metrics.csv")
    metrics: MetricsSettings = setting("figures of evaluations in addition to lmlab's own", before={})
    evaluation: EvaluationSettings = setting("what is measured at the end")
