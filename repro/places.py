"""Where things are unless a flag says otherwise: the clone, data, the cache, the shelves; and which scale fits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import repro
from repro.claim.recipes import ScaleName, meant_for
from repro.data.known import find, how_to_get
from repro.errors import DataError, ReproError

if TYPE_CHECKING:  # pydantic takes longer to import than `--help` may
    from repro.claim.files import ClaimFile

PACKAGE = Path(repro.__file__).resolve().parent
CATALOGUE = Path("claims", "catalogue.csv")  # what makes a folder a clone
SCALES: tuple[str, ...] = get_args(ScaleName)  # from the lowest


def clone() -> Path | None:
    """Return the clone that the package lies in, else the one that the current folder lies in; None without any.

    Claims, reference runs and pages are read from there, and runs and pages of one's own go there.
    """
    here = Path.cwd().resolve()
    return next((folder for folder in (PACKAGE.parent, here, *here.parents) if (folder / CATALOGUE).is_file()), None)


def home() -> Path:
    """Return the clone. ReproError where there is none, so that nothing is ever written beside an installed package."""
    if (found := clone()) is None:
        raise ReproError(
            f"no clone of the project: {CATALOGUE} is neither here, nor above, nor beside the package; go into a clone,"
            " or name the files of claims, and with --runs and --out where runs and pages go"
        )
    return found


def roots(given: Path | None) -> tuple[Path, ...]:
    """Folders of data sets: --data, else REPRO_DATA, else ./data."""
    return (given or Path(os.environ.get("REPRO_DATA") or "data"),)


def cache() -> Path:
    """Where sets are packed once: REPRO_CACHE, else the user's cache folder."""
    if given := os.environ.get("REPRO_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repro"


def shelf(name: str, given: Path | None, reference: bool) -> Path:
    """`runs` or `reports`: the folder given, else the clone's, the user's own or the reference one.

    ReproError where that takes a clone and there is none; `reference` always takes one.
    """
    if given and not reference:
        return given
    mine = home() / name
    return given or (mine / "reference" if reference else mine)


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

    An id wins over a folder of that name without claims in it. ReproError of what is neither, with the nearest id.
    """
    if given.is_file() or (given.is_dir() and any(given.glob("*.yaml"))):
        return given
    is_path = bool(given.suffix) or len(given.parts) > 1
    folder = clone() if is_path or given.is_dir() else home()
    ids = {path.stem: path for path in folder.glob("claims/*.yaml")} if folder else {}
    if str(given) in ids:
        return ids[str(given)]
    if given.is_dir():
        return given  # whoever loads it says what it lacks
    from repro.claim.problems import nearest

    what = "no such file" if is_path else "neither a file nor a claim's id"
    raise ReproError(f"{given}: {what}{nearest(given.stem, ids)}; `repro list` shows the claims")
