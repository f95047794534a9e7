"""Small line plots of one run as SVG, drawn here without Vega: a page for each of hundreds of runs must cost little.

A plot is as wide as a small screen, so that one drawing serves every width. Colours are CSS variables.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from repro.draw.svg import INK, MUTED

WIDTH, HEIGHT = 342, 210  # pixels: a 390 px screen less its margins
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 30, 38  # around the plot, for its words
_LETTER = 6.2  # pixels of a letter in 12 px (assumed, from the font)
_DASHES = ("", "5 3", "1.5 2.5")  # of the lines in their order
_DOTS = 12  # points up to which each is drawn as a dot too

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One line of a plot: its name and its points (x, y) in order."""

    name: str
    points: Points


@dataclass(frozen=True)
class Plot:
    """Lines over one axis. `alt`: the finding in words; `percent`: y are shares; `top`: y above it is cut off."""

    id: str
    title: str
    alt: str
    x_title: str
    lines: tuple[Line, ...]
    percent: bool = False
    top: float | None = None


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers from `low` to `high`, at most `most` + 1 of them, and at least one where the two differ."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(power * by for by in (1, 2, 2.5, 5, 10) if power * by >= rough * (1 - 1e-9))
    first = -floor(-low / step + 1e-9)
    return [round((first + i) * step, 12) for i in range(most + 2) if (first + i) * step <= high + 1e-9 * step]


def svg(plot: Plot) -> str:
    """Return a plot as an `<svg>` element, its title and words inside for those who do not see it."""
    xs = [x for line in plot.lines for x, _ in line.points]
    ys = [y for line in plot.lines for _, y in line.points]
    assert xs, "a plot has points"
    low_x, high_x = min(0.0, *xs), max(xs)
    high = min(max(ys), plot.top) if plot.top is not None else max(ys)
    low = 0.0 if plot.percent or min(ys) < 0.4 * high else min(ys)
    pad = 0.05 * (high - low) or 0.05 * (abs(high) or 1)
    low, high = (0.0 if low == 0 else low - pad), high + pad

    def x(value: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (value - low_x) / ((high_x - low_x) or 1)

    def y(value: float) -> float:
        return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - (min(value, high) - low) / (high - low))

    root = ET.Element("svg", {
        "viewBox": f"0 0 {WIDTH} {HEIGHT}", "width": str(WIDTH), "height": str(HEIGHT), "role": "img",
        "aria-labelledby": f"{plot.id}-title {plot.id}-desc",
    })  # fmt: skip
    for tag, words in (("title", plot.title), ("desc", plot.alt)):
        ET.SubElement(root, tag, {"id": f"{plot.id}-{tag}"}).text = words
    _axes(root, plot, [(x(t), f"{t:g}") for t in ticks(low_x, high_x, 6)],
          [(y(t), f"{100 * t:g} %" if plot.percent else f"{t:g}") for t in ticks(low, high, 4)])  # fmt: skip
    place = float(_LEFT)
    for line, dash in zip(plot.lines, _DASHES * len(plot.lines), strict=False):
        style = {"fill": "none", "stroke": INK, "stroke-width": "1.4"} | ({"stroke-dasharray": dash} if dash else {})
        points = [(x(a), y(b)) for a, b in line.points]
        if len(points) > 1:
            ET.SubElement(root, "path", {"d": _path(points)} | style)
        if len(points) <= _DOTS:
            for a, b in points:
                ET.SubElement(root, "circle", {"cx": _short(a), "cy": _short(b), "r": "2.2", "fill": INK})
        if len(plot.lines) > 1:  # a legend above the plot
            ET.SubElement(root, "path", {"d": f"M{_short(place)} 12h22"} | style)
            _text(root, place + 28, 16, line.name)
            place += 28 + _LETTER * len(line.name) + 18
    return ET.tostring(root, encoding="unicode")


def _axes(root: ET.Element, plot: Plot, across: list[tuple[float, str]], up: list[tuple[float, str]]) -> None:
    """Draw the axis below, its ticks with their numbers, and a line across for each number on the left."""
    bottom = HEIGHT - _BOTTOM
    for place, words in up:
        ET.SubElement(root, "path", {"d": f"M{_LEFT} {_short(place)}H{WIDTH - _RIGHT}", "stroke": "var(--hair)"})
        _text(root, _LEFT - 6, place + 4, words, "end")
    ET.SubElement(root, "path", {"d": f"M{_LEFT} {bottom}H{WIDTH - _RIGHT}", "stroke": "var(--rule)"})
    for place, words in across:
        ET.SubElement(root, "path", {"d": f"M{_short(place)} {bottom}v4", "stroke": "var(--rule)"})
        _text(root, place, bottom + 17, words, "middle")
    _text(root, (_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 4, plot.x_title, "middle")


def _text(root: ET.Element, x: float, y: float, words: str, anchor: str = "") -> None:
    about = {"x": _short(x), "y": _short(y), "fill": MUTED, "font-size": "12"}
    ET.SubElement(root, "text", about | ({"text-anchor": anchor} if anchor else {})).text = words


def _path(points: Points) -> str:
    """Return a line through points as path data; a tenth of a pixel is enough."""
    places = [f"{_short(x)} {_short(y)}" for x, y in points]
    return f"M{'L'.join(dict.fromkeys(places))}"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
