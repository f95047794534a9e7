"""relu_input_scale: its runs at factor 1 are relu_speedup's, and pages show what saturates."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from simulator import fill, straight

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.contents import load
from repro.pages import write
from repro.questions.judge import judge
from repro.questions.plan import wanted
from repro.store import Store

CLAIMS = Path(__file__).parent.parent / "claims"
FACTORS = {"64th": 1 / 64, "8th": 1 / 8, "1": 1.0, "8": 8.0}


def file(name: str = "relu_input_scale") -> ClaimFile:
    loaded = load(CLAIMS / f"{name}.yaml")
    assert isinstance(loaded, ClaimFile)
    return loaded


@pytest.mark.parametrize("scale", ["small", "paper"])
@pytest.mark.parametrize("alternative", [None, "he"])
def test_runs_at_factor_1_are_those_of_relu_speedup(scale, alternative):
    ours, theirs = file().at(scale, alternative), file("relu_speedup").at(scale, alternative)
    for activation in ("relu", "tanh"):
        shared = run_config(ours, f"{activation}_1", seed=2, lr=0.004)
        assert shared.id == run_config(theirs, activation, seed=2, lr=0.004).id
        assert shared.data.factor is None
    assert (ours.tune, ours.measure, ours.seeds) == (theirs.tune, theirs.measure, theirs.seeds)


def test_arms_are_both_units_at_every_factor():
    claim = file().at("small")
    assert len(claim.arms) == 8
    for name in claim.arms:
        activation, factor = name.split("_")
        config = run_config(claim, name, seed=0, lr=0.001)
        assert (config.model.activation, config.data.factor or 1.0) == (activation, FACTORS[factor])
    assert len({run_config(claim, name, seed=0, lr=0.001).id for name in claim.arms}) == 8


def slower(config: RunConfig, epoch: float) -> float | None:
    """ReLUs take as long at every factor, tanh half as long again for each doubling away from 1; 0.004 is fastest."""
    factor = config.data.factor or 1.0
    slope = 0.1 if config.train.lr == 0.004 else 0.06
    steps = {1 / 64: 6, 1 / 8: 3, 1.0: 0, 8.0: 3}[factor] if config.model.activation == "tanh" else 0
    return straight(slope * (1 + 0.01 * (config.seed % 100)) * 1.1**-steps)(config, epoch)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return fill(tmp_path_factory.mktemp("runs"), file(), "small", slower)


def test_equal_times_at_every_factor_are_no_difference_and_each_factor_has_its_verdict(store):
    table = store.table()
    assert not wanted(file(), "small", table)
    found = {name: judge(file(), "small", table, name) for name in (None, *file().alternatives_at("small"))}
    words = {name: judgement.verdict.word for name, judgement in found.items()}
    assert words.pop("tanh_sixty_fourth") == "disagrees at small scale"
    assert set(words) == {None, "eighth", "sixty_fourth", "tanh", "tanh_eighth", "he", "he_tanh"}
    assert set(words.values()) == {"agrees at small scale"}
    assert found["tanh"].effect.estimate == pytest.approx(1.1**3)
    assert found["tanh_sixty_fourth"].effect.estimate == pytest.approx(1.1**6)


def test_the_page_shows_what_saturates_after_the_last_epoch_that_all_runs_recorded(store, tmp_path):
    def page() -> str:
        write([file()], {"yours": store.table()}, tmp_path / "out")
        text = (tmp_path / "out" / "relu_input_scale.html").read_text()
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))

    assert "Saturation" not in page(), "runs of before recorded nothing"
    for path in store.root.glob("*/metrics.jsonl"):
        config = json.loads((path.parent / "run.json").read_text())["config"]
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            if row["epoch"] in (1, 2, 4):
                share = 0.125 if config["model"]["activation"] == "tanh" else 0.5
                row["saturated"] = {"conv1": {"outputs": share, "units": row["epoch"] / 100}}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = page()
    assert "1,000 test images, after epoch 4" in text
    assert re.search(
        r"layer( (ReLUs|tanh units), inputs × [\d/]+)+ conv1( 50.0 % · 4.0 %){4}( 12.5 % · 4.0 %){4}", text
    )
