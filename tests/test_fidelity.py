"""The table of differences between text and source: whole, held by tests that exist, and of the tables' own numbers."""

import ast
import re
from dataclasses import replace
from math import exp, log
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import nn

from repro import contents
from repro.claim.differences import Differences, Readings
from repro.claim.model import DataSpec, TrainSpec
from repro.data import augment
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.data.photos.maps import from_images
from repro.data.sets import load
from repro.errors import ReproError
from repro.nets import tables
from repro.pages.fidelity import page
from repro.papers.alexnet2012 import PAPER, alexnet, cuda_convnet, differences
from repro.papers.alexnet2012.differences import DRAWN, values
from repro.papers.alexnet2012.nets import AlexNet
from repro.train import loop, sgd, testing
from repro.train.evaluations import evaluate, ten_views
from repro.train.seeds import generator

ROOT = Path(__file__).parent.parent
DIFFERENCES = PAPER.differences
ROWS = DIFFERENCES.rows()
MANY = 38  # of source.md 1
SETTINGS = re.compile(r"`(data|model|train)\.(\w+)(?:: ([^`]*))?`")
# what has digits and is a name: sections, layers, words in backticks
NAMES = re.compile(r"`[^`]*`|§[\d.]+|\b[a-z]+\d\b|\blayer \d\b")


def numbers(text: str) -> set[str]:
    found = re.findall(r"\d[\d,]*(?:\.\d+)?", NAMES.sub(" ", text))
    return {number.rstrip(",").replace(",", "") for number in found}


def strangers() -> dict[int, set[str]]:
    """By row, the numbers of what is done here that neither the paper nor the source has there."""
    named = values()
    found = {row.number: numbers(" ".join(row.filled(named))) - numbers(f"{row.says} {row.does}") for row in ROWS}
    return {number: left for number, left in found.items() if left}


def words_of(annotation: object) -> set[object]:
    """The words that a field may have, one of which may be none."""
    return {word for part in get_args(annotation) for word in (words_of(part) if get_args(part) else {part})}


def named_in(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def trainer(batches) -> loop.Trainer:
    """A small net at the start of its training."""
    rows = tables.weighted(cuda_convnet.table("cuda_convnet_19pct"))
    return loop.trainer(
        model=contents.net("cuda_convnet_19pct", init="he", width=0.25, classes=batches.classes),
        train={"batch": 7, "lr": 0.01, "bias_lr": 2.0, "momentum": 0.9, "order": "repeated", "file_images": 20,
               "weight_decay": {row.name: 0.0005 for row in rows}},
        seed=0, precision="fp32", batches=batches,
    )  # fmt: skip


def test_every_row_of_the_source_is_there_once_in_order():
    assert [row.number for row in ROWS] == list(range(1, MANY + 1))
    assert len({row.subject for row in ROWS}) == MANY
    assert all(all(row.filled(values())) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_every_row_is_held_by_tests_that_exist_or_says_why_not(row):
    assert row.tests or row.lacks
    assert len(set(row.tests)) == len(row.tests)
    for node in row.tests:
        file, _, name = node.partition("::")
        assert name in named_in(ROOT / file), node


def test_what_two_readings_do_differs_where_two_are_told():
    for row in ROWS:
        paper, source = row.filled(values())
        assert (paper != source) == isinstance(row.here, Readings), row.number


def test_every_key_that_a_claim_may_set_is_one_and_can_have_the_value_named():
    specs = {"data": DataSpec, "model": AlexNet, "train": TrainSpec}
    named = [found for row in ROWS for text in row.filled(values()) for found in SETTINGS.findall(text)]
    assert len(named) > 20
    for section, key, value in named:
        field = specs[section].model_fields[key]
        assert not value or value in words_of(field.annotation), (section, key, value)


def test_no_number_of_what_is_done_here_is_typed():
    for row in ROWS:
        for text in row.templates:
            assert not re.search(r"\d", NAMES.sub("", re.sub(r"\{[^}]*\}", "", text))), (row.number, text)


def test_every_number_of_what_is_done_here_is_one_of_the_paper_or_of_the_source():
    assert not strangers()


@pytest.mark.parametrize(
    ("reading", "layer", "change", "rows"),
    [
        ("SOURCE", "conv3", {"std": 0.02}, {11}),
        ("PAPER", "lrn1", {"alpha": 3e-4}, {7}),
        ("SOURCE", "rnorm2", {"size": 7}, {6}),
    ],
)
def test_a_table_that_drifts_from_the_texts_is_noticed(monkeypatch, reading, layer, change, rows):
    was = getattr(alexnet, reading)
    changed = tuple(replace(row, **change) if getattr(row, "name", "") == layer else row for row in was)
    monkeypatch.setattr(alexnet, reading, changed)
    assert strangers().keys() == rows


def test_a_table_of_one_reading_that_leaves_the_other_is_noticed(monkeypatch):
    changed = tuple(replace(row, pad=1) if getattr(row, "name", "") == "conv2" else row for row in alexnet.SOURCE)
    monkeypatch.setattr(alexnet, "SOURCE", changed)
    with pytest.raises(AssertionError):
        strangers()


def test_what_is_said_of_draws_is_what_is_drawn():
    assert (DRAWN["strength"], DRAWN["shared"]) == (augment.STRENGTH, augment.SHARED)
    assert len(augment.ten_views(differences.BORDER)) == DRAWN["views"]
    of = augment.Components(torch.tensor([0.0, 0.0, differences.BRIGHTNESS**2]).numpy(), torch.eye(3).numpy())
    for reading in ("paper", "source"):
        drawn = augment.draw(
            64_000, torch.Generator().manual_seed(0), border=differences.BORDER, crops=reading, colour=reading, of=of
        )
        assert int(drawn.y.max()) + 1 == DRAWN[f"{reading}_places"]
        assert 2 * (int(drawn.y.max()) + 1) ** 2 == DRAWN[f"{reading}_outcomes"]
        assert float(drawn.shift[:, 2].std()) == pytest.approx(DRAWN[f"{reading}_levels"], rel=0.02)
        assert drawn.divisor == (DRAWN["divisor"] if reading == "source" else 1)


def test_the_loss_is_minus_the_natural_logarithm_of_the_probability_of_the_right_label(tmp_path):
    """source.md 1, 29; the sum of the source is divided by the size of the minibatch, as its gradient is (row 15)."""
    batches = Batches(load("digits", cache=tmp_path, images=20), device="cpu", scale="standardised")
    run = trainer(batches)
    x, y = batches.train(torch.arange(7))
    with torch.no_grad():
        logits = run.net(x).double().tolist()
    nats = [log(sum(exp(other) for other in row)) - row[label] for row, label in zip(logits, y.tolist(), strict=True)]
    loss, _ = run.step.update(x, y)
    assert float(loss) == pytest.approx(sum(nats) / 7, rel=1e-5)


def test_a_layer_at_rate_zero_stands_still_and_so_does_its_velocity(tmp_path):
    """source.md 1, 15."""
    batches = Batches(load("digits", cache=tmp_path, images=20), device="cpu", scale="standardised")
    run = trainer(batches)
    run.step.update(*batches.train(torch.arange(7)))
    before = run.state()
    sgd.set_rates(run.optimiser, 1.0, lambda layer: layer == "conv1")
    run.step.update(*batches.train(torch.arange(7, 14)))
    moved = {name for name, value in run.state().items() if not torch.equal(value, before[name])}
    layers = {row.name for row in tables.weighted(cuda_convnet.table("cuda_convnet_19pct"))} - {"conv1"}
    assert moved == {f"{what}.{layer}.{role}" for what in ("weight", "velocity") for layer in layers
                     for role in ("weight", "bias")}  # fmt: skip


def test_the_answer_for_a_photo_is_the_mean_of_the_softmax_outputs_of_its_ten_views(tmp_path):
    """§4.1; the mean of the logits would be another answer."""
    images = load("digits", cache=tmp_path, images=20)
    batches = PhotoBatches(from_images(images), device="cpu", size=24, scale="standardised")
    run = trainer(batches)
    run.net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 10))  # untrained, so that views disagree
    with torch.no_grad():
        run.net[1].weight.normal_(0, 0.1, generator=generator(0, "weight"))
        run.net[1].bias.zero_()
        logits, labels = zip(*((run.net(x.flatten(0, 1)), y) for x, y in batches.views(50)), strict=True)
    y = torch.cat(labels)
    each = torch.cat([part.unflatten(0, (10, -1)) for part in logits], dim=1).double()  # [10, photos, classes]
    shares = torch.exp(each) / torch.exp(each).sum(2, keepdim=True)
    expected = shares.mean(0).argmax(1) == y
    found = evaluate(run, ten_views)
    shown = torch.from_numpy(found.arrays["shares"])
    assert torch.equal(shown.argmax(1) == y, expected)
    assert found.values["views_error"] == pytest.approx(1 - float(expected.double().mean()))
    assert found.values["views_top5"] < found.values["views_error"]
    assert not torch.equal(expected, each.mean(0).argmax(1) == y)


def test_of_tied_classes_the_lower_one_leads(tmp_path):
    batches = Batches(load("digits", cache=tmp_path, images=20), device="cpu", scale="standardised")
    run = trainer(batches)
    with torch.no_grad():
        run.net.fc10.weight.zero_()  # all ten classes tie for every image, whose biases are equal
        error = testing.measure(run)["test_error"]
        top5 = torch.cat([testing.rank(run.logits(x), y) >= 5 for x, y in batches.test(500)]).double().mean()
    of_class = torch.cat([y for _, y in batches.test(500)]).bincount(minlength=10).double()
    assert error == pytest.approx(float(1 - of_class[0] / of_class.sum()))
    assert float(top5) == pytest.approx(float(1 - of_class[:5].sum() / of_class.sum()))


def test_the_page_has_every_row_in_its_part_with_its_tests_and_counts_them():
    shown = page(DIFFERENCES, PAPER)
    assert [row.number for _, _, rows in shown["parts"] for row in rows] == list(range(1, MANY + 1))
    assert sum(count for *_, count in shown["states"]) == MANY
    assert shown["tests"] == len({node for row in ROWS for node in row.tests})
    for row, difference in zip(shown["rows"], ROWS, strict=True):
        assert len(row.tests) == len(difference.tests)
        assert (row.source is None) == isinstance(difference.here, str)


def test_another_papers_differences_are_read_filled_and_drawn_by_the_same_code(tmp_path):
    path = tmp_path / "differences.yaml"
    path.write_text(
        "parts:\n  - title: Leaves\n    rows:\n"
        "      - number: 1\n        subject: How many\n        says: 14 leaves\n        does: 15 leaves\n"
        '        here: {paper: "{leaves} leaves", source: "{leaves} leaves and `one` more"}\n'
        "        lacks: no test counts them\n"
    )
    trees = Differences(path, lambda: {"leaves": 14})
    (row,) = page(trees, PAPER)["rows"]
    assert (row.paper, row.source, row.state) == ("14 leaves", "14 leaves and `one` more", "no test named")


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ("      - {number: 1, subject: a, says: b, does: c, here: d, test: [e]}\n", ":4:"),
        ("      - {number: 1, subject: a, says: b, does: c, here: {paper: d}}\n", ":4:"),
        (2 * "      - {number: 1, subject: a, says: b, does: c, here: d}\n", "row 1 stands after row 1"),
    ],
    ids=["unknown key", "one reading of two", "a number twice"],
)
def test_a_mistake_in_the_file_of_differences_is_refused_with_its_place(rows, place, tmp_path):
    path = tmp_path / "differences.yaml"
    path.write_text(f"parts:\n  - title: Leaves\n    rows:\n{rows}")
    with pytest.raises(ReproError, match=re.escape(place)):
        Differences(path, dict).parts()


def test_the_page_counts_every_point_once_and_those_without_a_test_apart():
    counts = {state: many for state, _, _, many in page(DIFFERENCES, PAPER)["states"]}
    assert sum(counts.values()) == MANY
    assert counts["no test named"] == sum(not row.tests for row in ROWS)
