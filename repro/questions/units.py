"""Units of effects, and how their values are written: ratios, points, errors, shares of runs, images/s.

The one place that knows how an effect of a kind is printed, drawn and reckoned with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, isinf, log


def times(value: float) -> str:
    """Return a ratio with three digits: `6.59`."""
    return "any" if isinf(value) else f"{value:.3g}"


def images(rate: float) -> str:
    """Return images/s with three digits, and whole ones: `1,234`."""
    return f"{rate:.3g}" if rate < 1000 else f"{rate:,.0f}"


def points(fraction: float) -> str:
    """Return a difference of fractions as signed percentage points: `+0.35`."""
    return f"{100 * fraction:+.2f}"


def _digits(value: float) -> str:
    """Return an end of an interval with three digits, trailing zeros among them: `6.00`."""
    return f"{value:#.3g}" if abs(value) < 100 else images(value)


def signed(value: float) -> str:
    """Return a number with its sign, as few digits as it has, for a page: `−0.5`."""
    return f"{value:+g}".replace("-", "−")


def typeset(text: str) -> str:
    """Return a number's text with a minus sign in place of its hyphen, for a page."""
    return text.replace("-", "−")


@dataclass(frozen=True)
class Unit:
    """How effects of one kind are written. `none`: the value without an effect, where there is one; `drawn_by`: what
    its axis multiplies values by; `to_scale` and `from_scale`: the scale on which its intervals are symmetric.
    """

    name: str
    none: float | None
    drawn_by: float
    written: Callable[[float], str]  # as few digits as it has
    printed: Callable[[float], str]  # the same for a page, as the paper prints it
    bound: Callable[[float], str]  # an end of a band, without the unit where a band has it once
    short: Callable[[float], str]  # an effect that was found, with its digits
    interval: Callable[[float, float], str]
    ending: str = ""  # the unit of a band, behind its ends
    logarithmic: bool = False
    lowest: float = -inf  # an open end below
    most: float = inf  # the largest value that there is

    def to_scale(self, value: float) -> float:
        """Return the value on the scale on which intervals are symmetric."""
        return log(value) if self.logarithmic else value

    def from_scale(self, value: float) -> float:
        """Return the value from that scale."""
        return exp(value) if self.logarithmic else value

    def doubled(self, value: float) -> float:
        """Return twice an effect, of a ratio its square, and no more than there can be."""
        return min(self.from_scale(2 * self.to_scale(value)), self.most)

    def size(self, value: float) -> str:
        """Return an effect's size for people: `2.45`, `+0.7 points`, `80 % of runs`."""
        return times(value) if self is RATIO else self.written(round(value, 6))

    def printed_band(self, low: float, high: float) -> str:
        """Return a band as a page prints it, the unit once: `+0.2 to +1.2 points`."""
        if high == inf:
            return f"{self.bound(low)}{self.ending} and more"
        if low == self.lowest:
            return f"up to {self.bound(high)}{self.ending}"
        return f"{self.bound(low)} to {self.bound(high)}{self.ending}"


def _ratio_interval(low: float, high: float) -> str:
    if isinf(high):
        return f"more than {times(low)}"
    return f"less than {times(high)}" if low == 0 else f"{_digits(low)} to {_digits(high)}"


def _plain(value: float) -> str:
    return f"{value:g}"


def _percent(value: float) -> str:
    return f"{100 * value:g} %"


def _rounded(value: float) -> str:
    return f"{round(100 * value, 4):g} %"


def _signed(value: float) -> str:
    return signed(round(100 * value, 4))


def _points(value: float) -> str:
    return "point" if abs(round(100 * value, 4)) == 1 else "points"


RATIO = Unit("ratio", 1.0, 1, _plain, _plain, _plain, times, _ratio_interval, logarithmic=True, lowest=0.0)
DIFFERENCE = Unit(
    "difference",
    0.0,
    100,
    lambda v: f"{100 * v:+g} {_points(v)}",
    lambda v: f"{_signed(v)} {_points(v)}",
    _signed,
    lambda v: f"{typeset(points(v))} points",
    lambda low, high: f"{points(low)} to {points(high)}",
    " points",
)
VALUE = Unit(
    "value", None, 100, _percent, _rounded, _rounded, lambda v: f"{100 * v:.2f} %",
    lambda low, high: f"{100 * low:.2f} to {100 * high:.2f}",
)  # fmt: skip
COUNT = Unit(
    "count", None, 100, lambda v: f"{100 * v:g} % of runs", lambda v: f"{_rounded(v)} of runs", _rounded,
    lambda v: f"{100 * v:.0f} %", lambda low, high: f"{100 * low:.0f} to {100 * high:.0f}", " of runs", most=1.0,
)  # fmt: skip
RATE = Unit(
    "rate", None, 1, lambda v: f"{images(v)} images/s", lambda v: f"{images(v)} images/s", images,
    lambda v: f"{images(v)} images/s", lambda low, high: f"{_digits(low)} to {_digits(high)}", " images/s",
    logarithmic=True,
)  # fmt: skip


def seed_list(values: list[int], what: str = "seed") -> str:
    """Return `seeds 0 to 4`, `seeds 3 and 5` or `seed 7`; `what`: the word in place of `seed`."""
    runs = f"{values[0]} to {values[-1]}"
    whole = len(values) > 2 and values == list(range(values[0], values[-1] + 1))
    return f"{what}{'s' * (len(values) > 1)} {runs if whole else listed([str(v) for v in values])}"


def capital(text: str) -> str:
    """Return a text with its first letter large; the others stay as they are."""
    return text[:1].upper() + text[1:]


def listed(values: list[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}" if values else ""
