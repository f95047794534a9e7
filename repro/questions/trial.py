"""A trial: one pass over a claim and the table of runs: tunings, horizons, observations, and what is still wanted.

Planning reads its wants, the verdict its observations, pages both. Everything is derived from the table, once.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.claim.resolve import epochs_of
from repro.questions.base import Claim
from repro.questions.observations import Arm, Observation, Tuning, Want
from repro.questions.run_measure import RunMeasure
from repro.questions.tuning import tune
from repro.store import Table


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
        return self._device or self.claim.measure.timed_on(self)

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

    @property
    def _measure(self) -> RunMeasure:
        """The claim's measure; a timing and a printed curve have no horizon and no observation of a run."""
        assert isinstance(self.claim.measure, RunMeasure)
        return self.claim.measure

    def horizon(self, arm: str) -> int:
        """Return the epochs after which a judging run of `arm` counts as censored."""
        if arm not in self._horizons:
            self._horizons[arm] = self._measure.horizon(self, arm)
        return self._horizons[arm]

    def observations(self, arm: str, horizon: int) -> tuple[Observation, ...]:
        """Return what the arm's judging seeds show at its chosen rate up to `horizon`; none while none is chosen."""
        if (arm, horizon) not in self._observed:
            unchosen = bool(self.tunings) and self.tunings[arm].chosen is None
            configs = [] if unchosen else [self.config(arm, seed) for seed in self.claim.seeds]
            first = epochs_of(self.claim, arm)
            self._observed[arm, horizon] = tuple(
                self._measure.observe(self.claim, config, self.table, horizon, first) for config in configs
            )
        return self._observed[arm, horizon]

    @cached_property
    def arms(self) -> dict[str, Arm]:
        """Every arm: its tuning and its judged runs."""
        return {arm: self.claim.measure.arm(self, arm) for arm in self.claim.arms}

    def wants(self, arms: list[str] | None = None) -> list[Want]:
        """Return the runs that these arms want, finished ones among them; where rates are tuned, those that tuning
        wants of all arms until they are, for arms share a grid."""
        return self._tuned[1] or self.claim.measure.wants(self, arms or list(self.claim.arms))


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
    def from_runs(cls, runs: Table | Trials) -> Trials:
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
