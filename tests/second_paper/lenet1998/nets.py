"""LeNet-5 as a table of layers (§II.B), every map of C3 reading all maps of S2."""

from typing import Literal

from pydantic import Field

from repro.claim.model import TabledNet
from repro.nets.tables import Activation, Conv, Dense, Pool, Row

IMAGE = (1, 32, 32)  # §II.B
Subsampling = Literal["average", "max"]


def table(
    *, classes: int, subsampling: Subsampling = "average", activation: str = "tanh", width: float = 1.0
) -> tuple[Row, ...]:
    """Return the rows; the defaults are the net of the paper without its coefficients of sub-sampling."""

    def maps(count: int) -> int:
        return max(1, round(count * width))

    return (
        Conv("c1", maps(6), size=5, pad=0, std=0.1, decay=0.0),  # 28 x 28
        Activation(activation),
        Pool("s2", subsampling, size=2),  # 14 x 14
        Conv("c3", maps(16), size=5, pad=0, std=0.1, decay=0.0),  # 10 x 10
        Activation(activation),
        Pool("s4", subsampling, size=2),  # 5 x 5
        Conv("c5", maps(120), size=5, pad=0, std=0.05, decay=0.0),  # 1 x 1
        Activation(activation),
        Dense("f6", maps(84), std=0.1, decay=0.0),
        Activation(activation),
        Dense("output", classes, std=0.1, decay=0.0),
    )


class LeNet5(TabledNet):
    """LeNet-5, with an option of its own."""

    kind: Literal["lenet5"] = Field(description="the net")
    activation: Literal["relu", "tanh", "logistic"] = Field("tanh", description="squashing function (§II.B)")
    subsampling: Subsampling = Field("average", description="what a sub-sampling layer makes of 2 x 2 units (§II.B)")

    def table(self, classes: int) -> tuple[Row, ...]:
        """Make the table of layers."""
        return table(classes=classes, subsampling=self.subsampling, activation=self.activation, width=self.width)
