"""The files of a work folder, and what may be wrong with one of them."""

from __future__ import annotations

import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from inputs import cases
from inputs.cases import Case, Damage, Expect


def write_files(folder: Path, text: str) -> None:
    """Writes the files that every work folder holds.

    Args:
        folder: an empty one.
        text: some thousand characters.
    """
    sentences = text.splitlines()
    (folder / cases.TEXT).write_text(text, encoding="utf-8")
    (folder / cases.SPLITS).mkdir()
    for name in ("train", "valid", "test"):
        (folder / cases.SPLITS / f"{name}.txt").write_text(text, encoding="utf-8")
    table = "sentence\tlabel\n" + "".join(f"{sentence}\t1\n" for sentence in sentences)
    (folder / cases.SENTENCES).write_text(table, encoding="utf-8")
    listed = "review,sentiment\n" + "".join(
        f'"{s}",{("positive", "negative")[i % 2]}\n' for i, s in enumerate(sentences)
    )
    (folder / cases.REVIEWS).write_text(listed, encoding="utf-8")
    words = sorted({word for sentence in sentences for word in sentence.lower().strip(".").split()})
    vectors = "".join(
        f"{word} {' '.join(f'{random.Random(word + str(i)).random():.3f}' for i in range(50))}\n" for word in words
    )
    (folder / cases.VECTORS).write_text(vectors, encoding="utf-8")
    with zipfile.ZipFile(folder / cases.ZIPPED, "w") as archive:
        archive.writestr(zipfile.ZipInfo("glove.6B.50d.txt"), vectors)
    (folder / "emptyfolder").mkdir()
    (folder / "nolink").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")


def _rewrite(change: Callable[[bytes, random.Random], bytes]) -> Callable[[Path, random.Random], None]:
    def made(path: Path, generator: random.Random) -> None:
        path.write_bytes(change(path.read_bytes(), generator))

    return made


def _flipped(data: bytes, generator: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 8))):
        changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def _inserted(data: bytes, generator: random.Random) -> bytes:
    place = generator.randrange(len(data))
    return (
        data[:place]
        + generator.choice((b"\0", b"\xff", b"\xed\xa0\x80", b"\x1b[2J", "\u2028".encode(), b"\r"))
        + data[place:]
    )


def _shuffled(data: bytes, generator: random.Random) -> bytes:
    lines = data.split(b"\n")
    return b"\n".join(generator.sample(lines, len(lines)))


def _longer(data: bytes, generator: random.Random) -> bytes:
    place = generator.randrange(len(data))
    return data[:place] + generator.choice((b"x", b"9", b"[", b"x ")) * 200_000 + data[place:]


def _other_json(data: bytes, generator: random.Random) -> bytes:
    """A value somewhere in a JSON file, or in one of its lines, is of another type; else the whole is."""
    others = (None, [], {}, -1, 1e999, 10**30, "x", True, [[[]]], {"a": {}}, "x" * 10_000, float("nan"))
    other: Any = generator.choice(others)
    text = data.decode(errors="replace")
    lines = text.splitlines() if text.count("\n{") else [text]
    place = generator.randrange(len(lines))
    try:
        found = json.loads(lines[place])
    except ValueError:
        return json.dumps(other).encode()
    inside = found
    for _ in range(generator.randrange(4)):
        deeper = [
            v for v in (inside.values() if isinstance(inside, dict) else inside) if isinstance(v, dict | list) and v
        ]
        if not deeper:
            break
        inside = generator.choice(deeper)
    if isinstance(inside, dict) and inside:
        inside[generator.choice(sorted(inside))] = other
    elif isinstance(inside, list) and inside:
        inside[generator.randrange(len(inside))] = other
    lines[place] = json.dumps(found)
    return "\n".join(lines).encode() + b"\n"


def _removed(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _instead(make: Callable[[Path], Any]) -> Callable[[Path, random.Random], None]:
    def made(path: Path, generator: random.Random) -> None:
        _removed(path)
        make(path)

    return made


def _no_permission(path: Path, generator: random.Random) -> None:
    path.chmod(0)


# Whatever the file; of those that cannot be read as anything, the commands that need it say so.
UNUSABLE: dict[str, Callable[[Path, random.Random], None]] = {
    "missing": _instead(lambda path: None),
    "empty": _rewrite(lambda data, generator: b""),
    "a folder": _instead(Path.mkdir),
    "a FIFO": _instead(os.mkfifo),
    "a broken link": _instead(lambda path: path.symlink_to("nowhere")),
    "a link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "zeros": _rewrite(lambda data, generator: b"\0" * len(data)),
    **({} if os.geteuid() == 0 else {"without permission": _no_permission}),
}
DAMAGES: dict[str, Callable[[Path, random.Random], None]] = UNUSABLE | {
    "cut off": _rewrite(lambda data, generator: data[: generator.randrange(len(data))]),
    "bits flipped": _rewrite(_flipped), "bytes put in": _rewrite(_inserted), "a very long line": _rewrite(_longer),
    "twice": _rewrite(lambda data, generator: data + data),
    "BOM": _rewrite(lambda data, generator: b"\xef\xbb\xbf" + data),
    "UTF-16": _rewrite(lambda data, generator: data.decode(errors="replace").encode("utf-16")),
    "latin-1": _rewrite(lambda data, generator: data.replace(b"e", b"\xe9")),
    "CRLF": _rewrite(lambda data, generator: data.replace(b"\n", b"\r\n")),
    "CR": _rewrite(lambda data, generator: data.replace(b"\n", b"\r")),
    "lines in disorder": _rewrite(_shuffled),
    "other JSON": _rewrite(_other_json),
}  # fmt: skip


def damage(work: Path, what: Damage) -> None:
    """Does a damage to a file of a work folder."""
    DAMAGES[what.how](work / what.file, random.Random(what.seed))


_TEXT = ("data=text", f"data.path={cases.TEXT}")
_GLOVE = (*_TEXT, "tokenizer=word", "embedding=glove")
_DATA: Sequence[tuple[str, tuple[str, ...], str]] = (
    (cases.TEXT, _TEXT, "data.path"),
    (f"{cases.SPLITS}/train.txt", ("data=text", f"data.path={cases.SPLITS}"), "data.path"),
    (f"{cases.SPLITS}/valid.txt", ("data=text", f"data.path={cases.SPLITS}"), "data.path"),
    (cases.SENTENCES, ("data=sentences", f"data.path={cases.SENTENCES}"), "data.path"),
    (cases.REVIEWS, ("data=imdb", f"data.path={cases.REVIEWS}"), "data.path"),
    (cases.VECTORS, (*_GLOVE, f"embedding.path={cases.VECTORS}"), "embedding.path"),
    (cases.ZIPPED, (*_GLOVE, f"embedding.path={cases.ZIPPED}"), "embedding.path"),
)
RUN_FILES = (
    "config.yaml", "summary.json", "metrics.csv", "tokenizer.json", "samples.jsonl", "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
)  # fmt: skip
_OF_A_RUN: Sequence[tuple[str, tuple[str, ...]]] = (
    ("generate", ("length=5",)),
    ("predict", ("prompt=A",)),
    ("evaluate", ("baselines=false", f"data.path={cases.TEXT}")),
    ("train", ("trainer.max_epochs=9",)),
)


@st.composite
def data_cases(draw: st.DrawFn) -> Case:
    """A text or file of vectors that is damaged."""
    file, words, field = draw(st.sampled_from(_DATA))
    what = Damage(file, draw(st.sampled_from(sorted(DAMAGES))), draw(st.integers(0, 10_000)))
    expect = Expect.EITHER
    if what.how in UNUSABLE and "/" not in file and what.how != "a folder":
        expect = Expect.REFUSED
    kind = Path(file).suffix or "folder"
    return Case("train", f"{kind} file, {what.how}", expect, (), words, (field, file), damage=what, whole=True)


@st.composite
def run_cases(draw: st.DrawFn) -> Case:
    """A run of which a file is damaged."""
    command, words = draw(st.sampled_from(_OF_A_RUN))
    name = draw(st.sampled_from(RUN_FILES))
    what = Damage(f"{cases.RUN}/{name}", draw(st.sampled_from(sorted(DAMAGES))), draw(st.integers(0, 10_000)))
    about = f"{name}, {what.how}"
    return Case(command, about, Expect.EITHER, (), (f"run={cases.RUN}", *words), damage=what, whole=True)
