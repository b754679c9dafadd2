"""Every setting, once: its name, type, range and a line of help. The values are in `conf/`.

A group of settings is a dataclass; a part that can be chosen (a tokenizer, an optimizer) has its own dataclass,
selected by its `_target_`. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping

from lmlab.config.settings.commands import (
    BenchmarkSettings,
    EvaluateSettings,
    GenerateSettings,
    PredictSettings,
    ReportSettings,
    VerifySettings,
)
from lmlab.config.settings.parts import AddedSettings, OpenSettings, PartSettings, Settings
from lmlab.config.settings.run import (
    CallbacksSettings,
    DataSettings,
    EvaluationSettings,
    LoggersSettings,
    ModelSettings,
    TrainSettings,
)

# By the name of the command.
COMMANDS: Mapping[str, type[Settings]] = {
    "train": TrainSettings,
    "generate": GenerateSettings,
    "evaluate": EvaluateSettings,
    "predict": PredictSettings,
    "verify": VerifySettings,
    "report": ReportSettings,
    "benchmark": BenchmarkSettings,
}

__all__ = [
    "COMMANDS",
    "AddedSettings",
    "BenchmarkSettings",
    "CallbacksSettings",
    "DataSettings",
    "EvaluateSettings",
    "EvaluationSettings",
    "GenerateSettings",
    "LoggersSettings",
    "ModelSettings",
    "OpenSettings",
    "PartSettings",
    "PredictSettings",
    "ReportSettings",
    "Settings",
    "TrainSettings",
    "VerifySettings",
]
