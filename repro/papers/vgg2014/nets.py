"""The net of the paper with its options as claims write them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from repro.claim.model import TabledNet
from repro.nets import tables
from repro.papers.vgg2014 import vgg


class VGG11(TabledNet):
    """The net of 11 layers, their configuration A."""

    kind: Literal["vgg11"] = Field(description="table of layers, or a net of a library as it is")
    norms: vgg.Norms = Field("none", description="local response normalisation after the first convolution (§2.1)")
    dropout: float = Field(0.5, ge=0, lt=1, description="probability of being dropped in fc6 and fc7 (§3.1)")

    @property
    def title(self) -> str:
        """The net's name in sentences."""
        return "the paper's net"

    def table(self, classes: int) -> tuple[tables.Row, ...]:
        """Build the table of layers for `classes` classes."""
        return vgg.table(classes=classes, **self.model_dump(exclude={"kind", "init"}))
