"""Settings of sources, loaders and tokenizers."""

from __future__ import annotations

from dataclasses import dataclass

from lmlab.config.setting import setting
from lmlab.config.settings.parts import LARGEST_SEED, PartSettings
from lmlab.data.catalogue import TEXTS

_PATH = "a file, or a folder of .txt files"
_SPLIT = "fractions for train, validation and test"
_ENCODING = "auto, or any encoding that Python supports"


@dataclass(kw_only=True)
class SourceSettings(PartSettings):
    """Where the text comes from."""


@dataclass(kw_only=True)
class PythonDocsSettings(SourceSettings):
    split: list[float] = setting(_SPLIT, at_least=0, at_most=10**9, longest=3)


@dataclass(kw_only=True)
class TextFilesSettings(SourceSettings):
    path: str | None = setting(_PATH, is_path=True)
    split: list[float] = setting(_SPLIT, at_least=0, at_most=10**9, longest=3)
    encoding: str = setting(_ENCODING)


@dataclass(kw_only=True)
class PublishedSplitsSettings(SourceSettings):
    name: str = setting("name of the published text", choices=tuple(TEXTS))
    path: str | None = setting("your own copy, used instead of downloading it", is_path=True)
    encoding: str = setting(_ENCODING)


@dataclass(kw_only=True)
class PublishedSettings(PublishedSplitsSettings):
    split: list[float] = setting(_SPLIT, at_least=0, at_most=10**9, longest=3)


@dataclass(kw_only=True)
class MovieReviewsSettings(SourceSettings):
    path: str | None = setting("your own copy, used instead of downloading it", is_path=True)
    split: list[float] = setting(_SPLIT, at_least=0, at_most=10**9, longest=3)
    encoding: str = setting(_ENCODING)
    max_reviews: int | None = setting("maximum number of reviews per split; null: all", at_least=1, at_most=10**6)


@dataclass(kw_only=True)
class GeneratedSettings(SourceSettings):
    grammar: str = setting("the formal language", choices=("ndfa", "brackets", "toy"))
    num_strings: int = setting("strings to train on", at_least=1, at_most=10**7)
    num_held_out: int = setting("strings to validate on, and as many to test on", at_least=1, at_most=10**7)
    seed: int = setting(
        "random seed of the strings; each split has a separate random stream", at_least=0, at_most=LARGEST_SEED
    )


@dataclass(kw_only=True)
class LoaderSettings(PartSettings):
    """How the training text is cut into batches."""

    batch_size: int = setting("rows per batch", at_least=1, at_most=10**6)


@dataclass(kw_only=True)
class SequencesSettings(LoaderSettings):
    sequence_length: int = setting("tokens per row", at_least=1, at_most=10**6)


@dataclass(kw_only=True)
class StreamsSettings(SequencesSettings):
    reset_probability: float = setting(
        "probability that a row starts a batch from a fresh state",
        at_least=0,
        at_most=1,
        before=0.0,
    )
    random_offset: bool = setting("begin each epoch at a random place of the text", before=False)


@dataclass(kw_only=True)
class WindowsSettings(SequencesSettings):
    stride: int = setting("tokens from one window to the next", at_least=1, at_most=10**6)


@dataclass(kw_only=True)
class SentencesSettings(LoaderSettings):
    tokens_per_batch: int | None = setting(
        "maximum number of tokens per batch, including padding; null: batch_size rows", at_least=1, at_most=10**9
    )


@dataclass(kw_only=True)
class TokenizerSettings(PartSettings):
    """How text becomes ids."""

    end_token: str | None = setting(
        "document: an end token after each document; line: one for each line end (words only); null: none; "
        "generation stops at it"
    )


@dataclass(kw_only=True)
class CharTokenizerSettings(TokenizerSettings):
    pass


@dataclass(kw_only=True)
class WordTokenizerSettings(TokenizerSettings):
    lower: bool = setting("lower-case all words")
    split: str = setting(
        "punctuation: punctuation marks are separate tokens; whitespace: the text is already tokenized",
        choices=("punctuation", "whitespace"),
    )
    min_frequency: int = setting("words that are rarer in the training split become <unk>", at_least=1, at_most=10**9)
    max_size: int | None = setting(
        "maximum number of entries, including <unk> and the end token; null: no limit",
        at_least=3,
        at_most=10**8,
        also=("vocab_size",),
    )


@dataclass(kw_only=True)
class BPETokenizerSettings(TokenizerSettings):
    vocabulary_size: int = setting(
        "maximum number of entries, including the 256 bytes, <unk> and the end token", at_least=258, at_most=10**6
    )
    min_frequency: int = setting("pairs that are rarer in the training split are not merged", at_least=1, at_most=10**9)
