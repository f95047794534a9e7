"""Quantities with the arithmetic that made them, written out from the same numbers: those that need no net.

`repro.papers.alexnet2012.facts` has those of the net, and finds both by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import log2, prod, sqrt

from repro.data.known import KNOWN

Z = 1.959964  # of a two-sided 95 % interval of the normal distribution

Value = float | bool | tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """`value` in `unit`, and how it came about. `low` and `high`: the range that the data leave open, if they do."""

    value: Value
    arithmetic: str
    unit: str = ""
    low: float | None = None
    high: float | None = None


def shown(value: Value, unit: str = "") -> str:
    """A value for people: thousands apart, four digits of what is not whole, `96 × 11 × 11 × 3`, `yes`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return times(*value)
    if value == int(value):
        text = f"{int(value):,}"
    elif abs(value) < 1e-3:
        text = f"{value:.12f}".rstrip("0")
    else:
        text = f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def times(*factors: float) -> str:
    """`55 × 55 × 96`."""
    return " × ".join(shown(factor) for factor in factors)


def product(*factors: int) -> str:
    """`55 × 55 × 96 = 290,400`."""
    return f"{times(*factors)} = {prod(factors):,}"


def summed(parts: Iterable[int]) -> str:
    """`1 + 2 = 3`."""
    parts = list(parts)
    return f"{' + '.join(f'{part:,}' for part in parts)} = {sum(parts):,}"


def crops(image: int, crop: int, reflections: bool) -> Found:
    """Different patches of an image."""
    side = image - crop + 1
    value = side**2 * (2 if reflections else 1)
    return Found(value, f"{image} - {crop} + 1 = {side}; {product(side, side, *([2] if reflections else []))}")


def bits(classes: int) -> Found:
    """What one label of so many equally likely classes tells."""
    value = log2(classes)
    return Found(value, f"log2 {classes:,} = {shown(value)}", "bits")


def total(of: list[int]) -> Found:
    """The sum of printed numbers."""
    return Found(sum(of), summed(of))


def quotient(of: list[float]) -> Found:
    """One number on record over another."""
    over, under = of
    if under == 0:
        raise ValueError("nothing can be divided by 0")
    return Found(over / under, f"{shown(over)} / {shown(under)} = {shown(over / under)}", "to 1")


def set_size(set: str, split: str) -> Found:
    """Images of a known set's split; `test` is the split that measures."""
    known = KNOWN[set]
    value = known.train if split == "train" else known.test
    return Found(value, f"{known.title}: {value:,}", "images")


def per_class(set: str) -> Found:
    """Training images a class, on average."""
    known = KNOWN[set]
    value = known.train / len(known.classes)
    return Found(value, f"{known.train:,} / {len(known.classes):,} = {shown(value)}", "images")


def on_record(value: float) -> Found:
    """A number that somebody has written down; the fact says where."""
    return Found(value, f"on record: {shown(value)}")


def smallest_difference(error: float, images: list[int]) -> Found:
    """The least difference, in percentage points, by which two error rates near `error` (percent), each counted on
    its own images, can be told from equal ones with confidence 95 %."""
    p, n, m = error / 100, *images
    one = 100 * sqrt(p * (1 - p) / n + p * (1 - p) / m)
    spread = f"{shown(p)} × {shown(1 - p)}"
    line = f"100 × sqrt({spread} / {n:,} + {spread} / {m:,}) = {one:.3f}; 1.96 × {one:.3f} = {Z * one:.2f}"
    return Found(Z * one, line, "points")


def difference(errors: list[float], images: list[int]) -> Found:
    """The distance of two error rates (percent), each counted on its own images, with its 95 % interval."""
    (a, b), (n, m) = errors, images
    one = sqrt(a * (100 - a) / n + b * (100 - b) / m)
    apart = abs(a - b)
    low, high = max(0.0, apart - Z * one), apart + Z * one
    line = f"{a:g} - {b:g} = {a - b:+.3g}; one standard error {one:.3f}; 95 %: {low:.2f} to {high:.2f} apart"
    return Found(round(apart, 9), line, "points", low, high)


COUNTS: dict[str, Callable[..., Found]] = {
    function.__name__: function
    for function in (crops, bits, total, quotient, set_size, per_class, on_record, smallest_difference, difference)
}
