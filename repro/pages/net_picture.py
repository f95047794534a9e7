"""The net that a claim trains, as a picture from its table of layers, with what differs between the arms marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2, sqrt

from repro.claim.overlays import reach
from repro.claim.resolve import classes, image, run_config
from repro.nets import tables
from repro.nets.tables import Row, Shape
from repro.pages.prose import activation
from repro.pages.settings import in_short
from repro.questions.base import Claim

NONE = "none"


@dataclass(frozen=True)
class Part:
    """A line below a layer."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Layer:
    """A weighted layer with what follows it, or the input or the training. `height`, `width`: of its box, in pixels."""

    name: str
    height: int
    width: int
    parts: tuple[Part, ...]
    differs: bool


@dataclass(frozen=True)
class Net:
    """The layers in order; `varies`: some differ."""

    layers: tuple[Layer, ...]
    varies: bool


def picture(claim: Claim) -> Net | None:
    """Return the net of a claim; None for nets of libraries, whose layers are not known here."""
    runs = {arm: run_config(claim, arm, seed=0) for arm in claim.arms}
    rows = {arm: claim.kinds.rows(run.model, len(classes(run.data))) for arm, run in runs.items()}
    if not all(rows.values()) or any(0 in image(run.data) for run in runs.values()):
        return None
    by_arm = {arm: _layers(rows[arm], image(run.data)) for arm, run in runs.items()}
    names = list(dict.fromkeys(name for layers in by_arm.values() for name in layers))
    names.sort(key=lambda name: max(list(layers).index(name) for layers in by_arm.values() if name in layers))
    side = image(next(iter(runs.values())).data)
    widest = max(max(image(run.data)[1:]) for run in runs.values())
    layers = [_layer(name, {arm: layers.get(name) for arm, layers in by_arm.items()}, widest) for name in names]
    marked = any(each.differs for each in layers)
    others = [key for key in claim.varies if not (marked and key.startswith("model."))]
    data = [_part(key, claim) for key in others if key.startswith("data.")]
    rest = [_part(key, claim) for key in others if not key.startswith("data.")]
    entry = Layer("input", *_box(side, widest), (Part(f"{side[1]} × {side[2]}", False), *data), bool(data))
    ending = [Layer("training", 0, 0, tuple(rest), True)] if rest else []
    every = (entry, *layers, *ending)
    return Net(every, any(layer.differs for layer in every))


def _part(key: str, claim: Claim) -> Part:
    """Return a key in which arms differ, with its value in each of them."""
    base = reach(claim.model_dump(), tuple(key.split(".")))
    words = " / ".join(dict.fromkeys(in_short(arm.overrides.get(key, base)) for arm in claim.arms.values()))
    return Part(f"{key.partition('.')[2] or key}: {words}", True)


Through = list[tuple[Row, Shape, Shape]]


def _layers(rows: tuple[Row, ...], size: Shape) -> dict[str, Through]:
    """Return the rows of each weighted layer, by name: its own, and those up to the next."""
    _, *layers = tables.by_layer(rows, size)
    return {row.name: through for through in layers if isinstance(row := through[0][0], tables.Weighted)}


def _layer(name: str, by_arm: Mapping[str, Through | None], widest: int) -> Layer:
    """Return a layer from the rows that each arm has of it; None for an arm without it."""
    words = [_words(through) for through in by_arm.values() if through]
    keys = list(dict.fromkeys(key for own in words for key in own))
    parts = [Part("not in every arm", True)] * (len(words) < len(by_arm))
    for key in keys:
        texts = list(dict.fromkeys(own.get(key, NONE) for own in words))
        if key[0] in ("bias", "std") and len(texts) == 1:
            continue  # a detail, unless arms differ in it
        parts.append(Part(" / ".join(texts), len(texts) > 1))
    shape = next(through[0][2] for through in by_arm.values() if through)
    return Layer(name, *_box(shape, widest), tuple(parts), any(part.differs for part in parts))


def _words(through: Through) -> dict[tuple[str, int], str]:
    """Return what is said of each row, by what it is."""
    out: dict[tuple[str, int], str] = {}
    for row, _, _ in through:
        for what, text in _row_words(row).items():
            count = sum(key[0] == what for key in out)
            out[what, count] = text
    return out


def _row_words(row: Row) -> dict[str, str]:
    """Return the words for one row, by what they are about."""
    match row:
        case tables.Dense():
            groups = f" in {row.groups} groups" * (row.groups > 1)
            return {"weights": f"{row.units:,} units{groups}", "bias": f"bias {row.bias:g}", "std": f"σ {row.std:g}"}
        case tables.Conv() | tables.Local():
            step = f", step {row.stride}" * (row.stride > 1)
            groups = f", {row.groups} groups" if isinstance(row, tables.Conv) and row.groups > 1 else ""
            local = "local " * isinstance(row, tables.Local)
            kernels = f"{row.maps} {local}kernels of {row.size} × {row.size}{step}{groups}"
            return {"weights": kernels, "bias": f"bias {row.bias:g}", "std": f"σ {row.std:g}"}
        case tables.Pool():
            return {"pool": f"{row.kind} of {row.size} × {row.size}, step {row.stride}"}
        case tables.Activation():
            return {"activation": activation(row.kind)}
        case tables.CrossMapNorm():
            return {"norm": f"LRN over {row.size} maps"}
        case tables.SameMapNorm():
            return {"norm": f"norm over {row.size} × {row.size}"}
        case tables.Scale():
            return {"scale": f"constant factor {row.factor:.3g}"}
        case tables.Dropout():
            return {"dropout": f"dropout {1 - row.keep:g}"}


def _box(shape: Shape, widest: int) -> tuple[int, int]:
    """Return height and width of a layer's box: by the root of a map's side, and by the number of maps or units."""
    if len(shape) == 1:
        return round(5 * log2(max(shape[0], 2))), 9
    return round(16 + 56 * sqrt(shape[1] / widest)), round(4 + 5 * log2(max(shape[0], 2)))
