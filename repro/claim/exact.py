"""Load and check an exact claim; report all mistakes at once, each with its line and column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from repro.claim import checks
from repro.claim.kinds import Kinds
from repro.claim.overlays import Layers
from repro.claim.paper import Paper
from repro.claim.problems import SpecError, translated_errors
from repro.claim.yaml import Document


@dataclass(frozen=True)
class ExactFile:
    """A checked exact claim (an instance of `Kinds.exact`) and its file."""

    path: Path
    document: Document
    claim: Any

    @property
    def id(self) -> str:
        """The claim's id."""
        return str(self.claim.id)

    @property
    def paper(self) -> Paper:
        """The paper that contains the sentence."""
        paper: Paper = self.claim.papers[self.claim.paper.name]
        return paper

    def line(self, fact: int) -> str:
        """Return the file and line of a fact: `claims/x.yaml:12`."""
        return f"{self.path}:{self.document.place(('facts', fact))[0]}"


def load_exact(document: Document, kinds: Kinds) -> ExactFile:
    """Check one exact claim and return it with its file. Raises SpecError with all mistakes, in order."""
    layers = Layers(document, kinds, document.data)
    problems = checks.of_name(layers)
    try:
        claim: Any = kinds.exact.model_validate(document.data)
    except ValidationError as error:
        problems += translated_errors(layers, error.errors(include_url=False, include_context=False))
        raise SpecError(document.path, problems) from None
    problems += claim.mistakes(layers)
    if problems:
        raise SpecError(document.path, problems)
    return ExactFile(document.path, document, claim)
