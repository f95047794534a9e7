"""Where things are unless a flag says otherwise: claims, data, the cache, the shelves; and which scale fits.

In a clone everything lies in the clone. Outside one the claims and the reference results are those inside the installed
package, and runs and reports go below the current folder.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import repro
from repro.claim.scales import SCALE_NAMES
from repro.data.known import find, near, what_to_fetch
from repro.errors import DataError, ReproError
from repro.files import writable_folder

if TYPE_CHECKING:  # pydantic takes longer to import than `--help` may
    from repro.claim.files import ClaimFile

PACKAGE = Path(repro.__file__).resolve().parent
SHIPPED = PACKAGE / "shipped"  # what a wheel holds of the clone; pyproject.toml copies it there
MARK = Path("claims", "claim.schema.json")  # what makes a folder a clone
SCALES = SCALE_NAMES  # from the lowest


def clone() -> Path | None:
    """Return the clone that the package lies in, else the one that the current folder lies in; None without any."""
    here = Path.cwd().resolve()
    folders = (PACKAGE.parent, here, *here.parents)
    return next((folder for folder in folders if (folder / MARK).is_file()), None)


def home() -> Path:
    """Return the clone. ReproError where there is none: what maintainers make belongs into one."""
    if (folder := clone()) is None:
        raise ReproError(
            "--reference: works on the shelf of the project's clone, and there is none here; go into a clone, or leave "
            "--reference away"
        )
    return folder


def claims() -> Path:
    """Return the folder of the project's claims: the clone's, else the package's own copy."""
    return _of_project(Path("claims"))


def reference_results() -> Path | None:
    """Return the file with the results of the reference runs: the clone's, else the package's own copy; None in a clone
    whose maintainers have made none yet."""
    shelf = Path("reports", "reference")
    if (folder := clone()) and not (folder / shelf).is_dir():
        return None
    return _of_project(shelf / "results.json")


def _of_project(place: Path) -> Path:
    """Return where a file or folder of the clone is to be read. ReproError where the package has no copy either."""
    if folder := clone():
        return folder / place
    if not (packaged := SHIPPED / place.name).exists():
        raise ReproError(
            f"{packaged}: not in this installation, and no clone is here; expected the project's {place.name}. Install "
            "the package again with pip, or go into a clone"
        )
    return packaged


def roots(given: Path | None) -> tuple[Path, ...]:
    """Return the folders of data sets: --data, else REPRO_DATA, else ./data."""
    return (given or Path(os.environ.get("REPRO_DATA") or "data"),)


def cache() -> Path:
    """Return where sets are packed once: REPRO_CACHE, else the user's cache folder."""
    if given := os.environ.get("REPRO_CACHE"):
        return Path(given)
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "repro"
    try:
        return Path.home() / ".cache" / "repro"
    except RuntimeError as error:  # no HOME, and a user whom the system does not know, as in containers
        raise ReproError("no folder for packed data: this user has no home folder; set REPRO_CACHE to a folder that "
                         "can be written") from error  # fmt: skip


def shelf(name: str, given: Path | None, reference: bool) -> Path:
    """Return the folder of `runs` or `reports`: the one given, else the clone's, else one below the current folder.

    `reference`: the clone's reference shelf, where none is given. ReproError where there is no clone, given or not;
    Unwritable where a file stands in its place.
    """
    if reference:
        of_project = home() / name / "reference"
        return writable_folder(given or of_project)
    return writable_folder(given or (clone() or Path.cwd()) / name)


def relative_path(path: Path) -> str:
    """Return a path as a person would type it from here."""
    return os.path.relpath(path) if path.resolve().is_relative_to(Path.cwd()) else str(path)


def fitting_scale(
    file: ClaimFile, asked: str | None, device: str, data: tuple[Path, ...], found: Collection[str] | None = None
) -> tuple[str, str]:
    """Return (scale, why): the one asked for, else the largest whose data are found and that is meant for this device.

    `found`: the sets that are found where runs are trained, where that is elsewhere; `data` is not looked into then.

    ReproError where the claim lacks the scale, DataError where its data are not there.
    """
    scales = [scale for scale in SCALES if scale in file.claim.scales]
    if asked and asked not in scales:
        raise ReproError(f"{file.path}: has no scale {asked}; it has {', '.join(scales)}")
    kinds = {scale: file.at(scale).data.kind for scale in scales}
    if found is None:
        found = {kind for kind in kinds.values() if find(kind, data, cache()) is not None}
    else:
        data = ()
    there = {kind: kind in found for kind in kinds.values()}
    if asked:
        if not there[kinds[asked]]:
            kind = kinds[asked]
            nearly = "".join(f"; {text}" for text in near(kind, data))
            raise DataError(
                f"{file.id} at {asked} scale needs {kind}, which is not there: {what_to_fetch(kind)}{nearly}"
            )
        return asked, "asked for"
    missing: list[str] = []
    for scale in reversed(scales):
        kind = kinds[scale]
        if SCALES.index(scale) > SCALES.index(file.paper.largest_on(device, kind)):
            continue
        if there[kind] or scale == scales[0]:
            if missing:
                nearly = "".join(f"; {text}" for kind in dict.fromkeys(missing) for text in near(kind, data))
                return scale, f"no {' and no '.join(dict.fromkeys(missing))} found{nearly}"
            if scale == scales[0] and len(scales) > 1:
                return scale, f"{scales[1]} scale is not meant for {device}"
            return scale, f"{kind} found; {file.paper.largest_on(device, kind)} is the largest scale meant for {device}"
        missing.append(kind)
    return scales[0], f"no other scale is meant for {device}"


def missing(file: ClaimFile, scale: str, data: tuple[Path, ...], found: Collection[str] | None = None) -> list[str]:
    """Return the sets of a claim's scales above `scale` that are not there, by kind; `found` as for `fitting_scale`."""
    above = [other for other in SCALES[SCALES.index(scale) + 1 :] if other in file.claim.scales]
    kinds = dict.fromkeys(file.at(other).data.kind for other in above)
    if found is not None:
        return [kind for kind in kinds if kind not in found]
    return [kind for kind in kinds if find(kind, data, cache()) is None]


def claims_named(given: Sequence[Path]) -> list[Path]:
    """Return the files and folders of claims that are named by ids, patterns of ids (`relu*`), files and folders.

    Each is returned once, in the order of the names. Errors as `claim` has them; ReproError of a pattern that no id
    matches.
    """
    ids = {path.stem: path for path in sorted(claims().glob("*.yaml"))}
    found: list[Path] = []
    for name in given:
        pattern = str(name)
        if name.exists() or not set("*?[") & set(pattern):
            found.append(claim(name))
            continue
        matching = [path for id, path in ids.items() if fnmatchcase(id, pattern)]
        if not matching:
            raise ReproError(f"{pattern}: no claim's id matches this pattern; `repro list` shows the claims")
        found += matching
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def claim(given: Path) -> Path:
    """Return the file of a claim that is named by its id, as `list` prints it; else the path as it is given.

    An id wins over a folder of that name without claims in it. ReproError of what is neither, with the nearest id.
    """
    if given.is_file() or (given.is_dir() and any(given.glob("*.yaml"))):
        return given
    is_path = bool(given.suffix) or len(given.parts) > 1
    ids = {path.stem: path for path in claims().glob("*.yaml")}
    if str(given) in ids:
        return ids[str(given)]
    if given.is_dir():
        return given  # whoever loads it says what it lacks
    from repro.claim.problems import nearest

    what = "no such file" if is_path else "neither a file nor a claim's id"
    raise ReproError(f"{given}: {what}{nearest(given.stem, ids)}; `repro list` shows the claims")
