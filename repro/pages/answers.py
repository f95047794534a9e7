"""Answers of fine-tuned nets to test photos: confusion matrix, classes, the worst mistakes with their photos."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
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
CONFUSED, EXAMPLES = 6, 4  # pairs of classes whose photos are drawn, and photos of each
HARDEST = 50  # classes that are listed where there are more
TURNED = 5  # photos that were turned are named, the rest counted
THUMBNAIL = 128  # pixels


Pixels = np.ndarray | Mapping[int, np.ndarray]  # uint8 [h, w, 3] of each photo, by its place


@dataclass(frozen=True)
class Answers:
    """A net's answers to photos: `labels` and `said` int64 [n], the photo's class and the likeliest; `sure` and `own`
    float [n], the probabilities of the two."""

    classes: tuple[str, ...]
    labels: np.ndarray
    said: np.ndarray
    sure: np.ndarray
    own: np.ndarray


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

    def of(self, net: TrainedNet) -> Answers:
        """Return the answers of the net's best weights to the test photos; none where it has no such weights."""
        said, sure, own = (net.answers.get(name, self.labels[:0]) for name in ("said", "sure", "own"))
        return Answers(self.classes, self.labels[: len(said)], said, sure, own)

    def error(self, net: TrainedNet) -> str:
        """Return `4.2 % of 120 test photos wrong`, or that the net diverged."""
        wrong = self.wrong(net)
        if wrong is None:
            return "diverged in its first epoch"
        return f"{percent(wrong / len(self.labels))} of {len(self.labels):,} test photos wrong"

    @property
    def left_out(self) -> list[str]:
        """What lies among the photos and is not used, with the reason."""
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


@dataclass(frozen=True)
class Confusion:
    """A class that is taken for another: the share of its photos, and which, those the net is surest of first."""

    own: str
    answer: str
    share: str
    photos: tuple[int, ...]


def confusions(given: Answers) -> list[Confusion]:
    """Return what is taken for what, the most frequent first."""
    of_class = np.bincount(given.labels, minlength=len(given.classes))
    found: dict[tuple[int, int], list[int]] = {}
    for row in np.flatnonzero(given.said != given.labels).tolist():
        found.setdefault((int(given.labels[row]), int(given.said[row])), []).append(row)
    return [
        Confusion(
            given.classes[i], given.classes[j], percent(len(rows) / int(of_class[i])),
            tuple(sorted(rows, key=lambda row: (-float(given.sure[row]), row))),
        )
        for (i, j), rows in sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    ]  # fmt: skip


def pairs(confused: Sequence[Confusion]) -> Grid | None:
    """Return the classes that are most often taken for others; None where none is."""
    rows: list[Row] = [(one.own, one.answer, f"{len(one.photos):,}", one.share) for one in confused[:PAIRS]]
    if not rows:
        return None
    more = f" ({len(rows)} of {len(confused)} pairs)" if len(confused) > len(rows) else ""
    head = ("it is", "taken for", "photos", "of the class")
    return Grid(f"What is most often taken for what{more}", head, tuple(rows), numbers=frozenset({2, 3}))


def drawn(given: Answers) -> list[int]:
    """Return the photos that a page draws: of the most frequent confusions, and the surest mistakes."""
    frequent = confusions(given)[:CONFUSED]
    return list(dict.fromkeys([*(row for one in frequent for row in one.photos[:EXAMPLES]), *surest_mistakes(given)]))


def examples(
    given: Answers, confused: Sequence[Confusion], names: Sequence[str] | None, pixels: Pixels
) -> list[dict[str, Any]]:
    """Return the most frequent confusions with some of their photos."""
    return [
        {
            "own": one.own,
            "answer": one.answer,
            "many": f"{len(one.photos):,} photo{'s' * (len(one.photos) != 1)}, {one.share} of the class",
            "photos": [
                {
                    "photo": _thumbnail(pixels[row]),
                    "name": names[row] if names else "",
                    "sure": percent(float(given.sure[row])),
                }
                for row in one.photos[:EXAMPLES]
            ],
        }
        for one in confused[:CONFUSED]
    ]


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


def surest_mistakes(given: Answers) -> list[int]:
    """Return the mistakes in which the photo's own class has the least probability, that with the least first."""
    missed = np.flatnonzero(given.said != given.labels)
    rows: list[int] = missed[np.argsort(given.own[missed], kind="stable")][:WORST].tolist()
    return rows


def mistakes(given: Answers, names: Sequence[str] | None, pixels: Pixels) -> list[dict[str, str]]:
    """Return the mistakes that the net is surest of, with their photos."""
    return [
        {
            "photo": _thumbnail(pixels[row]),
            "name": names[row] if names else "",
            "own": given.classes[given.labels[row]],
            "answer": given.classes[given.said[row]],
            "sure": percent(float(given.sure[row])),
            "likely": percent(float(given.own[row])),
        }
        for row in surest_mistakes(given)
    ]


def _thumbnail(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).resize((THUMBNAIL, THUMBNAIL)).save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def interval(wrong: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval (Wilson's) of the error of which `n` photos, `wrong` of them mistaken, are a sample."""
    from scipy import stats  # it takes longer to import than a page does

    low, high = stats.binomtest(wrong, n).proportion_ci(method="wilson")
    return float(low), float(high)


def boxed(wrong: int, n: int, photos: str) -> dict[str, str]:
    """Return the head of a box that has an error, and how well so many `photos` tell it."""
    low, high = interval(wrong, n)
    sure = f"these photos being a sample, {100 * low:.1f} to {100 * high:.1f} % (95 %)"
    return {"headline": f"{percent(wrong / n)} wrong", "finding": f"{wrong:,} of {n:,} {photos}; {sure}."}


def percent(share: float) -> str:
    """Return a share as `4.2 %`."""
    return f"{100 * share:.1f} %"
