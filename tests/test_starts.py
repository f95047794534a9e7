"""Runs that start from other weights: how a claim says so, what is trained first, what is taken over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from simulator import run_of
from sklearn.datasets import load_digits
from small_training import crops, digits, trainer

from repro import contents
from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.claim.resolve import epochs_of, images, net, training_images
from repro.contents import load
from repro.data.known import KNOWN
from repro.data.photos.maps import from_images
from repro.data.sets import load as load_set
from repro.engine.execute import execute
from repro.engine.jobs import Job, jobs
from repro.engine.provenance import provenance
from repro.engine.setting import Setting, standing
from repro.engine.starts import about_of, best_epoch
from repro.engine.training import train
from repro.errors import ReproError
from repro.nets import tables
from repro.pages.evidence import behind
from repro.questions.levels import Goal
from repro.questions.observations import Want
from repro.questions.plan import wanted
from repro.questions.trial import Trial
from repro.store import CHECKPOINT, KEPT, Store
from repro.train.minibatches import batch_sizes

ROOT = Path(__file__).parent.parent
PRETRAINING = load(ROOT / "claims" / "pretraining.yaml")
assert isinstance(PRETRAINING, ClaimFile)
TINY = """\
id: tiny
version: 1
paper: {name: alexnet2012, section: "6", says: A net that starts from other weights errs less than one from scratch.}
question: How much lower is its test error on the other five digits?
data: {kind: digits, images: 60, scale: standardised, stored: 32, crop: 28, held_out: 10, classes: [5, 6, 7, 8, 9]}
model: {kind: cuda_convnet_19pct, init: he, width: 0.25}
train: {batch: 20, epochs: 2, lr: 0.01, weight_decay: 0.0}
arms:
  scratch: {label: training from scratch}
  started:
    label: fine-tuning
    train.lr: 0.005
    start: {run: {data.classes: [0, 1, 2, 3, 4], train.lr: 0.01, train.epochs: 3}, afresh: [fc10]}
varies: [start, train.lr]
seeds: [0]
measure: {kind: final, metric: test_error}
rule: {kind: difference, of: [scratch, started], paper: null, within: [0.01, 0.9], direction: above 0}
scales: {smoke: {}, small: {}}
"""


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def setting(tmp_path: Path, cache: Path) -> Setting:
    return Setting(Store(tmp_path / "runs"), "cpu", (), cache, provenance("cpu"))


def claim(folder: Path, *changes: tuple[str, str]) -> ClaimFile:
    text = TINY
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "tiny.yaml").write_text(text)
    file = load(folder / "tiny.yaml")
    assert isinstance(file, ClaimFile)
    return file


def started(file: ClaimFile, scale: str = "small") -> tuple[RunConfig, RunConfig]:
    """The run of the arm that starts from another, and that other."""
    config = run_config(file.at(scale), "started", seed=0)
    assert config.start is not None
    assert config.start.run is not None
    return config, config.start.run


def silent(event: dict) -> None:
    pass


def weights_of(store: Store, config: RunConfig, name: str) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(store.root / config.id / name)


# What a claim says


def test_what_a_run_starts_from_is_a_run_of_its_own_with_an_id_that_others_share(tmp_path):
    config, before = started(claim(tmp_path))
    assert (before.start, before.data.classes, before.train.lr) == (None, [0, 1, 2, 3, 4], 0.01)
    assert (config.start.epoch, config.start.afresh) == (3, ["fc10"])
    alone = claim(tmp_path, ("[5, 6, 7, 8, 9]", "[0, 1, 2, 3, 4]"), ("[0, 1, 2, 3, 4], train.lr", "[5, 6], train.lr"))
    assert run_config(alone.at("small"), "scratch", seed=0).id == before.id


def test_a_run_from_initial_values_says_nothing_of_a_start_classes_or_rates_by_layer(tmp_path):
    text = TINY.replace(", classes: [5, 6, 7, 8, 9]", "").replace("data.classes: [0, 1, 2, 3, 4], ", "")
    (tmp_path / "tiny.yaml").write_text(text)
    said = run_config(load(tmp_path / "tiny.yaml").at("small"), "scratch", seed=0).model_dump()
    assert "start" not in said
    assert "classes" not in said["data"]
    assert not {"layer_lr", "freeze"} & said["train"].keys()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("afresh: [fc10]", "afresh: [fc11]", "arm started: start.afresh: fc11: no such layer; did you mean fc10?"),
        ("{data.classes: [0", "{data.clases: [0", "start.run: data.clases: not a known key; did you mean data."),
        ("[0, 1, 2, 3, 4]", "[0, 1, 10]", "start: data.classes: found 10; expected 0 to 9"),
        ("[0, 1, 2, 3, 4]", "[0, 1, 1]", "start: data.classes: found 1; stands twice"),
        ("[0, 1, 2, 3, 4]", "[0]", "start: data.classes: found a list of 1; expected a list of 2 or more"),
        ("afresh: [fc10]", "afresh: []", ""),
        ("[0, 1, 2, 3, 4]", "[0, 1, 2]", ""),
        (
            "[0, 1, 2, 3, 4], train.lr: 0.01, train.epochs: 3}, afresh: [fc10]",
            "[0, 1, 2], train.lr: 0.01, train.epochs: 3}, afresh: []",
            "start: fc10: found weights of 3x144; expected 5x144, as here; or name fc10 among start.afresh",
        ),
        ("{data.classes: [0", "{model.width: 0.5, data.classes: [0", "start: conv1: found weights of 16x3x5x5"),
        (
            "train.lr: 0.005",
            "train.lr: 0.005\n    train.layer_lr: {fc9: 2.0}",
            "train.layer_lr.fc9: no such layer; expected conv1, conv2, conv3, fc10",
        ),
        ("kind: digits", "kind: ilsvrc2012", "data.classes: ilsvrc2012 has not been counted by class; take all of it"),
    ],
)
def test_mistakes_in_what_a_run_starts_from_are_told_at_their_line(tmp_path, old, new, said):
    assert old in TINY
    text = TINY.replace(old, new)
    (tmp_path / "tiny.yaml").write_text(text)
    if not said:
        load(tmp_path / "tiny.yaml")
        return
    with pytest.raises(ReproError) as refused:
        load(tmp_path / "tiny.yaml")
    assert said in str(refused.value)
    assert all(line.startswith(f"{tmp_path}/tiny.yaml:") for line in str(refused.value).splitlines())


def test_epochs_of_an_arm_are_for_measures_at_the_end(tmp_path):
    file = claim(tmp_path, ("train.lr: 0.005", "train.lr: 0.005\n    train.epochs: 4"),
                 ("varies: [start", "varies: [train.epochs, start"))  # fmt: skip
    assert [epochs_of(file.at("small"), arm) for arm in ("scratch", "started")] == [2, 4]
    timed = (tmp_path / "tiny.yaml").read_text()
    timed = timed.replace("{kind: final, metric: test_error}", "{kind: epochs_to, metric: train_error, level: 0.1}")
    rule = "{kind: difference, of: [scratch, started], paper: null, within: [0.01, 0.9], direction: above 0}"
    ratio = "{kind: ratio, of: [scratch, started], paper: null, within: [1.1, 9.0], direction: above 1}"
    timed = timed.replace(rule, ratio)
    (tmp_path / "tiny.yaml").write_text(timed)
    with pytest.raises(ReproError, match=r"arm started: train.epochs: an arm has epochs of its own only"):
        load(tmp_path / "tiny.yaml")


# What the claim `pretraining` compares


def updates(config: RunConfig, count: int) -> int:
    rule = config.train
    return count * len(batch_sizes(training_images(config.data), batch=rule.batch, file_images=rule.file_images))


@pytest.mark.parametrize(
    ("scale", "before", "after", "longer"),
    [
        ("smoke", 3 * 8, 3 * 8, 6 * 8),
        # 4,235 and 4,284 photos are 4 files of 1,024 and a rest of up to two minibatches: 34
        ("small", 60 * 34, 60 * 34, 120 * 34),
        ("medium", 200 * 34, 200 * 34, 400 * 34),
        # 14,137,122 photos: 13,805 files of 8 minibatches and 7; 1,271,167: 1,241 files and 3
        ("paper", 8 * 110_447, 54 * 9_931, 143 * 9_931),
    ],
)
def test_the_longer_arm_has_as_many_updates_as_both_trainings_of_the_fine_tuned_one(scale, before, after, longer):
    file = PRETRAINING.at(scale)
    config = run_config(file, "fine_tuned", seed=0)
    start = config.start
    assert updates(start.run, start.epoch) == before
    assert updates(config, epochs_of(file, "fine_tuned")) == after
    assert updates(run_config(file, "longer", seed=0), epochs_of(file, "longer")) == longer
    assert abs(before + after - longer) <= updates(config, 1) / 2, "to the nearest epoch"


@pytest.mark.parametrize("scale", ["smoke", "small", "medium"])
def test_below_paper_scale_no_class_of_the_target_is_trained_on_before(scale):
    config = run_config(PRETRAINING.at(scale), "fine_tuned", seed=0)
    assert not set(config.data.classes) & set(config.start.run.data.classes)
    assert set(config.data.classes) | set(config.start.run.data.classes) == set(range(10))


def test_the_papers_fine_tuned_net_is_the_authors_conv6_copied_and_fc8_new():
    config = run_config(PRETRAINING.at("paper"), "fine_tuned", seed=0)
    file = PRETRAINING.at("paper")
    assert config.start.afresh == ["fc8"]
    assert len(KNOWN["imagenet_fall2011"].classes) == 21_841
    assert config.start.run.data.kind == "imagenet_fall2011"
    rows = tables.parameters(net(file.data, file.model.model_copy(update={"conv6": True})), (3, 224, 224))
    plain = tables.parameters(net(file.data, file.model), (3, 224, 224))
    assert sum(rows.values()) - sum(plain.values()) == 590_080  # source.md 1, 35


def test_a_hopeless_run_of_an_arm_with_fewer_epochs_than_its_claim_is_finished_for_plan_and_verdict():
    claim = PRETRAINING.at("paper")
    config = run_config(claim, "fine_tuned", seed=0)
    rows = [
        {"epoch": n, "train_loss": 7 + n / 100, "train_error": 1.0, "diverged": None, "updates": []}
        for n in range(1, 28)
    ]
    for there, status, done in ((27, "not started", True), (26, "missing", False)):  # half of 54 epochs
        trial = Trial(claim, table := {config.id: run_of(config, rows[:there])})
        (want,) = [want for want in trial.wants(["fine_tuned"]) if want.config.id == config.id]
        assert want.satisfied_in(table) == done
        assert trial.arms["fine_tuned"].observations[0].status == status


# Some classes of a set


def test_some_classes_of_the_digits_are_those_and_labelled_in_their_order(cache):
    whole = load_digits()
    part = from_images(load_set("digits", cache=cache), stored=32, held_out=50, classes=(7, 5, 9))
    assert part.classes == ("7", "5", "9")
    counts = [int((whole.target == digit).sum()) for digit in (7, 5, 9)]
    rows = np.concatenate([part.train, part.held_out])
    found = np.bincount(part.train_y[rows], minlength=3) + np.bincount(part.test_y[part.test], minlength=3)
    assert found.tolist() == counts
    assert len(part.held_out) == 50
    assert (part.sums == part.train_x[part.train].astype(np.int64).sum(0)).all()


@pytest.mark.parametrize("kind", ["digits", "imagenette"])
def test_counts_by_class_sum_to_the_set(kind):
    known = KNOWN[kind]
    assert (sum(known.train_of), sum(known.test_of)) == (known.train, known.test)
    assert len(known.train_of) == len(known.test_of) == len(known.classes)


def test_counts_by_class_are_those_of_the_digits(cache):
    images_ = load_set("digits", cache=cache)
    assert tuple(torch.bincount(images_.train_y).tolist()) == KNOWN["digits"].train_of
    assert tuple(torch.bincount(images_.test_y).tolist()) == KNOWN["digits"].test_of


def test_a_plan_counts_the_images_of_the_classes(tmp_path):
    data = claim(tmp_path).at("small").data
    assert images(data) == (146 + 145 + 144 + 140 + 144, 36 + 36 + 35 + 34 + 36)
    assert training_images(data.model_copy(update={"images": None})) == 719 - 10


# Layers that are frozen, and rates by layer


def test_a_layer_that_never_learns_keeps_its_bits_and_the_others_learn_as_without_gradients_below(tmp_path):
    photos = digits(tmp_path)
    run = trainer(crops(photos), freeze={"conv1": 0, "conv2": 0})
    before = {name: p.detach().clone() for name, p in run.net.named_parameters()}
    list(run.epochs(1))
    same = {name for name, p in run.net.named_parameters() if torch.equal(p, before[name])}
    assert same == {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"}
    assert {name for name, p in run.net.named_parameters() if p.grad is None} == same
    # a layer frozen only later goes on with its gradients; in the first epoch it learns as if it never were
    late, never = (trainer(crops(photos), freeze=freeze) for freeze in ({"conv1": 1}, {}))
    for one in (late, never):
        list(one.epochs(1))
    assert all(torch.equal(a, b) for a, b in zip(late.net.parameters(), never.net.parameters(), strict=True))


def test_a_rate_by_layer_is_a_factor_on_the_rates_of_weights_and_biases(tmp_path):
    photos = digits(tmp_path)
    run = trainer(crops(photos), layer_lr={"fc10": 10.0}, lr=0.001)
    rates = {(g["layer"], p.ndim): g["lr"] for g in run.optimiser.param_groups for p in g["params"]}
    assert rates["fc10", 2] == pytest.approx(0.01)
    assert rates["fc10", 1] == pytest.approx(0.02)  # biases at twice the rate
    assert rates["conv1", 4] == pytest.approx(0.001)


# What is trained, and from what


def test_what_a_run_starts_from_is_trained_first_and_left_at_the_epoch_that_is_wanted(tmp_path, setting):
    file = claim(tmp_path)
    config, before = started(file)
    asked = {want.config.id: want for want in wanted(file, "small", {})}
    assert config.id not in asked
    assert asked[before.id].weights
    assert asked[before.id].epochs == 3
    assert execute([(file, "small")], setting, workers=1, report=silent) == 3
    assert jobs([(file, "small")], standing(setting)) == []
    table = standing(setting)
    assert behind(table, {config.id}) == {config.id, before.id}, "what it cost counts both"
    assert behind(table, {before.id}) == {before.id}
    left = setting.store.root / before.id / KEPT.format(3)
    assert about_of(left)["run"] == before.id
    end = weights_of(setting.store, before, CHECKPOINT)
    for name, tensor in weights_of(setting.store, before, KEPT.format(3)).items():
        assert torch.equal(tensor, end[f"weight.{name}"])


def test_a_run_starts_exactly_from_those_weights_and_its_layers_afresh_from_their_initial_values(tmp_path, setting):
    """At a rate of nearly 0 what is there after an epoch is what was there before it."""
    file = claim(tmp_path, ("train.lr: 0.005", "train.lr: 1.0e-30"))
    config, before = started(file)
    execute([(file, "small")], setting, workers=1, report=silent)
    found = weights_of(setting.store, config, CHECKPOINT)
    came = weights_of(setting.store, before, KEPT.format(3))
    fresh = trainer_of(config, setting)
    for name, initial in fresh.net.named_parameters():
        expected = initial if name.startswith("fc10") else came[name]
        assert torch.allclose(found[f"weight.{name}"], expected, rtol=0, atol=1e-25), name
    assert not torch.equal(found["weight.conv1.weight"], fresh.net.conv1.weight)


def trainer_of(config: RunConfig, setting: Setting):
    from repro.engine.setting import batches
    from repro.train import loop

    images = batches(config.data, setting)
    return loop.trainer(
        model=contents.net(**config.model.model_dump(), classes=images.classes), train=config.train.model_dump(),
        seed=config.seed, precision="fp32", batches=images,
    )  # fmt: skip


def test_weights_that_were_removed_are_trained_again_where_a_run_wants_them_and_are_the_same(tmp_path, setting):
    file = claim(tmp_path)
    config, before = started(file)
    execute([(file, "small")], setting, workers=1, report=silent)
    first = (setting.store.root / before.id / KEPT.format(3)).read_bytes()
    setting.store.remove_checkpoints()
    assert not list(setting.store.root.rglob("*.safetensors"))
    assert jobs([(file, "small")], standing(setting)) == [], "finished runs need none"
    longer = claim(tmp_path, ("epochs: 2,", "epochs: 4,"))
    first_of = {job.config.id for job in jobs([(longer, "small")], standing(setting))}
    assert before.id in first_of
    assert config.id not in first_of
    execute([(longer, "small")], setting, workers=1, report=silent)
    assert (setting.store.root / before.id / KEPT.format(3)).read_bytes() == first
    assert len(setting.store.read(config.id).epochs) == 4


def test_a_run_that_was_trained_further_leaves_the_weights_of_the_epoch_that_is_wanted(tmp_path, setting):
    _, before = started(claim(tmp_path))
    train(Job(before, (Goal(2),), "two", keep=frozenset({2})), setting, silent)
    two = weights_of(setting.store, before, KEPT.format(2))
    train(Job(before, (Goal(4),), "four", keep=frozenset({2})), setting, silent)
    (setting.store.root / before.id / KEPT.format(2)).unlink()
    assert not Want(before, 2, None, "", weights=True).satisfied_in(setting.store.table())
    train(Job(before, (Goal(2), Goal(4)), "again", keep=frozenset({2})), setting, silent)
    again = weights_of(setting.store, before, KEPT.format(2))
    assert all(torch.equal(again[name], two[name]) for name in two)
    assert len(setting.store.read(before.id).epochs) == 4


def test_a_run_whose_start_diverged_fails_and_says_so(tmp_path, setting):
    file = claim(tmp_path, ("train.lr: 0.01, train.epochs: 3", "train.lr: 1.0e+9, train.epochs: 3"))
    config, before = started(file)
    execute([(file, "small")], setting, workers=1, report=silent)
    assert setting.store.read(before.id).diverged
    failed = setting.store.read(config.id).failed
    assert failed == f"RuntimeError: the run it starts from, {before.id}, left no weights of epoch 3: it diverged"


def test_the_best_epoch_is_that_of_the_least_held_out_error_then_loss_then_the_first():
    def row(epoch: int, error: float | None, loss: float | None = 1.0, diverged: int | None = None) -> dict:
        half = {"held_out_error": error, "held_out_loss": loss}
        return {"epoch": epoch, "diverged": diverged, "halves": [{"held_out_error": 0.0}, half]}

    assert best_epoch([row(1, 0.5), row(2, 0.2, 0.9), row(3, 0.2, 0.8), row(4, 0.2, 0.8)]) == 3
    assert best_epoch([row(1, None), row(2, None)]) == 2
    assert best_epoch([row(1, 0.5), row(2, 0.1, diverged=9)]) == 1
    assert best_epoch([row(1, 0.5, diverged=3)]) == 0
    assert best_epoch([]) == 0
