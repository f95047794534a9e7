"""Claims on photos: what their pages say beside what every page says."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from simulator import fill

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.contents import load
from repro.nets import tables
from repro.pages import write
from repro.papers.alexnet2012 import alexnet
from repro.store import Table

CLAIMS = Path(__file__).parent.parent / "claims"


def claim(name: str) -> ClaimFile:
    file = load(CLAIMS / f"{name}.yaml")
    assert isinstance(file, ClaimFile)
    return file


def page(file: ClaimFile, table: Table, out: Path, *others: ClaimFile) -> str:
    """The text of a claim's page, tags and typesetting taken out."""
    write([file, *others], {"yours": table}, out)
    return text_of(out / f"{file.id}.html")


def text_of(path: Path) -> str:
    """The text of a page, tags and typesetting taken out."""
    text = re.sub(r"<(script|svg|style).*?</\1>", " ", path.read_text(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", text))).replace("\u2212", "-").replace("\u2019", "'")


def decay_curve(config: RunConfig, epoch: float) -> float:
    """Half a point for each seed; without decay three points more."""
    without = config.train.weight_decay["conv1"] == 0
    return max(0.3 + 0.005 * config.seed + 0.03 * without, 0.9 - 0.01 * epoch)


def test_weight_decay_is_judged_on_the_training_error_and_shows_the_norms_that_runs_recorded(tmp_path):
    file = claim("weight_decay")
    table = fill(tmp_path / "runs", file, "medium", decay_curve).table()
    before = page(file, table, tmp_path / "without")
    assert "agrees at medium scale" in before
    # the simulator has a fifth less error on the photos trained on: 0.8 x 3 points
    assert "2.40 points higher with no weight decay than with a weight decay of 0.0005" in before
    assert "Norms of the weights" not in before, "runs from before norms were recorded"
    for run in table.values():
        size = 2.5 if run.config["train"]["weight_decay"]["conv1"] else 3.75
        run.epochs[-1]["norms"] = {"conv1": size, "fc8": 10 * size}
    after = page(file, table, tmp_path / "with")
    assert "Norms of the weights" in after
    assert "layer a weight decay of 0.0005 no weight decay conv1 2.5 3.75 fc8 25 37.5" in after


def test_the_arms_of_colour_pca_are_the_source_s_noise_the_printed_one_and_none():
    file = claim("colour_pca")
    at = file.at("paper")
    assert {arm: run_config(at, arm, seed=0).data.colour for arm in at.arms} == {
        "with": "source", "printed": "paper", "without": "none",
    }  # fmt: skip
    printed = run_config(at, "printed", seed=0)
    base = claim("lrn_imagenet").at("paper")
    assert printed.id == run_config(base, "both", seed=0).id, "the net as printed, shared with other claims"
    assert file.at("paper", "as_printed").rule.of == ["without", "printed"]


@pytest.mark.parametrize(("name", "records"), [("ilsvrc2010", ["47.1 %", "45.7 %"]), ("imagenet2009", ["78.1 %"])])
def test_what_others_had_reached_stands_before_the_paper_on_the_page(name, records, tmp_path):
    text = page(claim(name), {}, tmp_path)
    record = text[text.index("What is on record of the same sentence") :]
    stated = f"{100 * claim(name).claim.rule.paper:g} %"
    places = [record.index(value) for value in [*records, f"the paper {stated}", "its authors' notes", "ours not run"]]
    assert places == sorted(places)


def test_the_error_values_are_shared_with_claims_on_the_same_set():
    two, base = claim("ilsvrc2010"), claim("two_towers")
    assert run_config(two.at("paper"), "net", seed=0).id == run_config(base.at("paper"), "two", seed=0).id
    sixth = run_config(claim("imagenet2009").at("paper"), "net", seed=0)
    assert sixth.model.conv6
    # 256 maps more: 3 x 3 x 256 x 256 + 256 parameters (source.md 1, 35)
    rows = {conv6: alexnet.table("paper", classes=10_184, conv6=conv6) for conv6 in (True, False)}
    with_it, without = (sum(tables.parameters(rows[conv6], (3, 224, 224)).values()) for conv6 in (True, False))
    assert with_it - without == 590_080
