"""What is covered: each row of the catalogue with its claim's state at every scale, what is missing, and its cost.

Costs are those of recorded runs alike, each with its device; where there are none, the cost is not known.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from statistics import median
from typing import Any

from repro.claim.catalogue import Entry, Part
from repro.claim.config import TimingConfig
from repro.claim.files import AnyFile, ClaimFile, ExactFile
from repro.questions import bases
from repro.questions.facts import judge_facts
from repro.questions.judge import SCALES, Judgement, judge
from repro.questions.mixture import device_of
from repro.questions.observations import Want
from repro.questions.plan import wanted
from repro.questions.trial import Trials
from repro.store import Run, Table

OWN = Part("Claims of your own")
WORKS = "works"  # of smoke scale, in place of a verdict: the machinery was proved
# What decides how long an epoch takes; the rest of a configuration does not.
_OF_MODEL = ("kind", "activation", "width")  # and the net's own options but probabilities and initial values


@dataclass(frozen=True)
class State:
    """One scale of a claim on one shelf: a verdict's word, `works`, `error`, `begun` or `not run`."""

    shelf: str
    word: str

    @property
    def there(self) -> bool:
        """Whether there is a verdict."""
        return self.word not in ("not run", "begun", "error")


@dataclass(frozen=True)
class Cost:
    """What the next runs of a command take at most with one worker: `known` of `runs` are like recorded ones, and take
    `seconds` on `device`, where those were made; `alternatives` of the runs are for alternatives alone."""

    runs: int
    alternatives: int = 0
    known: int = 0
    seconds: float = 0.0
    device: str = ""


@dataclass(frozen=True)
class Missing:
    """A scale that no shelf has a verdict of: why, the command that fills it and what that costs."""

    scale: str
    why: str
    command: str
    spent: Callable[[], Cost] = field(repr=False, compare=False)

    @cached_property
    def cost(self) -> Cost:
        """The cost of the runs, calculated only when it is needed, as that reads every run."""
        return self.spent()


@dataclass(frozen=True)
class Covered:
    """One row: `state` is `valid`, `invalid`, `no claim yet` or what a row without claim is; `scales`: by declared
    scale from the lowest, on each shelf; of an exact claim `exact` alone."""

    entry: Entry
    state: str
    scales: dict[str, tuple[State, ...]]
    missing: tuple[Missing, ...]

    @property
    def judged(self) -> bool:
        """Whether anything says something of the sentence."""
        return any(state.there for scale, found in self.scales.items() if scale != "smoke" for state in found)


@dataclass(frozen=True)
class Recorded:
    """Another shelf by its results: the state of each scale, by the claim's id; seconds of an epoch or a timing, by
    what decides it (`alike`) and by device."""

    shelf: str
    words: Mapping[str, Mapping[str, str]]
    seconds: Mapping[str, Mapping[str, float]]


def coverage(
    entries: Sequence[Entry],
    files: Sequence[AnyFile],
    runs: Mapping[str, Table | Trials],
    invalid: Sequence[str] = (),
    other: Recorded | None = None,
) -> list[Covered]:
    """Return every row of the catalogue, then the claims that have no row.

    `runs`: one shelf by its name; `invalid`: ids of claims that could not be read; `other`: the shelf next to it.
    """
    by_id = {file.id: file for file in files}
    known = {entry.id for entry in entries}
    others = [
        Entry(file.claim.paper.name, OWN, file.id, file.claim.paper.section, file.claim.paper.says)
        for file in files
        if file.id not in known
    ]
    ((shelf, found),) = runs.items()
    own = _Shelf(shelf, Trials.from_runs(found), other)
    return [_covered(entry, by_id.get(entry.id), own, entry.id in invalid) for entry in [*entries, *others]]


def summary(rows: Sequence[Covered]) -> str:
    """Return in a sentence how many rows there are and how many are covered."""
    claims = [row for row in rows if row.entry.is_claim]
    valid, judged = sum(row.state == "valid" for row in claims), sum(row.judged for row in claims)
    without = len(rows) - len(claims)
    return (
        f"{len(claims)} sentences: {valid} have a valid claim, {judged} have a verdict above smoke scale or a count. "
        f"{without} more rows have no claim: well-known implementations, and sentences that this project does not test."
    )


def _covered(entry: Entry, file: AnyFile | None, shelf: _Shelf, invalid: bool) -> Covered:
    if file is None:
        if invalid:
            return Covered(entry, "invalid", {}, ())
        if not entry.is_claim:
            return Covered(entry, entry.part.without_claims, {}, ())
        return Covered(entry, "no claim yet", {}, ())
    if isinstance(file, ExactFile):
        return Covered(entry, "valid", {"exact": (State("counted", judge_facts(file).word),)}, ())
    judged: dict[str, Judgement] = {
        scale: judge(file, scale, shelf.trials) for scale in reversed(SCALES) if scale in file.claim.scales
    }
    scales: dict[str, tuple[State, ...]] = {scale: shelf.states(file, judgement) for scale, judgement in judged.items()}
    missing = [
        Missing(scale, judged[scale].verdict.why, command(file, scale), partial(shelf.cost, file, scale))
        for scale, states in scales.items()
        if not any(state.there for state in states)
    ]
    return Covered(entry, "valid", scales, tuple(missing))


def command(file: ClaimFile, scale: str) -> str:
    """Return the command for one scale, which names the claim by its id, as it works in a clone and outside."""
    if file.undecided(scale):
        return bases.COMMAND
    return f"python -m repro run {file.path.stem} --scale {scale}"


def state_word(word: str, scale: str, runs: int) -> str:
    """Return the state of one scale of a claim: its verdict's word, `works`, `error`, `begun` or `not run`."""
    if word in ("not run", "error"):
        return "begun" if word == "not run" and runs else word
    return WORKS if scale == "smoke" else word


def recorded(table: Table) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of an epoch, or of a timing, of every run, by what decides it (`alike`) and by device."""
    out: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in table.values():
        key, seconds = alike(run.config), _seconds(run)
        if key and seconds is not None and run.sessions:  # which say what device they are of
            out[key][device_of(run.sessions[-1])].append(seconds)
    return out


@dataclass(frozen=True)
class _Shelf:
    """The shelf that is asked about, and the one next to it."""

    name: str
    trials: Trials
    other: Recorded | None

    def states(self, file: ClaimFile, found: Judgement) -> tuple[State, ...]:
        """Return the state of a scale of a claim on each shelf."""
        own = State(self.name, state_word(found.verdict.word, found.scale, len(found.run_ids)))
        if self.other is None:
            return (own,)
        return own, State(self.other.shelf, self.other.words.get(file.id, {}).get(found.scale, "not run"))

    @cached_property
    def _recorded(self) -> dict[str, dict[str, list[float]]]:
        return recorded(self.trials.table)

    def cost(self, file: ClaimFile, scale: str) -> Cost:
        """Return the cost of the next runs of a claim at a scale, on the device on which most of them are known."""
        trials, undecided = self.trials, file.undecided(scale)
        asked = bases.wanted(file.paper, file.kinds, trials.table) if undecided else wanted(file, scale, trials)
        wants = {want.config.id: want for want in asked}
        if undecided:
            return self._cost(wants, 0, trials.table)
        judged = {want.config.id for want in wanted(file, scale, trials, [None], judged=True)}
        return self._cost(wants, len(wants.keys() - judged), trials.table)

    def _cost(self, wants: dict[str, Want], alternatives: int, table: Table) -> Cost:
        seconds: dict[str, list[float]] = defaultdict(list)
        for want in wants.values():
            for device, each in self._of(want).items():
                seconds[device].append(each * _times(want, table))
        if not seconds:
            return Cost(len(wants), alternatives)
        device = max(seconds, key=lambda name: (len(seconds[name]), name))
        return Cost(len(wants), alternatives, len(seconds[device]), sum(seconds[device]), device)

    def _of(self, want: Want) -> dict[str, float]:
        """Seconds of an epoch or a timing like the wanted one, by device, its own shelf's where both have them; empty
        where none is recorded."""
        key = alike(want.config.model_dump(mode="json")) or ""
        theirs = self.other.seconds.get(key, {}) if self.other else {}
        own = self._recorded.get(key, {})
        return {**theirs, **{device: median(seconds) for device, seconds in own.items()}}


def _times(want: Want, table: Table) -> int:
    if isinstance(want.config, TimingConfig):
        return 1
    run = table.get(want.config.id)
    return max(0, want.epochs - (len(run.epochs) if run and run.resumable else 0))


def alike(config: Mapping[str, Any]) -> str | None:
    """Return the hash of what decides how long a configuration takes; None of what is neither trained nor timed."""
    if "timed" in config:
        arms = sorted(filter(None, map(alike, config["timed"].values())))
        return _hash(["timed", arms, config["updates"], config["rounds"], config["warm"]])
    if "model" not in config:
        return None
    model = {
        key: value
        for key, value in config["model"].items()
        if key in _OF_MODEL or (key != "init" and not isinstance(value, float))
    }
    images = {key: value for key, value in config["data"].items() if key not in ("content", "scale")}
    return _hash([images, model, config["train"]["batch"], config["precision"]])


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _seconds(run: Run) -> float | None:
    """Return the median seconds of a run's epochs, or all seconds of a timing; None where nothing was recorded."""
    if run.timed is not None:
        return run.seconds_timed
    kept = "epochs" in run.__dict__
    seconds = [row["seconds"] for row in run.epochs]
    if not kept:  # asked of every run of a shelf, whose rows would take gigabytes
        del run.__dict__["epochs"]
    return median(seconds) if seconds else None
