"""What ships with the project: reference runs that are whole, and pages and a README that follow from them alone."""

import tomllib
from collections.abc import Iterable
from importlib.metadata import version
from math import isfinite
from pathlib import Path

import pytest

from repro.claim.config import RunConfig, TimingConfig
from repro.claim.evaluation import Evaluation
from repro.contents import catalogue, load
from repro.pages import speed, write
from repro.pages.readme import results
from repro.store import Store

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "reports" / "reference"
CLAIMS = [load(path) for path in sorted((ROOT / "claims").glob("*.yaml"))]
TABLE = Store(ROOT / "runs" / "reference").table()
# what evaluations keep: answers of nets, and kernels; no pixel of any photo
ARRAYS = {
    "ten_views": {"shares", "labels"},
    "thinned_nets": set(),
    "kernels": {"kernels", "new", "chroma"},
    "neighbours": set(),
    "shifted_colours": set(),
}
DRAWN_BY = (ROOT / "tox.ini").read_text().partition("vl-convert-python==")[2].split()[0]


@pytest.mark.parametrize("run_id", TABLE)
def test_a_reference_run_is_finished_made_from_a_clean_commit_and_lies_under_its_own_address(run_id):
    run = TABLE[run_id]
    assert run.result is not None
    if run.is_evaluation:
        evaluation = Evaluation.model_validate(run.config)
        assert evaluation.id == run_id
        assert evaluation.run.id in TABLE, "what is looked at lies beside it"
        assert run.result["status"] == "looked at"
        assert run.result["epoch"] <= min(evaluation.epoch, len(TABLE[evaluation.run.id].epochs))
        assert all(isfinite(value) for value in run.values.values())
        assert {path.stem for path in run.path.glob("*.npy")} == ARRAYS[evaluation.options.kind]
    elif run.timed is not None:
        timing = TimingConfig.model_validate(run.config)
        assert timing.id == run_id
        assert run.timed.keys() == timing.timed.keys()
        for arm in run.timed.values():
            assert all(len(rates) == timing.rounds and min(rates) > 0 for rates in arm.values())
    else:
        assert RunConfig.model_validate(run.config).id == run_id
        assert run.result["epoch"] == len(run.epochs)
        assert [row["epoch"] for row in run.epochs] == list(range(1, len(run.epochs) + 1))
    for session in run.sessions:
        assert session["clean"]
        assert len(session["commit"]) == 40


def test_the_reference_shelf_holds_no_weights():
    shelf = ROOT / "runs" / "reference"
    assert {
        path.name
        for path in shelf.rglob("*")
        if path.is_file()
        and path.name
        not in (
            "checkpoint.safetensors",
            "lock",  # a maintainer's, ignored by git
        )
    } <= {
        "run.json",
        "metrics.jsonl",
        "result.json",
        "correct.npy",
        *(f"{part}.json" for part in speed.KEPT),  # what `python -m benchmarks` measured
        *(f"{array}.npy" for arrays in ARRAYS.values() for array in arrays),
    }
    ignored = (ROOT / ".gitignore").read_text()
    assert "/runs/reference/*/*.safetensors" in ignored


def test_the_committed_pages_are_those_of_the_committed_runs_byte_by_byte(tmp_path):
    if version("vl-convert-python") != DRAWN_BY:
        pytest.skip(f"charts are compared as vl-convert {DRAWN_BY} draws them; here is {version('vl-convert-python')}")
    entries = catalogue()
    written = write(CLAIMS, {"reference": TABLE}, tmp_path, entries, project="../..")

    def contents(root: Path, paths: Iterable[Path]) -> dict[str, bytes]:
        files = (path for path in paths if path.is_file() and path.suffix != ".parquet")  # not committed
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    made, committed = contents(tmp_path, written), contents(PAGES, PAGES.rglob("*"))
    different = sorted(name for name in made.keys() | committed.keys() if made.get(name) != committed.get(name))
    assert not different, "run: python -m repro report --reference"


def test_the_results_in_the_readme_are_those_of_the_committed_runs():
    assert results(CLAIMS, TABLE).strip() in (ROOT / "README.md").read_text(), "run: python -m repro report --reference"


def test_the_version_that_draws_the_charts_is_one_that_the_package_allows():
    allowed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert any(line.startswith("vl-convert-python>=") for line in allowed)
