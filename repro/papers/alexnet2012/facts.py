"""Counts of the net of the paper, without training and without torch.

Each function returns a value with its arithmetic, written out from the same numbers. Claims use the net of the released
source by default, on images of 224 x 224 pixels (§3.5).
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor, inf, prod
from typing import Any, Literal

from repro.claim.counts import Count, product, summed, times, written
from repro.nets import tables
from repro.nets.tables import Activation, Conv, CrossMapNorm, Dense, Dropout, Pool, SameMapNorm
from repro.papers.alexnet2012 import alexnet

IMAGE = (3, 224, 224)  # §3.5
FLOAT = 4  # bytes of a single-precision number, as in the released source
GB = 2**30  # the unit of memory sizes

Rows = tuple[tables.Row, ...]
Way = Literal["up", "down"]
ROUNDING: dict[Way, tables.Rounding] = {"up": ceil, "down": floor}


def parameters(rows: Rows, layer: str | None = None) -> Count:
    """Count the weights and biases of all layers, or of one."""
    counts = tables.parameters(rows, IMAGE)
    if layer is None:
        return Count(sum(counts.values()), summed(counts.values()))
    weights = _kernels(rows, layer)
    return Count(counts[layer], f"{times(*weights)} + {weights[0]:,} = {counts[layer]:,}")


def neurons(rows: Rows, layer: str | None = None) -> Count:
    """Count the outputs of all layers with weights, or of one, without the input pixels."""
    if layer is None:
        counts = tables.neurons(rows, IMAGE)
        return Count(sum(counts.values()), summed(counts.values()))
    shape = _leaving(rows, layer)
    return Count(prod(shape), product(*shape[1:], shape[0]) if len(shape) > 1 else f"{shape[0]:,} units")


def share(rows: Rows, layer: str) -> Count:
    """Return a layer's share of all parameters, in percent."""
    counts = tables.parameters(rows, IMAGE)
    total = sum(counts.values())
    value = 100 * counts[layer] / total
    return Count(value, f"{counts[layer]:,} / {total:,} = {written(value, '%')}", "%")


def kernels(rows: Rows, layer: str) -> Count:
    """Return (number of kernels, height, width, maps that each kernel reads) of a convolution."""
    row, entering = _row(rows, layer, Conv), _entering(rows, layer)
    shape = _kernels(rows, layer)
    parts = f", in {row.groups} parts of {shape[-1]}" if row.groups > 1 else ""
    return Count(shape, f"{shape[0]} kernels of {times(*shape[1:])}; {entering[0]} maps enter{parts}")


def stride(rows: Rows, layer: str) -> Count:
    """Return the stride of a convolution in pixels."""
    value = _row(rows, layer, Conv).stride
    return Count(value, f"{value} pixels from one window to the next")


def output_side(rows: Rows, layer: str, rounding: Way = "up", pool: int | None = None) -> Count:
    """Return the side of a layer's maps. `pool`: the size of all pooling windows, with nothing else changed."""
    if pool:
        rows = tuple(replace(row, size=pool) if isinstance(row, Pool) else row for row in rows)
    lines, value = [], IMAGE[1]
    for row, entering, leaving in tables.shapes(rows, IMAGE, ROUNDING[rounding]):
        if isinstance(row, Conv | Pool):
            pad = row.pad if isinstance(row, Conv) else 0
            value = leaving[1]
            top = f"{entering[1]} + 2 × {pad} - {row.size}" if pad else f"{entering[1]} - {row.size}"
            step = f"1 + {written((entering[1] + 2 * pad - row.size) / row.stride)}"
            lines.append(f"{entering[1]} to {value}")
            if row.name == layer:
                exact = (entering[1] + 2 * pad - row.size) % row.stride == 0
                word = "" if exact else f", rounded {rounding}"
                first = f"{row.name}: 1 + ({top}) / {row.stride} = {step}{word}: {value}"
                beyond = (value - 1) * row.stride + row.size - entering[1] - 2 * pad
                if beyond > 0:
                    effect = "which count as zeros" if isinstance(row, Conv) else "and is clipped"
                    first += f"; the last window reaches {beyond} px beyond, {effect}"
                    first += f"; whole windows alone: {value - 1}"
                before = f"{', '.join(lines[:-1])}; " if len(lines) > 1 else ""
                return Count(value, before + first)
    raise ValueError(f"no layer {layer} in this net")


def inputs(rows: Rows) -> Count:
    """Count the numbers that enter the net."""
    return Count(prod(IMAGE), product(*IMAGE[1:], IMAGE[0]))


def activated(rows: Rows) -> Count:
    """Count the layers with weights whose output goes through a non-linearity before the next weights."""
    names: list[str] = []
    last = ""
    for row in rows:
        if isinstance(row, Conv | Dense):
            last = row.name
        elif isinstance(row, Activation):
            names.append(last)
    weighted = [row.name for row in tables.weighted(rows)]
    lacking = [name for name in weighted if name not in names]
    without = f"; not {', '.join(lacking)}" if lacking else ""
    return Count(len(names), f"{len(names)} of {len(weighted)}: {', '.join(names)}{without}")


def norm_constant(rows: Rows, layer: str, constant: str) -> Count:
    """Return a constant of a norm across maps in the formula of §3.3, where alpha multiplies the sum."""
    row = _row(rows, layer, CrossMapNorm)
    printed = _row(alexnet.PAPER, layer, CrossMapNorm)
    value = {"k": row.k, "n": row.size, "alpha": row.alpha, "beta": row.beta}[constant]
    text = f"{constant} = {written(value)}"
    if constant == "alpha" and value != printed.alpha:
        text = f"{written(printed.alpha)} / {printed.size} = {written(value)}"
    return Count(value, text)


def norm_maps(rows: Rows, layer: str) -> Count:
    """Count the maps that a norm can sum over: those of one tower."""
    row, entering = _row(rows, layer, CrossMapNorm), _entering(rows, layer)
    return Count(entering[0] // row.groups, f"{entering[0]} / {row.groups} = {entering[0] // row.groups}")


def norm_follows_activation(rows: Rows, layer: str) -> Count:
    """Return whether a norm follows the non-linearity of its layer."""
    place = rows.index(_row(rows, layer, CrossMapNorm))
    start = max(i for i, row in enumerate(rows[:place]) if isinstance(row, Conv | Dense))
    end = next(i for i, row in enumerate(rows) if i > place and isinstance(row, Conv | Dense))
    value = any(isinstance(row, Activation) for row in rows[start:place])
    return Count(value, ", ".join(getattr(row, "name", "") or getattr(row, "kind", "") for row in rows[start:end]))


def norms(rows: Rows) -> Count:
    """Count the normalisation layers of both kinds."""
    layers = [row for row in rows if isinstance(row, CrossMapNorm | SameMapNorm)]
    kinds = [f"{row.name} ({'across' if isinstance(row, CrossMapNorm) else 'within'} maps)" for row in layers]
    return Count(len(layers), ", ".join(kinds) or "none")


def relative(rows: Rows, of: str) -> Count:
    """Return the parameters or multiply-adds of the net with its options, in percent of the whole net's."""
    count = {"parameters": tables.parameters, "multiply_adds": tables.multiply_adds}[of]
    part, whole = (sum(count(net, IMAGE).values()) for net in (rows, alexnet.SOURCE))
    value = 100 * part / whole
    return Count(value, f"{part:,} / {whole:,} {of.replace('_', '-')} = {written(value, '%')}", "%")


def memory(rows: Rows, batch: int) -> Count:
    """Count the bytes of training in single precision, in GB.

    Each array is counted once: the images, the output of every layer and its gradient, and weights with gradients and
    velocities. The lower bound leaves out non-linearities and dropout, which can work in place. There is no upper
    bound, because it is not known what else the program of 2012 kept.
    """
    weights = 3 * sum(tables.parameters(rows, IMAGE).values())
    through = list(tables.shapes(rows, IMAGE))
    every = sum(prod(leaving) for _, _, leaving in through)
    least = sum(prod(leaving) for row, _, leaving in through if not isinstance(row, Activation | Dropout))

    def size(outputs: int) -> float:
        return FLOAT * (weights + batch * (prod(IMAGE) + 2 * outputs)) / GB

    line = (
        f"{FLOAT} × (3 × {weights // 3:,} + {batch} × ({prod(IMAGE):,} + 2 × {every:,})) bytes = "
        f"{written(size(every), 'GB')}; without {every - least:,} outputs that can be worked out in place: "
        f"{written(size(least), 'GB')}"
    )
    return Count(size(every), line, "GB", size(least), inf)


def _row(rows: Rows, name: str, kind: type) -> Any:
    for row in rows:
        if isinstance(row, kind) and getattr(row, "name", None) == name:
            return row
    raise ValueError(f"no layer {name} in this net")


def _through(rows: Rows, name: str) -> tuple[tables.Row, tables.Shape, tables.Shape]:
    for row, entering, leaving in tables.shapes(rows, IMAGE):
        if getattr(row, "name", None) == name:
            return row, entering, leaving
    raise ValueError(f"no layer {name} in this net")


def _entering(rows: Rows, name: str) -> tables.Shape:
    return _through(rows, name)[1]


def _leaving(rows: Rows, name: str) -> tables.Shape:
    return _through(rows, name)[2]


def _kernels(rows: Rows, name: str) -> tuple[int, ...]:
    row, entering, leaving = _through(rows, name)
    if isinstance(row, Conv):
        return row.maps, row.size, row.size, entering[0] // row.groups
    return leaving[0], prod(entering) // getattr(row, "groups", 1)
