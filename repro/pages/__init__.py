"""From claims and runs to pages, a pure function: the same store gives the same bytes. No torch, clock or network."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from repro.claim import catalogue, sources
from repro.claim.files import AnyFile, split
from repro.contents import PAPERS
from repro.files import write_whole
from repro.pages import claim, coverage, facts, fidelity, index, results, source
from repro.pages.export import rows_csv, whole
from repro.pages.origins import origins
from repro.pages.results import Results
from repro.pages.shelf_results import results_of
from repro.pages.typeset import environment, static
from repro.pages.view import show
from repro.questions.coverage import coverage as covered
from repro.questions.trial import Trials
from repro.store import Table


def write(
    claims: Sequence[AnyFile],
    runs: Mapping[str, Table | Trials],
    out: Path,
    entries: Sequence[catalogue.Entry] = (),
    only: Collection[str] | None = None,
    reference: Results | None = None,
    project: str | None = None,
) -> list[Path]:
    """Make the pages of claims with their JSON and CSV in the folder `out`, and return the paths of all that is made.

    `runs`: one shelf by its name, `yours` or `reference`. `entries`: the rows of the catalogue, whose coverage has a
    page. `only`: ids of the claims whose pages are made, with the index, which names all claims, alone; None:
    everything, with the shelf's `results.json`. `reference`: results of the reference runs, which pages of the user's
    own runs name, linked where their pages lie in `out`/reference. `project`: the way from `out` to the project's
    folder, for links to claims' files and the records of reference runs; None: no such links. A file that has its
    content already is left as it is. AssertionError of more shelves than one.
    """
    assert len(runs) == 1, f"one shelf, not {', '.join(runs)}"
    ((shelf, table),) = runs.items()
    trials = Trials.from_runs(table)
    damaged = trials.table.damaged if isinstance(trials.table, Table) else {}
    mine = [file for file in claims if only is None or file.id in only]
    names = ["index.html", *(f"{file.id}.html" for file in mine)]
    before = [(out / name).read_text() for name in names if (out / name).is_file()]
    on_record = next((file.paper for file in claims if file.paper.source), None)  # one paper has its source on record
    facts_on_source = sources.read(on_record.source) if on_record and on_record.source else None
    templates = environment(before, facts_on_source)
    files = static(out)
    trained, exact = split(claims)
    ordered = sorted(trained, key=lambda file: file.id)
    found = {file.id: [show(file, shelf, trials)] for file in ordered}
    every = sorted(claims, key=lambda file: file.id)
    rows = covered(entries, every, {shelf: trials}, other=reference.recorded() if reference else None)
    missing = {row.entry.id: {missing.scale: missing for missing in row.missing} for row in rows}
    for file in (file for file in ordered if file in mine):
        theirs = f"reference/{file.id}.html"
        link = theirs if (out / theirs).is_file() else ""
        page = claim.page(file, found, missing[file.id], reference, link)
        page |= {"origins": origins(file, project, found[file.id])}
        files[f"{file.id}.html"] = templates.get_template("claim.html").render(page)
        files[f"{file.id}.json"] = json.dumps(whole(file, found[file.id], reference), indent=1, allow_nan=False) + "\n"
        files[f"{file.id}.csv"] = rows_csv(found[file.id])
    for counted in (file for file in exact if file in mine):
        files |= facts.files(counted, templates, project)
    if on_record and facts_on_source:  # with every page, since any may cite it
        files["source.html"] = templates.get_template("source.html").render(source.page(facts_on_source, on_record))
        if on_record.differences:
            differences = fidelity.page(on_record.differences, on_record)
            files["fidelity.html"] = templates.get_template("fidelity.html").render(differences)
    if only is None:
        files["coverage.html"] = templates.get_template("coverage.html").render(coverage.page(rows, PAPERS, damaged))
        exhibits = {id: shown for id, (shown,) in found.items()}
        files[results.NAME] = results_of(shelf, every, exhibits, trials).text()
        files[results.SCHEMA] = results.schema()
    there = {*files, *(path.name for path in out.glob("*.html"))}
    listed = index.page(ordered, found, exact, rows, reference, damaged) | {"there": there}
    files["index.html"] = templates.get_template("index.html").render(listed)
    for name, content in files.items():
        _renew(out / name, content.encode())
    return [out / name for name in files]


def _renew(path: Path, content: bytes) -> None:
    """Write a file that is not there or holds something else."""
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
