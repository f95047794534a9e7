"""The table of differences as a whole: what is said to be done here gets its numbers from the tables of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any, Final, Literal, TypeVar

from repro.nets import tables
from repro.papers.alexnet2012 import alexnet
from repro.papers.alexnet2012.differences import OF_THE_NET, Difference
from repro.papers.alexnet2012.differences_training import OF_TRAINING

DIFFERENCES: Final = tuple(sorted((*OF_THE_NET, *OF_TRAINING), key=lambda row: row.number))

# Titles of the parts of the table, each with its first row.
PARTS: Final = {
    "The net": 1,
    "Initial values and the training rule": 11,
    "Images, colour and views": 19,
    "Error, dropout, loss and minibatches": 27,
    "The other nets, and the record": 32,
}

IMAGE = (3, 224, 224)  # §3.5
STORED = 256  # §2
BORDER = STORED - IMAGE[1]

# What `repro.data.augment` draws with. It needs torch, which whoever reports must not: a test holds the two together.
STRENGTH, SHARED, VIEWS = 0.1, 32, 10  # §4.1; source.md 1, 22 and 26
BRIGHTNESS = 121.7801  # source.md 1, 19: the deviation along the first component, of values from 0 to 255
DRAWN: Final = {
    "strength": STRENGTH,
    "divisor": 1 + STRENGTH,
    "shared": SHARED,
    "views": VIEWS,
    "paper_places": BORDER,
    "source_places": BORDER + 1,
    "paper_outcomes": 2 * BORDER**2,
    "source_outcomes": 2 * (BORDER + 1) ** 2,
    "paper_levels": STRENGTH * BRIGHTNESS**2 / 255,  # the eigenvalue on [0, 1], times 255
    "source_levels": STRENGTH * BRIGHTNESS,
}

ReadingName = Literal["paper", "source"]
READINGS: Final[tuple[ReadingName, ...]] = ("paper", "source")
KINDS: Final = {
    tables.Conv: "convolution",
    tables.CrossMapNorm: "norm across maps",
    tables.SameMapNorm: "norm within maps",
    tables.Pool: "max pool",
    tables.Activation: "ReLU",
}
NORMS = tables.CrossMapNorm | tables.SameMapNorm
T = TypeVar("T")


def filled(row: Difference, train: object) -> tuple[str, str]:
    """What the readings `paper` and `source` do here; `train`: the defaults of a claim's training rule."""
    values = _values() | {"train": train}
    paper, source = (row.here, row.here) if isinstance(row.here, str) else row.here
    return paper.format(**values), source.format(**values)


class _Agreed:
    """A row of the net in both readings: its fields, where the readings agree on them."""

    def __init__(self, rows: list[tables.Row]) -> None:
        self._rows = rows

    def __getattr__(self, field: str) -> Any:
        return _one(getattr(row, field) for row in self._rows)


GROUPED = (tables.Conv, tables.Dense, tables.CrossMapNorm)


def _grouped(row: tables.Row) -> bool:
    return isinstance(row, GROUPED) and row.groups > 1


def _values() -> dict[str, Any]:
    """What templates name. Where a template speaks of both readings at once, they are asserted to agree."""
    rows = _each(lambda rows: {row.name: row for row in rows if not isinstance(row, tables.Activation)})
    within = next(row for row in alexnet.SOURCE if isinstance(row, tables.SameMapNorm))
    return {
        **rows,
        "net": {name: _Agreed([rows[reading][name] for reading in READINGS]) for name in rows["paper"]},
        "order": _each(_orders),
        "within": within.alpha / within.size**2,
        "deviations": _each(lambda rows: _by_value({row.name: row.std for row in tables.weighted(rows)})),
        "biases": _both(lambda rows: _by_value({row.name: row.bias for row in tables.weighted(rows)})),
        "decay": _both(lambda rows: _one(row.decay for row in tables.weighted(rows))),
        "norms": _each(lambda rows: _words(f"`{row.name}`" for row in rows if isinstance(row, NORMS))),
        "meet": _both(lambda rows: _words(row.name for row in tables.weighted(rows)[1:] if not _grouped(row))),
        "zeros": _both(lambda rows: _one(tables.ceil_zeros(_convolutions(rows)[0], IMAGE))),
        "whole": _both(_counts),
        "half": _both(_counts, towers="one half"),
        "apart": _both(_counts, pooling="2/2"),
        "sixth": _each(lambda rows: _convolutions(rows)[-1], conv6=True),
        "more": _both(lambda rows: tables.parameters(rows, IMAGE)["conv6"], conv6=True),
        "drawn": DRAWN,
        "stored": STORED,
    }


def _each(of: Callable[[alexnet.Rows], T], **edits: Any) -> dict[str, T]:
    return {reading: of(alexnet.table(reading, **edits)) for reading in READINGS}


def _both(of: Callable[[alexnet.Rows], T], **edits: Any) -> T:
    return _one(_each(of, **edits).values())


def _one(values: Iterable[T]) -> T:
    first, *others = values
    assert all(other == first for other in others), (first, others)
    return first


def _convolutions(rows: alexnet.Rows) -> list[tables.Conv]:
    return [row for row in rows if isinstance(row, tables.Conv)]


def _orders(rows: alexnet.Rows) -> dict[str, str]:
    """By convolution: it and what follows it up to the next weights, in words."""
    out: dict[str, list[str]] = {}
    for row in rows:
        if isinstance(row, tables.Conv | tables.Dense):
            out[row.name] = []
        out[next(reversed(out))].append(KINDS.get(type(row), type(row).__name__))
    return {name: ", ".join(words).capitalize().replace("relu", "ReLU") for name, words in out.items()}


def _counts(rows: alexnet.Rows) -> dict[str, Any]:
    """Sizes of a net: by layer as lists and by name, and in all."""
    shapes = list(tables.shapes(rows, IMAGE))
    spatial = [(row.name, leaving[1]) for row, _, leaving in shapes if isinstance(row, tables.Conv | tables.Pool)]
    return {
        "side": dict(spatial),
        "sides": _words(str(side) for _, side in spatial),
        "pads": _words(str(row.pad) for row in _convolutions(rows) if row.name in ("conv2", "conv5")),
        "maps": _words(str(row.maps) for row in _convolutions(rows)),
        "depth": {row.name: into[0] // row.groups for row, into, _ in shapes if isinstance(row, GROUPED)},
        "inputs": {row.name: prod(into) for row, into, _ in shapes if isinstance(row, tables.Dense)},
        "units": _one(row.units for row in rows if isinstance(row, tables.Dense) and row.name != "fc8"),
        "neurons": tables.neurons(rows, IMAGE),
        "all_neurons": sum(tables.neurons(rows, IMAGE).values()),
        "parameters": sum(tables.parameters(rows, IMAGE).values()),
        "millions": sum(tables.multiply_adds(rows, IMAGE).values()) // 10**6,
    }


def _by_value(values: dict[str, float]) -> str:
    """`0.01 in conv1 and conv2, 0.03 in conv3`; the value alone where all have it."""
    names: dict[float, list[str]] = {}
    for name, value in values.items():
        names.setdefault(value, []).append(name)
    if len(names) == 1:
        return f"{next(iter(names)):g} in every layer"
    return "; ".join(f"{value:g} in {_words(layers)}" for value, layers in names.items())


def _words(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
