"""Report what this machine has, and check whether it computes what it should."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from repro import places
from repro.data.known import KNOWN, find, what_to_fetch
from repro.doctor import canary, checks
from repro.documents import Diagnosis, FoundSet
from repro.engine.provenance import provenance
from repro.pages import damage
from repro.pages import doctor as page
from repro.store import Store


class Examination:
    """Checks as they are done; `passed`: whether all of them passed so far."""

    def __init__(self) -> None:
        self.passed = True

    def canary(self, reference: bool) -> Iterator[str]:
        """Yield the lines of the canary; with `reference` write the losses that it compares with."""
        if reference:
            yield canary.write()
            return
        shipped = canary.shipped()
        found = canary.checks(canary.losses(), shipped)
        self._note(found)
        yield from canary.lines(found, shipped["machine"])

    def device(self, device: str, out: Path, cases: tuple[checks.Case, ...] | None = None) -> Iterator[str]:
        """Yield a line for each check of a device, then where its page and JSON lie in the folder `out`."""
        start, found = time.perf_counter(), []
        made = provenance(device)
        for check in checks.checks(device, cases):
            found.append(check)
            yield check.line()
        self._note(found)
        paths = page.write(page.result(found, made, time.perf_counter() - start), out)
        yield f"{page.summary(found)}: {', '.join(places.relative_path(path) for path in paths)}"

    def _note(self, found: Sequence[page.Check]) -> None:
        self.passed = self.passed and all(check.passed for check in found)


def lines(store: Store, roots: tuple[Path, ...], cache: Path) -> list[str]:
    """Return lines on versions, data and runs, the next command last."""
    made = provenance("cuda" if torch.cuda.is_available() else "cpu")
    out = [f"{key:<12} {value}" for key, value in made.items()]
    out += [f"data         {kind}: {find(kind, roots, cache) or 'not found'}" for kind in KNOWN]
    runs = store.table()
    out.append(f"runs         {len(runs)} on {places.relative_path(store.root)}")
    out += damage.lines(runs.damaged)
    return [*out, f"next         {_next(roots, cache)}"]


def diagnosis(store: Store, roots: tuple[Path, ...], cache: Path) -> Diagnosis:
    """Return the same as a document."""
    runs, sets = store.table(), []
    for kind in KNOWN:
        path = find(kind, roots, cache)
        sets.append(FoundSet(kind=kind, path=str(path) if path else None, to_get=None if path else what_to_fetch(kind)))
    return Diagnosis(
        machine=provenance("cuda" if torch.cuda.is_available() else "cpu"),
        data=sets,
        shelf=str(store.root),
        runs=len(runs),
        damaged=list(runs.damaged),
        next=_next(roots, cache),
    )


def _next(roots: tuple[Path, ...], cache: Path) -> str:
    """Return the command to go on with."""
    lacking = find("cifar10", roots, cache) is None
    return f"python -m repro {'data get cifar10 --data data' if lacking else 'run relu_speedup'}"
