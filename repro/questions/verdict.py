"""Verdicts, grades and sentences: what the first case that holds says of the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from repro.questions.cases import JUDGING_SEEDS, Case, Word, first
from repro.questions.evidence import Evidence


@dataclass(frozen=True)
class Verdict:
    """`word`: that of the first case that holds; `grade` A to D, or None where nothing is judged; `sentence`: the
    finding with its numbers; `why`: what decided the word, or what is missing."""

    word: Word
    grade: str | None
    sentence: str
    why: str


def grade(scale: str, seeds: int) -> str | None:
    """Return how much the evidence weighs: A paper scale with five judging seeds, B paper scale, C medium, D small."""
    if scale == "paper":
        return "A" if seeds >= JUDGING_SEEDS else "B"
    return {"medium": "C", "small": "D"}.get(scale)


UNJUDGED: tuple[Word, ...] = ("error", "not run", "not comparable")


def verdict(evidence: Evidence) -> Verdict:
    """Return the verdict on a claim: the first of its cases that holds."""
    case, why = first(evidence.claim.rule.cases(evidence.scale), evidence)
    weight = None if case.word in UNJUDGED else grade(evidence.scale, evidence.n)
    return Verdict(case.word, weight, _sentence(case, evidence), why)


def _sentence(case: Case, e: Evidence) -> str:
    """Return the finding with its numbers."""
    if case.word == "error":
        sentence = "Could not measure."
    elif case.word == "not run" and e.to_do:
        sentence = "Not run yet."
    else:
        sentence = e.claim.rule.sentence(e)
    return sentence if e.device is None else f"{sentence} On {e.device}."
