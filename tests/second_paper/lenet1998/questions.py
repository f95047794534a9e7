"""What may be asked of LeNet-5 beside what may be asked of any net: how far the weights of C1 spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from repro.papers.lenet1998.nets import LeNet5

from repro.questions.base import Claim
from repro.questions.evaluations import EvaluationMeasure
from repro.store import Run

if TYPE_CHECKING:
    from repro.questions.evaluation_sections import PageParts


class FirstKernels(EvaluationMeasure):
    """How far the weights of C1 spread."""

    kind: Literal["first_kernels"] = Field(description="the measure")
    value: Literal["spread"] = Field(description="the standard deviation of all weights of C1")

    names: ClassVar = {"first_kernels.spread": "spread of the weights of C1"}
    described: ClassVar = "The measure is the standard deviation of all weights of C1."

    def lacking(self, claim: Claim) -> str:
        return "" if isinstance(claim.model, LeNet5) else f"reads c1 of lenet5; found {claim.model.kind}"

    def page_parts(self, id: str, runs: Mapping[int, Run]) -> PageParts:
        from repro.draw.parts import Grid
        from repro.questions.evaluation_sections import PageParts

        rows = tuple((str(seed), f"{run.values['spread']:.3f}") for seed, run in sorted(runs.items()))
        return PageParts("Weights of C1", "", (Grid("Their spread by seed", ("seed", "deviation"), rows),))


MEASURES = (FirstKernels,)
