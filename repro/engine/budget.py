"""Keep a command within its time: no run begins that cannot end in what is left of it.

A run is estimated as for `plan`, from its own steps measured here (`repro.engine.probe`). The estimate is corrected by
the time that epochs have really taken in this command: those of a like configuration, else all of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from math import fsum

from repro.claim.config import RunConfig, TimingConfig
from repro.engine.events import Event, Report
from repro.engine.forecast import kind_of
from repro.engine.jobs import Job
from repro.engine.probe import seconds_of
from repro.errors import ReproError

_FORM = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)(?:min|m))?(?:(\d+(?:\.\d+)?)s)?")


def seconds(text: str) -> float:
    """Return the seconds of `2h`, `90m`, `30min`, `45s` or `1h30m`; ReproError of anything else."""
    found = _FORM.fullmatch(text.replace(" ", ""))
    parts = found.groups(default="0") if found else ()
    given = fsum(float(number) * unit for number, unit in zip(parts, (3600, 60, 1), strict=False))
    if not given:
        raise ReproError(f"--budget {text}: expected a time, such as 2h, 90m, 30min or 1h30m")
    return given


class Budget:
    """So many seconds from now on. `estimate`: the seconds that so many epochs of a configuration take on a device."""

    def __init__(
        self,
        seconds: float,
        device: str,
        clock: Callable[[], float] = time.monotonic,
        estimate: Callable[[RunConfig | TimingConfig, int, str], float] = seconds_of,
    ) -> None:
        self._clock, self._device, self._estimate = clock, device, estimate
        self.end = clock() + seconds
        self._kinds: dict[str, tuple[str, float]] = {}  # by run: its kind, and the estimated seconds of an epoch
        self._taken: dict[str, list[tuple[float, float]]] = {}  # by kind: (seconds taken, estimated) of epochs
        self._last: dict[str, float] = {}  # by run: when its last event came

    def allows(self, job: Job, there: int) -> bool:
        """Return whether a run, `there` epochs of which are done, can end in the time that is left."""
        return self._clock() + self.needed(job, there) <= self.end

    def needed(self, job: Job, there: int) -> float:
        """Return the seconds that a run takes at most, as estimated and corrected."""
        epoch = self._estimate(job.config, 1, self._device)
        kind = kind_of(job.config) if isinstance(job.config, RunConfig) else job.id
        self._kinds[job.id] = kind, epoch
        alike = self._taken.get(kind) or [pair for pairs in self._taken.values() for pair in pairs]
        factor = fsum(taken for taken, _ in alike) / fsum(estimated for _, estimated in alike) if alike else 1.0
        return factor * epoch * job.work(there)

    def watching(self, report: Report) -> Report:
        """Return a report that passes events on and takes the times from them."""

        def both(event: Event) -> None:
            self._note(event)
            report(event)

        return both

    def _note(self, event: Event) -> None:
        now, run = self._clock(), event["run"]
        if event["event"] == "epoch" and run in self._last and run in self._kinds:
            kind, estimated = self._kinds[run]
            self._taken.setdefault(kind, []).append((now - self._last[run], estimated))
        if event["event"] in ("begin", "epoch"):
            self._last[run] = now
