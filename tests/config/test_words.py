"""Words of a command line that cannot be right are refused before Hydra composes, each under its own name."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmlab.config.words import checked
from lmlab.errors import UserError

# Command, words, what the line must have.
REFUSED = [
    ("train", ["model=null", "x=null"], ["model=null: ", "choose one of"]),
    ("train", ["x=null", "model=null"], ["x=null: no such setting"]),
    ("train", ["~seed"], ["~seed: ", "write seed=..."]),
    ("train", ["~callbacks.mine"], ["~callbacks.mine: ", "write callbacks.mine=null"]),
    ("train", ["+experiment=sst"], ["+experiment=sst: ", "write experiment=sst"]),
    ("train", ["optimizer=[adam,sgd]"], ["optimizer=[adam,sgd]: takes one option", "-m optimizer=adam,sgd"]),
    ("train", ["optimizer.lr=interval(0,1)"], ["optimizer.lr=interval(0,1): ", "add -m"]),
    ("train", ["optimizer.lr=range(3)"], ["optimizer.lr=range(3): ", "add -m"]),
    ("train", ["model.hidden_size =3"], ["model.hidden_size: has a blank before ="]),
    ("train", ["model.hidden_size", "=", "3"], ["model.hidden_size: not a setting", "without blanks"]),
    ("train", ["=3"], ["=3: has no name"]),
    ("train", ["-lr=3"], ["-lr: no such option", "as optimizer.lr=..."]),
    ("train", ["--batch-size", "3"], ["--batch-size: no such option", "as data.batch_size=..."]),
    ("train", ["--x=3"], ["--x: no such option", "a setting is written without -"]),
    ("train", ["epochs=3"], ["epochs=3: no such setting", "did you mean trainer.max_epochs?"]),
    ("train", ["bptt=3"], ["did you mean data.sequence_length?"]),
    ("train", ["hydra/sweeper=optuna"], ["hydra/sweeper=optuna: is for sweeps", "add -m"]),
    ("generate", ["--temperature", "3"], ["--temperature: no such option", "as temperature=..."]),
    ("train", ["--cfg"], ["--cfg: has no value", "--cfg=job"]),
    ("train", ["--cfg", "x"], ["--cfg=x: no such option"]),
    ("train", ["-m=1"], ["-m=1: takes no value"]),
    ("train", ["--config-name", "generate"], ["--config-name: lmlab has its own"]),
    ("train", ["--experimental-rerun", "x.pickle"], ["--experimental-rerun: would load a pickle"]),
    ("train", ["model/core=x"], ["model/core=x: no such setting", "write model.core=..."]),
    ("train", ["optimizer@x=sgd"], ["optimizer@x=sgd: no such setting", "write optimizer=..."]),
    ("train", ["data=_shared"], ["data=_shared: no such option"]),
    ("train", ["model=../model/gru"], ["model=../model/gru: no such option"]),
    ("train", ["model=LSTM"], ["model=LSTM: no such option", "did you mean lstm?"]),
    ("train", ["experiment=[sst,nope]"], ["experiment=nope: no such option"]),
    ("train", ["hidden_size=3"], ["hidden_size=3: no such setting", "did you mean model.hidden_size?"]),
    ("train", ["Optimizer.LR=3"], ["did you mean optimizer.lr?"]),
    ("train", ["top_p=3"], ["top_p=3: no such setting", "python -m lmlab.generate"]),
    ("train", ["data.source.path=x"], ["data.source.path=x: takes its value from data.path"]),
    ("train", ["model.core=x"], ["model.core=x: is a group of settings"]),
    ("train", ["name="], ['name="": is empty']),
    ("train", ["name=a\nb"], ["name=a", "control character"]),
    ("train", ["data.path=\udce9.txt"], ["data.path=", "not UTF-8"]),
    ("train", ["name=" + "n" * 300], ["300 characters", "at most 200"]),
    ("train", ["model.name=${seed}"], ["model.name=${seed}: ", "not replaced"]),
    ("train", ['data.prompts=["a"'], ["data.prompts=", "lacks a ]"]),
    ("train", ["model.hidden_size=" + "9" * 5000], ["model.hidden_size=(a very large number)", "too large"]),
    ("evaluate", ["data=text"], ["data=text: is a group of settings", "data.path=..."]),
    ("train", ["-m", "model.hidden_size=8,", "16"], ["16: not a setting", "several values without blanks"]),
    ("train", ["model.hidden_size=[8, 16]"], ["where one number belongs", "-m model.hidden_size=8,16"]),
    ("train", ["optimizer.lr=[0.1]"], ["where one number belongs", "write optimizer.lr=0.1"]),
    ("generate", ["topk_=2"], ["did you mean top_k?"]),
    ("train", ["seed.x=1"], ["seed.x=1: seed is a single value; write seed=..."]),
    ("train", ["+data.split.x=1"], ["data.split.x=1: data.split is a list; write data.split=[...]"]),
    ("benchmark", ["models.x=best"], ["models.x=best: models is a list; write models=[...]"]),
    ("train", ["experiment=hickens"], ["did you mean dickens? python -m lmlab.list experiment shows all"]),
    ("generate", ["+temperatur=2"], ["temperatur=2: no such setting", "did you mean temperature?"]),
    ("generate", ["model=lstm"], ["model=lstm: no such setting", "python -m lmlab.train"]),
    ("generate", ["-m"], ["-m: is for train"]),
    ("generate", ["top_k=1,2"], ["top_k=1,2: has several values"]),
    ("train", ["--lr", "3"], ["--lr: no such option", "as optimizer.lr=..."]),
    ("train", ["lstm"], ["lstm: not a setting", "did you mean model=lstm?"]),
    ("train", ["learning_rate=3"], ["learning_rate=3: ", "did you mean optimizer.lr?"]),
    ("train", ["resume=x"], ["resume=x: ", "did you mean run?"]),
    ("train", ["optimizer.lr=0,1"], ["optimizer.lr=0,1: ", "write optimizer.lr=0.1"]),
    ("train", ["optimizer.lr=1,"], ["optimizer.lr=1,: cannot be read", "leave out the comma"]),
    ("train", ["optimizer.lr=1;"], ["optimizer.lr=1;: is not a number"]),
    ("train", ["hydra.job.chdir=true"], ["hydra.job.chdir=true: is not used by lmlab"]),
    ("train", ["hydra.run.dir="], ["hydra.run.dir=", "is empty"]),
    ("train", ["hydra.sweep.dir=x"], ["hydra.sweep.dir=x: a sweep names its folder itself", "output_dir=..."]),
    ("train", ["hydra/launcher=joblib"], ["hydra/launcher=joblib: is for sweeps"]),
    ("train", ["hydra.mode=x"], ["hydra.mode=x: no such option", "MULTIRUN"]),
    ("train", ["hydra.verbose=5"], ["hydra.verbose=5: is not true or false"]),
    ("train", ["hydra.searchpath=[pkg://no_such]"], ["hydra.searchpath=[pkg://no_such]: there is no package"]),
    ("train", ["output_dir=/dev/null"], ["output_dir=/dev/null: is not a folder"]),
    ("generate", ["hydra.run.dir=x"], ["hydra.run.dir: is for train"]),
    ("evaluate", ["data.path="], ['data.path="": is empty']),
    ("report", ["output= "], ['output=" ": is empty']),
]


@pytest.mark.parametrize(("command", "words", "expected"), REFUSED, ids=str)
def test_a_word_is_refused_by_name(command: str, words: list[str], expected: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        checked(words, command)
    line = str(caught.value)
    assert "\n" not in line
    assert line.isprintable()
    assert len(line) < 1000
    for part in expected:
        assert part in line


def test_words_that_may_be_right_arrive_as_hydra_reads_them(tmp_path: Path) -> None:
    # The last of several values counts, so that a script can add words to a command line.
    assert checked(["seed=1", "seed=2", "-m", "--config-dir", str(tmp_path)], "train") == [
        "-m",
        "--config-dir",
        str(tmp_path),
        "seed=1",
        "seed=2",
    ]
    # What the chosen option's file has already may be added too.
    assert checked(["+model.dropout=0.1"], "train") == ["++model.dropout=0.1"]
    assert checked(["+model.core.leak=0.1"], "train") == ["+model.core.leak=0.1"]
    assert checked(["prompt="], "generate") == ["prompt=''"]
    # Hydra has no word for no preset; the last of several counts.
    assert checked(["experiment=sst", "logger=[csv,tensorboard]", "experiment=null"], "train") == [
        "logger=[csv,tensorboard]"
    ]
    assert checked(["model=gru,lstm", "optimizer.lr=interval(0,1)", "data=glob(*)"], "train", sweep=True) == [
        "model=gru,lstm",
        "optimizer.lr=interval(0,1)",
        "data=glob(*)",
    ]


def test_bytes_that_are_not_utf8_have_a_remedy_of_their_own_in_a_text() -> None:
    typed = "\udcff"
    with pytest.raises(UserError, match=r"^prompt=.: is not UTF-8; leave it out, or type it in UTF-8, as a terminal"):
        checked([f"prompt={typed}"], "generate")
    with pytest.raises(UserError, match=r"^run=.: is not UTF-8; leave it out, or rename the file$"):
        checked([f"run={typed}"], "generate")


@pytest.mark.parametrize("option", ["--hydra-help", "--version"])
def test_a_setting_beside_what_no_setting_changes_is_refused(option: str) -> None:
    assert checked([option], "train") == [option]
    with pytest.raises(UserError, match=rf"^model=gru: changes nothing of what {option} shows; leave it out$"):
        checked([option, "model=gru"], "train")
