"""Training on crops of photos: looks in test mode, dropout's masks, ten views, photos left out, and that it learns."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rich.console
import safetensors.torch
import torch
from small_photos import CLASSES, as_folders, make, replaced, write_parquet
from small_photos import load as load_small
from small_training import ALEXNET, CROP, STORED, crops, digits, rows, trainer
from torch.nn import functional as F

from repro import contents, progress
from repro.claim.files import ClaimFile, split
from repro.contents import load
from repro.data import loading
from repro.data.batches import Batches
from repro.data.known import KNOWN, Known, find_source
from repro.data.photos.maps import Photos
from repro.data.sets import load as load_set
from repro.engine import training
from repro.engine.beforehand import check_initial_values
from repro.engine.execute import execute
from repro.engine.provenance import provenance
from repro.engine.setting import Setting
from repro.errors import DataError
from repro.nets import layers, tables
from repro.pages import write
from repro.questions.judge import judge
from repro.store import Store
from repro.train import evaluations, loop, testing
from repro.train.minibatches import batch_sizes
from repro.train.seeds import generator
from repro.train.step import Step

ROOT = Path(__file__).parent.parent
TRAINED, _ = split([load(path) for path in sorted((ROOT / "claims").glob("*.yaml"))])
OF_PHOTOS = {"test_top5", "halves", "ended", "norms", "positive"}  # what rows of crops have and others have not


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    return digits(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    """The same digits, enlarged for the paper's net."""
    return digits(tmp_path_factory.mktemp("cache"), stored=96)


# What an epoch of photos records


def centre(photos: Photos, x: np.ndarray, y: int = 2, left: int = 2, mirrored: bool = False) -> torch.Tensor:
    """The crops at an offset of images as stored, less the mean of each pixel, over each channel's deviation."""
    whole = photos.train_x[photos.train].astype(np.float64)
    mean = whole.mean(0)
    deviation = np.sqrt(((whole - mean) ** 2).mean((0, 1, 2)))
    part = slice(y, y + CROP), slice(left, left + CROP)
    out = (x[:, *part] - mean[part]) / deviation
    out = out[:, :, ::-1] if mirrored else out
    return torch.from_numpy(out.transpose(0, 3, 1, 2).copy()).float()


def looked_at(net: torch.nn.Module, x: torch.Tensor, y: np.ndarray) -> tuple[float, float, float]:
    """(error, mean loss, top-5 error), by torch's own functions."""
    with torch.no_grad():
        logits, labels = net.eval()(x), torch.from_numpy(y)
        five = (logits.topk(5).indices == labels[:, None]).any(1)
        error = float((logits.argmax(1) != labels).sum()) / len(y)
        return error, float(F.cross_entropy(logits, labels)), float((~five).sum()) / len(y)


def by_hand(photos: Photos, epochs: int) -> list[dict]:
    """Halves and test errors of a run, from a loop and a rule written a second time."""
    run = trainer(crops(photos))  # for its initial values and training batches alone
    net, batches, names = run.net, run.batches, [name for name, _ in run.net.named_parameters()]
    velocity = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    order = torch.randperm(100, generator=generator(0, "order"))
    out, update = [], 0
    for epoch in range(1, epochs + 1):
        sizes, halves = [15, 15, 15, 15, 15, 15, 10], []
        all_draws = batches.draw(generator(0, "augment", epoch))
        drawn = map(all_draws.from_words, all_draws.words().split(sizes))
        for i, (index, draws) in enumerate(zip(order.split(sizes), drawn, strict=True)):
            net.train()
            x, y = batches.train(index, draws)
            gradients = torch.autograd.grad(F.cross_entropy(net(x), y), list(net.parameters()))
            with torch.no_grad():
                for name, p, g in zip(names, net.parameters(), gradients, strict=True):
                    rate, decay = (0.02, 0.0) if name.endswith("bias") else (0.01, 0.0005)
                    velocity[name] = 0.9 * velocity[name] - rate * g - decay * rate * p
                    p += velocity[name]
            update += 1
            if i in (2, 6):  # three of seven minibatches, and all
                part = photos.held_out
                seen = looked_at(net, centre(photos, photos.train_x[part]), photos.train_y[part])
                halves.append({"update": update, "held_out_error": seen[0], "held_out_loss": seen[1]})
        error, loss, top5 = looked_at(net, centre(photos, photos.test_x), photos.test_y)
        fixed = looked_at(net, centre(photos, photos.train_x[photos.train]), photos.train_y[photos.train])
        seen = {"test_error": error, "test_loss": loss, "test_top5": top5}
        out.append(seen | {"fixed_error": fixed[0], "fixed_loss": fixed[1], "halves": halves})
    return out


def test_an_epoch_of_photos_records_two_looks_in_test_mode_and_the_top_5_error(photos):
    assert batch_sizes(100, batch=15, file_images=30) == [15, 15, 15, 15, 15, 15, 10]
    assert (len(photos.train), len(photos.held_out), len(photos.test_y)) == (100, 20, 40)
    for found, expected in zip(rows(trainer(crops(photos)), 2), by_hand(photos, 2), strict=True):
        for key in ("test_error", "test_top5", "fixed_error"):
            assert found[key] == expected[key], key
        for key in ("test_loss", "fixed_loss"):
            assert found[key] == pytest.approx(expected[key], rel=1e-4), key
        assert len(found["halves"]) == 2
        for ours, theirs in zip(found["halves"], expected["halves"], strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4)
        assert 0 < found["test_top5"] < found["test_error"]


def test_without_held_out_photos_the_looks_are_at_those_trained_on_alone(photos):
    everything = replace(photos, held_out=photos.held_out[:0])
    (row,) = rows(trainer(crops(everything)), 1)
    for half in row["halves"]:
        assert (half["held_out_error"], half["held_out_loss"]) == (None, None)
    assert 0 < row["fixed_error"] <= 1
    json.dumps(row, allow_nan=False)


def test_rows_of_whole_images_have_none_of_what_photos_have(photos, tmp_path):
    whole = Batches(load_set("digits", cache=tmp_path, images=100), device="cpu", scale="standardised")
    (ours,), (theirs,) = rows(trainer(crops(photos)), 1), rows(trainer(whole), 1)
    assert ours.keys() - theirs.keys() == {"test_top5", "fixed_error", "fixed_loss", "halves", "norms", "positive"}
    assert theirs.keys() == {
        "epoch", "update", "train_error", "train_loss", "test_error", "test_loss", "updates", "diverged", "saturated",
    }  # fmt: skip
    assert not theirs.keys() & OF_PHOTOS


def test_every_epoch_of_photos_records_the_norm_of_each_layer_s_weights_and_a_divergence_has_none(photos):
    run = trainer(crops(photos))
    for row in rows(run, 2)[-1:]:
        assert row["norms"].keys() == {"conv1", "conv2", "conv3", "fc10"}, "biases have none"
        for layer, norm in row["norms"].items():
            weights = run.net.get_parameter(f"{layer}.weight").detach().double().numpy()
            assert norm == pytest.approx(float(np.sqrt((weights**2).sum())), rel=1e-5)
    assert all("norms" not in row for row in rows(trainer(crops(photos), lr=1e4), 9) if row["diverged"])


def test_without_gradients_decay_shrinks_the_norms_by_its_velocity_alone(photos, monkeypatch):
    def still(self, x, y):
        self.optimiser.zero_grad()
        for parameter in self.net.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self.optimiser.step()
        return torch.tensor(1.0), torch.zeros(len(y), 10)

    monkeypatch.setattr(Step, "update", still)
    sizes = {decay: rows(trainer(crops(photos), weight_decay=dict.fromkeys(("conv1", "conv2", "conv3", "fc10"), decay)),
                         1)[0]["norms"]["conv1"] for decay in (0.0, 0.5)}  # fmt: skip
    weight, velocity = 1.0, 0.0
    for _ in range(7):  # minibatches, at a rate of 0.01
        velocity = 0.9 * velocity - 0.01 * 0.5 * weight
        weight += velocity
    assert sizes[0.5] / sizes[0.0] == pytest.approx(weight, rel=1e-5)


def test_a_diverged_run_of_photos_ends_and_keeps_the_looks_before(photos):
    found = rows(trainer(crops(photos), lr=1e4), 9)
    (row,) = found[-1:]
    assert row["diverged"]
    assert [r["diverged"] for r in found[:-1]] == [None] * (len(found) - 1)
    assert len(found) < 9, "no epoch follows a divergence"
    assert not {"test_error", "test_loss", "test_top5", "fixed_error"} & row.keys()
    assert all(half["update"] < row["diverged"] for half in row.get("halves", []))
    json.dumps(found, allow_nan=False)


def test_looks_after_a_divergence_are_dropped_where_the_epoch_went_on(photos, monkeypatch):
    """As on a GPU, which is asked for its losses only after the whole epoch."""
    real = torch.Tensor.isfinite
    asked = []

    def late(losses: torch.Tensor) -> torch.Tensor:
        if losses.ndim == 0:
            asked.append(losses)
            return torch.tensor(True)
        return real(losses)

    here = rows(trainer(crops(photos), lr=1e4), 9)
    monkeypatch.setattr(torch.Tensor, "isfinite", late)
    there = rows(trainer(crops(photos), lr=1e4), 9)
    assert len(asked) == 7 * len(there)
    assert there == here


# Places among the classes, and ten views


def test_the_place_of_a_class_counts_likelier_ones_and_of_equal_ones_the_lower():
    scores = torch.tensor([[0.1, 0.9, 0.5], [0.5, 0.5, 0.5], [0.5, 0.5, 0.7], [0.2, 0.2, 0.1]])
    places = [testing.rank(scores, torch.full((4,), label)).tolist() for label in range(3)]
    assert places == [[2, 0, 1, 0], [0, 1, 2, 1], [1, 2, 0, 2]]
    assert all(sorted(of_image) == [0, 1, 2] for of_image in zip(*places, strict=True))
    nothing = torch.tensor([[float("nan")] * 3, [1.0, float("nan"), 2.0]])
    assert testing.rank(nothing, torch.tensor([0, 1])).tolist() == [3, 3], "no number is never right"


def test_ten_views_are_answered_by_the_mean_of_ten_softmax_outputs(photos):
    run = trainer(crops(photos))
    rows(run, 2)
    found = evaluations.evaluate(run, evaluations.ten_views)
    shares, last = torch.zeros(40, 10), STORED - CROP
    for mirrored in (False, True):
        for y, left in ((0, 0), (0, last), (2, 2), (last, 0), (last, last)):
            with torch.no_grad():
                shares += run.net(centre(photos, photos.test_x, y, left, mirrored)).softmax(1) / 10
    kept = found.arrays["shares"]
    assert kept.dtype == np.float32
    torch.testing.assert_close(torch.from_numpy(kept), shares, rtol=1e-3, atol=1e-5)
    labels = torch.from_numpy(photos.test_y)
    assert (found.arrays["labels"] == photos.test_y).all()
    right = shares.argmax(1) == labels
    assert found.values["views_error"] == pytest.approx(1 - int(right.sum()) / 40)
    top5 = (shares.topk(5).indices == labels[:, None]).any(1)
    assert found.values["views_top5"] == pytest.approx(1 - int(top5.sum()) / 40)
    error, error5 = (testing.measure(run)[key] for key in ("test_error", "test_top5"))
    assert (found.values["error"], found.values["top5"]) == (error, error5)
    assert found.values["gain"] == pytest.approx(error - found.values["views_error"])
    assert run.correct is not None
    assert found.values["won"] == int((right & ~run.correct).sum())
    assert found.values["lost"] == int((~right & run.correct).sum())


# Dropout


@contextmanager
def masks_of(run: loop.Trainer) -> Iterator[list[tuple[str, torch.Tensor]]]:
    """(layer, what it let through) of every training forward, in order."""
    seen: list[tuple[str, torch.Tensor]] = []

    def note(name: str):
        def hook(layer, given, out):
            if layer.training:
                seen.append((name, torch.where(given[0] == 0, torch.nan, out / given[0])))

        return hook

    named = [(name, layer) for name, layer in run.net.named_modules() if isinstance(layer, layers.Dropout)]
    hooks = [layer.register_forward_hook(note(name)) for name, layer in named]
    yield seen
    for hook in hooks:
        hook.remove()


def test_dropout_s_masks_are_a_function_of_seed_epoch_and_layer(large):
    def masks(seed: int) -> list[tuple[str, torch.Tensor]]:
        run = trainer(crops(large, 80), model=ALEXNET, seed=seed, batch=50, file_images=100)
        with masks_of(run) as seen:
            rows(run, 2)
        return seen

    found, others = masks(3), masks(4)
    names = [name for name, _ in found[:2]]
    assert len(set(names)) == 2
    assert [name for name, _ in found] == names * 4, "two layers, two epochs of two updates"
    for i, (name, mask) in enumerate(found):  # an epoch's 100 images, 50 an update, are drawn at once
        units, epoch, place = mask.shape[1], i // 4 + 1, i // 2 % 2
        words = -(-units // 64)
        numbers = torch.empty(100 * words, dtype=torch.int64)
        numbers.random_(-(2**63), None, generator=generator(3, "dropout", epoch, name))
        bits = (numbers.view(100, words, 1) >> torch.arange(64)) & 1
        expected = bits.flatten(1)[50 * place : 50 * place + 50, :units]
        told = ~mask.isnan()
        assert torch.equal(mask[told], expected.float()[told])
        assert not torch.equal(others[i][1][told], mask[told])
    again = masks(3)
    assert all(torch.equal(a.nan_to_num(2), b.nan_to_num(2)) for (_, a), (_, b) in zip(found, again, strict=True))


SOURCE = {"crops": "source", "mean": "centre", "colour": "source"}


def test_a_run_with_dropout_noise_and_crops_goes_on_from_a_checkpoint_bit_for_bit(large):
    def run(seed: int = 0) -> loop.Trainer:
        return trainer(crops(large, 80, **SOURCE), model=ALEXNET | {"reading": "source"}, seed=seed, batch=50,
                       file_images=100, order="fresh")  # fmt: skip

    whole, again, other = run(), run(), run(1)
    expected, states = [], []
    for last in (1, 2, 3):
        expected += rows(whole, last)
        states.append(safetensors.torch.save(whole.state()))
    assert rows(again, 1) == expected[:1]
    assert rows(other, 1) != expected[:1]
    for epoch in (1, 2):
        resumed = run()
        resumed.load(safetensors.torch.load(states[epoch - 1]))
        assert rows(resumed, 3) == expected[epoch:]
        assert safetensors.torch.save(resumed.state()) == states[-1]


# Runs of claims on photos


PHOTOS = """\
id: tiny
version: 1
paper: {name: alexnet2012, section: "4.1", says: Crops and reflections reduce overfitting on images.}
question: How much higher is the error of the net with tanh units on crops?
data: {kind: ilsvrc2012, stored: 36, crop: 32, held_out: 2}
model: {kind: cuda_convnet_19pct, init: he, width: 0.25}
train: {batch: 5, epochs: 1, lr: 0.001}
arms: {relu: {label: ReLUs, model.activation: relu}, tanh: {label: tanh units, model.activation: tanh}}
varies: [model.activation]
seeds: [0]
measure: {kind: final, metric: test_error}
rule: {kind: difference, of: [tanh, relu], paper: 0.1, within: [0.05, 0.2], direction: above 0}
scales: {smoke: {data.stored: 32, data.crop: 28, train.epochs: 2, seeds: [0]}, paper: {}}
"""


def tiny(folder: Path, *changes: tuple[str, str]) -> ClaimFile:
    text = PHOTOS
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "tiny.yaml").write_text(text)
    return load(folder / "tiny.yaml")


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(Store(tmp_path / "runs"), "cpu", (tmp_path / "data",), tmp_path / "cache", provenance("cpu"))


@pytest.fixture
def three_classes(change_set: Callable[..., None]) -> Iterator[Known]:
    """ILSVRC-2012 with three classes and 18 photos, held to its counts alone as the real one is."""
    change_set("ilsvrc2012", classes=CLASSES, train=12, test=6)
    loading.batches.cache_clear()
    yield KNOWN["ilsvrc2012"]
    loading.batches.cache_clear()


def with_corrupt() -> dict:
    photos = replaced(make(), "train", 2, lambda data: data[: len(data) // 2])
    return replaced(photos, "val", 4, lambda data: b"")


def test_photos_left_out_while_packing_stand_with_the_run_and_on_the_page(setting, tmp_path, three_classes):
    as_folders(with_corrupt(), tmp_path / "data" / "ilsvrc2012")
    file = tiny(tmp_path)
    events: list[dict] = []
    assert execute([(file, "paper")], setting, workers=1, report=events.append) == 2
    names = [f"{CLASSES[label]}/{name}" for split, row in (("train", 2), ("val", 4))
             for name, label, _ in [with_corrupt()[split][row]]]  # fmt: skip
    table = setting.store.table()
    for run in table.values():
        (session,) = run.sessions
        assert session["photos"]["left_out"] == 2
        assert sorted(name.split(" (")[0] for name in session["photos"]["names"]) == sorted(names), session["photos"]
        assert {key: session[key] for key in setting.provenance} == setting.provenance
        assert run.result["status"] == "reached"
    assert judge(file, "paper", table).verdict.word != "error"
    write([file], {"yours": table}, tmp_path / "pages")
    page = (tmp_path / "pages" / "tiny.html").read_text()
    made = page[page.index("Provenance and cost") :]
    assert "2 photos of the set could not be used and were left out of 2 runs: " in made
    for name in names:
        assert name in made
    assert "(train: does not decode" in made
    assert "(test: empty" in made
    # packing was told as it went on, before any training
    kinds = [event["event"] for event in events]
    packing = [event for event in events if event["event"] == "pack"]
    assert kinds[: len(packing)] == ["pack"] * len(packing)
    assert {event["label"] for event in packing} == {"ilsvrc2012: reading", "ilsvrc2012: packing"}
    assert (packing[-1]["done"], packing[-1]["total"]) == (18, 18)
    # a second command finds the pack and the runs
    assert execute([(file, "paper")], setting, workers=1, report=events.append) == 0
    assert len([event for event in events if event["event"] == "pack"]) == len(packing)


def test_a_failed_run_keeps_what_its_set_lacked_and_one_session(setting, tmp_path, three_classes, monkeypatch):
    as_folders(with_corrupt(), tmp_path / "data" / "ilsvrc2012")

    def fail(**keywords):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(training.loop, "trainer", fail)
    execute([(tiny(tmp_path), "paper")], setting, workers=1, report=lambda event: None)
    for run in setting.store.table().values():
        assert run.failed == "RuntimeError: out of memory"
        assert [session["photos"]["left_out"] for session in run.sessions] == [2]


def test_a_whole_set_says_nothing_of_photos_left_out(setting, tmp_path, three_classes):
    as_folders(make(), tmp_path / "data" / "ilsvrc2012")
    file = tiny(tmp_path)
    execute([(file, "paper")], setting, workers=1, report=lambda event: None)
    table = setting.store.table()
    assert [run.sessions for run in table.values()] == [[setting.provenance]] * 2
    write([file], {"yours": table}, tmp_path / "pages")
    assert "could not be used" not in (tmp_path / "pages" / "tiny.html").read_text()


def test_of_many_photos_left_out_the_first_20_are_named_and_the_rest_counted(tmp_path, three_classes):
    bad = make(train=12, test=2)
    for row in (*range(9), *range(12, 21), *range(24, 33)):
        bad = replaced(bad, "train", row, lambda data: b"")
    folder = load_small(as_folders(bad, tmp_path / "photos"), tmp_path / "packs", size=36).manifest
    pack = next((tmp_path / "packs").glob("photos-*/manifest.json")).parent
    pack.rename(tmp_path / "packs" / f"ilsvrc2012-{folder['content']}-36")
    found = loading.left_out("ilsvrc2012", stored=36, cache=tmp_path / "packs")
    assert (found["left_out"], len(found["names"])) == (27, 20)
    assert loading.left_out("ilsvrc2012", stored=40, cache=tmp_path / "packs") is None
    assert loading.left_out("digits", stored=None, cache=tmp_path / "packs") is None


def test_a_missing_set_of_photos_says_what_is_expected_before_any_training(setting, tmp_path):
    with pytest.raises(DataError, match=r"ilsvrc2012: not found under .*expected ilsvrc2012 or .*train/CLASS/") as told:
        execute([(tiny(tmp_path), "paper")], setting, workers=1, report=lambda event: None)
    assert told.value.exit_code == 3
    assert not setting.store.root.exists()


PACKING = [{"event": "pack", "run": "x", "label": f"x: {stage}", "done": done, "total": 1800}
           for stage in ("reading", "packing") for done in (0, 900, 1800)]  # fmt: skip


def test_packing_is_shown_as_a_line_for_each_pass_where_there_is_no_terminal():
    said: list[str] = []
    with progress.display(said.append) as show:
        for event in PACKING:
            show(event)
    assert said == ["x: reading: 1,800 done", "x: packing: 1,800 done"]


def test_packing_is_shown_as_a_bar_on_a_terminal(monkeypatch):
    drawn = StringIO()
    terminal = rich.console.Console(file=drawn, force_terminal=True, force_interactive=True, width=100)
    monkeypatch.setattr(rich.console, "Console", lambda: terminal)
    with progress.display(lambda line: pytest.fail("a line beside a display")) as show:
        for event in PACKING:
            show(event)
    assert "x: reading" in drawn.getvalue()
    assert "1800/1800" in drawn.getvalue()


# How arms start


@pytest.mark.parametrize("file", TRAINED, ids=lambda file: file.id)
def test_the_arms_of_every_claim_start_alike_at_smoke_and_small_scale(file):
    for scale in file.claim.scales:
        if scale in ("smoke", "small"):
            check_initial_values(file, scale)


@pytest.mark.parametrize("file", [file for file in TRAINED if "medium" in file.claim.scales], ids=lambda file: file.id)
def test_the_arms_of_the_paper_s_net_start_alike_at_full_width(file, monkeypatch):
    """Without alternatives, which change nets alike and take a minute."""
    monkeypatch.setattr(ClaimFile, "alternatives_at", lambda self, scale: [])
    check_initial_values(file, "medium")


# Learning


WIDTH = 0.125
LEVEL = 0.25  # half the error of chance between two classes (assumed; seeds 0 to 3 came to 0.08 and below)
NEEDS_PHOTOS = "needs Imagenette: set REPRO_DATA to a folder that holds imagenette/"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    """24 photos each of tench and English springer to train on, 5 each to test on, of 92 px; from Imagenette."""
    given = [Path(os.environ["REPRO_DATA"])] if os.environ.get("REPRO_DATA") else []
    folder = find_source("imagenette", given)
    files = sorted(folder.glob("train-*.parquet")) if folder else []
    if not files:
        pytest.skip(NEEDS_PHOTOS)
    of_class: list[list[bytes]] = [[], []]
    for batch in pq.ParquetFile(files[0]).iter_batches(64):
        for row in batch.to_pylist():
            if row["label"] < 2:
                of_class[row["label"]].append(row["image"]["bytes"])
        if min(map(len, of_class)) >= 29:
            break
    root = tmp_path_factory.mktemp("real")
    for name, part in (("train", slice(24)), ("validation", slice(24, 29))):
        found = [(f"{label}_{i}", label, data) for label in (0, 1) for i, data in enumerate(of_class[label][part])]
        write_parquet(root / "photos" / f"{name}-00000-of-00001.parquet", found, CLASSES[:2])
    return load_small(root / "photos", root / "cache", size=92)


@pytest.mark.parametrize("reading", ["paper", "source"])
def test_both_readings_learn_real_photos(real, reading):
    """The net as each reading has it, but narrow. Deviations after conv1 are larger by the root of what the width has
    taken from the fan-in, so that layers pass on as much signal as at full width."""
    table = contents.rows("alexnet", classes=2, reading=reading)
    init = {row.name: row.std * (1 if row.name == "conv1" else WIDTH**-0.5) for row in tables.weighted(table)}
    run = trainer(
        crops(real, 80, **{"scale": "raw", "colour": "paper"} | (SOURCE if reading == "source" else {})),
        model=ALEXNET | {"reading": reading, "width": WIDTH, "init": init},
        batch=12,
        file_images=1024,
        drops=[34],
    )
    first, *_, last = rows(run, 45)
    assert first["fixed_error"] == 0.5
    assert last["fixed_error"] < LEVEL
    assert last["fixed_loss"] < 0.9 * first["fixed_loss"]
