"""What a whole catalogue takes on several GPUs of one kind: runs, GPU-hours, disk and days.

Runs are those of the first plan and of the judging that follows it: each rate of a grid on each tuning seed, each arm
on each judging seed, at first horizons. How long an epoch takes is measured, on this kind of device, or it is not
known: nothing is carried over from other devices, nets or batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, fsum
from statistics import median

from repro import contents
from repro.claim.config import RunConfig, RunData, TimingConfig
from repro.claim.files import ClaimFile, run_config
from repro.claim.resolve import classes, epochs_of, image, training_images
from repro.data.known import KNOWN
from repro.nets import tables
from repro.nets.libraries import is_library_net
from repro.questions.base import Claim
from repro.questions.trial import Trial
from repro.store import Table
from repro.train.minibatches import EVERY_NTH, RECORDED

FLOAT = 4  # bytes of a weight
UPDATE = 40  # bytes of a recorded update in a row; assumed: a number, a loss, a count
RATE = Callable[[RunConfig], float | None]  # seconds of an epoch; None: not measured


@dataclass(frozen=True)
class Training:
    """A run of the catalogue, so many epochs of it, and so many evaluations, each about as long as an epoch."""

    config: RunConfig
    epochs: int
    evaluations: int = 0


@dataclass(frozen=True)
class Forecast:
    """What claims take. Hours and bytes of what is known; `unmeasured`, `unsized`: runs of which they are not known."""

    runs: int
    timings: int
    hours: float
    unmeasured: int
    longest: float  # hours of one run
    bytes: int
    unsized: int


@dataclass(frozen=True)
class Whole:
    """What claims take, by id, in words where that is not known; all of them together, each run once; and the bytes of
    their packed sets."""

    claims: dict[str, Forecast | str]
    together: Forecast
    packed: dict[str, int]

    def days(self, gpus: int) -> float | None:
        """Return the days on so many GPUs that train one run each at a time; None where hours are not known."""
        return None if self.together.unmeasured else max(self.together.hours / gpus, self.together.longest) / 24


def kind_of(config: RunConfig) -> str:
    """Return what decides the seconds of an epoch, as text: the configuration without its seed, start and rates."""
    rule = config.train.model_copy(update={"lr": 0.0, "drops": []})
    return config.model_copy(update={"seed": 0, "train": rule, "start": None}).model_dump_json()


def recorded(table: Table, device: str) -> RATE:
    """Return the median seconds of an epoch of a kind of run, from runs on record that one device alone trained."""
    seconds: dict[str, list[float]] = {}
    for run in table.values():
        if "train" in run.config and {session["device"] for session in run.sessions} == {device}:
            kind = kind_of(RunConfig.model_validate(run.config))
            seconds.setdefault(kind, []).extend(row["seconds"] for row in run.epochs if row["diverged"] is None)
    medians = {kind: median(values) for kind, values in seconds.items() if values}
    return lambda config: medians.get(kind_of(config))


def trainings(file: ClaimFile, scale: str) -> tuple[list[Training], int]:
    """Return the runs of a claim at a scale, under its base and alternatives, each once, and how many timings."""
    out: dict[str, Training] = {}
    timings: set[str] = set()
    for alternative in [None, *file.alternatives_at(scale)]:
        for claim in file.compared(scale, alternative).values():
            for each in _trainings(claim):
                if isinstance(each, TimingConfig):
                    timings.add(each.id)
                    continue
                before = out.get(each.config.id, each)
                most = max(before.epochs, each.epochs), max(before.evaluations, each.evaluations)
                out[each.config.id] = Training(each.config, *most)
    return list(out.values()), len(timings)


def _trainings(claim: Claim) -> Iterator[Training | TimingConfig]:
    if claim.tune is not None:
        rates, seeds = claim.tune.rates, claim.tune.on_seeds if claim.tune.chooses else []
        for arm in claim.arms:
            chosen = [(seed, rates[len(rates) // 2]) for seed in claim.seeds]  # any rate: it costs the same
            for seed, rate in [*((seed, rate) for rate in rates for seed in seeds), *chosen]:
                yield from _with_start(Training(run_config(claim, arm, seed=seed, lr=rate), epochs_of(claim, arm)))
        return
    evaluated: dict[str, int] = {}
    wants = Trial(claim, Table({}, {})).wants()
    for want in wants:
        evaluated[want.config.id] = evaluated.get(want.config.id, 0) + (want.evaluation is not None)
    for want in wants:
        if isinstance(want.config, TimingConfig):
            yield want.config
        else:
            yield from _with_start(Training(want.config, want.epochs, evaluated[want.config.id]))


def _with_start(training: Training) -> Iterator[Training]:
    """Yield a run, after the one whose weights it starts from."""
    start = training.config.start
    if start is not None and start.run is not None and start.epoch is not None:
        yield from _with_start(Training(start.run, start.epoch))
    yield training


def forecast(runs: Sequence[Training], timings: int, rate: RATE) -> Forecast:
    """Return what runs take."""
    hours = [None if (second := rate(each.config)) is None else
             second * (each.epochs + each.evaluations) / 3600 for each in runs]  # fmt: skip
    known = [hour for hour in hours if hour is not None]
    sizes = [_bytes(each) for each in runs]
    sized = [size for size in sizes if size is not None]
    return Forecast(
        len(runs), timings, fsum(known), len(hours) - len(known), max(known, default=0.0), sum(sized),
        len(sizes) - len(sized),
    )  # fmt: skip


def _bytes(training: Training) -> int | None:
    """Return what a run leaves until `gc`: its checkpoint, weights and velocities, and its rows. None of a net of a
    library, whose parameters are not counted here."""
    config = training.config
    if is_library_net(config.model.kind):
        return None
    rows = contents.rows(**config.model.model_dump(exclude={"init"}), classes=len(classes(config.data)))
    parameters = sum(tables.parameters(rows, image(config.data)).values())
    updates = training.epochs * ceil(training_images(config.data) / config.train.batch)
    return 2 * FLOAT * parameters + UPDATE * (min(updates, RECORDED) + updates // EVERY_NTH)


def packed_bytes(sets: Sequence[RunData]) -> dict[str, int]:
    """Return the bytes of the packed sets, by kind and side: a byte for each value of every image."""
    out = {}
    for data in sets:
        known, side = KNOWN[data.kind], data.stored or data.crop
        channels, height, width = known.shape
        name = data.kind
        if known.photos and side:
            name, height, width = f"{data.kind} at {side} pixels", side, side
        out[name] = channels * height * width * (known.train + known.test)
    return out


def whole(files: Sequence[ClaimFile], scale: str, rate: RATE) -> Whole:
    """Return what each claim takes at a scale, and what all of them take together, each run once."""
    claims, every, sets, timings = dict[str, Forecast | str](), dict[str, Training](), dict[str, RunData](), 0
    for file in files:
        if scale not in file.claim.scales:
            claims[file.id] = f"has no {scale} scale"
            continue
        if file.undecided(scale):
            claims[file.id] = f"not known: the base of its {scale} scale is not chosen yet; see plan --base"
            continue
        runs, timed = trainings(file, scale)
        claims[file.id] = forecast(runs, timed, rate)
        timings += timed
        for each in runs:
            before = every.get(each.config.id, each)
            every[each.config.id] = before if before.epochs >= each.epochs else each
            sets[each.config.data.model_dump_json()] = each.config.data
    return Whole(claims, forecast(list(every.values()), timings, rate), packed_bytes(list(sets.values())))


def lines(what: Whole, gpus: int, device: str) -> list[str]:
    """Return a forecast in words: a line for each claim, and what all of them take together."""
    out = [f"{'claim':<24} {'runs':>6} {'GPU-hours':>10} {'disk':>9}"]
    out += [f"{id:<24} {each if isinstance(each, str) else _cells(each)}" for id, each in what.claims.items()]
    out.append(f"{'together, each run once':<24} {_cells(what.together)}")
    out += [f"packed data, {name}: {_size(size)}" for name, size in sorted(what.packed.items())]
    kind, days = f"{gpus} GPU{'s' * (gpus != 1)} of this kind ({device})", what.days(gpus)
    if days is None:
        missing = f"of {what.together.unmeasured} of {what.together.runs} runs no epoch was measured on it"
        out.append(f"days on {kind}: not known; {missing}")
    else:
        out.append(f"{days:.1f} days, if {kind} train one run each at a time")
    out.append(
        "runs: every rate on every tuning seed, then the judging seeds, at first horizons: a level ends runs earlier, "
        "and the plan makes some longer; disk: until `repro gc`"
    )
    return out


def _cells(what: Forecast) -> str:
    hours = f"{what.hours:.1f}" if not what.unmeasured else "not known"
    disk = _size(what.bytes) if not what.unsized else "not known"
    timed = f"  and {what.timings} timings" if what.timings else ""
    return f"{what.runs:>6} {hours:>10} {disk:>9}{timed}"


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
