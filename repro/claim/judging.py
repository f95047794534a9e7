"""Checks of how a claim is judged: its seeds, rates, measure and rule against its data and each other."""

from __future__ import annotations

from typing import Any

from repro.claim import model as claims
from repro.claim.overlays import Layers
from repro.claim.problems import Problem, repeated
from repro.claim.yaml import Loc

Claim = claims.Claim[Any, Any, Any]


def judging_problems(claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
    """Return the mistakes in seeds, tuning, measure, rule and in the values that others measured."""
    own = [*claim.measure.mistakes(claim, layers), *claim.rule.mistakes(claim, layers, smoke)]
    return [*_seeds(claim, layers), *_tuned(claim, layers), *_fitting(claim, layers), *own]


def _seeds(claim: Claim, layers: Layers) -> list[Problem]:
    out = []
    lists: list[tuple[Loc, list[int]]] = [(("seeds",), claim.seeds)]
    if claim.tune:
        lists.append((("tune", "on_seeds"), claim.tune.on_seeds))
        judging = set(claim.seeds)
        for i, seed in enumerate(claim.tune.on_seeds):
            if seed in judging:
                out.append(layers.problem(("tune", "on_seeds", i), f"tune.on_seeds: {seed} is a judging seed too"))
    for loc, seeds in lists:
        out += [
            layers.problem((*loc, i), f"{'.'.join(map(str, loc))}: {seeds[i]} stands twice") for i in repeated(seeds)
        ]
    return out


def _tuned(claim: Claim, layers: Layers) -> list[Problem]:
    if claim.tune is None:
        return []
    out = []
    if layers.is_written(("train", "lr")):
        out.append(layers.problem(("train", "lr"), "train.lr: is tuned; take it away, or tune", key=True))
    if (claim.tune.choose == "learns") != (claim.tune.per == "all"):
        text = (
            f"tune.per: found {claim.tune.per} beside {claim.tune.choose}; expected all with learns, arm with fastest"
        )
        out.append(layers.problem(("tune", "per"), text))
    if claim.tune.choose == "fastest" and claim.tune.chooses and not (claim.measure.has_level or claim.measure.timed):
        text = f"tune.choose: {claim.measure.kind} has no level to be the fastest to; expected learns"
        out.append(layers.problem(("tune", "choose"), text))
    for i, (low, high) in enumerate(zip(claim.tune.rates, claim.tune.rates[1:], strict=False), start=1):
        if high != 2 * low:
            text = f"tune.train.lr: found {high:g} after {low:g}; expected {2 * low:g}, a grid in steps of two"
            out.append(layers.problem(("tune", "train.lr", i), text))
    return out


def _fitting(claim: Claim, layers: Layers) -> list[Problem]:
    """Return a mistake if the rule does not fit the measure, and for values of others in no unit of the rule."""
    out = []
    fitting, kind = claim.measure.judged_by, claim.rule.kind
    if kind not in fitting:
        text = f"rule.kind: {kind} does not judge the measure {claim.measure.kind}; expected {' or '.join(fitting)}"
        out.append(layers.problem(("rule", "kind"), text))
    low, high, expected = claim.rule.others_number()
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
