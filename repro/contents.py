"""What there is: the questions that a claim may ask. The one module that lists them."""

from __future__ import annotations

from pathlib import Path

from repro.claim import files
from repro.claim.files import AnyFile
from repro.claim.kinds import Kinds
from repro.papers.alexnet2012 import questions as alexnet2012
from repro.questions import counted, curve, ensembles, errors, evaluations, order, shares, speed, times
from repro.questions.cases import BELOW, EFFECT, NO_EFFECT, VALUES, Case
from repro.questions.facts import FACTS, FactCase

KINDS = Kinds(
    measures=(
        times.EpochsTo,
        times.UpdatesTo,
        times.Converged,
        errors.FinalValue,
        curve.TraceMeasure,
        speed.Throughput,
        evaluations.TenViewsMeasure,
        *alexnet2012.MEASURES,
    ),
    rules=(
        times.Ratio,
        errors.Difference,
        errors.Value,
        curve.TraceRule,
        speed.Rate,
        evaluations.Change,
        shares.Count,
        ensembles.Ensemble,
        order.Order,
    ),
    exact=counted.Inspect,
)
# The modules that compute evaluations of trained nets, each with its own by kind. They need torch, so the engine loads
# them by name.
EVALUATIONS = ("repro.train.evaluations", "repro.papers.alexnet2012.evaluations")
# Every table of cases, in the order of legends.
CASES: tuple[tuple[Case | FactCase, ...], ...] = (
    EFFECT,
    NO_EFFECT,
    VALUES,
    curve.CURVE,
    *(cases for scale in BELOW.values() for cases in scale.values()),
    FACTS,
)


def load(path: Path) -> AnyFile:
    """Return one claim, read and checked; see `repro.claim.files.load`."""
    return files.load(path, KINDS)


def load_all(paths: list[Path]) -> list[AnyFile]:
    """Return the claims of files and folders; see `repro.claim.files.load_all`."""
    return files.load_all(paths, KINDS)


def load_valid(folder: Path) -> tuple[list[AnyFile], list[str]]:
    """Return the claims of a folder without mistakes, and the names of the others."""
    return files.load_valid(folder, KINDS)
