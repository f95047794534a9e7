"""What the pages draw of effects: intervals against the band, the paper's number and no effect.

Functions take plain numbers and return drawings; nothing is computed but positions.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, isinf, log10

from repro.report.svg import (
    ACCENT,
    GROUND,
    INK,
    MUTED,
    NARROW,
    PLAIN,
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

_LINE, _LETTER = 46, 6.5  # letters of a line in a narrow drawing; pixels of one, in 12 px (assumed, from the font)
ACROSS: Spec = {"x": number("x"), "x2": {"field": "end"}}  # of a row with `x` and `end`


@dataclass(frozen=True)
class Axis:
    """How an effect is drawn: its scale (log, linear), no effect, the paper's number and band; `endless`: a band that
    stands for any size ends where the drawing does."""

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
    """One effect with its interval (an open side is infinite, or 0 below a ratio), its seeds, and words beside it."""

    estimate: float | None
    low: float
    high: float
    seeds: dict[int, float]
    label: str = ""
    value: str = ""


def _domain(axis: Axis, rows: Sequence[Row]) -> tuple[float, float]:
    """What the axis spans: no effect, the band, the paper and every finite end, with a margin."""
    values = [] if axis.none is None else [axis.none]
    values += [axis.band[0]] + ([axis.band[1]] if axis.paper is None else [axis.paper, axis.band[1]])
    for row in rows:
        ends = [v for v in (row.low, row.high, *row.seeds.values()) if not isinf(v)]
        values += [v for v in ends if v > 0 or axis.kind != "log"]
    if axis.endless:
        most = 3 * max(v for v in values if v != axis.band[1])
        values = [min(v, most) for v in values]
    low, high = min(values), max(values)
    if axis.kind == "log":
        margin = (high / low) ** 0.08
        return low / margin, high * margin
    return low - 0.08 * (high - low), high + 0.08 * (high - low)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers on a log axis: the more of them, the shorter the axis."""
    span = high / low
    if span < 1.4:  # nearly a linear axis: the round numbers of one
        step = 0.05 * 10.0 ** round(log10(high))
        return [round(i * step, 9) for i in range(ceil(low / step), floor(high / step) + 1)]
    steps = (1, 2, 5) if span > 40 else (1, 2, 3, 4, 6, 8) if span > 4 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    decades = range(int(log10(low)) - 1, int(log10(high)) + 2)
    return [tick for d in decades for s in steps if low <= (tick := round(s * 10.0**d, 9)) <= high]


def _middle(axis: Axis, low: float, high: float) -> float:
    return (low * high) ** 0.5 if axis.kind == "log" else (low + high) / 2


def _side(axis: Axis, place: float, low: float, high: float, words: str, width: int) -> str:
    """On which side of its place a label stands, so that it stays in a drawing of so many pixels."""
    at, ends = (log10(place), (log10(low), log10(high))) if axis.kind == "log" else (place, (low, high))
    left = width * (at - ends[0]) / (ends[1] - ends[0])
    half = _LETTER * len(words) / 2
    return "left" if left < half else "right" if width - left < half else "center"


def interval(id: str, title: str, alt_text: str, axis: Axis, rows: Sequence[Row]) -> Drawing:
    """Effects with their intervals against the band, the paper's number and no effect; each seed a dot."""
    low, high = _domain(axis, rows)
    worded = any(row.label for row in rows)
    step = 6 if max(len(row.seeds) for row in rows) <= 8 else 3.5  # pixels between one seed's dot and the next
    band = max(axis.band[0], low), min(axis.band[1], high)
    lines = [(axis.paper, ACCENT, [1, 0], 1.5, axis.paper_label)] if axis.paper is not None else []
    if axis.none is not None and axis.none != axis.paper:
        lines.append((axis.none, MUTED, [2, 3], 1, axis.none_label))
    ticks: Spec = {"values": log_ticks(low, high)} if axis.kind == "log" else {"tickCount": 6}

    def build(width: int, hover: bool) -> Spec:
        beside = worded and width > 400  # words in columns of their own, or else above each interval
        top = 22.0  # below the line of words above
        places = []
        for row in rows:
            places.append(top + (30 if worded and not beside else 18))
            top = places[-1] + 14 + step * len(row.seeds)
        bottom = top + 6
        tall: Spec = {"y": {"value": 18}, "y2": {"value": bottom}}
        middle = _middle(axis, *band)
        side = _side(axis, middle, low, high, axis.band_label, width)
        layers = [
            layer([{"x": band[0], "end": band[1]}], "rect", ACROSS | tall, color=TINT),
            label({"datum": middle}, {"value": bottom + 10}, axis.band_label, ACCENT, align=side),
        ]
        for place, color, dash, thick, words in lines:
            stroke = {"color": color, "strokeDash": dash, "strokeWidth": thick}
            layers.append(layer([{"x": place}], "rule", {"x": number("x"), **tall}, **stroke))
            weight = "bold" if color == ACCENT else "normal"
            side = _side(axis, place, low, high, words, width)
            layers.append(label({"datum": place}, {"value": 9}, words, color, align=side, fontWeight=weight))
        for row, at in zip(rows, places, strict=True):
            layers += _row(row, at, step, low, high, hover)
            if beside:
                left: Spec = {"align": "right", "dx": -12, "fontWeight": "bold"}
                layers.append(label({"value": 0}, {"value": at}, row.label, INK, **left))
                layers.append(label({"value": "width"}, {"value": at}, row.value, INK, dx=12))
            elif worded:
                words = f"{row.label}: {row.value}"
                halo = {"stroke": GROUND, "strokeWidth": 5, "strokeJoin": "round"}  # lines stop short of the words
                layers.append(label({"value": 0}, {"value": at - 15}, words, GROUND, **halo))
                layers.append(label({"value": 0}, {"value": at - 15}, words, INK))
        title = textwrap.wrap(axis.title, _LINE) if width <= NARROW else axis.title
        x_axis = {"title": title, "grid": False, "offset": 18, "labelExpr": PLAIN, **ticks}
        x = {"scale": {"type": axis.kind, "domain": [low, high], "nice": False}, "axis": x_axis}
        return chart(layers, x, {"scale": None, "axis": None}, width, bottom)

    return draw(id, title, alt_text, build)


def _row(row: Row, at: float, step: float, low: float, high: float, hover: bool) -> list[Spec]:
    """One interval at `at` pixels from the top, and its seeds below it; an open side ends in an arrow."""
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


def small(id: str, alt_text: str, axis: Axis, row: Row) -> Drawing:
    """The same in a line of text, 240 pixels wide: no words, no axis."""
    low, high = _domain(axis, [row])
    tall: Spec = {"y": {"value": 0}, "y2": {"value": 26}}
    none, stated = ([x for x in (place,) if x is not None] for place in (axis.none, axis.paper))
    layers = [
        layer([{"x": max(axis.band[0], low), "end": min(axis.band[1], high)}], "rect", ACROSS | tall, color=TINT),
        *(layer([{"x": x}], "rule", {"x": number("x"), **tall}, color=MUTED, strokeDash=[2, 2]) for x in none),
        *(layer([{"x": x}], "rule", {"x": number("x"), **tall}, color=ACCENT, strokeWidth=1.5) for x in stated),
        *_row(replace(row, seeds={}), 13, 0, low, high, hover=False),
    ]
    x = {"scale": {"type": axis.kind, "domain": [low, high], "nice": False}, "axis": None}
    drawn = chart(layers, x, {"scale": None, "axis": None}, 240, 26) | {"padding": 0, "autosize": "none"}
    return Drawing(id, "The interval", alt_text, {"wide": drawn}, {})
