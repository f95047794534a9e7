"""The evidence behind one printed curve among ours: the curves, the test, the offset, the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from statistics import fmean
from typing import Any

from repro.draw import charts
from repro.draw.parts import Figure, Grid, Section
from repro.draw.svg import ACCENT, FAINT, INK, PLAIN, Drawing, Spec, chart, draw, label, layer, name, number
from repro.questions.curve import AuthorsTest, TraceMeasure, TraceRule
from repro.questions.exhibit import Exhibit, axis, interval_words, row
from repro.questions.units import VALUE, listed, points, times, typeset


def sections(exhibit: Exhibit) -> list[Section]:
    """Return the curves, the test and the judged runs of one shelf."""
    return [_curves(exhibit), _test(exhibit), Section(f"{exhibit.shelf}-runs", "Judging runs", parts=(_runs(exhibit),))]


def _curves(exhibit: Exhibit) -> Section:
    test, claim = exhibit.judgement.trace, exhibit.judgement.claim
    assert test is not None
    assert isinstance(claim.rule, TraceRule)
    assert isinstance(claim.measure, TraceMeasure)
    authors, ours = claim.rule.authors, next(iter(exhibit.judgement.arms.values())).curves
    first = exhibit.table[exhibit.judgement.run_ids[0]].epochs[0]
    per_epoch = first["update"] / first["epoch"]
    epochs = [(i + 1) * claim.measure.every / per_epoch for i in range(len(authors))]
    band = test.point_low, test.point_high
    outside = [str(i + 1) for i, a in enumerate(authors) if not band[0][i] <= a <= band[1][i]]
    at = f"point{'s' * (len(outside) != 1)} {listed(outside)}"
    where = f"outside the shaded interval at {at}" if outside else "inside the shaded interval at every point"
    alt = f"The author's {len(authors)} points, {test.n} of our curves and their prediction interval: {where}."
    title, less = "The author's curve and ours", "The same minus our mean"
    as_they_are = _Among(epochs, ours, authors, band)
    both = (
        _among(f"{exhibit.shelf}-curves", title, alt, as_they_are),
        _among(f"{exhibit.shelf}-less", less, alt, replace(as_they_are, less=test.mean)),
    )
    shaded = f"{100 * test.confidence:g} % prediction interval for one more curve, point by point"
    note = f"Shaded: {shaded}. It is a guide for the eye, not the test."
    return Section(
        f"{exhibit.shelf}-curves",
        title,
        parts=(
            Figure(both[0], f"The author's {len(authors)} printed points (coloured) and our {test.n} seeds.", note),
            Figure(both[1], f"The same minus the mean of our curves: the author's curve is {where}."),
        ),
    )


def _test(exhibit: Exhibit) -> Section:
    test = exhibit.judgement.trace
    assert test is not None
    rank = sum(size >= test.authors_largest for size in test.largest.values()) + 1
    words = (
        f"{rank} of {test.n + 1} curves, including the author's, lie {times(test.authors_largest)} or more standard "
        f"deviations from the others at their worst point: p = {test.p:.2g}. The author's worst point is number "
        f"{test.at_point + 1}."
    )
    ranks = _ranks(
        f"{exhibit.shelf}-ranks", "Largest studentised deviations", words, test.largest, test.authors_largest
    )
    parts = [Figure(ranks, words, "One line for each curve, ordered by its largest deviation.")]
    if (drawn := row(exhibit.judgement)) is not None:
        about = "The mean offset", interval_words(exhibit)
        offset = charts.interval(f"{exhibit.shelf}-offset", *about, axis(exhibit), [drawn])
        below = sum(offset < 0 for offset in test.offsets.values())
        note = (
            f"Bar: prediction interval for one more curve of ours; diamond: our mean; dots: one for each seed. {below} "
            f"of {test.n} seeds lie below 0, where our error is lower."
        )
        size, *ends = (typeset(points(offset)) for offset in (test.offset, test.low, test.high))
        parts.append(Figure(offset, f"The mean offset, {size} points ({' to '.join(ends)}).", note))
    return Section(f"{exhibit.shelf}-test", "Does the author's curve differ from ours?", parts=tuple(parts))


def _runs(exhibit: Exhibit) -> Grid:
    test, rule = exhibit.judgement.trace, exhibit.judgement.claim.rule
    assert test is not None
    assert isinstance(rule, TraceRule)
    runs, tested = {exhibit.table[run].seed: run for run in exhibit.judgement.run_ids}, rule.authors_test

    def line(who: str, curve: list[float], largest: float, error: float | None, run: str) -> tuple[str, ...]:
        shown = () if tested is None else ("–" if error is None else VALUE.short(error),)
        return who, VALUE.short(curve[0]), VALUE.short(curve[-1]), f"{largest:.2f}", *shown, run

    ours = next(iter(exhibit.judgement.arms.values())).curves
    errors = {seed: tested.ours(exhibit.table[runs[seed]].epochs) if tested else None for seed in ours}
    rows = [line(str(seed), curve, test.largest[seed], errors[seed], runs[seed]) for seed, curve in ours.items()]
    head, note = ["seed", "first point", "last point", "largest deviation", "run"], ""
    if tested:
        head.insert(-1, f"test error after {tested.epochs:g} epochs")
        note = _errors(tested, [error for error in errors.values() if error is not None])
    authors = line("the author", rule.authors, test.authors_largest, tested.error if tested else None, "–")
    return Grid(
        "Our curves and the author's, by seed",
        tuple(head),
        (*rows, authors),
        numbers=frozenset(range(1, len(head) - 1)),
        codes=frozenset({len(head) - 1}),
        strong=frozenset({len(rows)}),
        note=note,
    )


def _errors(tested: AuthorsTest, ours: list[float]) -> str:
    """Return how the author's test error lies among ours, in words."""
    if not ours:
        return ""
    higher = sum(error > tested.error for error in ours)
    between = "" if tested.epochs == int(tested.epochs) else " Ours lie on a line between those after whole epochs."
    return (
        f"The author's test error, {VALUE.short(tested.error)}, is not judged: {higher} of our {len(ours)} nets have a "
        f"higher one; the mean of ours is {VALUE.short(fmean(ours))}, and they range from "
        f"{VALUE.interval(min(ours), max(ours))} %.{between}"
    )


@dataclass(frozen=True)
class _Among:
    """The author's points among our curves, at these epochs, with the prediction band (low, high)."""

    epochs: Sequence[float]
    curves: dict[int, list[float]]
    authors: Sequence[float]
    band: tuple[Sequence[float], Sequence[float]]
    less: Sequence[float] | None = None  # what is subtracted from all of them: the mean of our curves

    def rows(self, values: Sequence[float], **more: Any) -> list[Spec]:
        """Return one curve as rows of the drawing."""
        base = self.less or [0.0] * len(self.epochs)
        return [
            more | {"epoch": round(e, 3), "value": round(v - b, 4)}
            for e, v, b in zip(self.epochs, values, base, strict=True)
        ]

    @cached_property
    def ours(self) -> list[Spec]:
        """Our curves, by seed."""
        return [row for seed, curve in self.curves.items() for row in self.rows(curve, seed=seed)]

    @cached_property
    def theirs(self) -> list[Spec]:
        """The author's points."""
        return self.rows(self.authors)

    @cached_property
    def area(self) -> list[Spec]:
        """The prediction band."""
        return [
            low | {"high": high["value"]}
            for low, high in zip(self.rows(self.band[0]), self.rows(self.band[1]), strict=True)
        ]

    def layers(self, hover: bool) -> list[Spec]:
        """Return the band, our curves and the author's points, with the words under a pointer."""
        place = {"x": number("epoch"), "y": number("value")}
        tip = [number("epoch") | {"format": ".2~f"}, number("value") | {"format": ".2%"}]
        layers = [
            layer(self.area, "area", place | {"y2": {"field": "high"}}, color=FAINT, opacity=1),
            layer(self.ours, "line", place | {"detail": name("seed")}, color=INK, strokeWidth=0.7, opacity=0.4),
            layer(self.theirs, "line", place, color=ACCENT, strokeWidth=1.2),
        ]
        if hover:
            near = place | {"tooltip": [name("seed"), *tip]}
            layers.append(layer(self.ours, "circle", near, size=60, opacity=0, color=INK))
        dots = place | ({"tooltip": tip} if hover else {})
        return [*layers, layer(self.theirs, "circle", dots, color=ACCENT, size=44, opacity=1)]


def _among(id: str, title: str, alt_text: str, drawn: _Among) -> Drawing:
    """Return the author's points among our curves and the prediction band."""
    values = [row["value"] for row in (*drawn.ours, *drawn.theirs, *drawn.area)]
    values += [row["high"] for row in drawn.area]
    low, high = min(values), max(values)
    pad = 0.06 * (high - low)
    heading = "running training error" if drawn.less is None else "minus the mean of our curves, percentage points"
    ticks = (
        "format(datum.value, '~%')" if drawn.less is None else "datum.value ? format(100 * datum.value, '+~g') : '0'"
    )

    def build(width: int, hover: bool) -> Spec:
        x_axis = {"title": "epochs", "grid": False, "tickCount": 7, "labelExpr": PLAIN}
        y_axis = {"title": None, "labelExpr": ticks, "tickCount": 5, "domain": False, "ticks": False}
        x = {"scale": {"domain": [0, max(drawn.epochs) * 1.02], "nice": False}, "axis": x_axis}
        y = {"scale": {"domain": [low - pad, high + pad], "nice": False, "zero": False}, "axis": y_axis}
        height = (320 if width > 400 else 260) if drawn.less is None else 200
        return chart(drawn.layers(hover), x, y, width, height, heading)

    return draw(id, title, alt_text, build)


def _ranks(id: str, title: str, alt_text: str, largest: dict[int, float], authors: float) -> Drawing:
    """Return the drawing of every curve's largest studentised deviation, in order of size, the author's among them."""
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
