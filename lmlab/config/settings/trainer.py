"""Settings of the trainer, its callbacks and loggers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from lmlab.config.setting import Range, setting
from lmlab.config.settings.parts import LARGEST_SEED, PartSettings

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
ACCELERATORS = ("auto", "cpu", "gpu")
PROFILERS = ("simple", "advanced", "pytorch")

# Some batches of an epoch or of a split: a number of them, or a fraction with a decimal point; None for all.
SomeBatches = Annotated[int, Range(at_least=1, at_most=10**12)] | Annotated[float, Range(above=0, at_most=1)] | None
_SOME = "a whole number of 1 or more, or a fraction above 0 up to 1.0; null: {}"

# Arguments of Lightning's Trainer that would break a promise of lmlab's: what is wrong with each, and what to do.
REFUSED: Mapping[str, tuple[str, str]] = {
    "logger": ("metrics.csv and the event files are written by lmlab's own", "use logger=tensorboard or logger=none"),
    "callbacks": ("the order of callbacks decides whether a run resumes exactly", "use callbacks.<name>._target_=..."),
    "enable_checkpointing": (
        "best.ckpt and last.ckpt are written by lmlab, so that a run resumes exactly",
        "use callbacks.checkpoints.every_minutes or .keep_every",
    ),
    "enable_progress_bar": ("the progress bar is a callback of lmlab's", "use callbacks.progress.enabled=true|false"),
    "strategy": ("lmlab trains on one device, for which there is one strategy", "leave it out"),
    "num_nodes": ("lmlab trains on one device of one machine", "leave it out"),
    "sync_batchnorm": ("lmlab trains on one device, so there is nothing to synchronise", "leave it out"),
    "use_distributed_sampler": ("lmlab trains on one device, and its loaders order their batches", "use batching=..."),
    "plugins": (
        "checkpoints are written and verified by lmlab's own plug-in",
        "trainer.precision=... chooses the precision; plugins=[...] names packages of your own",
    ),
    "default_root_dir": ("a run writes into its own folder alone", "choose it by output_dir=... and name=..."),
    "limit_predict_batches": ("training predicts nothing", "leave it out"),
    "reload_dataloaders_every_n_epochs": (
        "the loader's place in the epoch would be lost, and with it exact resuming",
        "leave it out",
    ),
    "barebones": ("a run without checkpoints, figures and logs would leave nothing behind", "leave it out"),
    "enable_autolog_hparams": ("TensorBoard's HPARAMS page is written by a callback of lmlab's", "use logger=..."),
    "model_registry": ("a run is sent nowhere", "upload its checkpoints/best.ckpt yourself"),
}


@dataclass(kw_only=True)
class TrainerSettings(PartSettings):
    """How long and on which device a run is trained, in the words of Lightning's Trainer."""

    refused: ClassVar[Mapping[str, tuple[str, str]]] = REFUSED

    accelerator: str = setting(
        "auto (a GPU if there is one), cpu or gpu",
        choices=ACCELERATORS,
        also=(
            "device",
            "gpu",
            "gpus",
            "cuda",
        ),
    )
    devices: int = setting("lmlab trains on one device", at_least=1, at_most=1, remedy="set trainer.devices=1")
    max_epochs: int = setting(
        "passes over the training split; -1: no limit",
        at_least=1,
        at_most=10**6,
        special=-1,
        remedy="give 1 or more, or -1 together with trainer.max_steps or trainer.max_tokens",
        also=(
            "epochs",
            "num_epochs",
            "n_epochs",
            "num_train_epochs",
        ),
    )
    max_steps: int = setting(
        "optimizer steps; whichever limit comes first ends the run; -1: no limit",
        at_least=1,
        at_most=10**12,
        special=-1,
        remedy="give 1 or more, or -1 for no limit",
        also=(
            "steps",
            "num_steps",
            "max_iters",
            "iterations",
        ),
    )
    max_tokens: int = setting(
        "tokens trained on, a limit that does not depend on the batch size; -1: no limit",
        at_least=1,
        at_most=10**15,
        special=-1,
        remedy="give 1 or more, or -1 for no limit",
        before=-1,
    )
    max_time: str | None = setting(
        "wall-clock limit of training, DD:HH:MM:SS, with its evaluations and samples; null: no limit", before=None
    )
    min_epochs: int | None = setting(
        "early stopping and trainer.max_time do not end the run before so many epochs; null: no such minimum",
        at_least=1,
        at_most=10**6,
        before=None,
    )
    min_steps: int | None = setting(
        "early stopping and trainer.max_time do not end the run before so many steps; null: no such minimum",
        at_least=1,
        at_most=10**12,
        before=None,
    )
    limit_train_batches: SomeBatches = setting(
        f"training batches of each epoch, which makes the run partial: {_SOME.format('all')}", before=None
    )
    limit_val_batches: SomeBatches = setting(
        f"batches of each evaluation, which makes the run partial: {_SOME.format('all')}", before=None
    )
    limit_test_batches: SomeBatches = setting(
        f"batches of the test, which makes the run partial: {_SOME.format('all')}", before=None
    )
    overfit_batches: SomeBatches = setting(
        "so many training batches, the same in every epoch, and so many of an evaluation, which makes the run partial: "
        + _SOME.format("off"),
        before=None,
    )
    fast_dev_run: bool | Annotated[int, Range(at_least=0, at_most=10**6)] = setting(
        "a trial: one epoch of so many batches of each split (true: 1), which makes the run partial; false: off",
        before=False,
    )
    precision: str = setting(
        "auto: 16-mixed on a GPU, bf16-mixed on a CPU with bfloat16 units, else 32-true; evaluation always in float32",
        choices=PRECISIONS,
        also=(
            "amp",
            "fp16",
            "bf16",
            "dtype",
        ),
    )
    gradient_clip_val: float | None = setting(
        "maximum L2 norm of the gradient; null: no clipping",
        above=0,
        at_most=10**9,
        remedy="null switches clipping off",
        also=(
            "clip",
            "grad_clip",
            "clip_grad_norm",
            "max_grad_norm",
            "gradient_clipping",
        ),
    )
    gradient_clip_algorithm: str = setting(
        "norm: gradient_clip_val is the largest L2 norm; value: the largest absolute value of each element",
        choices=("norm", "value"),
        before="norm",
    )
    accumulate_grad_batches: int = setting(
        "batches per optimizer step",
        at_least=1,
        at_most=10**6,
        also=(
            "gradient_accumulation_steps",
            "grad_accum",
            "accumulation_steps",
        ),
    )
    check_val_every_n_epoch: int | None = setting("epochs between evaluations", at_least=1, at_most=10**6)
    val_check_interval: int | None = setting(
        "steps between evaluations, instead of epochs",
        at_least=1,
        at_most=10**12,
        also=(
            "eval_interval",
            "eval_steps",
            "eval_every",
        ),
    )
    log_every_n_steps: int = setting("steps between training metrics in the loggers", at_least=1, at_most=10**12)
    deterministic: bool = setting(
        "on a GPU: use only kernels with bitwise reproducible results, which costs some speed; a CPU always does",
        before=False,
    )
    benchmark: bool = setting(
        "on a GPU: cuDNN chooses its kernels by timing them, so that runs do not repeat bit for bit", before=False
    )
    num_sanity_val_steps: int = setting(
        "validation batches before training, to find mistakes early; -1: all; no figure is kept",
        at_least=0,
        at_most=10**9,
        special=-1,
        before=0,
    )
    inference_mode: bool = setting("evaluate in torch.inference_mode; false: torch.no_grad", before=True)
    detect_anomaly: bool = setting(
        "name the operation that gives NaN in back-propagation, which makes training slower", before=False
    )
    enable_model_summary: bool = setting("log Lightning's table of modules and parameters", before=False)
    profiler: str | None = setting(
        "profile this command's training into fit-profile.txt in the run's folder; not stored with the run",
        choices=PROFILERS,
        before=None,
        typed_only=True,
    )


@dataclass(kw_only=True)
class SampleTextSettings(PartSettings):
    """Samples of text while training."""

    every_n_epochs: int | None = setting("epochs between samples; null: no samples by epoch", at_least=1, at_most=10**6)
    every_n_steps: int | None = setting("steps between samples; null: no samples by step", at_least=1, at_most=10**12)
    prompts: list[str] = setting("texts that the samples continue", longest=1000, free=True)
    num_samples: int = setting("samples per prompt, each with a different seed", at_least=1, at_most=1000)
    length: int = setting("tokens per sample", at_least=1, at_most=10**6)
    temperature: float = setting("0: always the most probable token", at_least=0.001, at_most=100, special=0)
    top_k: int | None = setting(
        "draw among the k most probable tokens; null: all", at_least=1, at_most=10**9, remedy="null keeps all tokens"
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
        at_most=10**6,
        remedy="null switches it off",
    )
    keep_every: int | None = setting(
        "interval in steps at which the weights are kept permanently, as checkpoints/step-<number>.ckpt; null: none",
        at_least=1,
        at_most=10**12,
    )


@dataclass(kw_only=True)
class EarlyStoppingSettings(PartSettings):
    """When a run ends before its limits."""

    patience: int | None = setting(
        "evaluations without improvement that end the run; null: never",
        at_least=1,
        at_most=10**6,
        also=(
            "early_stopping_patience",
            "early_stopping",
        ),
    )
    min_delta: float = setting(
        "an improvement lowers validation nats per token by more than this", at_least=0, at_most=100
    )


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
    notes: str | None = setting("a description of the run there; null: none", free=True)
    offline: bool = setting("true: nothing is sent; `wandb sync` does that later from the run's folder")
