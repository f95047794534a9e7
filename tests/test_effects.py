"""What is read off runs and the effects of arms, against scipy, by simulation with fixed seeds, and by hand."""

from __future__ import annotations

import random
from math import exp, inf, sqrt
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from scipy import special, stats
from simulated_claims import claim_file
from simulator import observed, run_of

from repro.claim.files import ClaimFile, run_config
from repro.questions.curve import AuthorsTest
from repro.questions.observations import Observation
from repro.questions.statistics import Effect, difference, paired_interval, ratio, seeds_needed, welch_interval
from repro.questions.traces import TraceTest, trace, trace_test


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> ClaimFile:
    return claim_file(tmp_path_factory.mktemp("claims"))


# Measures


def test_a_diverged_run_is_seen_to_its_end_and_known_to_take_longer_than_was_looked_at(file: ClaimFile) -> None:
    claim = file.at("paper")
    config = run_config(claim, "relu", seed=0, lr=0.001)
    rows = [{"epoch": n, "train_error": 0.9, "train_loss": 2.3, "diverged": None, "updates": []} for n in (1, 2)]
    last = {"train_error": 0.0, "train_loss": 0.0, "diverged": 900}  # of no update at all
    rows.append({"epoch": 3, "updates": []} | last)
    found = claim.measure.observe(claim, config, {config.id: run_of(config, rows)}, 48, 48)
    assert (found.status, found.value, found.horizon, found.limit, found.censored) == ("diverged", None, 3, 48, True)
    assert claim.measure.observe(claim, config, {config.id: run_of(config, rows)}, 2, 48).status == "not reached"
    assert claim.measure.observe(claim, config, {config.id: run_of(config, rows[:2])}, 48, 48).status == "missing"
    assert (
        claim.measure.observe(claim, config, {config.id: run_of(config, rows[:2], failed="why")}, 48, 48).status
        == "failed"
    )
    assert claim.measure.observe(claim, config, {}, 48, 48).status == "missing"


def test_a_trace_is_errors_over_images_where_each_files_last_minibatch_is_short(file: ClaimFile) -> None:
    config = run_config(file.at("paper"), "relu", seed=0)
    # 18 images in files of 10: minibatches of 4, 4, 2 and 4, 4
    wrong = [4, 3, 2, 3, 2, 4, 2, 1, 1, 0]
    updates = [[number, 2.3, errors] for number, errors in enumerate(wrong, start=1)]
    rows = [{"updates": updates[:5]}, {"updates": updates[5:]}]
    about = {"batch": 4, "file_images": 10, "images": 18}
    found = trace(run_of(config, rows), every=3, points=3, **about)
    assert found == pytest.approx([9 / 10, 9 / 12, 4 / 10])
    assert trace(run_of(config, rows), every=3, points=4, **about) is None
    gap = [{"updates": updates[:5]}, {"updates": [*updates[6:], [12, 2.3, 1]]}]
    assert trace(run_of(config, gap), every=3, points=3, **about) is None


# Ratios


def between(numerator: tuple[Observation, ...], denominator: tuple[Observation, ...]) -> Effect:
    found = ratio(numerator, denominator, 0.95, "seeds")
    assert found is not None
    return found


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_quantiles_of_students_t_are_those_of_scipy_stats(confidence: float) -> None:
    for freedom in (1, 2, 3.7, 4, 19, 200):
        expected = stats.t.ppf((1 + confidence) / 2, freedom)
        assert special.stdtrit(freedom, (1 + confidence) / 2) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [2, 3, 5, 20])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_intervals_are_those_of_scipys_t_tests(n: int, confidence: float) -> None:
    draw = np.random.default_rng(n)
    a, b = draw.lognormal(3, 0.3, n), draw.lognormal(1, 0.6, n)
    paired = stats.ttest_rel(np.log(a), np.log(b)).confidence_interval(confidence)
    low, middle, high = paired_interval(list(np.log(a) - np.log(b)), confidence)
    assert (low, high) == pytest.approx((paired.low, paired.high))
    assert middle == pytest.approx(np.log(a).mean() - np.log(b).mean())
    welch = stats.ttest_ind(np.log(a), np.log(b), equal_var=False).confidence_interval(confidence)
    assert welch_interval(list(np.log(a)), list(np.log(b)), confidence)[::2] == pytest.approx((welch.low, welch.high))
    for pairs, interval in (("seeds", paired), ("none", welch)):
        effect = ratio(observed(*map(float, a)), observed(*map(float, b)), confidence, pairs)
        assert effect is not None
        assert (effect.low, effect.high) == pytest.approx((exp(interval.low), exp(interval.high)))
        assert effect.estimate == pytest.approx(stats.gmean(a) / stats.gmean(b))
        assert list(effect.per_seed.values()) == pytest.approx(list(a / b))
        assert (effect.n, effect.confidence) == (n, confidence)


@pytest.mark.parametrize(("effect", "seeds"), [(2.0, 5), (1.0, 10), (0.5, 34), (0.4, 52)])
def test_seeds_needed_are_those_of_the_exact_power_of_a_paired_t_test(effect: float, seeds: int) -> None:
    assert seeds_needed(effect, 1.0, 0.95) == seeds
    assert seeds_needed(3 * effect, 3.0, 0.95) == seeds
    power = [stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, effect * sqrt(n)) for n in (seeds - 1, seeds)]
    assert power[0] < 0.8 <= power[1]


def test_a_test_error_between_two_epochs_lies_on_a_line_between_theirs() -> None:
    rows: Any = [{"epoch": epoch, "test_error": error} for epoch, error in ((1, 0.8), (2, 0.6), (3, 0.5), (4, None))]
    found = {epochs: AuthorsTest(epochs=epochs, error=0.55).ours(rows) for epochs in (2.0, 2.6, 3.5, 4.5)}
    assert found == {2.0: 0.6, 2.6: pytest.approx(0.54), 3.5: None, 4.5: None}


def test_welch_takes_arms_of_different_sizes_and_equal_values_give_no_width() -> None:
    a, b = [1.0, 2.0, 4.0], [0.5, 0.25, 0.75, 0.5, 0.6]
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert welch_interval(a, b, 0.95)[::2] == pytest.approx((welch.low, welch.high))
    assert welch_interval([2.0, 2.0], [1.0, 1.0], 0.95) == (1.0, 1.0, 1.0)
    assert paired_interval([1.0, 1.0, 1.0], 0.95) == (1.0, 1.0, 1.0)


def test_intervals_of_five_seeds_cover_what_they_should() -> None:
    draw, repeats = np.random.default_rng(1), 3000
    slow, fast = draw.normal(2, 0.4, (repeats, 5)), draw.normal(0, 0.2, (repeats, 5))
    paired = [paired_interval(d, 0.95) for d in (slow - fast).tolist()]
    welch = [welch_interval(a, b, 0.95) for a, b in zip(slow.tolist(), fast.tolist(), strict=True)]
    # four standard errors of a share of 3,000: 4 sqrt(0.95 x 0.05 / 3000) = 0.016; Welch's freedom is an approximation
    assert fmean(low <= 2 <= high for low, _, high in paired) == pytest.approx(0.95, abs=0.016)
    assert fmean(low <= 2 <= high for low, _, high in welch) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("horizon", [20, 50])  # half of the slow runs do not reach the level by then, and a twentieth
@pytest.mark.parametrize(("n", "above"), [(1, True), (3, False), (5, False), (5, True)])
def test_the_bound_of_censored_seeds_is_wrong_no_more_often_than_it_says(n: int, above: bool, horizon: int) -> None:
    draw, repeats = np.random.default_rng(n), 1000
    slow, fast = draw.lognormal(3, 0.5, (repeats, n)), draw.lognormal(1, 0.5, (repeats, n))  # median ratio: exp(3 - 1)
    formed = wrong = 0
    for a, b in zip(slow.tolist(), fast.tolist(), strict=True):
        arms = observed(*(x if x <= horizon else None for x in a), limit=horizon), observed(*b)
        found = ratio(*(arms if above else arms[::-1]), 0.95, "seeds")
        if found is not None and found.estimate is None:
            formed += 1
            wrong += found.low > exp(2) if above else found.high < exp(-2)
            assert found.confidence == 1 - 2.0**-n
            assert (found.high == inf and found.low > 0) if above else (found.low == 0 and found.high < inf)
    assert formed == (slow.max(axis=1) > horizon).sum() > repeats / 50
    assert wrong / repeats <= 2.0**-n + 4 * sqrt(2.0**-n / repeats)


def test_the_closed_limit_is_the_nearest_paired_ratio_with_the_censored_arm_at_the_horizon() -> None:
    slow = between(observed(42.0, None, 45.0, "diverged", "not started", limit=60), observed(6.0, 6.0, 5.0, 8.0, 7.0))
    assert (slow.low, slow.high, slow.estimate) == (42 / 6, inf, None)  # 60 / 8 = 7.5 is not the smallest
    assert slow.per_seed == {0: 7.0, 2: 9.0}
    assert between(observed(42.0, None, limit=60), observed(6.0, 10.0)).low == 60 / 10
    fast = between(observed(42.0, 40.0), observed(None, 5.0, limit=60))
    assert (fast.low, fast.high, fast.confidence) == (0.0, 8.0, 0.75)
    assert ratio(observed(42.0, None), observed(None, 5.0), 0.95, "seeds") is None
    assert ratio(observed(42.0), observed(6.0), 0.95, "seeds") is None  # one pair has no interval
    assert ratio((), observed(6.0), 0.95, "seeds") is None
    assert ratio(observed(42.0, "missing"), observed(6.0, 6.0), 0.95, "seeds") is None
    assert ratio(observed(42.0, 40.0), observed(6.0, "failed"), 0.95, "seeds") is None


# Differences


@pytest.mark.parametrize("n", [2, 3, 5, 20])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_differences_of_errors_have_the_intervals_of_scipys_t_tests(n: int, confidence: float) -> None:
    draw = np.random.default_rng(100 + n)
    a, b = draw.normal(0.39, 0.004, n), draw.normal(0.375, 0.002, n)
    paired = stats.ttest_rel(a, b).confidence_interval(confidence)
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
    for pairs, interval in (("seeds", paired), ("none", welch)):
        effect = difference(observed(*map(float, a)), observed(*map(float, b)), confidence, pairs)
        assert effect is not None
        assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))
        assert effect.estimate == pytest.approx(fmean(a) - fmean(b))
        assert list(effect.per_seed.values()) == pytest.approx(list(a - b))
        assert (effect.unit.name, effect.none, effect.n, effect.confidence) == ("difference", 0.0, n, confidence)


@pytest.mark.parametrize("pairs", ["seeds", "none"])
def test_a_difference_turned_round_has_the_mirrored_interval(pairs: str) -> None:
    a, b = observed(0.39, 0.41, 0.4, 0.38), observed(0.37, 0.38, 0.39, 0.375)
    one, other = difference(a, b, 0.95, pairs), difference(b, a, 0.95, pairs)
    assert one is not None
    assert other is not None
    assert (other.low, other.estimate, other.high) == pytest.approx((-one.high, -(one.estimate or 0), -one.low))
    assert other.per_seed == pytest.approx({seed: -value for seed, value in one.per_seed.items()})


@pytest.mark.parametrize("lost", ["diverged", "missing", "failed"])
def test_no_difference_is_formed_where_a_run_has_no_error_nor_of_one_seed(lost: str) -> None:
    whole, lacking = observed(0.4, 0.41, 0.42), observed(0.38, lost, 0.39)
    for pairs in ("seeds", "none"):
        assert difference(whole, lacking, 0.95, pairs) is None
        assert difference(lacking, whole, 0.95, pairs) is None
        assert difference(observed(0.4), observed(0.38), 0.95, pairs) is None
        assert difference((), (), 0.95, pairs) is None


# Traces


def curves(n: int, points: int, draw: random.Random) -> list[list[float]]:
    """Exchangeable curves whose points hang together: a shift of the whole curve, and each point's own."""
    return [[shift + draw.gauss(0, 0.5) for _ in range(points)] for shift in (draw.gauss(0, 1) for _ in range(n))]


def among(ours: list[list[float]], authors: list[float]) -> TraceTest:
    found = trace_test(dict(enumerate(ours)), authors, 0.95)
    assert found is not None
    return found


def test_a_trace_of_three_curves_by_hand() -> None:
    # The second point tells nobody apart. At the first, each value against the other three, widened by sqrt(1 + 1/3):
    # .5 against .1 .2 .3: .3 / (.1 x 1.1547)                       = 2.598
    # .1 against .2 .3 .5: (1/3 - .1) / (.152753 x 1.1547)          = 1.323
    # .2 against .1 .3 .5: .1 / (.2 x 1.1547)                       = 0.433
    # .3 against .1 .2 .5: (.3 - .2667) / (.208167 x 1.1547)        = 0.139
    found = among([[0.1, 0.7], [0.2, 0.7], [0.3, 0.7]], [0.5, 0.7])
    assert found.authors_largest == pytest.approx(2.598, abs=5e-4)
    assert found.largest == pytest.approx({0: 1.323, 1: 0.433, 2: 0.139}, abs=5e-4)
    assert (found.p, found.at_point, found.n) == (1 / 4, 0, 3)
    # offsets, means over two points: -.2, -.15, -.1, deviation .05; t(.975, 2) = 4.3027; 4.3027 x 1.1547 x .05 = .24841
    assert found.offset == pytest.approx(-0.15)
    assert found.offsets == pytest.approx({0: -0.2, 1: -0.15, 2: -0.1})
    assert (found.low, found.high) == pytest.approx((-0.15 - 0.24841, -0.15 + 0.24841), abs=1e-5)
    assert found.mean == pytest.approx([0.2, 0.7])
    assert found.point_low == pytest.approx([0.2 - 0.49683, 0.7], abs=1e-5)


@pytest.mark.parametrize("n", [3, 9, 20])
def test_an_author_far_from_all_others_has_the_smallest_p_that_there_is(n: int) -> None:
    ours = curves(n, 4, random.Random(n))
    assert among(ours, [0.0, 0.0, 40.0, 0.0]).p == 1 / (n + 1)
    assert among(ours, [0.0, 0.0, 40.0, 0.0]).at_point == 2


def test_p_is_uniform_where_the_author_is_one_of_us() -> None:
    draw, repeats, n = random.Random(7), 800, 4
    ps = [among(everybody[:n], everybody[n]).p for everybody in (curves(n + 1, 3, draw) for _ in range(repeats))]
    shares = [sum(round(p * (n + 1)) == rank for p in ps) / repeats for rank in range(1, n + 2)]
    # four standard errors of a share of 800: 4 sqrt(0.2 x 0.8 / 800) = 0.057
    assert shares == pytest.approx([1 / (n + 1)] * (n + 1), abs=0.057)


def test_curves_that_are_all_alike_are_no_outliers_and_one_that_is_not_is() -> None:
    assert among([[0.5, 0.4]] * 3, [0.5, 0.4]).p == 1
    assert (among([[0.5, 0.4]] * 3, [0.5, 0.41]).p, among([[0.5, 0.4]] * 3, [0.5, 0.41]).authors_largest) == (0.25, inf)
    assert trace_test({0: [0.5], 1: [0.4]}, [0.5], 0.95) is None


def test_the_offsets_interval_is_that_of_one_more_curve() -> None:
    ours, authors = curves(20, 4, random.Random(3)), [0.3, 0.2, 0.1, 0.0]
    found = among(ours, authors)
    offsets = [fmean(curve) - fmean(authors) for curve in ours]
    scale = stats.sem(offsets) * sqrt(20 + 1)  # s sqrt(1 + 1/n)
    expected = stats.t.interval(0.95, 19, loc=fmean(offsets), scale=scale)
    assert (found.low, found.high) == pytest.approx(expected)
    draw, inside = random.Random(4), []
    for _ in range(500):
        *ours, more = curves(6, 2, draw)
        found = among(ours, authors[:2])
        inside.append(found.low <= fmean(more) - fmean(authors[:2]) <= found.high)
    assert fmean(inside) == pytest.approx(0.95, abs=0.04)  # four standard errors of a share of 500
