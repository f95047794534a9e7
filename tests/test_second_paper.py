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

ROOT = Path(__file__).parent.parent
SECOND = Path(__file__).parent / "second_paper"
# Words of the first paper that a page, a schema or a message on the second has no reason to say.
OF_THE_FIRST = re.compile(
    r"alexnet|krizhevsky|imagenet classification|cuda-convnet|tower|conv6|response normalisation|\blrn|\bfc[678]\b|"
    r"source\.md",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A clone whose papers are another: the package as it is, with this folder in `repro/papers` and these claims."""
    folder = tmp_path_factory.mktemp("second")
    shutil.copytree(ROOT / "repro", folder / "repro", ignore=shutil.ignore_patterns("__pycache__"))
    for paper in (folder / "repro" / "papers").iterdir():
        if paper.is_dir():
            shutil.rmtree(paper)
    shutil.copytree(SECOND / "lenet1998", folder / "repro" / "papers" / "lenet1998")
    shutil.copytree(SECOND / "claims", folder / "claims")
    (folder / "claims" / "claim.schema.json").write_text(
        run(folder, "from repro.contents import KINDS; print(KINDS.schema.text())")
    )
    return folder


def run(place: Path, program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place), "REPRO_CACHE": str(place / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def repro(place: Path, *arguments: str) -> str:
    return run(place, "from repro.cli import main; main()", *arguments)


@pytest.fixture(scope="module")
def pages(place) -> Path:
    """The pages of all claims, after they were run at smoke scale."""
    repro(place, "run", "sizes", "spread", "subsampling", "--scale", "smoke", "--workers", "1")
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
    assert [fact["found"] for fact in facts] == [156, 10_164]


def test_its_own_evaluation_is_made_of_its_own_layer(pages, place):
    found = [json.loads(path.read_text()) for path in (place / "runs").glob("*/result.json")]
    assert [sorted(result["values"]) for result in found if "values" in result] == [["spread"]] * 2


@pytest.mark.parametrize("name", ["index", "subsampling", "spread", "sizes", "coverage"])
def test_nothing_of_the_first_paper_stands_on_its_pages(pages, name):
    text = (pages / f"{name}.html").read_text()
    assert not OF_THE_FIRST.findall(text)
    assert name == "coverage" or "Gradient-Based Learning Applied to Document Recognition" in text


def test_nothing_of_the_first_paper_stands_in_what_show_prints(place):
    printed = repro(place, "show", "subsampling", "--scale", "smoke", "--all")
    assert not OF_THE_FIRST.findall(printed)
    assert "model.subsampling" in printed
    assert "recipe of lenet1998" in printed


def test_nothing_of_the_first_paper_stands_in_the_schema(place):
    text = (place / "claims" / "claim.schema.json").read_text()
    assert not OF_THE_FIRST.findall(text)
    assert {"LeNet5", "TrainableParameters", "FirstKernels"} <= json.loads(text)["definitions"].keys()


def test_a_claim_without_a_training_rule_takes_its_papers(place):
    printed = repro(place, "show", "subsampling", "--scale", "paper", "--all")
    assert re.search(r"train\.batch +10 +.*recipe of lenet1998", printed)


def test_a_paper_without_a_recipe_for_crops_is_told_what_a_claim_lacks(place, tmp_path):
    text = (place / "claims" / "subsampling.yaml").read_text()
    path = tmp_path / "subsampling.yaml"
    path.write_text(text.replace("{kind: digits,", "{kind: digits, crop: 28,"))
    with pytest.raises(AssertionError, match=r"data\.crop: expected data\.stored beside it"):
        repro(place, "check", str(path))
