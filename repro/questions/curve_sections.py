"""The evidence behind one printed curve among ours: the curves, the test, the offset, the runs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from repro.draw import charts
from repro.draw.parts import Figure, Grid, Section
from repro.draw.svg import ACCENT, FAINT, INK, PLAIN, Drawing, Spec, chart, draw, label, layer, name, number
from repro.questions.curve import TraceMeasure, TraceRule
from repro.questions.exhibit import Exhibit, axis, interval_words, row
from repro.questions.units import listed, points, times, typeset


def sections(shown: Exhibit) -> list[Section]:
    """Curves, test and judged runs of one shelf."""
    return [_curves(shown), _test(shown), Section(f"{shown.shelf}-runs", "Judging runs", parts=(_runs(shown),))]


def _curves(shown: Exhibit) -> Section:
    found, claim = shown.judgement.trace, shown.judgement.claim
    assert found is not None
    assert isinstance(claim.rule, TraceRule)
    assert isinstance(claim.measure, TraceMeasure)
    authors, ours = claim.rule.authors, next(iter(shown.judgement.arms.values())).curves
    first = shown.table[shown.judgement.run_ids[0]].epochs[0]
    per_epoch = first["update"] / first["epoch"]
    epochs = [(i + 1) * claim.measure.every / per_epoch for i in range(len(authors))]
    band = found.point_low, found.point_high
    outside = [str(i + 1) for i, a in enumerate(authors) if not band[0][i] <= a <= band[1][i]]
    at = f"point{'s' * (len(outside) != 1)} {listed(outside)}"
    where = f"outside the shaded interval at {at}" if outside else "inside the shaded interval at every point"
    alt = f"The author's {len(authors)} points, {found.n} of our curves and their prediction interval: {where}."
    title, less = "The author's curve and ours", "The same minus our mean"
    both = (
        _among(f"{shown.shelf}-curves", title, alt, epochs, ours, authors, band),
        _among(f"{shown.shelf}-less", less, alt, epochs, ours, authors, band, less=found.mean),
    )
    shaded = f"{100 * found.confidence:g} % prediction interval for one more curve, point by point"
    note = f"Shaded: {shaded}. It is a guide for the eye, not the test."
    return Section(
        f"{shown.shelf}-curves",
        title,
        parts=(
            Figure(both[0], f"The author's {len(authors)} printed points (coloured) and our {found.n} seeds.", note),
            Figure(both[1], f"The same minus the mean of our curves: the author's curve is {where}."),
        ),
    )


def _test(shown: Exhibit) -> Section:
    found = shown.judgement.trace
    assert found is not None
    rank = sum(size >= found.authors_largest for size in found.largest.values()) + 1
    words = (
        f"{rank} of {found.n + 1} curves, including the author's, lie {times(found.authors_largest)} or more standard "
        f"deviations from the others at their worst point: p = {found.p:.2g}. The author's worst point is number "
        f"{found.at_point + 1}."
    )
    ranks = _ranks(
        f"{shown.shelf}-ranks", "Largest studentised deviations", words, found.largest, found.authors_largest
    )
    parts = [Figure(ranks, words, "One line for each curve, ordered by its largest deviation.")]
    if (drawn := row(shown.judgement)) is not None:
        about = "The mean offset", interval_words(shown)
        offset = charts.interval(f"{shown.shelf}-offset", *about, axis(shown), [drawn])
        below = sum(offset < 0 for offset in found.offsets.values())
        note = (
            f"Bar: prediction interval for one more curve of ours; diamond: our mean; dots: one for each seed. {below} "
            f"of {found.n} seeds lie below 0, where our error is lower."
        )
        size, *ends = (typeset(points(offset)) for offset in (found.offset, found.low, found.high))
        parts.append(Figure(offset, f"The mean offset, {size} points ({' to '.join(ends)}).", note))
    return Section(f"{shown.shelf}-test", "Does the author's curve differ from ours?", parts=tuple(parts))


def _runs(shown: Exhibit) -> Grid:
    found, rule = shown.judgement.trace, shown.judgement.claim.rule
    assert found is not None
    assert isinstance(rule, TraceRule)
    runs = {int(shown.table[run].config["seed"]): run for run in shown.judgement.run_ids}

    def line(who: str, curve: list[float], largest: float, run: str) -> tuple[str, ...]:
        return who, f"{100 * curve[0]:.2f} %", f"{100 * curve[-1]:.2f} %", f"{largest:.2f}", run

    ours = next(iter(shown.judgement.arms.values())).curves
    rows = [line(str(seed), curve, found.largest[seed], runs[seed]) for seed, curve in ours.items()]
    return Grid(
        "Our curves and the author's, by seed",
        ("seed", "first point", "last point", "largest deviation", "run"),
        (*rows, line("the author", rule.authors, found.authors_largest, "–")),
        numbers=frozenset({1, 2, 3}),
        codes=frozenset({4}),
        strong=frozenset({len(rows)}),
    )


def _among(
    id: str,
    title: str,
    alt_text: str,
    epochs: Sequence[float],
    curves: dict[int, list[float]],
    authors: Sequence[float],
    band: tuple[Sequence[float], Sequence[float]],
    *,
    less: Sequence[float] | None = None,
) -> Drawing:
    """The author's points among our curves and the prediction band; `less` is taken from all of them (our mean)."""
    base = less or [0.0] * len(epochs)

    def rows(values: Sequence[float], **more: Any) -> list[Spec]:
        return [
            more | {"epoch": round(e, 3), "value": round(v - b, 4)}
            for e, v, b in zip(epochs, values, base, strict=True)
        ]

    lines = [row for seed, curve in curves.items() for row in rows(curve, seed=seed)]
    theirs, lower, upper = rows(authors), rows(band[0]), rows(band[1])
    area = [a | {"high": b["value"]} for a, b in zip(lower, upper, strict=True)]
    every = [row["value"] for row in (*lines, *theirs, *lower, *upper)]
    pad = 0.06 * (max(every) - min(every))
    heading = "running training error" if less is None else "minus the mean of our curves, percentage points"
    ticks = "format(datum.value, '~%')" if less is None else "datum.value ? format(100 * datum.value, '+~g') : '0'"
    place = {"x": number("epoch"), "y": number("value")}

    def build(width: int, hover: bool) -> Spec:
        tip = [number("epoch") | {"format": ".2~f"}, number("value") | {"format": ".2%"}]
        layers = [
            layer(area, "area", place | {"y2": {"field": "high"}}, color=FAINT, opacity=1),
            layer(lines, "line", place | {"detail": name("seed")}, color=INK, strokeWidth=0.7, opacity=0.4),
            layer(theirs, "line", place, color=ACCENT, strokeWidth=1.2),
        ]
        if hover:
            near = place | {"tooltip": [name("seed"), *tip]}
            layers.append(layer(lines, "circle", near, size=60, opacity=0, color=INK))
        dots = place | ({"tooltip": tip} if hover else {})
        layers.append(layer(theirs, "circle", dots, color=ACCENT, size=44, opacity=1))
        x_axis = {"title": "epochs", "grid": False, "tickCount": 7, "labelExpr": PLAIN}
        y_axis = {"title": None, "labelExpr": ticks, "tickCount": 5, "domain": False, "ticks": False}
        x = {"scale": {"domain": [0, max(epochs) * 1.02], "nice": False}, "axis": x_axis}
        y = {"scale": {"domain": [min(every) - pad, max(every) + pad], "nice": False, "zero": False}, "axis": y_axis}
        return chart(layers, x, y, width, (320 if width > 400 else 260) if less is None else 200, heading)

    return draw(id, title, alt_text, build)


def _ranks(id: str, title: str, alt_text: str, largest: dict[int, float], authors: float) -> Drawing:
    """Every curve's largest studentised deviation, in order of size, the author's among them."""
    sizes = [size for size in (*largest.values(), authors) if isfinite(size)]
    far = 1.2 * max([1.0, *sizes])  # where an infinite one is drawn
    curves = [(f"seed {seed}", min(size, far), False) for seed, size in largest.items()]
    curves.append(("the author", min(authors, far), True))
    curves.sort(key=lambda curve: (curve[1], curve[2]))
    rows: list[Spec] = [
        {"curve": who, "size": round(size, 3), "zero": 0, "y": 6 + 11 * i} for i, (who, size, _) in enumerate(curves)
    ]
    ours, (theirs,) = ([row for row, c in zip(rows, curves, strict=True) if c[2] is author] for author in (False, True))
    most = max(1.08 * curves[-1][1], 1.3 * min(authors, far))  # with room for the author's name

    def build(width: int, hover: bool) -> Spec:
        layers = []
        tip = {"tooltip": [name("curve"), number("size") | {"format": ".2f"}]} if hover else {}
        for part, color, thick, opacity, size in ((ours, INK, 1, 0.3, 28), ([theirs], ACCENT, 1.5, 1, 44)):
            stem = {"x": number("zero"), "x2": {"field": "size"}, "y": number("y")}
            layers.append(layer(part, "rule", stem, color=color, strokeWidth=thick, opacity=opacity))
            head = {"x": number("size"), "y": number("y"), **tip}
            layers.append(layer(part, "circle", head, color=color, size=size, opacity=1))
        at = {"datum": theirs["size"]}, {"value": theirs["y"]}
        layers.append(label(*at, "the author’s", ACCENT, fontWeight="bold", dx=9))
        axis_title = "largest deviation from all other curves, in standard deviations"
        x_axis = {"title": axis_title, "grid": False, "tickCount": 6, "labelExpr": PLAIN}
        x = {"scale": {"domain": [0, most], "nice": False}, "axis": x_axis}
        return chart(layers, x, {"scale": None, "axis": None}, width, 11 * len(rows) + 4)

    return draw(id, title, alt_text, build)
