"""Where things are unless a flag says otherwise: the clone, data, the cache, the shelves; and which scale fits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import repro
from repro.data.known import find, how_to_get
from repro.errors import DataError, ReproError
from repro.spec.recipes import ScaleName, meant_for

if TYPE_CHECKING:  # pydantic takes longer to import than `--help` may
    from repro.spec.files import ClaimFile

HOME = Path(repro.__file__).resolve().parent.parent  # the clone: claims/, runs/reference/, reports/reference/
SCALES: tuple[str, ...] = get_args(ScaleName)  # from the lowest


def roots(given: Path | None) -> tuple[Path, ...]:
    """Folders of data sets: --data, else REPRO_DATA, else ./data."""
    return (given or Path(os.environ.get("REPRO_DATA") or "data"),)


def cache() -> Path:
    """Where sets are packed once: REPRO_CACHE, else the user's cache folder."""
    if given := os.environ.get("REPRO_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repro"


def shelf(name: str, given: Path | None, reference: bool) -> Path:
    """`runs` or `reports`: the folder given, else the clone's, the user's own or the reference one."""
    return given or (HOME / name / "reference" if reference else HOME / name)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    return os.path.relpath(path) if path.resolve().is_relative_to(Path.cwd()) else str(path)


def fitting_scale(file: ClaimFile, asked: str | None, device: str, data: tuple[Path, ...]) -> tuple[str, str]:
    """(scale, why): the one asked for, else the largest whose data are found and that is meant for this device.

    ReproError where the claim lacks the scale, DataError where its data are not there.
    """
    scales = [scale for scale in SCALES if scale in file.claim.scales]
    if asked and asked not in scales:
        raise ReproError(f"{file.path}: has no scale {asked}; it has {', '.join(scales)}")
    kinds = {scale: file.at(scale).data.kind for scale in scales}
    there = {kind: find(kind, data, cache()) is not None for kind in kinds.values()}
    if asked:
        if not there[kinds[asked]]:
            kind = kinds[asked]
            raise DataError(f"{file.id} at {asked} scale needs {kind}, which is not there: {how_to_get(kind)}")
        return asked, "asked for"
    missing: list[str] = []
    for scale in reversed(scales):
        kind = kinds[scale]
        if SCALES.index(scale) > SCALES.index(meant_for(kind, device)):
            continue
        if there[kind] or scale == scales[0]:
            if missing:
                return scale, f"no {' and no '.join(dict.fromkeys(missing))} found"
            if scale == scales[0] and len(scales) > 1:
                return scale, f"{scales[1]} scale is not meant for {device}"
            return scale, f"{kind} found; {meant_for(kind, device)} is the largest scale meant for {device}"
        missing.append(kind)
    return scales[0], f"no other scale is meant for {device}"


def claim(given: Path) -> Path:
    """Return the file of a claim that is named by its id, as `list` prints it; else the path as it is given.

    ReproError of a name that is no id, with the nearest one.
    """
    if given.exists() or given.suffix or len(given.parts) > 1:
        return given
    path = HOME / "claims" / f"{given}.yaml"
    if path.is_file():
        return path
    from repro.spec.problems import nearest

    near = nearest(str(given), [claim.stem for claim in (HOME / "claims").glob("*.yaml")])
    raise ReproError(f"{given}: neither a file nor a claim's id{near}; `repro list` shows the claims")
