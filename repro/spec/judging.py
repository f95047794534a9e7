"""How a claim is judged: its seeds, rates, measure and rule fit its data and each other."""

from __future__ import annotations

from math import ceil, inf, isinf

from repro.models import registry
from repro.spec.claim import Claim
from repro.spec.layers import Layers, reach
from repro.spec.looks import OF_FINAL, Read
from repro.spec.problems import Problem, nearest
from repro.spec.resolve import classes, epochs_of, images, training_images
from repro.spec.rules import NO_EFFECT, Difference, Ratio, chance, effect_of
from repro.spec.yaml import Loc
from repro.train.minibatches import RECORDED, is_tested


def of_judging(claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
    """Mistakes in seeds, tuning, measure, rule, and in what others measured of the same."""
    out = [*_seeds(claim, layers, smoke), *_tuned(claim, layers), *_measure(claim, layers), *_rule(claim, layers)]
    return [*out, *_others(claim, layers)]


def _seeds(claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
    out = []
    lists: list[tuple[Loc, list[int]]] = [(("seeds",), claim.seeds)]
    if claim.tune:
        lists.append((("tune", "on_seeds"), claim.tune.on_seeds))
        for i, seed in enumerate(claim.tune.on_seeds):
            if seed in claim.seeds:
                out.append(layers.problem(("tune", "on_seeds", i), f"tune.on_seeds: {seed} is a judging seed too"))
    for loc, seeds in lists:
        for i, seed in enumerate(seeds):
            if seed in seeds[:i]:
                out.append(layers.problem((*loc, i), f"{'.'.join(map(str, loc))}: {seed} stands twice"))
    if claim.rule.kind == "trace" and not smoke and len(claim.seeds) < claim.rule.seeds_needed:
        needed = claim.rule.seeds_needed
        text = f"seeds: {len(claim.seeds)} can never give p = {claim.rule.p_above:g}; expected {needed} or more"
        out.append(layers.problem(("seeds",), text))
    return out


def _tuned(claim: Claim, layers: Layers) -> list[Problem]:
    if claim.tune is None:
        return []
    out = []
    if claim.measure.kind == "throughput":
        out.append(layers.problem(("tune",), "tune: a timing has no rate to choose; take it away", key=True))
    if reach(layers.data, ("train", "lr")) is not None:
        out.append(layers.problem(("train", "lr"), "train.lr: is tuned; take it away, or tune", key=True))
    if (claim.tune.choose == "learns") != (claim.tune.per == "all"):
        text = (
            f"tune.per: found {claim.tune.per} beside {claim.tune.choose}; expected all with learns, arm with fastest"
        )
        out.append(layers.problem(("tune", "per"), text))
    if claim.tune.choose == "fastest" and claim.tune.chooses and claim.measure.kind in ("final", "converged"):
        text = f"tune.choose: {claim.measure.kind} has no level to be the fastest to; expected learns"
        out.append(layers.problem(("tune", "choose"), text))
    for i, (low, high) in enumerate(zip(claim.tune.rates, claim.tune.rates[1:], strict=False), start=1):
        if high != 2 * low:
            text = f"tune.train.lr: found {high:g} after {low:g}; expected {2 * low:g}, a grid in steps of two"
            out.append(layers.problem(("tune", "train.lr", i), text))
    return out


def _measure(claim: Claim, layers: Layers) -> list[Problem]:
    """The measure can be reached: a level below chance, updates enough for a trace, all of them recorded."""
    measure = claim.measure
    if measure.kind == "epochs_to":
        top = chance(measure.metric, len(classes(claim.data)))
        text = f"measure.level: found {measure.level:g}; expected below {top:.4g}, what chance gives"
        return [layers.problem(("measure", "level"), text)] if measure.level >= top else []
    if isinstance(measure, Read):
        return _look(claim, layers)
    if measure.kind == "final" and measure.metric not in OF_FINAL and not claim.train.plateau:
        for arm in claim.arms:
            if not is_tested(epochs := epochs_of(claim, arm)):
                text = f"train.epochs: found {epochs}, after which no test image is looked at; expected 1, 2, 4, 8 or "
                return [layers.problem(("train", "epochs"), f"{text}a multiple of 5")]
    cropped = measure.kind == "converged" or measure.metric != "test_error"
    if measure.kind in ("converged", "final") and cropped:
        held = measure.kind == "final" or claim.data.held_out
        if claim.data.crop is None or not held:
            lacking = "data.crop" if claim.data.crop is None else "data.held_out"
            text = f"measure.metric: {measure.metric} is recorded of crops only; expected {lacking}"
            return [layers.problem(("measure", "metric"), text)]
    whole, rest = divmod(training_images(claim.data), claim.train.file_images)  # files: each has a short last one
    updates = whole * ceil(claim.train.file_images / claim.train.batch) + ceil(rest / claim.train.batch)
    if measure.kind == "throughput" and measure.updates > updates:
        text = f"measure.updates: found {measure.updates}; expected at most {updates}, the updates of an epoch"
        return [layers.problem(("measure", "updates"), text)]
    if measure.kind != "trace" or claim.rule.kind != "trace":
        return []
    points = len(claim.rule.authors)
    needed = measure.every * points
    if needed > RECORDED:
        text = f"measure.every: {points} points need {needed} updates; only the first {RECORDED} are recorded"
        return [layers.problem(("measure", "every"), text)]
    found, epochs = claim.train.epochs, ceil(needed / updates)
    if found < epochs:
        text = f"train.epochs: found {found}; expected {epochs} or more, {needed} updates of {updates} an epoch"
        return [layers.problem(("train", "epochs"), text)]
    return []


def _look(claim: Claim, layers: Layers) -> list[Problem]:
    """A look finds in the net and its data what it looks at."""
    measure, data, model = claim.measure, claim.data, claim.model
    if data.crop is None:
        text = f"measure.kind: {measure.kind} looks at nets that read crops; expected data.crop"
        return [layers.problem(("measure", "kind"), text)]
    towered = [kind for kind, options in registry.OPTIONS.items() if "towers" in options]
    if measure.kind != "ten_views" and model.kind not in towered:
        text = f"measure.kind: {measure.kind} looks into layers of {', '.join(towered)}; found model.kind {model.kind}"
        return [layers.problem(("measure", "kind"), text)]
    if measure.kind == "thinned_nets" and model.dropout == 0:
        text = "measure.kind: thinned_nets needs a net with dropout; found model.dropout 0"
        return [layers.problem(("measure", "kind"), text)]
    if measure.kind == "kernels" and (model.towers == "one half" or "conv1" in model.without):
        text = f"measure.kind: kernels compares conv1 of two towers; found model.towers {model.towers}"
        return [layers.problem(("measure", "kind"), text)]
    test, train = images(data)[1], training_images(data)
    at_most = {"photos": test, "queries": test, "gallery": train, "nearest": getattr(measure, "gallery", None) or train}
    out = []
    for key, most in at_most.items():
        if (found := getattr(measure, key, None)) is not None and found > most:
            text = f"measure.{key}: found {found}; expected at most {most}, the photos there are"
            out.append(layers.problem(("measure", key), text))
    return out


FITTING = {
    "trace": ["trace"],
    "final": ["difference", "value", "ensemble"],
    "ten_views": ["change", "difference"],
    "thinned_nets": ["change", "difference"],
    "neighbours": ["change", "difference"],
    "kernels": ["count"],
    "throughput": ["ratio", "rate"],
}  # rules that judge a measure; a time is judged by its ratio


def _rule(claim: Claim, layers: Layers) -> list[Problem]:
    rule, out = claim.rule, []
    fitting = FITTING.get(claim.measure.kind, ["ratio"])
    if rule.kind not in fitting:
        text = (
            f"rule.kind: {rule.kind} does not judge the measure {claim.measure.kind}; expected {' or '.join(fitting)}"
        )
        out.append(layers.problem(("rule", "kind"), text))
    name, bounds = ("offset_within", rule.offset_within) if rule.kind == "trace" else ("within", rule.within)
    given = str(bounds).replace("None", "null")
    band = (rule.offset_within[0], rule.offset_within[1]) if rule.kind == "trace" else rule.band
    target = 0.0 if rule.kind == "trace" else rule.paper
    if not band[0] < band[1] or given == "[null, null]":
        out.append(layers.problem(("rule", name), f"rule.{name}: found {given}; expected [low, high] with low < high"))
    elif target is not None and not band[0] <= target <= band[1]:
        text = f"rule.{name}: {given} does not hold the paper's {target:g}"
        out.append(layers.problem(_said(layers, name, "paper"), text))
    if rule.kind == "trace":
        if len(claim.arms) != 1:
            text = f"arms: found {len(claim.arms)}; a trace is judged against one arm"
            out.append(layers.problem(("arms",), text, key=True))
        return out
    for i, arm in enumerate(rule.of):
        if arm not in claim.arms:
            out.append(layers.problem(("rule", "of", i), f"rule.of: no arm {arm}{nearest(arm, claim.arms)}"))
    if rule.kind == "ensemble":
        if claim.measure.kind == "final" and not claim.measure.metric.startswith("views"):
            text = f"measure.metric: found {claim.measure.metric}; an ensemble averages answers in ten views"
            out.append(layers.problem(("measure", "metric"), text))
        if len(claim.seeds) <= rule.size:
            text = f"seeds: found {len(claim.seeds)}; a jackknife over ensembles of {rule.size} needs {rule.size + 1}"
            out.append(layers.problem(("seeds",), text))
    if effect_of(rule) in ("value", "rate"):
        return out
    assert rule.kind != "value"
    assert rule.kind != "rate"
    if len(rule.of) == 2 and rule.of[0] == rule.of[1]:
        out.append(layers.problem(("rule", "of"), f"rule.of: {rule.of[0]} against itself"))
    together = rule.over if isinstance(rule, Ratio | Difference) else []
    for i, name in enumerate(together):
        if name not in claim.alternatives:
            text = f"rule.over: no alternative {name}{nearest(name, claim.alternatives)}"
            out.append(layers.problem(("rule", "over", i), text))
        elif name in together[:i]:
            out.append(layers.problem(("rule", "over", i), f"rule.over: {name} stands twice"))
    if together and rule.direction == "none":
        text = "rule.over: has no weakest of several where the paper says that there is no effect"
        out.append(layers.problem(_said(layers, "over", "direction"), text))
    if rule.direction == "none":
        effectless = NO_EFFECT[effect_of(rule)]
        if not band[0] <= effectless <= band[1]:
            text = f"rule.within: {given} does not hold {effectless:g}, no effect, which is what the paper says"
            out.append(layers.problem(_said(layers, "within", "direction"), text))
        return out
    side, none = rule.direction.split()
    if rule.paper is not None and (rule.paper > float(none)) != (side == "above"):
        text = f"rule.direction: {rule.paper:g} is not {rule.direction}"
        out.append(layers.problem(_said(layers, "direction", "paper"), text))
        return out
    least, near = rule.smallest, band[0] if side == "above" else band[1]
    assert least is not None
    if isinf(near) or near == 0:
        text = f"rule.within: {given} is open on the side of no effect; expected a number there"
        out.append(layers.problem(_said(layers, "within", "direction"), text))
    elif (near < least - 1e-9) if side == "above" else (near > least + 1e-9):
        text = f"rule.within: {given} begins short of {least:.4g}, the smallest effect that bears the sentence out"
        out.append(layers.problem(_said(layers, "within", "paper"), text))
    return out


def _others(claim: Claim, layers: Layers) -> list[Problem]:
    """What others measured stands in the rule's unit, or in words."""
    out = []
    low, high, expected = _UNITS[effect_of(claim.rule)]
    for i, record in enumerate(claim.paper.later):
        if bool(record.numbers) == (record.value is not None):
            found = "both" if record.numbers else "neither"
            text = (
                f"paper.later: found {found} of numbers and value; expected numbers in the unit of rule.paper, or value"
            )
            out.append(layers.problem(("paper", "later", i), text))
        for j, number in enumerate(record.numbers):
            if not low < number <= high:
                text = f"paper.later.numbers: found {number:g}; expected {expected}"
                out.append(layers.problem(("paper", "later", i, "numbers", j), text))
    return out


_UNITS = {
    "ratio": (0, inf, "a ratio above 0, as rule.paper"),
    "rate": (0, inf, "images/s above 0, as rule.paper"),
    "difference": (-1, 1, "a difference of fractions above -1 and up to 1, as rule.paper: 0.014 is 1.4 points"),
    "value": (0, 1, "a fraction of images above 0 and up to 1, as rule.paper: 0.407 is 40.7 %"),
    "count": (0, 1, "a fraction of runs above 0 and up to 1, as rule.paper"),
    "trace": (inf, inf, "value in its place: a printed curve is no number"),
}  # by effect: bounds of a number, and what it is


def _said(layers: Layers, *keys: str) -> Loc:
    """The first of these keys of the rule that an override says: the mistake is its doing; else the first."""
    return next((loc for key in keys if (loc := ("rule", key)) in layers.origin), ("rule", keys[0]))
