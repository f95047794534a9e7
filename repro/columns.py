"""The tables of data: what a row of each is, and the type, the unit and the meaning of every column.

`repro.frames` makes data frames, their files and their documentation by these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal["text", "integer", "number", "true or false"]
TYPES: Mapping[Type, Any] = {"text": "string", "integer": "Int64", "number": "float64", "true or false": "boolean"}
PURE = "no unit"
FRACTION, NATS = "fraction of images", "nats per image"


@dataclass(frozen=True)
class Column:
    """One column: its type, the unit of its values, and what they mean. A cell may be empty where the meaning says."""

    name: str
    type: Type
    unit: str
    meaning: str


@dataclass(frozen=True)
class Columns:
    """One table: what a row is, and its columns in order."""

    row: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)


def _text(name: str, meaning: str) -> Column:
    return Column(name, "text", PURE, meaning)


def _number(name: str, unit: str, meaning: str) -> Column:
    return Column(name, "number", unit, meaning)


def _integer(name: str, unit: str, meaning: str) -> Column:
    return Column(name, "integer", unit, meaning)


CLAIM = _text("claim", "the claim's id")
SHELF = _text("shelf", "whose runs: `yours`, `reference`, or the folder that was given")
SCALE = _text("scale", "smoke, small, medium or paper")
UNDER = _text(
    "alternative", "another choice of what the paper leaves open, or the comparison of several; empty: the claim's own"
)
ARM = _text("arm", "the arm's id in the claim's file")
LABEL = _text("label", "the arm's name on pages")
USE = _text("use", "tuning: the run helps to choose a learning rate; judging: it is part of the verdict")
RATE = _number("rate", PURE, "learning rate; empty where arms have none, or where none is chosen yet")
SEED = _integer("seed", PURE, "seed of the run; of a timing: number of the replicate")
RUN = _text("run", "the run's id, which is the name of its folder")
EPOCH = _integer("epoch", "epochs", "the epoch, from 1")
UPDATE = _integer("update", "updates", "updates since the start of the run")
TRAIN_ERROR = _number("train_error", FRACTION, "wrong answers while the weights move, mean over the epoch")
TRAIN_LOSS = _number("train_loss", NATS, "training loss, mean over the epoch; empty where it is not finite")
TEST_ERROR = _number("test_error", FRACTION, "test error after the epoch; empty where it was not measured")
SECONDS = _number("seconds", "seconds", "wall-clock time of the epoch")

_WHOSE = (CLAIM, SHELF, SCALE, UNDER, ARM, LABEL, USE, RATE, SEED, RUN)

RUNS = Columns(
    "one run of a shelf: a training, an evaluation of a trained net, or a timing. Damaged runs are left out",
    (
        SHELF,
        RUN,
        _text("kind", "training, evaluation or timing"),
        _text(
            "status",
            "reached: trained as far as was wanted; diverged; failed; evaluated; timed; empty: not finished",
        ),
        _text("data", "data set; of a timing: of its first arm, as in all columns up to seed"),
        _text("net", "kind of net; an evaluation has the net that it is of"),
        _number("rate", PURE, "learning rate at the start"),
        _integer("batch", "images", "size of a minibatch"),
        SEED,
        _text("of", "of an evaluation: the run whose net it is of; else empty"),
        _text("evaluation", "kind of an evaluation; else empty"),
        _integer("epochs", "epochs", "epochs trained; of an evaluation: the epoch after which it was made"),
        _integer("updates", "updates", "updates done; empty unless it is a training"),
        _number("train_error", FRACTION, "running training error of the last epoch; empty unless it is a training"),
        _number("train_loss", NATS, "training loss of the last epoch; empty unless it is a training"),
        _number("test_error", FRACTION, "test error when it was last measured; empty where it was not"),
        _number("seconds", "seconds", "time of all epochs, of the evaluation or of the timing"),
        _text("device", "processor or GPU of the last session"),
        _integer("threads", "threads", "threads of the last session"),
        _text("commit", "commit of the sources in the last session; empty where the package lay in no clone"),
        Column("clean", "true or false", PURE, "whether the sources of every session were as committed"),
        _integer("numerics", PURE, "version of the numerics in the last session"),
        _text("torch", "version of torch in the last session"),
        _text("config", "the whole configuration, of which the id is the hash, as JSON"),
    ),
)

EPOCHS = Columns(
    "one epoch of one run that a claim reads; a run that is read twice (for tuning and judging, or under two choices) "
    "has its rows twice",
    (
        *_WHOSE,
        EPOCH,
        UPDATE,
        Column(
            "within_horizon", "true or false", PURE,
            "whether the claim reads the run this far; a run may be longer because another claim wants more",
        ),
        TRAIN_ERROR,
        TRAIN_LOSS,
        TEST_ERROR,
        _number("test_loss", NATS, "loss on the test images after the epoch; empty where it was not measured"),
        _number("test_top5", FRACTION, "top-5 test error after the epoch; empty where it was not measured"),
        _number("held_out_error", FRACTION, "error on held-out training images after the epoch; empty without any"),
        _number("held_out_loss", NATS, "loss on held-out training images after the epoch; empty without any"),
        SECONDS,
        _integer("diverged", "updates", "the update whose loss was not finite; empty where all were"),
    ),
)  # fmt: skip

UPDATES = Columns(
    "one recorded update of a run: each of the first 2,000, then every 50th; those whose loss is not finite are "
    "left out",
    (
        SHELF,
        RUN,
        EPOCH,
        _integer("update", "updates", "number of the update, from 1"),
        _number("train_loss", NATS, "mean loss of its minibatch, before the update"),
        _integer("wrong", "images", "images of its minibatch that were answered wrongly"),
        _integer("images", "images", "images of its minibatch"),
    ),
)  # fmt: skip

MEASURES = Columns(
    "one run that a claim reads, with its measure",
    (
        *_WHOSE,
        _text("evaluation", "of a measure that is read off an evaluation of the run: the evaluation's id; else empty"),
        _number("value", "see column unit", "the measure; empty where the run has none: see status"),
        _text("unit", "unit of value: epochs, updates, fraction, images/s or p"),
        _text(
            "status",
            "reached: it has a value; not reached: the level was not reached by the horizon; not started: it learned "
            "nothing; diverged; failed; missing: there is no run yet",
        ),
        _number("horizon", "that of value where it is a time, else epochs", "how far the run was read"),
    ),
)

POINTS = Columns(
    "one point of one curve: of a run, or of the author's printed one",
    (
        CLAIM,
        SHELF,
        SCALE,
        _text("arm", "the arm's id in the claim's file; `the author` for the printed curve"),
        _integer("seed", PURE, "seed of the run; empty for the printed curve"),
        _integer("point", PURE, "number of the point, from 1; the claim's `measure.every` says how many updates it is"),
        _number("train_error", FRACTION, "running training error, mean over the updates of the point"),
        _text("run", "the run's id; empty for the printed curve"),
    ),
)

FACTS = Columns(
    "one printed fact of a claim that is counted",
    (
        CLAIM,
        _integer("fact", PURE, "number of the fact in the claim's file, from 1"),
        _text("section", "where the paper prints it"),
        _text("says", "the fact"),
        _text("printed", "what is printed: a number, a list or a word"),
        _text("found", "what was counted"),
        _number("low", "see column unit", "lower end of what the data leave open; empty where they leave nothing open"),
        _number("high", "see column unit", "upper end of what the data leave open; empty where there is none"),
        _text("unit", "unit of printed, found, low and high; empty for counts"),
        _text("verdict", "true as printed, false as printed, or inconclusive"),
        _text("arithmetic", "how it was counted"),
    ),
)

RESULTS = Columns(
    "one comparison of one claim at one scale: its own arms, each of several that are judged together, or an "
    "alternative. A scale that was not measured, and a claim that is counted, have one row without a comparison",
    (
        SHELF,
        CLAIM,
        _integer("version", PURE, "version of the claim that was judged"),
        _text("section", "section of the paper"),
        _text("scale", "smoke, small, medium or paper; exact: counted"),
        Column("speaks", "true or false", PURE, "whether the verdict on the claim is the one at this scale"),
        _text("comparison", "ours, or the name of the alternative; empty where nothing was compared"),
        _text(
            "role",
            "own: decides alone; together: the weakest of several decides; alternative: decides nothing; else empty",
        ),
        _text("word", "verdict of this comparison, or of the claim at this scale where there is none"),
        _text("grade", "weight of the evidence: A to D, or exact; empty where nothing was judged"),
        _text(
            "effect",
            "kind of the effect, which gives the unit of all numbers from estimate to others_high: ratio (no unit), "
            "difference, value and offset of a printed curve (fraction of images), rate (images/s), count (fraction of "
            "runs), tau (rank correlation); empty of a claim that is counted",
        ),
        _number("estimate", "see column effect", "the effect; empty where censored runs leave a bound alone"),
        _number("low", "see column effect", "lower end of the interval; empty where it is open"),
        _number("high", "see column effect", "upper end of the interval; empty where it is open"),
        _number("confidence", PURE, "confidence of the interval, such as 0.95"),
        _integer("n", "seeds", "judging seeds, or replicates of a timing, behind the interval"),
        _number("p", PURE, "of a printed curve: the rank of the author's among ours, as p; else empty"),
        _number("paper", "see column effect", "the paper's number; empty where there is none, or nothing was compared"),
        _number("band_low", "see column effect", "lower end of what counts as the same number; empty where it is open"),
        _number("band_high", "see column effect", "upper end of the same; empty where it is open"),
        _number("others_low", "see column effect", "lowest number that others measured; empty where there is none"),
        _number("others_high", "see column effect", "highest number that others measured; empty where there is none"),
        _text("printed", "what the paper prints, in a few characters"),
        _text("others", "what others measured, each with its name and its unit; empty where nothing is on record"),
        _text("sentence", "the finding with its numbers"),
        _integer("runs", "runs", "runs and evaluations behind the verdict at this scale"),
        _integer("to_do", "runs", "runs that the next round wants and that are not there"),
    ),
)  # fmt: skip

ANSWERS = Columns(
    "one test photo and one net that answers",
    (
        _text("photo", "file of the photo, or its number from 0 where the photos have no names"),
        _text("class", "class of the photo"),
        _text("net", "fine-tuned or from scratch; of evaluated weights, the net"),
        _text("answer", "class that the net answers"),
        _number("probability", PURE, "probability that the net gives its answer"),
        _number("probability_of_class", PURE, "probability that the net gives the photo's own class"),
    ),
)

TABLES: Mapping[str, Columns] = {
    "runs": RUNS,
    "epochs": EPOCHS,
    "updates": UPDATES,
    "measures": MEASURES,
    "points": POINTS,
    "facts": FACTS,
    "results": RESULTS,
    "answers": ANSWERS,
}
