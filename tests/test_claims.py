"""Claims as files: both are valid, and whatever is changed in them is refused at its line, or means the default."""

import copy
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from repro.claim.config import addressed
from repro.claim.files import ClaimFile, SpecError, run_config, sources
from repro.claim.model import Arm, Claim, TrainSpec
from repro.claim.problems import Problem
from repro.claim.yaml import Document, Loc, read
from repro.contents import KINDS, PAPERS, load
from repro.data.known import KNOWN
from repro.errors import ReproError
from repro.nets import tables
from repro.papers.alexnet2012 import cuda_convnet

CLAIMS = Path(__file__).parent.parent / "claims"
# claims that are trained; tests/test_facts.py has those that are counted
NAMES = sorted(path.stem for path in CLAIMS.glob("*.yaml") if "kind: inspect" not in path.read_text().splitlines())
RELU, TRACE = "relu_speedup", "cifar_trace"
EARLY, LRN, LATE = "bias_one", "lrn_imagenet", "dropout_iterations"
FORMS = [RELU, TRACE, EARLY, LRN, LATE]  # a claim of each form: every key of these is changed in turn
SCHEMA = json.loads((CLAIMS / "claim.schema.json").read_text())


def plain(name: str) -> dict[str, Any]:
    return read(CLAIMS / f"{name}.yaml").data


@pytest.fixture
def written(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Writes a claim with every key and every item on a line of its own."""

    def written(data: dict[str, Any], name: str | None = None) -> Path:
        path = tmp_path / f"{name or data.get('id', 'x')}.yaml"
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        path.write_text(yaml.dump(data, Dumper=dumper, sort_keys=False, width=10**6, default_flow_style=False))
        return path

    return written


def problems(path: Path) -> list[Problem]:
    """What is wrong with a claim's file; nothing where it is accepted."""
    try:
        load(path)
    except SpecError as error:
        return error.problems
    return []


def parts(data: Any, loc: Loc = ()) -> Iterator[Loc]:
    """The place of every key and item; of long lists the first and the last item."""
    inside: list[Any] = list(data) if isinstance(data, dict) else []
    if isinstance(data, list):
        inside = sorted({0, len(data) - 1} & set(range(len(data))))
    for part in inside:
        yield (*loc, part)
        yield from parts(data[part], (*loc, part))


def at(data: Any, loc: Loc) -> Any:
    for part in loc:
        data = data[part]
    return data


def changed(data: dict[str, Any], loc: Loc, value: Any) -> dict[str, Any]:
    out = copy.deepcopy(data)
    at(out, loc[:-1])[loc[-1]] = value
    return out


def without(data: dict[str, Any], loc: Loc) -> dict[str, Any]:
    out = copy.deepcopy(data)
    del at(out, loc[:-1])[loc[-1]]
    return out


def renamed(data: dict[str, Any], loc: Loc, name: str) -> dict[str, Any]:
    out = copy.deepcopy(data)
    place = at(out, loc[:-1])
    items = [(name if key == loc[-1] else key, value) for key, value in place.items()]
    place.clear()
    place.update(items)
    return out


# the claims themselves


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_is_valid_and_is_what_it_says_at_each_of_its_scales(name):
    file = load(CLAIMS / f"{name}.yaml")
    assert file.id == name
    for scale in file.claim.scales:
        for alternative in [None, *file.alternatives_at(scale)]:
            claim = file.at(scale, alternative)
            for arm in claim.arms:
                run_config(claim, arm, seed=claim.seeds[0])


def test_addresses_of_runs_stay_where_they_are():
    """A shelf of runs is found by these: who moves one loses every run that was trained."""
    relu = load(CLAIMS / f"{RELU}.yaml").at("small")
    assert run_config(relu, "relu", seed=0, lr=0.01).id == "5d56b273010c9d39"
    trace = load(CLAIMS / f"{TRACE}.yaml").at("paper")
    assert run_config(trace, "ours", seed=0).id == "ec140a31846e7a5e"


def test_an_address_depends_on_what_decides_the_trajectory_and_on_nothing_else():
    file = load(CLAIMS / f"{RELU}.yaml")
    small, paper = file.at("small"), file.at("paper")
    same = run_config(small, "relu", seed=0, lr=0.01)
    assert run_config(paper, "relu", seed=0, lr=0.01).id == same.id, "the level is no part of it"
    longer = paper.model_copy(update={"train": paper.train.model_copy(update={"epochs": 300})})
    assert run_config(longer, "relu", seed=0, lr=0.01).id == same.id, "nor is the horizon"
    relu = Arm.model_validate({"label": "other words", "model.activation": "relu", "train.weight_decay": 0})
    whole = paper.model_copy(update={"arms": {"relu": relu}})
    assert run_config(whole, "relu", seed=0, lr=0.01).id == same.id, "nor how a number is written, nor a label"
    others = [
        run_config(paper, "tanh", seed=0, lr=0.01),
        run_config(paper, "relu", seed=1, lr=0.01),
        run_config(paper, "relu", seed=0, lr=0.02),
        run_config(paper.model_copy(update={"precision": "bf16"}), "relu", seed=0, lr=0.01),
        run_config(file.at("paper", "he"), "relu", seed=0, lr=0.01),
        run_config(file.at("paper", "80sec"), "relu", seed=0, lr=0.01),
    ]
    assert len({same.id, *(config.id for config in others)}) == 7


def test_a_run_varied_by_hand_is_the_run_that_the_claim_makes_and_its_address_is_that_of_its_whole_json():
    for name in ("relu_speedup", "bias_one", "pretraining"):
        claim = load(CLAIMS / f"{name}.yaml").at("small" if name == "bias_one" else "paper")
        for arm in claim.arms:
            made = run_config(claim, arm, seed=3, lr=0.25)
            assert made.id == addressed(made)
            if made.start is None:
                varied = run_config(claim, arm, seed=0).varied(3, 0.25)
                assert (varied, varied.id) == (made, made.id)


# the schema for editors


def test_the_committed_schema_is_current():
    assert (CLAIMS / "claim.schema.json").read_text() == KINDS.schema.text()


def test_the_schema_is_of_the_draft_that_editors_read():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert not re.search(r"prefixItems|\$defs|unevaluated", KINDS.schema.text())


@pytest.mark.parametrize("name", NAMES)
def test_claims_are_valid_by_the_schema_and_misspelled_ones_are_not(name):
    data = plain(name)
    validator = jsonschema.Draft7Validator(SCHEMA)
    assert validator.is_valid(data)
    override = next(("scales", scale, key) for scale, over in data["scales"].items() for key in over)
    for loc in [("question",), ("train", "epochs"), override]:
        assert not validator.is_valid(renamed(data, loc, f"{loc[-1]}x")), loc


def test_every_claim_names_its_schema_for_editors():
    for name in NAMES:
        first = (CLAIMS / f"{name}.yaml").read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=claim.schema.json"


def test_every_key_is_described():
    nodes = SCHEMA["definitions"]
    keys = [(f"{name}.{key}", part) for name, node in nodes.items() for key, part in node["properties"].items()]
    assert not [name for name, part in keys if "description" not in part and "anyOf" not in part]


# each key in turn


def free_names(loc: Loc) -> bool:
    """Names that the claim's author gives: of an arm, of an alternative."""
    return loc[:-1] == ("arms",) or (loc[0] == "assumptions" and loc[-2:-1] == ("alternatives",))


MISSING: dict[Any, list[str]] = defaultdict(
    list,
    assumptions=["not declared under assumptions", "changes nothing at this scale"],
    tune=["the claim tunes nothing", "changes nothing"],
    base=["changes nothing"],  # without it a scale may say what is so without it
)


@pytest.mark.parametrize("name", FORMS)
def test_a_misspelled_key_is_refused_once_at_its_line_with_the_nearest_name(name, written):
    data, wrong = plain(name), []
    for loc in parts(data):
        if not isinstance(loc[-1], str) or free_names(loc):
            continue
        misspelled = loc[-1] + loc[-1][-1]
        path = written(renamed(data, loc, misspelled), name)
        line = read(path).place((*loc[:-1], misspelled), key=True)[0]
        found = problems(path)
        # what is no longer there is missed where a scale or an alternative asks for it
        told = [p for p in found if not any(text in p.text for text in [*MISSING[loc[0]], *MISSING[loc[-1]]])]
        if [p.line for p in told] != [line] or f"did you mean {loc[-1]}?" not in told[0].text:
            wrong.append((loc, line, found))
    assert not wrong


@pytest.mark.parametrize("loc", [loc for loc in parts(plain(RELU)) if free_names(loc)], ids=str)
def test_a_renamed_arm_or_alternative_is_missed_wherever_it_is_referred_to(loc, written):
    data = plain(RELU)
    path = written(renamed(data, loc, f"{loc[-1]}x"), RELU)
    document = read(path)
    referring = [
        place
        for place in parts_of_all(document.data)
        if place == ("paper", "arms", loc[-1])
        or (place[0] in ("rule", "scales") and at(document.data, place) == loc[-1])
    ]
    found = problems(path)
    assert referring
    assert [p.line for p in found] == sorted(document.place(place)[0] for place in referring)
    assert all(f"did you mean {loc[-1]}x?" in p.text for p in found)


def parts_of_all(data: Any, loc: Loc = ()) -> Iterator[Loc]:
    for part in data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        yield (*loc, part)
        yield from parts_of_all(data[part], (*loc, part))


def test_the_name_of_an_arm_that_nothing_refers_to_is_free(written):
    assert not problems(written(renamed(plain(TRACE), ("arms", "ours"), "theirs")))


WRONG: dict[type, list[Any]] = {  # wrong types and out of range for most fields; the schema says for which
    bool: ["two", [1], {"x": 1}, 7, 0.5],
    int: ["two", [1], {"x": 1}, 1.5, True, 0, -1, 10**10],
    float: ["two", [1.0], {"x": 1}, True, 0, -1, -1.0, 1e10],
    str: ["", "Nothing Of That Name", 7, 0.5, ["x"], {"x": 1}, None],
    list: ["x", 7, {"x": 1}, [], None],
    dict: ["x", 7, ["x"], None],
    type(None): ["two", [1.0], {"x": 1}, True, 0, -1, 1e10],  # a number that the paper does not print
}


@pytest.mark.parametrize("name", FORMS)
def test_a_wrong_type_and_a_value_out_of_range_are_refused_at_their_line(name, written):
    """Whatever the committed schema refuses, the loader refuses, at the value's line; and something of everything."""
    data, wrong = plain(name), []
    validator = jsonschema.Draft7Validator(SCHEMA)
    for loc in parts(data):
        value = at(data, loc)
        kinds = set()
        for other in WRONG[type(value)]:
            mutated = changed(data, loc, other)
            if validator.is_valid(mutated):
                continue
            kinds.add(type(other))
            path = written(mutated, name)
            line = read(path).place(loc)[0]
            found = problems(path)
            if line not in [p.line for p in found] or found != sorted(found):
                wrong.append((loc, other, line, found))
        expected = {int: {str, list, bool}, float: {str, list, dict}, str: {int, list, dict}, list: {str, int}}
        # these two may be given by layer too, or as one number
        other_forms = {int, dict} if str(loc[-1]).endswith(("init", "weight_decay")) else set()
        if not kinds >= expected.get(type(value), {str, int, list}) - other_forms:
            wrong.append((loc, "is never refused", kinds))
        if type(value) in (int, float) and not any(
            isinstance(other, int | float) and not validator.is_valid(changed(data, loc, other))
            for other in (0, -1, -1.0, 1e10, 10**10)
        ):
            wrong.append((loc, "has no range"))
    assert not wrong


def named(loc: Loc) -> bool:
    """Entries of lists and of mappings with free keys, and what a scale names: without one, there is one less."""
    mappings = (("arms",), ("scales",), ("paper", "arms"), ("model", "init"))
    chosen = loc[0] == "scales" and loc[-1] in ("alternatives", "base")
    recorded = loc[0] == "history" and loc[2:3] == ("runs",) and len(loc) == 4
    return isinstance(loc[-1], int) or loc[:-1] in mappings or free_names(loc) or chosen or recorded


def below(file: ClaimFile, loc: Loc) -> tuple[Any, Any]:
    """(what an override's key is in a file without it, what the layers below it say): of a scale its base, its recipe
    and then the claim, of an alternative or an arm the claim."""
    key, path = loc[-1], KINDS.path_of(str(loc[-1]))
    assert path is not None
    scale = loc[1] if loc[0] == "scales" else None
    alternative = loc[3] if loc[0] == "assumptions" else None
    arm = loc[1] if loc[0] == "arms" else None
    resolved = KINDS.claim.model_validate(file.layers(scale, alternative, arm).data)
    recipe = dict(file.paper.scales[file.claim.data.kind][scale]) if scale else {}
    if scale is not None and (base := file.base_at(scale)):
        recipe |= file.paper.bases[base]
    expected = recipe[key] if key in recipe else as_python(file.claim, path)
    return as_python(resolved, path), expected


def default(claim: Claim, loc: Loc) -> Any:
    """What the paper's recipe, else the model of a section, says of a key that is not given."""
    paper = KINDS.paper(claim.paper.name)
    given = {tuple(key.split(".")): setting.value for key, setting in paper.recipe.items()}
    if loc == ("train",):
        return TrainSpec(**{key: value for (section, key), value in given.items() if section == "train"}).model_dump()
    if loc in given:
        return given[loc]
    model, *inside = (claim, *loc[:-1])
    for part in inside:
        model = model[part] if isinstance(part, int) else getattr(model, part)
    field = next(f for name, f in type(model).model_fields.items() if (f.alias or name) == loc[-1])
    return field.get_default(call_default_factory=True)


@pytest.mark.parametrize("name", FORMS)
def test_what_is_left_out_is_refused_or_means_its_default_or_what_lies_below(name, written):
    """There is no third way. What the schema requires is missed at its place; what something else needs is asked for
    there, by name; the rest is its default, or one entry less, or, of an override, what it was laid on."""
    data, wrong = plain(name), []
    whole, validator = load(CLAIMS / f"{name}.yaml"), jsonschema.Draft7Validator(SCHEMA)
    for loc in parts(data):
        mutated = without(data, loc)
        path = written(mutated, name)
        document, found = read(path), problems(path)
        words = [part for part in (*loc, at(data, loc)) if isinstance(part, str)]
        if found and not validator.is_valid(mutated) and not named(loc):
            text = f"{'.'.join(map(str, loc))}: missing; expected "
            right = [p.line for p in found] == [document.place(loc)[0]] and found[0].text.startswith(text)
        elif found:
            last = len(path.read_text().splitlines())
            right = all(1 <= p.line <= last for p in found) and any(word in p.text for p in found for word in words)
        elif named(loc):
            right = entries(load(path)) == without(entries(whole), loc)
        elif loc[0] in ("scales", "arms") or "alternatives" in loc:
            resolved, expected = below(load(path), loc)
            right = resolved == expected
        else:
            right = as_python(load(path).claim, loc) == default(whole.claim, loc)
        if not right:
            wrong.append((loc, found))
    assert not wrong


@pytest.mark.parametrize(
    ("name", "loc", "asking"),
    [
        (RELU, ("arms", "tanh"), [("varies", 0), ("paper", "arms", "tanh"), ("rule", "of", 0)]),
        (RELU, ("scales", "smoke", "measure.metric"), [("scales", "smoke", "measure.level")]),
        (RELU, ("model", "init", "other"), [("model", "init")]),
        (TRACE, ("train", "lr"), [("scales", "smoke", "train.lr")]),
        (TRACE, ("scales", "smoke", "train.epochs"), [("scales", "smoke")]),
        (EARLY, ("data", "held_out"), [("train", "plateau")]),
        (LATE, ("data", "held_out"), [("measure", "metric")]),
        (LATE, ("arms", "without", "model.dropout"), [("arms", "without")]),
        (LRN, ("arms", "first", "model.norms"), [("arms", "first")]),
    ],
)
def test_what_cannot_be_left_out_is_asked_for_where_it_is_needed(name, loc, asking, written):
    path = written(without(plain(name), loc), name)
    document = read(path)
    lines = [document.place(place, key=place[0] in ("arms", "scales"))[0] for place in asking]
    assert [p.line for p in problems(path)] == sorted(lines)


def test_a_training_rule_that_is_not_given_is_section_5s(written):
    """§5: batch 128, momentum 0.9, weight decay 0.0005, rate 0.01 at the start, roughly 90 cycles."""
    data = plain("dropout_iterations")
    data["train"].pop("batch"), data["train"].pop("epochs")
    train = load(written(data, "dropout_iterations")).claim.train
    assert (train.batch, train.momentum, train.weight_decay, train.lr, train.epochs) == (128, 0.9, 0.0005, 0.01, 90)


def as_python(claim: Claim, loc: Loc) -> Any:
    return at(claim.model_dump(by_alias=True), loc)


def entries(file: ClaimFile) -> dict[str, Any]:
    return file.claim.model_dump(by_alias=True)


# relations between keys

LOCAL = "cuda_convnet_conv_local_13pct and cuda_convnet_conv_local_11pct"
WHOSE = {
    "norms": "alexnet and cuda_convnet_conv_local_11pct and vgg11",
    "dropout": "alexnet and vgg11",
    "pooling": f"alexnet and {LOCAL}",
}


def relation(id: str, name: str, changes: dict[Loc, Any], place: Loc, text: str) -> Any:
    return pytest.param(name, changes, place, text, id=id.replace(" ", "-"))


@pytest.mark.parametrize(
    ("name", "changes", "place", "text"),
    [
        relation(
            "arms differ in more",
            RELU,
            {("arms", "tanh", "train.momentum"): 0.5},
            ("varies", 0),
            "varies: the arms differ in train.momentum too; name it or make them agree",
        ),
        relation(
            "arms differ in more at one scale",
            RELU,
            {
                ("scales", "small", "model.activation"): "tanh",
                ("arms", "relu"): {"label": "ReLUs"},
                ("arms", "tanh", "model.width"): 0.5,
            },
            ("varies", 0),
            "varies: the arms differ in model.width too",
        ),
        relation(
            "varies what agrees",
            RELU,
            {("varies",): ["model.activation", "train.momentum"]},
            ("varies", 1),
            "varies: no arm differs in train.momentum; they differ in model.activation",
        ),
        relation(
            "varies no key", RELU, {("varies",): ["model.activaton"]}, ("varies", 0), "did you mean model.activation?"
        ),
        relation(
            "varies a whole section", RELU, {("varies",): ["model"]}, ("varies", 0), "varies: model: not a known key"
        ),
        relation(
            "scale changes nothing",
            RELU,
            {("scales", "paper", "measure.level"): 0.25},
            ("scales", "paper", "measure.level"),
            "scale paper: measure.level: changes nothing; it is 0.25 already",
        ),
        relation(
            "scale repeats a default",
            RELU,
            {("scales", "paper", "train.bias_lr"): 2},
            ("scales", "paper", "train.bias_lr"),
            "changes nothing; it is 2.0 already",
        ),
        relation(
            "scale repeats its recipe",
            TRACE,
            {("scales", "smoke", "train.batch"): 32},
            ("scales", "smoke", "train.batch"),
            "changes nothing; it is 32 already",
        ),
        relation(
            "scale repeats a mapping",
            RELU,
            {("scales", "paper", "model.init"): {"conv1": 0.0001, "other": 0.01}},
            ("scales", "paper", "model.init"),
            "changes nothing",
        ),
        relation(
            "alternative changes nothing",
            RELU,
            {("assumptions", 1, "alternatives", "he", "train.batch"): 128},
            ("assumptions", 1, "alternatives", "he", "train.batch"),
            "alternative he: train.batch: changes nothing",
        ),
        relation(
            "alternative changes nothing at a scale",
            RELU,
            {("scales", "smoke", "alternatives"): ["he"]},
            ("scales", "smoke", "alternatives", 0),
            "scale smoke: alternative he: changes nothing at this scale",
        ),
        relation(
            "tunes on a judging seed",
            RELU,
            {("tune", "on_seeds", 1): 4},
            ("tune", "on_seeds", 1),
            "tune.on_seeds: 4 is a judging seed too",
        ),
        relation(
            "tunes on a judging seed of a scale",
            RELU,
            {("scales", "small", "seeds"): [0, 1, 2, 3, 101]},
            ("tune", "on_seeds", 1),
            "tune.on_seeds: 101 is a judging seed too",
        ),
        relation("seed twice", RELU, {("seeds", 3): 0}, ("seeds", 3), "seeds: 0 stands twice"),
        relation(
            "tuning seed twice", RELU, {("tune", "on_seeds", 2): 100}, ("tune", "on_seeds", 2), "100 stands twice"
        ),
        relation(
            "grid not in steps of two",
            RELU,
            {("tune", "train.lr", 7): 0.03},
            ("tune", "train.lr", 7),
            "found 0.03 after 0.016; expected 0.032, a grid in steps of two",
        ),
        relation("grid falls", RELU, {("tune", "train.lr"): [0.02, 0.01]}, ("tune", "train.lr", 1), "expected 0.04"),
        relation("tuned rate given too", RELU, {("train", "lr"): 0.01}, ("train", "lr"), "train.lr: is tuned"),
        relation(
            "arm has a tuned rate",
            RELU,
            {("arms", "tanh", "train.lr"): 0.02},
            ("arms", "tanh", "train.lr"),
            "arm tanh: train.lr: is tuned",
        ),
        relation(
            "arm overrides the measure",
            RELU,
            {("arms", "tanh", "measure.level"): 0.3},
            ("arms", "tanh", "measure.level"),
            "an arm overrides data, model, train, precision or start only",
        ),
        relation(
            "section overridden whole",
            RELU,
            {("scales", "paper", "model"): {"width": 0.5}},
            ("scales", "paper", "model"),
            "scale paper: model: not a known key",
        ),
        relation(
            "override of what is not there",
            TRACE,
            {("scales", "paper", "tune.extend"): 0},
            ("scales", "paper", "tune.extend"),
            "the claim tunes nothing",
        ),
        relation(
            "key of another kind",
            RELU,
            {("scales", "paper", "measure.every"): 8},
            ("scales", "paper", "measure.every"),
            "scale paper: measure.every: not a known key",
        ),
        relation(
            "kind without its keys",
            TRACE,
            {("scales", "paper", "measure.kind"): "epochs_to"},
            ("scales", "paper", "measure.kind"),
            "scale paper: measure.level: missing; expected a number above 0",
        ),
        relation(
            "rule of no arm", RELU, {("rule", "of", 1): "rely"}, ("rule", "of", 1), "no arm rely; did you mean relu?"
        ),
        relation("rule of one arm", RELU, {("rule", "of", 1): "tanh"}, ("rule", "of"), "rule.of: tanh against itself"),
        relation(
            "paper's value of no arm",
            RELU,
            {("paper", "arms"): {"relu": 6, "tann": 36}},
            ("paper", "arms", "tann"),
            "paper.arms: no arm tann; did you mean tanh?",
        ),
        relation(
            "band without the paper's number",
            RELU,
            {("rule", "within", 0): 6.5},
            ("rule", "within"),
            "[6.5, 9.0] does not hold the paper's 6",
        ),
        relation("band upside down", RELU, {("rule", "within"): [9.0, 4.0]}, ("rule", "within"), "with low < high"),
        relation(
            "band without equality",
            TRACE,
            {("rule", "offset_within", 0): 0.01},
            ("rule", "offset_within"),
            "[0.01, 0.02] does not hold the paper's 0",
        ),
        relation(
            "direction against the number",
            RELU,
            {("rule", "direction"): "below 1"},
            ("rule", "direction"),
            "rule.direction: 6 is not below 1",
        ),
        relation(
            "id is another",
            RELU,
            {("id",): "relu_speed"},
            ("id",),
            "id: found 'relu_speed'; expected the file's name, 'relu_speedup'",
        ),
        relation(
            "initial value of no layer",
            RELU,
            {("model", "init", "fc11"): 0.1},
            ("model", "init", "fc11"),
            "model.init.fc11: no such layer; did you mean fc10?",
        ),
        relation(
            "initial value of a layer that an alternative lacks",
            RELU,
            {("assumptions", 0, "alternatives", "80sec", "model.init"): {"conv4": 0.1, "other": 0.1}},
            ("assumptions", 0, "alternatives", "80sec", "model.init", "conv4"),
            "alternative 80sec: model.init.conv4",
        ),
        relation(
            "initial value by dotted layer",
            RELU,
            {("arms", "tanh", "model.init.fc11"): 0.1},
            ("arms", "tanh", "model.init.fc11"),
            "arm tanh: model.init.fc11: no such layer",
        ),
        relation(
            "decay of no layer",
            RELU,
            {("train", "weight_decay"): {"fc64": 0.1, "other": 0.0}},
            ("train", "weight_decay", "fc64"),
            "train.weight_decay.fc64: no such layer; expected conv1, conv2, conv3, fc10 or other",
        ),
        relation(
            "decay for some layers",
            RELU,
            {("train", "weight_decay"): {"fc10": 0.1}},
            ("train", "weight_decay", "fc10"),
            "train.weight_decay: nothing for conv1, conv2, conv3; name them, or give `other`",
        ),
        relation(
            "alternative not declared",
            RELU,
            {("scales", "paper", "alternatives", 0): "80secs"},
            ("scales", "paper", "alternatives", 0),
            "'80secs': not declared under assumptions; did you mean 80sec?",
        ),
        relation(
            "alternative twice",
            RELU,
            {("scales", "paper", "alternatives"): ["he", "he"]},
            ("scales", "paper", "alternatives", 1),
            "alternative he: named twice",
        ),
        relation(
            "alternative declared twice",
            RELU,
            {("assumptions", 2, "alternatives"): {"he": {"train.order": "fresh"}}},
            ("assumptions", 2, "alternatives", "he"),
            "alternative he: declared twice",
        ),
        relation(
            "scale without a meaning",
            RELU,
            {("scales", "medium"): {}},
            ("scales", "medium"),
            "scales.medium: cifar10 has no such scale in alexnet2012; it has smoke, small, paper",
        ),
        relation(
            "more images than there are",
            RELU,
            {("data", "images"): 50_001},
            ("data", "images"),
            "expected at most 50000",
        ),
        relation(
            "batch larger than the set", RELU, {("data", "images"): 100}, ("train", "batch"), "expected at most 100"
        ),
        relation(
            "level that chance reaches",
            RELU,
            {("measure", "level"): 0.9},
            ("measure", "level"),
            "measure.level: found 0.9; expected below 0.9, what chance gives",
        ),
        relation(
            "rule of another measure",
            RELU,
            {("measure",): {"kind": "trace", "metric": "train_error", "every": 79}},
            ("rule", "kind"),
            "rule.kind: ratio does not judge the measure trace; expected trace",
        ),
        relation(
            "trace longer than its runs",
            TRACE,
            {("train", "epochs"): 3},
            ("train", "epochs"),
            "train.epochs: found 3; expected 4 or more, 1343 updates of 395 an epoch",
        ),
        relation(
            "trace longer than what is recorded",
            TRACE,
            {("measure", "every"): 120, ("train", "epochs"): 9},
            ("measure", "every"),
            "17 points need 2040 updates; only the first 2000 are recorded",
        ),
        relation(
            "photos without a crop",
            EARLY,
            {("data",): {"kind": "ilsvrc2012"}},
            ("data", "kind"),
            "data.kind: ilsvrc2012 are photos of many sizes; expected data.crop beside it",
        ),
        relation(
            "a crop larger than what is stored",
            EARLY,
            {("data", "crop"): 257},
            ("data", "crop"),
            "data.crop: found 257; expected at most data.stored, 256",
        ),
        relation(
            "a crop larger than what is stored at a scale",
            EARLY,
            {("scales", "small", "data.stored"): 120},
            ("scales", "small"),
            "data.crop: found 128; expected at most data.stored, 120",
        ),
        relation(
            "small images enlarged unevenly",
            RELU,
            {("data", "crop"): 80, ("data", "stored"): 100},
            ("data", "stored"),
            "data.stored: found 100; expected a multiple of the images' 32",
        ),
        relation(
            "as many held out as there are",
            EARLY,
            {("scales", "small", "data.held_out"): 9_469},
            ("scales", "small", "data.held_out"),
            "data.held_out: found 9469; expected less than the 9469 images",
        ),
        *(
            relation(
                f"{key} without a crop",
                RELU,
                {("data", key): value},
                ("data", key),
                f"data.{key}: is for crops; expected data.crop beside it",
            )
            for key, value in (
                ("stored", 64),
                ("crops", "source"),
                ("mirror", False),
                ("mean", "centre"),
                ("colour", "none"),
                ("held_out", 5_000),
            )
        ),
        *(
            relation(
                f"{key} of another net",
                RELU,
                {("model", key): value},
                ("model", key),
                f"model.{key}: is for {WHOSE.get(key, 'alexnet')} alone",
            )
            for key, value in (
                ("reading", "source"),
                ("towers", "one half"),
                ("norms", "none"),
                ("pooling", "2/2"),
                ("dropout", 0.0),
                ("bias", 0.0),
                ("without", ["conv2"]),
                ("conv6", True),
            )
        ),
        relation(
            "a plateau of nothing held out",
            LRN,
            {("data", "held_out"): 0},
            ("train", "plateau"),
            "train.plateau: looks at the held-out error; expected data.held_out beside it",
        ),
        relation(
            "a plateau beside drops",
            LRN,
            {("train", "drops"): [30, 60]},
            ("train", "plateau"),
            "train.plateau: stands beside train.drops; expected one of them",
        ),
        relation(
            "drops out of order",
            LATE,
            {("train", "drops"): [60, 30]},
            ("train", "drops"),
            "train.drops: found epochs out of order; expected each above the one before",
        ),
        relation(
            "a drop twice",
            LATE,
            {("train", "drops"): [30, 30]},
            ("train", "drops"),
            "train.drops: found epochs out of order",
        ),
        relation(
            "an end of colour noise that there is not",
            LATE,
            {("data", "colour"): "none", ("train", "colour_until"): 60},
            ("train", "colour_until"),
            "train.colour_until: there is no colour noise to end; expected data.crop and data.colour",
        ),
        relation(
            "an end of colour noise without crops",
            RELU,
            {("train", "colour_until"): 60},
            ("train", "colour_until"),
            "there is no colour noise to end",
        ),
        relation(
            "a layer frozen that is not there",
            LATE,
            {("train", "freeze"): {"conv9": 60}},
            ("train", "freeze", "conv9"),
            "train.freeze.conv9: no such layer",
        ),
        relation(
            "held-out error of nothing held out",
            LATE,
            {("data", "held_out"): 0},
            ("measure", "metric"),
            "measure.metric: held_out_error is recorded of crops only; expected data.held_out",
        ),
        *(
            relation(
                f"{metric} of whole images",
                RELU,
                {
                    ("measure",): {"kind": "final", "metric": metric},
                    ("rule",): {
                        "kind": "difference",
                        "of": ["tanh", "relu"],
                        "paper": 0.1,
                        "within": [0.05, 0.2],
                        "direction": "above 0",
                    },
                },
                ("measure", "metric"),
                f"measure.metric: {metric} is recorded of crops only; expected data.crop",
            )
            for metric in ("views_error", "views_top5", "test_top5", "gap")
        ),
        *(
            relation(
                f"a ratio of {kind}",
                name,
                {("rule",): {**rule, "of": plain(name)["rule"]["of"]}},
                ("rule", "kind"),
                f"rule.kind: {rule['kind']} does not judge the measure {kind}; expected {expected}",
            )
            for name, kind, rule, expected in (
                (
                    LRN,
                    "final",
                    {"kind": "ratio", "paper": 2.0, "within": [1.0, 3.0], "direction": "above 1"},
                    "difference",
                ),
                (
                    EARLY,
                    "updates_to",
                    {"kind": "difference", "paper": None, "within": [0.1, 0.3], "direction": "above 0"},
                    "ratio",
                ),
                (
                    LATE,
                    "converged",
                    {"kind": "difference", "paper": None, "within": [0.1, 0.3], "direction": "above 0"},
                    "ratio",
                ),
            )
        ),
        relation(
            "direction against the sign of the difference",
            LRN,
            {("rule", "direction"): "below 0"},
            ("rule", "direction"),
            "rule.direction: 0.014 is not below 0",
        ),
        relation(
            "no effect outside its own band",
            LRN,
            {("rule", "direction"): "none", ("rule", "paper"): None},
            ("rule", "within"),
            "rule.within: [0.007, 0.022] does not hold 0, no effect, which is what the paper says",
        ),
        relation(
            "direction of an alternative's number",
            LRN,
            {
                ("assumptions", 6, "alternatives", "top5", "rule.paper"): -0.012,
                ("assumptions", 6, "alternatives", "top5", "rule.within"): [-0.02, -0.004],
            },
            ("assumptions", 6, "alternatives", "top5", "rule.paper"),
            "alternative top5: rule.direction: -0.012 is not above 0",
        ),
        relation(
            "two arms that are the same",
            LRN,
            {("arms", "first", "model.norms"): "none"},
            ("arms", "first"),
            "arms: first is the same net and rule as none",
        ),
        relation(
            "rule of no arm under an alternative",
            LRN,
            {("assumptions", 0, "alternatives", "scaling", "rule.of"): ["scale_onli", "both"]},
            ("assumptions", 0, "alternatives", "scaling", "rule.of", 0),
            "rule.of: no arm scale_onli; did you mean scale_only?",
        ),
        relation(
            "too few curves for the p",
            TRACE,
            {("seeds",): list(range(18))},
            ("seeds", 0),
            "seeds: 18 can never give p = 0.05; expected 19 or more",
        ),
        relation(
            "two arms against one curve",
            TRACE,
            {("arms", "tanh"): {"label": "tanh", "model.activation": "tanh"}, ("varies",): ["model.activation"]},
            ("arms",),
            "arms: found 2; a trace is judged against one arm",
        ),
        relation(
            "two arms of one label",
            RELU,
            {("arms", "tanh", "label"): "ReLUs"},
            ("arms", "tanh", "label"),
            "arms.tanh: found label 'ReLUs', which is that of relu; expected another",
        ),
        relation(
            "an arm without a label",
            RELU,
            {("arms", "tanh"): {"model.activation": "tanh"}},
            ("arms", "tanh"),
            "arms.tanh.label: missing; expected a text of at most 40 letters (its name on pages, ",
        ),
        relation(
            "a label too long for a legend",
            RELU,
            {("arms", "tanh", "label"): "tanh units, as they were used before 2010"},
            ("arms", "tanh", "label"),
            "expected a text of at most 40 letters",
        ),
        relation(
            "number for a text",
            RELU,
            {("paper", "section"): 3.1},
            ("paper", "section"),
            "paper.section: found 3.1; expected a text; put it in quotes",
        ),
        relation(
            "word near another",
            RELU,
            {("model", "activation"): "sigmoid"},
            ("model", "activation"),
            "found 'sigmoid'; expected relu or tanh or logistic",
        ),
        relation(
            "word nearly right", RELU, {("train", "order"): "repeat"}, ("train", "order"), "did you mean repeated?"
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_where_it_stands(name, changes, place, text, written):
    data = plain(name)
    for loc, value in changes.items():
        data = changed(data, loc, value)
    path = written(data, name)
    found = problems(path)
    lines = {read(path).place(place)[0], read(path).place(place, key=True)[0]}
    assert [p for p in found if p.line in lines and text in p.text], (found, lines)


def test_where_the_paper_prints_no_number_either_direction_may_be_its_own(written):
    """bias_one: `paper: null`; the band alone says what counts."""
    data = plain(EARLY)
    assert data["rule"]["paper"] is None
    assert not problems(written(data))
    below = changed(data, ("rule", "direction"), "below 1")
    assert not problems(written(changed(below, ("rule", "within"), [None, 0.9])))
    assert not problems(written(changed(data, ("rule", "paper"), 1.2)))
    found = problems(written(changed(data, ("rule", "paper"), 0.5)))
    assert [problem.text for problem in found] == [
        "rule.within: [1.1, null] does not hold the paper's 0.5",
        "rule.direction: 0.5 is not above 1",
    ]


def test_a_measure_whose_key_looks_like_kind_is_told_that_its_kind_is_missing(written):
    (found,) = problems(written(without(plain(EARLY), ("measure", "kind"))))
    assert found.text.startswith("measure.kind: missing; expected ")


def test_photos_without_a_crop_are_not_told_that_no_layer_fits(written):
    found = problems(written(without(plain(EARLY), ("data", "crop"))))
    assert not [problem for problem in found if "does not fit" in problem.text]


def test_a_net_whose_pooling_does_not_fit_the_images_is_refused(change_set, written):
    """No known set is too small for its nets, so the set is made so: the third pool of 3 meets 2 x 2."""
    change_set("cifar10", shape=(3, 8, 8))
    (found,) = (p for p in problems(written(plain(TRACE))) if "scale" not in p.text)
    assert found.line == read_line(plain(TRACE), ("model", "kind"), written)
    assert found.text == "model.kind: pool3 of size 3 does not fit its input of (64, 2, 2)"
    with pytest.raises(ValueError, match="pool3 of size 3 does not fit"):
        list(tables.shapes(cuda_convnet.table("cuda_convnet_19pct"), (3, 8, 8)))


def read_line(data: dict[str, Any], loc: Loc, written: Callable) -> int:
    return read(written(data)).place(loc)[0]


def test_all_mistakes_of_a_file_come_at_once_in_the_order_of_the_file(tmp_path):
    text = (CLAIMS / f"{RELU}.yaml").read_text()
    for old, new in [
        ("id: relu_speedup\nversion: 2\n", "id: relu_speedup\nversion: one\n"),
        ("figure: 1", "figur: 1"),
        ("momentum: 0.9, ", "momentun: 0.9, "),
        ("batch: 128", "batch: 0"),
        ("ReLUs, model.activation: relu}", "ReLUs, model.activation: rely}"),
        ("tanh units, model.activation: tanh}", "tanh units, model.activaton: tanh}"),
        ("on_seeds: [100,", "on_seeds: [-100,"),
        ("confidence: 0.95", "confidence: 95"),
        ("ours: none;", "our: none;"),
        ("model.init: he,", "model.init: 1,"),
        ("measure.level: 1.5", "measure.levle: 1.5"),
        ("alternatives: [he, 80sec,", "alternatives: [hee, 80sec,"),
    ]:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / f"{RELU}.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load(path)
    found = caught.value.problems
    assert [p.text.partition(";")[0] for p in found] == [
        "version: found 'one'",
        "paper.figur: not a known key",
        "train.batch: found 0",
        "train.momentun: not a known key",
        "arm relu: model.activation: found 'rely'",
        "arm tanh: model.activaton: not a known key",
        "tune.on_seeds.0: found -100",
        "rule.confidence: found 95",
        "alternative he: model.init: found 1",
        "assumptions.4.our: not a known key",
        "scale smoke: measure.levle: not a known key",
        "scale paper: alternative 'hee': not declared under assumptions",
    ]
    lines = text.splitlines()
    for problem, line in zip(found, str(caught.value).splitlines(), strict=True):
        assert line == f"{path}:{problem.line}:{problem.column}: {problem.text}"
        token = re.search(r"(\w+): (found|not)|alternative '(\w+)'", problem.text)
        assert token
        assert (token[1] or token[3]).rstrip("0123456789") in lines[problem.line - 1]
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.id)
def test_recipes_override_only_what_is_a_key(paper):
    for key in (*paper.recipe, *paper.base_of, *(key for base in paper.bases.values() for key in base)):
        assert key in KINDS.arm_keys
    for kind, scales in paper.scales.items():
        assert kind in KNOWN
        for scale, overrides in scales.items():
            assert not overrides.keys() - KINDS.keys.keys(), (kind, scale)


# what is resolved, and where it comes from


def test_every_value_has_its_source():
    file = load(CLAIMS / f"{RELU}.yaml")
    document = file.document

    def line(*loc: str | int) -> str:
        return f"{file.path}:{document.place(loc)[0]}"

    rows = {key: (value, source) for key, value, source in sources(file, "small", "he", "tanh")}
    assert rows["data.kind"] == ("cifar10", line("data", "kind"))
    assert rows["data.scale"][0] == "standardised"
    assert rows["data.scale"][1] == f"alternative he, {line('assumptions', 1, 'alternatives', 'he', 'data.scale')}"
    assert rows["model.activation"] == ("tanh", f"arm tanh, {line('arms', 'tanh', 'model.activation')}")
    assert rows["measure.level"] == (0.4, f"scale small, {line('scales', 'small', 'measure.level')}")
    assert rows["train.bias_lr"] == (2.0, "recipe of alexnet2012 (source.md 1, 13)")
    assert rows["train.lr"] == ("tuned", f"the fastest of tune.train.lr, {line('tune', 'train.lr')}")
    assert rows["seeds"] == ([0, 1, 2, 3, 4], line("seeds"))
    assert rows["precision"] == ("fp32", "default: arithmetic of the training; fp32 has TF32 off")
    assert rows["rule.pairs"][1].startswith("default: ")
    smoke = {key: (value, source) for key, value, source in sources(file, "smoke")}
    assert smoke["data.images"] == (256, "scale smoke of cifar10 in alexnet2012")
    base = {key: (value, source) for key, value, source in sources(file)}
    assert base["model.init.conv1"] == (0.0001, line("model", "init", "conv1"))
    assert base["data.images"][0] is None
    assert base["arms.tanh.label"] == ("tanh units", line("arms", "tanh", "label"))
    kinds = {"arms", "data", "model", "train", "precision", "start", "tune", "seeds", "measure", "rule"}
    assert {key.split(".")[0] for key in base} == kinds
    assert "train.lr" in {key for key, *_ in sources(load(CLAIMS / f"{TRACE}.yaml"), "paper", None, "ours")}


def test_seeds_given_by_the_user_stand_at_every_scale_and_never_among_the_tuning_seeds():
    file = load(CLAIMS / f"{RELU}.yaml").with_seeds(7)
    assert file.claim.seeds == list(range(7))
    assert all(file.at(scale).seeds == list(range(7)) for scale in file.claim.scales)
    assert ("seeds", list(range(7)), "--seeds 7") in sources(file, "smoke")
    with pytest.raises(ReproError, match=r"--seeds 101: .*tunes rates on seed 100, which must not judge"):
        file.with_seeds(101)


def test_a_file_in_memory_is_never_changed_by_what_is_laid_on_it():
    file = load(CLAIMS / f"{RELU}.yaml")
    before = copy.deepcopy(file.document.data)
    for scale in file.claim.scales:
        for alternative in [None, *file.claim.alternatives]:
            file.layers(scale, alternative, "tanh")
            run_config(file.at(scale, alternative), "tanh", seed=0)
    assert file.document.data == before == read(file.path).data
    assert isinstance(file.document, Document)
