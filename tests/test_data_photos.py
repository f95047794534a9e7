"""Photos as people have them: folders and parquet; what is found, what is refused, how one is made ready."""

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_photos import (
    CLASSES,
    as_flat,
    as_folders,
    as_parquet,
    encoded,
    make,
    picture,
    read_photos,
    replaced,
    write_parquet,
)

from repro.data.known import KNOWN, find, of_kind
from repro.data.photos import prepare
from repro.data.photos.maps import load_photos
from repro.data.photos.sources import open_source
from repro.data.sets import get
from repro.errors import DataError, ReproError

PHOTOS = make()


# One photo


@pytest.mark.parametrize(("width", "height"), [(60, 32), (32, 60), (33, 32), (32, 32), (21, 50), (16, 16), (64, 16)])
def test_the_short_side_comes_to_the_size_and_the_centre_is_cut_out(width, height):
    image = picture(1, width, height)
    one = prepare.prepared(encoded(image, "PNG"), 16)
    assert one.pixels.shape == (16, 16, 3)
    assert one.pixels.dtype == np.uint8
    short = min(width, height)
    across, down = (int(side * 16 / short + 0.5) for side in (width, height))
    filtered = image.resize((across, down), Image.Resampling.HAMMING) if short != 16 else image
    left, top = (across - 16) // 2, (down - 16) // 2
    assert np.array_equal(one.pixels, np.asarray(filtered)[top : top + 16, left : left + 16])
    assert not one.enlarged


def test_a_photo_below_the_size_is_enlarged_and_says_so():
    image = picture(1, 12, 10)
    one = prepare.prepared(encoded(image, "PNG"), 16)
    bigger = np.asarray(image.resize((19, 16), Image.Resampling.BICUBIC))
    assert one.enlarged
    assert np.array_equal(one.pixels, bigger[:, 1:17])


def test_every_kind_of_colour_becomes_rgb_and_its_mode_is_told():
    rgb = picture(2, 16, 16)
    red = Image.new("RGB", (16, 16), (200, 30, 60))
    cases = {
        "L": encoded(rgb.convert("L")),
        "CMYK": encoded(red.convert("CMYK"), quality=100),
        "P": encoded(rgb.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
        "1": encoded(rgb.convert("1"), "PNG"),
        "LA": encoded(rgb.convert("LA"), "PNG"),
        "RGBA": encoded(rgb.convert("RGBA"), "PNG"),
    }
    for mode, data in cases.items():
        one = prepare.prepared(data, 16)
        assert one.mode == mode
        assert one.pixels.shape == (16, 16, 3)
    grey = prepare.prepared(cases["L"], 16).pixels
    assert np.array_equal(grey[..., 0], grey[..., 2])
    assert np.array_equal(prepare.prepared(cases["RGBA"], 16).pixels, np.asarray(rgb))
    off = prepare.prepared(cases["CMYK"], 16).pixels.astype(int) - np.asarray(red)
    assert np.abs(off).max() <= 4  # JPEG of one even colour: not inverted, not tinted


def test_alpha_and_transparent_palettes_lose_their_alpha_without_a_warning():
    rgba = picture(2, 16, 16).convert("RGBA")
    rgba.putalpha(0)
    assert np.array_equal(prepare.prepared(encoded(rgba, "PNG"), 16).pixels, np.asarray(rgba)[..., :3])
    palette = picture(2, 16, 16).convert("P", palette=Image.Palette.ADAPTIVE)
    data = encoded(palette, "PNG", transparency=bytes([0, 128] + [255] * 200))
    assert prepare.prepared(data, 16).pixels.shape == (16, 16, 3)


def test_metadata_about_turning_is_not_applied():
    image = picture(3, 16, 16)
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    plain, turned = encoded(image, quality=95), encoded(image, quality=95, exif=exif)
    assert np.array_equal(prepare.prepared(plain, 16).pixels, prepare.prepared(turned, 16).pixels)


UNUSABLE = {
    "empty": (b"", "empty: no bytes"),
    "text": (b"this is no image", "of no format that is read here"),
    "half a JPEG": (encoded(picture(4, 200, 200), quality=95)[:3000], "does not decode: image file is truncated"),
    "half a PNG": (encoded(picture(4, 200, 200), "PNG")[:900], "does not decode: "),
    "16 bits": (encoded(Image.fromarray(np.full((9, 9), 999, np.uint16)), "PNG"), "expected at most eight bits"),
}


@pytest.mark.parametrize(("data", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_photo_that_cannot_be_taken_says_why(data, why):
    with pytest.raises(prepare.Unusable, match=why):
        prepare.prepared(data, 16)


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (256, 4), (146, 146), (3, 50, 50)])
def test_sums_of_products_are_those_of_whole_numbers(shape):
    """Of random pixels and of the brightest, whose sums are the largest."""
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for these in (pixels, np.full_like(pixels, 255)):
        flat = these.reshape(-1, 3).astype(np.int64)
        assert np.array_equal(prepare.channel_products(these), flat.T @ flat)


# Sources


def test_the_same_photos_come_out_of_folders_and_parquet(tmp_path):
    folders, parquet = as_folders(PHOTOS, tmp_path / "folders"), as_parquet(PHOTOS, tmp_path / "parquet")
    assert read_photos(folders) == read_photos(parquet)
    assert [len(rows) for rows in read_photos(folders).values()] == [12, 6]
    assert open_source(folders).classes == open_source(parquet).classes == CLASSES
    assert read_photos(as_parquet(PHOTOS, tmp_path / "published" / "data").parent) == read_photos(parquet)


def test_a_folder_of_class_folders_is_one_split_however_deep(tmp_path):
    source = open_source(as_flat(PHOTOS, tmp_path))
    assert source.split_off
    assert {chunk.split for chunk in source.chunks} == {"train"}
    assert sum(map(len, source.chunks)) == 18


def test_the_listing_changes_when_a_file_does(tmp_path):
    listings = {open_source(as_folders(PHOTOS, tmp_path / "a")).listing}
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    listings.add(open_source(tmp_path / "b").listing)
    assert len(listings) == 1  # wherever they lie
    longer = replaced(PHOTOS, "train", 3, lambda data: data + b"\0")
    listings.add(open_source(as_folders(longer, tmp_path / "c")).listing)
    (tmp_path / "a" / "train" / "n01" / "more.png").write_bytes(b"")
    listings.add(open_source(tmp_path / "a").listing)
    assert len(listings) == 3
    (tmp_path / "a" / "train" / "n01" / "more.png").write_bytes(b"")
    os.utime(tmp_path / "a" / "train" / "n01" / "more.png", ns=(1, 1))  # as another photo of the same size is written
    listings.add(open_source(tmp_path / "a").listing)
    assert len(listings) == 4


def test_splits_without_labels_are_passed_over_and_named(tmp_path):
    folders = as_folders(PHOTOS, tmp_path / "folders")
    (folders / "test").mkdir()
    (folders / "test" / "ILSVRC2012_test_00000001.JPEG").write_bytes(PHOTOS["val"][0][2])
    assert open_source(folders).passed_over == ("test/: photos without class folders, so without labels",)
    parquet = as_parquet(PHOTOS, tmp_path / "parquet")
    write_parquet(parquet / "test-00000-of-00001.parquet", [("", -1, b""), ("", -1, b"")])
    assert open_source(parquet).passed_over == ("test: every label is -1, so it has none",)
    assert read_photos(folders) == read_photos(parquet)


def test_of_two_labelled_splits_test_measures(tmp_path):
    parquet = as_parquet(PHOTOS, tmp_path)
    write_parquet(parquet / "test.parquet", PHOTOS["val"][1:])
    source = open_source(parquet)
    assert source.passed_over == ("validation: another split measures",)
    assert sum(len(chunk) for chunk in source.chunks if chunk.split == "test") == 5


def test_class_names_are_the_schema_s_and_numbers_without_them(tmp_path):
    assert open_source(as_parquet(PHOTOS, tmp_path, names=("tench", "spaniel", "church"))).classes[1] == "spaniel"
    assert open_source(as_parquet(PHOTOS, tmp_path, names=None)).classes == ("0", "1", "2")


def test_a_known_set_s_folders_may_be_named_by_wordnet_id_or_by_class(tmp_path):
    known = of_kind("imagenette")
    for names in (known.folders, known.classes):
        root = tmp_path / names[0]
        for name in names:
            for split in ("train", "val"):
                (root / split / name).mkdir(parents=True)
                (root / split / name / "a.png").write_bytes(name.encode())
        source = open_source(root, known)
        assert source.classes == known.classes
        found = {data.decode(): label for chunk in source.chunks for _, label, data in chunk.photos()}
        assert found == {name: label for label, name in enumerate(names)}


def test_known_photos_are_found_by_name_in_a_root_or_as_one(tmp_path):
    assert find("imagenette", [tmp_path]) is None
    as_parquet(PHOTOS, tmp_path / "imagenette")
    assert find("imagenette", [tmp_path / "nowhere", tmp_path]) == tmp_path / "imagenette"
    assert find("imagenette", [tmp_path / "imagenette"]) == tmp_path / "imagenette"
    assert find("ilsvrc2012", [tmp_path]) is None
    as_folders(PHOTOS, tmp_path / "ILSVRC" / "Data" / "CLS-LOC")
    assert find("ilsvrc2012", [tmp_path]) == tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    cached = tmp_path / "cache" / f"imagenette-{KNOWN['imagenette'].content}-146"
    cached.mkdir(parents=True)
    (cached / "manifest.json").touch()
    assert find("imagenette", [tmp_path], tmp_path / "cache") == cached


# Refusals


def refusal(where: Path, kind: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        open_source(where, of_kind(kind) if kind else None)
    return str(caught.value)


def test_a_folder_that_is_not_there_or_empty_is_named_with_what_is_expected(tmp_path):
    assert refusal(tmp_path / "no").startswith(f"{tmp_path}/no: found no such folder; expected train/CLASS/*.JPEG and")
    assert refusal(tmp_path).startswith(f"{tmp_path}: found 0 photos and no class folders; expected train/CLASS")


def test_photos_that_lie_in_no_class_folder_are_told_and_every_fifth_of_the_others_measures(tmp_path):
    as_folders({"train": PHOTOS["train"]}, tmp_path)
    (tmp_path / "val").mkdir()
    for i in range(3):
        (tmp_path / "val" / f"ILSVRC2012_val_{i}.JPEG").write_bytes(b"")
    source = open_source(tmp_path)
    assert source.split_off
    assert source.passed_over == ("val/: photos without class folders, so without labels",)


def test_a_known_set_without_labelled_photos_that_measure_is_refused(tmp_path):
    as_folders({"train": PHOTOS["train"]}, tmp_path)
    said = refusal(tmp_path, "imagenette")
    assert "found train/ but none of test, validation, val, valid with labels; expected" in said
    assert "Sort the photos that measure into val/CLASS/" in said


def test_an_empty_class_folder_of_a_set_of_ones_own_is_passed_over_and_told(tmp_path):
    as_folders(PHOTOS, tmp_path)
    for place in ("train/to_do", "val/to_do", "val/n00"):
        (tmp_path / place).mkdir()
    source = open_source(tmp_path)
    assert source.classes == CLASSES
    assert source.passed_over == (
        "train/to_do/: a class without photos",
        "val/n00/: a class without photos",
        "val/to_do/: a class without photos",
    )


def test_a_set_whose_class_folders_are_all_empty_is_refused(tmp_path):
    for name in CLASSES:
        (tmp_path / name).mkdir()
    assert refusal(tmp_path).startswith(f"{tmp_path}/n01: found a class without photos; expected .bmp")


def test_a_class_without_photos_is_named(tmp_path):
    as_folders(PHOTOS, tmp_path)
    for path in (tmp_path / "val" / "n02").iterdir():
        path.unlink()
    (tmp_path / "val" / "n02" / "readme.txt").write_text("nothing here")
    assert refusal(tmp_path).startswith(f"{tmp_path}/val/n02: found a class without photos; expected .bmp")


def test_splits_with_other_classes_are_refused_with_the_difference(tmp_path):
    as_folders(PHOTOS, tmp_path)
    os.rename(tmp_path / "val" / "n02", tmp_path / "val" / "n09")
    said = refusal(tmp_path)
    assert said.startswith(f"{tmp_path}/val: found 3 class folders, without n02 and with n09; expected the 3 class")


def test_a_known_set_with_other_classes_is_refused(tmp_path):
    as_folders(PHOTOS, tmp_path / "folders")
    assert "3 class folders, without n01440764, n02102040, n02979186 ... and with n01, n02, n03" in refusal(
        tmp_path / "folders", "imagenette"
    )
    assert "found 3 class folders; expected 1,000, as ILSVRC-2012" in refusal(tmp_path / "folders", "ilsvrc2012")
    path = as_parquet(PHOTOS, tmp_path / "parquet") / "train-00000-of-00002.parquet"
    said = refusal(tmp_path / "parquet", "imagenette")
    assert said.startswith(f"{path}: found 3 class names; expected 10, as Imagenette")
    assert "data of kind photos" in said


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_that_is_no_class_is_named_with_its_row(tmp_path, label):
    as_parquet(PHOTOS, tmp_path)
    rows = [("a", 0, b""), ("b", label, b"")]
    path = write_parquet(tmp_path / "train-00000-of-00002.parquet", rows)
    assert refusal(tmp_path).startswith(f"{path}: found label {label} in row 1; expected a label in 0..2.")


def test_a_class_of_the_schema_that_no_row_has_is_no_class_and_named(tmp_path):
    source = open_source(as_parquet(PHOTOS, tmp_path, names=(*CLASSES, "n04")))
    assert source.classes == CLASSES
    assert source.passed_over == ("classes without photos: n04",)


def test_parquet_that_cannot_be_read_is_named(tmp_path):
    path = as_parquet(PHOTOS, tmp_path) / "validation-00000-of-00001.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    size = f"{len(whole) // 2:,} bytes"
    assert refusal(tmp_path).startswith(f"{path}: found {size} that do not read as parquet (")
    path.write_bytes(whole[:4] + bytes(40) + whole[44:])  # a damaged page: found when it is read
    with pytest.raises(DataError, match=rf"{path}: found .* that do not read as parquet"):
        read_photos(tmp_path)


def test_parquet_without_the_columns_is_named_with_those_it_has(tmp_path):
    as_parquet(PHOTOS, tmp_path)
    path = tmp_path / "train-00000-of-00002.parquet"
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), path)
    assert refusal(tmp_path).startswith(f"{path}: found columns text, label; expected image and label")
    pq.write_table(pa.table({"image": ["a"], "label": [1]}), path)
    assert refusal(tmp_path).startswith(f"{path}: found image: string, label: int64; expected image: struct<bytes")
    images = pa.array([{"bytes": b""}], pa.struct({"bytes": "binary"}))
    pq.write_table(pa.table({"image": images, "label": pa.array([None], pa.int64())}), path)
    assert refusal(tmp_path).startswith(f"{path}: found no label in row 0; expected an integer")


def test_parquet_without_a_training_file_is_refused(tmp_path):
    write_parquet(tmp_path / "validation.parquet", PHOTOS["val"])
    assert f"{tmp_path}: found validation.parquet but no train-*.parquet" in refusal(tmp_path)


def test_known_photos_that_are_nowhere_say_where_they_were_looked_for(tmp_path):
    with pytest.raises(DataError, match=rf"imagenette: not found under {tmp_path}; expected imagenette there"):
        load_photos("imagenette", size=16, roots=[tmp_path], cache=tmp_path / "cache")
    with pytest.raises(DataError, match=r"imagenette: cannot be fetched.*set REPRO_DATA to a folder that holds"):
        get("imagenette", tmp_path)
    with pytest.raises(ReproError, match="photos: found no path"):
        load_photos("photos", size=16, cache=tmp_path / "cache")
