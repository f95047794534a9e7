"""Power: how often each word is said when the true effect is known, at so many seeds and such a spread.

Nothing is simulated. Of a t interval the mean and the deviation are independent: for each deviation, at the nodes of a
Gauss rule over its distribution, the word changes only where an end of the interval meets `least` or an end of the
band, so it is asked of the real cases once between any two of these places, and the normal distribution says how often
the mean falls there. Of a count the binomial distribution says it. Ensembles and printed curves have no such form: see
`repro.analysis.outlook`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, isinf, log, sqrt
from typing import Any, Literal

import numpy as np
from scipy import special

from repro.analysis.cases import GROUPS, Word, cases_of, first
from repro.analysis.effects import Effect, deviation, exact_interval
from repro.analysis.evidence import Evidence
from repro.analysis.judge import Judgement
from repro.spec.claim import Claim
from repro.spec.rules import NO_EFFECT, Ratio, TraceRule, effect_of

POWER = 0.8  # DESIGN, a verdict: the power with which seeds are counted
NODES, WELCH_NODES = 200, 48  # of the Gauss rule; with them words agree with the noncentral t to 1e-5 (tests)
OPEN = ("open", "open below paper scale")
AGAINST = ("does not hold", "disagrees below paper scale")
Rates = dict[Word, float]


def in_logs(claim: Claim) -> bool:
    """Return whether the claim's interval is formed on the log scale."""
    return effect_of(claim.rule) in ("ratio", "rate")


def asks(claim: Claim) -> Literal["effect", "no effect", "number"]:
    """Return what the sentence says: that there is an effect, that there is none, or a number by itself."""
    if effect_of(claim.rule) in ("value", "rate", "trace"):
        return "number"
    return "no effect" if getattr(claim.rule, "direction", "") == "none" else "effect"


def as_printed(claim: Claim) -> float | None:
    """Return the effect where the sentence is true as printed: the paper's number; where it prints none, twice the
    least effect (of a ratio its square), as the least is half of a printed one. None of a number that is not printed.
    """
    rule = claim.rule
    if isinstance(rule, TraceRule):
        return 0.0
    if rule.paper is not None:
        return rule.paper
    if asks(claim) == "number":
        return None
    if asks(claim) == "no effect":
        return NO_EFFECT[effect_of(rule)]
    if rule.kind == "count":
        return rule.band[1]
    assert rule.smallest is not None
    return rule.smallest**2 if isinstance(rule, Ratio) else 2 * rule.smallest


def otherwise(claim: Claim) -> float | None:
    """Return the effect where the sentence is false: none; for a sentence of no effect, twice the end of its band (of
    a ratio its square). None of a number by itself."""
    rule = claim.rule
    if isinstance(rule, TraceRule) or asks(claim) == "number":
        return None
    if rule.kind == "count":
        return rule.at_most  # by chance
    if asks(claim) == "effect":
        return NO_EFFECT[effect_of(rule)]
    low, high = rule.band
    end = low if isinf(high) else high
    return end**2 if isinstance(rule, Ratio) else 2 * end


@dataclass(frozen=True)
class Sampling:
    """How an effect varies from one set of judging seeds to the next.

    `spreads`: standard deviation of one observation (a paired difference, a log ratio, a value, a curve's offset), on
    the scale of the interval; of Welch's two, of each arm; of a count none; of ensembles the jackknife's standard error
    times the root of n.
    """

    kind: Literal["paired", "welch", "count", "jackknife", "curve"]
    n: int
    spreads: tuple[float, ...] = ()

    @property
    def error(self) -> float:
        """Standard error of the effect; of a curve's offset, of one more curve's."""
        if self.kind == "curve":
            return self.spreads[0] * sqrt(1 + 1 / self.n)
        return sqrt(sum(spread**2 for spread in self.spreads) / self.n)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of its t interval."""
        if self.kind != "welch":
            return self.n - 1
        squares = [spread**2 for spread in self.spreads]
        return (self.n - 1) * sum(squares) ** 2 / sum(square**2 for square in squares)


def sampling(judgement: Judgement) -> Sampling | None:
    """Return how a judged effect varies, by its own runs; None where there is no interval, a bound of censored runs, or
    runs that all agree."""
    rule, effect, trace = judgement.claim.rule, judgement.effect, judgement.trace
    if trace is not None:
        return Sampling("curve", trace.n, (deviation(list(trace.offsets.values())),))
    if effect is None or effect.estimate is None:
        return None
    if rule.kind == "count":
        return Sampling("count", effect.n)
    seen = logs(effect.per_seed.values()) if in_logs(judgement.claim) else list(effect.per_seed.values())
    if rule.kind == "ensemble":
        quantile = special.stdtrit(effect.n - 1, (1 + effect.confidence) / 2)
        spreads = [(effect.high - effect.low) / 2 / quantile * sqrt(effect.n)]
    elif getattr(rule, "pairs", "seeds") == "none":
        assert judgement.evidence is not None
        arms = [[o.value for o in arm.observations if o.value is not None] for arm in judgement.evidence.arms]
        spreads = [deviation(logs(values) if in_logs(judgement.claim) else values) for values in arms]
    else:
        spreads = [deviation(seen)]
    kind: Literal["paired", "welch", "jackknife"] = "welch" if len(spreads) > 1 else "paired"
    kind = "jackknife" if rule.kind == "ensemble" else kind
    return Sampling(kind, effect.n, tuple(spreads)) if any(spreads) else None


def logs(values: Any) -> list[float]:
    """Return the logarithms of these values."""
    return [log(value) for value in values]


class Power:
    """The words of a claim at a scale, for `n` judging seeds.

    `spreads`: as of `Sampling`; one, two for Welch's interval, or none for a count.
    """

    def __init__(self, claim: Claim, scale: str, n: int, spreads: Sequence[float] = ()) -> None:
        self.claim, self.scale = claim.model_copy(update={"seeds": list(range(n))}), scale
        self._rates = self._of_counts(n) if claim.rule.kind == "count" else self._of_means(Sampling(
            "welch" if len(spreads) > 1 else "paired", n, tuple(spreads)
        ))  # fmt: skip

    def words(self, effect: float) -> Rates:
        """Return how often each word is said, where the true effect is `effect` in the claim's own unit; they sum
        to 1."""
        return self._rates(log(effect) if in_logs(self.claim) else effect)

    def resolved(self, power: float = POWER) -> tuple[float, ...]:
        """Return the smallest effects that get a word with this power: one beyond `least`; of a sentence of no effect
        and of a number, one outside each end of the band. Empty where no effect does."""
        ends = ((_solve(self._told, b, side, power, self._most), side) for b, side in _boundaries(self.claim))
        return tuple(exp(end) if in_logs(self.claim) else end for end, _ in ends if end is not None)

    @property
    def _most(self) -> float:
        return 1.0 if self.claim.rule.kind == "count" else inf

    def _told(self, effect: float) -> float:
        return told(self.claim, self._rates(effect))

    def _word(self, estimate: float, low: float, high: float) -> Word:
        """Return the word of this interval, by the cases that decide."""
        rule = self.claim.rule
        assert not isinstance(rule, TraceRule)
        if in_logs(self.claim):
            estimate, low, high = exp(estimate), exp(low), exp(high)
        n = len(self.claim.seeds)
        effect = Effect(effect_of(rule), estimate, low, high, rule.confidence, n, "supposed", {})
        device = rule.on if rule.kind == "rate" else None
        evidence = Evidence(self.claim, self.scale, effect, (), 0, device=device)
        return first(cases_of(self.claim, self.scale), evidence)[0].word

    def _of_counts(self, n: int) -> Callable[[float], Rates]:
        rule = self.claim.rule
        ends = [exact_interval(shown, n, rule.confidence) for shown in range(n + 1)]
        said = [self._word(shown / n, *ends[shown]) for shown in range(n + 1)]

        def rates(share: float) -> Rates:
            below = np.concatenate([[0.0], special.bdtr(np.arange(n + 1), n, share)])
            return _summed(said, np.diff(below))

        return rates

    def _of_means(self, of: Sampling) -> Callable[[float], Rates]:
        weights, halves = _halves(of, self.claim.rule.confidence)
        bounds = _bounds(self.claim)
        edges = np.sort(np.concatenate([bounds - halves[:, None], bounds + halves[:, None]], axis=1), axis=1)
        outer = np.concatenate([edges[:, :1] - 1, edges, edges[:, -1:] + 1], axis=1)
        middles = (outer[:, 1:] + outer[:, :-1]) / 2  # [nodes, places between edges]
        known: dict[tuple[bool, ...], Word] = {}  # by where both ends of the interval lie
        said: list[Word] = []
        for half, places in zip(halves, middles, strict=True):
            for middle in places:
                low, high = middle - half, middle + half
                where = (*(low >= bounds), *(high >= bounds))
                if where not in known:
                    known[where] = self._word(float(middle), float(low), float(high))
                said.append(known[where])

        def rates(mean: float) -> Rates:
            below = special.ndtr((edges - mean) / of.error)
            ends = np.ones((len(halves), 1))
            falls = np.diff(np.concatenate([0 * ends, below, ends], axis=1), axis=1)
            return _summed(said, (weights[:, None] * falls).ravel())

        return rates


def told(claim: Claim, rates: Rates) -> float:
    """Return how often the effect is told from what lies on the other side of the boundary: of a sentence of an effect,
    a word for it; of no effect, one against it; of a number, `differs`."""
    groups = [(GROUPS[word], rate) for word, rate in rates.items()]
    if asks(claim) == "effect":
        return sum(rate for group, rate in groups if group not in (*OPEN, *AGAINST))
    return sum(rate for group, rate in groups if group in (*AGAINST, "another size or number"))


def left_open(rates: Rates) -> float:
    """Return how often the words leave the sentence open."""
    return sum(rate for word, rate in rates.items() if GROUPS[word] in OPEN)


def denied(rates: Rates) -> float:
    """Return how often the words are against the sentence."""
    return sum(rate for word, rate in rates.items() if GROUPS[word] in AGAINST)


def _summed(said: Sequence[Word], rates: np.ndarray) -> Rates:
    out: Rates = {}
    for word, rate in zip(said, rates.tolist(), strict=True):
        out[word] = out.get(word, 0.0) + rate
    return out


def _bounds(claim: Claim) -> np.ndarray:
    """Return `least` and the ends of the band, on the scale of the interval, the open ones left out."""
    rule = claim.rule
    assert not isinstance(rule, TraceRule)
    found = {*rule.band, *([rule.smallest] if rule.smallest is not None else [])}
    if in_logs(claim):
        found = {log(value) for value in found if 0 < value < inf}
    return np.array(sorted(value for value in found if not isinf(value)))


def _boundaries(claim: Claim) -> list[tuple[float, int]]:
    """Return the boundaries beyond which an effect is to be told, each with its side, on the scale of the interval."""
    rule = claim.rule
    assert not isinstance(rule, TraceRule)
    if asks(claim) == "effect":
        assert rule.smallest is not None
        side = 1 if getattr(rule, "direction", "").startswith("above") else -1
        ends = [(rule.smallest, side)]
    else:
        ends = [(rule.band[0], -1), (rule.band[1], 1)]
    if in_logs(claim):
        return [(log(bound), side) for bound, side in ends if 0 < bound < inf]
    return [(bound, side) for bound, side in ends if not isinf(bound)]


@lru_cache
def _gauss(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes between 0 and 1 and weights that sum to 1."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return (places + 1) / 2, weights / 2


def _halves(of: Sampling, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (weights, half widths of the interval) [nodes] over the distribution of the estimated deviations."""
    freedom, sure = of.n - 1, (1 + confidence) / 2
    at, weights = _gauss(WELCH_NODES if of.kind == "welch" else NODES)
    squares = 2 * special.gammaincinv(freedom / 2, at) / freedom / of.n  # of the mean's error, for a spread of 1
    if of.kind == "paired":
        return weights, special.stdtrit(freedom, sure) * of.spreads[0] * np.sqrt(squares)
    a, b = (spread**2 * square for spread, square in zip(of.spreads, np.meshgrid(squares, squares), strict=True))
    freedoms = freedom * (a + b) ** 2 / (a**2 + b**2)
    return np.outer(weights, weights).ravel(), (special.stdtrit(freedoms, sure) * np.sqrt(a + b)).ravel()


def _solve(
    rate: Callable[[float], float], bound: float, side: int, power: float, most: float, digits: int = 40
) -> float | None:
    """Return the effect nearest to the bound, on its side, whose rate is `power`; None where there is none."""
    far = 1e-6 * max(1.0, abs(bound))
    while rate(bound + side * far) < power:
        if side * (bound + side * far) >= most or far > 1e6:
            return None
        far = min(2 * far, most - side * bound)
    near = 0.0
    for _ in range(digits):
        middle = (near + far) / 2
        near, far = (near, middle) if rate(bound + side * middle) >= power else (middle, far)
    return bound + side * far
