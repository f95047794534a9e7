"""Runs as one archive that verifies itself: a zip with the size and the sha256 of every file in `manifest.json`.

An archive from elsewhere is not trusted. Its names are matched against those that runs have, so that none leads out of
the store; links, duplicates, encryption, sizes other than the manifest's, and contents that unpack to far more than
they take are refused before anything is written. Checkpoints and weights are left out: they can be trained again.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from repro.claim.config import hashed
from repro.errors import ReproError
from repro.files import write_whole
from repro.store.damage import RESULT, RUN
from repro.store.runs import read_run
from repro.store.table import Table
from repro.store.writing import held

MANIFEST = "manifest.json"
FORMAT = "repro runs 1"
NAME = re.compile(r"[0-9a-f]{16}/(?:run\.json|metrics\.jsonl|result\.json|[a-z0-9_]{1,64}\.npy)", re.ASCII)
LAST = (RUN, RESULT)  # written in this order after all others: a run with a result is whole
CHUNK = 1 << 20  # bytes read at once
MOST_FILES = 1_000_000  # assumed: 250,000 runs
MOST_JSON = 1 << 28  # bytes of a JSON file or a manifest (assumed: the longest recorded has 3 MB)
MOST_BYTES = 1 << 40  # of everything, unpacked (assumed)
MOST_RATIO = 100  # unpacked to packed (assumed: recorded rows have 4), beyond `SMALL`
SMALL = 1 << 20  # bytes that no ratio matters for
EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's first date: the same runs make the same archive


@dataclass(frozen=True)
class Imported:
    """Ids of the runs that an import added, and of those that were there already and stay as they are."""

    added: list[str]
    kept: list[str]


def export(table: Table, path: Path, only: Collection[str] = ()) -> int:
    """Write the runs of a table that have a result, or those named, into an archive; return how many.

    ReproError where a run that is named is not there or has no result; Unwritable where the file cannot be written.
    """
    for run_id in only:
        if run_id not in table or table[run_id].result is None:
            raise ReproError(f"export: {run_id}: no finished run of the shelf; `repro plan CLAIM` lists a claim's runs")
    runs = [run for run in table.values() if run.result is not None and (not only or run.id in only)]
    if not runs:
        raise ReproError("export: the shelf has no finished run; `repro run CLAIM` trains some, --runs names a shelf")

    def write(file: IO[bytes]) -> None:
        files = {}
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for run in runs:
                for source in sorted(run.path.iterdir()):
                    name = f"{run.id}/{source.name}"
                    if NAME.fullmatch(name) and source.is_file() and not source.is_symlink():
                        files[name] = _pack(archive, name, source)
            about = json.dumps({"format": FORMAT, "files": files}, indent=1) + "\n"
            archive.writestr(zipfile.ZipInfo(MANIFEST, EPOCH), about, zipfile.ZIP_DEFLATED)

    write_whole(path, write)
    return len(runs)


def import_runs(path: Path, root: Path) -> Imported:
    """Verify an archive as a whole, then add its runs to the store at `root`; a run that has a result there stays.

    ReproError where the archive is damaged or not one of `export`: then nothing is written. Busy where another process
    trains one of the runs.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = _verified(path, archive)
            runs: dict[str, dict[str, zipfile.ZipInfo]] = {}
            for name in sorted(files):
                run_id, _, own = name.partition("/")
                runs.setdefault(run_id, {})[own] = files[name]
            for run_id, own_files in runs.items():
                _check_run(path, archive, run_id, own_files)
            added = [run_id for run_id, own_files in runs.items() if _add(archive, own_files, root / run_id)]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, UnicodeDecodeError, OverflowError) as error:
        raise _refused(path, f"it is damaged or no zip file ({error})") from error
    except FileNotFoundError as error:
        raise ReproError(f"{path}: no such file; expected an archive that `repro export` made") from error
    return Imported(added, sorted(runs.keys() - set(added)))


def _pack(archive: zipfile.ZipFile, name: str, source: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    with source.open("rb") as file, archive.open(info, "w", force_zip64=True) as packed:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            packed.write(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _verified(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive by name, each of which is what the manifest says."""
    entries: dict[str, zipfile.ZipInfo] = {}
    infos = archive.infolist()
    if len(infos) > MOST_FILES or sum(info.file_size for info in infos) > MOST_BYTES:
        raise _refused(path, f"it has more than {MOST_FILES:,} files or {MOST_BYTES:,} bytes")
    for info in infos:
        # `orig_filename` has what `filename` was cut off at: a NUL
        if info.orig_filename != MANIFEST and not NAME.fullmatch(info.orig_filename):
            raise _refused(path, f"found a file {info.orig_filename[:80]!r}, which no run has")
        if info.filename in entries:
            raise _refused(path, f"{info.filename}: stands in it twice")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise _refused(path, f"{info.filename}: a link or a device; expected a file")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(path, f"{info.filename}: encrypted, or packed in a way that `repro export` never uses")
        if info.file_size > SMALL and info.file_size > MOST_RATIO * info.compress_size:
            raise _refused(path, f"{info.filename}: unpacks to more than {MOST_RATIO} times its size")
        if info.file_size > MOST_JSON and not info.filename.endswith(".npy"):
            raise _refused(path, f"{info.filename}: found {info.file_size:,} bytes; expected {MOST_JSON:,} at most")
        entries[info.filename] = info
    if MANIFEST not in entries:
        raise _refused(path, f"it has no {MANIFEST}")
    manifest = _manifest(path, b"".join(_chunks(archive, entries.pop(MANIFEST))))
    if entries.keys() != manifest.keys():
        odd = min(entries.keys() ^ manifest.keys())
        raise _refused(path, f"{odd}: stands in only one of the archive and its manifest")
    for name, info in entries.items():
        digest, size = hashlib.sha256(), 0
        for chunk in _chunks(archive, info):
            digest.update(chunk)
            size += len(chunk)
        if {"bytes": size, "sha256": digest.hexdigest()} != manifest[name]:
            raise _refused(path, f"{name}: its content is not what the manifest says")
    return entries


def _manifest(path: Path, text: bytes) -> dict[str, Any]:
    try:
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"{MANIFEST}: not JSON") from error
    files = about.get("files") if isinstance(about, dict) and about.get("format") == FORMAT else None
    if not isinstance(files, dict):
        raise _refused(path, f"{MANIFEST}: expected the format {FORMAT!r} and its files")
    return files


def _check_run(path: Path, archive: zipfile.ZipFile, run_id: str, files: dict[str, zipfile.ZipInfo]) -> None:
    """A run has its two files, and the address of its configuration."""
    if not set(LAST) <= files.keys():
        raise _refused(path, f"{run_id}: {' or '.join(LAST)} is missing")
    try:
        config = json.loads(archive.read(files[RUN]))["config"]
        address = hashed(json.dumps(config, sort_keys=True, separators=(",", ":")))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refused(path, f"{run_id}/{RUN}: not the record of a run") from error
    if address != run_id:
        raise _refused(path, f"{run_id}/{RUN}: found the configuration of run {address}")


def _add(archive: zipfile.ZipFile, files: dict[str, zipfile.ZipInfo], folder: Path) -> bool:
    """Write one run under its lock, its result last; return False where there is one already."""
    with held(folder):
        recorded = read_run(folder)
        if recorded is not None and recorded.result is not None:
            return False
        for name in [*(name for name in files if name not in LAST), *LAST]:
            write_whole(folder / name, partial(_unpack, archive, files[name]))
    return True


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: IO[bytes]) -> None:
    file.writelines(_chunks(archive, info))


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a file's content; zipfile reads no more than the entry's size, and compares its checksum at the end."""
    with archive.open(info) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _refused(path: Path, why: str) -> ReproError:
    return ReproError(
        f"{path}: {why}; nothing was imported: copy the archive again, or make it again with `repro export {path.name}`"
    )
