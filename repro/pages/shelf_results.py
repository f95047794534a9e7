"""The results of a shelf, made from its runs: every claim at every scale with its comparisons, and what runs cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from statistics import median
from typing import Any, Literal

from repro.claim.files import AnyFile, ClaimFile, ExactFile
from repro.pages import power
from repro.pages.assumptions import change, turning
from repro.pages.belief import belief
from repro.pages.evidence import hours
from repro.pages.prose import set_after
from repro.pages.results import (
    FORMAT,
    SCHEMA,
    AtScale,
    ClaimResult,
    Comparison,
    Cost,
    FactResult,
    Hours,
    Interval,
    Measurement,
    Results,
    Spread,
)
from repro.questions.coverage import recorded
from repro.questions.exhibit import Exhibit
from repro.questions.facts import judge_facts, judged
from repro.questions.judge import Judgement, complete, judge
from repro.questions.mixture import behind, device_of
from repro.questions.others import sizes
from repro.questions.trial import Trials

Role = Literal["own", "together", "alternative"]


def results_of(shelf: str, files: Sequence[AnyFile], exhibits: Mapping[str, Exhibit], trials: Trials) -> Results:
    """Return the results of a shelf: every claim at every scale, with its comparisons.

    `exhibits`: the trained claims by id.
    """
    taken = recorded(trials.table)
    costs = [
        Cost(alike=key, device=device, seconds=_digits(median(seconds)))
        for key in sorted(taken)
        for device, seconds in sorted(taken[key].items())
    ]
    claims = [
        _counted(file) if isinstance(file, ExactFile) else _trained(file, exhibits[file.id], trials) for file in files
    ]
    head = {"$schema": SCHEMA, "format": FORMAT, "shelf": shelf}
    return Results.model_validate(head | {"claims": claims, "costs": costs}, by_alias=True)


def _counted(file: ExactFile) -> ClaimResult:
    verdict, facts = judge_facts(file), judged(file)
    at = AtScale(
        scale="exact", word=verdict.word, grade=verdict.grade, sentence=verdict.sentence, why=verdict.why, found="",
        n=0, belief="", could_not="", depends="", set_after="", comparisons=[], spread=None, device=None, machines=[],
        commits=[], hours=[], runs=0, to_do=0,
    )  # fmt: skip
    return ClaimResult(
        **_about(file), paper=f"{len(facts)} facts", unit=None, others=[], shown="exact", scales=[at],
        facts=[FactResult(says=f.fact.says, printed=f.printed, counted=f.counted, word=f.word) for f in facts],
    )  # fmt: skip


def _about(file: AnyFile) -> dict[str, Any]:
    paper = file.claim.paper
    about = {"id": file.id, "version": file.claim.version, "section": paper.section, "says": paper.says}
    return about | {"page": f"{file.id}.html"}


def _trained(file: ClaimFile, exhibit: Exhibit, trials: Trials) -> ClaimResult:
    unit = file.claim.rule.unit
    others = [
        Measurement(
            who=record.who,
            value=record.value or " ".join(sizes(record, unit)),
            numbers=record.numbers,
            source=record.source,
        )
        for record in file.claim.paper.later
    ]
    return ClaimResult(
        **_about(file), paper=file.claim.rule.stated(), unit=unit.name, others=others,
        shown=exhibit.scale if exhibit.speaks else None,
        scales=[_at(exhibit, judgement, trials) for judgement in exhibit.scales.values()], facts=[],
    )  # fmt: skip


def _at(exhibit: Exhibit, judgement: Judgement, trials: Trials) -> AtScale:
    """Return a claim at one scale, with the alternatives there."""
    file, table, verdict = exhibit.file, exhibit.table, judgement.verdict
    names = file.alternatives_at(judgement.scale) if complete(judgement) else []
    alternatives = tuple(judge(file, judgement.scale, trials, name) for name in names)
    here = replace(exhibit, judgement=judgement, alternatives=alternatives)
    ids = behind(table, set(judgement.run_ids))
    sessions = [session for run in ids for session in table[run].sessions]
    known = power.expected(here, judgement.claim, judgement.scale, None) if judgement.scale != "smoke" else None
    spread = [_digits(size) for size in known[0].spreads] if known else []
    role: Role = "together" if judgement.comparisons else "own"
    return AtScale(
        scale=judgement.scale,
        word=verdict.word,
        grade=verdict.grade,
        sentence=verdict.sentence,
        why=verdict.why,
        found=judgement.estimate_words,
        n=judgement.seeds,
        belief=belief(judgement, table) if here.speaks else "",
        could_not=power.box(judgement) if here.speaks else "",
        depends=turning(here),
        set_after=set_after(judgement) if here.complete else "",
        comparisons=[
            *(_comparison(here, part, role) for part in judgement.parts if here.measured),
            *(_comparison(here, other, "alternative") for other in alternatives),
        ],
        spread=Spread(kind=known[0].kind, spreads=spread, known_from=known[1]) if known else None,
        device=judgement.device,
        machines=sorted({device_of(session) for session in sessions}),
        commits=sorted({session["commit"][:12] for session in sessions if session["commit"]}),
        hours=[
            Hours(device=device, unit=unit, hours=_digits(took))
            for (device, unit), took in sorted(hours(table, ids).items())
        ],
        runs=len(judgement.run_ids),
        to_do=judgement.to_do,
    )


def _comparison(exhibit: Exhibit, part: Judgement, role: Role) -> Comparison:
    rule, verdict = part.claim.rule, part.verdict
    low, high = rule.band
    return Comparison(
        name=part.name,
        role=role,
        word=verdict.word,
        grade=verdict.grade,
        sentence=verdict.sentence,
        why=verdict.why,
        found=part.estimate_words,
        effect=interval(part),
        number=rule.number,
        band=[None if low == rule.unit.lowest else _digits(low), _digits(high)],
        seeds=part.claim.seeds,
        change=change(exhibit, part, part.name) if role == "alternative" else "",
    )


def interval(part: Judgement) -> Interval | None:
    """Return an effect with its interval, to six digits; None where there is none."""
    if (effect := part.effect) is not None:
        open_below = effect.low == effect.unit.lowest
        return Interval(
            kind=effect.unit.name, estimate=_digits(effect.estimate), low=None if open_below else _digits(effect.low),
            high=_digits(effect.high), confidence=effect.confidence, n=effect.n, method=effect.method,
            per_seed={str(seed): _digits(value) for seed, value in effect.per_seed.items()}, p=None,
        )  # fmt: skip
    if (trace := part.trace) is not None:
        return Interval(
            kind="offset of a printed curve", estimate=_digits(trace.offset), low=_digits(trace.low),
            high=_digits(trace.high), confidence=trace.confidence, n=trace.n, method="prediction interval of one curve",
            per_seed={str(seed): _digits(value) for seed, value in trace.offsets.items()}, p=_digits(trace.p),
        )  # fmt: skip
    return None


def _digits(value: float | None) -> Any:
    """Return six digits of a number, on which machines agree; None of none, and of an open end."""
    return float(f"{value:.6g}") if value is not None and isfinite(value) else None
