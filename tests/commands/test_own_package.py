"""A package of the user's own with a part of every kind, from training to a report; what is not trusted is refused."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typed_commands
import yaml

import lmlab
from lmlab.checkpoints import read_checkpoint
from lmlab.config.plugins import Untrusted

MODULE = '''
"""A part of every kind."""

import re
from pathlib import Path
from typing import Annotated

import lmlab
import numpy as np
import torch
from torch import nn


class LeakyCore(lmlab.Core):
    """A leaky integrator whose first state is learned; its state has two dimensions."""

    def __init__(self, *, input_size: int, hidden_size: int, leak: Annotated[float, lmlab.Range(at_least=0, below=1)],
                 num_layers: int = 1, dropout: float = 0.0, locked_dropout: bool = False) -> None:
        super().__init__()
        self.output_size, self.leak = hidden_size, leak
        self.inputs, self.hidden = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.first = nn.Parameter(torch.full((hidden_size,), 0.1))
        self.register_buffer("scale", torch.ones(hidden_size))

    def init_state(self, batch_size):
        return (self.first[:, None].expand(-1, batch_size),)

    def forward(self, inputs, state):
        hidden, outputs = state[0].t(), []
        for step in self.inputs(inputs).unbind(1):
            hidden = self.leak * hidden + (1 - self.leak) * torch.tanh(step + self.hidden(hidden)) * self.scale
            outputs.append(hidden)
        return torch.stack(outputs, 1), (hidden.t(),)


class Paragraphs(lmlab.Source):
    """Documents between empty lines."""

    def __init__(self, *, path: str, split: list[float], least: int = 1) -> None:
        self.path, self.split, self.least = path, split, least

    def check(self) -> None:
        if not Path(self.path).is_file():
            raise lmlab.UserError("data.path", self.path, "no such file", "check the path")

    def load(self) -> lmlab.Corpus:
        parts = [part for part in Path(self.path).read_text().split("\\n\\n") if len(part) >= self.least]
        documents = [lmlab.Document(str(i), part) for i, part in enumerate(parts)]
        return lmlab.Corpus(lmlab.split_documents(documents, self.split), provenance=("paragraphs",))


class _Streamer:
    def __init__(self, vocabulary) -> None:
        self.vocabulary = vocabulary

    def push(self, token_id: int) -> str:
        entry = self.vocabulary[token_id]
        return "" if entry in ("<eos>", "<bos>") else entry


class PairTokenizer(lmlab.Tokenizer):
    """Two characters an id."""

    def __init__(self, *, end_token: str | None, size: int = 2) -> None:
        self.end_token, self.size = end_token, size
        self._set([])

    def _set(self, pairs) -> None:
        special = ["<unk>"] if self.end_token is None else ["<unk>", "<eos>"]
        self.vocabulary = [*special, *pairs]
        self.ids = {entry: i for i, entry in enumerate(self.vocabulary)}

    def _pairs(self, text):
        return re.findall(rf"(?s).{{1,{self.size}}}", text)

    def fit(self, texts) -> None:
        self._set(sorted({pair for text in texts for pair in self._pairs(text)}))

    def encode(self, text):
        return np.array([self.ids.get(pair, 0) for pair in self._pairs(text)], dtype=np.int32)

    def streamer(self):
        return _Streamer(self.vocabulary)

    def restore(self, learned) -> None:
        skip = 1 if self.end_token is None else 2
        self._set(learned["vocabulary"][skip:])


class Shuffled(lmlab.TrainLoader):
    """Rows from fixed places in another order each epoch."""

    def __init__(self, *, store: lmlab.TokenStore, seed: int, batch_size: int, length: int) -> None:
        self.store, self.seed, self.batch_size, self.length = store, seed, batch_size, length
        self.places = np.arange(0, len(store) - length - 1, length)
        super().__init__(num_batches=len(self.places) // batch_size)

    def batch(self, epoch: int, index: int) -> lmlab.Batch:
        order = np.random.default_rng([self.seed, epoch]).permutation(self.places)
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        taken = torch.from_numpy(self.store.ids[rows[:, None] + np.arange(self.length + 1)].astype(np.int64))
        return lmlab.Batch(taken[:, :-1].clone(), taken[:, 1:].clone(), torch.ones(len(rows), dtype=torch.bool))


class SignSGD(torch.optim.Optimizer):
    """The sign of the gradient."""

    def __init__(self, params, *, lr: float, shrink: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "shrink": shrink})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["shrink"]).add_(parameter.grad.sign(), alpha=-group["lr"])
        return loss


class Linear(lmlab.Scheduler):
    """Down to a share of the rate along a line; a worse evaluation halves it from then on."""

    def __init__(self, *, total_steps: int, steps_per_epoch: int, last: float) -> None:
        self.total_steps, self.last, self.seen = total_steps, last, []

    def __call__(self, step: int) -> float:
        worse = sum(b > a for a, b in zip(self.seen, self.seen[1:]))
        return (1 - (1 - self.last) * min(1, step / 1000)) * 0.5**worse

    def observe(self, nats_per_token: float) -> None:
        self.seen.append(nats_per_token)

    def state_dict(self):
        return {"seen": list(self.seen)}

    def load_state_dict(self, state) -> None:
        self.seen = list(state["seen"])


class Spread(lmlab.EmbeddingVectors):
    """Vectors along sines, the same each time."""

    def __init__(self, *, dim: int, scale: float = 1.0) -> None:
        self.dim, self.scale = dim, scale

    def vectors(self, *, vocabulary, num_special, tied) -> lmlab.Vectors:
        ids = torch.arange(len(vocabulary))[:, None] + 1.0
        return lmlab.Vectors(self.scale * torch.sin(ids * torch.arange(1, self.dim + 1)))
'''
FILES = {
    "data/without_batch_size.yaml": (
        "defaults: [_base, _self_]\nname: x\nsource:\n  _target_: my_models.Paragraphs\n"
        "  path: ${data.path}\n  split: ${data.split}\n"
    ),
    "model/leaky.yaml": (
        "defaults: [_shared, _self_]\nname: leaky\ncore:\n  _target_: my_models.LeakyCore\n  leak: 0.8\n"
    ),
    "data/paragraphs.yaml": (
        "defaults: [_base, _self_]\nname: paragraphs\nbatch_size: 8\nsequence_length: 20\n"
        "source:\n  _target_: my_models.Paragraphs\n  path: ${data.path}\n  split: ${data.split}\n"
    ),
    "tokenizer/pairs.yaml": "_target_: my_models.PairTokenizer\nend_token: null\n",
    "batching/shuffled.yaml": (
        "# @package data.batching\n_target_: my_models.Shuffled\nbatch_size: ${data.batch_size}\n"
        "length: ${data.sequence_length}\n"
    ),
    "optimizer/sign.yaml": "_target_: my_models.SignSGD\nlr: 1.0e-3\n",
    "scheduler/linear.yaml": "_target_: my_models.Linear\nlast: 0.1\n",
    "embedding/spread.yaml": "_target_: my_models.Spread\ndim: 12\n",
}
CHOICES = ("model=leaky", "data=paragraphs", "tokenizer=pairs", "batching=shuffled", "optimizer=sign")
CHOICES += ("scheduler=linear", "embedding=spread", "data.path=text.txt")
SMALL = (
    "model.hidden_size=16", "trainer=cpu", "trainer.max_epochs=2", "trainer.log_every_n_steps=5",
    "callbacks.sample_text.length=10", "evaluation.num_samples=2", "evaluation.sample_length=20",
    "callbacks.gradients.per_layer=true",
)  # fmt: skip
OWN = ("--config-dir", "my_conf", "plugins=[my_models]")


def typed(name: str, *arguments: str, cwd: Path, status: int = 0, **environment: str) -> str:
    """What a command prints: its output, or the one line of its error."""
    done = typed_commands.typed(name, *arguments, cwd=cwd, status=status, **{"LMLAB_PLUGINS": "", **environment})
    return done.stdout if status == 0 else done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("own")
    (place / "my_models.py").write_text(MODULE)
    for name, text in FILES.items():
        path = place / "my_conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    paragraphs = (
        f"Anna number {i} sees {i * 7 % 13} cats, and Ben {'does' if i % 3 else 'hides'}." for i in range(120)
    )
    (place / "text.txt").write_text("\n\n".join(paragraphs))
    return place


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    """A run that was paused on the way and has gone on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LMLAB_CACHE", str(place / "cache"))
        typed("train", *OWN, *CHOICES, *SMALL, "stop_after_tokens=1200", "output_dir=outputs", cwd=place)
        (folder,) = (place / "outputs" / "paragraphs-leaky").iterdir()
        assert json.loads((folder / "summary.json").read_text())["status"] == "interrupted"
        assert "plugins=[my_models]" in typed("train", f"run={folder}", cwd=place, status=1)
        typed("train", f"run={folder}", "plugins=[my_models]", cwd=place)
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [
            {k: v for k, v in row.items() if k not in ("seconds", "tokens_per_second")} for row in csv.DictReader(file)
        ]


def test_a_run_of_own_parts_that_paused_is_the_one_that_did_not(run: Path, place: Path) -> None:
    typed("train", *OWN, *CHOICES, *SMALL, "output_dir=whole", cwd=place)
    (whole,) = (place / "whole" / "paragraphs-leaky").iterdir()
    assert rows(run) == rows(whole)
    for name in ("best", "last"):
        ours, theirs = (read_checkpoint(f / "checkpoints" / f"{name}.ckpt")["state_dict"] for f in (run, whole))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    first = ours["model.core.first"]
    assert not torch.equal(first, torch.full_like(first, 0.1))  # what rows start from is trained too


def test_every_part_is_the_own_one_and_stands_in_the_records(run: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    parts = [config["model"]["core"], config["data"]["source"], config["data"]["batching"]]
    parts += [config[name] for name in ("tokenizer", "optimizer", "scheduler", "embedding")]
    assert all(part["_target_"].startswith("my_models.") for part in parts)
    assert config["optimizer"]["shrink"] == 0.0
    assert json.loads((run / "tokenizer.json").read_text())["type"] == "my_models.PairTokenizer"
    recorded = json.loads((run / "summary.json").read_text())["plugins"]
    assert list(recorded) == ["my_models"]
    assert len(recorded["my_models"]["sha256"]) == 64
    assert "grad_norm/core" in (run / "gradients.csv").read_text()


@pytest.mark.parametrize(
    "words",
    [("generate", "prompt=Anna", "length=10"), ("evaluate", "split=test"), ("predict", "prompt=Anna"), ("verify",)],
    ids=lambda words: words[0],
)
def test_commands_use_it_when_it_is_trusted_and_refuse_it_when_not(
    words: tuple[str, ...], run: Path, place: Path
) -> None:
    name, *settings = words
    assert typed(name, f"run={run}", *settings, "plugins=[my_models]", cwd=place)
    assert typed(name, f"run={run}", *settings, cwd=place, LMLAB_PLUGINS="my_models")
    line = typed(name, f"run={run}", *settings, cwd=place, status=1)
    assert len(line.splitlines()) == 1
    assert "my_models" in line
    assert "plugins=[my_models]" in line


def test_another_text_is_read_with_the_own_source(run: Path, place: Path) -> None:
    paragraphs = [f"Ben number {i} follows a bird and {i % 5} cats." for i in range(30)]
    (place / "other.txt").write_text("\n\n".join(paragraphs))
    told = typed("evaluate", f"run={run}", "data.path=other.txt", "plugins=[my_models]", cwd=place)
    figures = dict(line.split(maxsplit=1) for line in told.splitlines())
    # Joined by single line ends: a plain text would have the empty lines too.
    assert int(figures["num_characters"]) == len("\n".join(paragraphs))


def test_options_of_the_own_folder_are_listed(place: Path) -> None:
    assert re.search(r"^  leaky\b", typed("list", "--config-dir", "my_conf", "model", cwd=place), re.MULTILINE)
    told = typed("list", *OWN, "model=leaky", cwd=place)
    assert "model.core.leak=0.8 " in told
    assert "plugins=[my_models]" in typed("list", "--config-dir", "my_conf", "model=leaky", cwd=place, status=1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("model=leaky", "model.core.lek=1"), "model.core.lek=1: no such setting; did you mean model.core.leak?"),
        (("model=leaky", "model.leak=1"), "model.leak=1: no such setting; did you mean model.core.leak?"),
        (
            ("optimizer=sign", "optimizer.shrink=1"),
            "not in the YAML file of the chosen option; write +optimizer.shrink=...",
        ),
        (("optimizer=sign", "optimizer.shrnk=1"), "did you mean optimizer.shrink?"),
        (("data=without_batch_size",), "data.batch_size: has no value, and another setting refers to it"),
        (("batching=shuffled", "data=sentences", "data.path=text.txt"), "batching=my_models.Shuffled"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_mistakes_in_settings_of_own_parts(words: tuple[str, ...], told: str, place: Path) -> None:
    (line,) = typed("train", *OWN, *words, cwd=place, status=1).splitlines()
    assert told in line


def test_what_is_missing_on_the_command_line_is_said(place: Path) -> None:
    assert "need --config-dir" in typed("train", "model=leaky", cwd=place, status=1)
    line = typed("train", "--config-dir", "my_conf", "plugins=[my_model]", "model=leaky", cwd=place, status=1)
    assert "plugins=my_model: there is no such package" in line


@pytest.mark.parametrize("name", ["generate", "evaluate", "predict", "verify"])
def test_distrust_is_said_before_torch_is_imported(name: str, run: Path, place: Path) -> None:
    code = (
        "import contextlib, sys\n"
        f"from lmlab.{name} import main\n"
        f"sys.argv[1:] = ['run={run}']\n"
        "with contextlib.suppress(SystemExit):\n    main()\n"
        "print('torch' in sys.modules)\n"
    )
    env = {**os.environ, "LMLAB_PLUGINS": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, env=env, check=True)
    assert "plugins=[my_models]" in done.stderr
    assert done.stdout == "False\n"


def test_a_report_needs_no_trust(run: Path, place: Path) -> None:
    shutil.move(place / "my_models.py", place / "moved.py")
    try:
        typed("report", f"runs={run}", cwd=place)
    finally:
        shutil.move(place / "moved.py", place / "my_models.py")
    assert "leaky" in (run / "report" / "report.md").read_text()


def test_from_python(run: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.delenv("LMLAB_PLUGINS", raising=False)
    with pytest.raises(Untrusted):
        lmlab.load(run)
    model = lmlab.load(run, plugins=["my_models"], device="cpu")
    summary = json.loads((run / "summary.json").read_text())
    expected = typed("evaluate", f"run={run}", "split=validation", "plugins=[my_models]", cwd=place)
    assert f"{summary['val/nats_per_token']:.6f}" in expected
    assert model.generate("Anna", length=5, seed=1) == model.generate("Anna", length=5, seed=1)
    with pytest.raises(Untrusted):
        lmlab.load(run)


def test_a_sweep_goes_on_when_the_package_is_typed_again(place: Path) -> None:
    sweep = ("-m", "model.core.leak=0.2,0.6", "output_dir=swept", "trainer.max_steps=6")
    typed("train", *OWN, *CHOICES, *SMALL, *sweep, cwd=place)
    (folder,) = (place / "swept" / "paragraphs-leaky").iterdir()
    leaks = {yaml.safe_load(path.read_text())["model"]["core"]["leak"] for path in folder.glob("*/config.yaml")}
    assert leaks == {0.2, 0.6}
    job = next(folder.glob("1_*"))
    shutil.rmtree(job)
    line = typed("train", f"run={folder}", cwd=place, status=1)
    assert "plugins=[my_models]" in line
    assert not job.exists()
    told = typed("train", *OWN, *CHOICES, *SMALL, *sweep, "stop_after_tokens=400", cwd=place)  # pauses the job again
    again = next(x for x in told.splitlines() if x.startswith("paused; to resume"))
    assert all(word in again for word in ("--config-dir", "plugins=[my_models]", "model.core.leak=0.2,0.6"))
    assert "plugins=[my_models]" in next(x for x in told.splitlines() if x.startswith("best run"))
    typed("train", f"run={folder}", *OWN, "model.core.leak=0.2,0.6", cwd=place)
    assert json.loads((job / "summary.json").read_text())["status"] == "finished"


def test_a_sweep_is_not_gone_on_with_under_other_values(place: Path) -> None:
    (folder,) = (place / "swept" / "paragraphs-leaky").iterdir()
    line = typed("train", f"run={folder}", *OWN, "model.core.leak=0.1,0.6", cwd=place, status=1)
    assert "model.core.leak=0.1,0.6: differs from 0.2,0.6" in line
    assert len(list(folder.glob("0_*"))) == 1


def test_a_sweep_that_is_not_trusted_is_not_begun(place: Path) -> None:
    words = ("-m", "--config-dir", "my_conf", "model=lstm,leaky", "output_dir=distrusted", *SMALL)
    line = typed("train", *words, cwd=place, status=1)
    assert len(line.splitlines()) == 1
    assert "plugins=[my_models]" in line
    assert not (place / "distrusted").exists()


def test_mistakes_in_lmlab_s_own_settings_do_not_wait_for_the_package(place: Path) -> None:
    choices = [word for word in CHOICES if word != "optimizer=sign"]
    code = (
        "import contextlib, sys\n"
        "from lmlab.train import main\n"
        f"sys.argv[1:] = {[*OWN, *choices, 'optimizer.lr=abc']}\n"
        "with contextlib.suppress(SystemExit):\n    main()\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True)
    assert "optimizer.lr=abc: is not a number" in done.stderr
    assert done.stdout == "False\n"


def test_a_run_does_not_go_on_under_another_source_of_the_package(run: Path, place: Path) -> None:
    path = place / "my_models.py"
    path.write_text(MODULE + "# another\n")
    try:
        line = typed("train", f"run={run}", "trainer.max_epochs=3", "plugins=[my_models]", cwd=place, status=1)
        assert "different source code of the package my_models" in line
        again = ("output_dir=outputs", f"hydra.run.dir={run}")  # as a job of a sweep that is typed again has it
        line = typed("train", *OWN, *CHOICES, *SMALL, *again, cwd=place, status=1)
        assert "different source code of the package my_models" in line
        assert typed("generate", f"run={run}", "plugins=[my_models]", "length=3", cwd=place)
    finally:
        path.write_text(MODULE)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model=leakyy",), "gru, leaky, lstm, rnn; did you mean leaky?"),
        (("model=leaky", "model.core.leak=1.5"), "model.core.leak=1.5: is not less than 1"),
        (("model=leaky", "model.core.leak=much"), "model.core.leak=much: is not a number"),
        (("model=leaky", "+model.core.leek=0.1"), "model.core.leek=0.1: no such setting"),
        (("model=leaky", "model.core._target_=my_models.Missing"), "has no class Missing"),
        (("model=leaky", "model.core._target_=my_models.Linear"), "is not a subclass of lmlab.models.core.Core"),
        (("model=leaky", "model.core._target_=my_models.os.system"), "no module my_models.os"),
        (("data=paragraphs", "data.path=nothing.txt"), "data.path"),
        (("data=paragraphs",), "error: data.path: this data set needs your own text"),
    ],
)
def test_mistakes_with_own_parts_are_one_line_before_the_text_is_read(
    words: tuple[str, ...], said: str, place: Path
) -> None:
    line = typed("train", *OWN, *words, "output_dir=refused", cwd=place, status=1)
    assert len(line.splitlines()) == 1
    assert said in line
    assert not list((place / "refused").glob("*/*"))


def test_an_own_file_with_the_name_of_one_of_lmlabs_is_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "lstm.yaml").write_text("name: mine\n")
    line = typed("train", "--config-dir", str(tmp_path), "model=lstm", cwd=place, status=1)
    assert "lmlab has its own model/lstm.yaml" in line


def test_an_own_file_does_not_make_a_package_trusted(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "my_conf", tmp_path / "conf")
    (tmp_path / "conf" / "experiment").mkdir()
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: leaky\nplugins: [my_models]\n"
    )
    line = typed("train", "--config-dir", str(tmp_path / "conf"), "experiment=mine", cwd=place, status=1)
    assert "a file cannot make a package trusted" in line
