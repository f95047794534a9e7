"""What runs could show, on a page, in `plan` and as data: the verdicts of a true effect at this n and spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from repro.claim.files import ClaimFile
from repro.draw.parts import Grid
from repro.pages.claim_data import Power, PowerRow
from repro.pages.results import AtScale, Results
from repro.pages.view import show
from repro.questions.base import Claim
from repro.questions.bases import pilot
from repro.questions.cases import AGAINST, GROUPS, OPEN
from repro.questions.exhibit import Exhibit
from repro.questions.judge import Judgement
from repro.questions.outlook import Outlook, foreseen, outlook, outlook_of
from repro.questions.power import POWER, Rates, as_printed, denied, detection_rate, otherwise
from repro.questions.statistics import Sampling, deviation_limit
from repro.questions.trial import Trials
from repro.questions.units import COUNT, listed
from repro.store import Table

TITLES = {True: "What these runs could show", False: "What the planned runs can show"}


@dataclass(frozen=True)
class PowerSection:
    """The section of a page on power: its title, paragraphs, and the table of verdicts.

    `first`: that the runs could hardly show that the sentence is true; empty where they could.
    """

    title: str
    first: str
    text: tuple[str, ...]
    words: Grid | None


def section(exhibit: Exhibit, other: AtScale | None) -> PowerSection | None:
    """Return what the runs of the page could show, or those that are still planned can; None where nothing is judged.

    The spread is that of the runs that are there, else that of the `other` shelf.
    """
    judgement = exhibit.judgement
    word = judgement.verdict.word
    if word in ("not comparable", "not tested", "error") or judgement.scale == "smoke":
        return None
    planned = word == "not run"
    known = expected(exhibit, judgement.claim, judgement.scale, other) if planned else None
    prospect = outlook_of(judgement.claim, judgement.scale, known[0]) if known else outlook(judgement)
    title = TITLES[not planned]
    if prospect is None:
        return PowerSection(title, "", (_unknown(judgement, planned),), None)
    sure = "" if known else _sure(prospect)  # a spread from elsewhere is known by other seeds than these
    text = " ".join(filter(None, [_resolved(prospect, known[1] if known else ""), sure, _made(prospect)]))
    if prospect.could_not_tell and _shows_true(judgement):
        text = f"Even an effect as printed would stay undecided in {percent(prospect.true_open)} of repetitions. {text}"
    return PowerSection(title, "" if _shows_true(judgement) else first(prospect, planned), (text,), _words(prospect))


def lines(
    claims: Sequence[tuple[ClaimFile, str]], shelf: str, runs: Table | Trials, other: Results | None
) -> list[str]:
    """Return a line for `plan` of each claim at its scale: the smallest effect that its judging seeds resolve, and
    whose spread says so: that of the `runs` of the shelf, else that of the `other` one."""
    trials = Trials.from_runs(runs)
    out = []
    for file, scale in claims:
        if file.undecided(scale) or scale == "smoke":
            continue  # no runs are planned, or such that judge nothing
        claim = file.at(scale)
        theirs = other.of(file) if other else None
        known = expected(show(file, shelf, trials), claim, scale, theirs.at(scale) if theirs else None)
        prospect = outlook_of(claim, scale, known[0]) if known else None
        if known is not None and prospect is None and known[0].kind not in ("jackknife", "curve"):
            continue  # this scale cannot speak of the sentence
        text = (
            f"no runs show yet how much its seeds vary, so it is not known which effect {len(claim.seeds)} seeds "
            "can show"
        )
        if known is not None and prospect is not None:
            text = " ".join(filter(None, [first(prospect, planned=True), _resolved(prospect, known[1])]))
        out.append(f"{file.id}: {text}")
    return out


def expected(exhibit: Exhibit, claim: Claim, scale: str, other: AtScale | None) -> tuple[Sampling, str] | None:
    """Return how runs that are not there yet are expected to vary, and whose spread that is: of the shelf's own runs,
    those at the claim's own scale first, else as the `other` shelf has it at that scale."""
    ordered = sorted(exhibit.scales.values(), key=lambda judgement: judgement.scale != scale)
    runs = "your runs" if exhibit.shelf == "yours" else f"the {exhibit.shelf} runs"
    named = [(f"{runs} at {judgement.scale} scale", judgement) for judgement in ordered]
    known = foreseen(claim, named, pilot(exhibit.file, scale, exhibit.table))
    return known or (other.foreseen(len(claim.seeds)) if other else None)


def first(prospect: Outlook, planned: bool = False) -> str:
    """Return that the runs could hardly show a true sentence, where they leave it open in more than half of
    repetitions; empty where they do not."""
    if not prospect.could_not_tell:
        return ""
    runs = "The planned runs can hardly show" if planned else "These runs could hardly show"
    text = (
        f"{runs} that the sentence is true: if it is true as printed, {prospect.sampling.n} judging seeds leave it "
        f"undecided in {percent(prospect.true_open)} of repetitions."
    )
    against = denied(prospect.rows[1][1]) if len(prospect.rows) > 1 else 0.0
    return f"{text} If it is false, they show that in {percent(against)}." if against > 0.5 else text


def box(judgement: Judgement) -> str:
    """Return the same for the verdict's box, where there is a verdict."""
    prospect = outlook(judgement) if judgement.scale != "smoke" and not _shows_true(judgement) else None
    return first(prospect) if prospect else ""


def _shows_true(judgement: Judgement) -> bool:
    """Return whether the runs show that the sentence is true, however rarely such runs would."""
    group = GROUPS[judgement.verdict.word]
    return group not in (*OPEN, *AGAINST, "not run", "not judged here")


def data(judgement: Judgement) -> Power | None:
    """Return the power of a judgement as data; None where it is not known."""
    prospect = outlook(judgement) if judgement.scale != "smoke" else None
    if prospect is None:
        return None
    rows = [
        PowerRow(true_effect=effect, words={w: round(r, 4) for w, r in rates.items()})
        for effect, rates in prospect.rows
    ]
    return Power(
        n=prospect.sampling.n, spreads=list(prospect.sampling.spreads), simulated_worlds=prospect.worlds, rows=rows,
        power=POWER, resolved=list(prospect.resolved),
    )  # fmt: skip


def percent(rate: float) -> str:
    """Return a rate for people, in whole percent; never 0 or 100 of what can happen."""
    if 0 < rate < 0.005 or 0.995 <= rate < 1 - 1e-9:
        return "< 1 %" if rate < 0.5 else "> 99 %"
    return f"{100 * rate:.0f} %"


def amount(effect: float, claim: Claim) -> str:
    """Return an effect for people, to three digits or hundredths of a point."""
    unit = claim.rule.unit
    return unit.short(effect) + " of runs" * (unit is COUNT)


def spread(of: Sampling, claim: Claim) -> str:
    """Return a spread for people: of log ratios in percent, else in points."""
    logs = claim.rule.unit.logarithmic
    sizes = [f"{100 * (exp(s) - 1):.2g} %" if logs else f"{100 * s:.2f} points" for s in of.spreads]
    return " and ".join(sizes)


def _unknown(judgement: Judgement, planned: bool) -> str:
    n = len(judgement.claim.seeds)
    if planned:
        return f"No runs show yet how much its seeds vary, so it is not known which effect {n} judging seeds can show."
    effect = judgement.effect
    if effect is not None and effect.estimate is None:
        return "Some runs never reached the level, so there is no standard deviation to compute the power from."
    of = judgement.claim.rule.sampling(judgement.evidence)
    if of is not None and of.kind in ("jackknife", "curve"):
        return (
            f"The power of {'ensembles' if of.kind == 'jackknife' else 'curves'} has no closed form, and the simulated "
            f"table (`python -m tests.error_rates`) has no row for {n} seeds of this claim."
        )
    return "Without an interval the power cannot be computed."


_BEYOND = {
    "effect": ("the smallest effect", "a verdict for the sentence"),
    "no effect": ("the smallest effect", "a verdict against the sentence"),
    "number": ("the nearest number", "the verdict “differs”"),
}


def _resolved(prospect: Outlook, whence: str) -> str:
    """Return the smallest effect that the seeds resolve, at which spread, and where that is known from."""
    claim, of = prospect.claim, prospect.sampling
    whose = "the reference runs" if prospect.worlds else whence or "these runs"
    if of.kind == "curve":
        caught = [
            f"{_away(shift)} in {percent(detection_rate(claim, rates))}"
            for shift, rates in prospect.rows
            if shift in (0.01, 0.02)
        ]
        reached = "".join(f", {_away(shift)} in {percent(POWER)}" for shift in prospect.resolved)
        return (
            f"{of.n} curves whose mean offsets have a standard deviation of {spread(of, claim)}, as in {whose}, show "
            f"that a printed curve differs if it lies {listed(caught)} of repetitions{reached}."
        )
    at = f"With {of.n} judging seeds"
    if of.kind != "count":
        at += f" whose effects have a standard deviation of {spread(of, claim)}, as in {whose},"
    what, word = _BEYOND[claim.rule.asks]
    if not prospect.resolved:
        return f"{at} no effect, however large, gets {word} in {percent(POWER)} of repetitions."
    sizes = [amount(effect, claim) for effect in prospect.resolved]
    ends = [size.removesuffix(" points") for size in sizes[:-1]] + sizes[-1:]
    text = f"{at} {what} that gets {word} in {percent(POWER)} of repetitions is {' or '.join(ends)}."
    if (beyond := prospect.would_take) is None:
        return text
    effect, seeds = beyond
    return f"{text} One of {amount(effect, claim)}, as printed, would take {seeds or 'more than 200'} seeds."


def _away(shift: float) -> str:
    return f"{100 * shift:.2g} point{'s' * (shift != 0.01)} away"


def _sure(prospect: Outlook) -> str:
    """Return how well the spread is known, in a sentence; nothing of a count and of what is simulated."""
    of = prospect.sampling
    if of.kind != "paired":
        return ""
    low, high = (deviation_limit(of.spreads[0], of.n, share) for share in (0.025, 0.975))
    ends = [spread(Sampling("paired", of.n, (end,)), prospect.claim).removesuffix(" points") for end in (low, high)]
    unit = "" if prospect.claim.rule.unit.logarithmic else " points"
    return f"{of.n} seeds estimate this deviation only roughly: its 95 % interval is {ends[0]} to {ends[1]}{unit}."


def _made(prospect: Outlook) -> str:
    """Return that rates are simulated; nothing where they are exact."""
    if not prospect.worlds:
        return ""
    return f"These figures come from {prospect.worlds:,} simulated repetitions with that standard deviation."


def _words(prospect: Outlook) -> Grid:
    claim, words = prospect.claim, prospect.words
    names = _names(prospect)

    def row(effect: float, rates: Rates) -> tuple[str, ...]:
        return (names.get(effect, amount(effect, claim)), *(percent(rates.get(word, 0.0)) for word in words))

    printed = prospect.rows if prospect.sampling.kind == "curve" else prospect.rows[:2]
    return Grid(
        "How often each verdict would occur if such runs were repeated, by true effect",
        ("true effect", *words),
        tuple(row(effect, rates) for effect, rates in printed),
        numbers=frozenset(range(1, len(words) + 1)),
    )


def _names(prospect: Outlook) -> dict[float, str]:
    """Return what the effects of the rows are."""
    claim, rule = prospect.claim, prospect.claim.rule
    true, false = as_printed(claim), otherwise(claim)
    out: dict[float, str] = {}
    if prospect.sampling.kind == "curve":
        return {effect: _away(effect) for effect, _ in prospect.rows} | {0.0: "none: a curve like ours"}
    square, counted = rule.unit.logarithmic, rule.unit is COUNT
    if true is not None:
        as_is = rule.number is not None or claim.rule.asks == "no effect" or counted
        twice = f"{'the square of' if square else 'twice'} the smallest that counts, because no number is printed"
        out[true] = f"{amount(true, claim)}, {'as printed' if as_is else twice}"
        if claim.rule.asks == "no effect" and rule.number is None:
            out[true] = "none, as the sentence says"
    if false is not None:
        end = f"{'the square of' if square else 'twice'} the end of the band"
        out[false] = f"{amount(false, claim)}, {end}" if claim.rule.asks == "no effect" else "no effect"
        if counted:
            out[false] = f"{amount(false, claim)}, by chance alone"
    return out
