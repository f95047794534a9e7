"""What differs between the runs behind one verdict besides the arms: a line that stands next to the verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from repro.claim.config import RunConfig
from repro.questions.units import listed
from repro.store import Table


def behind(table: Table, ids: set[str]) -> set[str]:
    """Return these runs and those whose weights they started from."""
    starts = [table[run].started_from for run in ids]
    earlier = {RunConfig.model_validate(config).id for config in starts if config}
    earlier = {run for run in earlier if run in table}
    return ids | behind(table, earlier) if earlier else ids


def mixture(table: Table, ids: Collection[str]) -> str:
    """Return a sentence on the numerics versions, devices and changed sources that are mixed in these runs; empty where
    all were made alike from committed sources."""
    sessions = [session for run_id in sorted(ids) for session in table[run_id].sessions]
    numerics = sorted({str(session["numerics"]) for session in sessions})
    devices = sorted({device_of(session) for session in sessions})
    changed = sum(not session["clean"] for session in sessions)
    mixed = [f"with numerics versions {listed(numerics)}"] if len(numerics) > 1 else []
    mixed += [f"on different devices ({', '.join(devices)})"] if len(devices) > 1 else []
    out = [f"The runs behind this verdict were made {listed(mixed)}."] if mixed else []
    if changed:
        out.append(f"In {changed} of their {len(sessions)} sessions the sources differed from the recorded commit.")
    return " ".join(out)


def device_of(session: Mapping[str, Any]) -> str:
    """Return the processor or GPU of a session, without its features."""
    return str(session["processor"] if session["device"] == "cpu" else session["device"]).partition(" (")[0]
