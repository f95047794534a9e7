"""A second paper: a folder in `repro/papers` puts it on trial, and nothing of the first stands anywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "second_paper"
# The command line, where the papers are those of another folder.
COMMAND = """
import sys
import repro.papers
repro.papers.__path__ = [sys.argv.pop(1)]
from repro.cli import main
main()
"""
SCHEMA = """
import sys
import repro.papers
repro.papers.__path__ = [sys.argv.pop(1)]
from repro.contents import KINDS
print(KINDS.schema.text())
"""
# Words of the first paper that a page, a schema or a message on the second has no reason to say.
OF_THE_FIRST = re.compile(
    r"alexnet|krizhevsky|imagenet classification|cuda-convnet|tower|conv6|response normalisation|\blrn|fc[678]|"
    r"source\.md",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the paper's folder among the papers, and its claims."""
    folder = tmp_path_factory.mktemp("second")
    shutil.copytree(HERE / "lenet1998", folder / "papers" / "lenet1998")
    shutil.copytree(HERE / "claims", folder / "claims")
    return folder


def run(place: Path, program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, str(place / "papers"), *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(HERE.parent.parent), "REPRO_CACHE": str(place / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def pages(place) -> Path:
    """The pages of all claims, after they were run at smoke scale."""
    shelves = "--runs", str(place / "runs"), "--out", str(place / "reports")
    run(place, COMMAND, "run", *map(str, sorted((place / "claims").glob("*.yaml"))), "--scale", "smoke",
        "--workers", "1", *shelves)  # fmt: skip
    return place / "reports"


def test_its_claims_run_to_their_pages(pages):
    assert {path.name for path in pages.glob("*.html")} >= {
        "index.html",
        "subsampling.html",
        "spread.html",
        "sizes.html",
    }
    results = json.loads((pages / "results.json").read_text())
    assert {claim["id"] for claim in results["claims"]} == {"subsampling", "spread", "sizes"}


def test_its_counted_facts_are_counted_on_its_own_net(pages):
    facts = json.loads((pages / "sizes.json").read_text())["facts"]
    assert [fact["counted"] for fact in facts] == [156, 10_164]


def test_its_own_evaluation_is_made_of_its_own_layer(pages, place):
    found = [json.loads(path.read_text()) for path in (place / "runs").glob("*/result.json")]
    assert [sorted(result["values"]) for result in found if "values" in result] == [["spread"]] * 2


@pytest.mark.parametrize("name", ["index", "subsampling", "spread", "sizes", "coverage"])
def test_nothing_of_the_first_paper_stands_on_its_pages(pages, name):
    text = (pages / f"{name}.html").read_text()
    assert not OF_THE_FIRST.findall(text)
    assert name == "coverage" or "Gradient-Based Learning Applied to Document Recognition" in text


def test_nothing_of_the_first_paper_stands_in_what_show_prints(place):
    printed = run(place, COMMAND, "show", str(place / "claims" / "subsampling.yaml"), "--scale", "smoke")
    assert not OF_THE_FIRST.findall(printed)
    assert "model.subsampling" in printed
    assert "recipe of lenet1998" in printed


def test_nothing_of_the_first_paper_stands_in_the_schema(place):
    text = run(place, SCHEMA)
    assert not OF_THE_FIRST.findall(text)
    assert {"LeNet5", "TrainableParameters", "FirstKernels"} <= json.loads(text)["definitions"].keys()


def test_a_claim_without_a_training_rule_takes_its_papers(place):
    printed = run(place, COMMAND, "show", str(place / "claims" / "subsampling.yaml"), "--scale", "paper")
    assert re.search(r"train\.batch +10 +.*recipe of lenet1998", printed)


def test_a_paper_without_a_recipe_for_crops_is_told_what_a_claim_lacks(place, tmp_path):
    text = (place / "claims" / "subsampling.yaml").read_text()
    path = tmp_path / "subsampling.yaml"
    path.write_text(text.replace("{kind: digits,", "{kind: digits, crop: 28,"))
    with pytest.raises(AssertionError, match=r"data\.crop: expected data\.stored beside it"):
        run(place, COMMAND, "check", str(path))
