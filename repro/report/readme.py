"""The tables of README, from the reference shelf: nothing in them is typed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from repro.errors import ReproError
from repro.report import facts, prose, speed
from repro.report.view import show
from repro.spec.files import AnyFile, ExactFile
from repro.store import Table, replace

RESULTS, SPEED = "results", "speed"


def renew(home: Path, claims: Sequence[AnyFile], table: Table) -> None:
    """Write both tables of the README in `home` anew."""
    update(home / "README.md", results(claims, table))
    update(home / "README.md", speed.table(home), SPEED)


def results(claims: Sequence[AnyFile], table: Table) -> str:
    """A markdown table, a row for each claim in order of id."""
    lines = [
        "| claim | the paper says | paper | lab notes | ours, with interval | verdict | grade | scale | n |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for file in sorted(claims, key=lambda file: file.id):
        page = f"[{file.id}](reports/reference/{file.id}.html)"
        if isinstance(file, ExactFile):
            lines.append(_line(page, *facts.cells(file)))
            continue
        shown = show(file, "reference", table)
        verdict = shown.judgement.verdict
        notes = file.claim.paper.notes.value if file.claim.paper.notes else "–"
        n = prose.seeds(shown.judgement) if shown.complete else 0
        lines.append(_line(
            page, file.claim.paper.says, prose.number(file), notes,
            prose.ours(shown.judgement) if shown.complete else "–",
            f"`{verdict.word}`", verdict.grade or "–", shown.scale, str(n or "–"),
        ))  # fmt: skip
    return "\n".join(lines) + "\n"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def update(readme: Path, text: str, name: str = RESULTS) -> None:
    """Put `text` between the markers `name` of a README, where it is not there already."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before = readme.read_text()
    if before.count(begin) != 1 or before.count(end) != 1 or before.index(begin) > before.index(end):
        raise ReproError(f"{readme}: expected one {begin} and, below it, one {end}: the table goes between them")
    head, rest = before.split(begin)
    tail = rest.split(end)[1]
    after = f"{head}{begin}\n{text.strip()}\n{end}{tail}"
    if after != before:
        replace(readme, after)
