"""Photos as people have them: image folders and Hugging Face image parquet, cut into chunks to read. No torch here."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from repro.data.known import EVALUATION, TRAINING, Known
from repro.errors import DataError

SUFFIXES = {".jpeg", ".jpg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
CHUNK = 512  # files read in one go by one process (assumed: a few seconds' work)
EXPECTED = "train/CLASS/*.JPEG and val/CLASS/*, or CLASS/*, or train-*.parquet and validation-*.parquet"
IMAGE_COLUMNS = ("image", "img")

Photo = tuple[str, int, bytes]  # the name to tell it by, its label, its encoded bytes


class Chunk(Protocol):
    """Photos of one split that one process reads in one go. Small and picklable."""

    @property
    def split(self) -> str: ...

    def __len__(self) -> int: ...

    def photos(self) -> Iterator[Photo]: ...


@dataclass(frozen=True)
class Source:
    """Where photos come from. `split_off`: there is no test split, every fifth photo of each class will be one."""

    form: str  # "folder", "parquet", "timm"
    where: str
    classes: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    listing: str  # changes when the names, sizes or labels of the files do
    passed_over: tuple[str, ...] = ()
    split_off: bool = False


def open_source(where: Path, known: Known | None = None, *, alone: bool = False) -> Source:
    """Folder or parquet, as found. Photos themselves are not read. Raises DataError where nothing fits.

    `alone`: parquet files of a split that measures will do without any to train on; they are then all there is, as
    class folders without splits are.
    """
    if not where.is_dir():
        raise DataError(f"{where}: found no such folder; expected {EXPECTED}. Name the folder that holds them.")
    for folder in (where, where / "data"):  # as published sets have it
        files = _parquet_splits(folder)
        if files and alone and "train" not in files:
            files = {"train": next(files[name] for name in EVALUATION if name in files)}
        if files:
            return _parquet(where, files, known)
    return _folders(where, known)


# Image folders


@dataclass(frozen=True)
class Files:
    """Image files of one split; `paths` under `root`."""

    split: str
    root: str
    paths: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def photos(self) -> Iterator[Photo]:
        for path, label in zip(self.paths, self.labels, strict=True):
            whole = os.path.join(self.root, path)
            try:
                with open(whole, "rb") as file:
                    encoded = file.read()
            except OSError as error:
                raise DataError(f"{whole}: could not be read: {error.strerror}. Repeat the command once it can be: "
                                "packing goes on where it stopped.") from error  # fmt: skip
            yield path, label, encoded


def _folders(where: Path, known: Known | None) -> Source:
    top = sorted(entry.name for entry in where.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    passed_over: list[str] = []
    train = next((name for name in TRAINING if name in top), None)
    if train is None:
        splits = {"train": where}
    else:
        splits = {"train": where / train}
        for name in EVALUATION:
            if name not in top:
                continue
            if not any(entry.is_dir() for entry in (where / name).iterdir()) and any((where / name).iterdir()):
                passed_over.append(f"{name}/: photos without class folders, so without labels")
            elif "test" in splits:
                passed_over.append(f"{name}/: {splits['test'].name}/ is the test split")
            else:
                splits["test"] = where / name
        if "test" not in splits and known is not None:
            because = f" ({'; '.join(passed_over)})" if passed_over else ""
            raise DataError(
                f"{where}: found {train}/ but none of {', '.join(EVALUATION)} with labels{because}; expected "
                f"{EXPECTED}. Sort the photos that measure into val/CLASS/ and repeat the command."
            )
    classes: tuple[str, ...] = ()
    chunks: list[Chunk] = []
    listing = hashlib.sha256()
    for split, folder in splits.items():
        names = sorted(e.name for e in folder.iterdir() if e.is_dir() and not e.name.startswith("."))
        if not names:
            loose = sum(Path(entry.name).suffix.lower() in SUFFIXES for entry in folder.iterdir())
            raise DataError(f"{folder}: found {loose:,} photos and no class folders; expected {EXPECTED}. "
                            "Sort the photos into a folder for each class.")  # fmt: skip
        if known is None:  # a set of one's own may have folders that are still to be filled
            empty = [name for name in names if name not in classes and not _files(folder / name)[0]]
            passed_over += [f"{folder.name}/{name}/: a class without photos" for name in empty]
            names = [name for name in names if name not in empty] or names
        if split == "train":
            classes = _class_folders(names, folder, known)
        elif set(names) != set(classes):
            raise DataError(
                f"{folder}: found {_difference(names, classes)}; expected the {len(classes):,} class folders of "
                f"{splits['train']}. Add or remove folders until both have the same, and repeat the command."
            )
        paths, labels = [], []
        for label, name in enumerate(classes):
            found, others = _files(folder / name)
            if not found:
                raise DataError(f"{folder / name}: found a class without photos; expected {' '.join(sorted(SUFFIXES))} "
                                "files. Fill the folder or remove the class from every split.")  # fmt: skip
            if others:
                passed_over.append(f"{others} files in {folder.name}/{name}/ that are not named as images")
            for path, size in found:
                listing.update(f"{split}\0{label}\0{name}/{path}\0{size}\n".encode())
                paths.append(os.path.join(name, path))
                labels.append(label)
        for lo in range(0, len(paths), CHUNK):
            part = slice(lo, lo + CHUNK)
            chunks.append(Files(split, str(folder), tuple(paths[part]), tuple(labels[part])))
    as_known = known is not None and known.folders and len(known.classes) == len(classes)
    named = known.classes if known is not None and as_known else classes
    split_off = "test" not in splits
    return Source("folder", str(where), named, tuple(chunks), listing.hexdigest(), tuple(passed_over), split_off)


def _class_folders(names: list[str], folder: Path, known: Known | None) -> tuple[str, ...]:
    """The class folders in the order of their labels: a known set's own, else by name (ILSVRC: by WordNet id)."""
    if known is None:
        return tuple(names)
    if known.folders:
        for order in (known.folders, known.classes):
            if set(order) == set(names):
                return order
        raise DataError(f"{folder}: found {_difference(names, known.folders)}; expected the {len(known.classes)} "
                        f"classes of {known.title}: {', '.join(known.folders)}.")  # fmt: skip
    if len(names) != len(known.classes):
        raise DataError(f"{folder}: found {len(names):,} class folders; expected {len(known.classes):,}, as "
                        f"{known.title} has. A set of your own is data of kind photos.")  # fmt: skip
    return tuple(names)


def _difference(found: Sequence[str], expected: Sequence[str]) -> str:
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    some = [f"{word} {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
            for word, names in (("without", missing), ("with", extra)) if names]  # fmt: skip
    return f"{len(found):,} class folders, " + " and ".join(some)


def _files(folder: Path) -> tuple[list[tuple[str, int]], int]:
    """Image files below a class folder, however deep, as (path, bytes) in order; and how many other files."""
    found, others = [], 0
    for where, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        for name in names:
            if os.path.splitext(name)[1].lower() in SUFFIXES:
                path = os.path.join(where, name)
                found.append((os.path.relpath(path, folder), os.stat(path).st_size))
            else:
                others += not name.startswith(".")
    return sorted(found), others


# Hugging Face image parquet


@dataclass(frozen=True)
class RowGroup:
    """One row group of a parquet file: `rows` photos, the first of them row `first` of the file."""

    split: str
    path: str
    column: str
    group: int
    first: int
    rows: int

    def __len__(self) -> int:
        return self.rows

    def photos(self) -> Iterator[Photo]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        row, file_name = self.first, Path(self.path).name
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(64, row_groups=[self.group], columns=[self.column, "label"]):
                    images, labels = batch.column(self.column), batch.column("label").to_pylist()
                    names = images.field("path") if images.type.get_field_index("path") >= 0 else [None] * len(images)
                    for encoded, name, label in zip(images.field("bytes"), names, labels, strict=True):
                        said = f" ({name})" if name is not None and str(name) != "None" else ""
                        yield f"{file_name} row {row}{said}", label, encoded.as_py() or b""
                        row += 1
        except (pa.ArrowException, OSError) as error:
            raise unreadable(Path(self.path), error) from error


def _parquet_splits(folder: Path) -> dict[str, list[Path]]:
    """Parquet files by the split in their names (`train-00000-of-00003.parquet`, `validation.parquet`)."""
    out: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.parquet")):
        split = re.match(rf"({'|'.join([*TRAINING, *EVALUATION])})(?=[-_.])", path.name)
        if split:
            out.setdefault("train" if split[1] in TRAINING else split[1], []).append(path)
    return out


def _parquet(where: Path, files: dict[str, list[Path]], known: Known | None) -> Source:
    if "train" not in files:
        found = ", ".join(path.name for paths in files.values() for path in paths[:1])
        raise DataError(f"{where}: found {found} but no train-*.parquet; expected {EXPECTED}. Add the training files.")
    passed_over, names = [], None
    read: dict[str, list[tuple[Path, str, np.ndarray, list[int]]]] = {}
    for split in ["train", *(name for name in EVALUATION if name in files)]:
        found_in = [_labels(path) for path in files[split]]
        if split != "train" and all((labels == -1).all() for _, _, labels, _, _ in found_in):
            passed_over.append(f"{split}: every label is -1, so it has none")
        elif split != "train" and "test" in read:
            passed_over.append(f"{split}: another split measures")
        else:
            read["train" if split == "train" else "test"] = [part[:4] for part in found_in]
            names = names or next((part[4] for part in found_in if part[4]), None)
    highest = max(int(labels.max(initial=-1)) for _, _, labels, _ in read["train"])
    classes = tuple(names or (known.classes if known else map(str, range(highest + 1))))
    if known is not None and len(classes) != len(known.classes):
        raise DataError(f"{files['train'][0]}: found {len(classes):,} class names; expected {len(known.classes):,}, as "
                        f"{known.title} has. A set of your own is data of kind photos.")  # fmt: skip
    chunks: list[Chunk] = []
    listing = hashlib.sha256()
    for split, parts in read.items():
        seen = np.zeros(len(classes), dtype=bool)
        for path, column, labels, groups in parts:
            wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
            if len(wrong):
                raise DataError(f"{path}: found label {labels[wrong[0]]} in row {wrong[0]}; expected a label in "
                                f"0..{len(classes) - 1}. Get the file again, or mend its labels.")  # fmt: skip
            seen[labels] = True
            firsts = np.cumsum([0, *groups[:-1]]).tolist()
            for group, (first, rows) in enumerate(zip(firsts, groups, strict=True)):
                if rows:
                    chunks.append(RowGroup(split, str(path), column, group, first, rows))
            listing.update(f"{split}\0{path.name}\0{path.stat().st_size}\n".encode() + labels.tobytes())
        if not seen.all():
            label = int(np.flatnonzero(~seen)[0])
            name = f"{parts[0][0].parent}/{{{','.join(part[0].name for part in parts)}}}"
            raise DataError(f"{name if len(parts) > 1 else parts[0][0]}: found no photo of class {label} "
                            f"({classes[label]}); expected photos of all {len(classes):,} classes in the {split} "
                            "split. Get the files again.")  # fmt: skip
    return Source(
        "parquet", str(where), classes, tuple(chunks), listing.hexdigest(), tuple(passed_over), "test" not in read
    )


def _labels(path: Path) -> tuple[Path, str, np.ndarray, list[int], list[str] | None]:
    """(path, image column, labels int64, rows of each row group, class names or None) of a parquet file."""
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
        raise unreadable(path, error) from error
    if labels.null_count:
        row = labels.to_pylist().index(None)
        raise DataError(f"{path}: found no label in row {row}; expected an integer. Mend the file's labels.")
    info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    feature = info.get("info", {}).get("features", {}).get("label", {})
    return path, column, labels.to_numpy().astype(np.int64), groups, feature.get("names")


def unreadable(path: Path, error: Exception) -> DataError:
    """A parquet file that cannot be read, whole or in part."""
    size = f"{path.stat().st_size:,} bytes" if path.is_file() else "no file"
    return DataError(f"{path}: found {size} that do not read as parquet ({error}); expected a whole parquet file. "
                     "Get the file again.")  # fmt: skip
