"""Exit codes and their lines: full and read-only disks, files in the way, vanished folders, lack of memory."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from repro import cli
from repro.errors import CODES, MemoryLack, ReproError
from repro.files import DiskFull, Unwritable, Vanished, refused, writable_folder, writing
from repro.flags import parser
from repro.workers import WorkerEnded

ROOT = Path(__file__).parent.parent


def every(kind: type[ReproError]) -> list[type[ReproError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in every(below))]


def code_of(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_readme_and_help_print_the_one_table_of_codes():
    readme = (ROOT / "README.md").read_text()
    printed = parser().format_help()
    for code, meaning in CODES.items():
        assert f"| {code} | {meaning} |\n" in readme
        assert f"{code:>3}  {meaning}\n" in printed
    listed = re.search(r"\| exit code \| when \|\n.*?\n(?=<!--)", readme, re.S)
    assert listed
    assert len(listed.group().strip().splitlines()) == len(CODES) + 2


def test_every_error_has_a_code_of_the_table_and_those_of_a_machine_have_their_own():
    assert {kind.exit_code for kind in every(ReproError)} <= CODES.keys()
    own = [kind.exit_code for kind in (WorkerEnded, MemoryLack, Unwritable, DiskFull, Vanished)]
    assert sorted(set(own)) == sorted(own)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.ENOENT, Vanished),
        (errno.ESTALE, Vanished),
        (errno.EROFS, Unwritable),
        (errno.EACCES, Unwritable),
        (errno.ENOTDIR, Unwritable),
    ],
)
def test_what_the_system_refuses_is_said_with_what_is_kept_and_the_next_command(number, kind):
    error = refused("runs/a/metrics.jsonl", OSError(number, "no"))
    assert type(error) is kind
    line = str(error)
    assert "\n" not in line
    assert re.search(r"^runs/a/metrics\.jsonl: cannot be written .* kept.* run the same command again", line)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_told_from_other_refusals():
    with pytest.raises(DiskFull), writing(Path("/dev/full")):
        Path("/dev/full").write_text("x")


def test_a_file_in_the_place_of_a_folder_is_named_before_anything_is_done(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for flags in (
        ["report", "--out", str(tmp_path / "file"), "--runs", str(tmp_path / "none")],
        ["report", "--out", str(tmp_path / "file" / "below"), "--runs", str(tmp_path / "none")],
        ["gc", "--runs", str(tmp_path / "file")],
    ):
        assert code_of(flags) == 73
        printed = capsys.readouterr()
        assert f"{tmp_path / 'file'} is a file" in printed.err
        assert not printed.out
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert writable_folder(tmp_path / "new" / "below") == tmp_path / "new" / "below"


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (MemoryError(), 71),
        (OSError(errno.ENOSPC, "No space left on device", "pages/x.html"), 74),
        (PermissionError(errno.EACCES, "Permission denied", "pages"), 73),
    ],
)
def test_what_nobody_expected_is_a_line_and_no_traceback(monkeypatch, capsys, raised, code):
    def fail(args: object) -> int:
        raise raised

    monkeypatch.setitem(cli.VERBS, "list", fail)
    assert code_of(["list"]) == code
    assert len(capsys.readouterr().err.splitlines()) == 1
