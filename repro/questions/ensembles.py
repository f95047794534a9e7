"""Ensemble: the answers of several nets of one arm averaged, and how much lower its error is than theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from repro.claim.files import ClaimFile
from repro.claim.overlays import Layers
from repro.claim.problems import Problem
from repro.claim.scalars import Fraction, Name, Share
from repro.questions.arms import OneArm
from repro.questions.base import Claim
from repro.questions.effect_rule import Directed, Least
from repro.questions.errors import OF_IMAGES, OF_POINTS
from repro.questions.evidence import Evidence
from repro.questions.observations import Arm
from repro.questions.statistics import Effect, Sampling, ensemble, student
from repro.questions.units import DIFFERENCE, VALUE, Unit, seed_list
from repro.store import DamagedRun, Run, Table, ranks
from repro.store import answers as answers_of
from repro.store.damage import Violation

if TYPE_CHECKING:
    import numpy as np

Members = tuple[int, ...]  # places of an ensemble's nets among all that there are


class Ensemble(Directed, OneArm):
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

    power: ClassVar = "simulated"
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
        runs = [table[str(o.evaluation)] for o in observations]
        answers = 5 if claim.measure.metric.endswith("top5") else 1
        of = statistic(runs, self.size, answers=answers, gain=not self.alone)
        return ensemble(observations, self.size, of, self.confidence, self.unit)

    def sampling(self, evidence: Evidence) -> Sampling | None:
        if (effect := evidence.effect) is None or effect.high == effect.low:
            return None
        error = (effect.high - effect.low) / 2 / student(effect.confidence, effect.n - 1)
        return Sampling("jackknife", effect.n, (error * sqrt(effect.n),))

    def effect_sentence(self, claim: Claim, effect: Effect) -> str:
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

    def least_from(self) -> str:
        """Return where the smallest effect comes from, in words."""
        if self.least is None and self.number is None:
            return f"the near end of that band, because the paper prints no number for {self.size} nets"
        return super().least_from()

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


def statistic(runs: Sequence[Run], size: int, *, answers: int, gain: bool) -> Callable[[Members], float]:
    """Return the statistic of an ensemble of `size` of these evaluations in ten views: its error in so many answers, or
    how much lower that is than its members' mean (§6, Table 2)."""
    errors = _errors(tuple(run.path for run in runs), size, answers)

    def of(members: Members) -> float:
        return sum(errors[(i,)] for i in members) / size - errors[members] if gain else errors[members]

    return of


def of_fewer(file: ClaimFile, scale: str) -> tuple[int, int] | None:
    """Return how many nets the paper averages, and how many are averaged at this scale; None where it is as many, and
    where none are."""
    paper, here = file.claim.rule, file.at(scale).rule
    if not isinstance(paper, Ensemble) or not isinstance(here, Ensemble) or paper.size == here.size:
        return None
    return paper.size, here.size


@lru_cache  # a report judges a claim several times, and 252 ensembles of 50,000 photos take a while
def _errors(paths: tuple[Path, ...], size: int, answers: int) -> dict[Members, float]:
    """Return the error of each net alone and of every ensemble."""
    import numpy as np  # only an ensemble pays for it

    every = [answers_of(path) for path in paths]
    shape, labels = every[0][0].shape, every[0][1]
    for path, (own, other) in zip(paths, every, strict=True):
        if own.shape != shape or not np.array_equal(labels, other):
            expected = f"those of {paths[0].name}: nets that are averaged answer for the same photos"
            raise DamagedRun(path, Violation(path.name, "labels.npy", "labels", "other photos", expected))
    shares = [own.astype(np.float32) for own, _ in every]
    ensembles = [*((i,) for i in range(len(paths))), *combinations(range(len(paths)), size)]
    return {members: error(np.sum([shares[i] for i in members], 0), labels, answers) for members in ensembles}


def error(shares: np.ndarray, labels: np.ndarray, answers: int) -> float:
    """Return the share of photos whose class is not among the `answers` likeliest; see `ranks`."""
    return float((ranks(shares, labels) >= answers).mean())
