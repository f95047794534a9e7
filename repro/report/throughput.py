"""Images/s in words: how they were timed, when which word is said of them, and of which device they are."""

from __future__ import annotations

from repro.questions.statistics import Effect
from repro.questions.words import shown, times
from repro.spec.rules import Rate, Throughput


def device(name: str) -> str:
    """A device's name without what stands in brackets."""
    return name.partition(" (")[0]


def size(effect: Effect) -> str:
    """A ratio of images/s, or images/s."""
    assert effect.estimate is not None
    return times(effect.estimate) if effect.kind == "ratio" else shown(effect.estimate, "rate")


def measured(measure: Throughput, arms: int) -> str:
    """How the measure is read off a replicate of so many arms."""
    turns = "in which the arms take turns" if arms > 1 else "which trains"
    many = f"{measure.rounds} rounds of {measure.updates} update{'s' * (measure.updates != 1)}"
    return (
        "The measure is images/s of training through the whole pipeline of an epoch: photos read, cropped, mirrored "
        "and noised as the claim says, and every update done. A replicate is a process of its own, with nothing of "
        f"this command beside it, {turns} for {many}, after {measure.warm} that do{'es' * (measure.warm == 1)} "
        "not count; its value is the median of the rounds. The step alone, repeated on one minibatch, is timed "
        "beside it. Replicates of different devices are never mixed."
    )


def method(rule: Rate, replicates: str, band: str) -> str:
    """How the rate is estimated, and what days it is set against."""
    low, high = (round(rule.days(rate), 1) for rate in reversed(rule.within))
    return (
        f"The rate is the geometric mean over the replicates, {replicates}, with a {100 * rule.confidence:g} % "
        f"interval: Student's t over their logs. The paper prints days, not a "
        f"rate: {rule.cycles} cycles through {rule.images:,} images in {low:g} to {high:g} days are "
        f"{band}, which is the band; it was written in the claim before any timing."
    )
