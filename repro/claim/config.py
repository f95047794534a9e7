"""The resolved configuration of one run, and its address: a hash of what decides the trajectory and of nothing else."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from repro.nets import tables

Dotted = dict[str, Any]


class Closed(BaseModel):
    """A frozen model that refuses unknown keys and converts nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def later(default: Any = None, **about: Any) -> Any:
    """Make a field that came after ids were given: absent at `default`, which means what was done before it came."""
    return Field(default, exclude_if=lambda value: value == default, **about)


class Section(Closed):
    """A part of a run's configuration."""

    @cached_property
    def text(self) -> str:
        """Its canonical JSON: runs that differ in their seed alone share the section, and with it this text."""
        return canonical(self)

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.__dict__.pop("text", None)  # of a copy that is changed, another
        return copied


class RunData(Section):
    """`content`: the identity of the packed set; `images`: a stratified part of the training set, None the whole.

    `factor` is there where inputs are multiplied. The rest of what follows `scale` is there where training images are
    crops: keyword arguments of `repro.data.photos.maps` and `repro.data.photos.crops`; `stored` is the side of the
    stored images, `crop` that of what the net sees.
    """

    kind: str
    content: str
    images: int | None
    scale: Literal["raw", "standardised"]
    stored: int | None = later()
    crop: int | None = later()
    crops: Literal["paper", "source", "all", "none"] | None = later()
    mirror: bool | None = later()
    mean: Literal["per_offset", "centre"] | None = later()
    colour: Literal["paper", "source", "none"] | None = later()
    held_out: int | None = later()
    classes: list[int] | None = later()  # of the set, in this order; None: all
    factor: float | None = later()


class RunModel(Section):
    """Which net, and what its options are; `init`: `he`, or the initial deviation of every layer with weights.

    What follows `kind` is there where the net has a table of layers. Further keys are the options of that net, in the
    form of `TabledNet.recorded`; `Kinds.net` reads them back.
    """

    model_config = ConfigDict(extra="allow")

    kind: str
    activation: tables.ActivationKind | None = later()
    width: float | None = later()
    init: Literal["he"] | dict[str, float] | None = later()

    @property
    def options(self) -> dict[str, Any]:
        """The net's own options, as they are recorded."""
        return dict(self.model_extra or {})


class RunTrain(Section):
    """The training rule; `bias_lr` is a factor on `lr`, `weight_decay` is by layer, `other` alone in a library's net.

    `drops`, `plateau`, `colour_until`, `freeze`, `fold_in`: see `repro.train.schedule`. `layer_lr`: by layer, a factor
    on both its rates.
    """

    batch: int
    lr: float
    bias_lr: float
    momentum: float
    weight_decay: dict[str, float]
    file_images: int
    order: Literal["repeated", "fresh"]
    drops: list[int] = later([])
    plateau: int | None = later()
    colour_until: int | None = later()
    freeze: dict[str, int] = later({})
    fold_in: int | None = later()
    layer_lr: dict[str, float] = later({})


class Start(Closed):
    """Weights that a run starts from in place of initial values: those of another run after so many epochs, or a file.

    `afresh`: the layers that have their initial values all the same.
    """

    run: RunConfig | None = later()
    epoch: int | None = later()
    weights: str | None = later()  # sha256 of the file
    afresh: list[str]


class RunConfig(Closed):
    """One trajectory. Its horizon, stopping level, device and threads are not part of it."""

    data: RunData
    model: RunModel
    train: RunTrain
    precision: Literal["fp32", "bf16"]
    seed: int
    start: Start | None = later()

    @cached_property
    def id(self) -> str:
        """Its address."""
        return hashed(self.text)

    @cached_property
    def text(self) -> str:
        """Its canonical JSON, put together from that of its sections: a plan asks for thousands of addresses."""
        start = f',"start":{canonical(self.start)}' if self.start is not None else ""
        return (
            f'{{"data":{self.data.text},"model":{self.model.text},"precision":"{self.precision}",'
            f'"seed":{self.seed}{start},"train":{self.train.text}}}'
        )

    @cached_property
    def dotted(self) -> Dotted:
        """Every value but the start by its dotted key."""
        return flat(self.model_dump(exclude={"start"}))

    def varied(self, seed: int, lr: float | None = None) -> RunConfig:
        """Return the same run with another seed, and with another rate where one is given; the same object each time,
        so that its address is worked out once. Only of a run that starts from initial values: what another starts from
        has the seed too."""
        assert self.start is None, "what it starts from has the old seed"
        if (self.id, seed, lr) not in _VARIED:
            train = {} if lr is None else {"train": self.train.model_copy(update={"lr": lr})}
            _VARIED[self.id, seed, lr] = self.model_copy(update={"seed": seed, **train})
        return _VARIED[self.id, seed, lr]

    def __copy__(self) -> Self:
        copied = super().__copy__()
        for name in ("id", "text", "dotted"):
            copied.__dict__.pop(name, None)  # of a copy that is changed, another
        return copied


_VARIED: dict[tuple[str, int, float | None], RunConfig] = {}  # by the address of the run that was varied


class TimingConfig(Closed):
    """One replicate of a timing: a process in which arms take turns. Images/s are a fact of a machine, so `device`, the
    device's name as `repro.engine.provenance` gives it, is a part of it, as it is of no training."""

    timed: dict[str, RunConfig]  # by arm
    updates: int
    rounds: int
    warm: int
    device: str

    @property
    def id(self) -> str:
        """Its address."""
        return addressed(self)

    @property
    def seed(self) -> int:
        """The replicate's number."""
        return next(iter(self.timed.values())).seed


def addressed(config: BaseModel) -> str:
    """16 hexadecimal digits of the sha256 of a validated configuration, keys sorted."""
    # A later field keeps old addresses by `exclude_if` on the value that means the old behaviour.
    return hashed(canonical(config))


def canonical(config: BaseModel) -> str:
    """A validated configuration as JSON: keys sorted, no space."""
    return canonical_json(config.model_dump(mode="json"))


def canonical_json(data: object) -> str:
    """Return plain data as JSON: keys sorted, no space."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def hashed(text: str) -> str:
    """16 hexadecimal digits of a text's sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def flat(data: dict, prefix: str = "") -> Dotted:
    """{"train": {"lr": 1}} -> {"train.lr": 1}."""
    out: Dotted = {}
    for key, value in data.items():
        if isinstance(value, dict):
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[prefix + key] = value
    return out
