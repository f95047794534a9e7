"""Prepare one photo as §2 does: short side to a size, the central square cut out, RGB bytes. No torch here."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import PIL
from PIL import Image, UnidentifiedImageError, features

# §2 names no filter. The author's later tools take the area of a pixel where a photo shrinks and cubic interpolation
# where it grows (cuda-convnet2, make-data/pyext/src/pyext.cpp). Of Pillow's filters Hamming comes closest to the area:
# on photos of 224 brought to 146 it is off by 1.3 grey levels (root mean square); bicubic 1.6, bilinear 1.8, box 4.4.
REDUCE, ENLARGE = Image.Resampling.HAMMING, Image.Resampling.BICUBIC

# Modes of eight bits a channel, or fewer, which become RGB without loss of meaning. Alpha is left away, as Pillow does.
MODES = ("RGB", "1", "L", "LA", "La", "P", "PA", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")

SUMMED = 256  # products of bytes summed in float32: 256 * 255^2 = 16,646,400 is below 2^24, so every sum is exact


class Unusable(Exception):
    """A photo that cannot be taken, and why."""


@dataclass(frozen=True)
class Prepared:
    """A photo as it is packed."""

    pixels: np.ndarray  # uint8 [size, size, 3]
    mode: str  # as the file had it
    enlarged: bool  # its short side was below the size


class Recipe(TypedDict):
    """How photos are prepared, with the versions that decide pixels."""

    size: int
    resize: str
    reduce: str
    enlarge: str
    crop: str
    colours: str
    pillow: str
    jpeg: str


def recipe(size: int) -> Recipe:
    """Return how photos are prepared at a size here: decoders differ."""
    return {
        "size": size,
        "resize": "short side to size, the long side rounded",
        "reduce": REDUCE.name.lower(),
        "enlarge": ENLARGE.name.lower(),
        "crop": "centre, offset rounded down",
        "colours": "RGB; alpha left away; EXIF orientation not applied",
        "pillow": PIL.__version__,
        "jpeg": f"libjpeg-turbo {features.version_feature('libjpeg_turbo')}"
        if features.check_feature("libjpeg_turbo")
        else f"libjpeg {features.version_codec('jpg')}",
    }


def prepared(encoded: bytes, size: int) -> Prepared:
    """Decode a photo, bring its short side to `size` and cut out the centre. Unusable with the reason."""
    if not encoded:
        raise Unusable("empty: no bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warnings of metadata, which do not concern the pixels
            with Image.open(io.BytesIO(encoded)) as image:
                mode = image.mode
                if mode not in MODES:
                    raise Unusable(f"mode {mode}: expected at most eight bits a channel")
                rgb = image.convert("RGB")
    except UnidentifiedImageError as error:
        raise Unusable("of no format that Pillow knows") from error
    # Pillow's decoders say what is wrong in many classes: damaged PNG chunks are SyntaxError, bad sizes ValueError.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Unusable(f"does not decode: {error}") from error
    width, height = rgb.size
    short = min(width, height)
    if short != size:
        # The exact half is rounded up, as C's round does for positive numbers.
        width, height = ((2 * side * size + short) // (2 * short) for side in (width, height))
        rgb = rgb.resize((width, height), REDUCE if short > size else ENLARGE)
    left, top = (width - size) // 2, (height - size) // 2
    cut = rgb.crop((left, top, left + size, top + size)).tobytes()
    return Prepared(np.frombuffer(cut, np.uint8).reshape(size, size, 3), mode, short < size)


def channel_products(pixels: np.ndarray) -> np.ndarray:
    """Return the sums over all pixels (uint8 [..., 3]) of r r, r g, ..., exact: int64 [3, 3]."""
    # Four pixels a row, so that matrix multiplication has more to do than 3 x 3; zeros fill the last block.
    rows = np.zeros((-(-pixels.size // (SUMMED * 12)), SUMMED, 12), np.float32)
    rows.reshape(-1)[: pixels.size] = pixels.reshape(-1)
    products = (rows.transpose(0, 2, 1) @ rows).sum(0, dtype=np.float64)  # blocks too small for BLAS to start threads
    return products.reshape(4, 3, 4, 3).trace(axis1=0, axis2=2).astype(np.int64)
