"""How pages are set: their templates, type and style, the same for all."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.draw import svg

if TYPE_CHECKING:
    import jinja2
    import markupsafe

HERE = Path(__file__).parent
FONTS = (("normal", "stix-two-text.woff2"), ("italic", "stix-two-text-italic.woff2"))
TYPE = (
    (re.compile(r"(?<![\w-])-(?=\d)"), "−"),
    (re.compile(r"(?<=\w)'(?=\w)|(?<=s)'(?=\s)"), "’"),
    (re.compile(r"(?<=\d) (?=%)"), "\u202f"),
    (re.compile(r"(?<=\b[np]) = (?=[\d.])"), "\u00a0=\u00a0"),
    (re.compile(r"(\btop|ILSVRC|#[\w-]*\d)-(?=\w)"), "\\1-\u2060"),  # no line ends within a name
)


def environment(before: Sequence[str]) -> jinja2.Environment:
    """The templates of all pages; `before`: the pages there already, from which unchanged drawings are taken."""
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_set,
    )
    templates.globals["still"] = svg.Stills(before)
    templates.filters |= {"unbroken": _unbroken, "coded": _coded}
    return templates


def static(out: Path) -> dict[str, str]:
    """What pages in the folder `out` have in common: their style with its fonts, and their scripts."""
    vega = out / "static" / "vega.js"
    return {
        "static/page.css": _stylesheet(),
        "static/page.js": (HERE / "static" / "page.js").read_text(),
        "static/vega.js": svg.bundle(vega.read_text() if vega.is_file() else ""),
    }


def _set(value: Any) -> Any:
    """Text as a compositor sets it: true minus signs and apostrophes, and numbers on one line with their signs."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    for pattern, by in TYPE:
        value = pattern.sub(by, value)
    return value


def _unbroken(command: str) -> markupsafe.Markup:
    """A command that breaks between its words alone, an option's name staying with its value."""
    import markupsafe

    word = markupsafe.Markup('<span class="word">{}</span>')
    return markupsafe.Markup(" ").join(word.format(part) for part in re.findall(r"-\S+ \S+|\S+", command))


def _coded(text: str) -> markupsafe.Markup:
    """A sentence with the commands in it, which stand between backticks, as code."""
    import markupsafe

    parts = enumerate(_set(text).split("`"))
    code = markupsafe.Markup("<code>{}</code>")
    return markupsafe.Markup("").join(code.format(_unbroken(part)) if i % 2 else part for i, part in parts)


def _stylesheet() -> str:
    """The style of all pages with its fonts inside: browsers differ in whether a page on disk may load a font."""
    faces = []
    for style, name in FONTS:
        content = base64.b64encode((HERE / "static" / name).read_bytes()).decode()
        faces.append(
            f'@font-face{{font-family:"STIX Two Text";font-style:{style};font-weight:400 700;font-display:block;'
            f"src:url(data:font/woff2;base64,{content}) format('woff2')}}\n"
        )
    return "".join(faces) + (HERE / "static" / "page.css").read_text()
