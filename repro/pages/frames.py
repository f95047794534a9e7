"""The results of a shelf and the answers of fine-tuned nets as data frames; `repro.columns` documents the columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from repro.columns import ANSWERS, RESULTS
from repro.frames import frame
from repro.pages.answers import Answers
from repro.pages.results import AtScale, ClaimResult, Comparison, Results

if TYPE_CHECKING:
    import pandas as pd


def results(of_shelf: Results) -> pd.DataFrame:
    """Return a row for each claim, scale and comparison (`repro.columns.RESULTS`), in the order of the results."""
    return frame(RESULTS, _results(of_shelf))


def answers(by_net: Mapping[str, Answers], photos: Sequence[str] | None) -> pd.DataFrame:
    """Return a row for each photo and each net that has answers (`repro.columns.ANSWERS`); photos without names are
    numbered."""
    return frame(ANSWERS, _answers(by_net, photos))


def _results(of_shelf: Results) -> Iterator[tuple[object, ...]]:
    for claim in of_shelf.claims:
        for at in claim.scales:
            comparisons: list[Comparison | None] = [*at.comparisons] or [None]
            for one in comparisons:
                yield of_shelf.shelf, *_comparison(claim, at, one), (one or at).sentence, at.runs, at.to_do


def _comparison(claim: ClaimResult, at: AtScale, comparison: Comparison | None) -> tuple[object, ...]:
    """Return a row from the claim to what others measured."""
    about = claim.id, claim.version, claim.section, at.scale, at.scale == claim.shown
    others = "; ".join(f"{other.who}: {other.value}" for other in claim.others)
    if comparison is None:
        numbers = (None,) * 11
        return *about, "", "", at.word, at.grade, claim.unit, *numbers, claim.paper, others
    effect = comparison.effect
    kind = effect.kind if effect else claim.unit
    interval: tuple[object, ...] = (None,) * 6
    if effect:
        interval = effect.estimate, effect.low, effect.high, effect.confidence, effect.n, effect.p
    measured = [number for other in claim.others for number in other.numbers] if kind == claim.unit else []
    between = (min(measured), max(measured)) if measured else (None, None)
    return (
        *about, comparison.name, comparison.role, comparison.word, comparison.grade, kind, *interval, comparison.number,
        *comparison.band, *between, claim.paper, others,
    )  # fmt: skip


def _answers(by_net: Mapping[str, Answers], photos: Sequence[str] | None) -> Iterator[tuple[object, ...]]:
    for row in range(max((len(given.said) for given in by_net.values()), default=0)):
        photo = photos[row] if photos else str(row)
        for net, given in by_net.items():
            own, answer = given.classes[given.labels[row]], given.classes[given.said[row]]
            yield photo, own, net, answer, float(given.sure[row]), float(given.own[row])
