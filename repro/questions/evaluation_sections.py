"""Page sections for evaluations of trained nets: tables by seed, and curves over thinned nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from repro.claim.evaluation import FINAL_OPTIONS
from repro.draw.axes import log_ticks
from repro.draw.curves import DASHES
from repro.draw.parts import Figure, Grid, Part, Section
from repro.draw.svg import INK, MUTED, PLAIN, Drawing, Spec, chart, draw, layer, name, number
from repro.questions.evaluations import EvaluationMeasure
from repro.questions.exhibit import Exhibit
from repro.questions.measure import Measure
from repro.questions.statistics import mcnemar
from repro.questions.units import points, typeset
from repro.store import Run

Evaluations = Mapping[int, Run]  # by seed


@dataclass(frozen=True)
class PageParts:
    """What a page has of one arm's evaluations. `figure`: whether the parts redo the figure that the claim names."""

    title: str
    text: str
    parts: tuple[Part, ...]
    figure: bool = False


def section(exhibit: Exhibit) -> Section | None:
    """Return the section on what every arm's runs were evaluated for; None of other claims."""
    judgement, title, text = exhibit.judgement, "", ""
    parts: list[Part] = []
    every: list[Run] = []
    for arm_name, arm in judgement.arms.items():
        ids = {o.seed: o.evaluation for o in arm.observations if o.evaluation}
        runs = {seed: exhibit.table[i] for seed, i in ids.items() if i in exhibit.table and exhibit.table[i].values}
        if runs:
            page = page_parts(judgement.claim.measure, f"{exhibit.shelf}-{arm_name}-evaluation", runs)
            title, text = page.title, page.text
            if page.figure and (number := exhibit.file.claim.paper.figure) and exhibit.speaks:
                title = f"Figure {number} of the paper, measured again"
            label = judgement.claim.label(arm_name)
            parts += [_of(label, part) for part in page.parts] if len(judgement.arms) > 1 else page.parts
            every += runs.values()
    if not parts:
        return None
    return Section(f"{exhibit.shelf}-evaluation", title, tuple(filter(None, (text, _again(every)))), tuple(parts))


def page_parts(measure: Measure, id: str, runs: Evaluations) -> PageParts:
    """Return what a page has of these evaluations: the measure's own, or that of the errors in `FINAL_OPTIONS`."""
    if isinstance(measure, EvaluationMeasure):
        return measure.page_parts(id, runs)
    return {"ten_views": ten_views, "shifted_colours": shifted_colours}[FINAL_OPTIONS[measure.metric].kind](id, runs)


def _of(label: str, part: Part) -> Part:
    """Return the same part with the arm's label in its caption."""
    return replace(part, caption=f"With {label}: {part.caption[0].lower()}{part.caption[1:]}")


def _again(runs: Sequence[Run]) -> str:
    """Return a sentence on runs that were trained again because their weights were gone; empty where there are none."""
    again = [run.result["trained_again"] for run in runs if run.result and "trained_again" in run.result]
    if not again:
        return ""
    other = sum(how == "other" for how in again)
    same = "each has the recorded test error again" if not other else f"{other} have another test error than recorded"
    return f"The weights of {len(again)} of these runs had been deleted, so they were trained again: {same}."


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"


def table_of_seeds(caption: str, head: Sequence[str], runs: Evaluations, cells: Sequence[tuple[str, str]]) -> Grid:
    """Return a row for each seed, and their mean.

    `cells`: (value's name, form): percent, points and share, which have a mean; count, p, and a share of one tower,
    whose name means nothing from seed to seed.
    """
    forms = {"percent": _percent, "points": lambda v: typeset(points(v)),
             "count": lambda v: f"{v:,.0f}", "share": lambda v: f"{v:.3f}",
             "p": _p, "tower": lambda v: f"{v:.3f}"}  # fmt: skip

    def cell(run: Run, key: str, form: str) -> str:
        return forms[form](run.values[key]) if key in run.values else "–"

    rows = [(str(seed), *(cell(run, *c) for c in cells)) for seed, run in runs.items()]
    strong: frozenset[int] = frozenset()
    if len(runs) > 1:
        columns = [[run.values[key] for run in runs.values() if key in run.values] for key, _ in cells]
        whole = zip(cells, columns, strict=True)
        mean = (forms[form](fmean(v)) if v and form in ("percent", "points", "share") else "" for (_, form), v in whole)
        rows.append(("mean", *mean))
        strong = frozenset({len(runs)})
    return Grid(caption, ("seed", *head), tuple(rows), frozenset(range(1, len(cells) + 1)), strong=strong)


def ten_views(id: str, runs: Evaluations) -> PageParts:
    """Return both errors of each net, and McNemar's test of them."""
    grids: list[Part] = []
    both = (("Errors", "", "error", "views_error"), ("Top-5 errors", "_top5", "top5", "views_top5"))
    for word, top, one, ten in both:
        cells = [(one, "percent"), (ten, "percent"), (f"gain{top}", "points")]
        cells += [(f"won{top}", "count"), (f"lost{top}", "count")]
        head = (
            "centre view, %",
            "ten views, %",
            "gain, points",
            "right in ten views only",
            "right in centre view only",
        )
        grid = table_of_seeds(f"{word} of each net in the centre view and in ten views averaged", head, runs, cells)
        ps = [_p(mcnemar(int(run.values[f"won{top}"]), int(run.values[f"lost{top}"]))) for run in runs.values()]
        rows = [(*row, p) for row, p in zip(grid.rows, [*ps, ""], strict=False)]
        grids.append(Grid(grid.caption, (*grid.head, "McNemar’s p"), tuple(rows), frozenset(range(1, 7)),
                          strong=grid.strong))  # fmt: skip
    photos = next(iter(runs.values())).values["photos"]
    text = (
        f"There are {photos:,.0f} test photos. A net answers twice for each photo, so McNemar’s exact test shows "
        "whether its two error rates differ: without a difference, each way is right for half of the photos that only "
        "one of the two gets right."
    )
    return PageParts("One view and ten views", text, tuple(grids))


def thinned_nets(id: str, runs: Evaluations) -> PageParts:
    """Return the errors of the halved net and of means of thinned nets, by seed and by how many are averaged."""
    first = next(iter(runs.values()))
    cells = [("halved_error", "percent"), ("geometric_error", "percent"), ("arithmetic_error", "percent")]
    cells += [("thinned_error", "percent"), ("excess", "points")]
    cells += [("geometric_divergence", "share"), ("arithmetic_divergence", "share"), ("geometric_agrees", "percent")]
    head = ("halved net, %", "geometric mean, %", "arithmetic mean, %", "mean of single thinned nets, %",
            "halved minus geometric, points",
            "KL of geometric, nats", "KL of arithmetic, nats", "same answer, %")  # fmt: skip
    table = table_of_seeds("Errors of the halved net and of thinned nets averaged", head, runs, cells)
    counts = first.curves["masks"]
    steps = []
    for i, count in enumerate(counts):
        at = [fmean(run.curves[key][i] for run in runs.values()) for key in
              ("geometric_error", "arithmetic_error", "geometric_divergence", "arithmetic_divergence")]  # fmt: skip
        steps.append((f"{count:,.0f}", _percent(at[0]), _percent(at[1]), f"{at[2]:.4f}", f"{at[3]:.4f}"))
    caption = "The halved net and averages of the first k thinned nets (mean of the seeds)"
    names = ("thinned nets", "geometric, error %", "arithmetic, error %", "geometric, KL", "arithmetic, KL")
    grid = Grid(caption, names, tuple(steps), frozenset(range(5)))
    values = first.values
    text = (
        f"{values['masks']:,.0f} thinned nets, {values['photos']:,.0f} test photos. The halved net is the net as it is "
        "used at test time: its hidden outputs are multiplied by the probability of being kept. KL is the divergence "
        "of its predictions from the average’s, in nats per photo. “Same answer”: photos for which the halved net and "
        "the geometric mean give the same class."
    )
    note = "Solid: geometric mean; dashed: arithmetic mean; one line for each seed. Above 0 the average is better."
    figure = Figure(_over_masks(id, runs), "How many thinned nets are needed.", note)
    return PageParts("Thinned nets", text, (figure, table, grid))


def _over_masks(id: str, runs: Evaluations) -> Drawing:
    """Draw the error of the halved net less that of the means, against the number of thinned nets."""
    rows: list[Spec] = [
        {"seed": seed, "mean": mean, "masks": count, "excess": round(100 * (run.values["halved_error"] - error), 3)}
        for seed, run in runs.items()
        for mean in ("geometric", "arithmetic")
        for count, error in zip(run.curves["masks"], run.curves[f"{mean}_error"], strict=True)
    ]
    most = max(row["masks"] for row in rows)
    every = [row["excess"] for row in rows] + [0.0]
    pad = 0.08 * (max(every) - min(every)) or 1.0
    last = [row for row in rows if row["masks"] == most]
    ends = [fmean(row["excess"] for row in last if row["mean"] == mean) for mean in ("geometric", "arithmetic")]
    alt = (
        f"With {most:,.0f} thinned nets, the error of the halved net minus that of the geometric mean is "
        f"{ends[0]:+.2f} "
    )
    alt += f"points, minus that of the arithmetic mean {ends[1]:+.2f}."

    def build(width: int, hover: bool) -> Spec:
        place = {"x": number("masks"), "y": number("excess")}
        dash = {"domain": ["geometric", "arithmetic"], "range": [list(DASHES[0]), list(DASHES[1])]}
        lines = place | {"detail": name("seed"), "strokeDash": name("mean") | {"scale": dash, "legend": None}}
        layers = [
            layer([{"y": 0}], "rule", {"y": number("y")}, color=MUTED, strokeDash=[2, 3]),
            layer(rows, "line", lines, color=INK, strokeWidth=1.2, opacity=0.8),
        ]
        if hover:
            tip = [name("seed"), name("mean"), number("masks"), number("excess") | {"format": "+.2f"}]
            layers.append(layer(rows, "circle", place | {"tooltip": tip}, size=80, opacity=0, color=INK))
        ticks = {"values": log_ticks(1, most), "labelExpr": PLAIN}
        x_axis = {"title": "thinned nets averaged, log scale", "grid": False, **ticks}
        y_axis = {"title": None, "labelExpr": PLAIN, "tickCount": 5, "domain": False, "ticks": False}
        x = {"scale": {"type": "log", "domain": [1, most], "nice": False}, "axis": x_axis}
        y = {"scale": {"domain": [min(every) - pad, max(every) + pad], "nice": False, "zero": False}, "axis": y_axis}
        title = "error of the halved net minus the average’s, percentage points"
        return chart(layers, x, y, width, 260 if width > 400 else 220, title)

    return draw(f"{id}-masks", "Thinned nets averaged", alt, build)


def neighbours(layer_name: str, runs: Evaluations) -> PageParts:
    """Return how many neighbours by a layer's outputs, and by pixels, are of the photo's class."""
    cells = [("precision", "percent"), ("pixel_precision", "percent"), ("gain", "points"), ("chance", "percent")]
    cells += [("pixel_rank", "percent"), ("pixel_rank_median", "percent"), ("shared", "percent")]
    head = (f"by {layer_name}, %", "by pixels, %", "gain, points", "by chance, %", "rank by pixels, mean %",
            "rank by pixels, median %", "near by both, %")  # fmt: skip
    table = table_of_seeds("Share of the nearest training photos that have the test photo’s class", head, runs, cells)
    places = next(iter(runs.values())).curves["nearest"]
    steps = []
    for i, place in enumerate(places):
        keys = ("precision", "pixel_precision", "pixel_rank")
        at = [fmean(run.curves[key][i] for run in runs.values()) for key in keys]
        steps.append((f"{place:.0f}", *map(_percent, at)))
    caption = "The same by rank of the neighbour (mean of the seeds)"
    names = ("rank", f"by {layer_name}, %", "by pixels, %", f"{layer_name}’s neighbour: rank by pixels, %")
    grid = Grid(caption, names, tuple(steps), frozenset(range(4)))
    values = next(iter(runs.values())).values
    text = (
        f"The neighbours of {values['queries']:,.0f} test photos are sought among {values['gallery']:,.0f} training "
        f"photos. “Rank by pixels” says how far away {layer_name}’s neighbours are in pixel space: it is the share of "
        "the training photos that are nearer by pixels, 0 for the nearest and 50 % by chance. “Near by both” is the "
        f"share of {layer_name}’s neighbours that are also among the same number of nearest photos by pixels."
    )
    return PageParts("Neighbours", text, (table, grid))


def shifted_colours(id: str, runs: Evaluations) -> PageParts:
    """Return the errors of the photos as they are and with their colours shifted."""
    cells = [("error", "percent"), ("shifted_error", "percent"), ("shifted_rise", "points")]
    head = ("unchanged, %", "shifted, mean %", "increase, points")
    table = table_of_seeds("Test errors with unchanged and with shifted colours", head, runs, cells)
    first = next(iter(runs.values())).curves
    steps = []
    for i, (component, by) in enumerate(zip(first["component"], first["by"], strict=True)):
        error = fmean(run.curves["error"][i] for run in runs.values())
        steps.append((f"{component:.0f}", f"{by:+g}", _percent(error)))
    names = ("component", "shift, standard deviations", "error, %")
    grid = Grid("The error under each shift (mean of the seeds)", names, tuple(steps), frozenset(range(3)))
    text = (
        "All test photos are shifted along one principal component of the training photos’ colours. This is done for "
        "three components in both directions, and the errors of the centre view are averaged. Component 1 is mostly "
        "brightness, the others are colour. A shift is given in standard deviations of its component."
    )
    return PageParts("Shifted colours", text, (table, grid))
