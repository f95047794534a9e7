"""What can be counted of nets and sets, and how a count is compared with what is printed: closed models."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag

from repro.claim.config import Closed
from repro.claim.scalars import Number, Positive, Text
from repro.papers.alexnet2012 import alexnet
from repro.papers.alexnet2012.facts import Way

Weighted = Literal["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
Pooling = Literal["pool1", "pool2", "pool5"]
Norm = Literal["lrn1", "lrn2"]
Percent = Annotated[float, Field(gt=0, lt=100)]


class Quantity(Closed):
    """What is counted."""


class OfNet(Quantity):
    """A quantity of the 2012 net and its ablations."""

    reading: alexnet.Reading = Field("source", description="which text the net follows: paper, or released source")
    towers: alexnet.Towers = Field("two", description="towers of the net (§3.2)")
    norms: alexnet.Norms = Field("both", description="normalisation layers (§3.3)")
    pooling: alexnet.Pooling = Field("3/2", description="pooling; 2/2 is with #147's paddings (source.md 1, 33)")


class Whole(OfNet):
    """A count over the whole net."""

    kind: Literal["inputs", "activated", "norms"] = Field(description="the quantity")


class OfLayers(OfNet):
    """A count over all layers with weights, or of one of them."""

    kind: Literal["parameters", "neurons"] = Field(description="the quantity")
    layer: Weighted | None = Field(None, description="one layer; all by default")


class Share(OfNet):
    """The part of all parameters that one layer holds, in percent."""

    kind: Literal["share"] = Field(description="the quantity")
    layer: Weighted = Field(description="which layer")


class OfConvolution(OfNet):
    """A convolution's kernels (how many, height, width, depth) or stride."""

    kind: Literal["kernels", "stride"] = Field(description="the quantity")
    layer: alexnet.Layer = Field(description="which convolution")


class OutputSide(OfNet):
    """The side of a layer's maps."""

    kind: Literal["output_side"] = Field(description="the quantity")
    layer: alexnet.Layer | Pooling = Field(description="which convolution or pooling")
    rounding: Way = Field("up", description="up: the last window may reach beyond (source.md 1, 1); down: it may not")
    pool: int | None = Field(None, gt=0, le=3, description="size of all pooling windows, nothing else changed")


class OfNorm(OfNet):
    """What a norm across maps sums over, and where it stands."""

    kind: Literal["norm_maps", "norm_follows_activation"] = Field(description="the quantity")
    layer: Norm = Field(description="which norm")


class NormConstant(OfNet):
    """A constant of the formula of §3.3."""

    kind: Literal["norm_constant"] = Field(description="the quantity")
    layer: Norm = Field(description="which norm")
    constant: Literal["k", "n", "alpha", "beta"] = Field(description="which constant")


class NormRatio(OfNet):
    """A norm's output over that of the printed formula."""

    kind: Literal["norm_ratio"] = Field(description="the quantity")
    layer: Norm = Field(description="which norm")
    activity: Positive = Field(description="of each of the n maps in the sum")


class Relative(OfNet):
    """A net's size in percent of the whole net's."""

    kind: Literal["relative"] = Field(description="the quantity")
    of: Literal["parameters", "multiply_adds"] = Field(description="what is counted")


class Memory(OfNet):
    """Bytes of training, in GB of 2^30."""

    kind: Literal["memory"] = Field(description="the quantity")
    batch: Number = Field(description="images per update")


class Crops(Quantity):
    """Different patches of an image."""

    kind: Literal["crops"] = Field(description="the quantity")
    image: Number = Field(description="side of the image")
    crop: Number = Field(description="side of the patch")
    reflections: bool = Field(description="whether mirrored patches count too")


class Bits(Quantity):
    """What a label tells, in bits."""

    kind: Literal["bits"] = Field(description="the quantity")
    classes: Number = Field(description="classes, equally likely")


class Total(Quantity):
    """The sum of printed numbers."""

    kind: Literal["total"] = Field(description="the quantity")
    of: list[Number] = Field(min_length=2, description="the numbers")


class Quotient(Quantity):
    """One number on record over another."""

    kind: Literal["quotient"] = Field(description="the quantity")
    of: list[Annotated[float, Field(ge=0)]] = Field(min_length=2, max_length=2, description="[numerator, denominator]")


class SetSize(Quantity):
    """Images of a set's split."""

    kind: Literal["set_size"] = Field(description="the quantity")
    set: Literal["ilsvrc2010", "ilsvrc2012"] = Field(description="which set")
    split: Literal["train", "test"] = Field(description="which split; test: the one that measures")


class PerClass(Quantity):
    """Training images a class, on average."""

    kind: Literal["per_class"] = Field(description="the quantity")
    set: Literal["ilsvrc2010", "ilsvrc2012"] = Field(description="which set")


class OnRecord(Quantity):
    """A number that is on record; the fact's `source` says where."""

    kind: Literal["on_record"] = Field(description="the quantity")
    value: Positive = Field(description="the number")


class SmallestDifference(Quantity):
    """The least difference of two error rates that their sets can show, in percentage points."""

    kind: Literal["smallest_difference"] = Field(description="the quantity")
    error: Percent = Field(description="about how large the error rates are, in percent")
    images: list[Number] = Field(min_length=2, max_length=2, description="images of the two sets")


class RecordedDifference(Quantity):
    """The distance of two error rates on record, in percentage points, with its interval."""

    kind: Literal["difference"] = Field(description="the quantity")
    errors: list[Percent] = Field(min_length=2, max_length=2, description="the two error rates, in percent")
    images: list[Number] = Field(min_length=2, max_length=2, description="images that each was counted on")


class Equals(Closed):
    """The same, to the last digit."""

    kind: Literal["equals"] = Field(description="the comparison")


class Rounded(Closed):
    """What is printed is the count, rounded."""

    kind: Literal["rounded"] = Field(description="the comparison")
    unit: Positive = Field(description="of the last printed digit")
    why: Text = Field(description="why this much is allowed")


class About(Closed):
    """What is printed is said to be approximate."""

    kind: Literal["about"] = Field(description="the comparison")
    share: Annotated[float, Field(gt=0, lt=1)] = Field(description="of the printed number that it may be off")
    why: Text = Field(description="why this much is allowed")


class Bound(Closed):
    """What is printed is a bound; a bound is not rounded."""

    kind: Literal["at most", "more than"] = Field(description="the comparison")


class FineEnough(Closed):
    """Whether data can show what is printed; where not, nothing follows for the sentence."""

    kind: Literal["fine enough"] = Field(description="the comparison")


Quantities = (
    Whole | OfLayers | Share | OfConvolution | OutputSide | OfNorm | NormConstant | NormRatio | Relative | Memory
    | Crops | Bits | Total | Quotient | SetSize | PerClass | OnRecord | SmallestDifference | RecordedDifference
)  # fmt: skip
Comparisons = Equals | Rounded | About | Bound | FineEnough


def _kinds(models: Any) -> dict[str, str]:
    return {kind: f"<{m.__name__}>" for m in models.__args__ for kind in m.model_fields["kind"].annotation.__args__}


_TAGS: Final = {"quantity": _kinds(Quantities), "compare": _kinds(Comparisons)}


def _tag(which: str) -> Any:
    def tag(value: Any) -> str:
        kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
        return _TAGS[which].get(kind, "<none>") if isinstance(kind, str) else "<none>"

    return Discriminator(tag)


def tagged(models: Any, which: str) -> Any:
    """The union with a tag for each model, in angle brackets as in `repro.claim.kinds`."""
    first, *rest = (Annotated[model, Tag(f"<{model.__name__}>")] for model in models.__args__)
    union: Any = first
    for model in rest:
        union = union | model
    return Annotated[union, _tag(which)]
