"""Name the test photos of a pack by their files, which a pack does not keep. No torch here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.data.known import MANIFEST
from repro.data.photos.digests import ascending, digest, every_nth
from repro.data.photos.manifest import Manifest
from repro.data.photos.packing import EVERY
from repro.data.photos.sources import open_source

MOST = 100_000  # assumed: so many photos are read a second time for their names


def names_of_test_photos(where: Path, manifest: Manifest) -> tuple[str, ...] | None:
    """Return the files of the test photos of a pack made from the folder `where`, in packed order.

    The photos are read again. None where the folder is a pack itself, has changed, or holds too many photos.
    """
    if not where.is_dir() or (where / MANIFEST).is_file():
        return None
    source = open_source(where)
    chunks = [chunk for chunk in source.chunks if source.split_off or chunk.split == "test"]
    if sum(map(len, chunks)) > MOST:
        return None
    photos = [(name, label, digest(encoded, label)) for chunk in chunks for name, label, encoded in chunk.photos()]
    digests = np.frombuffer(b"".join(one for _, _, one in photos), np.uint8).reshape(len(photos), 32)
    rows = np.arange(len(photos))
    if source.split_off:
        rows = np.flatnonzero(every_nth(digests, np.array([label for _, label, _ in photos]), EVERY))
    left_out = {photo["photo"] for photo in manifest["excluded"] if photo["split"] == "test"}
    names = [photos[row][0] for row in rows[ascending(digests[rows])]]
    names = [name for name in names if name not in left_out]
    return tuple(names) if len(names) == manifest["photos"]["test"] else None
