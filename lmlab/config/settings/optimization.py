"""Settings of optimizers, schedulers and averaging."""

from __future__ import annotations

from dataclasses import dataclass

from lmlab.config.setting import setting
from lmlab.config.settings.parts import PartSettings

_EPS = "added to the denominator"
_DECAY = "of matrices; vectors such as biases have none"


@dataclass(kw_only=True)
class OptimizerSettings(PartSettings):
    """How the weights follow the gradient."""

    lr: float = setting("learning rate", above=0, remedy="for example optimizer.lr=0.002")


@dataclass(kw_only=True)
class AdamSettings(OptimizerSettings):
    betas: list[float] = setting("decay of the mean gradient and of its mean square", at_least=0, below=1)
    eps: float = setting(_EPS, at_least=0)
    weight_decay: float = setting(_DECAY, at_least=0)


@dataclass(kw_only=True)
class NAdamSettings(AdamSettings):
    momentum_decay: float = setting("how fast momentum grows to its full size", at_least=0)


@dataclass(kw_only=True)
class RMSpropSettings(OptimizerSettings):
    alpha: float = setting("decay of the mean square gradient", at_least=0, below=1)
    eps: float = setting(_EPS, at_least=0)
    momentum: float = setting("of the steps; 0: none", at_least=0, below=1)
    centered: bool = setting("divide by the standard deviation of the gradient")
    weight_decay: float = setting(_DECAY, at_least=0)


@dataclass(kw_only=True)
class AdagradSettings(OptimizerSettings):
    lr_decay: float = setting("the rate falls as 1 / (1 + steps lr_decay)", at_least=0)
    initial_accumulator_value: float = setting("of the sum of squared gradients", at_least=0)
    eps: float = setting(_EPS, at_least=0)
    weight_decay: float = setting(_DECAY, at_least=0)


@dataclass(kw_only=True)
class SGDSettings(OptimizerSettings):
    momentum: float = setting("of the steps; 0: none", at_least=0, below=1)
    nesterov: bool = setting("Nesterov's momentum")
    weight_decay: float = setting(_DECAY, at_least=0)


@dataclass(kw_only=True)
class SchedulerSettings(PartSettings):
    """The learning rate over the run."""


@dataclass(kw_only=True)
class CosineSettings(SchedulerSettings):
    warmup_steps: int = setting("steps of the linear warm-up", at_least=0)
    final_fraction: float = setting("share of optimizer.lr at the last step", at_least=0, at_most=1)


@dataclass(kw_only=True)
class OneCycleSettings(SchedulerSettings):
    rise_fraction: float = setting("share of the steps that lead up", at_least=0, at_most=1)
    initial_divisor: float = setting("the first rate is optimizer.lr divided by this", at_least=1)
    final_divisor: float = setting("the last rate is the first one divided by this", at_least=1)


@dataclass(kw_only=True)
class ExponentialSettings(SchedulerSettings):
    gamma: float = setting("factor of an epoch", above=0)
    start_epoch: int = setting("epochs at the full rate", at_least=0)


@dataclass(kw_only=True)
class StepSettings(SchedulerSettings):
    epochs: list[float] = setting("after which the rate changes; fractions of epochs are allowed", above=0)
    gamma: float = setting("factor of each change", above=0)


@dataclass(kw_only=True)
class PlateauSettings(SchedulerSettings):
    gamma: float = setting("factor of a reduction", above=0, below=1, remedy="give less than 1, for example 0.5")
    patience: int = setting("evaluations without improvement that are let pass", at_least=0)
    min_improvement: float = setting("nats a token that count as an improvement", at_least=0)
    min_fraction: float = setting("the rate never falls below this share of optimizer.lr", at_least=0, at_most=1)


@dataclass(kw_only=True)
class AveragingSettings(PartSettings):
    """An average of the weights, used for validation, samples and best.ckpt."""


@dataclass(kw_only=True)
class EMASettings(AveragingSettings):
    decay: float = setting("per step; 0.999 looks back over about 1,000 steps", at_least=0, below=1)


@dataclass(kw_only=True)
class TriggeredSettings(AveragingSettings):
    patience: int = setting(
        "averaging begins at an evaluation worse than the best of all but the last so many before it", at_least=0
    )
