"""The page of given weights evaluated on photos: errors, classes, what is taken for what, and mistakes with photos.

It stands alone, on the user's own photos; one net, so no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from repro.draw.parts import Grid, Row
from repro.files import write_files
from repro.frames import exports
from repro.pages import answers, evidence, frames
from repro.pages.answers import Answers, percent
from repro.pages.typeset import environment, stylesheet
from repro.store import rows as recorded


@dataclass(frozen=True)
class Evaluated:
    """All that the page is made of.

    `photos`: their names, as many as `answers` has. `right5`: photos whose class is among five answers.
    `documented`: the publisher's (top-1, top-5) accuracy in percent. `pixels`: of the photos that are drawn.
    """

    net: str
    where: str
    answers: Answers
    photos: tuple[str, ...]
    right5: int
    documented: tuple[float, float] | None
    left_out: tuple[str, ...]
    lines: tuple[str, ...]  # the result as the terminal has it
    provenance: recorded.Provenance
    pixels: Mapping[int, np.ndarray] = field(default_factory=dict)


def write(of: Evaluated, out: Path) -> None:
    """Write `index.html` with its style into the folder `out`, and every answer as `answers.csv` and `.parquet`."""
    files: dict[str, str | bytes] = {
        "static/page.css": stylesheet(),
        **exports({"answers": frames.answers({of.net: of.answers}, of.photos)}),
        "index.html": environment(()).get_template("evaluation.html").render(_page(of)),
    }
    write_files(out, files)


def _page(of: Evaluated) -> dict[str, Any]:
    """Return everything that templates/evaluation.html prints."""
    given = of.answers
    confused = answers.confusions(given)
    wrong, n = int((given.said != given.labels).sum()), len(given.labels)
    errors = [("one answer", wrong)] + [("five answers", n - of.right5)] * (len(given.classes) > 5)
    return {
        "net": of.net,
        "where": of.where,
        "sentence": f"{percent(wrong / n)} of {n:,} photos are taken for another class.",
        "boxes": [_box(of, i, title, missed) for i, (title, missed) in enumerate(errors)],
        "per_class": _per_class(of),
        "pairs": answers.pairs(confused),
        "confusions": answers.examples(given, confused, of.photos, of.pixels),
        "worst": answers.mistakes(given, of.photos, of.pixels),
        "lines": of.lines,
        "made": _made(of),
        "left_out": of.left_out,
    }


def _box(of: Evaluated, i: int, title: str, wrong: int) -> dict[str, Any]:
    """Return an error with its interval, beside the documented one."""
    n, why = len(of.photos), ""
    if of.documented:
        low, high = answers.interval(wrong, n)
        documented = 1 - of.documented[i] / 100
        where = "inside" if low <= documented <= high else "outside"
        why = f"Its publisher documents {percent(documented)}, {where} the interval."
    return {"title": title, **answers.boxed(wrong, n, "photos"), "why": why}


def _per_class(of: Evaluated) -> Grid:
    """Return the classes with most mistakes for their photos."""
    given = of.answers
    many = np.bincount(given.labels, minlength=len(given.classes))
    wrong = np.bincount(given.labels[given.said != given.labels], minlength=len(given.classes))
    there = [c for c in range(len(given.classes)) if many[c]]
    order = sorted(there, key=lambda c: (-wrong[c] / many[c], c))
    rows: list[Row] = [
        (given.classes[c], f"{many[c]:,}", f"{wrong[c]:,}", percent(wrong[c] / many[c]))
        for c in order[: answers.HARDEST]
    ]
    which = "Every class" if len(order) == len(rows) else f"{len(rows)} of {len(order)} classes"
    head = ("class", "photos", "wrong", "of the class")
    return Grid(f"{which}, the hardest first", head, tuple(rows), numbers=frozenset({1, 2, 3}))


def _made(of: Evaluated) -> Grid:
    """Return what ran it."""
    rows: list[Row] = [("net", of.net), ("photos", of.where)]
    rows += list(zip(evidence.ABOUT[1:], evidence.setup(dict(of.provenance), 1)[1:], strict=True))
    return Grid("What was evaluated, and by what", ("", "here"), tuple(rows))
