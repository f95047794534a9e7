"""The evidence behind one printed curve among ours: the curves, the test, the offset, the runs."""

from __future__ import annotations

from repro.analysis.phrases import times
from repro.report import charts, curves, prose
from repro.report.parts import Figure, Grid, Section
from repro.report.view import Shown, axis, interval_words, row


def sections(shown: Shown) -> list[Section]:
    """Curves, test and judged runs of one shelf."""
    return [_curves(shown), _test(shown), Section(f"{shown.shelf}-runs", "Judged runs", parts=(_runs(shown),))]


def _curves(shown: Shown) -> Section:
    found, claim = shown.judgement.trace, shown.judgement.claim
    assert found is not None
    assert claim.rule.kind == "trace"
    assert claim.measure.kind == "trace"
    authors, ours = claim.rule.authors, next(iter(shown.judgement.arms.values())).curves
    first = shown.table[shown.judgement.run_ids[0]].epochs[0]
    per_epoch = first["update"] / first["epoch"]
    epochs = [(i + 1) * claim.measure.every / per_epoch for i in range(len(authors))]
    band = found.point_low, found.point_high
    outside = [str(i + 1) for i, a in enumerate(authors) if not band[0][i] <= a <= band[1][i]]
    at = f"point{'s' * (len(outside) != 1)} {prose.listed(outside)}"
    where = f"outside the shaded interval at {at}" if outside else "inside the shaded interval at every point"
    alt = f"The author's {len(authors)} points among {found.n} of our curves and their prediction interval: {where}."
    title, less = "The author's curve among ours", "The same, less our mean"
    both = (
        curves.trace(f"{shown.shelf}-curves", title, alt, epochs, ours, authors, band),
        curves.trace(f"{shown.shelf}-less", less, alt, epochs, ours, authors, band, less=found.mean),
    )
    shaded = f"{100 * found.confidence:g} % prediction interval for one more curve, point by point"
    note = f"Shaded: {shaded}, for the eye; it is not the test."
    return Section(
        f"{shown.shelf}-curves",
        title,
        parts=(
            Figure(both[0], f"The author's {len(authors)} printed points, coloured, and our {found.n} seeds.", note),
            Figure(both[1], f"The same, less the mean of our curves: the author's is {where}."),
        ),
    )


def _test(shown: Shown) -> Section:
    found = shown.judgement.trace
    assert found is not None
    rank = sum(size >= found.authors_largest for size in found.largest.values()) + 1
    words = (
        f"{rank} of {found.n + 1} curves, the author's among them, stray {times(found.authors_largest)} or more "
        f"standard deviations from the others at their worst point: p = {found.p:.2g}. The author's is worst at point "
        f"{found.at_point + 1}."
    )
    ranks = curves.ranks(
        f"{shown.shelf}-ranks", "Largest studentised deviations", words, found.largest, found.authors_largest
    )
    parts = [Figure(ranks, words, "A line for each curve, in order of its largest deviation.")]
    if (drawn := row(shown.judgement)) is not None:
        about = "The mean offset", interval_words(shown)
        offset = charts.interval(f"{shown.shelf}-offset", *about, axis(shown), [drawn])
        below = sum(offset < 0 for offset in found.offsets.values())
        note = (
            f"Bar: where one more curve of ours would lie; diamond: our mean; dots: one for each seed, {below} of "
            f"{found.n} below 0, where ours has the lower error."
        )
        size, *ends = (prose.points(offset) for offset in (found.offset, found.low, found.high))
        parts.append(Figure(offset, f"The mean offset, {size} points ({' to '.join(ends)}).", note))
    return Section(f"{shown.shelf}-test", "Can it be told apart?", parts=tuple(parts))


def _runs(shown: Shown) -> Grid:
    found, rule = shown.judgement.trace, shown.judgement.claim.rule
    assert found is not None
    assert rule.kind == "trace"
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
