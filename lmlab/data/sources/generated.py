"""Strings of formal languages as data, generated from a seed."""

from __future__ import annotations

import numpy as np

from lmlab.data.corpus import SPLITS, Corpus, Document
from lmlab.data.grammars.brackets import Brackets
from lmlab.data.grammars.grammar import Grammar
from lmlab.data.grammars.ndfa import NDFA
from lmlab.data.grammars.toy import Toy
from lmlab.data.sources.base import Source
from lmlab.errors import UserError

GRAMMARS: dict[str, type[NDFA] | type[Brackets] | type[Toy]] = {"ndfa": NDFA, "brackets": Brackets, "toy": Toy}


def make_grammar(name: str) -> Grammar:
    """Returns the grammar of that name."""
    return GRAMMARS[name]()


class Generated(Source):
    """Strings of a formal language; each split is drawn from a random stream of its own.

    The corpus includes the nats of the held-out strings under the language itself: on average, no model can be better.

    Args:
        grammar: ``ndfa``, ``brackets`` or ``toy``.
        num_strings: number of strings to train on.
        num_held_out: number of strings of validation, and also of test.
        seed: determines all strings.
    """

    def __init__(self, *, grammar: str, num_strings: int, num_held_out: int, seed: int) -> None:
        self.name = grammar
        self.num_strings = num_strings
        self.num_held_out = num_held_out
        self.seed = seed

    def check(self) -> None:
        """Checks the options.

        Raises:
            UserError: no such grammar, or no strings asked for.
        """
        if self.name not in GRAMMARS:
            raise UserError("data.source.grammar", self.name, "no such grammar", f"choose one of {', '.join(GRAMMARS)}")
        for field in ("num_strings", "num_held_out"):
            value = getattr(self, field)
            if not isinstance(value, int) or value < 1:
                raise UserError(
                    f"data.source.{field}", value, "is not a number of strings", f"for example {field}=10000"
                )
        if not isinstance(self.seed, int) or self.seed < 0:
            raise UserError("data.source.seed", self.seed, "is less than 0", "for example data.source.seed=1")

    def load(self) -> Corpus:
        """Returns the splits, with the nats of validation and test under the language itself."""
        self.check()
        grammar = make_grammar(self.name)
        counts = (self.num_strings, self.num_held_out, self.num_held_out)
        splits: dict[str, tuple[Document, ...]] = {}
        nats: dict[str, float] = {}
        for number, (split, count) in enumerate(zip(SPLITS, counts, strict=True)):
            strings = grammar.sample(count, np.random.default_rng([self.seed, number]))
            splits[split] = tuple(Document("", string) for string in strings)
            if split != "train":
                nats[split] = sum(map(grammar.nats, strings))
        floor = f"entropy of the source {grammar.nats_per_token():.6f} nats a character, the end token counted"
        where = f"grammar {self.name}, seed {self.seed}"
        return Corpus(splits, (where,), notes=(floor,), sentences=True, source_nats=nats)
