"""Error at the end: the metric after the last epoch, the difference of two arms, and an error by itself."""

from __future__ import annotations

from math import ceil
from typing import ClassVar, Literal

from pydantic import Field

from repro.claim.config import RunConfig
from repro.claim.evaluation import FINAL_OPTIONS, Evaluation
from repro.claim.overlays import Layers
from repro.claim.problems import Problem
from repro.claim.resolve import epochs_of
from repro.claim.scalars import Fraction, Name, Share
from repro.questions.arms import OneArm, TwoArms
from repro.questions.base import Claim
from repro.questions.effect_rule import Least
from repro.questions.levels import Level
from repro.questions.observations import Arm, fixed_error, has_fixed_error
from repro.questions.run_measure import RunMeasure
from repro.questions.statistics import Effect, difference, mean_of
from repro.questions.units import DIFFERENCE, VALUE, Unit, listed
from repro.store import Run, Table
from repro.store.rows import Row
from repro.train.minibatches import is_tested


class FinalValue(RunMeasure):
    """The metric after the last epoch."""

    kind: Literal["final"] = Field(description="the measure")
    metric: Literal[
        "test_error",
        "test_top5",
        "views_error",
        "views_top5",
        "fixed_error",
        "gap",
        "shifted_error",
        "shifted_rise",
    ] = Field(
        description="error of the centre view or of ten views averaged (§4.1), in one answer or five; "
        "fixed_error: of 1,000 photos trained on, in test mode; gap: test error less that; "
        "shifted_error: with the test photos' colours shifted (§4.1), shifted_rise: that less the test error"
    )

    judged_by: ClassVar = ("difference", "value", "ensemble")
    names: ClassVar = {
        "views_error": "test error in ten views",
        "views_top5": "top-5 test error in ten views",
        "shifted_error": "test error under shifts of colour",
        "shifted_rise": "rise of the test error under shifts of colour",
    }
    is_end: ClassVar = True
    longer_epochs: ClassVar = True

    def mistakes(self, claim: Claim, layers: Layers) -> list[Problem]:
        if self.metric not in FINAL_OPTIONS and not claim.train.plateau:
            for arm in claim.arms:
                if not is_tested(epochs := epochs_of(claim, arm)):
                    text = f"train.epochs: found {epochs}, after which no test image is looked at; expected 1, 2, 4, 8"
                    return [layers.problem(("train", "epochs"), f"{text} or a multiple of 5")]
        if self.metric != "test_error" and claim.data.crop is None:
            text = f"measure.metric: {self.metric} is recorded of crops only; expected data.crop"
            return [layers.problem(("measure", "metric"), text)]
        return []

    def evaluation_of(self, claim: Claim, config: RunConfig, epochs: float) -> Evaluation | None:
        options = FINAL_OPTIONS.get(self.metric)
        return Evaluation(run=config, epoch=ceil(epochs), options=options) if options is not None else None

    def read(self, claim: Claim, rows: list[Row], level: Level | None) -> float | None:
        if not rows:
            return None
        end = rows[-1]
        if self.metric == "fixed_error":
            return fixed_error(end)
        if self.metric == "test_top5":
            return end["test_top5"]
        error = end["test_error"]  # the other metrics are read off evaluations
        assert error is not None, "an epoch that diverged is left out"
        return error - fixed_error(end) if self.metric == "gap" else error

    def written(self, claim: Claim, value: float) -> str:
        return f"{100 * value:.2f} %"

    def followed(self) -> str:
        if self.metric == "views_top5":
            return "test_top5"
        return self.metric if self.metric in ("test_top5", "fixed_error", "gap") else "test_error"

    def series(self, run: Run) -> list[tuple[int, float]]:
        if self.followed() not in ("fixed_error", "gap"):
            return super().series(run)
        tested = dict(run.series("test_error"))
        rows = [row for row in run.epochs if row["epoch"] in tested and has_fixed_error(row)]
        trained = {row["epoch"]: fixed_error(row) for row in rows}
        return [(at, tested[at] - value if self.metric == "gap" else value) for at, value in trained.items()]

    def measured(self, claim: Claim) -> str:
        goal = self.goal(claim)
        if claim.train.plateau:
            return (
                f"The measure is the {goal} at the end of a run: after {claim.train.epochs} epochs, or earlier if the "
                f"held-out error has stopped falling at the last learning rate ({claim.train.plateau} epochs without a "
                "lower one)."
            )
        horizons = {arm: epochs_of(claim, arm) for arm in claim.arms}
        if len(set(horizons.values())) > 1:
            each = listed([f"{count} with {claim.label(arm)}" for arm, count in horizons.items()])
            return f"The measure is the {goal} after the last epoch: {each}."
        same = ", the same for all arms" * (len(horizons) > 1)
        return f"The measure is the {goal} after {claim.train.epochs} epochs{same}."


class Difference(TwoArms):
    """The difference of two arms' measures, as a fraction of images: 0.014 is 1.4 points."""

    kind: Literal["difference"] = Field(description="the effect")
    of: list[Name] = Field(min_length=2, max_length=2, description="[minuend, subtrahend], two arms")
    paper: Share | None = Field(description="the paper's number; null where it prints none")
    within: list[Share | None] = Field(
        min_length=2, max_length=2, description="the band that counts as the same number; null at an end that is open"
    )
    least: Least | None = Field(None, description="the smallest effect that bears it out, where the rule gives another")
    direction: Literal["above 0", "below 0", "none"] = Field(
        description="the paper's direction; none: it says that there is no effect, and the band is what counts as none"
    )
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")
    pairs: Literal["seeds", "none"] = Field("seeds", description="Student t on paired seeds, or Welch's")
    over: list[Name] = Field([], description="alternatives judged with the claim itself: the weakest of all decides")

    power: ClassVar = "exact"

    @property
    def unit(self) -> Unit:
        return DIFFERENCE

    def others_number(self) -> tuple[float, float, str]:
        return OF_POINTS

    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        minuend, subtrahend = arms
        return difference(minuend.observations, subtrahend.observations, self.confidence, self.pairs)

    def not_formed(self) -> str:
        return "No difference could be computed."

    def effect_sentence(self, claim: Claim, effect: Effect) -> str:
        assert effect.estimate is not None
        first, second = (claim.label(arm) for arm in self.of)
        gap = f"{100 * abs(effect.estimate):.2f} points {'higher' if effect.estimate >= 0 else 'lower'}"
        return f"The {claim.measure.goal(claim)} is {gap} with {first} than with {second} ({effect.sure})."

    def method(self, claim: Claim, scale: str) -> list[str]:
        return self.effect_method(claim, scale, "minus", "differences", "values", "")

    def axis_title(self, claim: Claim, of_one: bool) -> str:
        arms = f", {' minus '.join(claim.label(arm) for arm in self.of)}" if of_one else ", difference"
        return f"{claim.measure.name()}{arms}, percentage points"


OF_POINTS = -1, 1, "a difference of fractions above -1 and up to 1, as rule.paper: 0.014 is 1.4 points"
OF_IMAGES = 0, 1, "a fraction of images above 0 and up to 1, as rule.paper: 0.407 is 40.7 %"


class Value(OneArm):
    """One arm's measure itself, as a fraction of images: 0.407 is an error of 40.7 %."""

    kind: Literal["value"] = Field(description="the effect")
    of: list[Name] = Field(min_length=1, max_length=1, description="the arm")
    paper: Fraction = Field(description="the paper's number")
    within: list[Fraction] = Field(min_length=2, max_length=2, description="the band that counts as reproduced")
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")

    power: ClassVar = "exact"

    @property
    def unit(self) -> Unit:
        return VALUE

    def others_number(self) -> tuple[float, float, str]:
        return OF_IMAGES

    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        return mean_of(arms[0].observations, self.confidence, VALUE)

    def effect_sentence(self, claim: Claim, effect: Effect) -> str:
        assert effect.estimate is not None
        goal = claim.measure.goal(claim)
        return f"The {goal} of {self.whose(claim)} is {100 * effect.estimate:.2f} % ({effect.sure})."
