"""What can be counted of LeNet-5."""

from typing import Literal

from pydantic import Field
from repro.papers.lenet1998.nets import IMAGE, table

from repro.claim.counts import Count, Quantity, times
from repro.nets import tables


class TrainableParameters(Quantity):
    """The trainable parameters of one layer."""

    kind: Literal["trainable_parameters"] = Field(description="the quantity")
    layer: Literal["c1", "c5", "f6"] = Field(description="which layer")

    def count(self) -> Count:
        """Count weights and biases."""
        rows = table(classes=10)
        shape = tables.weight_shapes(rows, IMAGE)[self.layer]
        total = tables.parameters(rows, IMAGE)[self.layer]
        return Count(total, f"{times(*shape)} + {shape[0]} = {total:,}")
