"""CIFAR-10 as people have it: Hugging Face image parquet, or the official python files."""

import io
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from repro.data.known import OFFICIAL, SPLITS, Known, Split, how_to_get, parquet_files
from repro.data.pack import Splits
from repro.errors import DataError

IMAGE_COLUMNS = ("img", "image")  # the two names in use for the column of {bytes, path}


def read(folder: Path, known: Known) -> Splits:
    """Read the set from a folder that `repro.data.known.find` returned, in the container's own order.

    DataError where the files are missing, damaged or not those of the set.
    """
    return _read_official(folder, known) if folder.name == OFFICIAL else _read_parquet(folder, known)


def _read_parquet(folder: Path, known: Known) -> Splits:
    splits: Splits = {}
    for split, files in parquet_files(folder).items():
        if not files:
            raise _wrong(folder, f"no {split}-*.parquet", f"{split}-*.parquet beside the others", known)
        parts = [_read_parquet_file(path, known) for path in files]
        splits[split] = _joined(parts, files, split, known)
    return splits


def _read_parquet_file(path: Path, known: Known) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image, UnidentifiedImageError

    try:
        with pq.ParquetFile(path) as file:
            column = next((name for name in IMAGE_COLUMNS if name in file.schema_arrow.names), None)
            names = ", ".join(file.schema_arrow.names)
            if column is None or "label" not in file.schema_arrow.names:
                raise _wrong(path, f"columns {names}", "columns img (or image) and label", known)
            kinds = file.schema_arrow.field(column).type, file.schema_arrow.field("label").type
            has_bytes = pa.types.is_struct(kinds[0]) and kinds[0].get_field_index("bytes") >= 0
            if not has_bytes or not pa.types.is_integer(kinds[1]):
                found = f"{column}: {kinds[0]}, label: {kinds[1]}"
                raise _wrong(path, found, f"{column}: struct<bytes, path>, label: an integer", known)
            table = file.read(columns=[column, "label"])
    except (pa.ArrowException, OSError) as error:
        size = f"{path.stat().st_size:,} bytes" if path.is_file() else "no file"
        raise _wrong(path, f"{size} that do not read as parquet ({error})", "a whole parquet file", known) from error

    x = np.empty((table.num_rows, *known.shape), dtype=np.uint8)
    images = table.column(column).combine_chunks()
    encoded = images.field("bytes")
    _, height, width = known.shape
    for row, data in enumerate(encoded):
        try:
            with Image.open(io.BytesIO(data.as_buffer() or b"")) as image:
                pixels = np.asarray(image.convert("RGB"))  # [h, w, 3]
        # Pillow's decoders say what is wrong in many classes: damaged PNG chunks are SyntaxError, bad sizes ValueError.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            why = "of no format that Pillow knows" if isinstance(error, UnidentifiedImageError) else error
            raise _wrong(path, f"row {row} does not decode as an image ({why})", "an encoded image", known) from error
        if pixels.shape != (height, width, 3):
            found = f"row {row} holds an image of {pixels.shape[1]}x{pixels.shape[0]}"
            raise _wrong(path, found, f"{width}x{height}", known)
        x[row] = pixels.transpose(2, 0, 1)
    labels = table.column("label").to_pylist()
    return x, _checked_labels(labels, path, known)


def _read_official(folder: Path, known: Known) -> Splits:
    """Read the official batches, each held to torchvision's own checksum before it is unpickled."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import calculate_md5

    splits: Splits = {}
    for split, listed in zip(SPLITS, (CIFAR10.train_list, CIFAR10.test_list), strict=True):
        parts = []
        for name, md5 in listed:
            path = folder / name
            if not path.is_file():
                raise _wrong(path, "no such file", f"{len(listed)} files of the {split} split", known)
            found = calculate_md5(path)
            if found != md5:
                size = path.stat().st_size
                raise _wrong(path, f"md5 {found} ({size:,} bytes)", f"md5 {md5}, as torchvision lists it", known)
            with path.open("rb") as file, _old_dtypes():
                batch = pickle.load(file, encoding="latin1")  # trusted: its checksum is the official one
            x = np.asarray(batch["data"], dtype=np.uint8).reshape(-1, *known.shape)
            parts.append((x, _checked_labels(batch["labels"], path, known)))
        splits[split] = _joined(parts, [folder / name for name, _ in listed], split, known)
    return splits


@contextmanager
def _old_dtypes() -> Iterator[None]:
    """Silence numpy 2.4.0 to 2.4.4, which warn of dtypes pickled in 2009, with 0 and 1 for False and True."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        yield


def _checked_labels(labels: Sequence[int | None], path: Path, known: Known) -> np.ndarray:
    last = len(known.classes) - 1
    for row, label in enumerate(labels):
        if label is None or not 0 <= label <= last:
            raise _wrong(path, f"label {label} in row {row}", f"a label in 0..{last}", known)
    return np.asarray(labels, dtype=np.int64)


def _joined(
    parts: list[tuple[np.ndarray, np.ndarray]], files: list[Path], split: Split, known: Known
) -> tuple[np.ndarray, np.ndarray]:
    """Return one split from its files, held to the known number of images of each class."""
    x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    each = getattr(known, split) // len(known.classes)  # CIFAR-10 has equally many of each class
    counts = np.bincount(y, minlength=len(known.classes))
    if (counts != each).any():
        wrong = ", ".join(
            f"{count:,} of class {label} ({known.classes[label]})"
            for label, count in enumerate(counts)
            if count != each
        )
        where = files[0] if len(files) == 1 else files[0].parent / f"{{{','.join(path.name for path in files)}}}"
        expected = f"{each * len(known.classes):,}, {each:,} of each class"
        raise _wrong(where, f"{len(y):,} {split} images, {wrong}", expected, known)
    return x, y


def _wrong(path: Path, found: str, expected: str, known: Known) -> DataError:
    return DataError(
        f"{path}: found {found}; expected {expected}. To have {known.kind} again: {how_to_get(known.kind)}."
    )


def get(root: Path) -> Path:
    """Fetch the official archive into `root` through torchvision, which checks it; return the folder of its files.

    DataError where it cannot be fetched.
    """
    from torchvision.datasets import CIFAR10

    try:
        with _old_dtypes():
            CIFAR10(root, download=True)
    # No network is an OSError (URLError), a failed checksum a RuntimeError.
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{root}: CIFAR-10 could not be fetched from {CIFAR10.url}: {error}. Where there is no network, copy "
            f"{CIFAR10.filename} (md5 {CIFAR10.tgz_md5}) into {root} and repeat the command, or set REPRO_DATA to a "
            "folder that holds cifar10/train-*.parquet and cifar10/test-*.parquet."
        ) from error
    return root / OFFICIAL
