"""What there is: the papers on trial and the questions that a claim may ask. The one module that lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import TypedDict

from repro import papers
from repro.claim import files
from repro.claim.catalogue import Entry
from repro.claim.catalogue import catalogue as rows_of
from repro.claim.files import AnyFile, ClaimFile
from repro.claim.kinds import Kinds
from repro.claim.paper import Paper
from repro.claim.yaml import read
from repro.errors import ReproError
from repro.nets import tables
from repro.questions import counted, curve, ensembles, errors, evaluations, order, ratio, shares, speed, times
from repro.questions.advice import advice as advice_on
from repro.questions.cases import BELOW, EFFECT, NO_EFFECT, VALUES, Case
from repro.questions.facts import FACTS, FactCase

# `ls repro/papers`: every folder there is a paper on trial, and says what it is by its `PAPER`.
PAPERS: tuple[Paper, ...] = tuple(
    import_module(f"{papers.__name__}.{found.name}").PAPER for found in iter_modules(papers.__path__) if found.ispkg
)


def _own(name: str) -> tuple[str, ...]:
    """Return the modules of this name that papers have in their folders."""
    modules = (f"{papers.__name__}.{paper.id}.{name}" for paper in PAPERS)
    return tuple(module for module in modules if find_spec(module))


KINDS = Kinds(
    papers=PAPERS,
    measures=(
        times.EpochsTo,
        times.UpdatesTo,
        times.Converged,
        errors.FinalValue,
        curve.TraceMeasure,
        speed.Throughput,
        evaluations.TenViewsMeasure,
        *(measure for module in _own("questions") for measure in import_module(module).MEASURES),
    ),
    rules=(
        ratio.Ratio,
        errors.Difference,
        errors.Value,
        curve.TraceRule,
        speed.Rate,
        evaluations.Change,
        shares.Count,
        ensembles.Ensemble,
        order.Order,
    ),
    exact=counted.inspect_model(PAPERS),
)
# The modules that compute evaluations of trained nets, each with its own by kind: those of any net, and papers' own.
# They need torch, so the engine loads them by name.
EVALUATIONS = ("repro.train.evaluations", *_own("evaluations"))
# By the kind of a paper's own evaluation, how its values follow from one another: an audit holds them against it.
RECOMPUTED = {kind: f for name in _own("recomputed") for kind, f in import_module(name).RECOMPUTED.items()}
# Every table of cases, in the order of legends.
CASES: tuple[tuple[Case | FactCase, ...], ...] = (
    EFFECT,
    NO_EFFECT,
    VALUES,
    curve.CURVE,
    *(cases for scale in BELOW.values() for cases in scale.values()),
    FACTS,
)


def catalogue() -> list[Entry]:
    """Return the rows of every paper's catalogue, paper by paper."""
    return [entry for paper in PAPERS for entry in rows_of(paper)]


def load(path: Path) -> AnyFile:
    """Return one claim, read and checked; see `repro.claim.files.load`."""
    return files.load(path, KINDS)


def advice(claims: Sequence[AnyFile]) -> list[str]:
    """Return advice on claims, a line each."""
    return [line for file in claims if isinstance(file, ClaimFile) for line in advice_on(file.document, KINDS.rules)]


def advice_unloaded(paths: Sequence[Path]) -> list[str]:
    """Return the same on files and folders whose claims may have mistakes."""
    inside = [path for given in paths for path in (sorted(given.glob("*.yaml")) if given.is_dir() else [given])]
    out = []
    for path in inside:
        with suppress(ReproError):  # not YAML, which loading says
            out += advice_on(read(path), KINDS.rules)
    return out


def load_all(paths: list[Path]) -> list[AnyFile]:
    """Return the claims of files and folders; see `repro.claim.files.load_all`."""
    return files.load_all(paths, KINDS)


def load_valid(folder: Path) -> tuple[list[AnyFile], list[str]]:
    """Return the claims of a folder without mistakes, and the names of the others."""
    return files.load_valid(folder, KINDS)


def rows(kind: str, *, classes: int, **options: object) -> tuple[tables.Row, ...]:
    """Return the table of layers of net `kind`, with options as a claim's `model` has them.

    ValidationError where it has no such option, ValueError where they do not go together.
    """
    return KINDS.read_net({"kind": kind, **options}).rows(classes)


class NetArguments(TypedDict):
    """What `repro.nets.modules.build` takes of a net."""

    net: tuple[tables.Row, ...] | str
    init: str | Mapping[str, float]


def net(kind: str, *, classes: int, init: str | Mapping[str, float] | None = None, **options: object) -> NetArguments:
    """Return what `repro.nets.modules.build` and training take of a net, `net` and `init`, by its name and options as a
    run's configuration has them; `init` None: as published."""
    return {"net": rows(kind, classes=classes, **options) or kind, "init": init or "published"}
