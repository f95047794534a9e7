"""From claims and runs to pages, a pure function: the same store gives the same bytes. No torch, clock or network."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from repro.claim import catalogue
from repro.claim.files import AnyFile, split
from repro.files import write_whole
from repro.pages import claim, coverage, facts, fidelity, index
from repro.pages.export import rows_csv, whole
from repro.pages.typeset import environment, static
from repro.pages.view import shelves
from repro.questions.coverage import coverage as covered
from repro.questions.trial import Trials
from repro.store import Table


def write(
    claims: Sequence[AnyFile],
    runs: Mapping[str, Table | Trials],
    out: Path,
    entries: Sequence[catalogue.Entry] = (),
    only: Collection[str] | None = None,
) -> list[Path]:
    """Make the pages of claims with their JSON and CSV in the folder `out`, and return the paths of all that is made.

    `runs`: by shelf, `yours` and `reference`, in the order in which they are shown. `entries`: the rows of the
    catalogue, whose coverage has a page. `only`: ids of the claims whose pages are made, with the index, which names
    all claims, alone; None: everything. A file that has its content already is left as it is.
    """
    tried = {shelf: Trials.over(found) for shelf, found in runs.items()}
    mine = [file for file in claims if only is None or file.id in only]
    names = ["index.html", *(f"{file.id}.html" for file in mine)]
    templates = environment([(out / name).read_text() for name in names if (out / name).is_file()])
    files = static(out)
    trained, exact = split(claims)
    ordered = sorted(trained, key=lambda file: file.id)
    found = {file.id: shelves(file, tried) for file in ordered}
    rows = covered(entries, sorted(claims, key=lambda file: file.id), tried)
    missing = {row.entry.id: {missing.scale: missing for missing in row.missing} for row in rows}
    for file in (file for file in ordered if file in mine):
        page = claim.page(file, found, missing[file.id])
        files[f"{file.id}.html"] = templates.get_template("claim.html").render(page)
        files[f"{file.id}.json"] = json.dumps(whole(file, found[file.id]), indent=1, allow_nan=False) + "\n"
        files[f"{file.id}.csv"] = rows_csv(found[file.id])
    for counted in (file for file in exact if file in mine):
        files |= facts.files(counted, templates)
    if only is None:
        files["fidelity.html"] = templates.get_template("fidelity.html").render(fidelity.page())
        files["coverage.html"] = templates.get_template("coverage.html").render(coverage.page(rows))
    there = {*files, *(path.name for path in out.glob("*.html"))}
    listed = index.page(ordered, found, exact, rows) | {"there": there}
    files["index.html"] = templates.get_template("index.html").render(listed)
    for name, content in files.items():
        _renew(out / name, content.encode())
    return [out / name for name in files]


def _renew(path: Path, content: bytes) -> None:
    """Write a file that is not there or holds something else."""
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
