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
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from repro import contents
from repro.claim.evaluation import Evaluation, Options
from repro.errors import ReproError
from repro.store import CHECKPOINT, Run, Store
from repro.train import loop
from repro.train.evaluations import Results, evaluate

REPORTED = (
    "epoch",
    "train_error",
    "train_loss",
    "test_error",
    "seconds",
    "diverged",
)  # keys of a row that events report
DONE = "looked at"  # the status of an evaluation, as records have it since the first


@dataclass(frozen=True)
class Evaluator:
    """Makes the evaluations of one run and records them in `store`; `say` takes each event."""

    store: Store
    session: dict[str, Any]
    say: Callable[[dict[str, Any]], None]
    checkpoint_seconds: float
    keep_old: bool = False  # see `repro.engine.execute.Setting`
    tried: set[str] = field(default_factory=set)  # evaluations that were made here, or failed

    def left(self, evaluations: Sequence[Evaluation], row: dict[str, Any] | None = None) -> list[Evaluation]:
        """Return the evaluations that are still to be made; with the `row` of an epoch, those which are due after it.

        A run that ends by the plateau rule is evaluated there, however long it was to be.
        """
        if row is not None:
            ended = bool(row.get("ended"))
            evaluations = [e for e in evaluations if e.epoch == row["epoch"] or (ended and e.epoch > row["epoch"])]
        return [e for e in evaluations if e.id not in self.tried and not self._there(e)]

    def _there(self, evaluation: Evaluation) -> bool:
        run = self.store.read(evaluation.id)
        if run is None or run.result is None or run.failed:
            return False
        return self.keep_old or run.sessions[-1].get("numerics") == loop.NUMERICS

    def evaluate(self, evaluation: Evaluation, trainer: loop.Trainer) -> None:
        """Evaluate the net as it is now. A failure is repeated once, then recorded, and the training goes on."""
        self._twice(evaluation, lambda: self._evaluate(evaluation, trainer, {}))

    def return_to(self, evaluation: Evaluation, recorded: Run, start: Callable[[], loop.Trainer]) -> None:
        """Evaluate a run on record, from its checkpoint unless that is past the epoch; `start` begins the run anew."""
        self._twice(evaluation, lambda: self._return_to(evaluation, recorded, start()))

    def _evaluate(self, evaluation: Evaluation, trainer: loop.Trainer, about: dict[str, Any]) -> None:
        self.say({"event": "evaluation", "kind": evaluation.options.kind, "epoch": trainer.epoch})
        with self.store.begin(evaluation, self.session) as run:
            start = time.perf_counter()
            evaluated = compute(trainer, evaluation.options)
            for name, array in evaluated.arrays.items():
                run.write(f"{name}.npy", saved(array))
            results = {"values": evaluated.values, "curves": evaluated.curves, "seconds": time.perf_counter() - start}
            run.finish({"status": DONE, "epoch": trainer.epoch, **results, **about})

    def _return_to(self, evaluation: Evaluation, recorded: Run, trainer: loop.Trainer) -> None:
        epoch = min(evaluation.epoch, len(recorded.epochs))
        own = self.store.root / evaluation.id / CHECKPOINT  # of a run trained again, so that a kill loses little
        for path in (recorded.path / CHECKPOINT, own):
            if path.is_file() and trainer.epoch < int((state := _state(path))["epoch"]) <= epoch:
                trainer.load(state)
        again = trainer.epoch < epoch
        loss = self._train(evaluation, trainer, epoch, own) if again else None
        about: dict[str, Any] = {}
        if again or own.is_file():
            same = loss is None or isclose(loss, recorded.epochs[epoch - 1]["train_loss"], rel_tol=1e-9)
            about = {"trained_again": "same" if same else "other"}
        self._evaluate(evaluation, trainer, about)
        own.unlink(missing_ok=True)
        self.say({"event": "finish", "epoch": trainer.epoch, "status": DONE})

    def _train(self, evaluation: Evaluation, trainer: loop.Trainer, epoch: int, checkpoint: Path) -> float:
        """Train on to `epoch`; return its training loss."""
        self.say({"event": "begin", "epoch": trainer.epoch, "horizon": epoch})
        with self.store.begin(evaluation, self.session) as run:
            kept, last = time.monotonic(), None
            for last in trainer.epochs(epoch):
                recorded = last.row()
                row = {key: recorded.get(key) for key in REPORTED}
                self.say({"event": "epoch", "horizon": epoch, **row})
                if time.monotonic() - kept > self.checkpoint_seconds:
                    run.write(checkpoint.name, safetensors.torch.save(trainer.state()))
                    kept = time.monotonic()
        if last is None or last.diverged or trainer.epoch < epoch:
            raise RuntimeError(f"trained again, the run ended in epoch {trainer.epoch} of {epoch}")
        return last.train_loss

    def _twice(self, evaluation: Evaluation, work: Callable[[], None]) -> None:
        why = ""
        self.tried.add(evaluation.id)
        for attempt in (1, 2):
            try:
                return work()
            except RuntimeError as error:  # torch's own: out of memory, a kernel that failed
                why = f"{type(error).__name__}: {error}"
            self.say({"event": "failed", "attempt": attempt, "why": why})
        with self.store.begin(evaluation, self.session) as run:
            run.finish({"status": "failed", "why": why})


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
