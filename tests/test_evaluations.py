"""Evaluations of runs: each against a second way of computing it, and when evaluations are made and kept."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import safetensors.torch
import torch
from small_training import ALEXNET, crops, digits, rows, trainer

from repro import contents
from repro.claim.evaluation import FINAL_OPTIONS, Evaluation, Options
from repro.claim.files import ClaimFile, SpecError, run_config
from repro.contents import KINDS, load
from repro.data.photos.maps import Photos
from repro.engine import evaluations
from repro.engine.execute import execute
from repro.engine.jobs import jobs
from repro.engine.provenance import provenance
from repro.engine.setting import Setting, standing
from repro.nets import layers
from repro.papers.alexnet2012 import alexnet
from repro.questions.evaluations import EvaluationMeasure
from repro.questions.judge import judge
from repro.store import CHECKPOINT, Store
from repro.store.damage import ROWS
from repro.train import loop, testing
from repro.train.evaluations import Results
from repro.train.seeds import generator

CLAIMS = Path(__file__).parent.parent / "claims"
EVALUATING = ("ten_views", "tower_specialisation", "dropout_average", "feature_similarity")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    return digits(tmp_path_factory.mktemp("cache"), stored=96)


def narrow(large: Photos, epochs: int = 0, **model: object) -> loop.Trainer:
    run = trainer(crops(large, 80), model=ALEXNET | model)
    rows(run, epochs)
    return run


def evaluate(run: loop.Trainer, kind: str, **options: object) -> Results:
    return evaluations.compute(run, Options.model_validate({"kind": kind, **options}))


# What evaluations compute


def test_a_thinned_net_is_the_net_in_training_with_its_mask_and_the_halved_one_is_the_net_in_testing(large: Photos):
    run = narrow(large, 1)
    evaluated = evaluate(run, "thinned_nets", masks=3, photos=30)
    x, y = next(run.batches.test(30))
    draw = generator(run.seed, "thinned nets")
    answers = []
    for _ in range(3):
        run.net.train()
        for name, layer in run.net.named_modules():  # one mask for all photos, as the evaluation draws it
            if isinstance(layer, layers.Dropout):
                units = dict(run.net.named_modules())["fc7" if name == "drop6" else "fc8"].in_features
                mask = torch.rand(units, generator=draw) < layer.keep
                layer.forward = lambda x, mask=mask: x * mask
        with torch.no_grad():
            answers.append(run.net(x).double().softmax(1))
    for layer in run.net.modules():
        vars(layer).pop("forward", None)
    run.net.eval()
    with torch.no_grad():
        halved = run.net(x).double().softmax(1)
    every = torch.stack(answers)
    geometric = every.log().mean(0).exp()
    geometric /= geometric.sum(1, keepdim=True)
    for name, mean in (("geometric", geometric), ("arithmetic", every.mean(0))):
        assert evaluated.values[f"{name}_error"] == pytest.approx(float((mean.argmax(1) != y).double().mean()))
        divergence = float((mean * (mean / halved).log()).sum(1).mean())
        assert evaluated.values[f"{name}_divergence"] == pytest.approx(divergence, rel=1e-3, abs=1e-7)
    assert evaluated.values["halved_error"] == pytest.approx(float((halved.argmax(1) != y).double().mean()))
    assert evaluated.values["excess"] == pytest.approx(
        evaluated.values["halved_error"] - evaluated.values["geometric_error"]
    )
    assert evaluated.curves["masks"] == [1, 2, 3]
    alone = [float((answer.argmax(1) != y).double().mean()) for answer in answers]
    assert evaluated.curves["geometric_error"][0] == pytest.approx(alone[0])
    assert evaluated.values["thinned_error"] == pytest.approx(sum(alone) / 3)


def test_an_evaluation_leaves_the_run_as_it_was(large: Photos):
    plain, other = narrow(large, 1), narrow(large, 1)
    before = safetensors.torch.save(other.state())
    for kind, options in (
        ("ten_views", {}),
        ("thinned_nets", {"masks": 2, "photos": None}),
        ("kernels", {"permutations": 100, "new": 0.1}),
        ("neighbours", {"nearest": 6, "queries": None, "gallery": None}),
        ("shifted_colours", {"by": 0.3}),
    ):
        evaluate(other, kind, **options)
    assert safetensors.torch.save(other.state()) == before
    assert rows(other, 3) == rows(plain, 3)


def with_kernels(large: Photos, learned: torch.Tensor) -> Results:
    run = narrow(large, width=0.5)
    with torch.no_grad():
        run.net.conv1.weight += learned
    return evaluate(run, "kernels", permutations=500, new=0.1)


def test_kernels_of_grey_and_of_colour_are_told_apart_by_tower_whatever_noise_is_left(large: Photos):
    plain = torch.randn(48, 1, 11, 11, generator=torch.Generator().manual_seed(0)).expand(48, 3, 11, 11)
    colour = torch.tensor([1.0, -1.0, 0.0])[None, :, None, None] * plain
    by_tower = torch.cat([plain[:24], colour[24:]])
    evaluated = with_kernels(large, 0.1 * by_tower)
    assert (evaluated.values["learned_1"], evaluated.values["learned_2"]) == (24, 24)
    # what was added is all that counts but for its part along the initial noise, of the order of 1/363
    assert evaluated.values["chroma_1"] == pytest.approx(0.0, abs=0.01)
    assert evaluated.values["chroma_2"] == pytest.approx(1.0, abs=0.01)
    assert evaluated.values["p"] == pytest.approx(1 / 501)
    in_turn = with_kernels(large, 0.1 * torch.stack([(plain, colour)[i % 2][i] for i in range(48)]))
    assert in_turn.values["p"] > 0.05
    assert evaluated.arrays["kernels"].shape == (48, 3, 11, 11)


def test_kernels_that_have_learned_nothing_do_not_count_and_noise_has_a_chroma_share_of_two_thirds(large: Photos):
    still = with_kernels(large, torch.zeros(48, 3, 11, 11))
    assert (still.values["learned"], still.values["p"]) == (0, 1.0)
    noise = torch.randn(48, 3, 11, 11, generator=torch.Generator().manual_seed(0))
    evaluated = with_kernels(large, noise)
    assert evaluated.values["learned"] == 48
    assert evaluated.arrays["chroma"].mean() == pytest.approx(2 / 3, abs=0.01)
    assert evaluated.values["p"] > 0.01
    one_tower = with_kernels(large, torch.cat([torch.zeros(24, 3, 11, 11), noise[24:]]))
    assert (one_tower.values["learned_1"], one_tower.values["p"]) == (0, 1.0)


def test_neighbours_are_the_nearest_by_fc7_and_by_pixels(large: Photos):
    run = narrow(large, 2)
    evaluated = evaluate(run, "neighbours", nearest=3, queries=20, gallery=None)
    (asked, of_asked), (there, of_there) = next(run.batches.test(20)), next(run.batches.fixed(100))
    children = list(run.net.named_children())
    below = torch.nn.Sequential(*(layer for _, layer in children[: [n for n, _ in children].index("fc7") + 2])).eval()
    with torch.no_grad():
        by = {
            "precision": torch.cdist(below(asked).double(), below(there).double()),
            "pixel_precision": torch.cdist(asked.flatten(1).double(), there.flatten(1).double()),
        }
    near = {name: distances.argsort(1)[:, :3] for name, distances in by.items()}
    for name, places in near.items():
        assert evaluated.values[name] == pytest.approx(float((of_there[places] == of_asked[:, None]).double().mean()))
    ranks = by["pixel_precision"].argsort(1).argsort(1).double() / 99
    assert evaluated.values["pixel_rank"] == pytest.approx(float(ranks.gather(1, near["precision"]).mean()), abs=1e-6)
    assert (evaluated.values["queries"], evaluated.values["gallery"]) == (20, 100)


def test_shifted_colours_are_photos_with_a_multiple_of_each_component_added(large: Photos):
    run = narrow(large, 2)
    evaluated = evaluate(run, "shifted_colours", by=0.5)
    pixels = large.train_x[large.train].astype(np.float64).reshape(-1, 3)
    variances, vectors = np.linalg.eigh(np.cov(pixels.T, bias=True))
    deviation = np.sqrt(((large.train_x[large.train] - large.train_x[large.train].mean(0)) ** 2).mean((0, 1, 2)))
    x, y = next(run.batches.test(40))
    ours = run.batches.components
    errors = []
    for j in (2, 1, 0):
        assert ours.variances[j] == pytest.approx(max(variances[j], 0), rel=1e-6, abs=1e-6)
        if variances[j] > 1:  # digits are grey: the other components have no direction
            assert abs(ours.vectors[:, j] @ vectors[:, j]) == pytest.approx(1)
        for sign in (1, -1):
            shift = sign * 0.5 * np.sqrt(ours.variances[j]) * ours.vectors[:, j] / deviation
            with torch.no_grad():
                answers = run.net.eval()(x + torch.from_numpy(shift).float()[:, None, None]).argmax(1)
            errors.append(float((answers != y).double().mean()))
    assert evaluated.curves["error"] == pytest.approx(errors)
    assert evaluated.values["error"] == testing.measure(run)["test_error"]
    assert evaluated.values["shifted_rise"] == pytest.approx(sum(errors) / 6 - testing.measure(run)["test_error"])


def test_the_control_joins_the_towers_in_layer_two_and_changes_nothing_else():
    printed, joined = alexnet.table("paper"), alexnet.table("paper", towers="dense conv2")
    changed = [(a, b) for a, b in zip(printed, joined, strict=True) if a != b]
    assert [(a.name, a.groups, b.groups) for a, b in changed] == [("lrn1", 2, 1), ("conv2", 2, 1)]


# When evaluations are made, kept and shared


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(Store(tmp_path / "runs"), "cpu", (tmp_path / "data",), tmp_path / "cache", provenance("cpu"))


def claim(folder: Path, text: str = "", epochs: int = 2, name: str = "ten_views", seeds: str = "[0]") -> ClaimFile:
    """A claim as it is committed, but with so many epochs and one seed at smoke scale."""
    written = (CLAIMS / f"{name}.yaml").read_text()
    smoke = f"  smoke: {{train.epochs: {epochs}, seeds: {seeds}{text}}}\n"
    lines = [smoke if line.startswith("  smoke:") else line for line in written.splitlines(keepends=True)]
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text("".join(lines))
    file = load(folder / f"{name}.yaml")
    assert isinstance(file, ClaimFile)
    return file


def run_it(file: ClaimFile, setting: Setting, *more: ClaimFile) -> list[dict]:
    """Return the events, but for those of checkpoints, which say when one was written."""
    events: list[dict] = []
    execute([(each, "smoke") for each in (file, *more)], setting, workers=1, report=events.append)
    return [event for event in events if event["event"] != "checkpoint"]


def ids(file: ClaimFile, setting: Setting) -> tuple[str, str]:
    """(the training, the evaluation) of a claim on one seed."""
    config = run_config(file.at("smoke"), "net", seed=0)
    evaluation = Evaluation(run=config, epoch=file.at("smoke").train.epochs, options=Options(kind="ten_views"))
    return config.id, evaluation.id


def files(setting: Setting, run_id: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (setting.store.root / run_id).iterdir() if path.name != "lock"}


def test_a_run_is_evaluated_when_it_comes_to_the_epoch_and_a_second_claim_only_evaluates_it_again(setting, tmp_path):
    file = claim(tmp_path / "claims")
    events = run_it(file, setting)
    assert [e["event"] for e in events] == ["begin", "epoch", "epoch", "evaluation", "finish"]
    trained, evaluated = ids(file, setting)
    assert setting.store.table().keys() == {trained, evaluated}
    run = setting.store.read(evaluated)
    assert run is not None
    assert run.result is not None
    assert (run.is_evaluation, run.result["status"], run.result["epoch"]) == (True, "looked at", 2)
    assert run.values["gain"] == pytest.approx(run.values["error"] - run.values["views_error"])
    assert {p.name for p in run.path.iterdir()} == {"run.json", "result.json", "shares.npy", "labels.npy", "lock"}
    before = files(setting, trained)
    assert run_it(file, setting) == []
    other = run_it(claim(tmp_path / "claims", ", measure.masks: 3", name="dropout_average"), setting)
    assert [e["event"] for e in other] == ["evaluation", "finish"], "the weights are there"
    assert files(setting, trained) == before
    assert len(setting.store.table()) == 3


def test_a_longer_run_keeps_its_evaluation_and_is_evaluated_again_at_its_end(setting, tmp_path):
    run_it(claim(tmp_path / "claims"), setting)
    _, early = ids(claim(tmp_path / "claims"), setting)
    before = files(setting, early)
    events = run_it(claim(tmp_path / "claims", epochs=3), setting)
    assert [e["event"] for e in events] == ["begin", "epoch", "evaluation", "finish"]
    assert files(setting, early) == before
    assert len(setting.store.table()) == 3


@pytest.mark.parametrize("lost", ["extended", "gc"])
def test_a_run_whose_weights_are_gone_is_trained_again_to_the_same_bits_and_its_record_stays(setting, tmp_path, lost):
    file = claim(tmp_path / "claims")
    run_it(file, setting)
    trained, evaluated = ids(file, setting)
    expected = files(setting, evaluated)
    for path in (setting.store.root / evaluated).iterdir():
        path.unlink()
    (setting.store.root / evaluated).rmdir()
    if lost == "extended":
        run_it(claim(tmp_path / "longer", ", measure.masks: 3", 5, "dropout_average"), setting)
    else:
        assert setting.store.remove_checkpoints() > 0
    record = files(setting, trained)
    events = run_it(file, setting)
    assert [e["event"] for e in events] == ["begin", "epoch", "epoch", "evaluation", "finish"]
    assert files(setting, trained) == record
    again = setting.store.read(evaluated)
    assert again is not None
    assert again.result is not None
    assert again.result["trained_again"] == "same"
    assert not again.resumable
    assert {n: b for n, b in files(setting, evaluated).items() if n.endswith(".npy")} == {
        n: b for n, b in expected.items() if n.endswith(".npy")
    }
    assert run_it(file, setting) == []


def test_a_claim_that_is_extended_first_finds_both_epochs_on_the_way(setting, tmp_path):
    short = claim(tmp_path / "claims")
    long = claim(tmp_path / "longer", ", measure.masks: 3", 5, "dropout_average")
    events = run_it(long, setting, short)
    assert [e["event"] for e in events] == [
        "begin",
        *["epoch"] * 2,
        "evaluation",
        *["epoch"] * 3,
        "evaluation",
        "finish",
    ]
    assert [e["epoch"] for e in events if e["event"] == "evaluation"] == [2, 5]


def test_a_kill_between_the_training_and_the_evaluation_costs_the_evaluation_alone(setting, tmp_path, monkeypatch):
    file = claim(tmp_path / "claims")

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(evaluations, "compute", killed)
        with pytest.raises(KeyboardInterrupt):
            run_it(file, setting)
    assert [e["event"] for e in run_it(file, setting)] == ["begin", "evaluation", "finish"]


@pytest.fixture
def without_weights(setting, tmp_path) -> ClaimFile:
    """A claim whose run is on record for 3 epochs, without its weights and its evaluation."""
    file = claim(tmp_path / "claims", epochs=3)
    run_it(file, setting)
    _, evaluated = ids(file, setting)
    shutil.rmtree(setting.store.root / evaluated)
    setting.store.remove_checkpoints()
    return file


def test_a_training_that_is_repeated_for_an_evaluation_goes_on_from_its_own_checkpoint(setting, without_weights):
    _, evaluated = ids(without_weights, setting)
    hasty = replace(setting, checkpoint_seconds=0)

    def stop(event: dict) -> None:
        if event["event"] == "epoch" and event["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute([(without_weights, "smoke")], hasty, workers=1, report=stop)
    assert (setting.store.root / evaluated / CHECKPOINT).is_file()
    events = run_it(without_weights, setting)
    assert [e["epoch"] for e in events if e["event"] == "epoch"] == [3]
    again = setting.store.read(evaluated)
    assert again is not None
    assert again.result is not None
    assert again.result["trained_again"] == "same"


def test_a_repeated_training_is_held_against_the_record_also_where_its_evaluation_failed_first(
    setting, without_weights, monkeypatch
):
    trained, evaluated = ids(without_weights, setting)
    path = setting.store.root / trained / ROWS
    *first, last = path.read_text().splitlines()
    row = json.loads(last)
    row["train_loss"] *= 1.01
    path.write_text("\n".join([*first, json.dumps(row), ""]))
    compute, failures = evaluations.compute, iter(["no memory"])

    def failing_once(*arguments):
        for why in failures:
            raise RuntimeError(why)
        return compute(*arguments)

    monkeypatch.setattr(evaluations, "compute", failing_once)
    run_it(without_weights, replace(setting, checkpoint_seconds=0))
    again = setting.store.read(evaluated)
    assert again is not None
    assert again.result is not None
    assert again.result["trained_again"] == "other"


def test_an_evaluation_that_fails_twice_is_an_error_of_the_claim_and_leaves_the_run(setting, tmp_path, monkeypatch):
    file = claim(tmp_path / "claims")

    def failing(*_, **__):
        raise RuntimeError("no memory")

    with monkeypatch.context() as m:
        m.setattr(evaluations, "compute", failing)
        events = run_it(file, setting)
    assert [e["event"] for e in events] == ["begin", "epoch", "epoch", *["evaluation", "failed"] * 2, "finish"]
    trained, evaluated = ids(file, setting)
    table = setting.store.table()
    assert table[trained].failed is None
    assert table[evaluated].failed == "RuntimeError: no memory"
    assert judge(file, "smoke", table).verdict.word == "error"
    assert len(jobs([(file, "smoke")], standing(setting))) == 1, "it is tried again"
    assert [e["event"] for e in run_it(file, setting)] == ["evaluation", "finish"]
    assert judge(file, "smoke", setting.store.table()).verdict.word == "not comparable"


def test_every_evaluation_that_a_measure_reads_is_computed_in_one_module_and_no_module_computes_others():
    read = {options.kind for options in FINAL_OPTIONS.values()}
    for measure in KINDS.measures:
        if issubclass(measure, EvaluationMeasure):
            read |= set(get_args(measure.model_fields["kind"].annotation))
    computed = [kind for module in contents.EVALUATIONS for kind in import_module(module).EVALUATIONS]
    assert sorted(computed) == sorted(read)


def test_the_id_and_the_record_of_an_evaluation_have_the_options_under_the_key_of_the_first_records():
    config = run_config(load(CLAIMS / "ten_views.yaml").at("small"), "net", seed=0)
    recorded = {"run": config.model_dump(), "epoch": 30, "look": {"kind": "thinned_nets", "masks": 9, "photos": None}}
    options = Options.model_validate(recorded["look"])
    evaluation = Evaluation(run=config, epoch=30, options=options)
    assert evaluation.model_dump() == recorded
    assert Evaluation.model_validate(recorded) == evaluation
    text = json.dumps(recorded, sort_keys=True, separators=(",", ":"))
    assert evaluation.id == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", EVALUATING)
def test_a_claim_on_an_evaluation_shares_the_base_net_and_its_runs(name):
    file = load(CLAIMS / f"{name}.yaml")
    assert isinstance(file, ClaimFile)
    base = load(CLAIMS / "crops_and_flips.yaml")
    assert isinstance(base, ClaimFile)
    for scale in ("smoke", "small", "medium"):
        claims = file.at(scale), base.at(scale)
        assert run_config(claims[0], "net", seed=3).id == run_config(claims[1], "with", seed=3).id
        assert claims[0].train.epochs == claims[1].train.epochs


# Claims on evaluations that cannot be made


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (
            "ten_views",
            "crop: 224, held_out: 10000",
            "held_out: 0",
            "evaluates nets that read crops; expected data.crop",
        ),
        ("dropout_average", "model: {kind: alexnet}", "model: {kind: alexnet, dropout: 0.0}", "found model.dropout 0"),
        ("tower_specialisation", "{kind: alexnet}", "{kind: alexnet, towers: one half}", "found model.towers one half"),
        ("feature_similarity", "measure.queries: 500", "measure.queries: 4000", "expected at most 3925"),
        ("tower_specialisation", "{kind: kernels, value: p}", "{kind: ten_views, value: gain}", "count does not judge"),
        ("ten_views", "value: gain}", "value: gian}", "did you mean gain?"),
    ],
)
def test_an_evaluation_that_cannot_be_made_is_refused(tmp_path, name, old, new, says):
    text = (CLAIMS / f"{name}.yaml").read_text()
    assert old in text
    (tmp_path / f"{name}.yaml").write_text(text.replace(old, new))
    with pytest.raises(SpecError) as refused:
        load(tmp_path / f"{name}.yaml")
    assert says in str(refused.value)
