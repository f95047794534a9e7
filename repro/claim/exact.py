"""From the file of an exact claim to the checked claim: every mistake at once, each with its line and column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from repro.claim import checks
from repro.claim.kinds import Kinds
from repro.claim.overlays import Layers
from repro.claim.paper import Paper
from repro.claim.problems import SpecError, told
from repro.claim.yaml import Document


@dataclass(frozen=True)
class ExactFile:
    """A checked exact claim, of the model that `Kinds.exact` is, and the file that it stands in."""

    path: Path
    document: Document
    claim: Any

    @property
    def id(self) -> str:
        """The claim's id."""
        return str(self.claim.id)

    @property
    def paper(self) -> Paper:
        """The paper whose sentence it is."""
        paper: Paper = self.claim.papers[self.claim.paper.name]
        return paper

    def line(self, fact: int) -> str:
        """Return `claims/x.yaml:12`: where a fact stands."""
        return f"{self.path}:{self.document.place(('facts', fact))[0]}"


def load_exact(document: Document, kinds: Kinds) -> ExactFile:
    """Check one exact claim. Errors: SpecError with every mistake, in order."""
    layers = Layers(document, kinds, document.data)
    problems = checks.of_name(layers)
    try:
        claim: Any = kinds.exact.model_validate(document.data)
    except ValidationError as error:
        problems += told(layers, error.errors(include_url=False, include_context=False))
        raise SpecError(document.path, problems) from None
    problems += claim.mistakes(layers)
    if problems:
        raise SpecError(document.path, problems)
    return ExactFile(document.path, document, claim)
