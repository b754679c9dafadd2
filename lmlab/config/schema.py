"""The types of every setting; the values live in `conf/`. They catch a typo before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class BatchingConfig:
    _target_: str = MISSING
    batch_size: int = MISSING


@dataclass
class StreamsConfig(BatchingConfig):
    sequence_length: int = MISSING


@dataclass
class WindowsConfig(StreamsConfig):
    stride: int = MISSING


@dataclass
class SentencesConfig(BatchingConfig):
    tokens_per_batch: int | None = MISSING


@dataclass
class DataConfig:
    name: str = MISSING
    path: str | None = MISSING
    split: list[float] = MISSING
    encoding: str = MISSING
    prompts: list[str] = MISSING
    batch_size: int = MISSING
    sequence_length: int = MISSING
    stride: int = MISSING
    tokens_per_batch: int | None = MISSING
    sentences: bool = MISSING
    source: dict[str, Any] = MISSING
    batching: Any = MISSING  # its type is set by the option of `batching`


@dataclass
class TokenizerConfig:
    _target_: str = MISSING
    end_token: str | None = MISSING


@dataclass
class WordTokenizerConfig(TokenizerConfig):
    lower: bool = MISSING
    split: str = MISSING
    min_frequency: int = MISSING
    max_size: int | None = MISSING


@dataclass
class BPETokenizerConfig(TokenizerConfig):
    vocabulary_size: int = MISSING
    min_frequency: int = MISSING


@dataclass
class CoreConfig:
    _target_: str = MISSING
    hidden_size: int = MISSING
    num_layers: int = MISSING
    dropout: float = MISSING
    locked_dropout: bool = MISSING


@dataclass
class RecurrentCoreConfig(CoreConfig):
    weight_dropout: float = MISSING


@dataclass
class FeedForwardCoreConfig(CoreConfig):
    context: int = MISSING


@dataclass
class ModelConfig:
    name: str = MISSING
    hidden_size: int = MISSING
    num_layers: int = MISSING
    dropout: float = MISSING
    input_dropout: float = MISSING
    output_dropout: float = MISSING
    locked_dropout: bool = MISSING
    embedding_dropout: float = MISSING
    tie_weights: bool = MISSING
    core: CoreConfig = field(default_factory=CoreConfig)


@dataclass
class RecurrentConfig(ModelConfig):
    weight_dropout: float = MISSING
    core: RecurrentCoreConfig = field(default_factory=RecurrentCoreConfig)


@dataclass
class FeedForwardConfig(ModelConfig):
    context: int = MISSING
    core: FeedForwardCoreConfig = field(default_factory=FeedForwardCoreConfig)


@dataclass
class EmbeddingConfig:
    _target_: str = MISSING
    dim: int | None = MISSING
    path: str | None = MISSING
    download: bool | None = MISSING
    freeze: bool = MISSING


@dataclass
class OptimizerConfig:
    _target_: str = MISSING
    lr: float = MISSING
    weight_decay: float = MISSING


@dataclass
class AdamConfig(OptimizerConfig):
    betas: list[float] = MISSING
    eps: float = MISSING


@dataclass
class SGDConfig(OptimizerConfig):
    momentum: float = MISSING
    nesterov: bool = MISSING


@dataclass
class SchedulerConfig:
    _target_: str = MISSING


@dataclass
class CosineConfig(SchedulerConfig):
    warmup_steps: int = MISSING
    final_fraction: float = MISSING


@dataclass
class OneCycleConfig(SchedulerConfig):
    rise_fraction: float = MISSING
    initial_divisor: float = MISSING
    final_divisor: float = MISSING


@dataclass
class ExponentialConfig(SchedulerConfig):
    gamma: float = MISSING
    start_epoch: int = MISSING


@dataclass
class StepConfig(SchedulerConfig):
    epochs: list[float] = MISSING
    gamma: float = MISSING


@dataclass
class PlateauConfig(SchedulerConfig):
    gamma: float = MISSING
    patience: int = MISSING
    min_improvement: float = MISSING
    min_fraction: float = MISSING


@dataclass
class AveragingConfig:
    _target_: str | None = MISSING


@dataclass
class EMAConfig(AveragingConfig):
    decay: float = MISSING


@dataclass
class TriggeredConfig(AveragingConfig):
    patience: int = MISSING


@dataclass
class TrainerConfig:
    _target_: str = MISSING
    accelerator: str = MISSING
    devices: int = MISSING
    max_epochs: int = MISSING
    max_steps: int = MISSING
    max_tokens: int = MISSING
    precision: str = MISSING
    gradient_clip_val: float | None = MISSING
    accumulate_grad_batches: int = MISSING
    check_val_every_n_epoch: int | None = MISSING
    val_check_interval: int | None = MISSING
    log_every_n_steps: int = MISSING


@dataclass
class SampleTextConfig:
    _target_: str = MISSING
    every_n_epochs: int | None = MISSING
    every_n_steps: int | None = MISSING
    prompts: list[str] = MISSING
    num_samples: int = MISSING
    length: int = MISSING
    temperature: float = MISSING
    top_k: int | None = MISSING
    top_p: float | None = MISSING
    seed: int = MISSING


@dataclass
class CheckpointsConfig:
    _target_: str = MISSING
    every_minutes: float | None = MISSING
    keep_every: int | None = MISSING


@dataclass
class GradientsConfig:
    _target_: str = MISSING
    per_layer: bool = MISSING


@dataclass
class EarlyStoppingConfig:
    _target_: str = MISSING
    patience: int | None = MISSING
    min_delta: float = MISSING


@dataclass
class AlarmsConfig:
    _target_: str = MISSING


@dataclass
class ProgressConfig:
    _target_: str = MISSING
    enabled: bool = MISSING


@dataclass
class CallbacksConfig:
    sample_text: SampleTextConfig = field(default_factory=SampleTextConfig)
    checkpoints: CheckpointsConfig = field(default_factory=CheckpointsConfig)
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    gradients: GradientsConfig = field(default_factory=GradientsConfig)
    alarms: AlarmsConfig = field(default_factory=AlarmsConfig)
    progress: ProgressConfig = field(default_factory=ProgressConfig)


@dataclass
class LoggerConfig:
    _target_: str | None = MISSING


@dataclass
class EvaluationConfig:
    num_streams: int | None = MISSING
    test: bool = MISSING
    baselines: bool = MISSING
    ngram_order: int | None = MISSING
    num_samples: int = MISSING
    sample_length: int = MISSING
    temperatures: list[float] = MISSING
    prompt: str | None = MISSING


@dataclass
class TrainConfig:
    name: str = MISSING
    seed: int = MISSING
    output_dir: str = MISSING
    fresh: bool = MISSING
    stop_after_tokens: int | None = MISSING
    data: DataConfig = field(default_factory=DataConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    averaging: AveragingConfig = field(default_factory=AveragingConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    callbacks: CallbacksConfig = field(default_factory=CallbacksConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


@dataclass
class SamplingConfig:
    """What `python -m lmlab.generate` takes."""

    run: str = MISSING
    prompt: str = MISSING
    checkpoint: str = MISSING
    length: int = MISSING
    num_samples: int = MISSING
    temperature: float = MISSING
    top_k: int | None = MISSING
    top_p: float | None = MISSING
    allow_unknown: bool = MISSING
    stop_at_end: bool = MISSING
    seed: int = MISSING
    output_dir: str = MISSING


@dataclass
class PredictConfig:
    """What `python -m lmlab.predict` takes."""

    run: str = MISSING
    prompt: str = MISSING
    checkpoint: str | None = MISSING
    top: int = MISSING
    output_dir: str = MISSING


@dataclass
class TextConfig:
    path: str | None = MISSING
    encoding: str = MISSING


@dataclass
class EvaluateConfig:
    """What `python -m lmlab.evaluate` takes."""

    run: str = MISSING
    split: str | None = MISSING
    checkpoint: str = MISSING
    num_streams: int | None = MISSING
    baselines: bool = MISSING
    output: str | None = MISSING
    output_dir: str = MISSING
    data: TextConfig = field(default_factory=TextConfig)


@dataclass
class VerifyConfig:
    """What `python -m lmlab.verify` takes."""

    run: str = MISSING
    checkpoint: str = MISSING
    output_dir: str = MISSING


@dataclass
class ReportConfig:
    """What `python -m lmlab.report` takes."""

    runs: Any = MISSING  # one, or a list
    output_dir: str = MISSING
    output: str | None = MISSING
    along: str = MISSING
    watch: bool = MISSING
    every_seconds: float = MISSING


@dataclass
class BenchmarkConfig:
    """What `python -m lmlab.benchmark` takes."""

    models: list[str] = MISSING
    hidden_sizes: list[int] = MISSING
    num_layers: int = MISSING
    embedding_dim: int = MISSING
    vocabulary_size: int = MISSING
    batch_size: int = MISSING
    sequence_length: int = MISSING
    batches: str = MISSING
    steps: int = MISSING
    accelerator: str = MISSING
    precision: str = MISSING


def register() -> None:
    """Makes the schemas available to `conf/` as the group `schema`."""
    store = ConfigStore.instance()
    nodes: dict[str, type] = {
        "train": TrainConfig,
        "data": DataConfig,
        "batching_streams": StreamsConfig,
        "batching_windows": WindowsConfig,
        "batching_sentences": SentencesConfig,
        "tokenizer": TokenizerConfig,
        "tokenizer_word": WordTokenizerConfig,
        "tokenizer_bpe": BPETokenizerConfig,
        "model": ModelConfig,
        "model_recurrent": RecurrentConfig,
        "model_feedforward": FeedForwardConfig,
        "embedding": EmbeddingConfig,
        "optimizer_adam": AdamConfig,
        "optimizer_adamw": AdamConfig,
        "optimizer_sgd": SGDConfig,
        "scheduler": SchedulerConfig,
        "scheduler_cosine": CosineConfig,
        "scheduler_one_cycle": OneCycleConfig,
        "scheduler_exponential": ExponentialConfig,
        "scheduler_step": StepConfig,
        "scheduler_plateau": PlateauConfig,
        "averaging": AveragingConfig,
        "averaging_ema": EMAConfig,
        "averaging_triggered": TriggeredConfig,
        "trainer": TrainerConfig,
        "callbacks": CallbacksConfig,
        "logger": LoggerConfig,
        "generate": SamplingConfig,
        "predict": PredictConfig,
        "evaluate": EvaluateConfig,
        "verify": VerifyConfig,
        "report": ReportConfig,
        "benchmark": BenchmarkConfig,
    }
    for name, node in nodes.items():
        store.store(group="schema", name=name, node=node, provider="lmlab")
