"""Override a claim's plain data by a scale, an alternative and an arm, and remember the origin of each value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from repro.claim.kinds import Kinds
from repro.claim.paper import Paper
from repro.claim.problems import Problem
from repro.claim.yaml import Document, Loc


class Origin(NamedTuple):
    """The override that set a value (`by`: `arm tanh`, `scale smoke`), and its place in the file."""

    by: str
    loc: Loc
    written: bool  # whether the value itself is at `loc`; otherwise `loc` implies it
    order: int  # 1, 2, ... of written overrides, in the order in which they were applied; 0 of others


@dataclass
class Layers:
    """A claim's plain data with overrides applied. The document itself is never changed.

    `origin`: by path, the override that set the value.
    """

    document: Document
    kinds: Kinds
    data: dict[str, Any]
    origin: dict[Loc, Origin] = field(default_factory=dict)

    def override(self, overrides: Mapping[str, Any], by: str, loc: Loc, written: bool = True) -> None:
        """Set the values of dotted keys and record their origin; ignore unknown keys and keys of missing sections."""
        own: set[Loc] = set()  # mappings that this call has copied: each is copied once
        order = 1 + max((origin.order for origin in self.origin.values()), default=0) if written else 0
        for key, value in overrides.items():
            path = self.kinds.path_of(key)
            if path is None or (len(path) > 1 and not isinstance(self.data.get(str(path[0])), dict)):
                continue
            place = self.data
            for depth, part in enumerate(path[:-1], start=1):
                below = place.get(str(part))
                if path[:depth] not in own or not isinstance(below, dict):
                    place[str(part)] = dict(below) if isinstance(below, dict) else {}
                    own.add(path[:depth])
                place = place[str(part)]
            if isinstance(place.get(str(path[-1])), dict):  # else nothing below it has an origin
                for older in [p for p in self.origin if p[: len(path)] == path]:
                    del self.origin[older]
                own = {copied for copied in own if copied[: len(path)] != path}
            place[str(path[-1])] = value
            self.origin[path] = Origin(by, (*loc, key) if written else loc, written, order)

    @property
    def fitting(self) -> dict[str, Any]:
        """The data without options of other nets.

        Left out are options of the recipe that this net does not have, and options that were set before `model.kind`.
        """
        model = self.data.get("model")
        if not isinstance(model, dict):
            return self.data
        orders = self._orders()
        options, order = self.kinds.options(model.get("kind")), orders.get("kind", 0)
        former = {key for key in model.keys() - {"kind"} - options if orders.get(key, 0) < order}
        if not former:
            return self.data
        return self.data | {"model": {key: value for key, value in model.items() if key not in former}}

    def last_written(self, loc: Loc) -> Loc:
        """Return the place at or below `loc` that was overridden last; `loc` itself if none was."""
        below = {path: origin.order for path, origin in self.origin.items() if path[: len(loc)] == loc}
        last = max(below, key=below.__getitem__, default=loc)
        return last if below.get(last) else loc

    def _orders(self) -> dict[str, int]:
        """Return when options of the net were set: -1 by a recipe, else 1, 2, ... by overrides; the claim's own, which
        come before these, are left out."""
        orders: dict[str, int] = {}
        for path, origin in self.origin.items():
            if path[0] == "model" and len(path) > 1:
                option = str(path[1])
                orders[option] = max(orders.get(option, -1), origin.order if origin.written else -1)
        return orders

    @property
    def paper(self) -> Paper | None:
        """The paper that the claim names; None if there is no such paper."""
        return paper_of(self.data, self.kinds)

    def is_written(self, loc: Loc) -> bool:
        """Return whether the value at `loc` is written in the claim and does not come from a recipe."""
        origin, _ = self._origin_of(loc)
        return reach(self.data, loc) is not None and (origin is None or origin.written)

    def with_arm(self, arm: str) -> Layers:
        """Return a copy with the overrides of an arm."""
        layers = Layers(self.document, self.kinds, dict(self.data), dict(self.origin))
        where = self.origin["arms",].loc if ("arms",) in self.origin else ("arms",)
        layers.override(mapping(self.data, "arms", arm), f"arm {arm}", (*where, arm))
        return layers

    def problem(self, loc: Loc, text: str, key: bool = False) -> Problem:
        """Return a problem at the place in the file that sets the value at `loc`; the text names the override."""
        origin, rest = self._origin_of(loc)
        if origin is None:
            return Problem(*self.document.place(loc, key), text)
        return Problem(*self.document.place((*origin.loc, *rest), key or not origin.written), f"{origin.by}: {text}")

    def source(self, path: Loc) -> str | None:
        """Return the origin of the value at `path`, `scale small, claims/x.yaml:28`; None for a default."""
        origin, rest = self._origin_of(path)
        if origin is None:
            return self._line(path) if reach(self.data, path) is not None else None
        return f"{origin.by}, {self._line((*origin.loc, *rest))}" if origin.written else origin.by

    def _line(self, loc: Loc) -> str:
        return f"{self.document.path}:{self.document.place(loc)[0]}"

    def tags(self, loc: Loc) -> tuple[object, ...]:
        """Return the kinds that decide which keys are allowed at `loc`.

        These are the kind of the net, measure or rule that contains `loc`; of an exact claim, `inspect` and the kind of
        the quantity or comparison.
        """
        if is_exact(self.data):
            return "inspect", *([reach(self.data, (*loc[:3], "kind"))] if len(loc) > 2 else [])
        return (reach(self.data, (*loc[:1], "kind")),) if loc[:1] in (("measure",), ("rule",), ("model",)) else ()

    def _origin_of(self, loc: Loc) -> tuple[Origin | None, Loc]:
        for length in range(len(loc), 0, -1):
            if found := self.origin.get(loc[:length]):
                return found, loc[length:]
        return None, ()


def is_exact(data: dict[str, Any]) -> bool:
    """Return whether a claim's plain data are an exact claim, which has facts instead of arms and scales."""
    return data.get("kind") == "inspect" or "facts" in data


def reach(data: Any, loc: Loc) -> Any:
    """Return the value at `loc` of plain data; None if there is none."""
    for part in loc:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def mapping(data: Any, *loc: str | int) -> dict[str, Any]:
    """Return the mapping at `loc`; an empty one for anything else, which the models refuse."""
    found = reach(data, loc)
    return found if isinstance(found, dict) else {}


def names(data: Any, *loc: str | int) -> list[str]:
    """Return the strings of the list at `loc`; an empty list for anything else."""
    found = reach(data, loc)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def paper_of(data: dict[str, Any], kinds: Kinds) -> Paper | None:
    """Return the paper that a claim's plain data name; None if there is no such paper."""
    return kinds.paper(reach(data, ("paper", "name")))


def with_recipe(document: Document, kinds: Kinds) -> Layers:
    """Return a claim's plain data, completed by its paper's recipe."""
    layers = Layers(document, kinds, dict(document.data))
    paper = layers.paper
    if paper is None or is_exact(document.data):
        return layers
    for key, setting in paper.recipe.items():
        section, name = key.split(".")
        if section == "train":  # a claim may leave out the whole section
            layers.data.setdefault(section, {})
        own = layers.data.get(section)
        if isinstance(own, dict) and name not in own:
            layers.override({key: setting.value}, f"recipe of {paper.id} ({setting.source})", (section,), written=False)
    return layers


def exceptions(data: dict[str, Any], scale: str) -> dict[str, Any]:
    """Return the claim's own overrides at a scale, by dotted key."""
    return {key: value for key, value in mapping(data, "scales", scale).items() if key not in NAMING}


NAMING = ("alternatives", "base")  # keys of a scale that are not overrides


def base_of(data: dict[str, Any], scale: str) -> str | None:
    """Return the base that the claim names for a scale; None if it names none."""
    found = mapping(data, "scales", scale).get("base")
    return found if isinstance(found, str) else None


def alternatives(data: dict[str, Any]) -> list[tuple[str, Loc]]:
    """Return (name, place in the file) of every alternative, in order."""
    assumptions = data.get("assumptions")
    return [
        (name, ("assumptions", i, "alternatives", name))
        for i in range(len(assumptions) if isinstance(assumptions, list) else 0)
        for name in mapping(data, "assumptions", i, "alternatives")
    ]


def layered(
    base: Layers,
    scale: str | None,
    alternative: str | None = None,
    arm: str | None = None,
    own: bool = True,
    judged_with: str | None = None,
) -> Layers:
    """Return the claim's plain data with overrides applied in this order.

    First the paper's overrides for the scale, then the base that the claim names, the claim's own exceptions at the
    scale (unless `own` is false), the alternative, the alternative of `rule.over` (`judged_with`) and the arm. `base`:
    the result of `with_recipe`.
    """
    document, data, paper = base.document, base.document.data, base.paper
    layers = Layers(document, base.kinds, dict(base.data), dict(base.origin))
    if scale:
        if paper and (meaning := paper.scale(kind := reach(data, ("data", "kind")), scale)):
            layers.override(meaning, f"scale {scale} of {kind} in {paper.id}", ("scales", scale), written=False)
        name = base_of(data, scale)
        if paper and name is not None and name in paper.bases:
            layers.override(paper.bases[name], f"base {name} of {paper.id}", ("scales", scale, "base"), written=False)
        layers.override(exceptions(data, scale) if own else {}, f"scale {scale}", ("scales", scale))
    places = dict(alternatives(data)) if alternative or judged_with else {}
    for name in (alternative, judged_with):
        if name in places:
            layers.override(mapping(data, *places[name]), f"alternative {name}", places[name])
    return layers.with_arm(arm) if arm else layers


def starting(layers: Layers) -> Layers:
    """Return the layers of the run that the claim starts from: the claim overridden by its `start.run`."""
    loc = layers.origin["start",].loc if ("start",) in layers.origin else ("start",)
    before = Layers(layers.document, layers.kinds, dict(layers.data) | {"start": None}, dict(layers.origin))
    before.override(mapping(layers.data, "start", "run"), "start", (*loc, "run"))
    return before
