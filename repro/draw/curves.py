"""What the pages draw of runs: learning curves and tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from repro.draw.charts import log_ticks
from repro.draw.svg import (
    ACCENT,
    GROUND,
    INK,
    MUTED,
    PLAIN,
    SECOND,
    Drawing,
    Spec,
    chart,
    draw,
    label,
    layer,
    name,
    number,
)

STROKES = (INK, SECOND, MUTED, INK)  # of arms in their order; as in the paper's Figure 1: solid, then dashed
DASHES = ((1, 0), (5, 3), (2, 2), (8, 2, 2, 2))


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


@dataclass(frozen=True)
class Tuned:
    """One arm's rates: (rate, geometric mean), (rate, seed, epochs, status), and the rate chosen."""

    arm: str
    means: tuple[tuple[float, float], ...]
    seeds: tuple[tuple[float, int, float, str], ...]
    chosen: float | None


def _by_arm(arms: Sequence[str]) -> Spec:
    """Colour and dash of every arm."""
    colors = [STROKES[i % len(STROKES)] for i in range(len(arms))]
    dashes = [list(DASHES[i % len(DASHES)]) for i in range(len(arms))]
    return {
        channel: name("arm") | {"scale": {"domain": list(arms), "range": values}, "legend": None}
        for channel, values in (("color", colors), ("strokeDash", dashes))
    }


def _y_axis(metric: str, levels: Sequence[tuple[float, bool]], bottom: float, top: float) -> Spec:
    """Ticks at round values and at the levels, which are set off: `True` is the paper's own."""
    step, form = (0.2, "'~%'") if metric.endswith("error") else (0.5, "'.4~g'")
    step /= next((by for by in (1, 2, 4, 10) if top - bottom >= 3 * step / by), 20)
    rounds = [tick for i in range(int(top / step) + 1) if (tick := round(i * step, 9)) >= bottom]
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


def learning(
    id: str,
    title: str,
    alt_text: str,
    curves: Sequence[Curve],
    *,
    metric: str,
    named: str,
    unit: str,
    levels: Sequence[tuple[float, bool]],
    averaged: Sequence[Spec] = (),
    ours: Sequence[Mark],
    paper: Sequence[Mark],
    first_seen: Literal["log", "linear"] = "log",
) -> Drawing:
    """Every run's metric against time in `unit`, log or linear (`first_seen` before the reader chooses), with the
    level, our means and the paper's times on it.

    `levels`: the judged one first, each with whether it is the paper's own and not the judged one. `averaged`: as
    `means` gives it, standing out among the seeds. Between epochs curves are straight in epochs: the point at the level
    ends each.
    """
    judged = [level for level, _ in levels[:1]]
    arms = list(dict.fromkeys(curve.arm for curve in curves))
    rows: list[Spec] = [
        {"arm": c.arm, "seed": c.seed, "epoch": round(e, 3), "value": round(v, 4)} for c in curves for e, v in c.points
    ]
    hits = [{"epoch": round(c.reached[0], 3), "value": round(c.reached[1], 4)} for c in curves if c.reached]
    last_points = [c.points[-1] for c in curves if c.reached is None and c.points and levels]
    ends = [{"epoch": e, "value": round(v, 4)} for e, v in last_points]
    stated: list[Spec] = [{"epoch": m.epochs, "value": m.value} for m in paper]
    places = [row["epoch"] for row in (*rows, *stated) if row["epoch"] > 0]
    # epochs are looked at from the first on; a mean of updates is not there before its window is full
    first, last = min(places if unit == "updates" else [1.0, *places]) * 0.94, max(places) * 1.08
    top, least = max(row["value"] for row in rows) * 1.03, min(row["value"] for row in rows)
    if levels:
        bottom = 0.0 if least < 0.6 * top else 0.95 * min(least, *(level for level, _ in levels))
    else:
        most = max(row["value"] for row in rows if row["epoch"] >= first)
        top, bottom = 1.03 * most, max(0.0, least - 0.06 * (most - least))
    place = {"x": number("epoch"), "y": number("value")}
    form = ".2%" if metric.endswith("error") else ".3f"

    def words(kind: str, low: float) -> list[Spec]:
        out, below = [], dict.fromkeys(judged, 0)  # lines of words so far below each level
        for mark, color, weight in [(m, INK, "bold") for m in ours] + [(m, ACCENT, "normal") for m in paper]:
            line = below[mark.value] = below.get(mark.value, 0) + 1
            late = (mark.epochs / low) ** 1.35 > last / low if kind == "log" else mark.epochs > 0.85 * last
            side: Spec = {"align": "right", "dx": 5} if late else {"align": "center"}
            at = {"datum": mark.epochs}, {"datum": mark.value}
            out.append(label(*at, mark.label, color, fontWeight=weight, dy=3 + 15 * line, **side))
        return out

    def build(kind: str, width: int, hover: bool) -> Spec:
        low = first if kind == "log" else 0.0
        across = {"x": {"value": 0}, "x2": {"value": "width"}, "y": number("value")}
        layers = [
            layer([{"value": v}], "rule", across, color=ACCENT if theirs else INK, strokeDash=[1.5, 3])
            for v, theirs in levels
        ]
        seen = {"transform": [{"filter": f"datum.epoch >= {low}"}]}
        lines = place | {"detail": name("seed")} | _by_arm(arms)
        thick, opacity = (0.8, 0.4) if averaged else (1.4, 0.9)
        layers.append(layer(rows, "line", lines, strokeWidth=thick, opacity=opacity) | seen)
        if averaged:
            layers.append(layer(averaged, "line", place | _by_arm(arms), strokeWidth=2, opacity=1) | seen)
        if hover:
            value = number("value") | {"format": form, "title": named}
            when = number("epoch") | {"format": ".4~g", "title": unit.removesuffix("s")}
            tip = [name("arm"), name("seed"), when, value]
            layers.append(layer(rows, "circle", place | {"tooltip": tip}, size=90, opacity=0, color=INK) | seen)
        for points, shape, color, fill, size in (
            (hits, "circle", INK, INK, 22),
            (ends, "circle", INK, GROUND, 40),
            (stated, "diamond", ACCENT, ACCENT, 70),
        ):
            if points:
                layers.append(layer(points, "point", place, shape=shape, color=color, fill=fill, size=size, opacity=1))
        ticks: Spec = {"values": log_ticks(low, last)} if kind == "log" else {"tickCount": 8 if width > 400 else 5}
        x_axis = {"title": f"{unit}, {kind} scale", "grid": False, "labelExpr": PLAIN, **ticks}
        x = {"scale": {"type": kind, "domain": [low, last], "nice": False}, "axis": x_axis}
        y = {
            "scale": {"domain": [bottom, top], "nice": False, "zero": False},
            "axis": _y_axis(metric, levels, bottom, top),
        }
        return chart(layers + words(kind, low), x, y, width, 340 if width > 400 else 300, named)

    def log(width: int, hover: bool) -> Spec:
        return build("log", width, hover)

    def linear(width: int, hover: bool) -> Spec:
        return build("linear", width, hover)

    if first_seen == "linear":
        return draw(id, title, alt_text, linear, {"log": log})
    return draw(id, title, alt_text, log, {"linear": linear})


def means(curves: Sequence[Curve]) -> list[Spec]:
    """The mean of each arm's seeds at the times that all of them have; nothing where an arm has one seed alone."""
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


def tuning(id: str, title: str, alt_text: str, arms: Sequence[Tuned], goal: str, unit: str) -> Drawing:
    """Time to the level, in `unit`, against the rate: tuning seeds as dots, means as lines, chosen rates as diamonds.

    A diverged seed stands above all others, since it never gets there.
    """
    names = [arm.arm for arm in arms]
    means: list[Spec] = [{"arm": a.arm, "rate": r, "epochs": round(v, 3)} for a in arms for r, v in a.means]
    longest = max(v for a in arms for _, _, v, _ in a.seeds)
    seeds: list[Spec] = [
        {"arm": a.arm, "rate": r, "seed": s, "epochs": round(1.3 * longest if e == "diverged" else v, 3), "end": e}
        for a in arms
        for r, s, v, e in a.seeds
    ]
    best = [row for row in means if (row["arm"], row["rate"]) in {(arm.arm, arm.chosen) for arm in arms}]
    rates = sorted({row["rate"] for row in seeds})
    low, high = min(row["epochs"] for row in seeds) / 1.5, max(row["epochs"] for row in seeds) * 1.2
    shapes = {"reached": "circle", "not reached": "triangle-up", "not started": "triangle-up", "diverged": "cross"}
    place = {"x": number("rate"), "y": number("epochs")}

    def build(width: int, hover: bool) -> Spec:
        shape = name("end") | {"scale": {"domain": list(shapes), "range": list(shapes.values())}, "legend": None}
        tip = [
            name("arm"),
            number("rate"),
            name("seed"),
            number("epochs") | {"format": ".2f", "title": unit},
            name("end"),
        ]
        dots = place | {"color": _by_arm(names)["color"], "shape": shape} | ({"tooltip": tip} if hover else {})
        layers = [
            layer(means, "line", place | _by_arm(names), strokeWidth=1.4),
            layer(seeds, "point", dots, fill=GROUND, size=22, strokeWidth=1.2, opacity=1),
            layer(best, "point", place, shape="diamond", color=INK, fill=GROUND, strokeWidth=2, size=110, opacity=1),
        ]
        for row in best:
            at = {"datum": row["rate"]}, {"datum": row["epochs"]}
            # below the diamond, unless another arm's is there
            near = [b for b in best if b["epochs"] < row["epochs"] < 1.6 * b["epochs"]]
            crowded = any(0.4 < row["rate"] / other["rate"] < 2.5 for other in near)
            style: Spec = {"align": "center", "dy": -16 if crowded else 18, "fontWeight": "bold"}
            layers.append(label(*at, f"{row['arm']}: {row['rate']:g}", INK, **style))
        shown = rates if width > 400 else rates[:: -(-len(rates) // 4)]
        x_axis = {"title": "learning rate, log scale", "grid": False, "values": shown, "labelExpr": PLAIN}
        y_axis = {"title": None, "values": log_ticks(low, high), "labelExpr": PLAIN, "domain": False, "ticks": False}
        x = {"scale": {"type": "log", "domain": [rates[0] / 1.3, rates[-1] * 1.3], "nice": False}, "axis": x_axis}
        y = {"scale": {"type": "log", "domain": [low, high], "nice": False}, "axis": y_axis}
        return chart(layers, x, y, width, 230, goal)

    return draw(id, title, alt_text, build)
