"""Resolve a claim into the configuration of one run."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from repro.claim.config import RunConfig, RunData, RunModel, RunTrain, Start
from repro.claim.kinds import Kinds
from repro.claim.model import RUN_SECTIONS, Claim, DataSpec, Net, TabledNet, TrainSpec, place_of
from repro.claim.paper import Paper
from repro.claim.scales import BASED
from repro.data.known import KNOWN
from repro.nets import tables

# Keys of `data` that only apply to crops.
CROPPING = {"stored", "crop", "crops", "mirror", "mean", "colour", "held_out", "classes"}


def run_config(claim: Claim, arm: str, *, seed: int, lr: float | None = None) -> RunConfig:
    """Return the run of one arm of a checked claim (from `ClaimFile.at`). `lr`: the rate, if rates are tuned."""
    data: dict[str, Any] = claim.model_dump(include=set(RUN_SECTIONS), exclude_unset=True)
    _override(data, claim.arms[arm].overrides, claim.kinds)
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
    """Return the run of a paper's unchanged net on one of its bases of small scale, and its epochs.

    It equals the run of a claim's arm on that base that overrides nothing.
    """
    data: dict[str, Any] = {}
    recipe = {key: setting.value for key, setting in paper.recipe.items()}
    shared = paper.scale(paper.base_of["data.kind"], BASED)
    assert shared is not None
    _override(data, recipe | dict(paper.base_of) | dict(shared) | dict(paper.bases[name]), kinds)
    return _resolved(data, seed, kinds), data["train"]["epochs"]


def _override(data: dict[str, Any], overrides: Mapping[str, Any], kinds: Kinds) -> None:
    for key in sorted(overrides, key="model.kind".__ne__):
        if key == "model.kind":  # keep the options that the new net has too
            options = kinds.options(overrides[key])
            data["model"] = {name: value for name, value in data.get("model", {}).items() if name in options}
        path, place = place_of(key), data
        for part in path[:-1]:
            below = place.get(str(part))
            place[str(part)] = place = dict(below) if isinstance(below, dict) else {}
        place[str(path[-1])] = overrides[key]


def _resolved(data: dict[str, Any], seed: int, kinds: Kinds) -> RunConfig:
    """Return the run of these sections. The run that it starts from, if any, has the same seed."""
    start = None
    if data.get("start") is not None:
        before = data | {"start": None}
        _override(before, data["start"]["run"], kinds)
        epoch = TrainSpec(**before["train"]).epochs
        start = Start(run=_resolved(before, seed, kinds), epoch=epoch, afresh=data["start"]["afresh"])
    spec, model, train = DataSpec(**data["data"]), kinds.read_net(data["model"]), TrainSpec(**data["train"])
    layers = [row.name for row in weighted(spec, model)]  # empty for a net of a library
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
    """Return the first horizon of an arm's runs: the arm's own `train.epochs`, else the claim's."""
    return int(claim.arms[arm].overrides.get("train.epochs", claim.train.epochs))


def _run_model(spec: DataSpec, model: Net, layers: list[str]) -> RunModel:
    if not isinstance(model, TabledNet):
        return RunModel(kind=model.kind)
    init = model.init
    if init == "published":
        init = {row.name: row.std for row in weighted(spec, model)}
    return RunModel(init=init if isinstance(init, str) else _by_layer(init, layers), **model.recorded())


def image(data: DataSpec | RunData) -> tuple[int, int, int]:
    """Return (channels, height, width) of the images that enter the net."""
    return (KNOWN[data.kind].shape[0], data.crop, data.crop) if data.crop else KNOWN[data.kind].shape


def classes(data: DataSpec | RunData) -> tuple[str, ...]:
    """Return the names of the classes in use, in the order of their labels."""
    names = KNOWN[data.kind].classes
    return names if data.classes is None else tuple(names[label] for label in data.classes)


def images(data: DataSpec | RunData) -> tuple[int, int]:
    """Return (training images, test images) of the classes in use, held-out images included."""
    known = KNOWN[data.kind]
    if data.classes is None:
        return known.train, known.test
    return sum(known.train_of[label] for label in data.classes), sum(known.test_of[label] for label in data.classes)


def training_images(data: DataSpec | RunData) -> int:
    """Return the number of images that are trained on."""
    return data.images or images(data)[0] - (data.held_out or 0)


def net(data: DataSpec, model: Net) -> tuple[tables.Row, ...]:
    """Return the table of layers of a claim's net for its data; no rows for a net of a library."""
    return model.rows(len(classes(data)))


def weighted(data: DataSpec, model: Net) -> tuple[tables.Weighted, ...]:
    """Return the rows of a claim's net that have weights."""
    return tables.weighted(net(data, model))


def _by_layer(given: dict[str, Any], layers: list[str]) -> dict[str, float]:
    return {name: float(given.get(name, given.get("other", 0.0))) for name in layers}
