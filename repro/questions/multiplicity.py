"""Many claims: the one-sided p of every interval that decided a word, against the boundary that decided, and Holm's
adjustment over all intervals, those that left a claim open among them.

One in twenty 95 % intervals misses by chance, and which of them would decide was not known beforehand. A word that says
more than one thing (inside both ends of the band) takes the largest p of them, as all have to hold (Berger 1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from repro.questions.cases import AGAINST, GROUPS, OPEN, Word
from repro.questions.evidence import Evidence
from repro.questions.judge import Judgement
from repro.questions.units import COUNT, Unit

Boundary = tuple[float, int]  # a bound of the effect, and the side on which the effect was found: 1 above, -1 below
LEVEL = 0.05


@dataclass(frozen=True)
class Decided:
    """A word that an interval decided. `p`: one-sided, of an effect on the other side of `bound`; of a curve told apart
    (`side` 0) that of its rank. `adjusted`: by Holm, over all intervals of the index."""

    claim: str
    word: Word
    bound: float
    side: int
    unit: Unit
    p: float
    adjusted: float = 1.0

    @property
    def remains(self) -> bool:
        """Whether the word would still be said at 5 % over all intervals."""
        return self.adjusted <= LEVEL


def holm(ps: Sequence[float], many: int) -> list[float]:
    """Return Holm's adjusted p values, in the order given (Holm 1979): the k-th smallest of m times m - k + 1, never
    below the one before, at most 1. `many`: m, with those whose p is larger than all of these and not given."""
    out, before = [1.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        before = max(before, min(1.0, (many - rank) * ps[i]))
        out[i] = before
    return out


def adjusted(judgements: Sequence[Judgement]) -> list[Decided]:
    """Return the decided words of these judgements, one a claim, with p adjusted over them; smallest p first."""
    decisions = [one for judgement in judgements if (one := decided(judgement)) is not None]
    values = holm([one.p for one in decisions], intervals(judgements))
    out = [Decided(o.claim, o.word, o.bound, o.side, o.unit, o.p, p) for o, p in zip(decisions, values, strict=True)]
    return sorted(out, key=lambda one: (one.p, one.claim))


def intervals(judgements: Sequence[Judgement]) -> int:
    """Return in how many of these judgements an interval was asked to decide, whether it did or left the claim open."""
    return sum(
        decided(judgement) is not None
        or (GROUPS[judgement.verdict.word] in OPEN and any(part.evidence.interval for part in judgement.parts))
        for judgement in judgements
    )


def decided(judgement: Judgement) -> Decided | None:
    """Return the word that an interval decided and its p; None where none did.

    Of several comparisons judged together: for the sentence the largest p, as all have to hold; against it that of the
    one that decides, times their number.
    """
    decisions = [_of_one(part, judgement.verdict.word) for part in judgement.parts]
    there = [one for one in decisions if one is not None]
    if not there or (len(there) < len(decisions) and GROUPS[judgement.verdict.word] not in AGAINST):
        return None
    if GROUPS[judgement.verdict.word] not in AGAINST:
        return max(there, key=lambda one: one.p)
    least = min(there, key=lambda one: one.p)
    p = min(1.0, len(decisions) * least.p)
    return Decided(least.claim, least.word, least.bound, least.side, least.unit, p)


def _of_one(part: Judgement, word: Word) -> Decided | None:
    evidence = part.evidence
    if evidence.interval is None:
        return None
    if GROUPS[part.verdict.word] in AGAINST or GROUPS[word] not in AGAINST:
        word = part.verdict.word
    bounds = _boundaries(evidence, word)
    if not bounds:
        return None
    unit = part.claim.rule.unit
    if evidence.trace is not None and word == "differs":
        return Decided(part.claim.id, word, 0.0, 0, unit, evidence.trace.p)
    p, (bound, side) = max((part.claim.rule.one_sided_p(evidence, *boundary), boundary) for boundary in bounds)
    return Decided(part.claim.id, word, bound, side, unit, p)


def _boundaries(e: Evidence, word: Word) -> list[Boundary]:
    """Return what has to hold of the effect for this word; nothing of one that no interval decides."""
    (low, high), group = e.band, GROUPS[word]
    inside = [(low, 1), (high, -1)]
    assert e.interval is not None
    outside = [(high, 1)] if e.interval[0] > high else [(low, -1)]
    if group in (*OPEN, "not run", "not judged here"):
        return []
    if e.claim.rule.asks == "effect" and word != "reproduced":
        short = group in AGAINST
        bounds = [(e.least, -e.side if short else e.side)]
        bounds += outside if word == "differs" else []
    else:
        bounds = inside if group in ("holds", "agrees below paper scale") else outside
    # open ends, and of a share those that it cannot pass, are none
    unit = e.claim.rule.unit
    ends = (0.0, 1.0) if unit is COUNT else (0.0,) if unit.logarithmic else ()
    return [(bound, side) for bound, side in bounds if abs(bound) < inf and bound not in ends]
