"""From a claim at a scale and the table of runs to a judgement: the effect judged by the rule written beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, isinf
from typing import get_args

from repro.analysis import bases
from repro.analysis.plan import wanted
from repro.questions import speed as timing
from repro.questions.cases import WORST
from repro.questions.evidence import Evidence
from repro.questions.facts import judge_facts
from repro.questions.observations import Observation, Want
from repro.questions.statistics import Effect, TraceTest, count, difference, ensemble, ratio, trace_test, value
from repro.questions.trial import Trial, Trials
from repro.questions.tuning import Arm, Tuning
from repro.questions.verdict import Verdict, verdict
from repro.spec.claim import Claim
from repro.spec.files import AnyFile, ClaimFile, ExactFile
from repro.spec.recipes import ScaleName
from repro.spec.rules import Change, Count, Ensemble, effect_of
from repro.store import Table

SCALES: tuple[ScaleName, ...] = get_args(ScaleName)[::-1]  # from the highest


@dataclass(frozen=True)
class Judgement:
    """A claim at a scale under one choice of assumptions, judged."""

    claim: Claim  # with the scale and the alternative laid on
    scale: str
    alternative: str | None
    verdict: Verdict
    arms: dict[str, Arm]
    to_do: int  # runs that are wanted and not there
    run_ids: tuple[str, ...]  # every run of the table that this judgement looked at
    effect: Effect | None = None
    rate_range: tuple[float, float] | None = None  # the ratio over all rates within 10 % of the best, tuning seeds
    trace: TraceTest | None = None
    beside: str | None = None  # which of the claim's `rule.over` this is; None: the claim's own comparison
    together: tuple[Judgement, ...] = ()  # what was judged together, this being the weakest of it: see `judge`
    device: str | None = None  # of a timing: the one that was timed
    evidence: Evidence | None = None  # what the verdict was made of

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
        mine = trial.wants(trial.claim.rule.of if trial.claim.rule.kind != "trace" else None)
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
        why += " before rates are chosen and judged"
    if any(want.weights for want in wants):
        why += ", and those that start from their weights"
    return f"{why}; {there} {'is' if there == 1 else 'are'} there" if there else why


AGAINST = ("refuted", "disagrees at small scale", "disagrees at medium scale")


def _strength(part: Judgement) -> tuple[int, float]:
    """How well a comparison bears the sentence out: its word, then its effect in the paper's direction."""
    effect, rule = part.effect, part.claim.rule
    if effect is None or not (rule.kind == "ratio" or rule.kind == "difference"):
        return WORST.index(part.verdict.word), -inf
    above = rule.direction.startswith("above")
    bound = effect.high if isinf(effect.low) or (effect.low == 0 and effect.kind == "ratio") else effect.low
    size = bound if effect.estimate is None else effect.estimate
    return WORST.index(part.verdict.word), size if above else -size


def _surely(trial: Trial, part: Judgement, parts: int) -> Judgement:
    """A comparison judged again at the confidence that `parts` of them take."""
    rule = part.claim.rule
    assert rule.kind != "trace"
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
    if claim.measure.kind == "throughput":
        return _judge_timed(trial, claim, scale, alternative, to_do)
    if claim.measure.kind == "trace":
        return _judge_trace(trial, claim, scale, alternative, to_do)
    return _judge_arms(trial, claim, scale, alternative, to_do)


def judgements(file: ClaimFile, runs: Table | Trials) -> Iterator[Judgement]:
    """The claim at every scale that it has, from the highest, each judged when it is asked for."""
    trials = Trials.over(runs)
    return (judge(file, scale, trials) for scale in SCALES if scale in file.claim.scales)


def complete(judgement: Judgement) -> bool:
    """Whether it was measured, whatever was found."""
    return judgement.verdict.word not in ("not run", "error")


def highest(file: ClaimFile, runs: Table | Trials) -> Judgement | None:
    """The judgement at the highest complete scale; None where no scale is complete."""
    return next(filter(complete, judgements(file, runs)), None)


def reference(file: ClaimFile, runs: Table | Trials) -> str:
    """What the runs that come with the project say, in a line."""
    found = highest(file, runs)
    return f"{found.verdict.word} at {found.scale} scale. {found.verdict.sentence}" if found else "not run yet"


def said(file: AnyFile, scale: str, runs: Table | Trials, of_reference: Table | Trials) -> tuple[str, bool]:
    """(a claim's verdict from `runs`, as it is printed, whether it could not be measured)."""
    exact = isinstance(file, ExactFile)
    told = judge_facts(file) if isinstance(file, ExactFile) else judge(file, scale, runs).verdict
    text = f"{file.id}, {scale}{'' if exact else ' scale'}: {told.word.upper()}. {told.sentence} ({told.why})"
    if not isinstance(file, ExactFile) and scale == "smoke":
        text += f"\nthe machinery works here; the reference verdict: {reference(file, of_reference)}"
    return text, told.word == "error"


def _judge_arms(trial: Trial, claim: Claim, scale: str, alternative: str | None, to_do: int) -> Judgement:
    assert claim.rule.kind != "trace"
    assert claim.rule.kind != "rate"
    rule, table, tunings, arms = claim.rule, trial.table, trial.tunings, trial.arms
    judged_arms = tuple(arms[name] for name in rule.of)
    rate_range = None
    effect: Effect | None
    if rule.kind == "value":
        effect = value(judged_arms[0].observations, rule.confidence)
    elif rule.kind == "change" or rule.kind == "count" or rule.kind == "ensemble":
        effect = _of_one(rule, claim, judged_arms[0].observations, table)
    else:
        compare = ratio if rule.kind == "ratio" else difference
        numerator, denominator = judged_arms
        effect = compare(numerator.observations, denominator.observations, rule.confidence, rule.pairs)
        rate_range = _rate_range(tunings, rule.of) if claim.tune and claim.tune.choose == "fastest" else None
    evidence = Evidence(claim, scale, effect, judged_arms, to_do, rate_range)
    ids = {o.run for arm in judged_arms for o in arm.observations}
    ids |= {o.evaluation for arm in judged_arms for o in arm.observations if o.evaluation}
    ids |= {o.run for tuning in tunings.values() for rate in tuning.rates for o in rate.observations}
    run_ids = tuple(sorted(ids & table.keys()))
    return Judgement(
        claim, scale, alternative, verdict(evidence), arms, to_do, run_ids, effect, rate_range, evidence=evidence
    )


def _judge_timed(trial: Trial, claim: Claim, scale: str, alternative: str | None, to_do: int) -> Judgement:
    """The replicates on the device that was timed most; those on others are not mixed in."""
    assert claim.rule.kind == "ratio" or claim.rule.kind == "rate"
    rule, device, table, arms = claim.rule, trial.device, trial.table, trial.arms
    judged_arms = tuple(arms[name] for name in rule.of)
    if rule.kind == "rate":
        effect = timing.rate(judged_arms[0].observations, rule.confidence)
    else:
        numerator, denominator = judged_arms
        effect = ratio(numerator.observations, denominator.observations, rule.confidence, rule.pairs)
    gpu = any(
        session["device"] != "cpu"
        for o in judged_arms[0].observations
        if o.run in table
        for session in table[o.run].sessions
    )
    evidence = Evidence(claim, scale, effect, judged_arms, to_do, device=device, gpu=gpu)
    found = verdict(evidence)
    if device is not None:
        found = replace(found, sentence=f"{found.sentence} On {device}.")
    run_ids = tuple(sorted({o.run for arm in arms.values() for o in arm.observations} & table.keys()))
    return Judgement(claim, scale, alternative, found, arms, to_do, run_ids, effect, device=device, evidence=evidence)


def _of_one(
    rule: Change | Count | Ensemble, claim: Claim, observations: tuple[Observation, ...], table: Table
) -> Effect | None:
    """The effect of one arm's runs, each looked at for itself or averaged with others."""
    if rule.kind == "change":
        return value(observations, rule.confidence, "difference")
    if rule.kind == "count":
        return count(observations, rule.at_most, rule.confidence)
    if any(o.value is None for o in observations):
        return None
    from repro.questions.ensemble import statistic  # numpy: only an ensemble pays for it

    runs = [table[str(o.evaluation)] for o in observations]
    answers = 5 if claim.measure.metric.endswith("top5") else 1
    of = statistic(runs, rule.size, answers=answers, gain=rule.judges == "gain")
    return ensemble(observations, rule.size, of, rule.confidence, effect_of(rule))


def _rate_range(tunings: dict[str, Tuning], of: list[str]) -> tuple[float, float] | None:
    """Smallest and largest ratio of tuning means over all rates within 10 % of each arm's best."""
    near = []
    for name in of:
        means = [rate.mean for rate in tunings[name].rates if rate.state in ("chosen", "near")]
        if not means:
            return None
        near.append([mean for mean in means if mean is not None])
    above, below = near
    return min(above) / max(below), max(above) / min(below)


def _judge_trace(trial: Trial, claim: Claim, scale: str, alternative: str | None, to_do: int) -> Judgement:
    assert claim.rule.kind == "trace"
    rule, arms = claim.rule, trial.arms
    (name, arm), *_ = arms.items()
    runs = {seed: trial.table.get(trial.config(name, seed).id) for seed in claim.seeds}
    there = [run for seed, run in runs.items() if run is not None]
    short = [run for seed, run in runs.items() if run is not None and seed not in arm.curves]
    failed = sum(run.failed is not None for run in short)
    diverged = sum(run.failed is None and run.diverged is not None for run in short)
    found = trace_test(arm.curves, rule.authors, rule.confidence) if to_do == 0 else None
    evidence = Evidence(claim, scale, None, tuple(arms.values()), to_do, trace=found, failed=failed, diverged=diverged)
    ids = tuple(sorted(run.id for run in there))
    return Judgement(claim, scale, alternative, verdict(evidence), arms, to_do, ids, trace=found, evidence=evidence)
