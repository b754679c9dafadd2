"""Which settings are said to differ, and what runs are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_sweeps import made_job, made_run, resolved

from lmlab.runs.records import RunRecord, read_record
from lmlab.runs.settings import choices, setting_labels, short_names, varied_settings

CHOICES = {
    "data": "text", "tokenizer": "char", "batching": "streams", "embedding": "random", "model": "lstm",
    "optimizer": "adam", "scheduler": "constant", "averaging": "none", "experiment": "null",
}  # fmt: skip


def run(outputs: Path, number: int, *overrides: str, choices: dict[str, str] | None = None, **config: Any) -> RunRecord:
    """A run of its own with Hydra's record of its choices."""
    folder = outputs / f"2026-01-{number:02}"
    return read_record(made_run(folder, overrides, config=resolved(**config), choices=CHOICES | (choices or {})))


# Of one sweep


def test_a_sweep_differs_in_what_was_swept_as_typed(tmp_path: Path) -> None:
    words = [["seed=0", "model=lstm", "optimizer.lr=1e-3", "a=x"], ["model=gru", "optimizer.lr=0.001", "a=x", "seed=1"]]
    records = [read_record(made_job(tmp_path, i, overrides)) for i, overrides in enumerate(words)]
    assert varied_settings(records) == [{"model": "lstm", "seed": "0"}, {"model": "gru", "seed": "1"}]
    assert list(varied_settings(records)[0]) == ["model", "seed"]


def test_equal_numbers_are_spelled_as_the_first(tmp_path: Path) -> None:
    values = ["1e-3", "0.001", "1E-2", "x", "0.010"]
    records = [read_record(made_job(tmp_path, i, [f"optimizer.lr={v}"])) for i, v in enumerate(values)]
    assert [v["optimizer.lr"] for v in varied_settings(records)] == ["1e-3", "1e-3", "1E-2", "x", "1E-2"]


def test_one_run_and_none_differ_in_nothing(tmp_path: Path) -> None:
    assert varied_settings([]) == []
    assert varied_settings([run(tmp_path, 1, "model=lstm", "seed=4")]) == [{"seed": "4"}]


def test_a_sweep_whose_record_is_damaged_is_read_from_its_configurations(tmp_path: Path) -> None:
    for i, size in enumerate((64, 128)):
        made_run(tmp_path / f"{i}_x", [f"model.hidden_size={size}"], config=resolved(model__hidden_size=size))
    (tmp_path / "0_x" / ".hydra" / "overrides.yaml").unlink()
    records = [read_record(tmp_path / f"{i}_x") for i in range(2)]
    assert [v["model.hidden_size"] for v in varied_settings(records)] == ["64", "128"]


# Of several runs


def test_a_setting_is_named_once_however_often_it_is_repeated(tmp_path: Path) -> None:
    first = run(tmp_path, 1, "model.hidden_size=64", "data.batch_size=8", model__hidden_size=64, data__batch_size=8)
    second = run(tmp_path, 2, model__dropout=0.5)
    assert varied_settings([first, second]) == [
        {"model.hidden_size": "64", "data.batch_size": "8", "model.dropout": "0.2", "seed": "0"},
        {"model.hidden_size": "256", "data.batch_size": "32", "model.dropout": "0.5", "seed": "0"},
    ]


def test_a_repeated_setting_that_was_set_apart_is_named(tmp_path: Path) -> None:
    first = run(tmp_path, 1, model__input_dropout=0.9)
    second = run(tmp_path, 2, model__dropout=0.5, model__input_dropout=0.1)
    assert list(varied_settings([first, second])[0]) == ["model.dropout", "model.input_dropout", "seed"]


def test_another_model_is_one_setting(tmp_path: Path) -> None:
    first = run(tmp_path, 1)
    second = run(
        tmp_path, 2, "model=feedforward", choices={"model": "feedforward"}, model__name="feedforward", model__context=4
    )
    assert varied_settings([first, second]) == [{"model": "lstm", "seed": "0"}, {"model": "feedforward", "seed": "0"}]


def test_what_was_typed_along_with_another_option_is_named_too(tmp_path: Path) -> None:
    first = run(tmp_path, 1)
    second = run(
        tmp_path,
        2,
        "optimizer=sgd",
        "optimizer.momentum=0.9",
        choices={"optimizer": "sgd"},
        optimizer__lr=1.0,
        optimizer__momentum=0.9,
    )
    third = run(tmp_path, 3, "optimizer=sgd", choices={"optimizer": "sgd"}, optimizer__lr=1.0, optimizer__momentum=0.0)
    # The rate came with the option; the momentum does not tell the first two apart, but the other two.
    assert list(varied_settings([first, second])[0]) == ["optimizer", "seed"]
    assert list(varied_settings([first, second, third])[0]) == ["optimizer", "optimizer.momentum", "seed"]
    typed = run(tmp_path, 4, "optimizer=sgd", "optimizer.lr=0.5", choices={"optimizer": "sgd"}, optimizer__lr=0.5)
    assert varied_settings([first, typed])[1] == {"optimizer": "sgd", "optimizer.lr": "0.5", "seed": "0"}


def test_another_data_set_is_one_setting_though_it_brings_tokenizer_batching_and_path(tmp_path: Path) -> None:
    first = run(tmp_path, 1, "data.path=/texts/book.txt")
    brought: dict[str, Any] = {"data__path": None, "data__batch_size": 64, "evaluation__num_samples": 1000}
    options = {"data": "sst", "tokenizer": "word", "batching": "sentences"}
    second = run(tmp_path, 2, "data=sst", choices=options, data__name="sst", tokenizer__lower=True, **brought)
    assert varied_settings([first, second]) == [{"data": "text", "seed": "0"}, {"data": "sst", "seed": "0"}]
    third = run(tmp_path, 3, "data.path=/texts/other.txt", data__path="/texts/other.txt")
    assert list(varied_settings([first, second, third])[0]) == ["data", "data.path", "seed"]
    assert list(varied_settings([first, third])[0]) == ["data.path", "seed"]


def test_what_was_typed_is_named_though_the_data_set_determines_it(tmp_path: Path) -> None:
    first = run(tmp_path, 1)
    second = run(tmp_path, 2, "data=oz", "data.batch_size=8", choices={"data": "oz"}, data__batch_size=8)
    assert varied_settings([first, second])[1] == {"data": "oz", "data.batch_size": "8", "seed": "0"}


def test_a_typed_tokenizer_is_named_beside_the_data(tmp_path: Path) -> None:
    first = run(tmp_path, 1)
    options = {"data": "oz", "tokenizer": "bpe"}
    second = run(tmp_path, 2, "data=oz", "tokenizer=bpe", choices=options, data__name="oz")
    assert varied_settings([first, second])[1] == {"data": "oz", "tokenizer": "bpe", "seed": "0"}


def test_a_preset_stands_for_all_that_it_sets(tmp_path: Path) -> None:
    first = run(tmp_path, 1, "experiment=a", choices={"experiment": "a"}, optimizer__lr=0.1)
    options = {"experiment": "b", "model": "gru"}
    second = run(
        tmp_path, 2, "experiment=b", "trainer.max_epochs=3", choices=options, model__name="gru", trainer__max_epochs=3
    )
    assert varied_settings([first, second])[1] == {"experiment": "b", "trainer.max_epochs": "3", "seed": "0"}


def test_a_preset_that_nobody_typed_is_named(tmp_path: Path) -> None:
    records = [run(tmp_path, i, choices={"experiment": name}) for i, name in ((1, "a"), (2, "b"))]
    assert [v["experiment"] for v in varied_settings(records)] == ["a", "b"]


def test_a_difference_that_nobody_typed_is_not_hidden(tmp_path: Path) -> None:
    first = run(tmp_path, 1, "model=lstm", "optimizer.lr=0.1", optimizer__lr=0.1)
    second = run(tmp_path, 2, trainer__max_epochs=20)
    assert list(varied_settings([first, second])[0]) == ["optimizer.lr", "trainer.max_epochs", "seed"]


def test_a_setting_that_older_versions_do_not_know_is_no_difference(tmp_path: Path) -> None:
    first, second = run(tmp_path, 1), run(tmp_path, 2, model__locked_dropout=False, model__hidden_size=64)
    assert list(varied_settings([first, second])[0]) == ["model.hidden_size", "seed"]


def test_a_setting_that_was_typed_is_named_though_older_versions_do_not_know_it(tmp_path: Path) -> None:
    first = run(tmp_path, 1)
    second = run(tmp_path, 2, "model.weight_dropout=0.5", model__weight_dropout=0.5)
    assert [v["model.weight_dropout"] for v in varied_settings([first, second])] == ["", "0.5"]


def test_a_file_of_the_configuration_that_was_edited_between_two_runs_is_a_difference(tmp_path: Path) -> None:
    first, second = run(tmp_path, 1, model__hidden_size=256), run(tmp_path, 2, model__hidden_size=512)
    third = run(tmp_path, 3, "model=gru", choices={"model": "gru"}, model__hidden_size=256)
    found = varied_settings([first, second, third])
    assert [(v["model"], v["model.hidden_size"]) for v in found] == [("lstm", "256"), ("lstm", "512"), ("gru", "256")]
    # Where each model has one size of its own, the size only came along.
    assert "model.hidden_size" not in varied_settings([second, third])[0]


def test_the_same_preset_edited_between_two_runs_is_a_difference(tmp_path: Path) -> None:
    names = {1: "a", 2: "a", 3: "b"}
    records = [
        run(
            tmp_path,
            i,
            choices={"experiment": name},
            optimizer__lr=0.1 * i,
            trainer__max_epochs=7 if name == "b" else 3,
        )
        for i, name in names.items()
    ]
    found = varied_settings(records)
    assert list(found[0]) == ["experiment", "optimizer.lr", "seed"]


def test_names_folders_and_samples_are_no_difference_beside_others(tmp_path: Path) -> None:
    aside: dict[str, Any] = {
        "name": "x", "output_dir": "y", "data__name": "z", "data__prompts": ["a"], "fresh": True,
        "trainer__log_every_n_steps": 5, "callbacks__sample_text__temperature": 0.1, "evaluation__num_samples": 0,
    }  # fmt: skip
    first, second = run(tmp_path, 1), run(tmp_path, 2, "name=x", model__hidden_size=64, **aside)
    assert list(varied_settings([first, second])[0]) == ["model.hidden_size", "seed"]
    third = run(tmp_path, 3, **aside)
    found = varied_settings([first, third])
    assert [v["callbacks.sample_text.temperature"] for v in found] == ["0.8", "0.1"]
    assert not {"name", "output_dir", "data.name", "fresh"} & set(found[0])


def test_where_figures_go_is_no_difference(tmp_path: Path) -> None:
    first, second = (run(tmp_path, i, logger__wandb={"project": name}) for i, name in ((1, "a"), (2, "b")))
    assert [*varied_settings([first, second])[0]] == ["seed"]


def test_the_number_of_evaluation_streams_counts(tmp_path: Path) -> None:
    first, second = run(tmp_path, 1), run(tmp_path, 2, model__hidden_size=64, evaluation__num_streams=1)
    assert [v["evaluation.num_streams"] for v in varied_settings([first, second])] == ["null", "1"]


def test_runs_that_failed_at_once_do_not_decide(tmp_path: Path) -> None:
    first, second = run(tmp_path, 1, model__hidden_size=64), run(tmp_path, 2)
    folder = made_run(tmp_path / "2026-01-03", ["optimizer.lr=-1"], status="failed", error="x")
    (folder / ".hydra" / "config.yaml").write_text("optimizer: {lr: -1}\nmodel: {hidden_size: 32}\n")
    found = varied_settings([first, second, read_record(folder)])
    assert [v["model.hidden_size"] for v in found] == ["64", "256", "32"]
    assert list(found[0]) == ["model.hidden_size", "seed"]


def test_where_all_but_one_failed_all_decide(tmp_path: Path) -> None:
    first = run(tmp_path, 1, model__hidden_size=64)
    second = read_record(made_run(tmp_path / "x", config=resolved(), choices=CHOICES, status="failed", error="x"))
    assert [v["model.hidden_size"] for v in varied_settings([first, second])] == ["64", "256"]


def test_a_class_that_moved_is_no_difference(tmp_path: Path) -> None:
    first, second = run(tmp_path, 1), run(tmp_path, 2, optimizer___target_="elsewhere.Adam", model__hidden_size=64)
    assert list(varied_settings([first, second])[0]) == ["model.hidden_size", "seed"]


def test_settings_of_equal_values_are_no_repetition_unless_they_have_one_name(tmp_path: Path) -> None:
    records = [run(tmp_path, i, model__hidden_size=i, data__source__strings=i) for i in (1, 2)]
    assert list(varied_settings(records)[0]) == ["data.source.strings", "model.hidden_size", "seed"]


def test_seeds_come_from_the_command_line_or_the_configuration(tmp_path: Path) -> None:
    records = [run(tmp_path, 1, "seed=5", seed=5), run(tmp_path, 2, seed=3), run(tmp_path, 3)]
    assert [v["seed"] for v in varied_settings(records)] == ["5", "3", "0"]


def test_without_a_record_of_choices_names_and_classes_tell_the_options(tmp_path: Path) -> None:
    classes = {
        "tokenizer___target_": "lmlab.data.tokenizers.bpe.BPETokenizer",
        "optimizer___target_": "torch.optim.AdamW",
        "scheduler___target_": "lmlab.training.schedulers.OneCycle",
        "embedding___target_": "lmlab.models.embedding.GloveVectors",
        "data__batching___target_": "lmlab.data.loaders.sentences.SentencesLoader",
    }
    config = resolved(model__name="gru", **classes)
    record = read_record(made_run(tmp_path / "a", config=config))
    assert choices([record]) == [
        {
            "data": "text", "tokenizer": "bpe", "batching": "sentences", "embedding": "glove", "model": "gru",
            "optimizer": "adamw", "scheduler": "one_cycle", "averaging": "null", "experiment": "",
        }
    ]  # fmt: skip
    other = read_record(made_run(tmp_path / "b", config=resolved()))
    assert {"model": "gru", "optimizer": "adamw"}.items() <= varied_settings([record, other])[0].items()


# Labels


def test_settings_are_called_by_their_last_word_unless_two_share_it() -> None:
    names = ["model.dropout", "data.path", "embedding.path", "seed"]
    assert short_names(names) == {
        "model.dropout": "dropout", "data.path": "data.path", "embedding.path": "embedding.path", "seed": "seed",
    }  # fmt: skip


def test_a_label_has_the_values_and_what_they_are_of() -> None:
    settings = [{"model": "gru", "model.hidden_size": "64", "data.path": "/a/b.txt", "seed": "1"}]
    short = {"model": "model", "model.hidden_size": "hidden_size", "data.path": "path"}
    assert setting_labels(settings, short) == ["gru, hidden_size 64, path b.txt"]
    started = {"init_from": "/data/outputs/oz-gru/2026-01-02_03-04-05"}
    assert setting_labels([started, {"init_from": "null"}], {}) == [
        "init_from oz-gru/2026-01-02_03-04-05",
        "init_from null",
    ]
    assert setting_labels([], {}) == []


def test_four_settings_are_not_too_many_for_a_label() -> None:
    settings = [{"a": "1", "b": str(i), "c": "2", "d": "3"} for i in range(2)]
    assert setting_labels(settings, {})[0] == "a 1, b 0, c 2, d 3"
    assert setting_labels([{**s, "e": "4"} for s in settings], {})[0] == "b 0"


def test_a_path_is_told_by_its_last_part() -> None:
    assert setting_labels([{"data.path": "/"}, {"data.path": "/a/b/"}], {}) == ["data.path /", "data.path b"]


def test_a_label_leaves_out_what_a_run_does_not_have() -> None:
    settings = [{"experiment": "null", "a.b": "", "c": "null"}]
    assert setting_labels(settings, {"a.b": "b", "c": "c"}) == ["c null"]


def test_a_label_of_many_settings_has_those_that_tell_apart() -> None:
    names = ["a", "b", "c", "d", "model", "run"]
    rows = [("1", "1", "x", "1", "gru", "p"), ("1", "2", "x", "2", "gru", "q"), ("1", "2", "y", "2", "gru", "r")]
    settings = [dict(zip(names, row, strict=True)) for row in rows]
    # The model tells nothing but speaks for itself; a folder's name is the last resort.
    assert setting_labels(settings, {}) == ["b 1, c x, gru", "b 2, c x, gru", "b 2, c y, gru"]
    again = [*settings, {**settings[2], "run": "s"}]
    assert setting_labels(again, {})[2:] == ["b 2, c y, gru, r", "b 2, c y, gru, s"]
