"""Drawings of effects: intervals against the band, the paper's number and no effect.

Functions take plain numbers and return drawings; they compute nothing but positions.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf

from repro.draw.axes import LETTER, Axis, Marks, Row, Span, log_ticks, spanned
from repro.draw.svg import (
    ACCENT,
    GROUND,
    INK,
    MUTED,
    NARROW,
    PLAIN,
    SECOND,
    TINT,
    Drawing,
    Spec,
    chart,
    draw,
    label,
    layer,
    name,
    number,
)

_LINE = 46  # letters of a line in a narrow drawing (assumed, from the font)
_LEADING = 15  # pixels from one line of words to the next (assumed)
_LANE, _LINED = 18, 34  # pixels from one mark to the next, with their words in columns or above (assumed)
ACROSS: Spec = {"x": number("x"), "x2": {"field": "end"}}  # of a row with `x` and `end`


@dataclass(frozen=True)
class _Line:
    """A line across the drawing with its label: the paper's number, or no effect."""

    place: float
    label: str
    color: str
    stroke: Spec

    @property
    def weight(self) -> str:
        return "bold" if self.color == ACCENT else "normal"


@dataclass(frozen=True)
class _Layout:
    """Where the parts of a drawing of intervals stand, in pixels: `plot` is the axis's width, all else from the top."""

    plot: float
    columns: bool  # whether labels stand in columns of their own, not in a line above each interval
    stacked: bool  # whether the labels of the two lines would meet, and stand one above the other
    head: float  # the top of the lines
    rows: list[float]
    marks: list[float]
    bottom: float

    @property
    def tall(self) -> Spec:
        """The extent of what is drawn from the head to the bottom."""
        return {"y": {"value": self.head}, "y2": {"value": self.bottom}}


def interval(
    id: str, title: str, alt_text: str, axis: Axis, rows: Sequence[Row], marks: Sequence[Marks] = ()
) -> Drawing:
    """Return effects with their intervals against the band, the paper's number and no effect; each seed is a dot.

    `marks`: what others measured, muted, a line for each of them below the effects.
    """
    span = Span(axis, *spanned(axis, rows, marks))
    most = max((len(row.seeds) for row in rows), default=0)
    step = 6 if most <= 8 else 3.5  # pixels between one seed's dot and the next
    ticks: Spec = {"values": log_ticks(span.low, span.high)} if axis.kind == "log" else {"tickCount": 6}

    def build(width: int, hover: bool) -> Spec:
        at = _layout(span, rows, marks, width, step)
        layers = [*_band(span, at), *_lines(span, at)]
        for row, top in zip(rows, at.rows, strict=True):
            layers += _row(row, top, step, span.low, span.high, hover)
            if at.columns or _labelled(rows):
                layers += _words(top, row.label or "ours", row.value, INK, at.columns)
        for each, top in zip(marks, at.marks, strict=True):
            layers += _marks(each, top, span.low, span.high)
            layers += _words(top, each.who, each.values, MUTED, at.columns)
        title = textwrap.wrap(axis.title, _LINE) if width <= NARROW else axis.title
        x_axis = {"title": title, "grid": False, "offset": 18, "labelExpr": PLAIN, **ticks}
        x = {"scale": {"type": axis.kind, "domain": [span.low, span.high], "nice": False}, "axis": x_axis}
        return chart(layers, x, {"scale": None, "axis": None}, width, at.bottom)

    return draw(id, title, alt_text, build)


def _labelled(rows: Sequence[Row]) -> bool:
    return any(row.label for row in rows)


def _reference_lines(axis: Axis) -> list[_Line]:
    """Return the lines of the paper's number and of no effect, those of them that there are."""
    lines = []
    if axis.paper is not None:
        stroke = {"color": ACCENT, "strokeDash": [1, 0], "strokeWidth": 1.5}
        lines.append(_Line(axis.paper, axis.paper_label, ACCENT, stroke))
    if axis.none is not None and axis.none != axis.paper:
        stroke = {"color": MUTED, "strokeDash": [2, 3], "strokeWidth": 1}
        lines.append(_Line(axis.none, axis.none_label, MUTED, stroke))
    return lines


def _layout(span: Span, rows: Sequence[Row], marks: Sequence[Marks], width: int, step: float) -> _Layout:
    """Return where everything stands in a drawing of `width` pixels, with `step` pixels for each seed's dot."""
    labelled = _labelled(rows)
    columns = (labelled or bool(marks)) and width > 400
    plot: float = width
    if columns:
        labels = [(row.label, row.value) for row in rows] + [(each.who, each.values) for each in marks]
        plot -= sum(LETTER * max(map(len, column)) + 12 for column in zip(*labels, strict=True))
    ends = [span.label_ends(line.place, line.label, plot) for line in _reference_lines(span.axis)]
    stacked = len(ends) == 2 and ends[0][0] < ends[1][1] + 6 and ends[1][0] < ends[0][1] + 6
    head = 32 if stacked else 18  # below one line of labels, or two
    top = head + 4.0
    places = []
    for row in rows:
        above = 12 + _LEADING * (len(_lined(row.label, row.value)) - 1) if labelled and not columns else 0
        places.append(top + 18 + above)
        top = places[-1] + 14 + step * len(row.seeds)
    lanes: list[float] = []
    for each in marks:
        lane = _LANE if columns else _LINED + _LEADING * (len(_lined(each.who, each.values)) - 1)
        lanes.append((lanes[-1] if lanes else top - 6) + lane)
    bottom = (lanes[-1] + 6 if lanes else top) + 6
    return _Layout(plot, columns, stacked, head, places, lanes, bottom)


def _band(span: Span, at: _Layout) -> list[Spec]:
    """Return the shaded band, as far as it is inside the axis, and its label."""
    axis = span.axis
    low, high = max(axis.band[0], span.low), min(axis.band[1], span.high)
    middle = span.middle(low, high)
    align = span.align(middle, axis.band_label, at.plot)
    return [
        layer([{"x": low, "end": high}], "rect", ACROSS | at.tall, color=TINT),
        label({"datum": middle}, {"value": at.bottom + 10}, axis.band_label, ACCENT, align=align),
    ]


def _lines(span: Span, at: _Layout) -> list[Spec]:
    """Return the reference lines, each with its label above it."""
    out = []
    for i, line in enumerate(_reference_lines(span.axis)):
        out.append(layer([{"x": line.place}], "rule", {"x": number("x"), **at.tall}, **line.stroke))
        align, height = span.align(line.place, line.label, at.plot), 9 + 14 * i * at.stacked
        place = {"datum": line.place}, {"value": height}
        out.append(label(*place, line.label, line.color, align=align, fontWeight=line.weight))
    return out


def _row(row: Row, at: float, step: float, low: float, high: float, hover: bool) -> list[Spec]:
    """Return one interval at `at` pixels from the top with its seeds below it; an open side ends in an arrow."""
    ends = {"x": max(row.low, low), "end": min(row.high, high)}
    out = [layer([ends], "rule", ACROSS | {"y": {"value": at}}, color=INK, strokeWidth=3.5)]
    points = [(ends["x"], "triangle-left", INK)] if row.low < low else []
    points += [(ends["end"], "triangle-right", INK)] if isinf(row.high) else []
    points += [(row.estimate, "diamond", GROUND)] if row.estimate is not None else []
    for value, shape, fill in points:
        style = {"shape": shape, "color": INK, "fill": fill, "strokeWidth": 2, "size": 100, "opacity": 1}
        out.append(layer([{"x": value}], "point", {"x": number("x"), "y": {"value": at}}, **style))
    dots = [{"seed": s, "effect": v, "y": at + 12 + step * i} for i, (s, v) in enumerate(row.seeds.items())]
    tip = {"tooltip": [name("seed"), number("effect") | {"format": ".4~g"}]} if hover else {}
    if dots:
        place = {"x": number("effect"), "y": number("y"), **tip}
        out.append(layer(dots, "circle", place, color=INK, opacity=0.8, size=24))
    return out


def _words(at: float, left: str, right: str, color: str, columns: bool) -> list[Spec]:
    """Return the label and the value of what is drawn at `at` pixels from the top: in columns or in a line above."""
    if columns:
        style: Spec = {"align": "right", "dx": -12, "fontWeight": "bold" if color == INK else "normal"}
        out = [label({"value": 0}, {"value": at}, left, color, **style)]
        return [*out, label({"value": "width"}, {"value": at}, right, color, dx=12)]
    halo: Spec = {"stroke": GROUND, "strokeWidth": 5, "strokeJoin": "round"}  # lines stop short of the words
    lines = _lined(left, right)
    heights = [at - 15 - _LEADING * i for i in reversed(range(len(lines)))]
    return [
        label({"value": 0}, {"value": height}, words, c, **style)
        for c, style in ((GROUND, halo), (color, {}))
        for height, words in zip(heights, lines, strict=True)
    ]


def _lined(left: str, right: str) -> list[str]:
    """Return a label and its value in the lines that they take in a narrow drawing: one where both fit, else two."""
    words = f"{left}: {right}"
    return [words] if len(words) <= _LINE else [f"{left}:", right]


def _marks(each: Marks, at: float, low: float, high: float) -> list[Spec]:
    """Return what somebody else measured, at `at` pixels from the top: a dot, or an arrow to where it lies beyond."""
    out = []
    for place in each.places:
        shape = "triangle-left" if place < low else "triangle-right" if place > high else "circle"
        style = {"shape": shape, "color": SECOND, "fill": GROUND, "strokeWidth": 1.5, "size": 44, "opacity": 1}
        on = {"x": number("x"), "y": {"value": at}}
        out.append(layer([{"x": min(max(place, low), high)}], "point", on, **style))
    return out
