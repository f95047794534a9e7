"""What `--json` prints: one object a command, whose keys the models below name; documented.py makes
docs/json.md from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from repro.claim.config import Closed
from repro.claim.files import AnyFile

if TYPE_CHECKING:
    from repro.engine.forecast import Forecast, Whole
    from repro.engine.jobs import Job
    from repro.questions.coverage import Covered, Missing
    from repro.store import Table

FORMAT: Final = 1  # moves when a key is removed or changes its meaning


class Document(Closed):
    """What every document has."""

    format: Literal[1] = Field(default=FORMAT, description="version of these keys; new keys leave it as it is")

    def text(self) -> str:
        """Return the document as it is printed."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)


class ListedClaim(Closed):
    """One claim."""

    id: str = Field(description="the claim's id")
    paper: str = Field(description="the paper's id")
    section: str = Field(description="where the sentence stands in the paper")
    says: str = Field(description="the sentence")
    question: str = Field(description="what is measured, as a question")
    scales: list[str] = Field(description="its scales from the lowest; `exact` alone where facts are counted")
    version: int = Field(description="version of the claim")
    file: str = Field(description="the claim's file")


class Listed(Document):
    """Claims."""

    command: Literal["list"] = Field(default="list", description="the command")
    claims: list[ListedClaim] = Field(description="the claims, in the order of their files")


class ShelfState(Closed):
    """A scale of a claim on one shelf."""

    scale: str = Field(description="smoke, small, medium or paper; `exact` where facts are counted")
    shelf: str = Field(description="yours or reference")
    state: str = Field(description="the verdict's word; `works` at smoke scale; `begun`, `error` or `not run`")


class MissingVerdict(Closed):
    """A verdict that no shelf has."""

    scale: str = Field(description="the scale")
    why: str = Field(description="why it is missing")
    command: str = Field(description="the command that makes it")
    runs: int | None = Field(description="runs that the command trains next; null at smoke scale")
    known: int | None = Field(description="how many of them are like recorded ones; null at smoke scale")
    seconds: float | None = Field(description="seconds that these take at most, one worker; null where none is known")
    device: str | None = Field(description="on which device; null where none is known")


class CoveredRow(Closed):
    """A row of the catalogue."""

    id: str = Field(description="the row's id, which is its claim's")
    paper: str = Field(description="the paper's id")
    part: str = Field(description="the part of the catalogue")
    section: str = Field(description="where the sentence stands in the paper")
    says: str = Field(description="the sentence, shortened")
    state: str = Field(description="`valid`, `invalid`, `no claim yet`, or what a row without a claim is")
    states: list[ShelfState] = Field(description="every scale that the claim has, on each shelf")
    missing: list[MissingVerdict] = Field(description="verdicts that no shelf has")


class Coverage(Document):
    """The catalogue and what is covered."""

    command: Literal["coverage"] = Field(default="coverage", description="the command")
    rows: list[CoveredRow] = Field(description="the rows of the catalogue, then claims without a row")
    damaged: list[str] = Field(description="ids of damaged runs, which are left out")


class PlannedClaim(Closed):
    """A claim at the scale that is planned."""

    id: str = Field(description="the claim's id")
    scale: str = Field(description="the scale; `exact` where facts are counted and nothing is trained")
    why: str = Field(description="why this scale")


class PlannedRun(Closed):
    """A run of the next round."""

    id: str = Field(description="the run's id")
    label: str = Field(description="what it is for")
    kind: Literal["training", "timing"] = Field(description="whether a net is trained, or updates are timed")
    epochs: int | None = Field(description="epochs at most; null of a timing")
    done: int | None = Field(description="epochs that are on the shelf; null of a timing")
    evaluations: list[str] = Field(description="kinds of evaluations of the run that are wanted")


class Planned(Document):
    """What `run` would train."""

    command: Literal["plan"] = Field(default="plan", description="the command")
    claims: list[PlannedClaim] = Field(description="the claims")
    shelf: str = Field(description="folder of the runs")
    finished: int = Field(description="finished runs on the shelf")
    resumable: int = Field(description="runs on the shelf that can be continued")
    runs: list[PlannedRun] = Field(description="runs of the next round; more may follow from what they show")
    seconds: float = Field(description="seconds that they take at most with these workers, measured here")
    workers: int = Field(description="worker processes")
    device: str = Field(description="the device")
    damaged: list[str] = Field(description="ids of damaged runs, which are left out")


class Taken(Closed):
    """What one claim takes, or all of them together. Runs that several claims share count in each."""

    runs: int = Field(description="runs at first horizons")
    timings: int = Field(description="timings, whose hours and disk are not counted")
    hours: float | None = Field(description="GPU-hours; null where an epoch of one of the runs was not measured")
    unmeasured: int = Field(description="runs of which no epoch was measured on this kind of device")
    bytes: int | None = Field(description="disk until `gc`; null where the size of a net is not known")


class ForecastClaim(Closed):
    """A claim at the scale that is asked for."""

    id: str = Field(description="the claim's id")
    takes: Taken | None = Field(description="what it takes; null where `why` says why that is not known")
    why: str | None = Field(description="why it is not known what the claim takes; null where it is")


class Forecasted(Document):
    """What claims take in all on N GPUs of one kind, with `--on N`."""

    command: Literal["plan --on"] = Field(default="plan --on", description="the command")
    claims: list[ForecastClaim] = Field(description="the claims")
    together: Taken = Field(description="all of them, each run once")
    scale: str = Field(description="the scale")
    gpus: int = Field(description="how many GPUs, which train one run each at a time")
    device: str | None = Field(description="the kind of GPU; null where there is none here")
    days: float | None = Field(description="days on these GPUs; null where `together` has no hours")
    data: Mapping[str, int] = Field(description="bytes of the packed data sets that they need, by set")


class WatchedRun(Closed):
    """A run that is trained, or whose training was interrupted."""

    run: str = Field(description="the run's id")
    label: str = Field(description="what it is for")
    epoch: int = Field(description="epochs that are done")
    horizon: int | None = Field(description="epochs at most; null where no claim wants it, and of a timing")
    train_error: float | None = Field(description="training error of the last epoch; null without one, or diverged")
    seconds: float = Field(description="seconds that its epochs took, in all commands")
    begun: float = Field(description="seconds since it was begun, or gone on with")
    last: float | None = Field(description="seconds since its last epoch ended; null without one")
    process: int | None = Field(description="the process of this machine that trains it; null where none does")
    device: str = Field(description="the device")
    resumable: bool = Field(description="whether it goes on from a checkpoint")


class Watching(Document):
    """A shelf while other commands work on it."""

    command: Literal["watch"] = Field(default="watch", description="the command")
    runs: str = Field(description="folder of the runs")
    finished: int = Field(description="runs that ended, neither diverged nor failed")
    diverged: int = Field(description="runs that diverged")
    failed: int = Field(description="runs that failed")
    damaged: int = Field(description="runs that are damaged")
    training: list[WatchedRun] = Field(description="runs that are being trained")
    stopped: list[WatchedRun] = Field(description="runs without a result that nobody trains")


class FoundSet(Closed):
    """A data set that is known."""

    kind: str = Field(description="the name of the set in claims")
    path: str | None = Field(description="where it was found; null where it was not")
    to_get: str | None = Field(description="how to get it; null where it was found")


class Diagnosis(Document):
    """What this machine has."""

    command: Literal["doctor"] = Field(default="doctor", description="the command")
    machine: Mapping[str, Any] = Field(description="versions, device, commit: as runs record them")
    data: list[FoundSet] = Field(description="the data sets that are known")
    shelf: str = Field(description="folder of the runs")
    runs: int = Field(description="runs on the shelf")
    damaged: list[str] = Field(description="ids of damaged runs, which are left out")
    next: str = Field(description="the next command")


DOCUMENTS: tuple[type[Document], ...] = (Listed, Planned, Forecasted, Watching, Coverage, Diagnosis)


def listed(files: Sequence[AnyFile]) -> Listed:
    """Return claims as `list --json` prints them."""
    return Listed(
        claims=[
            ListedClaim(
                id=file.id,
                paper=file.paper.id,
                section=file.claim.paper.section,
                says=file.claim.paper.says,
                question=file.claim.question,
                scales=list(getattr(file.claim, "scales", ["exact"])),
                version=file.claim.version,
                file=str(file.path),
            )
            for file in files
        ]
    )


def planned_runs(jobs: Sequence[Job], runs: Table) -> list[PlannedRun]:
    """Return the runs of the next round; `runs`: those on the shelf."""
    return [
        PlannedRun(
            id=job.id,
            label=job.label,
            kind="timing" if job.alone else "training",
            epochs=None if job.alone else job.horizon,
            done=None if job.alone else len(runs[job.id].epochs) if job.id in runs else 0,
            evaluations=[evaluation.options.kind for evaluation in job.evaluations],
        )
        for job in jobs
    ]


def forecast(whole: Whole, scale: str, gpus: int, device: str | None) -> Forecasted:
    """Return a forecast as `plan --on --json` prints it."""
    return Forecasted(
        claims=[
            ForecastClaim(id=id, takes=None, why=what)
            if isinstance(what, str)
            else ForecastClaim(id=id, takes=_taken(what), why=None)
            for id, what in whole.claims.items()
        ],
        together=_taken(whole.together),
        scale=scale,
        gpus=gpus,
        device=device,
        days=whole.days(gpus),
        data=whole.packed,
    )


def _taken(what: Forecast) -> Taken:
    return Taken(
        runs=what.runs,
        timings=what.timings,
        hours=None if what.unmeasured else what.hours,
        unmeasured=what.unmeasured,
        bytes=None if what.unsized else what.bytes,
    )


def coverage(rows: Sequence[Covered], damaged: Sequence[str]) -> Coverage:
    """Return rows as `coverage --json` prints them."""
    return Coverage(
        rows=[
            CoveredRow(
                id=row.entry.id,
                paper=row.entry.paper,
                part=row.entry.part.title,
                section=row.entry.section,
                says=row.entry.says,
                state=row.state,
                states=[
                    ShelfState(scale=scale, shelf=state.shelf, state=state.word)
                    for scale, states in row.scales.items()
                    for state in states
                ],
                missing=[_missing(missing) for missing in row.missing],
            )
            for row in rows
        ],
        damaged=list(damaged),
    )


def _missing(missing: Missing) -> MissingVerdict:
    about = {"scale": missing.scale, "why": missing.why, "command": missing.command}
    if missing.scale == "smoke":
        return MissingVerdict(**about, runs=None, known=None, seconds=None, device=None)
    cost = missing.cost
    seconds, device = (cost.seconds, cost.device) if cost.known else (None, None)
    return MissingVerdict(**about, runs=cost.runs, known=cost.known, seconds=seconds, device=device)
