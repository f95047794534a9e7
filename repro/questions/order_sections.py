"""The evidence behind an order of arms: when each started to learn, drawn in the predicted order, and the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repro.draw.axes import log_ticks
from repro.draw.parts import Figure, Grid, Section
from repro.draw.svg import GROUND, INK, MUTED, PLAIN, Drawing, Spec, chart, draw, label, layer, name, number
from repro.questions.exhibit import Exhibit
from repro.questions.frames import measured_runs
from repro.questions.observations import Observation, geometric_mean
from repro.questions.order import Order

_LANE, _LINED = 24, 38  # pixels from one arm to the next, with their labels beside or above (assumed)


def sections(exhibit: Exhibit) -> list[Section]:
    """Return when the arms that have runs reach the level, and which of them stall; nothing where no arm has any."""
    judgement, measure = exhibit.judgement, exhibit.judgement.claim.measure
    claim, arms, rule = judgement.claim, judgement.arms, judgement.claim.rule
    assert isinstance(rule, Order)
    there = [name for name in rule.of if arms[name].observations]
    if not there:
        return []
    unit, each = measure.per_epoch(claim)
    lanes = [_Lane(claim.label(name), arms[name].observations, each) for name in there]
    goal = f"{unit} to {measure.goal(claim)}"
    lost = [lane.arm for lane in lanes if lane.stalled]
    text = f"{len(lost)} of {len(there)} arms stalled on every seed" + (f": {'; '.join(lost)}." if lost else ".")
    parts: list[Figure | Grid] = [_runs(exhibit, there, lanes)]
    if any(lane.runs for lane in lanes):
        drawing = _times(f"{exhibit.shelf}-times", goal, text, lanes, unit)
        note = "Dots: one for each seed; triangles: runs that had not come so far when they ended."
        parts.insert(0, Figure(drawing, f"{goal.capitalize()}, in the order that was predicted.", note))
    return [Section(f"{exhibit.shelf}-order", "Which arms stall", (text,), tuple(parts))]


@dataclass(frozen=True)
class _Lane:
    """One arm and its observations; `each`: how many of the pages' unit of times an epoch has."""

    arm: str
    observations: Sequence[Observation]
    each: float

    @property
    def runs(self) -> list[tuple[int, float, bool]]:
        """(seed, time or what it is known to exceed, whether the level was not reached) of each run that did not
        fail."""
        ended = (o for o in self.observations if o.value is not None or o.censored)
        return [(o.seed, self.each * o.at_least, o.censored) for o in ended]

    @property
    def stalled(self) -> bool:
        return all(o.censored for o in self.observations)

    @property
    def mean(self) -> float:
        return geometric_mean([max(o.at_least, 1e-9) for o in self.observations])


def _runs(exhibit: Exhibit, there: Sequence[str], lanes: Sequence[_Lane]) -> Grid:
    """Return the arms in the predicted order, each with its measured place, its times and its runs."""
    claim, measure = exhibit.judgement.claim, exhibit.judgement.claim.measure
    measured = [row for row in measured_runs(exhibit) if row.use == "judging"]
    ranked = [lane.arm for lane in sorted(lanes, key=lambda lane: lane.mean)]
    rows = []
    for place, (arm, lane) in enumerate(zip(there, lanes, strict=True), start=1):
        own = [row for row in measured if row.arm == arm]
        measured_place = "stalled" if lane.stalled else str(ranked.index(lane.arm) + 1)
        cells = [measure.cell(claim, row) for row in own]
        rows.append((lane.arm, str(place), measured_place, *cells, *(row.run for row in own)))
    unit, many = measure.per_epoch(claim)[0], len(claim.seeds)
    head = ("arm", "predicted place", "measured place", *(f"{unit}, seed {seed}" for seed in claim.seeds))
    return Grid(
        f"{unit.capitalize()} to {measure.goal(claim)}, by arm in the predicted order",
        head + tuple(f"run of seed {seed}" for seed in claim.seeds),
        tuple(rows),
        numbers=frozenset(range(1, 3 + many)),
        codes=frozenset(range(3 + many, 3 + 2 * many)),
    )


def _times(id: str, title: str, alt_text: str, lanes: Sequence[_Lane], unit: str) -> Drawing:
    """Return the drawing of every run's time, a lane for each arm from the first in the predicted order down."""
    times = [time for lane in lanes for _, time, _ in lane.runs]
    low, high = min(times) / 1.3, max(times) * 1.15

    def build(width: int, hover: bool) -> Spec:
        beside = width > 400
        step = _LANE if beside else _LINED
        heights = [step * (i + 1) - (8 if beside else 4) for i in range(len(lanes))]
        layers: list[Spec] = []
        for lane, y in zip(lanes, heights, strict=True):
            across = [{"x": low, "end": high}]
            line = {"x": number("x"), "x2": {"field": "end"}, "y": {"value": y}}
            layers.append(layer(across, "rule", line, color=MUTED, strokeWidth=0.5, opacity=0.5))
            style: Spec = {"align": "right", "dx": -12} if beside else {"dy": -15}
            layers.append(label({"value": 0}, {"value": y}, lane.arm, INK, **style))
            for censored in (False, True):
                layers += _dots(lane, y, censored, unit, hover)
        ticks: Spec = {"values": log_ticks(low, high), "labelExpr": PLAIN, "labelOverlap": True}
        x_axis = {"title": f"{unit}, log scale", "grid": False, **ticks}
        x = {"scale": {"type": "log", "domain": [low, high], "nice": False}, "axis": x_axis}
        return chart(layers, x, {"scale": None, "axis": None}, width, heights[-1] + 14)

    return draw(id, title, alt_text, build)


def _dots(lane: _Lane, y: float, censored: bool, unit: str, hover: bool) -> list[Spec]:
    """Return the runs of an arm that reached the level, or those that did not; nothing where there are none."""
    rows: list[Spec] = [
        {"arm": lane.arm, "seed": seed, "time": round(time, 2)} for seed, time, was in lane.runs if was == censored
    ]
    place: Spec = {"x": number("time"), "y": {"value": y}}
    if hover:
        place |= {"tooltip": [name("arm"), name("seed"), number("time") | {"format": ".0f", "title": unit}]}
    style = {"shape": "triangle-right" if censored else "circle", "color": INK, "fill": GROUND, "strokeWidth": 1.5}
    return [layer(rows, "point", place, size=48, opacity=1, **style)] if rows else []
