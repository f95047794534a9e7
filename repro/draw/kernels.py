"""The kernels of conv1 as a picture by tower (Figure 3), a PNG made here: the same bytes on every machine."""

from __future__ import annotations

import base64
import struct
from typing import Any
from zlib import adler32, crc32

import numpy as np

from repro.draw.parts import Picture
from repro.store import Run

GREY, GAP, APART = 128, 1, 5  # of a pixel without a kernel; pixels between kernels, and between towers
FAINT = 0.25  # contrast of kernels that are still noise


def picture(seed: int, run: Run) -> Picture:
    """All kernels of one net, tower 1 above tower 2, each on its own contrast; what has not learned is faint."""
    kernels = run.array("kernels").astype(np.float64)
    learned = run.array("new") >= run.look["new"]
    pixels = drawn(kernels, learned)
    values = run.values
    alt = (
        f"The {len(kernels)} kernels of conv1, seed {seed}: tower 1 above, with a mean chroma share of "
        f"{_share(values, 'chroma_1')}, and tower 2 below, {_share(values, 'chroma_2')}; p = {values['p']:.2g}."
    )
    caption = f"Kernels of conv1, seed {seed}: tower 1 above, tower 2 below."
    data = f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"
    note = "" if learned.all() else "Faint: little else than its initial noise, and not counted."
    return Picture(data, pixels.shape[1], pixels.shape[0], alt, caption, note)


def _share(values: dict[str, float], key: str) -> str:
    return f"{values[key]:.2f}" if key in values else "none, for no kernel has learned"


def drawn(kernels: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """uint8 [height, width, 3]: kernels [n, 3, h, w] in rows, the first half above, a gap between the halves."""
    count, _, height, width = kernels.shape
    half = count // 2
    columns = max(c for c in range(1, min(16, half) + 1) if half % c == 0)
    rows = half // columns
    tall, wide = height + GAP, width + GAP
    out = np.full((2 * rows * tall - GAP + APART, columns * wide - GAP, 3), GREY, np.uint8)
    for i, kernel in enumerate(kernels):
        size = np.abs(kernel).max()
        shown = 127 * kernel / size if size else kernel
        shown = (GREY + shown * (1.0 if learned[i] else FAINT)).round()
        tower, place = divmod(i, half)
        top = (tower * rows + place // columns) * tall + tower * APART
        left = place % columns * wide
        out[top : top + height, left : left + width] = shown.transpose(1, 2, 0).clip(0, 255)
    return out


def png(pixels: np.ndarray) -> bytes:
    """uint8 [height, width, 3] as a PNG whose pixels are stored, not compressed: compressors differ in their bytes."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    parts = [lines[i : i + 65535] for i in range(0, len(lines), 65535)]
    stored = b"".join(
        struct.pack("<BHH", i == len(parts) - 1, len(part), 65535 - len(part)) + part for i, part in enumerate(parts)
    )
    data = b"\x78\x01" + stored + struct.pack(">I", adler32(lines))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> Any:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))
