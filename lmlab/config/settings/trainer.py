"""Settings of the trainer, its callbacks and loggers."""

from __future__ import annotations

from dataclasses import dataclass

from lmlab.config.setting import setting
from lmlab.config.settings.parts import PartSettings

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
ACCELERATORS = ("auto", "cpu", "gpu")
LARGEST_SEED = 2**32 - 1


@dataclass(kw_only=True)
class TrainerSettings(PartSettings):
    """How long and on which device a run is trained."""

    accelerator: str = setting("auto (a GPU if there is one), cpu or gpu", choices=ACCELERATORS)
    devices: int = setting("lmlab trains on one device", at_least=1, at_most=1, remedy="set trainer.devices=1")
    max_epochs: int = setting(
        "passes over the training split; -1: no limit",
        at_least=1,
        special=-1,
        remedy="give 1 or more, or -1 together with trainer.max_steps or trainer.max_tokens",
    )
    max_steps: int = setting(
        "optimizer steps; whichever limit comes first ends the run; -1: no limit",
        at_least=1,
        special=-1,
        remedy="give 1 or more, or -1 for no limit",
    )
    max_tokens: int = setting(
        "tokens trained on, a limit that does not depend on the batch size; -1: no limit",
        at_least=1,
        special=-1,
        remedy="give 1 or more, or -1 for no limit",
        before=-1,
    )
    precision: str = setting(
        "auto: 16-mixed on a GPU, bf16-mixed on a CPU with bfloat16 units, else 32-true; evaluation always in float32",
        choices=PRECISIONS,
    )
    gradient_clip_val: float | None = setting(
        "maximum L2 norm of the gradient; null: no clipping", above=0, remedy="null switches clipping off"
    )
    accumulate_grad_batches: int = setting("batches per optimizer step", at_least=1)
    check_val_every_n_epoch: int | None = setting("epochs between evaluations", at_least=1)
    val_check_interval: int | None = setting("steps between evaluations, instead of epochs", at_least=1)
    log_every_n_steps: int = setting("steps between training metrics in the loggers", at_least=1)
    deterministic: bool = setting(
        "on a GPU: use only kernels with bitwise reproducible results, which costs some speed; a CPU always does",
        before=False,
    )


@dataclass(kw_only=True)
class SampleTextSettings(PartSettings):
    """Samples of text while training."""

    every_n_epochs: int | None = setting("epochs between samples; null: no samples by epoch", at_least=1)
    every_n_steps: int | None = setting("steps between samples; null: no samples by step", at_least=1)
    prompts: list[str] = setting("texts that the samples continue")
    num_samples: int = setting("samples per prompt, each with a different seed", at_least=1)
    length: int = setting("tokens per sample", at_least=1)
    temperature: float = setting("0: always the most probable token", at_least=0)
    top_k: int | None = setting(
        "draw among the k most probable tokens; null: all", at_least=1, remedy="null keeps all tokens"
    )
    top_p: float | None = setting(
        "draw among the most probable tokens that together have this probability; null: all",
        above=0,
        at_most=1,
        remedy="null keeps all tokens",
    )
    seed: int = setting("random seed of the first sample", at_least=0, at_most=LARGEST_SEED)


@dataclass(kw_only=True)
class CheckpointsSettings(PartSettings):
    """When weights are saved."""

    every_minutes: float | None = setting(
        "last.ckpt is written after each epoch and at intervals of this many minutes; null: after each epoch only",
        above=0,
        remedy="null switches it off",
    )
    keep_every: int | None = setting(
        "interval in steps at which the weights are kept permanently, as checkpoints/step-<number>.ckpt; null: none",
        at_least=1,
    )


@dataclass(kw_only=True)
class EarlyStoppingSettings(PartSettings):
    """When a run ends before its limits."""

    patience: int | None = setting("evaluations without improvement that end the run; null: never", at_least=1)
    min_delta: float = setting("an improvement lowers validation nats per token by more than this", at_least=0)


@dataclass(kw_only=True)
class GradientsSettings(PartSettings):
    """Norms of the gradient: of all weights always, of each layer on request."""

    per_layer: bool = setting("also record the norms of each layer, in gradients.csv and TensorBoard")


@dataclass(kw_only=True)
class AlarmsSettings(PartSettings):
    """Warnings while training."""


@dataclass(kw_only=True)
class ProgressSettings(PartSettings):
    """The progress bar."""

    enabled: bool = setting("show a progress bar")


@dataclass(kw_only=True)
class LoggerSettings(PartSettings):
    """A logger without settings of its own: it writes into the run's folder."""


@dataclass(kw_only=True)
class WandbSettings(LoggerSettings):
    """Weights & Biases, which is reached over the network."""

    project: str = setting("the project that the run is sent to")
    name: str | None = setting("name of the run there; null: the run's folder")
    entity: str | None = setting("user or team that the project belongs to; null: the account's own")
    group: str | None = setting("what the runs of a study have in common there; null: none")
    tags: list[str] = setting("tags of the run there")
    notes: str | None = setting("a description of the run there; null: none")
    offline: bool = setting("true: nothing is sent; `wandb sync` does that later from the run's folder")
