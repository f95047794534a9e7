"""A printed curve: the author's points among our curves, and whether they can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, inf
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from repro.claim.config import Closed
from repro.claim.overlays import Layers
from repro.claim.problems import Problem
from repro.claim.resolve import training_images
from repro.claim.scalars import Fraction, Positive, Share
from repro.draw.axes import Axis
from repro.questions.base import Claim
from repro.questions.cases import CURVES, EARLY, Case, holds
from repro.questions.evidence import Evidence
from repro.questions.levels import updates_an_epoch
from repro.questions.measure import Measure
from repro.questions.mistakes import band_mistakes
from repro.questions.observations import Arm, Want
from repro.questions.rule import Rule
from repro.questions.statistics import Sampling, deviation, student_p
from repro.questions.traces import trace, trace_test
from repro.questions.units import DIFFERENCE, Unit, capital, points, signed, typeset
from repro.store.rows import Row
from repro.train.minibatches import RECORDED

if TYPE_CHECKING:
    from repro.draw.parts import Section
    from repro.questions.exhibit import Exhibit
    from repro.questions.trial import Trial


class TraceMeasure(Measure):
    """The running training error over the first updates, averaged over stretches of `every` updates."""

    kind: Literal["trace"] = Field(description="the measure")
    metric: Literal["train_error"] = Field(description="what is followed")
    every: int = Field(gt=0, description="updates per point")

    judged_by: ClassVar = ("trace",)

    def mistakes(self, claim: Claim, layers: Layers) -> list[Problem]:
        if not isinstance(claim.rule, TraceRule):
            return []
        printed = len(claim.rule.authors)
        needed = self.every * printed
        if needed > RECORDED:
            text = f"measure.every: {printed} points need {needed} updates; only the first {RECORDED} are recorded"
            return [layers.problem(("measure", "every"), text)]
        updates = updates_an_epoch(claim)
        given, epochs = claim.train.epochs, ceil(needed / updates)
        if given < epochs:
            text = f"train.epochs: found {given}; expected {epochs} or more, {needed} updates of {updates} an epoch"
            return [layers.problem(("train", "epochs"), text)]
        return []

    def wants(self, trial: Trial, arms: list[str]) -> list[Want]:
        each = [(arm, seed) for arm in arms for seed in trial.claim.seeds]
        epochs, label = trial.claim.train.epochs, trial.claim.label
        return [Want(trial.config(*one), epochs, None, f"{label(one[0])}, seed {one[1]}") for one in each]

    def arm(self, trial: Trial, name: str) -> Arm:
        return Arm(name, None, trial.claim.train.lr, (), self.curves(trial, name))

    def curves(self, trial: Trial, arm: str) -> dict[int, list[float]]:
        """Return the arm's curve by seed, of the runs that are long enough."""
        rule, out = trial.claim.rule, {}
        assert isinstance(rule, TraceRule)
        for seed in trial.claim.seeds:
            config = trial.config(arm, seed)
            if (run := trial.table.get(config.id)) is None:
                continue
            curve = trace(
                run,
                every=self.every,
                points=len(rule.authors),
                batch=config.train.batch,
                file_images=config.train.file_images,
                images=training_images(config.data),
            )
            if curve is not None:
                out[seed] = curve
        return out

    def measured(self, claim: Claim) -> str:
        assert isinstance(claim.rule, TraceRule)
        return (
            f"Each of our {len(claim.seeds)} seeds gives one curve of {len(claim.rule.authors)} points: the "
            f"{self.name()} averaged over {self.every} updates each. At each point, every curve, including the "
            "author's, is compared with all others, and its deviation is divided by the standard deviation of a "
            "prediction from them. Only the largest deviation of a curve counts, because points along one curve are "
            "not independent."
        )

    def sections(self, exhibit: Exhibit) -> list[Section]:
        if exhibit.judgement.trace is None:
            return super().sections(exhibit)
        from repro.questions.curve_sections import sections  # drawn by pages alone

        return sections(exhibit)


def _rule(e: Evidence) -> TraceRule:
    assert isinstance(e.claim.rule, TraceRule)
    return e.claim.rule


def _unranked(e: Evidence) -> str:
    """Return why a printed curve cannot be ranked."""
    if e.diverged:
        return f"{e.diverged} of {e.n} runs diverged, and a curve that breaks off cannot be ranked"
    if e.trace is None:
        return "fewer than three curves are long enough"
    smallest = 1 / (e.trace.n + 1)
    return f"{e.trace.n} curves are too few: p cannot fall below {smallest:.2g}" * (
        smallest > _rule(e).p_above
    )  # fmt: skip


def _told_apart(e: Evidence) -> str:
    rule = _rule(e)
    if e.trace is None or e.trace.p > rule.p_above:
        return ""
    return f"p <= {rule.p_above:g}: it differs from ours, most at point {e.trace.at_point + 1} of {len(rule.authors)}"


def _not_told_apart(e: Evidence) -> str:
    assert e.trace is not None
    half = (e.trace.high - e.trace.low) / 2
    return (
        f"p > {e.named['p']}, but the interval of the offset leaves {e.named['band']}; an author's curve "
        f"{100 * half:.1f} points away would have been outside it. More seeds do not narrow the spread of one curve"
    )


CURVE = (
    *EARLY[:3],
    Case(
        "inconclusive", "for a printed curve: a run diverged, or there are too few curves for a p this small", _unranked
    ),
    Case("differs", "for a printed curve: p is {p} or less, so it differs from ours", _told_apart),
    Case(
        "reproduced",
        "for a printed curve: p is above {p}, and the whole interval of the mean offset lies inside {band}",
        holds("inside", why="p > {p}, and the whole interval of the mean offset lies inside {band}"),
    ),
    Case(
        "not told apart",
        "for a printed curve: p is above {p}, but the interval of the mean offset leaves {band}",
        _not_told_apart,
    ),
)


class AuthorsTest(Closed):
    """A test error that the author printed beside the curve: shown beside ours, and not judged."""

    epochs: Positive = Field(description="how long the author's net had been trained")
    error: Fraction = Field(description="its test error then")

    def ours(self, rows: Sequence[Row]) -> float | None:
        """Return our test error then, between those after the epochs around it; None where they were not measured."""
        errors = {row["epoch"]: row["test_error"] for row in rows}
        before, after = (errors.get(epoch) for epoch in (floor(self.epochs), ceil(self.epochs)))
        if before is None or after is None:
            return None
        return float(before + (self.epochs - floor(self.epochs)) * (after - before))


class TraceRule(Rule):
    """Our curves against the author's one curve."""

    kind: Literal["trace"] = Field(description="the effect")
    authors: list[Fraction] = Field(min_length=2, description="the author's printed points")
    p_above: Fraction = Field(description="told apart at or below this p")
    offset_within: list[Share] = Field(
        min_length=2, max_length=2, description="band of the mean offset, ours minus the author's"
    )
    confidence: Fraction = Field(0.95, description="of the prediction interval (assumed)")
    authors_test: AuthorsTest | None = Field(None, description="the author's test error, which is not judged")

    power: ClassVar = "simulated"
    fewest: ClassVar = (CURVES, f"a curve is ranked among {CURVES} or more")

    @property
    def unit(self) -> Unit:
        return DIFFERENCE

    @property
    def band(self) -> tuple[float, float]:
        return self.offset_within[0], self.offset_within[1]

    @property
    def number(self) -> float:
        """No offset: what the axis of offsets marks as the author's."""
        return 0.0

    @property
    def seeds_needed(self) -> int:
        """How many curves of ours it takes before the author's, ranked among them, can have p at or below `p_above`."""
        return ceil(1 / self.p_above - 1e-9) - 1

    def compared(self, claim: Claim) -> list[str]:
        return list(claim.arms)

    def mistakes(self, claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
        out = band_mistakes(self, layers, "offset_within")
        if not smoke and len(claim.seeds) < (needed := self.seeds_needed):
            text = f"seeds: {len(claim.seeds)} can never give p = {self.p_above:g}; expected {needed} or more"
            out.append(layers.problem(("seeds",), text))
        if self.authors_test and claim.train.epochs < self.authors_test.epochs:
            text = f"rule.authors_test: after {self.authors_test.epochs:g} epochs; these runs have {claim.train.epochs}"
            out.append(layers.problem(("rule", "authors_test"), text))
        if len(claim.arms) != 1:
            text = f"arms: found {len(claim.arms)}; a trace is judged against one arm"
            out.append(layers.problem(("arms",), text, key=True))
        return out

    def others_number(self) -> tuple[float, float, str]:
        return inf, inf, "value in its place: a printed curve is no number"

    def evidence(self, trial: Trial, claim: Claim, scale: str, to_do: int) -> Evidence:
        (name, arm), *_ = trial.arms.items()
        runs = {seed: trial.table.get(trial.config(name, seed).id) for seed in claim.seeds}
        short = [run for seed, run in runs.items() if run is not None and seed not in arm.curves]
        failed = sum(run.failed is not None for run in short)
        diverged = sum(run.failed is None and run.diverged is not None for run in short)
        test = trace_test(arm.curves, self.authors, self.confidence) if to_do == 0 else None
        every = tuple(trial.arms.values())
        return Evidence(claim, scale, None, every, to_do, trace=test, failed=failed, diverged=diverged)

    def run_ids(self, trial: Trial, evidence: Evidence) -> set[str]:
        name = next(iter(trial.arms))
        return {trial.config(name, seed).id for seed in trial.claim.seeds}

    @property
    def asks(self) -> Literal["number"]:
        return "number"

    def sampling(self, evidence: Evidence) -> Sampling | None:
        test = evidence.trace
        return None if test is None else Sampling("curve", test.n, (deviation(list(test.offsets.values())),))

    def one_sided_p(self, evidence: Evidence, bound: float, side: int) -> float:
        assert evidence.trace is not None
        return student_p(side * (evidence.trace.offset - bound), self.sampling(evidence))

    def cases(self, scale: str) -> tuple[Case, ...]:
        return CURVE

    def named(self) -> dict[str, str]:
        low, high = self.offset_within
        return {"band": f"{100 * low:+g} to {100 * high:+g} points", "p": f"{self.p_above:g}"}

    def sentence(self, evidence: Evidence) -> str:
        if (test := evidence.trace) is None:
            return "The author's curve could not be ranked among ours."
        sure = f"{100 * test.confidence:g} % interval for one more curve"
        return (
            f"Ranked among {test.n} curves of ours, the author's curve has p = {test.p:.2g}; our mean offset from it "
            f"is {100 * test.offset:+.2f} points ({sure} {100 * test.low:+.2f} to {100 * test.high:+.2f})."
        )

    def short(self, evidence: Evidence) -> str:
        if (test := evidence.trace) is None:
            return ""
        size, low, high = (typeset(points(value)) for value in (test.offset, test.low, test.high))
        return f"p = {test.p:.2g}; offset {size} points ({low} to {high})"

    def stated(self) -> str:
        return f"{len(self.authors)} printed points"

    def method(self, claim: Claim, scale: str) -> list[str]:
        return [
            "p is the share of curves, including the author's, whose largest deviation is at least that of the "
            "author's. The offset is the mean over the points of our curve minus the author's, with a "
            f"{100 * self.confidence:g} % prediction interval for one more curve (Student's t)."
        ]

    def axis(self, claim: Claim, of_one: bool) -> Axis:
        low, high = (100 * bound for bound in self.offset_within)
        title = "mean offset, ours minus the author’s, percentage points"
        band = f"the band: {signed(low)} to {signed(high)}"
        return Axis("linear", title, 0.0, "", 0.0, "no offset", (low, high), band)

    def interval_words(self, evidence: Evidence) -> str:
        text = self.short(evidence)
        band = " to ".join(typeset(points(bound)) for bound in self.offset_within)
        return f"{capital(text)}; the band of the offset is {band} points."
