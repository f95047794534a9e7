"""No command opens a connection but `data get`: the whole of a claim, in all its processes, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Every process of Python imports this first, workers too. A hook of the interpreter hears of each socket, whoever opens
# it; pipes between processes on one machine (AF_UNIX) are no network.
WATCH = """
import os, socket, sys

def hear(event, words):
    if event == "socket.__new__" and words[1] == socket.AF_UNIX:
        return
    if event in ("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname"):
        with open(os.environ["REPRO_TEST_HEARD"], "a") as file:
            file.write(f"{event} {words[1:]} {sys.argv}\\n")
        raise OSError("no network")

sys.addaudithook(hear)
"""

COMMANDS = """
import sys
from repro import cli
for words in (line.split() for line in sys.stdin):
    try:
        cli.main(words)
    except SystemExit as ended:
        assert ended.code == 0, (words, ended.code)
"""


def test_the_whole_of_a_claim_opens_no_connection(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WATCH)
    heard, runs, pages = (tmp_path / name for name in ("heard", "runs", "pages"))
    shelf, archive = f"--runs {runs}", tmp_path / "runs.zip"
    lines = [
        "list",
        "check",
        "show cifar_trace",
        "data list",
        f"plan cifar_trace --scale smoke {shelf}",
        f"run cifar_trace --scale smoke --workers 2 {shelf} --out {pages}",
        f"report cifar_trace {shelf} --out {pages}",
        f"coverage {shelf}",
        f"audit {shelf}",
        f"gc --dry-run {shelf}",
        f"export {archive} {shelf}",
        f"import {archive} --runs {tmp_path / 'copy'}",
    ]

    def python(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
        environment = os.environ | {"PYTHONPATH": path, "REPRO_TEST_HEARD": str(heard)}
        return subprocess.run([sys.executable, *words], input=given, env=environment, capture_output=True, text=True)

    done = python("-c", COMMANDS, given="\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert (pages / "cifar_trace.html").is_file()
    assert not heard.exists(), heard.read_text()
    python("-c", "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert heard.is_file(), "the hook hears a connection"
