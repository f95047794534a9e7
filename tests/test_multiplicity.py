"""Many claims: one-sided p values against scipy's tests, and Holm's adjustment."""

from __future__ import annotations

import random
from dataclasses import replace
from math import inf, log

import pytest
from error_rates import ROOT, judged
from scipy import stats
from simulator import observed

from repro.claim.files import ClaimFile
from repro.contents import load_all
from repro.pages import multiplicity
from repro.questions.evidence import Evidence
from repro.questions.judge import Judgement
from repro.questions.multiplicity import adjusted, decided, holm, intervals
from repro.questions.observations import Arm
from repro.questions.statistics import Effect, count, difference, mean_of, ratio
from repro.questions.traces import TraceTest
from repro.questions.units import DIFFERENCE
from repro.questions.verdict import verdict

FILES = {file.id: file for file in load_all([ROOT / "claims"]) if isinstance(file, ClaimFile)}


def judged_as(name: str, effect: Effect | None, *arms: tuple, scale: str = "paper") -> Judgement:
    """A claim judged by this effect."""
    claim = FILES[name].at(scale)
    found = tuple(Arm(f"arm{i}", None, 0.01, observations, {}) for i, observations in enumerate(arms))
    evidence = Evidence(claim, scale, effect, found, 0)
    return Judgement(claim, scale, None, verdict(evidence), evidence, {}, 0, ())


def p_of(judgement: Judgement) -> float:
    found = decided(judgement)
    assert found is not None
    assert found.word == judgement.verdict.word
    return found.p


def test_holm_multiplies_the_smallest_p_by_all_and_each_next_by_one_fewer_and_never_falls():
    # the example of R's p.adjust
    assert holm([0.01, 0.04, 0.03, 0.005], 4) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9], 2) == [1.0, 1.0]
    assert holm([], 0) == []
    # six more that are larger than all of these: 10 x .005, 9 x .01, 8 x .03
    assert holm([0.01, 0.03, 0.005], 9 + 1) == pytest.approx([0.09, 0.24, 0.05])
    draw = random.Random(3)
    for _ in range(100):
        ps = [draw.random() ** 3 for _ in range(draw.randint(1, 12))]
        found = holm(ps, len(ps))
        assert all(p <= q <= min(1.0, len(ps) * p) for p, q in zip(ps, found, strict=True))
        assert sorted(range(len(ps)), key=lambda i: (found[i], ps[i])) == sorted(range(len(ps)), key=lambda i: ps[i])


def test_a_refutation_s_p_is_the_one_sided_t_test_against_least():
    a, b = [0.300, 0.302, 0.299, 0.304, 0.301], [0.299, 0.300, 0.301, 0.303, 0.300]
    both = observed(*a), observed(*b)
    judgement = judged_as("lrn_cifar10", difference(*both, 0.95, "seeds"), *both)
    assert judgement.verdict.word == "refuted"
    expected = stats.ttest_1samp([x - y for x, y in zip(a, b, strict=True)], 0.01, alternative="less").pvalue
    assert p_of(judgement) == pytest.approx(expected)


def test_a_ratio_in_the_band_takes_the_larger_p_of_both_ends_on_the_log_scale():
    a, b = [30.0, 33.0, 36.0, 32.0, 31.0], [5.0, 5.2, 5.5, 5.1, 5.3]
    both = observed(*a), observed(*b)
    judgement = judged_as("relu_speedup", ratio(*both, 0.95, "seeds"), *both)
    assert judgement.verdict.word == "reproduced"
    logs = [log(x / y) for x, y in zip(a, b, strict=True)]
    above = stats.ttest_1samp(logs, log(4), alternative="greater").pvalue
    below = stats.ttest_1samp(logs, log(9), alternative="less").pvalue
    assert p_of(judgement) == pytest.approx(max(above, below))


def test_unpaired_arms_take_welch_s_test():
    a, b = [0.420, 0.425, 0.418, 0.431, 0.423], [0.40, 0.401, 0.399, 0.4, 0.402]
    both = observed(*a), observed(*b)
    judgement = judged_as("two_towers", difference(*both, 0.95, "none"), *both)
    assert judgement.verdict.word in ("reproduced", "direction only")
    least = FILES["two_towers"].claim.rule.smallest
    shifted = [x - least for x in a]
    beyond = stats.ttest_ind(shifted, b, equal_var=False, alternative="greater").pvalue
    inside = stats.ttest_ind([x - 0.009 for x in a], b, equal_var=False, alternative="greater").pvalue
    under = stats.ttest_ind([x - 0.025 for x in a], b, equal_var=False, alternative="less").pvalue
    expected = beyond if judgement.verdict.word == "direction only" else max(inside, under)
    assert p_of(judgement) == pytest.approx(expected)


def test_a_count_takes_the_binomial_test():
    runs = observed(*[0.9] * 38, *[0.01] * 2)
    judgement = judged_as("tower_specialisation", count(runs, 0.05, 0.95), runs)
    assert judgement.verdict.word == "refuted"
    assert p_of(judgement) == pytest.approx(stats.binomtest(2, 40, 0.8, alternative="less").pvalue)
    runs = observed(*[0.01] * 40)
    judgement = judged_as("tower_specialisation", count(runs, 0.05, 0.95), runs)
    assert p_of(judgement) == pytest.approx(0.8**40)


def test_a_bound_of_censored_runs_takes_the_sign_test():
    both = observed(*[None] * 6, limit=12), observed(*[2.0] * 6)
    judgement = judged_as("relu_speedup", ratio(*both, 0.95, "seeds"), *both)
    assert judgement.verdict.word == "direction only"
    assert p_of(judgement) == 0.5**6


def test_a_curve_told_apart_takes_its_rank_and_one_in_the_band_a_t_test_of_its_offset():
    claim = FILES["cifar_trace"].at("paper")

    def said(p: float, offsets: list[float]) -> Judgement:
        n, mean = len(offsets), sum(offsets) / len(offsets)
        half = stats.t.ppf(0.975, n - 1) * stats.tstd(offsets) * (1 + 1 / n) ** 0.5
        low, high = mean - half, mean + half
        found = TraceTest(p, 3.0, 4, {}, mean, dict(enumerate(offsets)), low, high, 0.95, n, [], [], [])
        evidence = Evidence(claim, "paper", None, (), 0, trace=found)
        return Judgement(claim, "paper", None, verdict(evidence), evidence, {}, 0, ())

    draw = random.Random(4)
    assert p_of(said(1 / 21, [0.0] * 19 + [0.001])) == pytest.approx(1 / 21)
    offsets = [draw.gauss(0.002, 0.004) for _ in range(20)]
    error = stats.tstd(offsets) * (1 + 1 / 20) ** 0.5
    ends = [(end - sum(offsets) / 20) / error for end in (-0.02, 0.02)]
    assert p_of(said(0.5, offsets)) == pytest.approx(max(stats.t.cdf(ends[0], 19), stats.t.sf(ends[1], 19)))
    assert decided(said(0.5, [10 * offset for offset in offsets])) is None, "not told apart: nothing was decided"


def test_an_interval_that_decides_has_a_one_sided_p_of_at_most_half_of_what_it_misses():
    draw, words = random.Random(5), set()
    for _ in range(600):
        name = draw.choice(["lrn_cifar10", "relu_speedup", "dropout_average", "ilsvrc2012", "overlapping_pooling"])
        claim = FILES[name].at("paper")
        rule = claim.rule
        spread = draw.choice([0.002, 0.01]) if rule.kind != "ratio" else draw.choice([0.05, 0.3])
        n = draw.randint(3, 10)
        noise = [draw.gauss(0, spread) for _ in range(n)]
        if rule.kind == "ratio":
            size = draw.choice([1.0, 2.5, 6.0, 12.0])
            both = observed(*(size * (1 + x) for x in noise)), observed(*[1.0] * n)
            found = ratio(*both, 0.95, "seeds")
        else:
            size = draw.choice([-0.02, 0.0, 0.005, 0.01, 0.02, 0.05]) + 0.407 * (rule.kind == "value")
            both = (observed(*(size + x for x in noise)),) * 2
            found = mean_of(both[0], 0.95, rule.unit)
        judgement = judged_as(name, found, *both)
        one = decided(judgement)
        words.add(judgement.verdict.word)
        assert (one is None) == (judgement.verdict.word == "inconclusive")
        assert one is None or one.p <= 0.025 + 1e-9
    assert words == {"refuted", "reproduced", "differs", "direction only", "inconclusive"}


def test_of_several_comparisons_the_largest_p_counts_for_the_sentence_and_k_times_the_smallest_against_it():
    def of(*shifts: float) -> Judgement:
        parts = []
        for shift in shifts:
            both = observed(*(0.4 + shift + 0.0001 * i for i in range(5))), observed(*[0.4] * 5)
            parts.append(judged_as("depth", difference(*both, 0.95, "seeds"), *both))
        rule = parts[0].claim.rule.model_copy(update={"pairs": "seeds"})
        claim = parts[0].claim.model_copy(update={"rule": rule})
        paired = [replace(part, claim=claim) for part in parts]
        least = min(paired, key=lambda part: part.effect.estimate if part.effect else inf)
        return replace(least, comparisons=tuple(paired))

    both = of(0.01, 0.02)
    assert p_of(both) == max(p_of(part) for part in both.comparisons)
    against = of(-0.01, 0.02)
    assert against.verdict.word == "refuted"
    assert p_of(against) == pytest.approx(2 * p_of(against.comparisons[0]))


def test_intervals_that_left_a_claim_open_count_as_tries_too():
    """Of eleven claims whose effect lies at the boundary a twentieth, not a quarter, keeps a verdict by chance."""
    draw, kept, decided_ = random.Random(7), 0, 0
    claim = FILES["ten_views"].at("paper")
    for _ in range(300):
        found = []
        for _ in range(11):
            runs = observed(*(claim.rule.smallest - 1e-5 + draw.gauss(0, 0.002) for _ in range(5)))
            found.append(judged_as("ten_views", mean_of(runs, 0.95, claim.rule.unit), runs))
        mine = [one for one in adjusted(found) if one.side > 0]
        decided_ += bool(mine)
        kept += any(one.remains for one in mine)
    assert decided_ > 0.17 * 300, "1 - .975^11 = .24 of such worlds have a wrong word"
    assert kept < 0.08 * 300, "5 % and two standard errors"


def test_the_index_counts_the_words_that_intervals_decided_and_names_those_that_do_not_remain():
    found = judged()
    section = multiplicity.section(found)
    assert section is not None
    there = adjusted(found)
    assert {str(len(there)), str(intervals(found))} <= {*section.text[0].split()}
    assert [one.p for one in there] == sorted(one.p for one in there)
    assert {one.claim for one in there} == {
        judgement.claim.id for judgement in found if not judgement.verdict.word.startswith(("open", "not told"))
    }
    weak = judged_as("lrn_cifar10", Effect(DIFFERENCE, 0.0, -0.0099, 0.0099, 0.95, 5, "t", {0: 0.0, 1: 0.001}))
    assert multiplicity.section([]) is None
    assert multiplicity.section([weak, *found]) is not None
