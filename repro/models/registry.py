"""Every net by name, as a table of layers; no torch. `repro.models.nets.build` takes the same names and options."""

from __future__ import annotations

from typing import Any, Literal, get_args

from repro.models import alexnet, cuda_convnet, tables

Kind = Literal[cuda_convnet.Kind, "alexnet"]
KINDS: tuple[str, ...] = get_args(Kind)


def table(kind: Kind, *, classes: int, **options: Any) -> tuple[tables.Row, ...]:
    """The rows of net `kind`; `options` are those of `alexnet.table` or `cuda_convnet.table`."""
    if kind == "alexnet":
        return alexnet.table(classes=classes, **options)
    return cuda_convnet.table(kind, classes=classes, **options)
