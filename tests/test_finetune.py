"""`repro finetune` as a user meets it: folders as people have them, real processes, a real kill, pages and weights."""

import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from small_photos import encoded, picture, write_parquet

from repro import contents
from repro.engine import starts
from repro.errors import DataError, ReproError
from repro.finetune import finetune
from repro.flags import Wish
from repro.nets import modules
from repro.store import CHECKPOINT, Store

ROOT = Path(__file__).parent.parent
CLASSES = ("bee", "fly", "moth")
SMALL = {"model": {"width": 0.0625, "init": "he"}, "crop": 80, "pixels": "standardised", "batch": 8, "lr": 0.002}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path_factory.getbasetemp() / "photo_cache"))


def folder(root: Path, each: int = 15, split: bool = False) -> Path:
    """Photos of three classes of one colour each, of many sizes, PNG and JPEG, some of them folders deeper; a corrupt
    one, one that is cut off, an empty class and a note."""
    seed = 0
    for label, name in enumerate(CLASSES):
        for i in range(each):
            seed += 1
            form = "PNG" if i % 3 else "JPEG"
            place = root / ("val" if split and i % 4 == 0 else "train") / name / ("2012/summer" if i % 2 else "")
            place.mkdir(parents=True, exist_ok=True)
            photo = np.array(picture(seed, 90 + 7 * i, 120 - 3 * i)) // 3
            photo[..., label] += 150
            (place / f"{i}.{form.lower()}").write_bytes(encoded(Image.fromarray(photo), form))
    (root / "train" / "bee" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    whole = (root / "train" / "fly" / "6.jpeg").read_bytes()
    (root / "train" / "fly" / "cut.jpeg").write_bytes(whole[: len(whole) // 2])
    (root / "train" / "wasp").mkdir()
    (root / "train" / "moth" / "notes.txt").write_text("seen at night")
    return root


def silent(event: dict) -> None:
    pass


def wish(data: Path, out: Path, **more) -> Wish:
    return Wish(data=data, out=out, **SMALL | {"epochs": 2} | more)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, and weights of a net that was trained on them from scratch, which is what `finetune` without weights
    does."""
    home = tmp_path_factory.mktemp("made")
    folder(home / "photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_CACHE", str(home / "cache"))
        finetune(wish(home / "photos", home / "first"), "cpu", silent)
    return home


def environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "REPRO_DATA"}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "REPRO_CACHE": str(home / "cache")}


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "repro", "finetune", *map(str, words)]


def rows_of(out: Path, which: int = 0) -> list[list[dict]]:
    """The epochs of every run in a folder, without their seconds, the longest id order aside."""
    runs = sorted(Store(out / "runs").table().values(), key=lambda run: "start" not in run.config)
    return [[{k: v for k, v in row.items() if k != "seconds"} for row in run.epochs] for run in runs]


# As a user meets it


def test_a_killed_fine_tuning_goes_on_and_ends_as_one_that_was_not_with_page_weights_and_answers(made):
    flags = ["--weights", made / "first" / "best.safetensors", "--epochs", 12, "--batch", 8]
    words = command(made / "photos", *flags, "--out", made / "killed")
    process = subprocess.Popen(words, cwd=ROOT, env=environment(made), stdout=subprocess.DEVNULL)
    while sum(path.read_bytes().count(b"\n") for path in (made / "killed").rglob("metrics.jsonl")) < 4:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    assert process.returncode == -signal.SIGKILL
    before = Store(made / "killed" / "runs").table()
    assert [run.result for run in before.values()] == [None]
    done = subprocess.run(words, cwd=ROOT, env=environment(made), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    quiet = command(made / "photos", *flags, "--out", made / "whole")
    undisturbed = subprocess.run(quiet, cwd=ROOT, env=environment(made), capture_output=True, text=True, timeout=300)
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert rows_of(made / "killed") == rows_of(made / "whole")
    for name in ("best.safetensors", "last.safetensors", "answers.csv"):
        assert (made / "killed" / name).read_bytes() == (made / "whole" / name).read_bytes(), name
    lines = done.stdout.splitlines()
    assert re.search(r"photos, fine-tuned: continues after epoch \d+$", lines[0]), lines[0]
    assert re.search(r"^fine-tuned: \d+\.\d % of 8 test photos wrong$", done.stdout, re.M)
    assert re.search(r"^from scratch: \d+\.\d % of 8 test photos wrong$", done.stdout, re.M)
    assert any(line.startswith(f"not used of {made / 'photos'}: 4;") for line in lines)
    # and once more: nothing is trained, the page is the same
    page = (made / "killed" / "index.html").read_bytes()
    start = time.monotonic()
    again = subprocess.run(words, cwd=ROOT, env=environment(made), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert " epoch " not in again.stdout, f"trained again in {time.monotonic() - start:.0f} s"
    assert (made / "killed" / "index.html").read_bytes() == page


def test_the_page_names_what_was_left_out_and_every_mistake_by_its_file(made):
    told = finetune(wish(made / "photos", made / "page", weights=made / "first" / "best.safetensors"), "cpu", silent)
    page = (made / "page" / "index.html").read_text()
    assert "torn.jpg (bee, test): does not decode" in page
    assert "cut.jpeg (fly, train): does not decode" in page
    assert "train/wasp/: a class without photos" in page
    assert "1 files in train/moth/ that are not named as images" in page
    assert not re.search(r'(src|href)="(?!data:|#|static/|answers\.csv)', page), "everything lies beside the page"
    wrong = told.wrong(told.tried[0])
    assert page.count("; its own class ") == min(wrong, 24)
    # the answers, photo by photo, against the files: each of them is where it says, in the class that it says
    with (made / "page" / "answers.csv").open() as file:
        lines = list(csv.DictReader(file))
    lines = [line for line in lines if line["net"] == "fine-tuned"]
    assert len(lines) == len(told.labels) == 8
    for line in lines:
        assert (made / "photos" / "train" / line["photo"]).is_file()
        assert line["photo"].startswith(f"{line['class']}/")
    confused = Counter((line["class"], line["answer"]) for line in lines)
    confused = Counter({(own, said): n for (own, said), n in confused.items() if own != said})
    assert confused.total() == wrong
    assert page.count("<li><img src=") == min(wrong, 24) + sum(min(n, 4) for _, n in confused.most_common(6))


def test_names_and_pixels_of_the_test_photos_belong_together(made):
    told = finetune(wish(made / "photos", made / "names", scratch=False), "cpu", silent)
    for row, name in enumerate(told.names):
        colour = CLASSES.index(name.split("/")[0])
        assert told.pixels[row].mean((0, 1)).argmax() == colour == told.labels[row]


def test_the_best_weights_are_those_of_the_least_held_out_error_and_give_the_answers_that_are_told(made):
    out = made / "best"
    told = finetune(wish(made / "photos", out, weights=made / "first" / "best.safetensors", epochs=5), "cpu", silent)
    tried = told.tried[0]
    errors = [row["halves"][-1]["held_out_error"] for row in tried.rows]
    assert errors[tried.best - 1] == min(errors)
    assert told.wrong(tried) == round(tried.rows[tried.best - 1]["test_error"] * 8)
    about = starts.about_of(out / "best.safetensors")
    assert (about["epoch"], about["run"]) == (tried.best, tried.config.id)
    assert starts.about_of(out / "last.safetensors")["epoch"] == 5
    last = safetensors.torch.load_file(out / "last.safetensors")
    state = safetensors.torch.load_file(tried.path / CHECKPOINT)
    assert all(torch.equal(tensor, state[f"weight.{name}"]) for name, tensor in last.items())


def test_weights_bring_the_net_and_what_it_is_used_to_with_them(made):
    told = finetune(
        Wish(made / "photos", made / "brought", weights=made / "first" / "best.safetensors", epochs=1, scratch=False),
        "cpu", silent,
    )  # fmt: skip
    config = told.tried[0].config
    assert (config.model.width, config.model.init, config.data.scale) == (0.0625, "he", "standardised")
    assert (config.data.crop, config.data.stored) == (80, 91)


def test_published_weights_of_a_librarys_net_start_it_and_its_norms_are_kept_with_the_best_weights(made, tmp_path):
    import torchvision

    state = torchvision.models.resnet18(num_classes=7).state_dict()
    torch.save(state, tmp_path / "resnet18.pth")
    given = Wish(
        made / "photos", tmp_path / "out", weights=tmp_path / "resnet18.pth", model={"kind": "torchvision:resnet18"},
        train=("layer4.1.conv2", "fc"), crop=32, pixels="standardised", epochs=1, batch=8, scratch=False,
    )  # fmt: skip
    told = finetune(given, "cpu", silent)
    found = safetensors.torch.load_file(tmp_path / "out" / "last.safetensors")
    assert found.keys() == state.keys()
    assert told.tried[0].config.start.afresh == ["fc"]
    trained = {name for name in found if name.endswith("weight") and not found[name].equal(state[name])}
    assert trained == {"layer4.1.conv2.weight", "fc.weight"}
    assert not found["bn1.running_mean"].equal(state["bn1.running_mean"]), "what norms have seen is theirs"
    rule = told.tried[0].config.train.weight_decay
    assert (rule["conv1"], rule["bn1"]) == (0.0005, 0.0)


def test_the_checkpoint_of_a_run_brings_its_net_too(made, tmp_path):
    (run,) = Store(made / "first" / "runs").table().values()
    given = Wish(made / "photos", tmp_path / "out", weights=run.path / CHECKPOINT, epochs=1, scratch=False)
    config = finetune(given, "cpu", silent).tried[0].config
    assert (config.model.width, config.data.crop) == (0.0625, 80)


def test_frozen_layers_keep_their_bits_and_layers_afresh_have_nothing_of_the_weights(made):
    weights = made / "first" / "best.safetensors"
    given = safetensors.torch.load_file(weights)
    more = {"weights": weights, "train": ("fc7", "fc8"), "afresh": ("fc7", "fc8"), "scratch": False, "epochs": 1}
    told = finetune(wish(made / "photos", made / "frozen", **more), "cpu", silent)
    found = safetensors.torch.load_file(made / "frozen" / "last.safetensors")
    same = {name.split(".")[0] for name in found if torch.equal(found[name], given[name])}
    assert same == {"conv1", "conv2", "conv3", "conv4", "conv5", "fc6"}
    rule = told.tried[0].config.train
    assert rule.layer_lr == {"fc7": 10.0, "fc8": 10.0}
    assert rule.freeze == dict.fromkeys(sorted(same), 0)


def test_the_same_net_from_scratch_learns_at_the_rate_of_layers_afresh(made):
    told = finetune(wish(made / "photos", made / "beside", weights=made / "first" / "best.safetensors"), "cpu", silent)
    tuned, scratch = (tried.config for tried in told.tried)
    assert (tuned.train.lr, scratch.train.lr) == (0.002, 0.02)
    assert scratch.start is None
    assert scratch.model_dump(exclude={"start", "train"}) == tuned.model_dump(exclude={"start", "train"})


# Sets as people have them


def test_a_split_of_ones_own_is_kept_and_without_one_every_fifth_photo_of_a_class_measures(tmp_path):
    told = finetune(wish(folder(tmp_path / "own", split=True), tmp_path / "a", epochs=1), "cpu", silent)
    assert told.photos == {"trained on": 30, "held out": 3, "test": 12}  # 33 that can be read, a tenth held out
    assert all((tmp_path / "own" / "val" / name).is_file() for name in told.names)
    assert "no split of its own" not in (tmp_path / "a" / "index.html").read_text()
    told = finetune(wish(folder(tmp_path / "none"), tmp_path / "b", epochs=1), "cpu", silent)
    assert sum(told.photos.values()) == 45
    # of 16 bees, 16 flies and 15 moths; one of the bees that would measure cannot be read
    assert np.bincount(told.labels).tolist() == [2, 3, 3]
    assert "no split of its own" in (tmp_path / "b" / "index.html").read_text()


def test_image_parquet_gives_the_same_runs_as_the_same_photos_in_folders(tmp_path):
    rows = [
        (f"{label}_{i}", label, encoded(picture(100 * label + i, 100, 90)))
        for label in range(3)
        for i in range(10)
    ]  # fmt: skip
    for name, label, data in rows:
        place = tmp_path / "folders" / CLASSES[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.jpg").write_bytes(data)
    write_parquet(tmp_path / "parquet" / "train-00000-of-00001.parquet", rows, CLASSES)
    for name in ("folders", "parquet"):
        finetune(wish(tmp_path / name, tmp_path / f"out_{name}"), "cpu", silent)
    assert rows_of(tmp_path / "out_folders") == rows_of(tmp_path / "out_parquet")


# Mistakes


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"afresh": ("fc9",)}, "--afresh fc9: no such layer; expected some of conv1, conv2"),
        ({"train": ("fc7",)}, "--train: leaves out fc8, which would keep noise"),
        ({"model": {"width": 0.125}}, "conv1.weight: found [6 x 3 x 11 x 11]; expected [12 x 3 x 11 x 11]"),
        ({"model": {"kind": "vgg"}}, "--model vgg: expected one of"),
        ({"weights": Path("nothing.safetensors")}, "nothing.safetensors: no such file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_before_anything_is_trained(made, tmp_path, more, said):
    given = {"weights": made / "first" / "best.safetensors"} | more
    with pytest.raises(ReproError) as refused:
        finetune(wish(made / "photos", tmp_path / "out", **given), "cpu", silent)
    assert said in str(refused.value)
    assert not list((tmp_path / "out").rglob("metrics.jsonl"))


def test_weights_of_as_many_classes_may_keep_their_last_layer(made, tmp_path):
    given = {"weights": made / "first" / "best.safetensors", "afresh": (), "scratch": False, "epochs": 1}
    told = finetune(wish(made / "photos", tmp_path / "out", **given), "cpu", silent)
    assert told.tried[0].config.start.afresh == []
    fewer = folder(tmp_path / "photos")
    for path in sorted((fewer / "train" / "moth").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(ReproError, match=r"fc8.weight: found \[3 x 256\]; expected \[2 x 256\]"):
        finetune(wish(fewer, tmp_path / "other", **given), "cpu", silent)


def test_photos_of_one_class_are_refused(tmp_path):
    photos = folder(tmp_path / "photos")
    for name in ("fly", "moth"):
        for path in sorted((photos / "train" / name).rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(ReproError, match=r"found photos of one class, bee; expected two classes or more"):
        finetune(wish(photos, tmp_path / "out"), "cpu", silent)


def test_a_folder_that_is_not_there_has_its_exit_code_and_no_traceback(tmp_path):
    words = command(tmp_path / "nothing", "--out", tmp_path / "out")
    done = subprocess.run(words, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=120)
    assert done.returncode == DataError.exit_code
    assert "found no such folder; expected train/CLASS/" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_diverges_says_so_and_leaves_a_page(made, tmp_path):
    told = finetune(wish(made / "photos", tmp_path / "out", lr=1e9), "cpu", silent)
    assert told.error(told.tried[0]) == "diverged in its first epoch"
    assert "Diverged" in (tmp_path / "out" / "index.html").read_text()
    assert not (tmp_path / "out" / "best.safetensors").exists()


# TensorBoard


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="the extra is installed")
def test_without_the_extra_tensorboard_is_refused_with_what_to_install(made, tmp_path):
    with pytest.raises(ReproError, match=r"--tensorboard: the package tensorboard is not installed; install it: pip"):
        finetune(wish(made / "photos", tmp_path / "out", tensorboard=tmp_path / "board"), "cpu", silent)
    assert not (tmp_path / "out" / "runs").exists()


def test_the_export_has_every_epoch_once_also_after_a_second_command(made, tmp_path):
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    more = {"tensorboard": tmp_path / "board", "weights": made / "first" / "best.safetensors"}
    asked = wish(made / "photos", tmp_path / "out", **more)
    for _ in range(2):
        told = finetune(asked, "cpu", silent)
    for tried in told.tried:
        board = reading.EventAccumulator(str(tmp_path / "board" / f"photos, {tried.name}")).Reload()
        for name in ("train_loss", "test_error", "held_out_error"):
            seen = board.Scalars(name)
            assert [event.step for event in seen] == [1, 2], name
        errors = [event.value for event in board.Scalars("test_error")]
        assert errors == pytest.approx([row["test_error"] for row in tried.rows], abs=1e-6)


def test_the_weights_file_is_plain_safetensors_with_json_that_says_what_it_is(made):
    about = starts.about_of(made / "first" / "best.safetensors")
    assert json.loads(json.dumps(about)) == about
    model = about["config"]["model"]
    names = (
        modules.build(
            **contents.net(**model, classes=3), classes=3, image=(3, 80, 80), draw=lambda name: torch.Generator()
        )
        .state_dict()
        .keys()
    )
    assert safetensors.torch.load_file(made / "first" / "best.safetensors").keys() == names
