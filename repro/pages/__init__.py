"""From claims and runs to pages, a pure function: the same store gives the same bytes. No torch, clock or network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from repro.claim import catalogue, sources
from repro.claim.files import AnyFile, ClaimFile, ExactFile, split
from repro.claim.paper import Paper
from repro.claim.sources import Source
from repro.contents import PAPERS
from repro.files import write_files
from repro.frames import exports
from repro.pages import claim, claim_data, coverage, export, facts, fidelity, frames, index, nets, results, source
from repro.pages import runs as run_pages
from repro.pages.findings import Finding, findings
from repro.pages.index import nearby
from repro.pages.origins import origins
from repro.pages.results import Results
from repro.pages.shelf_results import results_of
from repro.pages.typeset import RUN, environment, static
from repro.pages.uses import Use, cited, uses
from repro.pages.view import show
from repro.questions.coverage import Covered
from repro.questions.coverage import coverage as covered
from repro.questions.exhibit import Exhibit
from repro.questions.trial import Trials
from repro.store import DamagedRun, Table

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
    ordered = sorted(claims, key=lambda file: file.id)
    asked = _Asked(ordered, shelf, Trials.from_runs(table), out, entries, only, reference, project)
    files: dict[str, str | bytes] = {**static(out), **asked.claims_and_source(), **asked.runs()}
    if only is None:
        files |= asked.whole_shelf()
    files["index.html"] = asked.index({*files, *(path.name for path in out.glob("*.html"))})
    write_files(out, files)
    if only is None:
        for path in (out / run_pages.FOLDER).glob("*.html"):
            if f"{run_pages.FOLDER}/{path.name}" not in files and RUN.fullmatch(path.stem):
                path.unlink()  # of a run that is gone
    return [out / name for name in files]


@dataclass(frozen=True)
class _Asked:
    """What `write` was asked for, and what several pages need of it; each method returns files by name."""

    claims: Sequence[AnyFile]
    shelf: str
    trials: Trials
    out: Path
    entries: Sequence[catalogue.Entry]
    only: Collection[str] | None
    reference: Results | None
    project: str | None

    @cached_property
    def trained(self) -> list[ClaimFile]:
        """The claims that are decided by training."""
        return split(self.claims)[0]

    @cached_property
    def exact(self) -> list[ExactFile]:
        """The claims that are decided by counting."""
        return split(self.claims)[1]

    @cached_property
    def mine(self) -> set[str]:
        """The ids of the claims whose pages are made."""
        return {file.id for file in self.claims if self.only is None or file.id in self.only}

    @cached_property
    def exhibits(self) -> dict[str, Exhibit]:
        """What each trained claim has to show, by id."""
        return {file.id: show(file, self.shelf, self.trials) for file in self.trained}

    @cached_property
    def findings(self) -> dict[str, Finding]:
        """The verdicts that another choice turns, by claim."""
        return findings(self.exhibits.values(), self.trials)

    @cached_property
    def used(self) -> dict[str, list[Use]]:
        """What claims do with every run that a page cites."""
        return uses(list(self.exhibits.values()))

    @cached_property
    def run_ids(self) -> list[str]:
        """The runs whose pages are made."""
        return sorted({run for file in self.trained if file.id in self.mine for run in cited(self.exhibits[file.id])})

    @cached_property
    def rows(self) -> list[Covered]:
        """The coverage of the catalogue's rows."""
        other = self.reference.recorded() if self.reference else None
        return covered(self.entries, self.claims, {self.shelf: self.trials}, other=other)

    @cached_property
    def damaged(self) -> Mapping[str, DamagedRun]:
        """The damaged runs of the shelf, by id."""
        return self.trials.table.damaged if isinstance(self.trials.table, Table) else {}

    @cached_property
    def with_source(self) -> Paper | None:
        """The paper whose source is on record; there is one."""
        return next((file.paper for file in self.claims if file.paper.source), None)

    @cached_property
    def source(self) -> Source | None:
        """What is on record of that source."""
        return sources.read(self.with_source.source) if self.with_source and self.with_source.source else None

    @cached_property
    def with_nets(self) -> Paper | None:
        """The paper with several readings of its net; there is one."""
        return next((file.paper for file in self.claims if len(file.paper.listed) > 1), None)

    def templates(self, before: Sequence[str] = (), up: str = "") -> jinja2.Environment:
        """Return the templates of pages; see `environment`."""
        there = {run for run in self.used if (self.out / run_pages.FOLDER / f"{run}.html").is_file()}
        templates = environment(before, self.source, there | set(self.run_ids), up)
        nets_there = self.with_nets and (self.only is None or (self.out / nets.NAME).is_file())
        templates.globals["nets"] = nets.NAME if nets_there else ""
        return templates

    @cached_property
    def of_claims(self) -> jinja2.Environment:
        """The templates of the pages in the folder itself."""
        return self.templates(_earlier(self.out, self.mine))

    def claims_and_source(self) -> dict[str, str | bytes]:
        """Return the pages of claims with their data, and those of the released source, which any of them may cite."""
        missing = {row.entry.id: {missing.scale: missing for missing in row.missing} for row in self.rows}
        order = index.order(self.trained, self.exact, self.rows)
        there = {f"{id}.html" for id in self.mine} | {path.name for path in self.out.glob("*.html")}
        files: dict[str, str | bytes] = {claim_data.SCHEMA: claim_data.schema()}
        for file in (file for file in self.trained if file.id in self.mine):
            theirs, exhibit = f"reference/{file.id}.html", self.exhibits[file.id]
            href = theirs if (self.out / theirs).is_file() else ""
            page = claim.page(file, self.exhibits, self.findings.get(file.id), missing[file.id], self.reference, href)
            page |= {"origins": origins(file, self.project, exhibit), "nearby": nearby(order, file.id, there)}
            data = export.files(file, exhibit, self.reference)
            page |= {"tables": [name for name in data if name.endswith(".csv")]}
            files |= {f"{file.id}.html": self.of_claims.get_template("claim.html").render(page), **data}
        for counted in (file for file in self.exact if file.id in self.mine):
            files |= facts.files(counted, self.of_claims, self.project, nearby(order, counted.id, there))
        if self.with_source and self.source:
            files |= _source_pages(self.with_source, self.source, self.of_claims)
        return files

    def runs(self) -> dict[str, str]:
        """Return the pages of the runs that the claims' pages cite."""
        templates = self.templates(up=run_pages.UP)
        templates.globals["there"] = {f"{id}.html" for id in self.mine} | {p.name for p in self.out.glob("*.html")}
        return run_pages.files(self.shelf, self.trials.table, self.used, self.run_ids, templates, self.project)

    def whole_shelf(self) -> dict[str, str | bytes]:
        """Return what is made of all claims at once: the nets, coverage, and all results as data."""
        page = coverage.page(self.rows, PAPERS, self.damaged)
        of_shelf = results_of(self.shelf, self.claims, self.exhibits, self.trials)
        files: dict[str, str | bytes] = {
            "coverage.html": self.of_claims.get_template("coverage.html").render(page),
            results.NAME: of_shelf.text(),
            results.SCHEMA: results.schema(),
            **exports({"results": frames.results(of_shelf)}),
        }
        if self.with_nets:
            page = nets.page(self.with_nets, self.exhibits, self.exact, self.used)
            files[nets.NAME] = self.of_claims.get_template("nets.html").render(page)
        return files

    def index(self, there: Collection[str]) -> str:
        """Return the index; `there`: the names of all files that it may link to."""
        turned = list(self.findings.values())
        page = index.page(self.trained, self.exhibits, self.exact, self.rows, self.reference, self.damaged, turned)
        return self.of_claims.get_template("index.html").render(page | {"there": there})


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
