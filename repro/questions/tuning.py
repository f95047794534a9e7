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
from repro.questions.observations import Observation, Rate, Tuning, Want
from repro.store import Table
from repro.train.minibatches import RECORDED

if TYPE_CHECKING:
    from repro.questions.base import Claim

FIRST_PASS = 3  # epochs of the first pass (assumed: about what the fastest net needs to an easy level)
SLOWER = 1.5  # DESIGN, tuning: rates slower than this times the best are given up
NEAR = 1.1  # DESIGN, tuning: rates within 10 % of the best count as equally good


def tune(claim: Claim, table: Table) -> tuple[dict[str, Tuning], list[Want]]:
    """Every arm's tuning so far, and the runs wanted next; no wants: it is finished."""
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
    """One rate for all arms: the largest at which each of them learns on every tuning seed, that is leaves 0.9 ln C
    (DESIGN, not started) within half of the horizon and 2,000 updates. From the largest down; of a rate, the first seed
    of every arm before the others."""
    assert claim.tune is not None
    on_seeds, chance = claim.tune.on_seeds, log(len(classes(claim.data)))
    rates: dict[str, list[Rate]] = {arm: [] for arm in claim.arms}
    chosen = None
    for rate in reversed(claim.tune.rates):
        for seeds in (on_seeds[:1], on_seeds):
            seen: dict[str, tuple[Observation, ...]] = {}
            wants = []
            for arm in claim.arms:
                level = Level("train_loss", STARTED * chance, files_of(claim), chance, "middle")
                last = epochs_of(claim, arm)
                limit = min(ceil(last / 2), ceil(RECORDED / level.updates))
                found = []
                for seed in seeds:
                    config = run_config(claim, arm, seed=seed, lr=rate)
                    name = f"{claim.label(arm)}, rate {rate:g}, tuning seed {seed}"
                    want = Want(config, limit, level, name, horizon=last)
                    found.append(_learned(want, level, limit, table))
                    wants += [want] * (found[-1].status == "missing")
                seen[arm] = tuple(found)
            if wants:
                running = {a: (*rates[a], Rate(rate, seen[a], "running")) for a in claim.arms}
                return {a: Tuning(a, running[a], None, at_end=False) for a in claim.arms}, wants
            if not all(o.status == "reached" for found_ in seen.values() for o in found_):
                break
        else:
            chosen = rate
        for arm in claim.arms:
            state = "chosen" if chosen else "not learned"
            rates[arm].append(Rate(rate, seen[arm], state))
        if chosen:
            break
    return {arm: Tuning(arm, tuple(rates[arm]), chosen, at_end=False) for arm in claim.arms}, []


def _learned(want: Want, level: Level, limit: int, table: Table) -> Observation:
    """The epochs in which a tuning run left 0.9 ln C, whatever was trained beyond `limit`."""
    config, run = want.config, table.get(want.config.id)
    rows = run.epochs[:limit] if run else []
    if run is None or not want.goal.met(rows):
        status = "failed" if run and run.failed else "missing"
        return Observation(config.seed, config.id, None, len(rows), status, limit)
    time = level.time([row for row in rows if row["diverged"] is None])
    diverged = rows[-1]["diverged"] is not None
    status = "diverged" if diverged else "reached" if time is not None else "not started"
    return Observation(config.seed, config.id, None if diverged else time, len(rows), status, limit)


def _tune_arm(claim: Claim, arm: str, grid: list[float], table: Table) -> tuple[Tuning, list[Want]]:
    assert claim.tune is not None
    on_seeds, last = claim.tune.on_seeds, claim.train.epochs
    base = run_config(claim, arm, seed=on_seeds[0])

    def config(rate: float, seed: int) -> RunConfig:  # run_config's own, in a tenth of the time
        return base.varied(seed, rate) if base.start is None else run_config(claim, arm, seed=seed, lr=rate)

    seeds = dict.fromkeys(grid, on_seeds[:1])
    limits = dict.fromkeys(grid, min(FIRST_PASS, last))
    rates: dict[float, Rate] = {}
    step = grid  # the rates of which more is to be seen
    while True:
        wants = []
        for rate in step:
            seen = tuple(claim.measure.observe(claim, config(rate, seed), table, limits[rate]) for seed in seeds[rate])
            rates[rate] = Rate(rate, seen, "running")
            for o in seen:
                if o.status == "missing":
                    label = f"{claim.label(arm)}, rate {rate:g}, tuning seed {o.seed}"
                    run = config(rate, o.seed)
                    wants.append(Want(run, limits[rate], claim.measure.level_of(claim), label, horizon=last))
        if wants:
            return Tuning(arm, tuple(rates[rate] for rate in grid), None, at_end=False), wants
        best = min((mean for rate in rates.values() if (mean := rate.mean) is not None), default=inf)
        racing = [rate for rate in grid if isfinite(rates[rate].at_least) and rates[rate].at_least <= SLOWER * best]
        if unfinished := [rate for rate in racing if rates[rate].mean is None and limits[rate] < last]:
            shortest = min(limits[rate] for rate in unfinished)
            step = [rate for rate in unfinished if limits[rate] == shortest]
            limits |= dict.fromkeys(step, _next_limit(shortest, last, best))
        elif step := [rate for rate in racing if rates[rate].mean is not None and seeds[rate] != on_seeds]:
            seeds |= dict.fromkeys(step, on_seeds)
        else:
            return _choose(arm, [rates[rate] for rate in grid], best), []


def _next_limit(limit: int, last: int, best: float) -> int:
    """Epochs of the pass after one of `limit`: twice as many, but no more than show that a rate is past 1.5 times the
    best finished mean, where it is stopped anyway: half of a slow arm's tuning is saved, and the choice is the same."""
    doubled = min(2 * limit, last)
    past = floor(SLOWER * best) + 1 if isfinite(best) else doubled
    # a rate that is not past it there has other seeds that were faster: it goes on by doubling
    return min(doubled, past) if past > limit else doubled


def _choose(arm: str, rates: list[Rate], best: float) -> Tuning:
    """The end of an arm's tuning; `best`: the smallest geometric mean, infinite where no rate finished."""
    chosen = next((rate.rate for rate in rates if rate.mean == best), None)

    def state(rate: Rate) -> str:
        for status in ("diverged", "failed"):
            if any(o.status == status for o in rate.observations):
                return status
        if rate.mean is None:
            return "stopped" if rate.at_least > SLOWER * best else "not reached"
        return "chosen" if rate.rate == chosen else "near" if rate.mean <= NEAR * best else "slower"

    described = tuple(Rate(rate.rate, rate.observations, state(rate)) for rate in rates)
    return Tuning(arm, described, chosen, at_end=chosen in (rates[0].rate, rates[-1].rate))
