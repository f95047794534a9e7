"""Data that are missing, damaged or not what they claim to be: the file, what was found and expected, what to do."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_set import Small, as_official, as_parquet, load_small, make, png, write_parquet
from torchvision.datasets import CIFAR10

from repro.data.known import OFFICIAL
from repro.data.sets import load
from repro.errors import DataError


@pytest.fixture(scope="module")
def small() -> Small:
    return make()


def refusal(small: Small, root: Path, tmp_path: Path) -> str:
    """What a person reads; and nothing has been packed."""
    cache = tmp_path / "cache"
    with pytest.raises(DataError) as caught:
        load_small(small, root, cache)
    assert not cache.exists() or not list(cache.iterdir())
    assert "python -m repro data get cifar10 --data DIR" in str(caught.value)
    assert "REPRO_DATA" in str(caught.value)
    return str(caught.value)


def test_missing_data_are_named_with_the_next_command(small, tmp_path):
    said = refusal(small, tmp_path / "nowhere", tmp_path)
    assert said.startswith(f"cifar10: not found under {tmp_path / 'nowhere'}; expected cifar10/train-*.parquet")
    with pytest.raises(DataError, match="not found under no folder: none was named"):
        load("cifar10", cache=tmp_path)


def test_a_truncated_parquet_file_is_named_with_its_size(small, tmp_path):
    path = as_parquet(small, tmp_path) / "cifar10" / "train-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:30_000])
    said = refusal(small, tmp_path, tmp_path)
    assert said.startswith(f"{path}: found 30,000 bytes that do not read as parquet (")
    assert "expected a whole parquet file" in said


def test_a_damaged_page_inside_a_parquet_file_is_named(small, tmp_path):
    path = as_parquet(small, tmp_path) / "cifar10" / "test-00000-of-00001.parquet"
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(396)
    path.write_bytes(data)
    assert refusal(small, tmp_path, tmp_path).startswith(f"{path}: found ")


def test_a_missing_file_shows_as_missing_images_of_each_class(small, tmp_path):
    (as_parquet(small, tmp_path) / "cifar10" / "train-00001-of-00002.parquet").unlink()
    said = refusal(small, tmp_path, tmp_path)
    assert said.startswith(f"{tmp_path / 'cifar10' / 'train-00000-of-00002.parquet'}: found 25 train images, ")
    assert "expected 50, 5 of each class" in said


def test_a_missing_split_is_named(small, tmp_path):
    (as_parquet(small, tmp_path) / "cifar10" / "test-00000-of-00001.parquet").unlink()
    said = refusal(small, tmp_path, tmp_path)
    assert said.startswith(f"{tmp_path / 'cifar10'}: found no test-*.parquet; expected test-*.parquet beside")


def rewrite(
    small: Small, root: Path, encoded: dict[int, bytes | None] | None = None, labels: dict | None = None
) -> Path:
    """The test file of the set, some images or labels replaced."""
    x, y = small.splits["test"]
    images, numbers = [png(image) for image in x], y.tolist()
    for row, data in (encoded or {}).items():
        images[row] = data
    for row, label in (labels or {}).items():
        numbers[row] = label
    return write_parquet(as_parquet(small, root) / "cifar10" / "test-00000-of-00001.parquet", images, numbers)


@pytest.mark.parametrize("label", [10, -1, None, 300])
def test_a_label_that_is_no_class_is_named_with_its_row(small, tmp_path, label):
    path = rewrite(small, tmp_path, labels={7: label})
    assert refusal(small, tmp_path, tmp_path).startswith(
        f"{path}: found label {label} in row 7; expected a label in 0..9."
    )


def test_a_class_that_is_missing_is_named_with_its_count(small, tmp_path):
    rows = np.flatnonzero(small.splits["test"][1] == 3)
    path = rewrite(small, tmp_path, labels={int(row): 5 for row in rows})
    said = refusal(small, tmp_path, tmp_path)
    assert said.startswith(
        f"{path}: found 20 test images, 0 of class 3 (cat), 4 of class 5 (dog); expected 20, 2 of each class."
    )


def test_two_labels_exchanged_are_caught_by_the_content(small, tmp_path):
    y = small.splits["test"][1]
    other = int(np.flatnonzero(y != y[0])[0])
    rewrite(small, tmp_path, labels={0: int(y[other]), other: int(y[0])})
    said = refusal(small, tmp_path, tmp_path)
    assert f"{tmp_path / 'cifar10'}: found content " in said
    assert f"expected {small.known.content}" in said


def test_images_encoded_with_loss_are_caught_by_the_content(small, tmp_path):
    file = io.BytesIO()
    Image.fromarray(small.splits["test"][0][0].transpose(1, 2, 0)).save(file, "JPEG", quality=95)
    rewrite(small, tmp_path, encoded={0: file.getvalue()})
    assert "encoded with loss" in refusal(small, tmp_path, tmp_path)


BROKEN = {
    "text": b"this is no image",
    "nothing": b"",
    "null": None,
    "half a PNG": png(np.full((3, 32, 32), 7, dtype=np.uint8))[:60],
    "a PNG with a damaged chunk": png(np.full((3, 32, 32), 7, dtype=np.uint8)).replace(b"IDAT", b"I\x00AT"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_an_image_that_is_none_is_named_with_its_row(small, tmp_path, data):
    path = rewrite(small, tmp_path, encoded={4: data})
    said = refusal(small, tmp_path, tmp_path)
    assert said.startswith(f"{path}: found row 4 does not decode as an image (")
    assert "0x" not in said  # an object's address helps nobody


def test_an_image_of_another_size_is_named_with_its_row(small, tmp_path):
    path = rewrite(small, tmp_path, encoded={4: png(np.zeros((3, 28, 30), dtype=np.uint8))})
    assert refusal(small, tmp_path, tmp_path).startswith(
        f"{path}: found row 4 holds an image of 30x28; expected 32x32."
    )


def test_a_table_without_images_or_labels_is_named_with_its_columns(small, tmp_path):
    path = as_parquet(small, tmp_path) / "cifar10" / "test-00000-of-00001.parquet"
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), path)
    assert refusal(small, tmp_path, tmp_path).startswith(
        f"{path}: found columns text, label; expected columns img (or "
    )
    pq.write_table(pa.table({"img": ["a"], "label": [1]}), path)
    assert refusal(small, tmp_path, tmp_path).startswith(
        f"{path}: found img: string, label: int64; expected img: struct"
    )
    write_parquet(path, [b""], ["cat"])
    assert "label: string; expected img: struct<bytes, path>, label: an integer" in refusal(small, tmp_path, tmp_path)


def test_official_files_are_held_to_their_checksums_before_they_are_opened(small, tmp_path, monkeypatch):
    folder = as_official(small.splits, tmp_path, monkeypatch) / OFFICIAL
    marker = tmp_path / "unpickled"
    bad = folder / "data_batch_3"
    bad.write_bytes(pickle.dumps(Unpickled(marker)))
    said = refusal(small, tmp_path, tmp_path)
    assert said.startswith(f"{bad}: found md5 ")
    assert f"expected md5 {CIFAR10.train_list[2][1]}, as torchvision lists it" in said
    assert not marker.exists()
    bad.unlink()
    assert refusal(small, tmp_path, tmp_path).startswith(
        f"{bad}: found no such file; expected 5 files of the train split"
    )


class Unpickled:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)
