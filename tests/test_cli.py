"""The command line as a user meets it: real processes, real training on digits, exit codes, files, documents."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro import cli
from repro.data.known import KNOWN

ROOT = Path(__file__).parent.parent
RELU = ROOT / "claims" / "relu_speedup.yaml"
TRACE = ROOT / "claims" / "cifar_trace.yaml"


def environment(**more: str) -> dict[str, str]:
    """Of a machine without CIFAR-10, whatever this one has."""
    kept = {key: value for key, value in os.environ.items() if key not in ("REPRO_DATA", "REPRO_CACHE")}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | more


def repro(*words: object, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "repro", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment(**more), timeout=300)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess]:
    """Both claims at smoke scale, trained by the real command into a folder of its own."""
    home = tmp_path_factory.mktemp("smoke")
    return home, run_smoke(home)


def run_smoke(home: Path) -> subprocess.CompletedProcess:
    places = ("--runs", home / "runs", "--out", home / "reports", "--data", home / "none")
    return repro("run", RELU, TRACE, *places, REPRO_CACHE=str(home / "cache"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_without_data_run_takes_smoke_scale_says_why_and_ends_with_the_verdict_and_the_report(smoke):
    home, done = smoke
    assert done.returncode == 0, done.stderr
    assert "relu_speedup: scale smoke (no cifar10 found); others with --scale: small, paper" in done.stdout
    assert re.search(r"\d+ runs to train in this round, at most \d+ s with \d+ worker", done.stdout)
    for id in ("relu_speedup", "cifar_trace"):
        assert f"\n{id}, smoke scale: the machinery works here. The reference verdict: " in done.stdout
    assert (home / "reports" / "index.html").is_file()
    assert (home / "reports" / "relu_speedup.html").is_file()


def test_a_second_identical_run_trains_nothing_and_writes_the_same_bytes(smoke):
    home, _ = smoke
    before = contents(home)
    again = run_smoke(home)
    assert again.returncode == 0, again.stderr
    assert "nothing to train" in again.stdout
    assert contents(home) == before


def test_every_run_is_one_plain_line_where_there_is_no_terminal(smoke):
    home, done = smoke
    lines = [line for line in done.stdout.splitlines() if ", training error " in line]
    assert len(lines) == len(list((home / "runs").glob("*/result.json")))
    assert not [line for line in lines if "\x1b" in line or "\r" in line]
    assert lines[-1].endswith(f"({len(lines)} of {len(lines)} runs)")


def test_a_store_reports_the_same_bytes_in_a_folder_without_data_and_a_process_without_torch(smoke, tmp_path):
    home, _ = smoke
    script = (
        "import sys; sys.modules['torch'] = None; from repro.cli import main; "
        f"main(['report', '--runs', {str(home / 'runs')!r}, '--out', {str(tmp_path / 'reports')!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env=environment(), timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "reports") == contents(home / "reports")


def test_gc_removes_the_checkpoints_of_stopped_runs_and_nothing_that_a_page_needs(smoke, tmp_path):
    home, _ = smoke
    shutil.copytree(home / "runs", tmp_path / "runs")
    assert list((tmp_path / "runs").rglob("checkpoint*"))
    assert "MB freed" in repro("gc", "--runs", tmp_path / "runs").stdout
    assert not list((tmp_path / "runs").rglob("checkpoint*"))
    done = repro("report", "--runs", tmp_path / "runs", "--out", tmp_path / "after")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "after") == contents(home / "reports")


def test_plan_lists_what_is_wanted_and_counts_what_is_there(smoke, tmp_path):
    home, _ = smoke
    places = ("--data", home / "none")
    after = repro("plan", RELU, "--runs", home / "runs", *places, REPRO_CACHE=str(home / "cache"))
    assert "nothing to train" in after.stdout
    before = repro("plan", RELU, "--runs", tmp_path / "runs", *places, REPRO_CACHE=str(home / "cache"))
    assert "0 finished, 0 resumable" in before.stdout
    # two arms, two rates, one tuning seed
    pattern = r"^  [0-9a-f]{16}  relu_speedup: (ReLUs|tanh units), rate .*tuning seed 100"
    assert len(re.findall(pattern, before.stdout, re.M)) == 4


def test_the_number_of_judging_seeds_can_be_chosen(smoke, tmp_path):
    home, _ = smoke
    places = ("--runs", tmp_path, "--data", home / "none")
    done = repro("plan", TRACE, "--seeds", 7, *places, REPRO_CACHE=str(home / "cache"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cifar_trace: our runs, seed") == 7


def test_interrupting_exits_with_130_and_the_same_command_finishes(tmp_path):
    command = [sys.executable, "-m", "repro", "run", str(TRACE), "--runs", str(tmp_path / "runs"), "--workers", "2"]
    command += ["--out", str(tmp_path / "reports"), "--data", str(tmp_path), "--seeds", "1"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that starts the tests in the background has them ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not any(path.stat().st_size for path in (tmp_path / "runs").rglob("metrics.jsonl")):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    again = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["check", "claims/nothing.yaml"], 2, "claims/nothing.yaml: no such file"),
        (["run", str(RELU), "--scale", "medium"], 2, "has no scale medium; it has smoke, small, paper"),
        (["run", str(RELU), "--scale", "small"], 3, "repro data get cifar10"),
        (["run", str(RELU), "--seeds", "0"], 2, "expected 1 or more"),
        (["run"], 2, "expected ids of claims, files or folders"),
        (["plan"], 2, "or --base"),
        (["run", str(RELU), "--budget", "soon"], 2, "expected a time, such as 2h"),
        (["run", str(RELU), "--budget", "0h"], 2, "expected a time, such as 2h"),
        (["show", str(RELU), "--arm", "sigmoid"], 2, "has relu, tanh"),
        (["data", "get", "imagenet"], 2, "expected one of digits, cifar10"),
    ],
)
def test_mistakes_have_their_exit_code_and_a_message_without_traceback(words, code, said, tmp_path):
    done = repro(*words, REPRO_DATA=str(tmp_path), REPRO_CACHE=str(tmp_path))
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_all_mistakes_of_a_file_come_at_once_with_their_lines(tmp_path):
    text = RELU.read_text().replace("momentum:", "momentun:").replace("version: 2", "version: one")
    path = tmp_path / "relu_speedup.yaml"
    path.write_text(text)
    done = repro("check", path)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert any("relu_speedup.yaml:3:" in line and "version" in line for line in lines)
    assert any("train.momentun: not a known key; did you mean momentum?" in line for line in lines)


def test_show_says_where_every_value_comes_from_and_without_all_what_differs_from_the_recipe():
    words = ("show", RELU, "--scale", "smoke", "--arm", "tanh")
    done, brief = repro(*words, "--all"), repro(*words)
    assert (done.returncode, brief.returncode) == (0, 0), done.stderr + brief.stderr
    source = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "arm tanh" in source["model.activation"]
    assert "alexnet2012" in source["data.kind"]
    assert "relu_speedup.yaml:" in source["measure.level"]
    assert "§5" in source["train.momentum"] or "relu_speedup.yaml:" in source["train.momentum"]
    assert "source.md" in source["train.bias_lr"]
    *lines, last = brief.stdout.splitlines()
    assert set(lines) < set(done.stdout.splitlines())
    assert last.startswith(f"{len(source) - len(lines)} ")
    differs = {line.split()[0] for line in lines}
    assert {"model.kind", "model.activation", "data.kind", "measure.level", "train.weight_decay"} <= differs
    assert not {"train.momentum", "train.bias_lr", "data.mirror", "precision"} & differs


def test_help_list_and_check_do_not_import_torch():
    for words in (["--help"], ["run", "--help"], ["list"], ["check"]):
        script = (
            f"import sys\nfrom repro.cli import main\ntry: main({words!r})\nexcept SystemExit: pass\n"
            "heavy = {'torch', 'torchvision', 'timm', 'scipy', 'altair', 'pandas'} & sys.modules.keys()\n"
            "sys.exit(str(heavy) if heavy else 0)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment())
        assert done.returncode == 0, done.stderr


def test_the_flags_of_every_verb_are_these():
    """A flag is a promise: whoever changes one changes this list, the README and the changelog."""
    places = ["--data", "--reference", "--runs"]
    for_ci = ["--junit", "--quiet", "--summary"]
    choice = ["--device", "--scale", "--section", "--seeds", "--towers", "--workers"]
    cluster = ["--cpus-per-run", "--gpus-per-run", "--memory-per-run", "--on"]
    expected = {
        "run": sorted([*places, *choice, *cluster, *for_ci, "--base", "--budget", "--fail-on", "--out"]),
        "smoke": sorted([*for_ci, *cluster, "--device", "--out", "--runs", "--section", "--towers", "--workers"]),
        "plan": sorted([*places, *choice, "--base", "--json", "--on"]),
        "watch": ["--every", "--json", "--reference", "--runs"],
        "finetune": sorted(
            [
                "--afresh",
                "--batch",
                "--crop",
                "--device",
                "--epochs",
                "--open",
                "--fresh-lr",
                "--init",
                "--lr",
                "--model",
                "--no-scratch",
                "--out",
                "--pixels",
                "--reading",
                "--seed",
                "--tensorboard",
                "--train",
                "--weights",
                "--width",
            ]
        ),
        "list": ["--json", "--section"],
        "coverage": ["--json", "--missing", "--reference", "--runs"],
        "show": ["--all", "--alternative", "--arm", "--scale"],
        "check": ["--section"],
        "new-claim": ["--like"],
        "report": sorted([*for_ci, "--fail-on", "--open", "--out", "--reference", "--runs", "--section"]),
        "data": ["--data"],
        "evaluate": ["--data", "--device", "--model", "--open", "--out", "--weights"],
        "gc": ["--dry-run", "--reference", "--runs"],
        "audit": ["--reference", "--runs"],
        "export": ["--reference", "--runs"],
        "import": ["--runs"],
        "doctor": sorted([*places, "--canary", "--device", "--json", "--out"]),
        "completion": [],
    }
    verbs = next(action for action in cli.parser()._actions if action.dest == "verb").choices
    assert isinstance(verbs, dict)
    flags = {
        name: sorted(o for a in sub._actions for o in a.option_strings if o.startswith("--") and o != "--help")
        for name, sub in verbs.items()
    }
    assert flags == expected


def test_every_verb_and_flag_stands_in_the_readme():
    text = (ROOT / "README.md").read_text()
    verbs = next(action for action in cli.parser()._actions if action.dest == "verb").choices
    assert isinstance(verbs, dict)
    for name, sub in verbs.items():
        assert re.search(rf"`{name}[ `]", text), f"README lacks the verb {name}"
        for option in (o for a in sub._actions for o in a.option_strings if o.startswith("--") and o != "--help"):
            assert option in text, f"README lacks {option}"


def test_doctor_names_versions_device_and_the_next_command(tmp_path):
    done = repro("doctor", "--data", tmp_path, REPRO_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    for word in ("torch", "device", "processor", "not found", "repro data get cifar10"):
        assert word in done.stdout


def test_data_list_says_of_every_known_set_where_it_is_or_that_it_is_not_there(tmp_path):
    done = repro("data", "list", "--data", tmp_path, REPRO_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        kind = list(found)[-1] if line.startswith(" ") else line.split()[0]
        found.setdefault(kind, []).append(line.strip())
    assert list(found) == list(KNOWN)
    assert found.pop("digits")[1].endswith("digits.csv.gz")
    for kind, (_, where, fetch) in found.items():
        assert where.startswith("not found in ")
        assert KNOWN[kind].size in fetch
        assert KNOWN[kind].home in fetch
