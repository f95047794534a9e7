"""What can be counted without training: a value with the arithmetic that made it, and the model of what is counted.

Each paper has quantities of its own nets (`Paper.quantities`); those of data sets and of numbers on record are in
`repro.questions.quantities`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, prod

from repro.claim.config import Closed
from repro.nets import tables

Value = float | bool | tuple[int, ...]


@dataclass(frozen=True)
class Count:
    """`value` in `unit`, and how it came about. `low` and `high`: the range that the data leave open, if they do."""

    value: Value
    arithmetic: str
    unit: str = ""
    low: float | None = None
    high: float | None = None


class Quantity(Closed):
    """What is counted; a field `kind`, a Literal, names it."""

    @abstractmethod
    def count(self) -> Count:
        """Count it. ValueError where there is nothing of that name, or the options do not go together."""


@dataclass(frozen=True)
class ListedNet:
    """A net whose layers pages list: its title, rows, the image that enters it ([channels, height, width]), how it
    rounds the sides of its maps, and a remark on it, with names in backticks."""

    title: str
    rows: tuple[tables.Row, ...]
    image: tables.Shape
    rounding: tables.Rounding = ceil
    remark: str = ""


def written(value: Value, unit: str = "") -> str:
    """Return a value for people: thousands apart, four digits of what is not whole, `96 × 11 × 11 × 3`, `yes`."""
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
    """Return `55 × 55 × 96`."""
    return " × ".join(written(factor) for factor in factors)


def product(*factors: int) -> str:
    """Return `55 × 55 × 96 = 290,400`."""
    return f"{times(*factors)} = {prod(factors):,}"


def summed(parts: Iterable[int]) -> str:
    """Return `1 + 2 = 3`."""
    parts = list(parts)
    return f"{' + '.join(f'{part:,}' for part in parts)} = {sum(parts):,}"
