"""The index's section on many claims: the words that intervals decided, and which remain when taken together."""

from __future__ import annotations

from collections.abc import Sequence

from repro.draw.parts import Grid, Section
from repro.questions.judge import Judgement
from repro.questions.multiplicity import LEVEL, Decided, adjusted, intervals
from repro.questions.units import listed


def section(judgements: Sequence[Judgement]) -> Section | None:
    """Return the section of these judgements, one a claim; None where no interval decided a word."""
    decided = adjusted(judgements)
    if not decided:
        return None
    many = intervals(judgements)
    lost = [one.claim for one in decided if not one.remains]
    left = f"All of them stay below {LEVEL:g}." if not lost else f"All stay below {LEVEL:g} except {listed(lost)}."
    text = (
        f"{_counted(many, 'interval')} stood before a decision here, and {_counted(len(decided), 'verdict')} came of "
        f"them. A 95 % interval misses the true value in 5 % of cases, so about {LEVEL * many:.2g} of them may. The "
        "table has the one-sided p of each verdict against the boundary that decided it, and p adjusted by Holm’s "
        f"method over all {many} intervals. Keeping only the verdicts whose adjusted p is {LEVEL:g} or less keeps the "
        f"chance of any wrong one among them at 5 % or less. {left}"
    )
    rows = tuple((one.claim, one.word, _boundary(one), _p(one.p), _p(one.adjusted)) for one in decided)
    head = ("claim", "verdict", "boundary", "one-sided p", "adjusted p (Holm)")
    note = (
        "Alternatives, counted facts and undecided verdicts are not listed. For an interval inside a band both ends "
        "must hold, and the larger p is given."
    )
    grid = Grid("Verdicts that an interval decided, in order of p", head, rows, numbers=frozenset({3, 4}), note=note)
    return Section("many", "Many claims", (text,), (grid,))


def _counted(many: int, what: str) -> str:
    return f"{many} {what}{'s' * (many != 1)}"


def _boundary(one: Decided) -> str:
    if not one.side:
        return "the author’s rank among our curves"
    return f"{'above' if one.side > 0 else 'below'} {one.unit.size(one.bound)}"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else "< 0.0001"
