"""The papers, measures and rules that claims may use, and the claim's model, keys and schema that follow from them.

Loading a claim needs them; the modules of a claim import no paper, net or kind of question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Tag, TypeAdapter, create_model

from repro.claim.config import Closed, RunModel
from repro.claim.model import RUN_SECTIONS, Claim, LibraryNet, Net, TabledNet, keys_of, path_of
from repro.claim.paper import Paper
from repro.claim.yaml import Loc
from repro.nets import libraries, tables

if TYPE_CHECKING:
    from repro.claim.schema import Schema

# Sections that a scale or an alternative may override.
OVERRIDDEN = ("data", "model", "train", "precision", "tune", "seeds", "measure", "rule", "arms", "varies")


@dataclass(frozen=True)
class Kinds:
    """The papers on trial, and the models of measures and rules, distinguished by their `kind`."""

    papers: tuple[Paper, ...]
    measures: tuple[type[Closed], ...]
    rules: tuple[type[Closed], ...]
    exact: type[Closed]  # the model of a claim of counted facts

    def paper(self, name: object) -> Paper | None:
        """Return the paper with this folder name; None if there is none."""
        return next((paper for paper in self.papers if paper.id == name), None)

    @cached_property
    def nets(self) -> dict[str, type[TabledNet]]:
        """The nets with a table of layers, by their name in claims."""
        return {kind: net for paper in self.papers for net in paper.nets for kind in _kinds(net)}

    def options(self, kind: object) -> frozenset[str]:
        """Return the keys that a claim's `model` may have besides `kind`.

        A net of a library has none; an unknown kind may have the keys of all nets.
        """
        if libraries.is_library_net(kind):
            return frozenset()
        known = [self.nets[kind]] if isinstance(kind, str) and kind in self.nets else list(self.nets.values())
        return frozenset(name for net in known for name in net.model_fields) - {"kind"}

    def nets_with(self, option: object) -> list[str]:
        """Return the names of the nets that have this option."""
        return [kind for kind, net in self.nets.items() if option in net.model_fields]

    @cached_property
    def read_net(self) -> Callable[[Any], Net]:
        """A function from plain data to the model of a net; it raises ValidationError for invalid data."""
        return TypeAdapter(self._net).validate_python

    @cached_property
    def _net(self) -> Any:
        tabled = _tagged([net for paper in self.papers for net in paper.nets])
        return Annotated[tabled | Annotated[LibraryNet, Tag("<library>")], Discriminator(_net_kind)]

    def rows(self, model: RunModel, classes: int) -> tuple[tables.Row, ...]:
        """Return the table of layers of a run's net for `classes` classes; no rows for a net of a library."""
        return self.read_net(model.model_dump()).rows(classes)

    @cached_property
    def claim(self) -> type[Claim[Any, Any, Any]]:
        """The model of a claim."""
        parts: Any = self._net, _discriminated(self.measures), _discriminated(self.rules)
        generic: Any = Claim
        made: type[Claim[Any, Any, Any]] = create_model("Claim", __base__=generic[parts], __doc__=Claim.__doc__)
        made.kinds = self
        return made

    @cached_property
    def keys(self) -> dict[str, Loc]:
        """The places that a scale or an alternative may override, by dotted key."""
        return keys_of(self.claim, OVERRIDDEN) | {"start": ("start",)}

    @cached_property
    def arm_keys(self) -> dict[str, Loc]:
        """The places that an arm may override, by dotted key: those of the sections of a run."""
        return {key: path for key, path in self.keys.items() if path[0] in RUN_SECTIONS}

    def path_of(self, key: str) -> Loc | None:
        """Return the place of a dotted key; None if there is no such key."""
        return path_of(key, self.keys)

    @cached_property
    def schema(self) -> Schema:
        """The JSON Schema of a claim's file."""
        from repro.claim.schema import Schema  # it imports this module

        return Schema(self)


def _kinds(model: type[Closed]) -> tuple[str, ...]:
    kinds: tuple[str, ...] = model.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
    return kinds


def _kind(value: Any) -> str:
    return f"<{value.get('kind') if isinstance(value, dict) else getattr(value, 'kind', None)}>"


def _net_kind(value: Any) -> str:
    tag = _kind(value)
    return "<library>" if libraries.is_library_net(tag) else tag


def _discriminated(models: Sequence[type[Closed]]) -> Any:
    return Annotated[_tagged(models), Discriminator(_kind)]


def _tagged(models: Sequence[type[Closed]]) -> Any:
    """Return the union of models, each with a tag in angle brackets.

    The brackets distinguish tags from keys in the locations that pydantic reports.
    """
    union: Any = None
    for model in models:
        for kind in _kinds(model):
            tagged: Any = Annotated[model, Tag(f"<{kind}>")]
            union = tagged if union is None else union | tagged
    return union
