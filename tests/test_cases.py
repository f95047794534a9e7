"""The verdict table: what the first case that holds says, for effects by hand, by chance, and for every claim."""

from __future__ import annotations

import random
from math import inf
from pathlib import Path
from typing import get_args

import pytest
from scipy import stats
from simulator import observed

from repro.claim.files import ClaimFile
from repro.claim.model import Claim
from repro.claim.problems import SpecError
from repro.contents import load, load_all
from repro.pages import prose
from repro.pages.readme import words
from repro.pages.view import MARKS
from repro.questions.cases import GROUPS, WORST, Word, first
from repro.questions.curve import TraceRule
from repro.questions.evidence import Evidence, settling
from repro.questions.facts import FACTS as OF_FACTS
from repro.questions.facts import Tally
from repro.questions.observations import Arm
from repro.questions.statistics import Effect, count, difference, exact_interval, mcnemar, mean_of, ratio
from repro.questions.traces import TraceTest
from repro.questions.units import DIFFERENCE, VALUE
from repro.questions.verdict import verdict

ROOT = Path(__file__).parent.parent
FILES = {file.id: file for file in load_all([ROOT / "claims"]) if isinstance(file, ClaimFile)}
AGAINST = ("refuted", "disagrees at small scale", "disagrees at medium scale")


def effect(claim: Claim, low: float, high: float, sure: float = 0.95) -> Effect:
    """An effect with this interval, its estimate in the middle; none where a side is open, as of censored runs."""
    assert not isinstance(claim.rule, TraceRule)
    kind, n = claim.rule.unit.name, len(claim.seeds)
    middle = None if high == inf or (kind == "ratio" and low == 0) else (low + high) / 2
    per_seed = {} if middle is None else {seed: middle * (1 + 0.01 * seed) for seed in claim.seeds}
    return Effect(claim.rule.unit, middle, low, high, sure, n, "by hand", per_seed)


def word(name: str, low: float, high: float, scale: str = "paper", alternative: str | None = None) -> str:
    """The word of a claim whose effect has this interval, in points of a difference or an error."""
    claim = FILES[name].at(scale, alternative)
    by = 1 if claim.rule.kind in ("ratio", "rate", "count") else 100
    return verdict(Evidence(claim, scale, effect(claim, low / by, high / by), (), 0)).word


# Golden cases of the statistics


def test_pooled_counts_of_two_nets_give_the_p_of_a_two_by_two_table():
    """82 and 102 misses of 2007 test images are p = 0.13 apart; 45 and 10 discordant of 7291 p = 2e-6."""
    table = [[82, 2007 - 82], [102, 2007 - 102]]
    assert stats.chi2_contingency(table, correction=False).pvalue == pytest.approx(0.13, abs=0.005)
    assert mcnemar(45, 10) == pytest.approx(2e-6, rel=0.15)
    assert stats.chi2.sf(4.78, 7) == pytest.approx(0.69, abs=0.005)


@pytest.mark.parametrize(("n", "k"), [(5, 1), (6, 1), (9, 2), (15, 4)])
def test_a_censored_ratio_is_bounded_by_the_kth_smallest_that_keeps_the_confidence(n, k):
    slow = observed(*(12.0 + i for i in range(n - 1)), None, limit=500)
    found = ratio(slow, observed(*[1.0] * n), 0.95, "seeds")
    assert found is not None
    assert (found.low, found.high) == (12.0 + k - 1, inf)
    assert found.confidence == pytest.approx(1 - stats.binom.cdf(k - 1, n, 0.5))
    assert k == 1 or found.confidence >= 0.975
    assert stats.binom.cdf(k, n, 0.5) > 0.025, "no larger k keeps it"


# What comes out as stated


@pytest.mark.parametrize(
    ("name", "low", "high", "expected"),
    [
        ("overlapping_pooling", 0.05, 0.15, "refuted"),
        ("overlapping_pooling", 0.02, 0.90, "inconclusive"),
        ("lrn_imagenet", 0.71, 0.80, "reproduced"),
        ("relu_speedup", 0.986, 1.015, "refuted"),
        ("two_towers", -0.06, 0.06, "refuted"),
        ("bias_one", 3.0, inf, "reproduced"),
        ("vgg_lrn", 1.0, 2.0, "reproduced"),
        ("vgg_lrn", -2.0, -1.0, "refuted"),
        ("ilsvrc2012", 38.6, 39.4, "differs"),
        ("relu_input_scale", 1.6, inf, "refuted"),
        ("relu_input_scale", 0.2, 0.9, "reproduced"),
    ],
)
def test_intervals_have_the_words_that_a_reader_expects(name, low, high, expected):
    assert word(name, low, high) == expected


def test_a_net_without_biases_that_never_starts_agrees_at_small_scale():
    assert word("bias_one", 3.0, inf, "small") == "agrees at small scale"


@pytest.mark.parametrize(("shown", "n", "against"), [(0, 70, True), (0, 5, True), (30, 40, False), (40, 40, False)])
def test_in_every_run_is_refuted_by_runs_and_not_reproduced_by_most(shown, n, against):
    low, high = exact_interval(shown, n, 0.95)
    found = word("tower_specialisation", low, high)
    assert (found == "refuted") == against
    assert found == "reproduced" if shown == n else found != "reproduced"


def test_arms_that_never_start_are_a_finding_of_times_and_not_tested_of_errors():
    dead, alive = observed(*["not started"] * 5, limit=100), observed(2.0, 2.1, 1.9, 2.0, 2.0)
    claim = FILES["relu_input_scale"].at("paper", "tanh")
    found = ratio(dead, alive, 0.95, "seeds")
    one = (Arm("tanh_8", None, 0.01, dead, {}), Arm("tanh_1", None, 0.01, alive, {}))
    assert verdict(Evidence(claim, "paper", found, one, 0)).word == "refuted"
    both = (one[0], Arm("tanh_1", None, 0.01, dead, {}))
    assert verdict(Evidence(claim, "paper", None, both, 0)).word == "not tested"
    errors = FILES["lrn_imagenet"].at("paper")
    arms = (Arm("none", None, 0.01, dead, {}), Arm("both", None, 0.01, observed(*[0.4] * 5), {}))
    told = verdict(Evidence(errors, "paper", None, arms, 0))
    assert told.word == "not tested"
    assert told.why.startswith("5 of 5 runs with no LRN ")


def test_where_both_arms_end_without_an_error_nothing_was_tested():
    claim = FILES["weight_decay"].at("medium")

    def told(*without: float) -> str:
        both = observed(*without), observed(*[0.0] * 5)
        arms = (Arm("without", None, 0.01, both[0], {}), Arm("decay", None, 0.01, both[1], {}))
        return verdict(Evidence(claim, "medium", difference(*both, 0.95, "seeds"), arms, 0)).word

    assert told(*[0.0] * 5) == "not tested"
    assert told(0.0, 0.001, 0.0, 0.0, 0.0) == "disagrees at medium scale"
    # one net looked at in two ways that never differ is no floor, but what the sentence says
    looks = observed(*[0.0] * 5)
    found = mean_of(looks, 0.95, DIFFERENCE)
    same = Evidence(FILES["dropout_average"].at("paper"), "paper", found, (Arm("net", None, 0.01, looks, {}),), 0)
    assert verdict(same).word == "reproduced"


def test_an_open_verdict_of_no_effect_names_what_would_have_been_decided_at_both_ends_of_its_band():
    def why(spread: float) -> str:
        values = observed(*(0.002 + spread * by for by in (-1, -0.5, 0, 0.5, 1)))
        found = mean_of(values, 0.95, DIFFERENCE)
        assert found is not None
        return settling(Evidence(FILES["dropout_average"].at("paper"), "paper", found, (), 0))

    # a half width of 2.776 x .00791 / sqrt 5 = .98 points in a band of one point either way: nearly nothing is inside
    assert "from −0.02 points to +0.02 points" in why(0.01)
    assert "below −1.98 points or above +1.98 points" in why(0.01)
    assert "wider than the band" in why(0.02)


def test_an_author_s_curve_at_p_of_3_percent_differs_wherever_the_offset_lies():
    claim = FILES["cifar_trace"].at("paper")

    def said(p: float, low: float, high: float) -> str:
        middle = (low + high) / 2
        found = TraceTest(p, 3.0, 4, {}, middle, {}, low, high, 0.95, 20, [], [], [])
        return verdict(Evidence(claim, "paper", None, (), 0, trace=found)).word

    assert said(0.03, -0.01, 0.01) == "differs"
    assert said(0.14, -0.0239, 0.0006) == "not told apart"
    assert said(0.14, -0.019, 0.019) == "reproduced"


def test_a_timing_without_a_gpu_cannot_speak_of_what_a_gpu_hides():
    claim = FILES["augmentation_cost"].at("paper")
    found = effect(claim, 0.982, 0.996)
    assert verdict(Evidence(claim, "paper", found, (), 0, device="x", gpu=False)).word == "not comparable"
    assert verdict(Evidence(claim, "paper", found, (), 0, device="x", gpu=True)).word == "reproduced"


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (Tally(2, 0, 0, 0), "true as printed"),
        (Tally(2, 0, 0, 1), "true in part"),
        (Tally(1, 1, 0, 0), "true in part"),
        (Tally(1, 1, 1, 0), "true in part"),
        (Tally(0, 2, 0, 0), "false as printed"),
        (Tally(0, 0, 5, 0), "inconclusive"),
        (Tally(1, 0, 1, 0), "inconclusive"),
        (Tally(0, 1, 1, 0), "inconclusive"),
    ],
)
def test_facts_that_a_sentence_rests_on_decide(counted, expected):
    assert next(case.word for case in OF_FACTS if case.test(counted)) == expected


# The least effect that bears a sentence out


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("relu_speedup", 6**0.5), ("dropout_iterations", 2**0.5), ("lrn_imagenet", 0.007), ("ensemble", 0.013),
        ("bias_one", 1.1), ("depth", 0.002), ("tower_specialisation", 0.8), ("vgg_lrn", None), ("ilsvrc2012", None),
    ],
)  # fmt: skip
def test_least_is_half_of_the_printed_effect_or_the_near_end_of_the_band(name, least):
    found = FILES[name].claim.rule
    assert not isinstance(found, TraceRule)
    assert found.smallest == (least if least is None else pytest.approx(least))


@pytest.mark.parametrize("name", FILES)
def test_bands_lie_wholly_at_or_beyond_least(name):
    file = FILES[name]
    for scale in (None, *file.claim.scales):
        for alternative in (None, *(file.alternatives_at(scale) if scale else ())):
            for claim in file.compared(scale, alternative).values():
                if isinstance(claim.rule, TraceRule) or (least := claim.rule.smallest) is None:
                    continue
                near = claim.rule.band[0 if claim.rule.direction.startswith("above") else 1]  # type: ignore[union-attr]
                assert (
                    abs(near - 1 * (claim.rule.kind == "ratio")) >= abs(least - 1 * (claim.rule.kind == "ratio")) - 1e-9
                )


@pytest.mark.parametrize(
    ("band", "text"),
    [
        ("[0.001, 0.012]", "begins short of 0.002, the smallest effect that supports the sentence"),
        ("[null, 0.012]", "is open on the side of no effect"),
        ("[null, null]", "expected [low, high] with low < high"),
    ],
)
def test_a_band_that_begins_short_of_least_is_refused(band, text, tmp_path):
    path = tmp_path / "overlapping_pooling.yaml"
    written = (ROOT / "claims" / "overlapping_pooling.yaml").read_text()
    path.write_text(written.replace("within: [0.002, 0.012]", f"within: {band}"))
    with pytest.raises(SpecError, match=r"rule\.within") as raised:
        load(path)
    assert any(text in problem.text for problem in raised.value.problems)


def test_a_claim_may_state_another_least_with_its_reason(tmp_path):
    path = tmp_path / "overlapping_pooling.yaml"
    written = (ROOT / "claims" / "overlapping_pooling.yaml").read_text()
    other = "within: [0.002, 0.012], least: {size: 0.0005, why: The paper calls any gain one.}"
    path.write_text(written.replace("within: [0.002, 0.012]", other))
    file = load(path)
    assert isinstance(file, ClaimFile)
    assert file.claim.rule.smallest == 0.0005  # type: ignore[union-attr]


# Properties


def paired(draw: random.Random, n: int, shift: float) -> tuple[list[float], list[float]]:
    base = [0.4 + draw.gauss(0, 0.003) for _ in range(n)]
    return [value + shift + draw.gauss(0, 0.003) for value in base], base


def test_swapping_arms_inverts_the_effect_and_identical_arms_are_never_reproduced():
    draw = random.Random(1)
    for _ in range(200):
        n, shift = draw.randint(2, 12), draw.choice([0.0, 0.01, -0.01])
        a, b = (observed(*values) for values in paired(draw, n, shift))
        for compare, inverted in ((difference, lambda x: -x), (ratio, lambda x: 1 / x)):
            one, other = compare(a, b, 0.95, "seeds"), compare(b, a, 0.95, "seeds")
            assert one is not None
            assert other is not None
            assert (other.low, other.high) == (pytest.approx(inverted(one.high)), pytest.approx(inverted(one.low)))
            same = compare(a, a, 0.95, "seeds")
            assert same is not None
            for file in FILES.values():
                rule = file.claim.rule
                if rule.kind == ("difference" if compare is difference else "ratio") and rule.direction != "none":
                    assert verdict(Evidence(file.at("paper"), "paper", same, (), 0)).word == "refuted"


def test_more_seeds_of_the_same_numbers_never_widen_an_interval():
    draw = random.Random(2)
    for _ in range(100):
        a, b = paired(draw, draw.randint(2, 8), 0.01)
        for pairs in ("seeds", "none"):
            widths = []
            for times in (1, 2, 4):
                found = difference(observed(*a * times), observed(*b * times), 0.95, pairs)
                assert found is not None
                widths.append(found.high - found.low)
            assert widths == sorted(widths, reverse=True)
        shown = [draw.random() < 0.5 for _ in a]
        for kind in ("ratio", "value", "count"):
            widths = []
            for times in (1, 2, 4):
                if kind == "ratio":
                    found = ratio(observed(*a * times), observed(*b * times), 0.95, "seeds")
                elif kind == "value":
                    found = mean_of(observed(*a * times), 0.95, VALUE)
                else:
                    found = count(observed(*[0.01 if yes else 0.9 for yes in shown] * times), 0.05, 0.95)
                assert found is not None
                widths.append(found.high - found.low)
            assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("name", [name for name in FILES if FILES[name].claim.rule.asks == "no effect"])
def test_arms_without_any_difference_reproduce_a_claim_of_no_effect_and_agree_with_it_below_paper_scale(name):
    claim = FILES[name].at("paper")
    assert not isinstance(claim.rule, TraceRule)
    none = 1.0 if claim.rule.kind == "ratio" else 0.0
    found = Effect(claim.rule.unit, none, none, none, 0.95, 5, "by hand", {})
    assert verdict(Evidence(claim, "paper", found, (), 0)).word == "reproduced"
    assert verdict(Evidence(claim, "small", found, (), 0)).word == "agrees at small scale"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("scale", ["small", "paper"])
def test_a_crash_is_an_error_at_every_scale_whatever_else_was_found(name, scale):
    claim = FILES[name].at(scale if scale in FILES[name].claim.scales else None)
    crashed = (Arm("net", None, 0.01, observed("failed", 0.4, 0.4, 0.4, 0.4), {}),)
    if isinstance(claim.rule, TraceRule):
        there = TraceTest(0.01, 3.0, 4, {}, 0.0, {}, -0.01, 0.01, 0.95, 20, [], [], [])
        assert verdict(Evidence(claim, scale, None, (), 0, trace=there, failed=1)).word == "error"
        return
    there = effect(claim, 0.1, 0.2)
    for to_do in (0, 3):
        assert verdict(Evidence(claim, scale, there, crashed, to_do)).word == "error"


def world(draw: random.Random, file: ClaimFile, scale: str) -> Evidence:
    """What runs of a claim might have shown: mostly an effect, at times something that failed or never started."""
    claim = draw.choice([file.at(scale, name) for name in (None, *file.alternatives_at(scale))])
    rule, chance, n = claim.rule, draw.random(), len(claim.seeds)
    status = "failed" if chance < 0.03 else "not started" if chance < 0.08 else "diverged" if chance < 0.1 else None
    arms = tuple(
        Arm(
            name,
            None,
            0.01,
            observed(*[status or 0.4] * n) if draw.random() < 0.5 else observed(*[0.4] * n),
            {},
        )
        for name in getattr(rule, "of", ["net"])
    )
    to_do = draw.choice([0] * 20 + [3])
    if isinstance(rule, TraceRule):
        low = draw.uniform(-0.06, 0.04)
        high = low + draw.uniform(0, 0.05)
        found = TraceTest(draw.random(), 2.0, 3, {}, low, {}, low, high, 0.95, n, [], [], [])
        return Evidence(claim, scale, None, (), to_do, trace=draw.choice([found, found, found, None]))
    bounds = [
        abs(v) for v in (*rule.band, rule.smallest or 1.0, getattr(rule, "paper", None) or 1.0) if abs(v or 0) < 1e9
    ]
    low, high = sorted(draw.choice([-1, 1, 1]) * draw.choice(bounds) * draw.uniform(0.2, 1.8) for _ in range(2))
    if rule.kind in ("ratio", "rate", "count"):
        low, high = sorted((abs(low), abs(high)))
    if rule.kind == "ratio" and claim.measure.kind != "throughput" and draw.random() < 0.15:
        low, high = draw.choice([(low, inf), (0.0, high)])
    sure = draw.choice([0.95, 0.969, 0.9])
    kept = None if status in ("not started", "diverged") else effect(claim, low, high, sure)
    near = draw.choice([None, (low, high)]) if rule.kind == "ratio" else None
    device = draw.choice(["2 x NVIDIA GeForce GTX 580", "1 thread of a processor"])
    return Evidence(claim, scale, kept, arms, to_do, near, device=device, gpu=draw.random() < 0.7)


@pytest.mark.parametrize("name", FILES)
def test_the_word_is_the_first_case_that_holds_in_five_hundred_worlds(name):
    draw, file = random.Random(name), FILES[name]
    allowed = set()
    for _ in range(500):
        scale = draw.choice(list(file.claim.scales))
        e = world(draw, file, scale)
        cases = e.claim.rule.cases(scale)
        allowed |= {case.word for case in cases}
        holding = [i for i in range(len(cases)) if _holds(cases, i, e)]
        case, why = first(cases, e)
        assert cases.index(case) == holding[0]
        said = verdict(e)
        assert (said.word, said.why) == (case.word, why)
        assert said.sentence
        if e.effect is not None and said.word in AGAINST:
            low, high = e.band
            assert not (low <= e.effect.low and e.effect.high <= high), "what lies in the band is never refuted"
        if any(o.status == "failed" for arm in e.arms for o in arm.observations):
            assert said.word == "error", "a crash is never a finding"
    assert allowed <= set(get_args(Word))


def _holds(cases, i: int, e: Evidence) -> bool:
    """Whether a case holds by itself; those behind the first that holds may not be asked."""
    return bool(cases[i].test(e)) if not any(cases[j].test(e) for j in range(i)) else False


def test_every_word_has_a_mark_a_group_and_a_place_in_the_legend():
    every = set(get_args(Word))
    assert set(GROUPS) == set(MARKS) == {said for said, _ in prose.legend()} == every
    assert set(WORST) == every - {"not told apart", "true as printed", "true in part", "false as printed"}


def test_the_readme_prints_the_table_that_decides():
    assert words().strip() in (ROOT / "README.md").read_text()


def test_what_was_set_after_its_runs_says_so_until_other_seeds_judge():
    claim = FILES["relu_speedup"].claim
    change = claim.set_after("small")
    assert change is not None
    assert change.runs["small"].word == "same direction"
    assert claim.set_after("paper") is None
    assert claim.model_copy(update={"seeds": [5, 6, 7, 8, 9]}).set_after("small") is None


@pytest.mark.parametrize("name", FILES)
def test_the_last_entry_of_a_history_is_the_claim_s_version(name):
    claim = FILES[name].claim
    assert [revision.version for revision in claim.history] == list(range(2, claim.version + 1))
    for revision in claim.history:
        assert set(revision.runs) <= set(claim.scales)
