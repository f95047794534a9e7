"""The weights that a run goes on from, its checkpoint's or another run's, and those that it leaves for others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from repro.claim.config import RunConfig
from repro.errors import DamagedCheckpoint, ReproError
from repro.nets import weights
from repro.store import CHECKPOINT, KEPT, OpenRun, Store
from repro.store.damage import ROWS
from repro.store.rows import Row, TrainingConfig
from repro.train.loop import Trainer

BEST = "best.safetensors"
ABOUT = "repro"  # the key of a weights file's metadata under which stands, as JSON, what they are weights of


def saved(tensors: Mapping[str, torch.Tensor], config: RunConfig, epoch: int) -> bytes:
    """Return parameters by name as a safetensors file, whose metadata say which run and epoch they are of."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = {"run": config.id, "epoch": epoch, "config": config.model_dump()}
    return safetensors.torch.save(tensors, {ABOUT: json.dumps(about, sort_keys=True)})


class About(TypedDict, total=False):
    """What a file of weights says of itself: the run, the epoch, and the run's configuration."""

    run: str
    epoch: int
    config: TrainingConfig


def about_of(path: Path) -> About:
    """Return what a file that `saved` made says of itself, of a run's checkpoint its configuration; empty of others."""
    if path.name == CHECKPOINT and (run := Store(path.parent.parent).read(path.parent.name)) is not None:
        return {"config": run.config} if "model" in run.config else {}
    if not path.is_file():
        return {}
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError, MemoryError):
        return {}
    return cast(About, about) if isinstance(about, dict) else {}


def begin(trainer: Trainer, config: RunConfig, store: Store, given: Mapping[str, torch.Tensor] | None = None) -> None:
    """Put the weights that `config.start` names into a trainer at epoch 0; layers afresh keep their initial values.

    `given`: the file's weights, where it is one. RuntimeError where another run should have left some and has not: the
    run that would start from them fails, and that is its result.
    """
    start = config.start
    assert start is not None
    if start.run is None:
        assert given is not None, "whoever names a file's sha256 has read the file"
        weights.put(trainer.net, given, afresh=start.afresh)
        return
    path = store.root / start.run.id / KEPT.format(start.epoch)
    if not path.is_file():
        run = store.read(start.run.id)
        why = "it was not trained" if run is None else run.failed or "it diverged"
        raise RuntimeError(f"the run it starts from, {start.run.id}, left no weights of epoch {start.epoch}: {why}")
    try:
        left = weights.read(path)
    except ReproError as error:  # damaged: of concern to this run alone
        raise RuntimeError(str(error)) from error
    weights.put(trainer.net, left, afresh=start.afresh)


@dataclass(frozen=True)
class Leaves:
    """What a run leaves: its weights after the epochs `keep` (or at its end, if a plateau ends it sooner), and with
    `best` those of the least held-out error, or without held-out images the last."""

    run: OpenRun
    config: RunConfig
    keep: frozenset[int] = frozenset()
    best: bool = False

    def forget(self) -> None:
        """Remove a checkpoint that is past weights which are wanted and gone: the run is then trained again."""
        path = self.run.path / CHECKPOINT
        lacking = [epoch for epoch in self.keep if not self._kept(epoch).is_file()]
        if lacking and path.is_file():
            try:
                with safe_open(path, "pt") as checkpoint:
                    past = int(checkpoint.get_tensor("epoch")) > min(lacking)
            except SafetensorError as error:
                raise DamagedCheckpoint(
                    f"{path}: not a checkpoint ({error}); without it the run is trained again"
                ) from error
            if past:
                path.unlink()

    def due(self, rows: list[Row]) -> bool:
        """Return whether weights are due after the epoch just done.

        Then its checkpoint is written first, so that a kill between the two loses nothing.
        """
        return bool(self._due(rows))

    def write(self, trainer: Trainer, rows: list[Row]) -> None:
        """Write what is due after the trainer's epoch and not there yet."""
        for path in self._due(rows):
            about = about_of(path)
            if (about.get("run"), about.get("epoch")) != (self.config.id, trainer.epoch):
                self.run.write(path.name, saved(trainer.net.state_dict(), self.config, trainer.epoch))

    def _due(self, rows: list[Row]) -> list[Path]:
        if not rows or rows[-1]["diverged"] is not None:
            return []
        last = rows[-1]
        out = [self._kept(n) for n in self.keep if last["epoch"] == n or (last.get("ended") and last["epoch"] < n)]
        return [*out, self.run.path / BEST] if self.best and best_epoch(rows) == last["epoch"] else out

    def _kept(self, epoch: int) -> Path:
        return self.run.path / KEPT.format(epoch)


def best_epoch(rows: list[Row]) -> int:
    """Return the epoch at whose end the held-out error was least: of equal ones that of the least loss, then the first.

    Where nothing is held out, the last epoch that did not diverge; 0 where there is none.
    """
    whole = [row for row in rows if row["diverged"] is None]
    halves = [(row["halves"][-1], row["epoch"]) for row in whole if row.get("halves")]
    measured = [
        (half["held_out_error"], half["held_out_loss"] or 0.0, epoch)
        for half, epoch in halves
        if half["held_out_error"] is not None
    ]
    return min(measured)[2] if measured else len(whole)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file of weights. ReproError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReproError(f"--weights {path}: cannot be read ({error.strerror}); name a file of weights") from error


def resume(trainer: Trainer, run: OpenRun) -> list[Row]:
    """Take up the run's checkpoint, if any; return the epochs up to it, all that a resumed run keeps."""
    path = run.path / CHECKPOINT
    if path.is_file():
        try:
            trainer.load(safetensors.torch.load_file(path))
        except (SafetensorError, KeyError) as error:
            raise DamagedCheckpoint(
                f"{path}: not a checkpoint of this run ({error}); without it the run is trained again from its start"
            ) from error
    run.keep(trainer.epoch)
    rows = run.rows()
    if len(rows) < trainer.epoch:
        raise DamagedCheckpoint(
            f"{run.path / ROWS}: {len(rows)} epochs; expected {trainer.epoch}, where the checkpoint beside "
            "it stands; without the checkpoint the run is trained again from its start"
        )
    return rows
