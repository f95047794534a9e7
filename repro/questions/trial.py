"""A trial: one pass over a claim and the table of runs: tunings, horizons, observations, and what is still wanted.

Planning reads its wants, the verdict its observations, pages both. Everything is derived from the table, once.
"""

from __future__ import annotations

from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

from repro.questions import speed as timing
from repro.questions.levels import converged, goal_of, held_out_errors
from repro.questions.observations import Observation, Want, evaluation_of, level_of, observe, trace
from repro.questions.tuning import Arm, Tuning, tune
from repro.spec.claim import Claim
from repro.spec.config import RunConfig
from repro.spec.files import ClaimFile, run_config
from repro.spec.resolve import epochs_of, training_images
from repro.store import Table

MOST = 4  # times the claim's horizon: how long a run is followed for its best (assumed)


class Trial:
    """One claim, as it stands at a scale, against one table of runs.

    `device`: the name of the one that is to be timed; None where nothing is run: the one that the table knows best.
    """

    def __init__(self, claim: Claim, table: Table, device: str | None = None) -> None:
        self.claim, self.table, self._device = claim, table, device
        self._configs: dict[tuple[str, int], RunConfig] = {}
        self._observed: dict[tuple[str, int], tuple[Observation, ...]] = {}
        self._horizons: dict[str, int] = {}

    @cached_property
    def device(self) -> str | None:
        """The device of a timing: the one that it is to be timed on, or was timed on most."""
        return self._device or next(iter(timing.devices(self.claim, self.table)), None)

    @cached_property
    def _tuned(self) -> tuple[dict[str, Tuning], list[Want]]:
        return tune(self.claim, self.table) if self.claim.tune else ({}, [])

    @property
    def tunings(self) -> dict[str, Tuning]:
        """Each arm's tuning so far; empty where no rate is tuned."""
        return self._tuned[0]

    def rate(self, arm: str) -> float | None:
        """Return the arm's chosen rate, or its own where none is tuned; None while none is chosen."""
        return self.tunings[arm].chosen if self.tunings else self.config(arm, self.claim.seeds[0]).train.lr

    def config(self, arm: str, seed: int) -> RunConfig:
        """Return the judging run of an arm; of one whose rate is not chosen yet, at the claim's own."""
        if (arm, seed) not in self._configs:
            first = self._configs.get((arm, self.claim.seeds[0]))
            if first is not None and first.start is None:  # run_config's own, in a tenth of the time
                self._configs[arm, seed] = first.varied(seed)
            else:
                rate = self.tunings[arm].chosen if self.tunings else None
                self._configs[arm, seed] = run_config(self.claim, arm, seed=seed, lr=rate)
        return self._configs[arm, seed]

    def horizon(self, arm: str) -> int:
        """Return the epochs after which a judging run of `arm` counts as censored.

        The first horizon; for the slow arm at least twice (the far end of the band x the slowest judged run of the fast
        arm), so that a censored run says something about the band.
        """
        if arm not in self._horizons:
            self._horizons[arm] = self._horizon(arm)
        return self._horizons[arm]

    def _horizon(self, arm: str) -> int:
        claim = self.claim
        first = epochs_of(claim, arm)
        if claim.measure.kind == "converged":
            return self._followed(arm)
        if claim.rule.kind != "ratio" or claim.rule.direction == "none" or claim.measure.kind != "epochs_to":
            return first
        slow, fast = claim.rule.of if claim.rule.direction == "above 1" else claim.rule.of[::-1]
        if arm != slow:
            return first
        values = [o.value for o in self._seen(fast, first) if o.value is not None]
        return max(first, ceil(2 * claim.rule.far * max(values, default=0)))

    def _followed(self, arm: str) -> int:
        """Return the epochs to which the arm's runs are followed so that each has gone on for twice the time to its
        best.

        Found step by step, each from runs that have all come as far as the one before: epochs that others trained
        beyond it change nothing.
        """
        claim = self.claim
        assert claim.measure.kind == "converged"
        configs = [self.config(arm, seed) for seed in claim.seeds]
        runs = [self.table.get(config.id) for config in configs]
        horizon, most = claim.train.epochs, MOST * claim.train.epochs
        while all(run and (run.failed or goal_of(configs[0], horizon).met(run.epochs)) for run in runs):
            times = [converged(held_out_errors(run.epochs[:horizon]), claim.measure.near) for run in runs if run]
            longer = min(most, max(horizon, *(ceil(2 * time) for time in times if time is not None)))
            if longer == horizon:
                break
            horizon = longer
        return horizon

    def observations(self, arm: str) -> tuple[Observation, ...]:
        """Return what the arm's judging seeds show at its chosen rate up to its horizon; none while none is chosen."""
        if self.claim.measure.kind == "throughput":
            return timing.observe(self.claim, arm, self.table, self.device or "")
        return self._seen(arm, self.horizon(arm))

    def _seen(self, arm: str, horizon: int) -> tuple[Observation, ...]:
        if (arm, horizon) not in self._observed:
            unchosen = bool(self.tunings) and self.tunings[arm].chosen is None
            configs = [] if unchosen else [self.config(arm, seed) for seed in self.claim.seeds]
            found = tuple(observe(self.claim, config, self.table, horizon) for config in configs)
            self._observed[arm, horizon] = found
        return self._observed[arm, horizon]

    def curves(self, arm: str) -> dict[int, list[float]]:
        """Return the arm's printed curve by seed, of the runs that are long enough."""
        measure, rule, out = self.claim.measure, self.claim.rule, {}
        assert measure.kind == "trace"
        assert rule.kind == "trace"
        for seed in self.claim.seeds:
            config = self.config(arm, seed)
            if (run := self.table.get(config.id)) is None:
                continue
            curve = trace(
                run,
                every=measure.every,
                points=len(rule.authors),
                batch=config.train.batch,
                file_images=config.train.file_images,
                images=training_images(config.data),
            )
            if curve is not None:
                out[seed] = curve
        return out

    @cached_property
    def arms(self) -> dict[str, Arm]:
        """Every arm: its tuning and its judged runs."""
        if self.claim.measure.kind == "trace":
            return {arm: Arm(arm, None, self.claim.train.lr, (), self.curves(arm)) for arm in self.claim.arms}
        timed = self.claim.measure.kind == "throughput"
        return {
            arm: Arm(arm, self.tunings.get(arm), None if timed else self.rate(arm), self.observations(arm), {})
            for arm in self.claim.arms
        }

    def wants(self, arms: list[str] | None = None) -> list[Want]:
        """Return the runs that these arms want, finished ones among them; where rates are tuned, those that tuning
        wants of all arms until they are, for arms share a grid."""
        claim, arms = self.claim, arms or list(self.claim.arms)
        if claim.measure.kind == "throughput":
            configs = [timing.config(claim, seed, self.device or "") for seed in claim.seeds]
            return [Want(config, 0, None, f"timing, replicate {config.seed}") for config in configs]
        if claim.measure.kind == "trace":
            each = [(arm, seed) for arm in arms for seed in claim.seeds]
            return [Want(self.config(*one), claim.train.epochs, None, f"{one[0]}, seed {one[1]}") for one in each]
        if self._tuned[1]:
            return self._tuned[1]
        out = []
        for arm in arms:
            if self.tunings and self.tunings[arm].chosen is None:
                continue  # no rate could be chosen: nothing to judge
            horizon = self.horizon(arm)
            for seed in claim.seeds:
                config = self.config(arm, seed)
                evaluation = evaluation_of(claim, config, horizon)
                out.append(Want(config, horizon, level_of(claim), f"{arm}, seed {seed}", evaluation))
        return out


Key = tuple[Path, tuple[int, ...], str, str | None]  # a claim's file, its seeds, a scale, an alternative


class Trials:
    """All trials of one table of runs, each made once, however many verbs and pages ask for it.

    The table must not change meanwhile.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.judged: dict[Key, Any] = {}  # what `repro.questions.judge` made of them
        self._trials: dict[Key, dict[str | None, Trial]] = {}

    @staticmethod
    def key(file: ClaimFile, scale: str, alternative: str | None) -> Key:
        """Return what tells one trial of a command from another."""
        return file.path, file.seeds, scale, alternative

    @classmethod
    def over(cls, runs: Table | Trials) -> Trials:
        """Return the trials given, or new ones over a table."""
        return runs if isinstance(runs, Trials) else cls(runs)

    def compared(
        self, file: ClaimFile, scale: str, alternative: str | None = None, device: str | None = None
    ) -> dict[str | None, Trial]:
        """Return the trials that are judged together: the claim itself (None), and those of its `rule.over`."""

        def made() -> dict[str | None, Trial]:
            claims = file.compared(scale, alternative)
            return {name: Trial(claim, self.table, device) for name, claim in claims.items()}

        if device is not None:
            return made()
        key = self.key(file, scale, alternative)
        if key not in self._trials:
            self._trials[key] = made()
        return self._trials[key]
