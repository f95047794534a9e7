"""The wheel: what is inside, and that its commands work from an empty folder, with the torch that is installed here."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from small_photos import encoded, picture

from repro.contents import catalogue
from repro.pages.results import ClaimResult, Results, read
from repro.store import Store

ROOT = Path(__file__).parent.parent
COLOURS = ("blue", "green", "red")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("hatchling", "pip"))),
    reason="hatchling, which builds the wheel (of the dependency group `test`), or pip, which installs it, is not here",
)


def python(*words: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A Python process that finds the clone's package only where `more` names it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("REPRO_", "PYTHON"))}
    environment = kept | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"} | more
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    paths = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}  # where hatchling may be
    done = python("-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT, **paths)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with the wheel alone."""
    folder = tmp_path_factory.mktemp("site")
    words = ("install", "--quiet", "--no-index", "--no-deps", "--target", folder, wheel)
    done = python("-m", "pip", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


class Empty:
    """A folder outside any clone, in which commands of the installed wheel are called."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder, self.site = folder, site

    def __call__(self, *words: object) -> str:
        """Run a command and return its lines; it succeeds, and complains of nothing."""
        places = {"PYTHONPATH": str(self.site), "REPRO_CACHE": str(self.folder.parent / "cache")}
        done = python("-m", "repro", *words, cwd=self.folder, **places)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def repro(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Empty:
    folder = tmp_path_factory.mktemp("outside") / "empty"
    folder.mkdir()
    return Empty(folder, site)


@pytest.fixture(scope="module")
def trained(repro: Empty) -> str:
    """The lines of a run on the embedded digits, the first command that writes anything."""
    return repro("run", "cifar_trace", "conv_share", "--scale", "smoke", "--workers", "1")


# What is inside


def test_the_wheel_has_the_package_and_nothing_else_of_the_clone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"repro", f"repro-{VERSION}.dist-info"}
    assert not [name for name in names if name.endswith((".npy", ".jsonl", ".safetensors", ".pyc"))]
    of_project = {path.name for path in (ROOT / "claims").iterdir()}
    shipped = {name.removeprefix("repro/shipped/") for name in names if name.startswith("repro/shipped/")}
    assert shipped == {"results.json", *(f"claims/{name}" for name in of_project)}


def test_the_wheel_has_templates_static_files_types_and_licences(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", "repro"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("git does not say which files belong to the package")
    assert set(tracked.stdout.split()) <= names
    for name in ("py.typed", "pages/templates/claim.html", "pages/static/page.css", "pages/static/stix-two-text.woff2",
                 "pages/static/stix-two-text.OFL.txt", "doctor/canary.json", "questions/simulated.json"):  # fmt: skip
        assert f"repro/{name}" in names, name
    assert f"repro-{VERSION}.dist-info/licenses/LICENSE" in names


def test_what_the_wheel_has_of_the_clone_is_what_lies_there(site):
    for name in ("results.json", "claims/claim.schema.json", "claims/relu_speedup.yaml"):
        place = ROOT / name if name.startswith("claims") else ROOT / "reports" / "reference" / name
        assert (site / "repro" / "shipped" / name).read_bytes() == place.read_bytes()


# From an empty folder


def test_the_package_that_is_called_is_the_installed_one(repro):
    done = python("-c", "import repro; print(repro.__file__)", cwd=repro.folder, PYTHONPATH=str(repro.site))
    assert Path(done.stdout.strip()) == repro.site / "repro" / "__init__.py"


def test_claims_are_listed_checked_shown_and_planned(repro):
    ids = [path.stem for path in sorted((ROOT / "claims").glob("*.yaml"))]
    listed = [line.split()[0] for line in repro("list").splitlines() if line.startswith(" ")]  # the rest names papers
    assert sorted(listed) == ids
    assert repro("check") == f"{len(ids)} claim(s), no mistakes\n"
    assert "data.kind" in repro("show", "cifar_trace", "--scale", "smoke")
    assert "runs to train in this round" in repro("plan", "cifar_trace", "--scale", "smoke")
    rows = [entry.id for entry in catalogue()]
    covered = repro("coverage", "--missing").split()
    assert [row for row in rows if row not in covered] == []
    assert not list(repro.folder.rglob("*.html"))


def test_a_run_is_trained_judged_and_written_below_the_current_folder(repro, trained):
    reference = read(ROOT / "reports" / "reference" / "results.json")
    sentence = trace_of(reference).speaking.line
    assert f"cifar_trace, smoke scale: the machinery works here. The reference verdict: {sentence}\n" in trained
    assert {path.name for path in repro.folder.iterdir()} >= {"runs", "reports"}
    page = (repro.folder / "reports" / "cifar_trace.html").read_text()
    assert 'id="verdict-reference"' in page
    assert 'id="verdict-yours"' in page
    own = read(repro.folder / "reports" / "results.json")
    assert own.shelf == "yours"
    assert trace_of(own).at("smoke").runs == 3
    assert [claim.id for claim in own.claims] == [claim.id for claim in reference.claims]


def trace_of(results: Results) -> ClaimResult:
    return next(claim for claim in results.claims if claim.id == "cifar_trace")


def test_a_run_of_an_installed_package_names_its_version_and_no_commit(repro, trained):
    runs = Store(repro.folder / "runs").table().values()
    assert runs
    for run in runs:
        for session in run.sessions:
            assert (session["commit"], session["clean"], session["repro"]) == (None, False, VERSION)
    assert "not from a clone" in (repro.folder / "reports" / "cifar_trace.html").read_text()


def test_the_report_alone_gives_the_same_bytes_again(repro, trained):
    before = {path: path.read_bytes() for path in (repro.folder / "reports").rglob("*") if path.is_file()}
    assert repro("report").endswith("report: reports/index.html\n")
    assert {path: path.read_bytes() for path in before} == before


def photos(root: Path, split: str, each: int) -> Path:
    """Photos of three classes of one colour each."""
    for label, name in enumerate(COLOURS):
        for i in range(each):
            photo = np.array(picture(100 * label + i, 90, 90)) // 3
            photo[..., 2 - label] += 150
            path = root / split / name / f"{split}{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(Image.fromarray(photo), "PNG"))
    return root


def test_photos_are_learned_and_weights_are_evaluated(repro):
    folder = photos(photos(repro.folder.parent / "photos", "train", 6), "val", 2)
    net = ("--width", 0.0625, "--init", "he", "--crop", 80, "--pixels", "standardised")
    lines = repro("finetune", folder, *net, "--batch", 8, "--epochs", 1, "--device", "cpu")
    assert "page: finetuned/photos/index.html" in lines
    assert (repro.folder / "finetuned" / "photos" / "best.safetensors").is_file()
    assert "red" in (repro.folder / "finetuned" / "photos" / "index.html").read_text()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = torchvision.models.mobilenet_v3_small(num_classes=len(COLOURS)).state_dict()
    torch.save(weights, repro.folder.parent / "mobilenet.pth")
    given = ("--model", "torchvision:mobilenet_v3_small", "--weights", repro.folder.parent / "mobilenet.pth")
    lines = repro("evaluate", folder, *given, "--device", "cpu")
    assert "6 photos of 3 classes" in lines
    assert "top-1 error" in lines


def test_what_needs_a_clone_says_so_in_a_line(repro):
    for words in (("report", "--reference"), ("run", "cifar_trace", "--scale", "smoke", "--reference")):
        done = python("-m", "repro", *words, cwd=repro.folder, PYTHONPATH=str(repro.site))
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1
        assert "clone" in done.stderr


def test_in_a_clone_the_installed_package_reads_the_clone_and_is_not_taken_for_its_sources(site):
    program = (
        "from pathlib import Path; import json, repro; from repro import places; from repro.engine import provenance\n"
        "made = provenance.commit_of(Path(repro.__file__).parent)\n"
        "print(json.dumps([str(places.claims()), str(places.reference_results()), *made]))"
    )
    done = python("-c", program, cwd=ROOT / "tests", PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    expected = [str(ROOT / "claims"), str(ROOT / "reports" / "reference" / "results.json"), None, False]
    assert json.loads(done.stdout) == expected


def test_a_notebook_outside_a_clone_has_the_reference_results(site, tmp_path):
    program = "import repro; print(*repro.results().claim.unique())"
    done = python("-c", program, cwd=tmp_path, PYTHONPATH=site)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {path.stem for path in (ROOT / "claims").glob("*.yaml")}
