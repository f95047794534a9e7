"""Ensemble: the answers of several nets of one arm averaged, and how much lower its error is than theirs."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar, Literal

from pydantic import Field

from repro.claim.overlays import Layers
from repro.claim.problems import Problem
from repro.claim.scalars import Fraction, Name, Share
from repro.questions.base import Claim
from repro.questions.errors import OF_IMAGES, OF_POINTS, OneArm
from repro.questions.evidence import Evidence
from repro.questions.observations import Arm
from repro.questions.rule import Least
from repro.questions.statistics import Effect, Sampling, ensemble, student
from repro.questions.units import DIFFERENCE, VALUE, Unit, seed_list
from repro.store import Table


class Ensemble(OneArm):
    """The answers of several of one arm's nets averaged; a fraction of images.

    One ensemble is one observation, so the mean over all ensembles of `size` seeds has a jackknife interval over seeds.
    """

    kind: Literal["ensemble"] = Field(description="the effect")
    of: list[Name] = Field(min_length=1, max_length=1, description="the arm")
    size: int = Field(ge=2, le=10, description="nets that are averaged")
    judges: Literal["gain", "error"] = Field(
        description="how much lower its error is than its members' mean, or the error itself"
    )
    paper: Fraction | None = Field(description="the paper's number; null where it prints none")
    within: list[Share | None] = Field(
        min_length=2, max_length=2, description="the band that counts as the same number; null at an end that is open"
    )
    least: Least | None = Field(None, description="the smallest effect that bears it out, where the rule gives another")
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")

    what: ClassVar = "effect of averaging"
    dots: ClassVar = " (the mean of the ensembles that contain it)"

    @property
    def unit(self) -> Unit:
        return DIFFERENCE if self.judges == "gain" else VALUE

    @property
    def direction(self) -> str:
        """Averaging helps."""
        return "none" if self.alone else "above 0"

    def mistakes(self, claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
        out = super().mistakes(claim, layers, smoke)
        if claim.measure.is_end and not claim.measure.metric.startswith("views"):
            text = f"measure.metric: found {claim.measure.metric}; an ensemble averages answers in ten views"
            out.append(layers.problem(("measure", "metric"), text))
        if len(claim.seeds) <= self.size:
            text = f"seeds: found {len(claim.seeds)}; a jackknife over ensembles of {self.size} needs {self.size + 1}"
            out.append(layers.problem(("seeds",), text))
        return out

    def others_number(self) -> tuple[float, float, str]:
        return OF_IMAGES if self.alone else OF_POINTS

    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        observations = arms[0].observations
        if any(o.value is None for o in observations):
            return None
        from repro.questions.answers import statistic  # numpy: only an ensemble pays for it

        runs = [table[str(o.evaluation)] for o in observations]
        answers = 5 if claim.measure.metric.endswith("top5") else 1
        of = statistic(runs, self.size, answers=answers, gain=not self.alone)
        return ensemble(observations, self.size, of, self.confidence, self.unit)

    def sampling(self, evidence: Evidence) -> Sampling | None:
        if (effect := evidence.effect) is None or effect.high == effect.low:
            return None
        error = (effect.high - effect.low) / 2 / student(effect.confidence, effect.n - 1)
        return Sampling("jackknife", effect.n, (error * sqrt(effect.n),))

    def found(self, claim: Claim, effect: Effect) -> str:
        assert effect.estimate is not None
        goal, size = claim.measure.goal(claim), effect.estimate
        if self.alone:
            return f"With {self.size} nets averaged, the {goal} is {100 * size:.2f} % ({effect.sure})."
        way = "lower" if size >= 0 else "higher"
        return (
            f"With {self.size} nets averaged, the {goal} is {100 * abs(size):.2f} points {way} than the mean of their "
            f"own errors ({effect.sure})."
        )

    def totals(self, mean: float | None, effect: Effect) -> list[tuple[str, float]]:
        if mean is None or effect.estimate is None:
            return []
        # every seed is in as many ensembles as every other: their mean gain is the nets' mean less the ensembles'
        return [(f"average of {self.size} nets", effect.estimate if self.alone else mean - effect.estimate)]

    def one_method(self, claim: Claim) -> str:
        what = "the error of the averaged nets"
        if not self.alone:
            what = "how much lower the error of the averaged nets is than the mean error of the same nets"
        return (
            f"The effect is {what}: the mean over all ensembles of {self.size} of judging {seed_list(claim.seeds)}, "
            f"with a {100 * self.confidence:g} % jackknife interval over seeds, because ensembles that share nets are "
            "not independent."
        )

    def axis_title(self, claim: Claim, of_one: bool) -> str:
        name = claim.measure.name()
        if self.alone:
            return f"{name}, percent"
        arms = ", difference" * (not of_one)
        return f"{name}{arms}, reduction by averaging {self.size} nets, percentage points"
