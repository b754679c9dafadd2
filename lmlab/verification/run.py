"""Checks a run: compares its files and figures with each other and with `lmlab.reference`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lmlab import reference
from lmlab.config import registry
from lmlab.config.plugins import PluginError
from lmlab.config.slots import MOVED, SLOTS
from lmlab.config.stored import read_settings
from lmlab.data.corpus import Corpus
from lmlab.data.pieces import slices
from lmlab.data.tokenizers import saved as saved_tokenizers
from lmlab.errors import UserError
from lmlab.runs.discovery import checkpoint_path
from lmlab.runs.records import read_record
from lmlab.runs.summary import PARTIAL
from lmlab.verification.check import Check, agreement, arithmetic, exact
from lmlab.verification.figures import PREFIXES, RECOMPUTED, bits_of_characters, figures, lengths, make_split, streams
from lmlab.verification.files import Run, Saved, copies, history, seal, settled

# Classes of cores and decoders that the reference implements.
_KNOWN = frozenset(target for path in ("model.core", "model.decoder") for target in SLOTS[path].own)
_FINGERPRINTS = {"train": "train_fingerprint", "validation": "text_fingerprint", "test": "test_fingerprint"}
_COVERED = {"status", "name", PARTIAL, "best_epoch", "best_step", "num_parameters", "architecture", "num_train_tokens"}
_COVERED |= {"vocabulary_size", "fingerprint", "metrics", "val/by_length", *_FINGERPRINTS.values()}
_COVERED |= {f"{prefix}/{figure}" for prefix in PREFIXES.values() for figure in (*RECOMPUTED, "streams")}


def checks(folder: Path, which: str) -> Iterator[Check]:
    """Checks a run and yields the results one by one.

    Args:
        folder: the run's folder.
        which: name of the checkpoint whose weights are used.

    Raises:
        UserError: the run has no such checkpoint.
    """
    path = checkpoint_path(folder, which)
    record = read_record(folder)
    read: dict[str, Saved] = {}
    for file in sorted(path.parent.glob("*.ckpt")):
        yield seal(file, read, keep=file in (path, path.with_name("last.ckpt")))
    for problem in record.damages:
        yield Check("wrong", problem.file, problem.words)
    if record.status == PARTIAL:
        yield Check("unknown", "summary.json", f"the run is partial ({record.reason}), which is no result")
    elif not settled(record):
        yield Check("unknown", "summary.json", f"the run is {record.status}; metrics.csv is taken instead")
    elif record.status != "finished":
        yield Check("unknown", "summary.json", "the run is not finished: these are the figures of its best evaluation")
    yield from history(record, read.get("last.ckpt"))
    if path.name not in read:
        yield Check("unknown", "all figures", f"nothing was recomputed, for {path.name} cannot be read")
        return
    run = Run(record, which, read[path.name], read.get("last.ckpt", read[path.name]))
    yield from copies(run)
    try:
        yield from _weights(run)
        yield from _texts_and_figures(run)
    except PluginError:
        raise
    except UserError as error:
        yield Check("wrong", run.file, error.problem)
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        # The reference takes the weights as the configuration says that they are.
        yield Check("wrong", run.file, f"its weights do not fit its configuration ({type(error).__name__}: {error})")
    yield from _not_checked(run)


def _weights(run: Run) -> Iterator[Check]:
    """Checks the checkpoint's step, and the numbers of parameters and of vocabulary entries."""
    step, summary = run.saved["global_step"], run.record.summary
    best = run.record.best_row
    if run.which == "best" and (best is not None or "best_step" in summary):
        expected = summary.get("best_step") if settled(run.record) else (best or {}).get("step")
        yield exact(f"{run.file} step", step, expected)
    elif run.which.startswith("step-"):
        yield exact(f"{run.file} step", step, int(run.which.removeprefix("step-")))
    weights = _model(run.saved)
    size = reference.num_parameters(weights)
    foreign = _unknown_classes(run.config)
    if foreign:
        why = f"not counted: a checkpoint does not say which tensors of {' and '.join(foreign)} are trained"
        yield Check("unknown", "parameters", why)
    else:
        if "num_parameters" in summary:
            yield exact("parameters", summary["num_parameters"], size)
        if "architecture" in summary:
            yield exact("parameters by part", sum(part["parameters"] for part in summary["architecture"]), size)
        yield _sizes(run.ours["config"], weights)
    yield exact("vocabulary", len(run.ours["tokenizer"]["vocabulary"]), len(weights["embedding.weight"]))
    if "vocabulary_size" in summary:
        yield exact("vocabulary size", summary["vocabulary_size"], len(weights["embedding.weight"]))


def _sizes(config: Mapping[str, Any], weights: Mapping[str, Any]) -> Check:
    """Compares the sizes that the configuration says with those of the weights."""
    core = config["model"]["core"]
    layers = {name.split(".")[2] for name in weights if name.startswith("core.layers.")}
    # The columns of a recurrent layer's own weights are its units, and the rows of a feed-forward layer's.
    own = ((name.rpartition(".")[2], tensor) for name, tensor in weights.items() if name.startswith("core.layers.0."))
    hidden = next(t.shape[1] if "_hh" in name else t.shape[0] for name, t in own if name in ("weight_hh_l0", "weight"))
    sizes = {
        "model.hidden_size": (core["hidden_size"], hidden),
        "model.num_layers": (core["num_layers"], len(layers)),
        "embedding.dim": (config["embedding"]["dim"], weights["embedding.weight"].shape[1]),
    }
    faults = [f"{name} is {said}, but {found} in the weights" for name, (said, found) in sizes.items() if said != found]
    return agreement("sizes", faults, "of the configuration are those of the weights")


def _model(saved: Saved) -> dict[str, Any]:
    weights = saved["state_dict"]
    return {name.removeprefix("model."): value for name, value in weights.items() if name.startswith("model.")}


def _texts_and_figures(run: Run) -> Iterator[Check]:
    """Checks the hashes of the texts, then the figures of those texts that are the run's."""
    try:
        settings = read_settings(run.config, where=run.file)
    except PluginError:
        raise
    except UserError as error:
        yield Check("wrong", "configuration", f"no run of lmlab has it, and nothing was recomputed: {error}")
        return
    try:
        corpus = registry.build("data.source", settings.data.source).load()
    except PluginError:
        raise
    except (UserError, OSError) as error:
        yield Check("unknown", "texts and all figures", f"nothing was recomputed: {error}")
        return
    right: dict[str, bool | None] = {}
    for split in corpus.splits:
        check, right[split] = _text(run, split, reference.text_sha256(_in_slices(corpus, split)))
        yield check
    changed = False in right.values()
    for split in PREFIXES:
        if split not in corpus.splits:
            stored = [key for key in run.record.summary if key.startswith(f"{PREFIXES[split]}/")]
            verdict = "wrong" if stored else "unknown"
            yield Check(
                verdict, split, f"this text has no {split} split" + ("; summary.json has figures" if stored else "")
            )
        elif right[split] is False or (right[split] is None and changed):
            yield Check("unknown", f"{split} figures", "not recomputed, for the text is another")
        else:
            yield from _split(run, split, [str(text) for text in corpus.texts(split)])


def _in_slices(corpus: Corpus, split: str) -> Iterator[str]:
    """Yields all text of a split, of which no more than a slice has to be in memory."""
    for text in corpus.texts(split):
        yield from slices(text)


def _text(run: Run, split: str, sha256: str) -> tuple[Check, bool | None]:
    """Compares the hash of a text with the stored ones; also returns whether it is the run's text (None: unknown)."""
    ours = run.ours
    stored = {f"{run.file}": ours.get("text_fingerprints", {}).get(split)}
    if split == "train" and "train_fingerprint" in ours:
        stored[run.file] = ours["train_fingerprint"]
    stored["summary.json"] = run.record.summary.get(_FINGERPRINTS[split])
    known = {where: found for where, found in stored.items() if found is not None}
    name = {"train": "training"}.get(split, split) + " text"
    if not known:
        return Check("unknown", name, "no SHA-256 of it is stored"), None
    faults = [
        f"SHA-256 {sha256[:12]}, but {found[:12]} in {where}" for where, found in known.items() if found != sha256
    ]
    return agreement(name, faults, f"SHA-256 {sha256[:12]} as in {' and '.join(known)}"), len(faults) < len(known)


def _split(run: Run, split: str, texts: list[str]) -> Iterator[Check]:
    """Computes a split's figures again and compares them with the stored ones."""
    stored, where, problem = _stored(run, split)
    if not stored:
        yield Check("unknown", split, problem)
        return
    foreign = _unknown_classes(run.config)
    if foreign:
        why = f"not recomputed: the reference does not know {' and '.join(foreign)}"
        yield Check("unknown", f"{split} figures", why)
        return
    tokenizer = saved_tokenizers.from_dict(run.ours["tokenizer"], find=registry.tokenizer_class, where=run.file)
    made = make_split(texts, tokenizer, run.config)
    if split == "validation" and "fingerprint" in run.record.summary:
        expected = reference.fingerprint(texts, made.documents, run.ours["tokenizer"], made.num_streams)
        limited = run.record.summary.get(PARTIAL)
        if limited:
            expected = hashlib.sha256(json.dumps([expected, limited], sort_keys=True).encode()).hexdigest()
        yield exact("fingerprint", run.record.summary["fingerprint"][:12], expected[:12])
    if _is_part(run, split):
        yield Check("unknown", f"{split} figures", "not recomputed, for a part of the text was evaluated")
        return
    measured = reference.measure(_model(run.saved), made.rows)
    yield from figures(split, stored, where, measured, made)
    if where == "summary.json":
        yield agreement(f"{split} arithmetic", [*arithmetic(stored), *bits_of_characters(split, stored, made)], "fits")
        yield from streams(split, stored, measured, made)
        if split == "validation":
            yield from lengths(stored.get("val/by_length", {}), measured, made)


def _is_part(run: Run, split: str) -> bool:
    """Returns whether a part of a split was evaluated; a summary that is not settled does not say so."""
    if settled(run.record):
        return split in (run.record.summary.get(PARTIAL) or {})
    trainer = run.config.get("trainer", {})
    names = {"validation": ("limit_val_batches", "overfit_batches"), "test": ("limit_test_batches",)}
    return any(trainer.get(name) is not None for name in names[split])


def _unknown_classes(config: Mapping[str, Any]) -> list[str]:
    """Returns the classes of the model's core and decoder that the reference does not know.

    The configuration may not have been checked yet.
    """
    model = config.get("model")
    parts = [model.get("core"), model.get("decoder")] if isinstance(model, dict) else []
    targets = [str(part.get("_target_")) for part in parts if isinstance(part, dict)]
    return [name for target in targets if (name := MOVED.get(target, target)) not in _KNOWN]


def _stored(run: Run, split: str) -> tuple[Mapping[str, Any], str, str]:
    """Returns a split's stored figures of this checkpoint, their file, and the reason if there are none."""
    if run.which == "best" and settled(run.record):
        summary = run.record.summary
        found = {key: value for key, value in summary.items() if key.startswith(f"{PREFIXES[split]}/")}
        return found, "summary.json", f"no {split} figures in summary.json"
    if split == "test":
        return {}, "", f"no test figures of {run.file} are stored"
    if run.which == "last" and run.config["averaging"]["_target_"]:
        return {}, "", "last.ckpt has the weights being trained, evaluations are of their average"
    return run.row, "metrics.csv", f"metrics.csv has no row of step {run.saved['global_step']}"


def _not_checked(run: Run) -> Iterator[Check]:
    """Lists what this command does not check."""
    rest = [key for key in run.record.summary if key not in _COVERED]
    if rest:
        yield Check("unknown", "rest of summary.json", f"not recomputed: {', '.join(rest)}")
    others = len(run.record.history) - 1
    if others > 0:
        yield Check("unknown", "other rows of metrics.csv", f"{others} not recomputed: their weights are gone")
    yield Check(
        "unknown", "reading", "texts, their cutting into splits and the tokenizer are taken as lmlab gives them"
    )
    yield Check(
        "unknown", "training", "that these weights come of this configuration; samples and exhibits were not read"
    )
