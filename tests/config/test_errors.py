"""Each mistake: one line that names the setting and the remedy, status 1, no traceback, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typed_commands import typed

from lmlab.config.folders import group_options

RUN = """
import sys
from lmlab.{command} import main
sys.argv[1:] = {arguments!r}
try:
    main()
    status = 0
except SystemExit as end:
    status = end.code
print("status", status, *({{"torch", "pytorch_lightning"}} & set(sys.modules)))
"""


def run(command: str, arguments: list[str], folder: Path) -> tuple[int, list[str], str]:
    """Status, which of torch and Lightning were imported, and standard error."""
    code = RUN.format(command=command, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=os.environ, check=True
    )
    status, *imported = done.stdout.split("status ")[1].split()
    return int(status), imported, done.stderr


TRAIN = [
    (["model.hiden_size=5"], ["model.hiden_size", "did you mean model.hidden_size?"]),
    (["modle=lstm"], ["modle", "did you mean model?"]),
    (["model=lstmm"], ["model=lstmm", ", ".join(group_options("model")), "did you mean lstm?"]),
    (["model.hidden_size=abc"], ["model.hidden_size=abc", "not a whole number"]),
    (["model.hidden_size=0"], ["model.hidden_size=0", "less than 1"]),
    (["model.hidden_size=256,512"], ["model.hidden_size=256,512", "add -m"]),
    (["model.dropout=1"], ["model.dropout=1"]),
    (["model=null"], ["model=null"]),
    (["init_from=nowhere"], ["init_from=nowhere: no such folder", "init_from=latest"]),
    (["-m", "init_from=latest", "seed=0,1"], ["init_from=latest: would be another run for each job"]),
    (["callbacks.sample_text.every_n_epochs=null", "metrics=null"], ["metrics=null"]),
    (["seed=null"], ["seed=null"]),
    (["foo"], ["foo", "key=value"]),
    (["+x=1"], ["x=1", "no such setting"]),
    (["+model.foo=1"], ["model.foo=1", "no such setting"]),
    (
        ["callbacks.sample_text=null", "callbacks.sample_text.length=3"],
        ["callbacks.sample_text.length=3: is of what callbacks.sample_text=null removes; leave one of them out"],
    ),
    (
        ["data=sst", "tokenizer=pretokenized"],
        ["tokenizer=pretokenized: sentences have their own start and end tokens; set tokenizer.end_token=null"],
    ),
    (["tokenizer.lower=true"], ["tokenizer.lower", "it belongs to tokenizer="]),
    (["tokenizer.end_token=line"], ["tokenizer.end_token=line", "null, document"]),
    (["data=text"], ["data.path", "give a file or folder"]),
    (["data=text", "data.path=no such, file.txt"], ["data.path=no such, file.txt", "no such file"]),
    (["data=text", "data.path=/dev/stdin"], ["data.path=/dev/stdin: stands for", "the path of the file itself"]),
    (["data=text", "data.path=/dev/fd/63"], ["data.path=/dev/fd/63: stands for", "the path of the file itself"]),
    (["data=harry_potter"], ["data.path=data/harry_potter", "put your books there", "data=python_docs"]),
    (["data.split=[1,0]"], ["data.split", "[0.8,0.1,0.1]"]),
    (["embedding=glove"], ["embedding.path", "GloVe"]),
    (["model.tie_weights=true"], ["model.tie_weights=true", "embedding.dim (128)", "model.hidden_size (256)"]),
    (["trainer.precision=17"], ["trainer.precision=17", "32-true"]),
    (["+callbacks.mine._target_=os.system"], ["callbacks.mine._target_=os.system: "]),
    (["trainer=gpu", "trainer.max_epochs=0"], ["trainer.max_epochs=0: "]),
    (["optimizer.eps=0"], ["optimizer.eps=0: ", "less than 1e-30"]),
    (["optimizer=rmsprop", "optimizer.alpha=0", "optimizer.centered=true"], ["optimizer.centered=true: "]),
    (
        ["scheduler=cosine", "trainer.max_steps=3", "scheduler.warmup_steps=4"],
        ["scheduler.warmup_steps=4: ", "trainer.max_steps=3"],
    ),
    (["batching=windows", "data.stride=101"], ["data.stride=101: ", "give at most 100"]),
    (["data.sentences=true"], ["data.sentences=true: says that data=python_docs", "use batching=sentences"]),
    (["data=sentences", "batching=streams", "data.path=."], ["batching=streams: is for running text"]),
    (["data.sequence_length=${x}"], ["data.sequence_length=${x}: refers to x, which is not a setting"]),
    (["seed=???"], ["seed=???: has no value"]),
    (["data.split=[a,b]"], ["data.split=[a,b]: a: is not a number", "data.split=[0.001,b]"]),
    (["experiment=null", "trainer.max_epochs=0"], ["trainer.max_epochs=0: "]),
    (["model.dropout=1e0"], ["model.dropout=1e0: is not less than 1"]),
    (["optimizer.lr=-1"], ["optimizer.lr=-1", "not above 0"]),
    (["callbacks.sample_text.temperature=-1"], ["callbacks.sample_text.temperature=-1"]),
    (["++trainer._target_=os.system"], ["_target_=os.system"]),
    (["data.path=one.txt"], ["data.path=one.txt", "add data=text"]),
    (["embedding.path=x"], ["embedding.path=x", "add embedding=glove"]),
    (["name=../x"], ["name=../x"]),
    (["callbacks.sample_text.prompts=Once"], ["callbacks.sample_text.prompts=Once", "is not a list"]),
    (["run=nowhere"], ["run=nowhere", "no such folder"]),
    (["experiment=shakespear"], ["experiment=shakespear", "no such option", "did you mean shakespeare?"]),
    (["evaluation.temperatures=[-1]"], ["evaluation.temperatures=[-1]: ", "less than 0"]),
    (["model.locked_dropout=maybe"], ["model.locked_dropout=maybe", "not true or false"]),
    (["data=imdb", "data.path=.", "data.source.max_reviews=0"], ["data.source.max_reviews=0"]),
]


@pytest.mark.parametrize(("arguments", "expected"), TRAIN, ids=lambda value: " ".join(value))
def test_train_refuses_in_one_line_before_torch(arguments: list[str], expected: list[str], tmp_path: Path) -> None:
    status, imported, stderr = run("train", arguments, tmp_path)
    lines = stderr.strip().splitlines()
    assert status == 1
    assert not imported
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    for part in expected:
        assert part in lines[0]
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


OTHERS = [
    ("generate", ["run=nowhere"], ["run=nowhere", "no such folder"]),
    ("generate", ["run=."], ["run=.", "is not a run"]),
    ("generate", ["prompt=a", "temprature=1"], ["temprature", "did you mean temperature?"]),
    ("generate", ["temperature=-1"], ["temperature=-1"]),
    ("generate", ["top_p=2"], ["top_p=2"]),
    ("generate", [], ["run=latest", "train one first"]),
    ("evaluate", ["split=tset"], ["split=tset", "train, validation"]),
    ("evaluate", ["data.path=nowhere.txt"], ["data.path=nowhere.txt"]),
    ("evaluate", ["split=test", "data.path=."], ["split=test", "evaluated as a whole"]),
    ("report", ["watch=maybe"], ["watch=maybe", "not true or false"]),
    ("report", ["runs=nowhere"], ["runs=nowhere", "no such folder"]),
    ("benchmark", ["batches=chunks"], ["batches=chunks", "streams, sentences"]),
    ("benchmark", ["models=[cnn]"], ["models=[cnn]: cnn: ", "feedforward, gru, lstm, rnn"]),
    ("benchmark", ["what=speed"], ["what=speed", "ceiling, layers, step"]),
    ("benchmark", ["what=[step,speed]"], ["what=[step,speed]", "ceiling, layers, step"]),
    ("benchmark", ["what=[]"], ["what=[]", "at least 1"]),
    ("benchmark", ["what=large_text", "large_text.gigabytes=[9999]"], ["large_text.gigabytes", "TB of disk"]),
    (
        "benchmark",
        ["what=large_text", "large_text.folder=nowhere"],
        ["large_text.folder=nowhere", "no such file or folder"],
    ),
    ("benchmark", ["what=generation", "generation.hidden_size=900000"], ["generation.hidden_size=900000: needs about"]),
    ("benchmark", ["generation.length=0"], ["generation.length=0", "less than 1"]),
    ("benchmark", ["what=step", "generation.length=9"], ["generation.length=9", "what=generation"]),
    ("benchmark", ["--config-dir=nowhere"], ["--config-dir", "no such folder"]),
]


@pytest.mark.parametrize(("command", "arguments", "expected"), OTHERS, ids=str)
def test_other_commands_refuse_in_one_line_before_torch(
    command: str, arguments: list[str], expected: list[str], tmp_path: Path
) -> None:
    status, imported, stderr = run(command, arguments, tmp_path)
    lines = stderr.strip().splitlines()
    assert status == 1
    assert not imported
    assert len(lines) == 1
    for part in expected:
        assert part in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "nothing but white space"),
        (b"a", "too few"),
        (bytes(range(256)) * 20, "binary"),
        (b"abc \x81\x8d\x8f " * 50, "name its encoding"),
        (b"ab cd ef gh", "nothing to predict"),
    ],
)
def test_an_unusable_text_is_refused_in_one_line(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    done = typed("train", "data=text", "data.path=text.txt", "trainer=cpu", cwd=tmp_path, status=1)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert expected in lines[0]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["text.txt"]


@pytest.mark.parametrize(
    ("command", "words", "field"),
    [
        ("train", ["run={}"], "run"),
        ("verify", ["run={}"], "run"),
        ("train", ["trainer={}"], "trainer"),
        ("train", ["output_dir={}"], "output_dir"),
        ("train", ["--config-dir", "{}"], "--config-dir"),
        ("list", ["--config-dir={}"], "--config-dir"),
        ("generate", ["run=latest", "output_dir=x/{}"], "output_dir"),
    ],
)
def test_a_name_that_no_file_can_have_is_told_of_the_word(
    command: str, words: list[str], field: str, tmp_path: Path
) -> None:
    said = typed(command, *(word.format("a" * 300) for word in words), cwd=tmp_path, status=1).stderr
    assert said.startswith(f"error: {field}=")
    assert "is too long for a name" in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unusable_text_is_told_before_lightning_is_imported(tmp_path: Path) -> None:
    (tmp_path / "text.txt").touch()
    status, imported, stderr = run("train", ["data=text", "data.path=text.txt"], tmp_path)
    assert (status, imported) == (1, ["torch"]), stderr


def test_the_traceback_is_there_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMLAB_DEBUG", "1")
    _, _, stderr = run("train", ["model=lstmm"], tmp_path)
    assert "Traceback" in stderr
    assert stderr.strip().splitlines()[-1].startswith("error: model=lstmm")


OF_A_GRU = "defaults: [_shared, _self_]\nname: x\ncore:\n  _target_: lmlab.models.recurrent.GRU\n"
FILES = {
    "model/indented.yaml": ("name: x\n core: 1\n", "model/indented.yaml, line 2: "),
    "model/tab.yaml": ("defaults:\n\t- x\n", "model/tab.yaml, line 2: "),
    "model/environment.yaml": (
        f"{OF_A_GRU}  extra: ${{oc.env:NOPE}}\n",
        "model.core.extra: Environment variable 'NOPE' not found",
    ),
    "model/missing.yaml": (
        f"{OF_A_GRU}  weight_dropout: ???\n",
        "model.core.weight_dropout: has no value",
    ),
    "batching/unplaced.yaml": (
        "_target_: lmlab.data.loaders.streams.StreamsLoader\n",
        "unplaced.yaml: its settings are in another place; begin it with the line: # @package data.batching",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_mistake_in_a_file_of_one_s_own_names_it(name: str, tmp_path: Path) -> None:
    text, told = FILES[name]
    path = tmp_path / "my_conf" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    group = path.parent.name
    done = typed("train", "--config-dir", "my_conf", f"{group}={path.stem}", cwd=tmp_path, status=1)
    (line,) = done.stderr.splitlines()
    assert told in line


def test_a_folder_of_one_s_own_is_given_once_and_to_the_commands_that_compose_a_run(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()

    def said(command: str, *words: str) -> str:
        return typed(command, *words, cwd=tmp_path, status=1).stderr

    assert "given more than once" in said("train", "--config-dir", "one", "--config-dir=two")
    assert "is for train, list and benchmark" in said("generate", "--config-dir", "one")
    (tmp_path / "one" / "train.yaml").touch()
    assert "remove it" in said("train", "--config-dir", "one")
    assert "did you mean plugins?" in said("train", "plugin=[x]")
