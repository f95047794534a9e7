"""The words said of effects: every one that a claim can reach, by cases."""

from __future__ import annotations

import random
from math import exp, log, sqrt
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from scipy import stats
from simulated_claims import APART, ERRORS, MIRROR, RULE, TURNED, claim_file
from simulator import Failed, observed, play, reaching, run_of

from repro.claim.files import ClaimFile, run_config
from repro.claim.model import Claim
from repro.pages import write
from repro.questions.evidence import Evidence
from repro.questions.judge import highest, judge
from repro.questions.observations import Arm, Observation
from repro.questions.plan import wanted
from repro.questions.statistics import difference, ratio
from repro.questions.traces import TraceTest, trace_test
from repro.questions.verdict import Verdict, grade, verdict
from repro.store import Table

TRACE = """
id: author
version: 1
paper: {name: alexnet2012, section: "3.1", says: The author's own run shows this running training error.}
question: Can the author's printed training curve be told apart from ours?
data: {kind: cifar10}
model: {kind: cuda_convnet_19pct}
train: {epochs: 1, lr: 0.001, weight_decay: published}
arms:
  ours: {label: our runs}
varies: []
seeds: [0, 1, 2, 3]
measure: {kind: trace, metric: train_error, every: 79}
rule: {kind: trace, authors: [0.88, 0.86, 0.84], p_above: 0.25, offset_within: [-0.02, 0.02]}
scales:
  smoke: {measure.every: 8, train.lr: 0.01}
  paper: {}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> ClaimFile:
    return claim_file(tmp_path_factory.mktemp("claims"))


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> ClaimFile:
    return claim_file(tmp_path_factory.mktemp("claims"), (RULE, MIRROR))


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> ClaimFile:
    return claim_file(tmp_path_factory.mktemp("claims"), text=TRACE)


# Words of a ratio

SIX = observed(6.0, 6.5, 5.5, 6.2, 5.8)
SLOW = {  # epochs of tanh against SIX of relu, and the word at paper scale and below it
    "six times": (observed(37, 37, 34, 36, 36), "reproduced", "agrees"),
    "four to eight times": (observed(18, 40, 40, 30, 46), "direction only", "agrees"),
    "twice": (observed(12, 14, 11, 12, 11), "refuted", "disagrees"),
    "twenty times": (observed(120, 130, 110, 130, 118), "differs", "agrees"),
    "half": (observed(3, 3.3, 2.7, 3.2, 2.8), "refuted", "disagrees"),
    "about as many": (observed(6, 7, 5, 7, 5), "refuted", "disagrees"),
    "two to three times": (observed(12, 22, 11, 20, 14), "inconclusive", "open"),
    "one beyond the horizon": (observed(37, None, 34, 36, 36), "direction only", "agrees"),
    "all beyond the horizon": (observed(*[None] * 5), "differs", "agrees"),
    "all diverged": (observed(*["diverged"] * 5), "differs", "agrees"),
    "beyond a near horizon": (observed(*[None] * 5, limit=6), "inconclusive", "open"),
    "one slow, one fast": (observed(5, 40, None, 37, 36), "inconclusive", "open"),
}


def said(
    claim: Claim,
    scale: str,
    tanh: tuple[Observation, ...],
    relu: tuple[Observation, ...],
    to_do: int = 0,
    rate_range: tuple[float, float] | None = None,
) -> Verdict:
    """The verdict, the arms in the order of the claim's rule."""
    assert claim.rule.kind == "ratio"
    arms = {"tanh": Arm("tanh", None, 0.01, tanh, {}), "relu": Arm("relu", None, 0.01, relu, {})}
    above, below = (arms[name] for name in claim.rule.of)
    claim = claim.model_copy(update={"seeds": list(range(len(tanh)))})
    effect = ratio(above.observations, below.observations, claim.rule.confidence, claim.rule.pairs)
    return verdict(Evidence(claim, scale, effect, (above, below), to_do, rate_range))


@pytest.mark.parametrize("case", SLOW)
def test_every_word_of_a_ratio_is_said_where_it_is_due_and_alike_in_both_directions(
    file: ClaimFile, mirrored: ClaimFile, case: str
) -> None:
    tanh, at_paper, below = SLOW[case]
    for claim in (file.at("paper"), mirrored.at("paper")):
        assert (said(claim, "paper", tanh, SIX).word, said(claim, "paper", tanh, SIX).grade) == (at_paper, "A")
        for scale, grade_ in (("small", "D"), ("medium", "C")):
            found = said(claim, scale, tanh, SIX)
            assert (found.word, found.grade) == (f"{below} at {scale} scale", grade_)
        smoke = said(claim, "smoke", tanh, SIX)
        assert (smoke.word, smoke.grade) == ("not comparable", None)


@pytest.mark.parametrize(
    ("relu", "at_paper", "below"),
    [
        (observed(6, 6, None, 6, 6, limit=40), "inconclusive", "open"),  # at most 6
        (observed(*[None] * 5, limit=40), "refuted", "disagrees"),  # at most 36 / 40
        (observed(6, 6, 6, 6, None, limit=30), "inconclusive", "open"),
    ],
)
def test_a_fast_arm_that_never_reaches_the_level_leaves_the_other_side_open(
    file: ClaimFile, mirrored: ClaimFile, relu: tuple[Observation, ...], at_paper: str, below: str
) -> None:
    tanh = observed(36, 36, 36, 36, 36)
    for claim in (file.at("paper"), mirrored.at("paper")):
        assert said(claim, "paper", tanh, relu).word == at_paper
        assert said(claim, "small", tanh, relu).word == f"{below} at small scale"


def test_with_both_arms_censored_nothing_is_concluded(file: ClaimFile) -> None:
    found = said(file.at("paper"), "paper", observed(36, 36, 36, 36, None), observed(6, 6, 6, None, 6))
    assert (found.word, found.grade) == ("inconclusive", "A")
    assert "neither side" in found.why


def test_fewer_than_five_judging_seeds_are_grade_b_at_paper_scale_and_no_word_below_it(file: ClaimFile) -> None:
    four = said(file.at("paper"), "paper", observed(37, 37, 34, 36), observed(6, 6.5, 5.5, 6.2))
    assert (four.word, four.grade) == ("reproduced", "B")
    for scale in ("small", "medium"):
        found = said(file.at("paper"), scale, observed(37, 37, 34, 36), observed(6, 6.5, 5.5, 6.2))
        assert (found.word, found.grade) == ("not run", None)
        assert found.why.startswith("4 judging seeds; ")
        assert "n = 4" in found.sentence
    one = said(file.at("paper"), "paper", observed(36), observed(6))
    assert (one.word, one.grade) == ("inconclusive", "B")
    assert "a single judging seed" in one.why


def test_a_bound_of_less_than_the_claims_confidence_concludes_nothing(file: ClaimFile) -> None:
    found = said(file.at("paper"), "paper", observed(None, None, None, 36), observed(6, 6, 6, 6))
    assert (found.word, found.grade) == ("inconclusive", "B")
    assert "93.8 %" in found.why
    assert "95 % needs 5 judging seeds" in found.why
    assert (
        said(file.at("paper"), "paper", observed(None, None, None, 36, 36), observed(6, 6, 6, 6, 6)).word
        == "direction only"
    )


@pytest.mark.parametrize(("rates", "word"), [
    (None, "reproduced"), ((4.0, 9.0), "reproduced"), ((3.9, 7.0), "direction only"), ((5.0, 9.1), "direction only")
])  # fmt: skip
def test_reproduced_needs_the_band_over_all_rates_within_ten_percent_too(
    file: ClaimFile, mirrored: ClaimFile, rates: tuple[float, float] | None, word: str
) -> None:
    tanh = SLOW["six times"][0]
    assert said(file.at("paper"), "paper", tanh, SIX, rate_range=rates).word == word
    turned = rates and (1 / rates[1], 1 / rates[0])
    assert said(mirrored.at("paper"), "paper", tanh, SIX, rate_range=turned).word == word


@pytest.mark.parametrize("scale", ["smoke", "small", "medium", "paper"])
@pytest.mark.parametrize("tanh", [tanh for tanh, *_ in SLOW.values()])
def test_what_was_not_measured_never_looks_measured(file: ClaimFile, scale: str, tanh: tuple[Observation, ...]) -> None:
    claim = file.at("paper")
    failed = said(claim, scale, observed(*["failed"] * 5), tanh)
    one = said(claim, scale, (*tanh[:4], observed(*["failed"] * 5)[4]), SIX, to_do=3)
    missing = said(claim, scale, (*tanh[:4], observed(*["missing"] * 5)[4]), SIX, to_do=1)
    assert [(v.word, v.grade) for v in (failed, one, missing)] == [("error", None), ("error", None), ("not run", None)]
    assert one.why == "1 of 10 runs failed twice"
    assert missing.why.startswith("1 run still to do")


def test_grades_weigh_the_scale_and_at_paper_scale_the_seeds() -> None:
    assert [grade("paper", n) for n in (1, 4, 5, 20)] == ["B", "B", "A", "A"]
    assert [grade(scale, 5) for scale in ("medium", "small", "smoke")] == ["C", "D", None]


def test_inconclusive_says_what_could_have_been_told_and_how_many_seeds_would_settle_it(file: ClaimFile) -> None:
    tanh = SLOW["two to three times"][0]
    logs = [log(a.value / b.value) for a, b in zip(tanh, SIX, strict=True) if a.value and b.value]
    spread, least = float(np.std(logs, ddof=1)), log(6) / 2
    half = stats.t.ppf(0.975, 4) * spread / sqrt(5)
    distance = abs(fmean(logs) - least) / spread
    power = [stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, distance * sqrt(n)) for n in range(2, 20000)]
    seeds = next(n for n, found in enumerate(power, start=2) if found >= 0.8)  # two-sided 5 %
    why = said(file.at("paper"), "paper", tanh, SIX).why
    for number in (f"{exp(least - half):.3g}", f"{exp(least + half):.3g}", f"{max(6, seeds)} seeds"):
        assert number in why


@pytest.mark.parametrize("ratios", [(2.0, 2.6), (2.2, 2.4, 1.9), (2.9, 2.2, 2.2, 2.2, 1.98)])
def test_more_seeds_are_asked_for_than_have_just_failed_to_settle_it(
    file: ClaimFile, ratios: tuple[float, ...]
) -> None:
    why = said(
        file.at("paper"), "paper", observed(*(6 * ratio for ratio in ratios)), observed(*(6.0 for _ in ratios))
    ).why
    assert int(why.split("about ")[1].split(" seeds")[0]) > len(ratios)


def test_the_highest_complete_scale_is_the_one_that_speaks(file: ClaimFile) -> None:
    curve = reaching(lambda arm, rate, seed: (6 if arm == "relu" else 36) * 1.4 ** abs(np.log2(rate / 0.002)))
    assert highest(file, {}) is None
    small = play((file, "small"), curve=curve)
    found = highest(file, small)
    assert found is not None
    assert (found.scale, found.verdict.word) == ("small", "agrees at small scale")
    assert judge(file, "paper", small).verdict.word == "not run"
    paper = small | play((file, "paper"), curve=curve)
    found = highest(file, paper)
    assert found is not None
    assert (found.scale, found.verdict.word, found.to_do) == ("paper", "reproduced", 0)

    def failing(config, epoch):
        raise Failed("out of memory")

    failed = play((file, "paper"), curve=failing)
    assert judge(file, "paper", failed).verdict.word == "error"
    assert highest(file, failed) is None


# Words of a difference

BOTH = (0.375, 0.378, 0.372, 0.376, 0.374)
NONE = {  # points above BOTH, by seed, and the word at paper scale and below it; the band is 0.7 to 2.2 points
    "as printed": ((1.4, 1.2, 1.6, 1.5, 1.3), "reproduced", "agrees"),
    "a wide interval": ((0.8, 2.4, 1.4, 1.6, 2.0), "direction only", "agrees"),
    "across the least": ((0.4, 2.4, 1.4, 1.6, 1.2), "inconclusive", "open"),
    "three points": ((3.0, 2.9, 3.1, 3.2, 2.8), "differs", "agrees"),
    "a third of a point": ((0.3, 0.35, 0.25, 0.32, 0.28), "refuted", "disagrees"),
    "lower": ((-1.4, -1.2, -1.6, -1.5, -1.3), "refuted", "disagrees"),
    "about equal": ((0.5, -0.4, 0.3, -0.2, 0.4), "refuted", "disagrees"),
    "equal": ((0.0, 0.0, 0.0, 0.0, 0.0), "refuted", "disagrees"),
}


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> ClaimFile:
    return claim_file(tmp_path_factory.mktemp("claims"), text=ERRORS)


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> ClaimFile:
    return claim_file(tmp_path_factory.mktemp("claims"), (APART, TURNED), text=ERRORS)


def above(points: tuple[float, ...]) -> tuple[Observation, ...]:
    """The arm `none`, so many points above BOTH."""
    return observed(*(error + more / 100 for error, more in zip(BOTH, points, strict=False)))


def told(claim: Claim, scale: str, none: tuple[Observation, ...], both: tuple[Observation, ...]) -> Verdict:
    """The verdict on a difference, the arms in the order of the claim's rule."""
    assert claim.rule.kind == "difference"
    arms = {"none": Arm("none", None, 0.01, none, {}), "both": Arm("both", None, 0.01, both, {})}
    first, second = (arms[name] for name in claim.rule.of)
    claim = claim.model_copy(update={"seeds": list(range(len(none)))})
    effect = difference(first.observations, second.observations, claim.rule.confidence, claim.rule.pairs)
    return verdict(Evidence(claim, scale, effect, (first, second), 0))


@pytest.mark.parametrize("case", NONE)
def test_every_word_of_a_difference_is_said_where_it_is_due_and_alike_in_both_directions(
    errors: ClaimFile, turned: ClaimFile, case: str
) -> None:
    points, at_paper, below = NONE[case]
    for claim in (errors.at("paper"), turned.at("paper")):
        found = {scale: told(claim, scale, above(points), observed(*BOTH)) for scale in ("paper", "medium", "smoke")}
        assert (found["paper"].word, found["paper"].grade) == (at_paper, "A")
        assert (found["medium"].word, found["medium"].grade) == (f"{below} at medium scale", "C")
        assert (found["smoke"].word, found["smoke"].grade) == ("not comparable", None)


def test_the_sentence_of_a_difference_says_which_arm_is_higher_in_points(errors: ClaimFile, turned: ClaimFile) -> None:
    none = above(NONE["as printed"][0])
    one, other = (told(file.at("paper"), "paper", none, observed(*BOTH)) for file in (errors, turned))
    low, high = stats.ttest_rel([o.value for o in none], BOTH).confidence_interval(0.95)
    assert f"{100 * low:+.2f} to {100 * high:+.2f}, n = 5" in one.sentence
    assert "1.40 points higher with no LRN than with LRN" in one.sentence
    assert "1.40 points lower with LRN than with no LRN" in other.sentence


@pytest.mark.parametrize("arm", ["none", "both"])
def test_a_run_that_diverged_or_learned_nothing_leaves_a_difference_inconclusive(errors: ClaimFile, arm: str) -> None:
    arms = {"none": above(NONE["as printed"][0]), "both": observed(*BOTH)}
    arms[arm] = observed(0.38, "diverged", 0.39, "not started", 0.37)
    for scale in ("paper", "medium"):
        found = told(errors.at(scale), scale, arms["none"], arms["both"])
        assert found.word == ("inconclusive" if scale == "paper" else "open at medium scale")
        assert found.why.startswith("1 of 10 runs diverged; 1 of 10 runs learned nothing")


def test_a_difference_of_few_seeds_is_grade_b_at_paper_scale_and_no_word_below_it(errors: ClaimFile) -> None:
    points = NONE["as printed"][0][:4]
    paper = told(errors.at("paper"), "paper", above(points), observed(*BOTH[:4]))
    assert (paper.word, paper.grade) == ("reproduced", "B")
    medium = told(errors.at("medium"), "medium", above(points), observed(*BOTH[:4]))
    assert (medium.word, medium.why.partition(";")[0]) == ("not run", "4 judging seeds")
    one = told(errors.at("paper"), "paper", above(points[:1]), observed(*BOTH[:1]))
    assert (one.word, one.why) == (
        "inconclusive",
        "a single judging seed has no interval; two or more are needed",
    )


def test_without_a_printed_number_the_direction_and_the_band_alone_count(tmp_path: Path) -> None:
    silent = claim_file(tmp_path, ("paper: 0.014", "paper: null"), text=ERRORS)
    words = [told(silent.at("paper"), "paper", above(points), observed(*BOTH)).word for points, *_ in NONE.values()]
    assert words == [word for _, word, _ in NONE.values()]


def test_arms_whose_shapes_differ_are_compared_as_independent_runs(tmp_path: Path) -> None:
    """Differences that agree from seed to seed, of seeds that do not: sure where paired, not where unpaired."""
    unpaired = claim_file(tmp_path, ("direction: above 0}", "direction: above 0, pairs: none}"), text=ERRORS)
    paired = claim_file(tmp_path / "paired", text=ERRORS)
    spread = (0.36, 0.40, 0.37, 0.39, 0.38)
    none = observed(
        *(error + 0.014 + more for error, more in zip(spread, (0.001, -0.001, 0, 0.001, -0.001), strict=True))
    )
    assert told(paired.at("paper"), "paper", none, observed(*spread)).word == "reproduced"
    assert told(unpaired.at("paper"), "paper", none, observed(*spread)).word == "inconclusive"


def test_arms_that_the_rule_does_not_compare_are_not_waited_for(tmp_path: Path) -> None:
    file = claim_file(
        tmp_path,
        ("\nvaries: [model.norms]", "\n  first: {label: LRN in layer 1, model.norms: first}\nvaries: [model.norms]"),
        (
            "half_rate: {label: half of the rate, train.lr: 0.005}",
            'only_first: {label: one, "rule.of": [first, both]}',
        ),
        ("alternatives: [half_rate]", "alternatives: [only_first]"),
        text=ERRORS,
    )
    table = play((file, "medium"), curve=lambda config, epoch: 0.9 - 0.1 * epoch + 0.001 * config.seed)
    third = {run_config(file.at("medium"), "first", seed=seed).id for seed in range(5)}
    without = {i: run for i, run in table.items() if i not in third}
    assert {want.config.id for want in wanted(file, "medium", without)} == third, "they are trained all the same"
    assert judge(file, "medium", without).verdict == judge(file, "medium", table).verdict
    assert judge(file, "medium", without).verdict.word == "disagrees at medium scale"
    waiting = judge(file, "medium", without, "only_first")
    assert (waiting.verdict.word, waiting.to_do) == ("not run", 5)
    write([file], {"yours": without}, tmp_path / "out")
    page = (tmp_path / "out" / "errors.html").read_text()
    assert "Disagrees at medium scale" in page
    assert "5 runs still to do" in page


# Words of an equivalence: the paper says that there is no effect

SAME = {  # points that one arm stands above the other in five pairs, in a band of half a point; the words
    "equal": ((0, 0, 0, 0, 0), "reproduced", "agrees"),
    "a shown tenth of a point": ((0.1, 0.11, 0.1, 0.09, 0.1), "reproduced", "agrees"),
    "two points": ((2.0, 2.1, 1.9, 2.0, 2.0), "refuted", "disagrees"),
    "two points the other way": ((-2.0, -2.1, -1.9, -2.0, -2.0), "refuted", "disagrees"),
    "too wide to tell": ((1.5, -1.2, 0.3, -0.8, 0.6), "inconclusive", "open"),
}


@pytest.mark.parametrize("case", SAME)
def test_where_the_paper_says_no_effect_the_band_is_what_counts_as_none(tmp_path: Path, case: str) -> None:
    points, at_paper, below = SAME[case]
    equal = "{kind: difference, of: [none, both], paper: 0, within: [-0.005, 0.005], direction: none}"
    file = claim_file(tmp_path, (APART, equal), text=ERRORS)
    found = {
        scale: told(file.at(scale), scale, above(points), observed(*BOTH)) for scale in ("paper", "medium", "smoke")
    }
    assert (found["paper"].word, found["paper"].grade) == (at_paper, "A")
    assert (found["medium"].word, found["medium"].grade) == (f"{below} at medium scale", "C")
    assert found["smoke"].word == "not comparable"


def test_a_bound_open_to_one_side_never_shows_an_equivalence(tmp_path: Path) -> None:
    equal = "{kind: ratio, of: [tanh, relu], paper: 1, within: [0.5, 1000], direction: none}"
    claim = claim_file(tmp_path, (RULE, equal)).at("paper")
    assert said(claim, "paper", observed(37, None, 34, 36, 36), SIX).word == "inconclusive"
    assert said(claim, "paper", observed(37, 37, 34, 36, 36), SIX).word == "reproduced"


# Words of a trace


def among(ours: list[list[float]], authors: list[float]) -> TraceTest:
    found = trace_test(dict(enumerate(ours)), authors, 0.95)
    assert found is not None
    return found


def test_every_word_of_a_trace_is_said_where_it_is_due(traced: ClaimFile) -> None:
    claim, draw = traced.at("paper"), random.Random(1)
    ours = [[level + draw.gauss(0, 0.005) for level in (0.88, 0.86, 0.84)] for _ in range(4)]
    near, off = among(ours, [0.881, 0.861, 0.841]), among(ours, [0.5, 0.86, 0.84])
    # wide apart from each other, so that the author is among them, three points off in the mean
    wide = among([[x + shift for x in (0.88, 0.86, 0.84)] for shift in (-0.09, -0.04, 0.0, 0.01)], [0.88, 0.86, 0.84])

    def word(found: TraceTest | None, scale: str = "paper", to_do: int = 0, failed: int = 0, diverged: int = 0) -> str:
        said = verdict(Evidence(claim, scale, None, (), to_do, trace=found, failed=failed, diverged=diverged))
        assert (said.grade is None) == (said.word in ("not run", "error", "not comparable"))
        return said.word

    assert (word(near), word(off), word(wide)) == ("reproduced", "differs", "not told apart")
    assert word(near, scale="smoke") == "not comparable"
    assert word(near, diverged=1) == "inconclusive"
    assert [word(found, to_do=1) for found in (near, off, None)] == ["not run"] * 3
    assert [word(found, failed=1, to_do=1) for found in (near, off, None)] == ["error"] * 3
    assert word(None) == word(None, diverged=3) == "inconclusive"


def test_curves_too_few_to_tell_one_apart_conclude_nothing(traced: ClaimFile) -> None:
    claim = traced.at("paper")
    strict = claim.model_copy(update={"rule": claim.rule.model_copy(update={"p_above": 0.05})})
    ours = [[0.88, 0.86, 0.84], [0.87, 0.85, 0.83], [0.89, 0.87, 0.85], [0.88, 0.85, 0.84]]
    for authors in ([0.88, 0.86, 0.84], [0.1, 0.1, 0.1]):  # alike, and far off
        found = verdict(Evidence(strict, "paper", None, (), 0, trace=among(ours, authors)))
        assert found.word == "inconclusive"
        assert "p cannot fall below 0.2" in found.why


def test_a_trace_is_judged_from_its_runs_and_none_of_them_is_dropped_in_silence(traced: ClaimFile) -> None:
    def curve(config, epoch):
        return 0.9 - 0.1 * epoch + 0.01 * (config.seed - 1.5)

    def word(table: Table) -> tuple[str, int, list[int]]:
        found = judge(traced, "paper", table)
        return found.verdict.word, found.to_do, list(found.arms["ours"].curves)

    def failing(config, epoch):
        if config.seed == 3:
            raise Failed("out of memory")
        return curve(config, epoch)

    table = play((traced, "paper"), curve=curve, every_update=True)
    assert word(table) == ("not told apart", 0, [0, 1, 2, 3])
    config = run_config(traced.at("paper"), "ours", seed=3)
    (row,) = table[config.id].epochs
    spoiled = run_of(config, [row | {"updates": row["updates"][:100], "diverged": 101}])
    assert word(table | {config.id: spoiled}) == ("inconclusive", 0, [0, 1, 2])
    assert word(play((traced, "paper"), curve=failing, every_update=True)) == ("error", 0, [0, 1, 2])
    assert judge(traced, "paper", {}).verdict.word == "not run"
