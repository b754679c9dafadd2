"""Whether the working tree gives exactly the numbers of an older commit.

A change that is meant to change no number is checked by this: short trainings are run with the commit that
numbers_base.txt names and with the working tree, by the same commands, and figures, samples and weights must be
equal, the weights bit for bit. Folders of runs that the older commit made must be usable by the working tree as well.

    .venv/bin/python .ci/compare_numbers.py                        # minutes; status 1 where anything differs
    .venv/bin/python .ci/compare_numbers.py --only lstm-streams

numbers_base.txt has the commit's full hash in its first line. Where numbers are changed on purpose, the commit that
does so becomes the new base, and a line with # below says what changed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
BASE_FILE = Path(__file__).resolve().parent / "numbers_base.txt"
# A command takes seconds; this is for one that hangs.
MOST_SECONDS = 300.0

# What may differ, and why. Everything else must be equal, and a key or column on one side only is a difference.
IGNORED_COLUMNS = {
    "seconds": "of the clock",
    "tokens_per_second": "of the clock",
}
IGNORED_KEYS = {
    "wall_seconds": "of the clock",
    "tokens_per_second": "of the clock",
    "peak_memory_bytes": "of the process",
    "versions": "of the installed packages, and the same interpreter runs both sides",
}
# Keys of summary.json that a base lacks; ignored only where the base has none.
NEWER_KEYS = {
    "test_fingerprint": "of the test text, kept since the base 6e8c8da",
}
CHECKPOINTS = ("best.ckpt", "last.ckpt")


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


@dataclass(frozen=True)
class Side:
    """One of the two states of the code.

    Args:
        name: `base` or `work`.
        tree: the checkout.
        cache: what LMLAB_CACHE says, so that neither side reads what the other made.
        stop: set when no more commands are to be begun.
    """

    name: str
    tree: Path
    cache: Path
    stop: threading.Event

    def run(self, folder: Path, *command: str) -> str:
        """Standard output of a Python command.

        Args:
            folder: where it is run; made if need be.
            command: arguments of the interpreter.

        Raises:
            CommandFailed: its exit status is not 0.
        """
        if self.stop.is_set():
            raise CommandFailed(f"{self.name}: stopped")
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(self.tree), "LMLAB_CACHE": str(self.cache)}
        environment["OMP_NUM_THREADS"] = "1"
        what = f"{self.name}: {command[1]}"
        process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output, errors = self._ended(process, what)
        if process.returncode:
            said = (errors.strip() or output.strip()).decode(errors="replace").splitlines()
            raise CommandFailed(f"{what} ended with {process.returncode}: {said[-1] if said else 'nothing said'}")
        return output.decode(errors="replace")

    def _ended(self, process: subprocess.Popen[bytes], what: str) -> tuple[bytes, bytes]:
        """Standard output and error of a process; one that hangs, or is to stop, is killed."""
        begin = time.monotonic()
        while True:
            try:
                return process.communicate(timeout=0.5)
            except subprocess.TimeoutExpired:
                if self.stop.is_set() or time.monotonic() - begin > MOST_SECONDS:
                    process.kill()
                    process.communicate()
                    raise CommandFailed(f"{what} killed after {time.monotonic() - begin:.0f} s") from None


@dataclass(frozen=True)
class Places:
    """Where things are.

    Args:
        base: the older commit.
        work: the working tree.
        texts: the folder of texts.
        outputs: of all cases.
    """

    base: Side
    work: Side
    texts: Path
    outputs: Path


class CommandFailed(Exception):
    """A command ended with an error; the message is one line."""


# ---------------------------------------------------------------------------------------------------------------------
# What the cases do


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
        kept.append(read_json(result))
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
        printed.append(side.run(old.parent, "-m", module, f"run={old}", *settings))
        if after is not None:
            after()
    if not printed[0].strip():
        yield f"base: {module} printed nothing"
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


# ---------------------------------------------------------------------------------------------------------------------
# The cases

ONE_EPOCH, TWO_EPOCHS = "trainer.max_epochs=1", "trainer.max_epochs=2"
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


# ---------------------------------------------------------------------------------------------------------------------
# Their texts

_WORDS = """
the a his her old young quiet green stone river house winter garden letter captain window sister morning lamp road
answer said asked saw found left took gave knew told never always again slowly and but because while under over near
without café naïve don't won't o'clock well-known 1848 12 Anna Ben Clara Dublin
"""
WORDS = _WORDS.split()


def write_texts(folder: Path) -> None:
    """Made-up text with some structure, as a file, as books, tokenized, by sentences; and vectors of its words."""
    generator = random.Random(0)
    following = {word: generator.sample(WORDS, 5) for word in WORDS}
    for name in ("books", "tokens"):
        (folder / name).mkdir(parents=True)

    def text(count: int, *, separator: str) -> str:
        return separator.join(made_up_sentence(generator, following) for _ in range(count)) + "\n"

    paragraphs = [text(generator.randint(1, 6), separator=" ") for _ in range(160)]
    write(folder / "running.txt", "\n".join(paragraphs))
    for number in range(1, 11):
        write(folder / "books" / f"{number}.txt", text(generator.randint(20, 60), separator="\n"))
    write(folder / "sentences.txt", text(500, separator="\n"))
    for name, count in (("train", 400), ("valid", 60), ("test", 50)):
        tokens = re.sub(r"([.,?!])", r" \1", text(count, separator="\n")).replace("Dublin", "<unk>")
        write(folder / "tokens" / f"{name}.txt", tokens)
    # The first words have none.
    vectors = [[f"{generator.gauss(0, 0.4):.5f}" for _ in range(20)] for _ in WORDS[3:]]
    lines = (" ".join([word.lower(), *vector]) for word, vector in zip(WORDS[3:], vectors, strict=True))
    write(folder / "vectors.txt", "\n".join(lines) + "\n")


def made_up_sentence(generator: random.Random, following: dict[str, list[str]]) -> str:
    """A walk from word to word, each of which has a few that may follow."""
    words = [generator.choice(WORDS)]
    for _ in range(generator.randint(2, 14)):
        words.append(generator.choice(following[words[-1]]))
    if len(words) > 6:
        words[3] += ","
    return words[0].capitalize() + " " + " ".join(words[1:]) + generator.choice([".", ".", ".", "?", "!"])


def write(path: Path, text: str) -> None:
    """Writes a text as UTF-8."""
    path.write_text(text, encoding="utf-8", newline="\n")


# ---------------------------------------------------------------------------------------------------------------------
# What differs; each yields lines, with the base's value first


def folder_differences(base: Path, work: Path) -> Iterator[str]:
    """Between the folders of two finished runs."""
    compared: dict[str, Callable[..., Iterator[str]]] = {
        "metrics.csv": _table_differences,
        "gradients.csv": _table_differences,
        "samples.jsonl": _line_differences,
        "exhibits.json": _json_differences,
        "summary.json": _summary_differences,
        "tokenizer.json": _line_differences,
    }
    names = {path.name for folder in (base, work) for path in (folder / "checkpoints").glob("step-*.ckpt")}
    compared |= {f"checkpoints/{name}": _weight_differences for name in (*CHECKPOINTS, *sorted(names))}
    for name, differences in compared.items():
        missing = [side for side, folder in (("base", base), ("work", work)) if not (folder / name).is_file()]
        if name == "gradients.csv" and len(missing) == 2:  # written on request only
            continue
        if missing:
            yield f"{name} missing in {' and '.join(missing)}"
            continue
        try:
            yield from differences(base / name, work / name, where=name)
        except Exception as error:  # a file that cannot be read is a difference
            yield f"{name} cannot be compared: {type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _table_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    tables = []
    for path in (base, work):
        with path.open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.reader(file)))
    (columns, *rows), (other_columns, *other_rows) = tables
    if columns != other_columns:
        yield f"{where} columns {sorted(set(columns) ^ set(other_columns)) or 'in another order'}"
        return
    if not rows or len(rows) != len(other_rows):
        yield f"{where} has {len(rows)} and {len(other_rows)} rows"
    for number, (row, other) in enumerate(zip(rows, other_rows, strict=False), 1):
        for name, value, other_value in zip(columns, row, other, strict=True):
            if value != other_value and name not in IGNORED_COLUMNS:
                yield f"{where} row {number} {name} {value} and {other_value}"


def _line_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    texts = [path.read_bytes() for path in (base, work)]
    yield from text_differences(*(text.decode("utf-8") for text in texts), where=f"{where} line")
    if not texts[0]:
        yield f"{where} is empty"


def text_differences(base: str, work: str, *, where: str) -> Iterator[str]:
    """The first line in which two texts differ.

    Args:
        base: the one.
        work: the other.
        where: what the line's number is put behind.
    """
    lines, other_lines = base.splitlines(keepends=True), work.splitlines(keepends=True)
    for number, (line, other) in enumerate(zip(lines, other_lines, strict=False), 1):
        if line != other:
            same = next((i for i, pair in enumerate(zip(line, other, strict=False)) if pair[0] != pair[1]), len(line))
            place = max(0, same - 20)
            yield f"{where} {number} from character {place} {line[place:][:60]!r} and {other[place:][:60]!r}"
            return
    if len(lines) != len(other_lines):
        yield f"{where}s: {len(lines)} and {len(other_lines)}"


def read_json(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text(encoding="utf-8"))


def _json_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    found = list(value_differences(read_json(base), read_json(work), where=where))
    if not found and base.read_bytes() != work.read_bytes():
        found = [f"{where} has equal values, written otherwise"]
    yield from found


def _summary_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    summary, other = read_json(base), read_json(work)
    ignored = IGNORED_KEYS.keys() | {key for key in NEWER_KEYS if key not in summary}
    figures = [{key: value for key, value in found.items() if key not in ignored} for found in (summary, other)]
    yield from value_differences(*figures, where=where)
    if summary.get("status") != "finished":
        yield f"{where} status {summary.get('status')!r} of the base's"


def value_differences(base: Any, work: Any, *, where: str) -> Iterator[str]:
    """A line for each leaf of two JSON values that differs, infinities, NaN and the sign of 0 told apart.

    Args:
        base: the one.
        work: the other.
        where: name of the value.
    """
    if isinstance(base, dict) and isinstance(work, dict):
        for key in [*base, *(key for key in work if key not in base)]:
            if key not in base or key not in work:
                yield f"{where} {key} only in {'base' if key in base else 'work'}"
            else:
                yield from value_differences(base[key], work[key], where=f"{where} {key}")
    elif isinstance(base, list) and isinstance(work, list):
        if len(base) != len(work):
            yield f"{where} has {len(base)} and {len(work)} items"
        for number, (item, other) in enumerate(zip(base, work, strict=False), 1):
            yield from value_differences(item, other, where=f"{where} {number}")
    elif repr(base) != repr(work):
        yield f"{where} {base!r:.100} and {work!r:.100}"


def _weight_differences(base: Path, work: Path, *, where: str) -> Iterator[str]:
    saved = [torch.load(path, map_location="cpu", weights_only=True) for path in (base, work)]
    weights, other = (checkpoint["state_dict"] for checkpoint in saved)
    if list(weights) != list(other) or not weights:
        yield f"{where} weights {sorted(set(weights) ^ set(other)) or 'none, or in another order'}"
    for name in (name for name in weights if name in other):
        first, second = weights[name], other[name]
        if first.dtype != second.dtype or first.shape != second.shape:
            yield f"{where} {name} {first.dtype} {list(first.shape)} and {second.dtype} {list(second.shape)}"
        elif not torch.equal(*(tensor.reshape(-1).contiguous().view(torch.uint8) for tensor in (first, second))):
            yield f"{where} {name} up to {float((first.double() - second.double()).abs().max()):.3g} apart"


# ---------------------------------------------------------------------------------------------------------------------
# The command


def base_commit() -> str:
    """The full hash in the first line of numbers_base.txt.

    Raises:
        SystemExit: there is none.
    """
    first = BASE_FILE.read_text(encoding="utf-8").partition("\n")[0].strip()
    if not re.fullmatch(r"[0-9a-f]{40}", first):
        sys.exit(f"{BASE_FILE}: the first line must be the full hash of a commit")
    return first


def check_out(commit: str, folder: Path) -> None:
    """A copy of the repository at a commit, which leaves no trace in the repository itself.

    Raises:
        SystemExit: git cannot do it.
    """
    commands = (
        ["git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder)],
        ["git", "-C", str(folder), "checkout", "--quiet", "--detach", commit],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no reason given"]
            sys.exit(f"no checkout of {commit}: {said[-1]} (a shallow clone lacks it: git fetch --unshallow)")


def check_imports(side: Side, folder: Path) -> None:
    """Whether a side runs its own code, and not an installed package.

    Raises:
        SystemExit: it does not, or the code cannot be imported.
    """
    try:
        found = side.run(folder, "-c", "import lmlab; print(lmlab.__file__)").strip()
    except CommandFailed as error:
        sys.exit(str(error))
    if Path(found).resolve() != (side.tree / "lmlab" / "__init__.py").resolve():
        sys.exit(f"{side.name}: Python imports {found} instead of lmlab in {side.tree}")


def differences_of(case: Case, places: Places) -> list[str]:
    """What differs in a case; that a command fails, on whichever side, is a difference."""
    found = []
    try:
        for line in case.compare(case, places):
            found.append(line)
    except (CommandFailed, OSError) as error:
        found.append(str(error))
    if found:
        folder = places.outputs / case.name
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "differences.txt", "\n".join(found) + "\n")
    return found


def compare(cases: Sequence[Case], places: Places, *, jobs: int) -> int:
    """Runs cases, prints a line for each as it ends, and returns how many differ.

    Args:
        cases: to run.
        places: with texts written.
        jobs: how many at a time.
    """
    differing = 0
    with ThreadPoolExecutor(jobs) as pool:
        try:
            running: dict[Future[list[str]], Case] = {}
            for case in cases:
                running[pool.submit(differences_of, case, places)] = case
            for done in as_completed(running):
                name, found = running[done].name, done.result()
                more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
                print(f"DIFFERS {name}: {found[0]}{more}" if found else f"ok {name}", flush=True)
                differing += bool(found)
        except BaseException:
            places.work.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return differing


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compares the working tree's numbers with those of an older commit.")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[case.name for case in CASES], help="these cases")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cases at a time (2)")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="keep texts, runs and differences.txt of each case in a new or empty folder",
    )
    parser.add_argument("--list", action="store_true", help="print the cases and end")
    parser.add_argument("--tree", type=Path, default=ROOT, help=argparse.SUPPRESS)  # instead of the working tree
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")
    if options.keep and options.keep.exists() and (not options.keep.is_dir() or any(options.keep.iterdir())):
        parser.error(f"--keep {options.keep}: give a new or an empty folder")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    options = parsed(arguments)
    cases = [case for case in CASES if not options.only or case.name in options.only]
    if options.list:
        print("\n".join(f"{case.name:32} {case.settings}" for case in cases))
        return 0
    signal.signal(signal.SIGTERM, _end)
    torch.set_num_threads(1)
    begin, commit, stop = time.monotonic(), base_commit(), threading.Event()
    with tempfile.TemporaryDirectory(prefix="compare-numbers-") as name:
        temporary = Path(name).resolve()
        check_out(commit, temporary / "checkout")
        outputs = options.keep.resolve() if options.keep else temporary / "outputs"
        base = Side("base", temporary / "checkout", temporary / "cache-base", stop)
        work = Side("work", options.tree.resolve(), temporary / "cache-work", stop)
        for side in (base, work):
            check_imports(side, temporary)
        write_texts(outputs / "texts")
        differing = compare(cases, Places(base, work, outputs / "texts", outputs), jobs=options.jobs)
    # Printed last, when all temporary folders are gone.
    verdict = f"{differing} of {len(cases)} cases differ" if differing else f"all {len(cases)} cases are equal"
    print(f"{verdict}: {commit[:7]} and {work.tree}, {time.monotonic() - begin:.0f} s")
    return 1 if differing else 0


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Makes SIGTERM an exception, so that temporary folders are removed."""
    raise SystemExit(143)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
