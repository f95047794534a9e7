"""What nets answer to test photos: the confusion matrix, the classes, the worst mistakes with their photos."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from repro.claim.config import RunConfig
from repro.draw.parts import Grid, Row
from repro.store import rows as recorded

WORST = 24  # mistakes with their photos
PAIRS = 20
THUMBNAIL = 128  # pixels


@dataclass(frozen=True)
class Tried:
    """One net: its run, and what the weights of epoch `best` answer to every test photo (`said` int64 [n], the
    likeliest class; `sure` and `own` float32 [n], its probability and the own class's); empty where it diverged at
    once."""

    name: str  # "fine-tuned", "from scratch"
    config: RunConfig
    rows: tuple[recorded.Row, ...]  # an epoch each
    best: int
    answers: dict[str, np.ndarray]
    path: Path


@dataclass(frozen=True)
class Told:
    """All that the page tells. `pixels` uint8 [n, h, w, 3] and `labels` int64 [n] are of the test photos, `names` their
    files; `photos`: how many of each part."""

    where: str
    classes: tuple[str, ...]
    labels: np.ndarray
    names: tuple[str, ...] | None
    pixels: np.ndarray
    photos: dict[str, int]
    manifest: dict[str, Any]
    weights: str | None
    tried: tuple[Tried, ...]
    provenance: recorded.Provenance
    out: Path

    def wrong(self, tried: Tried) -> int | None:
        """Test photos that its best weights take for another class; None where there are no such weights."""
        return int((tried.answers["said"] != self.labels).sum()) if tried.answers else None

    def error(self, tried: Tried) -> str:
        """`4.2 % of 120 test photos wrong`."""
        wrong = self.wrong(tried)
        if wrong is None:
            return "diverged in its first epoch"
        return f"{percent(wrong / len(self.labels))} of {len(self.labels):,} test photos wrong"

    @property
    def left_out(self) -> list[str]:
        """What was found among the photos and not used, with the reason."""
        excluded = [f"{e['photo']} ({e['class']}, {e['split']}): {e['reason']}" for e in self.manifest["excluded"]]
        return [*excluded, *self.manifest["passed_over"]]

    def lines(self, out: str) -> list[str]:
        """What a terminal says at the end; `out`: the folder, as it is said there."""
        not_used = len(self.left_out)
        return [
            *([f"not used of {self.where}: {not_used}; the page names each, with the reason"] * (not_used > 0)),
            *(f"{tried.name}: {self.error(tried)}" for tried in self.tried),
            f"page: {out}/index.html; weights: {out}/best.safetensors and last.safetensors",
        ]


def matrix(told: Told, tried: Tried) -> dict[str, Any]:
    counts = _counts(told, tried)
    shares = counts / counts.sum(1, keepdims=True)
    rows = [
        {
            "name": name,
            "cells": [
                {"n": int(n), "share": round(100 * float(share)), "own": i == j}
                for j, (n, share) in enumerate(zip(counts[i], shares[i], strict=True))
            ],
        }
        for i, name in enumerate(told.classes)
    ]
    return {"head": told.classes, "rows": rows}


def pairs(told: Told, tried: Tried) -> Grid | None:
    """What is most often taken for what."""
    counts = _counts(told, tried)
    of_class = counts.sum(1)
    found = [(int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True) if i != j]
    found.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    rows: list[Row] = [
        (told.classes[i], told.classes[j], f"{n:,}", percent(n / int(of_class[i]))) for n, i, j in found[:PAIRS]
    ]
    if not rows:
        return None
    more = f" ({len(rows)} of {len(found)} pairs)" if len(found) > len(rows) else ""
    head = ("it is", "taken for", "photos", "of the class")
    return Grid(f"What is most often taken for what{more}", head, tuple(rows), numbers=frozenset({2, 3}))


def per_class(told: Told) -> Grid:
    """Each class's error under both nets, the hardest first."""
    with_answers = [tried for tried in told.tried if tried.answers]
    of_class = np.bincount(told.labels, minlength=len(told.classes))
    wrong = {
        t.name: np.bincount(told.labels[t.answers["said"] != told.labels], minlength=len(of_class))
        for t in with_answers
    }
    first = wrong[with_answers[0].name] / of_class
    trained = told.manifest["of_class"]["train"]
    order = sorted(range(len(of_class)), key=lambda label: (-first[label], label))
    rows: list[Row] = [
        (told.classes[c], f"{trained[c]:,}", f"{of_class[c]:,}", *(percent(wrong[t][c] / of_class[c]) for t in wrong))
        for c in order
    ]
    head = ("class", "training photos", "test photos", *(f"wrong, {name}" for name in wrong))
    return Grid("Every class, the hardest first", head, tuple(rows), numbers=frozenset(range(1, len(head))))


def _counts(told: Told, tried: Tried) -> np.ndarray:
    """int64 [classes, classes]: photos of a class (rows) by what they were taken for."""
    out = np.zeros((len(told.classes),) * 2, dtype=np.int64)
    np.add.at(out, (told.labels, tried.answers["said"]), 1)
    return out


def worst(told: Told, tried: Tried) -> list[dict[str, str]]:
    """The mistakes that the net is surest of, measured by how unlikely it holds the photo's own class."""
    answers = tried.answers
    missed = np.flatnonzero(answers["said"] != told.labels)
    missed = missed[np.argsort(answers["own"][missed], kind="stable")][:WORST]
    return [
        {
            "photo": _thumbnail(told.pixels[row]),
            "name": told.names[row] if told.names else "",
            "own": told.classes[told.labels[row]],
            "said": told.classes[answers["said"][row]],
            "sure": percent(float(answers["sure"][row])),
            "likely": percent(float(answers["own"][row])),
        }
        for row in missed.tolist()
    ]


def _thumbnail(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).resize((THUMBNAIL, THUMBNAIL)).save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def as_csv(told: Told) -> str:
    """A line for each test photo: its file, its class, and what each net said with which probability."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    tried = [t for t in told.tried if t.answers]
    lines.writerow(["photo", "class", *(f"{t.name} {what}" for t in tried for what in ("said", "sure", "own class"))])
    for row, label in enumerate(told.labels.tolist()):
        said = [
            cell
            for t in tried
            for cell in (
                told.classes[t.answers["said"][row]], f"{t.answers['sure'][row]:.4f}", f"{t.answers['own'][row]:.4f}",
            )
        ]  # fmt: skip
        lines.writerow([told.names[row] if told.names else row, told.classes[label], *said])
    return out.getvalue()


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
