"""How rates fall and what ends late in a run, by itself and in the loop; and the addresses of runs that have none."""

from dataclasses import fields
from pathlib import Path

import pytest
import safetensors.torch
import torch
from small_training import crops, digits, minibatches, rows, trainer

from repro.claim.config import RunConfig, RunData, RunTrain, Start
from repro.claim.evaluation import Evaluation, Options
from repro.claim.files import run_config
from repro.contents import KINDS, load
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.data.photos.maps import Photos
from repro.data.sets import load as load_images
from repro.questions.levels import Goal
from repro.questions.observations import Want
from repro.store import Run
from repro.train import loop
from repro.train.schedule import DIVISIONS, Schedule

CLAIMS = Path(__file__).parent.parent / "claims"
STILL = 1e-30  # a rate that moves no weight: the held-out error stays where it is


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    return digits(tmp_path_factory.mktemp("cache"))


def rates(run: loop.Trainer) -> tuple[float, float]:
    """(the rate of all weights, the rate of all biases)."""
    names = [name for name, _ in run.net.named_parameters()]
    found: tuple[set[float], set[float]] = (set(), set())
    for name, group in zip(names, run.optimiser.param_groups, strict=True):
        found[name.endswith("bias")].add(group["lr"])
    (weights,), (biases,) = found
    return weights, biases


# Divided after stated epochs


def test_rates_are_divided_by_ten_after_each_of_the_stated_epochs():
    schedule = Schedule(drops=[2, 4])
    assert [schedule.factor(epoch) for epoch in range(1, 7)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01], rel=1e-15)
    assert [Schedule().factor(epoch) for epoch in (1, 90)] == [1.0, 1.0]
    assert not Schedule(drops=[2]).after(None), "and such a run does not end by itself"


def test_a_run_divides_the_rates_of_weights_and_biases_alike(photos):
    run, seen = trainer(crops(photos), drops=[1, 2]), []
    for last in (1, 2, 3):
        rows(run, last)
        seen.append(rates(run))
    for found, rate in zip(seen, (0.01, 0.001, 0.0001), strict=True):
        assert found == pytest.approx((rate, 2 * rate))


def test_a_run_of_whole_images_goes_on_after_a_drop_as_one_at_the_lower_rate(tmp_path):
    """Weights and velocities stay what they are; only the rate is another."""
    batches = Batches(load_images("digits", cache=tmp_path, images=100), device="cpu", scale="standardised")
    dropped = trainer(batches, drops=[2])
    constant, lower = trainer(batches), trainer(batches, lr=0.001)
    assert rows(dropped, 2) == rows(constant, 2)
    lower.load(dropped.state())
    assert rows(dropped, 4) == rows(lower, 4)
    assert rows(constant, 4) != rows(lower, 4)


# Divided on a plateau


def test_the_plateau_rule_divides_three_times_and_then_ends_the_run():
    assert DIVISIONS == 3
    schedule = Schedule(plateau=2)
    # a lower error starts the count anew; an equal one does not count as lower
    errors = [0.9, 0.8, 0.8, 0.7, 0.7, 0.75, 0.6, 0.6, 0.61, 0.6, 0.6, 0.6, 0.6]
    factors, ended = [], []
    for epoch, error in enumerate(errors, start=1):
        factors.append(schedule.factor(epoch))
        ended.append(schedule.after(error))
    assert factors == pytest.approx([1.0] * 6 + [0.1] * 3 + [0.01] * 2 + [0.001] * 2)
    assert ended == [False] * 12 + [True]


def test_a_run_that_no_longer_improves_is_divided_three_times_and_ends(photos):
    run = trainer(crops(photos), lr=STILL, plateau=1)
    found, seen = [], []
    while not (found and found[-1].get("ended")):
        found += rows(run, run.epoch + 1)
        seen.append(rates(run))
    assert [row["epoch"] for row in found] == [1, 2, 3, 4, 5], "the first is lower than nothing"
    expected = [STILL, STILL, STILL / 10, STILL / 100, STILL / 1000]
    assert seen == [pytest.approx((rate, 2 * rate), abs=0) for rate in expected]
    assert [row.get("ended") for row in found] == [None] * 4 + [True]
    assert all("ended" not in row for row in found[:4])
    assert len({half["held_out_error"] for row in found for half in row["halves"]}) == 1
    in_one_go = trainer(crops(photos), lr=STILL, plateau=1)
    assert rows(in_one_go, 90) == found, "no epoch follows the end"


def test_a_run_that_ended_by_the_plateau_rule_is_done_whatever_the_horizon(photos):
    found = rows(trainer(crops(photos), lr=STILL, plateau=1), 90)
    assert not Goal(90).met(found[:-1])
    assert Goal(90).met(found)
    config = run_config(load(CLAIMS / "two_towers.yaml").at("paper"), "two", seed=0)
    run = Run(config.id, Path(), {}, [], {"status": "reached"})
    vars(run)["epochs"] = found
    views = Evaluation(run=config, epoch=90, options=Options(kind="ten_views"))
    assert Want(config, 90, None, "").satisfied_in({run.id: run})
    assert not Want(config, 90, None, "", views).satisfied_in({run.id: run}), "but for ten views, where they are wanted"


def test_a_run_with_a_plateau_goes_on_from_any_checkpoint_bit_for_bit(photos):
    """In this run the error falls, waits, and rates are divided: each epoch leaves the rule in another state."""
    rule = {"plateau": 2, "lr": 0.002}
    whole = trainer(crops(photos), **rule)
    expected, states, left = [], [safetensors.torch.save(whole.state())], []
    for last in range(1, 8):
        expected += rows(whole, last)
        states.append(safetensors.torch.save(whole.state()))
        left.append((whole.schedule.best, whole.schedule.waited, whole.schedule.divided))
    assert len(set(left)) >= 4
    assert left[-1][2] >= 1
    for epoch in (0, 2, 4, 6):
        resumed = trainer(crops(photos), **rule)
        rows(resumed, 1)  # whatever it did before
        resumed.load(safetensors.torch.load(states[epoch]))
        assert rows(resumed, 7) == expected[epoch:]
        assert safetensors.torch.save(resumed.state()) == states[7]


# What ends late


class Noting(PhotoBatches):
    """Keeps what was drawn."""

    def draw(self, generator, **how):
        drawn = super().draw(generator, **how)
        self.__dict__.setdefault("drawn", []).append(drawn)
        return drawn


def noting(photos: Photos, colour: str) -> Noting:
    return Noting(photos, device="cpu", size=28, scale="standardised", crops="source", colour=colour)


def test_colour_noise_ends_after_its_last_epoch_and_moves_no_crop(photos):
    ends, stays, never = (noting(photos, colour) for colour in ("source", "source", "none"))
    ending = trainer(ends, colour_until=1)
    rows(ending, 1)
    state = ending.state()
    found = rows(ending, 3)
    rows(trainer(stays), 3)
    quiet = trainer(never)
    rows(quiet, 1)
    quiet.load(state)
    assert rows(quiet, 3) == found, "from then on it is a run without noise"
    for epoch in range(3):
        for key in ("y", "x", "mirrored"):
            drawn = [getattr(batches.drawn[epoch], key) for batches in (ends, stays, never)]
            assert torch.equal(drawn[0], drawn[1])
            assert torch.equal(drawn[0], drawn[2])
    assert [(d.shift is not None, d.divisor) for d in stays.drawn] == [(True, 1.1)] * 3
    assert [(d.shift is not None, d.divisor) for d in ends.drawn] == [(True, 1.1), (False, 1.0), (False, 1.0)]
    assert torch.equal(ends.drawn[0].shift, stays.drawn[0].shift)


def test_a_frozen_layer_keeps_weights_biases_and_velocities_bit_for_bit(photos):
    run, free = (trainer(crops(photos), freeze=freeze) for freeze in ({"conv1": 1}, {}))
    assert rows(run, 1) == rows(free, 1)
    before = run.state()
    rows(run, 3)
    rows(free, 3)
    after, moved = run.state(), free.state()
    frozen = {key for key in before if ".conv1." in key}
    assert frozen == {f"{what}.conv1.{part}" for what in ("weight", "velocity") for part in ("weight", "bias")}
    for key in before.keys() - {"epoch", "correct"}:
        assert torch.equal(before[key], after[key]) == (key in frozen), key
        assert not torch.equal(before[key], moved[key]), key
    assert run.schedule.factor(3) == 1.0, "the other layers keep their rate"


# Held-out images folded in


def shown(batches: PhotoBatches, run: loop.Trainer, last: int) -> list[list[int]]:
    """The indices of the images trained on in each epoch up to `last`, in order; `batches` are those of `run`."""
    seen: list[list[int]] = []
    begin = run.step.begin

    def noted(order, draws, sizes, **about):
        assert len(draws.y) == len(order) == sum(sizes)
        seen.append(order.tolist())
        begin(order, draws, sizes, **about)

    run.step.begin = noted  # type: ignore[method-assign]
    rows(run, last)
    return seen


def test_held_out_images_are_trained_on_from_the_stated_epoch_on_and_not_before(photos):
    batches = crops(photos)
    run = trainer(batches, fold_in=2)
    assert (len(batches), batches.kept) == (100, 20)
    seen = shown(batches, run, 4)
    assert [sorted(indices) for indices in seen] == [list(range(100))] * 2 + [list(range(120))] * 2
    assert seen[0] == seen[1]
    assert seen[2] == seen[3], "an order drawn once is repeated, also over all of them"
    fresh = crops(photos)
    drawn = shown(fresh, trainer(fresh, fold_in=2, order="fresh"), 4)
    assert drawn[2] != drawn[3]


def test_what_follows_the_images_trained_on_are_the_held_out_ones(photos):
    batches = crops(photos, crops="none", mirror=False)
    order = torch.arange(100, 120)
    (x, y), = minibatches(batches, order, [20], batches.draw(torch.Generator().manual_seed(0), images=20))  # fmt: skip
    held_x, held_y = next(batches.held_out(20))
    assert torch.equal(x, held_x)
    assert torch.equal(y, held_y)


def test_epochs_are_longer_once_the_held_out_images_are_folded_in_and_updates_are_counted_through(photos):
    # 100 images in files of 30 are 7 minibatches of 15 (the last of 10), 120 images 8
    found = rows(trainer(crops(photos), fold_in=2), 4)
    assert [row["update"] for row in found] == [7, 14, 22, 30]
    assert [[update for update, _, _ in row["updates"]] for row in found] == [
        list(range(1, 8)), list(range(8, 15)), list(range(15, 23)), list(range(23, 31)),
    ]  # fmt: skip
    assert [[half["update"] for half in row["halves"]] for row in found] == [[3, 7], [10, 14], [18, 22], [26, 30]]
    before = rows(trainer(crops(photos)), 2)
    assert found[:2] == before, "nothing changes before"
    for row in found[2:]:
        wrong = sum(wrong for _, _, wrong in row["updates"])
        assert row["train_error"] == pytest.approx(wrong / 120)


def test_a_run_that_folds_in_goes_on_from_any_checkpoint_bit_for_bit(photos):
    rule = {"fold_in": 2, "drops": [3]}
    whole = trainer(crops(photos), **rule)
    expected, states = [], [safetensors.torch.save(whole.state())]
    for last in range(1, 6):
        expected += rows(whole, last)
        states.append(safetensors.torch.save(whole.state()))
    for epoch in (0, 1, 2, 3, 4):
        resumed = trainer(crops(photos), **rule)
        rows(resumed, 1)  # whatever it did before
        resumed.load(safetensors.torch.load(states[epoch]))
        assert rows(resumed, 5) == expected[epoch:]
        assert safetensors.torch.save(resumed.state()) == states[5]


# Addresses


CONFIGS = {
    "5d56b273010c9d39": lambda: run_config(load(CLAIMS / "relu_speedup.yaml").at("small"), "relu", seed=0, lr=0.01),
    "ec140a31846e7a5e": lambda: run_config(load(CLAIMS / "cifar_trace.yaml").at("paper"), "ours", seed=0),
}
LATER = {
    "data": {"stored": 96, "crop": 80, "crops": "paper", "mirror": True, "mean": "centre", "colour": "none",
             "held_out": 96, "factor": 8.0, "classes": [1, 2], "constants": [0.5] * 6},
    "train": {"drops": [3], "plateau": 5, "colour_until": 7, "freeze": {"conv1": 9}, "fold_in": 2,
              "layer_lr": {"conv1": 2.0}},
}  # fmt: skip


def changed(config: RunConfig, section: str, **values) -> RunConfig:
    data = config.model_dump()
    data[section] |= values
    return RunConfig.model_validate(data)


@pytest.mark.parametrize("run_id", CONFIGS)
def test_an_address_moves_when_a_later_key_is_set_and_not_at_its_default(run_id):
    config = CONFIGS[run_id]()
    assert config.id == run_id
    parts = {"data": RunData, "train": RunTrain}
    for section, keys in LATER.items():
        fresh = {name for name, field in parts[section].model_fields.items() if not field.is_required()}
        assert fresh == keys.keys(), "the keys that came later are these"
        for key, value in keys.items():
            default = parts[section].model_fields[key].default
            assert changed(config, section, **{key: default}).id == run_id, key
            assert changed(config, section, **{key: value}).id != run_id, key
    assert config.model_copy(update={"start": None}).id == run_id
    for start in (Start(weights="0" * 64, afresh=[]), Start(run=config, epoch=1, afresh=[])):
        assert config.model_copy(update={"start": start}).id != run_id


@pytest.mark.parametrize(
    ("kind", "later"),
    [
        ("alexnet", {"halved": True}),
        ("cuda_convnet_19pct", {"maps": {"conv1": 16}}),
        ("cuda_convnet_conv_local_13pct", {"maps": {"conv1": 16}, "pooling": "2/2"}),
    ],
)
def test_a_net_records_its_later_options_where_they_are_set_alone(kind, later):
    """Ids were given before these options came; a layer of the published size is not named either."""
    assert not later.keys() & KINDS.read_net({"kind": kind}).recorded().keys()
    for option, value in later.items():
        assert KINDS.read_net({"kind": kind, option: value}).recorded()[option] == value
    if "maps" in later:
        published = 64 if "conv_local" in kind else 32
        assert "maps" not in KINDS.read_net({"kind": kind, "maps": {"conv2": published}}).recorded()


def test_what_a_training_rule_says_of_schedules_is_what_a_schedule_takes():
    own = {"best", "waited", "divided"}  # what it has seen
    later = LATER["train"].keys() - {"layer_lr"}
    assert {field.name for field in fields(Schedule)} - own == set(loop.SCHEDULE) == later
