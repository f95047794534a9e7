"""What a claim reads of its runs as data frames: measures, epochs, points of curves, facts.

`repro.columns` documents every column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil, inf, isfinite
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from repro.claim.counts import written
from repro.claim.files import ExactFile
from repro.columns import EPOCHS, FACTS, MEASURES, POINTS
from repro.frames import frame
from repro.questions.curve import TraceRule
from repro.questions.exhibit import Exhibit
from repro.questions.facts import judged
from repro.questions.judge import Judgement
from repro.questions.measure import MeasuredRun
from repro.questions.observations import Arm, Observation
from repro.store import Run
from repro.store.rows import Row

if TYPE_CHECKING:
    import pandas as pd


Use = Literal["tuning", "judging"]


class Reading(NamedTuple):
    """One run as a claim reads it, by the first columns of every frame of a claim."""

    about: tuple[object, ...]  # from claim to run
    arm: str
    use: Use
    rate: float | None
    run: str
    judgement: Judgement
    observation: Observation | None  # None: the run gives a curve

    @property
    def limit(self) -> float:
        """The epochs up to which the run is read; infinite of a curve, which says so itself."""
        return inf if self.observation is None else self.observation.limit


def measures(exhibit: Exhibit) -> pd.DataFrame:
    """Return a row for each run of each judgement of an exhibit (`repro.columns.MEASURES`); none of a printed curve."""
    read = (reading for reading in _readings(exhibit) if reading.observation)
    return frame(MEASURES, ((*reading.about[:4], *measured(reading)) for reading in read))


def measured_runs(exhibit: Exhibit) -> list[MeasuredRun]:
    """Return the rows of `measures` that are the judgement's own, as the tables of its page print them."""
    return [measured(reading) for reading in readings_of(exhibit, exhibit.judgement) if reading.observation]


def epochs(exhibit: Exhibit) -> pd.DataFrame:
    """Return a row for each epoch of each run of each judgement of an exhibit (`repro.columns.EPOCHS`)."""
    return _frame_of_epochs(exhibit, _readings(exhibit))


def judged_epochs(exhibit: Exhibit) -> pd.DataFrame:
    """Return the rows of `epochs` whose runs decide: the judging runs of the claim's own comparisons."""
    decide = {id(part) for part in exhibit.judgement.parts}
    readings = (r for r in _readings(exhibit) if id(r.judgement) in decide and r.use == "judging")
    return _frame_of_epochs(exhibit, readings)


def _frame_of_epochs(exhibit: Exhibit, readings: Iterable[Reading]) -> pd.DataFrame:
    runs = ((reading, exhibit.table[reading.run]) for reading in readings if reading.run in exhibit.table)
    return frame(EPOCHS, (row for reading, run in runs for row in _epochs(reading, run)))


def points(exhibit: Exhibit) -> pd.DataFrame:
    """Return a row for each point of a printed curve and of our curves (`repro.columns.POINTS`); none of others."""
    judgement, rule = exhibit.judgement, exhibit.judgement.claim.rule
    about = exhibit.file.id, exhibit.shelf, judgement.scale
    runs = {exhibit.table[run].seed: run for run in judgement.run_ids}
    rows: list[tuple[object, ...]] = [
        (*about, name, seed, i, value, runs[seed])
        for name, arm in judgement.arms.items()
        for seed, curve in arm.curves.items()
        for i, value in enumerate(curve, start=1)
    ]
    if isinstance(rule, TraceRule):
        rows += [(*about, "the author", None, i, value, "") for i, value in enumerate(rule.authors, start=1)]
    return frame(POINTS, rows)


def facts(file: ExactFile) -> pd.DataFrame:
    """Return a row for each fact of a claim that is counted (`repro.columns.FACTS`)."""
    rows = []
    for i, fact in enumerate(judged(file), start=1):
        printed, count = fact.fact.printed, fact.count
        values = _plain(tuple(printed) if isinstance(printed, list) else printed), _plain(count.value)
        bounds = (None if bound is None or not isfinite(bound) else bound for bound in (count.low, count.high))
        section = fact.fact.section or file.claim.paper.section
        rows.append((file.id, i, section, fact.fact.says, *values, *bounds, count.unit, fact.word, count.arithmetic))
    return frame(FACTS, rows)


def _plain(value: Any) -> str:
    """Return a value as data, without separators of thousands."""
    return written(value) if isinstance(value, bool | tuple) else f"{value:.10g}"


def _readings(exhibit: Exhibit) -> Iterator[Reading]:
    """Yield every run that the judgements read, as often as they do."""
    for whole in (exhibit.judgement, *exhibit.alternatives):
        for judgement in whole.parts:
            yield from readings_of(exhibit, judgement)


def readings_of(exhibit: Exhibit, judgement: Judgement) -> Iterator[Reading]:
    """Yield every run that one judgement reads: arm by arm, those of tuning first."""
    under = ", ".join(filter(None, (judgement.alternative, judgement.comparison)))
    for arm in judgement.arms.values():
        label = judgement.claim.label(arm.name)
        about = (exhibit.file.id, exhibit.shelf, judgement.scale, under, arm.name, label)
        for use, rate, observation in _observed(arm):
            whose = (*about, use, rate, observation.seed, observation.run)
            yield Reading(whose, arm.name, use, rate, observation.run, judgement, observation)
        seeds = {exhibit.table[run].seed: run for run in judgement.run_ids} if arm.curves else {}
        for seed in arm.curves:
            whose = (*about, "judging", arm.rate, seed, seeds[seed])
            yield Reading(whose, arm.name, "judging", arm.rate, seeds[seed], judgement, None)


def _observed(arm: Arm) -> Iterator[tuple[Use, float | None, Observation]]:
    """Yield (use, rate, observation) of an arm's tuning and judging runs."""
    for rate in arm.tuning.rates if arm.tuning else ():
        yield from (("tuning", rate.rate, observation) for observation in rate.observations)
    yield from (("judging", arm.rate, observation) for observation in arm.observations)


def measured(reading: Reading) -> MeasuredRun:
    """Return what a reading has as its measure: of tuning for the rate at which all arms learn, the epochs until one
    does, whatever the claim measures. Not of a curve."""
    observation, claim = reading.observation, reading.judgement.claim
    assert observation is not None
    learns = reading.use == "tuning" and claim.tune is not None and claim.tune.choose == "learns"
    unit, each = ("epochs", 1) if learns else claim.measure.column(claim)
    return MeasuredRun(
        arm=reading.arm,
        label=claim.label(reading.arm),
        use=reading.use,
        rate=reading.rate,
        seed=observation.seed,
        run=observation.run,
        evaluation=observation.evaluation,
        value=None if observation.value is None else each * observation.value,
        unit=unit,
        status=observation.status,
        horizon=each * observation.horizon,
    )


def _epochs(reading: Reading, run: Run) -> Iterator[tuple[object, ...]]:
    last = inf if reading.limit == inf else ceil(reading.limit)
    for row in run.epochs:
        yield (
            *reading.about, row["epoch"], row["update"], row["epoch"] <= last,
            row["train_error"], row.get("train_loss"), row.get("test_error"), row.get("test_loss"),
            row.get("test_top5"), *_held_out(row), row["seconds"],
            row["diverged"],
        )  # fmt: skip


def _held_out(row: Row) -> tuple[float | None, float | None]:
    """Return error and loss on the held-out images after an epoch."""
    halves = row.get("halves")
    return (halves[-1]["held_out_error"], halves[-1]["held_out_loss"]) if halves else (None, None)
