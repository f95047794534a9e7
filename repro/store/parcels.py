"""Runs between two stores: what a run's folder holds goes out, and what was made of it comes back, whole and verified.

Whoever trains a run elsewhere has a store of its own there. A parcel brings back what has changed: of a run that is
being trained the folder that its rows are written into, of one that has ended all of it. The store's lock on the run is
held here meanwhile, so that the rules of `repro.store.writing` hold: what has a result is replaced when what comes is
complete, and not before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from repro.files import PARTIAL, write_whole, writing
from repro.store.damage import NEXT, RESULT, ROWS, RUN, DamagedRun, Violation, brief, in_header, in_rows
from repro.store.runs import CHECKPOINT, read_rows
from repro.store.writing import LOCK, being_written, complete, link

FIRST, LAST = (RUN,), (ROWS, CHECKPOINT, RESULT)  # the order in which files are written: see `Parcel.put`

Files = dict[str, bytes]  # by name, relative to a run's folder
State = tuple[int, int, int]  # of a file that is only ever replaced: when it was written, its size, its number


def files_of(folder: Path, only: Collection[str] = ()) -> Files:
    """Return the files of a run's folder, `next` with them, or of those in `only` what is there; its lock stays."""
    names = only or [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if _travels(path)]
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def put(folder: Path, files: Files) -> None:
    """Write files into a run's folder, or one that is not there yet."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, content)


@dataclass(frozen=True)
class Parcel:
    """What has become of one run elsewhere. `hashes`: the sha256 of all files that it has there, by name; `files`:
    those that the store to which it goes has not yet; `into`: the folder that they belong into, the run's or `next`."""

    run: str
    into: str
    ended: bool
    hashes: dict[str, str]
    files: Files

    def put(self, folder: Path) -> None:
        """Make the run's folder here what it is there, under a lock that this process holds. DamagedRun where a file is
        not what was sent, or where the run has ended and cannot be believed: then a run that stands here stays.

        Until a run has ended a process can be killed between any two files: the run goes on from its checkpoint, so
        rows come before it, and what must not be there is removed first.
        """
        for name, content in self.files.items():
            self._check(folder / name, hashlib.sha256(content).hexdigest())
        here = folder / self.into
        path = folder / NEXT if self.ended else here
        with writing(path):
            path.mkdir(exist_ok=True)  # not those above: the disk of a store may be gone
            for file in path.iterdir():
                if _travels(file) and (file.name not in self.hashes or file.name == RESULT):
                    file.unlink()
            order = dict.fromkeys(FIRST, -1) | {name: i for i, name in enumerate(LAST, start=1)}
            for name in sorted(self.hashes, key=lambda name: order.get(name, 0)):
                if name == RESULT:
                    self._believe(path)
                if name in self.files:
                    write_whole(path / name, self.files[name])
                    continue
                self._check(here / name, _sha256(here / name))
                if path != here:
                    (path / name).unlink(missing_ok=True)
                    link(here / name, path / name)
        if self.ended:
            complete(folder)

    def _check(self, path: Path, found: str) -> None:
        if found != (expected := self.hashes[path.name]):
            raise DamagedRun(path.parent, Violation(self.run, path.name, "sha256", brief(found), expected))

    def _believe(self, path: Path) -> None:
        """Refuse a run that has ended whose records, all of which but its result are in `path`, cannot be."""
        about, result = json.loads((path / RUN).read_bytes()), json.loads(self.files[RESULT])
        for violation in in_header(self.run, about["config"], about["sessions"], result):
            raise DamagedRun(path, violation)
        for violation in in_rows(self.run, about["config"], result, read_rows(path / ROWS)):
            raise DamagedRun(path, violation)


@dataclass
class Sender:
    """The side of a run's store elsewhere: what of a run's folder was sent is not sent again."""

    root: Path
    sent: dict[Path, tuple[State, str]] = field(default_factory=dict)  # how a file was when it was, and its sha256

    def note(self, run: str) -> None:
        """Take all files of a run for sent: they came from where parcels go to."""
        for path in (self.root / run).rglob("*"):
            if _travels(path):
                self.sent[path] = _state(path), _sha256(path)

    def parcel(self, run: str) -> Parcel | None:
        """Return what has changed of a run since the last parcel; None where nothing has."""
        folder = self.root / run
        ended = (folder / RESULT).is_file() and self._changed(folder / RESULT)
        path = folder if ended else being_written(folder)
        if not (path / RUN).is_file() or (not ended and (path / RESULT).is_file()):
            return None  # never begun, or as it came
        there = sorted(file for file in path.iterdir() if _travels(file))
        files = {file: file.read_bytes() for file in there if self._changed(file)}
        if not files:
            return None
        self.sent |= {file: (_state(file), hashlib.sha256(content).hexdigest()) for file, content in files.items()}
        hashes = {file.name: self.sent[file][1] for file in there}
        contents = {file.name: content for file, content in files.items()}
        return Parcel(run, "" if path == folder else NEXT, ended, hashes, contents)

    def _changed(self, path: Path) -> bool:
        return path not in self.sent or self.sent[path][0] != _state(path)


def _travels(path: Path) -> bool:
    return path.is_file() and path.name != LOCK and not path.name.endswith(PARTIAL)


def _state(path: Path) -> State:
    about = path.stat()
    return about.st_mtime_ns, about.st_size, about.st_ino


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
