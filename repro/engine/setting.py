"""Where and on what runs are trained: the same for all runs of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from repro import contents
from repro.claim.config import RunConfig, RunData, TimingConfig
from repro.data import loading
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.engine.events import Packed
from repro.nets import libraries, tables
from repro.store import Run, Store, Table
from repro.store.rows import Provenance
from repro.train.minibatches import NUMERICS


@dataclass(frozen=True)
class Setting:
    """The shelf, the device, the data sets' folders and cache, and what makes the runs."""

    store: Store
    device: str
    roots: tuple[Path, ...]
    cache: Path
    provenance: Provenance
    keep_old: bool = False  # the reference shelf: runs of an earlier numerics version stay and are marked
    checkpoint_seconds: float = 30  # assumed: with one epoch, the most that a kill loses; DESIGN allows 60

    def stands(self, run: Run | None) -> bool:
        """Return whether a run or an evaluation is there and counts: it stopped, did not fail, and is of this numerics
        version or kept all the same."""
        if run is None or run.result is None or run.failed:
            return False
        return self.keep_old or run.sessions[-1].get("numerics") == NUMERICS

    def session(self, config: RunConfig | TimingConfig) -> Provenance:
        """Return what makes a run here: the provenance, with the photos that its set lacks and the version of the
        library that its net is of; without `towers` where its nets have none."""
        arms = arms_of(config)
        session: Provenance = {**self.provenance}
        if not any(has_towers(arm) for arm in arms):
            session.pop("towers", None)
        kinds = [arm.model.kind.partition(":")[0] for arm in arms]
        if "torchvision" in kinds:
            session["torchvision"] = version("torchvision")
        if "timm" in kinds:
            session["timm"] = version("timm")
        if photos := loading.left_out(arms[0].data.kind, stored=arms[0].data.stored, cache=self.cache):
            session["photos"] = photos
        return session


def standing(setting: Setting) -> Table:
    """Return the runs of the shelf that need no more training for what they show."""
    return setting.store.table().where(setting.stands)


def arms_of(config: RunConfig | TimingConfig) -> list[RunConfig]:
    """Return the configurations whose nets a run trains: its own, or of a timing each arm's."""
    return list(config.timed.values()) if isinstance(config, TimingConfig) else [config]


def has_towers(config: RunConfig) -> bool:
    """Return whether the net of a run has two towers, so that two processes can train it."""
    if libraries.is_library_net(config.model.kind):
        return False
    model = config.model.model_dump(exclude={"init"})
    return tables.has_towers(contents.rows(**model, classes=tables.TOWERS))  # of however many classes


def batches(data: RunData, setting: Setting) -> Batches | PhotoBatches:
    """Load a set onto the device, once a process. DataError where it is missing."""
    given = data.model_dump(exclude={"content"}) | ({"classes": tuple(data.classes)} if data.classes else {})
    return loading.batches(**given, device=setting.device, roots=setting.roots, cache=setting.cache)


def have_data(sets: Iterable[RunData], setting: Setting, report: Callable[[Packed], object]) -> None:
    """Pack what no worker shall have to pack. DataError where a set is missing."""
    for kind, stored in sorted({(data.kind, data.stored) for data in sets}, key=str):

        def progress(stage: str, done: int, total: int, kind: str = kind) -> None:
            report({"event": "pack", "run": kind, "label": f"{kind}: {stage}", "done": done, "total": total})

        loading.have(kind, stored=stored, roots=setting.roots, cache=setting.cache, progress=progress)
