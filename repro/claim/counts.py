"""Quantities that can be counted without training: a value with its arithmetic, and the model of a quantity.

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
    """A value in `unit` with its arithmetic. `low` and `high`: bounds of the value if the data do not determine it."""

    value: Value
    arithmetic: str
    unit: str = ""
    low: float | None = None
    high: float | None = None


class Quantity(Closed):
    """What is counted; a field `kind`, a Literal, names it."""

    @abstractmethod
    def count(self) -> Count:
        """Count the quantity. Raises ValueError for an unknown name or for options that exclude each other."""


@dataclass(frozen=True)
class ListedNet:
    """A net whose layers pages list: its title, rows, the image that enters it ([channels, height, width]), how it
    rounds the sides of its maps, and a remark on it, with names in backticks. `uniform`: initial weights and biases are
    drawn from -1 / sqrt(fan-in) to 1 / sqrt(fan-in), as torch does."""

    title: str
    rows: tuple[tables.Row, ...]
    image: tables.Shape
    rounding: tables.Rounding = ceil
    remark: str = ""
    uniform: bool = False


def written(value: Value, unit: str = "") -> str:
    """Format a value: `1,234`, fractions with four digits, tuples as `96 × 11 × 11 × 3`, booleans as `yes` or `no`."""
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
    """Format a product without its result: `55 × 55 × 96`."""
    return " × ".join(written(factor) for factor in factors)


def product(*factors: int) -> str:
    """Format a product with its result: `55 × 55 × 96 = 290,400`."""
    return f"{times(*factors)} = {prod(factors):,}"


def summed(parts: Iterable[int]) -> str:
    """Format a sum with its result: `1 + 2 = 3`."""
    parts = list(parts)
    return f"{' + '.join(f'{part:,}' for part in parts)} = {sum(parts):,}"
