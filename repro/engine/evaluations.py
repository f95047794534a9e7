"""Evaluations of a run: looked at on its way, or returned to, and recorded each as a run of its own.

A look is taken when the training has come to its epoch and the weights are there. For a run on record that is past it,
or whose weights are gone, the run is trained again up to it; the record stays as it is.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from repro.claim.evaluation import Evaluation
from repro.engine.events import OfRun, Report, epoch_ended
from repro.errors import ReproError
from repro.store import CHECKPOINT, Run, Store
from repro.store.rows import Evaluated, Provenance, Row
from repro.train import looks, loop
from repro.train.minibatches import NUMERICS


@dataclass(frozen=True)
class Looker:
    """Where the evaluations of one run are kept, what makes them here, and who is told."""

    store: Store
    session: Provenance
    of: OfRun  # the run that is reported of
    report: Report
    checkpoint_seconds: float
    keep_old: bool = False  # see `repro.engine.setting.Setting`
    tried: set[str] = field(default_factory=set)  # evaluations that were made here, or failed

    def left(self, evaluations: Sequence[Evaluation], row: Row | None = None) -> list[Evaluation]:
        """Those that are not there; with the `row` of an epoch, only those that are of it: a run that ends by the
        plateau rule is looked at there, however long it was to be."""
        if row is not None:
            ended = bool(row.get("ended"))
            evaluations = [e for e in evaluations if e.epoch == row["epoch"] or (ended and e.epoch > row["epoch"])]
        return [e for e in evaluations if e.id not in self.tried and not self._there(e)]

    def _there(self, evaluation: Evaluation) -> bool:
        run = self.store.read(evaluation.id)
        if run is None or run.result is None or run.failed:
            return False
        return self.keep_old or run.sessions[-1].get("numerics") == NUMERICS

    def look(self, evaluation: Evaluation, trainer: loop.Trainer) -> None:
        """At the net as it is now. What fails twice is recorded as that, and whoever trains goes on."""
        self._twice(evaluation, lambda: self._look(evaluation, trainer))

    def return_to(self, evaluation: Evaluation, recorded: Run, start: Callable[[], loop.Trainer]) -> None:
        """Look at a run on record, from its checkpoint where that is not past the epoch; `start`: the run anew."""
        self._twice(evaluation, lambda: self._return_to(evaluation, recorded, start()))

    def _look(
        self, evaluation: Evaluation, trainer: loop.Trainer, again: Literal["same", "other"] | None = None
    ) -> None:
        self.report({"event": "look", **self.of, "look": evaluation.look.kind, "epoch": trainer.epoch})
        with self.store.begin(evaluation, self.session) as run:
            start = time.perf_counter()
            seen = looks.look(trainer, evaluation.run.model.model_dump(), **evaluation.look.model_dump())
            for name, array in seen.arrays.items():
                run.write(f"{name}.npy", saved(array))
            result: Evaluated = {
                "status": "looked at",
                "epoch": trainer.epoch,
                "values": seen.values,
                "curves": seen.curves,
                "seconds": time.perf_counter() - start,
            }
            if again is not None:
                result["trained_again"] = again
            run.finish(result)

    def _return_to(self, evaluation: Evaluation, recorded: Run, trainer: loop.Trainer) -> None:
        epoch = min(evaluation.epoch, len(recorded.epochs))
        way = self.store.root / evaluation.id / CHECKPOINT  # of a run trained again, so that a kill loses little
        for path in (recorded.path / CHECKPOINT, way):
            if path.is_file() and trainer.epoch < int((state := _state(path))["epoch"]) <= epoch:
                trainer.load(state)
        again = trainer.epoch < epoch
        loss = self._train(evaluation, trainer, epoch, way) if again else None
        trained: Literal["same", "other"] | None = None
        if again or way.is_file():
            same = loss is None or isclose(loss, recorded.epochs[epoch - 1]["train_loss"], rel_tol=1e-9)
            trained = "same" if same else "other"
        self._look(evaluation, trainer, trained)
        way.unlink(missing_ok=True)
        self.report({"event": "finish", **self.of, "epoch": trainer.epoch, "status": "looked at"})

    def _train(self, evaluation: Evaluation, trainer: loop.Trainer, epoch: int, way: Path) -> float:
        """On to `epoch`; its training loss."""
        self.report({"event": "begin", **self.of, "epoch": trainer.epoch, "horizon": epoch})
        with self.store.begin(evaluation, self.session) as run:
            kept, seen = time.monotonic(), None
            for seen in trainer.epochs(epoch):
                self.report(epoch_ended(self.of, seen, epoch))
                if time.monotonic() - kept > self.checkpoint_seconds:
                    run.write(way.name, safetensors.torch.save(trainer.state()))
                    kept = time.monotonic()
        if seen is None or seen["diverged"] or trainer.epoch < epoch:
            raise RuntimeError(f"trained again, the run ended in epoch {trainer.epoch} of {epoch}")
        return seen["train_loss"]

    def _twice(self, evaluation: Evaluation, work: Callable[[], None]) -> None:
        why = ""
        self.tried.add(evaluation.id)
        for attempt in (1, 2):
            try:
                return work()
            except RuntimeError as error:  # torch's own: out of memory, a kernel that failed
                why = f"{type(error).__name__}: {error}"
            self.report({"event": "failed", **self.of, "attempt": attempt, "why": why})
        with self.store.begin(evaluation, self.session) as run:
            run.finish({"status": "failed", "why": why})


def saved(array: np.ndarray) -> bytes:
    """A .npy file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _state(path: Path) -> dict[str, torch.Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise ReproError(f"{path}: not a checkpoint ({error}); remove it to train the run again") from error
