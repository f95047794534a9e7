"""Evaluations of runs: made while a run trains, or of a run on record, and each recorded as a run of its own.

An evaluation is made when the training has come to its epoch and the weights are there. A run on record that is past
that epoch, or whose weights are gone, is trained again up to it; its record stays as it is.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from math import isclose
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from repro import contents
from repro.claim.evaluation import Evaluation, Options
from repro.engine.events import OfRun, Report, epoch_ended
from repro.engine.setting import Setting
from repro.errors import ReproError
from repro.store import CHECKPOINT, Run
from repro.store.rows import Evaluated, Provenance, Row
from repro.store.writing import being_written, held
from repro.store.writing import start as open_run
from repro.train import loop
from repro.train.evaluations import Results, evaluate
from repro.workers import asked


@dataclass(frozen=True)
class Evaluator:
    """Makes the evaluations of one run, records them in the setting's store and reports each."""

    setting: Setting
    session: Provenance
    of: OfRun  # the run that is reported of
    report: Report
    tried: set[str] = field(default_factory=set)  # evaluations that were made here, or failed

    def left(self, evaluations: Sequence[Evaluation], row: Row | None = None) -> list[Evaluation]:
        """Return the evaluations that are still to be made; with the `row` of an epoch, those which are due after it.

        A run that ends by the plateau rule is evaluated there, however long it was to be.
        """
        if row is not None:
            ended = bool(row.get("ended"))
            evaluations = [e for e in evaluations if e.epoch == row["epoch"] or (ended and e.epoch > row["epoch"])]
        return [e for e in evaluations if e.id not in self.tried and not self._there(e)]

    def _there(self, evaluation: Evaluation) -> bool:
        return self.setting.stands(self.setting.store.read(evaluation.id))

    def evaluate(self, evaluation: Evaluation, trainer: loop.Trainer) -> None:
        """Evaluate the net as it is now. A failure is repeated once, then recorded, and the training goes on."""
        self._twice(evaluation, lambda: self._evaluate(evaluation, trainer))

    def return_to(self, evaluation: Evaluation, recorded: Run, start: Callable[[], loop.Trainer]) -> None:
        """Evaluate a run on record, from its checkpoint unless that is past the epoch; `start` begins the run anew."""
        self._twice(evaluation, lambda: self._return_to(evaluation, recorded, start()))

    def _evaluate(
        self, evaluation: Evaluation, trainer: loop.Trainer, again: Literal["same", "other"] | None = None
    ) -> None:
        self.report({"event": "evaluation", **self.of, "kind": evaluation.options.kind, "epoch": trainer.epoch})
        folder = self.setting.store.root / evaluation.id
        with held(folder):
            if self._there(evaluation):  # another process has just made it
                return
            run = open_run(folder, evaluation, self.session)
            start = time.perf_counter()
            evaluated = compute(trainer, evaluation.options)
            for name, array in evaluated.arrays.items():
                run.write(f"{name}.npy", saved(array))
            result: Evaluated = {
                "status": "looked at",
                "epoch": trainer.epoch,
                "values": evaluated.values,
                "curves": evaluated.curves,
                "seconds": time.perf_counter() - start,
            }
            if again is not None:
                result["trained_again"] = again
            run.finish(result)

    def _return_to(self, evaluation: Evaluation, recorded: Run, trainer: loop.Trainer) -> None:
        epoch = min(evaluation.epoch, len(recorded.epochs))
        folder = self.setting.store.root / evaluation.id
        own = being_written(folder) / CHECKPOINT  # of a run trained again, so that a kill loses little
        for path in (recorded.path / CHECKPOINT, own):
            if path.is_file() and trainer.epoch < int((state := _state(path))["epoch"]) <= epoch:
                trainer.load(state)
        again: Literal["same", "other"] | None = None
        if trainer.epoch < epoch:
            loss = self._train(evaluation, trainer, epoch)
            again = "same" if isclose(loss, recorded.epochs[epoch - 1]["train_loss"], rel_tol=1e-9) else "other"
        self._evaluate(evaluation, trainer, again)
        (folder / CHECKPOINT).unlink(missing_ok=True)
        self.report({"event": "finish", **self.of, "epoch": trainer.epoch, "status": "looked at"})

    def _train(self, evaluation: Evaluation, trainer: loop.Trainer, epoch: int) -> float:
        """Train on to `epoch`; return its training loss, which no checkpoint has, so that none is written there.
        KeyboardInterrupt where an end was asked for before."""
        self.report({"event": "begin", **self.of, "epoch": trainer.epoch, "horizon": epoch})
        with self.setting.store.begin(evaluation, self.session) as run:
            kept, row = time.monotonic(), None
            for row in trainer.epochs(epoch):
                self.report(epoch_ended(self.of, row, epoch))
                if trainer.epoch == epoch or row["diverged"]:
                    break
                stop = asked()
                if stop or time.monotonic() - kept > self.setting.checkpoint_seconds:
                    run.write(CHECKPOINT, safetensors.torch.save(trainer.state()))
                    self.report({"event": "checkpoint", **self.of, "epoch": trainer.epoch})
                    kept = time.monotonic()
                if stop:
                    raise KeyboardInterrupt
        if row is None or row["diverged"] or trainer.epoch < epoch:
            raise RuntimeError(f"trained again, the run ended in epoch {trainer.epoch} of {epoch}")
        return row["train_loss"]

    def _twice(self, evaluation: Evaluation, work: Callable[[], None]) -> None:
        if asked():
            raise KeyboardInterrupt  # an evaluation is a step
        why = ""
        self.tried.add(evaluation.id)
        for attempt in (1, 2):
            try:
                return work()
            except RuntimeError as error:  # torch's own: out of memory, a kernel that failed
                why = f"{type(error).__name__}: {error}"
            self.report({"event": "failed", **self.of, "attempt": attempt, "why": why})
        with self.setting.store.begin(evaluation, self.session) as run:
            run.fail(why)


def compute(trainer: loop.Trainer, options: Options) -> Results:
    """Evaluate a net in test mode by the function of the options' kind, which a module of `contents.EVALUATIONS` has.

    A paper's module needs torch, so it is loaded here, by its name, and by nothing that judges.
    """
    by_kind = {kind: f for name in contents.EVALUATIONS for kind, f in import_module(name).EVALUATIONS.items()}
    return evaluate(trainer, by_kind[options.kind], **options.given)


def saved(array: np.ndarray) -> bytes:
    """Return an array as a .npy file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _state(path: Path) -> dict[str, torch.Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise ReproError(f"{path}: not a checkpoint ({error}); remove it to train the run again") from error
