"""From a claim to the configuration of one run."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from repro.claim.config import RunConfig, RunData, RunModel, RunTrain, Start
from repro.claim.kinds import Kinds
from repro.claim.model import OF_RUNS, Claim, DataSpec, Net, TabledNet, TrainSpec, place_of
from repro.claim.paper import Paper
from repro.claim.scales import BASED
from repro.data.known import KNOWN
from repro.nets import tables

# What only a net that reads crops has of its own.
CROPPING = {"stored", "crop", "crops", "mirror", "mean", "colour", "held_out", "classes"}


def run_config(claim: Claim, arm: str, *, seed: int, lr: float | None = None) -> RunConfig:
    """The run of one arm of a checked claim (as given by `ClaimFile.at`), at rate `lr` where rates are tuned."""
    data: dict[str, Any] = claim.model_dump(include=set(OF_RUNS), exclude_unset=True)
    _lay(data, claim.arms[arm].overrides, claim.kinds)
    if lr is not None:
        data["train"]["lr"] = lr
    return _run(type(claim), marshal.dumps(data, BY_VALUE), seed)


BY_VALUE: Final = (
    2  # the last version of marshal whose bytes follow from the value alone, not from what is shared within it
)


@cache  # the scales and alternatives of all claims make the same few runs thousands of times
def _run(claim: type[Claim], sections: bytes, seed: int) -> RunConfig:
    return _resolved(marshal.loads(sections), seed, claim.kinds)


def base_run(paper: Paper, kinds: Kinds, name: str, seed: int) -> tuple[RunConfig, int]:
    """Return the run of a paper's net on one of its bases of small scale, and its epochs: what a claim's arm is on that
    base where it is the paper's net as it is."""
    data: dict[str, Any] = {}
    recipe = {key: setting.value for key, setting in paper.recipe.items()}
    shared = paper.scale(paper.base_of["data.kind"], BASED)
    assert shared is not None
    _lay(data, recipe | dict(paper.base_of) | dict(shared) | dict(paper.bases[name]), kinds)
    return _resolved(data, seed, kinds), data["train"]["epochs"]


def _lay(data: dict[str, Any], overrides: Mapping[str, Any], kinds: Kinds) -> None:
    for key in sorted(overrides, key="model.kind".__ne__):
        if key == "model.kind":  # what was said of the former net stays where this one has the option too
            options = kinds.options(overrides[key])
            data["model"] = {name: value for name, value in data.get("model", {}).items() if name in options}
        path, place = place_of(key), data
        for part in path[:-1]:
            below = place.get(str(part))
            place[str(part)] = place = dict(below) if isinstance(below, dict) else {}
        place[str(path[-1])] = overrides[key]


def _resolved(data: dict[str, Any], seed: int, kinds: Kinds) -> RunConfig:
    """The run of these sections. What it starts from is a run of the same seed."""
    start = None
    if data.get("start") is not None:
        before = data | {"start": None}
        _lay(before, data["start"]["run"], kinds)
        epoch = TrainSpec(**before["train"]).epochs
        start = Start(run=_resolved(before, seed, kinds), epoch=epoch, afresh=data["start"]["afresh"])
    spec, model, train = DataSpec(**data["data"]), kinds.read_net(data["model"]), TrainSpec(**data["train"])
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
        precision=data.get("precision", "fp32"),
        seed=seed,
        start=start,
    )


def epochs_of(claim: Claim, arm: str) -> int:
    """The first horizon of an arm's runs: its own, where it says one."""
    return int(claim.arms[arm].overrides.get("train.epochs", claim.train.epochs))


def _run_model(spec: DataSpec, model: Net, layers: list[str]) -> RunModel:
    if not isinstance(model, TabledNet):
        return RunModel(kind=model.kind)
    init = model.init
    if init == "published":
        init = {row.name: row.std for row in weighted(spec, model)}
    return RunModel(init=init if isinstance(init, str) else _by_layer(init, layers), **model.recorded())


def image(data: DataSpec | RunData) -> tuple[int, int, int]:
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


def net(data: DataSpec, model: Net) -> tuple[tables.Row, ...]:
    """The table of layers that a claim's data and model name; no rows for a net of a library, which is known to torch
    alone."""
    return model.rows(len(classes(data)))


def weighted(data: DataSpec, model: Net) -> tuple[tables.Weighted, ...]:
    """Its rows that hold weights."""
    return tables.weighted(net(data, model))


def _by_layer(given: dict[str, Any], layers: list[str]) -> dict[str, float]:
    return {name: float(given.get(name, given.get("other", 0.0))) for name in layers}
