"""Questions on AlexNet alone: measures of evaluations that read its layers by name. `repro.contents` lists them.

The evaluations themselves are computed in `repro.papers.alexnet2012.evaluations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import Field

from repro.papers.alexnet2012.nets import AlexNet
from repro.questions.base import Claim
from repro.questions.evaluations import EvaluationMeasure, Neighbours, ThinnedNets
from repro.questions.observations import Arm
from repro.store import Run

if TYPE_CHECKING:
    from repro.questions.evaluation_sections import PageParts


class OfAlexNet(EvaluationMeasure):
    """A measure whose evaluation reads layers of AlexNet by name."""

    def lacking(self, claim: Claim) -> str:
        if not isinstance(claim.model, AlexNet):
            return f"reads layers of alexnet by name; found model.kind {claim.model.kind}"
        return self.lacking_in(claim.model)

    def lacking_in(self, net: AlexNet) -> str:
        """Return what an AlexNet with the claim's options lacks, as `lacking` does."""
        return ""


class ThinnedNetsMeasure(OfAlexNet, ThinnedNets):
    """A net against thinned ones."""

    masks: int = Field(1000, ge=2, le=100_000, description="thinned nets that are drawn (the catalogue: up to 1000)")

    def lacking_in(self, net: AlexNet) -> str:
        return "" if net.dropout else "needs a net with dropout; found model.dropout 0"


class NeighboursMeasure(OfAlexNet, Neighbours):
    """How alike neighbours are."""

    nearest: int = Field(6, ge=1, description="neighbours of each test photo (Figure 4 shows six)")
    value: Literal["gain"] = Field(
        description="the share of fc7's neighbours that are of the photo's class, less that of the pixels' neighbours"
    )

    layer: ClassVar = "fc7"  # the last hidden layer, whose 4096 outputs Figure 4 compares (§6.1)


class KernelsMeasure(OfAlexNet):
    """Whether the towers' kernels differ."""

    kind: Literal["kernels"] = Field(description="the measure")
    permutations: int = Field(10_000, ge=100, description="times kernels are permuted between the towers (assumed)")
    new: float = Field(
        0.1, gt=0, lt=1, description="a kernel counts once so much of its energy is not its initial noise (assumed)"
    )
    value: Literal["p"] = Field(
        description="the share of permutations under which the towers differ at least as much in colour"
    )

    judged_by: ClassVar[tuple[str, ...]] = ("count",)
    pictured: ClassVar = True
    ending: ClassVar = ""
    shows: ClassVar = "the towers' kernels differ in colour"
    names: ClassVar = {"kernels.p": "p of the towers' difference in colour"}
    described: ClassVar = (
        "What is left of a kernel's initial noise is subtracted first; the rest is what it has learned. Its chroma "
        "share is the part of its energy off the grey axis: 0 for a grey kernel, 2/3 for noise. A kernel counts if "
        "{new:.0%} or more of its energy is learned. The difference between the towers' mean shares, without its sign, "
        "is compared with the differences after {permutations:,} permutations of the kernels between the towers; p is "
        "the share of arrangements, the observed one included, with a difference at least as large."
    )

    def lacking_in(self, net: AlexNet) -> str:
        if net.towers != "one half" and "conv1" not in net.without:
            return ""
        return f"compares conv1 of two towers; found model.towers {net.towers}"

    def written(self, claim: Claim, value: float) -> str:
        return f"{value:.2g}"

    def mean(self, arm: Arm) -> None:
        """Return None: a mean of p values has no meaning."""

    def page_parts(self, id: str, runs: Mapping[int, Run]) -> PageParts:
        from repro.papers.alexnet2012 import figure3  # drawn by pages alone

        return figure3.page_parts(runs)


MEASURES: Final = (ThinnedNetsMeasure, KernelsMeasure, NeighboursMeasure)
