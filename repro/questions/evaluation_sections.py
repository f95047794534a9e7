"""What nets looked at have to show: both looks side by side, curves over thinned nets, kernels as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from repro.draw import kernels
from repro.draw.charts import log_ticks
from repro.draw.curves import DASHES
from repro.draw.parts import Figure, Grid, Part, Section
from repro.draw.svg import INK, MUTED, PLAIN, Drawing, Spec, chart, draw, layer, name, number
from repro.questions.exhibit import Exhibit
from repro.questions.statistics import mcnemar
from repro.questions.units import points, typeset
from repro.store import Run

PICTURED = 288  # kernels that are drawn at most: three nets of 96, six of half the width (a page: below 300 kB)

Looked = dict[int, Run]  # by seed


def section(shown: Exhibit) -> Section | None:
    """What every arm's runs were looked at for; None of other claims."""
    judgement, title, text = shown.judgement, "", ""
    parts: list[Part] = []
    every: list[Run] = []
    for arm, seen in judgement.arms.items():
        ids = {o.seed: o.evaluation for o in seen.observations if o.evaluation}
        runs = {seed: shown.table[i] for seed, i in ids.items() if i in shown.table and shown.table[i].values}
        if runs:
            kind = next(iter(runs.values())).config["look"]["kind"]
            found, title, text = _PARTS[kind](f"{shown.shelf}-{arm}-looked", runs)
            if kind == "kernels" and (figure := shown.file.claim.paper.figure) and shown.speaks:
                title = f"Figure {figure} of the paper, measured again"
            parts += [_of(judgement.claim.label(arm), part) for part in found] if len(judgement.arms) > 1 else found
            every += runs.values()
    if not parts:
        return None
    return Section(f"{shown.shelf}-looked", title, tuple(filter(None, (text, _again(every)))), tuple(parts))


def _of(arm: str, part: Part) -> Part:
    """The same, saying whose it is."""
    return replace(part, caption=f"With {arm}: {part.caption[0].lower()}{part.caption[1:]}")


def _again(runs: Sequence[Run]) -> str:
    """What is said where weights were gone, and runs were trained again to be looked at."""
    found = [run.result["trained_again"] for run in runs if run.result and "trained_again" in run.result]
    if not found:
        return ""
    other = sum(how == "other" for how in found)
    same = "each has the recorded test error again" if not other else f"{other} have another test error than recorded"
    return f"The weights of {len(found)} of these runs had been deleted, so they were trained again: {same}."


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"


def _table(caption: str, head: Sequence[str], runs: Looked, cells: Sequence[tuple[str, str]]) -> Grid:
    """A row for each seed, and their mean. `cells`: (value's name, form): percent, points and share, which have a mean;
    count, p, and a share of one tower, whose name means nothing from seed to seed."""
    forms = {"percent": _percent, "points": lambda v: typeset(points(v)),
             "count": lambda v: f"{v:,.0f}", "share": lambda v: f"{v:.3f}",
             "p": _p, "tower": lambda v: f"{v:.3f}"}  # fmt: skip

    def cell(run: Run, key: str, form: str) -> str:
        return forms[form](run.values[key]) if key in run.values else "–"

    rows = [(str(seed), *(cell(run, *c) for c in cells)) for seed, run in runs.items()]
    strong: frozenset[int] = frozenset()
    if len(runs) > 1:
        found = [[run.values[key] for run in runs.values() if key in run.values] for key, _ in cells]
        whole = zip(cells, found, strict=True)
        mean = (forms[form](fmean(v)) if v and form in ("percent", "points", "share") else "" for (_, form), v in whole)
        rows.append(("mean", *mean))
        strong = frozenset({len(runs)})
    return Grid(caption, ("seed", *head), tuple(rows), frozenset(range(1, len(cells) + 1)), strong=strong)


def _ten_views(id: str, runs: Looked) -> tuple[list[Part], str, str]:
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
        grid = _table(f"{word} of each net in the centre view and in ten views averaged", head, runs, cells)
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
    return grids, "One view and ten views", text


def _thinned_nets(id: str, runs: Looked) -> tuple[list[Part], str, str]:
    first = next(iter(runs.values()))
    cells = [("halved_error", "percent"), ("geometric_error", "percent"), ("arithmetic_error", "percent")]
    cells += [("thinned_error", "percent"), ("excess", "points")]
    cells += [("geometric_divergence", "share"), ("arithmetic_divergence", "share"), ("geometric_agrees", "percent")]
    head = ("halved net, %", "geometric mean, %", "arithmetic mean, %", "mean of single thinned nets, %",
            "halved minus geometric, points",
            "KL of geometric, nats", "KL of arithmetic, nats", "same answer, %")  # fmt: skip
    table = _table("Errors of the halved net and of thinned nets averaged", head, runs, cells)
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
    return [Figure(_over_masks(id, runs), "How many thinned nets are needed.", note), table, grid], "Thinned nets", text


def _over_masks(id: str, runs: Looked) -> Drawing:
    """Error of the halved net less that of the means, against the number of thinned nets."""
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


def _kernels(id: str, runs: Looked) -> tuple[list[Part], str, str]:
    cells = [("learned_1", "count"), ("learned_2", "count"), ("chroma_1", "tower"), ("chroma_2", "tower")]
    cells += [("difference", "share"), ("p", "p")]
    head = ("kernels, tower 1", "kernels, tower 2", "chroma, tower 1", "chroma, tower 2", "absolute difference", "p")
    parts: list[Part] = [_table("Chroma share of what the towers’ kernels have learned", head, runs, cells)]
    drawn = list(runs.items())[: int(PICTURED // next(iter(runs.values())).values["kernels"])]
    parts += [kernels.picture(seed, run) for seed, run in drawn]
    text = (
        "Noise has a chroma share of 0.667, so a kernel that has not learned would look specific to colour. What is "
        "left of the initial noise is therefore subtracted, and kernels that are mostly noise do not count. Which of "
        "the two towers is specific to colour may differ between runs."
    )
    if len(drawn) < len(runs):
        text += f" The first {len(drawn)} of {len(runs)} seeds are drawn; the evaluations hold all kernels."
    return parts, "Kernels by tower", text


def _neighbours(id: str, runs: Looked) -> tuple[list[Part], str, str]:
    cells = [("precision", "percent"), ("pixel_precision", "percent"), ("gain", "points"), ("chance", "percent")]
    cells += [("pixel_rank", "percent"), ("pixel_rank_median", "percent"), ("shared", "percent")]
    head = ("by fc7, %", "by pixels, %", "gain, points", "by chance, %", "rank by pixels, mean %",
            "rank by pixels, median %", "near by both, %")  # fmt: skip
    table = _table("Share of the nearest training photos that have the test photo’s class", head, runs, cells)
    places = next(iter(runs.values())).curves["nearest"]
    steps = []
    for i, place in enumerate(places):
        keys = ("precision", "pixel_precision", "pixel_rank")
        at = [fmean(run.curves[key][i] for run in runs.values()) for key in keys]
        steps.append((f"{place:.0f}", *map(_percent, at)))
    caption = "The same by rank of the neighbour (mean of the seeds)"
    names = ("rank", "by fc7, %", "by pixels, %", "fc7’s neighbour: rank by pixels, %")
    grid = Grid(caption, names, tuple(steps), frozenset(range(4)))
    values = next(iter(runs.values())).values
    text = (
        f"The neighbours of {values['queries']:,.0f} test photos are sought among {values['gallery']:,.0f} training "
        "photos. “Rank by pixels” says how far away fc7’s neighbours are in pixel space: it is the share of the "
        "training photos that are nearer by pixels, 0 for the nearest and 50 % by chance. “Near by both” is the share "
        "of fc7’s neighbours that are also among the same number of nearest photos by pixels."
    )
    return [table, grid], "Neighbours", text


def _shifted_colours(id: str, runs: Looked) -> tuple[list[Part], str, str]:
    cells = [("error", "percent"), ("shifted_error", "percent"), ("shifted_rise", "points")]
    head = ("unchanged, %", "shifted, mean %", "increase, points")
    table = _table("Test errors with unchanged and with shifted colours", head, runs, cells)
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
    return [table, grid], "Shifted colours", text


_PARTS = {
    "shifted_colours": _shifted_colours,
    "ten_views": _ten_views,
    "thinned_nets": _thinned_nets,
    "kernels": _kernels,
    "neighbours": _neighbours,
}
