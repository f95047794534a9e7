"""Two arms compared: what their ratio and their difference share."""

from __future__ import annotations

from repro.claim.overlays import Layers
from repro.claim.problems import Problem, nearest
from repro.questions.base import Claim
from repro.questions.mistakes import overriding
from repro.questions.rule import FEW, Rule
from repro.questions.tuning import SLOWER
from repro.questions.units import seed_list


class TwoArms(Rule):
    """The effect of one arm over, or less, another."""

    def together(self) -> list[str]:
        return list(getattr(self, "over"))  # noqa: B009  # a field of each, with the rest of what they have

    def mistakes(self, claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
        out = super().mistakes(claim, layers, smoke)
        of, over = self.compared(claim), self.together()
        if of[0] == of[1]:
            out.append(layers.problem(("rule", "of"), f"rule.of: {of[0]} against itself"))
        for i, name in enumerate(over):
            if name not in claim.alternatives:
                text = f"rule.over: no alternative {name}{nearest(name, claim.alternatives)}"
                out.append(layers.problem(("rule", "over", i), text))
            elif name in over[:i]:
                out.append(layers.problem(("rule", "over", i), f"rule.over: {name} stands twice"))
        if over and not self.side:
            text = "rule.over: has no weakest of several where the paper says that there is no effect"
            out.append(layers.problem(overriding(layers, "over", "direction"), text))
        return out

    def effect_method(self, claim: Claim, scale: str, sign: str, paired: str, values: str, more: str) -> list[str]:
        """Return how rates are chosen and how the effect is formed of both arms, in sentences."""
        of, over = (claim.label(arm) for arm in self.compared(claim))
        how = (
            f"Student's t interval on {paired} of runs that share their seed"
            if getattr(self, "pairs") == "seeds"  # noqa: B009
            else f"Welch's t interval on {values} of independent runs"
        )
        return [
            *tuning_method(claim),
            f"The effect is the {self.kind} “{of}” {sign} “{over}” over judging {seed_list(claim.seeds)}, with a "
            f"{100 * self.confidence:g} % interval: {how}. {more}{self.band_method()}" + FEW * (scale != "paper"),
        ]


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
