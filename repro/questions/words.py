"""Measures, sizes and intervals for people, as verdicts and pages print them."""

from __future__ import annotations

from math import isinf

from repro.spec import looks
from repro.spec.claim import Claim

NAMES = {
    "train_error": "running training error",
    "train_loss": "training loss",
    "test_error": "test error",
    "test_top5": "top-5 test error",
    "views_error": "test error in ten views",
    "views_top5": "top-5 test error in ten views",
    "fixed_error": "training error in test mode",
    "gap": "test error less training error",
    "shifted_error": "test error under shifts of colour",
    "shifted_rise": "rise of the test error under shifts of colour",
    "held_out_error": "held-out error",
} | looks.NAMES


def goal(claim: Claim) -> str:
    """What the claim's runs are to reach, or what is read off them at the end."""
    measure = claim.measure
    if measure.kind == "throughput":
        return "images/s of training"
    metric = NAMES[measure.metric]
    if measure.kind == "updates_to":
        return f"a {metric} of {measure.of_chance:g} times what chance gives (mean of {measure.window} updates)"
    if measure.kind == "converged":
        return f"within {100 * measure.near:g} points of its own lowest {metric}"
    if measure.kind == "epochs_to":
        return f"{100 * measure.level:g} % {metric}" if metric.endswith("error") else f"a {metric} of {measure.level:g}"
    return metric


def times(value: float) -> str:
    """A ratio for people: three digits."""
    return "any" if isinf(value) else f"{value:.3g}"


def images(rate: float) -> str:
    """Images/s for people: three digits, and whole ones."""
    return f"{rate:.3g}" if rate < 1000 else f"{rate:,.0f}"


def points(fraction: float) -> str:
    """A difference of fractions as signed percentage points."""
    return f"{100 * fraction:+.2f}"


def between(low: float, high: float, kind: str = "ratio") -> str:
    """An interval for people."""
    if kind == "difference":
        return f"{points(low)} to {points(high)}"
    if kind in ("value", "count"):
        digits = 2 if kind == "value" else 0
        return f"{100 * low:.{digits}f} to {100 * high:.{digits}f}"
    if kind == "rate":
        return f"{images(low)} to {images(high)}"
    if isinf(high):
        return f"more than {times(low)}"
    return f"less than {times(high)}" if low == 0 else f"{times(low)} to {times(high)}"


def shown(value: float, kind: str) -> str:
    """An effect's value: a ratio, a difference in points, an error in percent, a share of runs, or images/s."""
    if kind == "rate":
        return f"{images(value)} images/s"
    sizes = {"ratio": f"{value:g}", "difference": f"{100 * value:+g} points", "count": f"{100 * value:g} % of runs"}
    return sizes.get(kind, f"{100 * value:g} %")
