"""Runs, curves and results as tidy data frames, one call each: `import repro` offers these functions.

`shelf` is `reference` (the runs that come with the project), `yours`, or a folder of runs. The documentation of
each function lists its columns, with their units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from repro import asked, columns, contents, places
from repro.claim.files import ClaimFile, ExactFile, split
from repro.claim.problems import nearest
from repro.errors import ReproError
from repro.frames import documented
from repro.pages import frames as of_pages
from repro.pages import results as of_shelf
from repro.pages.shelf_results import results_of
from repro.pages.view import show
from repro.questions import frames as of_claims
from repro.questions.exhibit import Exhibit
from repro.questions.judge import complete, judge
from repro.questions.trial import Trials
from repro.store import Store, Table, without_damage
from repro.store import frames as of_runs

if TYPE_CHECKING:
    import pandas as pd


@documented(columns.RUNS)
def runs(shelf: str | Path = "reference") -> pd.DataFrame:
    """Return every sound run of a shelf, in order of id."""
    name, table = _table(shelf)
    return without_damage(table, lambda table: of_runs.runs(table, name))


@documented(columns.EPOCHS)
def epochs(claim: str | Path, shelf: str | Path = "reference", scale: str | None = None) -> pd.DataFrame:
    """Return the learning curves that a claim reads, epoch by epoch.

    `claim`: an id, as `repro list` prints them, or a file. `scale`: None: the one that the claim's page shows.
    ReproError where there is no such claim or scale, or where the claim is counted.
    """
    return _of_claim(of_claims.epochs, claim, shelf, scale)


@documented(columns.MEASURES)
def measures(claim: str | Path, shelf: str | Path = "reference", scale: str | None = None) -> pd.DataFrame:
    """Return what a claim reads off each of its runs; empty of a printed curve. Arguments and errors: see `epochs`."""
    return _of_claim(of_claims.measures, claim, shelf, scale)


@documented(columns.POINTS)
def points(claim: str | Path, shelf: str | Path = "reference", scale: str | None = None) -> pd.DataFrame:
    """Return a printed curve and ours, point by point; empty of other claims. Arguments and errors: see `epochs`."""
    return _of_claim(of_claims.points, claim, shelf, scale)


@documented(columns.FACTS)
def facts(claim: str | Path) -> pd.DataFrame:
    """Return the facts of a claim that is counted. ReproError where there is no such claim, or where runs decide it."""
    file = asked.one(Path(claim))
    if not isinstance(file, ExactFile):
        raise ReproError(f"{file.id}: is decided by runs and has no facts; repro.measures({file.id!r}) has its runs")
    return of_claims.facts(file)


@documented(columns.UPDATES)
def updates(run: str, shelf: str | Path = "reference") -> pd.DataFrame:
    """Return the recorded updates of a run, by its id, as the column `run` of other frames has it.

    ReproError where the shelf has no such run, or where it is not a training.
    """
    name, table = _table(shelf)
    if run not in table:
        near = nearest(run, [header.id for header in table.headers()])
        raise ReproError(f"{run}: no sound run of the shelf {name}{near}; repro.runs({str(shelf)!r}) lists them")
    if "train" not in table[run].config:
        raise ReproError(f"{run}: is an evaluation or a timing and has no updates; expected a training")
    return of_runs.updates(table[run], name)


@documented(columns.RESULTS)
def results(shelf: str | Path = "reference") -> pd.DataFrame:
    """Return the verdict on every claim of the project, at every scale and for every comparison.

    Those of the reference runs are read from `results.json`, which an installed package has too.
    """
    if shelf == "reference" and (path := places.reference_results()):
        return of_pages.results(of_shelf.read(path))
    files = contents.load_all([places.claims()])
    name, table = _table(shelf)

    def judged(table: Table) -> of_shelf.Results:
        trials = Trials(table)
        exhibits = {file.id: show(file, name, trials) for file in split(files)[0]}
        return results_of(name, files, exhibits, trials)

    return of_pages.results(without_damage(table, judged))


def _table(shelf: str | Path) -> tuple[str, Table]:
    """Return the name of a shelf and its runs. ReproError where it is no folder."""
    given = None if shelf in ("reference", "yours") else Path(shelf)
    root = places.shelf("runs", given, reference=shelf == "reference")
    if given and not root.is_dir():
        raise ReproError(f"{given}: no such folder; expected reference, yours, or a folder of runs")
    return str(shelf), Store(root).table()


def _of_claim(
    frame: Callable[[Exhibit], pd.DataFrame], claim: str | Path, shelf: str | Path, scale: str | None
) -> pd.DataFrame:
    """Return a frame of a claim as one shelf has it."""
    file = asked.one(Path(claim))
    if not isinstance(file, ClaimFile):
        raise ReproError(f"{file.id}: is counted and has no runs; repro.facts({file.id!r}) has its facts")
    if scale is not None and scale not in file.claim.scales:
        raise ReproError(f"{file.id}: has no scale {scale}; it has {', '.join(file.claim.scales)}")
    name, table = _table(shelf)
    return without_damage(table, lambda table: frame(_exhibit(file, name, Trials(table), scale)))


def _exhibit(file: ClaimFile, shelf: str, trials: Trials, scale: str | None) -> Exhibit:
    shown = show(file, shelf, trials)
    if scale is None or scale == shown.scale:
        return shown
    here = shown.scales[scale]
    names = file.alternatives_at(scale) if complete(here) else []
    return replace(shown, judgement=here, alternatives=tuple(judge(file, scale, trials, name) for name in names))
