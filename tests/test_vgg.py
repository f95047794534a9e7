"""The 11-layer net of 2014: its table held to torchvision's net, and its options checked as those of any other net."""

from __future__ import annotations

import re
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
import torch
import torchvision
from simulator import fill
from test_claims_on_photos import claim, page

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, SpecError, run_config
from repro.contents import load
from repro.nets import modules, tables
from repro.nets.layers import CrossMapNorm, Scale
from repro.papers.alexnet2012 import alexnet
from repro.papers.vgg2014 import vgg
from repro.train.seeds import generator

ROOT = Path(__file__).parent.parent
IMAGE = (3, 224, 224)


def theirs() -> torch.nn.Module:
    with torch.device("meta"):
        return torchvision.models.vgg11()


def built(image: tuple[int, int, int] = (3, 32, 32), classes: int = 10, **options) -> torch.nn.Sequential:
    return modules.build(vgg.table(classes=classes, **options), classes=classes, image=image,
                         draw=lambda name: generator(0, name))  # fmt: skip


def test_the_table_has_the_parameters_of_torchvision_s_vgg11_layer_by_layer():
    counts = tables.parameters(vgg.table(), IMAGE)
    modules = [m for m in theirs().modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert list(counts.values()) == [sum(p.numel() for p in module.parameters()) for module in modules]
    assert sum(counts.values()) == sum(p.numel() for p in theirs().parameters()) == 132_863_336
    # Table 2 of Simonyan and Zisserman: 133 million
    assert round(sum(counts.values()) / 1e6) == 133


def test_every_layer_has_the_shape_of_torchvision_s():
    found = []
    net = theirs()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear | torch.nn.MaxPool2d):
            module.register_forward_hook(lambda _, __, out: found.append(tuple(out.shape[1:])))
    net(torch.empty(1, *IMAGE, device="meta"))
    kinds = (tables.Conv, tables.Dense, tables.Pool)
    ours = [leaving for row, _, leaving in tables.shapes(vgg.table(), IMAGE) if isinstance(row, kinds)]
    assert ours == found


def test_initial_deviations_are_those_of_torchvision():
    torch.manual_seed(0)
    net = torchvision.models.vgg11()
    weights = [m.weight.detach() for m in net.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    for row, weight in zip(tables.weighted(vgg.table()), weights, strict=True):
        assert float(weight.std()) == pytest.approx(row.std, rel=0.05), row.name
        assert row.bias == 0


def test_with_torchvision_s_weights_it_answers_as_torchvision_s_net():
    torch.manual_seed(0)
    other = torchvision.models.vgg11(num_classes=10).eval()
    rows = vgg.table(classes=10, dropout=0.0)
    with torch.device("meta"):
        net = modules.module(rows, IMAGE)
    net = net.to_empty(device="cpu")
    weights_of_theirs = [m for m in other.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    with torch.no_grad():
        for row, module in zip(tables.weighted(rows), weights_of_theirs, strict=True):
            net.get_parameter(f"{row.name}.weight").copy_(module.weight)
            net.get_parameter(f"{row.name}.bias").copy_(module.bias)
        x = torch.randn(1, *IMAGE, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(net(x), other(x), rtol=1e-4, atol=1e-5)


def test_the_norm_is_the_one_of_2012_and_stands_behind_the_first_non_linearity_alone():
    plain, normed, scaled = (vgg.table(norms=norms) for norms in ("none", "first", "scale only"))
    place = next(i for i, row in enumerate(normed) if isinstance(row, tables.CrossMapNorm))
    assert (normed[:place], normed[place + 1 :]) == (plain[:place], plain[place:])
    assert [type(row) for row in normed[:place]] == [tables.Conv, tables.Activation]
    of_2012 = next(row for row in alexnet.PAPER if isinstance(row, tables.CrossMapNorm))
    assert normed[place] == replace(of_2012, groups=1), "the same, over all maps: here is one tower"
    assert scaled[place] == tables.Scale("lrn1", 2**-0.75)
    layers = {norms: [type(m) for m in built(norms=norms, width=0.05)] for norms in ("none", "first", "scale only")}
    assert [CrossMapNorm in found for found in layers.values()] == [False, True, False]
    assert [Scale in found for found in layers.values()] == [False, False, True]


def test_width_and_dropout_are_options_and_32_pixels_are_enough():
    narrow = tables.weighted(vgg.table(width=0.0625, classes=7))
    assert [tables_out(row) for row in narrow] == [4, 8, 16, 16, 32, 32, 32, 32, 256, 256, 7]
    assert sum(isinstance(row, tables.Dropout) for row in vgg.table(dropout=0.0)) == 0
    assert [row.keep for row in vgg.table(dropout=0.25) if isinstance(row, tables.Dropout)] == [0.75, 0.75]
    assert built(width=0.0625, dropout=0.0)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    with pytest.raises(ValueError, match="pool5 of size 2 does not fit its input"):
        list(tables.shapes(vgg.table(), (3, 16, 16)))


def tables_out(row: tables.Conv | tables.Dense) -> int:
    return row.maps if isinstance(row, tables.Conv) else row.units


def test_a_run_of_it_has_its_own_options_and_no_others():
    config = run_config(claim("vgg_lrn").at("paper"), "lrn", seed=0)
    assert config.model.model_dump(exclude={"init"}) == {
        "kind": "vgg11", "activation": "relu", "width": 1.0, "norms": "first", "dropout": 0.5,
    }  # fmt: skip
    assert config.model.init["conv5_2"] == pytest.approx((2 / (9 * 512)) ** 0.5)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kind: vgg11, norms: none", "kind: vgg11, norms: none, conv6: true", "model.conv6: is for alexnet alone"),
        ("kind: vgg11, norms: none", "kind: vgg11, norms: none, bias: 0.5", "model.bias: is for alexnet alone"),
        (
            "layer 1, model.norms: first}",
            "layer 1, model.norms: both}",
            "arm lrn: model.norms: found 'both'; expected none or first or scale only",
        ),
    ],
)  # fmt: skip
def test_options_that_it_lacks_are_refused_at_their_line(old, new, says, tmp_path):
    text = (ROOT / "claims" / "vgg_lrn.yaml").read_text()
    assert old in text
    path = tmp_path / "vgg_lrn.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        load(path)
    assert says in str(caught.value)


def test_beside_the_tables_of_layers_no_code_that_trains_or_judges_names_a_net():
    """DESIGN: the same machinery serves the next paper. Where a rule stands in a paper may be cited."""
    rooms = ("claim", "store", "questions", "train", "engine")
    named = {
        f"{path.name}: {word}"
        for room in rooms
        for path in (ROOT / "repro" / room).glob("*.py")
        for word in re.findall(r"\b(?:alexnet|vgg11|vgg)\b", path.read_text().replace("(AlexNet §", ""), re.IGNORECASE)
    }
    assert not named


def close(config: RunConfig, epoch: float) -> float:
    """A tenth of a point for each seed, and a twentieth more with the norm."""
    return max(0.3 + 0.001 * config.seed + 0.0005 * (config.model.norms == "first"), 0.9 - 0.01 * epoch)


def test_it_stands_beside_the_claim_of_2012_on_the_pages(tmp_path):
    ours, of_2012 = claim("vgg_lrn"), claim("lrn_imagenet")
    later = next(record for record in of_2012.claim.paper.later if record.claim)
    assert (later.claim, ours.paper.id) == ("vgg_lrn", "vgg2014")
    record = page(of_2012, {}, tmp_path / "before", ours)
    assert "ours vgg_lrn: not run" in record
    table = fill(tmp_path / "runs", ours, "medium", close).table()
    record = page(of_2012, table, tmp_path / "after", ours)
    assert "ours vgg_lrn: +0.05 points (+0.05 to +0.05), agrees at medium scale: Imagenette" in record
    own = page(ours, table, tmp_path / "own")
    assert "the paper +0.1 points" not in own, "another paper's sentence has no notes beside it"
    assert "agrees at medium scale" in own


def test_an_untrained_net_answers_as_chance_does():
    net = built(width=0.0625, dropout=0.0)
    x = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    loss = torch.nn.functional.cross_entropy(net(x), torch.arange(64) % 10)
    assert float(loss.detach()) == pytest.approx(log(10), abs=0.02)


def test_the_claim_on_this_net_is_of_its_own_paper():
    file = load(ROOT / "claims" / "vgg_lrn.yaml")
    assert isinstance(file, ClaimFile)
    assert file.paper.id == "vgg2014"
