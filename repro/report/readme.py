"""The results table of README, from the reference shelf: nothing in it is typed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from repro.errors import ReproError
from repro.report import facts, prose
from repro.report.view import show
from repro.spec.files import AnyFile, ExactFile
from repro.store import Table, replace

BEGIN, END = "<!-- results -->", "<!-- /results -->"


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


def update(readme: Path, text: str) -> None:
    """Put `text` between the markers of a README, where it is not there already."""
    before = readme.read_text()
    if before.count(BEGIN) != 1 or before.count(END) != 1 or before.index(BEGIN) > before.index(END):
        raise ReproError(f"{readme}: expected one {BEGIN} and, below it, one {END}: the results go between them")
    head, rest = before.split(BEGIN)
    tail = rest.split(END)[1]
    after = f"{head}{BEGIN}\n{text.strip()}\n{END}{tail}"
    if after != before:
        replace(readme, after)
