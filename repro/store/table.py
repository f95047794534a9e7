"""A table of runs: all that a shelf holds and can be believed. What is damaged is kept aside and named."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from functools import cached_property
from typing import Any, TypeVar

from repro.store.damage import RESULT, ROWS, DamagedRun, Violation
from repro.store.runs import Run

T = TypeVar("T")
# Bytes of a training's first row: they hold its seconds to the last digit, which no two runs have in common (assumed).
_HEAD = 300
# Nor have two seeds the first epoch's loss in common: at least ten digits of it (assumed).
_FIRST = re.compile(rb'"train_error":\s*([0-9.e+-]+),\s*"train_loss":\s*([0-9]\.[0-9]{9,})')


class Table(dict[str, Run]):
    """Runs by id. The rows of a run are checked when it is first asked for; a damaged run is as if it were not there.

    Looking a run up checks that run alone; going through the table, or asking for its length, checks all of them.
    """

    def __init__(self, runs: Mapping[str, Run] | None = None, damaged: dict[str, DamagedRun] | None = None) -> None:
        super().__init__(runs or {})
        self._damaged: dict[str, DamagedRun] = {} if damaged is None else damaged
        self._sound: set[str] = set()

    @property
    def damaged(self) -> dict[str, DamagedRun]:
        """Every damaged run, by id, in order of id, with what is wrong; all rows are read for it."""
        self._check_all()
        return self.damaged_so_far

    @property
    def damaged_so_far(self) -> dict[str, DamagedRun]:
        """The damaged runs that are known without reading more rows, by id, in order of id."""
        return dict(sorted(self._damaged.items()))

    def damage(self, run_id: str) -> DamagedRun | None:
        """Return what is wrong with one run; None of a sound one and of one that is not there."""
        self.get(run_id)
        return self._damaged.get(run_id)

    def headers(self) -> Collection[Run]:
        """Return all runs whose rows may still turn out damaged: for what needs no row."""
        return list(super().values())

    def leave_out(self, damage: DamagedRun) -> bool:
        """Leave out a run that turned out damaged when more than its rows was read; return whether it was there."""
        run = super().get(damage.violation.run)
        if run is None or run.path != damage.folder:
            return False
        self._damaged[run.id] = damage
        del self[run.id]
        return True

    def where(self, kept: Callable[[Run], bool]) -> Table:
        """Return the table of the runs for which `kept` holds, by what stands in no row. It knows the same damage."""
        table = Table({run.id: run for run in self.headers() if kept(run)}, self._damaged)
        table.__dict__["_copies"] = self._copies
        return table

    @cached_property
    def _copies(self) -> dict[str, Violation]:
        """The runs that are copies of others, by id: which is the original no one can say, so all are left out."""
        heads: dict[bytes, list[Run]] = defaultdict(list)
        losses: dict[tuple[bytes, ...], list[Run]] = defaultdict(list)
        for run in self.headers():
            head = _head(run)
            if head:
                heads[head].append(run)
            if (first := _FIRST.search(head)) and run.result is not None:
                losses[first.groups()].append(run)
        copied = [runs for runs in heads.values() if len(runs) > 1]
        copied += [runs for runs in losses.values() if len({run.seed for run in runs}) > 1]
        return {run.id: _copied(run, runs) for runs in copied for run in runs}

    def _check(self, run_id: str) -> None:
        run = super().get(run_id)
        if run is None or run_id in self._sound:
            return
        damage = run.damage
        if damage is None and (copied := self._copies.get(run_id)) is not None:
            damage = DamagedRun(run.path, copied)
        if damage is None:
            self._sound.add(run_id)
        else:
            self._damaged[run_id] = damage
            super().__delitem__(run_id)

    def _check_all(self) -> None:
        if len(self._sound) != super().__len__():
            for run_id in list(super().keys()):
                self._check(run_id)

    def __setitem__(self, run_id: str, run: Run) -> None:
        self._sound.discard(run_id)
        super().__setitem__(run_id, run)

    def update(self, *runs: Any, **named: Any) -> None:
        """Put runs in place of those of their ids."""
        for run_id, run in dict(*runs, **named).items():
            self[run_id] = run

    def __contains__(self, run_id: object) -> bool:
        self._check(str(run_id))
        return super().__contains__(run_id)

    def __getitem__(self, run_id: str) -> Run:
        self._check(run_id)
        return super().__getitem__(run_id)

    def get(self, run_id: str, default: Run | None = None, /) -> Run | None:  # type: ignore[override]
        """Return a run that is there and sound, else `default`."""
        self._check(run_id)
        return super().get(run_id, default)

    def __iter__(self) -> Iterator[str]:
        self._check_all()
        return super().__iter__()

    def __len__(self) -> int:
        self._check_all()
        return super().__len__()

    def keys(self) -> KeysView[str]:  # type: ignore[override]  # a view all the same
        """Return the ids of all sound runs."""
        self._check_all()
        return super().keys()

    def values(self) -> ValuesView[Run]:  # type: ignore[override]
        """Return all sound runs."""
        self._check_all()
        return super().values()

    def items(self) -> ItemsView[str, Run]:  # type: ignore[override]
        """Return all sound runs with their ids."""
        self._check_all()
        return super().items()


def without_damage(table: Table, work: Callable[[Table], T]) -> T:
    """Return what `work` makes of a table; where a run turns out damaged on the way, that of the table without it."""
    while True:
        try:
            return work(table)
        except DamagedRun as damage:
            if not (isinstance(table, Table) and table.leave_out(damage)):
                raise


def damaged_in(table: Mapping[str, Run], run_id: str) -> DamagedRun | None:
    """Return what is wrong with a run of a table; None of a sound one. A plain mapping has sound runs alone."""
    return table.damage(run_id) if isinstance(table, Table) else None


def _head(run: Run) -> bytes:
    """Return what no two runs have in common: the result of an evaluation or a timing, with its seconds; of a training
    the start of its first row. Empty where nothing was measured yet."""
    training = "train" in run.config
    if not training and (run.result is None or run.failed):
        return b""
    try:
        with (run.path / (ROWS if training else RESULT)).open("rb") as file:
            head = file.read(_HEAD if training else -1)
    except OSError:
        return b""
    return head if not training or len(head) == _HEAD else b""


def _copied(run: Run, runs: Sequence[Run]) -> Violation:
    file = ROWS if "train" in run.config else RESULT
    others = ", ".join(other.id for other in runs if other is not run)
    return Violation(run.id, file, "what was measured", f"that of {others}", "its own: no two runs measure the same")
