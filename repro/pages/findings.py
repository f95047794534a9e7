"""Verdicts that another choice turns: the paper leaves something open, and its alternative gives another word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from repro.pages.assumptions import decides, judged_alternatives
from repro.questions.exhibit import Exhibit
from repro.questions.judge import judge
from repro.questions.trial import Trials
from repro.questions.units import capital, listed


@dataclass(frozen=True)
class Finding:
    """A verdict that turns on something the paper leaves open, in sentences. `scale`: where it does. `turn` begins with
    a small letter, so that a sentence may lead to it."""

    id: str
    scale: str
    result: str
    turn: str
    nobody: str


def findings(exhibits: Iterable[Exhibit], trials: Trials) -> dict[str, Finding]:
    """Return the verdicts that another choice turns into another word, by claim, the best founded first."""
    turned = [
        (exhibit.judgement.verdict.grade or "Z", not each.nobody, each)
        for exhibit in exhibits
        if (each := _finding(exhibit, trials))
    ]
    return {each.id: each for *_, each in sorted(turned, key=lambda row: (*row[:2], row[2].id))}


def _finding(exhibit: Exhibit, trials: Trials) -> Finding | None:
    """Return what another choice does to a claim at the highest scale where it changes the word."""
    file = exhibit.file
    whats = {name: assumption.what for assumption in file.claim.assumptions for name in assumption.alternatives}
    for scale, base in exhibit.scales.items():
        if scale == "smoke" or not base.run_ids:
            continue
        others = exhibit.alternatives if scale == exhibit.scale else ()
        others = others or tuple(judge(file, scale, trials, name) for name in file.alternatives_at(scale))
        turned = [
            other
            for other in judged_alternatives(file, base, others)
            if decides(base, other) and other.verdict.word != base.verdict.word
        ]
        if not turned:
            continue
        named = [str(other.alternative) for other in turned]
        texts = [f"{other.estimate_words} with another ({other.label}): {other.verdict.word}" for other in turned]
        result, nobody = exhibit.judgement, file.claim.paper.nobody
        open_ = listed(list(dict.fromkeys(whats[name] for name in named)))
        at = "" if result.verdict.word.endswith(" scale") else f" at {result.scale} scale"
        return Finding(
            file.id,
            scale,
            f"{capital(result.verdict.word)}{at}: {result.estimate_words}.",
            f"the paper leaves the {open_} open, and the effect turns on it: at {scale} scale it is "
            f"{base.estimate_words} with our choice and {listed(texts)}.",
            f"Nobody, as far as we found, {nobody.has}." if nobody else "",
        )
    return None
