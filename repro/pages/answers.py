"""Answers of fine-tuned nets to test photos: confusion matrix, classes, the worst mistakes with their photos."""

from __future__ import annotations

import base64
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
TURNED = 5  # photos that were turned are named, the rest counted
THUMBNAIL = 128  # pixels


@dataclass(frozen=True)
class TrainedNet:
    """One net: its run, and the answers of its weights of epoch `best` to every test photo.

    `answers`: `said` int64 [n], the likeliest class; `sure` and `own` float32 [n], its probability and that of the
    photo's own class. Empty where the net diverged in its first epoch.
    """

    name: str  # "fine-tuned", "from scratch"
    config: RunConfig
    rows: tuple[recorded.Row, ...]  # an epoch each
    best: int
    answers: dict[str, np.ndarray]
    path: Path


@dataclass(frozen=True)
class FineTuning:
    """All that the page of a fine-tuning is made of.

    `pixels` uint8 [n, h, w, 3] and `labels` int64 [n] are of the test photos, `names` their files; `photos`: how many
    photos each part of the set has; `out`: the folder of the page.
    """

    where: str
    classes: tuple[str, ...]
    labels: np.ndarray
    names: tuple[str, ...] | None
    pixels: np.ndarray
    photos: dict[str, int]
    manifest: dict[str, Any]
    weights: str | None
    tried: tuple[TrainedNet, ...]
    provenance: recorded.Provenance
    out: Path
    notes: tuple[str, ...] = ()  # on the weights and on what the net reads of a photo

    def wrong(self, net: TrainedNet) -> int | None:
        """Return how many test photos the net's best weights take for another class; None without such weights."""
        return int((net.answers["said"] != self.labels).sum()) if net.answers else None

    def error(self, net: TrainedNet) -> str:
        """Return `4.2 % of 120 test photos wrong`, or that the net diverged."""
        wrong = self.wrong(net)
        if wrong is None:
            return "diverged in its first epoch"
        return f"{percent(wrong / len(self.labels))} of {len(self.labels):,} test photos wrong"

    @property
    def left_out(self) -> list[str]:
        """Return what lies among the photos and is not used, with the reason."""
        excluded = [f"{e['photo']} ({e['class']}, {e['split']}): {e['reason']}" for e in self.manifest["excluded"]]
        return [*excluded, *self.manifest["passed_over"]]

    @property
    def about_photos(self) -> list[str]:
        """What a reader must know of the photos to believe the errors."""
        turned, in_both, n = self.manifest.get("turned", []), self.manifest.get("in_both", 0), len(self.labels)
        out = []
        if in_both:
            out.append(f"{in_both:,} of {n:,} test photos are, byte for byte, also among those trained on: the errors "
                       "are too low")  # fmt: skip
        if turned:
            more = f" and {len(turned) - TURNED:,} more" if len(turned) > TURNED else ""
            out.append(f"{len(turned):,} photos were turned upright, as their EXIF orientation says: "
                       f"{', '.join(turned[:TURNED])}{more}")  # fmt: skip
        return out

    def lines(self, out: str) -> list[str]:
        """Return the lines that a terminal prints at the end; `out`: the folder as the user named it."""
        not_used = len(self.left_out)
        return [
            *([f"not used of {self.where}: {not_used}; the page names each, with the reason"] * (not_used > 0)),
            *self.notes,
            *self.about_photos,
            *(f"{net.name}: {self.error(net)}" for net in self.tried),
            f"page: {out}/index.html; weights: {out}/best.safetensors and last.safetensors",
        ]


def matrix(tuning: FineTuning, net: TrainedNet) -> dict[str, Any]:
    """Return the confusion matrix, a row for each class, with shares of the class in percent."""
    counts = _counts(tuning, net)
    shares = counts / counts.sum(1, keepdims=True)
    rows = [
        {
            "name": name,
            "cells": [
                {"n": int(n), "share": round(100 * float(share)), "own": i == j}
                for j, (n, share) in enumerate(zip(counts[i], shares[i], strict=True))
            ],
        }
        for i, name in enumerate(tuning.classes)
    ]
    return {"head": tuning.classes, "rows": rows}


def pairs(tuning: FineTuning, net: TrainedNet) -> Grid | None:
    """Return the pairs of classes that are most often mistaken for each other; None where nothing is."""
    counts = _counts(tuning, net)
    of_class = counts.sum(1)
    mistakes = [(int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True) if i != j]
    mistakes.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    rows: list[Row] = [
        (tuning.classes[i], tuning.classes[j], f"{n:,}", percent(n / int(of_class[i]))) for n, i, j in mistakes[:PAIRS]
    ]
    if not rows:
        return None
    more = f" ({len(rows)} of {len(mistakes)} pairs)" if len(mistakes) > len(rows) else ""
    head = ("it is", "taken for", "photos", "of the class")
    return Grid(f"What is most often taken for what{more}", head, tuple(rows), numbers=frozenset({2, 3}))


def per_class(tuning: FineTuning) -> Grid:
    """Return each class's error under both nets, the hardest first."""
    with_answers = [net for net in tuning.tried if net.answers]
    of_class = np.bincount(tuning.labels, minlength=len(tuning.classes))
    wrong = {
        t.name: np.bincount(tuning.labels[t.answers["said"] != tuning.labels], minlength=len(of_class))
        for t in with_answers
    }
    first = wrong[with_answers[0].name] / of_class
    trained = tuning.manifest["of_class"]["train"]
    order = sorted(range(len(of_class)), key=lambda label: (-first[label], label))
    rows: list[Row] = [
        (tuning.classes[c], f"{trained[c]:,}", f"{of_class[c]:,}", *(percent(wrong[t][c] / of_class[c]) for t in wrong))
        for c in order
    ]
    head = ("class", "training photos", "test photos", *(f"wrong, {name}" for name in wrong))
    return Grid("Every class, the hardest first", head, tuple(rows), numbers=frozenset(range(1, len(head))))


def _counts(tuning: FineTuning, net: TrainedNet) -> np.ndarray:
    """Return int64 [classes, classes]: photos of a class (rows) by the class that the net answers."""
    out = np.zeros((len(tuning.classes),) * 2, dtype=np.int64)
    np.add.at(out, (tuning.labels, net.answers["said"]), 1)
    return out


def worst(tuning: FineTuning, net: TrainedNet) -> list[dict[str, str]]:
    """Return the mistakes that the net is surest of: those in which the photo's own class has the least probability."""
    answers = net.answers
    missed = np.flatnonzero(answers["said"] != tuning.labels)
    missed = missed[np.argsort(answers["own"][missed], kind="stable")][:WORST]
    return [
        {
            "photo": _thumbnail(tuning.pixels[row]),
            "name": tuning.names[row] if tuning.names else "",
            "own": tuning.classes[tuning.labels[row]],
            "answer": tuning.classes[answers["said"][row]],
            "sure": percent(float(answers["sure"][row])),
            "likely": percent(float(answers["own"][row])),
        }
        for row in missed.tolist()
    ]


def _thumbnail(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).resize((THUMBNAIL, THUMBNAIL)).save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def percent(share: float) -> str:
    """Return a share as `4.2 %`."""
    return f"{100 * share:.1f} %"
