"""A paper on trial, as its folder in `repro/papers` describes it: recipe, scales, nets. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from repro.claim.catalogue import Part
from repro.claim.counts import ListedNet, Quantity
from repro.claim.differences import Differences
from repro.claim.model import TabledNet
from repro.claim.scales import BASED, UNDECIDED

Overrides = Mapping[str, Any]  # by dotted key


class Setting(NamedTuple):
    """A value of a recipe and its source: a section of the paper, a row of source.md, or `assumed`."""

    value: Any
    source: str


@dataclass(frozen=True)
class Paper:
    """One paper: everything that its claims share.

    `recipe`: default values of a claim, by dotted key. `scales`: by kind of data and scale, overrides that are applied
    before the claim's own exceptions; keys of sections that a claim lacks are ignored. `bases`: by name, overrides of
    small scale for claims that name one. `base_of`: by dotted key, the values of the claim that bases override.
    `largest`: by kind of device and kind of data, the largest scale meant for it, fixed in advance and never by a
    timing; `other` stands for all other data. `quantities`: what claims may count. `listed`: by name, the nets whose
    layers a page may list. `differences`: between the paper's text and its released source.
    """

    id: str  # the folder's name
    name: str  # what people call it
    title: str
    authors: str
    year: int
    published: str  # where, by name
    home: str  # its address
    nets: tuple[type[TabledNet], ...]
    recipe: Mapping[str, Setting]
    scales: Mapping[str, Mapping[str, Overrides]]
    largest: Mapping[str, Mapping[str, str]]
    bases: Mapping[str, Overrides] = field(default_factory=dict)
    base_of: Overrides = field(default_factory=dict)
    quantities: tuple[type[Quantity], ...] = ()
    listed: Mapping[str, ListedNet] = field(default_factory=dict)
    differences: Differences | None = None
    code: tuple[tuple[str, str], ...] = ()  # its released source: (name, address)
    catalogue: Path | None = None  # every sentence that is to be covered
    parts: Mapping[str, Part] = field(default_factory=dict)  # of the catalogue, by their names in its rows
    source: Path | None = None  # source.md: the facts of its released source

    def bases_for(self, data: object) -> tuple[str, ...]:
        """Return the bases that a claim on data of this kind may name for its small scale; empty if there are none."""
        ours = self.base_of.get("data.kind")
        shared = isinstance(data, str) and ours and self.scale(data, BASED) is self.scale(ours, BASED)
        return (*self.bases, UNDECIDED) if shared else ()

    def scale(self, data: object, scale: str) -> Overrides | None:
        """Return the overrides of a scale for a kind of data; None if the paper does not have this scale for it."""
        return self.scales.get(data, {}).get(scale) if isinstance(data, str) else None

    def largest_on(self, device: str, data: str) -> str:
        """Return the largest scale meant for a kind of device and a kind of data."""
        by_data = self.largest[device]
        return by_data.get(data, by_data["other"])
