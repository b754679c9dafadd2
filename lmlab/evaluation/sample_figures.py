"""Figures of samples from the best model at temperature 1, its own probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmlab.data.datamodule import LanguageModelData
from lmlab.data.grammars.brackets import Brackets
from lmlab.data.loaders.sentences import in_order
from lmlab.data.sources.generated import Generated, make_grammar
from lmlab.data.token_store import build
from lmlab.evaluation.language import closing_accuracy, language_quality, trained_depth
from lmlab.evaluation.protocol import errors_by_token
from lmlab.evaluation.sample_quality import sample_quality, uniformity
from lmlab.generation import Sample, SamplingOptions, excluded_ids, generate, start_of_text
from lmlab.models.language_model import LanguageModel

# Number of held-out strings on which predictions of closing brackets are evaluated.
_CLOSING_STRINGS = 1_000


def sample_figures(
    model: LanguageModel, data: LanguageModelData, source: Any, *, num_samples: int, length: int
) -> dict[str, Any]:
    """Returns figures of samples from an empty prompt, in plain containers.

    Args:
        model: with the best weights, on any device.
        data: of its run.
        source: of the corpus; decides whether samples are judged as strings of a formal language.
        num_samples: number of samples, with the seeds 0, 1, 2, ...
        length: most tokens of each.
    """
    tokenizer = data.tokenizer
    options = SamplingOptions(
        length=length,
        temperature=1.0,
        top_k=None,
        top_p=None,
        seed=0,
        banned=excluded_ids(tokenizer),
        end_id=tokenizer.end_id,
    )
    drawn = generate(model, start_of_text(tokenizer, []), options, num_samples=num_samples)
    texts = [tokenizer.decode(sample.ids) for sample in drawn]
    found: dict[str, Any] = {"num_samples": num_samples, "temperature": 1.0, "most_tokens": length}
    if isinstance(source, Generated):
        return found | _of_language(model, data, source, texts, drawn)
    by_character = tokenizer.unit == "character"
    triples = [(text, sample.ids, sample.stop_reason) for text, sample in zip(texts, drawn, strict=True)]
    quality = sample_quality(triples, data.corpus.strings("train"), by_character=by_character)
    size = len(tokenizer.vocabulary) - len(options.banned)
    return found | _finite({**quality, "uniformity": uniformity([s.ids for s in drawn], vocabulary_size=size)})


def _of_language(
    model: LanguageModel, data: LanguageModelData, source: Generated, texts: list[str], drawn: list[Sample]
) -> dict[str, Any]:
    grammar = make_grammar(source.name)
    training = data.corpus.strings("train")
    reasons = [sample.stop_reason for sample in drawn]
    found: dict[str, Any] = {"language": language_quality(texts, reasons, grammar, training)}
    if isinstance(grammar, Brackets):
        strings = data.corpus.strings("validation")[:_CLOSING_STRINGS]
        wrong = errors_by_token(model, in_order(build(strings, data.tokenizer))).numpy()
        ends = np.cumsum([len(string) + 1 for string in strings])
        right = [(~part).tolist() for part in np.split(wrong, ends[:-1])]
        depth = trained_depth(training)
        found["closing"] = {"trained_depth": depth, **_finite(closing_accuracy(strings, right, trained_depth=depth))}
    return found


def _finite(figures: dict[str, Any]) -> dict[str, Any]:
    """Replaces NaN, which JSON does not have, by None."""
    return {name: None if value != value else value for name, value in figures.items()}


def describe_samples(figures: dict[str, Any]) -> str:
    """Returns the main figures in one line."""
    language = figures.get("language")
    if language is not None:
        shares = ", ".join(
            f"{name} {language[name]:.1%}" for name in ("valid", "novel", "distinct") if language[name] is not None
        )
        return f"{figures['num_samples']:,} strings at temperature 1: {shares}"
    parts = [f"{figures['num_samples']} at temperature 1"]
    for name, words in (("distinct_2", "distinct pairs"), ("repetition", "repeated"), ("unknown_words", "new words")):
        if figures.get(name) is not None:
            parts.append(f"{words} {figures[name]:.1%}")
    if figures.get("longest_copy_characters") is not None:
        parts.append(f"longest copy {figures['longest_copy_characters']:,.0f} characters")
    return ", ".join(parts)
