"""What a newcomer meets on the first day: ids in place of files, pipes that close, no clone, smoke scale.

Without a clone the package is a copy with what a wheel has inside; test_wheel.py builds the wheel itself.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from simulated_claims import claim_file
from simulator import Failed, fill, play, reaching, straight

from repro import cli, pages
from repro.claim.files import ClaimFile
from repro.contents import load
from repro.engine import execute
from repro.pages.results import read
from repro.pages.shelf_results import results_of
from repro.pages.view import show
from repro.questions.judge import verdict_line
from repro.questions.trial import Trials
from repro.store import Table

ROOT = Path(__file__).parent.parent
RELU, REFERENCE = ROOT / "claims" / "relu_speedup.yaml", ROOT / "reports" / "reference" / "results.json"


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
    """A folder of installed packages that holds this one, with what the wheel has inside, and no clone."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "repro", folder / "repro", ignore=shutil.ignore_patterns("__pycache__"))
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source, target in wheel["force-include"].items():
        (folder / target).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, folder / target)
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
    ["coverage"],
    ["report"],
    ["gc"],
    ["run", "relu_speedup", "--scale", "smoke"],
    ["plan", "relu_speedup", "--scale", "smoke", "--runs", "runs"],
    ["doctor", "--canary"],
]


def test_where_there_is_no_clone_what_maintainers_do_is_refused_before_anything_is_done(site, tmp_path):
    script = f"""
import sys
from repro.cli import main
for words in {REFUSED!r}:
    print("::", *words, file=sys.stderr, flush=True)
    try:
        main([*words, "--reference"])
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


def test_without_a_clone_claims_of_the_package_and_of_a_file_are_run_below_the_current_folder(site, tmp_path):
    before = files_in(site)
    done = repro("smoke", RELU, "conv_share", cwd=tmp_path, package=site)
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout.splitlines()
    first, blank, *lines = [line for line in printed if "being trained" not in line]  # one a minute
    assert first.startswith("1 claim(s) to train on a few digits, 1 to count")
    assert (blank, lines[2]) == ("", "")
    assert lines[0].startswith("conv_share, counted: TRUE IN PART.")
    assert lines[1].startswith("relu_speedup, smoke scale: the machinery works here. The reference verdict: ")
    assert lines[1].endswith(read(REFERENCE).line(load(RELU)))
    assert lines[3] == "report: reports/index.html"
    assert re.fullmatch(r"2 claims: the machinery works here, in .* s", lines[4])
    assert len(lines) == 5
    page = (tmp_path / "reports" / "relu_speedup.html").read_text()
    assert "The machinery works here" in page
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "reports"}
    assert files_in(site) == before


def test_a_package_without_the_claims_says_so_where_there_is_no_clone(site, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(site / "repro", bare / "repro", ignore=shutil.ignore_patterns("shipped"))
    done = repro("list", cwd=tmp_path, package=bare)
    assert done.returncode == 2
    assert "not in this installation" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_installed_package_serves_the_clone_that_it_is_called_in(site):
    done = repro("check", "relu_speedup", cwd=ROOT / "tests", package=site)
    assert (done.returncode, done.stdout) == (0, "1 claim(s), no mistakes\n")


# Smoke scale


def test_at_smoke_scale_nothing_that_was_measured_on_digits_is_told(tmp_path):
    file = claim_file(tmp_path)
    curve = reaching(lambda arm, rate, seed: 4 if arm == "relu" else 8)
    runs = play((file, "smoke"), curve=curve)
    line, _ = verdict_line(file, "smoke", runs, reference_line(file, {}))
    assert line == "speed, smoke scale: the machinery works here. The reference verdict: not run yet"
    assert verdict_line(file, "smoke", runs, reference_line(file, runs))[0] == line, (
        "nor from digits on the reference shelf"
    )
    reference = fill(tmp_path / "runs", file, "small", straight(0.05)).table()
    line, _ = verdict_line(file, "smoke", runs, reference_line(file, reference))
    assert ". The reference verdict: " in line
    assert "at small scale" in line


def reference_line(file: ClaimFile, runs: Table) -> str:
    """What the results of these runs say of a claim."""
    trials = Trials(runs)
    return results_of("reference", [file], {file.id: show(file, "reference", trials)}, trials).line(file)


def test_at_smoke_scale_what_failed_or_is_missing_is_named(tmp_path):
    def failing(config, epoch):
        raise Failed("out of memory")

    file = claim_file(tmp_path)
    line, word = verdict_line(file, "smoke", play((file, "smoke"), curve=failing), "not run yet")
    assert word == "error"
    assert re.match(r"speed, smoke scale: ERROR \(\d of \d runs failed twice\)\. The reference verdict: ", line)
    line, word = verdict_line(file, "smoke", {}, "not run yet")
    assert word == "not run"
    assert line.startswith("speed, smoke scale: NOT RUN (")


def test_smoke_fails_and_names_the_claim_where_one_could_not_be_measured(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "execute", lambda *args, **more: 0)
    monkeypatch.setattr(pages, "write", lambda *args: [])
    words = ("smoke", "relu_speedup", "conv_share", "--runs", tmp_path / "runs", "--out", tmp_path / "reports")
    code, lines, _ = called(capsys, *words)
    assert code == 4
    assert re.fullmatch(r"2 claims: 1 could not be measured \(relu_speedup\), in .* s", lines.splitlines()[-1])
