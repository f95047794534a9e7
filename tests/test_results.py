"""results.json: what one shelf says of every claim, and how pages of the user's own runs show the reference side."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from simulator import fill
from test_report import SPEED, Page, beside_the_bundle, claim, ratio_of

from repro.claim.files import ClaimFile
from repro.columns import TABLES
from repro.contents import load
from repro.errors import ReproError
from repro.frames import markdown
from repro.pages import claim_data, documentation, power, write
from repro.pages.results import Interval, Results, read, schema
from repro.questions import order, units
from repro.store import Store, Table

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "reports" / "reference"
COUNTED = load(ROOT / "claims" / "conv_share.yaml")


@dataclass
class Shelves:
    """A claim with reference runs at small scale and smoke runs of the user's own, and the pages of both."""

    root: Path
    file: ClaimFile

    @property
    def own(self) -> Path:
        return self.root / "reports"

    @property
    def reference(self) -> Path:
        return self.own / "reference"

    @property
    def results(self) -> Results:
        return read(self.reference / "results.json")

    def table(self, name: str) -> Table:
        return Store(self.root / name).table()


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> Shelves:
    root = tmp_path_factory.mktemp("shelves")
    made = Shelves(root, claim(root))
    curve = ratio_of(5.5, 6.0, 6.5, he=1.0)
    fill(root / "theirs", made.file, "small", curve)
    fill(root / "mine", made.file, "smoke", curve)
    write([made.file, COUNTED], {"reference": made.table("theirs")}, made.reference)
    beside = beside_the_bundle(made.reference, root / "copy")
    shutil.move(beside / "static", made.own / "static")
    write([made.file, COUNTED], {"yours": made.table("mine")}, made.own, reference=made.results)
    return made


# The file


def keys(node: Any) -> Iterator[str]:
    """Every key of a JSON document, but those of mappings by seed."""
    if isinstance(node, list):
        for part in node:
            yield from keys(part)
    elif isinstance(node, dict):
        for key, part in node.items():
            yield key
            yield from () if key == "per_seed" else keys(part)


def test_the_committed_results_hold_to_the_committed_schema_which_describes_every_key():
    assert (COMMITTED / "results.schema.json").read_text() == schema(), "run: python -m repro report --reference"
    made, found = json.loads(schema()), json.loads((COMMITTED / "results.json").read_text())
    Draft202012Validator.check_schema(made)
    Draft202012Validator(made).validate(found)
    described = {
        key: node.get("description", "")
        for model in (made, *made["$defs"].values())
        for key, node in model.get("properties", {}).items()
    }
    assert set(keys(found)) <= described.keys()
    assert all(described.values()), [key for key, text in described.items() if not text]


def test_every_committed_file_of_a_claim_holds_to_the_committed_schema_which_describes_every_key():
    committed = (COMMITTED / "claim_results.schema.json").read_text()
    assert committed == claim_data.schema(), "run: python -m repro report --reference"
    made = json.loads(committed)
    Draft202012Validator.check_schema(made)
    validator = Draft202012Validator(made)
    ids = sorted(path.stem for path in (ROOT / "claims").glob("*.yaml"))
    for id in ids:
        found = json.loads((COMMITTED / f"{id}.json").read_text())
        validator.validate(found)
        assert found["$schema"] == "claim_results.schema.json"
        assert found["format"] == claim_data.FORMAT
        assert not validator.is_valid(found | {"format": claim_data.FORMAT + 1})
        assert not validator.is_valid(found | {"another": 1})
        for key in found:
            assert not validator.is_valid({other: value for other, value in found.items() if other != key})


@pytest.mark.parametrize("schema", [schema, claim_data.schema])
def test_every_key_and_every_column_is_documented(schema):
    text = (ROOT / documentation.PLACE).read_text()
    assert text == documentation.text(), "run: python -m repro report --reference"
    made = json.loads(schema())
    for model in (made, *made["$defs"].values()):
        for key, node in model.get("properties", {}).items():
            row = rf"^\| `{re.escape(key)}` \| .+ \| {re.escape(node['description'])} \|$"
            assert re.search(row, text, re.MULTILINE), key
    for table in TABLES.values():
        assert markdown(table) in text


def test_a_key_that_is_missing_or_unknown_is_refused_by_schema_and_reader_alike(shelves, tmp_path):
    validator = Draft202012Validator(json.loads(schema()))
    whole = json.loads((shelves.reference / "results.json").read_text())
    assert validator.is_valid(whole)
    without = {key: value for key, value in whole.items() if key != "claims"}
    for wrong, key in ((without, "claims"), (whole | {"verdict": 1}, "verdict"), (whole | {"format": 2}, "format")):
        assert not validator.is_valid(wrong)
        path = tmp_path / "results.json"
        path.write_text(json.dumps(wrong))
        with pytest.raises(ReproError) as refused:
            read(path)
        assert str(path) in str(refused.value)
        assert f" {key}: " in str(refused.value)
    with pytest.raises(ReproError, match="report --reference"):
        read(tmp_path / "nothing.json")


def test_the_committed_results_are_small():
    assert (COMMITTED / "results.json").stat().st_size < 300_000


def test_the_results_of_the_same_runs_are_the_same_bytes_whatever_the_order_of_claims(shelves, tmp_path):
    before = (shelves.reference / "results.json").read_bytes()
    out = beside_the_bundle(shelves.reference, tmp_path / "again")
    write([COUNTED, shelves.file], {"reference": shelves.table("theirs")}, out)
    assert (out / "results.json").read_bytes() == before


def test_the_results_have_the_numbers_of_the_claims_own_page(shelves):
    page = json.loads((shelves.reference / "speed.json").read_text())
    result = shelves.results.of(shelves.file)
    assert result is not None
    assert result.shown == page["shown"] == "small"
    for scale in result.scales:
        of_page = page["scales"][scale.scale]
        assert (scale.word, scale.sentence, scale.grade) == (of_page["word"], of_page["sentence"], of_page["grade"])
        assert scale.to_do == of_page["runs_to_do"]
    small = result.speaking
    assert small is not None
    ours, other = small.comparisons
    assert (ours.name, ours.role, other.name, other.role) == ("ours", "own", "he", "alternative")
    assert ours.effect is not None
    for key in ("estimate", "low", "high"):
        assert getattr(ours.effect, key) == pytest.approx(page["judgement"]["effect"][key], rel=1e-5)
    assert (ours.number, ours.band, ours.seeds) == (6.0, [4.0, 9.0], [0, 1, 2, 3, 4])
    assert (small.n, small.commits, small.machines) == (5, ["0123456789ab"], ["A processor"])
    assert [(took.device, took.unit) for took in small.hours] == [("A processor", "core-hours")]


def test_facts_have_their_own_verdicts(shelves):
    result = shelves.results.of(COUNTED)
    assert result is not None
    assert [fact.says for fact in result.facts] == [fact.says for fact in COUNTED.claim.facts]
    assert {fact.word for fact in result.facts} == {"true as printed", "false as printed"}


def test_results_of_another_version_of_a_claim_are_not_taken(shelves, tmp_path):
    newer = claim(tmp_path, SPEED.replace("version: 1", "version: 2"))
    assert shelves.results.of(newer) is None
    assert shelves.results.line(newer) == "not run yet"


# Pages of the user's own runs


def test_a_page_of_own_runs_has_the_reference_verdict_with_its_numbers_and_a_link_and_no_chart_of_it(shelves):
    page = Page(shelves.own / "speed.html")
    small = shelves.results.of(shelves.file).speaking
    assert "The machinery works here" in page.text
    assert f"The reference verdict is: {small.word}." in page.text
    assert small.sentence in page.text
    assert small.depends in page.text
    assert "reference/speed.html" in page.refers
    assert not [id for id in page.ids if id.startswith("reference-")]
    data = json.loads((shelves.own / "speed.json").read_text())
    assert data["reference"] == shelves.results.of(shelves.file).model_dump(mode="json")
    assert data["shelf"] == "yours"


def test_the_index_of_own_runs_counts_the_reference_verdicts(shelves):
    text = Page(shelves.own / "index.html").text
    small = shelves.results.of(shelves.file).speaking
    assert f"{small.word} {small.found}" in text
    assert "1 agrees in smaller experiments" in text


def test_where_the_user_has_run_nothing_the_reference_verdict_stands_alone(shelves, tmp_path):
    out = beside_the_bundle(shelves.reference, tmp_path / "out")
    write([shelves.file], {"yours": {}}, out, reference=shelves.results)
    page = Page(out / "speed.html")
    assert "verdict-reference" in page.ids
    assert "verdict-yours" not in page.ids
    assert "reference/speed.html" not in page.refers, "a page that is not there is named and not linked"
    assert "reports/reference/speed.html" in page.text


def test_a_plan_takes_the_spread_of_the_reference_runs_where_there_are_none_of_its_own(shelves):
    (line,) = power.lines([(shelves.file, "paper")], "yours", {}, shelves.results)
    assert "the reference runs at small scale" in line
    (line,) = power.lines([(shelves.file, "paper")], "yours", {}, None)
    assert "not known" in line
    (line,) = power.lines([(shelves.file, "paper")], "yours", shelves.table("theirs"), shelves.results)
    assert "your runs at small scale" in line


def test_a_time_is_in_epochs_in_json_and_in_the_unit_of_the_pages_in_csv():
    exported = json.loads((COMMITTED / "bias_one.json").read_text())
    epochs = {run["run"]: run["value"] for arm in exported["judgement"]["arms"].values() for run in arm["judged"]}
    with (COMMITTED / "bias_one.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["run"] in epochs and not row["alternative"]]
    assert {row["unit"] for row in rows} == {"updates"}
    an_epoch = {round(float(row["value"]) / epochs[row["run"]], 6) for row in rows}
    assert len(an_epoch) == 1
    assert max(an_epoch) > 1


def test_every_kind_of_effect_is_named_in_the_documentation_of_an_interval():
    text = Interval.model_fields["kind"].description
    names = {
        value.name for module in (units, order) for value in vars(module).values() if isinstance(value, units.Unit)
    }
    assert names >= {"ratio", "tau"}
    assert all(name in text for name in names), names
