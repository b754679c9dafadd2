"""Rules about several runs together: runs that cannot be compared, or only in part, and what a ranking leaves open."""

from __future__ import annotations

from functools import partial

from lmlab.diagnostics.rules import Rule, Values
from lmlab.metric_spec import compact
from lmlab.runs.comparison import Comparison
from lmlab.runs.formatting import is_number, listing, plural
from lmlab.runs.records import jobs_left, planned_jobs
from lmlab.runs.summary import BITS, NATS

# With fewer repetitions a confidence interval is too wide to be useful.
ENOUGH_SEEDS = 3
# From this ratio on, a model may be better because of its size alone; and a training by its number of steps alone.
MUCH_LARGER = 1.1
# Above this share of unknown tokens, bits per character of different tokenizers hardly compare.
UNKNOWN_IN_BITS = 0.01
# From this number of conditions on, the best one looks better than it would on another validation text.
MANY = 5

OfComparisons = partial(Rule, about="comparison")


def _different(comparison: Comparison, name: str) -> list[str]:
    """Returns the different values that finished runs have in their summaries."""
    return sorted({str(record.summary.get(name)) for record in comparison.finished})


@OfComparisons("different-text", "Different texts", "alarm").says(
    finding="the runs were evaluated on {texts}",
    meaning="A text can be easier than another, so nothing can be said about which model is better, and the runs are "
    "not ranked.",
    remedy="Compare runs that read the same data, or evaluate them on one text with lmlab.evaluate.",
)
def _texts(comparison: Comparison) -> Values | None:
    if comparison.metric is not None:
        return None
    known = all(record.summary.get("text_fingerprint") for record in comparison.finished)
    found = f"{len(_different(comparison, 'text_fingerprint'))} different texts"
    return {"texts": found if known else "texts of which some are not recorded"}


@OfComparisons("different-vocabulary", "Perplexities do not compare", "alarm").says(
    finding="the runs read the same text with {why}",
    meaning="A token is not the same thing in each, so their perplexities and nats per token do not compare. They are "
    "ranked by bits per character of the text, which do.",
    remedy="Look at bits per character only, or train all with the same tokenizer.",
    limits="Which model has the lower perplexity: their tokens are not the same, so perplexities do not compare.",
)
def _vocabularies(comparison: Comparison) -> Values | None:
    sizes = sorted({int(size) for r in comparison.finished if (size := r.metric("vocabulary_size")) is not None})
    why = f"vocabularies of {listing([f'{size:,}' for size in sizes], 4)} entries" if len(sizes) > 1 else ""
    why = why or "different vocabularies or evaluation settings (evaluation.num_streams, end tokens)"
    return {"why": why} if comparison.metric == BITS else None


@OfComparisons("seeds", "Too few seeds").says(
    finding="{which} run {times}, so whether small differences are real is not known",
    meaning="The same setting with another seed (another random beginning) ends a little better or worse, and from so "
    "few runs nobody can tell that from a real difference.",
    remedy="Repeat each setting with three seeds or more: add seed=0,1,2 to the sweep.",
    limits="What small differences mean: not every setting was run with three seeds or more.",
)
def _seeds(comparison: Comparison) -> Values | None:
    sizes = [len(condition.runs) for condition in comparison.conditions]
    few = sum(size < ENOUGH_SEEDS for size in sizes)
    if len(sizes) < 2 or not few:
        return None
    every = "both settings were" if len(sizes) == 2 else "each setting was"
    times = {1: "once", 2: "twice"}[sizes[0]] if len(set(sizes)) == 1 else "fewer than three times"
    some = f"{few} of the {len(sizes)} settings {'was' if few == 1 else 'were'}"
    return {"which": every if few == len(sizes) else some, "times": times}


@OfComparisons("edge", "Best at the edge of the grid").says(
    finding="of the best setting, {edges} that were tried",
    meaning="A better one may lie beyond.",
    remedy="Widen the sweep on that side of {names}.",
    limits="What lies beyond the values tried: {edges}.",
)
def _edge(comparison: Comparison) -> Values | None:
    """The best value is the largest or smallest of three or more numbers tried.

    A smallest value of 0 (no dropout), or of 1 layer, does not count: no smaller one is possible.
    """
    best, found = comparison.best, {}
    for name in comparison.names if best is not None else ():
        values = [condition.settings[name] for condition in comparison.conditions]
        if best is None or not all(map(is_number, values)):
            continue
        tried, value = sorted(set(map(float, values))), float(best.settings[name])
        least = value == tried[0] == (1 if name.endswith("num_layers") else 0)
        if len(tried) >= 3 and value in (tried[0], tried[-1]) and not least:
            word = "smallest" if value == tried[0] else "largest"
            found[name] = f"{name} {best.settings[name]} is the {word} of {len(tried)} values"
    return {"edges": listing([*found.values()], 5), "names": listing([*found], 5)} if found else None


@OfComparisons("training-text", "Different training texts").says(
    finding="the runs were trained on {texts} different texts, though they were evaluated on the same one",
    meaning="A difference between them may come from the text and not from the settings.",
    remedy="Train all on the same text, unless the text is what you compare.",
)
def _trained_on(comparison: Comparison) -> Values | None:
    found = len(_different(comparison, "train_fingerprint"))
    return None if found <= 1 or comparison.metric is None else {"texts": found}


@OfComparisons("training-tokens", "Different amounts of training").says(
    finding="the runs were trained on between {least} and {most} tokens (repeats counted)",
    meaning="One that read more may be better for that reason alone.",
    remedy="Give all the same trainer.max_epochs, or compare the curves at equal tokens.",
    limits="Which is better after equal training: they read {least} to {most} tokens.",
)
def _tokens(comparison: Comparison) -> Values | None:
    found = comparison.spread("num_train_tokens")
    return None if found is None else {"least": compact(found[0]), "most": compact(found[1])}


@OfComparisons("steps", "Different numbers of steps").says(
    finding="the runs read equally many tokens, in {least:,.0f} to {most:,.0f} steps",
    meaning="More and smaller steps often learn faster at first, so a difference may come from the number of steps and "
    "not from how much a step reads or how far back it looks.",
    remedy="Train longer, or compare after equally many steps as well (trainer.max_steps).",
)
def _steps(comparison: Comparison) -> Values | None:
    """Equal numbers of tokens in different numbers of steps, as in a sweep over sequence lengths or batch sizes."""
    last = [record.history[-1].get("step", 0.0) for record in comparison.finished if record.history]
    known = all(record.metric("num_train_tokens") for record in comparison.finished)
    unequal = comparison.metric != NATS or not known or comparison.spread("num_train_tokens") is not None
    if len(comparison.conditions) < 2 or not last or unequal or max(last) < MUCH_LARGER * max(1.0, min(last)):
        return None
    return {"least": min(last), "most": max(last)}


@OfComparisons("parameters", "Models of different size").says(
    finding="the models have between {least} and {most} parameters, {ratio:.3g} times as many",
    meaning="A larger model may be better by its size alone, so this does not show which kind of model is better at "
    "equal size.",
    remedy="For a comparison at equal size choose model.hidden_size so that num_parameters are close.",
    limits="Which kind of model is better at equal size: they have {least} to {most} parameters.",
)
def _parameters(comparison: Comparison) -> Values | None:
    found = comparison.spread("num_parameters", least=MUCH_LARGER)
    return found and {"least": compact(found[0]), "most": compact(found[1]), "ratio": found[1] / found[0]}


@OfComparisons("unknown-in-bits", "Unknown words flatter the ranking").says(
    finding="up to {most:.1%} of a run's tokens are <unk>",
    meaning="What an unknown word was need not be predicted, which flatters bits per character, too.",
    remedy="Compare tokenizers that know every word (tokenizer=char or bpe), or lower tokenizer.min_frequency.",
)
def _unknown_in_bits(comparison: Comparison) -> Values | None:
    most = max((record.metric("val/unk_rate") or 0.0 for record in comparison.finished), default=0.0)
    return {"most": most} if comparison.metric == BITS and most > UNKNOWN_IN_BITS else None


@OfComparisons("not-begun", "Not all jobs have begun").says(
    finding="{missing} of {jobs} of the sweep have not begun",
    meaning="The best of all may be among them.",
    remedy="Wait, or go on with the sweep: python -m lmlab.train run=FOLDER.",
)
def _not_begun(comparison: Comparison) -> Values | None:
    sweeps = {record.origin for record in comparison.records if record.number is not None}
    missing = sum(jobs_left(sweep, {record.folder for record in comparison.records}) for sweep in sweeps)
    planned = sum(planned_jobs(sweep) or 0 for sweep in sweeps)
    return {"missing": missing, "jobs": plural(planned, "job")} if missing else None


@OfComparisons("picked", "Picked from many", "note").says(
    finding="the best is one of {total} settings, picked by the same validation text that its figure is of",
    meaning="That flatters it a little; its test figure was not used for picking.",
    remedy="Report the test figure of the best.",
    limits="How good the best really is: it was picked from {total} by the same validation text, which flatters it a "
    "little; its test figure was not used for picking.",
)
def _picked(comparison: Comparison) -> Values | None:
    total = len(comparison.conditions)
    return {"total": total} if comparison.metric is not None and total >= MANY else None


@OfComparisons("repeated", "The same run again", "note").says(
    finding="{runs} with the settings and the seed of a later run",
    meaning="That is no independent repetition, so only the latest counts in the ranking.",
    remedy="For more repetitions take other seeds.",
)
def _repeated(comparison: Comparison) -> Values | None:
    found = comparison.duplicates
    return {"runs": plural(len(found), "run")} if found else None


@OfComparisons("machines", "Different machines", "note").says(
    finding="the runs were trained on {devices}",
    meaning="So tokens per second, wall time and memory do not compare.",
    remedy="Compare speeds on one machine, with one number of threads.",
)
def _machines(comparison: Comparison) -> Values | None:
    devices = _different(comparison, "device")
    return {"devices": listing(devices)} if len(devices) > 1 else None


@OfComparisons("versions", "Different versions", "note").says(
    finding="the runs were trained with {versions}",
    meaning="They may train or evaluate a little differently.",
    remedy="Train all with one version where it matters.",
)
def _versions(comparison: Comparison) -> Values | None:
    pairs = ((name, {str(r.table("versions").get(name)) for r in comparison.finished}) for name in ("lmlab", "torch"))
    found = [f"{name} {listing(sorted(versions))}" for name, versions in pairs if len(versions) > 1]
    return {"versions": " and ".join(found)} if found else None
