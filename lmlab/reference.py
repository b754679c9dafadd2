"""A second opinion in float64: the figures of a run's weights on a text, by loops of its own.

It shares the tokenizer and the weights with the rest of lmlab, and no line of code: cutting, network, loss, counts and
hashes are written again from the definitions in README ("What the numbers mean").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmlab.data.tokenizers.base import Tokenizer

Ids = NDArray[np.int64]
Weights = Mapping[str, Tensor]

# Elements held at once, and rows that are computed side by side; they change memory, not numbers.
_ELEMENTS = 2**21
_ROWS_AT_ONCE = 512
# Targets whose logit is as near as this to another one's may count as right or wrong: float32 cannot tell them apart.
_TIE = 1e-5


class Row(NamedTuple):
    """Tokens that are read one after the other from a fresh state: `inputs` (T,) predict `targets` (T,)."""

    inputs: Ids
    targets: Ids


class Measured(NamedTuple):
    """Total nats of each row (R,), counted targets, and wrong ones where ties count as right and as wrong."""

    row_nats: NDArray[np.float64]
    num_tokens: int
    fewest_errors: int
    most_errors: int


def encoded(texts: Sequence[str], tokenizer: Tokenizer) -> list[Ids]:
    """The ids of each document, followed by the end token where one stands behind documents or sentences."""
    end = [tokenizer.end_id] if tokenizer.end_token in ("document", "sentence") else []
    return [np.concatenate([tokenizer.encode(text), np.array(end, dtype=np.int64)]) for text in texts]


def number_of_streams(num_tokens: int, wanted: int | None) -> int:
    """S of the protocol: max(1, min(16, N // 2000)) unless another is wanted; at most one a token."""
    return min(wanted or max(1, min(16, num_tokens // 2000)), max(1, num_tokens))


def stream_rows(ids: Ids, *, end_id: int | None, num_streams: int) -> list[Row]:
    """Running text (N,) as streams of ceil(N / S) tokens, each from the last token of the stream before."""
    # The very first token is predicted from the end token, or not at all where there is none.
    before = np.concatenate([[-1 if end_id is None else end_id], ids[:-1]])
    length = -(-len(ids) // num_streams)
    rows = [Row(before[i : i + length], ids[i : i + length]) for i in range(0, len(ids), max(1, length))]
    if end_id is None:
        rows[:1] = [Row(row.inputs[1:], row.targets[1:]) for row in rows[:1]]
    return rows


def sentence_rows(sentences: Sequence[Ids]) -> list[Row]:
    """Each sentence, its end token counted, from a start token (id 2)."""
    return [Row(np.concatenate([[2], sentence[:-1]]), sentence) for sentence in sentences]


def measure(weights: Weights, rows: Sequence[Row]) -> Measured:
    """Reads every row from a fresh state; `weights` are `embedding.weight`, `core.layers.<i>...` and `decoder...`."""
    network = {name: tensor.double() for name, tensor in weights.items() if name != "embedding.weight"}
    embedding = weights["embedding.weight"]
    network.setdefault("decoder.weight", embedding.double())
    row_nats, errors = np.zeros(len(rows)), np.zeros(2, dtype=np.int64)
    longest_first = sorted(range(len(rows)), key=lambda i: -len(rows[i].targets))
    size = max(1, _ELEMENTS // len(embedding))
    with torch.inference_mode():
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            chosen = longest_first[first : first + _ROWS_AT_ONCE]
            for numbers, hidden, targets in _blocks(network, embedding, rows, chosen):
                for start in range(0, len(targets), size):
                    part = slice(start, start + size)
                    logits = hidden[part] @ network["decoder.weight"].T + network["decoder.bias"]
                    nats, sure, maybe = _compared(logits, targets[part])
                    np.add.at(row_nats, numbers[part], nats.numpy())
                    errors += (int(sure.sum()), int(maybe.sum()))
    return Measured(row_nats, sum(len(row.targets) for row in rows), int(errors[0]), int(errors[1]))


def _blocks(
    network: Weights, embedding: Tensor, rows: Sequence[Row], chosen: Sequence[int]
) -> Iterator[tuple[Ids, Tensor, Tensor]]:
    """Some steps after the other of rows, the longest first: row numbers (n,), hidden (n, H) and targets (n,)."""
    lengths = np.array([len(rows[i].targets) for i in chosen])
    layers = _layers(network)
    widest = max(max(tensor.shape) for layer in layers for tensor in layer.values())
    steps = max(1, _ELEMENTS // (widest * len(chosen)))
    states: list[tuple[Tensor, ...]] = [() for _ in layers]
    for start in range(0, int(lengths.max(initial=0)), steps):
        alive = int((lengths > start).sum())  # the rows behind have ended
        counted = np.arange(start, min(start + steps, int(lengths[0])))[None, :] < lengths[:alive, None]
        inputs, targets = np.zeros(counted.shape, dtype=np.int64), np.zeros(counted.shape, dtype=np.int64)
        for place, i in enumerate(chosen[:alive]):
            here = slice(start, start + counted.shape[1])
            inputs[place, counted[place]], targets[place, counted[place]] = rows[i].inputs[here], rows[i].targets[here]
        hidden = embedding[torch.from_numpy(inputs)].double()  # (B, T, E)
        for number, layer in enumerate(layers):
            state = tuple(tensor[:alive] for tensor in states[number])
            hidden, states[number] = _run(layer, hidden, state, window=number == 0)
        mask = torch.from_numpy(counted)
        yield np.array(chosen)[np.nonzero(counted)[0]], hidden[mask], torch.from_numpy(targets)[mask]


def _layers(network: Weights) -> list[dict[str, Tensor]]:
    """The core's layers from its names: `core.layers.0.weight_ih_l0` is `weight_ih` of the first."""
    found: dict[int, dict[str, Tensor]] = {}
    for name, tensor in network.items():
        if name.startswith("core.layers."):
            number, rest = name.removeprefix("core.layers.").split(".")
            found.setdefault(int(number), {})[rest.removesuffix("_l0")] = tensor
    return [found[number] for number in sorted(found)]


def _run(
    layer: Mapping[str, Tensor], inputs: Tensor, state: tuple[Tensor, ...], *, window: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer over (B, T, I): its output (B, T, H) and what it carries on; an empty state is a fresh one."""
    if "weight" in layer:  # feed-forward: the first layer sees a window of inputs, zeros before the first
        context = layer["weight"].shape[1] // inputs.shape[2] if window else 1
        before = state[0] if state else inputs.new_zeros(len(inputs), context - 1, inputs.shape[2])
        seen = torch.cat([before, inputs], 1)
        windows = torch.cat([seen[:, i : i + inputs.shape[1]] for i in range(context)], 2)
        return (windows @ layer["weight"].T + layer["bias"]).tanh(), (seen[:, seen.shape[1] - context + 1 :],)
    size = layer["weight_hh"].shape[1]
    step = {1: _rnn, 3: _gru, 4: _lstm}[len(layer["weight_hh"]) // size]
    from_inputs = (inputs.transpose(0, 1) @ layer["weight_ih"].T + layer["bias_ih"]).contiguous()  # (T, B, gates)
    recurrent, bias = layer["weight_hh"].T.contiguous(), layer["bias_hh"]
    hidden, cell = state or (inputs.new_zeros(len(inputs), size),) * 2
    outputs = []
    for t in range(len(from_inputs)):
        hidden, cell = step(from_inputs[t], hidden @ recurrent + bias, hidden, cell)
        outputs.append(hidden)
    return torch.stack(outputs, 1), (hidden, cell)


def _rnn(x: Tensor, h: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    return (x + h).tanh(), cell


def _gru(x: Tensor, h: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    (x_reset, x_update, x_new), (h_reset, h_update, h_new) = x.chunk(3, 1), h.chunk(3, 1)
    update = (x_update + h_update).sigmoid()
    new = (x_new + (x_reset + h_reset).sigmoid() * h_new).tanh()
    return (1 - update) * new + update * hidden, cell


def _lstm(x: Tensor, h: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    enter, forget, candidate, leave = (x + h).chunk(4, 1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
    return leave.sigmoid() * cell.tanh(), cell


def _compared(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Nats, whether surely wrong and whether perhaps wrong, each (n,); `logits` (n, V) are changed."""
    of_target = logits.gather(1, targets[:, None])[:, 0]
    nats = torch.logsumexp(logits, 1) - of_target
    others = logits.scatter_(1, targets[:, None], -torch.inf).amax(1)
    near = _TIE * others.abs().clamp(min=1.0, max=1e30)
    return nats, of_target < others - near, of_target <= others + near


def num_parameters(weights: Weights) -> int:
    """All numbers of the weights, a decoder's matrix that is the embedding's counted once."""
    tied = "decoder.weight" in weights and torch.equal(weights["decoder.weight"], weights["embedding.weight"])
    return sum(tensor.numel() for name, tensor in weights.items() if not (tied and name == "decoder.weight"))


def text_sha256(texts: Iterable[str]) -> str:
    """SHA-256 of the texts' UTF-8 bytes, one after the other."""
    return hashlib.sha256(b"".join(text.encode("utf-8", "surrogatepass") for text in texts)).hexdigest()


def fingerprint(texts: Sequence[str], documents: Sequence[Ids], tokenizer: dict[str, Any], streams: int | None) -> str:
    """SHA-256 over text, tokenizer (as its dict) and protocol; `streams` is None for sentences."""
    ids = np.concatenate(documents).astype(np.int32)
    protocol = {
        "text": text_sha256(texts),
        "ids": hashlib.sha256(ids.tobytes()).hexdigest(),
        "tokenizer": tokenizer,
        "num_streams": streams,
        "num_tokens": len(ids) - (tokenizer["end_token"] is None),
        "dtype": "float32",
        "state": "fresh for each sentence" if streams is None else "carried",
    }
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()
