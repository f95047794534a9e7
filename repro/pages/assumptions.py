"""What the paper leaves open: our choices, the verdict under each alternative, and which of them decides."""

from __future__ import annotations

from dataclasses import dataclass

from repro.claim.files import ClaimFile
from repro.pages import prose, settings
from repro.pages.results import AtScale
from repro.pages.view import MARKS
from repro.questions.exhibit import Exhibit
from repro.questions.judge import Judgement, complete
from repro.questions.units import listed, times


@dataclass(frozen=True)
class Choice:
    """One alternative to an assumption on one shelf, judged."""

    name: str
    shelf: str
    rates: str
    found: str
    word: str
    mark: str
    effect: str  # what it does to the verdict


@dataclass(frozen=True)
class Alternative:
    """Another choice: what it sets, and where it has no verdict, why."""

    name: str
    sets: str
    unjudged: str


@dataclass(frozen=True)
class Open:
    """Something that the paper leaves open: our choice, the alternatives and their verdicts."""

    what: str
    ours: str
    alternatives: tuple[Alternative, ...]
    choices: tuple[Choice, ...]


def assumptions(file: ClaimFile, found: list[Exhibit], reference: AtScale | None) -> list[Open]:
    """Every assumption of the claim, in its order; `reference`: the results of the reference runs, where these are not
    the shelf of the page."""
    out = []
    for assumption in file.claim.assumptions:
        choices = [
            _choice(shown, judgement, str(name))
            for shown in found
            for name, judgement in [
                *((part.comparison, part) for part in shown.judgement.comparisons),
                *((judgement.alternative, judgement) for judgement in shown.alternatives),
            ]
            if name in assumption.alternatives
        ]
        choices += [
            Choice(part.name, "reference", "", part.found, part.word, MARKS[part.word], part.change)
            for part in (reference.comparisons if reference else ())
            if part.name in assumption.alternatives
        ]
        named = tuple(
            Alternative(name, settings.told(over, file.claim), _unjudged(file, name, found))
            for name, over in assumption.alternatives.items()
        )
        out.append(Open(assumption.what, assumption.ours, named, tuple(choices)))
    return out


def _unjudged(file: ClaimFile, name: str, found: list[Exhibit]) -> str:
    """Why an alternative has no verdict at the scales that are shown."""
    at: list[str] = [
        scale for scale in file.claim.scales if name in file.alternatives_at(scale) or name in file.compared(scale)
    ]
    if not at or any(shown.scale in at for shown in found):
        return "not run yet"
    return f"planned at {listed(at)} scale only; not run"


def _choice(shown: Exhibit, judgement: Judgement, name: str) -> Choice:
    verdict, label = judgement.verdict, judgement.claim.label
    chosen = {label(arm.name): f"{arm.rate:g}" for arm in judgement.arms.values() if arm.rate is not None}
    rates = ", ".join(f"{rate} with {name}" for name, rate in chosen.items())
    if len(chosen) == len(judgement.arms) and len(set(chosen.values())) == 1:
        rates = next(iter(chosen.values())) + " in all arms" * (len(chosen) > 1)
    effect = change(shown, judgement, name)
    return Choice(name, shown.shelf, rates, judgement.estimate_words, verdict.word, MARKS[verdict.word], effect)


def change(shown: Exhibit, judgement: Judgement, name: str) -> str:
    """Return what one alternative does to the verdict, in words."""
    base, verdict = shown.judgement, judgement.verdict
    if judgement in base.comparisons:
        return "judged together with our choice; the weakest decides"
    if not complete(judgement):
        return f"not known yet: {verdict.why}"
    if asks_otherwise(shown.file, name):
        return "answers another question, with a band of its own, and does not affect the verdict"
    if decides(base, judgement):
        return f"changes the verdict: “{verdict.word}” instead of “{base.verdict.word}”"
    if base.effect and judgement.effect and _apart(base, judgement):
        return "same verdict, another size: the two intervals do not overlap"
    return "same verdict; the two intervals overlap"


def asks_otherwise(file: ClaimFile, name: str) -> bool:
    """Whether an alternative compares other arms and has a band of its own: a question beside the sentence."""
    return {"rule.of", "rule.within"} <= file.claim.alternatives[name].keys()


def decides(base: Judgement, other: Judgement) -> bool:
    """Whether an alternative's verdict is another word or another direction."""
    if base.verdict.word == "not comparable":
        return False
    return other.verdict.word != base.verdict.word or prose.direction(other) != prose.direction(base)


def _apart(base: Judgement, other: Judgement) -> bool:
    assert base.effect is not None
    assert other.effect is not None
    return base.effect.high < other.effect.low or other.effect.high < base.effect.low


def _judged(found: list[Exhibit]) -> list[tuple[Exhibit, Judgement]]:
    return [
        (shown, judgement)
        for shown in found
        if shown.speaks
        for judgement in shown.alternatives
        if complete(judgement) and not asks_otherwise(shown.file, str(judgement.alternative))
    ]


def turning(file: ClaimFile, found: list[Exhibit]) -> str:
    """The sentence on the assumptions that the verdict depends on; empty where it depends on none."""
    judged = _judged(found)
    whats = {name: a.what for a in file.claim.assumptions for name in a.alternatives}
    many = len({shown.shelf for shown, _ in judged}) > 1
    under: dict[str, list[str]] = {}
    for shown, judgement in judged:
        if decides(shown.judgement, judgement):
            where = f", {shown.shelf}" if many else ""
            words = under.setdefault(whats[str(judgement.alternative)], [])
            words.append(f"“{judgement.alternative}”{where}: {judgement.verdict.word}")
    named = [f"{what} (under {'; '.join(words)})" for what, words in under.items()]
    return f"The verdict depends on something that the paper leaves open: {listed(named)}." if named else ""


def deciding(file: ClaimFile, found: list[Exhibit], reference: AtScale | None) -> str:
    """Which assumption decides, which only moves the size, or that none has been judged; where the page's own shelf
    judged none, that of the `reference` runs."""
    judged = _judged(found)
    if not file.claim.alternatives:
        return (
            "The claim names no alternative to these choices."
            if file.claim.assumptions
            else "The claim names no open choice."
        )
    unchanged = "No alternative that was judged changes the verdict."
    if not judged and reference and any(part.role == "alternative" and part.complete for part in reference.comparisons):
        return reference.depends or unchanged
    if not judged:
        return (
            "No alternative has been judged yet, so it is not known whether the verdict depends on one of these "
            "choices."
        )
    text = turning(file, found) or unchanged
    moved = [
        f"from {_size(s.judgement)} to {_size(j)} under “{j.alternative}”"
        for s, j in judged
        if s.judgement.effect and j.effect and _apart(s.judgement, j)
    ]
    return f"{text} The effect moves {listed(list(dict.fromkeys(moved)))}." if moved else text


def _size(judgement: Judgement) -> str:
    effect = judgement.effect
    assert effect is not None
    return times(effect.estimate) if effect.estimate is not None else judgement.estimate_words
