"""The photos that measure given weights: which they are, and some of them read again. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from repro.data.known import KNOWN, Known, find_source, how_to_get
from repro.data.layouts import EVALUATION
from repro.data.photos import prepare
from repro.data.photos.chunks import Chunk
from repro.data.photos.sources import open_source
from repro.errors import DataError, ReproError

LARGEST_INPUT: Final = 600  # assumed: the side of the largest photos that published nets resize to


def measuring(photos: str, roots: Sequence[Path]) -> tuple[list[Chunk], tuple[str, ...]]:
    """Return (what to read, the classes) of a known set that lies in `roots`, or of a folder."""
    known: Known | None = KNOWN.get(photos)
    if known is None:
        if not Path(photos).is_dir():
            names = ", ".join(kind for kind, other in KNOWN.items() if other.photos)
            raise DataError(f"{photos}: found no such folder and no set of that name; expected a folder of photos, or "
                            f"one of {names}")  # fmt: skip
        where = Path(photos)
    elif not known.photos:
        raise ReproError(f"{photos}: found small images; expected photos")
    else:
        source_path = find_source(photos, roots) or _without_training(known, roots)
        if source_path is None:
            raise DataError(f"{photos} is not there: {how_to_get(photos)}")
        where = source_path
    source = open_source(where, known, alone=True)
    chunks = [chunk for chunk in source.chunks if source.split_off or chunk.split == "test"]
    return chunks, source.classes


def _without_training(known: Known, roots: Sequence[Path]) -> Path | None:
    """Return where a known set's photos that measure lie alone; None where they do not."""
    for folder in (root / place for root in roots for place in known.places):
        for name in EVALUATION:
            if (folder / name).is_dir():
                return folder / name
            if any(path for part in (folder, folder / "data") for path in part.glob(f"{name}[-_.]*parquet")):
                return folder
    return None


def middles(chunks: Sequence[Chunk], wanted: Mapping[int, tuple[int, int]], *, upright: bool) -> dict[int, np.ndarray]:
    """Return some photos, read again, as uint8 [h, w, 3], their middle squares."""
    out: dict[int, np.ndarray] = {}
    for number in sorted({chunk for chunk, _ in wanted.values()}):
        rows = {place: row for row, (chunk, place) in wanted.items() if chunk == number}
        for place, (_, _, encoded) in enumerate(chunks[number].photos()):
            if place in rows:
                image = prepare.decoded(encoded, upright=upright, smallest=LARGEST_INPUT).image
                side = min(image.size)
                left, top = (image.width - side) // 2, (image.height - side) // 2
                out[rows[place]] = np.asarray(image.crop((left, top, left + side, top + side)))
                if len(rows) == 1:
                    break
                del rows[place]
    return out
