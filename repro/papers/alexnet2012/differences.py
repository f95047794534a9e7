"""The values for the templates of differences.yaml, read from the tables of layers and the recipe.

If a template covers both readings, their values are asserted to be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Literal, TypeVar

from repro.claim.differences import Differences
from repro.nets import tables
from repro.papers.alexnet2012 import alexnet
from repro.papers.alexnet2012.facts import IMAGE
from repro.papers.alexnet2012.recipe import RECIPE

STORED: Final = RECIPE["data.stored"].value
BORDER: Final = STORED - IMAGE[1]

# What `repro.data.augment` draws with. It needs torch, which reports must not: a test holds the two to each other.
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
GROUPED = tables.Conv | tables.Dense | tables.CrossMapNorm  # rows that may fall into groups
NORMS = tables.CrossMapNorm | tables.SameMapNorm
T = TypeVar("T")


class _Agreed:
    """A row of the net in both readings; only fields with equal values can be read."""

    def __init__(self, rows: list[tables.Row]) -> None:
        self._rows = rows

    def __getattr__(self, field: str) -> Any:
        return _one(getattr(row, field) for row in self._rows)


def values() -> dict[str, Any]:
    """Return the values for templates, by the first word of a name."""
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
        "train": SimpleNamespace(**{key[6:]: setting.value for key, setting in RECIPE.items() if key[:6] == "train."}),
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
    """Return in words, by convolution, the layers from it up to the next weights."""
    out: dict[str, list[str]] = {}
    for row in rows:
        if isinstance(row, tables.Conv | tables.Dense):
            out[row.name] = []
        out[next(reversed(out))].append(KINDS.get(type(row), type(row).__name__))
    return {name: ", ".join(words).capitalize().replace("relu", "ReLU") for name, words in out.items()}


def _counts(rows: alexnet.Rows) -> dict[str, Any]:
    """Return the sizes of a net: by layer as lists and by name, and the totals."""
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
    """Format values by layer: `0.01 in conv1 and conv2, 0.03 in conv3`, or one value if all are equal."""
    names: dict[float, list[str]] = {}
    for name, value in values.items():
        names.setdefault(value, []).append(name)
    if len(names) == 1:
        return f"{next(iter(names)):g} in every layer"
    return "; ".join(f"{value:g} in {_words(layers)}" for value, layers in names.items())


def _words(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


DIFFERENCES: Final = Differences(Path(__file__).with_suffix(".yaml"), values)


def _grouped(row: tables.Row) -> bool:
    return isinstance(row, GROUPED) and row.groups > 1
