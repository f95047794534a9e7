"""What the paper leaves open: our choices, the verdict under each alternative, and which of them decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repro.claim.files import ClaimFile
from repro.pages import prose, settings
from repro.pages.results import AtScale
from repro.pages.view import MARKS
from repro.questions.cases import AGAINST, GROUPS
from repro.questions.exhibit import Exhibit
from repro.questions.judge import Judgement, complete
from repro.questions.units import listed


@dataclass(frozen=True)
class Choice:
    """One alternative to an assumption, judged: by the page's own runs or by the reference runs."""

    name: str
    shelf: str
    rates: str
    effect: str
    word: str
    mark: str
    change: str  # what it does to the verdict


@dataclass(frozen=True)
class Alternative:
    """Another choice: what it is called, what it sets, and where it has no verdict, why."""

    name: str
    label: str
    sets: str
    unjudged: str


@dataclass(frozen=True)
class Open:
    """Something that the paper leaves open: our choice, the alternatives and their verdicts."""

    what: str
    ours: str
    alternatives: tuple[Alternative, ...]
    choices: tuple[Choice, ...]


def assumptions(exhibit: Exhibit, reference: AtScale | None) -> list[Open]:
    """Return every assumption of the claim, in its order, with the alternatives and their verdicts.

    `reference`: the verdict of the reference runs, where these are not the page's own.
    """
    claim, judgement = exhibit.file.claim, exhibit.judgement
    judged = [(str(part.comparison), part) for part in judgement.comparisons]
    judged += [(str(other.alternative), other) for other in exhibit.alternatives]
    choices = [_choice(exhibit, part, name) for name, part in judged]
    choices += [
        Choice(part.name, "reference", "", part.found, part.word, MARKS[part.word], part.change)
        for part in (reference.comparisons if reference else ())
    ]
    return [
        Open(
            assumption.what,
            assumption.ours,
            tuple(
                Alternative(name, other.label, settings.in_words(other.overrides, claim), _unjudged(exhibit, name))
                for name, other in assumption.alternatives.items()
            ),
            tuple(choice for choice in choices if choice.name in assumption.alternatives),
        )
        for assumption in claim.assumptions
    ]


def _unjudged(exhibit: Exhibit, name: str) -> str:
    """Return why an alternative has no verdict at the scale of the page."""
    file = exhibit.file
    at: list[str] = [
        scale for scale in file.claim.scales if name in file.alternatives_at(scale) or name in file.compared(scale)
    ]
    if not at or exhibit.scale in at:
        return "not run yet"
    return f"planned at {listed(at)} scale only; not run"


def _choice(exhibit: Exhibit, judgement: Judgement, name: str) -> Choice:
    verdict, label = judgement.verdict, judgement.claim.label
    chosen = {label(arm.name): f"{arm.rate:g}" for arm in judgement.arms.values() if arm.rate is not None}
    rates = ", ".join(f"{rate} with {name}" for name, rate in chosen.items())
    if len(chosen) == len(judgement.arms) and len(set(chosen.values())) == 1:
        rates = next(iter(chosen.values())) + " in all arms" * (len(chosen) > 1)
    mark, effect = MARKS[verdict.word], judgement.estimate_words
    return Choice(name, exhibit.shelf, rates, effect, verdict.word, mark, change(exhibit, judgement, name))


def change(exhibit: Exhibit, judgement: Judgement, name: str) -> str:
    """Return what one alternative does to the verdict, in words."""
    base, verdict = exhibit.judgement, judgement.verdict
    if judgement in base.comparisons:
        return "judged together with our choice; the weakest decides"
    if not complete(judgement):
        return f"not known yet: {verdict.why}"
    if asks_otherwise(exhibit.file, name):
        return "answers another question, with a band of its own, and does not affect the verdict"
    if decides(base, judgement):
        return f"changes the verdict: “{verdict.word}” instead of “{base.verdict.word}”"
    if base.effect and judgement.effect and _apart(base, judgement):
        return "same verdict, another size: the two intervals do not overlap"
    return "same verdict; the two intervals overlap"


def asks_otherwise(file: ClaimFile, name: str) -> bool:
    """Return whether an alternative compares other arms and has a band of its own: it asks another question."""
    return {"rule.of", "rule.within"} <= file.claim.alternatives[name].overrides.keys()


def decides(base: Judgement, other: Judgement) -> bool:
    """Return whether an alternative's verdict is another word or another direction.

    Of two effects that are too small for the sentence the direction says nothing.
    """
    same = other.verdict.word == base.verdict.word
    if base.verdict.word == "not comparable" or (same and GROUPS[base.verdict.word] in AGAINST):
        return False
    return other.verdict.word != base.verdict.word or prose.direction(other) != prose.direction(base)


def _apart(base: Judgement, other: Judgement) -> bool:
    assert base.effect is not None
    assert other.effect is not None
    return base.effect.high < other.effect.low or other.effect.high < base.effect.low


def judged_alternatives(file: ClaimFile, base: Judgement, others: Sequence[Judgement]) -> list[Judgement]:
    """Return the alternatives that were judged and ask the claim's own question; empty where `base` is not judged."""
    if not complete(base) or base.scale == "smoke":
        return []
    own = (other for other in others if not asks_otherwise(file, str(other.alternative)))
    return [judgement for judgement in own if complete(judgement)]


def _judged(exhibit: Exhibit) -> list[Judgement]:
    return judged_alternatives(exhibit.file, exhibit.judgement, exhibit.alternatives)


def turning(exhibit: Exhibit) -> str:
    """Return the sentence on the assumptions that the verdict depends on; empty where it depends on none."""
    whats = {name: a.what for a in exhibit.file.claim.assumptions for name in a.alternatives}
    under: dict[str, list[str]] = {}
    for judgement in _judged(exhibit):
        if decides(exhibit.judgement, judgement):
            words = under.setdefault(whats[str(judgement.alternative)], [])
            words.append(f"with {judgement.label}: {judgement.verdict.word}")
    named = [f"{what} ({'; '.join(words)})" for what, words in under.items()]
    return f"The verdict depends on something that the paper leaves open: {listed(named)}." if named else ""


def deciding(exhibit: Exhibit, reference: AtScale | None) -> str:
    """Return which assumption decides, which only moves the size, or that none has been judged.

    `reference`: the verdict of the reference runs, which answers where the page's own runs judged no alternative.
    """
    claim, base = exhibit.file.claim, exhibit.judgement
    if not claim.alternatives:
        return f"The claim names no {'alternative to these choices' if claim.assumptions else 'open choice'}."
    judged = _judged(exhibit)
    left = {*exhibit.file.alternatives_at(exhibit.scale)} - {judgement.alternative for judgement in judged}
    labels = [other.label for name, other in claim.alternatives.items() if name in left]
    rest = f"; not judged here: {listed(labels)}" if judged and labels else ""
    unchanged = f"No alternative that was judged at {exhibit.scale} scale changes the verdict{rest}."
    if not judged and reference and any(part.role == "alternative" and part.complete for part in reference.comparisons):
        return reference.depends or unchanged
    if not judged:
        return (
            "No alternative has been judged yet, so it is not known whether the verdict depends on one of these "
            "choices."
        )
    text = turning(exhibit) or unchanged
    moved = [_moved(base, j) for j in judged if base.effect and j.effect and _apart(base, j)]
    return " ".join([text, *moved])


def _moved(base: Judgement, other: Judgement) -> str:
    """Return the effect under an alternative, in a sentence; that of another measure is not set against ours."""
    size = _size(other)
    if other.claim.measure.name() != base.claim.measure.name():
        return f"Measured as the {other.claim.measure.name()}, the effect is {size}."
    return f"With {other.label} the effect is {size}, with our choice {_size(base)}."


def _size(judgement: Judgement) -> str:
    """Return an effect with its unit."""
    effect = judgement.effect
    assert effect is not None
    return judgement.estimate_words if effect.estimate is None else effect.unit.short(effect.estimate)
