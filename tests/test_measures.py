"""What is read off a run: updates to a loss, epochs to a run's own best, errors at the end; and what is run for it.

Every series is a formula, so that its measure is arithmetic. Epochs to a level, and traces: tests/test_effects.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from pathlib import Path

import pytest
from simulated_claims import EARLY, ERRORS, LATE, claim_file
from simulator import lengths, looked_at, play, run_of, train
from simulator import updates_an_epoch as made_updates

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.claim.model import Claim
from repro.questions import learning
from repro.questions.judge import judge
from repro.questions.levels import Level, chance, converged, updates_an_epoch
from repro.questions.observations import Arm, Observation, Want
from repro.questions.plan import wanted
from repro.questions.times import MOST
from repro.store import Run

Loss = Callable[[int], float]


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> ClaimFile:
    return claim_file(tmp_path_factory.mktemp("claims"), text=EARLY)


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> ClaimFile:
    return claim_file(tmp_path_factory.mktemp("claims"), text=LATE)


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> ClaimFile:
    return claim_file(tmp_path_factory.mktemp("claims"), text=ERRORS)


# Updates to a loss


def updates_to(rows: list[dict], level: float, window: int, at: str = "end", epoch: int = 67) -> float | None:
    """Updates until the mean loss of a window is below the level, rounded to what floating point leaves of them."""
    time = Level("train_loss", level, ((1,) * epoch,), log(10), at, window).time(rows)
    return None if time is None else round(time * epoch, 6)


def rows_of(loss: Loss, last: int, epoch: int = 67, every: int = 2000) -> list[dict]:
    """Epochs of `epoch` updates with these losses: the first `every` updates, then every 50th, as runs record them."""
    return [
        {
            "epoch": e + 1,
            "diverged": None,
            "train_loss": loss((e + 1) * epoch),
            "updates": [
                [u, loss(u), 0] for u in range(e * epoch + 1, (e + 1) * epoch + 1) if u <= every or u % 50 == 0
            ],
        }
        for e in range(last // epoch)
    ]


@pytest.mark.parametrize("window", [1, 2, 5, 50, 51])
@pytest.mark.parametrize("level", [2.0703, 1.9003, 1.6103])
def test_updates_are_counted_until_the_mean_of_a_window_of_losses_is_first_below_the_level(
    window: int, level: float
) -> None:
    # losses fall on a straight line, so the mean of a window is the loss in its middle: (window - 1) / 2 updates ago
    rows = rows_of(lambda u: 2.3 - 0.001 * u, 1340)
    crossing = (2.3 - level) / 0.001 + (window - 1) / 2
    assert updates_to(rows, level, window) == int(crossing) + 1


def test_the_mean_counts_not_one_lucky_minibatch_and_the_first_time_not_the_last() -> None:
    rows = rows_of(lambda u: 0.0 if u == 30 else 2.3, 134)
    assert updates_to(rows, 2.0, 50) is None  # 49 x 2.3 / 50 = 2.25
    assert updates_to(rows, 2.0, 1) == 30
    returning = rows_of(lambda u: 1.0 if 60 < u <= 120 else 2.3, 201)
    # of the ten in a window, k are at 1.0: 2.3 - 0.13 k is below 2.0 from k = 3
    assert updates_to(returning, 2.0, 10) == 63


def test_a_mean_at_the_level_is_not_below_it_and_a_window_must_be_full() -> None:
    rows = rows_of(lambda u: 2.0, 134)
    assert updates_to(rows, 2.0, 50) is None
    assert updates_to(rows, 2.1, 50) == 50
    assert updates_to(rows, 2.1, 134) == 134
    assert updates_to(rows, 2.1, 135) is None
    assert updates_to([], 2.1, 1) is None


@pytest.mark.parametrize(("start", "expected"), [(1949, 1999), (1950, 2000), (1951, None), (2500, None)])
def test_what_happens_after_the_first_2000_updates_is_not_seen(start: int, expected: int | None) -> None:
    # 2.0 until `start`, then 1.0: all fifty of the window are at 1.0 fifty updates later
    rows = rows_of(lambda u: 1.0 if u > start else 2.0, 3015)
    assert updates_to(rows, 1.01, 50) == expected


def the(claim: Claim, arm: str = "one", seed: int = 0) -> RunConfig:
    return run_config(claim, arm, seed=seed, lr=0.01 if claim.tune else None)


def look(claim: Claim, rows: list[dict], limit: float, in_views: dict | None = None) -> Observation:
    config = the(claim, next(iter(claim.arms)))
    table = {config.id: run_of(config, rows)}
    if in_views:
        evaluation = claim.measure.evaluation_of(claim, config, limit)
        assert evaluation is not None
        table[evaluation.id] = looked_at(evaluation, in_views)
    return claim.measure.observe(claim, config, table, limit, claim.train.epochs)


def test_the_level_is_a_share_of_the_loss_of_a_net_that_has_learned_nothing(early: ClaimFile) -> None:
    for scale, classes in (("smoke", 10), ("medium", 10), ("paper", 1000)):
        level = early.at(scale).measure.level_of(early.at(scale))
        assert level is not None
        assert level.value == pytest.approx(0.9 * log(classes))
    assert str(early.at("medium").measure.level_of(early.at("medium"))) == "train loss 2.072, mean of 50 updates"
    assert early.at("medium").measure.per_epoch(early.at("medium")) == ("updates", 67)
    # 1,271,167 photos: 1,241 files of 1,024 and one of 383: 1,241 x 8 + 3
    assert early.at("paper").measure.per_epoch(early.at("paper")) == ("updates", 9931)


def test_a_time_in_updates_is_kept_in_epochs_and_told_in_updates(early: ClaimFile) -> None:
    claim = early.at("small")
    found = look(claim, rows_of(lambda u: 2.3 if u <= 100 else 1.0, 536), 8)
    # (50 - k) x 2.3 + k x 1.0 is below 50 x 2.0723 from k = 9
    assert (found.status, found.value) == ("reached", pytest.approx(109 / 67))
    assert found.at_least * updates_an_epoch(claim) == pytest.approx(109)


@pytest.mark.parametrize(("scale", "epochs", "updates"), [("small", 8, 536), ("medium", 40, 2000), ("paper", 1, 2000)])
def test_a_run_that_does_not_get_going_is_censored_at_its_horizon_or_where_the_record_ends(
    early: ClaimFile, scale: str, epochs: int, updates: int
) -> None:
    claim = early.at(scale)
    assert claim.train.epochs == epochs
    many = updates_an_epoch(claim)
    found = look(claim, rows_of(lambda u: 7.0, epochs * many, many), epochs)
    assert (found.status, found.value, found.censored) == ("not reached", None, True)
    assert found.at_least * many == pytest.approx(updates)
    assert found.horizon * many == pytest.approx(updates)


def test_a_run_that_is_not_continued_takes_longer_than_it_was_trained_and_a_dead_one_for_ever(early: ClaimFile) -> None:
    claim = early.at("small")  # 8 epochs, of 67 updates
    rows = rows_of(lambda u: 2.4 if u <= 67 else 2.5, 4 * 67)
    assert look(claim, rows, 8).status == "not reached", (
        "after half of the horizon its loss lay above its first epoch's"
    )
    assert look(claim, rows, 8).at_least == 4
    rows[-1]["saturated"] = {"conv1": {"units": 1}}
    assert look(claim, rows, 8).at_least == 8
    # where another claim trained it on, all that was looked at is known
    assert look(claim, rows_of(lambda u: 2.4 if u <= 67 else 2.5, 8 * 67), 8).at_least == 8


def test_a_run_that_diverges_got_going_where_its_updates_before_show_it(early: ClaimFile) -> None:
    claim = early.at("small")

    def diverging(loss: Loss) -> list[dict]:
        rows = rows_of(loss, 134)
        rows[-1] |= {"diverged": 130, "updates": [u for u in rows[-1]["updates"] if u[0] < 130]}
        return rows

    lost = look(claim, diverging(lambda u: 2.3), 8)
    assert (lost.status, lost.value, lost.horizon) == ("diverged", None, 2)
    assert lost.at_least == 8, "it takes longer than was looked for"
    gone = look(claim, diverging(lambda u: 2.3 if u <= 70 else 1.0), 8)
    assert (gone.status, gone.value) == ("reached", pytest.approx(79 / 67))


def test_a_run_trained_no_further_than_it_was_seen_to_get_going_is_enough(early: ClaimFile) -> None:
    claim = early.at("small")
    want = Want(the(claim), 8, claim.measure.level_of(claim), "")
    for rows, satisfied in (
        (rows_of(lambda u: 2.3 if u <= 50 else 1.0, 67), True),
        (rows_of(lambda u: 2.3, 67), False),
        (rows_of(lambda u: 2.3, 536), True),
    ):
        assert want.satisfied_in({want.config.id: run_of(the(claim), rows)}) == satisfied


def test_a_grid_of_one_rate_is_not_tuned(early: ClaimFile, tmp_path: Path) -> None:
    wants = wanted(early, "small", {})
    assert {want.config.seed for want in wants} == {0, 1, 2, 3, 4}
    assert {want.config.train.lr for want in wants} == {0.01}
    assert len(wants) == 10
    found = judge(early, "small", {})
    assert [(arm.rate, arm.tuning and arm.tuning.rates) for arm in found.arms.values()] == [(0.01, ()), (0.01, ())]
    two = claim_file(tmp_path, ("train.lr: [0.01]", "train.lr: [0.01, 0.02]"), text=EARLY)
    assert {want.config.seed for want in wanted(two, "small", {})} == {100}
    extended = claim_file(tmp_path, ("extend: 0", "extend: 1"), text=EARLY)
    assert {want.config.seed for want in wanted(extended, "small", {})} == {100}


def test_arms_are_compared_in_updates_and_the_ratio_is_that_of_the_formulas(early: ClaimFile) -> None:
    def curve(config: RunConfig, epoch: float) -> float:
        return 0.92 - 0.1 * epoch * (1 if config.model.bias == 1 else 0.5)

    table = play((early, "small"), curve=curve)
    found = judge(early, "small", table)
    # losses are 2.3 - 0.25 x epochs, then half of that slope, in epochs of 67 updates: the level 0.9 ln 10 = 2.07233 is
    # passed by the middle of the window, 24.5 updates before its end: 61.01 + 24.5 and 122.03 + 24.5 updates
    times = {name: {o.value and round(67 * o.value, 6) for o in arm.observations} for name, arm in found.arms.items()}
    assert times == {"one": {86}, "zero": {147}}
    assert found.effect is not None
    assert found.effect.estimate == pytest.approx(147 / 86)
    assert found.verdict.word == "agrees at small scale"
    assert set(lengths(table).values()) == {2, 3}, "no run is trained beyond the epoch in which it got going"


# Epochs to a run's own best


@pytest.mark.parametrize(
    ("halves", "near", "expected"),
    [
        # medians of three: .50 .41 .40 .40 .39, in the middle of their three half epochs: 1, 1.5, 2, 2.5, 3 epochs
        ([0.8, 0.5, 0.4, 0.41, 0.39, 0.4, 0.39], 0.001, 3.0),
        ([0.8, 0.5, 0.4, 0.41, 0.39, 0.4, 0.39], 0.015, 2.0),
        ([0.8, 0.5, 0.4, 0.41, 0.39, 0.4, 0.39], 0.025, 1.5),
        ([0.8, 0.5, 0.4, 0.41, 0.39, 0.4, 0.39], 0.2, 1.0),
        ([0.5, 0.1, 0.5, 0.5], 0.005, 1.0),  # one lucky half epoch is no best
        ([0.3, 0.4, 0.5], 0.005, 1.0),
        ([0.3, 0.4], 0.005, None),
        ([], 0.005, None),
    ],
)
def test_a_run_has_converged_when_its_medians_of_three_are_first_near_the_least_of_them(
    halves: list[float], near: float, expected: float | None
) -> None:
    assert converged(halves, near) == expected


def falling(at: float, end: float = 0.4) -> Callable[[float], float]:
    """Falls on a straight line from 0.9 to `end`, reached after `at` epochs, and stays there."""
    return lambda epoch: max(end, 0.9 - (0.9 - end) * epoch / at)


def half_rows(curve: Callable[[float], float], epochs: int) -> list[dict]:
    return [
        {
            "epoch": e,
            "diverged": None,
            "train_loss": curve(e),
            "halves": [{"held_out_error": curve(e - 0.5)}, {"held_out_error": curve(e)}],
        }
        for e in range(1, epochs + 1)
    ]


@pytest.mark.parametrize(
    ("at", "status", "value", "exceeded"),
    [
        (4, "reached", 4.0, 4.0),
        (9.5, "reached", 9.5, 9.5),
        (10, "reached", 10.0, 10.0),
        (10.5, "not reached", None, 10.5),  # 20 epochs are less than twice 10.5
        (30, "not reached", None, 19.5),  # still falling: it is near its best in the last median of three alone
    ],
)
def test_a_run_counts_as_converged_where_it_has_gone_on_for_twice_the_time(
    late: ClaimFile, at: float, status: str, value: float | None, exceeded: float
) -> None:
    # within 0.005 of 0.4: the last half epoch of the fall is 0.5 / (2 at) above it, more than that up to at = 50
    found = look(late.at("medium"), half_rows(falling(at), 20), 20)
    # a run that goes on may come nearer to a lower best only later: what is read of it so far is exceeded, no more
    assert (found.status, found.value, found.at_least) == (status, value, exceeded)


@pytest.mark.parametrize(
    ("at", "horizon"),
    [
        (6, 20),  # the claim's own horizon is more than twice that
        (16, 32),
        (25, 50),  # seen to fall to the end at 20 epochs, then at 39
        (40, 80),  # 4 times the claim's 20
        (70, 80),  # never more than that
    ],
)
def test_runs_are_followed_to_twice_the_time_found_and_at_most_four_times_the_horizon(
    late: ClaimFile, at: int, horizon: int
) -> None:
    def curve(config: RunConfig, epoch: float) -> float:
        slowest = config.model.dropout and config.seed == 3
        return falling(at if slowest else 4)(epoch)

    for order in (None, 1):
        table = play((late, "medium"), curve=curve, order=order)
        found = judge(late, "medium", table)
        assert found.to_do == 0
        trained = {name: {len(table[o.run].epochs) for o in arm.observations} for name, arm in found.arms.items()}
        assert trained == {"dropout": {horizon}, "without": {20}}, "all seeds of an arm are looked at alike"
        slow = found.arms["dropout"].observations[3]
        assert (slow.status, slow.value) == (("reached", at) if at < 70 else ("not reached", None))
        assert slow.limit == horizon
    assert MOST == 4


def test_runs_that_failed_or_diverged_at_once_leave_the_horizon_as_it_is(late: ClaimFile) -> None:
    wants = wanted(late, "medium", {})
    failed = {want.config.id: run_of(want.config, [], failed="out of memory") for want in wants}
    assert judge(late, "medium", failed).verdict.word == "error"
    row = {"epoch": 1, "train_error": 0.9, "train_loss": 9.0, "diverged": 3, "updates": [], "halves": []}
    diverged = {want.config.id: run_of(want.config, [row]) for want in wants}
    assert {o.limit for arm in judge(late, "medium", diverged).arms.values() for o in arm.observations} == {20}


def test_epochs_that_others_trained_beyond_the_horizon_do_not_move_it(late: ClaimFile) -> None:
    # falls again, by ten points, after 30 epochs: beyond what this claim looks at
    def curve(config: RunConfig, epoch: float) -> float:
        return falling(5)(epoch) if epoch < 30 else 0.3

    table = play((late, "medium"), curve=curve)
    alone = judge(late, "medium", table)
    assert set(lengths(table).values()) == {20}
    longer = dict(table)
    for want in wanted(late, "medium", {}):
        train(longer, Want(want.config, 60, None, ""), curve)
    assert set(lengths(longer).values()) == {60}
    assert judge(late, "medium", longer).arms == alone.arms
    assert wanted(late, "medium", longer) == []


def test_the_ratio_of_times_to_converge_is_that_of_the_formulas(late: ClaimFile) -> None:
    def curve(config: RunConfig, epoch: float) -> float:
        return falling((12 if config.model.dropout else 6) + config.seed)(epoch)

    found = judge(late, "medium", play((late, "medium"), curve=curve))
    assert found.effect is not None
    assert found.effect.per_seed == pytest.approx({s: (12 + s) / (6 + s) for s in range(5)})
    assert found.verdict.word == "agrees at medium scale"


# Errors at the end

LAST = {
    "epoch": 3,
    "diverged": None,
    "train_loss": 1.0,
    "test_error": 0.4,
    "test_top5": 0.1,
    "halves": [{"fixed_error": 0.9}, {"fixed_error": 0.25}],
}


def ended(**changes: object) -> list[dict]:
    return [{**LAST, "epoch": 1, "test_error": 0.9}, {**LAST, "epoch": 2, "test_error": 0.8}, LAST | changes]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("test_error", 0.4),
        ("test_top5", 0.1),
        ("gap", 0.4 - 0.25),
        ("views_error", 0.37),
        ("views_top5", 0.08),
    ],
)
def test_what_is_read_at_the_end_is_that_of_the_last_epoch_or_of_ten_views(
    errors: ClaimFile, metric: str, value: float
) -> None:
    claim = errors.at("paper")
    claim = claim.model_copy(update={"measure": claim.measure.model_copy(update={"metric": metric})})
    in_views = {"views_error": 0.37, "views_top5": 0.08} if metric.startswith("views") else None
    found = look(claim, ended(), 3, in_views)
    assert (found.status, found.value) == ("reached", pytest.approx(value))
    assert look(claim, ended()[:2], 3, in_views).status == "missing"
    assert look(claim, ended(diverged=7), 3, in_views).status == "diverged"
    assert look(claim, ended(diverged=7), 3, in_views).value is None
    # one that the plateau rule ended has shown all that it will
    assert look(claim, [*ended()[:1], ended(ended=True)[2] | {"epoch": 2}], 3, in_views).status == "reached"


@pytest.mark.parametrize(
    ("metric", "start"), [("test_error", 0.999), ("test_top5", 0.995), ("views_top5", 0.995), ("gap", 0.0)]
)
def test_a_curve_starts_at_chance_for_as_many_answers_as_it_counts(errors: ClaimFile, metric: str, start: float):
    claim = errors.at("paper")
    claim = claim.model_copy(update={"measure": claim.measure.model_copy(update={"metric": metric})})
    config = the(claim, "both")
    arm = Arm("both", None, None, (look(claim, ended(), 3),), {})
    curve = learning._curve(claim, claim.measure, arm, arm.observations[0], run_of(config, ended()))
    assert curve.points[0] == (0.0, start)
    assert chance("test_top5", 3) == 0.0


@pytest.mark.parametrize("metric", ["test_error", "gap", "views_error"])
def test_a_net_that_has_learned_nothing_shows_chance_and_not_its_arm(errors: ClaimFile, metric: str) -> None:
    claim = errors.at("paper")
    claim = claim.model_copy(update={"measure": claim.measure.model_copy(update={"metric": metric})})
    in_views = {"views_error": 0.37} if metric.startswith("views") else None
    bar = 0.9 * chance("train_loss", 1000)

    def with_losses(*losses: float) -> Observation:
        return look(claim, [row | {"train_loss": loss} for row, loss in zip(ended(), losses, strict=True)], 3, in_views)

    idle = with_losses(bar / 0.9, bar, bar)
    assert (idle.status, idle.value, idle.censored) == ("not started", None, True)
    late = with_losses(bar / 0.9, bar, 0.999 * bar)
    assert late.status == "not started", "of three epochs the second is half of the horizon"
    assert with_losses(bar / 0.9, 0.999 * bar, 2 * bar).status == "reached"


def test_a_net_that_has_learned_nothing_has_not_converged(late: ClaimFile) -> None:
    rows = [row | {"train_loss": 9.0} for row in half_rows(falling(2), 20)]
    assert look(late.at("medium"), rows, 20).status == "not started"


def test_a_run_that_is_looked_at_is_not_done_before_that(errors: ClaimFile) -> None:
    claim = errors.at("paper")
    config = the(claim, "both")
    evaluation = claim.measure.evaluation_of(claim, config, 3)
    assert evaluation is not None
    assert (evaluation.run, evaluation.epoch, evaluation.options.kind) == (config, 3, "ten_views")
    want = Want(config, 3, None, "", evaluation)

    def satisfied(rows: list[dict], looked: bool = False, failed: str | None = None, want: Want = want) -> bool:
        found = looked_at(evaluation, {"views_error": 0.37})
        return want.satisfied_in({config.id: run_of(config, rows, failed)} | ({found.id: found} if looked else {}))

    assert not want.satisfied_in({})
    assert not satisfied(ended())
    assert satisfied(ended(), looked=True)
    assert not satisfied(ended()[:2], looked=True)
    assert satisfied(ended(diverged=7)), "what diverged has no net to look at"
    assert not satisfied([*ended(), LAST | {"epoch": 4, "diverged": 9}]), "it was whole at the epoch that is wanted"
    assert satisfied(ended()[:1], failed="out of memory")
    assert satisfied(ended(), want=Want(config, 3, None, ""))


def test_an_evaluation_that_failed_or_is_missing_is_no_value_though_the_run_is_there(errors: ClaimFile) -> None:
    claim = errors.at("paper")
    config = the(claim, "both")
    evaluation = claim.measure.evaluation_of(claim, config, 3)
    assert evaluation is not None
    table = {config.id: run_of(config, ended())}
    assert (
        claim.measure.observe(claim, config, table, 3, 3).status,
        claim.measure.observe(claim, config, table, 3, 3).evaluation,
    ) == ("missing", None)
    table[evaluation.id] = looked_at(evaluation, {}, failed="out of memory")
    assert (
        claim.measure.observe(claim, config, table, 3, 3).status,
        claim.measure.observe(claim, config, table, 3, 3).value,
    ) == ("failed", None)
    table[evaluation.id] = looked_at(evaluation, {"views_error": 0.37})
    assert claim.measure.observe(claim, config, table, 3, 3).evaluation == evaluation.id
    later = [*ended(), LAST | {"epoch": 4, "diverged": 9}]
    assert claim.measure.observe(claim, config, table | {config.id: run_of(config, later)}, 3, 3).value == 0.37
    assert claim.measure.observe(claim, config, table | {config.id: run_of(config, later)}, 4, 3).status == "diverged"


def test_only_claims_on_ten_views_want_them(errors: ClaimFile, late: ClaimFile, tmp_path: Path) -> None:
    def looks(file: ClaimFile) -> set[str | None]:
        return {want.evaluation and want.evaluation.options.kind for want in wanted(file, "paper", {})}

    assert looks(errors) == {"ten_views"}
    assert looks(late) == {None}
    assert looks(claim_file(tmp_path, ("metric: views_error", "metric: gap"), text=ERRORS)) == {None}


def test_a_difference_is_that_of_the_formulas_in_one_view_in_ten_and_of_gaps(errors: ClaimFile, tmp_path: Path) -> None:
    def curve(config: RunConfig, epoch: float) -> float:
        return 0.5 - 0.02 * epoch + (0.03 if config.model.norms == "none" else 0.0)

    # of the rows of tests/simulator.py: ten views take a hundredth off, five answers are a quarter, the gap a fifth
    for metric, expected in (("test_error", 0.03), ("views_error", 0.03), ("views_top5", 0.0075), ("gap", 0.006)):
        file = claim_file(tmp_path, ("metric: views_error", f"metric: {metric}"), text=ERRORS)
        found = judge(file, "paper", play((file, "paper"), curve=curve))
        assert found.effect is not None
        assert found.effect.estimate == pytest.approx(expected)
        assert (found.effect.unit.name, found.effect.n, found.to_do) == ("difference", 5, 0)


def test_rows_of_formulas_have_the_updates_of_real_ones(early: ClaimFile) -> None:
    """The stand-in of tests/simulator.py counts updates and half epochs as a real run does."""
    claim = early.at("small")
    assert made_updates(the(claim)) == updates_an_epoch(claim) == 67
    run: Run = next(iter(play((early, "small"), curve=lambda config, epoch: 0.9).values()))
    assert [u for row in run.epochs for u, _, _ in row["updates"]] == list(range(1, 537))
    assert [half["update"] for half in run.epochs[1]["halves"]] == [67 + 33, 134]
