"""What a reader who sees only the verdict can say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lmlab.reporting.comparison import compare
from made_sweeps import evaluations, made_job, made_run, resolved, write_history

from lmlab.reporting.verdict import Verdict, text_name, verdict
from lmlab.runs.discovery import find_records
from lmlab.runs.records import read_record


def judged(folder: Path) -> Verdict:
    found = verdict(compare(find_records(str(folder), output_dir=str(folder))))
    for sentence in (found.headline, *found.shows, *found.limitations):
        assert sentence.endswith("."), sentence
    return found


def sweep(folder: Path, nats: dict[str, Sequence[float | None]], **summary: Any) -> Verdict:
    number = 0
    for value, values in nats.items():
        for seed, found in enumerate(values):
            made_job(folder, number, [f"model={value}", f"seed={seed}"], val__nats_per_token=found, **summary)
            number += 1
    return judged(folder)


CLEAR = {"lstm": [2.0, 2.01, 2.02], "gru": [1.5, 1.51, 1.52], "rnn": [3.0, 3.01, 3.02]}


def test_what_is_best_and_by_how_much(tmp_path: Path) -> None:
    found = sweep(tmp_path, CLEAR)
    assert found.headline == (
        "Best of 3 settings: “gru”, with 1.5100 ± 0.0248 nats per token (perplexity 4.527) on the validation text, the "
        "mean of 3 seeds."
    )
    more = 100 * (math.exp(0.5) - 1)
    assert found.shows[0] == (
        f"The next, “lstm”, is 0.5000 nats per token (perplexity 7.463 against 4.527, {more:.1f}% more) behind."
    )
    assert (
        found.shows[2]
        == "The last, “rnn”, is 1.5000 nats per token (perplexity 20.287 against 4.527, 348% more) behind."
    )


def test_a_real_difference_is_called_so_with_its_interval(tmp_path: Path) -> None:
    said = sweep(tmp_path, CLEAR).shows[1]
    half = 2.7764 * math.sqrt(2 * 1e-4 / 3)
    assert said.startswith("That difference is real as far as the seeds can tell")
    assert f"{0.5 - half:.4f} to {0.5 + half:.4f} nats per token" in said


def test_a_difference_inside_the_interval_is_called_so(tmp_path: Path) -> None:
    said = sweep(tmp_path, {"lstm": [1.1, 1.2, 1.4], "gru": [1.0, 1.1, 1.3], "rnn": [1.15, 1.2, 1.4]}).shows[1]
    assert "is inside its 95% interval" in said
    assert "neither of the two can be called better" in said
    assert said.endswith("Inside the interval, too: “rnn”.")


def test_with_one_seed_nothing_is_concluded(tmp_path: Path) -> None:
    found = sweep(tmp_path, {"lstm": [1.1], "gru": [1.0]})
    assert found.headline.startswith("Best of 2 settings: “gru”, with 1.0000 nats per token (perplexity 2.718)")
    assert "nothing can be concluded about small differences" in found.shows[1]
    assert "not every setting was run with three seeds or more" in found.limitations[0]


def test_where_one_of_the_two_has_one_seed_it_says_so(tmp_path: Path) -> None:
    found = sweep(tmp_path, {"lstm": [1.1], "gru": [1.0, 1.0, 1.01], "rnn": [2.0, 2.0, 2.01]})
    assert found.shows[1] == "Whether that is real is not known: “gru” or “lstm” was run with one seed only."


def test_a_next_one_without_a_number(tmp_path: Path) -> None:
    found = sweep(tmp_path, {"lstm": [None], "gru": [1.0]})
    assert found.shows[0] == "The next, “lstm”, has no validation loss that is a number."


def test_no_number_at_all(tmp_path: Path) -> None:
    found = sweep(tmp_path, {"lstm": [None], "gru": [None]})
    assert found.headline == "No run has a validation loss that is a number, so none is best."


def test_bits_where_vocabularies_differ(tmp_path: Path) -> None:
    for i, (bits, tokenizer) in enumerate([(2.0, "char"), (1.5, "word")]):
        made_job(tmp_path, i, [f"tokenizer={tokenizer}"], val__bits_per_char=bits, fingerprint=tokenizer)
    found = judged(tmp_path)
    assert found.headline == (
        "Best of 2 settings: “tokenizer word”, with 1.5000 bits per character on the validation text."
    )
    assert found.shows[0] == "The next, “tokenizer char”, is 0.5000 bits per character (33.3%) behind."
    assert "perplexities do not compare" in found.limitations[0]


def test_which_models_overfitted_and_which_failed_to_optimise(tmp_path: Path) -> None:
    curves = {
        "gru": ([2.0, 1.5], [2.0, 1.5]),
        "lstm": ([2.0, 1.5, 1.7], [2.0, 1.5, 1.2]),
        "rnn": ([2.0, 1.5, 1.7], [2.0, 1.5, 1.8]),
    }
    for i, (model, (validation, training)) in enumerate(curves.items()):
        for seed in range(3):
            folder = made_job(tmp_path, 3 * i + seed, [f"model={model}", f"seed={seed}"])
            turned = model != "rnn" or seed == 1
            write_history(folder, evaluations(validation if turned else [2.0], training if turned else [2.0]))
    found = judged(tmp_path)
    assert found.shows[-2] == ("Overfitted (validation rose while the training loss fell): “lstm” (all 3 seeds).")
    assert found.shows[-1] == (
        "Failed to optimise (validation rose, the training loss stood or rose too): “rnn, seed 1”."
    )


def test_that_none_did_is_said_where_it_is_known(tmp_path: Path) -> None:
    folder = made_job(tmp_path, 0, ["a=1"])
    made_job(tmp_path, 1, ["a=2"])
    for history in ([], evaluations([2.0], [2.0])):
        if history:
            write_history(folder, history)
        assert not any("overfitting" in sentence for sentence in judged(tmp_path).shows)
    write_history(folder, evaluations([2.0, 1.5], [2.0, 1.5]))
    assert not any("overfitting" in sentence for sentence in judged(tmp_path).shows)  # of the other nothing is known
    write_history(tmp_path / "1_job", evaluations([2.0, 1.5], [2.0, 1.5]))
    assert judged(tmp_path).shows[-1] == "No sign of overfitting: no validation loss rose again after its best."


@pytest.mark.parametrize(("status", "last"), [("missing", 1.5), ("finished", math.inf), ("finished", 1.6)])
def test_of_runs_that_diverged_train_on_or_rose_it_is_not_said(tmp_path: Path, status: str, last: float) -> None:
    made_run(tmp_path / "2026-01-01", status=status, history=evaluations([2.0, 1.55, last], [2.0, 1.5, 1.4]))
    assert not any("No sign" in sentence for sentence in judged(tmp_path).shows)


def test_the_share_of_samples_in_the_language_is_of_all_seeds(tmp_path: Path) -> None:
    def judged_samples(valid: float, size: int) -> dict[str, Any]:
        return {"samples": {"language": {"samples": size, "valid": valid}}}

    made_job(tmp_path, 0, ["a=1", "seed=0"], val__nats_per_token=1.0, **judged_samples(1.0, 1000))
    assert "Of 1,000 of its samples at temperature 1, 100% are in the language." in judged(tmp_path).shows
    made_job(tmp_path, 1, ["a=1", "seed=1"], val__nats_per_token=1.0, **judged_samples(0.5, 250))
    made_job(tmp_path, 2, ["a=2", "seed=0"], val__nats_per_token=2.0, **judged_samples(0.1, 1000))
    assert "Of 1,250 of the best's samples at temperature 1, 90.0% are in the language." in judged(tmp_path).shows


def test_a_model_below_its_source_is_said_to_be(tmp_path: Path) -> None:
    made_job(tmp_path, 0, ["a=1"], val__nats_per_token=1.0, val__source_nats_per_token=1.0002)
    assert any(sentence.endswith("it is 0.0002 below that.") for sentence in judged(tmp_path).shows)


def test_what_must_not_be_concluded(tmp_path: Path) -> None:
    for number in range(5):
        nats = {"val__nats_per_token": 2.0 - number / 10, "num_parameters": 1000 * (number + 1)}
        made_job(tmp_path, number, [f"optimizer.lr={number + 1}"], num_train_tokens=10 + number, **nats)
    limitations = judged(tmp_path).limitations
    assert limitations == (
        "What small differences mean: not every setting was run with three seeds or more.",
        "Which kind of model is better at equal size: they have 1k to 5k parameters.",
        "Which is better after equal training: they read 10 to 14 tokens.",
        "What lies beyond the values tried: optimizer.lr 5 is the largest of 5 values.",
        "How good the best really is: it was picked from 5 by the same validation text, which flatters it a little; "
        "its test figure was not used for picking.",
        "Anything about other texts, sizes or lengths of training: there the order may be another.",
    )


def test_a_clear_comparison_has_the_general_limit_only(tmp_path: Path) -> None:
    assert len(sweep(tmp_path, CLEAR).limitations) == 1


def test_different_texts_have_a_best_each(tmp_path: Path) -> None:
    runs = [("a", "gru", 2.0), ("a", "lstm", 1.0), ("b", "gru", 3.0), ("b", "lstm", 4.0)]
    for i, (text, model, nats) in enumerate(runs):
        made_run(
            tmp_path / f"2026-01-0{i + 1}",
            config=resolved(data__path=f"/x/{text}.txt", model__name=model),
            val__nats_per_token=nats,
            fingerprint=text,
            text_fingerprint=text,
        )
    found = judged(tmp_path)
    assert found.headline.startswith("None can be called best: the runs were evaluated on different texts")
    assert found.shows[0] == (
        "Of 2 settings evaluated on a.txt, “lstm” is best, with 1.0000 nats per token (perplexity 2.718)."
    )
    assert found.shows[1].startswith("The next, “gru”, is 1.0000 nats per token")
    assert found.shows[3].startswith("Of 2 settings evaluated on b.txt, “gru” is best, with 3.0000")


def test_a_data_set_is_called_by_its_name_and_ones_own_text_by_its_file(tmp_path: Path) -> None:
    for i, (name, path) in enumerate((("oz", None), ("text", "/x/a.txt"), ("sst", "/x/sst"), ("text", None))):
        config = resolved(data__name=name, data__path=path)
        record = read_record(made_run(tmp_path / str(i), config=config))
        assert text_name(record) == ("oz", "a.txt", "sst", "text")[i]
    assert text_name(read_record(tmp_path)) == "the same text"


# One run


def test_one_run(tmp_path: Path) -> None:
    made_run(
        tmp_path / "2026-01-01",
        history=evaluations([2.0, 1.5], [2.0, 1.5]),
        val__nats_per_token=1.5,
        val__bits_per_char=2.1,
        test__nats_per_token=1.625,
        val__source_nats_per_token=1.25,
        val__baselines={"unigram": 3.0, "kneser_ney_3": 2.0},
        best_epoch=9.0,
    )
    found = judged(tmp_path)
    assert found.headline == (
        "This run has 1.5000 nats per token (perplexity 4.482), 2.1000 bits per character on the validation text, at "
        "its best epoch, 9."
    )
    assert found.shows == (
        "It has 1.6250 nats per token (perplexity 5.078) on the test text.",
        "It is 0.5000 nats per token better than a 3-gram model (Kneser-Ney), which only counts.",
        "The grammar that wrote the validation strings has 1.2500 nats per token on them, which no model beats but by "
        "chance; it is 0.2500 above that.",
        "No sign of overfitting: no validation loss rose again after its best.",
    )
    assert found.limitations[0].startswith("How much another seed would change the figure")
    assert found.limitations[-1].endswith("there the figure may be another.")


def test_seeds_of_one_setting(tmp_path: Path) -> None:
    found = sweep(tmp_path, {"lstm": [1.0, 1.1, 1.2]})
    assert found.headline == (
        "“text-lstm” has 1.1000 ± 0.2484 nats per token (perplexity 3.004), 2.9000 bits per character on the "
        "validation text, the mean of 3 seeds."
    )
    assert len(found.limitations) == 1


@pytest.mark.parametrize(
    ("summary", "history", "headline"),
    [
        ({"status": "failed", "error": "a=1: no; b."}, [], "This run failed: a=1: no; b."),
        ({"status": "missing"}, [], "This run has not been evaluated yet."),
        (
            {"status": "missing"},
            [2.0, 1.5],
            "This run has not finished. So far its best epoch, 2, has 1.5000 nats per token (perplexity 4.482) on the "
            "validation text.",
        ),
        (
            {"status": "interrupted"},
            [2.0],
            "This run was interrupted. So far its best epoch, 1, has 2.0000 nats per token (perplexity 7.389) on the "
            "validation text.",
        ),
    ],
)
def test_a_run_without_a_result(tmp_path: Path, summary: dict[str, Any], history: list[float], headline: str) -> None:
    made_run(tmp_path / "2026-01-01", history=evaluations(history), **summary)
    assert judged(tmp_path).headline == headline


def test_several_runs_without_a_result(tmp_path: Path) -> None:
    for number in range(3):
        made_job(tmp_path, number, [f"a={number}"], status="failed", error="x")
    assert judged(tmp_path).headline == "None of the 3 runs has finished, so there is nothing to compare yet."
