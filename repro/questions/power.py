"""Power: how often each word is said when the true effect is known, at so many seeds and such a spread.

Nothing is simulated. Of a t interval the mean and the deviation are independent: for each deviation, at the nodes of a
Gauss rule over its distribution, the word changes only where an end of the interval meets `least` or an end of the
band, so it is asked of the real cases once between any two of these places, and the normal distribution says how often
the mean falls there. Of a count the binomial distribution says it. Ensembles and printed curves have no such form: see
`repro.questions.outlook`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import exp, inf, isinf, log

import numpy as np
from scipy import special

from repro.questions.base import Claim
from repro.questions.cases import AGAINST, GROUPS, OPEN, Word, first
from repro.questions.evidence import Evidence
from repro.questions.judge import Judgement
from repro.questions.statistics import Effect, Sampling, exact_interval
from repro.questions.units import COUNT

POWER = 0.8  # DESIGN, a verdict: the power with which seeds are counted
NODES, WELCH_NODES = 200, 48  # of the Gauss rule; with them words agree with the noncentral t to 1e-5 (tests)
Rates = dict[Word, float]


def as_printed(claim: Claim) -> float | None:
    """Return the effect where the sentence is true as printed: the paper's number; where it prints none, twice the
    least effect (of a ratio its square), as the least is half of a printed one. None of a number that is not printed.
    """
    rule = claim.rule
    if rule.number is not None:
        return rule.number
    if rule.asks == "number":
        return None
    return rule.no_effect if rule.smallest is None else rule.unit.doubled(rule.smallest)


def otherwise(claim: Claim) -> float | None:
    """Return the effect where the sentence is false: none; for a sentence of no effect, twice the end of its band (of
    a ratio its square). None of a number by itself."""
    rule = claim.rule
    if rule.asks == "number":
        return None
    if rule.asks == "effect":
        return rule.no_effect
    low, high = rule.band
    return rule.unit.doubled(low if isinf(high) else high)


def sampling(judgement: Judgement) -> Sampling | None:
    """Return how a judged effect varies, by its own runs; None where there is no interval, a bound of censored runs, or
    runs that all agree."""
    return judgement.claim.rule.sampling(judgement.evidence)


class Power:
    """The words of a claim at a scale, for `n` judging seeds.

    `spreads`: as of `Sampling`; one, two for Welch's interval, or none for a count.
    """

    def __init__(self, claim: Claim, scale: str, n: int, spreads: Sequence[float] = ()) -> None:
        self.claim, self.scale = claim.model_copy(update={"seeds": list(range(n))}), scale
        self._rates = self._of_counts(n) if claim.rule.unit is COUNT else self._of_means(Sampling(
            "welch" if len(spreads) > 1 else "paired", n, tuple(spreads)
        ))  # fmt: skip

    def words(self, effect: float) -> Rates:
        """Return how often each word is said, where the true effect is `effect` in the claim's own unit; they sum
        to 1."""
        return self._rates(log(effect) if self.claim.rule.unit.logarithmic else effect)

    def resolved(self, power: float = POWER) -> tuple[float, ...]:
        """Return the smallest effects that get a word with this power: one beyond `least`; of a sentence of no effect
        and of a number, one outside each end of the band. Empty where no effect does."""
        ends = ((_solve(self._detected, b, side, power, self._most), side) for b, side in _boundaries(self.claim))
        return tuple(exp(end) if self.claim.rule.unit.logarithmic else end for end, _ in ends if end is not None)

    @property
    def _most(self) -> float:
        return self.claim.rule.unit.most

    def _detected(self, effect: float) -> float:
        return detection_rate(self.claim, self._rates(effect))

    def _word(self, estimate: float, low: float, high: float) -> Word:
        """Return the word of this interval, by the cases that decide."""
        rule = self.claim.rule
        if self.claim.rule.unit.logarithmic:
            estimate, low, high = exp(estimate), exp(low), exp(high)
        n = len(self.claim.seeds)
        effect = Effect(rule.unit, estimate, low, high, rule.confidence, n, "supposed", {})
        device = getattr(rule, "on", None)
        evidence = Evidence(self.claim, self.scale, effect, (), 0, device=device)
        return first(rule.cases(self.scale), evidence)[0].word

    def _of_counts(self, n: int) -> Callable[[float], Rates]:
        rule = self.claim.rule
        ends = [exact_interval(successes, n, rule.confidence) for successes in range(n + 1)]
        words = [self._word(successes / n, *ends[successes]) for successes in range(n + 1)]

        def rates(share: float) -> Rates:
            below = np.concatenate([[0.0], special.bdtr(np.arange(n + 1), n, share)])
            return _summed(words, np.diff(below))

        return rates

    def _of_means(self, spread: Sampling) -> Callable[[float], Rates]:
        weights, halves = _halves(spread, self.claim.rule.confidence)
        bounds = _bounds(self.claim)
        edges = np.sort(np.concatenate([bounds - halves[:, None], bounds + halves[:, None]], axis=1), axis=1)
        outer = np.concatenate([edges[:, :1] - 1, edges, edges[:, -1:] + 1], axis=1)
        middles = (outer[:, 1:] + outer[:, :-1]) / 2  # [nodes, places between edges]
        known: dict[tuple[bool, ...], Word] = {}  # by where both ends of the interval lie
        words: list[Word] = []
        for half, places in zip(halves, middles, strict=True):
            for middle in places:
                low, high = middle - half, middle + half
                where = (*(low >= bounds), *(high >= bounds))
                if where not in known:
                    known[where] = self._word(float(middle), float(low), float(high))
                words.append(known[where])

        def rates(mean: float) -> Rates:
            below = special.ndtr((edges - mean) / spread.error)
            ends = np.ones((len(halves), 1))
            falls = np.diff(np.concatenate([0 * ends, below, ends], axis=1), axis=1)
            return _summed(words, (weights[:, None] * falls).ravel())

        return rates


def detection_rate(claim: Claim, rates: Rates) -> float:
    """Return how often the effect is told from what lies on the other side of the boundary: of a sentence of an effect,
    a word for it; of no effect, one against it; of a number, `differs`."""
    groups = [(GROUPS[word], rate) for word, rate in rates.items()]
    if claim.rule.asks == "effect":
        return sum(rate for group, rate in groups if group not in (*OPEN, *AGAINST))
    return sum(rate for group, rate in groups if group in (*AGAINST, "another size or number"))


def seeds_for(claim: Claim, scale: str, spreads: Sequence[float], effect: float) -> int | None:
    """Return how many judging seeds tell a true `effect` with a power of 80 %; None where 200 do not (assumed).

    `spreads`: as of `Power`.
    """
    rule = claim.rule
    fewest = max(2, rule.fewest[0], rule.seeds_below_paper if scale != "paper" else 0)
    ns = range(fewest, 201)
    at = bisect_left(ns, POWER, key=lambda n: detection_rate(claim, Power(claim, scale, n, spreads).words(effect)))
    return ns[at] if at < len(ns) else None


def left_open(rates: Rates) -> float:
    """Return how often the words leave the sentence open."""
    return sum(rate for word, rate in rates.items() if GROUPS[word] in OPEN)


def denied(rates: Rates) -> float:
    """Return how often the words are against the sentence."""
    return sum(rate for word, rate in rates.items() if GROUPS[word] in AGAINST)


def _summed(words: Sequence[Word], rates: np.ndarray) -> Rates:
    out: Rates = {}
    for word, rate in zip(words, rates.tolist(), strict=True):
        out[word] = out.get(word, 0.0) + rate
    return out


def _bounds(claim: Claim) -> np.ndarray:
    """Return `least` and the ends of the band, on the scale of the interval, the open ones left out."""
    rule = claim.rule
    bounds = {*rule.band, *([rule.smallest] if rule.smallest is not None else [])}
    if claim.rule.unit.logarithmic:
        bounds = {log(value) for value in bounds if 0 < value < inf}
    return np.array(sorted(value for value in bounds if not isinf(value)))


def _boundaries(claim: Claim) -> list[tuple[float, int]]:
    """Return the boundaries beyond which an effect is to be told, each with its side, on the scale of the interval."""
    rule = claim.rule
    if claim.rule.asks == "effect":
        assert rule.smallest is not None
        ends = [(rule.smallest, rule.side)]
    else:
        ends = [(rule.band[0], -1), (rule.band[1], 1)]
    if claim.rule.unit.logarithmic:
        return [(log(bound), side) for bound, side in ends if 0 < bound < inf]
    return [(bound, side) for bound, side in ends if not isinf(bound)]


@lru_cache
def _gauss(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes between 0 and 1 and weights that sum to 1."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return (places + 1) / 2, weights / 2


def _halves(spread: Sampling, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (weights, half widths of the interval) [nodes] over the distribution of the estimated deviations."""
    freedom, sure = spread.n - 1, (1 + confidence) / 2
    at, weights = _gauss(WELCH_NODES if spread.kind == "welch" else NODES)
    squares = 2 * special.gammaincinv(freedom / 2, at) / freedom / spread.n  # of the mean's error, for a spread of 1
    if spread.kind == "paired":
        return weights, special.stdtrit(freedom, sure) * spread.spreads[0] * np.sqrt(squares)
    a, b = (spread**2 * square for spread, square in zip(spread.spreads, np.meshgrid(squares, squares), strict=True))
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
