"""A paper on trial: its recipe, scales and nets, as its folder in `repro/papers` gives them. Plain data, no torch."""

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
    """A value of a recipe and where it stands: a section of the paper, a row of the source's facts, or `assumed`."""

    value: Any
    source: str


@dataclass(frozen=True)
class Paper:
    """One paper: what its claims share.

    `recipe`: by dotted key, what a claim has unless it says otherwise. `scales`: by kind of data and scale, overrides
    laid on a claim before its own exceptions; keys of sections that a claim lacks are passed over. `bases`: by name,
    overrides laid on small scale where a claim names one; `base_of`: the claim, as dotted keys, that bases are laid on.
    `largest`: by kind of device and kind of data, the largest scale meant for it, by what it takes and never by a
    timing; `other` stands for all other data. `quantities`: what claims may count of its nets; `listed`: by name, the
    nets whose layers a page may show. `differences`: between its text and its released source.
    """

    id: str  # the folder's name
    name: str  # what people call it, as in: the AlexNet paper
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
    parts: Mapping[str, Part] = field(default_factory=dict)  # of the catalogue, by the name that its rows have
    source: Path | None = None  # what is on record of its released source, which citations of source.md are of

    def bases_for(self, data: object) -> tuple[str, ...]:
        """Return what a claim on data of this kind may name as the base of its small scale; nothing without bases."""
        ours = self.base_of.get("data.kind")
        shared = isinstance(data, str) and ours and self.scale(data, BASED) is self.scale(ours, BASED)
        return (*self.bases, UNDECIDED) if shared else ()

    def scale(self, data: object, scale: str) -> Overrides | None:
        """Return what a scale means for a kind of data; None where the paper has no such scale for it."""
        return self.scales.get(data, {}).get(scale) if isinstance(data, str) else None

    def largest_on(self, device: str, data: str) -> str:
        """Return the largest scale meant for a kind of device on a kind of data."""
        of_device = self.largest[device]
        return of_device.get(data, of_device["other"])
