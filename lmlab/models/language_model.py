"""A recurrent language model: embedding, core, decoder."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lmlab.models.cores import Core, State
from lmlab.models.decoder import Decoder
from lmlab.models.regularizers import WordDropout, make_dropout


class LMOutput(NamedTuple):
    """What the model gives for a batch.

    Args:
        hidden: (B, T, H), for the decoder.
        state: after the last step.
        penalty: nats added to the training loss; 0 where nothing is regularised by the output.
    """

    hidden: Tensor
    state: State
    penalty: Tensor


class RecurrentLM(nn.Module):
    """Embedding, dropouts, core, dropout; the decoder gives loss or logits.

    Args:
        vectors: (V, E) first values of the embedding.
        core: takes inputs of size E.
        input_dropout: on the embedded inputs.
        output_dropout: on what the decoder sees.
        locked_dropout: these two share one mask over all steps of a batch.
        embedding_dropout: share of the vocabulary whose vectors are zeroed for a batch.
        tie_weights: the decoder uses the embedding's matrix; needs E equal to the core's output size.
        freeze_embedding: the embedding is not trained.

    Raises:
        ValueError: sizes that cannot be tied.
    """

    def __init__(
        self,
        *,
        vectors: Tensor,
        core: Core,
        input_dropout: float,
        output_dropout: float,
        locked_dropout: bool,
        embedding_dropout: float,
        tie_weights: bool,
        freeze_embedding: bool,
    ) -> None:
        super().__init__()
        vocabulary_size, dim = vectors.shape
        if tie_weights and dim != core.output_size:
            raise ValueError(f"tied weights need equal sizes, not {dim} and {core.output_size}")
        self.embedding = nn.Embedding(vocabulary_size, dim, _weight=vectors.clone(), _freeze=freeze_embedding)
        self.embedding_dropout = WordDropout(embedding_dropout, vocabulary_size)
        self.input_dropout = make_dropout(input_dropout, locked=locked_dropout)
        self.core = core
        self.output_dropout = make_dropout(output_dropout, locked=locked_dropout)
        tied_to = self.embedding.weight if tie_weights else None
        self.decoder = Decoder(hidden_size=core.output_size, vocabulary_size=vocabulary_size, tied_to=tied_to)

    def init_state(self, batch_size: int) -> State:
        """A fresh state for so many rows."""
        return self.core.init_state(batch_size)

    def forward(self, inputs: Tensor, state: State) -> LMOutput:
        """Runs T steps.

        Args:
            inputs: (B, T) ids.
            state: from `init_state` or the batch before.
        """
        embedded = self.input_dropout(self.embedding_dropout(self.embedding(inputs), inputs))
        hidden, new_state = self.core(embedded, state)
        return LMOutput(self.output_dropout(hidden), new_state, torch.zeros((), device=hidden.device))

    @property
    def num_parameters(self) -> int:
        """All parameters, a tied matrix counted once."""
        return sum(p.numel() for p in self.parameters())


def starting_state(model: RecurrentLM, state: State | None, reset: Tensor) -> State:
    """The state a batch starts from: carried on, fresh in the rows that are reset.

    Args:
        model: for a fresh state.
        state: after the batch before; None for the first. One of another batch size belongs to other rows.
        reset: (B,) bool.
    """
    if state is None or state[0].shape[1] != len(reset):
        return model.init_state(len(reset))
    return reset_rows(state, reset)


def reset_rows(state: State, reset: Tensor) -> State:
    """Zeroes the state of rows that start afresh.

    Args:
        state: tensors with the batch on dim 1.
        reset: (B,) bool.
    """
    keep = ~reset[None, :, None]
    return tuple(torch.where(keep, tensor, 0.0) for tensor in state)
