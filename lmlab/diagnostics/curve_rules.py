"""Rules about a run's evaluations: overfitting, failed optimisation, divergence, collapse and the like."""

from __future__ import annotations

import math
from functools import partial

from lmlab.diagnostics.rules import Rule, Values
from lmlab.runs.contents import TRAIN, Row
from lmlab.runs.formatting import baseline_words, number, perplexity
from lmlab.runs.records import RunRecord, setting
from lmlab.runs.summary import NATS, finite

# Nats per token; smaller changes between evaluations are noise.
NOTICEABLE = 0.01
# Nats per token. A last evaluation that is worse than the best by less than this counts as equally good.
SLIGHT = 0.001
# Nats per token. A run whose last evaluation is better than the one before by this much or more was still improving.
STILL_FALLING = 0.02
# Nats per token above guessing, or above the best. At the start a network may be a little above guessing.
FAR_ABOVE = 1.0
# Total nats below the source's own. On held-out strings, the ratio of a model's likelihood to the source's has a mean
# of at most 1, so by Markov's inequality a model is this far below with a probability of at most exp(-20), 2e-9.
IMPOSSIBLE = 20.0
# Nats per token by which validation and test may differ beyond what they do for the best n-gram model. Measured: up to
# 0.09 in 32 runs of Oz by word, Dickens, SST, Shakespeare, the Python reference by character, Shakespeare by pieces.
DISAGREEMENT = 0.25
# Nats per token of the worst stream of an evaluation above the median stream. Measured in 71 evaluations of such runs:
# 0.03 to 0.22, up to 0.37 (Python reference) and 0.44 (pieces); of an RNN that had collapsed 0.33 and 0.50.
STRAYED = 0.75
CLIPPED = 0.5
_SPLITS = (("val", "validation"), ("test", "test"))


@Rule("below-source", "Better than possible", "alarm", short="too good", worst="nats", live=True).says(
    finding="the model is {nats:,.1f} nats better on the validation strings than the grammar that wrote them",
    meaning="No honest model can be that: held-out strings have leaked into the training text, or a number is wrong.",
    remedy="Do not use these figures before the reason is found.",
)
def _below_source(run: RunRecord) -> Values | None:
    pairs = [[finite(row.get(f"val/{n}")) for n in ("excess_nats_per_token", "num_tokens")] for row in run.all_rows]
    most = max((-excess * count for excess, count in pairs if excess is not None and count is not None), default=0.0)
    return {"nats": most} if most >= IMPOSSIBLE else None


@Rule("diverged", "Diverged", "alarm", short="diverged", live=True).says(
    finding="{text}",
    meaning="The steps became too large, and nothing was learned from there on.",
    remedy="Lower optimizer.lr or set a smaller trainer.gradient_clip_val.",
)
def _diverged(run: RunRecord) -> Values | None:
    if run.status == "failed":
        return {"text": run.reason} if run.summary.get("diverged") else None
    for row in run.history:
        if any(not math.isfinite(row[name]) for name in (NATS, TRAIN) if name in row):
            return {"text": f"the loss was no number at the evaluation after step {row.get('step', 0):,.0f}"}
    if run.status == "finished" and run.metric(NATS) is None:
        return {"text": "the summary has no validation loss"}
    rows = [row for row in run.history if NATS in row and TRAIN in row]
    if not rows:
        return None
    last, guessing = rows[-1], math.log(max(run.metric("vocabulary_size") or math.inf, 1.0))
    rises = [last[name] - min(row[name] for row in rows) for name in (NATS, TRAIN)]
    if min(rises) <= FAR_ABOVE and min(last[NATS], last[TRAIN]) <= guessing + FAR_ABOVE:
        return None
    text = f"{number(last[NATS])} nats per token on validation and {number(last[TRAIN])} on training text at the end"
    text += f", {number(rises[0])} above the best evaluation" if rises[0] > FAR_ABOVE else ""
    return {"text": text + (f"; guessing has {number(guessing)}" if math.isfinite(guessing) else "")}


@Rule("collapse", "Worse than single tokens", "alarm", short="collapsed", worst="above").says(
    finding="the model has {nats:.4f} nats per token on the {split} text, where the frequencies of single tokens alone "
    "give {unigram:.4f}",
    meaning="It has not learned what follows what, or its state goes astray while it reads.",
    remedy="Read its samples, lower optimizer.lr or train longer; do not trust its place among others.",
)
def _collapse(run: RunRecord) -> Values | None:
    for split, words in _SPLITS:
        nats, unigram = run.metric(f"{split}/nats_per_token"), finite(run.table(f"{split}/baselines").get("unigram"))
        if nats is not None and unigram is not None and nats > unigram + NOTICEABLE:
            return {"split": words, "nats": nats, "unigram": unigram, "above": nats - unigram}
    return None


def _disagreement_words(values: Values) -> str:
    val, test = (f"{number(values[s])} (perplexity {perplexity(values[s])})" for s in ("val", "test"))
    found = f"nats per token are {val} on validation and {test} on the test text"
    known = values["texts"]
    return found if known is None else f"{found}; to the best n-gram model they differ by {number(known)}"


@Rule("disagreement", "Validation and test disagree", "alarm", worst="apart").says(
    short="validation and test disagree",
    finding=_disagreement_words,
    meaning="One of the two evaluations went wrong (a state that goes astray and stays so), or the texts are of "
    "different kinds. Which of the two numbers is right is not known.",
    remedy="Evaluate again with another evaluation.num_streams, read the samples, and compare other seeds.",
)
def _disagreement(run: RunRecord) -> Values | None:
    """Validation and test further apart than for the best n-gram model, which reads the same texts.

    Less apart is no disagreement: the less a model has learned of its text, the less it minds which one it reads.
    """
    val, test = run.metric(NATS), run.metric("test/nats_per_token")
    first, second = (run.table(f"{split}/baselines") for split, _ in _SPLITS)
    pairs = [(finite(first[n]), finite(second.get(n))) for n in first]
    known = [(v, v - t) for v, t in pairs if v is not None and t is not None]
    texts = min(known)[1] if known else None
    difference, least, most = (val or 0.0) - (test or 0.0), min(texts or 0.0, 0.0), max(texts or 0.0, 0.0)
    apart = max(difference - most, least - difference)
    if val is None or test is None or apart <= DISAGREEMENT:
        return None
    return {"val": val, "test": test, "apart": apart, "texts": None if texts is None else abs(texts)}


@Rule("strayed", "Lost its way in a part of the text", short="lost its way", worst="worst").says(
    finding="of the {count:.0f} parts of the {split} text that are read side by side, the worst has {worst:.4f} nats "
    "per token and the middle one {median:.4f}",
    meaning="A state that goes astray and does not come back does that, or a part of another kind.",
    remedy="Look at the text there, and see whether another seed or a lower optimizer.lr mends it.",
)
def _strayed(run: RunRecord) -> Values | None:
    for split, words in _SPLITS:
        found = {name: finite(value) for name, value in run.table(f"{split}/streams").items()}
        worst, median = found.get("worst_nats_per_token"), found.get("median_nats_per_token")
        if worst is not None and median is not None and worst - median > STRAYED:
            return {"split": words, "worst": worst, "median": median, "count": found.get("count") or 0}
    return None


def _turn(run: RunRecord, *, kind: str) -> Values | None:
    """The best and the last evaluation, if the loss rose again in this way.

    If the last validation loss is above the best, that is overfitting if the training loss has kept falling since, and
    failed optimisation if it has stagnated or risen. A worse evaluation before the last one does not count. Text that
    has not been read once to the end cannot have been memorised: then training is unsteady.
    """
    rows = [row for row in run.history if math.isfinite(row.get(NATS, math.nan))]
    best, last = run.best_row, rows[-1] if rows else {}
    if best is None or last[NATS] - best[NATS] < SLIGHT or _diverged(run) is not None:
        return None
    rise, fall = last[NATS] - best[NATS], best.get(TRAIN, math.nan) - last.get(TRAIN, math.nan)
    if rise < NOTICEABLE or math.isnan(fall):
        found = "last-worse"
    elif fall <= NOTICEABLE:
        found = "failed-optimisation"
    else:
        found = "unsteady" if last.get("epoch", math.inf) * _passes_per_epoch(run) <= 1 else "overfitting"
    return {"rise": rise, "best": _figures(best), "last": _figures(last)} if found == kind else None


def _figures(row: Row) -> dict[str, float | None]:
    return {"nats": row[NATS], "training": finite(row.get(TRAIN)), "epoch": row.get("epoch", 0.0)}


def _passes_per_epoch(run: RunRecord) -> float:
    """Returns how often an epoch reads the training text: more than once if windows overlap."""
    length, stride = (setting(run.config, f"data.batching.{name}") for name in ("sequence_length", "stride"))
    try:
        return max(1.0, float(length) / float(stride))
    except (ValueError, ZeroDivisionError):
        return 1.0


def _turn_words(values: Values) -> str:
    best, last = values["best"], values["last"]
    seen = f"validation rose from {number(best['nats'])} nats per token (epoch {best['epoch']:.3g}) to "
    seen += f"{number(last['nats'])} (epoch {last['epoch']:.3g})"
    if best["training"] is None or last["training"] is None:
        return seen
    fall = best["training"] - last["training"]
    verb = "fell" if fall > NOTICEABLE else "hardly moved" if fall > -NOTICEABLE else "rose"
    return f"{seen} while the training loss {verb} from {number(best['training'])} to {number(last['training'])}"


_Turn = partial(Rule, finding=_turn_words, worst="rise")

_Turn("overfitting", "Overfitting", short="overfitted", live=True).says(
    meaning="The model began to memorise its training text instead of learning the language. The figures are of the "
    "best epoch, so they stand.",
    remedy="More model.dropout, a smaller model, more text or fewer epochs help.",
)(partial(_turn, kind="overfitting"))
_Turn("failed-optimisation", "Failed optimisation", short="failed to optimise", live=True).says(
    meaning="This is not overfitting: the model did not get better on the text it learns from either.",
    remedy="Lower optimizer.lr or trainer.gradient_clip_val; a smaller model will not help.",
)(partial(_turn, kind="failed-optimisation"))
_Turn("unsteady", "Unsteady training", short="unsteady", live=True).says(
    meaning="The text had not been read through once, so nothing was memorised: this is not overfitting. The steps "
    "were too large, or it was evaluated at a bad moment. The figures are of the best evaluation.",
    remedy="Lower optimizer.lr, or train longer and see whether it rises again.",
)(partial(_turn, kind="unsteady"))
_Turn("last-worse", "The last epoch is not the best", "note").says(
    meaning="The figures are of the best epoch.",
    remedy="Nothing has to be done; all commands use the best checkpoint.",
)(partial(_turn, kind="last-worse"))


def _baseline_words(values: Values) -> str:
    counting = f"{baseline_words(values['name'])}, which only counts, has {number(values['best'])}"
    return f"the model has {number(values['nats'])} nats per token, where {counting} on the same tokens"


@Rule("baseline", "Worse than counting", short="worse than counting", worst="above").says(
    finding=_baseline_words,
    remedy="Train longer, or change optimizer.lr or the model's size.",
)
def _baseline(run: RunRecord) -> Values | None:
    """Worse than the best n-gram model, unless as good as the source of the strings, which nobody can beat."""
    nats, source = run.metric(NATS), run.metric("val/source_nats_per_token")
    known = {str(n): value for n, v in run.table("val/baselines").items() if (value := finite(v)) is not None}
    name = min(known, key=lambda name: known[name], default="")
    if nats is None or not name or _collapse(run) is not None:
        return None
    if nats <= max(known[name], -math.inf if source is None else source + NOTICEABLE):
        return None
    return {"nats": nats, "best": known[name], "name": name, "above": nats - known[name]}


@Rule("clipping", "Clipped on most steps", worst="share").says(
    finding="the gradient was clipped on {share:.1%} of the steps",
    meaning="So the clip and not optimizer.lr sets the size of a step.",
    remedy="Raise trainer.gradient_clip_val or lower optimizer.lr.",
)
def _clipping(run: RunRecord) -> Values | None:
    clipped, steps, before = 0.0, 0.0, 0.0
    for row in run.history:
        if "clip_fraction" in row and "step" in row:
            clipped += row["clip_fraction"] * (row["step"] - before)
            steps += row["step"] - before
        before = row.get("step", before)
    return {"share": clipped / steps} if clipped > CLIPPED * steps else None


@Rule("still-falling", "Still falling at the end", "note", short="still falling", worst="fall").says(
    finding="the last evaluation is the best, and {fall:.4f} nats per token better than the one before",
    meaning="Longer training would go on; which setting learns fastest need not be best in the end.",
    remedy="Raise trainer.max_epochs (and trainer.max_steps, where it is set).",
)
def _still_falling(run: RunRecord) -> Values | None:
    rows = [row for row in run.history if math.isfinite(row.get(NATS, math.nan))]
    if run.status != "finished" or len(rows) < 2 or rows[-1] is not run.best_row:
        return None
    fall = rows[-2][NATS] - rows[-1][NATS]
    return {"fall": fall} if fall >= STILL_FALLING else None
