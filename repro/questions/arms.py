"""Rules by the number of arms: what a ratio and a difference of two arms share, and what all rules of one arm share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.claim.overlays import Layers
from repro.claim.problems import Problem, nearest
from repro.questions.base import Claim
from repro.questions.effect_rule import Directed, EffectRule, few
from repro.questions.evidence import Evidence
from repro.questions.mistakes import overriding
from repro.questions.statistics import Effect, deviation
from repro.questions.tuning import SLOWER
from repro.questions.units import seed_list


class TwoArms(Directed):
    """The effect of one arm over, or less, another."""

    if TYPE_CHECKING:

        @property
        def pairs(self) -> str: ...
        @property
        def over(self) -> list[str]: ...

    def judged_with(self) -> list[str]:
        return list(self.over)

    def mistakes(self, claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
        out = super().mistakes(claim, layers, smoke)
        arms, alternatives = self.of, self.over
        if arms[0] == arms[1]:
            out.append(layers.problem(("rule", "of"), f"rule.of: {arms[0]} against itself"))
        for i, name in enumerate(alternatives):
            if name not in claim.alternatives:
                text = f"rule.over: no alternative {name}{nearest(name, claim.alternatives)}"
                out.append(layers.problem(("rule", "over", i), text))
            elif name in alternatives[:i]:
                out.append(layers.problem(("rule", "over", i), f"rule.over: {name} stands twice"))
        if alternatives and not self.side:
            text = "rule.over: has no weakest of several where the paper says that there is no effect"
            out.append(layers.problem(overriding(layers, "over", "direction"), text))
        return out

    def spreads(self, evidence: Evidence, effect: Effect) -> tuple[float, ...]:
        """Return the deviation of paired effects, or of each arm's values where runs are not paired."""
        if self.pairs == "seeds":
            return super().spreads(evidence, effect)
        values = [[o.value for o in arm.observations if o.value is not None] for arm in evidence.arms]
        return tuple(deviation([self.unit.to_scale(value) for value in each]) for each in values)

    def effect_method(self, claim: Claim, scale: str, sign: str, paired: str, values: str, more: str) -> list[str]:
        """Return how rates are chosen and how the effect is formed of both arms, in sentences."""
        of, over = (claim.label(arm) for arm in self.compared(claim))
        timed, seeds = claim.measure.timed, seed_list(claim.seeds, claim.measure.of_each)
        how = (
            f"Student's t interval on {paired} of {'arms in one replicate' if timed else 'runs that share their seed'}"
            if self.pairs == "seeds"
            else f"Welch's t interval on {values} of independent runs"
        )
        return [
            *tuning_method(claim),
            f"The effect is the {self.kind} “{of}” {sign} “{over}” over {seeds}, with a "
            f"{100 * self.confidence:g} % interval: {how}. {more}{self.band_method()}{few(claim) * (scale != 'paper')}",
        ]


class OneArm(EffectRule):
    """The effect of one arm's runs by themselves."""

    def whose(self, claim: Claim) -> str:
        """Return whose measure it is, in a sentence."""
        return "the net" if len(claim.arms) == 1 else f"the net with {claim.label(self.of[0])}"

    def one_method(self, claim: Claim) -> str:
        """Return how the effect is formed, in a sentence."""
        what = "What is judged" if self.alone else "The effect"
        return (
            f"{what} is the mean over judging {seed_list(claim.seeds)}, with a {100 * self.confidence:g} % interval "
            "(Student's t over the seeds)."
        )

    def method(self, claim: Claim, scale: str) -> list[str]:
        fewest = "" if scale == "paper" or self.alone else few(claim)
        return [f"{self.one_method(claim)} {self.band_method()}{fewest}"]


def tuning_method(claim: Claim) -> list[str]:
    """Return how rates are chosen, in sentences; nothing where they are not."""
    tune = claim.tune
    if tune is None or not tune.chooses:
        return []
    if tune.choose == "learns":
        return [
            f"All arms share one learning rate: the largest of {', '.join(f'{rate:g}' for rate in tune.rates)} at "
            f"which every arm learns on tuning {seed_list(tune.on_seeds)}. No tuning seed is a judging seed. An arm "
            "learns if an epoch’s mean training loss falls below 0.9 ln C within half of its epochs and 2,000 updates."
        ]
    return [
        "Each arm is trained at its own fastest learning rate, as the paper says. All arms share one grid, "
        f"{tune.rates[0]:g} to {tune.rates[-1]:g} in steps of two, and tuning {seed_list(tune.on_seeds)}. No tuning "
        "seed is a judging seed. "
        f"Rates more than {SLOWER:g} times slower than the best are stopped early; the chosen rate has the "
        "smallest geometric mean over the tuning seeds. A rate at which a tuning seed diverged or did not finish "
        "cannot be chosen. If the fastest rate is an end of the grid, the grid is extended."
    ]
