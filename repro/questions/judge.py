"""From a claim at a scale and the table of runs to a judgement: the effect judged by the rule written beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, get_args

from repro.claim.files import AnyFile, ClaimFile, ExactFile
from repro.claim.recipes import ScaleName
from repro.questions import bases
from repro.questions.base import Claim
from repro.questions.cases import WORST, Word
from repro.questions.evidence import Evidence
from repro.questions.facts import judge_facts
from repro.questions.observations import Arm, Want
from repro.questions.plan import wanted
from repro.questions.statistics import Effect
from repro.questions.trial import Trial, Trials
from repro.questions.verdict import Verdict, verdict
from repro.store import Table

if TYPE_CHECKING:
    from repro.questions.traces import TraceTest

SCALES: tuple[ScaleName, ...] = get_args(ScaleName)[::-1]  # from the highest


@dataclass(frozen=True)
class Judgement:
    """A claim at a scale under one choice of assumptions, judged."""

    claim: Claim  # with the scale and the alternative laid on
    scale: str
    alternative: str | None
    verdict: Verdict
    evidence: Evidence  # what the verdict was made of
    arms: dict[str, Arm]  # all, those among them that the rule does not compare
    to_do: int  # runs that are wanted and not there
    run_ids: tuple[str, ...]  # every run of the table that this judgement looked at
    beside: str | None = None  # which of the claim's `rule.over` this is; None: the claim's own comparison
    together: tuple[Judgement, ...] = ()  # what was judged together, this being the weakest of it: see `judge`

    @property
    def effect(self) -> Effect | None:
        """The effect; None where it could not be formed, and of a printed curve."""
        return self.evidence.effect

    @property
    def trace(self) -> TraceTest | None:
        """The test of a printed curve."""
        return self.evidence.trace

    @property
    def rate_range(self) -> tuple[float, float] | None:
        """The ratio over all rates within 10 % of the best, on tuning seeds."""
        return self.evidence.rate_range

    @property
    def device(self) -> str | None:
        """Of a timing: the one that was timed."""
        return self.evidence.device

    @property
    def seeds(self) -> int:
        """Judging seeds behind it; 0 where nothing was found."""
        return len(self.claim.seeds) if self.effect or self.trace else 0

    @property
    def found(self) -> str:
        """What was found, with its interval, in a few characters; empty where nothing was."""
        return self.claim.rule.short(self.evidence)

    @property
    def parts(self) -> tuple[Judgement, ...]:
        """Every comparison behind the verdict: itself, where there is one only."""
        return self.together or (self,)

    @property
    def name(self) -> str:
        """Of one comparison, as pages name it."""
        return self.beside or self.alternative or "ours"


def judge(file: ClaimFile, scale: str, runs: Table | Trials, alternative: str | None = None) -> Judgement:
    """Return one claim at one scale judged from the runs that are there.

    Where the sentence is said of several comparisons (`rule.over`), the claim's word is the worst of them (`WORST`), of
    equal words that of the least effect in the sentence's direction. Each is judged at the claim's own confidence: all
    of them can only be accepted wrongly if a false one is, so no correction is needed (an intersection-union test;
    Berger 1982). One of k intervals lies on the wrong side by chance k times as often, so a word against the sentence
    is said of one only where its interval at 1 - (1 - confidence) / k says so too (Bonferroni).
    """
    trials, key = Trials.over(runs), Trials.key(file, scale, alternative)
    if key not in trials.judged:
        trials.judged[key] = _judged(file, scale, trials, alternative)
    found: Judgement = trials.judged[key]
    return found


def _judged(file: ClaimFile, scale: str, trials: Trials, alternative: str | None) -> Judgement:
    compared, table = trials.compared(file, scale, alternative), trials.table
    wants = wanted(file, scale, trials, [alternative], judged=True)
    parts = []
    for name, trial in compared.items():
        mine = trial.wants(trial.claim.rule.compared(trial.claim))
        to_do = sum(not want.satisfied_in(table) for want in mine) or int(file.undecided(scale))
        part = _judge(trial, trial.claim, scale, alternative, to_do)
        if len(compared) > 1 and part.verdict.word in AGAINST:
            part = _surely(trial, part, len(compared))
        parts.append(replace(part, beside=name))
    least = min(parts, key=_strength) if len(parts) > 1 else parts[0]
    if file.undecided(scale):
        why = f"the base of this scale is not chosen yet; {bases.COMMAND} trains the candidates"
        least = replace(least, verdict=replace(least.verdict, why=why))
    elif wants and least.verdict.word == "not run":
        there = {run for part in parts for run in part.run_ids if not table[run].is_evaluation}
        why = _still_to_do(compared[None].claim, wants, len(there))
        least = replace(least, verdict=replace(least.verdict, why=why))
    if len(parts) == 1:
        return replace(least, to_do=len(wants))
    ids = sorted({run for part in parts for run in part.run_ids})
    said_of_all = _weakest(least, parts)
    return replace(least, verdict=said_of_all, run_ids=tuple(ids), together=tuple(parts), to_do=len(wants))


def _still_to_do(claim: Claim, wants: list[Want], there: int) -> str:
    """How many runs come next, whether others follow from them, and how many are there."""
    why = f"{len(wants)} run{'s' * (len(wants) != 1)} still to do"
    if claim.tune and any(want.config.seed in claim.tune.on_seeds for want in wants):
        why += " before learning rates can be chosen"
    if any(want.weights for want in wants):
        why += ", then those that start from their weights"
    return f"{why}; {there} {'is' if there == 1 else 'are'} there" if there else why


AGAINST = ("refuted", "disagrees at small scale", "disagrees at medium scale")


def _strength(part: Judgement) -> tuple[int, float]:
    """How well a comparison bears the sentence out: its word, then its effect in the paper's direction."""
    effect, side = part.effect, part.evidence.side
    if effect is None or not side:
        return WORST.index(part.verdict.word), -inf
    bound = effect.high if effect.low == effect.unit.lowest else effect.low
    return WORST.index(part.verdict.word), side * (bound if effect.estimate is None else effect.estimate)


def _surely(trial: Trial, part: Judgement, parts: int) -> Judgement:
    """A comparison judged again at the confidence that `parts` of them take."""
    rule = part.claim.rule
    strict = rule.model_copy(update={"confidence": 1 - (1 - rule.confidence) / parts})
    claim = part.claim.model_copy(update={"rule": strict})
    return replace(_judge(trial, claim, part.scale, part.alternative, part.to_do), beside=part.beside)


def _weakest(least: Judgement, parts: list[Judgement]) -> Verdict:
    """The weakest comparison's verdict, said of all of them."""
    found, words = least.verdict, Counter(part.verdict.word for part in parts)
    if found.word in ("error", "not run"):
        return found
    counted = ", ".join(f"{words[word]} {word}" for word in WORST if words[word])
    why = f"{found.why}; the weakest decides ({counted})" if len(words) > 1 else found.why
    sentence = f"The weakest of {len(parts)} comparisons is {least.name}. {found.sentence}"
    return replace(found, sentence=sentence, why=why)


def _judge(trial: Trial, claim: Claim, scale: str, alternative: str | None, to_do: int) -> Judgement:
    """`claim`: the trial's, its rule's confidence aside."""
    evidence = claim.rule.evidence(trial, claim, scale, to_do)
    ids = claim.rule.run_ids(trial, evidence) & trial.table.keys()
    return Judgement(claim, scale, alternative, verdict(evidence), evidence, trial.arms, to_do, tuple(sorted(ids)))


def judgements(file: ClaimFile, runs: Table | Trials) -> Iterator[Judgement]:
    """The claim at every scale that it has, from the highest, each judged when it is asked for."""
    trials = Trials.over(runs)
    return (judge(file, scale, trials) for scale in SCALES if scale in file.claim.scales)


def complete(judgement: Judgement) -> bool:
    """Whether it was measured, whatever was found."""
    return judgement.verdict.word not in ("not run", "error")


def highest(file: ClaimFile, runs: Table | Trials) -> Judgement | None:
    """The judgement at the highest complete scale that can speak of the sentence; None where no such is complete."""
    return next((found for found in judgements(file, runs) if complete(found) and found.scale != "smoke"), None)


def reference(file: ClaimFile, runs: Table | Trials) -> str:
    """What the runs that come with the project say of the sentence, in a line."""
    if (found := highest(file, runs)) is None:
        return "not run yet"
    at = "" if found.verdict.word.endswith(" scale") else f" at {found.scale} scale"
    return f"{found.verdict.word}{at}. {found.verdict.sentence}"


def said(file: AnyFile, scale: str, runs: Table | Trials, of_reference: Table | Trials) -> tuple[str, Word]:
    """(a claim's verdict from `runs`, as it is printed, its word). At smoke scale nothing that was measured on digits
    is told: that the machinery works, or what is wrong with it, and the reference verdict."""
    if isinstance(file, ExactFile):
        counted = judge_facts(file)
        return f"{file.id}, {scale}: {counted.word.upper()}. {counted.sentence} ({counted.why})", counted.word
    judged = judge(file, scale, runs)
    told = judged.verdict
    text = f"{told.word.upper()}. {told.sentence} ({told.why})"
    if scale == "smoke":
        works = "the machinery works here" if complete(judged) else f"{told.word.upper()} ({told.why})"
        text = f"{works}. The reference verdict: {reference(file, of_reference)}"
    return f"{file.id}, {scale} scale: {text}", told.word
