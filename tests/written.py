"""Tables of the maintainers' commands, written between their marks in `tests/README.md`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "tests" / "README.md"
TABLES = ("fuzz", "load", "faults", "ray", "ray-smoke", "towers")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown, all columns but the first to the right."""
    marks = [":--", *["--:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (head, marks, *rows)]


def renew(name: str, command: str, lines: Sequence[str]) -> None:
    """Write what a command has printed, with day, commit and machine, between `<!-- NAME -->` and its end."""
    from repro.engine.provenance import commit_of, provenance

    commit, clean = commit_of(ROOT / "repro")
    sources = f"{(commit or 'unknown')[:12]}{'' if clean else ', changed'}"
    made = f"{datetime.now(UTC):%Y-%m-%d}, commit {sources}, {provenance('cpu')['processor']}, {os.cpu_count()} cores"
    text, found = re.subn(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
        lambda mark: f"{mark[1]}`{command}`: {made}.\n\n" + "\n".join(lines) + f"\n{mark[2]}",
        PAGE.read_text(),
        flags=re.DOTALL,
    )
    assert found == 1, f"{PAGE.name} has one place for {name}"
    PAGE.write_text(text)
