"""Nets that answer together: the softmax outputs of their ten views averaged (§6, Table 2). numpy alone, no weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np

from repro.errors import ReproError
from repro.store import Run, array

Members = tuple[int, ...]  # places among the nets that there are


def statistic(runs: Sequence[Run], size: int, *, answers: int, gain: bool) -> Callable[[Members], float]:
    """Of an ensemble of `size` of these evaluations in ten views: its error in so many answers, or how much lower that
    is than its members' mean."""
    found = _errors(tuple(run.path for run in runs), size, answers)

    def of(members: Members) -> float:
        return sum(found[(i,)] for i in members) / size - found[members] if gain else found[members]

    return of


@lru_cache  # a report judges a claim several times, and 252 ensembles of 50,000 photos take a while
def _errors(paths: tuple[Path, ...], size: int, answers: int) -> dict[Members, float]:
    """The error of each net alone and of every ensemble."""
    labels, *others = (array(path, "labels") for path in paths)
    for path, other in zip(paths[1:], others, strict=True):
        if not np.array_equal(labels, other):
            raise ReproError(f"{path}: answers for other photos than {paths[0]}; remove one of them to look again")
    shares = [array(path, "shares").astype(np.float32) for path in paths]
    ensembles = [*((i,) for i in range(len(paths))), *combinations(range(len(paths)), size)]
    return {members: error(np.sum([shares[i] for i in members], 0), labels, answers) for members in ensembles}


def error(shares: np.ndarray, labels: np.ndarray, answers: int) -> float:
    """The share of photos whose class is not among the `answers` likeliest; of equal shares the lower class leads."""
    own = shares[np.arange(len(labels)), labels][:, None]
    lower = np.arange(shares.shape[1])[None] < labels[:, None]
    return float((((shares > own) | ((shares == own) & lower)).sum(1) >= answers).mean())
