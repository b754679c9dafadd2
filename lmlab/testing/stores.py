"""Stores of made-up ids in which every place can be told, for the check of a loader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmlab.data.token_store import START_ID, TokenStore

_END_ID = 1
# Behind the special tokens.
_FIRST_ID = START_ID + 1
# Tokens between two end tokens, on average.
_MEAN_LENGTH = 12


@dataclass(frozen=True)
class KnownStore:
    """A store whose ids but the special ones each occur once, so that an id says where it stands.

    Args:
        store: its ids cannot be written to, as those of a large text, which are a file.
        what: in words.
        pairs: sorted codes of the ids that may follow each other, see `code`.
    """

    store: TokenStore
    what: str
    pairs: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Ids are below this."""
        return int(self.store.ids.max()) + 1

    def code(self, inputs: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns one number for each pair of an input and its target."""
        return inputs * self.size + targets

    def may_follow(self, inputs: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each target is the next id after its input."""
        codes = self.code(inputs, targets)
        nearest = self.pairs[np.minimum(np.searchsorted(self.pairs, codes), len(self.pairs) - 1)]
        follows: NDArray[np.bool_] = nearest == codes
        return follows


def running_text(num_tokens: int, *, end_tokens: bool) -> KnownStore:
    """Returns a store of running text.

    Args:
        num_tokens: N.
        end_tokens: whether documents end with an end token, from which the first token is predicted too.
    """
    ids = np.arange(_FIRST_ID, _FIRST_ID + num_tokens, dtype=np.int32)
    if end_tokens:
        ids[_ends(num_tokens)] = _END_ID
    inputs, targets = ids[:-1].astype(np.int64), ids[1:].astype(np.int64)
    if end_tokens:
        inputs, targets = np.append(inputs, _END_ID), np.append(targets, ids[0])
    what = "running text " + ("with end tokens" if end_tokens else "without end tokens")
    store = TokenStore(_read_only(ids), 5 * num_tokens, 0, "", _END_ID if end_tokens else None)
    return _known(store, what, inputs, targets)


def sentences(num_tokens: int) -> KnownStore:
    """Returns a store of sentences of several lengths."""
    ids = np.arange(_FIRST_ID, _FIRST_ID + num_tokens, dtype=np.int32)
    ends = _ends(num_tokens)
    ids[ends] = _END_ID
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    inputs = np.concatenate([[START_ID], ids[:-1]]).astype(np.int64)
    inputs[starts] = START_ID
    store = TokenStore(_read_only(ids), 5 * num_tokens, 0, "", _END_ID, starts)
    return _known(store, "sentences", inputs, ids.astype(np.int64))


def _known(store: TokenStore, what: str, inputs: NDArray[np.int64], targets: NDArray[np.int64]) -> KnownStore:
    made = KnownStore(store, what, np.zeros(0, dtype=np.int64))
    return KnownStore(store, what, np.sort(made.code(inputs, targets)))


def _ends(num_tokens: int) -> NDArray[np.int64]:
    """Places of end tokens, the last one at the end."""
    lengths = np.random.default_rng(0).integers(2, 2 * _MEAN_LENGTH, num_tokens)
    ends = np.cumsum(lengths) - 1
    return np.append(ends[ends < num_tokens - 2], num_tokens - 1).astype(np.int64)


def _read_only(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    ids.flags.writeable = False
    return ids
