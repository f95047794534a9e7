"""Evaluation of one net: a finished run looked at in two ways, and the mean over seeds of what lies between them."""

from __future__ import annotations

from math import ceil
from typing import ClassVar, Literal

from pydantic import Field, TypeAdapter

from repro.claim.config import RunConfig
from repro.claim.evaluation import Evaluation, Look, Neighbours, TenViews, ThinnedNets
from repro.claim.overlays import Layers
from repro.claim.problems import Problem
from repro.claim.resolve import images, training_images
from repro.claim.scalars import Fraction, Name, Share
from repro.nets import registry
from repro.questions.base import Claim
from repro.questions.errors import OF_POINTS, OneArm
from repro.questions.measure import Measure
from repro.questions.observations import Arm
from repro.questions.rule import Least
from repro.questions.statistics import Effect, mean_of
from repro.questions.units import DIFFERENCE, Unit, points, typeset
from repro.store import Table

_LOOKS: TypeAdapter[Look] = TypeAdapter(Look)  # made once: to make one takes longer than to read with it


class Read(Measure):
    """One value that is read off a look at a finished run."""

    value: str

    judged_by: ClassVar[tuple[str, ...]] = ("change", "difference")
    is_look: ClassVar = True
    ending: ClassVar = ", points"
    in_layers: ClassVar[bool] = True  # it looks into layers by name, which nets of a table have
    described: ClassVar[str]  # how the look is taken; its options in braces

    @property
    def metric(self) -> str:
        """The value's name among those of all looks."""
        return f"{self.kind}.{self.value}"

    def mistakes(self, claim: Claim, layers: Layers) -> list[Problem]:
        """A look finds in the net and its data what it looks at."""
        data, kind = claim.data, claim.model.kind
        if data.crop is None:
            text = f"measure.kind: {self.kind} looks at nets that read crops; expected data.crop"
            return [layers.problem(("measure", "kind"), text)]
        towered = [name for name, options in registry.OPTIONS.items() if "towers" in options]
        if self.in_layers and kind not in towered:
            text = f"measure.kind: {self.kind} looks into layers of {', '.join(towered)}; found model.kind {kind}"
            return [layers.problem(("measure", "kind"), text)]
        if text := self.not_there(claim):
            return [layers.problem(("measure", "kind"), f"measure.kind: {text}")]
        test, train = images(data)[1], training_images(data)
        at_most = {
            "photos": test, "queries": test, "gallery": train, "nearest": getattr(self, "gallery", None) or train,
        }  # fmt: skip
        out = []
        for key, most in at_most.items():
            if (found := getattr(self, key, None)) is not None and found > most:
                text = f"measure.{key}: found {found}; expected at most {most}, the photos there are"
                out.append(layers.problem(("measure", key), text))
        return out

    def not_there(self, claim: Claim) -> str:
        """Return what the net lacks of what is looked at; empty where it has all."""
        return ""

    def evaluation_of(self, claim: Claim, config: RunConfig, epochs: float) -> Evaluation:
        look = _LOOKS.validate_python(self.model_dump(exclude={"value"}))
        return Evaluation(run=config, epoch=ceil(epochs), look=look)

    def value_of(self) -> str:
        return self.value

    def written(self, claim: Claim, value: float) -> str:
        return typeset(points(value))

    def followed(self) -> str:
        return "test_error"

    def measured(self, claim: Claim) -> str:
        when = "at the end of the run" if claim.train.plateau else f"after {claim.train.epochs} epochs"
        return f"{self.described.format(**self.model_dump())} Each net is evaluated once, {when}."


class TenViewsMeasure(TenViews, Read):
    """What ten views bring; the errors themselves are the measure `final`."""

    value: Literal["gain", "gain_top5"] = Field(
        description="how much lower the error is in ten views than in the centre view, in one answer or five"
    )

    in_layers: ClassVar = False
    names: ClassVar = {
        "ten_views.gain": "gain of ten views over the centre view",
        "ten_views.gain_top5": "top-5 gain of ten views over the centre view",
    }
    described: ClassVar = (
        "Each net answers twice for every test photo: from the centre view, and with the mean of its softmax outputs "
        "over ten views (the corners, the centre and their reflections). The measure is how much lower the second "
        "error is."
    )


class ThinnedNetsMeasure(ThinnedNets, Read):
    """A net against thinned ones."""

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

    def not_there(self, claim: Claim) -> str:
        return "" if claim.model.dropout else "thinned_nets needs a net with dropout; found model.dropout 0"


class NeighboursMeasure(Neighbours, Read):
    """How alike neighbours are."""

    value: Literal["gain"] = Field(
        description="the share of fc7's neighbours that are of the photo's class, less that of the pixels' neighbours"
    )

    names: ClassVar = {"neighbours.gain": "precision of fc7's neighbours minus that of the pixels' neighbours"}
    described: ClassVar = (
        "For every test photo the {nearest} nearest training photos are found by Euclidean distance, once between the "
        "outputs of fc7 and once between the pixels. Precision is the share of them that have the photo's class. The "
        "measure is the precision by fc7 minus that by pixels."
    )


class Change(OneArm):
    """One arm's measure where that is a difference already, of one net looked at in two ways; a fraction of images."""

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

    @property
    def unit(self) -> Unit:
        return DIFFERENCE

    def others_number(self) -> tuple[float, float, str]:
        return OF_POINTS

    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        return mean_of(arms[0].observations, self.confidence, DIFFERENCE)

    def found(self, claim: Claim, effect: Effect) -> str:
        assert effect.estimate is not None
        return f"The {claim.measure.goal(claim)} is {points(effect.estimate)} points ({effect.sure})."

    def axis_title(self, claim: Claim, of_one: bool) -> str:
        return f"{claim.measure.name()}{', difference' * (not of_one)}, percentage points"
