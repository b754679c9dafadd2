"""Steps of a language model from id to logits, to generate text."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lmlab.models.core import State
from lmlab.models.decoder import Decoder, LinearDecoder
from lmlab.models.language_model import LanguageModel
from lmlab.models.products import PreparedProduct
from lmlab.models.recurrent import RecurrentCore

# Runs one step: (ids (B,), state) -> (logits (B, V), state).
TokenStepper = Callable[[Tensor, State], tuple[Tensor, State]]

# Largest number of elements of a table of the first layer's products: made in about the time of 10 to 100 steps. It
# depends on the model alone, so that a text does not depend on how long it may become or on how many there are.
_TABLE_ELEMENTS = 2**21


def token_stepper(model: LanguageModel, *, bfloat16: bool = False) -> TokenStepper:
    """Returns a function that runs one step of a model in evaluation mode. It is valid until the weights change.

    Cores and decoders of one's own run by their `stepper` and `logits`, in their own precision.

    Args:
        model: its parts are used one by one, without dropout.
        bfloat16: whether lmlab's own recurrent cores and linear decoder compute products in bfloat16.
    """
    core, embedding = model.core, model.embedding
    logits = _logits(model.decoder, bfloat16=bfloat16)
    # A subclass may have a stepper of its own.
    if not isinstance(core, RecurrentCore) or type(core).stepper is not RecurrentCore.stepper:
        step = core.stepper()
        by_id = False
    else:
        by_id = _may_have_table(core, embedding.weight)
        step = core.prepared_stepper(vectors=embedding.weight if by_id else None, bfloat16=bfloat16)

    def step_token(ids: Tensor, state: State) -> tuple[Tensor, State]:
        output, state = step(ids if by_id else embedding(ids), state)
        return logits(output), state

    return step_token


def _may_have_table(core: RecurrentCore, vectors: Tensor) -> bool:
    """Returns whether the products of the first layer with all vectors are few enough to be made beforehand."""
    gates = core.layers[0].get_parameter("weight_ih_l0").shape[0]
    return len(vectors) * gates <= _TABLE_ELEMENTS


def _logits(decoder: Decoder, *, bfloat16: bool) -> Callable[[Tensor], Tensor]:
    if type(decoder).logits is not LinearDecoder.logits:
        return decoder.logits
    assert isinstance(decoder, LinearDecoder)
    return PreparedProduct(decoder.weight, decoder.bias, bfloat16=bfloat16)
