"""What claims may count of the net of the paper, as closed models; `repro.papers.alexnet2012.facts` does the sums."""

from __future__ import annotations

from math import floor
from typing import Final, Literal

from pydantic import Field

from repro.claim.counts import Count, ListedNet, Quantity
from repro.claim.scalars import Number
from repro.papers.alexnet2012 import alexnet, facts
from repro.papers.alexnet2012.facts import IMAGE, Way

Weighted = Literal["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
Pooling = Literal["pool1", "pool2", "pool5"]
Norm = Literal["lrn1", "lrn2"]


class OfNet(Quantity):
    """A quantity of the 2012 net and its ablations."""

    reading: alexnet.Reading = Field("source", description="which text the net follows: paper, or released source")
    towers: alexnet.Towers = Field("two", description="towers of the net (§3.2)")
    norms: alexnet.Norms = Field("both", description="normalisation layers (§3.3)")
    pooling: alexnet.Pooling = Field("3/2", description="pooling; 2/2 is with #147's paddings (source.md 1, 33)")

    @property
    def rows(self) -> alexnet.Rows:
        """The net's table of layers."""
        return alexnet.table(self.reading, towers=self.towers, norms=self.norms, pooling=self.pooling)


class Whole(OfNet):
    """A count over the whole net."""

    kind: Literal["inputs", "activated", "norms"] = Field(description="the quantity")

    def count(self) -> Count:
        """Count inputs, layers with a non-linearity, or norms."""
        counts = {"inputs": facts.inputs, "activated": facts.activated, "norms": facts.norms}
        return counts[self.kind](self.rows)


class OfLayers(OfNet):
    """A count over all layers with weights, or of one of them."""

    kind: Literal["parameters", "neurons"] = Field(description="the quantity")
    layer: Weighted | None = Field(None, description="one layer; all by default")

    def count(self) -> Count:
        """Count weights with biases, or outputs."""
        count = facts.parameters if self.kind == "parameters" else facts.neurons
        return count(self.rows, self.layer)


class Share(OfNet):
    """The part of all parameters that one layer holds, in percent."""

    kind: Literal["share"] = Field(description="the quantity")
    layer: Weighted = Field(description="which layer")

    def count(self) -> Count:
        """Return the share."""
        return facts.share(self.rows, self.layer)


class OfConvolution(OfNet):
    """A convolution's kernels (how many, height, width, depth) or stride."""

    kind: Literal["kernels", "stride"] = Field(description="the quantity")
    layer: alexnet.Layer = Field(description="which convolution")

    def count(self) -> Count:
        """Return the kernels' shape, or the stride."""
        count = facts.kernels if self.kind == "kernels" else facts.stride
        return count(self.rows, self.layer)


class OutputSide(OfNet):
    """The side of a layer's maps."""

    kind: Literal["output_side"] = Field(description="the quantity")
    layer: alexnet.Layer | Pooling = Field(description="which convolution or pooling")
    rounding: Way = Field("up", description="up: the last window may reach beyond (source.md 1, 1); down: it may not")
    pool: int | None = Field(None, gt=0, le=3, description="size of all pooling windows, nothing else changed")

    def count(self) -> Count:
        """Return the side."""
        return facts.output_side(self.rows, self.layer, self.rounding, self.pool)


class OfNorm(OfNet):
    """What a norm across maps sums over, and where it stands."""

    kind: Literal["norm_maps", "norm_follows_activation"] = Field(description="the quantity")
    layer: Norm = Field(description="which norm")

    def count(self) -> Count:
        """Count the maps, or answer whether a non-linearity stands before the norm."""
        count = facts.norm_maps if self.kind == "norm_maps" else facts.norm_follows_activation
        return count(self.rows, self.layer)


class NormConstant(OfNet):
    """A constant of the formula of §3.3."""

    kind: Literal["norm_constant"] = Field(description="the quantity")
    layer: Norm = Field(description="which norm")
    constant: Literal["k", "n", "alpha", "beta"] = Field(description="which constant")

    def count(self) -> Count:
        """Return the constant."""
        return facts.norm_constant(self.rows, self.layer, self.constant)


class Relative(OfNet):
    """A net's size in percent of the whole net's."""

    kind: Literal["relative"] = Field(description="the quantity")
    of: Literal["parameters", "multiply_adds"] = Field(description="what is counted")

    def count(self) -> Count:
        """Return the percentage."""
        return facts.relative(self.rows, self.of)


class Memory(OfNet):
    """Bytes of training, in GB of 2^30."""

    kind: Literal["memory"] = Field(description="the quantity")
    batch: Number = Field(description="images per update")

    def count(self) -> Count:
        """Return the size with the range that is left open."""
        return facts.memory(self.rows, self.batch)


QUANTITIES: Final[tuple[type[Quantity], ...]] = (
    Whole, OfLayers, Share, OfConvolution, OutputSide, OfNorm, NormConstant, Relative, Memory,
)  # fmt: skip
# The nets whose layers a page may show, line under line.
LISTED: Final = {
    "paper": ListedNet("2012, as printed", alexnet.PAPER, IMAGE),
    "source": ListedNet("2012, as released", alexnet.SOURCE, IMAGE),
    "torchvision": ListedNet(
        "torchvision",
        alexnet.TORCHVISION,
        IMAGE,
        floor,
        remark="What the name `alexnet` means in torchvision is a later variant of the net of 2012, with one tower and "
        "fewer kernels.",
        uniform=True,
    ),
}
