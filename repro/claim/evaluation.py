"""How a finished run may be looked at, and what a claim reads off that: closed models, told apart by their `kind`.

A look's options are part of an evaluation's address; the value that a claim reads off it is not, so that claims share
evaluations. Every look is taken in test mode, of the run's own test photos.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import Field

from repro.claim.config import Closed, RunConfig, canonical, hashed


class TenViews(Closed):
    """The softmax outputs of ten views averaged, beside those of the centre view (§4.1)."""

    kind: Literal["ten_views"] = Field(description="the measure")


class ThinnedNets(Closed):
    """Nets thinned by masks of both hidden fully-connected layers against the one net whose outputs are halved (§4.2).

    A mask is drawn for a whole net: what is averaged are the answers of so many of the exponentially many nets.
    """

    kind: Literal["thinned_nets"] = Field(description="the measure")
    masks: int = Field(1000, ge=2, le=100_000, description="thinned nets that are drawn (the catalogue: up to 1000)")
    photos: int | None = Field(None, ge=1, description="the first so many test photos; all of them by default")


class Kernels(Closed):
    """The kernels of conv1 by tower (§6.1, Figure 3): how much of what they learned is colour, and whether the towers
    differ in it."""

    kind: Literal["kernels"] = Field(description="the measure")
    permutations: int = Field(10_000, ge=100, description="times kernels are permuted between the towers (assumed)")
    new: float = Field(
        0.1, gt=0, lt=1, description="a kernel counts once so much of its energy is not its initial noise (assumed)"
    )


class Neighbours(Closed):
    """The nearest training photos of test photos, by the 4096 outputs of fc7 and by pixels (§6.1, Figure 4)."""

    kind: Literal["neighbours"] = Field(description="the measure")
    nearest: int = Field(6, ge=1, description="neighbours of each test photo (Figure 4 shows six)")
    queries: int | None = Field(None, ge=1, description="the first so many test photos; all of them by default")
    gallery: int | None = Field(None, ge=1, description="training photos, of each class in proportion; all by default")


class ShiftedColours(Closed):
    """Test photos lighter, darker or of other colours: shifted along each principal component of the training photos'
    colours, both ways (§4.1: intensity and colour of the illumination)."""

    kind: Literal["shifted_colours"] = Field(description="the measure")
    by: float = Field(
        0.3, gt=0, le=2, description="the shift, in deviations of a component; the source's noise has 0.1 (assumed)"
    )


Look = Annotated[TenViews | ThinnedNets | Kernels | Neighbours | ShiftedColours, Field(discriminator="kind")]


class Evaluation(Closed):
    """A finished run looked at in some way: the run, the epoch after which, and the look with its options.

    `epoch`: that which the run was to be trained to; one that the plateau rule ended sooner is looked at there.
    """

    run: RunConfig
    epoch: int
    look: Look

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits, as a run's."""
        return hashed(f'{{"epoch":{self.epoch},"look":{canonical(self.look)},"run":{self.run.text}}}')


_TEN: Final = TenViews(kind="ten_views")
_SHIFTED: Final = ShiftedColours.model_validate({"kind": "shifted_colours"})
# The look that a metric of the measure `final` is read off, where the run itself does not show it.
OF_FINAL: Final[dict[str, TenViews | ShiftedColours]] = {
    "views_error": _TEN,
    "views_top5": _TEN,
    "shifted_error": _SHIFTED,
    "shifted_rise": _SHIFTED,
}
