"""From a file to a checked claim: overrides laid on, every mistake found at once, each with its line and column."""

from __future__ import annotations

import copy
import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from repro.data.known import KNOWN
from repro.errors import ReproError
from repro.models import tables
from repro.spec import recipes
from repro.spec.claim import Claim, DataSpec, ModelSpec, TrainSpec
from repro.spec.config import RunConfig, RunData, RunModel, RunTrain, flat
from repro.spec.yaml import Document, Loc, read

_TAGS = {"rule", "number", "by layer", "epochs_to", "trace", "ratio"}  # of unions: in pydantic's places, not in the file
_NOT_OVERRIDES = {"alternatives"}  # what a scale holds beside overrides


@dataclass(frozen=True)
class Problem:
    """One mistake and where it stands."""

    line: int
    column: int
    text: str


class SpecError(ReproError):
    """Every mistake of one file, a line each: `claims/x.yaml:12:3: what is wrong`."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda p: (p.line, p.column, p.text))
        super().__init__("\n".join(f"{path}:{p.line}:{p.column}: {p.text}" for p in self.problems))


@dataclass
class Layers:
    """A claim's plain data with overrides laid on, and where each override stands."""

    document: Document
    data: dict[str, Any]
    origin: dict[Loc, tuple[str, Loc]] = field(default_factory=dict)  # path -> (said by, loc in the file)

    def lay(self, overrides: dict[str, Any], by: str, loc: Loc, from_file: bool = True) -> None:
        """Set dotted keys; a recipe's keys of sections which the claim lacks are passed over."""
        for key, value in overrides.items():
            path = split(key)
            if not from_file and len(path) > 1 and not isinstance(self.data.get(path[0]), dict):
                continue
            place = self.data
            for part in path[:-1]:
                if not isinstance(place.get(part), dict):
                    place[part] = {}
                place = place[part]
            place[path[-1]] = copy.deepcopy(value)
            self.origin[path] = (by, (*loc, key) if from_file else loc)

    def problem(self, loc: Loc, text: str, key: bool = False) -> Problem:
        """A problem at `loc` of the laid data, placed where the file says so."""
        for length in range(len(loc), 0, -1):
            if (found := self.origin.get(loc[:length])) is not None:
                by, at = found
                return Problem(*self.document.place((*at, *loc[length:]), key), f"{by}: {text}")
        return Problem(*self.document.place(loc, key), text)


def split(key: str) -> Loc:
    """`train.lr` -> ("train", "lr"); a tuned key keeps its dot: `tune.train.lr` -> ("tune", "train.lr")."""
    head, _, rest = key.partition(".")
    return (head, rest) if head in ("tune", "arms") and rest else tuple(key.split("."))


@dataclass(frozen=True)
class ClaimFile:
    """A checked claim and the file that it stands in."""

    path: Path
    document: Document
    claim: Claim

    @property
    def id(self) -> str:
        """The claim's id."""
        return self.claim.id

    def alternatives_at(self, scale: str) -> list[str]:
        """Names of the alternatives that are run at `scale`."""
        return list(self.claim.scales[scale].get("alternatives", []))  # type: ignore[index]

    def layers(self, scale: str | None, alternative: str | None = None) -> Layers:
        """The claim's data with the scale's recipe, the claim's own exceptions and an alternative laid on."""
        layers = Layers(self.document, copy.deepcopy(self.document.data))
        if scale:
            kind = self.document.data["data"]["kind"]
            recipe = recipes.SCALES.get(kind, {}).get(scale, {})
            layers.lay(recipe, f"scale {scale} of {kind}", ("scales", scale), from_file=False)
            own = {k: v for k, v in self.document.data["scales"][scale].items() if k not in _NOT_OVERRIDES}
            layers.lay(own, f"scale {scale}", ("scales", scale))
        if alternative:
            for i, assumption in enumerate(self.document.data.get("assumptions", [])):
                if over := assumption.get("alternatives", {}).get(alternative):
                    loc = ("assumptions", i, "alternatives", alternative)
                    layers.lay(over, f"alternative {alternative}", loc)
        return layers

    def at(self, scale: str | None, alternative: str | None = None) -> Claim:
        """The claim as it is run at `scale`, under one alternative to the base."""
        return Claim.model_validate(self.layers(scale, alternative).data)


def load(path: Path) -> ClaimFile:
    """Read and check one claim. Errors: SpecError with every mistake, or ReproError where the file is no YAML."""
    document = read(path)
    claim, problems = _validated(Layers(document, document.data))
    if claim is None:
        raise SpecError(path, problems)
    file = ClaimFile(path, document, claim)
    problems += _check_file(file)
    for scale in [None, *claim.scales]:
        chosen = file.alternatives_at(scale) if scale else list(claim.alternatives)
        for alternative in [None, *(name for name in chosen if name in claim.alternatives)]:
            layers = file.layers(scale, alternative)
            laid, found = _validated(layers)
            problems += found if laid is None else _check_arms(laid, layers)
    if problems:
        raise SpecError(path, problems)
    return file


def run_config(claim: Claim, arm: str, *, seed: int, lr: float | None = None) -> RunConfig:
    """The run of one arm of a claim (as given by `ClaimFile.at`), at rate `lr` where rates are tuned."""
    data: dict[str, Any] = {
        "data": claim.data.model_dump(),
        "model": claim.model.model_dump(),
        "train": claim.train.model_dump(),
        "precision": claim.precision,
    }
    for key, value in claim.arms[arm].items():
        place = data
        *above, last = split(key)
        for part in above:
            place = place.setdefault(str(part), {})
        place[str(last)] = value
    if lr is not None:
        data["train"]["lr"] = lr
    spec, model, train = DataSpec(**data["data"]), ModelSpec(**data["model"]), TrainSpec(**data["train"])
    known = KNOWN[spec.kind]
    rows = tables.weighted(
        tables.table(model.kind, activation=model.activation, width=model.width, classes=len(known.classes))
    )
    init = {row.name: row.std for row in rows} if model.init == "published" else model.init
    decay = {row.name: row.decay for row in rows} if train.weight_decay == "published" else train.weight_decay
    if isinstance(decay, float | int):
        decay = {"other": decay}
    return RunConfig(
        data=RunData(kind=spec.kind, content=known.content, images=spec.images, scale=spec.scale),
        model=RunModel(
            kind=model.kind,
            activation=model.activation,
            width=model.width,
            init=init if isinstance(init, str) else _by_layer("model.init", init, rows),
        ),
        train=RunTrain(
            weight_decay=_by_layer("train.weight_decay", decay, rows),
            **train.model_dump(include=set(RunTrain.model_fields) - {"weight_decay"}),
        ),
        precision=claim.precision,
        seed=seed,
    )


def _by_layer(key: str, given: dict[str, float], rows: tuple[tables.Conv | tables.Dense, ...]) -> dict[str, float]:
    names = [row.name for row in rows]
    for name in given:
        if name not in (*names, "other"):
            raise ValueError(f"{key}.{name}: no such layer{nearest(name, names)}; layers: {', '.join(names)}, or other")
    if lacking := [name for name in names if name not in given and "other" not in given]:
        raise ValueError(f"{key}: nothing for {', '.join(lacking)}; name them or give `other`")
    return {name: float(given.get(name, given.get("other", 0.0))) for name in names}


def nearest(name: str, names: Any) -> str:
    """`; did you mean x?`, or nothing."""
    close = difflib.get_close_matches(str(name), [str(n) for n in names], n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _validated(layers: Layers) -> tuple[Claim | None, list[Problem]]:
    try:
        return Claim.model_validate(layers.data), []
    except ValidationError as error:
        return None, [_told(layers, e) for e in error.errors()]


def _told(layers: Layers, error: Any) -> Problem:
    """A pydantic error in our words, at its place."""
    loc = _in_file(error["loc"], layers.data)
    dotted = ".".join(str(part) for part in loc)
    kind, found = error["type"], error["input"]
    if kind == "missing":
        return layers.problem(loc, f"{dotted}: missing; expected {_described(error['loc'])}")
    if kind == "extra_forbidden":
        return layers.problem(loc, f"{dotted}: not a known key{nearest(loc[-1], _names(error['loc'][:-1]))}", key=True)
    expected = error["msg"].replace("Input should be", "expected").replace("String should", "expected to")
    close = nearest(found, error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")) if (
        kind == "literal_error"
    ) else ""
    shown = found if isinstance(found, int | float | str | bool) or found is None else type(found).__name__
    return layers.problem(loc, f"{dotted}: found {shown!r}; {expected}{close}")


def _in_file(loc: Loc, data: Any) -> Loc:
    """pydantic's place without the tags of unions."""
    out: list[str | int] = []
    for i, part in enumerate(loc):
        if (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int)):
            data = data[part]  # type: ignore[index]
        elif part == "[key]" or (part in _TAGS and i < len(loc) - 1) or (part in _TAGS and out and out[-1] != part
                                                                       and not isinstance(data, dict)):
            continue
        else:
            data = None
        out.append(part)
    return tuple(out)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for arg in get_args(annotation) for model in _models(arg)]


def _fields(loc: Loc) -> dict[str, Any]:
    """The fields of the model at pydantic's place `loc`, by the name used in the file."""
    models: list[type[BaseModel]] = [Claim]
    for part in loc:
        if isinstance(part, int):
            continue
        by_tag = [m for m in models if "kind" in m.model_fields and part in get_args(m.model_fields["kind"].annotation)]
        fields = {f.alias or n: f for m in models for n, f in m.model_fields.items()}
        models = by_tag or (_models(fields[part].annotation) if part in fields else [])
    return {f.alias or n: f for m in models for n, f in m.model_fields.items()}


def _names(loc: Loc) -> list[str]:
    return list(_fields(loc))


def _described(loc: Loc) -> str:
    found = _fields(loc[:-1]).get(str(loc[-1]))
    return found.description if found is not None and found.description else "a value"


def _check_file(file: ClaimFile) -> list[Problem]:
    """What concerns the file as a whole."""
    claim, document = file.claim, file.document
    base = Layers(document, document.data)
    out = []
    if claim.id != file.path.stem:
        out.append(base.problem(("id",), f"id: found {claim.id!r}; expected the file's name, {file.path.stem!r}"))
    names = [name for assumption in claim.assumptions for name in assumption.alternatives]
    for name in {n for n in names if names.count(n) > 1}:
        out.append(base.problem(("assumptions",), f"alternative {name}: named twice"))
    plain = flat(claim.model_dump(by_alias=True))
    over: list[tuple[Loc, dict[str, Any], dict[str, Any]]] = []
    for scale, overrides in claim.scales.items():
        kind = claim.data.kind
        for name in overrides.get("alternatives", []):
            if name not in names:
                loc = ("scales", scale, "alternatives")
                out.append(base.problem(loc, f"alternative {name}: not declared under assumptions{nearest(name, names)}"))
        recipe = {".".join(map(str, split(k))): v for k, v in recipes.SCALES.get(kind, {}).get(scale, {}).items()}
        own = {k: v for k, v in overrides.items() if k not in _NOT_OVERRIDES}
        over.append((("scales", scale), own, plain | recipe))
    for i, assumption in enumerate(claim.assumptions):
        for name, overrides in assumption.alternatives.items():
            over.append((("assumptions", i, "alternatives", name), overrides, plain))
    for loc, overrides, before in over:
        for key, value in overrides.items():
            if key in before and before[key] == value and type(before[key]) is type(value):
                out.append(base.problem((*loc, key), f"{key}: changes nothing; it is {value!r} already", key=True))
    return out


def _check_arms(claim: Claim, layers: Layers) -> list[Problem]:
    """What concerns a claim with its overrides laid on: arms, seeds, grid, rule, shapes."""
    out: list[Problem] = []
    known = KNOWN[claim.data.kind]
    if claim.data.images is not None and claim.data.images > known.train:
        text = f"data.images: found {claim.data.images}; expected at most {known.train}"
        out.append(layers.problem(("data", "images"), text))
    out += _check_seeds(claim, layers)
    configs: dict[str, dict[str, Any]] = {}
    for arm in claim.arms:
        if "." in "".join(claim.arms[arm]) and any(key.split(".")[0] not in ("data", "model", "train") for key in
                                                  claim.arms[arm]):
            out.append(layers.problem(("arms", arm), f"arms.{arm}: an arm overrides data, model or train only", key=True))
            continue
        try:
            config = run_config(claim, arm, seed=claim.seeds[0], lr=claim.tune.rates[0] if claim.tune else None)
            model = config.model
            rows = tables.table(
                model.kind, activation=model.activation, width=model.width, classes=len(known.classes)
            )
            list(tables.shapes(rows, known.shape))
        except ValidationError as error:
            for e in error.errors():
                key = next((k for k in claim.arms[arm] if split(k)[-1] in e["loc"]), None)
                loc: Loc = ("arms", arm, key) if key else ("arms", arm)
                told = e["msg"].replace("Input should be", "expected")
                if e["type"] == "extra_forbidden":
                    names = [n for s in (DataSpec, ModelSpec, TrainSpec) for n in s.model_fields]
                    told = f"not a known key{nearest(str(e['loc'][-1]), names)}"
                out.append(layers.problem(loc, f"arms.{arm}.{key}: found {e['input']!r}; {told}", key=key is None))
            continue
        except ValueError as error:
            section = str(error).split(":")[0].split(".")[0]
            loc = (section,) if section in layers.data else ("model",)
            out.append(layers.problem(loc, f"arm {arm}: {error}"))
            continue
        configs[arm] = flat(config.model_dump())
    tuned = {"train.lr"} if claim.tune else set()
    differing = {
        key for a in configs.values() for b in configs.values() for key in a.keys() | b.keys() if a.get(key) != b.get(key)
    }
    for key in sorted(differing - set(claim.varies) - tuned):
        if not any(key.startswith(f"{name}.") for name in claim.varies):
            out.append(layers.problem(("varies",), f"varies: the arms differ in {key} too; name it or make them agree"))
    for i, key in enumerate(claim.varies):
        if not any(d == key or d.startswith(f"{key}.") for d in differing) and len(configs) == len(claim.arms):
            near = nearest(key, next(iter(configs.values()))) if configs else ""
            out.append(layers.problem(("varies", i), f"varies: no arm differs in {key}{near}"))
    return out + _check_rule(claim, layers)


def _check_seeds(claim: Claim, layers: Layers) -> list[Problem]:
    out = []
    lists: list[tuple[Loc, list[int]]] = [(("seeds",), claim.seeds)]
    if claim.tune:
        lists.append((("tune", "on_seeds"), claim.tune.on_seeds))
        for seed in sorted(set(claim.seeds) & set(claim.tune.on_seeds)):
            out.append(layers.problem(("tune", "on_seeds"), f"tune.on_seeds: {seed} is a judging seed too"))
        rates = claim.tune.rates
        for i, (low, high) in enumerate(zip(rates, rates[1:], strict=False), start=1):
            if high != 2 * low:
                text = f"tune.train.lr: found {high} after {low}; expected {2 * low}, a grid in steps of two"
                out.append(layers.problem(("tune", "train.lr", i), text))
    for loc, seeds in lists:
        if len(set(seeds)) < len(seeds):
            out.append(layers.problem(loc, f"{'.'.join(map(str, loc))}: a seed stands twice"))
    return out


def _check_rule(claim: Claim, layers: Layers) -> list[Problem]:
    out = []
    rule = claim.rule
    forms = {"epochs_to": {"ratio"}, "trace": {"trace"}}
    if rule.kind not in forms[claim.measure.kind]:
        text = f"rule.kind: {rule.kind} does not judge the measure {claim.measure.kind}"
        out.append(layers.problem(("rule", "kind"), text))
    name, band = ("within", rule.within) if rule.kind == "ratio" else ("offset_within", rule.offset_within)
    target = rule.paper if rule.kind == "ratio" else 0.0
    if not band[0] < band[1]:
        out.append(layers.problem(("rule", name), f"rule.{name}: found {band}; expected [low, high] with low < high"))
    elif not band[0] <= target <= band[1]:
        out.append(layers.problem(("rule", name), f"rule.{name}: {band} does not hold the paper's {target:g}"))
    if rule.kind == "ratio":
        for i, arm in enumerate(rule.of):
            if arm not in claim.arms:
                text = f"rule.of: no arm {arm}{nearest(arm, claim.arms)}"
                out.append(layers.problem(("rule", "of", i), text))
        if rule.of[0] == rule.of[1]:
            out.append(layers.problem(("rule", "of"), f"rule.of: {rule.of[0]} against itself"))
        if (rule.paper > 1) != (rule.direction == "above 1"):
            out.append(layers.problem(("rule", "direction"), f"rule.direction: {rule.paper:g} is not {rule.direction}"))
    return out
