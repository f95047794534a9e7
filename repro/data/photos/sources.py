"""Open photos as people have them: image folders or Hugging Face image parquet. No torch here."""

from __future__ import annotations

from pathlib import Path

from repro.data.known import Known
from repro.data.layouts import EVALUATION
from repro.data.photos.chunks import EXPECTED, Source
from repro.data.photos.folders import open_folders
from repro.data.photos.parquet import files_by_split, open_parquet
from repro.errors import DataError


def open_source(where: Path, known: Known | None = None, *, alone: bool = False) -> Source:
    """Return the photos of a folder, whichever of the two forms they have; the photos themselves are not read.

    `known`: hold them to the classes of this set. `alone`: parquet files of a split that measures will do without any
    to train on; they are then all there is, as class folders without splits are. DataError where neither form fits.
    """
    if not where.is_dir():
        raise DataError(f"{where}: found no such folder; expected {EXPECTED}. Name the folder that holds them.")
    if files := files_by_split(where):
        if alone and "train" not in files:
            files = {"train": next(files[name] for name in EVALUATION if name in files)}
        return open_parquet(where, files, known)
    return open_folders(where, known, alone=alone)
