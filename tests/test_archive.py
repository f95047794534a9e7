"""Archives of runs: they come back byte for byte, and nothing that an archive holds is written outside the store."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.errors import ReproError
from repro.store import Store
from repro.store.archive import FORMAT, MANIFEST, export, import_runs

SHELF = Store(Path(__file__).parent.parent / "runs" / "reference")
RUN = next(path.parent.name for path in sorted(SHELF.root.glob("*/correct.npy")))

Files = dict[str, bytes]


def recorded() -> Files:
    """The files of one run, by the names that an archive gives them."""
    folder = SHELF.root / RUN
    return {f"{RUN}/{p.name}": p.read_bytes() for p in sorted(folder.iterdir()) if p.name != "lock"}


def listed(files: Files) -> bytes:
    about = {name: {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()} for name, text in files.items()}
    return json.dumps({"format": FORMAT, "files": about}).encode()


def archive(path: Path, files: Files, manifest: bytes | None = None, packed: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as made:
        for name, text in files.items():
            made.writestr(zipfile.ZipInfo(name), text, packed)
        made.writestr(MANIFEST, listed(files) if manifest is None else manifest)
    return path


def below(folder: Path) -> Files:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_an_archive_holds_finished_runs_without_weights_and_comes_back_byte_for_byte(tmp_path):
    store = Store(tmp_path / "runs")
    for name, text in recorded().items():
        (store.root / name).parent.mkdir(parents=True, exist_ok=True)
        (store.root / name).write_bytes(text)
    (store.root / RUN / "checkpoint.safetensors").write_bytes(b"weights")
    (store.root / RUN / "linked.npy").symlink_to("/etc/hostname")
    assert export(store.table(), tmp_path / "a.zip") == 1
    again = import_runs(tmp_path / "a.zip", tmp_path / "other")
    assert (again.added, again.kept) == ([RUN], [])
    found = below(tmp_path / "other")
    found.pop(f"{RUN}/lock")
    assert found == recorded()
    assert Store(tmp_path / "other").table()[RUN].epochs == store.table()[RUN].epochs


def test_a_run_that_is_there_stays_as_it_is(tmp_path):
    path = archive(tmp_path / "a.zip", recorded())
    import_runs(path, tmp_path / "runs")
    (tmp_path / "runs" / RUN / "metrics.jsonl").write_text("")
    before = below(tmp_path / "runs")
    assert import_runs(path, tmp_path / "runs").kept == [RUN]
    assert below(tmp_path / "runs") == before


def test_an_import_that_was_killed_is_made_whole_by_the_next_one(tmp_path):
    path = archive(tmp_path / "a.zip", recorded())
    (tmp_path / "runs" / RUN).mkdir(parents=True)
    (tmp_path / "runs" / RUN / "run.json").write_bytes(recorded()[f"{RUN}/run.json"])  # and no result
    assert import_runs(path, tmp_path / "runs").added == [RUN]


def test_the_same_runs_make_the_same_archive(tmp_path):
    for name in ("a.zip", "b.zip"):
        export(SHELF.table(), tmp_path / name, [RUN])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize("name", ["0000000000000000", "none"])
def test_a_run_that_is_not_there_cannot_be_exported(tmp_path, name):
    with pytest.raises(ReproError, match=f"{name}: no finished run"):
        export(SHELF.table(), tmp_path / "a.zip", [name])
    assert not (tmp_path / "a.zip").exists()


def with_name(name: str) -> Callable[[Path], Path]:
    """An archive, right in all else, with a file of this name: each would have been written outside its run."""
    return lambda path: archive(path, {**recorded(), name: b"x"})


def with_a_link(path: Path) -> Path:
    files = {**recorded(), f"{RUN}/link.npy": b"/etc/hostname"}
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK if name.endswith("link.npy") else stat.S_IFREG) << 16
            made.writestr(info, text)
        made.writestr(MANIFEST, listed(files))
    return path


def twice(path: Path) -> Path:
    """Of two files with one name zipfile reads the last, other readers the first."""
    archive(path, recorded())
    with zipfile.ZipFile(path, "a") as made, pytest.warns(UserWarning, match="Duplicate"):
        made.writestr(f"{RUN}/result.json", recorded()[f"{RUN}/result.json"])
    return path


def bomb(path: Path) -> Path:
    return archive(path, {**recorded(), f"{RUN}/bomb.npy": bytes(50_000_000)})


def with_another_size(path: Path) -> Path:
    """A directory that says less than the file unpacks to."""
    archive(path, {**recorded(), f"{RUN}/big.npy": b"y" * 100_000})
    content = path.read_bytes()
    path.write_bytes(content.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    return path


def changed(path: Path) -> Path:
    files = recorded()
    return archive(path, {**files, f"{RUN}/metrics.jsonl": files[f"{RUN}/metrics.jsonl"] + b"\n"}, listed(files))


def of_another_configuration(path: Path) -> Path:
    files = recorded()
    about = json.loads(files[f"{RUN}/run.json"])
    about["config"]["seed"] += 1
    return archive(path, {**files, f"{RUN}/run.json": json.dumps(about).encode()})


def without_result(path: Path) -> Path:
    return archive(path, {name: text for name, text in recorded().items() if not name.endswith("result.json")})


def without_manifest(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(f"{RUN}/run.json", "{}")
    return path


def more_than_listed(path: Path) -> Path:
    return archive(path, {**recorded(), f"{RUN}/more.npy": b"x"}, listed(recorded()))


def cut(path: Path) -> Path:
    content = archive(path, recorded()).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def encrypted(path: Path) -> Path:
    """Flagged as encrypted, in its own header and in the directory."""
    content = bytearray(archive(path, recorded()).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


def deep(path: Path) -> Path:
    return archive(path, recorded(), b"[" * 100_000)


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "absolute": (with_name("/tmp/evil"), "which no run has"),
    "parent": (with_name(f"{RUN}/../../evil"), "which no run has"),
    "backslash": (with_name(f"{RUN}\\..\\evil"), "which no run has"),
    "nested": (with_name(f"{RUN}/next/run.json"), "which no run has"),
    "checkpoint": (with_name(f"{RUN}/checkpoint.safetensors"), "which no run has"),
    "link": (with_a_link, "a link or a device"),
    "twice": (twice, "stands in it twice"),
    "bomb": (bomb, "unpacks to more than"),
    "size": (with_another_size, "damaged|not what the manifest says"),
    "changed": (changed, "not what the manifest says"),
    "configuration": (of_another_configuration, "found the configuration of run"),
    "no result": (without_result, "is missing"),
    "no manifest": (without_manifest, f"has no {MANIFEST}"),
    "unlisted": (more_than_listed, "stands in only one"),
    "cut": (cut, "damaged or no zip file"),
    "encrypted": (encrypted, "encrypted"),
    "deep": (deep, "not JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_archive_that_is_not_what_export_makes_is_refused_as_a_whole(tmp_path, name):
    """Without its guard each of these would write outside the store, twice, too much, or what nobody recorded."""
    make, why = REFUSED[name]
    path = make(tmp_path / "a.zip")
    with pytest.raises(ReproError, match=rf"a\.zip: .*({why}).*nothing was imported"):
        import_runs(path, tmp_path / "runs")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_an_archive_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ReproError, match="no such file"):
        import_runs(tmp_path / "none.zip", tmp_path / "runs")
