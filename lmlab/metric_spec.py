"""What is known of a figure: name, unit, format, direction and definition; needs no torch.

A metric of an evaluation has its specification at its class (`lmlab.evaluation.metrics`), from where it goes into
summary.json, so that lists and reports show it without the class. Those below are of figures that reports also know by
name, or that no metric computes.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lmlab.errors import printable

DIRECTIONS = ("lower", "higher", "")
# Python's format specifications for a number, with limits on width and digits: some come from a stranger's summary.
_FORMAT = re.compile(r"[+ ]?0?\d{0,2},?(\.\d{1,2})?[efgEFG%]|compact")
_NAME = re.compile(r"[A-Za-z]\w{0,59}", re.ASCII)
_SPLITS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class MetricSpec:
    """What is known of a figure.

    Args:
        name: in files, behind ``val/`` and ``test/``: letters, digits and underscores.
        unit: of its values, for example ``nats per token``; empty for a plain number.
        format: Python's format specification for its values; ``%`` shows a share as a percentage with at least two
            digits, ``compact`` a large number with three digits and a unit: 12.3k.
        direction: whether ``lower`` or ``higher`` is better; empty if neither is.
        definition: what it is, in a sentence.
        label: its name in tables; empty for `name` with spaces.

    Raises:
        ValueError: a name, format or direction that cannot be.
    """

    name: str
    unit: str = ""
    format: str = ".4f"
    direction: str = ""
    definition: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) or not value.isprintable():
                raise ValueError(f"{field.name} {value!r}: give text in one line; an empty one for none")
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r}: use letters, digits and _")
        if not _FORMAT.fullmatch(self.format):
            raise ValueError(f"format {self.format!r}: give a format specification of a number, for example .4f or %")
        if self.direction not in DIRECTIONS:
            raise ValueError(f"direction {self.direction!r}: give lower, higher or an empty text")

    def shown(self, value: float) -> str:
        """Formats a value, without its unit."""
        if self.format == "compact":
            return compact(value)
        if 1e12 <= abs(value) < math.inf:  # such as the perplexity of a run that diverged
            return f"{value:.3g}"
        return percent(value) if self.format == "%" else format(value, self.format)

    @property
    def words(self) -> str:
        """Its name in tables."""
        return self.label or self.name.replace("_", " ")

    @property
    def heading(self) -> str:
        """Name and unit, for a column of values as they are stored."""
        return f"{self.words} ({self.unit})" if self.unit else self.words

    def stored(self) -> dict[str, str]:
        """Returns it as it is stored in summary.json, without its name."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "name"}


def percent(share: float) -> str:
    """Formats a share as a percentage: 5.2%. Below 1% it has two significant digits: 0.031%."""
    value = 100 * share
    if value == 0 or abs(value) >= 1:
        return f"{value:,.1f}%" if abs(value) < 100 else f"{value:,.0f}%"
    return f"{value:.2g}%"


def compact(number: float) -> str:
    """Formats a number with three digits and a unit: 950, 12.3k, 4.02M, 1.10G."""
    if not math.isfinite(number):
        return "-"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(float(f"{number:.3g}")) >= limit:  # 999,900 is 1M
            return f"{number / limit:.3g}{unit}"
    return f"{number:.0f}"


NATS_PER_TOKEN = MetricSpec(
    "nats_per_token", "nats per token", direction="lower", label="loss", definition="total nats / counted tokens"
)
PERPLEXITY = MetricSpec(
    "perplexity", format=",.3f", direction="lower", definition="exp(total nats / counted tokens), nothing else"
)
BITS_PER_CHAR = MetricSpec(
    "bits_per_char",
    "bits per character",
    direction="lower",
    label="loss",
    definition="total nats / ln 2 / characters of the original text (comparable between tokenizers, if `unk_rate` is "
    "near 0)",
)
ERROR_RATE = MetricSpec(
    "error_rate",
    "share",
    "%",
    "lower",
    definition="share of counted tokens that were not the most probable one",
)
UNK_RATE = MetricSpec(
    "unk_rate", "share", "%", label="unknown tokens", definition="share of `<unk>` among all tokens of the split"
)
NUM_TOKENS = MetricSpec("num_tokens", "", ",.0f", label="tokens predicted", definition="counted tokens")
_OF_SOURCES = (
    MetricSpec(
        "source_nats_per_token",
        "nats per token",
        label="the source itself",
        definition="formal languages: nats of the grammar that wrote the strings, on the same tokens",
    ),
    MetricSpec(
        "excess_nats_per_token",
        "nats per token",
        direction="lower",
        label="above the source",
        definition="formal languages: `nats_per_token` - `source_nats_per_token`",
    ),
)
_OF_EVALUATIONS = (NATS_PER_TOKEN, PERPLEXITY, BITS_PER_CHAR, ERROR_RATE, UNK_RATE, NUM_TOKENS, *_OF_SOURCES)
_OF_RUNS = (
    MetricSpec(
        "best_epoch", format=".3g", definition="epoch of the lowest validation nats, whose weights are best.ckpt"
    ),
    MetricSpec("best_step", format=",.0f", definition="optimizer steps until then"),
    MetricSpec(
        "vector_coverage",
        "share",
        "%",
        label="words with a GloVe vector",
        definition="share of the vocabulary with a pretrained vector",
    ),
    MetricSpec("vocabulary_size", "tokens", ",.0f", label="vocabulary", definition="entries of the vocabulary"),
    MetricSpec("num_parameters", format="compact", label="parameters", definition="a tied matrix counted once"),
    MetricSpec(
        "num_train_tokens",
        format="compact",
        label="training tokens",
        definition="tokens trained on, all epochs together",
    ),
    MetricSpec(
        "tokens_per_second",
        format="compact",
        definition="training tokens / seconds of training, evaluation and sampling left out",
    ),
    MetricSpec(
        "wall_seconds", "s", ",.0f", label="wall time", definition="from the first step to the end, all included"
    ),
    MetricSpec(
        "peak_memory_bytes",
        "bytes",
        "compact",
        label="peak memory",
        definition="most memory at once: allocated on the GPU, or resident in the process on a CPU",
    ),
)
_OF_ROWS = (
    MetricSpec("step", "optimizer steps", ",.0f", definition="optimizer steps so far"),
    MetricSpec(
        "epoch", "epochs done", ".4g", definition="passes over the training split so far, with the fraction of this one"
    ),
    MetricSpec("tokens", "training tokens read", ",.0f", definition="tokens trained on so far"),
    MetricSpec("seconds", "s", ",.0f", definition="since the first step, all included"),
    MetricSpec(
        "grad_norm",
        format=".3g",
        label="gradient norm before clipping",
        definition="mean L2 norm of the gradient over the steps since the row before",
    ),
    MetricSpec(
        "grad_norm_clipped",
        format=".3g",
        label="gradient norm after clipping",
        definition="the same after clipping",
    ),
    MetricSpec(
        "clip_fraction", "share", "%", label="steps clipped", definition="share of steps on which it was clipped"
    ),
    MetricSpec("lr", format=".3g", label="learning rate", definition="learning rate of the next step"),
)
# Figures by name: of evaluations; of runs; and of the rows of metrics.csv.
FIGURES = {spec.name: spec for spec in (*_OF_EVALUATIONS, *_OF_RUNS, *_OF_ROWS)}
OF_SOURCES, OF_RUNS, OF_ROWS = (tuple(s.name for s in specs) for specs in (_OF_SOURCES, _OF_RUNS, _OF_ROWS))


def specs_of(summary: Mapping[str, Any]) -> dict[str, MetricSpec]:
    """Returns the specifications that a summary stores, by name; a plain one where it is damaged.

    A run of before they were stored has those that reports know by name.
    """
    stored = summary.get("metrics")
    if not isinstance(stored, dict):
        return {spec.name: spec for spec in _OF_EVALUATIONS if f"val/{spec.name}" in summary}
    return {name: _read(name, fields) for name, fields in stored.items() if _NAME.fullmatch(name)}


def _read(name: str, fields: Any) -> MetricSpec:
    known = [field.name for field in dataclasses.fields(MetricSpec) if field.name != "name"]
    given = fields if isinstance(fields, dict) else {}
    try:
        return MetricSpec(name, **{key: printable(given[key], longest=300) for key in known if key in given})
    except ValueError:
        return MetricSpec(name)


def added_to(summary: Mapping[str, Any]) -> dict[str, MetricSpec]:
    """Returns the specifications of those figures that the run's configuration added to lmlab's own."""
    stored = summary.get("metrics")
    if not isinstance(stored, dict):
        return {}
    return {name: spec for name, spec in specs_of(summary).items() if _is_marked(stored[name])}


def _is_marked(fields: Any) -> bool:
    return isinstance(fields, dict) and fields.get("added") is True


def spec_of(figure: str, stored: Mapping[str, MetricSpec] = {}) -> MetricSpec:
    """Returns the specification of a figure by its full name, ``val/perplexity`` or ``lr``; a plain one if unknown.

    Args:
        figure: the name.
        stored: the specifications that a summary stores.
    """
    name = figure.rpartition("/")[2]
    found = FIGURES.get(name) or stored.get(name)
    return found or MetricSpec(name if _NAME.fullmatch(name) else "figure", label=name)


def heading(figure: str, stored: Mapping[str, MetricSpec] = {}, *, formatted: bool = True) -> str:
    """Returns what stands above a column of a figure: ``validation loss (nats per token)``.

    Args:
        figure: the full name.
        stored: the specifications that a summary stores.
        formatted: whether the values are formatted, so that a share is a percentage and needs no unit.
    """
    spec = spec_of(figure, stored)
    words = spec.words if formatted and spec.format in ("%", "compact") else spec.heading
    split = figure.rpartition("/")[0]
    return f"{_SPLITS[split]} {words}" if split in _SPLITS else words


def exp(nats_per_token: float) -> float:
    """Returns the perplexity of some nats per token; infinite where that is too large for a float."""
    try:
        return math.exp(nats_per_token)
    except OverflowError:
        return math.inf
