"""What README's first screen answers: a figure, which error to expect from scratch, and which difference costs what.

All of it is from the claims' records and the runs of the reference shelf.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from repro.claim.files import AnyFile, ClaimFile
from repro.draw import svg
from repro.errors import ReproError
from repro.files import write_whole
from repro.pages import opening, records
from repro.pages.typeset import HERE
from repro.pages.view import show
from repro.questions.exhibit import Exhibit
from repro.questions.learning import learning
from repro.questions.trial import Trials
from repro.questions.units import listed
from repro.store import Table

PICTURE = Path("docs", "opening.svg")  # below the project's folder
MARGIN = 16  # pixels around a drawing that stands alone
_ROOT = re.compile(r":root \{(.*?)\}", re.DOTALL)
_VARIABLE = re.compile(r"--[a-z]+: #[0-9a-f]{6};")


def picture(id: str, claims: Sequence[AnyFile], runs: Table | Trials, home: Path) -> str:
    """Draw a claim's learning curves into `PICTURE` below `home`; return the markdown that shows them."""
    exhibit = _exhibit(id, claims, runs)
    drawing = learning(exhibit).drawing
    (home / PICTURE).parent.mkdir(exist_ok=True)
    write_whole(home / PICTURE, standalone(svg.Stills(())(drawing)))
    verdict = exhibit.judgement.verdict
    finding = f"{verdict.sentence} Verdict: `{verdict.word}`." if exhibit.speaks else "Not run yet."
    return f"[![{drawing.alt}]({PICTURE.as_posix()})]({_page(id)})\n\n{finding} [How it was measured]({_page(id)})."


def standalone(drawing: str) -> str:
    """Return a drawing of a page as a file of its own, with the pages' colours in light and dark and their ground."""
    roots = _ROOT.findall((HERE / "static" / "page.css").read_text())
    light, dark = (" ".join(_VARIABLE.findall(root)) for root in roots[:2])
    style = ET.Element("style")
    style.text = f":root {{ {light} }} @media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    root = ET.fromstring(drawing)
    ET.register_namespace("", "http://www.w3.org/2000/svg")
    del root.attrib["data-made"]
    root.set("font-family", svg.FONT)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    _, _, width, height = map(int, root.attrib["viewBox"].split())
    size = {"width": str(width + 2 * MARGIN), "height": str(height + 2 * MARGIN)}
    root.attrib.update(size | {"viewBox": f"{-MARGIN} {-MARGIN} {' '.join(size.values())}"})
    root.insert(0, ET.Element("rect", {"x": str(-MARGIN), "y": str(-MARGIN), **size, "fill": svg.GROUND}))
    root.insert(0, style)
    return ET.tostring(root, encoding="unicode") + "\n"


def expected(id: str, claims: Sequence[AnyFile], runs: Table | Trials) -> str:
    """Return which error to expect of a claim's net from scratch: the paper's, its authors', others' and ours."""
    exhibit = _exhibit(id, claims, runs)
    paper, rule = exhibit.file.claim.paper, exhibit.file.claim.rule
    assert rule.number is not None, "a claim of an error"
    accuracy = f"{100 * (1 - rule.number):.1f} %"
    out = [f"{paper.says} That is a top-1 accuracy of {accuracy}."]
    if paper.notes is not None:
        out.append(f"Its authors’ notes record {paper.notes.value}.")
    others = [(record.value or " ".join(records.sizes(record, rule.unit)), record.who) for record in paper.later]
    if others:
        out.append(f"Others measured {listed([f'{value} ({who})' for value, who in others])}.")
    ours = f"{exhibit.judgement.estimate_words} at {exhibit.scale} scale" if exhibit.speaks else "not run yet"
    return " ".join([*out, f"Ours: {ours}. [Settings and sources]({_page(id)})."])


def differences(ids: Sequence[str], claims: Sequence[AnyFile], runs: Table | Trials) -> str:
    """Return a markdown table of what differences cost: the paper's number, its authors', others' and ours."""
    lines = ["| what does it cost? | paper | lab notes | others | ours |", "|---|---|---|---|---|"]
    trials = Trials.from_runs(runs)
    for id in ids:
        exhibit = _exhibit(id, claims, trials)
        claim = exhibit.file.claim
        ours = f"{opening.ours(exhibit)}, {exhibit.scale} scale" if exhibit.speaks else "not run yet"
        notes = claim.paper.notes.value if claim.paper.notes else "–"
        cells = (f"[{claim.question}]({_page(id)})", claim.rule.stated(), notes, records.short(claim) or "–", ours)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _exhibit(id: str, claims: Sequence[AnyFile], runs: Table | Trials) -> Exhibit:
    """Return a trained claim judged by the reference runs. ReproError where there is none of this id."""
    file = next((file for file in claims if file.id == id), None)
    if not isinstance(file, ClaimFile):
        raise ReproError(f"README.md: its first screen names {id}; expected a claim that is trained")
    return show(file, "reference", runs)


def _page(id: str) -> str:
    return f"reports/reference/{id}.html"
