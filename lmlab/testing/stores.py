"""Token stores of made-up ids in which an id identifies its position, for the check of a loader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmlab.data.token_store import START_ID, TokenStore

_END_ID = 1
# After the special tokens.
_FIRST_ID = START_ID + 1
# Tokens between two end tokens, on average.
_MEAN_LENGTH = 12


@dataclass(frozen=True)
class KnownStore:
    """A token store in which every non-special id occurs once, so that an id identifies its position.

    Args:
        store: its ids cannot be written to, as those of a large text, which are a file.
        what: the kind of text, for messages.
        inputs: ids, each followed by the target at the same index.
        targets: the ids that follow them.
    """

    store: TokenStore
    what: str
    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Ids are below this."""
        return int(self.store.ids.max()) + 1

    def may_follow(self, inputs: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each target is the next id after its input."""
        return np.isin(inputs * self.size + targets, self.inputs * self.size + self.targets)


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
    ids.setflags(write=False)
    store = TokenStore(ids, 5 * num_tokens, 0, "", _END_ID if end_tokens else None)
    return KnownStore(store, what, inputs, targets)


def sentences(num_tokens: int) -> KnownStore:
    """Returns a store of sentences of several lengths."""
    ids = np.arange(_FIRST_ID, _FIRST_ID + num_tokens, dtype=np.int32)
    ends = _ends(num_tokens)
    ids[ends] = _END_ID
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    inputs = np.concatenate([[START_ID], ids[:-1]]).astype(np.int64)
    inputs[starts] = START_ID
    ids.setflags(write=False)
    store = TokenStore(ids, 5 * num_tokens, 0, "", _END_ID, starts)
    return KnownStore(store, "sentences", inputs, ids.astype(np.int64))


def _ends(num_tokens: int) -> NDArray[np.int64]:
    """Positions of end tokens, the last one at the end."""
    lengths = np.random.default_rng(0).integers(2, 2 * _MEAN_LENGTH, num_tokens)
    ends = np.cumsum(lengths) - 1
    return np.append(ends[ends < num_tokens - 2], num_tokens - 1).astype(np.int64)
