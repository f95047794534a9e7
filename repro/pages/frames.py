"""The results of a shelf and the answers of fine-tuned nets as data frames; `repro.columns` documents the columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro.columns import ANSWERS, RESULTS
from repro.frames import frame
from repro.pages.answers import FineTuning
from repro.pages.results import AtScale, ClaimResult, Comparison, Results

if TYPE_CHECKING:
    import pandas as pd


def results(of_shelf: Results) -> pd.DataFrame:
    """Return a row for each claim, scale and comparison (`repro.columns.RESULTS`), in the order of the results."""
    return frame(RESULTS, _results(of_shelf))


def answers(tuning: FineTuning) -> pd.DataFrame:
    """Return a row for each test photo and each net that has answers (`repro.columns.ANSWERS`)."""
    return frame(ANSWERS, _answers(tuning))


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


def _answers(tuning: FineTuning) -> Iterator[tuple[object, ...]]:
    for row, label in enumerate(tuning.labels.tolist()):
        photo = tuning.names[row] if tuning.names else str(row)
        for net in (net for net in tuning.tried if net.answers):
            answer, sure, own = (net.answers[name][row] for name in ("said", "sure", "own"))
            yield photo, tuning.classes[label], net.name, tuning.classes[answer], float(sure), float(own)
