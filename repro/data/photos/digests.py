"""What lossy photos are known by: digests of their encoded bytes and labels, and the order that these give. No torch.

Decoders differ in the last bit, so pixels of a JPEG would make another set of the same file.
"""

from __future__ import annotations

import hashlib

import numpy as np

from repro.data.known import SPLITS, Split


def digest(encoded: bytes, label: int) -> bytes:
    """Return the sha256 of (the encoded bytes, then the label as four bytes, lowest first)."""
    out = hashlib.sha256(encoded)
    out.update(label.to_bytes(4, "little"))
    return out.digest()


def ascending(digests: np.ndarray) -> np.ndarray:
    """Return the order of digests (uint8 [n, 32]) as bytes compare: int64 [n]."""
    return np.lexsort(np.ascontiguousarray(digests).view(">u8").T[::-1])


def content(digests: dict[Split, np.ndarray]) -> str:
    """Return the sha256 over each split's name and its photos' digests (uint8 [n, 32]) in ascending order, train
    first. It identifies a set of photos."""
    total = hashlib.sha256()
    for split in SPLITS:
        total.update(split.encode())
        total.update(digests[split][ascending(digests[split])].tobytes())
    return total.hexdigest()


def every_nth(digests: np.ndarray, labels: np.ndarray, n: int) -> np.ndarray:
    """Return which photos measure where no split does: every n-th of each class by digest, as with the digits."""
    out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        out[of_class[ascending(digests[of_class])][n - 1 :: n]] = True
    return out
