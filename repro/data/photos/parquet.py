"""Hugging Face image parquet: a column of {bytes, path}, a column of labels, files named by split. No torch here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repro.data.known import Known, Split
from repro.data.layouts import EVALUATION, parquet_folders
from repro.data.photos.chunks import EXPECTED, Chunk, Photo, Source
from repro.data.photos.prepare import DAMAGED
from repro.errors import DataError, harmless

IMAGE_COLUMNS = ("image", "img")
LABELS = 1_000_000  # assumed: no set numbers its classes further; a label above is a damaged or a hostile one
AT_ONCE = 64  # rows of photos that are read at a time
MEMORY = 1_500_000_000  # bytes of one row group, as the file counts them (assumed: writers put 1,000 photos there)


@dataclass(frozen=True)
class RowGroup:
    """One row group of a parquet file: `rows` photos, the first of them row `first` of the file."""

    split: Split
    path: str
    column: str
    group: int
    first: int
    rows: int
    classes: tuple[int, ...] = ()  # the file's labels in the order of ours, where they differ

    def __len__(self) -> int:
        return self.rows

    def photos(self) -> Iterator[Photo]:
        """Read the rows. DataError where the file is damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        row, file_name = self.first, Path(self.path).name
        ours = {label: i for i, label in enumerate(self.classes)}
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(AT_ONCE, row_groups=[self.group], columns=[self.column, "label"]):
                    images, labels = batch.column(self.column), batch.column("label").to_pylist()
                    names = images.field("path") if images.type.get_field_index("path") >= 0 else [None] * len(images)
                    for encoded, name, label in zip(images.field("bytes"), names, labels, strict=True):
                        path = f" ({name})" if name is not None and str(name) != "None" else ""
                        yield harmless(f"{file_name} row {row}{path}"), ours.get(label, label), encoded.as_py() or b""
                        row += 1
        except (pa.ArrowException, *DAMAGED) as error:
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

    def row_groups(self, split: Split, classes: tuple[int, ...]) -> list[RowGroup]:
        """Return the row groups that are not empty. `classes`: see `RowGroup`."""
        firsts = np.cumsum([0, *self.groups[:-1]]).tolist()
        return [
            RowGroup(split, str(self.path), self.column, group, first, rows, classes)
            for group, (first, rows) in enumerate(zip(firsts, self.groups, strict=True))
            if rows
        ]


def files_by_split(folder: Path) -> dict[str, list[Path]]:
    """Return the parquet files of a set by split: `train` and names of EVALUATION; see `parquet_folders`.

    DataError where several folders hold some, or where a file of a split is missing: names say how many there are
    (`train-00000-of-00003.parquet`).
    """
    found = parquet_folders(folder)
    if len(found) > 1:
        names = ", ".join(one.relative_to(folder).as_posix() for one in found)
        raise DataError(f"{folder}: found image parquet in {names}; expected one of them. Name the folder meant.")
    files: dict[str, list[Path]] = next(iter(found.values()), {})
    for split, paths in files.items():
        _check_whole(split, paths)
    return files


def _check_whole(split: str, paths: Sequence[Path]) -> None:
    numbered = [match for path in paths if (match := re.search(r"(?<!\d)(\d+)-of-(\d+)(?!\d)", path.name))]
    if not numbered:
        return
    where = paths[0].parent
    totals = {int(match[2]) for match in numbered}
    if len(totals) > 1 or len(numbered) < len(paths):
        names = ", ".join(path.name for path in (paths[0], paths[-1]))
        raise DataError(f"{where}: found {split} files of several divisions ({names}); expected those of one. Take the "
                        "others away.")  # fmt: skip
    (total,) = totals
    there = {int(match[1]) for match in numbered}
    lacking = total - len(there)
    if lacking or max(there) >= total:
        first = next((i for i in range(total) if i not in there), None)
        named = "" if first is None else f", number {first} first"
        raise DataError(f"{where}: {lacking} of {total} {split} files are missing{named}; expected all of them. Get "
                        "them, or name those there are otherwise if a part is meant.")  # fmt: skip
    if len(numbered) > len(there):
        raise DataError(f"{where}: found two {split} files of one number; expected each once. Take one of them away.")


def open_parquet(where: Path, files: dict[str, list[Path]], known: Known | None) -> Source:
    """Return the photos of parquet files, by split, held to the number of classes of a known set.

    Of a set of one's own the classes are those of which there are photos to train on. DataError where a split to train
    on, columns, labels or photos of a class are missing, or where files disagree on the names of classes.
    """
    if "train" not in files:
        names = ", ".join(path.name for paths in files.values() for path in paths[:1])
        raise DataError(f"{where}: found {names} but no train-*.parquet; expected {EXPECTED}. Add the training files.")
    splits, passed_over = _labelled_splits(files)
    everything = _classes(splits, known)
    there = range(len(everything)) if known else np.unique(np.concatenate([part.labels for part in splits["train"]]))
    taken = tuple(int(label) for label in there)
    chunks: list[Chunk] = []
    listing = hashlib.sha256()
    for split, parts in splits.items():
        for part in parts:
            _check_labels(part, len(everything))
            chunks += part.row_groups(split, () if taken == tuple(range(len(taken))) else taken)
            status = part.path.stat()
            listing.update(f"{split}\0{part.path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
            listing.update(part.labels.tobytes())
        _check_every_class_is_there(split, parts, taken, everything)
    named = () if isinstance(everything, _Numbers) else _others(len(everything), taken)
    unused = [harmless(everything[label]) for label in named]
    if unused:
        more = f" and {len(unused) - 5:,} more" if len(unused) > 5 else ""
        passed_over.append(f"classes without photos: {', '.join(unused[:5])}{more}")
    classes = tuple(harmless(everything[label]) for label in taken)
    split_off = "test" not in splits
    return Source("parquet", str(where), classes, tuple(chunks), listing.hexdigest(), tuple(passed_over), split_off)


def _others(many: int, taken: Sequence[int]) -> list[int]:
    """Return the labels below `many` that are not taken, where the files name their classes."""
    return sorted(set(range(many)) - set(taken))


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


class _Numbers(Sequence[str]):
    """Names of classes that have none: their numbers. As long as asked for, whatever that is."""

    def __init__(self, many: int) -> None:
        self.many = many

    def __len__(self) -> int:
        return self.many

    def __getitem__(self, label: Any) -> Any:
        return str(label)


def _classes(splits: dict[Split, list[LabelledFile]], known: Known | None) -> Sequence[str]:
    """Return the names of the classes: the files' own, else the known set's, else numbers. DataError where files name
    them differently, for then one label means two things."""
    parts = [part for several in splits.values() for part in several]
    named = [part for part in parts if part.names]
    for part in named[1:]:
        if part.names != named[0].names:
            raise DataError(f"{part.path}: found other class names than in {named[0].path.name} "
                            f"({_first_difference(named[0].names or [], part.names or [])}); expected the same in the "
                            "same order. Get files of one release.")  # fmt: skip
    highest = max((int(part.labels.max(initial=-1)) for part in parts), default=-1)
    if highest >= LABELS:
        part = next(part for part in parts if int(part.labels.max(initial=-1)) == highest)
        raise DataError(f"{part.path}: found label {highest:,} in row {int(part.labels.argmax())}; expected labels "
                        f"below {LABELS:,}. Get the file again, or mend its labels.")  # fmt: skip
    highest = max(int(part.labels.max(initial=-1)) for part in splits["train"])
    classes: Sequence[str] = (named[0].names if named else None) or (known.classes if known else _Numbers(highest + 1))
    if known is not None and len(classes) != len(known.classes):
        first = splits["train"][0].path
        raise DataError(f"{first}: found {len(classes):,} class names; expected {len(known.classes):,}, as "
                        f"{known.title} has. A set of your own is data of kind photos.")  # fmt: skip
    return classes


def _first_difference(one: Sequence[str], other: Sequence[str]) -> str:
    for i, (first, second) in enumerate(zip(one, other, strict=False)):
        if first != second:
            return harmless(f"class {i} is {first} there and {second} here")
    return f"{len(one):,} there and {len(other):,} here"


def _check_labels(file: LabelledFile, classes: int) -> None:
    wrong = np.flatnonzero((file.labels < 0) | (file.labels >= classes))
    if len(wrong):
        raise DataError(f"{file.path}: found label {file.labels[wrong[0]]} in row {wrong[0]}; expected a label in "
                        f"0..{classes - 1}. Get the file again, or mend its labels.")  # fmt: skip


def _check_every_class_is_there(
    split: Split, parts: Sequence[LabelledFile], taken: Sequence[int], names: Sequence[str]
) -> None:
    found = set(np.unique(np.concatenate([part.labels for part in parts])).tolist())
    paths = [part.path for part in parts]
    where = f"{paths[0].parent}/{{{','.join(path.name for path in paths)}}}" if len(paths) > 1 else f"{paths[0]}"
    if lacking := sorted(set(taken) - found):
        raise DataError(f"{where}: found no photo of class {lacking[0]} ({harmless(names[lacking[0]])}); expected "
                        f"photos of all {len(taken):,} classes in the {split} split. Get the files again.")  # fmt: skip
    if more := sorted(found - set(taken)):
        raise DataError(f"{where}: found photos of class {more[0]} ({harmless(names[more[0]])}), of which there is "
                        "none to train on; expected the same classes in both splits. Get the files again.")  # fmt: skip


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
            _check_memory(path, file.metadata)
            labels = file.read(columns=["label"]).column("label")
            groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    except (pa.ArrowException, *DAMAGED) as error:
        raise _unreadable(path, error) from error
    if labels.null_count:
        row = labels.to_pylist().index(None)
        raise DataError(f"{path}: found no label in row {row}; expected an integer. Mend the file's labels.")
    return LabelledFile(path, column, labels.to_numpy().astype(np.int64), groups, _names_in(schema.metadata or {}))


def _names_in(metadata: dict[bytes, bytes]) -> list[str] | None:
    """Return the names of classes that the hub's metadata hold; None where they hold none, whatever their shape."""
    try:
        found = json.loads(metadata.get(b"huggingface", b"{}"))
        for key in ("info", "features", "label", "names"):
            found = found.get(key) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        return None
    if len(set(found)) < len(found):
        return None  # two labels of one name: numbers tell them apart
    return found or None


def _check_memory(path: Path, metadata: Any) -> None:
    """Refuse what would take memory out of proportion: rows and bytes as the file's own footer counts them."""
    size = path.stat().st_size
    if metadata.num_rows > 20 * size:  # a row of labels and empty photos compresses to no less than a bit or so
        raise DataError(f"{path}: found {metadata.num_rows:,} rows in {size:,} bytes; expected a photo in each. Get "
                        "the file again.")  # fmt: skip
    for i in range(metadata.num_row_groups):
        if metadata.row_group(i).total_byte_size > MEMORY:
            raise DataError(
                f"{path}: found a row group of {metadata.row_group(i).total_byte_size / 1e9:,.1f} GB; expected "
                f"{MEMORY / 1e9:.1f} GB at most. Write it with fewer rows in a group."
            )


def _unreadable(path: Path, error: Exception) -> DataError:
    size = f"{path.stat().st_size:,} bytes" if path.is_file() else "no file"
    return DataError(f"{path}: found {size} that do not read as parquet ({error}); expected a whole parquet file. "
                     "Get the file again.")  # fmt: skip
