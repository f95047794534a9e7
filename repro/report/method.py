"""How a measure is read off a run and how its effect is formed, in sentences, each number the claim's own."""

from __future__ import annotations

from repro.questions import words as phrases
from repro.questions.judge import Judgement
from repro.questions.observations import per_epoch
from repro.questions.trial import MOST
from repro.questions.tuning import SLOWER
from repro.questions.verdict import JUDGING_SEEDS
from repro.report import throughput
from repro.report.prose import band, listed, sized
from repro.spec.claim import Claim
from repro.spec.looks import Read
from repro.spec.resolve import classes, epochs_of
from repro.spec.rules import effect_of
from repro.train.minibatches import RECORDED

_FEW = f" Below paper scale a word needs {JUDGING_SEEDS} judging seeds."


def _of_one(claim: Claim) -> str:
    """How the effect of one arm is formed, and its interval."""
    rule, seeds = claim.rule, _seed_list(claim.seeds)
    assert rule.kind != "trace"
    sure = f"with a {100 * rule.confidence:g} % interval"
    if rule.kind == "count":
        return (
            f"A run shows it where that is at most {rule.at_most:g}, as {sized(rule.at_most, 'count')} would by "
            f"chance. The effect is the share of runs that do, over judging {seeds}, {sure}: Clopper's and Pearson's, "
            "exact."
        )
    if rule.kind == "ensemble":
        what = "how much lower the error of nets averaged is than their own mean error"
        return (
            f"The effect is {what if rule.judges == 'gain' else 'the error of nets averaged'}: the mean over all "
            f"ensembles of {rule.size} of judging {seeds}, {sure} of the jackknife over seeds, since ensembles that "
            "share nets are not independent."
        )
    what = "What is judged" if rule.kind == "value" else "The effect"
    return f"{what} is the mean over judging {seeds}, {sure}: Student's t over the seeds."


def method(judgement: Judgement) -> list[str]:
    """How the effect was measured, in sentences, each number the claim's own."""
    claim, rule, measure = judgement.claim, judgement.claim.rule, judgement.claim.measure
    if measure.kind == "trace" and rule.kind == "trace":
        return [
            f"Each of our {len(claim.seeds)} seeds gives one curve: the {phrases.NAMES[measure.metric]} over stretches "
            f"of {measure.every} updates, {len(rule.authors)} points. At each point every curve, the author's among "
            "them, is compared with all others and its deviation divided by their standard deviation, widened for one "
            "more curve. Only the largest of its deviations counts, since points along one curve are not independent.",
            "The share of curves, the author's included, that stray at least as far as the author's is p. The offset "
            f"is the mean over the points of ours less the author's, with a {100 * rule.confidence:g} % prediction "
            "interval for one more curve (Student t).",
        ]
    assert rule.kind != "trace"
    out = [_measured(claim)]
    if rule.kind == "rate":
        return [*out, throughput.method(rule, _seed_list(claim.seeds), band(rule))]
    if len(rule.of) == 1:
        few = "" if judgement.scale == "paper" or effect_of(rule) == "value" else _FEW
        return [*out, f"{_of_one(claim)} {_band(judgement)}{few}"]
    assert rule.kind == "ratio" or rule.kind == "difference"
    of, over = rule.of
    if (tune := claim.tune) and tune.choose == "learns" and tune.chooses:
        out.append(
            f"All arms have one rate: of {', '.join(f'{rate:g}' for rate in tune.rates)}, the largest at which every "
            f"arm learns on tuning {_seed_list(tune.on_seeds)}, apart from those that judge. An arm learns if an "
            "epoch’s mean training loss falls below 0.9 ln C within half of its epochs and 2,000 updates."
        )
    elif tune and tune.chooses:
        out.append(
            "Each arm's rate is the fastest of its own, as the paper says. All arms share one grid, "
            f"{tune.rates[0]:g} to {tune.rates[-1]:g} in steps of two, and tuning {_seed_list(tune.on_seeds)}, apart "
            "from those that judge. "
            f"Rates more than {SLOWER:g} times slower than the best are given up; the chosen one has the "
            "smallest geometric mean over the tuning seeds. A rate on which a tuning seed diverged or did not finish "
            "cannot be chosen; a fastest rate at an end of the grid extends it."
        )
    what = "log ratios" if rule.kind == "ratio" else "differences"
    values = "log values" if rule.kind == "ratio" else "values"
    how = (
        f"Student's t interval on {what} of runs that share their seed"
        if rule.pairs == "seeds"
        else f"Welch's t interval on {values} of independent runs"
    )
    sign = "/" if rule.kind == "ratio" else "less"
    open_ = (
        "With a censored run there is no t interval; a bound open to one side, of known confidence, takes its place. "
    )
    if measure.kind == "throughput":
        open_ = ""  # every replicate has images/s
    out.append(
        f"The effect is the {rule.kind} “{of}” {sign} “{over}”, over judging {_seed_list(claim.seeds)}, with a "
        f"{100 * rule.confidence:g} % interval: {how}. {open_ if rule.kind == 'ratio' else ''}"
        + _band(judgement)
        + ("" if judgement.scale == "paper" else _FEW)
    )
    return out


def _band(judgement: Judgement) -> str:
    """Return what counts as the same number, and the smallest effect that bears the sentence out."""
    rule, evidence = judgement.claim.rule, judgement.evidence
    assert rule.kind != "trace"
    assert evidence is not None
    text = f"What counts as the same number is {band(rule)}."
    if not evidence.side:
        return text
    stated = getattr(rule, "least", None)
    if stated is not None:
        whence = stated.why
    elif rule.paper is not None and rule.kind != "count":
        whence = f"{'the root' if rule.kind == 'ratio' else 'half'} of the printed {sized(rule.paper, effect_of(rule))}"
    else:
        whence = (
            "the near end of that band, since no size is printed" if rule.kind != "count" else "the band's near end"
        )
    return f"{text} The smallest effect that bears the sentence out is {evidence.named['least']}: {whence}."


# How each look is taken; its options in braces.
_LOOKS = {
    "ten_views": "Each net answers for every test photo twice: from the centre view, and with the mean of its softmax "
    "outputs of ten views, the corners, the centre and their reflections. The measure is by how much the second error "
    "is lower.",
    "thinned_nets": "Of each net {masks:,} thinned nets are drawn: a mask for all hidden units of both dropout layers, "
    "each kept with the probability of training. For every test photo the softmax outputs of the thinned nets are "
    "averaged geometrically (and arithmetically), and compared with those of the one net whose hidden outputs are "
    "multiplied by that probability. The measure is the error of the one net less that of the average.",
    "kernels": "What a kernel has learned is the kernel less what is left in it of its initial noise; the chroma share "
    "is the part of its energy off the grey axis: 0 for a grey kernel, 2/3 for noise. Only kernels count of whose "
    "energy {new:.0%} or more is learned. The difference between the towers' "
    "mean shares, whichever is larger, is compared with that after each of {permutations:,} permutations of the "
    "kernels between the towers; p is the share of arrangements, the one found among them, with a difference as large.",
    "neighbours": "For every test photo the {nearest} nearest training photos are found twice, by Euclidean distance: "
    "between the outputs of fc7, and between the pixels. Precision is the share of them that are of the photo's class. "
    "The measure is the precision by fc7 less that by pixels.",
}


def _at_the_end(claim: Claim) -> str:
    when = "at the end of the run" if claim.train.plateau else f"after {claim.train.epochs} epochs"
    return f"Each net is looked at once, {when}."


_PLACES = {
    "files": "It is a mean of an interval, and stands at the interval's middle: of each data file while every update "
    "is recorded, later of each epoch.",
    "middle": "It is the mean of an epoch, and stands at the epoch's middle.",
    "end": "It is the mean of an epoch, and stands at the epoch's end; at epoch 0 stands what chance gives.",
    "start": "It is the mean of an epoch, and stands at the epoch's start.",
}
_WINDOWS = {"middle": "the middle of these", "end": "the last of these"}


def _measured(claim: Claim) -> str:
    """How the measure is read off a run."""
    measure, goal = claim.measure, phrases.goal(claim)
    if measure.kind == "throughput":
        return throughput.measured(measure, len(claim.arms))
    if isinstance(measure, Read):
        return f"{_LOOKS[measure.kind].format(**measure.model_dump())} {_at_the_end(claim)}"
    censored = "is censored: counted as slower than its horizon, never dropped."
    if measure.kind == "epochs_to":
        return (
            f"The measure is the number of epochs to {goal}. {_PLACES[measure.at]} It is where the lowest so far first "
            "falls to the level, on straight lines between these points. A run that has not reached it by its horizon, "
            f"{claim.train.epochs} epochs or more, {censored}"
        )
    if measure.kind == "updates_to":
        most = min(RECORDED, claim.train.epochs * int(per_epoch(claim)[1]))
        many = len(classes(claim.data))
        return (
            f"The measure is the number of updates to {goal}: {measure.nats(many):.3f} nats, since there are "
            f"C = {many:,} classes and ln C is the loss of a net that has learned nothing. The mean of "
            f"{measure.window} updates stands at {_WINDOWS[measure.at]}. A run that has not "
            f"reached it after {most:,} {censored}"
        )
    if measure.kind == "converged":
        return (
            f"The measure is the number of epochs until a run is first {goal}. It is looked at each half epoch, in "
            "test mode, as medians of three; a run goes on for twice the time found, so that its lowest is known, "
            f"but for {MOST * claim.train.epochs} epochs at most. One that still improves there {censored}"
        )
    if claim.train.plateau:
        return (
            f"The measure is the {goal} at the end of a run: after {claim.train.epochs} epochs, or sooner, where the "
            f"held-out error has stopped falling at the last of its rates ({claim.train.plateau} epochs without a "
            "lower one)."
        )
    horizons = {arm: epochs_of(claim, arm) for arm in claim.arms}
    if len(set(horizons.values())) > 1:
        each = listed([f"{count} for “{arm}”" for arm, count in horizons.items()])
        return f"The measure is the {goal} after the last epoch: {each}."
    same = ", the same for all arms" * (len(horizons) > 1)
    return f"The measure is the {goal} after {claim.train.epochs} epochs{same}."


def _seed_list(values: list[int]) -> str:
    runs = f"{values[0]} to {values[-1]}"
    whole = len(values) > 2 and values == list(range(values[0], values[-1] + 1))
    return f"seed{'s' * (len(values) > 1)} {runs if whole else listed([str(v) for v in values])}"
