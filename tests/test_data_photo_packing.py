"""Packing: one identity whatever the container, whole or not at all, resumed after a kill, unusable photos listed."""

import errno
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_photos import (
    CLASSES,
    SIZE,
    as_flat,
    as_folders,
    as_parquet,
    encoded,
    files_of,
    load,
    make,
    picture,
    replaced,
    write_parquet,
)

from repro.data.known import KNOWN, Known, find, how_to_get
from repro.data.photos import packing, prepare
from repro.data.photos.digests import digest
from repro.data.photos.maps import load_photos, open_pack
from repro.data.photos.packing import pack
from repro.data.photos.sources import open_source
from repro.errors import DataError, ReproError
from repro.files import DiskFull, Unwritable
from repro.workers import WorkerEnded

PHOTOS = make()
PACK = ["manifest.json", "test.npy", "test_labels.npy", "train.npy", "train_labels.npy",
        "train_products.npy", "train_sums.npy"]  # fmt: skip


def identity(photos: dict) -> str:
    """The content hash as the documentation words it, written a second time."""
    total = hashlib.sha256()
    for split, named in (("train", "train"), ("val", "test")):
        total.update(named.encode())
        digests = (hashlib.sha256(data + bytes([label, 0, 0, 0])).digest() for _, label, data in photos[split])
        total.update(b"".join(sorted(digests)))
    return total.hexdigest()


def known_small(**changes) -> Known:
    entry = Known(kind="small", title="a small set", source="here", classes=CLASSES, content=identity(PHOTOS),
                  shape=(3, 0, 0), train=12, test=6, photos=True, folders=CLASSES, places=("small",))  # fmt: skip
    return replace(entry, **changes)


def load_known(root: Path, cache: Path, known: Known):
    return load_photos("small", size=SIZE, roots=[root], cache=cache, known=known, workers=1)


@pytest.fixture
def small_is_known(monkeypatch) -> Known:
    monkeypatch.setitem(KNOWN, "small", known_small())
    return KNOWN["small"]


# One identity, one order


def test_a_pack_holds_the_photos_made_ready_in_the_order_of_their_digests(tmp_path):
    photos = load(as_folders(PHOTOS, tmp_path / "photos"), tmp_path / "cache")
    for split, x, y in (("train", photos.train_x, photos.train_y), ("val", photos.test_x, photos.test_y)):
        rows = sorted((hashlib.sha256(data + bytes([label, 0, 0, 0])).digest(), label, data)
                      for _, label, data in PHOTOS[split])  # fmt: skip
        assert y.tolist() == [label for _, label, _ in rows]
        assert np.array_equal(x, np.stack([prepare.prepared(data, SIZE).pixels for _, _, data in rows]))
    assert isinstance(photos.train_x, np.memmap)
    whole = photos.train_x.astype(np.int64)
    assert np.array_equal(photos.sums, whole.sum(0))
    assert np.array_equal(photos.products, np.einsum("nhwa,nhwb->ab", whole, whole))
    assert photos.content == identity(PHOTOS)


def test_parquet_and_folders_of_the_same_bytes_are_the_same_pack(tmp_path):
    one = load(as_parquet(PHOTOS, tmp_path / "parquet"), tmp_path / "a")
    other = load(as_folders(PHOTOS, tmp_path / "folders"), tmp_path / "b")
    assert one.content == other.content
    (one_pack,), (other_pack,) = (sorted(tmp_path.glob(f"{cache}/photos-{one.content}-{SIZE}")) for cache in "ab")
    ours, theirs = files_of(one_pack), files_of(other_pack)
    assert sorted(ours) == sorted(theirs) == PACK
    for name in set(PACK) - {"manifest.json"}:
        assert ours[name] == theirs[name], name
    assert (one.manifest["form"], other.manifest["form"]) == ("parquet", "folder")
    assert {**one.manifest, "form": ""} == {**other.manifest, "form": ""}
    again = load(tmp_path / "folders", tmp_path / "a")  # the second container finds the pack of the first
    assert again.manifest == other.manifest  # what is said is this source's
    assert len(list((tmp_path / "a").glob("photos-*/manifest.json"))) == 1


def test_several_processes_make_the_same_pack_as_one(tmp_path):
    source = open_source(as_parquet(PHOTOS, tmp_path / "parquet"))
    seen = []
    one = pack(source, tmp_path / "a", kind="photos", size=SIZE, workers=1)
    two = pack(source, tmp_path / "b", kind="photos", size=SIZE, workers=2, progress=lambda *said: seen.append(said))
    assert files_of(one) == files_of(two)
    assert {(stage, total) for stage, _, total in seen} == {("reading", 18), ("packing", 18)}
    for stage in ("reading", "packing"):
        done = [n for name, n, _ in seen if name == stage]
        assert done == sorted(done)
        assert (done[0], done[-1]) == (0, 18)


def test_the_manifest_says_how_and_what_was_packed(tmp_path):
    photos = make()
    photos["train"][0] = ("grey.jpg", 0, encoded(picture(50, mode="L")))
    photos["train"][1] = ("press.jpg", 0, encoded(picture(51, mode="CMYK")))
    photos["val"][0] = ("tiny.png", 0, encoded(picture(52, 12, 10), "PNG"))
    said = load(as_folders(photos, tmp_path / "photos"), tmp_path / "cache").manifest
    assert said["recipe"] == prepare.recipe(SIZE, upright=True)
    assert said["recipe"]["pillow"]
    assert said["classes"] == list(CLASSES)
    assert said["photos"] == {"train": 12, "test": 6}
    assert said["of_class"] == {"train": [4, 4, 4], "test": [2, 2, 2]}
    assert said["converted"] == {"CMYK": 1, "L": 1}
    assert said["deviations"] == ["1 of 18 photos had a short side below 16 and were enlarged (bicubic)"]
    assert said["excluded"] == []


def test_where_no_split_measures_every_fifth_of_each_class_by_digest_does(tmp_path):
    rows = [(f"{i}.png", i % 3, encoded(picture(i), "PNG")) for i in range(36)]
    photos = load(as_flat({"all": rows}, tmp_path / "photos"), tmp_path / "cache")
    assert np.bincount(photos.train_y).tolist() == [10, 10, 10]
    assert np.bincount(photos.test_y).tolist() == [2, 2, 2]
    assert photos.manifest["split_off"]
    digests = [hashlib.sha256(data + bytes([label, 0, 0, 0])).digest() for _, label, data in rows]
    fifth = [sorted(d for d, (_, label, _) in zip(digests, rows, strict=True) if label == of)[4::5] for of in range(3)]
    held = [prepare.prepared(rows[digests.index(d)][2], SIZE).pixels for d in sorted(d for one in fifth for d in one)]
    assert np.array_equal(photos.test_x, np.stack(held))
    few = [row for row in rows if row[1] != 1 or int(row[0][:-4]) < 12]
    with pytest.raises(DataError, match="found fewer than five photos of class n02; expected five or more"):
        load(as_flat({"all": few}, tmp_path / "few"), tmp_path / "cache")


def test_a_known_set_without_splits_is_halved_and_held_to_its_rounded_count(tmp_path, monkeypatch):
    """As ImageNet of Fall 2009 comes: class folders alone, of a number of photos that is printed to two digits."""
    rows = [(f"{i}.png", i % 3, encoded(picture(i), "PNG")) for i in range(31)]  # 11, 10 and 10 of a class
    known = Known(kind="halves", title="a set of halves", source="here", classes=CLASSES, content="", shape=(3, 0, 0),
                  train=15, test=15, photos=True, places=("halves",), within=1, split_off=2)  # fmt: skip
    where = as_flat({"all": rows}, tmp_path / "data" / "halves")

    def packed(known: Known, cache: str):
        roots = [tmp_path / "data"]
        return load_photos("halves", size=SIZE, roots=roots, cache=tmp_path / cache, known=known, workers=1)

    monkeypatch.setitem(KNOWN, "halves", known)
    photos = packed(known, "cache")
    assert np.bincount(photos.train_y).tolist() == [6, 5, 5]
    assert np.bincount(photos.test_y).tolist() == [5, 5, 5]
    with pytest.raises(DataError, match="found 16 train photos; expected 14, 1 more or fewer, as a set of halves"):
        packed(replace(known, train=14), "other")
    (where / CLASSES[1]).rename(tmp_path / "away")
    (where / CLASSES[1]).mkdir()
    shutil.copy(next((tmp_path / "away").rglob("*.png")), where / CLASSES[1])
    with pytest.raises(DataError, match="found fewer than two photos of class n02; expected two or more, since every"):
        packed(known, "third")


def test_the_halves_of_2009_are_those_that_the_paper_s_count_allows():
    known = KNOWN["imagenet2009"]
    assert (len(known.classes), known.train + known.test, known.split_off) == (10_184, 8_900_000, 2)
    # 8.85 to 8.95 million round to 8.9; every class may have one more to train on than to test on
    for whole in (8_850_000, 8_949_999):
        for odd in (0, 10_184):
            test = (whole - odd) // 2
            assert max(abs(test - known.test), abs(whole - test - known.train)) <= known.within
    assert "imagenet2009/CLASS/ for each of its 10,184 classes" in how_to_get("imagenet2009")


# What cannot be taken


def with_unusable() -> dict:
    photos = replaced(make(5, 3), "train", 2, lambda data: data[: len(data) // 2])
    photos = replaced(photos, "train", 7, lambda data: b"")
    return replaced(photos, "val", 4, lambda data: b"no photo at all")


@pytest.mark.parametrize("write", [as_folders, as_parquet])
def test_unusable_photos_are_left_out_and_listed(tmp_path, write):
    photos = load(write(with_unusable(), tmp_path / "photos"), tmp_path / "cache")
    good = with_unusable()
    good["train"] = [row for i, row in enumerate(good["train"]) if i not in (2, 7)]
    good["val"] = [row for i, row in enumerate(good["val"]) if i != 4]
    clean = load(write(good, tmp_path / "clean"), tmp_path / "other")
    assert photos.content == clean.content == identity(good)
    assert np.array_equal(photos.train_x, clean.train_x)
    assert np.array_equal(photos.test_x, clean.test_x)
    assert np.array_equal(photos.train_y, clean.train_y)
    assert np.array_equal(photos.sums, clean.sums)
    assert photos.manifest["pixels"] == clean.manifest["pixels"]
    excluded = photos.manifest["excluded"]
    assert [(e["split"], e["class"]) for e in excluded] in (
        [("test", "n02"), ("train", "n01"), ("train", "n02")], [("test", "n02"), ("train", "n02"), ("train", "n01")],
    )  # fmt: skip
    assert {e["reason"].split(":")[0] for e in excluded} == {
        "of no format that is read here", "empty", "does not decode",
    }  # fmt: skip
    for e in excluded:
        assert ("row" in e["photo"]) == (write is as_parquet)


def test_a_class_of_which_nothing_is_usable_is_named_with_a_reason(tmp_path):
    photos = make()
    for row in range(4, 8):
        photos = replaced(photos, "train", row, lambda data: b"")
    with pytest.raises(DataError, match=r"found no usable train photo of class n02 \(n02/.*: empty: no bytes\)"):
        load(as_folders(photos, tmp_path / "photos"), tmp_path / "cache")


# Known sets


def test_a_known_set_is_held_to_its_content_and_needs_its_source_once(tmp_path, small_is_known):
    as_parquet(PHOTOS, tmp_path / "small")
    first = load_known(tmp_path, tmp_path / "cache", small_is_known)
    assert find("small", [], tmp_path / "cache") == tmp_path / "cache" / f"small-{small_is_known.content}-{SIZE}"
    again = load_known(tmp_path / "nowhere", tmp_path / "cache", small_is_known)
    assert np.array_equal(first.train_x, again.train_x)


def test_a_known_set_with_other_photos_is_refused_before_any_is_decoded(tmp_path, small_is_known):
    damaged = replaced(PHOTOS, "train", 2, lambda data: data[:-30] + bytes(30))
    as_folders(damaged, tmp_path / "small")
    with pytest.raises(DataError, match=rf"small: found content {identity(damaged)}; expected {identity(PHOTOS)}"):
        load_known(tmp_path, tmp_path / "cache", small_is_known)
    fewer = {**PHOTOS, "val": PHOTOS["val"][1:]}
    as_parquet(fewer, tmp_path / "other" / "small")
    with pytest.raises(DataError, match=r"found 5 test photos; expected 6, as a small set has.*kind photos"):
        load_known(tmp_path / "other", tmp_path / "cache", small_is_known)
    assert not list((tmp_path / "cache").glob("small-*"))


def test_a_known_set_without_content_is_held_to_its_counts_and_known_by_its_manifest(tmp_path, monkeypatch):
    known = known_small(content="", folders=(), classes=("0", "1", "2"))
    monkeypatch.setitem(KNOWN, "small", known)
    as_folders(PHOTOS, tmp_path / "small")
    photos = load_known(tmp_path, tmp_path / "cache", known)
    assert photos.content == identity(PHOTOS)
    assert photos.classes == CLASSES
    assert len(load_known(tmp_path / "nowhere", tmp_path / "cache", known).train) == 12
    (tmp_path / "cache" / f"small-other-{SIZE}").mkdir()
    (tmp_path / "cache" / f"small-other-{SIZE}" / "manifest.json").touch()
    with pytest.raises(DataError, match=r"found 2 packs of small at 16 .* expected one"):
        load_known(tmp_path, tmp_path / "cache", known)


# Whole or not at all

PACKER = """
import sys
from pathlib import Path
from repro.data.photos.packing import pack
from repro.data.photos.sources import open_source

def stop(stage, done, total):
    if stage == sys.argv[3] and done >= int(sys.argv[4]):
        print("there", flush=True)
        sys.stdin.readline()

if __name__ == "__main__":
    pack(open_source(Path(sys.argv[1])), Path(sys.argv[2]), kind="photos", size=16, workers=2, progress=stop)
"""


@pytest.mark.parametrize(("stage", "done"), [("reading", 5), ("packing", 5), ("packing", 18)])
def test_a_packing_that_was_killed_goes_on_and_ends_byte_for_byte_as_an_undisturbed_one(tmp_path, stage, done):
    where = as_parquet(with_unusable(), tmp_path / "photos")  # row groups of five: six chunks
    script = tmp_path / "packer.py"
    script.write_text(PACKER)
    command = [sys.executable, str(script), str(where), str(tmp_path / "killed"), stage, str(done)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(Path.cwd())}) as packing:  # fmt: skip
        assert packing.stdout.readline() == "there\n"
        packing.kill()
    (part,) = (tmp_path / "killed").glob(".*.part")
    marks = {kind: len(list(part.glob(f"{kind}-*"))) for kind in ("read", "packed")}
    assert marks["read"] >= 1
    assert not list((tmp_path / "killed").glob("photos-*"))
    (part / "pack" / ".manifest.json.1.partial").write_bytes(b"half")  # as a kill in the middle of writing leaves it
    seen = []
    resumed = pack(open_source(where), tmp_path / "killed", kind="photos", size=SIZE, workers=1,
                   progress=lambda *said: seen.append(said))  # fmt: skip
    assert seen[0][1] >= 5  # what was read is not read again
    undisturbed = pack(open_source(where), tmp_path / "whole", kind="photos", size=SIZE, workers=1)
    assert files_of(resumed) == files_of(undisturbed)
    assert not list((tmp_path / "killed").glob(".*.part"))


def test_a_packing_process_that_is_killed_is_told_with_the_next_step_and_packing_goes_on_from_there(tmp_path):
    source = open_source(as_parquet(PHOTOS, tmp_path / "photos"))

    def kill(stage: str, done: int, total: int) -> None:
        if stage == "packing" and done == 0:
            threading.Thread(target=kill_the_first).start()

    def kill_the_first() -> None:
        while not (processes := multiprocessing.active_children()):
            time.sleep(0.001)
        os.kill(processes[0].pid, signal.SIGKILL)

    with pytest.raises(WorkerEnded, match=r"cache: photos .* by signal 9 .*run the same command again") as error:
        pack(source, tmp_path / "cache", kind="photos", size=SIZE, workers=2, progress=kill)
    assert error.value.exit_code == 70
    assert multiprocessing.active_children() == []
    resumed = pack(source, tmp_path / "cache", kind="photos", size=SIZE, workers=1)
    undisturbed = pack(source, tmp_path / "whole", kind="photos", size=SIZE, workers=1)
    assert files_of(resumed) == files_of(undisturbed)


def test_a_kill_while_rows_move_over_unusable_ones_begins_the_second_pass_again(tmp_path, monkeypatch):
    where = as_parquet(with_unusable(), tmp_path / "photos")
    moved = []

    def kill_after_the_first(path, rows):
        if moved:
            raise KeyboardInterrupt
        moved.append(path)
        leave_out(path, rows)

    from repro.data.photos import finish
    from repro.data.photos.finish import leave_out

    monkeypatch.setattr(finish, "leave_out", kill_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        pack(open_source(where), tmp_path / "killed", kind="photos", size=SIZE, workers=1)
    monkeypatch.undo()
    resumed = pack(open_source(where), tmp_path / "killed", kind="photos", size=SIZE, workers=1)
    undisturbed = pack(open_source(where), tmp_path / "whole", kind="photos", size=SIZE, workers=1)
    assert files_of(resumed) == files_of(undisturbed)


def test_photos_that_change_while_they_are_packed_are_noticed_and_the_next_call_starts_anew(tmp_path):
    where = as_folders(PHOTOS, tmp_path / "photos")
    source = open_source(where)
    first = next(iter(source.chunks))
    path = Path(first.root) / first.paths[3]
    data = path.read_bytes()

    def change(stage: str, done: int, total: int) -> None:
        if stage == "packing" and done == 0:
            path.write_bytes(data[:-1] + b"!")

    with pytest.raises(DataError, match=rf"{first.paths[3]}: found other bytes than a moment ago; expected files that"):
        pack(source, tmp_path / "cache", kind="photos", size=SIZE, workers=1, progress=change)
    pack(open_source(where), tmp_path / "cache", kind="photos", size=SIZE, workers=1)


def test_processes_that_pack_at_once_leave_one_pack(tmp_path):
    where = as_parquet(PHOTOS, tmp_path / "photos")
    script = tmp_path / "packer.py"
    script.write_text(PACKER)
    command = [sys.executable, str(script), str(where), str(tmp_path / "cache"), "never", "0"]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(command, env=environment) as one, subprocess.Popen(command, env=environment) as other:
        pass
    assert (one.returncode, other.returncode) == (0, 0)
    (found,) = (tmp_path / "cache").glob("photos-*/manifest.json")
    assert sorted(files_of(found.parent)) == PACK


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "cache").write_text("a file where a folder is wanted")
    with pytest.raises(Unwritable, match=r"cache.*REPRO_CACHE") as error:
        load(as_folders(PHOTOS, tmp_path / "photos"), tmp_path / "cache")
    assert error.value.exit_code == 73


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 74), (errno.EROFS, 73)])
@pytest.mark.parametrize("at", ["open_memmap", "ascending"])
def test_a_disk_that_refuses_a_pack_has_the_code_of_a_disk(tmp_path, monkeypatch, number, code, at):
    """Not that of missing data: its maps, or anything else on the way."""

    def refuse(*given: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(*((np.lib.format, at) if at == "open_memmap" else (packing, at)), refuse)
    with pytest.raises(Unwritable) as error:
        load(as_folders(PHOTOS, tmp_path / "photos"), tmp_path / "cache")
    assert error.value.exit_code == code


def test_a_disk_without_room_for_the_pack_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(DiskFull, match=r"cache: found 0\.0 GB free; expected 0\.0 GB"):
        load(as_folders(PHOTOS, tmp_path / "photos"), tmp_path / "cache")


def shortened(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 2)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [shortened, emptied, Path.unlink])
@pytest.mark.parametrize("name", PACK)
def test_a_damaged_pack_is_named(tmp_path, name, damage):
    folder = pack(open_source(as_folders(PHOTOS, tmp_path / "p")), tmp_path / "c", kind="photos", size=SIZE, workers=1)
    open_pack(folder, SIZE)
    damage(folder / name)
    with pytest.raises(DataError, match=rf"{folder}: found .*Remove the folder and repeat the command"):
        open_pack(folder, SIZE)


def test_a_pack_of_another_size_or_with_other_labels_is_refused(tmp_path):
    folder = pack(open_source(as_folders(PHOTOS, tmp_path / "p")), tmp_path / "c", kind="photos", size=SIZE, workers=1)
    with pytest.raises(DataError, match=r"not what manifest.json says at size 17"):
        open_pack(folder, 17)
    labels = np.load(folder / "test_labels.npy")
    labels[0] = (labels[0] + 1) % 3
    np.save(folder / "test_labels.npy", labels)
    with pytest.raises(DataError, match=r"not what manifest.json says"):
        load_photos("photos", where=folder, size=SIZE, cache=tmp_path / "c")


# Parts


def test_a_part_held_out_is_of_every_class_by_content_order_and_leaves_the_sums_of_the_rest(tmp_path):
    where = as_folders(make(train=7), tmp_path / "photos")
    whole = load(where, tmp_path / "cache")
    part = load(where, tmp_path / "cache", held_out=7)
    assert np.bincount(part.train_y[part.held_out]).tolist() == [3, 2, 2]  # 7/3 each, the remainder to the lowest
    for label in range(3):
        of_class = np.flatnonzero(whole.train_y == label)
        held = part.held_out[part.train_y[part.held_out] == label]
        assert held.tolist() == of_class[: len(held)].tolist()
    assert np.union1d(part.train, part.held_out).tolist() == whole.train.tolist()
    assert len(np.intersect1d(part.train, part.held_out)) == 0
    rest = whole.train_x[part.train].astype(np.int64)
    assert np.array_equal(part.sums, rest.sum(0))
    assert np.array_equal(part.products, np.einsum("nhwa,nhwb->ab", rest, rest))
    assert np.array_equal(part.test_x, whole.test_x)
    few = load(where, tmp_path / "cache", held_out=7, images=4)
    assert set(few.train) < set(part.train)
    assert np.array_equal(few.held_out, part.held_out)
    assert np.array_equal(few.sums, few.train_x[few.train].sum(0, dtype=np.int64))


@pytest.mark.parametrize("asked", [{"held_out": 12}, {"held_out": -1}, {"images": 0}, {"held_out": 4, "images": 9}])
def test_parts_that_cannot_be_had_are_refused(tmp_path, asked):
    where = as_folders(PHOTOS, tmp_path / "photos")
    with pytest.raises(ReproError, match=r"(held_out|images): found .*; expected 1 to \d+ training photos"):
        load(where, tmp_path / "cache", **asked)


# The real photos

REPRO_DATA = os.environ.get("REPRO_DATA")
needs_imagenette = pytest.mark.skipif(
    not REPRO_DATA or not (Path(REPRO_DATA) / "imagenette").is_dir(),
    reason="needs Imagenette: set REPRO_DATA to a folder that holds imagenette/",
)


@needs_imagenette
def test_some_of_imagenette_packs_enlarged_and_grey_ones_are_counted(tmp_path):
    import pyarrow.parquet as pq

    known = KNOWN["imagenette"]
    rows = {}
    for split in ("train", "validation"):
        path = sorted((Path(REPRO_DATA) / "imagenette").glob(f"{split}-*.parquet"))[0]
        with pq.ParquetFile(path) as file:
            taken = next(file.iter_batches(150)).to_pylist()
        rows[split] = [(row["image"]["path"], row["label"], row["image"]["bytes"]) for row in taken]
        write_parquet(tmp_path / "photos" / f"{split}.parquet", rows[split], known.classes, group=50)
    photos = load_photos("photos", where=tmp_path / "photos", size=256, cache=tmp_path / "cache", workers=2)
    assert photos.classes == known.classes
    assert photos.train_x.shape == (150, 256, 256, 3)
    from PIL import Image

    grey = sum(Image.open(io.BytesIO(data)).mode == "L" for part in rows.values() for _, _, data in part)
    assert photos.manifest["converted"] == ({"L": grey} if grey else {})
    assert photos.manifest["deviations"] == ["300 of 300 photos had a short side below 256 and were enlarged (bicubic)"]
    smaller = load_photos("photos", where=tmp_path / "photos", size=146, cache=tmp_path / "cache", workers=1)
    assert smaller.content == photos.content
    assert smaller.manifest["deviations"] == []


@needs_imagenette
def test_imagenette_is_the_set_that_the_table_knows():
    """Digests alone: every encoded byte and label, nothing decoded."""
    known = KNOWN["imagenette"]
    source = open_source(Path(REPRO_DATA) / "imagenette", known)
    found: dict[str, list] = {"train": [], "test": []}
    for chunk in source.chunks:
        found[chunk.split] += [digest(data, label) for _, label, data in chunk.photos()]
    assert {split: len(digests) for split, digests in found.items()} == {"train": known.train, "test": known.test}
    total = hashlib.sha256()
    for split in ("train", "test"):
        total.update(split.encode() + b"".join(sorted(found[split])))
    assert total.hexdigest() == known.content
    assert json.dumps(source.classes) == json.dumps(known.classes)
