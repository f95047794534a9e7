"""What is to be trained next: the wants of claims joined, each run once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from repro.claim.config import RunConfig, TimingConfig
from repro.claim.evaluation import Evaluation
from repro.claim.files import ClaimFile
from repro.questions.levels import Goal
from repro.questions.observations import Want
from repro.questions.plan import damaged_by, wanted
from repro.store import DamagedRun, Table, without_damage
from repro.store.rows import Row

Planned = Callable[[Table], list[Want]]  # the runs that something wants next, from the table of runs so far


@dataclass(frozen=True)
class Job:
    """One run and all that is wanted of it: it trains until every goal is met. A timing has none."""

    config: RunConfig | TimingConfig
    goals: tuple[Goal, ...]
    label: str
    evaluations: tuple[Evaluation, ...] = ()  # of this run, each made when it has come so far
    keep: frozenset[int] = frozenset()  # epochs after which others start from its weights
    best: bool = False  # whether the weights of the least held-out error are kept

    @property
    def id(self) -> str:
        """The run's."""
        return self.config.id

    @property
    def alone(self) -> bool:
        """Whether nothing may run beside it: a timing."""
        return isinstance(self.config, TimingConfig)

    @property
    def horizon(self) -> int:
        """Epochs at most."""
        return max(goal.epochs for goal in self.goals)

    def work(self, there: int) -> int:
        """Return the epochs at most after `there` of them; an evaluation takes about as long as an epoch (assumed)."""
        return 1 if self.alone else max(0, self.horizon - there) + len(self.evaluations)

    def left(self, rows: list[Row]) -> bool:
        """Return whether more is to be trained after these epochs."""
        return not all(goal.met(rows) for goal in self.goals)


def jobs(
    claims: list[tuple[ClaimFile, str]], table: Table, device: str | None = None, more: Planned | None = None
) -> list[Job]:
    """Return what is to be trained next, each run once, however many claims want it; damaged runs are left out.

    `device`: see `wanted`; `more`: what is wanted beside claims, and before them.
    """
    wants: dict[str, list[Want]] = {}
    for want in without_damage(table, lambda table: list(_wants(claims, table, device, more))):
        if not damaged_by(want, table):
            wants.setdefault(want.config.id, []).append(want)
    return [
        Job(
            same[0].config,
            tuple({want.goal: None for want in same if isinstance(want.config, RunConfig)}),
            same[0].label,
            tuple({want.evaluation.id: want.evaluation for want in same if want.evaluation}.values()),
            keep=frozenset(want.epochs for want in same if want.weights),
        )
        for same in wants.values()
    ]


def left_out(
    claims: list[tuple[ClaimFile, str]], table: Table, device: str | None = None, more: Planned | None = None
) -> dict[str, DamagedRun]:
    """Return the damaged runs that are wanted next, by id: they are trained again once their folders are removed."""
    every = (damaged_by(want, table) for want in _wants(claims, table, device, more))
    return {damage.violation.run: damage for damage in every if damage}


def _wants(
    claims: list[tuple[ClaimFile, str]], table: Table, device: str | None, more: Planned | None
) -> Iterator[Want]:
    asked = [more(table)] if more else []
    return chain(*asked, *(wanted(file, scale, table, device=device) for file, scale in claims))


def followed_by(planned: list[Job], claims: list[tuple[ClaimFile, str]]) -> list[str]:
    """Return, in words, why more runs follow from these; empty where these are all."""
    out = []
    tunes = (file.at(scale).tune for file, scale in claims)
    tuning = {seed for tune in tunes if tune for seed in tune.on_seeds}
    if any(isinstance(job.config, RunConfig) and job.config.seed in tuning for job in planned):
        out.append("judging seeds follow once learning rates are chosen from these")
    if any(job.keep for job in planned):
        out.append("runs that start from the weights of these follow")
    return out


def lines(planned: list[Job], runs: Table, device: str) -> list[str]:
    """Return a line for each job: its run, what it is for, how far it has come on the shelf and how far it goes."""
    out = []
    for job in planned:
        if job.alone:
            out.append(f"  {job.id}  {job.label}, alone in a process of its own, on {device}")
            continue
        there = len(runs[job.id].epochs) if job.id in runs else 0
        levels = {str(goal.level) for goal in job.goals if goal.level}
        until = f", or until {' and '.join(sorted(levels))}" if levels else ""
        kinds = [evaluation.options.kind.replace("_", " ") for evaluation in job.evaluations]
        then = f", evaluated: {' and '.join(kinds)}" if kinds else ""
        out.append(f"  {job.id}  {job.label}: {there} of {job.horizon} epochs{until}{then}")
    return out
