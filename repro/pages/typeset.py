"""How pages are set: their templates, type and style, the same for all."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.claim import sources
from repro.claim.sources import Source
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
RUN = re.compile(r"\b[0-9a-f]{16}\b")  # a run's id
LINK = re.compile(r"\[([^\]]+)\]\((https://[^)\s]+)\)")


def environment(
    before: Sequence[str], source: Source | None = None, runs: Collection[str] = (), up: str = ""
) -> jinja2.Environment:
    """Return the templates of all pages.

    `before`: the pages there already, from which unchanged drawings are taken. `source`: what citations of source.md
    link to; None leaves them as text. `runs`: ids of the runs that have a page. `up`: the way from the page to the
    folder of the claims' pages: empty, or `../`.
    """
    import jinja2
    import markupsafe

    def put(value: Any) -> Any:
        """Set a text and link its citations."""
        if not isinstance(value, str) or hasattr(value, "__html__"):
            return value
        return _cited(value, source, up) if source and sources.NAME in value else _set(value)

    def link_runs(value: Any) -> Any:
        """Set a text and link the ids of runs that have a page."""
        link = markupsafe.Markup('<a class="run" href="{}runs/{}.html">{}</a>')
        text = str(markupsafe.escape(put(value)))
        return markupsafe.Markup(
            RUN.sub(lambda found: link.format(up, found[0], found[0]) if found[0] in runs else found[0], text)
        )

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=put,
    )
    templates.globals |= {"still": svg.Stills(before), "up": up}
    templates.filters |= {
        "unbroken": _unbroken,
        "coded": lambda text: _coded(put(text), _unbroken),
        "named": lambda text: _coded(put(text)),
        "runs": link_runs,
        "linked": lambda text: _linked(text, put),
    }
    return templates


def static(out: Path) -> dict[str, str]:
    """Return what pages in the folder `out` have in common: their style with its fonts, and their scripts."""
    vega = out / "static" / "vega.js"
    return {
        "static/page.css": stylesheet(),
        "static/page.js": (HERE / "static" / "page.js").read_text(),
        "static/index.js": (HERE / "static" / "index.js").read_text(),
        "static/vega.js": svg.bundle(vega.read_text() if vega.is_file() else ""),
    }


def _set(text: str) -> str:
    """Return a text with true minus signs and apostrophes, and with numbers that stay on one line with their signs."""
    for pattern, by in TYPE:
        text = pattern.sub(by, text)
    return text


def _cited(text: str, source: Source, up: str) -> markupsafe.Markup:
    """Return a text whose citations of source.md are links to their rows; a citation of no row stays as it is."""
    import markupsafe

    link = markupsafe.Markup('<a href="{}source.html{}">{}</a>')
    parts: list[str] = []
    end = 0
    for cited in sources.citations(text, source):
        words = _set(text[cited.start : cited.end].replace(sources.NAME, "source facts"))
        place = f"#{cited.anchor}" if cited.anchor else ""
        parts += [_set(text[end : cited.start]), words if cited.anchor is None else link.format(up, place, words)]
        end = cited.end
    return markupsafe.Markup("").join([*parts, _set(text[end:])])


def _linked(text: str, put: Callable[[str], str]) -> markupsafe.Markup:
    """Return a line of Markdown as HTML: `[name](address)` as a link, names in backticks as code."""
    import markupsafe

    link = markupsafe.Markup('<a href="{}">{}</a>')
    pieces = LINK.split(text)  # text, name, address, text, ...
    names = [link.format(address, name) for name, address in zip(pieces[1::3], pieces[2::3], strict=True)]
    plain = [_coded(put(piece)) for piece in pieces[::3]]
    return markupsafe.Markup("").join(part for pair in zip(plain, [*names, ""], strict=True) for part in pair)


def _unbroken(command: str) -> markupsafe.Markup:
    """Return a command that breaks between its words alone, an option's name staying with its value."""
    import markupsafe

    word = markupsafe.Markup('<span class="word">{}</span>')
    return markupsafe.Markup(" ").join(word.format(part) for part in re.findall(r"-\S+ \S+|\S+", command))


def _coded(text: str, of: Callable[[str], str] | None = None) -> markupsafe.Markup:
    """Return a set text with its names, which stand between backticks, as code; `of`: how code is set."""
    import markupsafe

    code = markupsafe.Markup("<code>{}</code>")
    parts = enumerate(text.split("`"))
    return markupsafe.Markup("").join(code.format(of(part) if of else part) if i % 2 else part for i, part in parts)


def stylesheet() -> str:
    """Return the style of all pages with its fonts inside, since not every browser lets a page on disk load one."""
    faces = []
    for style, name in FONTS:
        content = base64.b64encode((HERE / "static" / name).read_bytes()).decode()
        faces.append(
            f'@font-face{{font-family:"STIX Two Text";font-style:{style};font-weight:400 700;font-display:block;'
            f"src:url(data:font/woff2;base64,{content}) format('woff2')}}\n"
        )
    return "".join(faces) + (HERE / "static" / "page.css").read_text()
