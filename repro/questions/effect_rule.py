"""Rules that judge an effect: a number formed of arms over seeds, with an interval.

`EffectRule` is the base of all of them. `Directed` adds the side on which the paper says that the effect lies, and the
smallest effect that still bears the sentence out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from repro.claim.config import Closed
from repro.claim.problems import Problem, nearest
from repro.claim.scalars import Text
from repro.draw.axes import Axis
from repro.questions.cases import BELOW, EFFECT, JUDGING_SEEDS, NO_EFFECT, VALUES, Case
from repro.questions.evidence import Evidence
from repro.questions.mistakes import band_mistakes, side_mistakes
from repro.questions.observations import Arm
from repro.questions.rule import Rule
from repro.questions.statistics import Effect, Sampling, deviation, sign_p, student_p
from repro.questions.units import typeset
from repro.store import Table

if TYPE_CHECKING:
    from repro.claim.overlays import Layers
    from repro.draw.parts import Section
    from repro.questions.base import Claim
    from repro.questions.exhibit import Exhibit
    from repro.questions.trial import Trial


def few(claim: Claim) -> str:
    """Return how many values a verdict below paper scale needs, to be appended to a paragraph."""
    return f" Below paper scale a verdict needs {JUDGING_SEEDS} {claim.measure.of_each}s."


class EffectRule(Rule):
    """How an effect of arms over seeds is judged."""

    if TYPE_CHECKING:

        @property
        def of(self) -> list[str]: ...
        @property
        def paper(self) -> float | None: ...
        @property
        def within(self) -> Sequence[float | None]: ...

    what: ClassVar[str] = ""  # the effect, as captions call it, where that is not its kind
    dots: ClassVar[str] = ""  # what a seed's dot is, where that is not its effect
    none_label: ClassVar[str] = "no effect"  # how its axis names the place of no effect
    lists_runs: ClassVar[bool] = False  # whether its own sections have the table of runs

    @property
    def number(self) -> float | None:
        return self.paper

    @property
    def band(self) -> tuple[float, float]:
        low, high = self.within
        return self.unit.lowest if low is None else low, inf if high is None else high

    @property
    def endless(self) -> bool:
        """Whether an end of the band is open."""
        return None in self.within

    @property
    def asks(self) -> Literal["effect", "no effect", "number"]:
        return "number" if self.alone else "effect" if self.side else "no effect"

    def mistakes(self, claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
        out = band_mistakes(self, layers)
        for i, arm in enumerate(self.of):
            if arm not in claim.arms:
                out.append(layers.problem(("rule", "of", i), f"rule.of: no arm {arm}{nearest(arm, claim.arms)}"))
        return out

    # What is judged.

    def compared(self, claim: Claim) -> list[str]:
        return list(self.of)

    def horizon(self, trial: Trial, arm: str, first: int) -> int:
        """Return the horizon of an arm, in epochs: its first horizon, or longer where the rule needs it."""
        return first

    @abstractmethod
    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        """Return the effect of these arms over seeds; None where it cannot be formed."""

    def evidence(self, trial: Trial, claim: Claim, scale: str, to_do: int) -> Evidence:
        arms = tuple(trial.arms[name] for name in self.of)
        device, gpu = claim.measure.device(trial)
        effect, apart = self.effect(claim, arms, trial.table), claim.measure.apart(trial)
        return Evidence(claim, scale, effect, arms, to_do, self.rate_range(trial), device=device, gpu=gpu, apart=apart)

    def rate_range(self, trial: Trial) -> tuple[float, float] | None:
        """Return the least and the largest effect over rates within 10 % of each arm's best; None where the rule does
        not ask for it."""
        return None

    def run_ids(self, trial: Trial, evidence: Evidence) -> set[str]:
        observations = [o for arm in evidence.arms for o in arm.observations]
        observations += [o for tuning in trial.tunings.values() for rate in tuning.rates for o in rate.observations]
        return {o.run for o in observations} | {o.evaluation for o in observations if o.evaluation}

    def cases(self, scale: str) -> tuple[Case, ...]:
        if self.alone:
            return VALUES
        if scale in BELOW:
            return BELOW[scale]["effect" if self.side else "no effect"]
        return EFFECT if self.side else NO_EFFECT

    def named(self) -> dict[str, str]:
        out = {"band": f"the band ({self.band_words()})"}
        return out if self.smallest is None else out | {"least": self.unit.size(self.smallest)}

    def not_comparable(self, evidence: Evidence) -> str:
        if not self.alone or evidence.scale == "paper":
            return ""
        number = "" if self.number is None else f" {self.unit.written(self.number)}"
        return f"{evidence.scale} scale has photos and classes other than those of the paper's{number}"

    def sampling(self, evidence: Evidence) -> Sampling | None:
        effect = evidence.effect
        if effect is None or effect.estimate is None:
            return None
        spreads = self.spreads(evidence, effect)
        return Sampling("welch" if len(spreads) > 1 else "paired", effect.n, spreads) if any(spreads) else None

    def spreads(self, evidence: Evidence, effect: Effect) -> tuple[float, ...]:
        """Return the standard deviation of the seeds' own effects, on the scale of the interval."""
        return (deviation([self.unit.to_scale(value) for value in effect.per_seed.values()]),)

    def one_sided_p(self, evidence: Evidence, bound: float, side: int) -> float:
        effect = evidence.effect
        assert effect is not None
        if effect.estimate is None:
            above, below = (arm.observations for arm in evidence.arms)
            ratios = [a.at_least / b.at_least for a, b in zip(above, below, strict=True)]
            return sign_p(sum(side * (ratio - bound) < 0 for ratio in ratios), effect.n)
        away = self.unit.to_scale(effect.estimate) - self.unit.to_scale(bound)
        return student_p(side * away, self.sampling(evidence))

    def open_because(self, evidence: Evidence) -> str:
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

    # How it is written and drawn.

    def stated(self) -> str:
        return "no number" if self.number is None else self.unit.printed(self.number)

    def sentence(self, evidence: Evidence) -> str:
        if evidence.effect is None and any(arm.tuning and arm.tuning.chosen is None for arm in evidence.arms):
            return "No learning rate could be chosen."
        return self.effect_sentence(evidence.claim, evidence.effect) if evidence.effect else self.not_formed()

    @abstractmethod
    def effect_sentence(self, claim: Claim, effect: Effect) -> str:
        """Return an effect with its numbers, in a sentence."""

    def not_formed(self) -> str:
        """Return that no effect could be computed, in a sentence."""
        return f"No {self.kind} could be computed."

    def short(self, evidence: Evidence) -> str:
        if (effect := evidence.effect) is None:
            return ""
        if effect.estimate is None:
            return typeset(effect.interval_words)
        where = f", {evidence.device.partition(' (')[0]}" if evidence.device else ""
        return f"{self.short_effect(effect)}{where}"

    def short_effect(self, effect: Effect) -> str:
        """Return an effect that has an estimate with its interval, in a few characters."""
        assert effect.estimate is not None
        return f"{effect.unit.short(effect.estimate)} ({typeset(effect.interval_words)})"

    def seed_words(self, value: float) -> str:
        """Return a seed's own effect as a table of runs prints it."""
        return typeset(self.unit.short(value).removesuffix(" points"))

    def effect_name(self, claim: Claim) -> str:
        """Return the name of the effect in captions."""
        return self.what or self.kind

    def totals(self, mean: float | None, effect: Effect) -> list[tuple[str, float]]:
        """Return the rows (name, value) that stand below an arm's mean in a table of runs."""
        return []

    def band_method(self) -> str:
        """Return what counts as the same number, in sentences."""
        return f"The band, which counts as the same number, is {self.band_words()}."

    def axis(self, claim: Claim, of_one: bool) -> Axis:
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

    def axis_title(self, claim: Claim, of_one: bool) -> str:
        """Return the title of the effect's axis; `of_one` as for `axis`."""
        return f"{claim.measure.name()}, percent"

    def interval_words(self, evidence: Evidence) -> str:
        where = "inside" if evidence.inside else "not inside"
        says = "" if self.number is None else f"; the paper says {self.unit.printed(self.number)}"
        return f"{self.kind.capitalize()} {self.short(evidence)}, {where} the band {self.band_words()}{says}."

    def sections(self, exhibit: Exhibit) -> list[Section]:
        """Return the rule's own sections of a page, which follow those of curves and rates."""
        return []


class Least(Closed):
    """Another smallest effect than the one rule gives."""

    size: float = Field(description="the smallest effect that still bears the sentence out")
    why: Text = Field(description="the reason, from the paper's text, never from a spread")


class Directed(EffectRule):
    """A rule for sentences that say on which side of no effect the effect lies, or that there is none."""

    if TYPE_CHECKING:

        @property
        def direction(self) -> str: ...
        @property
        def least(self) -> Least | None: ...

    @property
    def side(self) -> int:
        return 0 if self.direction == "none" else 1 if self.direction.startswith("above") else -1

    @property
    def smallest(self) -> float | None:
        """The smallest effect that still bears the sentence out: the claim's own `least`, else half of the printed
        effect (of a ratio its root), else, where no number is printed, the near end of the band; None without a
        side."""
        if not self.side:
            return None
        if self.least is not None:
            return self.least.size
        if self.number is None:
            return self.band[0] if self.side > 0 else self.band[1]
        return self.unit.from_scale(self.unit.to_scale(self.number) / 2)

    def mistakes(self, claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
        out = super().mistakes(claim, layers, smoke)
        return out if self.alone else out + side_mistakes(self, layers)

    def band_method(self) -> str:
        """Return what counts as the same number, and the smallest effect that bears the sentence out, in sentences."""
        text = super().band_method()
        if (smallest := self.smallest) is None:
            return text
        return (
            f"{text} The smallest effect that supports the sentence is {self.unit.size(smallest)}: {self.least_from()}."
        )

    def least_from(self) -> str:
        """Return where the smallest effect comes from, in words."""
        if self.least is not None:
            return str(self.least.why)
        if self.number is None:
            return "the near end of that band, because the paper prints no size"
        return f"{'the root' if self.unit.logarithmic else 'half'} of the printed {self.unit.printed(self.number)}"
