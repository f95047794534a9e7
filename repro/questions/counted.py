"""Counted facts: a claim of kind `inspect`, which arithmetic decides, without training.

Each fact sets a printed value against a quantity, by a comparison written beforehand. Models are closed; a field's
description is what the JSON Schema and the error for a missing key say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import Discriminator, Field, Tag, create_model

from repro.claim.config import Closed
from repro.claim.counts import Count, ListedNet, Quantity
from repro.claim.model import Choice, Deviation, Revision
from repro.claim.overlays import Layers
from repro.claim.paper import Paper
from repro.claim.problems import Problem
from repro.claim.records import Sentence
from repro.claim.scalars import Name, Number, Text
from repro.questions.quantities import COMPARISONS, GENERAL, Comparison


def _form(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<yes or no>" if isinstance(value, bool) else "<number>"


def _tagged(models: Sequence[type[Closed]]) -> Any:
    """The union of models, told apart by their kinds, with a tag for each model in angle brackets as in
    `repro.claim.kinds`."""
    tags = {kind: f"<{model.__name__}>" for model in models for kind in _kinds(model)}
    assert len(tags) == sum(len(_kinds(model)) for model in models), "two quantities of one kind"

    def tag(value: Any) -> str:
        kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
        return tags.get(kind, "<none>") if isinstance(kind, str) else "<none>"

    union: Any = None
    for model in models:
        tagged: Any = Annotated[model, Tag(f"<{model.__name__}>")]
        union = tagged if union is None else union | tagged
    return Annotated[union, Discriminator(tag)]


def _kinds(model: type[Closed]) -> tuple[str, ...]:
    kinds: tuple[str, ...] = model.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
    return kinds


QuantityOf = TypeVar("QuantityOf", bound=Quantity)
ComparisonOf = TypeVar("ComparisonOf", bound=Closed)


class Fact(Closed, Generic[QuantityOf, ComparisonOf]):
    """One thing that the paper says and that can be counted."""

    says: Text = Field(description="what the paper says, in our words")
    section: Text | None = Field(None, description="where it says so; the claim's section by default")
    quantity: QuantityOf = Field(description="what is counted")
    printed: Annotated[
        Annotated[bool, Tag("<yes or no>")]
        | Annotated[list[Number], Tag("<list>"), Field(min_length=2)]
        | Annotated[float, Tag("<number>"), Field(ge=0, le=1e12)],
        Discriminator(_form),
    ] = Field(description="what the paper has, in the quantity's unit")
    compare: ComparisonOf = Field(description="how the two are compared, written beforehand")
    source: Text | None = Field(None, description="where the figures of the quantity stand, if not in the net's table")
    because: Text = Field(description="the finding or its source, in a sentence or two")
    headline: bool = Field(False, description="whether the sentence rests on it; without one it rests on all facts")


AnyFact = Fact[Any, Comparison]
FactOf = TypeVar("FactOf", bound=AnyFact)
NetName = TypeVar("NetName", bound=str)


class Inspect(Closed, Generic[FactOf, NetName]):
    """A claim that arithmetic decides: a verdict per fact; those marked `headline` decide."""

    papers: ClassVar[Mapping[str, Paper]]  # by the names that `paper.name` may have

    id: Name = Field(description="the file's name without .yaml")
    version: Number = Field(description="raised when the claim's meaning changes")
    kind: Literal["inspect"] = Field(description="facts, without training or scales")
    paper: Sentence = Field(description="the sentence on trial, and where it stands")
    question: str = Field(description="what is counted, as a question", min_length=10)
    facts: list[FactOf] = Field(min_length=1, description="what is counted, each with its verdict")
    history: list[Revision] = Field([], description="earlier versions: what changed, and which scales had runs")
    nets: list[NetName] = Field(default_factory=list, description="nets whose layers the page shows beside each other")
    assumptions: list[Choice] = Field(default_factory=list, description="what the paper leaves open")
    deviations: list[Deviation] = Field(default_factory=list, description="what we do otherwise than the paper")

    @property
    def listed(self) -> dict[str, ListedNet]:
        """The nets of the claim's paper whose layers the page shows, by name, in the claim's order."""
        return {net: self.papers[self.paper.name].listed[net] for net in self.nets}

    def mistakes(self, layers: Layers) -> list[Problem]:
        """Return what is wrong with nets and facts, once each key by itself is right."""
        paper = self.papers.get(self.paper.name)
        if paper is None:
            text = f"paper.name: found {self.paper.name!r}; expected {' or '.join(self.papers)}"
            return [layers.problem(("paper", "name"), text)]
        problems = []
        for i, net in enumerate(self.nets):
            if net in self.nets[:i]:
                problems.append(layers.problem(("nets", i), f"nets: {net} stands twice"))
            if net not in paper.listed:
                text = f"nets: {net} is no net of {paper.id}; expected {' or '.join(paper.listed) or 'none'}"
                problems.append(layers.problem(("nets", i), text))
        for i, fact in enumerate(self.facts):
            if any(fact.quantity == other.quantity and fact.printed == other.printed for other in self.facts[:i]):
                text = f"facts.{i}.quantity: counted before, against the same printed value"
                problems.append(layers.problem(("facts", i, "quantity"), text))
            if type(fact.quantity) not in (*paper.quantities, *GENERAL):
                text = f"facts.{i}.quantity: {fact.quantity.kind} is counted of another paper than {paper.id}"
                problems.append(layers.problem(("facts", i, "quantity"), text))
            try:
                count = fact.quantity.count()
            except ValueError as error:
                problems.append(layers.problem(("facts", i, "quantity"), f"facts.{i}.quantity: {error}"))
                continue
            for key, text in _unfit(fact, count):
                problems.append(layers.problem(("facts", i, key), f"facts.{i}.{key}: {text}"))
        return problems


def inspect_model(papers: Sequence[Paper]) -> type[Inspect[Any, Any]]:
    """Return the model of a claim of counted facts, of the quantities and listed nets that these papers have."""
    quantities = [quantity for paper in papers for quantity in paper.quantities]
    nets = tuple(dict.fromkeys(net for paper in papers for net in paper.listed))
    generic_fact: Any = Fact
    generic_claim: Any = Inspect
    fact = create_model(
        "Fact", __base__=generic_fact[_tagged([*quantities, *GENERAL]), _tagged(COMPARISONS)], __doc__=Fact.__doc__
    )
    parts = fact, Literal[nets] if nets else str
    made: type[Inspect[Any, Any]] = create_model("Inspect", __base__=generic_claim[parts], __doc__=Inspect.__doc__)
    made.papers = {paper.id: paper for paper in papers}
    return made


def _unfit(fact: AnyFact, count: Count) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of a fact whose parts do not fit each other."""
    forms = {bool: "true or false", tuple: "a list", list: "a list"}
    gives, has = (forms.get(type(value), "a number") for value in (count.value, fact.printed))
    compare = fact.compare
    if gives != has:
        yield "printed", f"found {has}; expected {gives}, which the quantity {fact.quantity.kind} gives"
    elif isinstance(fact.printed, list) and isinstance(count.value, tuple) and len(fact.printed) != len(count.value):
        yield "printed", f"found a list of {len(fact.printed)}; expected {len(count.value)} numbers"
    elif compare.kind != "equals" and gives != "a number":
        yield "compare", f"{compare.kind} compares numbers; expected equals for {gives}"
    elif count.low is not None and compare.kind not in ("at most", "more than"):
        yield "compare", f"{compare.kind} needs an exact number, the data give a range; expected at most or more than"
    elif (compare.kind == "fine enough") != (fact.quantity.kind == "smallest_difference"):
        yield "compare", "fine enough goes with smallest_difference, and with nothing else"
    elif compare.kind == "rounded" and not _whole(float(fact.printed) / compare.unit):  # type: ignore[arg-type]
        yield "compare", f"found unit {compare.unit:g}; expected a unit of which {fact.printed:g} is a multiple"


def _whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-9 * max(1.0, abs(value))
