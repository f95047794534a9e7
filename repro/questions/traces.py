"""Running errors over stretches of updates, and the test of one printed curve among ours."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean

from repro.questions.statistics import deviation, student
from repro.store import Run
from repro.train.minibatches import batch_sizes


def trace(run: Run, *, every: int, points: int, batch: int, file_images: int, images: int) -> list[float] | None:
    """Return the running training error over `points` stretches of `every` updates; None if an update is missing.

    A stretch's error is errors over images, as the original prints it for each of its data files (source.md 3.2 B).
    """
    errors = {update: wrong for row in run.epochs for update, _, wrong in row["updates"]}
    if not all(update in errors for update in range(1, every * points + 1)):
        return None
    sizes = batch_sizes(images, batch=batch, file_images=file_images)
    out = []
    for p in range(points):
        stretch = range(p * every, (p + 1) * every)
        out.append(sum(errors[u + 1] for u in stretch) / sum(sizes[u % len(sizes)] for u in stretch))
    return out


@dataclass(frozen=True)
class TraceTest:
    """One printed curve against ours (catalogue, cifar_trace).

    `largest`: of each curve, the largest studentised deviation from the others; `authors_largest`: the author's.
    `p`: the author's rank among all n + 1. `offset`: mean over the points of ours minus the author's, with the
    prediction interval of one more curve.
    """

    p: float
    authors_largest: float
    at_point: int  # where the author's curve deviates most, 0-based
    largest: dict[int, float]  # by seed
    offset: float
    offsets: dict[int, float]  # by seed, mean over the points
    low: float
    high: float
    confidence: float
    n: int
    mean: list[float]
    point_low: list[float]  # prediction interval of one more curve, point by point: for the drawing only
    point_high: list[float]


def trace_test(curves: dict[int, list[float]], authors: list[float], confidence: float) -> TraceTest | None:
    """Return the test of the author's curve among ours (by seed); None with fewer than three of ours, since a deviation
    needs at least two others."""
    if len(curves) < 3:
        return None
    all_curves = [*curves.values(), authors]
    scores = [_largest(curve, all_curves[:i] + all_curves[i + 1 :]) for i, curve in enumerate(all_curves)]
    at_point, authors_largest = scores[-1]
    p = sum(score >= authors_largest for _, score in scores) / len(scores)
    n = len(curves)
    by_seed = {seed: fmean(curve) - fmean(authors) for seed, curve in curves.items()}
    offsets = list(by_seed.values())
    quantile = student(confidence, n - 1) * sqrt(1 + 1 / n)
    half = quantile * deviation(offsets)
    points = list(zip(*curves.values(), strict=True))
    mean = [fmean(point) for point in points]
    width = [quantile * deviation(point) for point in points]
    return TraceTest(
        p=p,
        authors_largest=authors_largest,
        at_point=at_point,
        largest={seed: score for seed, (_, score) in zip(curves, scores, strict=False)},
        offset=fmean(offsets),
        offsets=by_seed,
        low=fmean(offsets) - half,
        high=fmean(offsets) + half,
        confidence=confidence,
        n=n,
        mean=mean,
        point_low=[m - w for m, w in zip(mean, width, strict=True)],
        point_high=[m + w for m, w in zip(mean, width, strict=True)],
    )


def _largest(curve: list[float], others: list[list[float]]) -> tuple[int, float]:
    """Return (point, size) of a curve's largest deviation, studentised against the others."""
    scores = []
    for value, there in zip(curve, zip(*others, strict=True), strict=True):
        spread = deviation(there) * sqrt(1 + 1 / len(there))
        if spread:
            scores.append(abs(value - fmean(there)) / spread)
        else:
            scores.append(0.0 if value == there[0] else inf)
    size = max(scores)
    return scores.index(size), size
