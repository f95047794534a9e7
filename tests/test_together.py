"""Several comparisons judged together: the weakest decides, whatever their order; a word against is said surely."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
from simulated_claims import PHOTOS, claim_file
from simulator import Curve, observed, play, reaching

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, SpecError
from repro.contents import load
from repro.pages import write
from repro.questions.judge import judge
from repro.questions.plan import wanted
from repro.questions.ratio import Ratio
from repro.questions.statistics import difference
from repro.store import Table

OVER = "over: [second, third]"
WITHIN = "within: [0.01, 0.03]"
TEXT = (
    """
id: several
version: 1
paper: {name: alexnet2012, section: "7", says: Removing any of the middle layers costs about 2 points.}
question: How much higher is the error without one of them?
arms:
  full: {label: all layers, model.without: []}
  one: {label: conv2 removed, model.without: [conv2]}
  two: {label: conv3 removed, model.without: [conv3]}
  three: {label: conv4 removed, model.without: [conv4]}
varies: [model.without]
measure: {kind: final, metric: test_error}
rule: {kind: difference, of: [one, full], over: [second, third], paper: 0.02, within: [0.01, 0.03], direction: above 0}
assumptions:
  - what: layer
    ours: conv2 to conv4, each alone
    alternatives:
      second: {label: conv3 removed, "rule.of": [two, full]}
      third: {label: conv4 removed, "rule.of": [three, full]}
  - what: rate
    ours: 0.01 in all arms
    alternatives:
      half_rate: {label: half of the rate, train.lr: 0.005}
      first_two: {label: two layers, rule.over: [second]}
scales:
  smoke: {}
  medium: {train.epochs: 1, train.drops: [], alternatives: [half_rate, first_two]}
  paper: {train.epochs: 1}
"""
    + PHOTOS
)
TURNED = (
    ("direction: above 0", "direction: below 0"),
    ("paper: 0.02", "paper: -0.02"),
    (WITHIN, "within: [-0.03, -0.01]"),
    ("of: [one, full]", "of: [full, one]"),
    ('"rule.of": [two, full]', '"rule.of": [full, two]'),
    ('"rule.of": [three, full]', '"rule.of": [full, three]'),
)
NAMES = {"conv2": "ours", "conv3": "second", "conv4": "third"}
Costs = dict[str, list[float]]  # by layer left out, what it costs on seeds 0 to 4


def costing(costs: Costs) -> Callable[[RunConfig, float], float]:
    def curve(config: RunConfig, epoch: float) -> float:
        without = config.model.without or []
        return 0.4 + (costs[without[0]][config.seed] if without else 0.0)

    return curve


def around(middle: float, spread: float) -> list[float]:
    return [middle + spread * step for step in (-1, -0.5, 0, 0.5, 1)]


NARROW = 0.002  # a 95 % interval of five such seeds is the middle +- 0.0020, one of 1 - 0.05 / 3 the middle +- 0.0028
BARELY = 0.0023
CASES: dict[str, tuple[dict[str, list[float]], str, str, str]] = {
    # costs, the word at medium scale, at paper scale, the comparison that decides
    "all inside": (dict(zip(NAMES, (around(0.02, NARROW), around(0.022, NARROW), around(0.018, NARROW)), strict=True)),
                   "agrees at medium scale", "reproduced", "third"),
    "one shows nothing": (dict(zip(NAMES, (around(0.02, NARROW), around(0.001, NARROW), around(0.1, NARROW)),
                                   strict=True)),
                          "disagrees at medium scale", "refuted", "second"),
    "one is surely the other way": (dict(zip(NAMES, (around(-0.02, NARROW), around(0.02, NARROW),
                                                     around(0.02, 0.2)), strict=True)),
                                    "disagrees at medium scale", "refuted", "ours"),
    "one is short by chance": (dict(zip(NAMES, (around(0.02, NARROW), around(0.01 - BARELY, NARROW),
                                                        around(0.02, NARROW)), strict=True)),
                                       "open at medium scale", "inconclusive", "second"),
    "one costs far more than the band": (dict(zip(NAMES, (around(0.02, NARROW), around(0.015, NARROW),
                                                          around(0.08, NARROW)), strict=True)),
                                         "agrees at medium scale", "differs", "third"),
    "one is not wholly inside": (dict(zip(NAMES, (around(0.02, NARROW), around(0.029, NARROW),
                                                  around(0.022, NARROW)), strict=True)),
                                 "agrees at medium scale", "direction only", "second"),
}  # fmt: skip
LEAST = {"one costs far more than the band": "second", "one is not wholly inside": "ours"}  # at medium: by size alone


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[ClaimFile]:
    return [
        claim_file(tmp_path_factory.mktemp("claims"), text=TEXT),
        claim_file(tmp_path_factory.mktemp("claims"), *TURNED, text=TEXT),
    ]


def table_of(file: ClaimFile, scale: str, costs: Costs) -> Table:
    return play((file, scale), curve=costing(costs))


def test_the_half_widths_that_the_cases_stand_on():
    for confidence, half in ((0.95, 0.0020), (1 - 0.05 / 3, 0.0028)):
        found = difference(observed(*around(0.02, NARROW)), observed(*[0.0] * 5), confidence, "seeds")
        assert found is not None
        assert (found.high - found.low) / 2 == pytest.approx(half, abs=5e-5)
    assert 0.0020 < BARELY < 0.0028


@pytest.mark.parametrize("case", CASES)
def test_the_weakest_of_several_decides_in_either_direction(files, case):
    costs, medium, paper, weakest = CASES[case]
    for file in files:
        for scale, word in (("medium", medium), ("paper", paper)):
            found = judge(file, scale, table_of(file, scale, costs))
            name = LEAST.get(case, weakest) if scale == "medium" else weakest
            assert (found.verdict.word, found.name) == (word, name)
            assert found.verdict.sentence.startswith(f"The weakest of 3 comparisons is {name}. The test error is ")
            assert [part.name for part in found.comparisons] == ["ours", "second", "third"]
            assert found.effect == next(part.effect for part in found.comparisons if part.name == name)


@pytest.mark.parametrize("case", CASES)
def test_it_does_not_matter_which_comparison_is_the_claim_s_own(files, case):
    costs, *_ = CASES[case]
    words = set()
    for order in permutations(costs.values()):
        swapped = dict(zip(costs, order, strict=True))
        found = judge(files[0], "paper", table_of(files[0], "paper", swapped))
        assert found.effect is not None
        words.add((found.verdict.word, found.effect.estimate))
    assert len({word for word, _ in words}) == 1
    assert max(estimate for _, estimate in words) - min(estimate for _, estimate in words) < 1e-12


def test_a_word_against_is_judged_at_the_confidence_that_so_many_comparisons_take(files):
    costs, *_ = CASES["one is short by chance"]
    found = judge(files[0], "paper", table_of(files[0], "paper", costs))
    confidences = [part.effect.confidence for part in found.comparisons if part.effect]
    assert confidences == pytest.approx([0.95, 1 - 0.05 / 3, 0.95])
    alone = judge(files[0], "paper", table_of(files[0], "paper", costs), "second")
    assert (alone.verdict.word, alone.comparisons) == ("refuted", ()), "by itself it would say so"


def test_while_a_run_of_any_comparison_is_missing_nothing_is_judged(files):
    costs, *_ = CASES["all inside"]
    table = table_of(files[0], "paper", costs)
    of_third = next(run for run in table.values() if run.config["model"]["without"] == ["conv4"])
    del table[of_third.id]
    found = judge(files[0], "paper", table)
    assert (found.verdict.word, found.to_do) == ("not run", 1)
    assert found.verdict.why == "1 run still to do; 19 are there", "of all comparisons, not of the weakest"


def test_a_run_that_several_comparisons_look_at_is_wanted_once(files):
    wants = wanted(files[0], "paper", {})
    assert len(wants) == len({want.config.id for want in wants}) == 4 * 5
    # and under an alternative, with which all comparisons are made again
    under = wanted(files[0], "medium", {}, ["half_rate"])
    assert len(under) == 4 * 5
    assert {want.config.train.lr for want in under} == {0.005}
    assert {want.label.split(":")[0] for want in under} == {"several (half_rate)"}


def test_an_alternative_is_judged_with_the_same_comparisons_or_with_its_own(files):
    costs, *_ = CASES["one shows nothing"]
    table = table_of(files[0], "medium", costs | {"conv4": around(0.0, NARROW)})
    half, two = (judge(files[0], "medium", table, name) for name in ("half_rate", "first_two"))
    assert [part.name for part in half.comparisons] == ["half_rate", "second", "third"]
    assert [part.name for part in two.comparisons] == ["first_two", "second"]
    assert (half.name, two.name) == ("third", "second")


def test_times_are_compared_alike_and_an_open_side_counts_by_its_bound(tmp_path):
    """tanh takes so many times as long; under `he` a seed never gets there, and its horizon is a bound."""
    other = "{he: {label: He init, model.init: he}}"
    file = claim_file(
        tmp_path,
        ("direction: above 1}", "direction: above 1, over: [he]}"),
        ("scales:", f"assumptions: [{{what: start, ours: as published, alternatives: {other}}}]\nscales:"),
    )

    def times(ratios: dict[bool, float]):
        def curve(config: RunConfig, epoch: float) -> float | None:
            he, rate = config.model.init == "he", 1 if config.train.lr == 0.002 else 1.4
            slow = ratios[he] if config.model.activation == "tanh" else 1.0
            return reaching(lambda *_: 4 * rate * slow)(config, epoch)

        return curve

    for ratios, weakest in (({False: 6.0, True: 5.0}, "he"), ({False: 4.5, True: 8.0}, "ours")):
        found = judge(file, "paper", play((file, "paper"), curve=times(ratios)))
        assert (found.verdict.word, found.name) == ("reproduced", weakest)
        assert found.effect is not None
        assert found.effect.estimate == pytest.approx(min(ratios.values()))


def test_the_page_draws_every_comparison_and_names_the_weakest(files, tmp_path):
    costs, *_ = CASES["one shows nothing"]
    table = table_of(files[0], "medium", costs)
    write([files[0]], {"yours": table}, tmp_path)
    text = (tmp_path / "several.html").read_text()
    drawn = text[text.index('id="choices-chart"') :]
    drawn = drawn[: drawn.index("</figure>")]
    for other in files[0].claim.alternatives.values():
        assert f">{other.label}<" in drawn or f"{other.label}: " in drawn
    assert "our choice, conv3 removed and conv4 removed; the weakest, conv3 removed, decides." in drawn
    assert text.count("judged together with our choice; the weakest decides") == 2
    assert "not run at the scale shown" not in text
    assert "All of them can only be accepted wrongly if a false one is" in text
    data = json.loads((tmp_path / "several.json").read_text())["judgement"]
    assert (data["comparison"], [part["comparison"] for part in data["together"]]) == (
        "second",
        ["ours", "second", "third"],
    )
    rows = (tmp_path / "several.csv").read_text().splitlines()
    # of each of 3 comparisons, and 3 and 2 under the alternatives, 4 arms on 5 seeds
    assert len(rows) == 1 + (3 + 3 + 2) * 4 * 5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([(OVER, "over: [secnd, third]")], "rule.over: no alternative secnd; did you mean second?"),
        ([(OVER, "over: [second, second]")], "rule.over: second stands twice"),
        (
            [("direction: above 0", "direction: none"), (WITHIN, "within: [-0.03, 0.03]")],
            "rule.over: has no weakest of several where the paper says that there is no effect",
        ),
        (
            [('"rule.of": [three, full]}', '"rule.of": [full, three], rule.direction: below 0, '
              "rule.paper: -0.02, rule.within: [-0.03, -0.01]}")],
            "alternative third: rule.direction: found 'below 0'; expected 'above 0', as what it is judged with",
        ),
        (
            [("alternatives: [half_rate, first_two]", "alternatives: [half_rate, second]")],
            "scale medium: alternative second: is judged with the claim already; take it away here, or from rule.over",
        ),
    ],
)  # fmt: skip
def test_comparisons_that_cannot_be_judged_together_are_refused_at_their_line(changes, says, tmp_path):
    with pytest.raises(SpecError) as caught:
        claim_file(tmp_path, *changes, text=TEXT)
    assert says in str(caught.value)


def test_depth_judges_every_layer_and_the_middle_ones_apart():
    file = load(Path(__file__).parent.parent / "claims" / "depth.yaml")
    assert isinstance(file, ClaimFile)
    for name, layers in ((None, "12345"), ("middle", "234"), ("middle_of_3_to_5", "345")):
        found = [claim.rule.of for claim in file.compared("paper", name).values()]
        assert found == [[f"no_conv{layer}", "full"] for layer in layers]


def by_net(ratios: dict[str, float], logistic: float) -> Curve:
    """A relu net takes 3 epochs at the rate 0.002 (0.01 on photos), a tanh net so many times as long by its kind."""

    def time(config: RunConfig) -> float:
        slow = {"relu": 1.0, "tanh": ratios[config.model.kind], "logistic": logistic}[config.model.activation]
        best = 0.01 if config.data.crop else 0.002
        return 3 * slow * (1 if config.train.lr == best else 1.4) * (1 + 0.01 * (config.seed % 100))

    return lambda config, epoch: reaching(lambda *_: time(config))(config, epoch)


NETS = {
    "cuda_convnet_19pct": "ours",
    "cuda_convnet_18pct": "18pct",
    "cuda_convnet_80sec": "80sec",
    "cuda_convnet_conv_local_13pct": "conv_local",
    "alexnet": "faithful",
}


@pytest.fixture(scope="module")
def consistently() -> ClaimFile:
    file = load(Path(__file__).parent.parent / "claims" / "relu_consistently.yaml")
    assert isinstance(file, ClaimFile)
    return file


@pytest.mark.parametrize(
    ("ratios", "word", "weakest"),
    [
        ((6.0, 4.0, 3.0, 3.5, 2.5), "reproduced", "faithful"),
        ((6.0, 1.5, 3.0, 3.5, 2.5), "refuted", "18pct"),
        ((0.5, 4.0, 3.0, 3.5, 2.5), "refuted", "ours"),
    ],
)
def test_several_times_is_at_least_twice_in_every_net(consistently, ratios, word, weakest):
    curve = by_net(dict(zip(NETS, ratios, strict=True)), logistic=8.0)
    table: Table = play((consistently, "paper"), curve=curve)
    found = judge(consistently, "paper", table)
    assert (found.verdict.word, found.name) == (word, weakest)
    assert [part.name for part in found.comparisons] == list(NETS.values())
    for part, ratio in zip(found.comparisons, ratios, strict=True):
        assert part.effect is not None
        assert part.effect.estimate == pytest.approx(ratio, rel=0.02)  # on photos wrong answers are counted whole
        assert {arm.rate for arm in part.arms.values()} == {0.01 if part.name == "faithful" else 0.002}
    logistic = judge(consistently, "paper", table, "logistic")
    assert (logistic.verdict.word, logistic.effect.estimate) == ("reproduced", pytest.approx(8.0, rel=0.02))


def test_a_net_in_which_the_slow_arm_never_gets_there_is_followed_past_twice_and_leaves_its_side_open(consistently):
    ratios = dict(zip(NETS, (6.0, 4.0, 3.0, 3.5, 2.5), strict=True))
    curve = by_net(ratios, logistic=1e6)
    table: Table = play((consistently, "small"), curve=curve)
    found = judge(consistently, "small", table)
    assert (found.verdict.word, found.name) == ("agrees at small scale", "80sec"), "the paper's net is not for a CPU"
    logistic = judge(consistently, "small", table, "logistic")
    assert logistic.verdict.word == "not tested"
    assert logistic.verdict.why.startswith("with logistic units no learning rate ")
    assert max(len(run.epochs) for run in table.values()) == 40, "no run is followed a thousand times as far"


def test_a_band_that_stands_for_any_size_asks_for_its_near_end_alone():
    open_, closed = ({"kind": "ratio", "of": ["a", "b"], "paper": p, "within": w, "direction": d} for p, w, d in (
        (None, [2.0, None], "above 1"), (6.0, [4.0, 9.0], "above 1")
    ))  # fmt: skip
    mirrored = open_ | {"within": [None, 0.5], "direction": "below 1"}
    assert [Ratio(**rule).far for rule in (open_, mirrored, closed)] == [2.0, 2.0, 9.0]


def test_its_runs_of_the_19pct_net_are_those_of_relu_speedup(consistently):
    speedup = load(consistently.path.parent / "relu_speedup.yaml")
    assert isinstance(speedup, ClaimFile)
    ours, theirs = ({want.config.id for want in wanted(file, "paper", {}, [None])} for file in (consistently, speedup))
    assert theirs < ours
    assert len(theirs) == 2 * 8
