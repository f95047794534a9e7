"""Speed beside what people would use instead: ratios taken in one process, in turn, never a clock alone."""

import json

from repro import places
from repro.bench import alexnet, lrn, startup, step
from repro.errors import ReproError
from repro.provenance import commit_of
from repro.report.speed import KEPT, lines
from repro.store import replace

BENCHES = {"startup": startup.measure, "step": step.measure, "lrn": lrn.measure, "alexnet": alexnet.measure}


def measured(part: str, reference: bool) -> list[str]:
    """The lines of one bench; with `reference` that of the paper's net is kept, for the README."""
    if not reference:
        return BENCHES[part]()
    if part != "alexnet":
        raise ReproError(f"bench {part} --reference: only `bench alexnet` is kept on the reference shelf")
    if not commit_of(places.HOME)[1]:
        raise ReproError("--reference: the sources or claims differ from their commit; commit, or use a clean worktree")
    found = alexnet.result()
    path = places.HOME / KEPT
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, json.dumps(found, indent=1) + "\n")
    return [*lines(found), f"kept in {places.shown(path)}; `repro report --reference` writes it into the README"]
