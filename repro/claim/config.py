"""The resolved configuration of one run and its address: the hash of everything that determines the trajectory."""

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
    """Make a field that is newer than some recorded ids: it is left out at `default`, which means the old behaviour."""
    return Field(default, exclude_if=lambda value: value == default, **about)


class Section(Closed):
    """A part of a run's configuration."""

    @cached_property
    def text(self) -> str:
        """The canonical JSON, computed once: runs that differ only in their seed share the section and this text."""
        return canonical(self)

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.__dict__.pop("text", None)  # a changed copy has another text
        return copied


class RunData(Section):
    """The data set and how its images reach the net.

    `content`: the identity of the packed set. `images`: the size of a stratified part of the training set; None: all
    of it. `factor`: set only if inputs are multiplied. The fields from `stored` to `classes` are set only if training
    images are crops: they are keyword arguments of `repro.data.photos.maps` and `repro.data.photos.crops`. `stored`:
    the side of the stored images; `crop`: the side of the crops.
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
    constants: list[float] | None = later()  # means, then deviations of R, G, B in 0..1, in place of the set's own


class RunModel(Section):
    """The net and its options.

    `init`: `he`, or the initial deviation of each layer with weights. The fields after `kind` are set only for nets
    with a table of layers. Further keys are the options of that net as `TabledNet.recorded` returns them;
    `Kinds.read_net` reads them back.
    """

    model_config = ConfigDict(extra="allow")

    kind: str
    activation: tables.ActivationKind | None = later()
    width: float | None = later()
    init: Literal["he"] | dict[str, float] | None = later()

    @property
    def options(self) -> dict[str, Any]:
        """The options that are specific to this net, as recorded."""
        return dict(self.model_extra or {})


class RunTrain(Section):
    """The training rule.

    `bias_lr`: factor on `lr` for biases. `weight_decay`: by layer; a net of a library has the key `other` alone.
    `drops`, `plateau`, `colour_until`, `freeze`, `fold_in`: see `repro.train.schedule`. `layer_lr`: by layer, a factor
    on the rates of its weights and biases.
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
    """Weights to start from instead of initial values: those of another run after `epoch` epochs, or a file.

    `afresh`: the layers that start with initial values nevertheless.
    """

    run: RunConfig | None = later()
    epoch: int | None = later()
    weights: str | None = later()  # sha256 of the file
    afresh: list[str]


class RunConfig(Closed):
    """The configuration of one trajectory, without horizon, stopping level, device and threads."""

    data: RunData
    model: RunModel
    train: RunTrain
    precision: Literal["fp32", "bf16"]
    seed: int
    start: Start | None = later()

    @cached_property
    def id(self) -> str:
        """The address, 16 hexadecimal digits."""
        return hashed(self.text)

    @cached_property
    def text(self) -> str:
        """The canonical JSON, joined from the texts of the sections, because a plan needs thousands of addresses."""
        start = f',"start":{canonical(self.start)}' if self.start is not None else ""
        return (
            f'{{"data":{self.data.text},"model":{self.model.text},"precision":"{self.precision}",'
            f'"seed":{self.seed}{start},"train":{self.train.text}}}'
        )

    @cached_property
    def dotted(self) -> Dotted:
        """All values except the start, by dotted key."""
        return flat(self.model_dump(exclude={"start"}))

    def varied(self, seed: int, lr: float | None = None) -> RunConfig:
        """Return this run with another seed and, if given, another rate.

        The result is cached, so that its address is computed once. The run must start from initial values: the run that
        another one starts from would keep the old seed.
        """
        assert self.start is None, "the run that it starts from has the old seed"
        if (self.id, seed, lr) not in _VARIED:
            train = {} if lr is None else {"train": self.train.model_copy(update={"lr": lr})}
            _VARIED[self.id, seed, lr] = self.model_copy(update={"seed": seed, **train})
        return _VARIED[self.id, seed, lr]

    def __copy__(self) -> Self:
        copied = super().__copy__()
        for name in ("id", "text", "dotted"):
            copied.__dict__.pop(name, None)  # a changed copy has others
        return copied


_VARIED: dict[tuple[str, int, float | None], RunConfig] = {}  # by (address of the original run, seed, rate)


class TimingConfig(Closed):
    """One replicate of a timing: a process in which arms take turns.

    `device`: the device's name from `repro.engine.provenance`. It is part of the address, because images/s depend on
    the machine.
    """

    timed: dict[str, RunConfig]  # by arm
    updates: int
    rounds: int
    warm: int
    device: str

    @property
    def id(self) -> str:
        """The address, 16 hexadecimal digits."""
        return addressed(self)

    @property
    def seed(self) -> int:
        """The replicate's number."""
        return next(iter(self.timed.values())).seed


def addressed(config: BaseModel) -> str:
    """Return the first 16 hexadecimal digits of the sha256 of a validated configuration in canonical JSON."""
    # A later field keeps old addresses by `exclude_if` on the value that means the old behaviour.
    return hashed(canonical(config))


def canonical(config: BaseModel) -> str:
    """Return a validated configuration as JSON with sorted keys and no spaces."""
    return canonical_json(config.model_dump(mode="json"))


def canonical_json(data: object) -> str:
    """Return plain data as JSON with sorted keys and no spaces."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def hashed(text: str) -> str:
    """Return the first 16 hexadecimal digits of a text's sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def flat(data: dict, prefix: str = "") -> Dotted:
    """Return a nested mapping with dotted keys: {"train": {"lr": 1}} -> {"train.lr": 1}."""
    out: Dotted = {}
    for key, value in data.items():
        if isinstance(value, dict):
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[prefix + key] = value
    return out
