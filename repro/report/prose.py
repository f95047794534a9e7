"""Numbers, names and rules in words, as the pages print them. Nothing is measured or judged here."""

from __future__ import annotations

from dataclasses import dataclass

from repro.analysis.judge import Judgement
from repro.analysis.measures import Observation
from repro.analysis.tuning import NEAR, SLOWER
from repro.analysis.words import JUDGING_SEEDS, between, times
from repro.data.known import KNOWN
from repro.spec.claim import Claim
from repro.spec.files import AnyFile, ClaimFile

METRICS = {"train_error": "running training error", "train_loss": "training loss", "test_error": "test error"}
SCALES = {
    "smoke": "embedded digits, seconds: proves the machinery, never a verdict",
    "small": "real images, a reduced net or an easier level: hours on a CPU",
    "medium": "the faithful net on ten-class photos: minutes a run on one GPU",
    "paper": "the paper's data and schedule",
}
# The index's legend, in README's words; pages give each claim's own conditions.
WORDS = {
    "reproduced": "the interval excludes no effect, in the paper's direction, and lies inside the claim's band",
    "direction only": "the paper's direction, but not inside the band, or a run never reached the level",
    "differs": "the paper's direction, but outside the band",
    "contradicted": "excludes no effect the other way",
    "inconclusive": "covers no effect, or is finer than its data can show; the page says what would settle it",
    "same direction": "below paper scale, where the number itself cannot be tested: the paper's direction",
    "no difference seen": "below paper scale: covers no effect",
    "opposite direction": "below paper scale: the other way",
    "not comparable": "this scale cannot speak of the sentence",
    "true as printed": "a fact that needs no training: counted, and as the paper has it",
    "false as printed": "a fact that needs no training: counted, and not as the paper has it",
    "not run": "runs are missing; the page says which command makes them",
    "error": "could not measure, which is not measured and failed",
}


@dataclass(frozen=True)
class Condition:
    """One word of the rule, when it is said, and whether it was said here."""

    word: str
    when: str
    here: bool


def level(claim: Claim) -> str:
    """`40 % running training error`, `a training loss of 1.5`, or what a trace follows."""
    metric = METRICS[claim.measure.metric]
    if claim.measure.kind == "trace":
        return metric
    value = claim.measure.level
    return f"a {metric} of {value:g}" if claim.measure.metric.endswith("loss") else f"{100 * value:g} % {metric}"


def section(file: AnyFile) -> str:
    """Where the sentence stands."""
    paper = file.claim.paper
    parts = [f"Section {paper.section}"]
    parts += [f"Figure {paper.figure}"] if paper.figure else []
    parts += [f"Table {paper.table}"] if paper.table else []
    return " · ".join([*parts, *([paper.source] if paper.source else [])])


def number(file: ClaimFile) -> str:
    """The paper's number, in a few characters."""
    rule = file.claim.rule
    return f"{rule.paper:g} times" if rule.kind == "ratio" else f"{len(rule.authors)} printed points"


def ours(judgement: Judgement) -> str:
    """What was found, with its interval, in a few characters; empty where nothing was."""
    effect, trace = judgement.effect, judgement.trace
    if effect is not None:
        interval = between(effect.low, effect.high)
        return interval if effect.estimate is None else f"{times(effect.estimate)} ({interval})"
    if trace is not None:
        return f"{points(trace.offset)} points ({points(trace.low)} to {points(trace.high)}), p = {trace.p:.2g}"
    return ""


def points(fraction: float) -> str:
    """A difference of fractions as signed percentage points."""
    return f"{100 * fraction:+.2f}".replace("-", "−")


def signed(value: float) -> str:
    """A number with its sign, as few digits as it has."""
    return f"{value:+g}".replace("-", "−")


def seeds(judgement: Judgement) -> int:
    """Judging seeds behind a judgement."""
    found = judgement.effect or judgement.trace
    return found.n if found else 0


def direction(judgement: Judgement) -> int:
    """Which side of no effect the interval lies on: 1 above, -1 below, 0 neither."""
    effect = judgement.effect
    if effect is None:
        return 0
    return 1 if effect.low > 1 else -1 if effect.high < 1 else 0


def observed(observation: Observation) -> str:
    """Epochs to the level, or what became of the run."""
    if observation.value is not None:
        return f"{observation.value:.2f}"
    if observation.status == "diverged":
        return f"diverged in epoch {observation.horizon}"
    if observation.censored:
        return f"> {observation.horizon}" + (", not started" if observation.status == "not started" else "")
    return {"missing": "not run", "failed": "failed"}[observation.status]


def listed(values: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}" if values else ""


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, to two or three digits."""
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def data(claim: Claim) -> str:
    """Which images, how many, and at which scale of input."""
    known = KNOWN[claim.data.kind]
    how_many = f"{claim.data.images or known.train:,} training images"
    scaled = {"raw": "0-255 less the mean image", "standardised": "standardised pixels"}[claim.data.scale]
    return f"{known.title}, {how_many}, {scaled}"


def conditions(judgement: Judgement) -> list[Condition]:
    """The claim's rule, word by word, with its numbers; the word that was said is marked."""
    rule = judgement.claim.rule
    if rule.kind == "trace":
        low, high = (points(bound) for bound in rule.offset_within)
        lines = [
            ("reproduced", f"p is above {rule.p_above:g} and the mean offset lies within {low} to {high} points"),
            ("differs", f"p is {rule.p_above:g} or less: the author's curve can be told apart from ours"),
            ("inconclusive", f"p is above {rule.p_above:g}, but the mean offset lies outside {low} to {high} points"),
        ]
    elif judgement.scale == "paper":
        band = f"{rule.within[0]:g} to {rule.within[1]:g}"
        lines = [
            (
                "reproduced",
                f"the interval excludes no effect and lies inside the band, {band}; so does the ratio over all "
                f"rates within {100 * NEAR - 100:.0f} % of the best; every judged run reached the level",
            ),
            ("direction only", "the paper's direction, but not inside the band, or a run never reached the level"),
            ("differs", f"the paper's direction, but wholly outside {band}"),
            ("contradicted", "the interval excludes no effect the other way"),
            ("inconclusive", "the interval covers no effect, or a fastest rate could not be settled"),
        ]
    else:
        toward = "above" if rule.direction == "above 1" else "below"
        away = "below" if toward == "above" else "above"
        lines = [
            ("same direction", f"the whole interval lies {toward} 1, as the paper says"),
            ("no difference seen", "the interval covers 1"),
            ("opposite direction", f"the whole interval lies {away} 1"),
            ("inconclusive", "a fastest rate could not be settled, or neither side of the ratio is bounded"),
        ]
    if judgement.scale == "smoke":
        lines.insert(0, ("not comparable", "smoke scale, whatever is found: it proves the machinery and nothing else"))
    return [Condition(word, when, word == judgement.verdict.word) for word, when in lines]


def method(judgement: Judgement) -> list[str]:
    """How the effect was measured, in sentences, each number the claim's own."""
    claim, rule, measure = judgement.claim, judgement.claim.rule, judgement.claim.measure
    if measure.kind == "trace" and rule.kind == "trace":
        return [
            f"Each of our {len(claim.seeds)} seeds gives one curve: the {METRICS[measure.metric]} over stretches of "
            f"{measure.every} updates, {len(rule.authors)} points. At each point every curve, the author's among them, "
            "is compared with all others and its deviation divided by their standard deviation, widened for one more "
            "curve. Only the largest of its deviations counts, since points along one curve are not independent.",
            "The share of curves, the author's included, that stray at least as far as the author's is p. The offset "
            f"is the mean over the points of ours less the author's, with a {100 * rule.confidence:g} % prediction "
            "interval for one more curve (Student t).",
        ]
    assert measure.kind == "epochs_to"
    assert rule.kind == "ratio"
    of, over = rule.of
    out = [
        f"The measure is the number of epochs to {level(claim)}: where it is first reached, on straight lines between "
        f"epochs, from chance at epoch 0. A run that has not reached it by its horizon, {claim.train.epochs} epochs or "
        "more, is censored: counted as slower than its horizon, never dropped.",
    ]
    if claim.tune:
        tune = claim.tune
        out.append(
            "Each arm's rate is the fastest of its own, as the paper says. All arms share one grid, "
            f"{tune.rates[0]:g} to {tune.rates[-1]:g} in steps of two, and tuning {_seed_list(tune.on_seeds)}, apart "
            "from those that judge. "
            f"Rates more than {SLOWER:g} times slower than the best are given up; the chosen one has the "
            "smallest geometric mean over the tuning seeds. A rate on which a tuning seed diverged or did not finish "
            "cannot be chosen; a fastest rate at an end of the grid extends it."
        )
    how = (
        "Student's t interval on log ratios of runs that share their seed"
        if rule.pairs == "seeds"
        else "Welch's t interval on log values of independent runs"
    )
    out.append(
        f"The effect is the ratio {of} / {over}, over judging {_seed_list(claim.seeds)}, with a "
        f"{100 * rule.confidence:g} % interval: {how}. With a censored run there is no t interval; a bound open to one "
        "side, of known confidence, takes its place. The band was written in the claim before any run."
        + ("" if judgement.scale == "paper" else f" Below paper scale a word needs {JUDGING_SEEDS} judging seeds.")
    )
    return out


def _seed_list(values: list[int]) -> str:
    runs = f"{values[0]} to {values[-1]}"
    whole = len(values) > 2 and values == list(range(values[0], values[-1] + 1))
    return f"seed{'s' * (len(values) > 1)} {runs if whole else listed([str(v) for v in values])}"
