"""lmlab: a lab bench for recurrent language models.

`lmlab.load(run)` gives a trained model from its folder; the commands are `python -m lmlab.train`, `lmlab.evaluate`,
`lmlab.generate`, `lmlab.predict`, `lmlab.report`, `lmlab.verify`, `lmlab.list` and `lmlab.benchmark`. The base classes
for parts of your own (`lmlab.Core`, `lmlab.Source`, ...) are here too; docs/extending.md walks through them.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

# Read by OpenMP when torch is loaded. Its threads by default wait for each other by spinning, which costs many times
# the work itself as soon as another program wants one of the cores: measured on 2 cores with one more busy process,
# a step of a GRU took 3.6 s instead of 0.06 s. So they wait briefly and then sleep. With 2000 turns rather than 1000
# they are awake for the next step of a recurrent layer: a step of a GRU of 128 units takes 0.86 of the time on an idle
# machine and 1.3 times as long beside a busy process; with 10000 it is no faster, and takes 2.6 times as long.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

if TYPE_CHECKING:
    from lmlab.config.checks import compose
    from lmlab.config.setting import Range
    from lmlab.data.corpus import Corpus, Document, split_documents
    from lmlab.data.datamodule import LanguageModelData
    from lmlab.data.loaders.base import IGNORE_INDEX, Batch, TrainLoader
    from lmlab.data.sources.base import Source
    from lmlab.data.token_store import TokenStore
    from lmlab.data.tokenizers.base import Tokenizer, special_tokens
    from lmlab.errors import UserError
    from lmlab.evaluation.metrics import TokenMetric
    from lmlab.loading import load
    from lmlab.metric_spec import MetricSpec
    from lmlab.models.core import Core, State, Stepper
    from lmlab.models.decoder import Decoder, TokenStatistics
    from lmlab.models.dropout import make_dropout
    from lmlab.models.embedding import EmbeddingVectors, Vectors
    from lmlab.notebook import Run, fit, load_runs
    from lmlab.trained import TrainedModel
    from lmlab.training.assembly import build_data, build_module
    from lmlab.training.averaging import AveragingRule
    from lmlab.training.callbacks.averaging import Averaging
    from lmlab.training.module import LanguageModelModule
    from lmlab.training.schedulers import Scheduler

__all__ = [
    "IGNORE_INDEX",
    "Averaging",
    "AveragingRule",
    "Batch",
    "Core",
    "Corpus",
    "Decoder",
    "Document",
    "EmbeddingVectors",
    "LanguageModelData",
    "LanguageModelModule",
    "MetricSpec",
    "Range",
    "Run",
    "Scheduler",
    "Source",
    "State",
    "Stepper",
    "TokenMetric",
    "TokenStatistics",
    "TokenStore",
    "Tokenizer",
    "TrainLoader",
    "TrainedModel",
    "UserError",
    "Vectors",
    "build_data",
    "build_module",
    "compose",
    "fit",
    "load",
    "load_runs",
    "make_dropout",
    "special_tokens",
    "split_documents",
]

# Each is imported when it is used: torch takes a second, and configuration errors should not wait for it.
_MODULES = {
    "lmlab.config.checks": ("compose",),
    "lmlab.config.setting": ("Range",),
    "lmlab.data.loaders.base": ("IGNORE_INDEX", "Batch", "TrainLoader"),
    "lmlab.data.corpus": ("Corpus", "Document", "split_documents"),
    "lmlab.data.datamodule": ("LanguageModelData",),
    "lmlab.data.sources.base": ("Source",),
    "lmlab.data.token_store": ("TokenStore",),
    "lmlab.data.tokenizers.base": ("Tokenizer", "special_tokens"),
    "lmlab.errors": ("UserError",),
    "lmlab.evaluation.metrics": ("TokenMetric",),
    "lmlab.loading": ("load",),
    "lmlab.metric_spec": ("MetricSpec",),
    "lmlab.models.core": ("Core", "State", "Stepper"),
    "lmlab.models.decoder": ("Decoder", "TokenStatistics"),
    "lmlab.models.dropout": ("make_dropout",),
    "lmlab.models.embedding": ("EmbeddingVectors", "Vectors"),
    "lmlab.notebook": ("Run", "fit", "load_runs"),
    "lmlab.trained": ("TrainedModel",),
    "lmlab.training.assembly": ("build_data", "build_module"),
    "lmlab.training.averaging": ("AveragingRule",),
    "lmlab.training.callbacks.averaging": ("Averaging",),
    "lmlab.training.module": ("LanguageModelModule",),
    "lmlab.training.schedulers": ("Scheduler",),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from lmlab.version import own_version

        return own_version()
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    if name == "testing":
        return importlib.import_module("lmlab.testing")
    raise AttributeError(f"module 'lmlab' has no attribute {name!r}")
