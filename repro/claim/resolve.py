"""From a claim to the configuration of one run."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from repro.claim import recipes
from repro.claim.config import RunConfig, RunData, RunModel, RunTrain, Start
from repro.claim.model import OF_RUNS, Claim, DataSpec, ModelSpec, TrainSpec, path_of
from repro.data.known import KNOWN
from repro.nets import registry, tables

# What only a net that reads crops, and only nets with a table of layers have of their own.
CROPPING = {"stored", "crop", "crops", "mirror", "mean", "colour", "held_out", "classes"}
TABLED = {"activation", "width", "init"}


def run_config(claim: Claim, arm: str, *, seed: int, lr: float | None = None) -> RunConfig:
    """The run of one arm of a checked claim (as given by `ClaimFile.at`), at rate `lr` where rates are tuned."""
    data: dict[str, Any] = claim.model_dump(include=set(OF_RUNS))
    _lay(data, claim.arms[arm].overrides)
    if lr is not None:
        data["train"]["lr"] = lr
    return _run(marshal.dumps(data, BY_VALUE), seed)


BY_VALUE: Final = (
    2  # the last version of marshal whose bytes follow from the value alone, not from what is shared within it
)


@cache  # the scales and alternatives of all claims make the same few runs thousands of times
def _run(sections: bytes, seed: int) -> RunConfig:
    return _resolved(marshal.loads(sections), seed)


# What the claims on the paper's net share (§5; source.md 1, 16): what a base of theirs is laid on.
_PAPERS_NET: dict[str, Any] = {
    "data": {"kind": "ilsvrc2012", "crop": 224, "held_out": 10_000},
    "model": {"kind": registry.PAPERS},
    "train": {"batch": 128, "epochs": 90, "file_images": 1024, "plateau": 5},
    "precision": "fp32",
    "start": None,
}


def base_run(name: str, seed: int) -> tuple[RunConfig, int]:
    """Return the run of the paper's net on a base of small scale, and its epochs: what a claim's arm is on that base
    where it is the paper's net as it is."""
    data = {key: dict(value) if isinstance(value, dict) else value for key, value in _PAPERS_NET.items()}
    _lay(data, recipes.SCALES["ilsvrc2012"][recipes.BASED] | recipes.BASES[name])
    return _resolved(data, seed), data["train"]["epochs"]


def _lay(data: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    for key, value in overrides.items():
        place, path = data, path_of(key)
        assert path is not None
        for part in path[:-1]:
            below = place.get(str(part))
            place[str(part)] = place = dict(below) if isinstance(below, dict) else {}
        place[str(path[-1])] = value


def _resolved(data: dict[str, Any], seed: int) -> RunConfig:
    """The run of these sections. What it starts from is a run of the same seed."""
    start = None
    if data["start"] is not None:
        before = data | {"start": None}
        _lay(before, data["start"]["run"])
        epoch = TrainSpec(**before["train"]).epochs
        start = Start(run=_resolved(before, seed), epoch=epoch, afresh=data["start"]["afresh"])
    spec, model, train = DataSpec(**data["data"]), ModelSpec(**data["model"]), TrainSpec(**data["train"])
    layers = [row.name for row in weighted(spec, model)]  # none in a library's net
    decay = train.weight_decay
    if decay == "published":
        decay = {row.name: row.decay for row in weighted(spec, model)}
    return RunConfig(
        data=RunData(
            content=KNOWN[spec.kind].content,
            factor=spec.factor if spec.factor != 1 else None,
            **spec.model_dump(include={"kind", "images", "scale", *(CROPPING if spec.crop else ())}),
        ),
        model=_run_model(spec, model, layers),
        train=RunTrain(
            weight_decay=_by_layer(decay if isinstance(decay, dict) else {"other": decay}, layers or ["other"]),
            **train.model_dump(include=set(RunTrain.model_fields) - {"weight_decay"}),
        ),
        precision=data["precision"],
        seed=seed,
        start=start,
    )


def epochs_of(claim: Claim, arm: str) -> int:
    """The first horizon of an arm's runs: its own, where it says one."""
    return int(claim.arms[arm].overrides.get("train.epochs", claim.train.epochs))


def _run_model(spec: DataSpec, model: ModelSpec, layers: list[str]) -> RunModel:
    if registry.of_library(model.kind):
        return RunModel(kind=model.kind)
    init = model.init
    if init == "published":
        init = {row.name: row.std for row in weighted(spec, model)}
    return RunModel(
        init=init if isinstance(init, str) else _by_layer(init, layers),
        **model.model_dump(include={"kind", "activation", "width", *registry.OPTIONS[model.kind]}) | _edited(model),
    )


def image(data: DataSpec | RunData) -> tables.Shape:
    """(channels, height, width) of what the net sees."""
    return (KNOWN[data.kind].shape[0], data.crop, data.crop) if data.crop else KNOWN[data.kind].shape


def classes(data: DataSpec | RunData) -> tuple[str, ...]:
    """The classes that are told apart."""
    names = KNOWN[data.kind].classes
    return names if data.classes is None else tuple(names[label] for label in data.classes)


def images(data: DataSpec | RunData) -> tuple[int, int]:
    """(training images, test images) of these classes, before any is held out."""
    known = KNOWN[data.kind]
    if data.classes is None:
        return known.train, known.test
    return sum(known.train_of[label] for label in data.classes), sum(known.test_of[label] for label in data.classes)


def training_images(data: DataSpec | RunData) -> int:
    """How many images are trained on."""
    return data.images or images(data)[0] - (data.held_out or 0)


def net(data: DataSpec, model: ModelSpec) -> tuple[tables.Row, ...]:
    """The table of layers that a claim's data and model name; no rows for a net of a library, which is known to torch
    alone."""
    if registry.of_library(model.kind):
        return ()
    given = model.model_dump(include={"activation", "width", *registry.OPTIONS[model.kind]})
    lists = {"without": tuple, "maps": lambda maps: tuple(maps.items())}
    options = {key: lists[key](value) if key in lists else value for key, value in given.items()}
    return _table(model.kind, len(classes(data)), **options)


@cache  # a plan asks for the same few nets thousands of times
def _table(kind: str, classes: int, **options: Any) -> tuple[tables.Row, ...]:
    return registry.table(kind, classes=classes, **{k: dict(v) if k == "maps" else v for k, v in options.items()})


def _edited(model: ModelSpec) -> dict[str, Any]:
    """`maps` without the layers that it leaves as they are published, and no `pooling` where a net that could not be
    told its pooling before has its own: the same net has one address."""
    own = {"pooling": None} if model.kind in registry.POOLED_LATER and model.pooling == "3/2" else {}
    if not model.maps:
        return own
    rows = tables.weighted(registry.table(model.kind, classes=1))
    published = {row.name: tables.outputs(row) for row in rows}
    return own | {"maps": {layer: many for layer, many in model.maps.items() if many != published[layer]}}


def weighted(data: DataSpec, model: ModelSpec) -> tuple[tables.Weighted, ...]:
    """Its rows that hold weights."""
    return tables.weighted(net(data, model))


def _by_layer(given: dict[str, Any], layers: list[str]) -> dict[str, float]:
    return {name: float(given.get(name, given.get("other", 0.0))) for name in layers}
