"""A Lightning data module: a corpus with its tokenizer and its loaders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from lmlab.data import token_store
from lmlab.data.corpus import Corpus
from lmlab.data.loaders.base import TrainLoader
from lmlab.data.loaders.first_batches import Evaluated, FirstBatches, FirstEvaluationBatches
from lmlab.data.loaders.sentences import evaluation_loader
from lmlab.data.overlap import leak, overlap
from lmlab.data.sources.base import Source, read
from lmlab.data.token_store import UNKNOWN_ID, TokenStore
from lmlab.data.tokenizers.base import UNKNOWN, Tokenizer, special_tokens
from lmlab.data.tokenizers.saved import extended, fitted
from lmlab.diagnostics.rules import Diagnostic, noted
from lmlab.diagnostics.run_rules import unknown_words
from lmlab.errors import UserError

# Number of characters of training text that a user's tokenizer must give back.
LOSS_SEARCHED = 10_000
_LONGER = "give a longer text"
_PIECES = "tokenizer=bpe needs no white space between words"
_NO_WORDS = f"lower tokenizer.min_frequency, or give a longer text; {_PIECES}"
# Maximum number of characters of each split that are searched for a leak, which takes about 20 seconds for so many.
LEAK_SEARCHED = 100_000_000


class LanguageModelData(pl.LightningDataModule):
    """Reads the text, fits the tokenizer on the training split and provides batches.

    A Trainer calls `prepare_data` and `setup`; without one, call `setup` before anything else.

    Args:
        source: of the text.
        tokenizer: fitted in `setup` unless `fit` is False.
        make_train_loader: called with the training split's store.
        num_streams: number of evaluation streams; None for the number that the evaluation protocol sets.
        fit: False if the tokenizer is already fitted and is to be used unchanged.
        known: a fitted tokenizer whose entries keep their ids; those of the fitted one follow. None for none.
        corpus: the source's text, if it has been read already.

    Attributes:
        tokenizer: fitted, after `setup`.
    """

    def __init__(
        self,
        *,
        source: Source,
        tokenizer: Tokenizer,
        make_train_loader: Callable[[TokenStore], TrainLoader],
        num_streams: int | None = None,
        fit: bool = True,
        known: Tokenizer | None = None,
        corpus: Corpus | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.tokenizer = tokenizer
        self.num_streams = num_streams
        self._make_train_loader = make_train_loader
        self._fit = fit
        self._known = known
        self._corpus = corpus
        self._stores: dict[str, TokenStore] = {}
        self._train_loader: TrainLoader | None = None
        self._num_batches: dict[str, int] = {}

    def prepare_data(self) -> None:
        """Fetches texts that must be fetched; of several processes on a machine, one calls this.

        Raises:
            UserError: the text cannot be used.
        """
        if self._corpus is None:
            self._corpus = read(self.source)

    def setup(self, stage: str | None = None) -> None:
        """Reads the text, fits the tokenizer and makes the loaders, at the first call.

        Args:
            stage: unused, because a vocabulary is needed for every stage.

        Raises:
            UserError: the text cannot be used, or a split is too short to predict anything.
        """
        if self._train_loader is not None:
            return
        self.prepare_data()
        if self._fit:
            self.tokenizer = fitted(self.tokenizer, self.corpus.texts("train"))
            if self._known is not None:
                self.tokenizer = extended(self._known, self.tokenizer)
        if len(self.tokenizer.vocabulary) == len(special_tokens(self.tokenizer.end_token)):
            problem, least = "no word of the training text occurs so often, so none is known", "min_frequency"
            raise UserError(f"tokenizer.{least}", getattr(self.tokenizer, least, None), problem, _NO_WORDS)
        self._stores = {name: self._store(name) for name in self.corpus.splits}
        self._train_loader = self._make_train_loader(self._stores["train"])

    @property
    def corpus(self) -> Corpus:
        """The text by split."""
        if self._corpus is None:
            raise RuntimeError("call setup() first")
        return self._corpus

    @property
    def stores(self) -> dict[str, TokenStore]:
        """The ids by split."""
        if not self._stores:
            raise RuntimeError("call setup() first")
        return self._stores

    @property
    def train_loader(self) -> TrainLoader:
        """The training loader."""
        if self._train_loader is None:
            raise RuntimeError("call setup() first")
        return self._train_loader

    def _store(self, split: str) -> TokenStore:
        store = token_store.build(self.corpus.texts(split), self.tokenizer)
        if store.num_targets < 1:
            problem = f"the {split} split has {len(store)} token{'' if len(store) == 1 else 's'}, nothing to predict"
            remedy = _LONGER if self.tokenizer.unit == "character" else f"{_LONGER}; {_PIECES}"
            raise UserError("data.path", getattr(self.source, "path", None), problem, remedy)
        return store

    def train_dataloader(self) -> TrainLoader:
        """Returns the training loader; always the same object, because it stores its position in the epoch."""
        return self.train_loader

    def val_dataloader(self) -> Evaluated:
        """Returns the evaluation protocol's loader for the validation split."""
        return self.evaluation_loader("validation")

    def test_dataloader(self) -> Evaluated:
        """Returns the evaluation protocol's loader for the test split.

        Raises:
            UserError: the text has none.
        """
        return self.evaluation_loader("test")

    def predict_dataloader(self) -> Evaluated:
        """Returns the loader of the test split or, if there is none, of the validation split."""
        return self.evaluation_loader("test" if "test" in self.stores else "validation")

    def evaluation_loader(self, split: str) -> Evaluated:
        """Returns the evaluation protocol's loader for any split.

        Raises:
            UserError: the corpus has no such split.
        """
        if split not in self.stores:
            self.corpus.texts(split)  # raises an error that names the existing splits
        loader = evaluation_loader(self.stores[split], num_streams=self.num_streams)
        if split in self._num_batches:
            return FirstEvaluationBatches(loader, num_batches=self._num_batches[split])
        return loader

    def limit_batches(self, split: str, num_batches: int, *, repeat: bool = False) -> None:
        """Limits the batches of a split that is trained or evaluated on; called once for a split.

        Args:
            split: ``train``, ``validation`` or ``test``.
            num_batches: number of batches, at most those of the split.
            repeat: whether every epoch of training has the batches of the first.
        """
        whole = len(self.train_loader) if split == "train" else len(self.evaluation_loader(split))
        if num_batches == whole and not repeat:
            return
        if split == "train":
            self._train_loader = FirstBatches(self.train_loader, num_batches=num_batches, repeat=repeat)
        else:
            self._num_batches[split] = num_batches

    @property
    def partial(self) -> dict[str, Any]:
        """What is limited, as plain data: for each split the number of batches and that of the whole; empty if nothing.

        Figures that need the whole text must not be made from a split that is here.
        """
        found: dict[str, Any] = {}
        if isinstance(self.train_loader, FirstBatches):
            loader = self.train_loader
            found["train"] = {"batches": len(loader), "of": len(loader.loader), "repeated": loader.repeat}
        for split, number in self._num_batches.items():
            whole = evaluation_loader(self.stores[split], num_streams=self.num_streams)
            found[split] = {"batches": number, "of": len(whole)}
        return found

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """What is wrong with the data and affects how far the results can be trusted; found anew each time."""
        said = [*self.corpus.warnings, *filter(None, [self.train_loader.note])]
        rates = [store.unk_rate for name, store in self.stores.items() if name != "train"]
        unknown = unknown_words(max(rates, default=0.0), self._unk_remedy())
        found = [self._leak(), self._loss_of_text(), None if unknown is None else noted("unknown-words", **unknown)]
        return [*(noted("other", text=text) for text in said), *(one for one in found if one is not None)]

    def _leak(self) -> Diagnostic | None:
        """Returns a diagnostic if validation text also occurs in the training text.

        Formal languages are not checked, because their strings repeat by nature.
        """
        if self.corpus.source_nats:
            return None
        by_character = self.tokenizer.unit == "character"
        train, held_out = (_first(self.corpus.strings(split), LEAK_SEARCHED) for split in ("train", "validation"))
        return leak(overlap(train, held_out, by_character=by_character, sentences=self.corpus.sentences))

    def _loss_of_text(self) -> Diagnostic | None:
        """Returns a diagnostic if a user's tokenizer drops or changes text that it knows.

        Bits per character count all characters of the text, so text that is never predicted flatters them.
        """
        if self.tokenizer.type_name:  # lmlab's own
            return None
        text = self.corpus.beginning("train")[:LOSS_SEARCHED]
        ids = self.tokenizer.encode(text)
        if UNKNOWN_ID in ids or self.tokenizer.decode(ids.tolist()) == text:
            return None
        return noted("text-lost", tokenizer=type(self.tokenizer).__name__)

    def _unk_remedy(self) -> str:
        if self.tokenizer.unit == "character":
            return "The training split lacks characters that another has; is it the same kind of text?"
        if getattr(self.tokenizer, "min_frequency", 2) == 1 and UNKNOWN in self.corpus.beginning("train"):
            return "The text itself spells them so, as do the published figures for it."
        return ""


def _first(texts: list[str], characters: int) -> list[str]:
    """Returns the first documents up to a total number of characters; the last of them is cut."""
    kept: list[str] = []
    for text in texts:
        if characters <= 0:
            break
        kept.append(text[:characters])
        characters -= len(text)
    return kept
