"""Where what a page says comes from: the paper and its source as published, the claim's file, and the runs."""

from __future__ import annotations

from dataclasses import dataclass

from repro.claim.files import AnyFile
from repro.claim.paper import Paper
from repro.pages.uses import cited
from repro.questions.exhibit import Exhibit


@dataclass(frozen=True)
class Origins:
    """Links of a page.

    `claim`: the claim's file; empty on pages that do not lie in the project's folder. `runs`: the ids of the runs.
    """

    paper: Paper
    claim: str
    runs: tuple[str, ...]


def origins(file: AnyFile, project: str | None, exhibit: Exhibit | None = None) -> Origins:
    """Return the links of a claim's page.

    `project`: the way from the page to the project's folder, `../..`. `exhibit`: a trained claim, whose runs have pages
    beside it.
    """
    runs = tuple(sorted(cited(exhibit))) if exhibit else ()
    return Origins(file.paper, "" if project is None else f"{project}/claims/{file.path.name}", runs)
