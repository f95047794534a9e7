"""Do a benchmark and keep its result: ratios to what people would use instead, taken in turn in one process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import compiled, lrn, startup, step, sweep
from repro import places
from repro.engine.provenance import commit_of
from repro.errors import ReproError, RunError
from repro.files import write_whole
from repro.pages import speed

LINES = {"startup": startup.measure, "lrn": lrn.measure}  # benchmarks that keep no result


def measured(
    part: str,
    device: str = "cpu",
    *,
    workers: int = 2,
    rounds: int | None = None,
    give_up: float = compiled.GIVE_UP,
    out: Path | None = None,
    reference: bool = False,
) -> Iterator[str]:
    """Do one benchmark and yield its lines; keep its result as JSON in the folder `out`, or on the reference shelf.

    RunError where nothing was measured; ReproError of flags that do not fit.
    """
    keeps = part in speed.KEPT
    if reference:
        _may_be_kept(part, rounds)
    elif out and not keeps:
        raise ReproError(f"bench {part} --out: only {', '.join(speed.KEPT)} have a result to keep; leave --out away")
    if not keeps:
        if not (lines := LINES[part]()):
            raise RunError(f"bench {part}: measured nothing; run it again")
        yield from lines
        return
    run = (
        sweep.results(device, workers, rounds=rounds)
        if part == "sweep"
        else step.results(part, device, rounds=rounds, give_up=give_up)
    )
    result: dict[str, Any] = {"bench": part, "steps": []}
    for line_or_result in run:
        if isinstance(line_or_result, str):
            yield line_or_result
        else:
            result = line_or_result
    yield from speed.lines(speed.checked(result))
    folder = places.home() / speed.SHELF if reference else out
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{part}.json"
        write_whole(path, json.dumps(result, indent=1, allow_nan=False) + "\n")
        yield (
            f"kept in {places.relative_path(path)}"
            + "; `repro report --reference` writes it into the README" * reference
        )


def _may_be_kept(part: str, rounds: int | None) -> None:
    if part not in speed.KEPT:
        raise ReproError(f"bench {part} --reference: only {', '.join(speed.KEPT)} are kept on the reference shelf")
    if rounds is not None and rounds < speed.ROUNDS:
        raise ReproError(
            f"--rounds {rounds}: found fewer than {speed.ROUNDS}, expected as many for the reference shelf"
        )
    if not (places.home() and commit_of(places.PACKAGE)[1]):
        raise ReproError("--reference: the sources or claims differ from their commit; commit, or use a clean worktree")
