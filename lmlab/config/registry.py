"""What a configuration may make: for each part an exact list of lmlab's own classes, and those of trusted packages."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from lmlab.config import plugins
from lmlab.config.folders import configuration_folder, group_options
from lmlab.config.plugins import PluginError
from lmlab.config.setting import Setting, as_field_metadata
from lmlab.config.settings import data, models, optimization, trainer
from lmlab.config.settings.parts import PartSettings
from lmlab.errors import UserError

# Classes that were elsewhere when older runs were stored.
MOVED = {
    "lmlab.models.cores.RNN": "lmlab.models.recurrent.RNN",
    "lmlab.models.cores.GRU": "lmlab.models.recurrent.GRU",
    "lmlab.models.cores.LSTM": "lmlab.models.recurrent.LSTM",
    "lmlab.models.embeddings.random_vectors": "lmlab.models.embedding.RandomVectors",
    "lmlab.models.embeddings.glove_vectors": "lmlab.models.embedding.GloveVectors",
    "lmlab.data.sources.PythonDocs": "lmlab.data.sources.python_docs.PythonDocs",
    "lmlab.data.sources.TextFiles": "lmlab.data.sources.text_files.TextFiles",
    "lmlab.data.sources.HarryPotter": "lmlab.data.sources.text_files.HarryPotter",
    "lmlab.data.published.PublishedBooks": "lmlab.data.sources.published.PublishedBooks",
    "lmlab.data.published.PublishedCut": "lmlab.data.sources.published.PublishedCut",
    "lmlab.data.published.PublishedSplits": "lmlab.data.sources.published.PublishedSplits",
    "lmlab.data.sentence_sources.SentenceFiles": "lmlab.data.sources.sentences.SentenceFiles",
    "lmlab.data.sentence_sources.PublishedSentences": "lmlab.data.sources.sentences.PublishedSentences",
    "lmlab.data.reviews.MovieReviews": "lmlab.data.sources.reviews.MovieReviews",
    "lmlab.data.generated.Generated": "lmlab.data.sources.generated.Generated",
    "lmlab.data.batching.StreamsLoader": "lmlab.data.loaders.streams.StreamsLoader",
    "lmlab.data.windows.WindowsLoader": "lmlab.data.loaders.windows.WindowsLoader",
    "lmlab.data.windows.ChunksLoader": "lmlab.data.loaders.windows.ChunksLoader",
    "lmlab.data.sentences.SentencesLoader": "lmlab.data.loaders.sentences.SentencesLoader",
    "lmlab.data.tokenizers.CharTokenizer": "lmlab.data.tokenizers.char.CharTokenizer",
    "lmlab.data.tokenizers.WordTokenizer": "lmlab.data.tokenizers.word.WordTokenizer",
    "lmlab.data.bpe.BPETokenizer": "lmlab.data.tokenizers.bpe.BPETokenizer",
}
# Top-level names for which plugins=[...] is no remedy.
_LIBRARIES = frozenset({*sys.stdlib_module_names, "lmlab", "torch", "pytorch_lightning", "lightning", "numpy"})
_PLAIN = (type(None), bool, int, float, str, list, tuple, dict)


@dataclass(frozen=True)
class Slot:
    """A part that can be chosen.

    Args:
        path: of its settings in a training configuration.
        group: the folder of `conf/` whose files choose it.
        base: full name of the class that all of them are subclasses of.
        shared: settings that each of them has.
        own: lmlab's own classes and the settings of each; None for no part.
        given: keywords that lmlab gives.
        is_open: whether a trusted package may bring one.
    """

    path: str
    group: str
    base: str
    shared: type[PartSettings]
    own: dict[str | None, type[PartSettings]]
    given: frozenset[str] = frozenset()
    is_open: bool = True


def _slots() -> Iterator[Slot]:
    yield Slot(
        "data.source",
        "data",
        "lmlab.data.sources.base.Source",
        data.SourceSettings,
        {
            "lmlab.data.sources.python_docs.PythonDocs": data.PythonDocsSettings,
            "lmlab.data.sources.text_files.TextFiles": data.TextFilesSettings,
            "lmlab.data.sources.text_files.HarryPotter": data.TextFilesSettings,
            "lmlab.data.sources.published.PublishedBooks": data.PublishedSettings,
            "lmlab.data.sources.published.PublishedCut": data.PublishedSettings,
            "lmlab.data.sources.published.PublishedSplits": data.PublishedSplitsSettings,
            "lmlab.data.sources.sentences.SentenceFiles": data.TextFilesSettings,
            "lmlab.data.sources.sentences.PublishedSentences": data.PublishedSettings,
            "lmlab.data.sources.reviews.MovieReviews": data.MovieReviewsSettings,
            "lmlab.data.sources.generated.Generated": data.GeneratedSettings,
        },
    )
    yield Slot(
        "data.batching",
        "batching",
        "lmlab.data.loaders.base.TrainLoader",
        data.LoaderSettings,
        {
            "lmlab.data.loaders.streams.StreamsLoader": data.StreamsSettings,
            "lmlab.data.loaders.windows.WindowsLoader": data.WindowsSettings,
            "lmlab.data.loaders.windows.ChunksLoader": data.StreamsSettings,
            "lmlab.data.loaders.sentences.SentencesLoader": data.SentencesSettings,
        },
        frozenset({"store", "seed"}),
    )
    yield Slot(
        "tokenizer",
        "tokenizer",
        "lmlab.data.tokenizers.base.Tokenizer",
        data.TokenizerSettings,
        {
            "lmlab.data.tokenizers.char.CharTokenizer": data.CharTokenizerSettings,
            "lmlab.data.tokenizers.word.WordTokenizer": data.WordTokenizerSettings,
            "lmlab.data.tokenizers.bpe.BPETokenizer": data.BPETokenizerSettings,
        },
    )
    yield Slot(
        "model.core",
        "model",
        "lmlab.models.core.Core",
        models.CoreSettings,
        {
            "lmlab.models.recurrent.RNN": models.RecurrentCoreSettings,
            "lmlab.models.recurrent.GRU": models.RecurrentCoreSettings,
            "lmlab.models.recurrent.LSTM": models.RecurrentCoreSettings,
            "lmlab.models.feedforward.FeedForward": models.FeedForwardCoreSettings,
        },
        frozenset({"input_size"}),
    )
    yield Slot(
        "model.decoder",
        "model",
        "lmlab.models.decoder.Decoder",
        models.DecoderSettings,
        {"lmlab.models.decoder.LinearDecoder": models.DecoderSettings},
        frozenset({"hidden_size", "vocabulary_size", "tied_to"}),
    )
    yield Slot(
        "embedding",
        "embedding",
        "lmlab.models.embedding.EmbeddingVectors",
        models.EmbeddingSettings,
        {
            "lmlab.models.embedding.RandomVectors": models.EmbeddingSettings,
            "lmlab.models.embedding.GloveVectors": models.EmbeddingSettings,
        },
    )
    yield Slot(
        "optimizer",
        "optimizer",
        "torch.optim.Optimizer",
        optimization.OptimizerSettings,
        {
            "torch.optim.Adam": optimization.AdamSettings,
            "torch.optim.AdamW": optimization.AdamSettings,
            "torch.optim.NAdam": optimization.NAdamSettings,
            "torch.optim.RAdam": optimization.AdamSettings,
            "torch.optim.RMSprop": optimization.RMSpropSettings,
            "torch.optim.Adagrad": optimization.AdagradSettings,
            "torch.optim.SGD": optimization.SGDSettings,
        },
        frozenset({"params"}),
    )
    yield Slot(
        "scheduler",
        "scheduler",
        "lmlab.training.schedulers.Scheduler",
        optimization.SchedulerSettings,
        {
            "lmlab.training.schedulers.Constant": optimization.SchedulerSettings,
            "lmlab.training.schedulers.Cosine": optimization.CosineSettings,
            "lmlab.training.schedulers.OneCycle": optimization.OneCycleSettings,
            "lmlab.training.schedulers.Exponential": optimization.ExponentialSettings,
            "lmlab.training.schedulers.Step": optimization.StepSettings,
            "lmlab.training.schedulers.Plateau": optimization.PlateauSettings,
        },
        frozenset({"total_steps", "steps_per_epoch"}),
    )
    yield Slot(
        "averaging",
        "averaging",
        "lmlab.training.averaging.AveragingRule",
        optimization.AveragingSettings,
        {
            None: optimization.AveragingSettings,
            "lmlab.training.averaging.ExponentialMovingAverage": optimization.EMASettings,
            "lmlab.training.averaging.TriggeredAverage": optimization.TriggeredSettings,
        },
    )
    for path, target, settings in (
        ("trainer", "pytorch_lightning.Trainer", trainer.TrainerSettings),
        ("callbacks.sample_text", "lmlab.training.callbacks.samples.SampleText", trainer.SampleTextSettings),
        ("callbacks.checkpoints", "lmlab.training.callbacks.checkpoints.Checkpoints", trainer.CheckpointsSettings),
        ("callbacks.early_stopping", "pytorch_lightning.callbacks.EarlyStopping", trainer.EarlyStoppingSettings),
        ("callbacks.gradients", "lmlab.training.callbacks.gradients.Gradients", trainer.GradientsSettings),
        ("callbacks.alarms", "lmlab.training.callbacks.alarms.Alarms", trainer.AlarmsSettings),
        ("callbacks.progress", "lmlab.training.callbacks.progress.Progress", trainer.ProgressSettings),
    ):
        own: dict[str | None, type[PartSettings]] = {target: settings}
        yield Slot(path, path.partition(".")[0], "builtins.object", settings, own, is_open=False)
    yield Slot(
        "logger",
        "logger",
        "builtins.object",
        trainer.LoggerSettings,
        {None: trainer.LoggerSettings, "pytorch_lightning.loggers.TensorBoardLogger": trainer.LoggerSettings},
        is_open=False,
    )


SLOTS = {slot.path: slot for slot in _slots()}


def settings_class(slot: Slot, target: Any) -> tuple[str | None, type[PartSettings]]:
    """Returns a class's full name as it is today, and the settings that the class takes.

    lmlab's own parts are known without importing anything; a trusted package is imported.

    Args:
        slot: of the part.
        target: as a configuration has it.

    Raises:
        UserError: it may not be made here, or cannot be.
        Untrusted: it is of a package that is not trusted.
    """
    field = f"{slot.path}._target_"
    listed = f"not on the list of what a configuration may make as {slot.path}"
    if target is not None and type(target) is not str:
        raise UserError(field, f"({type(target).__name__})", listed, _remedy(slot))
    if target == "???":
        raise UserError(slot.group, None, f"{field} has no value", f"choose an option: {slot.group}=...")
    if target is not None:
        target = MOVED.get(target, target)
    if target in slot.own:
        return target, slot.own[target]
    if target is not None and slot.is_open:
        if target.startswith("lmlab.") and target in _named_in_conf(slot.group):
            return target, _from_signature(slot.path, target)
        if plugins.trusted_package(target) is not None:
            return target, _from_signature(slot.path, target)
        if plugins.is_dotted(target) and target.partition(".")[0] not in _LIBRARIES:
            raise plugins.untrusted(target, field)
    raise UserError(field, "null" if target is None else target, listed, _remedy(slot))


def class_of(slot: Slot, target: str) -> type:
    """Imports the class that a part is made from.

    Raises:
        UserError: it may not be made here, or cannot be.
    """
    target, _ = typing.cast(tuple[str, Any], settings_class(slot, target))
    return _import(slot, target)


def build(slot_path: str, part: PartSettings, **given: Any) -> Any:
    """Makes a part from its settings.

    Args:
        slot_path: `model.core`, `optimizer`, ...
        part: its settings.
        given: what configuration cannot hold: tensors, loaders, folders.

    Raises:
        UserError: it cannot be made with these values.
    """
    slot = SLOTS[slot_path]
    assert part.target is not None
    made = class_of(slot, part.target)
    keywords = _keywords(made, part) | given
    if part.target in slot.own:
        return made(**keywords)
    try:
        return made(**keywords)
    except (TypeError, ValueError) as error:
        problem = f"{part.target} could not be made: {error}"
        raise UserError(
            slot.path, None, problem, "see what its constructor takes (LMLAB_DEBUG=1 shows where)"
        ) from error


def tokenizer_class(name: str) -> Any:
    """Returns the class of a stored tokenizer that is not lmlab's own.

    Raises:
        UserError: it may not be made.
    """
    return class_of(SLOTS["tokenizer"], name)


def takes(slot_path: str, part: PartSettings, keyword: str) -> bool:
    """Whether the constructor of a part has a keyword of this name."""
    assert part.target is not None
    return keyword in inspect.signature(class_of(SLOTS[slot_path], part.target)).parameters


def _keywords(made: type, part: PartSettings) -> dict[str, Any]:
    """The settings that the class takes; those that a slot shares are not for every class."""
    parameters = inspect.signature(made).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    values = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.name != "target"}
    return {name: value for name, value in values.items() if anything or name in parameters}


def _import(slot: Slot, target: str) -> type:
    field = f"{slot.path}._target_"
    package = plugins.trusted_package(target) if target not in slot.own and not target.startswith("lmlab.") else None
    if package is not None:
        found = plugins.load_class(target, package, field=field)
    else:
        module, _, name = target.rpartition(".")
        found = getattr(importlib.import_module(module), name)
    module, _, name = slot.base.rpartition(".")
    base = getattr(importlib.import_module(module), name)
    if not issubclass(found, base):
        raise UserError(
            field, target, f"is no subclass of {slot.base}", f"{slot.path} needs one: see docs/extending.md"
        )
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise PluginError(field, target, f"does not implement {', '.join(missing)}", "see docs/extending.md")
    return found


@functools.cache
def _from_signature(path: str, target: str) -> type[PartSettings]:
    """The settings of a class that lmlab knows nothing of but its signature and docstring."""
    slot = SLOTS[path]
    made = _import(slot, target)
    parameters = inspect.signature(made).parameters
    try:
        kinds = typing.get_type_hints(made.__init__, include_extras=True)  # type: ignore[misc]
    except (NameError, TypeError):  # an annotation that is known to type checkers only
        kinds = {}
    has_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in sorted(slot.given):
        if name not in parameters and not has_any:
            problem = f"its constructor does not take {name}, which lmlab gives"
            raise PluginError(f"{slot.path}._target_", target, problem, "add the keyword: see docs/extending.md")
    helps = _argument_lines(made)
    shared = {field.name for field in dataclasses.fields(slot.shared)}
    fields: list[Any] = []
    for name, parameter in parameters.items():
        is_keyword = parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if name in slot.given or name in shared or not is_keyword:
            continue
        metadata = as_field_metadata(Setting(helps.get(name, "")))
        kind = kinds.get(name, Any)
        if parameter.default is parameter.empty:
            fields.append((name, kind, dataclasses.field(metadata=metadata)))
        elif isinstance(parameter.default, _PLAIN):
            fields.append((name, kind, _with_default(parameter.default, metadata)))
    made_class = dataclasses.make_dataclass(
        f"{made.__name__}Settings", fields, bases=(slot.shared,), kw_only=True, namespace={"takes_anything": has_any}
    )
    return typing.cast(type[PartSettings], made_class)


def _with_default(default: Any, metadata: dict[str, Setting]) -> Any:
    if isinstance(default, list | tuple | dict):
        copied = dict(default) if isinstance(default, dict) else list(default)
        return dataclasses.field(default_factory=lambda: copied.copy(), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def _argument_lines(made: type) -> dict[str, str]:
    """What a class's docstring says of its arguments, by name: the lines below `Args:`."""
    lines = (inspect.getdoc(made) or "").partition("Args:\n")[2].splitlines()
    found: dict[str, str] = {}
    for line in lines:
        name, colon, text = line.strip().partition(": ")
        if not line.startswith(" "):
            break
        if colon and name.isidentifier():
            found[name] = text
    return found


@functools.cache
def _named_in_conf(group: str) -> frozenset[str]:
    """All classes that lmlab's own files name in a group: they are as trusted as its code."""

    def targets(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "_target_" and isinstance(value, str):
                    yield value
                else:
                    yield from targets(value)

    files = (configuration_folder() / group).glob("*.yaml")
    return frozenset(t for file in files for t in targets(yaml.safe_load(file.read_text(encoding="utf-8"))))


def _remedy(slot: Slot) -> str:
    return f"choose an option: {slot.group}={'|'.join(group_options(slot.group))}"
