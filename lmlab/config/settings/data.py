"""Settings of sources, loaders and tokenizers."""

from __future__ import annotations

from dataclasses import dataclass

from lmlab.config.setting import setting
from lmlab.config.settings.parts import PartSettings
from lmlab.data.catalogue import TEXTS

_PATH = "a file, or a folder of .txt files"
_SPLIT = "shares of train, validation and test"
_ENCODING = "auto, or any encoding Python knows"


@dataclass(kw_only=True)
class SourceSettings(PartSettings):
    """Where the text comes from."""


@dataclass(kw_only=True)
class PythonDocsSettings(SourceSettings):
    split: list[float] = setting(_SPLIT, at_least=0)


@dataclass(kw_only=True)
class TextFilesSettings(SourceSettings):
    path: str | None = setting(_PATH)
    split: list[float] = setting(_SPLIT, at_least=0)
    encoding: str = setting(_ENCODING)


@dataclass(kw_only=True)
class PublishedSplitsSettings(SourceSettings):
    name: str = setting("which of the published texts", choices=tuple(TEXTS))
    path: str | None = setting("a copy of one's own instead of fetching it")
    encoding: str = setting(_ENCODING)


@dataclass(kw_only=True)
class PublishedSettings(PublishedSplitsSettings):
    split: list[float] = setting(_SPLIT, at_least=0)


@dataclass(kw_only=True)
class MovieReviewsSettings(SourceSettings):
    path: str | None = setting("a copy of one's own instead of fetching it")
    split: list[float] = setting(_SPLIT, at_least=0)
    encoding: str = setting(_ENCODING)
    max_reviews: int | None = setting("most reviews of each split; null: all", at_least=1)


@dataclass(kw_only=True)
class GeneratedSettings(SourceSettings):
    grammar: str = setting("which formal language", choices=("ndfa", "brackets", "toy"))
    num_strings: int = setting("strings to train on", at_least=1)
    num_held_out: int = setting("strings of validation, and of test", at_least=1)
    seed: int = setting("of the strings; each split has a random stream of its own", at_least=0)


@dataclass(kw_only=True)
class LoaderSettings(PartSettings):
    """How the training text is cut into batches."""

    batch_size: int = setting("rows of a batch", at_least=1)


@dataclass(kw_only=True)
class StreamsSettings(LoaderSettings):
    sequence_length: int = setting("tokens of a row", at_least=1)


@dataclass(kw_only=True)
class WindowsSettings(StreamsSettings):
    stride: int = setting("tokens from one window to the next", at_least=1)


@dataclass(kw_only=True)
class SentencesSettings(LoaderSettings):
    tokens_per_batch: int | None = setting("tokens of a batch, padding counted; null: batch_size rows", at_least=1)


@dataclass(kw_only=True)
class TokenizerSettings(PartSettings):
    """How text becomes ids."""

    end_token: str | None = setting(
        "an end token after each document (document), for each line end (line, by word only), or null; text that is "
        "generated ends at it"
    )


@dataclass(kw_only=True)
class CharTokenizerSettings(TokenizerSettings):
    pass


@dataclass(kw_only=True)
class WordTokenizerSettings(TokenizerSettings):
    lower: bool = setting("lower-case all words")
    split: str = setting(
        "punctuation: words and punctuation marks apart; whitespace: the text is tokenized already",
        choices=("punctuation", "whitespace"),
    )
    min_frequency: int = setting("words that are rarer in the training split become <unk>", at_least=1)
    max_size: int | None = setting(
        "most entries of the vocabulary, <unk> and the end token included; null: no limit", at_least=1
    )


@dataclass(kw_only=True)
class BPETokenizerSettings(TokenizerSettings):
    vocabulary_size: int = setting("most entries, the 256 bytes, <unk> and the end token included", at_least=1)
    min_frequency: int = setting("a pair that is rarer in the training split is not merged", at_least=1)
