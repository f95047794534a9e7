"""What this machine has: versions, device, data, runs; and what to do next."""

from __future__ import annotations

from pathlib import Path

import torch

from repro import places
from repro.data.known import KNOWN, find
from repro.provenance import provenance
from repro.store import Store


def lines(store: Store, roots: tuple[Path, ...], cache: Path) -> list[str]:
    """A line for each of them, the next command last."""
    made = provenance("cuda" if torch.cuda.is_available() else "cpu")
    out = [f"{key:<12} {value}" for key, value in made.items()]
    out += [f"data         {kind}: {find(kind, roots, cache) or 'not found'}" for kind in KNOWN]
    out.append(f"runs         {len(store.table())} on {places.shown(store.root)}")
    lacking = find("cifar10", roots, cache) is None
    command = "data get cifar10 --data data" if lacking else "run claims/relu_speedup.yaml"
    return [*out, f"next         python -m repro {command}"]
