"""Overrides laid on a claim's plain data, layer by layer: a scale, an alternative, an arm; who said what, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from repro.claim.kinds import Kinds
from repro.claim.paper import Paper
from repro.claim.problems import Problem
from repro.claim.yaml import Document, Loc


class Origin(NamedTuple):
    """Who laid a value (`arm tanh`, `scale smoke`), and the place in the file that says or implies it."""

    by: str
    loc: Loc
    written: bool  # whether the value itself stands at `loc`
    order: int  # 1, 2, ... of the overrides that are written, as they were laid; 0 of others


@dataclass
class Layers:
    """A claim's plain data with overrides laid on; `origin`: of each path that was overridden, who did. The document
    is never changed."""

    document: Document
    kinds: Kinds
    data: dict[str, Any]
    origin: dict[Loc, Origin] = field(default_factory=dict)

    def lay(self, overrides: Mapping[str, Any], by: str, loc: Loc, written: bool = True) -> None:
        """Set dotted keys. Passed over: what is no key, and keys of sections that the claim lacks."""
        own: set[Loc] = set()  # mappings that are this call's copies: of thousands of keys each is copied once
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
        """The data without options of another net: a recipe's that this net lacks, and those that were said before the
        net became this one."""
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
        """Return the place at or below `loc` that was written last; `loc` where no override is."""
        below = {path: origin.order for path, origin in self.origin.items() if path[: len(loc)] == loc}
        last = max(below, key=below.__getitem__, default=loc)
        return last if below.get(last) else loc

    def _orders(self) -> dict[str, int]:
        """Return when options of the net were set: -1 by a recipe, else as overrides were laid; the claim's own, which
        come before these, are left out."""
        orders: dict[str, int] = {}
        for path, origin in self.origin.items():
            if path[0] == "model" and len(path) > 1:
                option = str(path[1])
                orders[option] = max(orders.get(option, -1), origin.order if origin.written else -1)
        return orders

    @property
    def paper(self) -> Paper | None:
        """The paper that the claim names; None where it names none that there is."""
        return paper_of(self.data, self.kinds)

    def is_written(self, loc: Loc) -> bool:
        """Return whether the value at `loc` is the claim's own, and no recipe's."""
        origin, _ = self._origin_of(loc)
        return reach(self.data, loc) is not None and (origin is None or origin.written)

    def with_arm(self, arm: str) -> Layers:
        """The same with an arm laid on."""
        laid = Layers(self.document, self.kinds, dict(self.data), dict(self.origin))
        where = self.origin["arms",].loc if ("arms",) in self.origin else ("arms",)
        laid.lay(mapping(self.data, "arms", arm), f"arm {arm}", (*where, arm))
        return laid

    def problem(self, loc: Loc, text: str, key: bool = False) -> Problem:
        """A problem at `loc` of the laid data, placed where the file says so, and told with who said it."""
        origin, rest = self._origin_of(loc)
        if origin is None:
            return Problem(*self.document.place(loc, key), text)
        return Problem(*self.document.place((*origin.loc, *rest), key or not origin.written), f"{origin.by}: {text}")

    def source(self, path: Loc) -> str | None:
        """`scale small, claims/x.yaml:28`, of the value at `path`; None where it stands in no file: a default."""
        origin, rest = self._origin_of(path)
        if origin is None:
            return self._line(path) if reach(self.data, path) is not None else None
        return f"{origin.by}, {self._line((*origin.loc, *rest))}" if origin.written else origin.by

    def _line(self, loc: Loc) -> str:
        return f"{self.document.path}:{self.document.place(loc)[0]}"

    def tags(self, loc: Loc) -> tuple[object, ...]:
        """What says which keys fit at `loc`: the kind of an exact claim, and that of the part which `loc` lies in: a
        net, a measure, a rule, a quantity, a comparison."""
        if is_exact(self.data):
            return "inspect", *([reach(self.data, (*loc[:3], "kind"))] if len(loc) > 2 else [])
        return (reach(self.data, (*loc[:1], "kind")),) if loc[:1] in (("measure",), ("rule",), ("model",)) else ()

    def _origin_of(self, loc: Loc) -> tuple[Origin | None, Loc]:
        for length in range(len(loc), 0, -1):
            if found := self.origin.get(loc[:length]):
                return found, loc[length:]
        return None, ()


def is_exact(data: dict[str, Any]) -> bool:
    """Whether a claim's plain data are meant as an exact claim, which has facts in place of arms and scales."""
    return data.get("kind") == "inspect" or "facts" in data


def reach(data: Any, loc: Loc) -> Any:
    """What stands at `loc` of plain data; None where nothing does."""
    for part in loc:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def mapping(data: Any, *loc: str | int) -> dict[str, Any]:
    """The mapping at `loc`; empty where there is none, or something else, which the models refuse."""
    found = reach(data, loc)
    return found if isinstance(found, dict) else {}


def names(data: Any, *loc: str | int) -> list[str]:
    """The strings of the list at `loc`; none where there is something else."""
    found = reach(data, loc)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def paper_of(data: dict[str, Any], kinds: Kinds) -> Paper | None:
    """Return the paper that a claim's plain data name; None where they name none that there is."""
    return kinds.paper(reach(data, ("paper", "name")))


def with_recipe(document: Document, kinds: Kinds) -> Layers:
    """Return a claim's plain data on its paper's recipe: what the claim does not say is the paper's."""
    layers = Layers(document, kinds, dict(document.data))
    paper = layers.paper
    if paper is None or is_exact(document.data):
        return layers
    for key, setting in paper.recipe.items():
        section, name = key.split(".")
        if section == "train":  # which may be the recipe's altogether
            layers.data.setdefault(section, {})
        own = layers.data.get(section)
        if isinstance(own, dict) and name not in own:
            layers.lay({key: setting.value}, f"recipe of {paper.id} ({setting.source})", (section,), written=False)
    return layers


def exceptions(data: dict[str, Any], scale: str) -> dict[str, Any]:
    """The claim's own overrides at a scale."""
    return {key: value for key, value in mapping(data, "scales", scale).items() if key not in NAMING}


NAMING = ("alternatives", "base")  # keys of a scale that name something in place of overriding it


def base_of(data: dict[str, Any], scale: str) -> str | None:
    """Return the base that a scale of the claim stands on, where it names one."""
    found = mapping(data, "scales", scale).get("base")
    return found if isinstance(found, str) else None


def alternatives(data: dict[str, Any]) -> list[tuple[str, Loc]]:
    """(name, place in the file) of every alternative, in order."""
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
    beside: str | None = None,
) -> Layers:
    """The claim (`base`: `with_recipe`) with what a scale means, its own exceptions there, an alternative, another that
    is judged beside it (`rule.over`) and an arm laid on; with `own` false without the exceptions."""
    document, data, paper = base.document, base.document.data, base.paper
    layers = Layers(document, base.kinds, dict(base.data), dict(base.origin))
    if scale:
        if paper and (meaning := paper.scale(kind := reach(data, ("data", "kind")), scale)):
            layers.lay(meaning, f"scale {scale} of {kind} in {paper.id}", ("scales", scale), written=False)
        name = base_of(data, scale)
        if paper and name is not None and name in paper.bases:
            layers.lay(paper.bases[name], f"base {name} of {paper.id}", ("scales", scale, "base"), written=False)
        layers.lay(exceptions(data, scale) if own else {}, f"scale {scale}", ("scales", scale))
    places = dict(alternatives(data)) if alternative or beside else {}
    for name in (alternative, beside):
        if name in places:
            layers.lay(mapping(data, *places[name]), f"alternative {name}", places[name])
    return layers.with_arm(arm) if arm else layers


def starting(layers: Layers) -> Layers:
    """What the claim laid so far starts from, as a claim: its `start.run` laid on it."""
    loc = layers.origin["start",].loc if ("start",) in layers.origin else ("start",)
    before = Layers(layers.document, layers.kinds, dict(layers.data) | {"start": None}, dict(layers.origin))
    before.lay(mapping(layers.data, "start", "run"), "start", (*loc, "run"))
    return before
