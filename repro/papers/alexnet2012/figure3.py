"""Figure 3 of the paper: a picture of the kernels of conv1 by tower, and their chroma shares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from repro.draw.parts import Part, Picture
from repro.draw.pictures import data_uri
from repro.questions.evaluation_sections import PageParts, table_of_seeds
from repro.store import DamagedRun, Run
from repro.store.damage import Violation

GREY, GAP, TOWER_GAP = 128, 1, 5  # the background; pixels between kernels; pixels between towers
FAINT = 0.25  # contrast of kernels that are mostly noise
PICTURED = 288  # most kernels drawn: three nets of 96, six of half the width (a page stays below 300 kB)


def page_parts(runs: Mapping[int, Run]) -> PageParts:
    """Return the towers' chroma shares by seed, and pictures of the kernels of the first seeds."""
    cells = [("learned_1", "count"), ("learned_2", "count"), ("chroma_1", "tower"), ("chroma_2", "tower")]
    cells += [("difference", "share"), ("p", "p")]
    head = ("kernels, tower 1", "kernels, tower 2", "chroma, tower 1", "chroma, tower 2", "absolute difference", "p")
    parts: list[Part] = [table_of_seeds("Chroma share of what the towers’ kernels have learned", head, runs, cells)]
    drawn = list(runs.items())[: int(PICTURED // next(iter(runs.values())).values["kernels"])]
    parts += [picture(seed, run) for seed, run in drawn]
    text = (
        "Noise has a chroma share of 0.667, so a kernel that has not learned would look specific to colour. What is "
        "left of the initial noise is therefore subtracted, and kernels that are mostly noise do not count. Which of "
        "the two towers is specific to colour may differ between runs."
    )
    if len(drawn) < len(runs):
        text += f" The first {len(drawn)} of {len(runs)} seeds are drawn; the evaluations hold all kernels."
    return PageParts("Kernels by tower", text, tuple(parts), figure=True)


def picture(seed: int, run: Run) -> Picture:
    """Draw all kernels of one net, tower 1 above tower 2, each at full contrast, or faint if it is mostly noise."""
    kernels = run.array("kernels").astype(np.float64)
    new = run.array("new")
    if kernels.ndim != 4 or kernels.shape[1] != 3 or new.shape != kernels.shape[:1]:
        expected = f"[kernels, 3, height, width], with one number in new.npy for each, which has {new.shape}"
        raise DamagedRun(run.path, Violation(run.id, "kernels.npy", "shape", str(kernels.shape), expected))
    learned = new >= run.options["new"]
    pixels = arrange(kernels, learned)
    values = run.values
    alt = (
        f"The {len(kernels)} kernels of conv1, seed {seed}: tower 1 above, with a mean chroma share of "
        f"{_share(values, 'chroma_1')}, and tower 2 below, {_share(values, 'chroma_2')}; p = {values['p']:.2g}."
    )
    caption = f"Kernels of conv1, seed {seed}: tower 1 above, tower 2 below."
    note = "" if learned.all() else "Faint: little else than its initial noise, and not counted."
    return Picture(data_uri(pixels), pixels.shape[1], pixels.shape[0], alt, caption, note)


def _share(values: dict[str, float], key: str) -> str:
    return f"{values[key]:.2f}" if key in values else "none, for no kernel has learned"


def arrange(kernels: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """Arrange kernels [n, 3, h, w] in rows, the first half above the second, with a gap between the halves.

    Return uint8 [height, width, 3]. `learned`: bool [n]; the other kernels are faint.
    """
    count, _, height, width = kernels.shape
    half = count // 2
    columns = max(c for c in range(1, min(16, half) + 1) if half % c == 0)
    rows = half // columns
    tall, wide = height + GAP, width + GAP
    out = np.full((2 * rows * tall - GAP + TOWER_GAP, columns * wide - GAP, 3), GREY, np.uint8)
    for i, kernel in enumerate(kernels):
        size = np.abs(kernel).max()
        scaled = 127 * kernel / size if size else kernel
        values = (GREY + scaled * (1.0 if learned[i] else FAINT)).round()
        tower, place = divmod(i, half)
        top = (tower * rows + place // columns) * tall + tower * TOWER_GAP
        left = place % columns * wide
        out[top : top + height, left : left + width] = values.transpose(1, 2, 0).clip(0, 255)
    return out
