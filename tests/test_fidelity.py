"""The table of differences between text and source: whole, held by tests that exist, and of the tables' own numbers."""

import ast
import re
from dataclasses import replace
from math import exp, log
from pathlib import Path

import pytest
import torch

from repro.data import augment
from repro.data.batches import Batches
from repro.data.sets import load
from repro.models import alexnet, fidelity, tables
from repro.models.fidelity import DIFFERENCES, DRAWN, PARTS, filled
from repro.report.fidelity import training_defaults
from repro.train import loop

ROOT = Path(__file__).parent.parent
ROWS = 38  # of source.md 1
# what has digits and is a name: sections, layers, words in backticks
NAMES = re.compile(r"`[^`]*`|§[\d.]+|\b[a-z]+\d\b|\blayer \d\b")


def numbers(text: str) -> set[str]:
    found = re.findall(r"\d[\d,]*(?:\.\d+)?", NAMES.sub(" ", text))
    return {number.rstrip(",").replace(",", "") for number in found}


def strangers() -> dict[int, set[str]]:
    """By row, the numbers of what is done here that neither the paper nor the source has there."""
    train = training_defaults()
    found = {
        row.number: numbers(" ".join(filled(row, train))) - numbers(f"{row.says} {row.does}") for row in DIFFERENCES
    }
    return {number: left for number, left in found.items() if left}


def named_in(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_row_of_the_source_is_there_once_in_order():
    assert [row.number for row in DIFFERENCES] == list(range(1, ROWS + 1))
    assert len({row.subject for row in DIFFERENCES}) == ROWS
    assert next(iter(PARTS.values())) == 1
    assert list(PARTS.values()) == sorted(PARTS.values())
    for row in DIFFERENCES:
        assert row.says
        assert row.does
        assert all(filled(row, training_defaults()))


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: str(row.number))
def test_every_row_is_held_by_tests_that_exist_or_says_why_not(row):
    assert row.tests or row.lacks
    assert len(set(row.tests)) == len(row.tests)
    for node in row.tests:
        file, _, name = node.partition("::")
        assert name in named_in(ROOT / file), node


def test_what_two_readings_do_differs_where_two_are_told():
    for row in DIFFERENCES:
        paper, source = filled(row, training_defaults())
        assert (paper != source) == isinstance(row.here, tuple), row.number


def test_no_number_of_what_is_done_here_is_typed():
    for row in DIFFERENCES:
        for text in (row.here,) if isinstance(row.here, str) else row.here:
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
    assert len(augment.ten_views(fidelity.BORDER)) == DRAWN["views"]
    of = augment.Components(torch.tensor([0.0, 0.0, fidelity.BRIGHTNESS**2]).numpy(), torch.eye(3).numpy())
    for reading in ("paper", "source"):
        drawn = augment.draw(
            64_000, torch.Generator().manual_seed(0), border=fidelity.BORDER, crops=reading, colour=reading, of=of
        )
        assert int(drawn.y.max()) + 1 == DRAWN[f"{reading}_places"]
        assert augment.outcomes(fidelity.BORDER, reading, True) == DRAWN[f"{reading}_outcomes"]
        assert float(drawn.shift[:, 2].std()) == pytest.approx(DRAWN[f"{reading}_levels"], rel=0.02)
        assert drawn.divisor == (DRAWN["divisor"] if reading == "source" else 1)


def test_the_loss_is_minus_the_natural_logarithm_of_the_probability_of_the_right_label(tmp_path):
    """source.md 1, 29; the sum of the source is divided by the size of the minibatch, as its gradient is (row 15)."""
    images = load("digits", cache=tmp_path, images=20)
    rows = tables.weighted(tables.table("cuda_convnet_19pct"))
    batches = Batches(images, device="cpu", scale="standardised")
    run = loop.trainer(
        model={"kind": "cuda_convnet_19pct", "init": "he", "width": 0.25},
        train={"batch": 7, "lr": 0.01, "bias_lr": 2.0, "momentum": 0.9, "order": "repeated", "file_images": 20,
               "weight_decay": {row.name: 0.0 for row in rows}},
        seed=0, precision="fp32", batches=batches,
    )  # fmt: skip
    index = torch.arange(7)
    x, y = batches.train(index)
    with torch.no_grad():
        logits = run.net(x).double().tolist()
    nats = [log(sum(exp(other) for other in row)) - row[label] for row, label in zip(logits, y.tolist(), strict=True)]
    loss, _ = run.update(index)
    assert float(loss) == pytest.approx(sum(nats) / 7, rel=1e-5)
