"""`python -m lmlab.evaluate`: exact numbers of a trained run."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from lmlab.config.command import NO_ROOM, composed_command
from lmlab.config.command_checks import check_evaluation
from lmlab.config.settings import EvaluateSettings
from lmlab.config.stored import check_trust
from lmlab.diagnostics.rules import noted
from lmlab.diagnostics.run_rules import unknown_words
from lmlab.errors import UserError
from lmlab.layout import one_line
from lmlab.output_paths import evaluation_file
from lmlab.runs.discovery import find_run
from lmlab.terminal import aside, fitted

if TYPE_CHECKING:
    from lmlab.data.corpus import Corpus
    from lmlab.data.pieces import Text
    from lmlab.data.token_store import TokenStore
    from lmlab.trained import TrainedModel


def evaluate(settings: EvaluateSettings) -> dict[str, Any]:
    """Evaluates and prints a table; the result also goes to `output` where that is given."""
    output = evaluation_file(settings.output) if settings.output is not None else None
    folder = find_run(settings.run, output_dir=settings.output_dir, checkpoint=settings.checkpoint)
    check_trust(folder)
    # After what can go wrong without torch.
    from lmlab.data.fingerprint import fingerprint
    from lmlab.data.token_store import build
    from lmlab.files import write_text
    from lmlab.lean_imports import import_torchmetrics
    from lmlab.loading import load
    from lmlab.runs.formatting import plural

    import_torchmetrics()
    lm = load(folder, checkpoint=settings.checkpoint)
    texts, where, source_nats = _texts(settings, lm)
    store = build(texts, lm.tokenizer)
    if settings.data.path is not None and store.num_targets < 1:
        found = plural(len(store), "token")
        raise UserError("data.path", settings.data.path, f"has {found}, nothing to predict", "give a longer text")
    known = lm.text_fingerprints.get(settings.split or "")
    if settings.data.path is None and known not in (None, store.text_sha256):
        problem = "its text is another than the run was made with"
        raise UserError("split", settings.split, problem, "restore the text, or evaluate any text: data.path=...")
    num_streams = settings.num_streams if settings.num_streams is not None else lm.settings.evaluation.num_streams
    figures = lm.evaluate_store(store, num_streams=num_streams)
    used = int(figures["num_streams"])
    if settings.num_streams not in (None, used):
        apart = "does not count: each sentence is read from a fresh state"
        why = f"the text has tokens for {used:,}" if store.sentences is None else apart
        aside(f"note: num_streams={settings.num_streams}: {why}")
    result: dict[str, Any] = {"run": str(lm.folder), "checkpoint": settings.checkpoint, "text": where, **figures}
    if source_nats is not None:
        result["source_nats_per_token"] = source_nats / store.num_targets
        result["excess_nats_per_token"] = figures["nats_per_token"] - result["source_nats_per_token"]
    if settings.baselines:
        result |= _baselines(lm, store)
    result["num_characters"] = store.num_characters
    result["fingerprint"] = fingerprint(store, lm.tokenizer, used)
    width = max(map(len, result))
    for name, value in result.items():
        print(fitted(one_line(f"{name:{width}}  {f'{value:.6f}' if isinstance(value, float) else value}")))
    unknown = unknown_words(store.unk_rate, "Evaluate text of the kind that the run was trained on.")
    if unknown is not None:
        aside(f"warning: {noted('unknown-words', **unknown)}")
    if output is not None:
        try:
            write_text(output, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            raise UserError(
                "output", settings.output, error.strerror or "cannot be written", "name another file"
            ) from None
    return result


def _baselines(lm: TrainedModel, store: TokenStore) -> dict[str, float]:
    """Simple models fitted on the run's training text, on the same tokens; nothing where that text is gone."""
    from lmlab.config.registry import build as build_part
    from lmlab.data.token_store import build
    from lmlab.evaluation.baseline_figures import baseline_figures

    try:
        train = build_part("data.source", lm.settings.data.source).load().texts("train")
    except UserError as error:
        aside(f"note: no baselines, for the run's training text cannot be read: {error}")
        return {}
    order = lm.settings.evaluation.ngram_order
    figures = baseline_figures(build(train, lm.tokenizer), store, lm.tokenizer, order=order)
    return {f"{name}_nats_per_token": value for name, value in figures.items()}


def _texts(settings: EvaluateSettings, lm: TrainedModel) -> tuple[list[Text], str, float | None]:
    """Returns the documents to evaluate, what they are, and the source's own total nats where these are known."""
    from lmlab.config.registry import build as build_part

    if settings.data.path is not None:
        corpus = _other_text(settings, lm)
        for kind, sentences in (("note", corpus.notes), ("warning", corpus.warnings)):
            for sentence in sentences:
                aside(one_line(f"{kind}: {sentence}"))
        return corpus.texts("text"), str(settings.data.path), None
    corpus = build_part("data.source", lm.settings.data.source).load()
    where = f"{lm.settings.data.name}, {settings.split} split"
    return corpus.texts(settings.split), where, corpus.source_nats.get(settings.split)


def _other_text(settings: EvaluateSettings, lm: TrainedModel) -> Corpus:
    """Reads the text at `data.path` as one split, `text`: with the run's source if it is a user's, else as plain text.

    Raises:
        UserError: the text cannot be read, or the run's source takes no path.
    """
    from lmlab.config.registry import build as build_part
    from lmlab.config.slots import SLOTS
    from lmlab.data.sources.sentences import SentenceFiles
    from lmlab.data.sources.text_files import TextFiles

    source, path = lm.settings.data.source, settings.data.path
    assert path is not None
    if source.target in SLOTS["data.source"].own:
        reader = SentenceFiles if lm.tokenizer.end_token == "sentence" else TextFiles
        return reader(path=path, split=[1.0], encoding=settings.data.encoding).whole()
    if not hasattr(source, "path"):
        raise UserError("data.path", path, f"the run's source {source.target} takes no path", "use split=...")
    made = build_part("data.source", dataclasses.replace(source, path=path))  # type: ignore[call-arg]
    made.check()
    corpus: Corpus = made.load()
    documents = tuple(document for split in corpus.splits.values() for document in split)
    return dataclasses.replace(corpus, splits={"text": documents})


def _check(settings: EvaluateSettings) -> None:
    """Refuses settings that cannot work.

    Raises:
        UserError: the first.
    """
    check_evaluation(settings)
    if settings.data.path is None and settings.data.encoding != "auto":
        problem, remedy = (
            "is that of a text at data.path, and the run's own data are read as they were",
            "add data.path=...",
        )
        raise UserError("data.encoding", settings.data.encoding, problem, f"{remedy}, or leave it out")


def main() -> None:
    """The command."""
    lost = "the figures may be incomplete; the same command gives them again"
    composed_command("evaluate", EvaluateSettings, _check, evaluate, if_interrupted=lost)


if __name__ == "__main__":
    main()
