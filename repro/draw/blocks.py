"""A net as blocks from left to right, as papers draw them: SVG made here, without Vega, from sizes alone."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from repro.draw.svg import INK, MUTED, NARROW

HEIGHT, TOP = 176, 150  # pixels of the drawing, and of its part above the words
TALL = 62  # pixels of a block with the largest side, one tower of two
WIDE = {True: 5.0, False: 13.0}  # pixels of a block with the most maps, by whether the drawing is narrow
BAR = 4.0  # pixels that a fully connected layer is wide


@dataclass(frozen=True)
class Block:
    """One layer: its maps, their side (1: a fully connected layer), in how many parts its maps lie, and in how many
    parts it reads the layer before."""

    name: str
    maps: int
    side: int
    parts: int
    reads: int


def svg(id: str, title: str, alt: str, blocks: Sequence[Block], width: int) -> str:
    """Return a net as an `<svg>` element; heights grow as the root of a map's side, widths as that of the maps."""
    narrow = width <= NARROW
    step = width / len(blocks)
    largest = max(block.side for block in blocks)
    most = max(block.maps for block in blocks if block.side > 1)
    units = max((block.maps for block in blocks if block.side == 1), default=1)
    root = ET.Element("svg", {
        "viewBox": f"0 0 {width} {HEIGHT}", "width": str(width), "height": str(HEIGHT), "role": "img",
        "aria-labelledby": f"{id}-title {id}-desc",
    })  # fmt: skip
    for tag, words in (("title", title), ("desc", alt)):
        ET.SubElement(root, tag, {"id": f"{id}-{tag}"}).text = words
    before: list[tuple[float, float]] = []  # the right middles of the parts of the layer before
    for i, block in enumerate(blocks):
        middle = (i + 0.5) * step
        if block.side > 1:
            across, tall = max(2.0, WIDE[narrow] * sqrt(block.maps / most) * 2), TALL * sqrt(block.side / largest)
        else:
            across, tall = BAR, TALL * sqrt(block.maps / units)
        if block.parts == 1:
            tall *= 2 if block.side > 1 else 1.4
        places = [TOP / 2] if block.parts == 1 else [TOP * (0.5 + n) / block.parts for n in range(block.parts)]
        for n, place in enumerate(places):
            for m, (x, y) in enumerate(before):
                if block.reads == 1 or n == m:
                    line = f"M{_short(x)} {_short(y)}L{_short(middle - across / 2)} {_short(place)}"
                    ET.SubElement(root, "path", {"d": line, "stroke": "var(--rule)", "fill": "none"})
        for place in places:
            ET.SubElement(root, "rect", {
                "x": _short(middle - across / 2), "y": _short(place - tall / 2), "width": _short(across),
                "height": _short(tall), "fill": "var(--faint)", "stroke": INK,
            })  # fmt: skip
        before = [(middle + across / 2, place) for place in places]
        sides = f"{block.side}×{block.side}×{block.maps}" if block.side > 1 else str(block.maps)
        for y, words, color in ((TOP + 10, block.name, INK), (TOP + 24, str(block.maps) if narrow else sides, MUTED)):
            about = {
                "x": _short(middle),
                "y": str(y),
                "fill": color,
                "font-size": "10" if narrow else "12",
                "text-anchor": "middle",
            }
            ET.SubElement(root, "text", about).text = words
    return ET.tostring(root, encoding="unicode")


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
