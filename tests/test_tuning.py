"""Planning and tuning, simulated to their end: runs follow formulas, so what must be chosen and trained is known."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from math import inf, log2
from pathlib import Path

import pytest
from simulated_claims import MIRROR, RULE, claim_file
from simulator import Diverges, Failed, Times, lengths, play, reaching, train

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.questions.judge import judge
from repro.questions.observations import Rate, Tuning, Want
from repro.questions.plan import wanted
from repro.questions.tuning import FIRST_PASS, NEAR, SLOWER
from repro.store import Table

RATES = (0.001, 0.002, 0.004, 0.008)
JUDGING = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> ClaimFile:
    return claim_file(tmp_path_factory.mktemp("claims"))


def by_rate(relu: Iterable[float | Diverges], tanh: Iterable[float | Diverges]) -> Times:
    """Times at RATES, the same for every seed; a rate beyond them takes five times as long as the end next to it."""
    table = {"relu": dict(zip(RATES, relu, strict=True)), "tanh": dict(zip(RATES, tanh, strict=True))}

    def times(arm: str, rate: float, seed: int) -> float | Diverges:
        if rate in RATES:
            return table[arm][rate]
        end = table[arm][RATES[0] if rate < RATES[0] else RATES[-1]]
        return end if isinstance(end, Diverges) else 5 * end

    return times


PLAIN = by_rate(relu=(20, 10, 5, 10), tanh=(40, 30, 40, inf))


def but(times: Times, **exceptions: float | Diverges) -> Times:
    """`times` with exceptions, named arm_rate_seed: `relu_0.004_101`."""

    def changed(arm: str, rate: float, seed: int) -> float | Diverges:
        return exceptions.get(f"{arm}_{rate:g}_{seed}", times(arm, rate, seed))

    return changed


def noisy(world: int) -> Times:
    """Times that differ by rate and seed as real ones do: a valley over the rates, spread over seeds, and divergence
    at high rates on some seeds."""
    draw = random.Random(world)
    valley = {arm: (draw.choice(RATES), draw.uniform(1.15, 2.0)) for arm in ("relu", "tanh")}

    def times(arm: str, rate: float, seed: int) -> float | Diverges:
        best, steep = valley[arm]
        own = random.Random(f"{world} {arm} {rate} {seed}")
        if own.random() < 0.5 * (rate > 2 * best) + 0.15 * (rate == best):
            return Diverges(own.randint(1, 9))
        return (5 if arm == "relu" else 25) * steep ** abs(log2(rate / best)) * own.lognormvariate(0, 0.25)

    return times


def tuned(file: ClaimFile, table: Table, arm: str) -> Tuning:
    tuning = judge(file, "paper", table).arms[arm].tuning
    assert tuning is not None
    return tuning


def at(tuning: Tuning, rate: float) -> Rate:
    return next(found for found in tuning.rates if found.rate == rate)


def trained(file: ClaimFile, table: Table, arm: str, rate: float, seed: int) -> int:
    """Epochs of one run, 0 where there is none."""
    run = table.get(run_config(file.at("paper"), arm, seed=seed, lr=rate).id)
    return len(run.epochs) if run else 0


@pytest.mark.parametrize("world", [0, 2, 3])
def test_whatever_the_order_of_runs_the_same_rates_are_chosen_and_the_same_epochs_trained(
    file: ClaimFile, world: int
) -> None:
    curve = reaching(noisy(world))
    tables = [play((file, "paper"), curve=curve, order=order) for order in (None, world)]
    first, *others = [judge(file, "paper", table) for table in tables]
    assert all(lengths(table) == lengths(tables[0]) for table in tables)
    assert all(other.arms == first.arms and other.verdict == first.verdict for other in others)
    assert all(wanted(file, "paper", table) == [] for table in tables)
    assert first.to_do == 0


def test_epochs_that_others_trained_beyond_what_was_wanted_change_nothing(file: ClaimFile) -> None:
    curve = reaching(noisy(5))
    rounds: list[list[Want]] = []
    table = play((file, "paper"), curve=curve, rounds=rounds)
    longer = dict(table)
    for want in [want for wants in rounds for want in wants]:
        train(longer, replace(want, epochs=want.epochs + 20, level=None), curve)
    assert lengths(longer) != lengths(table)
    assert judge(file, "paper", longer).arms == judge(file, "paper", table).arms


def test_passes_double_from_the_first_to_the_claims_horizon(file: ClaimFile) -> None:
    rounds: list[list[Want]] = []
    play((file, "paper"), curve=reaching(by_rate(relu=(inf,) * 4, tanh=(inf,) * 4)), rounds=rounds)
    assert [{want.epochs for want in wants} for wants in rounds] == [{3}, {6}, {12}, {24}, {48}]
    assert FIRST_PASS == 3


def test_after_a_pass_rates_past_one_and_a_half_times_the_best_are_stopped(file: ClaimFile) -> None:
    table = play((file, "paper"), curve=reaching(PLAIN))
    relu = tuned(file, table, "relu")
    # the best takes 5 epochs, seen in the pass of 6; 6 is not past 7.5, 8 is, and the pass after it is no longer
    assert {rate.rate: rate.state for rate in relu.rates} == {
        0.001: "stopped", 0.002: "stopped", 0.004: "chosen", 0.008: "stopped"
    }  # fmt: skip
    assert [trained(file, table, "relu", rate, 100) for rate in (0.001, 0.002, 0.008)] == [8, 8, 8]
    assert [o.horizon for o in at(relu, 0.001).observations] == [8]


def test_a_rate_just_within_one_and_a_half_times_the_best_is_followed_to_its_end(file: ClaimFile) -> None:
    table = play((file, "paper"), curve=reaching(by_rate(relu=(inf, 7.4, 5, 7.6), tanh=(40, 30, 40, inf))))
    states = {rate.rate: rate.state for rate in tuned(file, table, "relu").rates}
    assert states == {0.001: "stopped", 0.002: "slower", 0.004: "chosen", 0.008: "slower"}
    seeds = {rate.rate: len(rate.observations) for rate in tuned(file, table, "relu").rates}
    assert seeds == {0.001: 1, 0.002: 3, 0.004: 3, 0.008: 1}


def test_the_other_tuning_seeds_run_only_for_rates_within_one_and_a_half_of_the_best(file: ClaimFile) -> None:
    table = play((file, "paper"), curve=reaching(by_rate(relu=(6, 4, 5, 6.01), tanh=(40, 30, 40, inf))))
    seeds = {rate.rate: [o.seed for o in rate.observations] for rate in tuned(file, table, "relu").rates}
    assert seeds == {0.001: [100, 101, 102], 0.002: [100, 101, 102], 0.004: [100, 101, 102], 0.008: [100]}
    assert [trained(file, table, "relu", 0.008, seed) for seed in (101, 102)] == [0, 0]
    assert SLOWER == 1.5


def test_chosen_is_the_smallest_geometric_mean_not_the_fastest_first_seed(file: ClaimFile) -> None:
    times = but(PLAIN, **{"relu_0.002_100": 4.5, "relu_0.002_101": 8, "relu_0.002_102": 8})
    relu = tuned(file, play((file, "paper"), curve=reaching(times)), "relu")
    assert relu.chosen == 0.004
    assert at(relu, 0.002).mean == pytest.approx((4.5 * 8 * 8) ** (1 / 3))


@pytest.mark.parametrize(
    ("spoiled", "state"), [(Diverges(2), "diverged"), (Diverges(5), "diverged"), (inf, "stopped"), (1000, "stopped")]
)
def test_a_rate_with_a_diverged_or_unfinished_tuning_seed_cannot_be_chosen(
    file: ClaimFile, spoiled: float | Diverges, state: str
) -> None:
    times = by_rate(relu=(20, 6, 5, 10), tanh=(40, 30, 40, inf))
    relu = tuned(file, play((file, "paper"), curve=reaching(but(times, **{"relu_0.004_102": spoiled}))), "relu")
    assert relu.chosen == 0.002
    assert at(relu, 0.004).state == state
    assert at(relu, 0.004).mean is None


@pytest.mark.parametrize("spoiled", [Diverges(2), inf])
def test_what_was_stopped_for_the_sake_of_a_rate_that_cannot_be_chosen_goes_on(
    file: ClaimFile, spoiled: float | Diverges
) -> None:
    times = but(by_rate(relu=(20, 14, 5, 40), tanh=(40, 30, 40, inf)), **{"relu_0.004_101": spoiled})
    relu = tuned(file, play((file, "paper"), curve=reaching(times)), "relu")
    assert relu.chosen == 0.002
    assert at(relu, 0.001).state == "slower"
    assert at(relu, 0.008).state == "stopped"


def test_a_best_that_is_slower_on_its_other_seeds_lets_more_rates_have_theirs(file: ClaimFile) -> None:
    times = but(by_rate(relu=(20, 8, 5, 20), tanh=(40, 30, 40, inf)), **{"relu_0.004_101": 12, "relu_0.004_102": 12})
    relu = tuned(file, play((file, "paper"), curve=reaching(times)), "relu")
    assert relu.chosen == 0.002
    assert [o.seed for o in at(relu, 0.002).observations] == [100, 101, 102]


def test_a_chosen_end_extends_the_grids_of_both_arms_by_a_step_until_it_is_inside(file: ClaimFile) -> None:
    def times(arm: str, rate: float, seed: int) -> float:
        return {"relu": 5 * 2 ** abs(log2(rate / 0.0005)), "tanh": 30 * 1.2 ** abs(log2(rate / 0.002))}[arm]

    table = play((file, "paper"), curve=reaching(times))
    found = judge(file, "paper", table)
    for arm in ("relu", "tanh"):
        assert [rate.rate for rate in tuned(file, table, arm).rates] == [0.00025, 0.0005, *RATES]
    assert found.arms["relu"].rate == 0.0005
    assert found.verdict.word == "reproduced"


@pytest.mark.parametrize(("direction", "grid"), [(1, [0.00025, 0.0005, *RATES]), (-1, [*RATES, 0.016, 0.032])])
def test_an_end_that_is_still_chosen_after_the_last_extension_is_not_tested(
    file: ClaimFile, direction: int, grid: list[float]
) -> None:
    def times(arm: str, rate: float, seed: int) -> float:
        return {"relu": 5 * 1.6 ** (direction * log2(rate / 0.002)), "tanh": 30 * 1.2 ** abs(log2(rate / 0.002))}[arm]

    table = play((file, "paper"), curve=reaching(times))
    found = judge(file, "paper", table)
    assert [[rate.rate for rate in tuned(file, table, arm).rates] for arm in ("relu", "tanh")] == [grid, grid]
    assert found.verdict.word == "not tested"
    assert "an end of the grid after 2 extensions" in found.verdict.why
    assert found.effect is not None  # shown, not judged


def test_a_grid_whose_chosen_rates_lie_inside_is_not_extended(file: ClaimFile) -> None:
    table = play((file, "paper"), curve=reaching(PLAIN))
    assert [[rate.rate for rate in tuned(file, table, arm).rates] for arm in ("relu", "tanh")] == [[*RATES], [*RATES]]


def test_where_no_rate_of_an_arm_reaches_the_level_nothing_of_it_is_judged(file: ClaimFile) -> None:
    table = play((file, "paper"), curve=reaching(by_rate(relu=(20, 10, 5, 10), tanh=(80, 70, inf, Diverges(1)))))
    found = judge(file, "paper", table)
    assert [rate.state for rate in tuned(file, table, "tanh").rates] == ["not reached"] * 3 + ["diverged"]
    assert found.arms["tanh"].rate is None
    assert found.arms["tanh"].observations == ()
    assert found.verdict.word == "not tested"
    assert found.verdict.why.startswith("with tanh units no learning rate ")


@pytest.mark.parametrize("mirror", [False, True])
def test_a_slow_arm_that_never_reaches_the_level_is_trained_to_twice_the_band_times_the_slowest_fast_run(
    tmp_path: Path, mirror: bool
) -> None:
    file = claim_file(tmp_path, *([(RULE, MIRROR)] if mirror else []))
    never = {f"tanh_0.002_{seed}": 1000.0 for seed in JUDGING}
    times = but(PLAIN, **never, **{"relu_0.004_3": 6.4})
    for order in (None, 1):
        table = play((file, "paper"), curve=reaching(times), order=order)
        found = judge(file, "paper", table)
        horizon = 116  # 2 x 9 x 6.4 = 115.2
        assert [trained(file, table, "tanh", 0.002, seed) for seed in JUDGING] == [horizon] * 5
        assert {o.status for o in found.arms["tanh"].observations} == {"not started"}
        assert [trained(file, table, "relu", 0.004, seed) for seed in JUDGING] == [5, 5, 5, 7, 5]
        assert found.effect is not None
        bound = horizon / 6.4  # the smallest ratio: beyond the band, as it must be
        assert found.effect.low == (0 if mirror else pytest.approx(bound))
        assert found.effect.high == (pytest.approx(1 / bound) if mirror else inf)
        assert found.verdict.word == "differs"


def test_the_claims_own_horizon_stands_where_it_is_longer(file: ClaimFile) -> None:
    times = but(by_rate(relu=(9, 4, 2, 4), tanh=(40, 30, 40, inf)), **{"tanh_0.002_0": 60})
    table = play((file, "paper"), curve=reaching(times))
    assert [trained(file, table, "tanh", 0.002, seed) for seed in JUDGING] == [48, 30, 30, 30, 30]


def test_a_run_shared_by_two_levels_is_trained_once(file: ClaimFile) -> None:
    curve = reaching(PLAIN)
    alone = play((file, "paper"), curve=curve)
    assert wanted(file, "small", alone) == []  # every run of the easier level is a prefix of one that is there
    both = play((file, "small"), (file, "paper"), curve=curve)
    assert lengths(both) == lengths(alone)
    assert judge(file, "small", both).verdict.word == "agrees at small scale"
    assert judge(file, "small", both).run_ids == judge(file, "small", alone).run_ids


def test_a_run_that_leaves_chance_after_half_of_the_horizon_is_called_not_started(
    file: ClaimFile,
) -> None:
    times = but(PLAIN, **{"tanh_0.002_0": inf, "tanh_0.002_1": 80, "tanh_0.002_2": Diverges(30)})
    table = play((file, "paper"), curve=reaching(times))
    found = judge(file, "paper", table).arms["tanh"]
    seen = {o.seed: (o.status, o.horizon) for o in found.observations}
    reached = ("reached", 90)
    assert seen == {0: ("not started", 90), 1: reached, 2: ("diverged", 30), 3: reached, 4: reached}
    table = play((file, "paper"), curve=reaching(by_rate(relu=(inf, 4, 3, 4), tanh=(40, 30, 40, 50))))
    (stopped,) = at(tuned(file, table, "relu"), 0.001).observations
    assert (stopped.status, stopped.horizon) == ("not reached", 5)  # past 1.5 x 3; half of 48 is 24


def test_the_ratio_over_rates_within_ten_percent_is_of_the_tuning_means(file: ClaimFile) -> None:
    times = by_rate(relu=(9, 5.4, 5, 5.6), tanh=(34, 30, 32.9, 46))
    found = judge(file, "paper", play((file, "paper"), curve=reaching(times)))
    assert found.rate_range == pytest.approx((30 / 5.4, 32.9 / 5))
    assert found.verdict.word == "reproduced"
    assert NEAR == 1.1
    wide = by_rate(relu=(9, 5.4, 5, 5.6), tanh=(45, 42, 45.5, 49))
    found = judge(file, "paper", play((file, "paper"), curve=reaching(wide)))
    assert found.rate_range == pytest.approx((42 / 5.4, 45.5 / 5))
    assert found.verdict.word == "direction only"
    assert "the band (4 to 9)" in found.verdict.why


def test_a_tuning_run_that_failed_is_an_error_however_the_others_ran(file: ClaimFile) -> None:
    inner = reaching(PLAIN)

    def curve(config: RunConfig, epoch: float) -> float | None:
        if config.train.lr == 0.008 and config.seed == 100 and epoch == 2:
            raise Failed("out of memory")
        return inner(config, epoch)

    table = play((file, "paper"), curve=curve)
    found = judge(file, "paper", table)
    assert {at(tuned(file, table, arm), 0.008).state for arm in ("relu", "tanh")} == {"failed"}
    assert found.effect is not None
    assert (found.verdict.word, found.verdict.grade) == ("error", None)


def test_a_run_that_failed_after_it_had_shown_what_is_wanted_counts(file: ClaimFile) -> None:
    inner = reaching(PLAIN)

    def curve(config: RunConfig, epoch: float) -> float | None:
        if config.train.lr == 0.004 and config.seed == 0 and epoch > 4:
            raise Failed("out of memory")
        return inner(config, epoch)

    table = play((file, "small"), curve=curve)  # to the easier level it takes 3.85 epochs
    table |= play((file, "paper"), (file, "small"), curve=curve)
    assert judge(file, "paper", table).verdict.word == "error"
    assert judge(file, "small", table).verdict.word == "agrees at small scale"
