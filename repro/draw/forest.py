"""A forest plot in rows of a table: each effect as a share of the paper's, on one axis for all rows.

0 is no effect, 1 the paper's number; ratios on the log scale. A row is an SVG without words. The lines at 0 and 1 run
through all rows, so the page draws them, at `PLACES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log

from repro.draw.axes import Axis, Row

LOW, HIGH = -0.5, 2.0  # assumed: shares at the ends of the axis; what lies beyond ends in an arrow
WIDTH, HEIGHT, MARGIN = 260, 28, 10  # pixels; margin: for arrows
DOT = 12  # pixels from one counted fact to the next


@dataclass(frozen=True)
class Shares:
    """An effect and its limits as shares of the paper's effect. `least`: the smallest that supports the sentence."""

    estimate: float | None
    low: float
    high: float
    band: tuple[float, float]
    least: float | None


def shares(axis: Axis, row: Row, least: float | None) -> Shares | None:
    """Return an effect as shares of the paper's; None where the paper prints no number other than no effect.

    `row` and `least` are in the unit of the axis.
    """
    if axis.none is None or axis.paper is None or axis.none == axis.paper:
        return None
    to = _log if axis.kind == "log" else float
    none, paper = to(axis.none), to(axis.paper)

    def share(value: float) -> float:
        return (to(value) - none) / (paper - none)

    ends = sorted((share(row.low), share(row.high)))
    band = sorted((share(axis.band[0]), share(axis.band[1])))
    estimate = None if row.estimate is None else share(row.estimate)
    return Shares(estimate, ends[0], ends[1], (band[0], band[1]), None if least is None else share(least))


def _log(value: float) -> float:
    return log(value) if value > 0 else float("-inf")


def place(share: float) -> float:
    """Return how many pixels from the left a share lies; at an end what lies beyond it."""
    inside = min(max(share, LOW), HIGH)
    return round(MARGIN + (WIDTH - 2 * MARGIN) * (inside - LOW) / (HIGH - LOW), 1)


PLACES = {"none": place(0), "paper": place(1)}


def drawing(drawn: Shares, alt: str) -> str:
    """Return the SVG of a row: the band, the smallest supporting effect, the interval and the estimate."""
    middle = HEIGHT / 2
    left, right = place(drawn.low), place(drawn.high)
    parts = [_rect(place(drawn.band[0]), place(drawn.band[1]))]
    if drawn.least is not None and LOW <= drawn.least <= HIGH:
        at = place(drawn.least)
        parts.append(f'<path class="least" d="M{at} {middle - 7}v14"/>')
    parts.append(f'<path class="interval" d="M{left} {middle}H{right}"/>')
    if drawn.low < LOW:
        parts.append(_arrow(place(LOW), -1))
    if drawn.high > HIGH:
        parts.append(_arrow(place(HIGH), 1))
    if drawn.estimate is not None and LOW <= drawn.estimate <= HIGH:
        parts.append(f'<path class="estimate" d="M{place(drawn.estimate)} {middle - 6}l6 6l-6 6l-6 -6z"/>')
    return _svg(parts, alt, WIDTH)


def dots(counts: Sequence[tuple[str, int]], alt: str) -> str:
    """Return the SVG of counted facts, a dot for each: (kind, how many) with the kinds `true`, `false`, `open`."""
    parts, at = [], 0
    for kind, many in counts:
        for _ in range(many):
            x, y = MARGIN + DOT * at, HEIGHT / 2
            cross = f'<path class="cross" d="M{x - 3.5} {y - 3.5}l7 7m0 -7l-7 7"/>'
            parts.append(cross if kind == "false" else f'<circle class="{kind}" cx="{x}" cy="{y}" r="4"/>')
            at += 1
    return _svg(parts, alt, max(WIDTH, 2 * MARGIN + DOT * at))


def _rect(left: float, right: float) -> str:
    return f'<path class="band" d="M{left} 0H{right}V{HEIGHT}H{left}z"/>'


def _arrow(at: float, way: int) -> str:
    return f'<path class="arrow" d="M{at} {HEIGHT / 2 - 5}l{8 * way} 5l{-8 * way} 5z"/>'


def _svg(parts: Sequence[str], alt: str, width: float) -> str:
    head = f'<svg class="forest" viewBox="0 0 {width:g} {HEIGHT}" width="{width:g}" height="{HEIGHT}" role="img"'
    return f'{head} aria-label="{escape(alt)}">{"".join(parts)}</svg>'
