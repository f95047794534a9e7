"""Data and weights as people have them: folders from archives, systems and hubs, photos from phones, checkpoints."""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_photos import encoded, load, picture, write_parquet

from repro import published
from repro.data import known, layouts
from repro.data.photos import prepare, walk
from repro.data.photos.names import names_of_test_photos
from repro.data.photos.sources import open_source
from repro.errors import DataError, ReproError, RunError
from repro.nets import weights

ROOT = Path(__file__).parent.parent
PAIR = ("ant", "bee")


def folders(root: Path, names: tuple[str, ...] = PAIR, each: int = 5) -> Path:
    """CLASS/*.jpg, every photo of its own."""
    for i, name in enumerate(names):
        (root / name).mkdir(parents=True, exist_ok=True)
        for j in range(each):
            (root / name / f"{j}.jpg").write_bytes(encoded(picture(1000 * i + j)))
    return root


def rows(each: int = 5, labels: tuple[int, int] = (0, 1)) -> list[tuple[str, int, bytes]]:
    return [(f"{label}_{i}.jpg", label, encoded(picture(100 * k + i))) for k, label in enumerate(labels)
            for i in range(each)]  # fmt: skip


def refused(where: Path) -> str:
    with pytest.raises(DataError) as error:
        open_source(where)
    return str(error.value)


def splits(where: Path) -> dict[str, int]:
    out: dict[str, int] = {}
    for chunk in open_source(where).chunks:
        out[chunk.split] = out.get(chunk.split, 0) + len(chunk)
    return out


# Splits and wrappers


@pytest.mark.parametrize(
    ("train", "test"),
    [("Train", "Test"), ("training_set", "test_set"), ("TRAINING", "VALIDATION"), ("01 train images", "02 val images"),
     ("trainset", "testset"), ("seg_train", "seg_test"), ("train-data", "eval-data")],
)  # fmt: skip
def test_split_folders_are_known_by_any_usual_name(tmp_path, train, test):
    folders(tmp_path / train), folders(tmp_path / test, each=2)
    assert open_source(tmp_path).classes == PAIR
    assert splits(tmp_path) == {"train": 10, "test": 4}


@pytest.mark.parametrize("name", ["testament", "training wheels", "valley", "retest", "trained", "contest", "devil"])
def test_a_class_that_only_sounds_like_a_split_is_a_class(name):
    assert layouts.split_of(name) is None


def test_a_class_of_vehicles_called_train_is_a_class(tmp_path):
    assert open_source(folders(tmp_path, ("bus", "plane", "train"))).classes == ("bus", "plane", "train")


def test_folders_that_all_hold_the_same_folders_are_no_classes(tmp_path):
    """A net would learn to tell one split from the other."""
    folders(tmp_path / "first_tr"), folders(tmp_path / "second_te", each=2)
    message = refused(tmp_path)
    assert "first_tr, second_te, each with the same folders inside (ant, bee)" in message
    for name in PAIR:  # one folder in every class is how some sets are published
        shutil.copytree(tmp_path / "first_tr" / name, tmp_path / "tiny" / name / "images")
    assert open_source(tmp_path / "tiny").classes == PAIR


def test_photos_one_folder_down_are_had_where_splits_tell_and_named_where_not(tmp_path):
    folders(tmp_path / "a" / "photos" / "train"), folders(tmp_path / "a" / "photos" / "val", each=2)
    (tmp_path / "a" / "readme.txt").write_text("where from")
    (tmp_path / "a" / "__MACOSX").mkdir()
    assert splits(tmp_path / "a") == {"train": 10, "test": 4}
    assert "photos" in open_source(tmp_path / "a").passed_over[0]
    folders(tmp_path / "b" / "photos")
    message = refused(tmp_path / "b")
    assert f"name {tmp_path / 'b' / 'photos'}" in message


def test_splits_that_measure_alone_are_enough_to_evaluate_and_not_to_train(tmp_path):
    folders(tmp_path / "Test")
    assert "no folder to train on" in refused(tmp_path)
    assert open_source(tmp_path, alone=True).classes == PAIR


# Links, names and what systems leave


def test_each_real_folder_is_read_once_whatever_links_lead_to_it(tmp_path):
    photos = folders(tmp_path / "photos")
    (photos / "ant" / "latest").symlink_to(".")
    (photos / "ant" / "all").symlink_to("..")
    (photos / "ant" / "others").symlink_to("../bee")
    (photos / "bee" / "up").symlink_to(tmp_path)
    outside = folders(tmp_path / "elsewhere", ("more",), each=3)
    (photos / "bee" / "more").symlink_to(outside / "more")
    source = open_source(photos)
    assert sum(map(len, source.chunks)) == 13
    assert len([text for text in source.passed_over if "a link to a folder that is read elsewhere" in text]) == 4
    assert len({name for chunk in source.chunks for name, _, _ in chunk.photos()}) == 13


def test_a_split_that_is_a_link_to_the_other_is_refused(tmp_path):
    folders(tmp_path / "train")
    (tmp_path / "val").symlink_to("train")
    assert "found a class without photos (./: a link to a folder that is read elsewhere)" in refused(tmp_path)


def test_what_is_no_photo_file_is_passed_over_and_named(tmp_path):
    folders(tmp_path)
    (tmp_path / "ant" / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "ant" / "round.jpg").symlink_to("round.jpg")
    (tmp_path / "ant" / "endless.jpg").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "bee" / "pipe.jpg")  # reading it would wait for ever
    source = open_source(tmp_path)
    assert sum(map(len, source.chunks)) == 10
    assert [text.split(":")[0].split("/", 1)[1] for text in sorted(source.passed_over)] == [
        "ant/endless.jpg", "ant/gone.jpg", "ant/round.jpg", "bee/pipe.jpg",
    ]  # fmt: skip


def test_names_that_are_not_utf_8_or_obeyed_by_a_terminal_are_written_out(tmp_path):
    folders(tmp_path / "photos")
    os.rename(tmp_path / "photos" / "ant", os.fsencode(tmp_path) + b"/photos/caf\xe9")
    os.rename(tmp_path / "photos" / "bee" / "0.jpg", tmp_path / "photos" / "bee" / "\x1b[2J\u202e.jpg")
    os.rename(tmp_path / "photos" / "bee" / "1.jpg", os.fsencode(tmp_path) + b"/photos/bee/\xff\n.jpg")
    photos = load(tmp_path / "photos", tmp_path / "cache")
    assert photos.classes == ("bee", "caf\\xe9")
    names = [name for chunk in open_source(tmp_path / "photos").chunks for name, _, _ in chunk.photos()]
    assert {"bee/\\x1b[2J\\u202e.jpg", "bee/\\xff\\n.jpg", "caf\\xe9/0.jpg"} <= set(names)
    assert all(name.isprintable() for name in names)


def test_what_archivers_and_systems_leave_is_no_class_and_no_photo(tmp_path):
    folders(tmp_path)
    for junk in ("__MACOSX/ant", "@eaDir/bee", ".ipynb_checkpoints", "ant/@eaDir", "ant/.thumbs"):
        (tmp_path / junk).mkdir(parents=True)
        (tmp_path / junk / "0.jpg").write_bytes(b"\0\5\26\7")
    (tmp_path / "bee" / "._0.jpg").write_bytes(b"\0\5\26\7")
    source = open_source(tmp_path)
    assert (source.classes, sum(map(len, source.chunks)), source.passed_over) == (PAIR, 10, ())


def test_a_class_folder_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    """Left out it would be one class fewer, and the labels of the others would move."""
    folders(tmp_path)
    scandir = os.scandir

    def denied(path):
        if str(path).endswith("bee"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(walk.os, "scandir", denied)
    assert refused(tmp_path).startswith(f"{tmp_path}/bee: could not be read: Permission denied")


def test_names_belong_to_the_folder_at_hand_and_not_to_the_first_with_these_photos(tmp_path):
    first = folders(tmp_path / "first", ("catt", "dgo"))
    (first / "catt" / "torn.jpg").write_bytes(b"torn")
    load(first, tmp_path / "cache")
    second = tmp_path / "second"
    shutil.copytree(first, second)
    (second / "catt").rename(second / "cat")
    (second / "dgo").rename(second / "dog")
    (second / "cat" / "notes.txt").write_text("mine")
    photos = load(second, tmp_path / "cache")
    assert photos.classes == ("cat", "dog")
    assert [(e["photo"], e["class"]) for e in photos.manifest["excluded"]] == [("cat/torn.jpg", "cat")]
    assert photos.manifest["passed_over"] == ["1 files in second/cat/ that are not named as images"]
    assert {name.split("/")[0] for name in names_of_test_photos(second, photos.manifest)} == {"cat", "dog"}
    assert len(list((tmp_path / "cache").glob("photos-*/manifest.json"))) == 1  # the pixels are shared


def test_photos_of_one_size_that_are_changed_in_place_are_packed_again(tmp_path):
    """Files without compression have one size whatever they show."""
    for i, name in enumerate(PAIR):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for j in range(5):
            picture(10 * i + j).save(tmp_path / "photos" / name / f"{j}.bmp")
    first = load(tmp_path / "photos", tmp_path / "cache").content
    picture(99).save(tmp_path / "photos" / "ant" / "0.bmp")
    assert load(tmp_path / "photos", tmp_path / "cache").content != first


def test_the_same_bytes_in_training_and_test_are_counted_whatever_their_labels(tmp_path):
    folders(tmp_path / "p" / "train"), folders(tmp_path / "p" / "val", each=2)
    shutil.copy(tmp_path / "p" / "train" / "ant" / "4.jpg", tmp_path / "p" / "val" / "bee" / "new.jpg")
    assert load(tmp_path / "p", tmp_path / "cache").manifest["in_both"] == 5


# Photos


@pytest.mark.parametrize("orientation", range(1, 9))
def test_ones_own_photos_are_turned_upright_and_said_a_known_sets_are_not(orientation):
    upright = picture(3, 40, 20)
    back = {v: k for k, v in ((3, 3), (6, 8), (8, 6), (2, 2), (4, 4), (5, 5), (7, 7))}.get(orientation)
    sideways = upright if back is None else upright.transpose(prepare.TURNS[back])
    exif = Image.Exif()
    exif[prepare.ORIENTATION] = orientation
    data = encoded(sideways, "PNG", exif=exif)
    turned, as_is = prepare.prepared(data, 16, upright=True), prepare.prepared(data, 16)
    assert np.array_equal(turned.pixels, prepare.prepared(encoded(upright, "PNG"), 16).pixels)
    assert (turned.turned, as_is.turned) == (orientation != 1, False)
    assert np.array_equal(as_is.pixels, prepare.prepared(encoded(sideways, "PNG"), 16).pixels)


def test_the_pack_names_photos_that_were_turned(tmp_path):
    folders(tmp_path / "p")
    exif = Image.Exif()
    exif[prepare.ORIENTATION] = 6
    (tmp_path / "p" / "ant" / "0.jpg").write_bytes(encoded(picture(7), exif=exif))
    assert load(tmp_path / "p", tmp_path / "cache").manifest["turned"] == ["ant/0.jpg"]


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (3, 20_000)])
def test_a_thin_photo_takes_no_more_than_its_crop(size, monkeypatch):
    """Its short side brought to 256 would make 15 million pixels of the long one: 5 GB of 196 bytes."""
    asked = []
    resize = Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize", lambda self, to, *a, **k: asked.append(to) or resize(self, to, *a, **k))
    assert prepare.prepared(encoded(Image.new("L", size, 7), "PNG"), 256).pixels.shape == (256, 256, 3)
    assert asked == [(256, 256)]
    assert max(prepare.middle(Image.new("RGB", size)).size) <= prepare.THIN * min(size)


def test_the_middle_of_a_thin_photo_is_what_cutting_it_out_of_the_whole_gives(monkeypatch):
    photo = encoded(picture(5, 300, 15), "PNG")
    cut = prepare.prepared(photo, 24).pixels
    monkeypatch.setattr(prepare, "THIN", 100)
    whole = prepare.prepared(photo, 24).pixels
    assert np.abs(cut.astype(int) - whole).max() <= 1


def test_a_photo_that_would_take_too_much_memory_is_left_out_and_a_jpeg_is_read_smaller(monkeypatch):
    monkeypatch.setattr(prepare, "MEMORY", 400_000)
    jpeg = prepare.decoded(encoded(picture(1, 600, 400), quality=90), upright=True, smallest=16)
    assert jpeg.image.size == (300, 200)
    for data in (encoded(picture(1, 600, 400), "PNG"), encoded(picture(1, 600, 400), progressive=True)):
        with pytest.raises(prepare.Unusable, match="MB"):
            prepare.decoded(data, upright=True)


def test_formats_that_start_other_programs_are_not_opened():
    with pytest.raises(prepare.Unusable, match="of no format that is read here"):
        prepare.prepared(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n", 16)


# Image parquet


@pytest.mark.parametrize(
    "path",
    ["train-00000-of-00001.parquet", "data/train-00000-of-00001.parquet", "plain_text/train-00000-of-00001.parquet",
     "default/train/0000.parquet", "train/0000.parquet", "snapshots/0b/data/train-00000-of-00001-ab12.parquet",
     "train.parquet"],
)  # fmt: skip
def test_parquet_is_had_where_hubs_and_their_converters_put_it(tmp_path, path):
    write_parquet(tmp_path / path, rows(), PAIR)
    assert (open_source(tmp_path).classes, splits(tmp_path)) == (PAIR, {"train": 10})


@pytest.mark.parametrize(("there", "missing"), [([0], "2 of 3"), ([0, 2], "1 of 3"), ([1, 2], "1 of 3")])
def test_a_part_of_the_files_is_not_trained_on_for_the_whole(tmp_path, there, missing):
    for i in there:
        write_parquet(tmp_path / f"train-{i:05}-of-00003.parquet", rows(), PAIR)
    assert f"{missing} train files are missing" in refused(tmp_path)


def test_files_of_two_divisions_or_in_two_configurations_are_refused(tmp_path):
    for name in (
        "a/train-00000-of-00001",
        "a/train-00000-of-00002",
        "a/train-00001-of-00002",
        "b/x/train",
        "b/y/train",
    ):
        write_parquet(tmp_path / f"{name}.parquet", rows(), PAIR)
    assert "train files of several divisions" in refused(tmp_path / "a")
    assert "found image parquet in x, y; expected one of them" in refused(tmp_path / "b")


def test_files_that_name_classes_differently_are_refused(tmp_path):
    """One label would mean two things."""
    write_parquet(tmp_path / "train-00000-of-00002.parquet", rows(), PAIR)
    write_parquet(tmp_path / "train-00001-of-00002.parquet", rows(), PAIR[::-1])
    assert "class 0 is ant there and bee here" in refused(tmp_path)


def test_a_subset_of_classes_is_used_as_it_is(tmp_path):
    write_parquet(tmp_path / "train.parquet", rows(labels=(3, 7)), None)
    photos = load(tmp_path, tmp_path / "cache")
    assert (photos.classes, sorted(set(photos.train_y.tolist()))) == (("3", "7"), [0, 1])


@pytest.mark.parametrize("label", [2**31, 2**40, 2**62, 1_000_000])
def test_a_label_out_of_all_proportion_is_refused_before_names_are_made_for_all_below_it(tmp_path, label):
    write_parquet(tmp_path / "train.parquet", [*rows(), ("x", label, b"")], None)
    assert "expected labels below 1,000,000" in refused(tmp_path)


# CIFAR-10


@pytest.mark.parametrize(
    "place",
    ["cifar10", "CIFAR10", "cifar-10", "CIFAR_10", "cifar10/plain_text", "cifar10/data", "hub/cifar10",
     "datasets--uoft-cs--cifar10/snapshots/0b/plain_text", "hub/datasets--cifar10/snapshots/0b"],
)  # fmt: skip
@pytest.mark.parametrize("names", [("train-00000-of-00001", "test-00000-of-00001"), ("train", "test")])
def test_cifar10_is_had_wherever_hub_and_people_put_it(tmp_path, place, names):
    (tmp_path / place).mkdir(parents=True)
    for name in names:
        (tmp_path / place / f"{name}.parquet").write_bytes(b"")
    folder = known.find_source("cifar10", [tmp_path])
    assert folder is not None
    assert all(known.parquet_files(folder).values())


@pytest.mark.parametrize(
    "place", ["cifar-10-batches-py", "CIFAR-10/cifar-10-batches-py", "cifar10/cifar-10-batches-py"]
)
def test_the_official_files_are_had_in_a_root_and_in_a_folder_of_the_name(tmp_path, place):
    (tmp_path / place).mkdir(parents=True)
    assert known.find_source("cifar10", [tmp_path]) == tmp_path / place
    assert known.find_source("cifar10", [tmp_path / place]) == tmp_path / place


@pytest.mark.parametrize("name", ["cifar100", "cifar-100", "mycifar1000"])
def test_other_sets_are_not_taken_for_cifar10(tmp_path, name):
    (tmp_path / name).mkdir()
    for split in ("train", "test"):
        (tmp_path / name / f"{split}.parquet").write_bytes(b"")
    assert known.find_source("cifar10", [tmp_path]) is None


def test_what_is_nearly_cifar10_is_named_with_what_to_do(tmp_path):
    (tmp_path / "cifar-10-batches-bin").mkdir()
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"")
    near = " ".join(known.near("cifar10", [tmp_path]))
    assert "the binary version, which is not read" in near
    assert "unpack it there" in near


# Weights


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torchvision.models.squeezenet1_1(num_classes=2)


def under(prefix: str, state: dict) -> dict:
    return {prefix + name: tensor for name, tensor in state.items()}


WRAPPED = {
    "features.module": lambda s: {name.replace("features.", "features.module."): t for name, t in s.items()},
    "model_best.pth.tar": lambda s: {"epoch": 3, "state_dict": under("module.", s), "best_acc1": torch.tensor(51.0)},
    "lightning.ckpt": lambda s: {"state_dict": under("model.", s) | {"loss.weight": torch.ones(3)}, "version": "2.1"},
    "compiled": lambda s: under("_orig_mod.", s),
    "compiled_and_parallel.bin": lambda s: under("module._orig_mod.", s),
    "model_state_dict": lambda s: {"model_state_dict": s, "epoch": 3},
    "net_acc.t7": lambda s: {"net": s, "acc": 91.2},
    "student.pt": lambda s: {"state_dict": under("student.backbone.", s) | under("teacher.", s)},
    "optimizer.pth": lambda s: {"weights": s, "optimizer": {"state": {0: {"momentum": torch.ones(3)}}}},
    "any.safetensors": lambda s: s,  # written by torch.save all the same
}


@pytest.mark.parametrize("name", WRAPPED)
def test_wrappers_and_prefixes_in_use_are_taken_off_and_said(tmp_path, net, name):
    torch.save(WRAPPED[name](net.state_dict()), tmp_path / name)
    given = weights.fitted(net, weights.opened(tmp_path / name))
    assert given.tensors.keys() == net.state_dict().keys()
    assert all(torch.equal(given.tensors[key], tensor) for key, tensor in net.state_dict().items())
    assert bool(given.notes) == (name != "any.safetensors")


NO_WEIGHTS = {
    "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n": "Git LFS pointer",
    "<html>Quota exceeded</html>": "web page",
    "\n<!DOCTYPE html>": "web page",
    '{"weight_map": {}}': "JSON",
    "": "empty file",
}


@pytest.mark.parametrize(("content", "what"), NO_WEIGHTS.items(), ids=NO_WEIGHTS.values())
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w"])
def test_a_file_that_holds_no_weights_is_named_for_what_it_is(tmp_path, content, what, name):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=what):
        weights.read(tmp_path / name)


@pytest.mark.parametrize("thing", [argparse.Namespace(lr=0.1), np.float64(51.0)], ids=["Namespace", "scalar"])
def test_an_object_among_the_tensors_is_named_and_not_made(tmp_path, net, thing):
    torch.save({"state_dict": net.state_dict(), "thing": thing}, tmp_path / "x.pth")
    with pytest.raises(DataError, match=r"Namespace|scalar") as error:
        weights.read(tmp_path / "x.pth")
    assert "\x1b" not in str(error.value)
    assert "['state_dict']" in str(error.value)


def test_answers_that_are_not_numbers_are_no_error_rate(tmp_path, net):
    torch.save({name: torch.full_like(t, float("nan")) for name, t in net.state_dict().items()}, tmp_path / "nan.pth")
    folders(tmp_path / "p", each=1)
    with pytest.raises(RunError, match=r"answers are not numbers: features.0.weight holds NaN"):
        list(published.evaluate("torchvision:squeezenet1_1", tmp_path / "nan.pth", str(tmp_path / "p"), roots=(),
                                device="cpu", workers=0))  # fmt: skip


def test_evaluation_leaves_out_the_photos_that_packing_leaves_out(tmp_path, net):
    """Sixteen bits a channel became white by clipping, and were judged."""
    torch.save(net.state_dict(), tmp_path / "w.pth")
    folders(tmp_path / "p", each=1)
    Image.fromarray(np.full((40, 40), 30_000, np.uint16)).save(tmp_path / "p" / "ant" / "deep.png")
    *_, counts = published.evaluate("torchvision:squeezenet1_1", tmp_path / "w.pth", str(tmp_path / "p"), roots=(),
                                    device="cpu", workers=0)  # fmt: skip
    assert (counts.read, counts.images) == (3, 2)
    assert counts.left_out[0].startswith("ant/deep.png (mode I;16")


class Call:
    """A pickle that calls `function` with arguments of its own."""

    def __init__(self, function, arguments) -> None:
        self.made = function, arguments

    def __reduce__(self):
        return self.made


def npy(path: Path, thing: object) -> Path:
    head = "{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + pickle.dumps(thing))
    return path


POINTERS = {
    "an array of pointers": Call(np.ndarray, (Call(np.ndarray, ((1,), "O", b"A" * 8)), "f4")),
    "an array over a buffer": Call(np.ndarray, ((1 << 20,), "f4", b"A" * 8)),
    "a type of objects": Call(np.zeros(1).__reduce_ex__(5)[0], (b"A" * 8, np.dtype("O"), (1,), "C")),
    "a type of pairs": Call(np.dtype, ([("a", "O")],)),
}


@pytest.mark.parametrize("thing", POINTERS.values(), ids=POINTERS)
def test_no_pointer_of_a_files_choice_is_followed(tmp_path, thing):
    """In a process of its own: where one is followed, that process ends."""
    path = npy(tmp_path / "x.npy", {"conv1": [thing, np.zeros(4, np.float32)]})
    code = f"from pathlib import Path; from repro.nets import caffe; caffe.read(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, "repro.errors.DataError" in done.stderr) == (1, True), done.stderr[-500:]


def test_a_library_nets_own_transform_is_what_its_weights_start_from():
    from repro.nets import library

    own = library.preparation("torchvision:squeezenet1_1")
    assert own == {"constants": [0.485, 0.456, 0.406, 0.229, 0.224, 0.225], "crop": 224, "stored": 256}
    assert library.preparation("torchvision:no_such_net") == {}


def test_pixels_with_constants_are_those_of_torchvisions_transform(tmp_path):
    from repro.data.photos.crops import PhotoBatches

    photos = load(folders(tmp_path / "p"), tmp_path / "cache")
    constants = [0.485, 0.456, 0.406, 0.229, 0.224, 0.225]
    batches = PhotoBatches(photos, device="cpu", size=16, constants=constants)
    (x, _), *_ = batches.test(2)
    mean, deviation = (torch.tensor(constants[i : i + 3])[:, None, None] for i in (0, 3))
    expected = (torch.from_numpy(photos.test_x[:2].copy()).permute(0, 3, 1, 2) / 255 - mean) / deviation
    torch.testing.assert_close(x.contiguous(), expected.contiguous(), rtol=1e-5, atol=1e-5)


# Without a home, and with nowhere to write


def test_without_a_home_the_cache_is_asked_for(monkeypatch):
    from repro import places

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("REPRO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(ReproError, match="set REPRO_CACHE"):
        places.cache()


def test_a_full_output_and_one_of_ascii_end_without_a_traceback():
    words = [sys.executable, "-m", "repro", "list"]
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:
            done = subprocess.run(words, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
        assert (done.returncode, len(done.stderr.splitlines())) == (74, 1)
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, cwd=ROOT, env=ascii_only, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
