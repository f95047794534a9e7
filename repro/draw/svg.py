"""From a Vega-Lite specification to an SVG that lies in a page: small, the same bytes each time, coloured by CSS.

Colours are CSS variables (`var(--ink)`), which Vega passes through: one drawing serves light, dark and print.
Specifications are plain dictionaries: building them with Altair's classes took 5.9 s of 8.2 s for the pages of two
claims. vl-convert is imported here alone, when a chart is drawn.
"""

from __future__ import annotations

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

VEGA_LITE = "6.1"  # the version in whose terms the charts are written
WIDE, NARROW = 720, 342  # CSS pixels: the text column, and a 390 px screen less its margins
INK, SECOND, MUTED, FAINT = "var(--ink)", "var(--second)", "var(--muted)", "var(--faint)"
ARMS = (INK, "var(--arm-2)", "var(--arm-3)", "var(--arm-4)")  # the lines of arms, in their order
ACCENT, TINT, GROUND = "var(--accent)", "var(--tint)", "var(--ground)"  # ink: what was measured; accent: the paper
PLAIN = "format(datum.value, '~g')"  # an axis label as the number is; Vega writes 0.001 as 1m
# The first is bundled with vl-convert and as wide as the next two: texts are measured alike everywhere.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

_SVG = "{http://www.w3.org/2000/svg}"
_DROPPED = {"class", "role", "pointer-events", "font-family", "version", "stroke-miterlimit"}
_DRAWN = re.compile(r'<svg [^>]*data-made="([0-9a-f]{16})-([0-9a-f]{16})".*?</svg>', re.DOTALL)
_PLACES = {"d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height"}
_NUMBER = re.compile(r"-?\d+\.\d{2,}")

CONFIG: dict[str, Any] = {
    "font": FONT,
    "aria": False,  # the whole drawing has its words
    "background": None,
    "view": {"stroke": None},
    "axis": {
        "domainColor": "var(--rule)",
        "gridColor": "var(--hair)",
        "tickColor": "var(--rule)",
        "tickSize": 4,
        "labelColor": "var(--muted)",
        "labelFlush": False,
        "labelFontSize": 12,
        "labelPadding": 5,
        "titleColor": "var(--muted)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 9,
    },
    "title": {
        "anchor": "start",
        "color": "var(--muted)",
        "fontSize": 12,
        "fontWeight": "normal",
        "frame": "bounds",
        "offset": 8,
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
}


Spec = dict[str, Any]
Build = Callable[[int, bool], Spec]  # (width in pixels, whether it answers to a pointer) -> a layered chart


@dataclass(frozen=True)
class Drawing:
    """One figure, not drawn yet: `stills` by width, what the page's script draws in their place, the finding in words.

    `live`: Vega-Lite's `config` and `datasets`, and `views` by the control's choice, then by width; or nothing.
    """

    id: str
    title: str
    alt: str
    stills: dict[str, Spec]
    live: Spec


def draw(id: str, title: str, alt: str, build: Build, others: dict[str, Build] | None = None) -> Drawing:
    """A figure at both widths; `others`: what the reader may choose instead, by the control's value."""
    datasets: Spec = {}
    views = {
        name: {"wide": _shared(make(WIDE, True), datasets), "narrow": _shared(make(NARROW, True), datasets)}
        for name, make in ({"": build} | (others or {})).items()
    }
    live = {"config": CONFIG, "datasets": datasets, "views": views}
    return Drawing(id, title, alt, {"wide": build(WIDE, False), "narrow": build(NARROW, False)}, live)


def _shared(spec: Spec, datasets: Spec) -> Spec:
    """The specification with its rows moved to `datasets`, under the hash of what they are: one copy for all views."""
    for part in spec["layer"]:
        rows = part["data"]["values"]
        name = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:8]
        datasets[name] = rows
        part["data"] = {"name": name}
    return spec


class Stills:
    """Draws, and takes a drawing from the pages that are there already where nothing that it was made from has changed.

    Drawing is nine tenths of a report's time. The attribute `data-made` of a drawing is the hash of all that it was
    made from (its specification and words, vl-convert's version, this file) and that of the drawing itself: one that
    was edited is drawn again.
    """

    def __init__(self, pages: Iterable[str]) -> None:
        self._known = {
            found[1]: found[0]
            for page in pages
            for found in _DRAWN.finditer(page)
            if found[0] == _stamped(found[0].replace(f"{found[1]}-{found[2]}", found[1], 1), found[1])
        }

    def __call__(self, drawing: Drawing, width: str = "wide") -> str:
        """The drawing as an `<svg>` element, its title and words inside for those who do not see it."""
        spec, id = drawing.stills[width] | {"config": CONFIG}, f"{drawing.id}-{width}"
        about = json.dumps([spec, id, drawing.title, drawing.alt, version("vl-convert-python"), _code()])
        made = _short(about)
        if made not in self._known:
            import vl_convert

            text = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
            self._known[made] = _stamped(_clean(text, id, drawing.title, drawing.alt, made), made)
        return self._known[made]


def _stamped(drawing: str, made: str) -> str:
    """The drawing with its own hash beside that of what it was made from."""
    return drawing.replace(f'data-made="{made}"', f'data-made="{made}-{_short(drawing)}"', 1)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _code() -> str:
    """This file, in short: what it does to a drawing is part of what the drawing was made from."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def bundle(before: str) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without any import; `before`: the one there already, or nothing.

    Its first line says what it was made by, and the hash of the rest: one that was edited is made again.
    """
    by = f"// Vega-Lite {VEGA_LITE} and Vega-Embed, from vl-convert {version('vl-convert-python')}"
    first, _, script = before.partition("\n")
    if first != f"{by}, {_short(script)}":
        import vl_convert

        script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)).strip() + "\n"
    return f"{by}, {_short(script)}\n{script}"


def layer(rows: Sequence[Spec], mark: str, encoding: Spec, **style: Any) -> Spec:
    """One layer of a chart: rows, a mark with its style, and what of the rows it shows."""
    return {"data": {"values": list(rows)}, "mark": {"type": mark, **style}, "encoding": encoding}


def number(field: str) -> Spec:
    """A field on a continuous scale."""
    return {"field": field, "type": "quantitative"}


def name(field: str) -> Spec:
    """A field of names."""
    return {"field": field, "type": "nominal"}


def label(x: Spec, y: Spec, text: str, color: str = MUTED, **style: Any) -> Spec:
    """One line of text at a place: `{"datum": ...}` on a scale, `{"value": ...}` in pixels."""
    style = {"color": color, "align": "left"} | style
    return layer([{"text": text}], "text", {"x": x, "y": y, "text": name("text")}, **style)


def chart(layers: list[Spec], x: Spec, y: Spec, width: int, height: float, title: str = "") -> Spec:
    """Layers on one pair of scales: `width` pixels with all texts, `height` for the plot."""
    return {
        "layer": layers,
        "encoding": {"x": x, "y": y},
        "width": width,
        "height": int(height),
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": {"left": 2, "right": 4, "top": 4, "bottom": 2},
        **({"title": title} if title else {}),
    }


def _clean(text: str, id: str, title: str, alt: str, made: str) -> str:
    root = ET.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            empty = child.tag == f"{_SVG}path" and not child.get("d")
            frame = child.tag == f"{_SVG}path" and child.get("class") in ("background", "foreground")
            if empty or (frame and child.get("fill") is None and child.get("stroke") is None):
                parent.remove(child)
    _unwrap(root)
    # vl-convert counts clip paths up over its process: number them by their order here
    clips = {clip.get("id"): f"{id}-clip{i}" for i, clip in enumerate(root.iter(f"{_SVG}clipPath"))}
    for element in root.iter():
        for name in list(element.attrib):
            if name in _DROPPED or name.startswith("aria-"):
                del element.attrib[name]
                continue
            value = element.attrib[name]
            if name in _PLACES:  # a tenth of a pixel is enough
                value = _NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), value)
            elif name == "id":
                value = clips[value]
            elif value.startswith("url(#"):
                value = f"url(#{clips[value[5:-1]]})"
            element.set(name, value)
        if element.get("opacity") == "1":
            del element.attrib["opacity"]
        element.tag = element.tag.removeprefix(_SVG)
    root.attrib.update({"role": "img", "aria-labelledby": f"{id}-title {id}-desc", "data-made": made})
    for tag, words in (("desc", alt), ("title", title)):
        element = ET.Element(tag, {"id": f"{id}-{tag}"})
        element.text = words
        root.insert(0, element)
    return ET.tostring(root, encoding="unicode")


def _unwrap(element: ET.Element) -> None:
    """Take away groups that do nothing: those without any attribute that is drawn."""
    flat: list[ET.Element] = []
    for child in list(element):
        _unwrap(child)
        plain = child.tag == f"{_SVG}g" and all(
            name in _DROPPED or name.startswith("aria-") or (name == "transform" and value == "translate(0,0)")
            for name, value in child.attrib.items()
        )
        flat += list(child) if plain else [child]
    element[:] = flat
