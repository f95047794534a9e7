"""The page of a paper's nets: layer by layer beside each other, what the first kernels look like, then and now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import sqrt
from statistics import median
from typing import Any

from repro.claim.config import RunConfig, RunData, RunModel
from repro.claim.counts import ListedNet, times, written
from repro.claim.files import ExactFile
from repro.claim.model import DataSpec, Net
from repro.claim.paper import Paper
from repro.claim.resolve import classes, training_images
from repro.data.known import KNOWN
from repro.draw import blocks
from repro.draw.blocks import Block
from repro.draw.parts import Grid, Picture, Row
from repro.draw.svg import NARROW, WIDE
from repro.nets import tables
from repro.nets.tables import Activation, Conv, CrossMapNorm, Dense, Dropout, Local, Pool, SameMapNorm, Scale
from repro.pages import prose
from repro.questions import evaluation_sections
from repro.questions.evaluations import EvaluationMeasure
from repro.questions.exhibit import Exhibit
from repro.questions.mixture import device_of
from repro.questions.speed import Rate
from repro.questions.units import images
from repro.store import Run

NAME = "nets.html"


@dataclass(frozen=True)
class Line:
    """A line on a layer; `kind`: of the step that it is about."""

    kind: str
    text: str


@dataclass(frozen=True)
class Cell:
    """What one net has in a place: (line, whether it differs from the first net), and kinds of lines that it lacks."""

    title: str  # of the net
    lines: tuple[tuple[str, bool], ...]
    lacks: tuple[str, ...]


def page(
    paper: Paper, exhibits: Mapping[str, Exhibit], exact: Sequence[ExactFile], used: Collection[str]
) -> dict[str, Any]:
    """Return everything that templates/nets.html prints.

    `exhibits`: all trained claims by id; `exact`: the others. `used`: ids of the runs that claims rest on.
    """
    ours = [exhibit for exhibit in exhibits.values() if exhibit.file.paper is paper]
    nets = list(paper.listed.values())
    return {
        "paper": paper,
        "on_trial": prose.on_trial([paper]),
        "nets": nets,
        "drawings": [_drawing(name, net) for name, net in paper.listed.items()],
        "layers": _layers(nets),
        "sums": _sums(nets),
        "counted": [file.id for file in exact if file.paper is paper and file.claim.nets],
        "figures": [figure for exhibit in ours if (figure := _figure(exhibit, nets[0]))],
        "then": [then for exhibit in ours if (then := _then(exhibit, used))],
    }


def _drawing(name: str, net: ListedNet) -> dict[str, Any]:
    """Return a net drawn at both widths, its layers in words for those who do not see it."""
    drawn = _blocks(net)
    alt = "; ".join(
        f"{block.name}: {times(block.side, block.side, block.maps) if block.side > 1 else f'{block.maps:,}'}"
        + (f", in {block.parts} parts" if block.parts > 1 else "")
        for block in drawn
    )
    stills = {
        which: blocks.svg(f"net-{name}-{which}", f"{net.title}: its layers as blocks", f"{alt}.", drawn, width)
        for which, width in (("wide", WIDE), ("narrow", NARROW))
    }
    return {"title": net.title, "stills": stills}


def _blocks(net: ListedNet) -> list[Block]:
    """Return the image and every layer with weights. Maps that the next layer reads in parts lie in as many parts."""
    layers = [
        (row, leaving) for row, _, leaving in tables.shapes(net.rows, net.image, net.rounding)
        if isinstance(row, Conv | Local | Dense)
    ]  # fmt: skip
    groups = [getattr(row, "groups", 1) for row, _ in layers]
    out = [Block("image", net.image[0], net.image[1], 1, 1)]
    for i, (row, leaving) in enumerate(layers):
        parts = max(groups[i : i + 2])
        out.append(Block(row.name, leaving[0], leaving[1] if len(leaving) > 1 else 1, parts, groups[i]))
    return out


def _layers(nets: Sequence[ListedNet]) -> list[tuple[str, list[Cell]]]:
    """Return (layer, a cell for each net), in order: the layer with weights, and then what follows before the next."""
    columns = [dict(_stages(net)) for net in nets]
    names = list(dict.fromkeys(name for column in columns for name in column))
    return [
        (
            name,
            [
                _cell(net.title, column.get(name, []), columns[0].get(name, []))
                for net, column in zip(nets, columns, strict=True)
            ],
        )
        for name in names
    ]


def _cell(title: str, lines: Sequence[Line], first: Sequence[Line]) -> Cell:
    """Return what a net has in a place; lines that the first net has not, or in another order, are marked."""
    alike = SequenceMatcher(None, first, lines, autojunk=False).get_matching_blocks()
    same = {i for match in alike for i in range(match.b, match.b + match.size)}
    kinds = {line.kind for line in lines}
    lacks = dict.fromkeys(line.kind for line in first if line.kind not in kinds)
    return Cell(title, tuple((line.text, i not in same) for i, line in enumerate(lines)), tuple(lacks))


def _stages(net: ListedNet) -> Iterator[tuple[str, list[Line]]]:
    """Yield (place, lines) of a net: each layer with weights, and what follows it in order."""
    before, *layers = tables.by_layer(net.rows, net.image, net.rounding)
    size = Line("size", times(*net.image[1:], net.image[0]))
    yield "image", [size, *(_step(row, leaving) for row, _, leaving in before)]
    for (layer, entering, leaving), *after in layers:
        assert isinstance(layer, tables.Weighted)
        yield layer.name, _weights(layer, entering, leaving, net.uniform)
        if after:
            yield f"after {layer.name}", [_step(row, gives) for row, _, gives in after]


def _weights(row: tables.Weighted, entering: tables.Shape, leaving: tables.Shape, uniform: bool) -> list[Line]:
    groups = getattr(row, "groups", 1)
    out = [Line("kernels", f"{tables.outputs(row):,} units")]
    if not isinstance(row, Dense):
        stride = f", stride {row.stride}" if row.stride > 1 else ""
        out = [Line("kernels", f"{row.maps} kernels of {times(row.size, row.size, entering[0] // groups)}{stride}")]
    if groups > 1:
        out.append(Line("parts", f"in {groups} parts, each reads its own"))
    if not isinstance(row, Dense):
        out.append(Line("size", f"gives {times(*leaving[1:], leaving[0])}"))
    biases = f"within ±{sqrt(3) * row.std:.3g}" if uniform else f"{row.bias:g}"  # of a uniform draw
    return [*out, Line("deviation", f"initial deviation {row.std:.3g}"), Line("biases", f"initial biases {biases}")]


def _step(row: tables.Row, leaving: tables.Shape) -> Line:
    """Return a step without weights in a line."""
    if isinstance(row, Activation):
        return Line("non-linearity", prose.activation(row.kind))
    if isinstance(row, Pool):
        return Line("pooling", f"{row.kind} pooling {row.size}/{row.stride}, gives {times(*leaving[1:], leaving[0])}")
    if isinstance(row, CrossMapNorm):
        parts = f", in {row.groups} parts" if row.groups > 1 else ""
        text = f"norm across {row.size} maps{parts}: k {row.k:g}, α {written(row.alpha)}, β {row.beta:g}"
        return Line("norm across maps", text)
    if isinstance(row, SameMapNorm):
        text = f"norm within a map, {row.size} × {row.size}: α {written(row.alpha)} / {row.size**2}, β {row.beta:g}"
        return Line("norm within a map", text)
    if isinstance(row, Dropout):
        return Line("dropout", f"dropout, keeps {row.keep:g}")
    assert isinstance(row, Scale)
    return Line("factor", f"times {row.factor:g}")


def _sums(nets: Sequence[ListedNet]) -> Grid:
    """Return how large each net is."""
    counts = (("parameters", tables.parameters), ("multiply-adds an image", tables.multiply_adds),
              ("neurons", tables.neurons))  # fmt: skip
    rows: list[Row] = [
        (net.title, *(f"{sum(count(net.rows, net.image, net.rounding).values()):,}" for _, count in counts))
        for net in nets
    ]
    head = ("net", *(name for name, _ in counts))
    return Grid("How large they are", head, tuple(rows), frozenset(range(1, len(head))))


def _figure(exhibit: Exhibit, whole: ListedNet) -> dict[str, Any] | None:
    """Return what a claim pictures in place of a figure of the paper, of the first seed that has it; None of others."""
    number, claim = exhibit.file.claim.paper.figure, exhibit.judgement.claim
    if number is None or not isinstance(claim.measure, EvaluationMeasure) or not claim.measure.pictured:
        return None
    section = evaluation_sections.section(exhibit)
    pictures = [part for part in section.parts if isinstance(part, Picture)] if section else []
    first = next(row for row in whole.rows if isinstance(row, Conv))
    ours = next(row for row in claim.model.rows(len(classes(claim.data))) if isinstance(row, Conv))
    return {
        "number": number,
        "claim": exhibit.file.id,
        "picture": pictures[0] if pictures else None,
        "more": len(pictures) - 1,
        "layer": first.name,
        "theirs": first.maps,
        "ours": ours.maps,
        "scale": exhibit.scale,
        "data": prose.data(claim),
    }


def _then(exhibit: Exhibit, used: Collection[str]) -> dict[str, Any] | None:
    """Return the speed and the hours of the paper beside those that were measured; None of other claims.

    Nothing is extrapolated: a timing has no hours, and hours are those of a training that was done.
    """
    claim = exhibit.judgement.claim
    rule, kind = claim.rule, claim.model.kind
    if not isinstance(rule, Rate):
        return None
    slow, fast = rule.within
    days = " to ".join(f"{24 * rule.days(rate):.0f}" for rate in (fast, slow))
    what = f"{rule.cycles} cycles through {rule.images:,} images"
    theirs: Row = (f"the paper, {rule.on}", what, f"{images(slow)} to {images(fast)}", days)
    ours: list[Row] = []
    effect = exhibit.judgement.effect
    if exhibit.speaks and effect is not None and effect.estimate is not None:
        on = str(exhibit.judgement.device).partition(" (")[0]
        what = f"timed {effect.n} times, {_images(claim.data, claim.model)}"
        ours.append((f"ours, {on}", what, f"{images(effect.estimate)} ({effect.interval_words})", "–"))
    ours += _trainings(exhibit, kind, used)
    note = (
        "The paper prints days, from which its images/s follow. A dash: timed, not trained. Hours are those that a "
        "training took, as recorded; nothing is extrapolated. Smaller nets and smaller crops train faster."
    )
    grid = Grid("Images/s and hours, then and now", ("whose", "what", "images/s", "hours"), (theirs, *ours),
                frozenset({2, 3}), note=note)  # fmt: skip
    return {"claim": exhibit.file.id, "says": exhibit.file.claim.paper.says, "grid": grid, "measured": bool(ours)}


def _trainings(exhibit: Exhibit, kind: str, used: Collection[str]) -> list[Row]:
    """Return, for each device, the training of this kind of net that saw most images."""
    most: dict[str, tuple[int, str]] = {}
    for id in sorted(used):
        run = exhibit.table[id]
        config: Any = run.config
        if "train" in config and run.epochs and config["model"]["kind"] == kind:
            device, seen = device_of(run.sessions[-1]), _images_trained(run)
            if seen > most.get(device, (0, ""))[0]:
                most[device] = seen, id
    return [_training(exhibit.table[id], device) for device, (_, id) in sorted(most.items())]


def _images_trained(run: Run) -> int:
    return len(run.epochs) * training_images(RunConfig.model_validate(run.config).data)


def _training(run: Run, device: str) -> Row:
    config, seconds, n = RunConfig.model_validate(run.config), [row["seconds"] for row in run.epochs], len(run.epochs)
    each = _images_trained(run) // n
    session = run.sessions[-1]
    on = (
        f"{session['threads']} thread{'s' * (session['threads'] != 1)} of {device}"
        if session["device"] == "cpu"
        else device
    )
    what = f"{n} cycles through {each:,} images, {_images(config.data, config.model)}: {run.id}"
    return f"ours, {on}", what, images(each / median(seconds)), f"{sum(seconds) / 3600:.2g}"


def _images(data: DataSpec | RunData, model: Net | RunModel) -> str:
    """Return what a net of ours read, and how large it was beside the paper's."""
    crop = f", crops of {data.crop} px" if data.crop else ""
    width = getattr(model, "width", None)  # a library's net has none
    width = f", {width:g} times the maps" if width not in (None, 1) else ""
    return f"{KNOWN[data.kind].title}{crop}{width}"
