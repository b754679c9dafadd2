"""The parts of a run that can be chosen: lmlab's own classes for each, and the settings of each class."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lmlab.config.settings import data, models, optimization, trainer
from lmlab.config.settings.parts import AddedSettings, PartSettings

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


@dataclass(frozen=True)
class Slot:
    """A part that can be chosen.

    Args:
        path: of its settings in a training configuration.
        group: the folder of `conf/` whose files choose it.
        base: full name of the class that all of them are subclasses of.
        shared: settings that each of them has.
        own: lmlab's own classes and the settings of each; None for no part.
        given: keywords that lmlab passes to the constructor.
        offered: keywords that lmlab passes if the constructor takes them and the configuration gives none.
        others: classes of libraries that may be made too, with settings from their signatures.
        is_open: whether a trusted package may bring one.
    """

    path: str
    group: str
    base: str
    shared: type[PartSettings]
    own: dict[str | None, type[PartSettings]]
    given: frozenset[str] = frozenset()
    offered: frozenset[str] = frozenset()
    is_open: bool = True
    others: frozenset[str] = frozenset()


def _fixed(path: str, target: str, settings: type[PartSettings]) -> Slot:
    """Returns a part with a single class, of which only the settings can be chosen."""
    own: dict[str | None, type[PartSettings]] = {target: settings}
    group = path.partition(".")[0]
    return Slot(path=path, group=group, base="builtins.object", shared=settings, own=own, is_open=False)


_ALL = (
    Slot(
        path="data.source",
        group="data",
        base="lmlab.data.sources.base.Source",
        shared=data.SourceSettings,
        own={
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
    ),
    Slot(
        path="data.batching",
        group="batching",
        base="lmlab.data.loaders.base.TrainLoader",
        shared=data.LoaderSettings,
        own={
            "lmlab.data.loaders.streams.StreamsLoader": data.StreamsSettings,
            "lmlab.data.loaders.windows.WindowsLoader": data.WindowsSettings,
            "lmlab.data.loaders.windows.ChunksLoader": data.SequencesSettings,
            "lmlab.data.loaders.sentences.SentencesLoader": data.SentencesSettings,
        },
        given=frozenset({"store", "seed"}),
    ),
    Slot(
        path="tokenizer",
        group="tokenizer",
        base="lmlab.data.tokenizers.base.Tokenizer",
        shared=data.TokenizerSettings,
        own={
            "lmlab.data.tokenizers.char.CharTokenizer": data.CharTokenizerSettings,
            "lmlab.data.tokenizers.word.WordTokenizer": data.WordTokenizerSettings,
            "lmlab.data.tokenizers.bpe.BPETokenizer": data.BPETokenizerSettings,
        },
    ),
    Slot(
        path="model.core",
        group="model",
        base="lmlab.models.core.Core",
        shared=models.CoreSettings,
        own={
            "lmlab.models.recurrent.RNN": models.RNNCoreSettings,
            "lmlab.models.recurrent.GRU": models.RecurrentCoreSettings,
            "lmlab.models.recurrent.LSTM": models.RecurrentCoreSettings,
            "lmlab.models.feedforward.FeedForward": models.FeedForwardCoreSettings,
        },
        given=frozenset({"input_size"}),
    ),
    Slot(
        path="model.decoder",
        group="model",
        base="lmlab.models.decoder.Decoder",
        shared=models.DecoderSettings,
        own={"lmlab.models.decoder.LinearDecoder": models.DecoderSettings},
        given=frozenset({"hidden_size", "vocabulary_size", "tied_to"}),
    ),
    Slot(
        path="embedding",
        group="embedding",
        base="lmlab.models.embedding.EmbeddingVectors",
        shared=models.EmbeddingSettings,
        own={
            "lmlab.models.embedding.RandomVectors": models.EmbeddingSettings,
            "lmlab.models.embedding.GloveVectors": models.EmbeddingSettings,
        },
    ),
    Slot(
        path="optimizer",
        group="optimizer",
        base="torch.optim.Optimizer",
        shared=optimization.OptimizerSettings,
        own={
            "torch.optim.Adam": optimization.AdamSettings,
            "torch.optim.AdamW": optimization.AdamSettings,
            "torch.optim.NAdam": optimization.NAdamSettings,
            "torch.optim.RAdam": optimization.AdamSettings,
            "torch.optim.RMSprop": optimization.RMSpropSettings,
            "torch.optim.Adagrad": optimization.AdagradSettings,
            "torch.optim.SGD": optimization.SGDSettings,
        },
        given=frozenset({"params"}),
    ),
    Slot(
        path="scheduler",
        group="scheduler",
        base="lmlab.training.schedulers.Scheduler",
        shared=optimization.SchedulerSettings,
        own={
            "lmlab.training.schedulers.Constant": optimization.SchedulerSettings,
            "lmlab.training.schedulers.Cosine": optimization.CosineSettings,
            "lmlab.training.schedulers.OneCycle": optimization.OneCycleSettings,
            "lmlab.training.schedulers.Exponential": optimization.ExponentialSettings,
            "lmlab.training.schedulers.Step": optimization.StepSettings,
            "lmlab.training.schedulers.Plateau": optimization.PlateauSettings,
        },
        given=frozenset({"total_steps", "steps_per_epoch"}),
    ),
    Slot(
        path="averaging",
        group="averaging",
        base="lmlab.training.averaging.AveragingRule",
        shared=optimization.AveragingSettings,
        own={
            None: optimization.AveragingSettings,
            "lmlab.training.averaging.ExponentialMovingAverage": optimization.EMASettings,
            "lmlab.training.averaging.TriggeredAverage": optimization.TriggeredSettings,
        },
    ),
    _fixed("logger.tensorboard", "pytorch_lightning.loggers.TensorBoardLogger", trainer.LoggerSettings),
    _fixed("logger.csv", "pytorch_lightning.loggers.CSVLogger", trainer.LoggerSettings),
    _fixed("logger.wandb", "pytorch_lightning.loggers.WandbLogger", trainer.WandbSettings),
    _fixed("trainer", "pytorch_lightning.Trainer", trainer.TrainerSettings),
    _fixed("callbacks.sample_text", "lmlab.training.callbacks.samples.SampleText", trainer.SampleTextSettings),
    _fixed("callbacks.checkpoints", "lmlab.training.callbacks.checkpoints.Checkpoints", trainer.CheckpointsSettings),
    _fixed("callbacks.early_stopping", "pytorch_lightning.callbacks.EarlyStopping", trainer.EarlyStoppingSettings),
    _fixed("callbacks.gradients", "lmlab.training.callbacks.gradients.Gradients", trainer.GradientsSettings),
    _fixed("callbacks.alarms", "lmlab.training.callbacks.alarms.Alarms", trainer.AlarmsSettings),
    _fixed("callbacks.progress", "lmlab.training.callbacks.progress.Progress", trainer.ProgressSettings),
)
SLOTS = {slot.path: slot for slot in _ALL}
_OPEN = (
    # Of Lightning's, those that touch nothing but the run and take plain values; checkpoints, averages and the progress
    # bar are lmlab's.
    Slot(
        path="callbacks",
        group="callbacks",
        base="pytorch_lightning.Callback",
        shared=AddedSettings,
        own={},
        others=frozenset(
            f"pytorch_lightning.callbacks.{name}"
            for name in ("DeviceStatsMonitor", "EarlyStopping", "LearningRateMonitor", "ModelSummary", "Timer")
        ),
    ),
    Slot(
        path="metrics",
        group="metrics",
        base="torchmetrics.Metric",
        shared=AddedSettings,
        own={},
        others=frozenset({"lmlab.evaluation.metrics.TopKAccuracy", "lmlab.evaluation.metrics.CalibrationError"}),
    ),
    # Lightning's others reach out over the network.
    Slot(
        path="logger",
        group="logger",
        base="pytorch_lightning.loggers.Logger",
        shared=AddedSettings,
        own={},
        offered=frozenset({"save_dir"}),
    ),
)
# Groups to which parts are added under names of their own.
OPEN = {slot.path: slot for slot in _OPEN}


def added_slot(group: str, name: str) -> Slot:
    """Returns the slot of a part that is added to an open group."""
    return replace(OPEN[group], path=f"{group}.{name}")
