"""The one writer of files: the old file or the new one, whole, and nothing besides."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from repro.files import Unwritable, write_whole

ROOT = Path(__file__).parent.parent


def test_text_bytes_and_a_function_are_written(tmp_path):
    path = tmp_path / "file"
    for content in ("é\n", "é\n".encode(), lambda file: file.write("é\n".encode())):
        write_whole(path, content)
        assert path.read_bytes() == b"\xc3\xa9\n"
    assert [left.name for left in tmp_path.iterdir()] == ["file"]


def test_a_reader_sees_the_old_file_or_the_new_one_and_never_a_part(tmp_path):
    path, versions = tmp_path / "file", [letter * size for letter, size in (("a", 300_000), ("b", 20), ("c", 90_000))]
    write_whole(path, versions[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for version in versions:
                write_whole(path, version)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        read = {path.read_text() for _ in range(300)}
    finally:
        stop.set()
        writer.join()
    assert read <= set(versions)
    assert [left.name for left in tmp_path.iterdir()] == ["file"]


def test_a_function_that_fails_half_way_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "old")

    def fail(file) -> None:
        file.write(b"half of the n")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert [left.name for left in tmp_path.iterdir()] == ["file"]


def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "old")
    program = (
        "import os, sys; from pathlib import Path; from repro.files import write_whole\n"
        "def half(file): file.write(b'half'); file.flush(); os.kill(os.getpid(), 9)\n"
        "write_whole(Path(sys.argv[1]), half)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT)
    assert done.returncode == -9
    assert path.read_text() == "old"
    (left,) = tmp_path.glob(".*.partial")
    assert left.read_text() == "half"


def test_a_folder_that_is_not_there_is_named_with_the_next_step(tmp_path):
    with pytest.raises(Unwritable, match=r"none/file: cannot be written .*run the same command again"):
        write_whole(tmp_path / "none" / "file", "new")
