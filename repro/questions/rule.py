"""A rule: how the effect of a measure is formed, by which cases it is judged, and how it is told and drawn.

What is the same for most rules stands here; each question's module has its own. Nothing outside asks which it is.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from repro.claim.config import Closed
from repro.claim.problems import Problem, nearest
from repro.claim.scalars import Text
from repro.draw.charts import Axis
from repro.questions.cases import BELOW, EFFECT, JUDGING_SEEDS, NO_EFFECT, VALUES, Case
from repro.questions.evidence import Evidence
from repro.questions.mistakes import band_mistakes, side_mistakes
from repro.questions.observations import Arm
from repro.questions.statistics import Effect, Sampling, deviation
from repro.questions.units import RATE, VALUE, Unit, typeset
from repro.store import Table

if TYPE_CHECKING:
    from repro.claim.overlays import Layers
    from repro.draw.parts import Section
    from repro.questions.base import Claim
    from repro.questions.exhibit import Exhibit
    from repro.questions.trial import Trial

FEW = f" Below paper scale a verdict needs {JUDGING_SEEDS} judging seeds."


class Least(Closed):
    """Another smallest effect than the one rule gives."""

    size: float = Field(description="the smallest effect that still bears the sentence out")
    why: Text = Field(description="the reason, from the paper's text, never from a spread")


class Rule(Closed):
    """How an effect is judged."""

    if TYPE_CHECKING:

        @property
        def kind(self) -> str: ...
        @property
        def confidence(self) -> float: ...

    what: ClassVar[str] = ""  # the effect, as captions call it, where that is not its kind
    dots: ClassVar[str] = ""  # what a seed's dot is, where that is not its effect
    has_mean: ClassVar[bool] = True  # its estimate is a mean of the seeds' own
    seeds_below_paper: ClassVar[int] = JUDGING_SEEDS  # that a word at small and medium scale needs
    lists_runs: ClassVar[bool] = False  # its own sections have the table of runs
    fewest: ClassVar[tuple[int, str]] = (0, "")  # judging seeds above smoke scale, and why

    @property
    def unit(self) -> Unit:
        """The unit of its effect."""
        raise NotImplementedError

    @property
    def alone(self) -> bool:
        """Whether it judges a number by itself, which no arm is compared with."""
        return self.unit in (VALUE, RATE)

    @property
    def paper_alone(self) -> bool:
        """Whether paper scale alone can speak of its number."""
        return self.unit is VALUE

    def compared(self, claim: Claim) -> list[str]:
        """Return the arms that it looks at."""
        return list(getattr(self, "of"))  # noqa: B009  # every rule that compares has its own model of them

    def together(self) -> list[str]:
        """Return the alternatives that are judged with the claim itself."""
        return []

    @property
    def number(self) -> float | None:
        """The paper's number, in the effect's unit; None where it prints none."""
        return getattr(self, "paper", None)

    @property
    def side(self) -> int:
        """The sentence's side of no effect: 1 above, -1 below, 0 where it says that there is none, or has no side."""
        direction = getattr(self, "direction", "none")
        return 0 if direction == "none" else 1 if direction.startswith("above") else -1

    @property
    def band(self) -> tuple[float, float]:
        """What counts as the same number; an open end is infinite, or the least that the unit has."""
        low, high = getattr(self, "within")  # noqa: B009  # every rule has its own, in its own unit
        return self.unit.lowest if low is None else low, inf if high is None else high

    @property
    def endless(self) -> bool:
        """Whether an end of the band is open."""
        return None in getattr(self, "within")  # noqa: B009

    @property
    def smallest(self) -> float | None:
        """The smallest effect that still bears the sentence out: half of the printed one (of a ratio its root), or the
        near end of the band where no number is printed; None where the sentence has no side."""
        if not self.side:
            return None
        if (stated := getattr(self, "least", None)) is not None:
            return float(stated.size)
        if self.number is None:
            return self.band[0] if self.side > 0 else self.band[1]
        return self.unit.from_scale(self.unit.to_scale(self.number) / 2)

    def band_words(self) -> str:
        """Return the band as a page prints it."""
        return self.unit.printed_band(*self.band)

    def stated(self) -> str:
        """Return the paper's number, in a few characters."""
        return "no number" if self.number is None else self.unit.printed(self.number)

    # What is wrong with it.

    def mistakes(self, claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
        """Return what is wrong with the rule for the claim's measure and arms."""
        out = band_mistakes(self, layers)
        for i, arm in enumerate(self.compared(claim)):
            if arm not in claim.arms:
                out.append(layers.problem(("rule", "of", i), f"rule.of: no arm {arm}{nearest(arm, claim.arms)}"))
        return out if self.alone else out + side_mistakes(self, layers)

    @property
    def no_effect(self) -> float:
        """The effect's value where there is none."""
        assert self.unit.none is not None
        return self.unit.none

    def others_number(self) -> tuple[float, float, str]:
        """Return the bounds of a number that others measured, above and up to, and what it is."""
        raise NotImplementedError

    # What is judged.

    def horizon(self, trial: Trial, arm: str, first: int) -> int:
        """Return the horizon of an arm: its first, or longer, where the rule needs it."""
        return first

    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        """Return the effect of these arms over seeds; None where it cannot be formed."""
        raise NotImplementedError

    def evidence(self, trial: Trial, claim: Claim, scale: str, to_do: int) -> Evidence:
        """Return what the verdict is made of; `claim`: the trial's, its rule's confidence aside."""
        arms = tuple(trial.arms[name] for name in self.compared(claim))
        device, gpu = claim.measure.device(trial)
        found = self.effect(claim, arms, trial.table)
        return Evidence(claim, scale, found, arms, to_do, self.rate_range(trial), device=device, gpu=gpu)

    def rate_range(self, trial: Trial) -> tuple[float, float] | None:
        """Return the least and the largest effect over rates within 10 % of each arm's best, where that is asked."""
        return None

    def run_ids(self, trial: Trial, evidence: Evidence) -> set[str]:
        """Return the runs and evaluations that were looked at, there or not."""
        seen = [o for arm in evidence.arms for o in arm.observations]
        seen += [o for tuning in trial.tunings.values() for rate in tuning.rates for o in rate.observations]
        return {o.run for o in seen} | {o.evaluation for o in seen if o.evaluation}

    def cases(self, scale: str) -> tuple[Case, ...]:
        """Return the cases by which it judges at a scale, in their order."""
        if self.alone:
            return VALUES
        if scale in BELOW:
            return BELOW[scale]["effect" if self.side else "no effect"]
        return EFFECT if self.side else NO_EFFECT

    def named(self) -> dict[str, str]:
        """Return the claim's own numbers, for the places of the cases' sentences."""
        out = {"band": f"the band ({self.band_words()})"}
        return out if self.smallest is None else out | {"least": self.unit.size(self.smallest)}

    def not_comparable(self, evidence: Evidence) -> str:
        """Return why a scale or a device cannot speak of the sentence; empty where it can."""
        if not self.alone or evidence.scale == "paper":
            return ""
        number = "" if self.number is None else f" {self.unit.written(self.number)}"
        return f"{evidence.scale} scale has photos and classes other than those of the paper's{number}"

    @property
    def asks(self) -> Literal["effect", "no effect", "number"]:
        """What the sentence says: that there is an effect, that there is none, or a number by itself."""
        return "number" if self.alone else "effect" if self.side else "no effect"

    def sampling(self, evidence: Evidence) -> Sampling | None:
        """Return how the effect varies from one set of judging seeds to the next, by its own runs; None where there is
        no interval, a bound of censored runs, or runs that all agree."""
        effect = evidence.effect
        if effect is None or effect.estimate is None:
            return None
        if getattr(self, "pairs", "seeds") == "none":
            seen = [[o.value for o in arm.observations if o.value is not None] for arm in evidence.arms]
        else:
            seen = [list(effect.per_seed.values())]
        spreads = tuple(deviation([self.unit.to_scale(value) for value in values]) for values in seen)
        return Sampling("welch" if len(spreads) > 1 else "paired", effect.n, spreads) if any(spreads) else None

    def open_because(self, evidence: Evidence) -> str:
        """Return why no effect could be formed, or decides nothing, where that is not the interval's width."""
        if evidence.effect is not None:
            return ""
        observations = [o for arm in evidence.arms for o in arm.observations]
        lost = {
            "diverged": "diverged",
            "not started": "learned nothing: their training loss stayed at the chance level",
        }
        if not any(o.censored for o in observations):
            return "a single judging seed has no interval; two or more are needed"
        counts = Counter(o.status for o in observations if o.status in lost)
        each = [f"{n} of {len(observations)} runs {lost[status]}" for status, n in counts.items()]
        return f"{'; '.join(each)}; their errors cannot be compared"

    # How it is told and drawn.

    def sentence(self, evidence: Evidence) -> str:
        """Return the finding with its numbers, in a sentence."""
        if evidence.effect is None and any(arm.tuning and arm.tuning.chosen is None for arm in evidence.arms):
            return "No learning rate could be chosen."
        return self.found(evidence.claim, evidence.effect) if evidence.effect else self.not_formed()

    def not_formed(self) -> str:
        """Return that there is no effect, in a sentence."""
        return f"No {self.kind} could be computed."

    def found(self, claim: Claim, effect: Effect) -> str:
        """Return an effect in a sentence."""
        raise NotImplementedError

    def short(self, evidence: Evidence) -> str:
        """Return what was found, with its interval, in a few characters; empty where nothing was."""
        if (effect := evidence.effect) is None:
            return ""
        if effect.estimate is None:
            return typeset(effect.interval_words)
        where = f", {evidence.device.partition(' (')[0]}" if evidence.device else ""
        return f"{self.short_effect(effect)}{where}"

    def short_effect(self, effect: Effect) -> str:
        """Return an effect with its interval, in a few characters."""
        assert effect.estimate is not None
        return f"{effect.unit.short(effect.estimate)} ({typeset(effect.interval_words)})"

    def seed_words(self, value: float) -> str:
        """Return a seed's own effect, in a table of runs."""
        return typeset(self.unit.short(value).removesuffix(" points"))

    def effect_name(self, claim: Claim) -> str:
        """Return what captions call the effect."""
        return self.what or self.kind

    def totals(self, mean: float | None, effect: Effect) -> list[tuple[str, float]]:
        """Return what stands below the mean of an arm in a table of runs, by name."""
        return []

    def method(self, claim: Claim, scale: str) -> list[str]:
        """Return how the effect is formed and what counts as the same number, in sentences."""
        raise NotImplementedError

    def band_method(self) -> str:
        """Return what counts as the same number, and the smallest effect that bears the sentence out."""
        text = f"The band, which counts as the same number, is {self.band_words()}."
        if (least := self.smallest) is None:
            return text
        return f"{text} The smallest effect that supports the sentence is {self.unit.size(least)}: {self.least_from()}."

    def least_from(self) -> str:
        """Return where the smallest effect comes from."""
        if (stated := getattr(self, "least", None)) is not None:
            return str(stated.why)
        if self.number is None:
            return "the near end of that band, because the paper prints no size"
        return f"{'the root' if self.unit.logarithmic else 'half'} of the printed {self.unit.printed(self.number)}"

    def axis(self, claim: Claim, of_one: bool) -> Axis:
        """Return how the effect is drawn; `of_one`: between the same arms in every row, which the title then names."""
        unit, by = self.unit, self.unit.drawn_by
        none = None if self.alone else by * self.no_effect
        paper = None if self.number is None else by * self.number
        stated = "" if self.number is None else f"the paper: {unit.printed(self.number)}"
        low, high = self.band
        kind = "log" if unit.logarithmic else "linear"
        title = self.axis_title(claim, of_one)
        band = f"the band: {self.band_words()}"
        label = "" if none is None else self.none_label
        return Axis(kind, title, none, label, paper, stated, (by * low, by * high), band, self.endless)

    none_label: ClassVar[str] = "no effect"

    def axis_title(self, claim: Claim, of_one: bool) -> str:
        """Return what the axis of the effect shows."""
        return f"{claim.measure.name()}, percent"

    def interval_words(self, evidence: Evidence) -> str:
        """Return the finding of the interval's drawing, for those who do not see it."""
        where = "inside" if evidence.inside else "not inside"
        says = "" if self.number is None else f"; the paper says {self.unit.printed(self.number)}"
        return f"{self.kind.capitalize()} {self.short(evidence)}, {where} the band {self.band_words()}{says}."

    def sections(self, exhibit: Exhibit) -> list[Section]:
        """Return the rule's own sections of a page, after those of the measure's curves and rates."""
        return []

    def only(self) -> str:
        """Return where a word on the sentence can be said at all, if that is not everywhere."""
        return ". Only paper scale says anything about this number" if self.paper_alone else ""
