"""What there is: the measures and rules that a claim may have. The one module that lists them."""

from __future__ import annotations

from pathlib import Path

from repro.spec import files, looks, rules
from repro.spec.files import AnyFile
from repro.spec.kinds import Kinds

KINDS = Kinds(
    measures=(
        rules.EpochsTo,
        rules.UpdatesTo,
        rules.Converged,
        rules.FinalValue,
        rules.TraceMeasure,
        rules.Throughput,
        looks.TenViewsMeasure,
        looks.ThinnedNetsMeasure,
        looks.KernelsMeasure,
        looks.NeighboursMeasure,
    ),
    rules=(
        rules.Ratio,
        rules.Difference,
        rules.Value,
        rules.TraceRule,
        rules.Rate,
        rules.Change,
        rules.Count,
        rules.Ensemble,
    ),
)


def load(path: Path) -> AnyFile:
    """Return one claim, read and checked; see `repro.spec.files.load`."""
    return files.load(path, KINDS)


def load_all(paths: list[Path]) -> list[AnyFile]:
    """Return the claims of files and folders; see `repro.spec.files.load_all`."""
    return files.load_all(paths, KINDS)


def load_valid(folder: Path) -> tuple[list[AnyFile], list[str]]:
    """Return the claims of a folder without mistakes, and the names of the others."""
    return files.load_valid(folder, KINDS)
