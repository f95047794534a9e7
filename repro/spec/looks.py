"""How a finished run may be looked at, and what a claim reads off that: closed models, told apart by their `kind`.

A look's options are part of an evaluation's address; the value that a claim reads off it is not, so that claims share
evaluations. Every look is taken in test mode, of the run's own test photos.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from repro.spec.config import Closed, RunConfig, canonical, hashed


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


class Read(Closed):
    """One value that is read off a look."""

    value: str

    @property
    def metric(self) -> str:
        """The value's name among those of all looks."""
        return f"{self.model_dump()['kind']}.{self.value}"


class TenViewsMeasure(TenViews, Read):
    """What ten views bring; the errors themselves are the measure `final`."""

    value: Literal["gain", "gain_top5"] = Field(
        description="how much lower the error is in ten views than in the centre view, in one answer or five"
    )


class ThinnedNetsMeasure(ThinnedNets, Read):
    """A net against thinned ones."""

    value: Literal["excess", "excess_arithmetic"] = Field(
        description="error of the net with halved outputs less that of the thinned nets' geometric, or arithmetic, mean"
    )


class KernelsMeasure(Kernels, Read):
    """Whether the towers' kernels differ."""

    value: Literal["p"] = Field(
        description="the share of permutations under which the towers differ at least as much in colour"
    )


class NeighboursMeasure(Neighbours, Read):
    """How alike neighbours are."""

    value: Literal["gain"] = Field(
        description="the share of fc7's neighbours that are of the photo's class, less that of the pixels' neighbours"
    )


_TEN: Final = TenViews(kind="ten_views")
_SHIFTED: Final = ShiftedColours.model_validate({"kind": "shifted_colours"})
# The look that a metric of the measure `final` is read off, where the run itself does not show it.
OF_FINAL: Final[dict[str, TenViews | ShiftedColours]] = {
    "views_error": _TEN,
    "views_top5": _TEN,
    "shifted_error": _SHIFTED,
    "shifted_rise": _SHIFTED,
}


_LOOKS: Final[TypeAdapter[Look]] = TypeAdapter(Look)


def look_of(measure: Read) -> Look:
    """The look that a measure is read off: it without the value."""
    return _LOOKS.validate_python(measure.model_dump(exclude={"value"}))


# What is read off a look, as sentences call it, by `Read.metric`.
NAMES: Final = {
    "ten_views.gain": "gain of ten views over the centre view",
    "ten_views.gain_top5": "top-5 gain of ten views over the centre view",
    "thinned_nets.excess": "error of the halved net less that of the thinned nets' geometric mean",
    "thinned_nets.excess_arithmetic": "error of the halved net less that of the thinned nets' arithmetic mean",
    "kernels.p": "p of the towers' difference in colour",
    "neighbours.gain": "precision of fc7's neighbours less that of the pixels' neighbours",
}
