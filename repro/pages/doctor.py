"""The checks of `repro doctor`: what was expected and seen, as lines, as JSON and as a page that stands alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import Any

from repro.draw.parts import Grid
from repro.files import write_files
from repro.pages.typeset import environment, static
from repro.store.rows import Provenance

NAME = "doctor"  # of the page and the JSON beside it


@dataclass(frozen=True)
class Check:
    """One thing checked of one net in one precision; `advice`: what to do where it failed."""

    net: str
    precision: str
    name: str
    expected: str
    seen: str
    passed: bool
    advice: str = ""
    figures: dict[str, Any] = field(default_factory=dict)  # what it was decided from

    def line(self) -> str:
        """Return the check as a line."""
        word = "pass" if self.passed else "FAIL"
        advice = f"; {self.advice}" if self.advice and not self.passed else ""
        return f"{word}  {self.net} {self.precision}, {self.name}: expected {self.expected}; seen {self.seen}{advice}"


def largest(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, int]:
    """Return the largest difference of two rows of losses, relative to theirs, and the update, from 1, where it is;
    infinite where a loss is missing or no number."""
    if not ours or len(ours) != len(theirs):
        return inf, min(len(ours), len(theirs)) + 1
    apart = [
        abs(one - other) / max(abs(other), 1e-12) if isfinite(one) and isfinite(other) else inf
        for one, other in zip(ours, theirs, strict=True)
    ]
    return max(apart), apart.index(max(apart)) + 1


def result(checks: Sequence[Check], made: Provenance, seconds: float) -> dict[str, Any]:
    """Return the checks as plain data, with the machine that they were made on."""
    return {"made": made, "seconds": seconds, "checks": [asdict(check) for check in checks]}


def summary(checks: Sequence[Check]) -> str:
    """Say in one sentence how many of the checks passed."""
    failed = sum(not check.passed for check in checks)
    if not failed:
        return f"All {len(checks)} checks passed"
    return f"{failed} of {len(checks)} checks failed"


def write(result: dict[str, Any], out: Path) -> list[Path]:
    """Write `doctor.json` and the page `doctor.html`, with its style, into the folder `out`; return their paths."""
    checks = [Check(**check) for check in result["checks"]]
    page = environment([]).get_template("doctor.html").render(_page(checks, result))
    style = {name: text for name, text in static(out).items() if name.endswith(".css")}  # the page has no script
    content = json.dumps(_finite(result), indent=1, allow_nan=False) + "\n"
    files = {f"{NAME}.json": content, f"{NAME}.html": page} | style
    write_files(out, files)
    return [out / f"{NAME}.json", out / f"{NAME}.html"]


def _finite(value: Any) -> Any:
    """Return the same with None for what JSON cannot say: a loss that is no number."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _page(checks: Sequence[Check], result: dict[str, Any]) -> dict[str, Any]:
    """Return everything that templates/doctor.html prints."""
    made = result["made"]
    nets = list(dict.fromkeys(check.net for check in checks))
    return {
        "device": made["device"] if made["device"] != "cpu" else f"one thread of {made['processor']}",
        "summary": summary(checks),
        "failed": [check for check in checks if not check.passed],
        "grids": [(f"net-{i}", net, _grid(net, checks)) for i, net in enumerate(nets, 1)],
        "machine": Grid("The machine", ("", ""), tuple((key, str(value)) for key, value in made.items())),
        "seconds": f"{result['seconds']:.0f}",
    }


def _grid(net: str, checks: Sequence[Check]) -> Grid:
    rows = tuple(
        (check.name, check.precision, check.expected, check.seen, "pass" if check.passed else "FAIL")
        for check in checks
        if check.net == net
    )
    failed = frozenset(i for i, row in enumerate(rows) if row[-1] == "FAIL")
    return Grid(f"Checks of {net}", ("check", "precision", "expected", "seen", ""), rows, strong=failed)
