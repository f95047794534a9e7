"""Runs and their updates as data frames; `repro.columns` documents every column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro.claim.config import RunConfig
from repro.claim.resolve import training_images
from repro.columns import RUNS, UPDATES
from repro.frames import frame
from repro.store.rows import EvaluationConfig, ReplicateConfig, Row, TrainingConfig
from repro.store.runs import Run
from repro.store.table import Table
from repro.train.minibatches import batch_sizes

if TYPE_CHECKING:
    import pandas as pd


def runs(table: Table, shelf: str) -> pd.DataFrame:
    """Return a row for each sound run of a table (`repro.columns.RUNS`), in order of id. All rows are read for it."""
    return frame(RUNS, (_run(run, shelf) for run in table.values()))


def updates(run: Run, shelf: str) -> pd.DataFrame:
    """Return a row for each recorded update of a training (`repro.columns.UPDATES`); none of other runs."""
    return frame(UPDATES, _updates(run, shelf))


def _run(run: Run, shelf: str) -> tuple[object, ...]:
    config, made, last = run.config, run.sessions[-1], run.epochs[-1] if run.epochs else None
    trained = _trained(config)
    evaluated = run.result if run.result and run.result["status"] == "looked at" else None
    about: tuple[object, ...] = ("", "")
    if "look" in config:
        about = RunConfig.model_validate(config["run"]).id, config["look"]["kind"]
    return (
        shelf, run.id, _kind(config), _status(run),
        trained["data"]["kind"], trained["model"]["kind"], trained["train"]["lr"], trained["train"]["batch"], run.seed,
        *about,
        evaluated["epoch"] if evaluated else len(run.epochs),
        *_end(last, [value for _, value in run.series("test_error")]),
        sum(row["seconds"] for row in run.epochs) + run.seconds_timed + run.seconds_looked,
        made["processor"] if made["device"] == "cpu" else made["device"], made["threads"], made["commit"],
        all(session["clean"] for session in run.sessions), made["numerics"], made["torch"],
        json.dumps(config, sort_keys=True),
    )  # fmt: skip


def _end(last: Row | None, tests: list[float]) -> tuple[object, ...]:
    """Return updates, training error and training loss of the last epoch, and the last test error."""
    if last is None:
        return None, None, None, None
    return last["update"], last.get("train_error"), last.get("train_loss"), tests[-1] if tests else None


def _trained(config: TrainingConfig | EvaluationConfig | ReplicateConfig) -> TrainingConfig:
    """Return the training itself, the one that an evaluation is of, or a timing's first arm."""
    if "look" in config:
        return config["run"]
    return next(iter(config["timed"].values())) if "timed" in config else config


def _kind(config: TrainingConfig | EvaluationConfig | ReplicateConfig) -> str:
    return "evaluation" if "look" in config else "timing" if "timed" in config else "training"


def _status(run: Run) -> str:
    status = run.result["status"] if run.result else ""
    return "evaluated" if status == "looked at" else status


def _updates(run: Run, shelf: str) -> Iterator[tuple[object, ...]]:
    config = RunConfig.model_validate(run.config)
    data, rule, before = config.data, config.train, 0
    for row in run.epochs:
        folded = rule.fold_in is not None and row["epoch"] > rule.fold_in
        images = training_images(data) + (data.held_out or 0) * folded
        sizes = batch_sizes(images, batch=rule.batch, file_images=rule.file_images)
        for update, loss, wrong in row["updates"]:
            yield shelf, run.id, row["epoch"], update, loss, wrong, sizes[update - before - 1]
        before = row["update"]
