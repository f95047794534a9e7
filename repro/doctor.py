"""What this machine has, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from repro import places
from repro.data.known import KNOWN, find
from repro.provenance import provenance
from repro.store import Store


def lines(store: Store, data: Path | None) -> Iterator[str]:
    """A line for each version, the device, each set of data, the runs, and the next command."""
    for key, value in provenance("cuda" if torch.cuda.is_available() else "cpu").items():
        yield f"{key:<12} {value}"
    there = {kind: find(kind, places.roots(data), places.cache()) for kind in KNOWN}
    for kind, where in there.items():
        yield f"data         {kind}: {where or 'not found'}"
    yield f"runs         {len(store.table())} on {places.shown(store.root)}"
    lacking = there["cifar10"] is None
    yield "next         python -m repro " + (
        "data get cifar10 --data data" if lacking else "run claims/relu_speedup.yaml"
    )
