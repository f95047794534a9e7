"""The page of a paper's nets: read off their tables, and off the runs that there are; nothing is made up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torchvision
from simulator import fill, straight
from test_report import ROOT, Page, beside_the_bundle, opened

from repro.contents import load, load_all
from repro.draw import blocks
from repro.draw.blocks import Block
from repro.nets import tables
from repro.pages import nets, write
from repro.papers.alexnet2012 import PAPER
from repro.store import Store


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of all claims before any run."""
    out = tmp_path_factory.mktemp("before")
    write(load_all([ROOT / "claims"]), {"reference": {}}, out)
    return out


def marked(cell: nets.Cell) -> list[str]:
    return [text for text, differs in cell.lines if differs] + [f"no {kind}" for kind in cell.lacks]


def test_every_layer_of_every_net_is_there_and_marked_where_it_differs_from_the_first():
    layers = dict(nets.page(PAPER, {}, [], ())["layers"])
    for net in PAPER.listed.values():
        assert {row.name for row in tables.weighted(net.rows)} <= layers.keys()
    printed, released, torchvision = layers["after conv1"]
    assert not marked(printed)
    assert [text for text, _ in released.lines][-1] == "ReLU"
    assert any("α 0.00002" in text for text in marked(released))
    assert "no norm across maps" in marked(torchvision)
    assert marked(layers["conv3"][1]) == ["initial deviation 0.03"]
    assert "no dropout" in marked(layers["after fc7"][2])
    assert not marked(layers["fc7"][1])


def test_the_initial_biases_of_torchvisions_net_are_those_that_torchvision_draws():
    layers = dict(nets.page(PAPER, {}, [], ())["layers"])
    drawn = [tensor for name, tensor in torchvision.models.alexnet().named_parameters() if name.endswith("bias")]
    for row, biases in zip(tables.weighted(PAPER.listed["torchvision"].rows), drawn, strict=True):
        (text,) = [text for text in marked(layers[row.name][2]) if "initial biases" in text]
        bound = float(text.rpartition("±")[2])
        assert 0.9 * bound < biases.abs().max().item() < 1.01 * bound, row.name


def test_maps_that_a_layer_reads_in_parts_are_drawn_apart():
    drawn = {block.name: block for block in nets._blocks(PAPER.listed["paper"])}
    assert [name for name, block in drawn.items() if block.parts == 2] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert [name for name, block in drawn.items() if block.reads == 2] == ["conv2", "conv4", "conv5"]
    assert {block.parts for block in nets._blocks(PAPER.listed["torchvision"])} == {1}


@pytest.mark.parametrize(("reads", "lines"), [(1, 4), (2, 2)])
def test_parts_are_joined_with_what_they_read(reads: int, lines: int):
    drawing = blocks.svg("a", "a net", "two layers", [Block("one", 4, 8, 2, 1), Block("two", 4, 8, 2, reads)], 720)
    assert drawing.count("<path") == lines
    assert drawing.count("<rect") == 4


def test_before_any_run_it_says_so_and_has_the_papers_hours_alone(before):
    page = Page(before / "nets.html")
    assert "No run on this shelf has kernels to draw." in page.text
    assert "No training and no timing of this net is on this shelf." in page.text
    assert page.count("img") == 0
    # 90 x 1.2 million images at 250 and at 208 a second
    assert "90 cycles through 1,200,000 images208 to 250120 to 144" in page.text
    assert "../" not in "".join(page.refers)
    assert "nets.html" in Page(before / "training_cost.html").refers
    assert "nets.html" in Page(before / "architecture.html").refers


def test_hours_are_those_of_the_training_that_saw_most_images(before, tmp_path):
    file = load(ROOT / "claims" / "dropout_overfitting.yaml")
    store = fill(tmp_path / "runs", file, "medium", straight(0.01))
    claims = [file, load(ROOT / "claims" / "training_cost.yaml")]
    write(claims, {"reference": store.table()}, beside_the_bundle(before, tmp_path / "out"))
    text = (tmp_path / "out" / "nets.html").read_text()
    (row,) = re.findall(r"<tr>(<th[^>]*>ours,.*?)</tr>", text, re.DOTALL)
    (id,) = re.findall(r">([0-9a-f]{16})</a>", row)
    run = store.table()[id]
    assert len(run.epochs) == max(len(other.epochs) for other in store.table().values())
    seconds = sum(epoch["seconds"] for epoch in run.epochs)
    assert row.endswith(f'<td class="number">{seconds / 3600:.2g}</td>')
    assert "No training and no timing" not in text


def test_kernels_are_drawn_from_the_evaluation_of_the_first_seed(before, tmp_path):
    file = load(ROOT / "claims" / "tower_specialisation.yaml")
    table = Store(ROOT / "runs" / "reference").table()
    write([file], {"reference": table}, beside_the_bundle(before, tmp_path / "out"))
    page = Page(tmp_path / "out" / "nets.html")
    (picture,) = [attrs for tag, attrs in page.tags if tag == "img"]
    runs = [run for run in table.values() if run.is_evaluation and run.options["kind"] == "kernels" and run.seed == 0]
    many = len(runs[0].array("kernels"))
    assert f"The {many} kernels of conv1, seed 0" in (picture["alt"] or "")
    assert "the 96 kernels of its conv1" in page.text
    assert f"in the same arrangement, has {many}" in page.text


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (820, "dark"), (390, "light")])
@pytest.mark.parametrize("script", [True, False])
def test_it_opens_from_disk_without_complaint_or_network(chromium, before, width, scheme, script):
    view = {"width": width, "height": 900}
    page, complaints, requests = opened(
        chromium, before / "nets.html", viewport=view, color_scheme=scheme, java_script_enabled=script
    )
    assert not complaints
    assert all(url.startswith(("file:", "data:")) for url in requests)
    if script:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".net svg:visible").count() == len(PAPER.listed)
    page.context.close()
