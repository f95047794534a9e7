"""A rule: how a measure is judged against the paper, and how the result is written and drawn.

`Rule` has what every rule needs. A rule that forms an effect of arms over seeds extends `effect_rule.EffectRule`; the
other kind compares one printed curve with ours (`curve.TraceRule`). No caller asks which kind a rule is.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from repro.claim.config import Closed
from repro.questions.cases import JUDGING_SEEDS, Case
from repro.questions.units import RATE, VALUE, Unit

if TYPE_CHECKING:
    from repro.claim.overlays import Layers
    from repro.claim.problems import Problem
    from repro.draw.axes import Axis
    from repro.questions.base import Claim
    from repro.questions.evidence import Evidence
    from repro.questions.statistics import Sampling
    from repro.questions.trial import Trial


class Rule(Closed):
    """How the evidence of a claim is judged."""

    if TYPE_CHECKING:

        @property
        def kind(self) -> str: ...
        @property
        def confidence(self) -> float: ...

    power: ClassVar[Literal["exact", "simulated", "none"]]  # how often each word is said of a true effect: calculated
    # (`power.Power`), simulated beforehand (`outlook.TABLE`), or not known
    has_mean: ClassVar[bool] = True  # whether its estimate is a mean of the seeds' own values
    seeds_below_paper: ClassVar[int] = JUDGING_SEEDS  # judging seeds that a verdict needs at small and medium scale
    fewest: ClassVar[tuple[int, str]] = (0, "")  # judging seeds that it needs above smoke scale, and why

    @property
    @abstractmethod
    def unit(self) -> Unit:
        """The unit of what is judged."""

    @property
    @abstractmethod
    def number(self) -> float | None:
        """The paper's number in that unit; None where it prints none."""

    @property
    @abstractmethod
    def band(self) -> tuple[float, float]:
        """What counts as the same number; an open end is infinite, or the least value that the unit has."""

    @property
    def side(self) -> int:
        """The sentence's side of no effect: 1 above, -1 below, 0 where it says that there is none, or has no side."""
        return 0

    @property
    def smallest(self) -> float | None:
        """The smallest effect that still bears the sentence out; None where the sentence has no side."""
        return None

    @property
    def no_effect(self) -> float:
        """The value where there is no effect."""
        assert self.unit.none is not None
        return self.unit.none

    @property
    def alone(self) -> bool:
        """Whether it judges a number by itself, which no arm is compared with."""
        return self.unit in (VALUE, RATE)

    @property
    def paper_alone(self) -> bool:
        """Whether only paper scale can decide on its number."""
        return self.unit is VALUE

    @property
    @abstractmethod
    def asks(self) -> Literal["effect", "no effect", "number"]:
        """What the sentence says: that there is an effect, that there is none, or a number by itself."""

    def band_words(self) -> str:
        """Return the band as a page prints it."""
        return self.unit.printed_band(*self.band)

    # What is wrong with it.

    @abstractmethod
    def mistakes(self, claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
        """Return what is wrong with the rule for the claim's measure and arms."""

    @abstractmethod
    def others_number(self) -> tuple[float, float, str]:
        """Return (low, high, description): a number that others measured lies above `low` and up to `high`."""

    # What is judged.

    @abstractmethod
    def compared(self, claim: Claim) -> list[str]:
        """Return the names of the arms that it compares."""

    def judged_with(self) -> list[str]:
        """Return the names of the alternatives that are judged with the claim itself."""
        return []

    @abstractmethod
    def evidence(self, trial: Trial, claim: Claim, scale: str, to_do: int) -> Evidence:
        """Return what the verdict is made of. `claim`: the trial's, perhaps with another confidence of the rule."""

    @abstractmethod
    def run_ids(self, trial: Trial, evidence: Evidence) -> set[str]:
        """Return the ids of the runs and evaluations that the evidence was read from, finished or not."""

    @abstractmethod
    def sampling(self, evidence: Evidence) -> Sampling | None:
        """Return how the effect varies from one set of judging seeds to the next, by its own runs; None where there is
        no interval, only a bound of censored runs, or where all runs agree."""

    @abstractmethod
    def one_sided_p(self, evidence: Evidence, bound: float, side: int) -> float:
        """Return the p of an effect at `bound` or beyond it, where the estimate lies on the other side. `side`: 1 where
        it lies above the bound, -1 below."""

    @abstractmethod
    def cases(self, scale: str) -> tuple[Case, ...]:
        """Return the cases by which it judges at a scale, in the order in which they are tested."""

    @abstractmethod
    def named(self) -> dict[str, str]:
        """Return the claim's own numbers, by the places that the sentences of the cases have for them."""

    def not_comparable(self, evidence: Evidence) -> str:
        """Return why a scale or a device cannot decide on the sentence; empty where it can."""
        return ""

    def open_because(self, evidence: Evidence) -> str:
        """Return why nothing could be decided, where the reason is not the interval's width; else empty."""
        return ""

    # How it is written and drawn.

    @abstractmethod
    def sentence(self, evidence: Evidence) -> str:
        """Return the finding with its numbers, in a sentence."""

    @abstractmethod
    def short(self, evidence: Evidence) -> str:
        """Return the estimate with its interval, in a few characters; empty where there is none."""

    @abstractmethod
    def stated(self) -> str:
        """Return the paper's number, in a few characters."""

    @abstractmethod
    def method(self, claim: Claim, scale: str) -> list[str]:
        """Return how the effect is formed and what counts as the same number, in sentences."""

    @abstractmethod
    def axis(self, claim: Claim, of_one: bool) -> Axis:
        """Return how the effect is drawn. `of_one`: every row compares the same arms, which the title then names."""

    @abstractmethod
    def interval_words(self, evidence: Evidence) -> str:
        """Return the text alternative of the interval's drawing."""

    def only(self) -> str:
        """Return which scale or device alone can decide on the sentence, to be appended to a sentence; empty where
        every scale can."""
        return ". Only paper scale says anything about this number" if self.paper_alone else ""
