"""Facts of one rate for all arms: the largest at which every one of them learns on every tuning seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_claims import LATE, claim_file
from simulator import Curve, play, train

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.contents import load
from repro.errors import ReproError
from repro.nets import tables
from repro.pages.uses import uses
from repro.pages.view import show
from repro.papers.alexnet2012 import alexnet, cuda_convnet
from repro.papers.alexnet2012.nets import AlexNet
from repro.questions.frames import measured_runs
from repro.questions.judge import judge
from repro.questions.plan import wanted
from repro.questions.trial import Trials
from repro.questions.tuning import tune
from repro.store import Table

CLAIM = """
id: noise
version: 1
paper: {name: alexnet2012, section: "4.2", says: Without dropout the network overfits substantially.}
question: By how many points does the error rise without dropout?
data: {kind: ilsvrc2012, crop: 224, held_out: 10000}
model: {kind: alexnet}
train: {epochs: 20, file_images: 1024, plateau: 5}
seeds: [0, 1, 2, 3, 4]
arms:
  dropout: {label: dropout, model.dropout: 0.5}
  without: {label: no dropout, model.dropout: 0.0}
  halved: {label: halved activity, model.dropout: 0.0, model.halved: true}
varies: [model.dropout, model.halved]
tune: {train.lr: [0.0025, 0.005, 0.01], per: all, choose: learns, on_seeds: [100, 101, 102]}
measure: {kind: final, metric: gap}
rule: {kind: difference, of: [without, dropout], paper: null, within: [0.05, 0.9], direction: above 0}
scales:
  smoke: {}
  medium: {train.epochs: 20, train.drops: []}
  paper: {}
"""
PAPER = Path(__file__).parent.parent / "claims"


@pytest.fixture
def file(tmp_path: Path) -> ClaimFile:
    return claim_file(tmp_path, text=CLAIM)


def learning(at_most: float, dead_seed: int | None = None) -> Curve:
    """Nets with dropout learn at every rate, others at rates up to `at_most`; one seed at .005 does not."""

    def curve(config: RunConfig, epoch: float) -> float:
        dead = config.model.dropout == 0 and config.train.lr > at_most
        dead |= config.train.lr == 0.005 and config.seed == dead_seed
        return 0.93 if dead else max(0.3, 0.93 - 0.1 * epoch)

    return curve


@pytest.mark.parametrize(("at_most", "rate"), [(0.01, 0.01), (0.005, 0.005), (0.0025, 0.0025), (0.001, None)])
def test_the_largest_rate_at_which_all_arms_learn_is_that_of_all(file, at_most, rate):
    table = play((file, "medium"), curve=learning(at_most))
    tunings, wants = tune(file.at("medium"), table)
    assert not wants
    assert {tuning.chosen for tuning in tunings.values()} == {rate}
    verdict = judge(file, "medium", table).verdict
    judged = {run.config["train"]["lr"] for run in table.values() if run.config.get("seed") == 0}
    assert judged == ({rate} if rate else set())
    assert ("at no learning rate did every arm learn" in verdict.why) == (rate is None)


def test_one_seed_of_one_arm_that_does_not_learn_rules_a_rate_out(file):
    table = play((file, "medium"), curve=learning(0.005, dead_seed=102))
    assert {tuning.chosen for tuning in tune(file.at("medium"), table)[0].values()} == {0.0025}


def test_a_rate_that_fails_on_the_first_seed_costs_no_other_and_smaller_rates_than_the_chosen_are_not_tried(file):
    rounds: list = []
    play((file, "medium"), curve=learning(0.005), rounds=rounds)
    found = [sorted({(want.config.train.lr, want.config.seed) for want in wants}) for wants in rounds]
    assert found == [
        [(0.01, 100)],
        [(0.005, 100)],
        [(0.005, 101), (0.005, 102)],
        [(0.005, seed) for seed in range(5)],
    ]


def test_a_tuning_run_stops_once_it_has_learned_and_the_order_of_runs_does_not_matter(file):
    tables_ = [play((file, "medium"), curve=learning(0.005), order=order) for order in (None, 1, 2)]
    assert tables_[0].keys() == tables_[1].keys() == tables_[2].keys()
    lengths = {len(run.epochs) for run in tables_[0].values() if run.config["seed"] >= 100}
    # an epoch's mean loss, 2.25 x (.93 - .1 epoch), is below 0.9 ln 10 = 2.07 from epoch 1; dead ones have half of 20
    assert lengths == {1, 10}


def test_nothing_is_judged_while_a_tuning_run_is_missing(file):
    table: Table = {}
    first = wanted(file, "medium", table)
    for want in first[:2]:
        train(table, want, learning(0.01))
    assert [want.config.id for want in wanted(file, "medium", table)] == [first[2].config.id]


def test_the_time_of_a_run_that_tells_whether_an_arm_learns_is_not_passed_for_the_measure(tmp_path):
    tuned = "tune: {train.lr: [0.0025, 0.005, 0.01], per: all, choose: learns, on_seeds: [100]}\nmeasure: {kind: conv"
    file = claim_file(tmp_path, text=LATE.replace("measure: {kind: conv", tuned))
    exhibit = show(file, "yours", Trials(play((file, "medium"), curve=learning(0.005))))
    found = {(use.role, use.found.partition(":")[0]) for by_run in uses([exhibit]).values() for use in by_run}
    assert found == {("tuning", ""), ("judging", "epochs to within 0.5 points of its own lowest held-out error")}
    assert {(run.use, run.unit, run.value is None) for run in measured_runs(exhibit) if run.rate == 0.01} == {
        ("tuning", "epochs", False),
        ("tuning", "epochs", True),
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("per: all", "per: arm", "tune.per: found arm beside learns"),
        ("choose: learns", "choose: fastest", "final has no level to be the fastest to; expected learns"),
        ("activity, model.dropout: 0.0", "activity, model.dropout: 0.5", "stands in place of dropout"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, old, new, told):
    with pytest.raises(ReproError, match=told):
        claim_file(tmp_path, (old, new), text=CLAIM)


@pytest.mark.parametrize("reading", ["paper", "source"])
def test_halved_has_a_scaling_by_a_half_in_place_of_each_dropout_and_nothing_else(reading):
    with_noise = alexnet.table(reading, classes=10)
    halved = alexnet.table(reading, classes=10, dropout=0.0, halved=True)
    for row, other in zip(with_noise, halved, strict=True):
        assert other == (tables.Scale(row.name, 0.5) if isinstance(row, tables.Dropout) else row)


def test_the_cifar_nets_pool_without_overlap_to_maps_of_the_same_sizes():
    for kind in ("cuda_convnet_conv_local_13pct", "cuda_convnet_conv_local_11pct"):
        ours, apart = (cuda_convnet.table(kind, pooling=pooling) for pooling in ("3/2", "2/2"))
        sides = [[leaving for _, _, leaving in tables.shapes(rows, (3, 24, 24))] for rows in (ours, apart)]
        assert sides[0] == sides[1]
        assert [row.size for row in apart if isinstance(row, tables.Pool)] == [2, 2]
        assert [row for row in ours if not isinstance(row, tables.Pool)] == [
            row for row in apart if not isinstance(row, tables.Pool)
        ]


def test_new_options_leave_the_addresses_of_earlier_runs_alone():
    assert AlexNet(kind="alexnet").halved is False
    lrn, pooling, imagenet = (
        load(PAPER / f"{name}.yaml") for name in ("lrn_cifar10", "overlapping_pooling", "lrn_imagenet")
    )
    assert isinstance(lrn, ClaimFile)
    assert isinstance(pooling, ClaimFile)
    assert isinstance(imagenet, ClaimFile)
    # a run of the reference shelf, and the arms that are the same net
    known = "b6511c57c4aa17e8"
    assert run_config(lrn.at("small"), "none_32", seed=0).id == known
    assert run_config(pooling.at("small"), "overlapping", seed=0).id == known
    assert run_config(imagenet.at("small", "cifar_net"), "none", seed=0).id == known
    assert "pooling" not in run_config(lrn.at("small"), "none_32", seed=0).model_dump()["model"]
