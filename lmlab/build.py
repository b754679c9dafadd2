"""From a composed configuration to objects: one function, with an exact list of what it may make."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lmlab.errors import UserError

# Configuration may come with a run from elsewhere; it names only what stands here.
TARGETS = frozenset(
    {
        "lmlab.data.sources.PythonDocs",
        "lmlab.data.sources.TextFiles",
        "lmlab.data.sources.HarryPotter",
        "lmlab.data.published.PublishedBooks",
        "lmlab.data.published.PublishedCut",
        "lmlab.data.published.PublishedSplits",
        "lmlab.data.tokenizers.CharTokenizer",
        "lmlab.data.tokenizers.WordTokenizer",
        "lmlab.data.bpe.BPETokenizer",
        "lmlab.data.batching.StreamsLoader",
        "lmlab.data.windows.WindowsLoader",
        "lmlab.data.windows.ChunksLoader",
        "lmlab.data.sentences.SentencesLoader",
        "lmlab.data.sentence_sources.SentenceFiles",
        "lmlab.data.sentence_sources.PublishedSentences",
        "lmlab.data.reviews.MovieReviews",
        "lmlab.data.generated.Generated",
        "lmlab.models.recurrent.RNN",
        "lmlab.models.recurrent.GRU",
        "lmlab.models.recurrent.LSTM",
        "lmlab.models.feedforward.FeedForward",
        "lmlab.models.embedding.RandomVectors",
        "lmlab.models.embedding.GloveVectors",
        "lmlab.training.callbacks.samples.SampleText",
        "lmlab.training.callbacks.checkpoints.Checkpoints",
        "lmlab.training.callbacks.gradients.Gradients",
        "lmlab.training.callbacks.alarms.Alarms",
        "lmlab.training.callbacks.progress.Progress",
        "lmlab.training.schedulers.Constant",
        "lmlab.training.schedulers.Cosine",
        "lmlab.training.schedulers.OneCycle",
        "lmlab.training.schedulers.Exponential",
        "lmlab.training.schedulers.Step",
        "lmlab.training.schedulers.Plateau",
        "lmlab.training.averaging.ExponentialMovingAverage",
        "lmlab.training.averaging.TriggeredAverage",
        "torch.optim.Adam",
        "torch.optim.AdamW",
        "torch.optim.SGD",
        "pytorch_lightning.Trainer",
        "pytorch_lightning.callbacks.EarlyStopping",
        "pytorch_lightning.loggers.TensorBoardLogger",
    }
)


def instantiate(part: Mapping[str, Any], **more: Any) -> Any:
    """Calls the part's `_target_` with its other entries and `more` as keywords.

    Args:
        part: a plain mapping with `_target_`.
        more: what configuration cannot hold: tensors, loaders, folders.

    Raises:
        UserError: a target that is not in `TARGETS`, or keywords that it does not take.
    """
    keywords = {str(key): value for key, value in part.items() if key != "_target_"}
    name = str(part["_target_"])
    target = _resolve(name)
    unknown = sorted(set(keywords) - set(inspect.signature(target).parameters))
    if unknown:
        raise UserError(unknown[0], keywords[unknown[0]], f"{name} has no such setting", "remove it")
    return target(**keywords, **more)


def check_target(name: str) -> None:
    """Refuses what is not in `TARGETS`, without importing anything.

    Raises:
        UserError: it is not.
    """
    if name not in TARGETS:
        remedy = "use what python -m lmlab.list shows"
        raise UserError("_target_", name, "not on the list of what a configuration may make", remedy)


def _resolve(name: str) -> Callable[..., Any]:
    check_target(name)
    module, _, attribute = name.rpartition(".")
    target: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return target
