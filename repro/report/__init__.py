"""From claims and runs to pages, a pure function: the same store gives the same bytes. No torch, clock or network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from repro.analysis.coverage import coverage as covered
from repro.questions.trial import Trials
from repro.report import claim, coverage, facts, fidelity, index
from repro.report.export import rows_csv, whole
from repro.report.typeset import environment, static
from repro.report.view import shelves
from repro.spec import catalogue
from repro.spec.files import AnyFile, split
from repro.store import Table, replace


def write(
    claims: Sequence[AnyFile],
    runs: Mapping[str, Table | Trials],
    out: Path,
    entries: Sequence[catalogue.Entry] = (),
) -> list[Path]:
    """Pages, JSON and CSV of all claims into the folder `out`; the paths written.

    `runs`: by shelf, `yours` and `reference`, in the order in which they are shown. `entries`: the
    rows of the catalogue, whose coverage has a page.
    """
    tried = {shelf: Trials.over(found) for shelf, found in runs.items()}
    names = ["index.html", *(f"{file.id}.html" for file in claims)]
    templates = environment([(out / name).read_text() for name in names if (out / name).is_file()])
    files = static(out)
    trained, exact = split(claims)
    ordered = sorted(trained, key=lambda file: file.id)
    found = {file.id: shelves(file, tried) for file in ordered}
    rows = covered(entries, sorted(claims, key=lambda file: file.id), tried)
    missing = {row.entry.id: {missing.scale: missing for missing in row.missing} for row in rows}
    for file in ordered:
        page = claim.page(file, found, missing[file.id])
        files[f"{file.id}.html"] = templates.get_template("claim.html").render(page)
        files[f"{file.id}.json"] = json.dumps(whole(file, found[file.id]), indent=1, allow_nan=False) + "\n"
        files[f"{file.id}.csv"] = rows_csv(found[file.id])
    for counted in exact:
        files |= facts.files(counted, templates)
    files["fidelity.html"] = templates.get_template("fidelity.html").render(fidelity.page())
    files["coverage.html"] = templates.get_template("coverage.html").render(coverage.page(rows))
    files["index.html"] = templates.get_template("index.html").render(index.page(ordered, found, exact, rows))
    written = []
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, content)
        written.append(path)
    return written
