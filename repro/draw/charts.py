"""What the pages draw of effects: intervals against the band, the paper's number and no effect.

Functions take plain numbers and return drawings; nothing is computed but positions.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, isinf, log10

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

_LINE, _LETTER = 46, 6.5  # letters of a line in a narrow drawing; pixels of one, in 12 px (assumed, from the font)
_LANE, _LINED = 18, 34  # pixels from one mark to the next, with their words beside them or above (assumed)
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


@dataclass(frozen=True)
class Marks:
    """What somebody else measured: its places on the axis, how they are written, and whose they are."""

    places: tuple[float, ...]
    values: str
    who: str


def _domain(axis: Axis, rows: Sequence[Row]) -> tuple[float, float]:
    """What the axis spans: no effect, the band, the paper and every finite end, with a margin."""
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


def _share(axis: Axis, place: float, low: float, high: float) -> float:
    """How far along the axis a place lies: 0 at its left end, 1 at its right."""
    if axis.kind == "log":
        return log10(place / low) / log10(high / low)
    return (place - low) / (high - low)


def _side(axis: Axis, place: float, low: float, high: float, words: str, width: float) -> str:
    """On which side of its place a label stands, so that it stays in a drawing of so many pixels."""
    left = width * _share(axis, place, low, high)
    half = _LETTER * len(words) / 2
    return "left" if left < half else "right" if width - left < half else "center"


def _ends(axis: Axis, place: float, low: float, high: float, words: str, width: float) -> tuple[float, float]:
    """Where a label begins and ends in a drawing of so many pixels."""
    wide = _LETTER * len(words)
    side = _side(axis, place, low, high, words, width)
    begin = width * _share(axis, place, low, high) - wide * {"left": 0, "center": 0.5, "right": 1}[side]
    return begin, begin + wide


def _spanned(axis: Axis, rows: Sequence[Row], marks: Sequence[Marks]) -> tuple[float, float]:
    """What the axis spans with those marks that are no further off than it is long: further ones would make an interval
    look like a dot. Without an interval it spans them all."""
    low, high = _domain(axis, rows)
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
    low, high = _spanned(axis, rows, marks)
    return any(not low <= place <= high for each in marks for place in each.places)


def interval(
    id: str, title: str, alt_text: str, axis: Axis, rows: Sequence[Row], marks: Sequence[Marks] = ()
) -> Drawing:
    """Effects with their intervals against the band, the paper's number and no effect; each seed a dot. `marks`: what
    others measured, muted, a line for each of them below the effects."""
    low, high = _spanned(axis, rows, marks)
    worded = any(row.label for row in rows)
    most = max((len(row.seeds) for row in rows), default=0)
    step = 6 if most <= 8 else 3.5  # pixels between one seed's dot and the next
    band = max(axis.band[0], low), min(axis.band[1], high)
    lines = [(axis.paper, ACCENT, [1, 0], 1.5, axis.paper_label)] if axis.paper is not None else []
    if axis.none is not None and axis.none != axis.paper:
        lines.append((axis.none, MUTED, [2, 3], 1, axis.none_label))
    ticks: Spec = {"values": log_ticks(low, high)} if axis.kind == "log" else {"tickCount": 6}

    def build(width: int, hover: bool) -> Spec:
        beside = (worded or bool(marks)) and width > 400  # words in columns of their own, or else in a line above
        plot: float = width
        if beside:
            names = [(row.label, row.value) for row in rows] + [(each.who, each.values) for each in marks]
            plot -= sum(_LETTER * max(map(len, column)) + 12 for column in zip(*names, strict=True))
        ends = [_ends(axis, place, low, high, words, plot) for place, *_, words in lines]
        stacked = len(ends) == 2 and ends[0][0] < ends[1][1] + 6 and ends[1][0] < ends[0][1] + 6
        head = 32 if stacked else 18  # below one line of words, or two where they would meet
        top = head + 4.0
        places = []
        for row in rows:
            places.append(top + (30 if worded and not beside else 18))
            top = places[-1] + 14 + step * len(row.seeds)
        lane = _LANE if beside else _LINED
        lanes = [top + lane - 6 + lane * i for i in range(len(marks))]
        bottom = (lanes[-1] + 6 if lanes else top) + 6
        tall: Spec = {"y": {"value": head}, "y2": {"value": bottom}}
        middle = _middle(axis, *band)
        side = _side(axis, middle, low, high, axis.band_label, plot)
        layers = [
            layer([{"x": band[0], "end": band[1]}], "rect", ACROSS | tall, color=TINT),
            label({"datum": middle}, {"value": bottom + 10}, axis.band_label, ACCENT, align=side),
        ]
        for line, (place, color, dash, thick, words) in enumerate(lines):
            stroke = {"color": color, "strokeDash": dash, "strokeWidth": thick}
            layers.append(layer([{"x": place}], "rule", {"x": number("x"), **tall}, **stroke))
            weight = "bold" if color == ACCENT else "normal"
            side = _side(axis, place, low, high, words, plot)
            height = 9 + 14 * line * stacked
            layers.append(label({"datum": place}, {"value": height}, words, color, align=side, fontWeight=weight))
        for row, at in zip(rows, places, strict=True):
            layers += _row(row, at, step, low, high, hover)
            if beside or worded:
                layers += _words(at, row.label or "ours", row.value, INK, beside)
        for each, at in zip(marks, lanes, strict=True):
            layers += _marks(each, at, low, high)
            layers += _words(at, each.who, each.values, MUTED, beside)
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


def _words(at: float, left: str, right: str, color: str, beside: bool) -> list[Spec]:
    """The words of what is drawn at `at` pixels from the top: on both sides of the drawing, or in one line above."""
    if beside:
        style: Spec = {"align": "right", "dx": -12, "fontWeight": "bold" if color == INK else "normal"}
        out = [label({"value": 0}, {"value": at}, left, color, **style)]
        return [*out, label({"value": "width"}, {"value": at}, right, color, dx=12)]
    halo: Spec = {"stroke": GROUND, "strokeWidth": 5, "strokeJoin": "round"}  # lines stop short of the words
    words = f"{left}: {right}"
    return [label({"value": 0}, {"value": at - 15}, words, c, **style) for c, style in ((GROUND, halo), (color, {}))]


def _marks(each: Marks, at: float, low: float, high: float) -> list[Spec]:
    """What somebody else measured at `at` pixels from the top, on the axis or an arrow to where it lies beyond."""
    out = []
    for place in each.places:
        shape = "triangle-left" if place < low else "triangle-right" if place > high else "circle"
        style = {"shape": shape, "color": SECOND, "fill": GROUND, "strokeWidth": 1.5, "size": 44, "opacity": 1}
        on = {"x": number("x"), "y": {"value": at}}
        out.append(layer([{"x": min(max(place, low), high)}], "point", on, **style))
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
