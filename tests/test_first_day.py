"""What a newcomer meets on the first day: ids in place of files, pipes that close, no clone, smoke scale."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import Failed, fill, straight
from small_tables import claim_file, play, reaching

from repro import cli, pages
from repro.engine import execute
from repro.questions.judge import said

ROOT = Path(__file__).parent.parent
RELU, SHARE = ROOT / "claims" / "relu_speedup.yaml", ROOT / "claims" / "conv_share.yaml"


def environment(package: Path = ROOT) -> dict[str, str]:
    """Of a machine without data, with the package in a folder of choice, and lines buffered as Python does it."""
    without = ("REPRO_DATA", "REPRO_CACHE", "PYTHONUNBUFFERED")
    kept = {key: value for key, value in os.environ.items() if key not in without}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}


def repro(*words: object, cwd: Path, package: Path = ROOT) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "repro", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment(package), timeout=300)


def called(capsys: pytest.CaptureFixture, *words: object) -> tuple[object, str, str]:
    """(exit code, stdout, stderr) of a command in this process."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(map(str, words)))
    return ended.value.code, *capsys.readouterr()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages that holds this one and no clone."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "repro", folder / "repro", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def files_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


# Ids


@pytest.mark.parametrize("verb", ["check", "list", "show", "plan"])
def test_a_claim_is_named_by_its_id_wherever_the_command_stands(verb, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = ("--scale", "smoke", "--runs", tmp_path / "runs") if verb == "plan" else ()
    code, lines, errors = called(capsys, verb, "relu_speedup", *more)
    assert (code, errors) == (0, "")
    assert lines == "1 claim(s), no mistakes\n" if verb == "check" else "relu_speedup" in lines


@pytest.mark.parametrize("verb", ["check", "list", "show", "plan", "run", "smoke", "report"])
@pytest.mark.parametrize("name", ["relu_speedupp", "claims/relu-speedup.yaml"])
def test_a_name_that_is_not_there_is_answered_with_the_nearest_id_in_every_verb(verb, name, capsys):
    code, lines, errors = called(capsys, verb, name)
    assert (code, lines) == (2, "")
    assert errors.startswith(f"{name}: ")
    assert "did you mean relu_speedup?" in errors


def test_a_folder_without_claims_does_not_hide_the_claim_of_its_name(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "depth").mkdir()
    assert called(capsys, "check", "depth")[:2] == (0, "1 claim(s), no mistakes\n")
    (tmp_path / "other").mkdir()
    code, _, errors = called(capsys, "check", "other")
    assert (code, errors) == (2, "other: no claims there; expected files named *.yaml\n")


# Pipes


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["list"],
        ["check", "relu_speedup"],
        ["show", "relu_speedup"],
        ["data", "list"],
        ["gc"],
        ["doctor"],
        ["plan", "relu_speedup"],
    ],
    ids=lambda words: words[0],
)
def test_a_command_whose_reader_has_gone_ends_without_a_word(words, tmp_path):
    runs = ["--runs", str(tmp_path / "runs")] if words[0] in ("gc", "doctor", "plan") else []
    command = [sys.executable, "-m", "repro", *words, *runs]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment(), text=True, **pipe) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == cli.UNREAD


def test_head_ends_a_plan_and_a_training_with_workers_without_a_word(tmp_path):
    for verb in ("plan", "run"):
        words = f"{verb} relu_speedup --scale smoke --workers 2 --runs {tmp_path / 'runs'}"
        words += f" --out {tmp_path / 'reports'}" if verb == "run" else ""
        script = f'"{sys.executable}" -m repro {words} | head -n 3; echo "${{PIPESTATUS[0]}}"'
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300
        )
        assert done.stderr == ""
        *lines, code = done.stdout.splitlines()
        assert len(lines) == 3
        assert code == str(cli.UNREAD)
    assert not (tmp_path / "reports").exists()


def test_a_pipe_of_our_own_that_breaks_is_not_taken_for_a_reader_that_has_gone(monkeypatch):
    def breaks(args):
        raise BrokenPipeError("of a worker")

    monkeypatch.setitem(cli.VERBS, "list", breaks)
    with open(os.devnull, "w") as nowhere, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", nowhere)
        patched.setattr(sys, "stderr", nowhere)
        with pytest.raises(BrokenPipeError, match="of a worker"):
            cli.main(["list"])


# No clone

REFUSED = [
    ["list"],
    ["check"],
    ["coverage"],
    ["report"],
    ["gc"],
    ["smoke"],
    ["run", "relu_speedup"],
    ["plan", "relu_speedup"],
    ["run", str(RELU)],
    ["run", str(RELU), "--runs", "runs"],
    ["run", str(RELU), "--out", "reports"],
    ["run", str(RELU), "--runs", "runs", "--out", "reports", "--reference"],
    ["plan", str(RELU)],
    ["smoke", str(RELU), "--runs", "runs"],
    ["report", str(SHARE), "--out", "reports"],
    ["doctor", "--device", "cpu"],
    ["doctor", "--canary", "--reference"],
]


def test_where_there_is_no_clone_a_command_refuses_before_it_does_anything(site, tmp_path):
    script = f"""
import sys
from repro.cli import main
for words in {REFUSED!r}:
    print("::", *words, file=sys.stderr, flush=True)
    try:
        main(words)
    except SystemExit as ended:
        print(ended.code, file=sys.stderr)
"""
    before = files_in(site)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env=environment(site), timeout=300
    )
    assert done.stdout == ""
    answers = [answer.splitlines() for answer in done.stderr.split(":: ")[1:]]
    assert [answer[0].split() for answer in answers] == REFUSED
    for words, message, code in answers:
        assert code == "2", words
        assert "clone" in message, words
    assert files_in(site) == before
    assert not files_in(tmp_path)


def test_claims_named_by_files_with_folders_for_runs_and_pages_work_without_a_clone(site, tmp_path):
    before = files_in(site)
    done = repro("smoke", RELU, SHARE, "--runs", "runs", "--out", "reports", cwd=tmp_path, package=site)
    assert (done.returncode, done.stderr) == (0, "")
    first, blank, *lines = done.stdout.splitlines()
    assert first.startswith("1 claim(s) to train on a few digits, 1 to count, with ")
    assert (blank, lines[2]) == ("", "")
    assert lines[0].startswith("conv_share, counted: TRUE IN PART.")
    assert lines[1] == "relu_speedup, smoke scale: the machinery works here. The reference verdict: not run yet"
    assert lines[3] == "report: reports/index.html"
    assert re.fullmatch(r"2 claims: the machinery works here, in \d+ s", lines[4])
    assert len(lines) == 5
    page = (tmp_path / "reports" / "relu_speedup.html").read_text()
    assert "The machinery works here" in page
    assert files_in(site) == before


def test_an_installed_package_serves_the_clone_that_it_is_called_in(site):
    done = repro("check", "relu_speedup", cwd=ROOT / "tests", package=site)
    assert (done.returncode, done.stdout) == (0, "1 claim(s), no mistakes\n")


# Smoke scale


def test_at_smoke_scale_nothing_that_was_measured_on_digits_is_told(tmp_path):
    file = claim_file(tmp_path)
    curve = reaching(lambda arm, rate, seed: 4 if arm == "relu" else 8)
    runs, nothing = play((file, "smoke"), curve=curve), {}
    line, _ = said(file, "smoke", runs, nothing)
    assert line == "speed, smoke scale: the machinery works here. The reference verdict: not run yet"
    assert said(file, "smoke", runs, runs)[0] == line, "nor from digits on the reference shelf"
    reference = fill(tmp_path / "runs", file, "small", straight(0.05)).table()
    line, _ = said(file, "smoke", runs, reference)
    assert ". The reference verdict: " in line
    assert "at small scale" in line


def test_at_smoke_scale_what_failed_or_is_missing_is_named(tmp_path):
    def failing(config, epoch):
        raise Failed("out of memory")

    file = claim_file(tmp_path)
    line, word = said(file, "smoke", play((file, "smoke"), curve=failing), {})
    assert word == "error"
    assert re.match(r"speed, smoke scale: ERROR \(\d of \d runs failed twice\)\. The reference verdict: ", line)
    line, word = said(file, "smoke", {}, {})
    assert word == "not run"
    assert line.startswith("speed, smoke scale: NOT RUN (")


def test_smoke_fails_and_names_the_claim_where_one_could_not_be_measured(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "execute", lambda *args, **more: 0)
    monkeypatch.setattr(pages, "write", lambda *args: [])
    words = ("smoke", "relu_speedup", "conv_share", "--runs", tmp_path / "runs", "--out", tmp_path / "reports")
    code, lines, _ = called(capsys, *words)
    assert code == 4
    assert re.fullmatch(r"2 claims: 1 could not be measured \(relu_speedup\), in .* s", lines.splitlines()[-1])
