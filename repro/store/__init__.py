"""Runs as plain files: `runs/<id>/run.json`, `metrics.jsonl`, `result.json`, `correct.npy`; a checkpoint until `gc`.

A run is begun (run.json), grows by a line of metrics.jsonl for every epoch, and has stopped for now when result.json is
there: written last, by renaming. An evaluation is a run that has no epochs: its result.json holds values, and arrays
lie beside it as *.npy. Whoever trains or looks holds the run's lock. Reading needs no torch.

`rows` has the types of what the files hold, `runs` reads a run, `damage` says which cannot be believed, `writing`
writes one, `shelf` is a folder of them, `table` all of its runs that are sound, `audit` recomputes what is recorded
twice.
"""

from repro.store.damage import DamagedRun
from repro.store.runs import CHECKPOINT, KEPT, Run, answers, array, ranks
from repro.store.shelf import Store
from repro.store.table import Table, damaged_in, without_damage
from repro.store.writing import OpenRun

__all__ = [
    "CHECKPOINT",
    "KEPT",
    "DamagedRun",
    "OpenRun",
    "Run",
    "Store",
    "Table",
    "answers",
    "array",
    "damaged_in",
    "ranks",
    "without_damage",
]
