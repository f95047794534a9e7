"""The drawing of tuning: the time to a level against the learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from repro.draw.axes import log_ticks
from repro.draw.curves import by_arm
from repro.draw.svg import GROUND, INK, PLAIN, Drawing, Spec, chart, draw, label, layer, name, number


@dataclass(frozen=True)
class Tuned:
    """One arm's rates: (rate, geometric mean), (rate, seed, time, status), and the chosen rate, or None."""

    arm: str
    means: tuple[tuple[float, float], ...]
    seeds: tuple[tuple[float, int, float, str], ...]
    chosen: float | None


@dataclass(frozen=True)
class Rates:
    """What was tuned: every arm's rates, and the words for their times."""

    arms: Sequence[Tuned]
    goal: str
    unit: str  # of times

    @property
    def names(self) -> list[str]:
        """The arms in order."""
        return [arm.arm for arm in self.arms]

    @cached_property
    def means(self) -> list[Spec]:
        """The geometric mean of each arm at each rate."""
        return [{"arm": a.arm, "rate": r, "epochs": round(v, 3)} for a in self.arms for r, v in a.means]

    @cached_property
    def seeds(self) -> list[Spec]:
        """Each arm's tuning seeds at each rate; one that diverged stands above all others, as it never gets there."""
        longest = max(v for a in self.arms for _, _, v, _ in a.seeds)
        return [
            {"arm": a.arm, "rate": r, "seed": s, "epochs": round(1.3 * longest if e == "diverged" else v, 3), "end": e}
            for a in self.arms
            for r, s, v, e in a.seeds
        ]

    @cached_property
    def chosen(self) -> list[Spec]:
        """The mean of each arm at its chosen rate."""
        rates = {(arm.arm, arm.chosen) for arm in self.arms}
        return [row for row in self.means if (row["arm"], row["rate"]) in rates]


SHAPES = {"reached": "circle", "not reached": "triangle-up", "not started": "triangle-up", "diverged": "cross"}


def tuning(id: str, title: str, alt_text: str, drawn: Rates) -> Drawing:
    """Return time to the level against the rate: tuning seeds as dots, means as lines, chosen rates as diamonds."""

    def build(width: int, hover: bool) -> Spec:
        times = [row["epochs"] for row in drawn.seeds]
        rates = sorted({row["rate"] for row in drawn.seeds})
        low, high = min(times) / 1.5, max(times) * 1.2
        labelled = rates if width > 400 else rates[:: -(-len(rates) // 4)]
        x_axis = {"title": "learning rate, log scale", "grid": False, "values": labelled, "labelExpr": PLAIN}
        y_axis = {"title": None, "values": log_ticks(low, high), "labelExpr": PLAIN, "domain": False, "ticks": False}
        x = {"scale": {"type": "log", "domain": [rates[0] / 1.3, rates[-1] * 1.3], "nice": False}, "axis": x_axis}
        y = {"scale": {"type": "log", "domain": [low, high], "nice": False}, "axis": y_axis}
        return chart([*_rate_layers(drawn, hover), *_rate_labels(drawn.chosen)], x, y, width, 230, drawn.goal)

    return draw(id, title, alt_text, build)


def _rate_layers(drawn: Rates, hover: bool) -> list[Spec]:
    """Return the lines of means, the dots of seeds, and the diamonds of chosen rates."""
    place = {"x": number("rate"), "y": number("epochs")}
    shape = name("end") | {"scale": {"domain": list(SHAPES), "range": list(SHAPES.values())}, "legend": None}
    times = number("epochs") | {"format": ".2f", "title": drawn.unit}
    tip = [name("arm"), number("rate"), name("seed"), times, name("end")]
    style = by_arm(drawn.names)
    dots = place | {"color": style["color"], "shape": shape} | ({"tooltip": tip} if hover else {})
    best = {"shape": "diamond", "color": INK, "fill": GROUND, "strokeWidth": 2, "size": 110, "opacity": 1}
    return [
        layer(drawn.means, "line", place | style, strokeWidth=1.4),
        layer(drawn.seeds, "point", dots, fill=GROUND, size=22, strokeWidth=1.2, opacity=1),
        layer(drawn.chosen, "point", place, **best),
    ]


def _rate_labels(chosen: Sequence[Spec]) -> list[Spec]:
    """Return the name of each chosen rate: below its diamond, or above where another arm's diamond is below it."""
    out = []
    for row in chosen:
        near = [other for other in chosen if other["epochs"] < row["epochs"] < 1.6 * other["epochs"]]
        crowded = any(0.4 < row["rate"] / other["rate"] < 2.5 for other in near)
        style: Spec = {"align": "center", "dy": -16 if crowded else 18, "fontWeight": "bold"}
        at = {"datum": row["rate"]}, {"datum": row["epochs"]}
        out.append(label(*at, f"{row['arm']}: {row['rate']:g}", INK, **style))
    return out
