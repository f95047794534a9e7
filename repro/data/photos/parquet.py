"""Hugging Face image parquet: a column of {bytes, path}, a column of labels, files named by split. No torch here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repro.data.known import EVALUATION, TRAINING, Known, Split
from repro.data.photos.chunks import EXPECTED, Chunk, Photo, Source
from repro.errors import DataError

IMAGE_COLUMNS = ("image", "img")


@dataclass(frozen=True)
class RowGroup:
    """One row group of a parquet file: `rows` photos, the first of them row `first` of the file."""

    split: Split
    path: str
    column: str
    group: int
    first: int
    rows: int

    def __len__(self) -> int:
        return self.rows

    def photos(self) -> Iterator[Photo]:
        """Read the rows. DataError where the file is damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        row, file_name = self.first, Path(self.path).name
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(64, row_groups=[self.group], columns=[self.column, "label"]):
                    images, labels = batch.column(self.column), batch.column("label").to_pylist()
                    names = images.field("path") if images.type.get_field_index("path") >= 0 else [None] * len(images)
                    for encoded, name, label in zip(images.field("bytes"), names, labels, strict=True):
                        path = f" ({name})" if name is not None and str(name) != "None" else ""
                        yield f"{file_name} row {row}{path}", label, encoded.as_py() or b""
                        row += 1
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(Path(self.path), error) from error


@dataclass(frozen=True)
class LabelledFile:
    """A parquet file whose labels have been read: `labels` int64 [rows], `groups` how many rows each row group has,
    `names` of the classes where the file has them."""

    path: Path
    column: str  # of the images
    labels: np.ndarray
    groups: list[int]
    names: list[str] | None

    def row_groups(self, split: Split) -> list[RowGroup]:
        """Return the row groups that are not empty."""
        firsts = np.cumsum([0, *self.groups[:-1]]).tolist()
        return [
            RowGroup(split, str(self.path), self.column, group, first, rows)
            for group, (first, rows) in enumerate(zip(firsts, self.groups, strict=True))
            if rows
        ]


def files_by_split(folder: Path) -> dict[str, list[Path]]:
    """Return the parquet files of a folder by the split in their names (`train-00000-of-00003.parquet`,
    `validation.parquet`): `train` and names of EVALUATION."""
    out: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.parquet")):
        split = re.match(rf"({'|'.join([*TRAINING, *EVALUATION])})(?=[-_.])", path.name)
        if split:
            out.setdefault("train" if split[1] in TRAINING else split[1], []).append(path)
    return out


def open_parquet(where: Path, files: dict[str, list[Path]], known: Known | None) -> Source:
    """Return the photos of parquet files, by split, held to the number of classes of a known set.

    DataError where a split to train on, columns, labels or photos of a class are missing.
    """
    if "train" not in files:
        names = ", ".join(path.name for paths in files.values() for path in paths[:1])
        raise DataError(f"{where}: found {names} but no train-*.parquet; expected {EXPECTED}. Add the training files.")
    splits, passed_over = _labelled_splits(files)
    classes = _classes(splits, known)
    chunks: list[Chunk] = []
    listing = hashlib.sha256()
    for split, parts in splits.items():
        for part in parts:
            _check_labels(part, classes)
            chunks += part.row_groups(split)
            listing.update(f"{split}\0{part.path.name}\0{part.path.stat().st_size}\n".encode() + part.labels.tobytes())
        _check_every_class_is_there(split, parts, classes)
    split_off = "test" not in splits
    return Source("parquet", str(where), classes, tuple(chunks), listing.hexdigest(), tuple(passed_over), split_off)


def _labelled_splits(files: dict[str, list[Path]]) -> tuple[dict[Split, list[LabelledFile]], list[str]]:
    """Return the files of each split with their labels read, and which splits are passed over: the first one that has
    labels measures."""
    splits: dict[Split, list[LabelledFile]] = {}
    passed_over = []
    for name in ["train", *(name for name in EVALUATION if name in files)]:
        parts = [_labelled(path) for path in files[name]]
        if name == "train":
            splits["train"] = parts
        elif all((part.labels == -1).all() for part in parts):
            passed_over.append(f"{name}: every label is -1, so it has none")
        elif "test" in splits:
            passed_over.append(f"{name}: another split measures")
        else:
            splits["test"] = parts
    return splits, passed_over


def _classes(splits: dict[Split, list[LabelledFile]], known: Known | None) -> tuple[str, ...]:
    """Return the names of the classes: the files' own, else the known set's, else numbers."""
    names = next((part.names for parts in splits.values() for part in parts if part.names), None)
    highest = max(int(part.labels.max(initial=-1)) for part in splits["train"])
    classes = tuple(names or (known.classes if known else map(str, range(highest + 1))))
    if known is not None and len(classes) != len(known.classes):
        first = splits["train"][0].path
        raise DataError(f"{first}: found {len(classes):,} class names; expected {len(known.classes):,}, as "
                        f"{known.title} has. A set of your own is data of kind photos.")  # fmt: skip
    return classes


def _check_labels(file: LabelledFile, classes: Sequence[str]) -> None:
    wrong = np.flatnonzero((file.labels < 0) | (file.labels >= len(classes)))
    if len(wrong):
        raise DataError(f"{file.path}: found label {file.labels[wrong[0]]} in row {wrong[0]}; expected a label in "
                        f"0..{len(classes) - 1}. Get the file again, or mend its labels.")  # fmt: skip


def _check_every_class_is_there(split: Split, parts: Sequence[LabelledFile], classes: Sequence[str]) -> None:
    there = np.zeros(len(classes), dtype=bool)
    for part in parts:
        there[part.labels] = True
    if there.all():
        return
    label, paths = int(np.flatnonzero(~there)[0]), [part.path for part in parts]
    where = f"{paths[0].parent}/{{{','.join(path.name for path in paths)}}}" if len(paths) > 1 else f"{paths[0]}"
    raise DataError(f"{where}: found no photo of class {label} ({classes[label]}); expected photos of all "
                    f"{len(classes):,} classes in the {split} split. Get the files again.")  # fmt: skip


def _labelled(path: Path) -> LabelledFile:
    """Read the labels of a parquet file. DataError where it has not the two columns, or a row has no label."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            column = next((name for name in IMAGE_COLUMNS if name in schema.names), None)
            if column is None or "label" not in schema.names:
                raise DataError(f"{path}: found columns {', '.join(schema.names)}; expected image and label. "
                                "Rename the columns, or name another folder.")  # fmt: skip
            kinds = schema.field(column).type, schema.field("label").type
            has_bytes = pa.types.is_struct(kinds[0]) and kinds[0].get_field_index("bytes") >= 0
            if not has_bytes or not pa.types.is_integer(kinds[1]):
                raise DataError(f"{path}: found {column}: {kinds[0]}, label: {kinds[1]}; expected {column}: "
                                "struct<bytes, path>, label: an integer. Write it with encoded images.")  # fmt: skip
            labels = file.read(columns=["label"]).column("label")
            groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    if labels.null_count:
        row = labels.to_pylist().index(None)
        raise DataError(f"{path}: found no label in row {row}; expected an integer. Mend the file's labels.")
    info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    feature = info.get("info", {}).get("features", {}).get("label", {})
    return LabelledFile(path, column, labels.to_numpy().astype(np.int64), groups, feature.get("names"))


def _unreadable(path: Path, error: Exception) -> DataError:
    size = f"{path.stat().st_size:,} bytes" if path.is_file() else "no file"
    return DataError(f"{path}: found {size} that do not read as parquet ({error}); expected a whole parquet file. "
                     "Get the file again.")  # fmt: skip
