"""The page of a claim: the verdict, its evidence, what is assumed and done otherwise, the rule, and how to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from repro.claim.files import ClaimFile
from repro.claim.model import Revision
from repro.draw import charts
from repro.draw.parts import Figure, Section
from repro.pages import coverage, net_picture, power, prose, records, settings
from repro.pages.assumptions import asks_otherwise, assumptions, deciding, turning
from repro.pages.evidence import sections
from repro.pages.findings import Finding
from repro.pages.results import AtScale, ClaimResult, Results
from repro.pages.view import MARKS, Box, box, command, next_scale, reference_box
from repro.questions.cases import WORST
from repro.questions.coverage import Missing
from repro.questions.ensembles import of_fewer
from repro.questions.exhibit import Exhibit, axis, row
from repro.questions.judge import Judgement
from repro.questions.sections import effect
from repro.questions.units import capital, listed


def page(
    file: ClaimFile,
    exhibits: dict[str, Exhibit],
    turned: Finding | None,
    missing: dict[str, Missing],
    reference: Results | None,
    href: str,
) -> dict[str, Any]:
    """Return everything that templates/claim.html prints.

    `exhibits`: all claims by id. `turned`: what another choice does to this one. `missing`: by scale. `reference`: the
    results of the reference runs, next to runs of the user's own. `href`: the page of these reference runs; empty where
    it is not there.
    """
    exhibit = exhibits[file.id]
    theirs = reference.of(file) if reference else None
    verdict = theirs.speaking if theirs else None
    evidence = sections(exhibit) if exhibit.measured else []
    others = records.others(file, exhibits, reference)
    outlook = power.section(exhibit, theirs.at(exhibit.scale) if theirs else None)
    decides, cite = _decides(exhibit, turned), _cite(exhibit, verdict)
    return {
        **_sentence(file),
        "boxes": _boxes(exhibit, missing, verdict, href),
        "effect": effect("effect", exhibit) if exhibit.speaks else None,
        "record": records.on_record(file, exhibits, reference),
        "others": others,
        "sections": evidence,
        "contents": _contents(evidence, decides, others, outlook, cite is not None),
        "decides": decides,
        "net": net_picture.picture(file.at(exhibit.scale, exhibit.judgement.alternative)),
        "cite": cite,
        "assumptions": assumptions(exhibit, verdict),
        "deciding": deciding(exhibit, verdict),
        "forest": _forest(exhibit),
        "deviations": file.claim.deviations,
        "undecided": file.undecided(exhibit.scale),
        "at_scale": "" if file.undecided(exhibit.scale) else settings.at_scale(file, exhibit.scale),
        "keys_at_scale": "" if file.undecided(exhibit.scale) else settings.keys_at_scale(file, exhibit.scale),
        "arms": settings.arms(exhibit.judgement.claim),
        **_rule(exhibit),
        "power": outlook,
        "scales": [_scale(exhibit, scale, missing.get(scale), theirs) for scale in file.claim.scales],
    }


def _sentence(file: ClaimFile) -> dict[str, Any]:
    """Return what the page prints of the sentence on trial."""
    paper = file.claim.paper
    return {
        "id": file.id,
        "version": file.claim.version,
        "section_name": prose.section(file),
        "on_trial": prose.on_trial([file.paper]),
        "says_label": "The sentence on trial" if paper.source else "The paper says",
        "says": paper.says,
        "question": file.claim.question,
    }


def _boxes(exhibit: Exhibit, missing: dict[str, Missing], reference: AtScale | None, href: str) -> list[Box]:
    """Return the verdict of the page's own runs, if there are any or no other verdict is, and of the reference runs."""
    boxes = [reference_box(exhibit.file, reference, href)] if reference else []
    if exhibit.measured or exhibit.judgement.run_ids or reference is None:
        own = replace(
            box(exhibit, reference),
            depends=turning(exhibit),
            could_not=power.box(exhibit.judgement),
            needs=tuple(_needs(exhibit, missing)),
        )
        boxes.insert(0, own)
    return boxes


def _decides(exhibit: Exhibit, turned: Finding | None) -> list[str]:
    """Return which choices change the verdict, here or at another scale, in paragraphs; empty where none does."""
    out = [text] if (text := turning(exhibit)) else []
    if turned and turned.scale != exhibit.scale:
        out.append(turned.turn)
    return [capital(text) for text in out]


def _cite(exhibit: Exhibit, reference: AtScale | None) -> tuple[str, str] | None:
    """Return the verdict as a sentence to cite, and as an entry of a bibliography; None where nothing was judged."""
    file, judgement = exhibit.file, exhibit.judgement
    if exhibit.speaks:
        word, at, effect = judgement.verdict.word, exhibit.scale, judgement.estimate_words
        whose = "the project's reference runs" if exhibit.shelf == "reference" else "runs of our own"
    elif reference:
        word, at, effect, whose = reference.word, reference.scale, reference.found, "the project's reference runs"
    else:
        return None
    scale = "" if word.endswith("scale") else f" at {at} scale"
    text = (
        f"repro, claim {file.id}, version {file.claim.version} ({file.paper.authors} {file.paper.year}, "
        f"{prose.section(file)}): {word}{scale}, {effect}; {whose}."
    )
    entry = (
        f"@misc{{repro-{file.id}-{file.claim.version},\n"
        f"  author = {{{{the repro authors}}}},\n"
        f"  title = {{repro: claim {file.id}, version {file.claim.version}}},\n"
        f"  note = {{{word}{scale}, {effect}; {whose}; a sentence of {file.paper.authors} ({file.paper.year})}},\n"
        "}"
    )
    return text, entry


def _contents(
    evidence: Sequence[Section],
    decides: Sequence[str],
    others: records.Others | None,
    outlook: power.PowerSection | None,
    cited: bool,
) -> list[tuple[str, str]]:
    """Return title and anchor of every section of the page, in order."""
    return [
        ("What is compared", "compared"),
        *([("What the verdict depends on", "decides")] if decides else []),
        *((section.title, section.id) for section in evidence),
        *([("What others measured", "others")] if others else []),
        ("What the paper leaves open", "assumptions"),
        ("What we do differently", "deviations"),
        ("How it is judged", "rule"),
        *([(outlook.title, "power")] if outlook else []),
        ("Run it yourself", "again"),
        *[("Cite this result", "cite")] * cited,
        ("Where this comes from", "origins"),
    ]


def _rule(exhibit: Exhibit) -> dict[str, Any]:
    """Return what the page prints of the rule, its cases and its history."""
    judgement = exhibit.judgement
    return {
        "method": [*_method(judgement), *_of_other_size(exhibit), *_comparisons(judgement)],
        "rule_scale": exhibit.scale,
        "conditions": prose.conditions(judgement),
        "marks": MARKS,
        "history": [_revision(revision) for revision in exhibit.file.claim.history],
    }


def _forest(exhibit: Exhibit) -> Figure | None:
    """Return all choices in one drawing, ours and each alternative; None where there are no two to compare."""
    if not exhibit.speaks:
        return None
    rows, words, pairs = [], [], set()
    others = [j for j in exhibit.alternatives if not asks_otherwise(exhibit.file, str(j.alternative))]
    for judgement in (*exhibit.judgement.parts, *others):
        # of an alternative's own several comparisons, the weakest
        if (drawn := row(judgement, judgement.label)) is not None:
            rows.append(drawn)
            pairs.add(tuple(judgement.claim.rule.compared(judgement.claim)))
            words.append(f"{drawn.label}: {judgement.estimate_words}")
    if len(rows) < 2:
        return None
    drawn_on = axis(exhibit, of_one=len(pairs) == 1)
    drawing = charts.interval("choices", "The effect under each choice", f"{'; '.join(words)}.", drawn_on, rows)
    again = any(prose.tuned(judgement.claim) for judgement in exhibit.alternatives)
    note = f"Each alternative changes one of our choices{'; its learning rates are tuned again' * again}."
    if exhibit.judgement.comparisons:
        judged = listed([part.label for part in exhibit.judgement.comparisons])
        note += f" Judged together are {judged}; the weakest, {exhibit.judgement.label}, decides."
    return Figure(drawing, "The effect under each choice.", note)


def _method(judgement: Judgement) -> list[str]:
    """Return how the effect was measured, in sentences with the claim's own numbers."""
    claim = judgement.claim
    return [claim.measure.measured(claim), *claim.rule.method(claim, judgement.scale)]


def _of_other_size(exhibit: Exhibit) -> list[str]:
    """Return which ensembles the paper's number and its band are of, in a paragraph; empty where ours are as large."""
    paper, fewer = exhibit.file.claim.rule, of_fewer(exhibit.file, exhibit.scale)
    if fewer is None or paper.number is None:
        return []
    return [
        f"The paper’s number, {paper.stated()}, and its band are of {fewer[0]} nets. Here {fewer[1]} are averaged, and "
        "the near end of that band is kept."
    ]


def _comparisons(judgement: Judgement) -> list[str]:
    """Return how several comparisons are judged as one, in a paragraph; empty where there is one."""
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


def _needs(exhibit: Exhibit, missing: dict[str, Missing]) -> list[str]:
    """Return the data and the time that the command in the box takes; empty where nothing is left to do."""
    if exhibit.speaks:
        return []
    scale = next_scale(exhibit)
    data = [f"It needs {text}." for text in prose.sets(exhibit.file, scale)]
    if exhibit.file.at(scale).measure.two_devices:
        data.insert(0, "It needs two equal GPUs and `--towers 2`; elsewhere the timing is `not comparable`.")
    return [*data, *([coverage.sentence(missing[scale])] if scale in missing else [])]


def _scale(exhibit: Exhibit, scale: str, missing: Missing | None, reference: ClaimResult | None) -> dict[str, Any]:
    """Return what the page prints of one scale: its settings, command, cost and state."""
    file, verdict = exhibit.file, exhibit.scales[scale].verdict
    own = {key: value for key, value in file.claim.scales[scale].items() if key != "alternatives"}  # type: ignore[index]
    state = verdict.word if verdict.word != "not run" else f"not run: {verdict.why}"
    theirs = reference.at(scale) if reference else None
    return {
        "name": scale,
        "what": f"{capital(prose.SCALES[scale])}.",
        "overrides": settings.in_words(own, file.claim),
        "command": command(file, scale),
        "cost": coverage.sentence(missing) if missing and scale != "smoke" else "",
        "states": [f"{exhibit.shelf}: {state}", f"reference: {theirs.word}"] if theirs else [state],
    }
