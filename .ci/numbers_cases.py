"""The runs that are compared: their commands, and what is done with their folders."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from numbers_differences import (
    as_table,
    folder_differences,
    read_json,
    text_differences,
    value_differences,
    without_newer,
)
from numbers_sides import CommandFailed, Places, Side

ONE_EPOCH, TWO_EPOCHS = "trainer.max_epochs=1", "trainer.max_epochs=2"


@dataclass(frozen=True)
class Case:
    """A training command, and what is done with its folder.

    Args:
        name: of the case.
        settings: overrides as they are typed; `{texts}` is the folder of texts.
        compare: yields what differs.
    """

    name: str
    settings: str
    compare: Callable[[Case, Places], Iterator[str]]

    def overrides(self, texts: Path) -> list[str]:
        """The command's arguments: those of every case, replaced where this one has others."""
        words = [word.replace("{texts}", str(texts)) for word in shlex.split(f"{COMMON} {self.settings}")]
        return [f"{name}={value}" for name, value in dict(word.split("=", 1) for word in words).items()]


def trained_alike(case: Case, places: Places) -> Iterator[str]:
    """Trains once with each side."""
    folders = [train(case, places, side) for side in (places.base, places.work)]
    yield from folder_differences(*folders)


def resumed_alike(case: Case, places: Places) -> Iterator[str]:
    """The working tree trains one epoch and goes on to two; the base trains two without a break."""
    folder = train(case, places, places.work, ONE_EPOCH)
    go_on(places.work, folder)
    yield from folder_differences(train(case, places, places.base, TWO_EPOCHS), folder)


def old_folder_usable(case: Case, places: Places) -> Iterator[str]:
    """The base trains one epoch; the working tree reads its folder as the base does, and goes on with it to two.

    What it should come to is a run of the base without a break: a base may go on wrongly itself, as 6e8c8da does where
    batches are in random order.
    """
    old = train(case, places, places.base, ONE_EPOCH)
    for check in (_generates_alike, _evaluates_alike, _predicts_alike, _reports, _goes_on_as_if_whole):
        try:
            yield from check(case, places, old)
        except CommandFailed as error:  # the others are still of interest
            yield str(error)


def _generates_alike(_case: Case, places: Places, old: Path) -> Iterator[str]:
    return _prints_alike(places, old, "lmlab.generate", "prompt=The", "length=60", "seed=1")


def _evaluates_alike(_case: Case, places: Places, old: Path) -> Iterator[str]:
    """What is printed, and the same figures with all their digits."""
    result, kept = old.with_name("evaluation.json"), []

    def keep() -> None:
        kept.append(without_newer(read_json(result)))
        result.unlink()

    yield from _prints_alike(places, old, "lmlab.evaluate", "split=test", f"output={result}", after=keep)
    yield from value_differences(*kept, where="result of lmlab.evaluate")


def _predicts_alike(_case: Case, places: Places, old: Path) -> Iterator[str]:
    return _prints_alike(places, old, "lmlab.predict", "prompt=The")


def _reports(_case: Case, places: Places, old: Path) -> Iterator[str]:
    report = old.with_name("report")
    places.work.run(old.parent, "-m", "lmlab.report", f"runs={old}", f"output={report}")
    if not (report / "index.html").is_file():
        yield "work: lmlab.report wrote no index.html"


def _goes_on_as_if_whole(case: Case, places: Places, old: Path) -> Iterator[str]:
    go_on(places.work, old)
    whole = train(case, places, places.base, TWO_EPOCHS, place=places.outputs / case.name / "whole")
    yield from folder_differences(whole, old)


def _prints_alike(
    places: Places, old: Path, module: str, *settings: str, after: Callable[[], None] | None = None
) -> Iterator[str]:
    """What a command prints of one folder, by both sides.

    Args:
        places: with both sides.
        old: the run's folder.
        module: the command's.
        settings: its overrides, besides the run.
        after: called when the command has ended, once for each side.
    """
    printed = []
    for side in (places.base, places.work):
        # From beside it: the base writes whole paths, and lmlab now those that are shorter from where it is called.
        printed.append(side.run(old.parent / "beside", "-m", module, f"run={old}", *settings))
        if after is not None:
            after()
    if not printed[0].strip():
        yield f"base: {module} printed nothing"
    if module == "lmlab.evaluate":
        printed = [as_table(text) for text in printed]
    yield from text_differences(*printed, where=f"output of {module} line")


def train(case: Case, places: Places, side: Side, *more: str, place: Path | None = None) -> Path:
    """The folder of a new run.

    Args:
        case: says how it is trained.
        places: with its texts.
        side: trains it.
        more: overrides besides the case's.
        place: where the command is run; by default a folder of the case that is named like the side.

    Raises:
        CommandFailed: it was not trained, or not into a folder of its own.
    """
    place = place or places.outputs / case.name / side.name
    side.run(place, "-m", "lmlab.train", *case.overrides(places.texts), *more)
    found = [path.parent for path in place.glob("outputs/*/*/config.yaml")]
    if len(found) != 1:
        raise CommandFailed(f"{side.name}: lmlab.train left {len(found)} folders of runs instead of one")
    return found[0]


def go_on(side: Side, folder: Path) -> None:
    """Trains a run of one epoch to the end of a second."""
    side.run(folder.parent, "-m", "lmlab.train", f"run={folder}", TWO_EPOCHS)


COMMON = (
    "trainer=cpu logger=none name=run seed=1 data=text data.path={texts}/running.txt data.batch_size=8 "
    "data.sequence_length=20 model=lstm model.hidden_size=32 embedding.dim=24 trainer.max_steps=40 "
    "trainer.log_every_n_steps=5 callbacks.sample_text.length=40 "
    "evaluation.num_samples=3 evaluation.sample_length=60 evaluation.baselines=false"
)
BASELINES = "evaluation.baselines=true"
BOOKS = "data.path={texts}/books"
SENTENCES = "data=sentences data.path={texts}/sentences.txt"
FEW_STRINGS = "data.path=null data.source.num_strings=300 data.source.num_held_out=60 data.tokens_per_batch=600"
VECTORS = "tokenizer=word embedding.path={texts}/vectors.txt embedding.dim=null"
SGD = "optimizer=sgd optimizer.lr=0.5"
LONGER = "trainer.max_epochs=2 trainer.max_steps=-1"
# Evaluations that get worse, for what reacts to them.
UNSTEADY = "optimizer=sgd optimizer.lr=40 trainer.max_epochs=6 trainer.max_steps=100 trainer.val_check_interval=8"

TRAINED = {
    "lstm-streams": f"model=lstm batching=streams {LONGER} {BASELINES}",
    "gru-windows-cosine": "model=gru batching=windows data.stride=7 scheduler=cosine scheduler.warmup_steps=8",
    "rnn-chunks-one-cycle": f"model=rnn batching=chunks scheduler=one_cycle {SGD}",
    "feedforward-adamw": "model=feedforward model.context=3 model.num_layers=2 optimizer=adamw "
    "optimizer.weight_decay=0.1 scheduler=cosine scheduler.final_fraction=0.1",
    "lstm-dropout": "model.num_layers=2 model.dropout=0.3 model.input_dropout=0.1 model.output_dropout=0.4 "
    f"scheduler=exponential {SGD} optimizer.momentum=0.9 optimizer.nesterov=true {LONGER}",
    "gru-locked-dropout": "model=gru model.num_layers=2 model.locked_dropout=true model.embedding_dropout=0.1",
    "lstm-weight-dropout": "model.num_layers=2 model.weight_dropout=0.4 callbacks.gradients.per_layer=true",
    "rnn-tied": "model=rnn model.weight_dropout=0.2 model.tie_weights=true embedding.dim=32",
    "word-lines": f"tokenizer=word tokenizer.end_token=line model.tie_weights=true embedding.dim=32 {BASELINES}",
    "word-documents": f"tokenizer=word tokenizer.lower=false tokenizer.end_token=document {BOOKS} model=gru",
    "char-documents": f"tokenizer.end_token=document {BOOKS} 'data.split=[6,2,2]' evaluation.num_streams=3 "
    "batching=windows data.stride=11",
    "bpe-no-test": "tokenizer=bpe tokenizer.vocabulary_size=330 trainer.gradient_clip_val=0.2 "
    f"'data.split=[0.9,0.1]' callbacks.checkpoints.keep_every=15 {BASELINES} evaluation.ngram_order=3",
    "pretokenized": "tokenizer=pretokenized data.path={texts}/tokens model=feedforward model.context=3",
    "step-accumulated": "optimizer.weight_decay=0.01 scheduler=step 'scheduler.epochs=[0.6,1.3]' "
    f"trainer.accumulate_grad_batches=3 trainer.val_check_interval=9 {LONGER}",
    "plateau": f"scheduler=plateau scheduler.min_improvement=0.05 {UNSTEADY}",
    "moving-average": "averaging=ema averaging.decay=0.9 trainer.val_check_interval=8",
    "triggered-averaging": f"averaging=triggered averaging.patience=1 {UNSTEADY}",
    "early-stopping": f"callbacks.early_stopping.patience=2 {UNSTEADY}",
    "python-docs": "data=python_docs data.path=null trainer.max_steps=15 model=gru",
    "toy": f"data=toy {FEW_STRINGS} evaluation.num_samples=10",
    "brackets": f"data=brackets {FEW_STRINGS} evaluation.num_samples=10 model=gru model.dropout=0",
    "sentences-filled": f"{SENTENCES} data.tokens_per_batch=500 {LONGER} {BASELINES}",
    "sentences-words": f"{SENTENCES} tokenizer=word data.batch_size=5 model=gru model.locked_dropout=true",
    "glove": f"embedding=glove {VECTORS}",
    "glove-frozen": f"embedding=glove_frozen {VECTORS} model=gru batching=chunks {BOOKS}",
    "samples": '\'callbacks.sample_text.prompts=["The ","She said",""]\' callbacks.sample_text.num_samples=2 '
    "callbacks.sample_text.every_n_epochs=null callbacks.sample_text.every_n_steps=16 callbacks.sample_text.top_k=9 "
    "callbacks.sample_text.top_p=0.9 callbacks.sample_text.temperature=1.1 "
    "'evaluation.temperatures=[0,0.3,1.2]' evaluation.prompt=The",
}
GONE_ON = {
    "lstm-char": "model.num_layers=2 averaging=ema averaging.decay=0.95 trainer.max_steps=-1",
    "gru-windows-words": "model=gru tokenizer=word batching=windows data.stride=7 scheduler=exponential "
    "model.locked_dropout=true trainer.max_steps=-1",
    "sentences-grammar": f"data=ndfa {FEW_STRINGS} scheduler=plateau trainer.max_steps=-1",
}
# The longest first, so that none of them runs alone at the end.
CASES = [
    *(Case(f"old-{name}", settings, old_folder_usable) for name, settings in GONE_ON.items()),
    *(Case(f"resumed-{name}", settings, resumed_alike) for name, settings in GONE_ON.items()),
    *(Case(name, settings, trained_alike) for name, settings in TRAINED.items()),
]
