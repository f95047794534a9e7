"""Each arm's rate chosen independently, as the fastest (§3.1): what has been tuned so far, and what is to run next.

Equal grids for all arms. Passes of doubling horizon on the first tuning seed, none longer than it takes to stop a rate;
after a pass, rates already past 1.5 times the best finished geometric mean are stopped. The other seeds run only for
rates within 1.5 of the best. Chosen is the smallest geometric mean of the time to the level; a rate with an unfinished
or diverged tuning seed cannot be, and where the best so far turns out to be such a rate, or slower on its other seeds,
what was stopped for its sake goes on. A chosen end of the grid extends all grids by a step. Everything is derived from
the table, and each step waits until all runs of the one before are there: neither the order of runs nor the number of
workers can matter.
"""

from __future__ import annotations

from math import ceil, floor, inf, isfinite, log
from typing import TYPE_CHECKING

from repro.claim.config import RunConfig
from repro.claim.files import run_config
from repro.claim.resolve import classes, epochs_of
from repro.questions.levels import STARTED, Level, files_of
from repro.questions.observations import Observation, Rate, State, Status, Tuning, Want
from repro.questions.run_measure import RunMeasure
from repro.store import Table
from repro.train.minibatches import RECORDED

if TYPE_CHECKING:
    from repro.questions.base import Claim

FIRST_PASS = 3  # epochs of the first pass (assumed: about what the fastest net needs to an easy level)
SLOWER = 1.5  # DESIGN, tuning: rates slower than this times the best are given up
NEAR = 1.1  # DESIGN, tuning: rates within 10 % of the best count as equally good


def tune(claim: Claim, table: Table) -> tuple[dict[str, Tuning], list[Want]]:
    """Return every arm's tuning so far, by arm, and the runs wanted next; no wants: tuning is finished."""
    assert claim.tune is not None
    grid = list(claim.tune.rates)
    if not claim.tune.chooses:
        return {arm: Tuning(arm, (), grid[0], at_end=False) for arm in claim.arms}, []
    if claim.tune.choose == "learns":
        return _learning(claim, table)
    for extension in range(claim.tune.extend + 1):
        arms, wants = {}, []
        for arm in claim.arms:
            arms[arm], more = _tune_arm(claim, arm, grid, table)
            wants += more
        ends = {tuning.chosen for tuning in arms.values()} & {grid[0], grid[-1]}
        if wants or not ends or extension == claim.tune.extend:
            return arms, wants
        grid = ([grid[0] / 2] if grid[0] in ends else []) + grid + ([grid[-1] * 2] if grid[-1] in ends else [])
    raise AssertionError("the loop returns")


def _learning(claim: Claim, table: Table) -> tuple[dict[str, Tuning], list[Want]]:
    """Return the tuning of one rate for all arms: the largest at which each of them learns on every tuning seed, that
    is leaves 0.9 ln C (DESIGN, not started) within half of the horizon and 2,000 updates. Rates are tried from the
    largest down."""
    assert claim.tune is not None
    tried: dict[str, list[Rate]] = {arm: [] for arm in claim.arms}
    chosen, wants = None, list[Want]()
    for rate in reversed(claim.tune.rates):
        observations, wants = _at_rate(claim, rate, table)
        learned = all(o.status == "reached" for arm in observations.values() for o in arm)
        state: State = "running" if wants else "chosen" if learned else "not learned"
        for arm in claim.arms:
            tried[arm].append(Rate(rate, observations[arm], state))
        if state == "chosen":
            chosen = rate
        if state != "not learned":
            break
    return {arm: Tuning(arm, tuple(rates), chosen, at_end=False) for arm, rates in tried.items()}, wants


def _at_rate(claim: Claim, rate: float, table: Table) -> tuple[dict[str, tuple[Observation, ...]], list[Want]]:
    """Return whether each arm learned at a rate, by arm, and the runs that are still wanted to know it: the first seed
    of every arm before the others."""
    assert claim.tune is not None
    observations: dict[str, tuple[Observation, ...]] = {}
    wants: list[Want] = []
    for seeds in (claim.tune.on_seeds[:1], claim.tune.on_seeds):
        for arm in claim.arms:
            asked = [_learning_run(claim, arm, rate, seed) for seed in seeds]
            observations[arm] = tuple(_learned(want, table) for want in asked)
            wants += [want for want, o in zip(asked, observations[arm], strict=True) if o.status == "missing"]
        if wants or not all(o.status == "reached" for arm in observations.values() for o in arm):
            break
    return observations, wants


def _learning_run(claim: Claim, arm: str, rate: float, seed: int) -> Want:
    """Return the run that says whether an arm learns at a rate on one tuning seed."""
    chance, last = log(len(classes(claim.data))), epochs_of(claim, arm)
    level = Level("train_loss", STARTED * chance, files_of(claim), chance, "middle")
    limit = min(ceil(last / 2), ceil(RECORDED / level.updates))
    config = run_config(claim, arm, seed=seed, lr=rate)
    label = f"{claim.label(arm)}, rate {rate:g}, tuning seed {seed}"
    return Want(config, limit, level, label, horizon=last)


def _learned(want: Want, table: Table) -> Observation:
    """Return the epochs in which a tuning run left 0.9 ln C, whatever was trained beyond the epochs wanted of it."""
    config, run, limit = want.config, table.get(want.config.id), want.epochs
    rows = run.epochs[:limit] if run else []
    if run is None or not want.goal.met(rows):
        status: Status = "failed" if run and run.failed else "missing"
        return Observation(config.seed, config.id, None, len(rows), status, limit)
    assert want.level is not None
    time = want.level.time([row for row in rows if row["diverged"] is None])
    diverged = rows[-1]["diverged"] is not None
    status = "diverged" if diverged else "reached" if time is not None else "not started"
    return Observation(config.seed, config.id, None if diverged else time, len(rows), status, limit)


def _tune_arm(claim: Claim, arm: str, grid: list[float], table: Table) -> tuple[Tuning, list[Want]]:
    """Return one arm's tuning over a grid of rates so far, and the runs wanted next; no wants: it is finished."""
    race = _Race(claim, arm, grid, table)
    step = grid
    while step:
        if wants := [want for rate in step for want in race.observe(rate)]:
            return Tuning(arm, tuple(race.rates[rate] for rate in grid), None, at_end=False), wants
        step = race.next_step()
    return _choose(arm, [race.rates[rate] for rate in grid], race.best), []


class _Race:
    """The rates of one arm, each followed on so many tuning seeds up to so many epochs, until the fastest is known."""

    def __init__(self, claim: Claim, arm: str, grid: list[float], table: Table) -> None:
        assert claim.tune is not None
        assert isinstance(claim.measure, RunMeasure), (
            "a fastest rate is one to a level; the claim's check refuses others"
        )
        self.claim, self.arm, self.grid, self.table, self.measure = claim, arm, grid, table, claim.measure
        self.on_seeds, self.last = claim.tune.on_seeds, claim.train.epochs
        self.seeds = dict.fromkeys(grid, self.on_seeds[:1])
        self.limits = dict.fromkeys(grid, min(FIRST_PASS, self.last))
        self.rates: dict[float, Rate] = {}
        self._first = run_config(claim, arm, seed=self.on_seeds[0])

    def config(self, rate: float, seed: int) -> RunConfig:
        """Return the tuning run at a rate on a seed: what `run_config` gives, in a tenth of the time where it can."""
        if self._first.start is None:
            return self._first.varied(seed, rate)
        return run_config(self.claim, self.arm, seed=seed, lr=rate)

    def observe(self, rate: float) -> list[Want]:
        """Read a rate's runs up to its limit, and return those of them that are missing."""
        configs, limit = [self.config(rate, seed) for seed in self.seeds[rate]], self.limits[rate]
        observations = tuple(
            self.measure.observe(self.claim, config, self.table, limit, self.last) for config in configs
        )
        self.rates[rate] = Rate(rate, observations, "running")
        level, label = self.measure.level_of(self.claim), self.claim.label(self.arm)
        return [
            Want(config, limit, level, f"{label}, rate {rate:g}, tuning seed {config.seed}", horizon=self.last)
            for config, o in zip(configs, observations, strict=True)
            if o.status == "missing"
        ]

    @property
    def best(self) -> float:
        """The smallest geometric mean over the seeds so far, in epochs; infinite while no rate has one."""
        return min((mean for rate in self.rates.values() if (mean := rate.mean) is not None), default=inf)

    def next_step(self) -> list[float]:
        """Return the rates to be observed next, each on more seeds or for more epochs; empty when the race is over."""
        best = self.best
        reaches = {rate: self.rates[rate].at_least for rate in self.grid}
        racing = [rate for rate, least in reaches.items() if isfinite(least) and least <= SLOWER * best]
        unfinished = [rate for rate in racing if self.rates[rate].mean is None and self.limits[rate] < self.last]
        if unfinished:
            shortest = min(self.limits[rate] for rate in unfinished)
            step = [rate for rate in unfinished if self.limits[rate] == shortest]
            self.limits |= dict.fromkeys(step, _next_limit(shortest, self.last, best))
        else:
            step = [r for r in racing if self.rates[r].mean is not None and self.seeds[r] != self.on_seeds]
            self.seeds |= dict.fromkeys(step, self.on_seeds)
        return step


def _next_limit(limit: int, last: int, best: float) -> int:
    """Return the epochs of the pass after one of `limit` epochs: twice as many, but no more than it takes to see that a
    rate is past 1.5 times the best finished mean, where it is stopped anyway. That saves half of a slow arm's tuning
    and leaves the choice as it is."""
    doubled = min(2 * limit, last)
    past = floor(SLOWER * best) + 1 if isfinite(best) else doubled
    # a rate that is not past it there has other seeds that were faster: it goes on by doubling
    return min(doubled, past) if past > limit else doubled


def _choose(arm: str, rates: list[Rate], best: float) -> Tuning:
    """Return an arm's finished tuning. `best`: the smallest geometric mean, in epochs; infinite if no rate finished."""
    chosen = next((rate.rate for rate in rates if rate.mean == best), None)

    def state(rate: Rate) -> State:
        if any(o.status == "diverged" for o in rate.observations):
            return "diverged"
        if any(o.status == "failed" for o in rate.observations):
            return "failed"
        if rate.mean is None:
            return "stopped" if rate.at_least > SLOWER * best else "not reached"
        return "chosen" if rate.rate == chosen else "near" if rate.mean <= NEAR * best else "slower"

    described = tuple(Rate(rate.rate, rate.observations, state(rate)) for rate in rates)
    return Tuning(arm, described, chosen, at_end=chosen in (rates[0].rate, rates[-1].rate))
