"""From claims and runs to pages, a pure function: the same store gives the same bytes. No torch, clock or network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.claim import catalogue, sources
from repro.claim.files import AnyFile, split
from repro.claim.paper import Paper
from repro.claim.sources import Source
from repro.contents import PAPERS
from repro.files import write_whole
from repro.frames import exports
from repro.pages import claim, claim_data, coverage, export, facts, fidelity, frames, index, nets, results, source
from repro.pages import runs as run_pages
from repro.pages.index import nearby
from repro.pages.origins import origins
from repro.pages.results import Results
from repro.pages.shelf_results import results_of
from repro.pages.typeset import RUN, environment, static
from repro.pages.uses import cited, uses
from repro.pages.view import show
from repro.questions.coverage import coverage as covered
from repro.questions.trial import Trials
from repro.store import Table

if TYPE_CHECKING:
    import jinja2


def write(
    claims: Sequence[AnyFile],
    runs: Mapping[str, Table | Trials],
    out: Path,
    entries: Sequence[catalogue.Entry] = (),
    only: Collection[str] | None = None,
    reference: Results | None = None,
    project: str | None = None,
) -> list[Path]:
    """Write the pages of claims and of their runs, and the same as data, into the folder `out`; return all paths.

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
    claims = sorted(claims, key=lambda file: file.id)
    trained, exact = split(claims)
    mine = {file.id for file in claims if only is None or file.id in only}
    paper = next((file.paper for file in claims if file.paper.source), None)  # one paper has its source on record
    facts_on_source = sources.read(paper.source) if paper and paper.source else None
    exhibits = {file.id: show(file, shelf, trials) for file in trained}
    used = uses(list(exhibits.values()))
    ids = sorted({run for file in trained if file.id in mine for run in cited(exhibits[file.id])})
    linked = {run for run in used if run in ids or (out / run_pages.FOLDER / f"{run}.html").is_file()}
    templates = environment(_earlier(out, mine), facts_on_source, linked)
    with_nets = next((file.paper for file in claims if len(file.paper.listed) > 1), None)  # one paper has several
    templates.globals["nets"] = nets.NAME if with_nets and (only is None or (out / nets.NAME).is_file()) else ""
    rows = covered(entries, claims, {shelf: trials}, other=reference.recorded() if reference else None)
    missing = {row.entry.id: {missing.scale: missing for missing in row.missing} for row in rows}
    files: dict[str, str | bytes] = dict(static(out))
    order = index.order(trained, exact, rows)
    there = {f"{id}.html" for id in order if id in mine} | {path.name for path in out.glob("*.html")}
    for file in (file for file in trained if file.id in mine):
        theirs = f"reference/{file.id}.html"
        href = theirs if (out / theirs).is_file() else ""
        page = claim.page(file, exhibits, trials, missing[file.id], reference, href)
        page |= {"origins": origins(file, project, exhibits[file.id]), "nearby": nearby(order, file.id, there)}
        files[f"{file.id}.html"] = templates.get_template("claim.html").render(page)
        files |= export.files(file, exhibits[file.id], reference)
    for counted in (file for file in exact if file.id in mine):
        files |= facts.files(counted, templates, project, nearby(order, counted.id, there))
    files[claim_data.SCHEMA] = claim_data.schema()
    below = environment((), facts_on_source, linked, run_pages.UP)
    below.globals["there"] = {*files, *(path.name for path in out.glob("*.html"))}
    files |= run_pages.files(shelf, trials.table, used, ids, below, project)
    if paper and facts_on_source:  # with every page, since any may cite it
        files |= _source_pages(paper, facts_on_source, templates)
    if with_nets and only is None:
        files[nets.NAME] = templates.get_template("nets.html").render(nets.page(with_nets, exhibits, exact, used))
    if only is None:
        files["coverage.html"] = templates.get_template("coverage.html").render(coverage.page(rows, PAPERS, damaged))
        of_shelf = results_of(shelf, claims, exhibits, trials)
        files |= {results.NAME: of_shelf.text(), results.SCHEMA: results.schema()}
        files |= exports({"results": frames.results(of_shelf)})
    there = {*files, *(path.name for path in out.glob("*.html"))}
    listed = index.page(trained, exhibits, exact, rows, reference, damaged, trials) | {"there": there}
    files["index.html"] = templates.get_template("index.html").render(listed)
    for name, content in files.items():
        _renew(out / name, content.encode() if isinstance(content, str) else content)
    if only is None:
        for path in (out / run_pages.FOLDER).glob("*.html"):
            if f"{run_pages.FOLDER}/{path.name}" not in files and RUN.fullmatch(path.stem):
                path.unlink()  # of a run that is gone
    return [out / name for name in files]


def _earlier(out: Path, ids: Collection[str]) -> list[str]:
    """Return the index and the pages of these claims as they lie in a folder already."""
    pages = [out / f"{name}.html" for name in ("index", *sorted(ids))]
    return [page.read_text() for page in pages if page.is_file()]


def _source_pages(paper: Paper, record: Source, templates: jinja2.Environment) -> dict[str, str]:
    """Return the page of a paper's released source, and that of the differences between text and source, by name."""
    files = {"source.html": templates.get_template("source.html").render(source.page(record, paper))}
    if paper.differences:
        page = fidelity.page(paper.differences, paper)
        files["fidelity.html"] = templates.get_template("fidelity.html").render(page)
    return files


def _renew(path: Path, content: bytes) -> None:
    """Write a file that is not there or holds something else."""
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
