"""The page of a claim: the verdict, its evidence, what is assumed and done otherwise, the rule, and how to run it."""

from __future__ import annotations

from typing import Any

from repro.claim.files import ClaimFile
from repro.claim.model import Revision
from repro.draw import charts
from repro.draw.parts import Figure
from repro.pages import coverage, power, prose, records, settings
from repro.pages.assumptions import asks_otherwise, assumptions, deciding, turning
from repro.pages.evidence import sections
from repro.pages.results import ClaimResult, Results
from repro.pages.view import MARKS, TITLES, box, command, next_scale, reference_box
from repro.questions.cases import WORST
from repro.questions.coverage import Missing
from repro.questions.exhibit import Exhibit, axis, row
from repro.questions.judge import Judgement
from repro.questions.sections import effect
from repro.questions.units import listed


def page(
    file: ClaimFile, every: dict[str, list[Exhibit]], missing: dict[str, Missing], reference: Results | None, link: str
) -> dict[str, Any]:
    """Everything that templates/claim.html prints; `every`: all claims on their shelf, by id; `missing`: by scale;
    `reference`: the results of the reference runs, next to runs of the user's own; `link`: the page of these runs, or
    nothing where it is not there."""
    found = every[file.id]
    theirs = reference.of(file) if reference else None
    spoken = theirs.speaking if theirs else None
    own = [shown for shown in found if shown.measured or shown.judgement.run_ids or spoken is None]
    # the evidence that speaks stands first; of equals, the reader's own
    ordered = sorted((s for s in found if s.measured), key=lambda shown: not shown.speaks)
    parts = [{"shelf": s.shelf, "title": TITLES.get(s.shelf, s.shelf), "sections": sections(s)} for s in ordered]
    main = ordered[0] if ordered else found[-1]
    others = records.others(file, every, reference)
    told = power.section(main, theirs.at(main.scale) if theirs else None)
    fixed: list[tuple[str, str, list[tuple[str, str]]]] = [
        *([("What others measured", "others", [])] if others else []),
        ("What the paper leaves open", "assumptions", []),
        ("What we do differently", "deviations", []),
        ("How it is judged", "rule", []),
        *([(told.title, "power", [])] if told else []),
        ("Run it yourself", "again", []),
        ("Where this comes from", "origins", []),
    ]
    contents: list[tuple[str, str, list[tuple[str, str]]]] = []
    for part in parts:
        inner = [(section.title, section.id) for section in part["sections"]]  # type: ignore[attr-defined]
        contents += [(part["title"], part["shelf"], inner)] if len(parts) > 1 else [(t, h, []) for t, h in inner]  # type: ignore[list-item]
    return {
        "id": file.id,
        "version": file.claim.version,
        "section_name": prose.section(file),
        "on_trial": prose.on_trial([file.paper]),
        "says_label": "The sentence on trial" if file.claim.paper.source else "The paper says",
        "says": file.claim.paper.says,
        "question": file.claim.question,
        "paper": file.claim.rule.stated(),
        "boxes": [*(box(shown, spoken) for shown in own), *([reference_box(file, spoken, link)] if spoken else [])],
        "needs": {"reference": []} | {shown.shelf: _needs(shown, missing) for shown in own},
        "hinges": {"reference": spoken.depends if spoken else ""} | {s.shelf: turning(file, [s]) for s in own},
        "effects": _effects(found),
        "record": records.on_record(file, every, reference),
        "others": others,
        "parts": parts,
        "contents": contents + fixed,
        "assumptions": assumptions(file, found, spoken),
        "deciding": deciding(file, found, spoken),
        "forest": _forest(found),
        "deviations": file.claim.deviations,
        "at_scale": settings.at_scale(file, main.scale),
        "arms": settings.arms(main.judgement.claim),
        "method": [*_method(main.judgement), *_together(main.judgement)],
        "rule_scale": main.scale,
        "conditions": prose.conditions(main.judgement),
        "marks": MARKS,
        "told": told,
        "could_not": {"reference": spoken.could_not if spoken else ""}
        | {shown.shelf: power.box(shown.judgement) for shown in own},
        "history": [_revision(revision) for revision in file.claim.history],
        "scales": [_scale(file, scale, found, missing.get(scale), theirs) for scale in file.claim.scales],
    }


def _effects(found: list[Exhibit]) -> Figure | None:
    """The ratio on every shelf that says something of the sentence."""
    speaking = [shown for shown in found if shown.speaks]
    whose = f", {TITLES[speaking[0].shelf].lower()}," if len(found) > 1 and len(speaking) == 1 else ""
    return effect("effect", speaking, whose)


def _forest(found: list[Exhibit]) -> Figure | None:
    """All choices in one drawing: ours and each alternative, on every shelf that says something."""
    rows, words, pairs = [], [], set()
    for shown in (s for s in found if s.speaks):
        beside = [j for j in shown.alternatives if not asks_otherwise(shown.file, str(j.alternative))]
        for judgement in (*shown.judgement.parts, *beside):
            name = judgement.alternative or judgement.name  # of an alternative's own several, the weakest
            if (drawn := row(judgement, name if len(found) == 1 else f"{name}, {shown.shelf}")) is not None:
                rows.append(drawn)
                pairs.add(tuple(judgement.claim.rule.compared(judgement.claim)))
                words.append(f"{drawn.label}: {judgement.estimate_words}")
    if len(rows) < 2:
        return None
    drawn_on = axis(found[0], of_one=len(pairs) == 1)
    drawing = charts.interval("choices", "The effect under each choice", f"{'; '.join(words)}.", drawn_on, rows)
    again = any(prose.tuned(judgement.claim) for shown in found for judgement in shown.alternatives)
    note = f"Each alternative changes one of our choices{'; its learning rates are tuned again' * again}."
    for judgement in (shown.judgement for shown in found if shown.speaks and shown.judgement.comparisons):
        judged = listed([part.name for part in judgement.comparisons])
        note += f" {judged} are judged together; the weakest, {judgement.name}, decides."
    return Figure(drawing, "The effect under each choice.", note)


def _method(judgement: Judgement) -> list[str]:
    """How the effect was measured, in sentences, each number the claim's own."""
    claim = judgement.claim
    return [claim.measure.measured(claim), *claim.rule.method(claim, judgement.scale)]


def _together(judgement: Judgement) -> list[str]:
    """How several comparisons are judged as one, in a paragraph; nothing where there is one."""
    if not (many := len(judgement.comparisons)):
        return []
    missed = 1 - judgement.claim.rule.confidence
    return [
        f"The sentence is about {many} comparisons, and each is judged by this rule. The claim gets the first of these "
        f"verdicts that occurs: {listed([word for word in WORST if 'scale' not in word])}. All of them can only be "
        "accepted wrongly if a false one is, so no correction is needed for that. A verdict against the sentence is "
        f"given only if an interval at {100 * (1 - missed / many):g} % supports it too, because one of {many} "
        f"intervals lies on the wrong side by chance {many} times as often."
    ]


def _revision(revision: Revision) -> str:
    """Return a change of the claim in a sentence."""
    had = [f"{scale} scale ({then.word})" for scale, then in revision.runs.items()]
    runs = f"There were runs at {listed(had)} by then" if had else "There were no runs yet"
    return f"Version {revision.version}, {revision.date}: {revision.what.rstrip('.')}. {runs}."


def _needs(shown: Exhibit, missing: dict[str, Missing]) -> list[str]:
    """What the command at the head of a page takes: data and time; nothing where nothing is to be done."""
    if shown.speaks:
        return []
    scale = next_scale(shown)
    data = [f"It needs {text}." for text in prose.sets(shown.file, scale)]
    return [*data, *([coverage.sentence(missing[scale])] if scale in missing else [])]


def _scale(
    file: ClaimFile, scale: str, found: list[Exhibit], missing: Missing | None, reference: ClaimResult | None
) -> dict[str, Any]:
    own = {key: value for key, value in file.claim.scales[scale].items() if key != "alternatives"}  # type: ignore[index]
    stated = [(shown.shelf, shown.scales[scale].verdict) for shown in found]
    theirs = reference.at(scale) if reference else None
    words = [(shelf, told.word if told.word != "not run" else f"not run: {told.why}") for shelf, told in stated]
    words += [("reference", theirs.word)] if theirs else []
    states = [text if len(words) == 1 else f"{shelf}: {text}" for shelf, text in words]
    return {
        "name": scale,
        "what": prose.SCALES[scale][0].upper() + prose.SCALES[scale][1:] + ".",
        "overrides": settings.told(own, file.claim),
        "command": command(file, scale),
        "cost": coverage.sentence(missing) if missing and scale != "smoke" else "",
        "states": states,
    }
