"""Speed: images/s of training, timed in replicates on a named device, and the rate by itself.

Images/s are a fact of a device, so every replicate is of a named one, those of different devices are never mixed, and
every verdict names its own.
"""

from __future__ import annotations

from math import exp, inf, log
from statistics import median
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from repro.claim.config import TimingConfig
from repro.claim.files import run_config
from repro.claim.overlays import Layers
from repro.claim.problems import Problem
from repro.claim.scalars import Fraction, Name, Number, Positive, Text
from repro.questions.arms import OneArm
from repro.questions.base import Claim
from repro.questions.evidence import Evidence
from repro.questions.levels import updates_an_epoch
from repro.questions.measure import Measure
from repro.questions.observations import Arm, Observation, Status, Want
from repro.questions.statistics import Effect, paired_interval
from repro.questions.units import RATE, Unit, capital, images, listed, seed_list
from repro.store import Run, Table

if TYPE_CHECKING:
    from repro.draw.parts import Section
    from repro.questions.exhibit import Exhibit
    from repro.questions.trial import Trial


class Throughput(Measure):
    """Images/s of training, loading and augmentation included: nothing is learned that is looked at.

    A replicate is a process of its own, `seeds` are their numbers. In each, the arms take turns for `rounds` rounds of
    `updates` updates; the median of the rounds counts.
    """

    kind: Literal["throughput"] = Field(description="the measure")
    metric: Literal["images_per_second"] = Field(description="what is timed")
    updates: Number = Field(description="updates of a round")
    rounds: Number = Field(description="rounds of each arm in a replicate, of which the median counts")
    warm: int = Field(1, ge=1, description="rounds before those, which prepare kernels and memory and do not count")
    parts: Literal[1, 2] = Field(1, description="2: each of the two parts of a net is to have a device of its own")

    judged_by: ClassVar = ("ratio", "rate")
    names: ClassVar = {"images_per_second": "images/s of training"}
    timed: ClassVar = True
    of_each: ClassVar = "replicate"

    def mistakes(self, claim: Claim, layers: Layers) -> list[Problem]:
        out = []
        if claim.tune is not None:
            out.append(layers.problem(("tune",), "tune: a timing has no rate to choose; take it away", key=True))
        if self.updates > (most := updates_an_epoch(claim)):
            text = f"measure.updates: found {self.updates}; expected at most {most}, the updates of an epoch"
            out.append(layers.problem(("measure", "updates"), text))
        return out

    def per_epoch(self, claim: Claim) -> tuple[str, float]:
        return "images/s", 1

    def column(self, claim: Claim) -> tuple[str, float]:
        return self.per_epoch(claim)

    def written(self, claim: Claim, value: float) -> str:
        return images(value)

    def config(self, claim: Claim, seed: int, device: str) -> TimingConfig:
        """Return the timing of all arms on `device`, replicate `seed`."""
        arms = {arm: run_config(claim, arm, seed=seed) for arm in claim.arms}
        return TimingConfig(timed=arms, updates=self.updates, rounds=self.rounds, warm=self.warm, device=device)

    def devices(self, claim: Claim, table: Table) -> list[str]:
        """Return the devices that were timed, the one with most replicates first; of equals in order of name.

        Where each tower is to have a device of its own, those on which it had come before all others.
        """
        named = {run.config["device"] for run in table.values() if "timed" in run.config}
        runs = {
            name: [table[i] for s in claim.seeds if (i := self.config(claim, s, name).id) in table] for name in named
        }

        def place(name: str) -> tuple[bool, int, str]:
            return self.two_devices and not all(map(_apart, runs[name])), -len(runs[name]), name

        return sorted((name for name in named if runs[name]), key=place)

    def timed_on(self, trial: Trial) -> str | None:
        return next(iter(self.devices(trial.claim, trial.table)), None)

    def replicates(self, claim: Claim, arm: str, table: Table, device: str) -> tuple[Observation, ...]:
        """Return the arm's images/s in each replicate on `device`, the median of its rounds."""
        out = []
        for seed in claim.seeds:
            run = table.get(run_id := self.config(claim, seed, device).id)
            if run is None or run.timed is None:
                status: Status = "failed" if run and run.failed else "missing"
                out.append(Observation(seed, run_id, None, 0, status, 0))
            else:
                out.append(Observation(seed, run_id, median(run.timed[arm]["pipeline"]), 0, "reached", 0))
        return tuple(out)

    def device(self, trial: Trial) -> tuple[str | None, bool]:
        arm = trial.arms[trial.claim.rule.compared(trial.claim)[0]]
        sessions = [s for o in arm.observations if o.run in trial.table for s in trial.table[o.run].sessions]
        return trial.device, any(session["device"] != "cpu" for session in sessions)

    @property
    def two_devices(self) -> bool:
        return self.parts == 2

    def apart(self, trial: Trial) -> bool:
        arm = trial.arms[trial.claim.rule.compared(trial.claim)[0]]
        return all(_apart(trial.table[o.run]) for o in arm.observations if o.run in trial.table)

    def wants(self, trial: Trial, arms: list[str]) -> list[Want]:
        claim = trial.claim
        configs = [self.config(claim, seed, trial.device or "") for seed in claim.seeds]
        timed = listed([claim.label(arm) for arm in claim.arms])
        return [Want(config, 0, None, f"timing of {timed}, replicate {config.seed}") for config in configs]

    def arm(self, trial: Trial, name: str) -> Arm:
        return Arm(name, None, None, self.replicates(trial.claim, name, trial.table, trial.device or ""), {})

    def measured(self, claim: Claim) -> str:
        turns = "in which the arms take turns" if len(claim.arms) > 1 else "which trains"
        apart = (
            " The towers of a net are trained in two processes, which exchange what the layers read of both, each on a "
            "device of its own."
        ) * self.two_devices
        many = f"{self.rounds} rounds of {self.updates} update{'s' * (self.updates != 1)}"
        return (
            "The measure is images/s of training through the whole pipeline of an epoch: photos are read, cropped, "
            "mirrored and given noise as the claim says, and every update is done. A replicate is a process of its "
            f"own, while this command runs nothing else, {turns} for {many}, after {self.warm} that "
            f"do{'es' * (self.warm == 1)} not count; its value is the median of the rounds. The training step alone, "
            f"repeated on one minibatch, is timed too. Replicates of different devices are never mixed.{apart}"
        )

    def sections(self, exhibit: Exhibit) -> list[Section]:
        if exhibit.judgement.device is None:
            return super().sections(exhibit)
        from repro.questions.speed_sections import sections  # drawn by pages alone

        return sections(exhibit)


def _apart(run: Run) -> bool:
    """Return whether nets of two towers were timed in two processes, each on a device of its own."""
    return all("towers" in session for session in run.sessions)


class Rate(OneArm):
    """One arm's images/s against the paper's, which were those of named hardware: elsewhere it is not comparable."""

    kind: Literal["rate"] = Field(description="the effect")
    of: list[Name] = Field(min_length=1, max_length=1, description="the arm")
    paper: Positive = Field(description="the paper's images/s")
    within: list[Positive] = Field(min_length=2, max_length=2, description="the band that counts as reproduced")
    on: Text = Field(description="the hardware of the paper's number, as a part of its device's name")
    images: Number = Field(description="images of one cycle through the training set")
    cycles: Number = Field(description="cycles of a training, for the days that it takes")
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")

    power: ClassVar = "exact"

    @property
    def unit(self) -> Unit:
        return RATE

    def days(self, rate: float) -> float:
        """Return the days that all cycles take at `rate` images/s."""
        return self.images * self.cycles / rate / 86400

    def stated(self) -> str:
        return f"{self.unit.printed(self.paper)}, from its days"

    def others_number(self) -> tuple[float, float, str]:
        return 0, inf, "images/s above 0, as rule.paper"

    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        return geometric_rate(arms[0].observations, self.confidence)

    def not_comparable(self, evidence: Evidence) -> str:
        if self.on not in (evidence.device or ""):
            paper = self.unit.written(self.paper)
            return (
                f"the paper's {paper} were measured on {self.on}; the speed of another device says nothing about them"
            )
        return super().not_comparable(evidence)

    def effect_sentence(self, claim: Claim, effect: Effect) -> str:
        assert effect.estimate is not None
        whose = self.whose(claim)
        return f"{capital(whose)} trains {self.unit.written(effect.estimate)} ({effect.sure})."

    def method(self, claim: Claim, scale: str) -> list[str]:
        low, high = (round(self.days(rate), 1) for rate in reversed(self.within))
        return [
            f"The rate is the geometric mean over {seed_list(claim.seeds, claim.measure.of_each)}, with a "
            f"{100 * self.confidence:g} % interval (Student's t over their logarithms). The paper prints days, not a "
            f"rate: {self.cycles} cycles through {self.images:,} images in {low:g} to {high:g} days are "
            f"{self.band_words()}. This is the band; it was written in the claim before any timing."
        ]

    def axis_title(self, claim: Claim, of_one: bool) -> str:
        return "images/s (log scale)"

    def only(self) -> str:
        return f". Only {self.on} at paper scale can decide it; elsewhere the speed is that of the device at hand"


def geometric_rate(observations: tuple[Observation, ...], confidence: float) -> Effect | None:
    """Return the geometric mean of an arm's images/s; None where a replicate is not there, or where there is one."""
    per_seed = {o.seed: o.value for o in observations if o.value is not None}
    if len(per_seed) < len(observations) or len(per_seed) < 2:
        return None
    low, middle, high = paired_interval([log(value) for value in per_seed.values()], confidence)
    method = "Student t, the mean log of the replicates"
    return Effect(RATE, exp(middle), exp(low), exp(high), confidence, len(per_seed), method, per_seed)
