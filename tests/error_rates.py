"""How often each word is said in simulated worlds whose true effect is known: `python -m tests.error_rates`.

Observations are drawn and go through the real effects and cases. The command, a maintainer's, writes the table in
claims/README.md and, for ensembles and printed curves, repro/questions/simulated.json, which pages read. It takes the
number of seeds and the spread of judged claims from the reference shelf: run it after runs are added there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from math import comb, inf, log, sqrt
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from repro.claim.files import ClaimFile
from repro.contents import load_all
from repro.pages.power import percent, spread
from repro.pages.readme import update
from repro.questions.base import Claim
from repro.questions.cases import first
from repro.questions.evidence import Evidence
from repro.questions.judge import Judgement, highest
from repro.questions.observations import Observation
from repro.questions.outlook import TABLE
from repro.questions.power import as_printed, otherwise, sampling
from repro.questions.speed import geometric_rate
from repro.questions.statistics import Effect, Sampling, count, difference, ensemble, mean_of, ratio
from repro.questions.traces import trace_test
from repro.questions.trial import Trials
from repro.store import Store

ROOT = Path(__file__).parent.parent
WORLDS = 2000  # the standard error of a rate is at most 1.1 points
SEED = 2012
SHIFTS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03)  # of a printed curve
SIZES = (1.0, 0.0, 0.5, 1.5, 2.0, 3.0)  # of an ensemble's effect, times the printed one

# A claim of every question, with ample seeds: 15, or as many as `AMPLE` says, whose spread is half of the distance
# between no effect and `least`; of no effect and of a number, between it and the near end of the band.
QUESTIONS = {
    "ratio": "relu_speedup", "difference, paired": "lrn_imagenet", "difference, unpaired": "two_towers",
    "change": "ten_views", "ensemble": "ensemble", "count": "tower_specialisation", "no effect": "dropout_average",
    "no effect, one side": "relu_input_scale", "number": "ilsvrc2012", "rate": "training_cost", "curve": "cifar_trace",
}  # fmt: skip
AMPLE = {"count": 40, "curve": 20, "ensemble": 8}  # nets of which 56 ensembles of five can be made

World = Callable[[np.random.Generator, float], Evidence]


def observed(values: Sequence[float]) -> tuple[Observation, ...]:
    """Return observations of seeds 0, 1, ... that have these values."""
    return tuple(Observation(seed, f"run{seed}", float(v), 1, "reached", 1) for seed, v in enumerate(values))


@dataclass(frozen=True)
class Curves:
    """What printed curves are drawn from: mean [points] and covariance [points, points] over seeds."""

    mean: np.ndarray
    covariance: np.ndarray


def world(claim: Claim, scale: str, of: Sampling, curves: Curves | None = None) -> World:
    """Return what draws the evidence of one set of judging seeds, given the true effect in the claim's unit."""
    claim = claim.model_copy(update={"seeds": list(range(of.n))})
    if of.kind == "curve":
        assert curves is not None
        return _of_curves(claim, scale, of.n, curves)
    if of.kind == "jackknife":
        return _of_ensembles(claim, scale, of)
    device = getattr(claim.rule, "on", None)

    def drawn(draw: np.random.Generator, effect: float) -> Evidence:
        found = _effect(claim, of, draw, effect)
        assert found is not None
        # without its seeds, the search for how many would settle it is passed over: it decides nothing
        return Evidence(claim, scale, replace(found, per_seed={}), (), 0, device=device)

    return drawn


def _effect(claim: Claim, of: Sampling, draw: np.random.Generator, effect: float) -> Effect | None:
    """Return the effect of drawn observations."""
    rule = claim.rule
    if rule.kind == "count":
        return count(observed(np.where(draw.random(of.n) < effect, 0.0, 1.0)), rule.at_most, rule.confidence)
    if rule.kind == "ratio" or rule.kind == "difference":
        # what seeds have in common, here 3 % of a time or an error of 0.4, makes no difference to pairs
        shared = draw.normal(0, 0.03 if of.kind == "paired" else 0, of.n)
        spreads = (of.spreads[0], 0.0) if of.kind == "paired" else of.spreads
        mean = log(effect) if rule.kind == "ratio" else effect
        a, b = (shared + draw.normal(0, spread, of.n) for spread in spreads)
        if rule.kind == "ratio":
            return ratio(observed(np.exp(a + mean)), observed(np.exp(b)), rule.confidence, rule.pairs)
        return difference(observed(0.4 + a + mean), observed(0.4 + b), rule.confidence, rule.pairs)
    noise = draw.normal(0, of.spreads[0], of.n)
    if rule.kind == "rate":
        return geometric_rate(observed(np.exp(log(effect) + noise)), rule.confidence)
    return mean_of(observed(effect + noise), rule.confidence, rule.unit)


def _of_curves(claim: Claim, scale: str, n: int, of: Curves) -> World:
    """Curves of ours and of the author from one normal distribution, the author's lower by the effect."""

    def drawn(draw: np.random.Generator, effect: float) -> Evidence:
        *ours, authors = draw.multivariate_normal(of.mean, of.covariance, n + 1).tolist()
        found = trace_test(dict(enumerate(ours)), [point - effect for point in authors], claim.rule.confidence)
        return Evidence(claim, scale, None, (), 0, trace=found)

    return drawn


def _of_ensembles(claim: Claim, scale: str, of: Sampling) -> World:
    """Nets of which each adds something of its own to the effect of its ensembles, and each pair something, half of
    the variance each (assumed); so large that the jackknife's mean squared error is that of the spread."""
    rule = claim.rule
    assert rule.kind == "ensemble"

    def found(draw: np.random.Generator, effect: float, by: float) -> Effect:
        own = draw.normal(0, by / sqrt(rule.size), of.n)
        pairs = draw.normal(0, by / sqrt(comb(rule.size, 2)), (of.n, of.n))

        def statistic(members: tuple[int, ...]) -> float:
            both = sum(pairs[i, j] for i, j in combinations(members, 2))
            return float(effect + own[list(members)].sum() + both)

        out = ensemble(observed(np.zeros(of.n)), rule.size, statistic, rule.confidence, rule.unit)
        assert out is not None
        return out

    trial = np.random.default_rng(SEED)
    widths = [(e.high - e.low) ** 2 for e in (found(trial, 0.0, 1.0) for _ in range(500))]
    unit = replace(of, spreads=(1.0,))
    width = 2 * _quantile(rule.confidence, of.n - 1) * unit.error
    by = of.spreads[0] * width / sqrt(fmean(widths))

    def drawn(draw: np.random.Generator, effect: float) -> Evidence:
        return Evidence(claim, scale, replace(found(draw, effect, by), per_seed={}), (), 0)

    return drawn


def _quantile(confidence: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


def rates(of: World, effect: float, worlds: int, seed: int = SEED) -> dict[str, float]:
    """Return how often each word is said in so many worlds."""
    draw = np.random.default_rng(seed)
    said: Counter[str] = Counter()
    for _ in range(worlds):
        evidence = of(draw, effect)
        said[first(evidence.claim.rule.cases(evidence.scale), evidence)[0].word] += 1
    return {word: times / worlds for word, times in said.items()}


def ample(claim: Claim, n: int = 15) -> Sampling:
    """Return the sampling of ample seeds, see `QUESTIONS`."""
    rule, none = claim.rule, otherwise(claim)
    if rule.kind == "count":
        return Sampling("count", n)
    true = as_printed(claim)
    assert true is not None
    ends = [end for end in rule.band if 0 < abs(end) < inf]
    if claim.rule.asks == "effect":
        assert none is not None
        assert rule.smallest is not None
        true, ends = none, [rule.smallest]
    distances = [abs(log(end / true)) if claim.rule.unit.logarithmic else abs(end - true) for end in ends]
    spread = min(distances) / 2
    if rule.kind == "ensemble":
        return Sampling("jackknife", n, (spread,))
    return Sampling("welch", n, (spread, spread)) if getattr(rule, "pairs", "seeds") == "none" else Sampling(
        "paired", n, (spread,)
    )  # fmt: skip


def curves_of(judgement: Judgement) -> Curves:
    """Return the distribution of a judged claim's own curves."""
    (arm,) = judgement.arms.values()
    ours = np.array(list(arm.curves.values()))
    return Curves(ours.mean(0), np.cov(ours, rowvar=False))


@lru_cache  # two modules of tests ask for it
def judged() -> list[Judgement]:
    """Return what the reference runs say, of every claim whose effect has an interval there."""
    trials = Trials(Store(ROOT / "runs" / "reference").table())
    files = [file for file in load_all([ROOT / "claims"]) if isinstance(file, ClaimFile)]
    found = [highest(file, trials) for file in files]
    there = [j for j in found if j and j.scale != "smoke" and j.verdict.word != "not comparable"]
    return [j for j in there if sampling(j) is not None]


def simulated(judgements: Sequence[Judgement], worlds: int = WORLDS) -> dict[str, Any]:
    """Return the table of what has no closed form: at each claim's own n and spread, words by true effect."""
    out = []
    for judgement in judgements:
        claim, of = judgement.claim, sampling(judgement)
        assert of is not None
        if of.kind not in ("jackknife", "curve"):
            continue
        true = as_printed(claim)
        assert true is not None
        effects = SHIFTS if of.kind == "curve" else [true * size for size in SIZES]
        drawn = world(claim, judgement.scale, of, curves_of(judgement) if of.kind == "curve" else None)
        rows = [{"effect": effect, "words": rates(drawn, effect, worlds)} for effect in effects]
        out.append({
            "claim": claim.id, "scale": judgement.scale, "n": of.n, "spread": of.spreads[0], "rows": rows,
        })  # fmt: skip
    return {"command": "python -m tests.error_rates", "worlds": worlds, "claims": out}


def lines(judgements: Sequence[Judgement], worlds: int = WORLDS) -> list[str]:
    """Return the table of error rates as markdown."""
    files = {file.id: file for file in load_all([ROOT / "claims"]) if isinstance(file, ClaimFile)}
    out = [
        f"Each rate comes from {worlds:,} simulated experiments and is accurate to about two points. The first table",
        "assumes 15 seeds (40 for a count, 20 for a curve, 8 for an ensemble) whose spread is half the distance from",
        "no effect to the smallest effect that counts; for a claim of no effect or of a single number, half the",
        "distance from it to the nearer end of the band.",
        "",
        "| question | claim | true effect | words |",
        "|---|---|---|---|",
    ]
    for question, name in QUESTIONS.items():
        claim = files[name].at("paper")
        curve = next((j for j in judgements if j.claim.id == name and j.trace), None)
        if curve is not None:
            found = sampling(curve)
            assert found is not None
            drawn, effects = world(claim, "paper", found, curves_of(curve)), [0.0, 0.03]
        else:
            drawn = world(claim, "paper", ample(claim, AMPLE.get(question, 15)))
            effects = [effect for effect in (as_printed(claim), otherwise(claim)) if effect is not None]
        out += [f"| {question} | {name} | {_cells(claim, drawn, effect, worlds)} |" for effect in effects]
    out += [
        "",
        "Each judged claim at its own scale, number of seeds and spread, by the reference runs:",
        "",
        "| claim, scale | n | spread | true effect | words |",
        "|---|---|---|---|---|",
    ]
    for judgement in judgements:
        claim, of = judgement.claim, sampling(judgement)
        assert of is not None
        drawn = world(claim, judgement.scale, of, curves_of(judgement) if of.kind == "curve" else None)
        effects = [effect for effect in (as_printed(claim), otherwise(claim)) if effect is not None]
        effects += [0.01, 0.02] if of.kind == "curve" else []
        about = f"{claim.id}, {judgement.scale} | {of.n} | {spread(of, claim) or '–'}"
        out += [f"| {about} | {_cells(claim, drawn, effect, worlds)} |" for effect in effects]
    return out


def _cells(claim: Claim, drawn: World, effect: float, worlds: int) -> str:
    found = sorted(rates(drawn, effect, worlds).items(), key=lambda said: -said[1])
    return f"{claim.rule.unit.printed(effect)} | {', '.join(f'{word} {percent(rate)}' for word, rate in found)}"


def main() -> None:
    """Write the table in claims/README.md and that of the package."""
    found = judged()
    TABLE.write_text(json.dumps(simulated(found), indent=1) + "\n")
    update(ROOT / "claims" / "README.md", "\n".join(lines(found)) + "\n", "error rates")


if __name__ == "__main__":
    main()
