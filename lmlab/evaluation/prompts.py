"""How a model goes on from a short prompt: nats of the first tokens behind it, and of the same tokens in running text.

A prompt is read from a fresh state. Streams train on carried states, so that a network may be at a loss there; some of
the difference is information that a short prompt does not hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lmlab.data.tokenizers.base import Tokenizer
from lmlab.models.inference import evaluation_mode, exact_float32
from lmlab.models.language_model import LanguageModel

# The length of a prompt by the tokenizer's unit, and how many tokens behind it are measured.
PROMPT_WORDS, PROMPT_CHARACTERS, TOKENS_BEHIND = 3, 20, 3
# Most prompts, spread evenly over the text; least for a figure. Characters of the text that are searched for them.
MOST_PROMPTS, LEAST_PROMPTS, SEARCHED = 1_000, 20, 2_000_000
# Characters read before a sentence for the same tokens in running text, and behind a prompt for the tokens after it.
_BEFORE, _BEHIND = 500, 100
_ROWS = 50

# A sentence begins with a letter behind white space, a sentence's end and quotation marks.
_BEGINNING = re.compile(r"""[.!?]["'\u201d\u2019)_]*\s+["'\u201c\u2018(_]*(?=[^\W\d_])""")
_WORDS = re.compile(rf"[^\W\d_]+(?:[ \n][^\W\d_]+){{{PROMPT_WORDS - 1}}}(?=[ \n])")


class Prompt(NamedTuple):
    """The beginning of a sentence.

    Args:
        start: position of its first character in the text.
        stop: position behind its last.
    """

    start: int
    stop: int


def find_prompts(text: str, *, unit: str) -> list[Prompt]:
    """Returns beginnings of sentences, at most `MOST_PROMPTS`, spread evenly over a text.

    Args:
        text: running text.
        unit: of the tokenizer: 20 characters for ``character``, else 3 words without punctuation between them.
    """
    found = []
    for match in _BEGINNING.finditer(text, _BEFORE):
        start = match.end()
        if unit == "character":
            stop = start + PROMPT_CHARACTERS
        else:
            words = _WORDS.match(text, start)
            stop = 0 if words is None else words.end()
        if start < stop <= len(text) - _BEHIND:
            found.append(Prompt(start, stop))
    if len(found) > MOST_PROMPTS:
        found = [found[i] for i in np.linspace(0, len(found) - 1, MOST_PROMPTS).round().astype(int)]
    return found


def prompt_figures(model: LanguageModel, tokenizer: Tokenizer, text: str) -> dict[str, Any] | None:
    """Returns mean nats of each of the first tokens behind prompts, read alone and with the text before them.

    Args:
        model: any; its mode is restored.
        tokenizer: its tokenizer.
        text: running text that it was not trained on.

    Returns:
        `prompts`, how many; `length` and `unit` of one; position by position, mean `nats` from a fresh state and
        `nats_in_text` with 500 characters before it, and the `standard_error` of the difference. None if there are too
        few prompts.
    """
    rows: list[list[int]] = []
    before: list[list[int]] = []
    for prompt in find_prompts(text, unit=tokenizer.unit):
        own = text[prompt.start : prompt.stop]
        read = tokenizer.encode(own).tolist()
        ids = tokenizer.encode(own + text[prompt.stop : prompt.stop + _BEHIND]).tolist()[: len(read) + TOKENS_BEHIND]
        # Not where the prompt's last piece of a word would be another with what follows.
        if ids[: len(read)] == read and len(ids) == len(read) + TOKENS_BEHIND:
            rows.append(ids)
            before.append(tokenizer.encode(text[prompt.start - _BEFORE : prompt.start]).tolist())
    if len(rows) < LEAST_PROMPTS:
        return None
    alone = _nats(model, rows)
    within = _nats(model, [read + ids for read, ids in zip(before, rows, strict=True)])
    by_character = tokenizer.unit == "character"
    return {
        "prompts": len(rows),
        "length": PROMPT_CHARACTERS if by_character else PROMPT_WORDS,
        "unit": "characters" if by_character else "words",
        "nats": alone.mean(dim=0).tolist(),
        "nats_in_text": within.mean(dim=0).tolist(),
        "standard_error": ((alone - within).std(dim=0) / math.sqrt(len(rows))).tolist(),
    }


def describe_prompts(found: Mapping[str, Any]) -> str:
    """Returns what `prompt_figures` found in words."""
    alone, within = (", ".join(f"{nats:.2f}" for nats in found[name]) for name in ("nats", "nats_in_text"))
    return f"behind {found['length']} {found['unit']} alone {alone} nats, in running text {within}"


def _nats(model: LanguageModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """Returns the nats (N, `TOKENS_BEHIND`) of the last ids of rows, each read from a fresh state; float64."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # so that there is little padding
    found = torch.empty(len(rows), TOKENS_BEHIND, dtype=torch.float64)
    with evaluation_mode(model):
        for start in range(0, len(rows), _ROWS):
            chosen = order[start : start + _ROWS]
            found[chosen] = _of_last(model, [rows[i] for i in chosen])
    return found


def _of_last(model: LanguageModel, rows: Sequence[Sequence[int]]) -> Tensor:
    device = next(model.parameters()).device
    ids = pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(device)
    # (B, `TOKENS_BEHIND`): the steps that predict a row's last ids.
    steps = (
        torch.tensor([len(row) for row in rows], device=device)[:, None]
        - 1
        + torch.arange(-TOKENS_BEHIND, 0, device=device)
    )
    number = torch.arange(len(rows), device=device)[:, None]
    with exact_float32(device):
        hidden = model(ids[:, :-1], model.init_state(len(rows))).hidden[number, steps]
        targets = ids[number, steps + 1]
        nats = model.decoder.token_statistics(hidden.flatten(0, 1), targets.flatten()).nats
    return nats.view(len(rows), TOKENS_BEHIND).double().cpu()
