"""The nets of the paper, of its CIFAR-10 experiments and of Caffe, with their options as claims write them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from repro.claim.config import later
from repro.claim.model import TabledNet
from repro.claim.problems import nearest
from repro.claim.scalars import Number
from repro.nets import tables
from repro.papers.alexnet2012 import alexnet, cuda_convnet
from repro.papers.alexnet2012.alexnet import Layer, Norms, Pooling, Reading, Towers


class AlexNet(TabledNet):
    """The net of the paper."""

    kind: Literal["alexnet"] = Field(description="table of layers, or a net of a library as it is")
    reading: Reading = Field("paper", description="as printed, or as the released source does (source.md 1)")
    towers: Towers = Field(
        "two", description="two that meet in some layers (§3.2), or one, or two apart; dense conv2: met in layer 2"
    )
    norms: Norms = Field("both", description="local response normalisation (§3.3)")
    pooling: Pooling = Field("3/2", description="size/stride of the poolings (§3.4)")
    dropout: float = Field(0.5, ge=0, lt=1, description="probability of being dropped in fc6 and fc7 (§4.2)")
    bias: float = Field(1.0, ge=0, description="initial bias of conv2, 4, 5 and the hidden fc layers (§5)")
    without: list[Layer] = Field(default_factory=list, max_length=1, description="a convolution left out (§7)")
    conv6: bool = Field(False, description="a sixth convolution over the last pooling (§6)")
    halved: bool = later(False, description="outputs of fc6 and fc7 times 0.5 in place of dropout: no noise (assumed)")

    @property
    def title(self) -> str:
        """The net's name in sentences."""
        return "the paper's net"

    def table(self, classes: int) -> tuple[tables.Row, ...]:
        """Build the table of layers for `classes` classes."""
        options = self.model_dump(exclude={"kind", "init", "without"})
        return alexnet.table(classes=classes, without=tuple(self.without), **options)

    def mistakes(self) -> list[tuple[str, str]]:
        """Return a mistake if halved outputs are combined with dropout."""
        if not (self.halved and self.dropout):
            return []
        return [("halved", f"stands in place of dropout; expected model.dropout 0 beside it, found {self.dropout:g}")]


class CaffeNet(TabledNet):
    """BVLC's AlexNet in Caffe."""

    kind: Literal["bvlc_alexnet"] = Field(description="table of layers, or a net of a library as it is")

    @property
    def title(self) -> str:
        """The net's name in sentences."""
        return "the AlexNet of Caffe"

    def table(self, classes: int) -> tuple[tables.Row, ...]:
        """Build the table of layers for `classes` classes."""
        return alexnet.caffe(classes=classes, width=self.width, activation=self.activation)


class CudaConvnet(TabledNet):
    """A CIFAR-10 net of cuda-convnet."""

    kind: Literal["cuda_convnet_18pct", "cuda_convnet_19pct", "cuda_convnet_80sec"] = Field(
        description="table of layers, or a net of a library as it is"
    )
    maps: dict[str, Number] = later({}, description="by hidden layer, its maps or units in place of the published ones")

    @property
    def title(self) -> str:
        """The net's name in sentences."""
        name = self.kind.rpartition("_")[2].replace("pct", " % net").replace("sec", "-second net")
        return f"cuda-convnet's {name}"

    def table(self, classes: int) -> tuple[tables.Row, ...]:
        """Build the table of layers for `classes` classes."""
        return cuda_convnet.table(classes=classes, **self.model_dump(exclude={"init"}))

    def recorded(self) -> dict[str, Any]:
        """Return the net's part of a run's configuration, without layers of the published size."""
        published = self._published()
        other = {layer: maps for layer, maps in self.maps.items() if maps != published[layer]}
        return self.model_copy(update={"maps": other}).model_dump(exclude={"init"})

    def mistakes(self) -> list[tuple[str, str]]:
        """Return a mistake for each layer of `maps` that the net does not have."""
        hidden = list(self._published())
        return [
            (f"maps.{layer}", "no such hidden layer" + (nearest(layer, hidden) or f"; expected {', '.join(hidden)}"))
            for layer in self.maps
            if layer not in hidden
        ]

    def _published(self) -> dict[str, int]:
        *hidden, _ = tables.weighted(cuda_convnet.table(self.kind))
        return {row.name: tables.outputs(row) for row in hidden}


class Local13(CudaConvnet):
    """The 13 % net: two convolutions and two locally connected layers."""

    kind: Literal["cuda_convnet_conv_local_13pct"] = Field(
        description="table of layers, or a net of a library as it is"
    )  # type: ignore[assignment]
    # Not recorded at 3/2, because the first recorded ids of this net are older than the option.
    pooling: Pooling = later("3/2", description="size/stride of the poolings (§3.4)")


class Local11(Local13):
    """The 11 % net: the 13 % net with two norms across maps."""

    kind: Literal["cuda_convnet_conv_local_11pct"] = Field(
        description="table of layers, or a net of a library as it is"
    )  # type: ignore[assignment]
    norms: cuda_convnet.Norms = Field("both", description="local response normalisation (§3.3)")


NETS = (AlexNet, CaffeNet, CudaConvnet, Local13, Local11)
