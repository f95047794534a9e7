"""Axes of effects: what they hold, which values they span, and where labels fit on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isinf, log10

LETTER = 6.5  # pixels of a letter in 12 px (assumed, from the font)


@dataclass(frozen=True)
class Axis:
    """How an effect is drawn: its scale (log, linear), no effect, the paper's number and the band. `endless`: an end of
    the band is open, and the band is drawn to the end of the axis."""

    kind: str
    title: str
    none: float | None
    none_label: str
    paper: float | None
    paper_label: str
    band: tuple[float, float]
    band_label: str
    endless: bool = False


@dataclass(frozen=True)
class Row:
    """One effect with its interval (an open side is infinite, or 0 below a ratio), its seeds, its name, its value."""

    estimate: float | None
    low: float
    high: float
    seeds: dict[int, float]
    label: str = ""
    value: str = ""


@dataclass(frozen=True)
class Marks:
    """What somebody else measured: its places on the axis, how they are written, and whose they are."""

    places: tuple[float, ...]
    values: str
    who: str


def domain(axis: Axis, rows: Sequence[Row]) -> tuple[float, float]:
    """Return the ends of an axis for no effect, the band, the paper's number and every finite end of an interval, with
    a margin."""
    values = [] if axis.none is None else [axis.none]
    ends = [end for end in axis.band if not isinf(end) and (end > 0 or axis.kind != "log")]
    values += ends if axis.paper is None else [*ends, axis.paper]
    if axis.endless and axis.none is not None:  # as much of the band as lies before it
        (end,) = ends
        values.append(end * end / axis.none if axis.kind == "log" else 2 * end - axis.none)
    for row in rows:
        ends = [v for v in (row.low, row.high, *row.seeds.values()) if not isinf(v)]
        values += [v for v in ends if v > 0 or axis.kind != "log"]
    low, high = min(values), max(values)
    if axis.kind == "log":
        margin = (high / low) ** 0.08
        return low / margin, high * margin
    return low - 0.08 * (high - low), high + 0.08 * (high - low)


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers for the ticks of a log axis; the shorter the axis, the more of them."""
    span = high / low
    if span < 1.4:  # nearly a linear axis: the round numbers of one
        step = 0.05 * 10.0 ** round(log10(high))
        return [round(i * step, 9) for i in range(ceil(low / step), floor(high / step) + 1)]
    steps = (1, 2, 5) if span > 40 else (1, 2, 3, 4, 6, 8) if span > 4 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    decades = range(int(log10(low)) - 1, int(log10(high)) + 2)
    return [tick for d in decades for s in steps if low <= (tick := round(s * 10.0**d, 9)) <= high]


@dataclass(frozen=True)
class Span:
    """An axis and the values at its ends."""

    axis: Axis
    low: float
    high: float

    def middle(self, low: float, high: float) -> float:
        """Return the value halfway between two values on the axis."""
        return (low * high) ** 0.5 if self.axis.kind == "log" else (low + high) / 2

    def share(self, place: float) -> float:
        """Return how far along the axis a value lies: 0 at its left end, 1 at its right."""
        if self.axis.kind == "log":
            return log10(place / self.low) / log10(self.high / self.low)
        return (place - self.low) / (self.high - self.low)

    def align(self, place: float, words: str, width: float) -> str:
        """Return how a label is aligned at a value, so that it stays in a drawing of so many pixels."""
        left = width * self.share(place)
        half = LETTER * len(words) / 2
        return "left" if left < half else "right" if width - left < half else "center"

    def label_ends(self, place: float, words: str, width: float) -> tuple[float, float]:
        """Return where a label begins and ends, in pixels, in a drawing of so many pixels."""
        wide = LETTER * len(words)
        align = self.align(place, words, width)
        begin = width * self.share(place) - wide * {"left": 0, "center": 0.5, "right": 1}[align]
        return begin, begin + wide


def spanned(axis: Axis, rows: Sequence[Row], marks: Sequence[Marks]) -> tuple[float, float]:
    """Return the ends of the axis, extended to marks that lie off it by no more than its length.

    Marks further off would make an interval look like a dot. Without an interval the axis spans all marks.
    """
    low, high = domain(axis, rows)
    to = log10 if axis.kind == "log" else float
    ends = to(low), to(high)
    span = ends[1] - ends[0]
    places = [to(place) for each in marks for place in each.places]
    near = [place for place in places if not rows or ends[0] - span <= place <= ends[1] + span]
    least = min([ends[0], *(place - 0.05 * span for place in near)])
    most = max([ends[1], *(place + 0.05 * span for place in near)])
    return (10**least, 10**most) if axis.kind == "log" else (least, most)


def beyond(axis: Axis, rows: Sequence[Row], marks: Sequence[Marks]) -> bool:
    """Return whether any mark lies beyond what the axis spans."""
    low, high = spanned(axis, rows, marks)
    return any(not low <= place <= high for each in marks for place in each.places)
