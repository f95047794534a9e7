"""From a claim at a scale and the table of runs to a judgement: the effect judged by the rule written beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, get_args

from repro.claim.files import AnyFile, ClaimFile, ExactFile
from repro.claim.scales import ScaleName
from repro.questions import bases
from repro.questions.base import Claim
from repro.questions.cases import AGAINST, GROUPS, WORST, Word
from repro.questions.evidence import Evidence
from repro.questions.facts import judge_facts
from repro.questions.mixture import behind, mixture
from repro.questions.observations import Arm, Want
from repro.questions.plan import damaged_by, wanted
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
    comparison: str | None = None  # which of the claim's `rule.over` this is; None: the claim's own comparison
    comparisons: tuple[Judgement, ...] = ()  # what was judged together, this being the weakest of it: see `judge`

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
    def estimate_words(self) -> str:
        """What was found, with its interval, in a few characters; empty where nothing was."""
        return self.claim.rule.short(self.evidence)

    @property
    def parts(self) -> tuple[Judgement, ...]:
        """Every comparison behind the verdict: itself, where there is one only."""
        return self.comparisons or (self,)

    @property
    def name(self) -> str:
        """Of one comparison, as data name it; pages say its `label`."""
        return self.comparison or self.alternative or "ours"

    @property
    def label(self) -> str:
        """The choice under which it is judged, else the comparison that it is, as it reads after “with”."""
        other = self.claim.alternatives.get(self.alternative or self.comparison or "")
        return other.label if other else "our choice"


def judge(file: ClaimFile, scale: str, runs: Table | Trials, alternative: str | None = None) -> Judgement:
    """Return one claim at one scale judged from the runs that are there.

    Where the sentence is said of several comparisons (`rule.over`), the claim's word is the worst of them (`WORST`), of
    equal words that of the least effect in the sentence's direction. Each is judged at the claim's own confidence: all
    of them can only be accepted wrongly if a false one is, so no correction is needed (an intersection-union test;
    Berger 1982). One of k intervals lies on the wrong side by chance k times as often, so a word against the sentence
    is said of one only where its interval at 1 - (1 - confidence) / k says so too (Bonferroni).
    """
    trials, key = Trials.from_runs(runs), Trials.key(file, scale, alternative)
    if key not in trials.judged:
        trials.judged[key] = _judged(file, scale, trials, alternative)
    judgement: Judgement = trials.judged[key]
    return judgement


def _judged(file: ClaimFile, scale: str, trials: Trials, alternative: str | None) -> Judgement:
    compared, table = trials.compared(file, scale, alternative), trials.table
    wants = wanted(file, scale, trials, [alternative], judged=True)
    parts = []
    for name, trial in compared.items():
        mine = trial.wants(trial.claim.rule.compared(trial.claim))
        to_do = sum(not want.satisfied_in(table) for want in mine) or int(file.undecided(scale))
        part = _judge(trial, trial.claim, scale, alternative, to_do)
        if len(compared) > 1 and GROUPS[part.verdict.word] in AGAINST:
            part = _surely(trial, part, len(compared))
        parts.append(replace(part, comparison=name))
    least = min(parts, key=_strength) if len(parts) > 1 else parts[0]
    if file.undecided(scale):
        why = f"the base of this scale is not chosen yet; {bases.COMMAND} prints its name, for base in the claim's file"
        least = replace(least, verdict=replace(least.verdict, why=why))
    elif wants and least.verdict.word == "not run":
        there = {run for part in parts for run in part.run_ids if not table[run].is_evaluation}
        why = _still_to_do(compared[None].claim, wants, len(there)) + _damaged(wants, table)
        least = replace(least, verdict=replace(least.verdict, why=why))
    if len(parts) == 1:
        return replace(least, to_do=len(wants))
    ids = sorted({run for part in parts for run in part.run_ids})
    of_all = _weakest(least, parts)
    return replace(least, verdict=of_all, run_ids=tuple(ids), comparisons=tuple(parts), to_do=len(wants))


def _still_to_do(claim: Claim, wants: list[Want], there: int) -> str:
    """Return how many runs come next, whether others follow from them, and how many are there, in words."""
    why = f"{len(wants)} run{'s' * (len(wants) != 1)} still to do"
    if claim.tune and any(want.config.seed in claim.tune.on_seeds for want in wants):
        why += " before learning rates can be chosen"
    if any(want.weights for want in wants):
        why += ", then those that start from their weights"
    return f"{why}; {there} {'is' if there == 1 else 'are'} there" if there else why


def _damaged(wants: list[Want], table: Table) -> str:
    """Return which wanted runs are damaged, in words; nothing where none is."""
    ids = sorted({damage.violation.run for want in wants if (damage := damaged_by(want, table))})
    return f"; damaged and left out: {', '.join(ids)}" if ids else ""


def _strength(part: Judgement) -> tuple[int, float]:
    """Return a sort key for how well a comparison supports the sentence: its word, then its effect in the paper's
    direction."""
    effect, side = part.effect, part.evidence.side
    if effect is None or not side:
        return WORST.index(part.verdict.word), -inf
    bound = effect.high if effect.low == effect.unit.lowest else effect.low
    return WORST.index(part.verdict.word), side * (bound if effect.estimate is None else effect.estimate)


def _surely(trial: Trial, part: Judgement, parts: int) -> Judgement:
    """Return a comparison judged again at the confidence that each of `parts` comparisons needs."""
    rule = part.claim.rule
    strict = rule.model_copy(update={"confidence": 1 - (1 - rule.confidence) / parts})
    claim = part.claim.model_copy(update={"rule": strict})
    return replace(_judge(trial, claim, part.scale, part.alternative, part.to_do), comparison=part.comparison)


def _weakest(least: Judgement, parts: list[Judgement]) -> Verdict:
    """Return the verdict of the weakest comparison, as the verdict on all of them."""
    own, words = least.verdict, Counter(part.verdict.word for part in parts)
    if own.word in ("error", "not run"):
        return own
    counted = ", ".join(f"{words[word]} {word}" for word in WORST if words[word])
    why = f"{own.why}; the weakest decides ({counted})" if len(words) > 1 else own.why
    sentence = f"The weakest of {len(parts)} comparisons is {least.name}. {own.sentence}"
    return replace(own, sentence=sentence, why=why)


def _judge(trial: Trial, claim: Claim, scale: str, alternative: str | None, to_do: int) -> Judgement:
    """Return a trial judged. `claim`: the trial's, perhaps with another confidence of the rule."""
    evidence = claim.rule.evidence(trial, claim, scale, to_do)
    ids = {run_id for run_id in claim.rule.run_ids(trial, evidence) if run_id in trial.table}
    return Judgement(claim, scale, alternative, verdict(evidence), evidence, trial.arms, to_do, tuple(sorted(ids)))


def judgements(file: ClaimFile, runs: Table | Trials) -> Iterator[Judgement]:
    """Yield the claim judged at every scale that it has, from the highest down."""
    trials = Trials.from_runs(runs)
    return (judge(file, scale, trials) for scale in SCALES if scale in file.claim.scales)


def complete(judgement: Judgement) -> bool:
    """Return whether there are the runs for a verdict, whatever it says."""
    return judgement.verdict.word not in ("not run", "error")


def highest(file: ClaimFile, runs: Table | Trials) -> Judgement | None:
    """Return the judgement at the highest complete scale above smoke; None where none is complete."""
    return next(
        (judgement for judgement in judgements(file, runs) if complete(judgement) and judgement.scale != "smoke"), None
    )


def verdict_line(file: AnyFile, scale: str, runs: Table | Trials, reference: str) -> tuple[str, Word]:
    """Return (a claim's verdict from `runs`, as it is printed; its word).

    At smoke scale nothing that was measured on digits is told: that the machinery works, or what is wrong with it, and
    the verdict of the `reference` runs.
    """
    if isinstance(file, ExactFile):
        counted = judge_facts(file)
        return f"{file.id}, {scale}: {counted.word.upper()}. {counted.sentence} ({counted.why})", counted.word
    trials = Trials.from_runs(runs)
    judged = judge(file, scale, trials)
    result = judged.verdict
    text = f"{result.word.upper()}. {result.sentence} ({result.why})"
    if scale == "smoke":
        works = "the machinery works here" if complete(judged) else f"{result.word.upper()} ({result.why})"
        text = f"{works}. The reference verdict: {reference}"
    elif complete(judged) and (mixed := mixture(trials.table, behind(trials.table, set(judged.run_ids)))):
        text += f" {mixed}"
    return f"{file.id}, {scale} scale: {text}", result.word
