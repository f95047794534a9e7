"""Export the rows that runs record to TensorBoard, while they are trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from repro.engine.events import Event, Report
from repro.errors import ReproError
from repro.store import Store
from repro.store.damage import ROWS
from repro.store.runs import read_rows
from repro.store.writing import being_written

METRICS = ("train_error", "train_loss", "test_error", "test_loss", "test_top5", "fixed_error", "fixed_loss", "seconds")
HALVES = ("held_out_error", "held_out_loss")


def exported(folder: Path, store: Store, report: Report) -> Report:
    """Return a report that passes events on, and writes every epoch of a run to `folder/LABEL`.

    What an earlier command left there of the same run is written anew, so that no curve is there twice.
    ReproError where the package is missing.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ReproError(
            "--tensorboard: the package tensorboard is not installed; install it: pip install 'tensorboard>=2.21', or "
            f"leave the flag away ({error})"
        ) from error
    writers: dict[str, Any] = {}

    def write(run_id: str, first: int) -> None:
        for row in read_rows(being_written(store.root / run_id) / ROWS)[first:]:
            numbers: dict[str, object] = {**row, **(row["halves"][-1] if "halves" in row else {})}
            for name in (*METRICS, *HALVES):
                if numbers.get(name) is not None:
                    writers[run_id].add_scalar(name, numbers[name], row["epoch"])
        writers[run_id].flush()

    def record(event: Event) -> None:
        run = event["run"]
        if event["event"] == "begin":
            place = folder / event["label"].replace("/", "_")
            if place.is_dir():
                shutil.rmtree(place)
            writers[run] = SummaryWriter(str(place))
            write(run, 0)
        elif event["event"] == "epoch":
            write(run, event["epoch"] - 1)
        elif event["event"] == "finish" and run in writers:
            writers.pop(run).close()
        report(event)

    return record
