"""Writes the contents of exhibits.json: what a report shows of a finished run's best model besides its figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lmlab.checkpoints import load_weights, read_checkpoint
from lmlab.data.datamodule import LanguageModelData
from lmlab.data.loaders.base import IGNORE_INDEX, Batch
from lmlab.data.loaders.sentences import in_order
from lmlab.data.loaders.streams import Streams
from lmlab.data.sources.generated import Generated, make_grammar
from lmlab.data.token_store import TokenStore
from lmlab.data.tokenizers.base import Tokenizer
from lmlab.evaluation.language import language_quality
from lmlab.evaluation.protocol import nats_by_token
from lmlab.evaluation.sample_quality import sample_quality
from lmlab.generation import SamplingOptions, excluded_ids, generate, next_token_probabilities, start_of_text
from lmlab.models.language_model import LanguageModel
from lmlab.runs.discovery import checkpoint_names, checkpoint_path

# Tokens of the passage that is shown with its losses: one or two paragraphs.
PASSAGE_TOKENS = {"character": 600, "word": 150, "piece": 200}
# Least and most occurrences in the training text of the tokens of a frequency bin.
FREQUENCY_BINS: tuple[tuple[int, int | None], ...] = ((0, 0), (1, 9), (10, 99), (100, 999), (1_000, None))
# Most validation tokens that are binned; they take some 50 bytes each.
MOST_BINNED = 4_000_000
# Most samples at each temperature, and most kept checkpoints whose predictions are stored.
MOST_SAMPLES, MOST_CHECKPOINTS = 20, 12
# Predicted next tokens of each checkpoint.
TOP = 5


def analyse(
    model: LanguageModel,
    data: LanguageModelData,
    source: Any,
    folder: Path,
    *,
    prompt: str,
    temperatures: list[float],
    num_samples: int,
    length: int,
) -> dict[str, Any]:
    """Returns passage, frequency bins, samples by temperature and predictions of the kept checkpoints.

    Args:
        model: with the best weights, on any device. Its weights are the same afterwards.
        data: of its run.
        source: of the corpus; decides whether samples are judged as strings of a formal language.
        folder: the run's, with its checkpoints.
        prompt: of samples and predictions.
        temperatures: of the samples.
        num_samples: at each temperature, at most `MOST_SAMPLES`; no such limit for formal languages, whose shares need
            many samples.
        length: most tokens of a sample.

    Returns:
        Plain containers, ready for JSON.
    """
    kind = {"character": "char", "word": "word", "piece": "bpe"}[data.tokenizer.unit]
    found: dict[str, Any] = {"passage": passage(model, data.stores["validation"], data.tokenizer)}
    if kind != "char":
        found["frequency_bands"] = frequency_bins(model, data)
    if num_samples:
        count = num_samples if isinstance(source, Generated) else min(num_samples, MOST_SAMPLES)
        found["temperatures"] = [
            _at_temperature(model, data, source, prompt, temperature, count, length) for temperature in temperatures
        ]
    kept = [name for name in checkpoint_names(folder) if name.startswith("step-")]
    if kept:
        checkpoints = [*_spread(kept), "best"]
        found["predictions"] = {
            "prompt": prompt,
            "checkpoints": [_prediction(model, data.tokenizer, folder, name, prompt) for name in checkpoints],
        }
    return found


def passage(model: LanguageModel, store: TokenStore, tokenizer: Tokenizer) -> dict[str, Any]:
    """Returns the first tokens of the validation text with the nats of each, read from a fresh state."""
    wanted = PASSAGE_TOKENS[tokenizer.unit]
    if store.sentences is None:
        nats = nats_by_token(model, [Streams(store, 1).window(0, wanted)])
    else:
        sentences = int(np.searchsorted(store.sentences, wanted))
        nats = nats_by_token(model, islice(in_order(store), sentences))
    first = len(store) - store.num_targets
    ids = store.ids[first : first + len(nats)].tolist()
    return {"split": "validation", "tokens": _texts(ids, nats.tolist(), tokenizer)}


def _texts(ids: list[int], nats: list[float], tokenizer: Tokenizer) -> list[list[Any]]:
    """Returns text and nats of each token; an end token becomes a line end."""
    streamer = tokenizer.streamer()
    texts = ["\n" if i == tokenizer.end_id else streamer.push(i) for i in ids]
    return [[text, round(of_token, 4)] for text, of_token in zip(texts, nats, strict=True)]


def frequency_bins(model: LanguageModel, data: LanguageModelData) -> list[dict[str, Any]]:
    """Returns validation nats a token by frequency of the token in the training text, without empty bins.

    Of a long validation text the first `MOST_BINNED` tokens of its streams are binned.
    """
    batches = list(_first_batches(data.evaluation_loader("validation"), MOST_BINNED))
    nats = nats_by_token(model, batches).double().numpy()
    targets = np.concatenate([batch.targets[batch.targets != IGNORE_INDEX].numpy() for batch in batches])
    counts = data.stores["train"].counts(len(data.tokenizer.vocabulary))[targets]
    found = []
    for least, most in FREQUENCY_BINS:
        chosen = (counts >= least) & (counts <= (np.inf if most is None else most))
        if chosen.any():
            per_token = float(nats[chosen].sum() / chosen.sum())
            found.append({"from": least, "to": most, "tokens": int(chosen.sum()), "nats_per_token": per_token})
    return found


def _first_batches(batches: Iterable[Batch], most: int) -> Iterator[Batch]:
    """Yields batches until they have so many tokens."""
    for batch in batches:
        if most <= 0:
            return
        yield batch
        most -= batch.targets.numel()


def _at_temperature(
    model: LanguageModel,
    data: LanguageModelData,
    source: Any,
    prompt: str,
    temperature: float,
    num_samples: int,
    length: int,
) -> dict[str, Any]:
    tokenizer = data.tokenizer
    ids = tokenizer.encode(prompt).tolist()
    options = SamplingOptions(
        length=length,
        temperature=temperature,
        top_k=None,
        top_p=None,
        seed=0,
        banned=excluded_ids(tokenizer),
        end_id=tokenizer.end_id,
    )
    drawn = generate(model, start_of_text(tokenizer, ids), options, num_samples=num_samples)
    prefix = tokenizer.decode(ids)
    texts = [tokenizer.decode([*ids, *sample.ids])[len(prefix) :] for sample in drawn]
    found: dict[str, Any] = {"temperature": temperature, "prompt": prompt, "num_samples": num_samples, "text": texts[0]}
    reasons = [sample.stop_reason for sample in drawn]
    if isinstance(source, Generated):
        strings = [prompt + text for text in texts]
        quality = language_quality(strings, reasons, make_grammar(source.name), data.corpus.strings("train"))
        return found | {name: quality[name] for name in ("valid", "novel", "distinct")}
    triples = [(text, sample.ids, reason) for text, sample, reason in zip(texts, drawn, reasons, strict=True)]
    by_character = tokenizer.unit == "character"
    quality = sample_quality(triples, data.corpus.strings("train"), by_character=by_character)
    return found | {name: None if value != value else value for name, value in quality.items()}


def _spread(names: list[str]) -> list[str]:
    """Returns at most `MOST_CHECKPOINTS` of the names, evenly spaced, with the first and the last."""
    if len(names) <= MOST_CHECKPOINTS:
        return names
    return [names[round(i * (len(names) - 1) / (MOST_CHECKPOINTS - 1))] for i in range(MOST_CHECKPOINTS)]


def _prediction(
    model: LanguageModel, tokenizer: Tokenizer, folder: Path, checkpoint: str, prompt: str
) -> dict[str, Any]:
    path = checkpoint_path(folder, checkpoint)
    saved = read_checkpoint(path)
    load_weights(model, saved.get("state_dict"), path, prefix="model.")
    probs = next_token_probabilities(model, start_of_text(tokenizer, tokenizer.encode(prompt).tolist()))
    top = probs.topk(min(TOP, len(probs)))
    pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    following = [[tokenizer.vocabulary[i], round(p, 6)] for i, p in pairs]
    return {"name": checkpoint, "step": int(saved["global_step"]), "next": following}
