"""What is covered: each row of the catalogue with its claim's state at every scale, what is missing, and its cost.

Costs are those of recorded runs alike, each with its device; where there are none, the cost is not known.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from statistics import median
from typing import Any

from repro.claim.catalogue import NO_CLAIMS, Entry
from repro.claim.config import TimingConfig
from repro.claim.files import AnyFile, ClaimFile, ExactFile
from repro.questions import bases
from repro.questions.facts import judge_facts
from repro.questions.judge import SCALES, Judgement, complete, judge
from repro.questions.observations import Want
from repro.questions.plan import wanted
from repro.questions.trial import Trials
from repro.store import Run, Table

WORKS = "works"  # of smoke scale, in place of a verdict: the machinery was proved
# What decides how long an epoch takes; the rest of a configuration does not.
_OF_MODEL = ("kind", "activation", "width", "reading", "towers", "norms", "pooling", "without", "conv6")


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
    `seconds` on `device`, where those were made; `beside` of the runs are for alternatives alone."""

    runs: int
    beside: int = 0
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
        """Worked out where it is asked for: an index, which needs none, would read every run for it."""
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


def coverage(
    entries: Sequence[Entry], files: Sequence[AnyFile], runs: Mapping[str, Table | Trials], invalid: Sequence[str] = ()
) -> list[Covered]:
    """Every row of the catalogue, then claims that stand in none.

    `runs`: shelves as pages show them, the user's own first; `invalid`: ids of claims that could not be read.
    """
    by_id = {file.id: file for file in files}
    known = {entry.id for entry in entries}
    others = [
        Entry("–", file.id, file.claim.paper.section, file.claim.paper.says) for file in files if file.id not in known
    ]
    shelves = {name: Trials.over(found) for name, found in runs.items()}
    spent = _Spent(shelves)
    return [_covered(entry, by_id.get(entry.id), shelves, spent, entry.id in invalid) for entry in [*entries, *others]]


def summary(rows: Sequence[Covered]) -> str:
    """How many rows there are, and how far they are covered."""
    claims = [row for row in rows if row.entry.is_claim]
    valid, judged = sum(row.state == "valid" for row in claims), sum(row.judged for row in claims)
    without = len(rows) - len(claims)
    return (
        f"{len(claims)} sentences: {valid} have a valid claim, {judged} have a verdict above smoke scale or a count. "
        f"{without} more rows have no claim: well-known implementations, and sentences that nobody has tested."
    )


def _covered(
    entry: Entry, file: AnyFile | None, shelves: Mapping[str, Trials], spent: _Spent, invalid: bool
) -> Covered:
    if file is None:
        if invalid:
            return Covered(entry, "invalid", {}, ())
        if not entry.is_claim:
            return Covered(entry, NO_CLAIMS[entry.part], {}, ())
        return Covered(entry, "no claim yet", {}, ())
    if isinstance(file, ExactFile):
        return Covered(entry, "valid", {"exact": (State("counted", judge_facts(file).word),)}, ())
    found: dict[str, dict[str, Judgement]] = {
        scale: {shelf: judge(file, scale, trials) for shelf, trials in shelves.items()}
        for scale in reversed(SCALES)
        if scale in file.claim.scales
    }
    scales = {
        scale: tuple(State(shelf, _word(judgement)) for shelf, judgement in judged.items())
        for scale, judged in found.items()
    }
    mine = next(iter(shelves.values()))
    missing = [
        Missing(scale, _why(found[scale]), command(file, scale), partial(spent.cost, file, scale, mine))
        for scale, states in scales.items()
        if not any(state.there for state in states)
    ]
    return Covered(entry, "valid", scales, tuple(missing))


def command(file: ClaimFile, scale: str) -> str:
    """The command for one scale, from the project's folder."""
    if file.undecided(scale):
        return bases.COMMAND
    return f"python -m repro run claims/{file.path.name} --scale {scale}"


def _word(judgement: Judgement) -> str:
    if complete(judgement):
        return WORKS if judgement.scale == "smoke" else judgement.verdict.word
    if judgement.verdict.word == "error":
        return "error"
    return "begun" if judgement.run_ids else "not run"


def _why(judged: Mapping[str, Judgement]) -> str:
    """Of the shelf that has come furthest."""
    return max(judged.values(), key=lambda judgement: len(judgement.run_ids)).verdict.why


class _Spent:
    """What recorded runs took: seconds of an epoch, or of a timing, by what decides it and by device."""

    def __init__(self, shelves: Mapping[str, Trials]) -> None:
        self._shelves = shelves

    @cached_property
    def _found(self) -> dict[str, dict[str, list[float]]]:
        found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for trials in self._shelves.values():
            for run in trials.table.values():
                key, seconds = _alike(run.config), _seconds(run)
                if key and seconds is not None and run.sessions:  # which say what device they are of
                    found[key][_device(run)].append(seconds)
        return found

    def cost(self, file: ClaimFile, scale: str, trials: Trials) -> Cost:
        """Of the next runs of a claim at a scale, on the device on which most of them are known."""
        undecided = file.undecided(scale)
        asked = bases.wanted(trials.table) if undecided else wanted(file, scale, trials)
        wants = {want.config.id: want for want in asked}
        if undecided:
            return self._cost(wants, 0, trials.table)
        judged = {want.config.id for want in wanted(file, scale, trials, [None], judged=True)}
        return self._cost(wants, len(wants.keys() - judged), trials.table)

    def _cost(self, wants: dict[str, Want], beside: int, table: Table) -> Cost:
        seconds: dict[str, list[float]] = defaultdict(list)
        for want in wants.values():
            for device, each in self._of(want).items():
                seconds[device].append(each * _times(want, table))
        if not seconds:
            return Cost(len(wants), beside)
        device = max(seconds, key=lambda name: (len(seconds[name]), name))
        return Cost(len(wants), beside, len(seconds[device]), sum(seconds[device]), device)

    def _of(self, want: Want) -> dict[str, float]:
        """Seconds of an epoch or a timing like the wanted one, by device; empty where none is recorded."""
        key = _alike(want.config.model_dump(mode="json"))
        return {device: median(seconds) for device, seconds in self._found.get(key or "", {}).items()}


def _times(want: Want, table: Table) -> int:
    if isinstance(want.config, TimingConfig):
        return 1
    run = table.get(want.config.id)
    return max(0, want.epochs - (len(run.epochs) if run and run.resumable else 0))


def _alike(config: dict[str, Any]) -> str | None:
    """What decides how long a configuration takes, as text; None of what is neither trained nor timed."""
    if "timed" in config:
        arms = sorted(filter(None, map(_alike, config["timed"].values())))
        return json.dumps(["timed", arms, config["updates"], config["rounds"], config["warm"]])
    if "model" not in config:
        return None
    model = {key: value for key, value in config["model"].items() if key in _OF_MODEL}
    images = {key: value for key, value in config["data"].items() if key not in ("content", "scale")}
    return json.dumps([images, model, config["train"]["batch"], config["precision"]], sort_keys=True)


def _seconds(run: Run) -> float | None:
    """Of an epoch, the median of the run's; of a timing, all it took; None where nothing was recorded."""
    if run.timed is not None:
        return run.seconds_timed
    return median(row["seconds"] for row in run.epochs) if run.epochs else None


def _device(run: Run) -> str:
    made = run.sessions[-1]
    return str(made["processor"] if made["device"] == "cpu" else made["device"]).partition(" (")[0]
