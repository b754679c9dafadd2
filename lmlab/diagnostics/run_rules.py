"""Rules about a run's files, end, data, settings and samples."""

from __future__ import annotations

from lmlab.diagnostics.rules import Rule, Values
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.summary import DAMAGED, PARTIAL, finite

# Memorised text costs next to nothing: 1% of it lowers the nats by up to 1%. Texts without a leak are at 0.
LEAK = 0.01
UNKNOWN, COVERAGE = 0.05, 0.9
# Entropy of the samples' tokens by that of as many drawn uniformly. Measured: 200 to 10,000 tokens of Oz, Dickens and
# Shakespeare have 0.63 to 0.88, by character and by word; samples of LSTMs 0.69 and 0.79 after 200 steps, and 0.999
# after one tiny step.
UNIFORM = 0.95


@Rule("damaged", "Damaged files", "alarm", apart="files", stored=False).says(
    finding="{files}",
    meaning="Nothing of a damaged file is shown, and a run without its summary is not ranked.",
    remedy="Restore the files from a copy, or train the run again.",
)
def _damaged(run: RunRecord) -> Values | None:
    return {"files": "; ".join(map(str, run.damages))} if run.damages else None


@Rule("failed", "Failed", "alarm", apart="reason", stored=False).says(
    finding="{reason}",
    meaning="There is no result.",
    remedy="Put right what the reason names, then start again; a sweep that is started again runs only what failed.",
)
def _failed(run: RunRecord) -> Values | None:
    failed = run.status == "failed" and not run.summary.get("diverged")
    return {"reason": run.reason or "no reason is recorded"} if failed else None


Rule("leak", "Validation text in the training text", "alarm", short="leak", worst="share").says(
    finding="{share:.1%} of the validation {of} in the training text word for word, for example “{example}”",
    meaning="What a model has read it has memorised, so its figures are too good.",
    remedy="Remove what is there twice, or split the text otherwise (data.split, or whole files).",
)


@Rule("unknown-words", "Unknown words", worst="rate", live=True, noted=True).says(
    finding="{rate:.1%} of the evaluated tokens are <unk>",
    meaning="All unknown words are one easy token, so perplexity is flattered.",
    remedy="{remedy}",
)
def _unknown(run: RunRecord) -> Values | None:
    return unknown_words(max(run.metric(f"{split}/unk_rate") or 0.0 for split in ("val", "test")))


def unknown_words(rate: float, remedy: str = "") -> Values | None:
    """Returns the values of the rule for a share of unknown words, with a remedy that is not the usual one."""
    usual = "Lower tokenizer.min_frequency, raise tokenizer.max_size, or read pieces of words (tokenizer=bpe)."
    return {"rate": rate, "remedy": remedy or usual} if rate > UNKNOWN else None


@Rule("glove-coverage", "Words without a pretrained vector", worst="-share", live=True).says(
    finding="only {share:.1%} of the vocabulary has a pretrained vector",
    meaning="The rest began at random{frozen}. So this is only in part a test of the vectors.",
    remedy="Take a GloVe file that knows more of these words, or a smaller vocabulary.",
)
def _coverage(run: RunRecord) -> Values | None:
    share = run.metric("vector_coverage")
    if share is None or share >= COVERAGE:
        return None
    frozen = setting(run.config, "embedding.freeze") == "true"
    return {"share": share, "frozen": ", and stays so, for the vectors are frozen" if frozen else ""}


@Rule("uniform-samples", "Samples like dice", short="samples like dice", worst="share").says(
    finding="the tokens of its samples are spread {share:.1%} as evenly as if each had been drawn blindly",
    meaning="Whatever its loss, the model has hardly learned which tokens are frequent.",
    remedy="Read its samples, and train longer or lower optimizer.lr.",
)
def _uniform(run: RunRecord) -> Values | None:
    share = finite(run.table("samples").get("uniformity"))
    return {"share": share} if share is not None and share > UNIFORM else None


@Rule("unfinished", "Not finished", stored=False).says(
    finding="{status}",
    meaning="Figures are of the best epoch so far, and what is not finished is not ranked.",
    remedy="Wait, or go on where it stopped: python -m lmlab.train run=FOLDER.",
)
def _unfinished(run: RunRecord) -> Values | None:
    words = {"interrupted": "it was interrupted", "missing": "nothing is written yet"}
    done = run.status in ("finished", "failed", PARTIAL, DAMAGED)
    return None if done else {"status": words.get(run.status, "it has not finished")}


@Rule("partial", "Partial", apart="limits", stored=False).says(
    finding="only a part of the text was read ({limits})",
    meaning="Figures of a part say nothing about the whole, so such a run is never ranked.",
    remedy="Train without trainer.limit_*_batches, trainer.overfit_batches and trainer.fast_dev_run for a result.",
)
def _partial(run: RunRecord) -> Values | None:
    return {"limits": run.reason} if run.status == PARTIAL else None


Rule("time-limit", "Ended by the clock").says(
    finding="trainer.max_time={limit} ended training after step {done:,} of {steps:,}",
    meaning="How far a run comes in a time depends on the machine.",
    remedy="Raise trainer.max_time, or lower trainer.max_epochs to what the time allows.",
)
Rule("too-few-evaluations", "Too few evaluations", "note", apart="part").says(
    finding="{part} needs {needed} evaluations before the last step to change anything, and this run has {made}",
    meaning="So it does nothing here.",
    remedy="Evaluate more often (trainer.val_check_interval), or train for longer.",
)
Rule("schedule-cut", "Schedule longer than the run", "note", apart="part").says(
    finding="{part} comes at or after the end of the run, which has {steps}",
    meaning="{effect}",
    remedy="Train for longer, or let the schedule change earlier.",
)
Rule("text-lost", "Text lost").says(
    finding="{tokenizer} does not give back the text that it encodes",
    meaning="Text that is never predicted flatters bits per character.",
    remedy="Mend the tokenizer: decode(encode(text)) has to be the text.",
)
Rule("not-resumed-exactly", "Not resumed exactly", apart="callback").says(
    finding="{callback} ({cls}) keeps state, but has no state_dict",
    meaning="A run that is interrupted and resumed may end otherwise than one that is not.",
    remedy="Give the callback state_dict and load_state_dict.",
)
Rule("precision", "Slow precision", "note").says(
    finding="the CPU has no units for bfloat16, so trainer.precision=bf16-mixed is slower there than 32-true",
    remedy="Use trainer.precision=32-true on that machine.",
)
Rule("other", "Also said", "note", apart="text").says(
    finding="{text}",
    remedy="See train.log in the run's folder.",
)
