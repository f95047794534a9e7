"""From the file of an exact claim to the checked claim: every mistake at once, each with its line and column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from repro.models.counts import Found
from repro.spec import checks
from repro.spec.inspect import Fact, Inspect
from repro.spec.kinds import Kinds
from repro.spec.layers import Layers
from repro.spec.problems import SpecError, told
from repro.spec.yaml import Document


@dataclass(frozen=True)
class ExactFile:
    """A checked exact claim and the file that it stands in."""

    path: Path
    document: Document
    claim: Inspect

    @property
    def id(self) -> str:
        """The claim's id."""
        return self.claim.id

    def line(self, fact: int) -> str:
        """`claims/x.yaml:12`: where a fact stands."""
        return f"{self.path}:{self.document.place(('facts', fact))[0]}"


def load_exact(document: Document, kinds: Kinds) -> ExactFile:
    """Check one exact claim. Errors: SpecError with every mistake, in order."""
    layers = Layers(document, kinds, document.data)
    problems = checks.of_name(layers)
    try:
        claim = Inspect.model_validate(document.data)
    except ValidationError as error:
        problems += told(layers, error.errors(include_url=False, include_context=False))
        raise SpecError(document.path, problems) from None
    for i, net in enumerate(claim.nets):
        if net in claim.nets[:i]:
            problems.append(layers.problem(("nets", i), f"nets: {net} stands twice"))
    for i, fact in enumerate(claim.facts):
        if any(fact.quantity == other.quantity and fact.printed == other.printed for other in claim.facts[:i]):
            text = f"facts.{i}.quantity: counted before, against the same printed value"
            problems.append(layers.problem(("facts", i, "quantity"), text))
        try:
            found = fact.found()
        except ValueError as error:
            problems.append(layers.problem(("facts", i, "quantity"), f"facts.{i}.quantity: {error}"))
            continue
        problems += [layers.problem(("facts", i, key), f"facts.{i}.{key}: {text}") for key, text in _unfit(fact, found)]
    if problems:
        raise SpecError(document.path, problems)
    return ExactFile(document.path, document, claim)


def _unfit(fact: Fact, found: Found) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of a fact whose parts do not fit each other."""
    forms = {bool: "true or false", tuple: "a list", list: "a list"}
    gives, has = (forms.get(type(value), "a number") for value in (found.value, fact.printed))
    compare = fact.compare
    if gives != has:
        yield "printed", f"found {has}; expected {gives}, which the quantity {fact.quantity.kind} gives"
    elif isinstance(fact.printed, list) and isinstance(found.value, tuple) and len(fact.printed) != len(found.value):
        yield "printed", f"found a list of {len(fact.printed)}; expected {len(found.value)} numbers"
    elif compare.kind != "equals" and gives != "a number":
        yield "compare", f"{compare.kind} compares numbers; expected equals for {gives}"
    elif found.low is not None and compare.kind not in ("at most", "more than"):
        yield "compare", f"{compare.kind} needs an exact number, the data give a range; expected at most or more than"
    elif (compare.kind == "fine enough") != (fact.quantity.kind == "smallest_difference"):
        yield "compare", "fine enough goes with smallest_difference, and with nothing else"
    elif compare.kind == "rounded" and not _whole(float(fact.printed) / compare.unit):  # type: ignore[arg-type]
        yield "compare", f"found unit {compare.unit:g}; expected a unit of which {fact.printed:g} is a multiple"


def _whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-9 * max(1.0, abs(value))
