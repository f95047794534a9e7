"""The net of the paper, twice, as tables of layers without torch, and every ablation as an edit of rows.

`paper` follows Figure 2 and sections 3 to 5 as printed, `source` the authors' released code where the two differ: the
order of layer 1, a second norm in layer 2, alpha / n, and the deviations of conv3 to conv5 (source.md 1, rows 3-7, 11).

Common to both: 224 x 224 pixels with 3 zeros right and bottom give 55 x 55 (row 1); two towers, the maps of tower 1
first, which meet in conv3 and the fully connected layers; norms within a tower (row 8); biases 1 in conv2, 4, 5 and the
hidden fully connected layers (§5, row 12); decay 0.0005 on every weight, none on biases (§5, row 14).
60,965,224 parameters, 659,272 neurons, 724,406,816 multiply-adds an image (row 2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from repro.nets.tables import (
    Activation,
    ActivationKind,
    Conv,
    CrossMapNorm,
    Dense,
    Dropout,
    Pool,
    Row,
    SameMapNorm,
    Scale,
)

Reading = Literal["paper", "source"]
Towers = Literal["two", "one half", "no communication", "dense conv2"]
Norms = Literal["both", "none", "first", "scale only"]
Pooling = Literal["3/2", "2/2"]
Layer = Literal["conv1", "conv2", "conv3", "conv4", "conv5"]
Rows = tuple[Row, ...]

PAPER: Rows = (
    # §3.5: "224x224x3 input image with 96 kernels of size 11x11x3 with a stride of 4 pixels"; 48 of them on each GPU
    Conv("conv1", 96, size=11, stride=4, pad=0, std=0.01, decay=0.0005, bias=0.0),  # 55 x 55 x 96
    Activation("relu"),
    CrossMapNorm("lrn1", k=2.0, size=5, alpha=1e-4, beta=0.75, groups=2),  # §3.3
    Pool("pool1", "max", size=3, stride=2),  # §3.4: 27 x 27 x 96
    Conv("conv2", 256, size=5, pad=2, groups=2, std=0.01, decay=0.0005, bias=1.0),  # 5 x 5 x 48: 27 x 27 x 256
    Activation("relu"),
    CrossMapNorm("lrn2", k=2.0, size=5, alpha=1e-4, beta=0.75, groups=2),
    Pool("pool2", "max", size=3, stride=2),  # 13 x 13 x 256
    Conv("conv3", 384, size=3, pad=1, groups=1, std=0.01, decay=0.0005, bias=0.0),  # 3 x 3 x 256: both towers
    Activation("relu"),
    Conv("conv4", 384, size=3, pad=1, groups=2, std=0.01, decay=0.0005, bias=1.0),  # 3 x 3 x 192
    Activation("relu"),
    Conv("conv5", 256, size=3, pad=1, groups=2, std=0.01, decay=0.0005, bias=1.0),  # 3 x 3 x 192
    Activation("relu"),
    Pool("pool5", "max", size=3, stride=2),  # 6 x 6 x 256
    Dense("fc6", 4096, std=0.01, decay=0.0005, bias=1.0),
    Activation("relu"),
    Dropout("drop6", keep=0.5),  # §4.2
    Dense("fc7", 4096, std=0.01, decay=0.0005, bias=1.0),
    Activation("relu"),
    Dropout("drop7", keep=0.5),
    Dense("fc8", 1000, std=0.01, decay=0.0005, bias=0.0),
)

SOURCE: Rows = (
    Conv("conv1", 96, size=11, stride=4, pad=0, std=0.01, decay=0.0005, bias=0.0),
    CrossMapNorm("lrn1", k=2.0, size=5, alpha=1e-4 / 5, beta=0.75, groups=2),  # on signed values (row 3); alpha / n (7)
    Pool("pool1", "max", size=3, stride=2),
    Activation("relu"),  # last (row 3)
    Conv("conv2", 256, size=5, pad=2, groups=2, std=0.01, decay=0.0005, bias=1.0),
    Activation("relu"),
    CrossMapNorm("lrn2", k=2.0, size=5, alpha=1e-4 / 5, beta=0.75, groups=2),
    SameMapNorm("rnorm2", size=5, alpha=0.001, beta=0.75),  # unmentioned in the paper; alpha / 25 (row 6)
    Pool("pool2", "max", size=3, stride=2),
    Conv("conv3", 384, size=3, pad=1, groups=1, std=0.03, decay=0.0005, bias=0.0),  # deviation 0.03 (row 11)
    Activation("relu"),
    Conv("conv4", 384, size=3, pad=1, groups=2, std=0.03, decay=0.0005, bias=1.0),
    Activation("relu"),
    Conv("conv5", 256, size=3, pad=1, groups=2, std=0.03, decay=0.0005, bias=1.0),
    Pool("pool5", "max", size=3, stride=2),
    Activation("relu"),  # last (row 5): the same function, for a maximum and a monotone function commute
    Dense("fc6", 4096, std=0.01, decay=0.0005, bias=1.0),
    Activation("relu"),
    Dropout("drop6", keep=0.5),
    Dense("fc7", 4096, std=0.01, decay=0.0005, bias=1.0),
    Activation("relu"),
    Dropout("drop7", keep=0.5),
    Dense("fc8", 1000, std=0.01, decay=0.0005, bias=0.0),
)


# torchvision's `alexnet`: not the net of the paper but the one-tower variant of A. Krizhevsky, One weird trick for
# parallelizing convolutional neural networks, 2014: no groups, no norms, fewer maps. 61,100,840 parameters. Its
# windows are whole: sides are rounded down. Deviations are those of torch's uniform rule, 1 / sqrt(3 fan-in), by which
# its biases are drawn too (`ListedNet.uniform`); decay is that of torchvision's recipe. For arithmetic only:
# `torchvision.models.alexnet` itself is what would be trained.
TORCHVISION: Rows = (
    Conv("conv1", 64, size=11, stride=4, pad=2, std=(3 * 363) ** -0.5, decay=1e-4),  # 55 x 55 x 64
    Activation("relu"),
    Pool("pool1", "max", size=3, stride=2),
    Conv("conv2", 192, size=5, pad=2, std=(3 * 1600) ** -0.5, decay=1e-4),
    Activation("relu"),
    Pool("pool2", "max", size=3, stride=2),
    Conv("conv3", 384, size=3, pad=1, std=(3 * 1728) ** -0.5, decay=1e-4),
    Activation("relu"),
    Conv("conv4", 256, size=3, pad=1, std=(3 * 3456) ** -0.5, decay=1e-4),
    Activation("relu"),
    Conv("conv5", 256, size=3, pad=1, std=(3 * 2304) ** -0.5, decay=1e-4),
    Activation("relu"),
    Pool("pool5", "max", size=3, stride=2),  # 6 x 6 x 256
    Dropout("drop6", keep=0.5),
    Dense("fc6", 4096, std=(3 * 9216) ** -0.5, decay=1e-4),
    Activation("relu"),
    Dropout("drop7", keep=0.5),
    Dense("fc7", 4096, std=(3 * 4096) ** -0.5, decay=1e-4),
    Activation("relu"),
    Dense("fc8", 1000, std=(3 * 4096) ** -0.5, decay=1e-4),
)


def table(
    reading: Reading,
    *,
    classes: int = 1000,
    width: float = 1.0,
    activation: ActivationKind = "relu",
    towers: Towers = "two",
    norms: Norms = "both",
    pooling: Pooling = "3/2",
    dropout: float = 0.5,
    bias: float = 1.0,
    without: tuple[Layer, ...] = (),
    conv6: bool = False,
    halved: bool = False,
) -> Rows:
    """Return the rows of one reading with options applied; the defaults are the net of the paper.

    `width`: factor on the maps and units of every hidden layer, rounded to whole pairs. `dropout`: the probability of
    being dropped, 0 for none. `halved`: instead of dropout, multiply the outputs of both hidden layers by 0.5, which
    has the mean effect of dropout without its noise. `bias`: the initial bias of the layers that have 1. `without`: at
    most one layer to leave out. Raises ValueError for more than one.
    """
    rows = {"paper": PAPER, "source": SOURCE}[reading]
    edit = {"one half": _half_tower, "no communication": _no_communication, "dense conv2": _dense_conv2}
    rows = edit.get(towers, _same)(rows)
    rows = {"3/2": _same, "2/2": _without_overlap}[pooling](rows)
    rows = {"both": _same, "none": _no_norms, "first": _first_norm, "scale only": _scale_only}[norms](rows)
    if halved:
        rows = tuple(Scale(row.name, row.keep) if isinstance(row, Dropout) else row for row in rows)
    if conv6:
        rows = _sixth_convolution(rows)
    if len(without) > 1:
        raise ValueError(f"one layer can be left out, not {len(without)} at once: {', '.join(without)}")
    for name in without:
        rows = _REMOVALS[name](rows)
    return tuple(_detailed(row, classes, width, activation, dropout, bias) for row in rows if _stays(row, dropout))


def caffe(*, classes: int = 1000, width: float = 1.0, activation: ActivationKind = "relu") -> Rows:
    """Return BVLC's net in Caffe (`models/bvlc_alexnet`), whose weights are widely used, for 227 x 227 pixels.

    It differs from `PAPER` as follows: norms over all maps, with k = 1 and alpha / n; biases of 0.1 instead of 1;
    deviation 0.005 in the hidden fully connected layers; dropout that scales in training. The numbers of parameters and
    multiply-adds are the same.
    """
    rows = tuple(
        replace(row, k=1.0, alpha=1e-4 / 5, groups=1) if isinstance(row, CrossMapNorm) else
        replace(row, inverted=True) if isinstance(row, Dropout) else row
        for row in PAPER
    )  # fmt: skip
    for name in ("fc6", "fc7"):
        rows = _change(rows, name, std=0.005)
    return tuple(_detailed(row, classes, width, activation, dropout=0.5, bias=0.1) for row in rows)


def _same(rows: Rows) -> Rows:
    return rows


def _half_tower(rows: Rows) -> Rows:
    """Return §3.2's one-GPU net: half the kernels in each convolution but the last, as #145-half (source.md 1, 32)."""
    rows = tuple(replace(row, groups=1) if isinstance(row, Conv | CrossMapNorm) else row for row in rows)
    for name, maps in {"conv1": 48, "conv2": 128, "conv3": 192, "conv4": 192}.items():
        rows = _change(rows, name, maps=maps)
    return rows


def _no_communication(rows: Rows) -> Rows:
    """Let the towers meet only in fc8, as #150; conv2 160 and fc6 4096 per tower keep the size (source.md 2.1)."""
    rows = _change(rows, "conv2", maps=320)
    rows = _change(rows, "conv3", groups=2)
    rows = _change(rows, "fc6", units=8192, groups=2)
    return _change(rows, "fc7", groups=2)


def _dense_conv2(rows: Rows) -> Rows:
    """Let conv2 and the norm of layer 1 read all 96 maps, so that layer 1 has no towers.

    This is the control for §6.1, which explains the kernels' specialisation by the restricted connectivity.
    """
    return _change(_change(rows, "conv2", groups=1), "lrn1", groups=1)


def _without_overlap(rows: Rows) -> Rows:
    """Use §3.4's z = 2, s = 2, with #147's paddings, which keep maps of 13 x 13 and 6 x 6 (source.md 1, 33)."""
    for name in ("pool1", "pool2", "pool5"):
        rows = _change(rows, name, size=2)
    rows = _change(rows, "conv2", pad=1)
    return _change(rows, "conv5", pad=0)


def _no_norms(rows: Rows) -> Rows:
    """Remove all norms, the same-map norm too, as #148 did for §3.3's numbers (source.md 1, 34)."""
    return tuple(row for row in rows if not isinstance(row, CrossMapNorm | SameMapNorm))


def _first_norm(rows: Rows) -> Rows:
    """Keep only the norm of layer 1, as #167, which has neither norm after conv2 (source.md 2.2)."""
    return tuple(row for row in rows if not isinstance(row, CrossMapNorm | SameMapNorm) or row.name == "lrn1")


def _scale_only(rows: Rows) -> Rows:
    """Replace norms by their factor on small activations: k^-beta, 0.595; the same-map norm, k = 1, is removed."""
    scales = (Scale(row.name, row.k**-row.beta) if isinstance(row, CrossMapNorm) else row for row in rows)
    return tuple(row for row in scales if not isinstance(row, SameMapNorm))


def _sixth_convolution(rows: Rows) -> Rows:
    """Add §6's sixth convolution after the last pooling: 3 x 3, both towers, bias 1, as #146 (source.md 1, 35)."""
    fc6 = next(i for i, row in enumerate(rows) if isinstance(row, Dense))
    conv6 = replace(_conv(rows, "conv5"), name="conv6", pad=1, groups=_conv(rows, "conv3").groups)
    return (*rows[:fc6], conv6, Activation("relu"), *rows[fc6:])


# Nets without one convolution (§7). Its non-linearity and norms are removed too; its pooling is kept, so that the maps
# have the same sides (assumed: without pool1 or pool2 fc6 would read maps of 14 x 14 or 13 x 13 and be five times as
# large).


def _without_conv1(rows: Rows) -> Rows:
    """Let both towers of conv2 read the pixels at conv1's stride of 4; both poolings follow it, and fc6 reads 7 x 7."""
    pools, rest = _cut(rows, "conv1")
    rest = _change(rest, "conv2", stride=_conv(rows, "conv1").stride, groups=1)
    place = next(i for i, row in enumerate(rest) if isinstance(row, Conv) and row.name == "conv3")
    return (*rest[:place], *pools, *rest[place:])


def _without_conv2(rows: Rows) -> Rows:
    """Let conv3 read the 96 maps of layer 1."""
    return _removed(rows, "conv2")


def _without_conv3(rows: Rows) -> Rows:
    """Let conv4 read both towers, because conv3 is the only convolution that does."""
    return _change(_removed(rows, "conv3"), "conv4", groups=_conv(rows, "conv3").groups)


def _without_conv4(rows: Rows) -> Rows:
    """Let conv5 read conv3's maps."""
    return _removed(rows, "conv4")


def _without_conv5(rows: Rows) -> Rows:
    """Give conv4 conv5's 256 maps and its padding, which pooling 2/2 changes, so that fc6 keeps its size."""
    last = _conv(rows, "conv5")
    return _change(_removed(rows, "conv5"), "conv4", maps=last.maps, pad=last.pad)


_REMOVALS: dict[str, Callable[[Rows], Rows]] = {
    "conv1": _without_conv1,
    "conv2": _without_conv2,
    "conv3": _without_conv3,
    "conv4": _without_conv4,
    "conv5": _without_conv5,
}


def _change(rows: Rows, name: str, **changes: Any) -> Rows:
    return tuple(replace(row, **changes) if getattr(row, "name", None) == name else row for row in rows)


def _conv(rows: Rows, name: str) -> Conv:
    return next(row for row in rows if isinstance(row, Conv) and row.name == name)


def _cut(rows: Rows, name: str) -> tuple[Rows, Rows]:
    """Return (the poolings of layer `name`, all rows without the layer); a layer ends before the next weights."""
    start = rows.index(_conv(rows, name))
    end = next(i for i, row in enumerate(rows) if i > start and isinstance(row, Conv | Dense))
    return tuple(row for row in rows[start:end] if isinstance(row, Pool)), rows[:start] + rows[end:]


def _removed(rows: Rows, name: str) -> Rows:
    pools, rest = _cut(rows, name)
    start = rows.index(_conv(rows, name))
    return (*rest[:start], *pools, *rest[start:])


def _stays(row: Row, dropout: float) -> bool:
    return not isinstance(row, Dropout) or dropout > 0


def _detailed(row: Row, classes: int, width: float, activation: str, dropout: float, bias: float) -> Row:
    if isinstance(row, Activation):
        return Activation(activation)
    if isinstance(row, Dropout):
        return replace(row, keep=1 - dropout)
    if isinstance(row, Conv):
        return replace(row, maps=_pairs(row.maps, width), bias=bias if row.bias else 0.0)
    if isinstance(row, Dense):
        units = classes if row.name == "fc8" else _pairs(row.units, width)
        return replace(row, units=units, bias=bias if row.bias else 0.0)
    return row


def _pairs(count: int, width: float) -> int:
    # whole pairs, so that every layer splits between two towers
    return 2 * max(1, round(count * width / 2))
