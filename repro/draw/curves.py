"""The drawing of learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from statistics import fmean
from typing import Literal

from repro.draw.axes import log_ticks
from repro.draw.svg import (
    ACCENT,
    ARMS,
    GROUND,
    INK,
    MUTED,
    PLAIN,
    Drawing,
    Spec,
    chart,
    draw,
    label,
    layer,
    name,
    number,
)

Scale = Literal["log", "linear"]
DASHES = ((1, 0), (5, 3), (2, 2), (8, 2, 2, 2))  # of arms; as in the paper's Figure 1: solid, then dashed
IN_A_LINE = 40  # letters of arms' names in one line of a legend; assumed: what 342 pixels hold


@dataclass(frozen=True)
class Curve:
    """One run: (time, value) in order. `reached`: the point at which its measure is read, None where it never was."""

    arm: str
    seed: int
    points: tuple[tuple[float, float], ...]
    reached: tuple[float, float] | None


@dataclass(frozen=True)
class Mark:
    """A place that somebody states: the paper's time, or the mean of ours."""

    label: str
    epochs: float
    value: float


def by_arm(arms: Sequence[str]) -> Spec:
    """Return the colour and the dash of every arm, with a legend above the drawing where there are several."""
    colors = [ARMS[i % len(ARMS)] for i in range(len(arms))]
    dashes = [list(DASHES[i % len(DASHES)]) for i in range(len(arms))]
    legend: Spec = {
        "title": None, "orient": "top", "direction": "horizontal", "symbolType": "stroke", "symbolStrokeWidth": 2,
        "symbolSize": 500, "symbolOpacity": 1, "labelColor": INK, "labelFontSize": 12, "labelLimit": 320, "offset": 6,
        "columns": len(arms) if sum(map(len, arms)) <= IN_A_LINE else 1,
    }  # fmt: skip
    return {
        channel: name("arm")
        | {"scale": {"domain": list(arms), "range": values}, "legend": legend if len(arms) > 1 else None}
        for channel, values in (("color", colors), ("strokeDash", dashes))
    }


def _y_axis(metric: str, levels: Sequence[tuple[float, bool]], bottom: float, top: float) -> Spec:
    """Return an axis with ticks at round values and at the levels, which are bold; True marks a level of the paper."""
    step, form = (0.2, "'~%'") if not metric.endswith("loss") else (0.5, "'.4~g'")
    step /= next((by for by in (1, 2, 4, 10) if top - bottom >= 3 * step / by), 20)
    rounds = [tick for i in range(ceil(bottom / step), int(top / step) + 1) if (tick := round(i * step, 9)) >= bottom]
    ticks = [tick for tick in rounds if all(abs(tick - level) > 0.3 * step or tick == level for level, _ in levels)]
    tests = [(f"datum.value == {level}", ACCENT if paper else INK) for level, paper in levels]
    return {
        "title": None,
        "values": sorted({*ticks, *(level for level, _ in levels)}),
        "labelExpr": f"format(datum.value, {form})",
        "labelColor": {"condition": [{"test": test, "value": color} for test, color in tests], "value": MUTED},
        "labelFontWeight": {"condition": [{"test": test, "value": "bold"} for test, _ in tests], "value": "normal"},
        "domain": False,
        "ticks": False,
    }


@dataclass(frozen=True)
class Learning:
    """Learning curves with the marks on them.

    `metric`: of the values, which are losses where its name ends in `loss`, else fractions. `levels`: the judged one
    first, each with whether it is the paper's own and not the judged one. `averaged`: as `means` gives it, drawn
    thicker than the seeds. `ours`, `paper`: the means of our times, and the paper's times.
    """

    curves: Sequence[Curve]
    metric: str
    metric_name: str
    unit: str  # of times: epochs, updates
    levels: Sequence[tuple[float, bool]] = ()
    averaged: Sequence[Spec] = ()
    ours: Sequence[Mark] = ()
    paper: Sequence[Mark] = ()

    @property
    def arms(self) -> list[str]:
        """The arms that have a curve, in order."""
        return list(dict.fromkeys(curve.arm for curve in self.curves))

    @cached_property
    def rows(self) -> list[Spec]:
        """Every point of every curve."""
        return [
            {"arm": c.arm, "seed": c.seed, "epoch": round(time, 3), "value": round(value, 4)}
            for c in self.curves
            for time, value in c.points
        ]

    @property
    def hits(self) -> list[Spec]:
        """The points at which measures are read."""
        reached = [curve.reached for curve in self.curves if curve.reached]
        return [{"epoch": round(time, 3), "value": round(value, 4)} for time, value in reached]

    @property
    def ends(self) -> list[Spec]:
        """The last points of curves that never reached the level, where there is one."""
        last = [c.points[-1] for c in self.curves if c.reached is None and c.points and self.levels]
        return [{"epoch": time, "value": round(value, 4)} for time, value in last]

    @property
    def stated(self) -> list[Spec]:
        """The paper's times."""
        return [{"epoch": mark.epochs, "value": mark.value} for mark in self.paper]

    @cached_property
    def times(self) -> tuple[float, float]:
        """The first and the last time on the axis, in `unit`."""
        places = [row["epoch"] for row in (*self.rows, *self.stated) if row["epoch"] > 0]
        # epochs are drawn from the first on; a mean of updates is not there before its window is full
        return min(places if self.unit == "updates" else [1.0, *places]) * 0.94, max(places) * 1.08

    def values(self, start: float) -> tuple[float, float]:
        """Return the lowest and the highest value on the axis, of what is drawn from time `start` on."""
        values = [row["value"] for row in self.rows]
        least, most = min(values), max(values)
        if self.levels:
            top = most * 1.03
            return 0.0 if least < 0.6 * top else 0.95 * min(least, *(level for level, _ in self.levels)), top
        most = max(row["value"] for row in self.rows if row["epoch"] >= start)
        below = least - 0.06 * (most - least)
        return below if least < 0 else max(0.0, below), 1.03 * most  # a gap may be negative


def learning(id: str, title: str, alt_text: str, drawn: Learning, scale: Scale = "log") -> Drawing:
    """Return every run's metric against time, on a log or linear axis: `scale` until the reader chooses.

    Between epochs curves are straight in epochs; the point at the level ends each.
    """

    def log(width: int, hover: bool) -> Spec:
        return _learning_chart(drawn, "log", width, hover)

    def linear(width: int, hover: bool) -> Spec:
        return _learning_chart(drawn, "linear", width, hover)

    if scale == "linear":
        return draw(id, title, alt_text, linear, {"log": log})
    return draw(id, title, alt_text, log, {"linear": linear})


def _learning_chart(drawn: Learning, scale: Scale, width: int, hover: bool) -> Spec:
    """Return the chart on one scale of time, at one width."""
    first, last = drawn.times
    low = first if scale == "log" else 0.0
    bottom, top = drawn.values(low)
    ticks: Spec = {"values": log_ticks(low, last)} if scale == "log" else {"tickCount": 8 if width > 400 else 5}
    x_axis = {"title": f"{drawn.unit}, {scale} scale", "grid": False, "labelExpr": PLAIN, **ticks}
    x = {"scale": {"type": scale, "domain": [low, last], "nice": False}, "axis": x_axis}
    y = {
        "scale": {"domain": [bottom, top], "nice": False, "zero": False},
        "axis": _y_axis(drawn.metric, drawn.levels, bottom, top),
    }
    layers = [*_level_lines(drawn), *_lines(drawn, low, hover), *_points(drawn), *_mark_labels(drawn, scale, low)]
    return chart(layers, x, y, width, 340 if width > 400 else 300, drawn.metric_name)


PLACE: Spec = {"x": number("epoch"), "y": number("value")}


def _level_lines(drawn: Learning) -> list[Spec]:
    """Return a dotted line across the drawing for each level."""
    across = {"x": {"value": 0}, "x2": {"value": "width"}, "y": number("value")}
    return [
        layer([{"value": value}], "rule", across, color=ACCENT if theirs else INK, strokeDash=[1.5, 3])
        for value, theirs in drawn.levels
    ]


def _lines(drawn: Learning, low: float, hover: bool) -> list[Spec]:
    """Return the curves and the arms' means from time `low` on, and the words under a pointer."""
    visible = {"transform": [{"filter": f"datum.epoch >= {low}"}]}
    style = by_arm(drawn.arms)
    thick, opacity = (0.8, 0.4) if drawn.averaged else (1.4, 0.9)
    lines = PLACE | {"detail": name("seed")} | style
    layers = [layer(drawn.rows, "line", lines, strokeWidth=thick, opacity=opacity)]
    if drawn.averaged:
        layers.append(layer(drawn.averaged, "line", PLACE | style, strokeWidth=2, opacity=1))
    if hover:
        form = ".2%" if not drawn.metric.endswith("loss") else ".3f"
        value = number("value") | {"format": form, "title": drawn.metric_name}
        when = number("epoch") | {"format": ".4~g", "title": drawn.unit.removesuffix("s")}
        tip = PLACE | {"tooltip": [name("arm"), name("seed"), when, value]}
        layers.append(layer(drawn.rows, "circle", tip, size=90, opacity=0, color=INK))
    return [each | visible for each in layers]


def _points(drawn: Learning) -> list[Spec]:
    """Return dots where measures are read, open circles where curves end short of the level, and the paper's times."""
    marks = (
        (drawn.hits, "circle", INK, INK, 22),
        (drawn.ends, "circle", INK, GROUND, 40),
        (drawn.stated, "diamond", ACCENT, ACCENT, 70),
    )
    return [
        layer(rows, "point", PLACE, shape=shape, color=color, fill=fill, size=size, opacity=1)
        for rows, shape, color, fill, size in marks
        if rows
    ]


def _mark_labels(drawn: Learning, scale: Scale, low: float) -> list[Spec]:
    """Return the names of our means and of the paper's times, in lines below their level."""
    last = drawn.times[1]
    lines = dict.fromkeys([level for level, _ in drawn.levels[:1]], 0)  # lines of words so far below each level
    out = []
    for mark, color, weight in [(m, INK, "bold") for m in drawn.ours] + [(m, ACCENT, "normal") for m in drawn.paper]:
        line = lines[mark.value] = lines.get(mark.value, 0) + 1
        late = (mark.epochs / low) ** 1.35 > last / low if scale == "log" else mark.epochs > 0.85 * last
        side: Spec = {"align": "right", "dx": 5} if late else {"align": "center"}
        at = {"datum": mark.epochs}, {"datum": mark.value}
        out.append(label(*at, mark.label, color, fontWeight=weight, dy=3 + 15 * line, **side))
    return out


def means(curves: Sequence[Curve]) -> list[Spec]:
    """Return the mean of each arm's seeds at the times that all of them have; nothing for an arm with one seed."""
    out: list[Spec] = []
    for arm in dict.fromkeys(curve.arm for curve in curves):
        seeds = [dict(curve.points) for curve in curves if curve.arm == arm]
        if len(seeds) > 1:
            times = sorted(set.intersection(*(set(points) for points in seeds)))
            out += [
                {"arm": arm, "epoch": time, "value": round(fmean(points[time] for points in seeds), 4)}
                for time in times
            ]
    return out
