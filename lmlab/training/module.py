"""The Lightning module for language modelling: loss, carried state, gradient clipping, evaluation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Never

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import Metric

from lmlab.data.datamodule import LanguageModelData
from lmlab.data.loaders.base import Batch
from lmlab.errors import Diverged, UserError
from lmlab.evaluation.figures import Figures, numbers
from lmlab.evaluation.protocol import evaluation_step
from lmlab.models.core import State
from lmlab.models.decoder import OPTIONAL_STATISTICS, TokenStatistics
from lmlab.models.inference import uses_autocast
from lmlab.models.language_model import LanguageModel
from lmlab.training.callbacks.averaging import Averaging
from lmlab.training.gradient_totals import GradientTotals
from lmlab.training.health import FiniteLoss, non_finite
from lmlab.training.schedulers import Scheduler
from lmlab.training.token_totals import TokenTotals

# On a GPU, number of batches between two checks of the loss.
LOOK_EVERY = 50

MakeOptimizer = Callable[[Iterable[Parameter]], Optimizer]
MakeScheduler = Callable[..., Scheduler]


class LanguageModelModule(pl.LightningModule):
    """Trains a model on batches that say which rows start from a fresh state; the other rows carry on their state.

    Totals are kept on the device; callbacks read them only when something is shown, because reading waits for the
    device. With a `LanguageModelData` as the Trainer's data module, evaluations log all figures of a split
    (``val/perplexity``, ``test/bits_per_char``, ...); with other loaders, those that need no text.

    Args:
        model: the model to be trained.
        make_optimizer: called with the trainable parameters.
        make_scheduler: called with the keywords `total_steps` and `steps_per_epoch`, in optimizer steps.
        averaging: a callback that evaluates and saves an average of the weights; None to use the weights themselves.
        metrics: figures of evaluations in addition to lmlab's own, by name.

    Attributes:
        lr_lambda: the scheduler; made for the Trainer's length when training starts, unless set before.
        logs_evaluations: whether figures of evaluations go to the Trainer's loggers too.
        averaging: the average of the weights; also set by an `Averaging` among the Trainer's callbacks.
        observes_all: whether schedule and average react to evaluations outside of training too.
    """

    def __init__(
        self,
        *,
        model: LanguageModel,
        make_optimizer: MakeOptimizer,
        make_scheduler: MakeScheduler,
        averaging: Averaging | None = None,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.make_optimizer = make_optimizer
        self.make_scheduler = make_scheduler
        self.lr_lambda: Scheduler | None = None
        self.averaging = averaging
        self.logs_evaluations = True
        self.observes_all = False
        self._made_here = False
        # Totals since the loggers were last written to, and since the last evaluation.
        self.recent = TokenTotals()
        self.since_evaluation = TokenTotals()
        self.validation = Figures(metrics)
        self.test = copy.deepcopy(self.validation)
        # The figures of the last validation by name, without its prefix.
        self.validation_result: dict[str, float] | None = None
        self.tokens_seen = 0
        # Share of the vocabulary with a pretrained vector, for the checkpoint; None for random vectors.
        self.vector_coverage: float | None = None
        # The run whose weights it started from, for the checkpoint.
        self.origin: dict[str, Any] | None = None
        self.gradients = GradientTotals()
        self.finite = FiniteLoss()
        # Called before the gradient of each step is clipped; set by the callback that reads the gradient.
        self.watch_gradient: Callable[[LanguageModel], None] | None = None
        self._train_state: State | None = None
        self._evaluation_state: State | None = None
        self._gradient_norm: Tensor | None = None
        self._stored_rates: dict[str, Any] | None = None
        self._listed: list[Parameter] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets an attribute; the name of the hook that is running, which Lightning sets twice for each, at once."""
        # `nn.Module` would look for it among parameters, buffers and modules first, 50 times a step.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def configure_callbacks(self) -> list[pl.Callback]:
        """Returns the average's callback, for whatever Trainer trains or evaluates the module."""
        there: list[pl.Callback] = [] if self._trainer is None else self.trainer.callbacks  # type: ignore[attr-defined]
        return [] if self.averaging is None or self.averaging in there else [self.averaging]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the mean nats of the batch's counted tokens plus the model's penalty."""
        state = self.model.initial_state(self._train_state, batch.reset)
        with _cached_casts(batch.inputs.device.type):
            output = self.model(batch.inputs, state)
        # Detached for truncated back-propagation, and so that this step's graph is freed before the next.
        self._train_state = tuple(tensor.detach() for tensor in output.state)
        loss = self.model.decoder.loss(output.hidden, batch.targets)
        self.recent.update(loss)
        self.since_evaluation.update(loss)
        mean: Tensor = loss.nll_sum / loss.num_tokens.clamp(min=1) + output.penalty
        self.finite.update(mean.detach(), self.global_step)
        # On a GPU, reading it would wait for the device, so it is checked only together with the other figures.
        if mean.device.type == "cpu" or batch_idx % LOOK_EVERY == 0:
            first = int(self.finite.step)
            if first >= 0:
                raise non_finite(self.model, batch, state, first)
        return mean

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Stores the norm of the gradient before clipping, over all parameters."""
        self._unscale(optimizer)
        if self.watch_gradient is not None:
            self.watch_gradient(self.model)
        self._gradient_norm = self._norm_of_gradient()

    def _unscale(self, optimizer: Optimizer) -> None:
        """Divides the gradients by float16's loss scale where Lightning leaves that to the optimizer.

        A fused optimizer would do it within its step, after the gradients are clipped; the scaler does it once.
        """
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
            scaler.unscale_(optimizer)

    def _norm_of_gradient(self) -> Tensor:
        return get_total_norm([p.grad for p in self.trained_parameters() if p.grad is not None])

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips by the norm, which is already known, or each element by its absolute value."""
        norm = self._gradient_norm
        assert norm is not None, "on_before_optimizer_step is called before"
        if gradient_clip_val is not None and gradient_clip_algorithm == "value":
            # Not Lightning's, which refuses fused optimizers under autocast.
            clip_grad_value_(self.trained_parameters(), gradient_clip_val)
            self.gradients.update_by_value(norm, self._norm_of_gradient())
            return
        if gradient_clip_val is not None:
            clip_grads_with_norm_(self.trained_parameters(), gradient_clip_val, norm)
        self.gradients.update(norm, gradient_clip_val)

    def trained_parameters(self) -> list[Parameter]:
        """Returns the parameters that are trained."""
        # Walking through all modules takes longer than a small step, and it is asked for three times a step.
        if self._listed is None:
            self._listed = list(self.model.parameters())
        return [p for p in self._listed if p.requires_grad]

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Puts the averaged weights, if there are any, into the model during a `with` block."""
        with nullcontext() if self.averaging is None else self.averaging.averaged_weights(self):
            yield

    def on_train_start(self) -> None:
        """Moves the restored state of a resumed run to the model's device."""
        if self._train_state is not None:
            self._train_state = tuple(tensor.to(self.device) for tensor in self._train_state)

    def on_validation_epoch_start(self) -> None:
        """Prepares an evaluation from fresh states; the training state is kept separately."""
        self.validation.reset()
        self._evaluation_state = None

    def on_test_epoch_start(self) -> None:
        """Prepares an evaluation as for validation."""
        self.test.reset()
        self._evaluation_state = None

    def on_predict_epoch_start(self) -> None:
        """Prepares predictions as for validation."""
        self._evaluation_state = None

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds a batch of the evaluation protocol to the totals."""
        self._evaluate(batch, self.validation)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds a batch of the evaluation protocol to the totals."""
        self._evaluate(batch, self.test)

    def predict_step(self, batch: Batch, batch_idx: int) -> TokenStatistics:
        """Returns statistics of each target of a batch (B, T), as (B T,), row by row."""
        found, self._evaluation_state = evaluation_step(
            self.model, batch, self._evaluation_state, fields=OPTIONAL_STATISTICS
        )
        return found

    def _evaluate(self, batch: Batch, figures: Figures) -> None:
        found, self._evaluation_state = evaluation_step(
            self.model, batch, self._evaluation_state, fields=figures.fields
        )
        figures.update(found)

    def on_validation_epoch_end(self) -> None:
        """Logs the figures, and makes the result available to callbacks.

        Raises:
            Diverged: the result is not finite.
        """
        self._evaluation_state = None
        figures = self._figures(self.validation, "validation")
        result = numbers(figures)
        nats = result["nats_per_token"]
        if not nats < math.inf:
            raise Diverged(
                "training",
                None,
                f"diverged: validation loss is {nats} at step {self.global_step}",
                "lower optimizer.lr or set a smaller trainer.gradient_clip_val",
            )
        self.validation_result = result
        self._log_figures("val", figures)
        if self.trainer.sanity_checking or not (self.observes_all or self.trainer.state.fn == TrainerFn.FITTING):
            return
        if self.lr_lambda is not None:
            self.lr_lambda.observe(nats)
            self._set_rates()

    def on_test_epoch_end(self) -> None:
        """Logs the figures."""
        self._evaluation_state = None
        self._log_figures("test", self._figures(self.test, "test"))

    def _figures(self, collection: Figures, split: str) -> dict[str, Tensor]:
        data = getattr(self.trainer, "datamodule", None)
        return collection.figures(data.stores.get(split) if isinstance(data, LanguageModelData) else None)

    def _log_figures(self, prefix: str, figures: Mapping[str, Tensor]) -> None:
        # In float64, as they are written to metrics.csv; Lightning would make a float32 of a number.
        known = {f"{prefix}/{name}": value.double() for name, value in figures.items()}
        self.log_dict(known, logger=self.logs_evaluations)

    def _set_rates(self) -> None:
        """Sets the learning rates now, so that a reduction takes effect at the next step, not the one after it."""
        for scheduler in self.trainer.lr_scheduler_configs:
            factor = self._rate_factor(self.global_step)
            for group in scheduler.scheduler.optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor

    def _rate_factor(self, step: int) -> float:
        """Returns the scheduler's factor.

        Raises:
            UserError: it is negative or not finite, so training would go uphill or end in NaN.
        """
        assert self.lr_lambda is not None, "made by configure_optimizers"
        factor = self.lr_lambda(step)
        if not 0 <= factor < math.inf:
            problem = f"{type(self.lr_lambda).__name__} gives the factor {factor} after {step} steps"
            raise UserError("scheduler", None, problem, "a factor must be finite and not below 0")
        return factor

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Returns the optimizer of all trainable parameters, with a learning rate that is set at each step."""
        self._listed = None  # a Trainer may have replaced them on another device
        if self.lr_lambda is None or self._made_here:
            self.lr_lambda, self._made_here = self._schedule(), True
        if self._stored_rates is not None:
            self.lr_lambda.load_state_dict(self._stored_rates)
            self._stored_rates = None
        optimizer = self.make_optimizer(self.trained_parameters())
        # A function is not saved with the scheduler's state, so a run resumed for more steps follows its new length.
        scheduler = LambdaLR(optimizer, lambda step: self._rate_factor(step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _schedule(self) -> Scheduler:
        """Returns the scheduler for the Trainer's own length.

        Raises:
            UserError: the Trainer has no end, on which the scheduler depends.
        """
        fit_loop = self.trainer.fit_loop
        fit_loop.setup_data()  # Lightning would do so later; the loader's length is known afterwards
        total, batches = self.trainer.estimated_stepping_batches, self.trainer.num_training_batches
        # And again later, so that the loader's place is restored from a checkpoint.
        fit_loop._combined_loader = None
        per_epoch = 1 if math.isinf(batches) else max(1, math.ceil(batches / self.trainer.accumulate_grad_batches))
        endless = math.isinf(total) or total < 0
        made = self.make_scheduler(total_steps=per_epoch if endless else max(1, int(total)), steps_per_epoch=per_epoch)
        if endless and getattr(made, "depends_on_length", False):
            problem = f"{type(made).__name__} depends on the length of training, but this Trainer has none"
            raise UserError("scheduler", None, problem, "set max_epochs or max_steps, or use scheduler=constant")
        return made

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the carried state, so that an interrupted epoch can be continued exactly."""
        checkpoint["lmlab_task"] = {
            "train_state": None if self._train_state is None else [t.clone() for t in self._train_state],
            "tokens_seen": self.tokens_seen,
            "totals": {name: _state_of(getattr(self, name)) for name in ("recent", "since_evaluation", "gradients")},
            "rates": (self.lr_lambda.state_dict() or None) if self.lr_lambda is not None else None,
            "vector_coverage": self.vector_coverage,
            "origin": self.origin,
        }
        if self.averaging is not None:
            self.averaging.add_to(checkpoint, self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the carried state."""
        if self.averaging is not None:
            self.averaging.take_from(checkpoint)
        saved = checkpoint.get("lmlab_task")
        if saved is None:  # of weights alone
            return
        state = saved["train_state"]
        self._train_state = None if state is None else tuple(state)
        self.tokens_seen = saved["tokens_seen"]
        self.origin = saved.get("origin")
        for name, values in saved["totals"].items():
            for key, value in values.items():
                getattr(getattr(self, name), key).copy_(value)
        self._stored_rates = saved["rates"]

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Never:
        """Raises an error: a checkpoint holds no class, so a module is made from settings instead.

        Raises:
            UserError: names what does instead.
        """
        remedy = "use lmlab.load(run) for a run, or lmlab.build_module and the ckpt_path of trainer.fit"
        raise UserError("load_from_checkpoint", checkpoint_path, "a checkpoint says nothing about classes", remedy)


def _cached_casts(device_type: str) -> AbstractContextManager[object]:
    """Under autocast, casts weights once per step instead of once per use.

    Lightning switches off torch's cache of casts; a GRU on a CPU, which uses its weights at every time step, then takes
    1.4 times as long (bfloat16, 1 x 512).
    """
    if not uses_autocast(device_type):
        return nullcontext()
    return torch.autocast(device_type, dtype=torch.get_autocast_dtype(device_type), cache_enabled=True)


def _state_of(module: TokenTotals | GradientTotals) -> dict[str, Tensor]:
    if isinstance(module, TokenTotals):
        return {name: getattr(module, name).detach().clone() for name in ("nats", "num_errors", "num_tokens")}
    return {name: buffer.detach().clone() for name, buffer in module.named_buffers()}
