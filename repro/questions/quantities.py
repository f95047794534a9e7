"""What can be counted of data sets and of numbers on record, and how a count is compared with what is printed.

Closed models. Quantities of a net are in its paper's folder.
"""

from __future__ import annotations

from math import log2, sqrt
from typing import Annotated, Literal

from pydantic import Field

from repro.claim.config import Closed
from repro.claim.counts import Count, Quantity, product, summed, written
from repro.claim.scalars import Number, Positive, Text
from repro.data.known import KNOWN

Z = 1.959964  # of a two-sided 95 % interval of the normal distribution

Percent = Annotated[float, Field(gt=0, lt=100)]


class Crops(Quantity):
    """Different patches of an image."""

    kind: Literal["crops"] = Field(description="the quantity")
    image: Number = Field(description="side of the image")
    crop: Number = Field(description="side of the patch")
    reflections: bool = Field(description="whether mirrored patches count too")

    def count(self) -> Count:
        """Count the places of the patch."""
        side = self.image - self.crop + 1
        mirrored = [2] if self.reflections else []
        line = f"{self.image} - {self.crop} + 1 = {side}; {product(side, side, *mirrored)}"
        return Count(side**2 * (2 if self.reflections else 1), line)


class Bits(Quantity):
    """What a label tells, in bits."""

    kind: Literal["bits"] = Field(description="the quantity")
    classes: Number = Field(description="classes, equally likely")

    def count(self) -> Count:
        """Take the logarithm of the number of classes."""
        value = log2(self.classes)
        return Count(value, f"log2 {self.classes:,} = {written(value)}", "bits")


class Total(Quantity):
    """The sum of printed numbers."""

    kind: Literal["total"] = Field(description="the quantity")
    of: list[Number] = Field(min_length=2, description="the numbers")

    def count(self) -> Count:
        """Add the numbers."""
        return Count(sum(self.of), summed(self.of))


class Quotient(Quantity):
    """One number on record over another."""

    kind: Literal["quotient"] = Field(description="the quantity")
    of: list[Annotated[float, Field(ge=0)]] = Field(min_length=2, max_length=2, description="[numerator, denominator]")

    def count(self) -> Count:
        """Return the quotient. ValueError where the denominator is 0."""
        over, under = self.of
        if under == 0:
            raise ValueError("nothing can be divided by 0")
        return Count(over / under, f"{written(over)} / {written(under)} = {written(over / under)}", "to 1")


class SetSize(Quantity):
    """Images of a set's split."""

    kind: Literal["set_size"] = Field(description="the quantity")
    set: Literal["ilsvrc2010", "ilsvrc2012"] = Field(description="which set")
    split: Literal["train", "test"] = Field(description="which split; test: the one that measures")

    def count(self) -> Count:
        """Return the known size."""
        known = KNOWN[self.set]
        value = known.train if self.split == "train" else known.test
        return Count(value, f"{known.title}: {value:,}", "images")


class PerClass(Quantity):
    """Training images a class, on average."""

    kind: Literal["per_class"] = Field(description="the quantity")
    set: Literal["ilsvrc2010", "ilsvrc2012"] = Field(description="which set")

    def count(self) -> Count:
        """Divide the known size by the number of classes."""
        known = KNOWN[self.set]
        value = known.train / len(known.classes)
        return Count(value, f"{known.train:,} / {len(known.classes):,} = {written(value)}", "images")


class OnRecord(Quantity):
    """A number that is on record; the fact's `source` says where."""

    kind: Literal["on_record"] = Field(description="the quantity")
    value: Positive = Field(description="the number")

    def count(self) -> Count:
        """Return the number."""
        return Count(self.value, f"on record: {written(self.value)}")


class SmallestDifference(Quantity):
    """The least difference of two error rates that their sets can show, in percentage points."""

    kind: Literal["smallest_difference"] = Field(description="the quantity")
    error: Percent = Field(description="about how large the error rates are, in percent")
    images: list[Number] = Field(min_length=2, max_length=2, description="images of the two sets")

    def count(self) -> Count:
        """Return the least difference that can be told from none with confidence 95 %, each rate on its own images."""
        p, n, m = self.error / 100, *self.images
        one = 100 * sqrt(p * (1 - p) / n + p * (1 - p) / m)
        spread = f"{written(p)} × {written(1 - p)}"
        line = f"100 × sqrt({spread} / {n:,} + {spread} / {m:,}) = {one:.3f}; 1.96 × {one:.3f} = {Z * one:.2f}"
        return Count(Z * one, line, "points")


class RecordedDifference(Quantity):
    """The distance of two error rates on record, in percentage points, with its interval."""

    kind: Literal["difference"] = Field(description="the quantity")
    errors: list[Percent] = Field(min_length=2, max_length=2, description="the two error rates, in percent")
    images: list[Number] = Field(min_length=2, max_length=2, description="images that each was counted on")

    def count(self) -> Count:
        """Return the distance with its 95 % interval, each rate on its own images."""
        (a, b), (n, m) = self.errors, self.images
        one = sqrt(a * (100 - a) / n + b * (100 - b) / m)
        apart = abs(a - b)
        low, high = max(0.0, apart - Z * one), apart + Z * one
        line = f"{a:g} - {b:g} = {a - b:+.3g}; one standard error {one:.3f}; 95 %: {low:.2f} to {high:.2f} apart"
        return Count(round(apart, 9), line, "points", low, high)


GENERAL: tuple[type[Quantity], ...] = (
    Crops, Bits, Total, Quotient, SetSize, PerClass, OnRecord, SmallestDifference, RecordedDifference,
)  # fmt: skip


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


Comparison = Equals | Rounded | About | Bound | FineEnough
COMPARISONS: tuple[type[Closed], ...] = (Equals, Rounded, About, Bound, FineEnough)
