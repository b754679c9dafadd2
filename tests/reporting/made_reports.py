"""Made sweeps with every figure that a run can have, and the page as a browser reads it."""

from __future__ import annotations

import math
import random
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from made_sweeps import evaluations, made_job, made_run, resolved

from lmlab.runs.comparison import Comparison, compare
from lmlab.runs.discovery import find_records

BRIER = {"label": "Brier score", "unit": "share", "format": ".3f", "direction": "lower", "added": True}
LMLABS = ("nats_per_token", "perplexity", "bits_per_char", "error_rate", "unk_rate", "num_tokens")
EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)> & "quotes" {{ 7*7 }} {% raw %} | `x` **b** <b>'


def compared(folder: Path) -> Comparison:
    return compare(find_records(str(folder), output_dir=str(folder)))


def jobs(folder: Path, nats: dict[str, list[float | None]], name: str = "model", **summary: Any) -> Comparison:
    """A job for each seed of each value of a setting."""
    pairs = [(value, seed, found) for value, losses in nats.items() for seed, found in enumerate(losses)]
    for number, (value, seed, found) in enumerate(pairs):
        made_job(folder, number, [f"{name}={value}", f"seed={seed}"], val__nats_per_token=found, **summary)
    return compared(folder)


def with_all_figures(folder: Path, *, settings: int = 3, seeds: int = 3) -> Comparison:
    """A sweep whose figures are drawn at random, one of them of a user's own metric."""
    draw = random.Random(5)
    metrics = {**{name: {} for name in LMLABS}, "brier": BRIER}
    for number in range(settings * seeds):
        size, seed = 8 * (number // seeds + 1), number % seeds
        nats, test = 1 + draw.random(), 1 + draw.random()
        figures = {
            "val__nats_per_token": nats, "val__perplexity": math.exp(nats), "val__bits_per_char": draw.random(),
            "val__error_rate": draw.random(), "val__unk_rate": draw.random() / 9, "val__brier": draw.random(),
            "test__nats_per_token": test, "test__perplexity": math.exp(test), "test__brier": draw.random(),
            "val__baselines": {"unigram": 3.0, "kneser_ney_5": 2.5}, "test__baselines": {"unigram": 3.25},
            "num_parameters": 1000 * size, "num_train_tokens": draw.randrange(10**6, 10**7),
            "tokens_per_second": 5000 * draw.random(), "wall_seconds": 900 * draw.random(), "best_epoch": 2.0,
            "peak_memory_bytes": draw.randrange(10**8, 10**9), "val__num_tokens": 12_345, "metrics": metrics,
        }  # fmt: skip
        rows = evaluations([nats + 1, nats, nats + 0.5], [2.5, 2.0, 1.0 + draw.random()], val__brier=0.25, lr=1e-3)
        rows = [row | {"tokens": 100.0 * row["step"], "seconds": 2.0 * row["step"]} for row in rows]
        sizes = {"model__hidden_size": size, "seed": seed}
        words = [f"model.hidden_size={size}", f"seed={seed}"]
        made_run(folder / f"{number}_job", words, config=resolved(**sizes), history=rows, **figures)
    return compared(folder)


class Page(HTMLParser):
    """Elements with their attributes, and the text; complains of what is not closed."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]
