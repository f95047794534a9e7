"""From a claim to the configuration of one run."""

from __future__ import annotations

from functools import cache
from typing import Any

from repro.data.known import KNOWN
from repro.models import tables
from repro.spec.claim import Claim, DataSpec, ModelSpec, TrainSpec, path_of
from repro.spec.config import RunConfig, RunData, RunModel, RunTrain


def run_config(claim: Claim, arm: str, *, seed: int, lr: float | None = None) -> RunConfig:
    """The run of one arm of a checked claim (as given by `ClaimFile.at`), at rate `lr` where rates are tuned."""
    sections = {"data", "model", "train", "precision"}
    data: dict[str, Any] = claim.model_dump(include=sections)
    for key, value in claim.arms[arm].items():
        place, path = data, path_of(key)
        assert path is not None
        for part in path[:-1]:
            below = place.get(str(part))
            place[str(part)] = place = below if isinstance(below, dict) else {}
        place[str(path[-1])] = value
    if lr is not None:
        data["train"]["lr"] = lr
    spec, model, train = DataSpec(**data["data"]), ModelSpec(**data["model"]), TrainSpec(**data["train"])
    rows = weighted(spec, model)
    init = {row.name: row.std for row in rows} if model.init == "published" else model.init
    decay = {row.name: row.decay for row in rows} if train.weight_decay == "published" else train.weight_decay
    layers = [row.name for row in rows]
    return RunConfig(
        data=RunData(kind=spec.kind, content=KNOWN[spec.kind].content, images=spec.images, scale=spec.scale),
        model=RunModel(
            kind=model.kind,
            activation=model.activation,
            width=model.width,
            init=init if isinstance(init, str) else _by_layer(init, layers),
        ),
        train=RunTrain(
            weight_decay=_by_layer(decay if isinstance(decay, dict) else {"other": decay}, layers),
            **train.model_dump(include=set(RunTrain.model_fields) - {"weight_decay"}),
        ),
        precision=data["precision"],
        seed=seed,
    )


def net(data: DataSpec, model: ModelSpec) -> tuple[tables.Row, ...]:
    """The table of layers that a claim's data and model name."""
    return _table(model.kind, model.activation, model.width, len(KNOWN[data.kind].classes))


@cache  # a plan asks for the same few nets thousands of times
def _table(kind: tables.Kind, activation: str, width: float, classes: int) -> tuple[tables.Row, ...]:
    return tables.table(kind, activation=activation, width=width, classes=classes)


def weighted(data: DataSpec, model: ModelSpec) -> tuple[tables.Conv | tables.Dense, ...]:
    """Its rows that hold weights."""
    return tables.weighted(net(data, model))


def _by_layer(given: dict[str, Any], layers: list[str]) -> dict[str, float]:
    return {name: float(given.get(name, given.get("other", 0.0))) for name in layers}
