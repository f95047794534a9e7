"""Pixels as an image of a page, the same bytes every time."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image


def data_uri(pixels: np.ndarray) -> str:
    """Return uint8 [height, width, 3] as a PNG in a data URI.

    Level 0 stores the pixels: compressors differ in their bytes from one release of zlib to the next.
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=0)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
