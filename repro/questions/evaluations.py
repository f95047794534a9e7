"""Evaluations of trained nets as a question: measures that are read off one evaluation, and the mean over seeds.

What is the same for any net stands here. A paper whose evaluations read layers by name has measures of its own, which
say what nets they read and which layers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from repro.claim.config import RunConfig
from repro.claim.evaluation import Evaluation, Options
from repro.claim.overlays import Layers
from repro.claim.problems import Problem
from repro.claim.resolve import images, training_images
from repro.claim.scalars import Fraction, Name, Share
from repro.questions.arms import OneArm
from repro.questions.base import Claim
from repro.questions.effect_rule import Directed, Least
from repro.questions.errors import OF_POINTS
from repro.questions.observations import Arm
from repro.questions.run_measure import RunMeasure
from repro.questions.statistics import Effect, mean_of
from repro.questions.units import DIFFERENCE, Unit, points, typeset
from repro.store import Run, Table

if TYPE_CHECKING:
    from repro.questions.evaluation_sections import PageParts


class EvaluationMeasure(RunMeasure):
    """One value that is read off an evaluation of a finished run.

    A subclass's fields but `value` are the evaluation's options, which are recorded with it and part of its id.
    """

    if TYPE_CHECKING:

        @property
        def value(self) -> str: ...

    judged_by: ClassVar[tuple[str, ...]] = ("change", "difference")
    is_evaluation: ClassVar = True
    ending: ClassVar = ", points"
    pictured: ClassVar = False  # whether its page parts are pictures that redo a figure of the paper
    described: ClassVar[str]  # how the evaluation is made; its options in braces

    @property
    def metric(self) -> str:
        """The value's name among those of all evaluations."""
        return f"{self.kind}.{self.value}"

    def mistakes(self, claim: Claim, layers: Layers) -> list[Problem]:
        """Return what the claim's net and data lack of what the evaluation reads."""
        data = claim.data
        if data.crop is None:
            text = f"measure.kind: {self.kind} evaluates nets that read crops; expected data.crop"
            return [layers.problem(("measure", "kind"), text)]
        if text := self.lacking(claim):
            return [layers.problem(("measure", "kind"), f"measure.kind: {self.kind} {text}")]
        test, train = images(data)[1], training_images(data)
        at_most = {
            "photos": test, "queries": test, "gallery": train, "nearest": getattr(self, "gallery", None) or train,
        }  # fmt: skip
        out = []
        for key, most in at_most.items():
            if (asked := getattr(self, key, None)) is not None and asked > most:
                text = f"measure.{key}: found {asked}; expected at most {most}, the photos there are"
                out.append(layers.problem(("measure", key), text))
        return out

    def lacking(self, claim: Claim) -> str:
        """Return what the claim's net lacks for this evaluation, as a message goes on after the kind; empty if it lacks
        nothing."""
        return ""

    def evaluation_of(self, claim: Claim, config: RunConfig, epochs: float) -> Evaluation:
        options = Options.model_validate(self.model_dump(exclude={"value"}))
        return Evaluation(run=config, epoch=ceil(epochs), options=options)

    def value_of(self) -> str:
        return self.value

    def written(self, claim: Claim, value: float) -> str:
        return typeset(points(value))

    def followed(self) -> str:
        return "test_error"

    def measured(self, claim: Claim) -> str:
        when = "at the end of the run" if claim.train.plateau else f"after {claim.train.epochs} epochs"
        return f"{self.description()} Each net is evaluated once, {when}."

    def description(self) -> str:
        """Return how the evaluation is made, with the claim's own options."""
        return self.described.format(**self.model_dump())

    @abstractmethod
    def page_parts(self, id: str, runs: Mapping[int, Run]) -> PageParts:
        """Return what a page has of these evaluations, by seed; `id` begins the ids of drawings."""


class TenViewsMeasure(EvaluationMeasure):
    """What ten views bring; the errors themselves are the measure `final`."""

    kind: Literal["ten_views"] = Field(description="the measure")
    value: Literal["gain", "gain_top5"] = Field(
        description="how much lower the error is in ten views than in the centre view, in one answer or five"
    )

    names: ClassVar = {
        "ten_views.gain": "gain of ten views over the centre view",
        "ten_views.gain_top5": "top-5 gain of ten views over the centre view",
    }
    described: ClassVar = (
        "Each net answers twice for every test photo: from the centre view, and with the mean of its softmax outputs "
        "over ten views (the corners, the centre and their reflections). The measure is how much lower the second "
        "error is."
    )

    def page_parts(self, id: str, runs: Mapping[int, Run]) -> PageParts:
        from repro.questions import evaluation_sections  # drawn by pages alone

        return evaluation_sections.ten_views(id, runs)


class ThinnedNets(EvaluationMeasure):
    """A net against thinned ones."""

    kind: Literal["thinned_nets"] = Field(description="the measure")
    masks: int = Field(ge=2, le=100_000, description="thinned nets that are drawn")
    photos: int | None = Field(None, ge=1, description="the first so many test photos; all of them by default")
    value: Literal["excess", "excess_arithmetic"] = Field(
        description="error of the net with halved outputs less that of the thinned nets' geometric, or arithmetic, mean"
    )

    names: ClassVar = {
        "thinned_nets.excess": "error of the halved net minus that of the thinned nets' geometric mean",
        "thinned_nets.excess_arithmetic": "error of the halved net minus that of the thinned nets' arithmetic mean",
    }
    described: ClassVar = (
        "{masks:,} thinned nets are drawn from each net: every hidden unit of both dropout layers is kept with the "
        "probability used in training. For every test photo the softmax outputs of the thinned nets are averaged "
        "geometrically (and arithmetically), and compared with those of the single net whose hidden outputs are "
        "multiplied by that probability. The measure is the error of the single net minus that of the average."
    )

    def page_parts(self, id: str, runs: Mapping[int, Run]) -> PageParts:
        from repro.questions import evaluation_sections  # drawn by pages alone

        return evaluation_sections.thinned_nets(id, runs)


class Neighbours(EvaluationMeasure):
    """How alike neighbours are."""

    kind: Literal["neighbours"] = Field(description="the measure")
    nearest: int = Field(ge=1, description="neighbours of each test photo")
    queries: int | None = Field(None, ge=1, description="the first so many test photos; all of them by default")
    gallery: int | None = Field(None, ge=1, description="training photos, of each class in proportion; all by default")
    value: Literal["gain"] = Field(
        description="the share of the layer's neighbours that are of the photo's class, less that of the pixels'"
    )

    layer: ClassVar[str]  # whose outputs are compared
    described: ClassVar = (
        "For every test photo the {nearest} nearest training photos are found by Euclidean distance, once between the "
        "outputs of {layer} and once between the pixels. Precision is the share of them that have the photo's class. "
        "The measure is the precision by {layer} minus that by pixels."
    )

    def name(self) -> str:
        return f"precision of {self.layer}'s neighbours minus that of the pixels' neighbours"

    def description(self) -> str:
        return self.described.format(layer=self.layer, **self.model_dump())

    def page_parts(self, id: str, runs: Mapping[int, Run]) -> PageParts:
        from repro.questions import evaluation_sections  # drawn by pages alone

        return evaluation_sections.neighbours(self.layer, runs)


class Change(Directed, OneArm):
    """One arm's measure where that is a difference already, of one net evaluated in two ways; a fraction of images."""

    kind: Literal["change"] = Field(description="the effect")
    of: list[Name] = Field(min_length=1, max_length=1, description="the arm")
    paper: Share | None = Field(description="the paper's number; null where it prints none")
    within: list[Share | None] = Field(
        min_length=2, max_length=2, description="the band that counts as the same number; null at an end that is open"
    )
    least: Least | None = Field(None, description="the smallest effect that bears it out, where the rule gives another")
    direction: Literal["above 0", "below 0", "none"] = Field(
        description="the paper's direction; none: it says that there is no effect, and the band is what counts as none"
    )
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")

    power: ClassVar = "exact"

    @property
    def unit(self) -> Unit:
        return DIFFERENCE

    def others_number(self) -> tuple[float, float, str]:
        return OF_POINTS

    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        return mean_of(arms[0].observations, self.confidence, DIFFERENCE)

    def effect_sentence(self, claim: Claim, effect: Effect) -> str:
        assert effect.estimate is not None
        return f"The {claim.measure.goal(claim)} is {points(effect.estimate)} points ({effect.sure})."

    def axis_title(self, claim: Claim, of_one: bool) -> str:
        return f"{claim.measure.name()}{', difference' * (not of_one)}, percentage points"
