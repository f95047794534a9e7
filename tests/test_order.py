"""The order of arms: tau and its exact p against enumeration and scipy, the interval's formula, and a claim's words."""

from __future__ import annotations

from itertools import permutations
from math import atanh, sqrt
from pathlib import Path

import pytest
from scipy import stats
from simulator import observed

from repro.claim.files import ClaimFile
from repro.contents import load
from repro.questions.evidence import Evidence
from repro.questions.judge import judge
from repro.questions.observations import Arm
from repro.questions.order import Order, exact_p, interval, tau
from repro.questions.order_sections import _Lane, _times
from repro.questions.verdict import verdict

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def recipe() -> ClaimFile:
    file = load(ROOT / "claims" / "recipe_trains.yaml")
    assert isinstance(file, ClaimFile)
    return file


@pytest.mark.parametrize("times", [(3.0, 1.0, 2.0, 5.0, 4.0), (1.0, 2.0, 9.0, 9.0, 3.0), (2.0, 2.0, 1.0, 1.0, 1.0)])
def test_tau_is_scipys_tau_b_and_p_is_the_share_of_all_orders(times):
    assert tau(list(times)) == pytest.approx(stats.kendalltau(range(len(times)), times).statistic)

    def wrong(order: tuple[float, ...]) -> int:
        return sum(order[i] > order[j] for i in range(len(order)) for j in range(i + 1, len(order)))

    orders = [wrong(order) for order in permutations(times)]
    assert exact_p(list(times)) == pytest.approx(sum(n <= wrong(times) for n in orders) / len(orders))


def test_without_ties_p_is_scipys_exact_one():
    times = [1.0, 2.0, 4.0, 3.0, 5.0, 8.0, 6.0, 7.0, 9.0, 12.0, 10.0, 11.0]
    expected = stats.kendalltau(range(12), times, method="exact", alternative="greater").pvalue
    assert exact_p(times) == pytest.approx(expected)


def test_of_arms_that_are_all_equal_there_is_no_order():
    assert tau([9.0] * 6) is None


def test_the_interval_is_that_of_fieller_hartley_and_pearson():
    low, high = interval(0.6, 12, 0.95)
    half = stats.norm.ppf(0.975) * sqrt(0.437 / 8)
    assert (atanh(low), atanh(high)) == pytest.approx((atanh(0.6) - half, atanh(0.6) + half))
    assert -1 < interval(-1.0, 12, 0.95)[0] < interval(1.0, 12, 0.95)[1] < 1
    # a perfect order is taken for the nearest that is not: one of 66 pairs turned, 1 - 2 / 66
    assert interval(1.0, 12, 0.95) == pytest.approx(interval(1 - 2 / 66, 12, 0.95))


def test_nine_in_ten_intervals_hold_the_tau_of_correlated_normals():
    """Tau of a normal pair with correlation r is 2 / pi asin r (Greiner): the interval holds it."""
    import numpy as np

    draw, r, held = np.random.default_rng(5), 0.8, 0
    true = 2 / np.pi * np.arcsin(r)
    for _ in range(400):
        x = draw.standard_normal(12)
        y = r * x + sqrt(1 - r * r) * draw.standard_normal(12)
        found = tau(list(y[np.argsort(x)]))
        assert found is not None
        low, high = interval(found, 12, 0.95)
        held += low <= true <= high
    assert held >= 0.9 * 400


def word(recipe: ClaimFile, times: list[float | None], scale: str = "small") -> str:
    """The claim's word where its arms, in the order predicted, take so many epochs; None: never."""
    claim = recipe.at(scale)
    assert isinstance(claim.rule, Order)
    arms = tuple(
        Arm(name, None, 0.01, observed(*[value] * len(claim.seeds), limit=30), {})
        for name, value in zip(claim.rule.of, times, strict=True)
    )
    effect = claim.rule.effect(claim, arms, {})
    return verdict(Evidence(claim, scale, effect, arms, 0)).word


def test_a_claim_of_an_order_agrees_is_open_or_disagrees(recipe):
    rising: list[float | None] = [float(i) for i in range(1, 13)]
    assert word(recipe, rising) == "agrees at small scale"
    assert word(recipe, rising, "paper") == "reproduced"
    # the printed net, fourth as predicted, starts to learn in all of these, so none of them denies the sentence
    assert word(recipe, rising[::-1]) == "open at small scale"
    mixed: list[float | None] = [2, 1, 4, 3, 6, 8, 5, 10, 7, 12, 11, 9]
    assert word(recipe, mixed) == "agrees at small scale"
    assert word(recipe, [6, 1, 8, 2, 9, 3, 5, 4, 10, 7, 12, 11]) == "open at small scale"


def test_arms_that_never_start_are_a_finding_and_share_the_last_place(recipe):
    assert word(recipe, [1, 2, 3, 4, 5, 6, 7, 8, 9, None, None, None]) == "agrees at small scale"
    assert word(recipe, [None, None, None, 4, 5, 6, 7, 8, 9, 1, 2, 3]) == "open at small scale"


def test_without_the_net_of_the_sentence_no_order_supports_it_and_with_it_none_denies_it(recipe):
    assert recipe.at("small").rule.of[3] == recipe.at("small").rule.starts == "raw_printed_1"
    # in the predicted order, but the nets from the fourth on never start: the printed one among them
    assert word(recipe, [1, 2, 3, *[None] * 9]) == "open at small scale"
    assert word(recipe, [1, 2, 3, None, 5, 6, 7, 8, 9, 10, 11, 12]) == "open at small scale"
    assert word(recipe, [12, 11, 10, None, 9, 8, 7, 6, 5, 3, 2, 1]) == "disagrees at small scale"
    assert word(recipe, [12, 11, 10, None, 9, 8, 7, 6, 5, 3, 2, 1], "paper") == "refuted"


def test_every_run_is_drawn_once_and_one_that_stalled_as_a_triangle():
    first = _Lane("first", observed(90.0, 95.0, "failed", "missing"), 1)  # what failed has no time
    last = _Lane("last", observed(1900.0, None, limit=2000), 1)
    drawing = _times("x", "updates", "as predicted", [first, last], "updates")
    for still in drawing.stills.values():
        points = [layer for layer in still["layer"] if layer["mark"]["type"] == "point"]
        drawn = [(layer["mark"]["shape"], row["time"]) for layer in points for row in layer["data"]["values"]]
        assert drawn == [("circle", 90.0), ("circle", 95.0), ("circle", 1900.0), ("triangle-right", 2000.0)]
    assert (first.stalled, last.stalled, first.mean < last.mean) == (False, False, True)
    stalled = _Lane("stalled", observed(None, None, limit=2000), 1)
    assert (stalled.stalled, len(stalled.runs)) == (True, 2)


def test_before_its_runs_it_is_not_run_and_all_its_cells_are_wanted(recipe):
    judged = judge(recipe, "small", {})
    assert judged.verdict.word == "not run"
    assert judged.to_do == 12 * 2
