"""Quality of generated text: endings, variety, repetition and copies from the training text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import accumulate, chain

import numpy as np
from numpy.typing import NDArray

from lmlab.data.passages import as_compared, find_windows, regions, unused_characters
from lmlab.data.pieces import pieces
from lmlab.data.tokenizers.word import WordTokenizer

# A text, its tokens (strings or ids, without prompt and end token) and its stop reason: `end` or `length`.
Written = tuple[str, Sequence[Hashable], str]

# Length of a passage that counts as repeated, in characters and in words; ten characters are about two words.
REPEATED_CHARACTERS = 10
REPEATED_WORDS = 4
# Few tokens of a text are nearly all different, as drawn ones are: 50 words of Oz have a `uniformity` of up to 0.95.
LEAST_TOKENS = 200
# Copies are first searched by passages of this length, which nearly all samples share with the training text.
_SEED = 12


def sample_quality(samples: Sequence[Written], train_text: Sequence[str], *, by_character: bool) -> dict[str, float]:
    """Evaluates samples of a model.

    - ``ended``: share of samples that ended by the end token.
    - ``mean_tokens``: mean number of tokens of a sample.
    - ``distinct_1``, ``distinct_2``, ``distinct_3``: distinct n-grams of tokens over all samples / all their n-grams;
      falls as samples grow longer, so compare at equal lengths.
    - ``repetition``: see `repetition`, for n-grams of 4 words or 10 characters.
    - ``longest_copy_characters``, ``mean_longest_copy_characters``: maximum and mean of `longest_copies`.
    - ``unknown_words``: see `unknown_words`.

    Figures are NaN if there is nothing to count.

    The whole training text is compared: 20 samples of 500 characters take a quarter of a second for 1 MB of it on one
    core and 11 to 14 s for 100 MB, up to 22 s if a model writes no words at all.

    Args:
        samples: (text, tokens, stop reason) each.
        train_text: the training documents; no copy spans two of them.
        by_character: whether the tokens are characters. If not, texts are compared by words: case and kind of white
            space are ignored.

    Raises:
        ValueError: a stop reason other than ``end`` and ``length``.

    Source: distinct-n: Li et al. 2016, A Diversity-Promoting Objective Function for Neural Conversation Models.
    """
    unknown_reasons = {reason for _, _, reason in samples} - {"end", "length"}
    if unknown_reasons:
        raise ValueError(f"stop reasons are 'end' and 'length', not {sorted(unknown_reasons)}")
    tokens = [sample for _, sample, _ in samples]
    texts = [as_compared(text, by_character=by_character) for text, _, _ in samples]
    train = [as_compared(text, by_character=by_character) for text in train_text]
    copies = longest_copies(texts, train)
    # If a text by character was cut off, its last word may be incomplete.
    whole = [_without_last_word(t) if by_character and r == "length" else t for t, _, r in samples]
    return {
        "ended": _share(sum(reason == "end" for _, _, reason in samples), len(samples)),
        "mean_tokens": _share(sum(map(len, tokens)), len(samples)),
        **{f"distinct_{n}": distinct(tokens, n) for n in (1, 2, 3)},
        "repetition": repetition(tokens, REPEATED_CHARACTERS if by_character else REPEATED_WORDS),
        "longest_copy_characters": float(max(copies, default=math.nan)),
        "mean_longest_copy_characters": _share(sum(copies), len(copies)),
        "unknown_words": unknown_words(whole, train),
    }


def distinct(samples: Sequence[Sequence[Hashable]], n: int) -> float:
    """Returns distinct n-grams over all samples / all n-grams, none across two samples; NaN without any.

    Source: Li et al. 2016, distinct-1 and distinct-2; distinct-3 by analogy.
    """
    ngrams = [gram for tokens in samples for gram in _ngrams(tokens, n)]
    return _share(len(set(ngrams)), len(ngrams))


def repetition(samples: Sequence[Sequence[Hashable]], n: int) -> float:
    """Returns the share of tokens that lie in an n-gram which occurred before in the same sample; NaN without tokens.

    Every occurrence of an n-gram after its first counts, even if they overlap: in ``aaaa`` with n = 3 the last three
    tokens count.

    Source: Welleck et al. 2020, Neural Text Generation with Unlikelihood Training, seq-rep-4. That is the share of
    n-grams which repeat, averaged over samples; this is a share of tokens over all samples, so that one long loop is
    not diluted by short samples.
    """
    num_repeated = 0
    for tokens in samples:
        seen: set[tuple[Hashable, ...]] = set()
        counted_to = 0
        for start, gram in enumerate(_ngrams(tokens, n)):
            if gram in seen:
                num_repeated += start + n - max(start, counted_to)
                counted_to = start + n
            seen.add(gram)
    return _share(num_repeated, sum(map(len, samples)))


def uniformity(samples: Sequence[Sequence[Hashable]], *, vocabulary_size: int) -> float:
    """Returns the entropy of the tokens of all samples / that of as many drawn uniformly; NaN for few tokens.

    So 1 means that tokens are as frequent as in throws of a die, whatever the length of the samples.

    Args:
        samples: their tokens.
        vocabulary_size: number of tokens of which the samples could have been made.
    """
    if sum(map(len, samples)) < LEAST_TOKENS:
        return math.nan
    counts = np.array([*Counter(chain.from_iterable(samples)).values()], dtype=np.int64)
    drawn = np.random.default_rng(0).integers(vocabulary_size, size=counts.sum())
    return _share(_entropy(counts), _entropy(np.unique(drawn, return_counts=True)[1]))


def _entropy(counts: NDArray[np.int64]) -> float:
    """Returns the entropy of a distribution in nats."""
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def longest_copies(samples: Sequence[str], train_texts: Sequence[str]) -> list[int]:
    """Returns the length of the longest substring of each sample that occurs in a training document.

    The result is exact. The training text is hashed once; the parts that can contain a copy of 12 characters or more
    are then searched for longer ones by bisection. Samples without such a copy need up to four more passes over the
    text.

    Args:
        samples: any texts.
        train_texts: documents; no copy spans two of them.

    Returns:
        Characters of the longest copy for each sample.
    """
    between_samples, between_documents = unused_characters([*samples, *train_texts], 2)
    train = between_documents.join(train_texts)
    near = between_documents.join(regions(between_samples.join(samples), train, _SEED))
    long = [i for i, sample in enumerate(samples) if len(sample) >= _SEED]
    occur = _occur([samples[i] for i in long], near, _SEED, between_samples)
    seeded = {i for i, found in zip(long, occur, strict=True) if found}
    at_least = [_SEED if i in seeded else 0 for i in range(len(samples))]
    at_most = [len(sample) if i in seeded else min(len(sample), _SEED - 1) for i, sample in enumerate(samples)]
    step = 1 << max(at_most, default=0).bit_length()
    while step := step >> 1:
        tried: dict[int, list[int]] = {}
        for i, length in enumerate(at_least):
            if length + step <= at_most[i]:
                tried.setdefault(length + step, []).append(i)
        # All samples that try the same length share one pass over the text; after the first steps most do.
        for length, numbers in tried.items():
            text = near if length >= _SEED else train
            occur = _occur([samples[i] for i in numbers], text, length, between_samples)
            for i, found in zip(numbers, occur, strict=True):
                at_least[i] = length if found else at_least[i]
    return at_least


def unknown_words(texts: Sequence[str], train_texts: Sequence[str]) -> float:
    """Returns the share of words that do not occur in the training text, ignoring case; NaN without words.

    Words are split like the word tokenizer does; tokens without a letter or digit do not count as words.
    """
    tokenizer = WordTokenizer(end_token=None, lower=True, split="punctuation", min_frequency=1, max_size=None)
    words = [word for text in texts for word in tokenizer.words(text) if any(map(str.isalnum, word))]
    if not words:
        return math.nan
    known: set[str] = set()
    for text in train_texts:
        for piece in pieces(text):
            # No word contains white space, so that each different piece between white space is split only once.
            known.update(piece.lower().split())
    known = set(tokenizer.words(" ".join(known)))
    return _share(sum(word not in known for word in words), len(words))


def _occur(samples: Sequence[str], text: str, length: int, separator: str) -> list[bool]:
    """Returns for each sample, of at least this length, whether one of its windows occurs in the text."""
    found = find_windows(separator.join(samples), text, length) >= 0
    starts = accumulate((len(sample) + 1 for sample in samples), initial=0)
    return [bool(found[a : a + len(s) - length + 1].any()) for s, a in zip(samples, starts, strict=False)]


def _ngrams(tokens: Sequence[Hashable], n: int) -> Iterable[tuple[Hashable, ...]]:
    return zip(*(tokens[i:] for i in range(n)), strict=False)


def _without_last_word(text: str) -> str:
    """Returns the text without its last word, unless it ends in white space or has only one word."""
    parts = text.rsplit(maxsplit=1)
    return parts[0] if len(parts) == 2 and not text[-1].isspace() else text


def _share(count: float, total: float) -> float:
    return count / total if total else math.nan
