"""The training step's speed as lines and as README's table: from what `repro bench alexnet` measured, typed nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

from repro.errors import ReproError

KEPT = Path("runs", "reference", "bench", "alexnet.json")  # below the project's folder


def lines(found: dict[str, Any]) -> list[str]:
    """A line for each step, then what they were measured on."""
    shown = [
        f"{name:<52} {rate:8.1f} images/s   {adds:6.1f} M multiply-adds an image   {beside}"
        for name, rate, adds, beside in _rows(found)
    ]
    return [*shown, conditions(found)]


def table(home: Path) -> str:
    """The markdown table of what is kept on the reference shelf, and a line on how it was measured."""
    path = home / KEPT
    if not path.is_file():
        raise ReproError(f"{path}: not there; measure: python -m repro bench alexnet --reference")
    found = json.loads(path.read_text())
    rows = [f"| {name} | {rate:,.1f} | {adds:,.1f} million | {beside} |" for name, rate, adds, beside in _rows(found)]
    head = ["| training step | images/s | multiply-adds an image | |", "|---|---:|---:|---|"]
    return "\n".join([*head, *rows, "", conditions(found)])


def conditions(found: dict[str, Any]) -> str:
    """One sentence: what was measured on which machine."""
    made = found["made"]
    where = made["device"] if made["device"] != "cpu" else f"one thread of {made['processor']}"
    return (
        f"Median of {found['rounds']} rounds in turn, batch {found['batch']}, {found['pixels']} x {found['pixels']} "
        f"pixels, fp32, on {where}; torch {made['torch']}, torchvision {made['torchvision']}. Before it the load was "
        f"{made['load']:.1f} on {made['cores']} cores."
    )


def _rows(found: dict[str, Any]) -> list[tuple[str, float, float, str]]:
    """(name, images/s, millions of multiply-adds, how the first stands to it); the ratio is a median over rounds."""
    first, *_ = found["steps"]
    out = []
    for step in found["steps"]:
        rate = found["batch"] / median(step["seconds"])
        ratio = median(their / our for our, their in zip(first["seconds"], step["seconds"], strict=True))
        beside = "" if step is first else f"the first is {ratio:.2f} times as fast"
        out.append((step["name"], rate, step["multiply_adds"] / 1e6, beside))
    return out
