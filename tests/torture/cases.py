"""Configurations that meet every pair of options once, on a text so small that a run takes a second."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from conftest import made_up_text

Case = dict[str, str]

OPTIONS: Mapping[str, Sequence[str]] = {
    "model": ("lstm", "gru", "rnn", "feedforward"),
    "batching": ("streams", "windows", "chunks", "sentences"),
    "tokenizer": ("char", "word", "bpe"),
    "scheduler": ("constant", "cosine", "one_cycle", "exponential", "step", "plateau"),
    "averaging": ("none", "ema", "triggered"),
    "accumulate": ("1", "2", "3"),
    "stopping": ("off", "1"),
    "limit": ("epochs", "steps", "both"),
    "validation": ("epoch", "1", "7"),
    "precision": ("32-true", "bf16-mixed"),
    "dropout": ("0", "locked"),
    "samples": ("epochs", "5"),
    "minutes": ("0.0001", "null"),
    "kept": ("null", "6"),
    "per_layer": ("true", "false"),
    "optimizer": ("adam", "adamw", "sgd"),
}

# torch has no bfloat16 LSTM for CPUs without AVX-512 ("could not create a primitive descriptor"); GRU and RNN stand
# for it.
IMPOSSIBLE = frozenset({("model", "lstm"), ("precision", "bf16-mixed")})

_LENGTHS = {"char": 40, "bpe": 20, "word": 10}
_SMALL = (
    "name=t", "model.hidden_size=12", "embedding.dim=8", "trainer=cpu", "trainer.log_every_n_steps=3",
    "callbacks.sample_text.length=15", "evaluation.baselines=false", "evaluation.num_samples=2",
    "evaluation.sample_length=20",
)  # fmt: skip


def pairwise(options: Mapping[str, Sequence[str]], seed: int = 0) -> list[Case]:
    """Few cases in which every two values of two options meet, found greedily.

    Each case is the best of some that are filled in a random order, each value for the pairs that it adds.
    """
    generator = random.Random(seed)
    names = list(options)
    missing = {
        frozenset(((a, x), (b, y))) for a, b in itertools.combinations(names, 2) for x in options[a] for y in options[b]
    } - {IMPOSSIBLE}
    cases: list[Case] = []
    while missing:
        best: Case = {}
        best_gain = -1
        for _ in range(20):
            case = dict(generator.choice([sorted(pair) for pair in _some(missing)]))
            for name in generator.sample(names, len(names)):
                if name not in case:
                    possible = [v for v in options[name] if not {*case.items(), (name, v)} >= IMPOSSIBLE]
                    gains = {value: _gain(case | {name: value}, name, missing) for value in possible}
                    most = max(gains.values())
                    case[name] = generator.choice([value for value, gain in gains.items() if gain == most])
            gain = len(_pairs(case) & missing)
            if gain > best_gain:
                best, best_gain = case, gain
        cases.append({name: best[name] for name in names})
        missing -= _pairs(best)
    return cases


def _some(missing: set[frozenset[tuple[str, str]]]) -> list[frozenset[tuple[str, str]]]:
    return sorted(missing, key=sorted)[:8]


def _pairs(case: Case) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(pair) for pair in itertools.combinations(case.items(), 2)}


def _gain(case: Case, name: str, missing: set[frozenset[tuple[str, str]]]) -> int:
    return sum(frozenset(((name, case[name]), item)) in missing for item in case.items() if item[0] != name)


CASES = pairwise(OPTIONS)


def write_texts(folder: Path) -> None:
    """The texts that `overrides` names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text.txt").write_text(made_up_text(90), encoding="utf-8")
    (folder / "sentences.txt").write_text(made_up_text(90, seed=1), encoding="utf-8")


def overrides(case: Case, texts: Path, *, defaults: bool = False) -> list[str]:
    """A case as a command line.

    Args:
        case: a value for each of `OPTIONS`.
        texts: made by `write_texts`.
        defaults: the final evaluation as it is by default, with baselines and more samples.
    """
    sentences = case["batching"] == "sentences"
    data = "sentences" if sentences else "text"
    length = _LENGTHS[case["tokenizer"]]
    small = _SMALL[:-3] if defaults else _SMALL
    found = [f"data={data}", f"data.path={texts / data}.txt", *small, f"data.sequence_length={length}"]
    found += [f"{name}={case[name]}" for name in ("model", "tokenizer", "scheduler", "averaging", "optimizer")]
    found.append(f"trainer.precision={case['precision']}")
    found.append("data.batch_size=7" if sentences else "data.batch_size=3")
    if not sentences:
        found.append(f"batching={case['batching']}")
    if case["batching"] == "windows":
        found.append(f"data.stride={length - 3}")
    if case["tokenizer"] == "bpe":
        found.append("tokenizer.vocabulary_size=300")
    found += _more(case)
    return found


def _more(case: Case) -> list[str]:
    accumulate = int(case["accumulate"])
    limits = {
        "epochs": ["trainer.max_epochs=2"],
        "steps": ["trainer.max_epochs=9", f"trainer.max_steps={29 // accumulate}"],
        "both": ["trainer.max_epochs=2", "trainer.max_steps=200"],
    }
    found = [*limits[case["limit"]], f"trainer.accumulate_grad_batches={accumulate}"]
    if case["stopping"] != "off":
        found.append(f"callbacks.early_stopping.patience={case['stopping']}")
    if case["validation"] != "epoch":
        found.append(f"trainer.val_check_interval={case['validation']}")
    if case["scheduler"] == "step":
        found.append("scheduler.epochs=[0.7,1.4]")
    if case["averaging"] == "triggered":
        found.append("averaging.patience=1")
    if case["averaging"] == "ema":
        found.append("averaging.decay=0.9")
    if case["optimizer"] == "sgd":
        found.append("optimizer.momentum=0.9")
    found += ["model.dropout=0"] if case["dropout"] == "0" else ["model.dropout=0.2", "model.locked_dropout=true"]
    if case["samples"] == "5":
        found.append("callbacks.sample_text.every_n_steps=5")
    found.append(f"callbacks.checkpoints.every_minutes={case['minutes']}")
    found.append(f"callbacks.checkpoints.keep_every={case['kept']}")
    found.append(f"callbacks.gradients.per_layer={case['per_layer']}")
    return found
