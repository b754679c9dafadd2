"""Settings of optimizers, schedulers and averaging."""

from __future__ import annotations

from dataclasses import dataclass

from lmlab.config.setting import setting
from lmlab.config.settings.parts import PartSettings

# Without it, or where it is lost in float32, weights without a gradient become 0 / 0.
_LEAST_EPS = 1e-30
_EPS = "added to the denominator for numerical stability"
_DECAY = "weight decay of matrices; not applied to vectors such as biases"


@dataclass(kw_only=True)
class OptimizerSettings(PartSettings):
    """The optimizer of the weights."""

    lr: float = setting(
        "learning rate",
        above=0,
        at_most=1000,
        remedy="for example optimizer.lr=0.002",
        also=(
            "learning_rate",
            "learningrate",
            "step_size",
        ),
    )


@dataclass(kw_only=True)
class AdamSettings(OptimizerSettings):
    betas: list[float] = setting(
        "decay rates of the running means of the gradient and of its square", at_least=0, below=1, longest=2, fewest=2
    )
    eps: float = setting(_EPS, at_least=_LEAST_EPS, at_most=1)
    weight_decay: float = setting(
        _DECAY,
        at_least=0,
        at_most=100,
        also=(
            "wd",
            "l2",
        ),
    )


@dataclass(kw_only=True)
class NAdamSettings(AdamSettings):
    momentum_decay: float = setting(
        "decay of the momentum schedule; larger: full momentum is reached earlier", at_least=0, at_most=1000
    )


@dataclass(kw_only=True)
class RMSpropSettings(OptimizerSettings):
    alpha: float = setting("smoothing constant of the mean squared gradient", at_least=0, below=1)
    eps: float = setting(_EPS, at_least=_LEAST_EPS, at_most=1)
    momentum: float = setting("momentum factor; 0: none", at_least=0, below=1)
    centered: bool = setting("divide by the standard deviation of the gradient")
    weight_decay: float = setting(_DECAY, at_least=0, at_most=100)


@dataclass(kw_only=True)
class AdagradSettings(OptimizerSettings):
    lr_decay: float = setting("learning rate is divided by 1 + steps * lr_decay", at_least=0, at_most=1000)
    initial_accumulator_value: float = setting(
        "initial value of the sum of squared gradients", at_least=0, at_most=10**6
    )
    eps: float = setting(_EPS, at_least=_LEAST_EPS, at_most=1)
    weight_decay: float = setting(_DECAY, at_least=0, at_most=100)


@dataclass(kw_only=True)
class SGDSettings(OptimizerSettings):
    momentum: float = setting("momentum factor; 0: none", at_least=0, below=1)
    nesterov: bool = setting("use Nesterov momentum")
    weight_decay: float = setting(_DECAY, at_least=0, at_most=100)


@dataclass(kw_only=True)
class SchedulerSettings(PartSettings):
    """The learning rate over the run."""


@dataclass(kw_only=True)
class CosineSettings(SchedulerSettings):
    warmup_steps: int = setting(
        "steps of the linear warm-up",
        at_least=0,
        at_most=10**9,
        also=(
            "warmup",
            "num_warmup_steps",
        ),
    )
    final_fraction: float = setting("fraction of optimizer.lr that is reached at the end", at_least=0, at_most=1)


@dataclass(kw_only=True)
class OneCycleSettings(SchedulerSettings):
    rise_fraction: float = setting(
        "fraction of the steps during which the rate rises (torch: pct_start)", at_least=0, at_most=1
    )
    initial_divisor: float = setting(
        "the first rate is optimizer.lr divided by this (torch: div_factor)", at_least=1, at_most=10**9
    )
    final_divisor: float = setting(
        "the last rate is the first one divided by this (torch: final_div_factor)", at_least=1, at_most=10**12
    )


@dataclass(kw_only=True)
class ExponentialSettings(SchedulerSettings):
    gamma: float = setting("factor per epoch", above=0, at_most=10)
    start_epoch: int = setting(
        "number of first epochs that leave the rate unchanged at their end", at_least=0, at_most=10**6
    )


@dataclass(kw_only=True)
class StepSettings(SchedulerSettings):
    epochs: list[float] = setting(
        "epochs after which the rate changes; may be fractions", above=0, at_most=10**6, fewest=1
    )
    gamma: float = setting("factor applied at each change", above=0, at_most=1000)


@dataclass(kw_only=True)
class PlateauSettings(SchedulerSettings):
    gamma: float = setting(
        "factor applied at each reduction", above=0, below=1, remedy="give less than 1, for example 0.5"
    )
    patience: int = setting(
        "evaluations without improvement that are tolerated; the next one reduces the rate", at_least=0, at_most=10**6
    )
    min_improvement: float = setting(
        "an improvement lowers validation nats per token by more than this", at_least=0, at_most=100
    )
    min_fraction: float = setting("lower limit of the rate, as a fraction of optimizer.lr", at_least=0, at_most=1)


@dataclass(kw_only=True)
class AveragingSettings(PartSettings):
    """An average of the weights, used for validation, samples and best.ckpt."""


@dataclass(kw_only=True)
class EMASettings(AveragingSettings):
    decay: float = setting(
        "decay per step, at most (1 + n) / (10 + n) after n steps; 0.999 averages over about 1,000 steps",
        at_least=0,
        below=1,
    )


@dataclass(kw_only=True)
class TriggeredSettings(AveragingSettings):
    patience: int = setting(
        "averaging starts at the first evaluation worse than the best one made more than this many evaluations earlier",
        at_least=0,
        at_most=10**6,
    )
