"""Data sets: one identity whatever the container, packed once, and clear words when something is wrong."""

import hashlib
import http.server
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from small_set import Small, as_official, as_parquet, load_small, make, same
from torchvision.datasets import CIFAR10

from repro.data import pack
from repro.data.batches import Batches
from repro.data.known import KNOWN, OFFICIAL, find, packed
from repro.data.sets import Images, get, load
from repro.errors import DataError, ReproError
from repro.files import Unwritable


@pytest.fixture(scope="module")
def small() -> Small:
    return make()


# One identity


@pytest.mark.parametrize("column", ["img", "image"])
def test_parquet_loads_as_the_images_it_holds_sorted_by_digest(small, tmp_path, column):
    images = load_small(small, as_parquet(small, tmp_path, column), tmp_path / "cache")
    assert images.train_x.shape == (50, 3, 32, 32)
    assert images.train_x.dtype == images.test_x.dtype == torch.uint8
    assert images.train_y.dtype == images.test_y.dtype == torch.int64
    assert images.classes == KNOWN["cifar10"].classes
    assert images.content == small.known.content
    for split, x, y in (("train", images.train_x, images.train_y), ("test", images.test_x, images.test_y)):
        found = [(a.numpy().tobytes(), int(b)) for a, b in zip(x, y, strict=True)]
        assert sorted(found) == sorted((a.tobytes(), int(b)) for a, b in zip(*small.splits[split], strict=True))
        digests = [hashlib.sha256(pixels + bytes([label])).digest() for pixels, label in found]
        assert digests == sorted(digests)


def test_parquet_and_official_files_are_the_same_set(small, tmp_path, monkeypatch):
    official = as_official(small.splits, tmp_path / "official", monkeypatch)
    parquet = as_parquet(small, tmp_path / "parquet")
    assert same(load_small(small, official, tmp_path / "a"), load_small(small, parquet, tmp_path / "b"))
    assert packed(small.known, tmp_path / "a").read_bytes() == packed(small.known, tmp_path / "b").read_bytes()


def test_the_identity_changes_with_a_pixel_a_label_and_the_split(small):
    train, test = small.splits["train"], small.splits["test"]
    pixel, label = train[0].copy(), train[1].copy()
    pixel[0, 0, 0, 0] ^= 1
    label[0] = (label[0] + 1) % 10
    sets = [small.splits, {"train": (pixel, train[1]), "test": test}, {"train": (train[0], label), "test": test}]
    sets.append({"train": test, "test": train})
    assert len({pack.content({k: pack.in_order(*v) for k, v in splits.items()}) for splits in sets}) == 4


def test_digits_are_complete_and_every_fifth_of_a_class_is_for_testing(tmp_path):
    images = load("digits", cache=tmp_path)
    assert len(images.train_y) == KNOWN["digits"].train == 1442
    assert len(images.test_y) == KNOWN["digits"].test == 355
    all_of, held = torch.cat([images.train_y, images.test_y]).bincount(), images.test_y.bincount()
    assert torch.equal(held, all_of // 5)
    x = images.train_x
    assert x.shape[1:] == (3, 32, 32)
    assert torch.equal(x[:, 0], x[:, 1])
    assert torch.equal(x[:, 0], x[:, 2])
    assert torch.equal(x, x[..., ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3))
    assert int(x.max()) == 255
    assert set((x.int() % 16).unique().tolist()) == {0, 15}  # 16 v, and 255 for v = 16


# Finding


def test_a_set_is_found_in_the_first_root_that_has_it_and_in_the_cache_before_all(small, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    parquet = as_parquet(small, tmp_path / "parquet")
    official = as_official(small.splits, tmp_path / "official", monkeypatch)
    assert find("cifar10", []) is None
    assert find("cifar10", [empty, tmp_path / "nowhere"]) is None
    assert find("cifar10", [empty, parquet, official]) == parquet / "cifar10"
    assert find("cifar10", [parquet / "cifar10"]) == parquet / "cifar10"
    assert find("cifar10", [official, parquet]) == official / OFFICIAL
    assert find("cifar10", [official / OFFICIAL]) == official / OFFICIAL
    cached = packed(KNOWN["cifar10"], tmp_path)
    assert find("cifar10", [parquet], tmp_path) == parquet / "cifar10"
    cached.touch()
    assert find("cifar10", [parquet], tmp_path) == cached


def test_digits_are_found_without_a_root_and_without_torch_or_sklearn_being_imported():
    code = (
        "import sys; from repro.data.known import find; path = find('digits', []); assert path.is_file(), path\n"
        "assert not {'torch', 'numpy', 'sklearn', 'pyarrow', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path):
    for ask in (partial(find, "cifar", []), partial(load, "cifar", cache=tmp_path), partial(get, "cifar", tmp_path)):
        with pytest.raises(ReproError, match="data kind 'cifar' is not known; expected one of: digits, cifar10"):
            ask()


# The packed file


def test_a_packed_set_needs_its_source_no_more(small, tmp_path):
    first = load_small(small, as_parquet(small, tmp_path), tmp_path / "cache")
    (packed_file,) = (tmp_path / "cache").iterdir()
    assert small.known.content in packed_file.name
    assert same(first, load_small(small, tmp_path / "nowhere", tmp_path / "cache"))


def truncated(data: bytes) -> bytes:
    return data[:-1]


def with_a_flipped_bit(data: bytes) -> bytes:
    return data[:-5000] + bytes([data[-5000] ^ 1]) + data[-4999:]


def emptied(data: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [truncated, with_a_flipped_bit, emptied])
def test_a_damaged_packed_set_is_packed_again_or_named(small, tmp_path, damage):
    root, cache = as_parquet(small, tmp_path), tmp_path / "cache"
    first = load_small(small, root, cache)
    path = packed(small.known, cache)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with pytest.raises(DataError) as caught:
        load_small(small, tmp_path / "nowhere", cache)
    assert f"The packed file is damaged: {path}" in str(caught.value)
    assert same(first, load_small(small, root, cache))
    assert path.read_bytes() == whole


def test_processes_that_pack_at_once_leave_one_whole_file(small, tmp_path):
    root, cache = as_parquet(small, tmp_path), tmp_path / "cache"
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from repro.data.known import KNOWN; from repro.data.sets import load\n"
        "known = replace(KNOWN['cifar10'], train=50, test=20, content=sys.argv[3])\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "load('cifar10', roots=[Path(sys.argv[1])], cache=Path(sys.argv[2]), known=known)"
    )
    command = [sys.executable, "-c", code, str(root), str(cache), small.known.content]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:
        for process in (one, other):
            assert process.stdout.readline() == "ready\n"
        for process in (one, other):
            process.stdin.write("go\n")
            process.stdin.flush()
    assert (one.returncode, other.returncode) == (0, 0)
    assert list(cache.iterdir()) == [packed(small.known, cache)]
    load_small(small, tmp_path / "nowhere", cache)


def test_a_cache_that_cannot_be_written_is_named(small, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder is wanted")
    with pytest.raises(Unwritable, match=r"cache/cifar10-.*: cannot be written.*REPRO_CACHE") as error:
        load_small(small, as_parquet(small, tmp_path), tmp_path / "cache")
    assert error.value.exit_code == 73


# Subsets


def test_a_subset_is_the_first_images_of_each_class_and_the_whole_test_set(small, tmp_path):
    root, cache = as_parquet(small, tmp_path), tmp_path / "cache"
    whole, part = load_small(small, root, cache), load_small(small, root, cache, images=23)
    assert part.train_y.bincount().tolist() == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    for label in range(10):
        wanted = whole.train_x[whole.train_y == label]
        assert torch.equal(part.train_x[part.train_y == label], wanted[: 3 if label < 3 else 2])
    assert torch.equal(part.test_x, whole.test_x)
    assert part.content == whole.content
    assert same(whole, load_small(small, root, cache, images=50))


@pytest.mark.parametrize("images", [0, -1, 51])
def test_a_subset_that_cannot_be_had_is_refused(small, tmp_path, images):
    with pytest.raises(ReproError, match=f"images: {images} training images of cifar10 asked for; expected 1 to 50"):
        load_small(small, as_parquet(small, tmp_path), tmp_path / "cache", images=images)


# Fetching


@pytest.fixture
def server(tmp_path) -> Iterator[str]:
    """Serves tmp_path/served on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    (tmp_path / "served").mkdir()
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))
    ) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_the_official_archive_is_fetched_checked_and_loads(small, tmp_path, monkeypatch, server):
    made = as_official(small.splits, tmp_path / "made", monkeypatch)
    archive = tmp_path / "served" / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(made / OFFICIAL, OFFICIAL)
    monkeypatch.setattr(CIFAR10, "url", f"{server}/{CIFAR10.filename}")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(CIFAR10, "_load_meta", lambda self: None)  # the class names: this archive has none
    root = tmp_path / "data"
    assert get("cifar10", root) == root / OFFICIAL
    assert len(load_small(small, root, tmp_path / "cache").train_y) == 50


def test_an_archive_with_another_checksum_is_refused(tmp_path, monkeypatch, server):
    (tmp_path / "served" / CIFAR10.filename).write_bytes(b"not the archive")
    monkeypatch.setattr(CIFAR10, "url", f"{server}/{CIFAR10.filename}")
    with pytest.raises(DataError, match="could not be fetched"):
        get("cifar10", tmp_path / "data")


def test_a_machine_without_a_network_says_what_to_do_instead(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")  # nobody listens there
    with pytest.raises(DataError) as caught:
        get("cifar10", tmp_path / "data")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'data'}: CIFAR-10 could not be fetched from http://127.0.0.1:9/")
    assert "copy cifar-10-python.tar.gz" in said
    assert "set REPRO_DATA" in said


def test_digits_need_no_fetching(tmp_path):
    assert get("digits", tmp_path).name == "digits.csv.gz"


# The real set


@pytest.fixture(scope="module")
def cifar10(tmp_path_factory) -> Images:
    root = os.environ.get("REPRO_DATA")
    if not root or find("cifar10", [Path(root)]) is None:
        pytest.skip("needs CIFAR-10: set REPRO_DATA to a folder that holds it")
    return load("cifar10", roots=[Path(root)], cache=tmp_path_factory.mktemp("cache"))


def test_cifar10_has_its_published_means_and_counts(cifar10):
    assert cifar10.train_y.bincount().tolist() == [5000] * 10
    assert cifar10.test_y.bincount().tolist() == [1000] * 10
    means = Batches(cifar10, device="cpu", scale="raw").mean.double().mean((1, 2)) / 255
    assert [f"{mean:.5f}" for mean in means] == ["0.49140", "0.48216", "0.44653"]


def test_cifar10_in_the_official_format_is_the_same_set(cifar10, tmp_path, monkeypatch):
    splits = {
        "train": (cifar10.train_x.numpy(), cifar10.train_y.numpy()),
        "test": (cifar10.test_x.numpy(), cifar10.test_y.numpy()),
    }
    root = as_official(splits, tmp_path, monkeypatch)
    assert same(load("cifar10", roots=[root], cache=tmp_path / "cache"), cifar10)
