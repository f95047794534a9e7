"""What is wrong with a rule: its band, its direction, the paper's number and the smallest effect fit each other."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING

from repro.claim.overlays import Layers
from repro.claim.problems import Problem

if TYPE_CHECKING:
    from repro.questions.effect_rule import Directed
    from repro.questions.rule import Rule


def band_mistakes(rule: Rule, layers: Layers, key: str = "within") -> list[Problem]:
    """Return what is wrong with the band: it has two ends, and holds the paper's number."""
    given, (low, high) = str(getattr(rule, key)).replace("None", "null"), rule.band
    number = rule.number
    if not low < high or given == "[null, null]":
        text = f"rule.{key}: found {given}; expected [low, high] with low < high"
        return [layers.problem(("rule", key), text)]
    if number is not None and not low <= number <= high:
        text = f"rule.{key}: {given} does not hold the paper's {number:g}"
        return [layers.problem(overriding(layers, key, "paper"), text)]
    return []


def side_mistakes(rule: Directed, layers: Layers) -> list[Problem]:
    """Return what is wrong where direction, paper's number, band and smallest effect do not fit each other."""
    given, (low, high), none = str(rule.within).replace("None", "null"), rule.band, rule.no_effect
    if not rule.side:
        if low <= none <= high:
            return []
        text = f"rule.within: {given} does not hold {none:g}, no effect, which is what the paper says"
        return [layers.problem(overriding(layers, "within", "direction"), text)]
    if rule.number is not None and (rule.number > none) != (rule.side > 0):
        text = f"rule.direction: {rule.number:g} is not {rule.direction}"
        return [layers.problem(overriding(layers, "direction", "paper"), text)]
    least, near = rule.smallest, low if rule.side > 0 else high
    assert least is not None
    if isinf(near) or near == 0:
        text = f"rule.within: {given} is open on the side of no effect; expected a number there"
        return [layers.problem(overriding(layers, "within", "direction"), text)]
    if (near < least - 1e-9) if rule.side > 0 else (near > least + 1e-9):
        text = f"rule.within: {given} begins short of {least:.4g}, the smallest effect that supports the sentence"
        return [layers.problem(overriding(layers, "within", "paper"), text)]
    return []


def overriding(layers: Layers, *keys: str) -> tuple[str, str]:
    """Return the first of these keys of the rule that an override says: the mistake is its doing; else the first."""
    return next((loc for key in keys if (loc := ("rule", key)) in layers.origin), ("rule", keys[0]))
