"""Damaged runs of a shelf, as lines and as pages name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repro.store import DamagedRun

NEXT = "python -m repro audit"  # says all that is wrong with them, and with others


def lines(damaged: Mapping[str, DamagedRun]) -> list[str]:
    """Return a line for each damaged run, with what is wrong and the next step, under one that counts them."""
    if not damaged:
        return []
    return [f"{_left_out(len(damaged))}:", *(f"  {damage}" for damage in damaged.values())]


def section(damaged: Mapping[str, DamagedRun]) -> dict[str, Any] | None:
    """Return what pages print of the damaged runs of their shelf; None where there is none."""
    if not damaged:
        return None
    rows = [(run, str(damage.violation)) for run, damage in damaged.items()]
    return {"text": f"{_left_out(len(damaged))} of all verdicts.", "runs": rows, "command": NEXT}


def _left_out(count: int) -> str:
    return "1 run is damaged and left out" if count == 1 else f"{count} runs are damaged and left out"
