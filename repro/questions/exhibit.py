"""An exhibit: one claim judged on one shelf, as a page shows it, and how its effect is drawn."""

from __future__ import annotations

from dataclasses import dataclass

from repro.claim.files import ClaimFile
from repro.draw.axes import Axis, Row
from repro.questions.judge import Judgement, complete
from repro.store import Table


@dataclass(frozen=True)
class Exhibit:
    """One claim on one shelf: every scale judged, and the judgement that is shown."""

    shelf: str
    file: ClaimFile
    table: Table
    judgement: Judgement
    alternatives: tuple[Judgement, ...]  # those of the shown scale, in the claim's order
    scales: dict[str, Judgement]  # the base at every scale of the claim, from the highest

    @property
    def scale(self) -> str:
        """The scale that is shown."""
        return self.judgement.scale

    @property
    def complete(self) -> bool:
        """Whether the shown scale is judged."""
        return complete(self.judgement)

    @property
    def measured(self) -> bool:
        """Whether there is evidence to show: a verdict, or what failed."""
        return self.complete or self.judgement.verdict.word == "error"

    @property
    def speaks(self) -> bool:
        """Whether it says something of the sentence: complete, and more than the machinery."""
        return self.complete and self.scale != "smoke"


def axis(exhibit: Exhibit, of_one: bool = True) -> Axis:
    """Return how this claim's effect is drawn; `of_one`: every row compares the same arms, named in the title."""
    claim = exhibit.judgement.claim
    return claim.rule.axis(claim, of_one)


def row(judgement: Judgement, label: str = "") -> Row | None:
    """Return the effect, or the offset of a printed curve, as it is drawn; None where there is none."""
    value = judgement.estimate_words if label else ""
    if (effect := judgement.effect) is not None:
        by = effect.unit.drawn_by
        estimate = None if effect.estimate is None else by * effect.estimate
        seeds = {seed: by * value for seed, value in effect.per_seed.items()}
        return Row(estimate, by * effect.low, by * effect.high, seeds, label, value)
    if (test := judgement.trace) is not None:
        offsets = {seed: 100 * offset for seed, offset in test.offsets.items()}
        return Row(100 * test.offset, 100 * test.low, 100 * test.high, offsets, label, value)
    return None


def interval_words(exhibit: Exhibit) -> str:
    """Return the text alternative of the interval's drawing."""
    return exhibit.judgement.claim.rule.interval_words(exhibit.judgement.evidence)
