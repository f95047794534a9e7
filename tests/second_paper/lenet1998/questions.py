"""What may be asked of LeNet-5 beside what may be asked of any net: how strong the kernels of C1 have become."""

from typing import ClassVar, Literal

from pydantic import Field
from repro.papers.lenet1998.nets import LeNet5

from repro.questions.base import Claim
from repro.questions.evaluations import EvaluationMeasure


class FirstKernels(EvaluationMeasure):
    """How far the kernels of C1 lie from zero."""

    kind: Literal["first_kernels"] = Field(description="the measure")
    value: Literal["spread"] = Field(description="the standard deviation of all weights of C1")

    judged_by: ClassVar[tuple[str, ...]] = ("change", "difference")
    names: ClassVar = {"first_kernels.spread": "spread of the weights of C1"}
    described: ClassVar = "The measure is the standard deviation of all weights of C1."

    def lacking(self, claim: Claim) -> str:
        return "" if isinstance(claim.model, LeNet5) else f"reads c1 of lenet5; found {claim.model.kind}"


MEASURES = (FirstKernels,)
