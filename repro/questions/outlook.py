"""What runs could have told, or planned ones can: the words of a true effect at their number of seeds and their spread.

Exact where there is a closed form (`repro.questions.power`). Of ensembles and printed curves the rates are those of
`simulated.json`, which `python -m tests.error_rates` makes from the reference runs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import log, sqrt
from pathlib import Path
from typing import Any, get_args

from repro.questions.base import Claim
from repro.questions.cases import GROUPS, Word
from repro.questions.judge import Judgement
from repro.questions.power import (
    POWER,
    Power,
    Rates,
    as_printed,
    detection_rate,
    left_open,
    otherwise,
    sampling,
    seeds_for,
)
from repro.questions.statistics import Sampling, deviation
from repro.questions.units import COUNT, DIFFERENCE, RATIO
from repro.questions.verdict import UNJUDGED

TABLE = Path(__file__).parent / "simulated.json"


@dataclass(frozen=True)
class Outlook:
    """What runs could have told: at `n` seeds and these spreads, how often each word is said of a true effect.

    `rows`: (true effect, rates), first the one as printed, then the one that makes the sentence false. `worlds`: how
    many were simulated; 0: exact.
    """

    claim: Claim
    scale: str
    sampling: Sampling
    rows: tuple[tuple[float, Rates], ...]
    resolved: tuple[float, ...]
    worlds: int = 0

    @property
    def true_open(self) -> float:
        """How often a sentence that is true as printed is left open."""
        return left_open(self.rows[0][1])

    @property
    def could_not_tell(self) -> bool:
        """Whether a true sentence is left open in more than half of worlds; of a sentence that prints no size, and is
        true of every effect from the least on, False."""
        rule = self.claim.rule
        return (rule.number is not None or rule.asks == "no effect") and self.true_open > 0.5

    @property
    def would_take(self) -> tuple[float, int | None] | None:
        """A printed effect that these seeds do not tell with a power of 80 %, and how many would (None: more than can
        be counted); None where these do, where no effect is printed, and of what is simulated."""
        rule, effect = self.claim.rule, self.rows[0][0]
        exact = self.sampling.kind in ("paired", "welch")
        if rule.number is None or rule.asks != "effect" or not exact:
            return None
        if detection_rate(self.claim, self.rows[0][1]) >= POWER:
            return None
        return effect, seeds_for(self.claim, self.scale, self.sampling.spreads, effect)

    @property
    def words(self) -> list[Word]:
        """The words that are said at all, in the order of the cases."""
        used = {word for _, rates in self.rows for word, rate in rates.items() if rate > 0}
        return [case.word for case in self.claim.rule.cases(self.scale) if case.word in used]


def outlook(judgement: Judgement) -> Outlook | None:
    """Return what a judgement's runs could have told; None where nothing was judged, where runs were censored, and
    where the table has no rates for what has no closed form."""
    spread = sampling(judgement) if judgement.verdict.word not in (*UNJUDGED, "not tested") else None
    return None if spread is None else outlook_of(judgement.claim, judgement.scale, spread)


def outlook_of(claim: Claim, scale: str, spread: Sampling) -> Outlook | None:
    """Return what so many seeds with these spreads can tell, exact or from the table; None where neither is there."""
    return _simulated(claim, scale, spread) if claim.rule.power == "simulated" else _exact(claim, scale, spread)


def foreseen(
    claim: Claim, judgements: Sequence[tuple[str, Judgement]], pilot: float | None
) -> tuple[Sampling, str] | None:
    """Return how the effect of runs that are not there yet is expected to vary, and from what that is known: the first
    of `judgements` (each with its name) that has a spread, else their tuning seeds, else `pilot`, the
    deviation of one net's error, as of arms that share nothing; None where nothing is known."""
    n = len(claim.seeds)
    if claim.rule.unit is COUNT:
        return Sampling("count", n), "the binomial distribution"
    for name, judgement in judgements:
        if judgement.scale != "smoke" and (spread := sampling(judgement)) is not None:
            return Sampling(spread.kind, n, spread.spreads), name
    for name, judgement in judgements:
        if judgement.scale != "smoke" and (deviation_ := _of_tuning(judgement)) is not None:
            return Sampling("paired", n, (deviation_,)), f"the tuning seeds of {name}"
    if pilot and claim.rule.unit is DIFFERENCE and len(claim.rule.compared(claim)) == 2:
        unpaired = getattr(claim.rule, "pairs", "seeds") == "none"
        spreads = (pilot, pilot) if unpaired else (sqrt(2) * pilot,)
        return Sampling("welch" if unpaired else "paired", n, spreads), "the 80 % limit of the tuning seeds of the base"
    return None


def _of_tuning(judgement: Judgement) -> float | None:
    """Return the deviation of the log ratios of the tuning seeds at both arms' chosen rates; None where it is not
    known."""
    rule = judgement.claim.rule
    chosen = []
    for name in rule.compared(judgement.claim) if rule.unit is RATIO else ():
        tuning = judgement.arms[name].tuning
        rates = [rate for rate in tuning.rates if rate.rate == tuning.chosen] if tuning else []
        chosen += [{o.seed: log(o.value) for o in rate.observations if o.value} for rate in rates]
    if len(chosen) != 2:
        return None
    pairs = [chosen[0][seed] - chosen[1][seed] for seed in chosen[0].keys() & chosen[1].keys()]
    return deviation(pairs) or None if len(pairs) > 1 else None


def _exact(claim: Claim, scale: str, spread: Sampling) -> Outlook | None:
    power = Power(claim, scale, spread.n, spread.spreads)
    effects = [effect for effect in (as_printed(claim), otherwise(claim)) if effect is not None]
    rows = tuple((effect, power.words(effect)) for effect in effects)
    judged = any(GROUPS[word] != "not judged here" for _, rates in rows for word in rates)
    return Outlook(claim, scale, spread, rows, power.resolved()) if judged else None


@lru_cache
def table() -> dict[str, Any]:
    """Return the committed rates of what has no closed form."""
    return dict(json.loads(TABLE.read_text()))


def _simulated(claim: Claim, scale: str, spread: Sampling) -> Outlook | None:
    """Return the rates that the table has of this claim at this scale and number of seeds, at the table's spread."""
    for entry in table()["claims"]:
        if (entry["claim"], entry["scale"], entry["n"]) == (claim.id, scale, spread.n):
            rows = tuple((row["effect"], _named(row["words"])) for row in entry["rows"])
            by_rate = [(effect, detection_rate(claim, rates)) for effect, rates in rows]
            reached = _between(sorted(by_rate), POWER)
            return Outlook(
                claim, scale, Sampling(spread.kind, spread.n, (entry["spread"],)), rows, reached, table()["worlds"]
            )  # fmt: skip
    return None


def _named(rates: dict[str, float]) -> Rates:
    return {word: rates[word] for word in get_args(Word) if word in rates}


def _between(rates: Sequence[tuple[float, float]], power: float) -> tuple[float, ...]:
    """Return where a rising rate reaches `power`, on straight lines between (effect, rate); empty where it does not."""
    for (near, low), (far, high) in pairwise(rates):
        if low < power <= high:
            return (near + (far - near) * (power - low) / (high - low),)
    return ()
