"""A shelf: a folder of runs."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from repro.claim.config import RunConfig, TimingConfig
from repro.claim.evaluation import Evaluation
from repro.files import Unwritable
from repro.store.damage import DamagedRun
from repro.store.rows import Provenance
from repro.store.runs import CHECKPOINT, KEPT, Run, read_run
from repro.store.table import Table
from repro.store.writing import OpenRun, complete_all, opened


@dataclass(frozen=True)
class Store:
    """One shelf of runs, a folder."""

    root: Path

    def table(self) -> Table:
        """Return all runs of the shelf, by id, in order of id; the damaged are kept aside.

        A run that a killed process was about to replace is replaced first.
        """
        with suppress(Unwritable):  # of a disk that can only be read
            complete_all(self.root)
        runs: dict[str, Run] = {}
        damaged: dict[str, DamagedRun] = {}
        for folder in self.folders():
            try:
                run = read_run(folder)
            except DamagedRun as damage:
                damaged[folder.name] = damage
                continue
            if run is not None:
                runs[run.id] = run
        return Table(runs, damaged)

    def folders(self) -> list[Path]:
        """Return the folders of the shelf, in order of their names; empty where it is not there."""
        return sorted(path for path in self.root.iterdir() if path.is_dir()) if self.root.is_dir() else []

    def read(self, run_id: str) -> Run | None:
        """Return one run, or None where it was never begun. DamagedRun where it cannot be believed."""
        return read_run(self.root / run_id)

    def begin(
        self, config: RunConfig | Evaluation | TimingConfig, provenance: Provenance
    ) -> AbstractContextManager[OpenRun]:
        """Open a run for training, an evaluation or a timing: see `repro.store.writing.opened`."""
        return opened(self.root / config.id, config, provenance)

    def checkpoints(self) -> dict[Path, int]:
        """Return the checkpoints and kept weights of all runs that have stopped, with their sizes in bytes."""
        stopped = [run.path for run in self.table().headers() if run.result is not None]
        files = [path for folder in stopped for path in (folder / CHECKPOINT, *folder.glob(KEPT.format("*")))]
        return {path: path.stat().st_size for path in files if path.is_file()}

    def remove_checkpoints(self) -> int:
        """Remove `checkpoints`; return the bytes freed.

        A run that is extended later starts again, and so does one that another starts from.
        """
        files = self.checkpoints()
        for path in files:
            path.unlink()
        return sum(files.values())
