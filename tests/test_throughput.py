"""Claims that time: arms in turn, one process at a time, devices never mixed, and words that name theirs. No clock."""

from __future__ import annotations

import json
import os
from math import exp, log, sqrt
from pathlib import Path

import pytest
from scipy.stats import t as student
from simulator import PROVENANCE

from repro import contents
from repro.claim.catalogue import Entry, Part
from repro.claim.config import TimingConfig
from repro.claim.files import ClaimFile
from repro.contents import load
from repro.data.batches import Batches
from repro.data.sets import load as load_set
from repro.engine.execute import execute, remaining
from repro.engine.jobs import jobs
from repro.engine.provenance import device_name, provenance
from repro.engine.setting import Setting
from repro.errors import ReproError
from repro.nets import tables
from repro.pages import write
from repro.papers.alexnet2012 import cuda_convnet
from repro.questions.coverage import coverage
from repro.questions.judge import judge
from repro.questions.plan import wanted
from repro.store import Store
from repro.train import loop, throughput
from repro.train.step import Step

TIMED = """\
id: quick
version: 1
paper: {name: alexnet2012, section: "4.1", says: "Both nets train as fast as each other, in effect."}
question: How many times the images/s does the one net reach?
data: {kind: digits, images: 60, scale: standardised}
model: {kind: cuda_convnet_19pct, init: he, width: 0.25}
train: {batch: 20, lr: 0.01, weight_decay: 0.0}
arms: {relu: {label: ReLUs, model.activation: relu}, tanh: {label: tanh units, model.activation: tanh}}
varies: [model.activation]
seeds: [0, 1, 2, 3, 4]
measure: {kind: throughput, metric: images_per_second, updates: 2, rounds: 3}
rule: {kind: ratio, of: [relu, tanh], paper: 1.0, within: [0.95, 1.05], direction: none}
scales: {smoke: {seeds: [0, 1]}, small: {}}
"""
TRAINED = """\
id: learns
version: 1
paper: {name: alexnet2012, section: "3.1", says: A network with ReLUs learns faster than one with tanh units.}
question: How many times fewer epochs does the ReLU network need?
data: {kind: digits, images: 60, scale: standardised}
model: {kind: cuda_convnet_19pct, init: he, width: 0.25}
train: {batch: 20, epochs: 2, lr: 0.01, weight_decay: 0.0}
arms: {relu: {label: ReLUs, model.activation: relu}, tanh: {label: tanh units, model.activation: tanh}}
varies: [model.activation]
seeds: [0]
measure: {kind: epochs_to, metric: train_error, level: 0.01}
rule: {kind: ratio, of: [tanh, relu], paper: 6.0, within: [4.0, 9.0], direction: above 1}
scales: {smoke: {}}
"""
COST = """\
id: cost
version: 1
paper: {name: alexnet2012, section: "5", says: Ninety cycles through the images took five to six days on two GPUs.}
question: How many images/s does the net train here?
data: {kind: ilsvrc2012, crop: 224, held_out: 10000}
model: {kind: alexnet}
train: {file_images: 1024}
arms: {net: {label: the net}}
varies: []
seeds: [0, 1, 2, 3, 4]
measure: {kind: throughput, metric: images_per_second, updates: 20, rounds: 3}
rule: {kind: rate, of: [net], paper: 227, within: [208, 250], on: GTX 580, images: 1200000, cycles: 90}
scales: {smoke: {measure.updates: 4}, small: {}, paper: {}}
"""
HERE, THERE = "1 thread of A processor (avx2)", "NVIDIA H100"


def claim(folder: Path, text: str = TIMED, changes: dict[str, str] | None = None) -> ClaimFile:
    for old, new in (changes or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    path = folder / f"{text.split()[1]}.yaml"
    path.write_text(text)
    file = load(path)
    assert isinstance(file, ClaimFile)
    return file


def config_of(claim, seed: int, device: str) -> TimingConfig:
    """The timing of a claim, a replicate on a device."""
    return claim.measure.config(claim, seed, device)


def timed(root: Path, file: ClaimFile, scale: str, device: str, rates: dict[str, list[float]]) -> Store:
    """A shelf with a replicate for each of the rates, by arm; three rounds, of which the middle one is the rate."""
    store, at = Store(root), file.at(scale)
    made = PROVENANCE if device == HERE else PROVENANCE | {"device": device}
    for i, seed in enumerate(at.seeds[: len(next(iter(rates.values())))]):
        found = {
            arm: {"pipeline": [0.5 * of[i], of[i], 9 * of[i]], "step": [2 * of[i]] * 3} for arm, of in rates.items()
        }
        with store.begin(config_of(at, seed, device), made) as run:
            run.finish({"status": "timed", "timed": found, "seconds": 12.0, "load": 0.5 + i / 1000, "cores": 2})
    return store


@pytest.fixture
def setting(tmp_path: Path, cache: Path) -> Setting:
    return Setting(Store(tmp_path / "runs"), "cpu", (), cache, provenance("cpu"))


def trainer(activation: str, cache: Path) -> loop.Trainer:
    rows = tables.weighted(cuda_convnet.table("cuda_convnet_19pct"))
    return loop.trainer(
        model=contents.net("cuda_convnet_19pct", activation=activation, init="he", width=0.25, classes=10),
        train={
            "batch": 20,
            "lr": 0.01,
            "bias_lr": 2.0,
            "momentum": 0.9,
            "weight_decay": {row.name: 0.0 for row in rows},
            "file_images": 10_000,
            "order": "repeated",
        },
        seed=0,
        precision="fp32",
        batches=Batches(load_set("digits", cache=cache, images=60), device="cpu", scale="standardised"),
    )


def test_arms_take_turns_another_first_in_each_round_and_warm_rounds_do_not_count(cache, monkeypatch):
    arms = {name: trainer(name, cache) for name in ("relu", "tanh")}
    turns: list[str] = []
    names = {id(of.step): name for name, of in arms.items()}
    update = Step.update
    monkeypatch.setattr(Step, "update", lambda of, x, y: (turns.append(names[id(of)]), update(of, x, y))[1])
    found = throughput.in_turn(arms, updates=2, rounds=3, warm=1)
    # a turn is 2 updates of the pipeline and 2 of the step alone
    assert turns == [name for name in ["relu", "tanh", "tanh", "relu"] * 2 for _ in range(4)]
    for of in found.values():
        assert {key: len(rounds) for key, rounds in of.items()} == {"pipeline": 3, "step": 3}
        assert min(*of["pipeline"], *of["step"]) > 0


def test_timings_are_made_one_after_the_other_when_all_trainings_are_done_each_in_a_process_of_its_own(
    setting, tmp_path, monkeypatch
):
    monkeypatch.setattr(throughput, "in_turn", None)  # of this process: none of them is timed in it
    claims = [(claim(tmp_path), "smoke"), (claim(tmp_path, TRAINED), "smoke")]
    assert remaining(claims, setting)[0] == 4
    events: list[tuple[str, str]] = []
    trained = execute(claims, setting, workers=2, report=lambda event: events.append((event["event"], event["run"])))
    assert trained == 4
    kinds = [kind for kind, _ in events]
    assert kinds.count("finish") == kinds.count("timed") == 2
    assert kinds[-2:] == ["timed", "timed"], "nothing is trained once timing has begun"
    for run_id in (run for kind, run in events if kind == "timed"):
        run = setting.store.read(run_id)
        assert run is not None
        assert run.config["device"] == device_name(setting.provenance)
        assert run.result is not None
        assert run.result["cores"] == os.cpu_count()
        assert run.sessions == [setting.provenance]
    assert execute(claims, setting, workers=2, report=lambda event: events.append(("again", ""))) == 0
    assert events[-1][0] == "timed"
    assert jobs(claims, setting.store.table(), device_name(setting.provenance)) == []
    assert len(jobs(claims, setting.store.table(), THERE)) == 2, "another device has timings of its own to make"


def test_an_address_depends_on_the_device_and_the_replicate_and_not_on_the_order_of_arms(tmp_path):
    at = claim(tmp_path).at("small")
    one = config_of(at, 0, HERE)
    turned = at.model_copy(update={"arms": dict(reversed(at.arms.items()))})
    assert config_of(turned, 0, HERE).id == one.id
    assert len({one.id, config_of(at, 1, HERE).id, config_of(at, 0, THERE).id}) == 3
    assert json.loads(one.model_dump_json())["device"] == HERE


def test_a_ratio_is_students_on_the_logs_of_the_replicates_medians(tmp_path):
    file = claim(tmp_path)
    rates = {"relu": [98.0, 101.0, 99.5, 100.0, 97.0], "tanh": [100.0, 100.0, 101.0, 99.0, 100.0]}
    found = judge(file, "small", timed(tmp_path / "runs", file, "small", HERE, rates).table())
    logs = [log(a / b) for a, b in zip(*rates.values(), strict=True)]
    mean = sum(logs) / 5
    half = student.ppf(0.975, 4) * sqrt(sum((x - mean) ** 2 for x in logs) / 4 / 5)
    assert found.effect is not None
    assert (found.effect.low, found.effect.high) == pytest.approx((exp(mean - half), exp(mean + half)))
    assert found.verdict.word == "not comparable", "without a GPU"
    assert found.verdict.sentence.endswith(f"On {HERE}.")
    assert found.device == HERE


@pytest.mark.parametrize(
    ("slower", "word"),
    [(0.80, "disagrees at small scale"), (0.95, "open at small scale"), (1.0, "agrees at small scale")],
)
def test_free_is_inside_the_band_costly_outside_it(tmp_path, slower, word):
    file = claim(tmp_path)
    other = [100.0, 101.0, 99.0, 100.0, 102.0]
    jitter = [0.99, 1.01, 1.0, 1.005, 0.995]
    rates = {"relu": [slower * j * rate for j, rate in zip(jitter, other, strict=True)], "tanh": other}
    table = timed(tmp_path / "runs", file, "small", THERE, rates).table()
    assert judge(file, "small", table).verdict.word == word


def test_replicates_of_two_devices_are_never_mixed(tmp_path):
    file = claim(tmp_path)
    timed(tmp_path / "runs", file, "small", HERE, {"relu": [50.0] * 2, "tanh": [100.0] * 2})
    three = timed(tmp_path / "runs", file, "small", THERE, {"relu": [1e4] * 3, "tanh": [1e4] * 3})
    found = judge(file, "small", three.table())
    assert (found.device, found.verdict.word, found.to_do) == (THERE, "not run", 2), "three of five are there"
    assert {want.config.seed for want in wanted(file, "small", three.table())} == {3, 4}
    assert len(wanted(file, "small", three.table(), device=HERE)) == 3
    whole = timed(tmp_path / "runs", file, "small", HERE, {"relu": [50.0] * 5, "tanh": [100.0] * 5})
    found = judge(file, "small", whole.table())
    assert found.effect is not None
    assert (found.device, found.effect.estimate, found.effect.n) == (HERE, pytest.approx(0.5), 5)
    assert found.verdict.word == "not comparable"
    assert file.at("small").measure.devices(file.at("small"), whole.table()) == [HERE, THERE]


def test_a_timing_that_failed_is_an_error_not_a_measure(tmp_path):
    file = claim(tmp_path)
    store = timed(tmp_path / "runs", file, "small", HERE, {"relu": [50.0] * 4, "tanh": [50.0] * 4})
    with store.begin(config_of(file.at("small"), 4, HERE), PROVENANCE) as run:
        run.finish({"status": "failed", "why": "RuntimeError: out of memory"})
    assert judge(file, "small", store.table()).verdict.word == "error"


RATES = [228.0, 231.0, 226.0, 230.0, 229.0]


@pytest.mark.parametrize(
    ("scale", "device", "factor", "word"),
    [
        ("paper", "2 x NVIDIA GeForce GTX 580", 1, "reproduced"),
        ("paper", "2 x NVIDIA GeForce GTX 580", 2, "differs"),
        ("paper", "2 x NVIDIA GeForce GTX 580", 250 / 229, "inconclusive"),
        ("small", "2 x NVIDIA GeForce GTX 580", 1, "not comparable"),
        ("paper", THERE, 1, "not comparable"),
        ("small", HERE, 0.03, "not comparable"),
    ],
)
def test_only_the_papers_hardware_at_paper_scale_can_speak_of_its_images_per_second(
    tmp_path, scale, device, factor, word
):
    file = claim(tmp_path, COST)
    rates = {"net": [factor * rate for rate in RATES]}
    found = judge(file, scale, timed(tmp_path / "runs", file, scale, device, rates).table())
    assert found.verdict.word == word
    assert device in found.verdict.sentence
    assert found.effect is not None
    assert found.effect.estimate == pytest.approx(factor * exp(sum(map(log, RATES)) / 5))


def test_the_papers_images_per_second_are_its_five_to_six_days():
    file = load(Path(__file__).parent.parent / "claims" / "training_cost.yaml")
    assert isinstance(file, ClaimFile)
    rule = file.claim.rule
    assert rule.kind == "rate"
    assert (rule.images, rule.cycles) == (1_200_000, 90)
    slow, fast = rule.within
    assert (round(rule.days(fast), 2), round(rule.days(slow), 1)) == (5.0, 6.0)
    assert rule.days(rule.paper) == pytest.approx(5.5, abs=0.01)


def test_training_cost_times_the_faithful_net_at_every_scale_but_smoke():
    file = load(Path(__file__).parent.parent / "claims" / "training_cost.yaml")
    assert isinstance(file, ClaimFile)
    for scale in ("small", "medium", "paper"):
        at = file.at(scale)
        assert (at.model.width, at.data.crop, at.data.stored, at.train.batch) == (1.0, 224, 256, 128)


def test_augmentation_cost_has_all_of_the_papers_augmentation_against_none():
    file = load(Path(__file__).parent.parent / "claims" / "augmentation_cost.yaml")
    assert isinstance(file, ClaimFile)
    config = config_of(file.at("small"), 0, HERE)
    of = {name: (arm.data.crops, arm.data.mirror, arm.data.colour) for name, arm in config.timed.items()}
    assert of == {"with": ("paper", True, "paper"), "without": ("none", False, "none")}
    assert (config.timed["with"].data.crop, config.timed["with"].model.width) == (128, 0.5)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"updates: 2": "updates: 4"}, "measure.updates: found 4; expected at most 3, the updates of an epoch"),
        (
            {"kind: ratio, of: [relu, tanh], paper: 1.0, within: [0.95, 1.05], direction: none": (
                "kind: value, of: [relu], paper: 0.5, within: [0.4, 0.6]"
            )},
            "rule.kind: value does not judge the measure throughput; expected ratio or rate",
        ),
        (
            {", lr: 0.01": "", "seeds: [0, 1, 2, 3, 4]": (
                "tune: {train.lr: [0.01, 0.02], per: arm, choose: fastest, on_seeds: [100]}\nseeds: [0, 1, 2, 3, 4]"
            )},
            "tune: a timing has no rate to choose",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_timing_is_refused_where_it_stands(tmp_path, changes, text):
    with pytest.raises(ReproError) as refused:
        claim(tmp_path, TIMED, changes)
    assert any(text in line and line.startswith(f"{tmp_path}/quick.yaml:") for line in str(refused.value).splitlines())


def test_a_page_names_every_device_the_step_alone_and_the_days_of_the_papers_training(tmp_path):
    file, cost = claim(tmp_path), claim(tmp_path, COST)
    store = timed(tmp_path / "runs", file, "small", HERE, {"relu": [98.0] * 5, "tanh": [100.0] * 5})
    timed(tmp_path / "runs", file, "small", THERE, {"relu": [9_800.0] * 3, "tanh": [10_000.0] * 3})
    timed(tmp_path / "runs", cost, "small", HERE, {"net": RATES})
    write([file, cost], {"yours": store.table()}, tmp_path / "out")
    page = (tmp_path / "out" / "quick.html").read_text()
    for text in (
        HERE,
        THERE,
        "ReLUs, step alone",
        "196",
        "Not comparable",
        "5 replicates",
        "60 s in all",
        "850.0",
    ):
        assert text in page, text
    data = json.loads((tmp_path / "out" / "quick.json").read_text())
    assert data["judgement"]["device"] == HERE
    days = (tmp_path / "out" / "cost.html").read_text()
    for text in ("90 cycles through 1,200,000 images", "5 to 6", "5.46", "Not comparable", "GTX 580"):
        assert text in days, text
    rows = (tmp_path / "out" / "quick.csv").read_text().splitlines()
    assert sum(",images/s,reached," in row for row in rows) == 10


def test_what_a_timing_costs_is_what_recorded_ones_took(tmp_path):
    file = claim(tmp_path)
    table = timed(tmp_path / "runs", file, "small", HERE, {"relu": [50.0] * 3, "tanh": [50.0] * 3}).table()
    (row,) = coverage([Entry("alexnet2012", Part("ImageNet"), "quick", "4.1", "as fast")], [file], {"yours": table})
    (missing,) = [m for m in row.missing if m.scale == "small"]
    assert (missing.cost.runs, missing.cost.known, missing.cost.seconds) == (2, 2, 24.0)
    assert missing.cost.device == "A processor"
