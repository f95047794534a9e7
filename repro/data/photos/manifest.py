"""What a pack of photos says of itself, in its `manifest.json`. No torch here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NotRequired, TypedDict

from repro.data.known import MANIFEST, Split
from repro.data.photos.chunks import Form
from repro.data.photos.prepare import Recipe

FORMAT = 1  # of a pack; one of another format is refused

# A photo that was left out: "class" is a word of Python, hence this form.
LeftOut = TypedDict("LeftOut", {"split": Split, "photo": str, "class": str, "reason": str})


class Manifest(TypedDict):
    """`manifest.json`. Counts are of usable photos."""

    format: int
    kind: str  # of the data: a known set's, or photos
    form: Form
    recipe: Recipe
    content: str  # sha256 of encoded bytes and labels: see `repro.data.photos.packing.content`
    pixels: str  # sha256 of the packed pixels
    classes: list[str]
    photos: dict[Split, int]
    of_class: dict[Split, list[int]]
    converted: dict[str, int]  # photos by their mode, of those that were not RGB
    enlarged: int
    deviations: list[str]
    excluded: list[LeftOut]
    passed_over: list[str]
    split_off: bool
    turned: NotRequired[list[str]]  # photos that were turned upright; packs of earlier versions lack both
    in_both: NotRequired[int]  # photos that measure whose bytes are also those of one that is trained on


class OfSource(TypedDict):
    """What the pack of one source has of that source alone: other folders may hold the same photos by other names."""

    pack: str  # the name of the pack's folder
    excluded: list[LeftOut]
    turned: list[str]


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a pack. OSError or ValueError where it cannot be read."""
    found: Manifest = json.loads((folder / MANIFEST).read_text())
    return found
