"""Every net by name, as a table of layers; no torch. `repro.models.nets.build` takes the same names and options."""

from __future__ import annotations

from typing import Any, Literal, get_args

from repro.models import alexnet, tables

Kind = Literal[tables.Kind, "alexnet"]
KINDS: tuple[str, ...] = get_args(Kind)


def table(kind: Kind, *, classes: int, **options: Any) -> tuple[tables.Row, ...]:
    """The rows of net `kind`; `options` are those of `alexnet.table` or `tables.table`."""
    if kind == "alexnet":
        return alexnet.table(classes=classes, **options)
    return tables.table(kind, classes=classes, **options)
