"""Settings of cores, decoders and embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from lmlab.config.setting import setting
from lmlab.config.settings.parts import PartSettings


@dataclass(kw_only=True)
class CoreSettings(PartSettings):
    """The part between embedding and decoder; each setting takes the value of the model setting of the same name."""


@dataclass(kw_only=True)
class StackedCoreSettings(CoreSettings):
    hidden_size: int = setting("units per layer", at_least=1, at_most=10**6)
    num_layers: int = setting("stacked layers", at_least=1, at_most=1000)
    dropout: float = setting("between layers", at_least=0, below=1)
    locked_dropout: bool = setting("one dropout mask for all steps of a batch")


@dataclass(kw_only=True)
class RecurrentCoreSettings(StackedCoreSettings):
    weight_dropout: float = setting(
        "DropConnect on the hidden-to-hidden matrices, one mask for a whole batch", at_least=0, below=1, before=0.0
    )


@dataclass(kw_only=True)
class RNNCoreSettings(RecurrentCoreSettings):
    nonlinearity: str = setting(
        "tanh, or relu, which does not saturate and may diverge",
        choices=("tanh", "relu"),
        before="tanh",
        also=("activation",),
    )


@dataclass(kw_only=True)
class FeedForwardCoreSettings(StackedCoreSettings):
    context: int = setting("number of preceding tokens: n - 1 of an n-gram model", at_least=1, at_most=1000)


@dataclass(kw_only=True)
class DecoderSettings(PartSettings):
    """From the core's output to probabilities of the next token."""


@dataclass(kw_only=True)
class EmbeddingSettings(PartSettings):
    """The initial values of the embedding."""

    dim: int | None = setting(
        "size of a vector; null: the size in the file",
        at_least=1,
        at_most=10**6,
        default=None,
        also=(
            "embedding_dim",
            "embedding_size",
            "embed_dim",
            "emb_dim",
            "emsize",
        ),
    )
    path: str | None = setting("a GloVe text or zip file; null: glove.6B", is_path=True, default=None)
    download: bool | None = setting("whether glove.6B may be downloaded; null: ask on a terminal", default=None)
    freeze: bool = setting("do not train the vectors further", default=False)
