"""Where what a page says comes from: the paper and its source as published, the claim's file, and the runs' records."""

from __future__ import annotations

from dataclasses import dataclass

from repro.claim.files import AnyFile
from repro.claim.paper import Paper
from repro.questions.exhibit import Exhibit
from repro.questions.judge import Judgement


@dataclass(frozen=True)
class Origins:
    """Links of a page.

    `claim`: the claim's file. `records`: each run's id with its record. Both are empty on pages that do not lie in the
    project's folder.
    """

    paper: Paper
    claim: str
    records: tuple[tuple[str, str], ...]


def origins(file: AnyFile, project: str | None, exhibit: Exhibit | None = None) -> Origins:
    """Return the links of a claim's page.

    `project`: the way from the page to the project's folder, `../..`. `exhibit`: a trained claim, whose runs have
    their records there if they are the reference runs.
    """
    if project is None:
        return Origins(file.paper, "", ())
    judgements: list[Judgement] = []
    if exhibit is not None and exhibit.shelf == "reference":
        judgements = [exhibit.judgement, *exhibit.alternatives]
    ids = sorted({run for judgement in judgements for run in judgement.run_ids})
    records = tuple((run, f"{project}/runs/reference/{run}/run.json") for run in ids)
    return Origins(file.paper, f"{project}/claims/{file.path.name}", records)
