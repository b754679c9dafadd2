"""A recurrent language model: embedding, core, decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lmlab.models.core import Core, State
from lmlab.models.core import initial_state as initial_state_of
from lmlab.models.decoder import Decoder, LinearDecoder
from lmlab.models.dropout import EmbeddingDropout, make_dropout


class LMOutput(NamedTuple):
    """The output of the model for a batch.

    Args:
        hidden: (B, T, H), input of the decoder.
        state: after the last step.
        penalty: nats added to the training loss; 0 if there is no regularisation of the output.
    """

    hidden: Tensor
    state: State
    penalty: Tensor


class LanguageModel(nn.Module):
    """A language model: embedding, dropout, core, dropout, and a decoder that computes loss or logits.

    Args:
        vectors: (V, E) initial values of the embedding.
        core: takes inputs of size E.
        input_dropout: dropout rate of the embedded inputs.
        output_dropout: dropout rate of the decoder's input.
        locked_dropout: whether each of these two uses one mask for all steps of a batch.
        embedding_dropout: share of the vocabulary whose vectors are zeroed for a batch.
        tie_weights: whether the decoder uses the embedding's matrix; needs E equal to the core's output size.
        freeze_embedding: whether the embedding is excluded from training.
        make_decoder: called with `hidden_size`, `vocabulary_size` and `tied_to`.

    Raises:
        ValueError: weights are tied but the sizes differ.
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
        make_decoder: Callable[..., Decoder] = LinearDecoder,
    ) -> None:
        super().__init__()
        vocabulary_size, dim = vectors.shape
        if tie_weights and dim != core.output_size:
            raise ValueError(f"tied weights need equal sizes, not {dim} and {core.output_size}")
        self.embedding = nn.Embedding(vocabulary_size, dim, _weight=vectors.clone(), _freeze=freeze_embedding)
        self.embedding_dropout = EmbeddingDropout(embedding_dropout, vocabulary_size)
        self.input_dropout = make_dropout(input_dropout, locked=locked_dropout)
        self.core = core
        self.output_dropout = make_dropout(output_dropout, locked=locked_dropout)
        tied_to = self.embedding.weight if tie_weights else None
        self.decoder = make_decoder(hidden_size=core.output_size, vocabulary_size=vocabulary_size, tied_to=tied_to)

    def init_state(self, batch_size: int) -> State:
        """Returns the core's state before the first token, for `batch_size` rows."""
        return self.core.init_state(batch_size)

    def initial_state(self, state: State | None, reset: Tensor) -> State:
        """Returns the state that a batch starts from: the previous one, with a fresh state in the rows that are reset.

        Args:
            state: after the previous batch; None for the first batch.
            reset: (B,) bool.
        """
        return initial_state_of(self.init_state, state, reset)

    def forward(self, inputs: Tensor, state: State) -> LMOutput:
        """Runs T steps.

        Args:
            inputs: (B, T) ids.
            state: from `init_state` or the previous batch.
        """
        embedded = self.input_dropout(self.embedding_dropout(self.embedding(inputs), inputs))
        hidden, new_state = self.core(embedded, state)
        return LMOutput(self.output_dropout(hidden), new_state, torch.zeros((), device=hidden.device))

    @property
    def num_parameters(self) -> int:
        """The number of all parameters, a tied matrix counted once."""
        return sum(p.numel() for p in self.parameters())
