"""The closed models of a claim in `claims/*.yaml`. Values without a default here come from the paper's recipe.

A field's description is what `repro show`, the JSON Schema and the error for a missing key say.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from repro.claim.config import Closed
from repro.claim.records import ComparedSentence
from repro.claim.scalars import Label, Name, Number, Positive, Seed, Text
from repro.claim.scales import ScaleName
from repro.claim.yaml import Loc
from repro.nets import libraries, tables

if TYPE_CHECKING:
    from repro.claim.kinds import Kinds

# Tags of unions are in angle brackets, to distinguish them from keys in the locations that pydantic reports.
ByLayer = Annotated[dict[str, Annotated[float, Field(ge=0)]], Tag("<by layer>"), Field(min_length=1)]


def _form(value: Any) -> str:
    if isinstance(value, dict):
        return "<by layer>"
    return "<rule>" if isinstance(value, str) else "<number>"


class DataSpec(Closed):
    """Which images."""

    kind: Literal[
        "cifar10", "digits", "imagenette", "ilsvrc2010", "ilsvrc2012", "imagenet2009", "imagenet_fall2011"
    ] = Field(description="data set")
    images: int | None = Field(None, gt=0, description="a stratified part of the training set; all of it by default")
    scale: Literal["raw", "standardised"] = Field(
        "raw", description="raw: 0-255 minus the mean image; standardised: divided by the deviation too"
    )
    factor: float = Field(1.0, gt=0, description="what inputs are multiplied by after `scale`")
    crop: int | None = Field(None, gt=0, description="side of the crops that the net sees; none: whole images")
    # The fields from here to `colour` concern crops. None: the value of the paper's recipe, or missing.
    stored: int | None = Field(None, gt=0, description="short side of the stored images that crops are taken from")
    crops: Literal["paper", "source", "all", "none"] | None = Field(
        None,
        description="paper: drawn for each image; source: for 32 at a time; all: for each image, the last offset too",
    )
    mirror: bool | None = Field(None, description="horizontal reflections")
    mean: Literal["per_offset", "centre"] | None = Field(
        None, description="what crops lose: each pixel its own mean, or the mean of the centre's pixel"
    )
    colour: Literal["paper", "source", "none"] | None = Field(
        None,
        description="noise along the principal components of colour. Paper: eigenvalues of values on [0, 1] times "
        "normal draws; source: deviations of values to 255 times normal draws",
    )
    held_out: int = Field(0, ge=0, description="training images kept from training, for the plateau and for tuning")
    classes: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, min_length=2, description="only these classes of the set, by their numbers; all of them by default"
    )


class Net(Closed):
    """Which net: a name, and the options that it has."""

    kind: str

    @property
    def title(self) -> str:
        """The net's name in sentences."""
        return self.kind

    def rows(self, classes: int) -> tuple[tables.Row, ...]:
        """Return the table of layers for `classes` classes; no rows for a net of a library."""
        return ()


class LibraryNet(Net):
    """A net of torchvision or timm as it is, without options."""

    kind: str = Field(pattern=libraries.KIND, description="table of layers, or a net of a library as it is")


class TabledNet(Net):
    """A net as a table of layers. A paper's nets add their own options; a later one is made by `later`."""

    activation: tables.ActivationKind = Field("relu", description="non-linearity of every hidden layer")
    init: Annotated[
        Annotated[Literal["published", "he"], Tag("<rule>")]
        | Annotated[dict[str, Positive], Tag("<by layer>"), Field(min_length=1)],
        Discriminator(_form),
    ] = Field("published", description="deviation of the initial weights: of the net's own files, He's, or by layer")
    width: float = Field(1.0, gt=0, le=4, description="factor on the maps and units of every hidden layer")

    def rows(self, classes: int) -> tuple[tables.Row, ...]:
        """Return the table of layers for `classes` classes. Raises ValueError for options that exclude each other."""
        key = type(self), self.model_dump_json(exclude={"init"}), classes
        if key not in _TABLES:  # a plan asks for the same few nets thousands of times
            _TABLES[key] = self.table(classes)
        return _TABLES[key]

    @abstractmethod
    def table(self, classes: int) -> tuple[tables.Row, ...]:
        """Build the table of layers for `classes` classes."""

    def recorded(self) -> dict[str, Any]:
        """Return the net's part of a run's configuration without the initial values; the same for equal nets."""
        return self.model_dump(exclude={"init"})

    def mistakes(self) -> list[tuple[str, str]]:
        """Return (option, message) for each option that another one excludes."""
        return []


_TABLES: dict[tuple[type[TabledNet], str, int], tuple[tables.Row, ...]] = {}


class TrainSpec(Closed):
    """The training rule; what has no default is the paper's recipe's, or the claim's. Upper bounds only catch slips
    (assumed)."""

    batch: int = Field(gt=0, description="images per update")
    epochs: int = Field(gt=0, le=10_000, description="the first horizon; planning lengthens it")
    lr: float = Field(gt=0, description="rate of the weights")
    bias_lr: float = Field(gt=0, le=100, description="factor on the rate for biases")
    momentum: float = Field(ge=0, lt=1, description="momentum")
    weight_decay: Annotated[
        Annotated[Literal["published"], Tag("<rule>")] | Annotated[float, Tag("<number>"), Field(ge=0)] | ByLayer,
        Discriminator(_form),
    ] = Field(description="decay of the weights, one number or by layer; biases have none")
    file_images: int = Field(gt=0, description="images per data file; each file's last batch may be short")
    order: Literal["repeated", "fresh"] = Field(
        description="order of the images: drawn once a seed, or anew each epoch"
    )
    drops: list[Number] = Field(default_factory=list, description="epochs after which all rates are divided by ten")
    plateau: Number | None = Field(
        None, description="epochs without a lower held-out error, after which rates are divided by ten"
    )
    colour_until: Number | None = Field(None, description="last epoch with colour noise")
    freeze: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict, description="by layer, the last epoch in which it learns; 0: in none"
    )
    layer_lr: dict[str, Positive] = Field(default_factory=dict, description="by layer, a factor on its rates")
    fold_in: Number | None = Field(None, description="epochs after which the held-out images are trained on too")


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
        """Whether there is more than one rate to choose from."""
        return len(self.rates) > 1 or (self.choose == "fastest" and self.extend > 0)


class Choice(Closed):
    """Something the paper leaves open."""

    what: Text = Field(description="what is open")
    ours: Text = Field(description="our choice, and why")


class Labelled(Closed):
    """Overrides of dotted keys, with a label."""

    model_config = ConfigDict(extra="allow")  # the overrides, which checks.py holds against the keys that there are

    label: Label = Field(description="its name on pages, as it reads after “with”: biases of 0, no dropout")

    @property
    def overrides(self) -> dict[str, Any]:
        """The overridden values, by dotted key."""
        return self.model_extra or {}


class Alternative(Labelled):
    """Another choice of something the paper leaves open."""


class Assumption(Choice):
    """Something the paper leaves open, with other choices that can be trained."""

    alternatives: dict[Name, Alternative] = Field(
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


class Arm(Labelled):
    """One of the things that a claim compares."""


NetOf = TypeVar("NetOf", bound=Net)
Measure = TypeVar("Measure", bound=Closed)
Rule = TypeVar("Rule", bound=Closed)


class Claim(Closed, Generic[NetOf, Measure, Rule]):
    """One sentence of the paper, with its number."""

    kinds: ClassVar[Kinds]  # from which the model was made

    id: Name = Field(description="the file's name without .yaml")
    version: int = Field(ge=1, description="raised when the claim's meaning changes")
    history: list[Revision] = Field(
        default_factory=list, description="earlier versions: what changed, and which scales had runs"
    )
    paper: ComparedSentence = Field(description="the sentence on trial, and where it stands")
    question: str = Field(description="what is measured, as a question", min_length=10)
    data: DataSpec = Field(description="which images")
    model: NetOf = Field(description="which net")
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
        """Return the last change of the rule made after runs of a scale; None if none of those runs still judges."""
        changed = [revision for revision in self.history if scale in revision.runs]
        if not changed or not set(changed[-1].runs[scale].seeds) & set(self.seeds):  # type: ignore[index]
            return None
        return changed[-1]

    def label(self, arm: str) -> str:
        """Return the name of an arm on pages."""
        return self.arms[arm].label

    @property
    def alternatives(self) -> dict[str, Alternative]:
        """All alternatives of all assumptions, by name."""
        return {name: other for assumption in self.assumptions for name, other in assumption.alternatives.items()}


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """Return the models among the types of a field's annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_of(part)]


def keys_of(claim: type[Claim[Any, Any, Any]], sections: Iterable[str]) -> dict[str, Loc]:
    """Return the places in these sections of a claim by dotted key, such as `train.lr`: ("train", "lr")."""
    keys: dict[str, Loc] = {}
    for section in sections:
        models = models_of(claim.model_fields[section].annotation) if section != "arms" else []  # names come first
        names = [field.alias or name for model in models for name, field in model.model_fields.items()]
        keys |= {f"{section}.{name}": (section, name) for name in names} if models else {section: (section,)}
    return keys


# Sections that no scale, alternative or arm overrides.
FIXED_SECTIONS: Final = ("history", "paper", "assumptions", "deviations")
# Sections that make up a run, which an arm may override; `start` is overridden as a whole.
RUN_SECTIONS: Final = ("data", "model", "train", "precision", "start")
BY_LAYER: Final = ("model.init", "model.maps", "train.weight_decay")  # keys whose value may be given layer by layer


def place_of(key: str) -> Loc:
    """Return the place of a dotted key of a run.

    `train.lr` is at ("train", "lr"), `model.init.fc10` at ("model", "init", "fc10").
    """
    head, _, layer = key.rpartition(".")
    return (*head.split("."), layer) if head in BY_LAYER else tuple(key.split(".", 1))


def path_of(key: str, keys: Mapping[str, Loc]) -> Loc | None:
    """Return the place of a dotted key among `keys`; None if there is no such key.

    `tune.train.lr` is at ("tune", "train.lr"). A key with a layer, such as `model.init.fc10`, is below its key.
    """
    head, _, layer = key.rpartition(".")
    return (*keys[head], layer) if head in BY_LAYER and head in keys and layer else keys.get(key)
