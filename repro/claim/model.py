"""A claim as it stands in `claims/*.yaml`: closed models; defaults are the paper's own recipe, each with its section.

A field's description is what `repro show`, the JSON Schema and the error for a missing key say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from repro.claim.config import Closed
from repro.claim.recipes import ScaleName
from repro.claim.records import Paper
from repro.claim.scalars import Label, Name, Number, Positive, Seed, Text
from repro.claim.yaml import Loc
from repro.nets import registry, tables

# Tags of unions stand in angle brackets, so that they can be told from keys in the places that pydantic reports.
ByLayer = Annotated[dict[str, Annotated[float, Field(ge=0)]], Tag("<by layer>"), Field(min_length=1)]


def _form(value: Any) -> str:
    if isinstance(value, dict):
        return "<by layer>"
    return "<rule>" if isinstance(value, str) else "<number>"


def _whose(value: Any) -> str:
    return "<library>" if registry.of_library(value) else "<ours>"


class DataSpec(Closed):
    """Which images."""

    kind: Literal[
        "cifar10", "digits", "imagenette", "ilsvrc2010", "ilsvrc2012", "imagenet2009", "imagenet_fall2011"
    ] = Field(description="data set")
    images: int | None = Field(None, gt=0, description="a stratified part of the training set; all of it by default")
    scale: Literal["raw", "standardised"] = Field(
        "raw", description="raw: 0-255 minus the mean image (source.md 3.1); standardised: divided by the deviation too"
    )
    factor: float = Field(1.0, gt=0, description="what inputs are multiplied by after `scale`")
    crop: int | None = Field(None, gt=0, description="side of the crops that the net sees (§4.1); none: whole images")
    stored: int = Field(256, gt=0, description="short side of the stored images that crops are taken from (§2)")
    crops: Literal["paper", "source", "all", "none"] = Field(
        "paper",
        description="paper: drawn for each image (§4.1); source: for 32 at a time (source.md 1, 22); "
        "all: for each image, the last offset too (source.md 3.1)",
    )
    mirror: bool = Field(True, description="horizontal reflections (§4.1)")
    mean: Literal["per_offset", "centre"] = Field(
        "per_offset", description="what crops lose: each pixel its own mean (§2), or the centre's (source.md 1, 24)"
    )
    colour: Literal["paper", "source", "none"] = Field(
        "paper", description="noise along the principal components of colour: as printed (§4.1), or source.md 1, 19"
    )
    held_out: int = Field(0, ge=0, description="training images kept from training, for the plateau and for tuning")
    classes: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, min_length=2, description="only these classes of the set, by their numbers; all of them by default"
    )


class ModelSpec(Closed):
    """Which net."""

    kind: Annotated[
        Annotated[registry.Kind, Tag("<ours>")]
        | Annotated[str, Tag("<library>"), Field(pattern=registry.LIBRARY_KIND)],
        Discriminator(_whose),
    ] = Field(description="table of layers, or a net of a library as it is, without the keys below")
    activation: tables.ActivationKind = Field("relu", description="non-linearity of every hidden layer (§3.1)")
    init: Annotated[
        Annotated[Literal["published", "he"], Tag("<rule>")]
        | Annotated[dict[str, Positive], Tag("<by layer>"), Field(min_length=1)],
        Discriminator(_form),
    ] = Field("published", description="deviation of the initial weights: of the net's own files, He's, or by layer")
    width: float = Field(1.0, gt=0, le=4, description="factor on the maps and units of every hidden layer")
    # The rest are options of some nets alone: `registry.OPTIONS` says of which; defaults and sections are the paper's.
    reading: registry.Reading = Field("paper", description="as printed, or as the released source does (source.md 1)")
    towers: registry.Towers = Field(
        "two", description="two that meet in some layers (§3.2), or one, or two apart; dense conv2: met in layer 2"
    )
    norms: registry.Norms = Field("both", description="local response normalisation (§3.3)")
    pooling: registry.Pooling = Field("3/2", description="size/stride of the poolings (§3.4)")
    dropout: float = Field(0.5, ge=0, lt=1, description="probability of being dropped in fc6 and fc7 (§4.2)")
    bias: float = Field(1.0, ge=0, description="initial bias of conv2, 4, 5 and the hidden fc layers (§5)")
    without: list[registry.Layer] = Field(default_factory=list, max_length=1, description="a convolution left out (§7)")
    conv6: bool = Field(False, description="a sixth convolution over the last pooling (§6)")
    halved: bool = Field(False, description="outputs of fc6 and fc7 times 0.5 in place of dropout: no noise (assumed)")
    # cuda-convnet's nets alone.
    maps: dict[str, Number] = Field(
        default_factory=dict, description="by hidden layer, its maps or units in place of the published ones"
    )


class TrainSpec(Closed):
    """The training rule; the defaults are section 5's. Upper bounds only catch slips (assumed)."""

    batch: int = Field(128, gt=0, description="images per update (§5)")
    epochs: int = Field(90, gt=0, le=10_000, description="the first horizon; planning lengthens it (§5)")
    lr: float = Field(0.01, gt=0, description="rate of the weights (§5)")
    bias_lr: float = Field(2.0, gt=0, le=100, description="factor on the rate for biases (source.md 1, 13)")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum (§5)")
    weight_decay: Annotated[
        Annotated[Literal["published"], Tag("<rule>")] | Annotated[float, Tag("<number>"), Field(ge=0)] | ByLayer,
        Discriminator(_form),
    ] = Field(0.0005, description="decay of the weights, one number or by layer; biases have none (§5)")
    file_images: int = Field(
        10_000, gt=0, description="images per data file; each file's last batch may be short (source.md 3.1)"
    )
    order: Literal["repeated", "fresh"] = Field(
        "repeated", description="order of the images: drawn once a seed (source.md 1, 30), or anew each epoch"
    )
    drops: list[Number] = Field(
        default_factory=list, description="epochs after which all rates are divided by ten (§5; source.md 1, 16)"
    )
    plateau: Number | None = Field(
        None, description="epochs without a lower held-out error, after which rates are divided by ten (§5)"
    )
    colour_until: Number | None = Field(None, description="last epoch with colour noise (source.md 1, 18)")
    freeze: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict,
        description="by layer, the last epoch in which it learns (source.md 1, 17: conv1); 0: in none",
    )
    layer_lr: dict[str, Positive] = Field(
        default_factory=dict, description="by layer, a factor on its rates (source.md 2.1, #146)"
    )
    fold_in: Number | None = Field(
        None, description="epochs after which the held-out images are trained on too (source.md 3.2 D and F)"
    )


class StartSpec(Closed):
    """Weights of another run to start from, in place of initial values."""

    run: dict[str, Any] = Field(
        min_length=1, description="that run: overrides of dotted keys on this one, trained for its own train.epochs"
    )
    afresh: list[Text] = Field(description="layers that start with initial values all the same")


class Tune(Closed):
    """Rates chosen on tuning seeds: each arm's own, as the fastest (§3.1), or one for all at which every arm learns."""

    rates: list[Positive] = Field(alias="train.lr", min_length=1, description="the grid of rates, in steps of two")
    per: Literal["arm", "all"] = Field(description="who has a rate of its own: each arm, or all of them one")
    choose: Literal["fastest", "learns"] = Field(
        description="fastest: smallest geometric mean of the time to the level, per arm; learns: the largest rate at "
        "which every arm learns on every tuning seed, for all"
    )
    on_seeds: list[Seed] = Field(min_length=1, description="tuning seeds, none of them a judging seed")
    extend: int = Field(3, ge=0, le=8, description="how often a chosen end of the grid extends it (assumed)")

    @property
    def chooses(self) -> bool:
        """Whether there is more than one rate to choose among."""
        return len(self.rates) > 1 or (self.choose == "fastest" and self.extend > 0)


class Choice(Closed):
    """Something the paper leaves open."""

    what: Text = Field(description="what is open")
    ours: Text = Field(description="our choice, and why")


class Assumption(Choice):
    """Something the paper leaves open, with other choices that can be trained."""

    alternatives: dict[Name, dict[str, Any]] = Field(
        default_factory=dict, description="other choices: overrides of dotted keys, run one at a time and tuned again"
    )


class Deviation(Closed):
    """Something we do otherwise than the paper."""

    what: Text = Field(description="what is otherwise")
    why: Text = Field(description="why")


class Then(Closed):
    """What stood at a scale when a rule was changed."""

    word: Text = Field(description="the word that was said by the rule before")
    seeds: list[Seed] = Field(min_length=1, description="judging seeds whose runs were there")


class Revision(Closed):
    """A change of what a claim says or how it is judged."""

    version: Number = Field(description="the version that it made")
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] = Field(description="when, as year-month-day")
    what: Text = Field(description="what was changed")
    runs: dict[ScaleName, Then] = Field(
        default_factory=dict, description="by scale, what had runs then; others had none"
    )


class Arm(Closed):
    """One of the things that a claim compares: its label, and overrides of dotted keys."""

    model_config = ConfigDict(extra="allow")  # the overrides, which checks.py holds against the keys that there are

    label: Label = Field(description="its name on pages, as it reads after “with”: biases of 0, no dropout")

    @property
    def overrides(self) -> dict[str, Any]:
        """The dotted keys that it sets, and their values."""
        return self.model_extra or {}


Measure = TypeVar("Measure", bound=Closed)
Rule = TypeVar("Rule", bound=Closed)


class Claim(Closed, Generic[Measure, Rule]):
    """One sentence of the paper, with its number."""

    id: Name = Field(description="the file's name without .yaml")
    version: int = Field(ge=1, description="raised when the claim's meaning changes")
    history: list[Revision] = Field(
        default_factory=list, description="earlier versions: what changed, and which scales had runs"
    )
    paper: Paper = Field(description="the sentence on trial, and where it stands")
    question: str = Field(description="what is measured, as a question", min_length=10)
    data: DataSpec = Field(description="which images")
    model: ModelSpec = Field(description="which net")
    train: TrainSpec = Field(description="the training rule")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="arithmetic of the training; fp32 has TF32 off")
    start: StartSpec | None = Field(None, description="weights to start from (§6); initial values by default")
    arms: dict[Name, Arm] = Field(min_length=1, description="what is compared: overrides of dotted keys, and a label")
    varies: list[Text] = Field(description="the dotted keys in which arms differ, beside what is tuned")
    tune: Tune | None = Field(None, description="how rates are chosen")
    seeds: list[Seed] = Field(min_length=1, description="judging seeds")
    measure: Measure = Field(description="what is read off a run")
    rule: Rule = Field(description="how the effect is judged, written before any run")
    assumptions: list[Assumption] = Field(default_factory=list, description="what the paper leaves open")
    deviations: list[Deviation] = Field(default_factory=list, description="what we do otherwise than the paper")
    scales: dict[ScaleName, dict[str, Any]] = Field(
        min_length=1, description="how much of it is done: overrides of dotted keys, and which alternatives are run"
    )

    def set_after(self, scale: str) -> Revision | None:
        """Return the last change of the rule that came when runs of a scale were there, while some of these judge."""
        changed = [revision for revision in self.history if scale in revision.runs]
        if not changed or not set(changed[-1].runs[scale].seeds) & set(self.seeds):  # type: ignore[index]
            return None
        return changed[-1]

    def label(self, arm: str) -> str:
        """Return the name of an arm on pages."""
        return self.arms[arm].label

    @property
    def alternatives(self) -> dict[str, dict[str, Any]]:
        """All alternatives of all assumptions, by name."""
        return {name: over for assumption in self.assumptions for name, over in assumption.alternatives.items()}


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_of(part)]


def keys_of(claim: type[Claim[Any, Any]], sections: Iterable[str]) -> dict[str, Loc]:
    """Return the keys below these sections of a claim, as overrides write them: `train.lr` is ("train", "lr")."""
    keys: dict[str, Loc] = {}
    for section in sections:
        models = models_of(claim.model_fields[section].annotation) if section != "arms" else []  # names come first
        names = [field.alias or name for model in models for name, field in model.model_fields.items()]
        keys |= {f"{section}.{name}": (section, name) for name in names} if models else {section: (section,)}
    return keys


# What no scale, alternative or arm overrides.
OF_THE_SENTENCE: Final = ("history", "paper", "assumptions", "deviations")
# What makes up a run, and an arm may override, by dotted key; what a run starts from is one thing, as a whole.
OF_RUNS: Final = ("data", "model", "train", "precision", "start")
ARM_KEYS: Final[dict[str, Loc]] = keys_of(Claim, OF_RUNS[:-1]) | {"start": ("start",)}
BY_LAYER: Final = ("model.init", "model.maps", "train.weight_decay")  # keys whose value may be given layer by layer


def path_of(key: str, keys: Mapping[str, Loc] = ARM_KEYS) -> Loc | None:
    """Return the place of a dotted key: ("train", "lr") of `train.lr`, ("tune", "train.lr") of `tune.train.lr`,
    ("model", "init", "fc10") of `model.init.fc10`; None of what is no key."""
    head, _, layer = key.rpartition(".")
    return (*keys[head], layer) if head in BY_LAYER and layer else keys.get(key)
