"""Counted facts: a claim of kind `inspect`, which arithmetic decides, without training.

Each fact sets a printed value against a quantity of `repro.papers.alexnet2012.facts`, by a comparison written
beforehand. Models are closed; a field's description is what the JSON Schema and the error for a missing key say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from repro.claim.config import Closed
from repro.claim.model import Choice, Deviation, Revision
from repro.claim.overlays import Layers
from repro.claim.problems import Problem
from repro.claim.records import Sentence
from repro.claim.scalars import Name, Number, Text
from repro.papers.alexnet2012.counts import Found
from repro.papers.alexnet2012.facts import find
from repro.questions.quantities import Comparisons, OfNet, Quantities, tagged


def _form(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<yes or no>" if isinstance(value, bool) else "<number>"


class Fact(Closed):
    """One thing that the paper says and that can be counted."""

    says: Text = Field(description="what the paper says, in our words")
    section: Text | None = Field(None, description="where it says so; the claim's section by default")
    quantity: tagged(Quantities, "quantity") = Field(description="what is counted")  # type: ignore[valid-type]
    printed: Annotated[
        Annotated[bool, Tag("<yes or no>")]
        | Annotated[list[Number], Tag("<list>"), Field(min_length=2)]
        | Annotated[float, Tag("<number>"), Field(ge=0, le=1e12)],
        Discriminator(_form),
    ] = Field(description="what the paper has, in the quantity's unit")
    compare: tagged(Comparisons, "compare") = Field(description="how the two are compared, written beforehand")  # type: ignore[valid-type]
    source: Text | None = Field(None, description="where the figures of the quantity stand, if not in the net's table")
    because: Text = Field(description="the finding or its source, in a sentence or two")
    headline: bool = Field(False, description="whether the sentence rests on it; without one it rests on all facts")

    def found(self) -> Found:
        """The quantity. ValueError where the net has nothing of that name, or the options do not fit."""
        given = self.quantity.model_dump(exclude={"kind"})
        net = {name: given.pop(name) for name in OfNet.model_fields if name in given}
        return find(self.quantity.kind, net, given)


class Inspect(Closed):
    """A claim that arithmetic decides: a verdict per fact; those marked `headline` decide."""

    id: Name = Field(description="the file's name without .yaml")
    version: Number = Field(description="raised when the claim's meaning changes")
    kind: Literal["inspect"] = Field(description="facts, without training or scales")
    paper: Sentence = Field(description="the sentence on trial, and where it stands")
    question: str = Field(description="what is counted, as a question", min_length=10)
    facts: list[Fact] = Field(min_length=1, description="what is counted, each with its verdict")
    history: list[Revision] = Field([], description="earlier versions: what changed, and which scales had runs")
    nets: list[Literal["paper", "source", "torchvision"]] = Field(
        default_factory=list, description="nets whose layers the page shows beside each other"
    )
    assumptions: list[Choice] = Field(default_factory=list, description="what the paper leaves open")
    deviations: list[Deviation] = Field(default_factory=list, description="what we do otherwise than the paper")

    def mistakes(self, layers: Layers) -> list[Problem]:
        """Return what is wrong with nets and facts, once each key by itself is right."""
        problems = []
        for i, net in enumerate(self.nets):
            if net in self.nets[:i]:
                problems.append(layers.problem(("nets", i), f"nets: {net} stands twice"))
        for i, fact in enumerate(self.facts):
            if any(fact.quantity == other.quantity and fact.printed == other.printed for other in self.facts[:i]):
                text = f"facts.{i}.quantity: counted before, against the same printed value"
                problems.append(layers.problem(("facts", i, "quantity"), text))
            try:
                found = fact.found()
            except ValueError as error:
                problems.append(layers.problem(("facts", i, "quantity"), f"facts.{i}.quantity: {error}"))
                continue
            for key, text in _unfit(fact, found):
                problems.append(layers.problem(("facts", i, key), f"facts.{i}.{key}: {text}"))
        return problems


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
