"""Exact claims: counts as the paper and its source have them, verdicts, the files' strictness, pages, command line."""

from __future__ import annotations

import copy
import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import floor, inf, sqrt
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
import torch
import yaml

from repro.claim.counts import Count, Quantity
from repro.claim.files import ExactFile, SpecError, split
from repro.claim.files import load as load_of
from repro.claim.model import models_of
from repro.claim.problems import Problem
from repro.claim.yaml import Loc, read
from repro.contents import KINDS, PAPERS, load
from repro.nets import modules, tables
from repro.pages import write
from repro.pages.facts import numbers
from repro.pages.readme import results
from repro.papers.alexnet2012 import alexnet, facts
from repro.questions.counted import inspect_model
from repro.questions.facts import FACTS, Judged, judge_facts, judged, word, words
from repro.questions.quantities import Crops, RecordedDifference, SmallestDifference
from repro.train.seeds import generator

ROOT = Path(__file__).parent.parent
CLAIMS = ROOT / "claims"
SCHEMA = json.loads((CLAIMS / "claim.schema.json").read_text())
FILES: dict[str, ExactFile] = {
    file.id: file for file in (load(p) for p in sorted(CLAIMS.glob("*.yaml"))) if isinstance(file, ExactFile)
}
IMAGE = (3, 224, 224)
(FACT,) = models_of(KINDS.exact.model_fields["facts"].annotation)
TRUE, FALSE, OPEN = "true as printed", "false as printed", "inconclusive"


def fact(claim: str, start: str) -> Judged:
    (found,) = (f for f in judged(FILES[claim]) if f.fact.says.startswith(start))
    return found


def net(**options: Any) -> facts.Rows:
    return alexnet.table("source", **options)


# what is counted, against the paper's, the source's and torch's own numbers


def test_there_are_the_six_exact_claims_of_the_paper():
    assert set(FILES) == {
        "architecture", "augmentation_factor", "conv_share", "normalisation_constants", "stated_sizes",
        "validation_and_test",
    }  # fmt: skip


def test_every_count_of_the_net_is_that_of_the_built_module():
    rows = net()
    built = modules.build(rows, classes=1000, image=IMAGE, draw=lambda name: generator(0, "init", name)).eval()
    held = {name.rpartition(".")[0]: p.numel() for name, p in built.named_parameters() if name.endswith("weight")}
    biases = {name.rpartition(".")[0]: p.numel() for name, p in built.named_parameters() if name.endswith("bias")}
    assert facts.parameters(rows).value == 60_965_224 == sum(p.numel() for p in built.parameters())
    leaving: dict[str, int] = {}
    for name, part in built.named_children():
        part.register_forward_hook(lambda _, __, out, name=name: leaving.update({name: out[0].numel()}))
    with torch.no_grad():
        built(torch.zeros(1, *IMAGE))
    for row in tables.weighted(rows):
        assert facts.parameters(rows, row.name).value == held[row.name] + biases[row.name]
        assert facts.neurons(rows, row.name).value == leaving[row.name]
    assert [facts.neurons(rows, row.name).value for row in tables.weighted(rows)] == [
        290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000,
    ]  # fmt: skip
    assert facts.neurons(rows).value == 659_272
    assert facts.activated(rows).value == 7
    assert facts.kernels(rows, "conv2").value == (256, 5, 5, 48)
    assert facts.kernels(rows, "conv3").value == (384, 3, 3, 256)
    assert facts.inputs(rows).value == 150_528


def test_torchvisions_net_as_a_table_is_torchvisions_module():
    from torchvision.models import alexnet as built

    module = built().eval()
    held = tables.parameters(alexnet.TORCHVISION, IMAGE, floor)
    assert sum(held.values()) == 61_100_840
    weighted = [m for m in module.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert list(held.values()) == [sum(p.numel() for p in m.parameters()) for m in weighted]
    leaving: list[tuple[int, ...]] = []
    deviations = []
    for m in weighted:
        m.register_forward_hook(lambda _, __, out: leaving.append(tuple(out.shape[1:])))
        deviations.append(m.weight.detach().std().item())
    with torch.no_grad():
        module(torch.zeros(1, *IMAGE))
    through = list(tables.shapes(alexnet.TORCHVISION, IMAGE, floor))
    assert leaving == [out for row, _, out in through if isinstance(row, tables.Conv | tables.Dense)]
    assert [row.std for row in tables.weighted(alexnet.TORCHVISION)] == pytest.approx(deviations, rel=0.05)
    kinds = [type(m).__name__ for m in module.modules()]
    rows = [type(row).__name__ for row in alexnet.TORCHVISION]
    for kind, name in (("MaxPool2d", "Pool"), ("ReLU", "Activation"), ("Dropout", "Dropout")):
        assert kinds.count(kind) == rows.count(name)
    pools = [(m.kernel_size, m.stride) for m in module.modules() if isinstance(m, torch.nn.MaxPool2d)]
    assert pools == [(row.size, row.stride) for row in alexnet.TORCHVISION if isinstance(row, tables.Pool)]
    convolutions = [m for m in weighted if isinstance(m, torch.nn.Conv2d)]
    assert [(m.padding[0], m.stride[0], m.groups) for m in convolutions] == [
        (row.pad, row.stride, row.groups) for row in alexnet.TORCHVISION if isinstance(row, tables.Conv)
    ]


@pytest.mark.parametrize("activity", [0.5, 50.0])
def test_torchs_norm_is_the_sources_and_not_the_printed_formula(activity):
    """Five maps of one activity, in fp64: the middle one's sum runs over all five."""
    x = torch.full((1, 5, 1, 1), activity, dtype=torch.float64)
    by_torch = torch.nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)(x)[0, 2, 0, 0].item()
    alpha = {name: facts.norm_constant(alexnet.table(name), "lrn1", "alpha").value for name in ("paper", "source")}
    by_formula = {name: activity / (2 + a * 5 * activity**2) ** 0.75 for name, a in alpha.items()}
    assert by_torch == pytest.approx(by_formula["source"], rel=1e-12)
    assert alpha["paper"] == 1e-4
    assert by_torch > by_formula["paper"]


def test_the_shares_of_the_convolutions_are_those_of_the_catalogue():
    found = {name: round(facts.share(net(), name).value, 2) for name in ("conv1", "conv2", "conv3", "conv4", "conv5")}
    assert found == {"conv1": 0.06, "conv2": 0.50, "conv3": 1.45, "conv4": 1.09, "conv5": 0.73}
    assert round(facts.share(net(), "fc6").value, 1) == 61.9
    assert round(facts.relative(net(towers="one half"), "parameters").value, 1) == 98.1


@pytest.mark.parametrize("rounding", ["up", "down"])
@pytest.mark.parametrize("pool", [2, 3])
def test_sides_are_those_of_torchs_poolings_with_and_without_ceil_mode(rounding, pool):
    rows = net()
    x = torch.zeros(1, 1, *([facts.output_side(rows, "conv1", rounding).value] * 2))
    for name, convolutions in (("pool1", []), ("pool2", ["conv2"]), ("pool5", ["conv3", "conv4", "conv5"])):
        for convolution in convolutions:
            row = next(r for r in rows if getattr(r, "name", "") == convolution)
            x = torch.nn.functional.conv2d(x, torch.zeros(1, 1, row.size, row.size), padding=row.pad)
        x = torch.nn.functional.max_pool2d(x, pool, 2, ceil_mode=rounding == "up")
        assert facts.output_side(rows, name, rounding, pool).value == x.shape[-1]


def test_224_pixels_give_55_only_by_rounding_up():
    up, down = (facts.output_side(net(), "conv1", way) for way in ("up", "down"))
    assert (up.value, down.value) == (55, 54)
    assert up.arithmetic == (
        "conv1: 1 + (224 - 11) / 4 = 1 + 53.25, rounded up: 55; the last window reaches 3 px beyond, which count as "
        "zeros; whole windows alone: 54"
    )
    (conv1, *_), ((_, entering, _), *_) = net(), tables.shapes(net(), IMAGE)
    assert tables.ceil_zeros(conv1, entering) == (3, 3)
    assert facts.output_side(net(pooling="2/2"), "pool5").value == 6
    assert facts.output_side(net(), "pool5", pool=2).value == 7


def test_patches_are_those_that_can_be_cut_out():
    image = torch.arange(64).reshape(8, 8)
    patches = {tuple(part.flatten().tolist()) for row in image.unfold(0, 5, 1).unfold(1, 5, 1) for part in row}
    patches |= {tuple(torch.tensor(p).reshape(5, 5).flip(1).flatten().tolist()) for p in patches}
    assert Crops(kind="crops", image=8, crop=5, reflections=True).count().value == len(patches) == 32
    of_the_paper = Crops(kind="crops", image=256, crop=224, reflections=True).count()
    assert of_the_paper.value == 2178
    assert of_the_paper.arithmetic == "256 - 224 + 1 = 33; 33 × 33 × 2 = 2,178"


def test_standard_errors_are_those_of_counted_images():
    scipy_stats = pytest.importorskip("scipy.stats")
    one = sqrt(sum((scipy_stats.binom(n, 0.16).std() / n) ** 2 for n in (50_000, 100_000)))
    assert round(100 * one, 2) == 0.20
    least = SmallestDifference(kind="smallest_difference", error=16.0, images=[50_000, 100_000]).count()
    assert least.value == pytest.approx(196 * one, rel=1e-3)
    found = RecordedDifference(kind="difference", errors=[37.796, 37.6167], images=[50_000, 150_000]).count()
    assert found.value == pytest.approx(0.1793)
    one = sqrt(sum((scipy_stats.binom(n, p).std() / n) ** 2 for n, p in ((50_000, 0.37796), (150_000, 0.376167))))
    assert (found.low, found.high) == (0, pytest.approx(0.1793 + 196 * one, rel=1e-3))


def test_memory_counts_each_array_of_training_once():
    tiny = (tables.Conv("conv1", 2, size=11, stride=4, pad=0, std=0.1, decay=0.0), tables.Activation("relu"))
    found = facts.memory(tiny, 3)
    weights, outputs = 2 * (11 * 11 * 3 + 1), 2 * 55 * 55
    images = 3 * 224 * 224
    assert found.value * 2**30 == pytest.approx(4 * (3 * weights + 3 * (images + 2 * 2 * outputs)))
    assert found.low is not None
    assert found.low * 2**30 == pytest.approx(4 * (3 * weights + 3 * (images + 2 * outputs)))
    assert found.high == inf


def test_reading_towers_and_norms_decide_what_is_counted():
    assert facts.norms(net()).value == 3
    assert facts.norms(alexnet.table("paper")).value == 2
    assert facts.norms(net(norms="none")).value == 0
    assert not facts.norm_follows_activation(net(), "lrn1").value
    assert facts.norm_follows_activation(alexnet.table("paper"), "lrn1").value
    assert facts.norm_maps(net(), "lrn1").value == 48
    assert facts.norm_maps(net(towers="one half"), "lrn2").value == 128
    assert facts.norm_constant(net(), "lrn2", "alpha").value == pytest.approx(2e-5)
    assert facts.norm_constant(alexnet.table("paper"), "lrn2", "alpha").value == 1e-4
    with pytest.raises(ValueError, match="no layer lrn1 in this net"):
        facts.norm_maps(net(norms="none"), "lrn1")


def test_every_product_and_sum_of_the_pages_is_right():
    """Whatever stands on both sides of an equals sign, in arithmetic and in the claims' own words."""
    checked = 0
    for file in FILES.values():
        for f in judged(file):
            for text in (f.count.arithmetic, f.fact.because):
                for left, right, percent in re.findall(
                    r"((?:[\d,.]+ [×x+/-] )+[\d,.]+) (?:=|is) ([\d,.]*\d)( %)?", text
                ):
                    terms = left.replace(",", "").replace("×", "*").replace("x", "*")
                    value = eval(terms) * (100 if percent else 1)
                    digits = len(right.partition(".")[2])
                    assert value == pytest.approx(float(right.replace(",", "")), rel=1e-3, abs=0.5 * 10**-digits), text
                    checked += 1
    assert checked > 20
    assert 55 * 48 * 96 == 253_440
    assert "253,440 is 55 x 48 x 96" in fact("architecture", "The first layer has 253").fact.because
    assert 32 * 32 * 2 == 2048


# verdicts


@pytest.mark.parametrize(
    ("claim", "expected", "false"),
    [
        ("architecture", "true in part", 2),
        ("augmentation_factor", FALSE, 1),
        ("conv_share", "true in part", 2),
        ("normalisation_constants", "true in part", 5),
        ("stated_sizes", "true in part", 4),
        ("validation_and_test", OPEN, 0),
    ],
)
def test_each_claim_has_the_verdict_of_the_facts_that_it_rests_on(claim, expected, false):
    verdict = judge_facts(FILES[claim])
    assert (verdict.word, verdict.grade) == (expected, "exact")
    assert words(judged(FILES[claim])).get(FALSE, 0) == false
    many = len(FILES[claim].claim.facts)
    right = words(judged(FILES[claim])).get(TRUE, 0)
    assert verdict.why.startswith(f"{right} of {many} right") or many == 1


def test_the_findings_of_the_catalogue_are_facts_with_their_verdicts():
    assert fact("architecture", "The network has 60 million").word == TRUE
    assert fact("architecture", "The network has 650,000").word == FALSE
    assert fact("architecture", "The first layer has 253,440").word == FALSE
    assert {f.fact.says[:5] for f in judged(FILES["conv_share"]) if f.word == FALSE} == {"conv3", "conv4"}
    assert fact("normalisation_constants", "alpha").counted == "0.00002"
    assert [fact("normalisation_constants", name).word for name in ("k =", "n =", "beta =")] == [TRUE] * 3
    assert fact("stated_sizes", "The net is too big").word == OPEN
    assert fact("stated_sizes", "The ReLU").word == FALSE
    assert fact("stated_sizes", "Most of the parameters").counted == "61.93 %"
    assert fact("stated_sizes", "A label").counted == "9.966 bits"


def judge_one(printed: Any, compare: dict[str, Any], found: Count) -> str:
    made = {"says": "something", "quantity": {"kind": "inputs"}, "printed": printed, "compare": compare}
    return word(FACT.model_validate({**made, "because": "a test"}), found)


@pytest.mark.parametrize(
    ("printed", "compare", "value", "expected"),
    [
        (60e6, {"kind": "rounded", "unit": 1e6, "why": "x"}, 60_965_224, FALSE),
        (61e6, {"kind": "rounded", "unit": 1e6, "why": "x"}, 60_965_224, TRUE),
        (60e6, {"kind": "rounded", "unit": 1e7, "why": "x"}, 60_965_224, TRUE),
        (100, {"kind": "about", "share": 0.1, "why": "x"}, 110, TRUE),
        (100, {"kind": "about", "share": 0.1, "why": "x"}, 110.1, FALSE),
        (100, {"kind": "about", "share": 0.1, "why": "x"}, 89.9, FALSE),
        (1, {"kind": "at most"}, 1, TRUE),
        (1, {"kind": "at most"}, 1.0001, FALSE),
        (50, {"kind": "more than"}, 50, FALSE),
        (50, {"kind": "more than"}, 50.1, TRUE),
        (True, {"kind": "equals"}, True, TRUE),
        (True, {"kind": "equals"}, False, FALSE),
        ([1, 2], {"kind": "equals"}, (1, 2), TRUE),
        ([1, 2], {"kind": "equals"}, (2, 1), FALSE),
        (0.1, {"kind": "fine enough"}, 0.1, TRUE),
        (0.1, {"kind": "fine enough"}, 0.2, OPEN),
    ],
)
def test_a_comparison_says_true_up_to_its_bound_and_false_beyond(printed, compare, value, expected):
    assert judge_one(printed, compare, Count(value, "")) == expected


@pytest.mark.parametrize(
    ("low", "high", "most", "more"),
    [(0.0, 0.05, TRUE, FALSE), (0.0, 0.4, OPEN, OPEN), (0.2, 0.4, FALSE, TRUE), (0.05, inf, OPEN, OPEN)],
)
def test_a_range_across_the_bound_leaves_the_sentence_open(low, high, most, more):
    found = Count(0.1, "", "points", low, high)
    assert judge_one(0.1, {"kind": "at most"}, found) == most
    assert judge_one(0.1, {"kind": "more than"}, found) == more


# files


@pytest.fixture
def written(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    def written(data: dict[str, Any], name: str | None = None) -> Path:
        path = tmp_path / f"{name or data.get('id', 'x')}.yaml"
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        path.write_text(yaml.dump(data, Dumper=dumper, sort_keys=False, width=10**6, default_flow_style=False))
        return path

    return written


def problems(path: Path) -> list[Problem]:
    try:
        load(path)
    except SpecError as error:
        return error.problems
    return []


def plain(name: str) -> dict[str, Any]:
    return copy.deepcopy(FILES[name].document.data)


def distinct(name: str) -> dict[str, Any]:
    """The claim with one fact of each build: to change something in a second one of it would say nothing new."""
    data, builds = plain(name), {}
    for given in data["facts"]:
        build = (given.keys(), given["quantity"]["kind"], given["quantity"].keys(), given["compare"]["kind"])
        builds.setdefault(str(build), given)
    return data | {"facts": list(builds.values())}


def parts(data: Any, loc: Loc = ()) -> Iterator[Loc]:
    for part in data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        yield (*loc, part)
        yield from parts(data[part], (*loc, part))


def at(data: Any, loc: Loc) -> Any:
    for part in loc:
        data = data[part]
    return data


def renamed(data: dict[str, Any], loc: Loc, name: str) -> dict[str, Any]:
    out = copy.deepcopy(data)
    place = at(out, loc[:-1])
    items = [(name if key == loc[-1] else key, value) for key, value in place.items()]
    place.clear()
    place.update(items)
    return out


def changed(data: dict[str, Any], loc: Loc, value: Any) -> dict[str, Any]:
    out = copy.deepcopy(data)
    at(out, loc[:-1])[loc[-1]] = value
    return out


def without(data: dict[str, Any], loc: Loc) -> dict[str, Any]:
    out = copy.deepcopy(data)
    del at(out, loc[:-1])[loc[-1]]
    return out


OPTIONAL = {"section", "source", "nets", "assumptions", "figure", "table", "towers", "pooling", "layer", "pool"}
OPTIONAL |= {"rounding", "headline", "history"}


@pytest.mark.parametrize("name", FILES)
def test_an_exact_claim_is_valid_by_the_schema_and_names_it(name):
    assert jsonschema.Draft7Validator(SCHEMA).is_valid(plain(name))
    first = (CLAIMS / f"{name}.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=claim.schema.json"


@pytest.mark.parametrize("name", FILES)
def test_a_misspelled_key_of_an_exact_claim_is_refused_at_its_line_with_the_nearest_name(name, written):
    data, wrong = distinct(name), []
    for loc in parts(data):
        if not isinstance(loc[-1], str):
            continue
        misspelled = loc[-1] + loc[-1][-1]
        mutated = renamed(data, loc, misspelled)
        path = written(mutated, name)
        line = read(path).place((*loc[:-1], misspelled), key=True)[0]
        found = problems(path)
        if [p.line for p in found] != [line] or f"did you mean {loc[-1]}?" not in found[0].text:
            wrong.append((loc, line, found))
        assert not jsonschema.Draft7Validator(SCHEMA).is_valid(mutated), loc
    assert not wrong


WRONG: dict[type, list[Any]] = {
    bool: ["x", {"x": 1}, None],
    int: ["two", {"x": 1}, -1, -(10**15), None],
    float: ["two", {"x": 1}, -1.0, None],
    str: ["", 7, ["x"], {"x": 1}, None],
    list: ["x", -7, {"x": 1}, [], None],
    dict: ["x", 7, ["x"], None],
}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_value_of_an_exact_claim_is_refused_at_its_line(name, written):
    data, wrong = distinct(name), []
    for loc in parts(data):
        for other in WRONG[type(at(data, loc))]:
            path = written(changed(data, loc, other), name)
            document, found = read(path), problems(path)
            if loc[-1] in OPTIONAL and other is None:
                continue  # as if it were not there
            if loc[-1] in ("nets", "assumptions", "history") and other == []:
                continue
            if document.place(loc)[0] not in [p.line for p in found]:
                wrong.append((loc, other, found))
    assert not wrong


@pytest.mark.parametrize("name", FILES)
def test_what_is_left_out_of_an_exact_claim_is_refused_or_optional(name, written):
    data, wrong = distinct(name), []
    for loc in parts(data):
        if isinstance(loc[-1], int):
            continue
        path = written(without(data, loc), name)
        found = problems(path)
        if loc[-1] in OPTIONAL and loc != ("paper", "section") and loc[-1] != "layer":
            # the fact may no longer fit its other parts, or be one that stands there already; but nothing is missing
            right = not any("missing" in p.text for p in found)
        elif loc[-1] == "layer":
            right = not found or found[0].text.startswith(".".join(map(str, loc))) or "counted before" in found[0].text
        else:
            text = f"{'.'.join(map(str, loc))}: missing; expected "
            right = [p.line for p in found] == [read(path).place(loc)[0]] and found[0].text.startswith(text)
        if not right:
            wrong.append((loc, found))
    assert not wrong


def base(**changes: Any) -> dict[str, Any]:
    one = {
        "says": "The net has 60 million parameters",
        "quantity": {"kind": "parameters"},
        "printed": 60000000,
        "compare": {"kind": "equals"},
        "because": "a test",
    } | changes
    return {
        "id": "x",
        "version": 1,
        "kind": "inspect",
        "paper": {"name": "alexnet2012", "section": "1", "says": "A sentence about the net."},
        "question": "How many parameters?",
        "facts": [one],
    }


KERNELS = {"kind": "kernels", "layer": "conv1"}


@pytest.mark.parametrize(
    ("changes", "loc", "said"),
    [
        ({"quantity": {"kind": "parametres"}}, ("quantity", "kind"), "did you mean parameters?"),
        ({"quantity": {"kind": "neurons", "layer": "conv33"}}, ("quantity", "layer"), "did you mean conv3?"),
        ({"quantity": {"kind": "neurons", "layr": "conv3"}}, ("quantity", "layr"), "did you mean layer?"),
        ({"quantity": {"kind": "neurons", "batch": 3}}, ("quantity", "batch"), "batch: not a known key"),
        ({"quantity": {"kind": "parameters", "towers": "three"}}, ("quantity", "towers"), "two or one half or"),
        ({"compare": {"kind": "about", "why": "rough"}}, ("compare",), "share: missing; expected a number above 0"),
        ({"compare": {"kind": "about", "share": 0.1}}, ("compare",), "why: missing"),
        ({"compare": {"kind": "close to"}}, ("compare", "kind"), "expected equals or rounded or about or at most or"),
        ({"compare": {"kind": "equals", "share": 0.1}}, ("compare", "share"), "not a known key"),
        ({"compare": {"kind": "rounded", "unit": 7e6, "why": "x"}}, ("compare",), "of which 6e+07 is a multiple"),
        ({"compare": {"kind": "fine enough"}}, ("compare",), "goes with smallest_difference"),
        ({"printed": True}, ("printed",), "found true or false; expected a number"),
        ({"printed": [1, 2]}, ("printed",), "found a list; expected a number"),
        ({"printed": "60 million"}, ("printed",), "found '60 million'; expected"),
        ({"quantity": {"kind": "kernels", "layer": "conv1"}, "printed": [96, 11]}, ("printed",), "expected 4 numbers"),
        (
            {"quantity": KERNELS, "printed": [1, 2, 3, 4], "compare": {"kind": "at most"}},
            ("compare",),
            "compares numbers",
        ),
        ({"quantity": {"kind": "memory", "batch": 128}, "printed": 3}, ("compare",), "the data give a range"),
        (
            {"quantity": {"kind": "norm_maps", "layer": "lrn1", "norms": "none"}},
            ("quantity",),
            "no layer lrn1 in this net",
        ),
        ({"quantity": {"kind": "quotient", "of": [1, 0]}}, ("quantity",), "divided by 0"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_in_a_fact_is_refused_where_it_stands(changes, loc, said, written):
    path = written(base(**changes))
    (found,) = problems(path)
    places = (read(path).place(("facts", 0, *loc)), read(path).place(("facts", 0, *loc), key=True))
    assert (found.line, found.column) in places
    assert said in found.text


def test_all_mistakes_of_an_exact_claim_come_at_once_with_file_line_and_column(written):
    data = base(compare={"kind": "abot", "share": 0.1}) | {"id": "y", "version": 0, "nets": ["torchvison"]}
    path = written(data, "x")
    with pytest.raises(SpecError) as error:
        load(path)
    lines = str(error.value).splitlines()
    assert len(lines) == 4
    assert all(re.match(rf"{re.escape(str(path))}:\d+:\d+: ", line) for line in lines)
    for said in ("id: found 'y'", "version: found 0", "did you mean about?", "did you mean torchvision?"):
        assert any(said in line for line in lines)


def test_a_fact_is_counted_once_and_a_net_shown_once(written):
    data = base()
    data["facts"].append(copy.deepcopy(data["facts"][0]))
    (found,) = problems(written(data))
    assert "facts.1.quantity: counted before" in found.text
    (found,) = problems(written(base() | {"nets": ["source", "source"]}))
    assert "nets: source stands twice" in found.text


def test_the_kind_is_asked_for_where_facts_are_given(written):
    (found,) = problems(written(without(base(), ("kind",))))
    assert found.text.startswith("kind: missing; expected inspect")
    (found,) = problems(written(base() | {"kind": "inspct"}))
    assert "kind: found 'inspct'; expected inspect" in found.text
    (found,) = problems(written(base() | {"arms": {"a": {}}}))
    assert found.text.startswith("arms: not a known key")


class Leaves(Quantity):
    """The leaves of a tree with so many branches."""

    kind: Literal["leaves"]
    branches: int

    def count(self) -> Count:
        return Count(2 * self.branches, f"2 × {self.branches} = {2 * self.branches}")


def test_a_paper_with_one_quantity_of_its_own_has_it_and_no_other_papers(written):
    trees = replace(PAPERS[0], id="trees2026", quantities=(Leaves,), listed={})
    data = base(quantity={"kind": "leaves", "branches": 7}, printed=14)
    path = written(data | {"paper": data["paper"] | {"name": "trees2026"}})
    alone = replace(KINDS, papers=(trees,), exact=inspect_model((trees,)))
    (found,) = judged(load_of(path, alone))
    assert (found.word, found.count.arithmetic) == (TRUE, "2 × 7 = 14")
    assert "conv1" not in json.dumps(alone.schema.whole["definitions"]["Inspect"])
    names = alone.schema.whole["definitions"]
    assert "Leaves" in names
    assert not {"Whole", "OfLayers", "OutputSide"} & names.keys()
    both = replace(KINDS, papers=(*PAPERS, trees), exact=inspect_model((*PAPERS, trees)))
    assert judged(load_of(path, both))[0].word == TRUE
    for change in ({"quantity": {"kind": "parameters"}}, {"nets": ["torchvision"]}):
        other = base(**change) if "quantity" in change else data | change
        with pytest.raises(SpecError, match=r"is counted of another paper|is no net of trees2026"):
            load_of(written(other | {"paper": data["paper"] | {"name": "trees2026"}}), both)


# pages and commands


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pages")
    write(list(FILES.values()), {"reference": {}}, out)
    return out


@pytest.mark.parametrize("name", FILES)
def test_a_page_shows_every_fact_with_its_arithmetic_and_both_values(name, pages):
    import html

    page = re.sub(r"</?a\b[^>]*>", "", (pages / f"{name}.html").read_text())  # citations are links
    page = html.unescape(page).replace("−", "-").replace("’", "'")
    page = page.replace("\u202f", " ").replace("\u00a0", " ").replace("\u2060", "")
    for f in judged(FILES[name]):
        for text in (f.fact.says, f.printed, f.counted, f.count.arithmetic, f.fact.because, f.fact.source or ""):
            assert text.replace("source.md", "source facts") in page, text
    assert page.count('<tbody class="fact">') == len(FILES[name].claim.facts)
    assert "<script" not in page


@pytest.mark.parametrize("name", FILES)
def test_a_page_marks_the_facts_that_decide_and_the_case_that_gives_the_verdict(name, pages):
    page = (pages / f"{name}.html").read_text()
    rows = re.findall(r'(?s)<tbody class="fact">(.*?)</tbody>', page)
    assert [">decides<" in row for row in rows] == [fact.headline for fact in FILES[name].claim.facts]
    rule = page[page.index('<table class="rule">') :]
    assert [">this verdict<" in row for row in re.findall(r"(?s)<tr[ >].*?</tr>", rule)[1:]] == [
        case.word == judge_facts(FILES[name]).word for case in FACTS
    ]


def test_the_architecture_page_shows_both_nets_side_by_side_with_their_sums(pages):
    page = (pages / "architecture.html").read_text()
    for text in ("60,965,224", "61,100,840", "724,406,816", "659,272", "64 × 11 × 11 × 3", "96 × 11 × 11 × 3"):
        assert text in page
    assert "apart in conv2, conv4 and conv5" in page
    assert "2 on every side" in page
    assert "3 right and bottom" in page
    whole = json.loads((pages / "architecture.json").read_text())
    assert set(whole["nets"]) == {"source", "torchvision"}


@pytest.mark.parametrize("name", FILES)
def test_the_same_stands_beside_the_page_as_data(name, pages):
    whole = json.loads((pages / f"{name}.json").read_text())
    assert whole["verdict"]["word"] == judge_facts(FILES[name]).word
    with open(pages / f"{name}.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == [f["verdict"] for f in whole["facts"]]
    assert [row["arithmetic"] for row in rows] == [f.count.arithmetic for f in judged(FILES[name])]


def test_the_index_lists_exact_claims_among_the_others(pages, tmp_path):
    index = (pages / "index.html").read_text()
    for mark, name in (('<circle class="true"', "true as printed"), ('class="cross"', "false as printed")):
        assert index.count(mark) == sum(numbers(file).get(name, 0) for file in FILES.values())
    assert index.count('data-grade="exact"') == len(FILES)
    everything = [load(path) for path in sorted(CLAIMS.glob("*.yaml"))]
    trained, exact = split(everything)
    write(everything, {"reference": {}}, tmp_path)
    index = (tmp_path / "index.html").read_text()
    assert all(index.count(f'href="{file.id}.html"') == 1 for file in everything)
    for file in exact:
        here, alone = (re.sub(r"(?s)<nav class=.nearby.*?</nav>", "", (folder / f"{file.id}.html").read_text())
                       for folder in (tmp_path, pages))  # fmt: skip
        assert here == alone
    assert trained


def test_the_table_of_the_readme_has_a_row_for_each(tmp_path):
    lines = results(list(FILES.values()), {}).splitlines()
    assert len(lines) == 2 + len(FILES)
    assert lines[2].startswith("| [architecture](reports/reference/architecture.html) | ")
    assert lines[2].endswith(" | 17 facts | – | – | 2 false, 15 true | `true in part` | exact | – | – |")


def run(*words: object) -> subprocess.CompletedProcess:
    """The command in a process where torch cannot be imported."""
    script = (
        "import sys; sys.modules.update(torch=None, torchvision=None); from repro.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", script, *map(str, words)]
    env = {key: value for key, value in os.environ.items() if key != "REPRO_DATA"} | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300)


def test_exact_claims_are_run_without_torch_at_whatever_scale_is_asked_for(tmp_path):
    claims = [CLAIMS / "conv_share.yaml", CLAIMS / "validation_and_test.yaml"]
    done = run("run", *claims, "--scale", "paper", "--runs", tmp_path / "runs", "--out", tmp_path / "pages")
    assert done.returncode == 0, done.stderr
    assert "conv_share, counted: TRUE IN PART. conv3 holds no more than 1 %" in done.stdout
    assert "validation_and_test, counted: INCONCLUSIVE." in done.stdout
    assert (tmp_path / "pages" / "conv_share.html").is_file()
    assert (tmp_path / "pages" / "relu_speedup.html").is_file()


def test_plan_list_and_show_know_exact_claims(tmp_path):
    done = run("plan", CLAIMS / "conv_share.yaml")
    assert "conv_share: nothing is to be trained; 5 fact(s) to count" in done.stdout
    assert re.search(r"conv_share +§1 +exact", run("list").stdout)
    shown = run("show", CLAIMS / "conv_share.yaml", "--scale", "small").stdout
    assert "printed at most 1 %, found 1.452 %: false as printed" in shown
    assert "885,120 / 60,965,224 = 1.452 %" in shown
    assert re.search(r"claims/conv_share\.yaml:\d+", shown)
    refused = run("show", CLAIMS / "conv_share.yaml", "--arm", "relu")
    assert refused.returncode == 2
    assert "has none" in refused.stderr


def test_exact_and_trained_claims_are_run_together(tmp_path):
    words = ("--scale", "smoke", "--runs", tmp_path / "runs", "--out", tmp_path / "pages", "--data", tmp_path)
    claims = (CLAIMS / "conv_share.yaml", CLAIMS / "cifar_trace.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "repro", "run", *map(str, (*claims, *words))],
        capture_output=True, text=True, cwd=ROOT, timeout=300,
        env={key: value for key, value in os.environ.items() if key != "REPRO_DATA"} | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "conv_share, counted: TRUE IN PART." in done.stdout
    assert "cifar_trace, smoke scale: the machinery works here. The reference verdict: " in done.stdout
