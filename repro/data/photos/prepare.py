"""Prepare one photo as §2 does: short side to a size, the central square cut out, RGB bytes. No torch here."""

from __future__ import annotations

import io
import struct
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

# The formats of photos. Pillow knows forty more, some of which start another program or allocate before they are asked.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "DIB", "PPM")
ORIENTATION = 0x0112  # EXIF's tag: how the camera was held
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
MEMORY = 384_000_000  # bytes that a photo may take while it is decoded (assumed): RGB of 96 million pixels
LARGEST_FILE = 200_000_000  # bytes of an encoded photo (assumed)
THIN = 16  # assumed: of a photo this many times as long as wide only the middle is resized, for its ends are cut off

# What Pillow's decoders raise of damaged files, each in its own way: damaged PNG chunks are SyntaxError, bad sizes
# ValueError, tags that lie struct.error, and so on.
DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, EOFError, MemoryError,
    RuntimeError, struct.error, Image.DecompressionBombError,
)  # fmt: skip

SUMMED = 256  # products of bytes summed in float32: 256 * 255^2 = 16,646,400 is below 2^24, so every sum is exact


class Unusable(Exception):
    """A photo that cannot be taken, and why."""


@dataclass(frozen=True)
class Prepared:
    """A photo as it is packed."""

    pixels: np.ndarray  # uint8 [size, size, 3]
    mode: str  # as the file had it
    enlarged: bool  # its short side was below the size
    turned: bool = False  # by its EXIF orientation


@dataclass(frozen=True)
class Decoded:
    """A photo in RGB, before it is resized."""

    image: Image.Image
    mode: str  # as the file had it
    turned: bool  # by its EXIF orientation


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


def recipe(size: int, *, upright: bool = False) -> Recipe:
    """Return how photos are prepared at a size here: decoders differ. `upright`: see `decoded`."""
    return {
        "size": size,
        "resize": "short side to size, the long side rounded",
        "reduce": REDUCE.name.lower(),
        "enlarge": ENLARGE.name.lower(),
        "crop": "centre, offset rounded down",
        "colours": f"RGB; alpha left away; EXIF orientation {'' if upright else 'not '}applied",
        "pillow": PIL.__version__,
        "jpeg": f"libjpeg-turbo {features.version_feature('libjpeg_turbo')}"
        if features.check_feature("libjpeg_turbo")
        else f"libjpeg {features.version_codec('jpg')}",
    }


def decoded(encoded: bytes, *, upright: bool, smallest: int = 1) -> Decoded:
    """Decode a photo into RGB. Unusable with the reason, also where it would take more than MEMORY.

    `upright`: turn it as its EXIF orientation says. `smallest`: the short side that is needed; only a JPEG that is too
    large to be decoded whole comes smaller, down to twice that, as its format allows.
    """
    if not encoded:
        raise Unusable("empty: no bytes")
    if len(encoded) > LARGEST_FILE:
        raise Unusable(f"{len(encoded):,} bytes: expected {LARGEST_FILE:,} at most")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warnings of metadata, which do not concern the pixels
            with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
                mode = image.mode
                if mode not in MODES:
                    raise Unusable(f"mode {mode}: expected at most eight bits a channel")
                turn = TURNS.get(_orientation(image)) if upright and image.format != "TIFF" else None
                _make_fit(image, 2 * smallest, turned=turn is not None)
                rgb = image.convert("RGB")  # a TIFF is turned by Pillow, always
            return Decoded(rgb if turn is None else rgb.transpose(turn), mode, turn is not None)
    except UnidentifiedImageError as error:
        raise Unusable(f"of no format that is read here: {', '.join(FORMATS)}") from error
    except DAMAGED as error:
        raise Unusable(f"does not decode: {error or type(error).__name__}") from error


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where there is none or none that reads: the pixels are not in doubt."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except DAMAGED:
        return 1
    return value if isinstance(value, int) else 1


def _make_fit(image: Image.Image, short: int, *, turned: bool) -> None:
    """Let a JPEG be decoded at half its side, or a quarter, where it would take too much memory: its format can. The
    short side stays `short` or more. Unusable of a photo that takes too much still."""
    while True:
        width, height = image.size
        # Pillow keeps a pixel of RGB in four bytes; one of another mode stands beside it while it is converted, and all
        # of it once more while it is turned; a progressive JPEG keeps its coefficients, two bytes each, until the end.
        each = 4 + {"RGB": 0, "L": 1, "P": 1, "1": 1}.get(image.mode, 4) + 4 * turned
        each += 6 * bool(image.info.get("progressive"))
        if width * height * each <= MEMORY:
            return
        smaller = (width // 2, height // 2)
        if image.format not in ("JPEG", "MPO") or image.info.get("progressive") or min(smaller) < short:
            raise Unusable(f"{width:,} x {height:,} pixels, which take {width * height * each / 1e6:,.0f} MB to "
                           f"decode; expected {MEMORY / 1e6:,.0f} MB at most")  # fmt: skip
        image.draft(None, smaller)
        if image.size == (width, height):
            raise Unusable(f"{width:,} x {height:,} pixels, too many to decode in {MEMORY / 1e6:,.0f} MB")


def prepared(encoded: bytes, size: int, *, upright: bool = False) -> Prepared:
    """Decode a photo, bring its short side to `size` and cut out the centre. Unusable with the reason.

    `upright`: turn it first as its EXIF orientation says. No more is resized than the cut needs.
    """
    photo = decoded(encoded, upright=upright, smallest=size)
    rgb = photo.image
    width, height = rgb.size
    short = min(width, height)
    try:
        cut = _cut(rgb, size, REDUCE if short > size else ENLARGE)
    except DAMAGED as error:
        raise Unusable(f"does not come to {size} x {size}: {error or type(error).__name__}") from error
    pixels = np.frombuffer(cut.tobytes(), np.uint8).reshape(size, size, 3)
    return Prepared(pixels, photo.mode, short < size, photo.turned)


def middle(rgb: Image.Image) -> Image.Image:
    """Return the middle of a photo that is more than THIN times as long as wide, any other as it is: what nets see is
    cut from there, and resized whole its ends would take gigabytes."""
    width, height = (min(side, THIN * min(rgb.size)) for side in rgb.size)
    if (width, height) == rgb.size:
        return rgb
    left, top = (rgb.width - width) // 2, (rgb.height - height) // 2
    return rgb.crop((left, top, left + width, top + height))


def _cut(rgb: Image.Image, size: int, by: Image.Resampling) -> Image.Image:
    """Return the central square of a photo whose short side is brought to `size`."""
    short, long = min(rgb.size), max(rgb.size)
    # The exact half is rounded up, as C's round does for positive numbers.
    width, height = ((2 * side * size + short) // (2 * short) for side in rgb.size)
    left, top = (width - size) // 2, (height - size) // 2
    if long > THIN * short:  # resized whole it could take gigabytes: 1 x 60,000 pixels come to 256 x 15 million
        across, down = rgb.width / width, rgb.height / height  # pixels of the photo for one of what comes out
        right, low = min((left + size) * across, rgb.width), min((top + size) * down, rgb.height)
        box = (left * across, top * down, right, low)
        return rgb.resize((size, size), by, box=box)
    if short != size:
        rgb = rgb.resize((width, height), by)
    return rgb.crop((left, top, left + size, top + size))


def channel_products(pixels: np.ndarray) -> np.ndarray:
    """Return the sums over all pixels (uint8 [..., 3]) of r r, r g, ..., exact: int64 [3, 3]."""
    # Four pixels a row, so that matrix multiplication has more to do than 3 x 3; zeros fill the last block.
    rows = np.zeros((-(-pixels.size // (SUMMED * 12)), SUMMED, 12), np.float32)
    rows.reshape(-1)[: pixels.size] = pixels.reshape(-1)
    products = (rows.transpose(0, 2, 1) @ rows).sum(0, dtype=np.float64)  # blocks too small for BLAS to start threads
    return products.reshape(4, 3, 4, 3).trace(axis1=0, axis2=2).astype(np.int64)
