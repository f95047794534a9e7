"""What the files of a run hold, as types: a row of `metrics.jsonl`, `result.json`, and the two halves of `run.json`.

Plain facts. Files of earlier versions are read with the same types: what some runs lack is
`NotRequired`, and its comment says which runs have it.
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict, final

from repro.data.known import LeftOut

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

# metrics.jsonl: a row for each epoch.

Update = tuple[int, float, int]  # its number from 1, the mean loss of its minibatch, the errors in it; JSON has lists


class Half(TypedDict):
    """Half an epoch of a run on crops, looked at in test mode on the held-out images; None where none are held out or
    the loss is not finite."""

    update: int
    held_out_error: float | None
    held_out_loss: float | None
    fixed_error: NotRequired[float]  # runs that began before DESIGN's schedule of tests have it here, later ones in Row
    fixed_loss: NotRequired[float]


class Saturation(TypedDict):
    """Shares of a layer's outputs that pass next to no gradient, and of its units that pass none for any image."""

    outputs: float
    units: float


class Tests(TypedDict):
    """What is measured in test mode after the epochs of `repro.train.minibatches.is_tested` and the last by the plateau
    rule, unless the run diverged."""

    test_error: NotRequired[float | None]  # None: earlier runs, in an epoch that diverged
    test_loss: NotRequired[float | None]
    saturated: NotRequired[dict[str, Saturation]]  # by hidden layer
    # Of crops alone:
    test_top5: NotRequired[float]  # share of test images whose class is not among the five likeliest
    fixed_error: NotRequired[float]  # of 1,000 training photos
    fixed_loss: NotRequired[float]


class Row(Tests):
    """One epoch. Errors are fractions of images, losses mean nats per image; a loss that is not finite is left out."""

    epoch: int  # 1, 2, ...
    update: int  # updates done since the start
    train_error: float  # running: counted while the weights move, as the original prints it
    train_loss: float
    seconds: float
    updates: list[Update]  # of the first 2,000 each, of later ones every 50th; all losses finite
    diverged: int | None  # the first update whose loss was not finite
    # Of crops alone:
    halves: NotRequired[list[Half]]  # after each half epoch before a divergence
    ended: NotRequired[bool]  # True where the plateau rule ended the run
    positive: NotRequired[dict[str, float]]  # by layer, outputs above 0 before the first update: epoch 1
    norms: NotRequired[dict[str, float]]  # by layer, of its weights after the epoch; not after a divergence


# result.json: why a run has stopped for now.


@final
class Trained(TypedDict):
    """A training that came as far as was wanted, or diverged on its way."""

    status: Literal["reached", "diverged"]
    epoch: int
    update: int


@final
class Failed(TypedDict):
    """What could not be trained, looked at or timed, twice."""

    status: Literal["failed"]
    why: str


@final
class Evaluated(TypedDict):
    """What an evaluation measured on the run's net after `epoch`."""

    status: Literal["looked at"]
    epoch: int
    values: dict[str, float]
    curves: dict[str, list[float]]  # lists of one length
    seconds: float
    # Of a run that was trained again for it: whether it came to the recorded training loss.
    trained_again: NotRequired[Literal["same", "other"]]


class Rounds(TypedDict):
    """Images/s of one arm, a number for each round that counts: of the whole pipeline, and of the step alone."""

    pipeline: list[float]
    step: list[float]


@final
class Timed(TypedDict):
    """One replicate of a timing."""

    status: Literal["timed"]
    timed: dict[str, Rounds]  # by arm
    seconds: float  # all that it took
    load: float  # the machine's load average before it
    cores: int | None


Result = Trained | Failed | Evaluated | Timed
Status = Literal["reached", "diverged", "failed", "looked at", "timed"]


# run.json: what was run (`config`), and what ran it (`sessions`).


class Provenance(TypedDict):
    """What made a part of a run. It names no machine and no person."""

    commit: str | None  # None: git is not there
    clean: bool  # whether sources and claims are as committed
    numerics: int  # `repro.train.minibatches.NUMERICS`
    repro: str
    python: str
    torch: str
    numpy: str
    system: str
    processor: str
    device: str  # the GPU's name, or "cpu"
    cuda: str | None
    threads: int
    tf32: bool
    torchvision: NotRequired[str]  # the version of the library that the run's net is of
    timm: NotRequired[str]
    photos: NotRequired[LeftOut]  # where the set lacks some
    towers: NotRequired[int]  # 2: the updates were done in two processes, one for each tower
    micro_batch: NotRequired[int]  # images of a part, where minibatches did not fit the GPU and were taken in parts


@final
class TrainingConfig(TypedDict):
    """`repro.claim.config.RunConfig` as recorded: options of nets and sets come and go, so parts are plain JSON."""

    data: dict[str, Json]
    model: dict[str, Json]
    train: dict[str, Json]
    precision: str
    seed: int
    start: NotRequired["StartConfig"]


class StartConfig(TypedDict):
    """The weights that a training starts from: another run's after an epoch, or those of a file with this sha256."""

    run: NotRequired[TrainingConfig]
    epoch: NotRequired[int]
    weights: NotRequired[str]
    afresh: list[str]


@final
class EvaluationConfig(TypedDict):
    """`repro.claim.evaluation.Evaluation` as recorded."""

    run: TrainingConfig
    epoch: int
    look: dict[str, Json]  # its kind and options


@final
class ReplicateConfig(TypedDict):
    """`repro.claim.config.TimingConfig` as recorded."""

    timed: dict[str, TrainingConfig]  # by arm
    updates: int
    rounds: int
    warm: int
    device: str


Config = TrainingConfig | EvaluationConfig | ReplicateConfig
