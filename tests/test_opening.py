"""The table that README opens with: what is asked for, from recorded runs alone, and what is not known said so."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from math import log2
from pathlib import Path

import pytest
from simulated_claims import CLAIM, claim_file
from simulator import fill, reaching, straight

from repro.claim.catalogue import Entry, Part
from repro.claim.files import ClaimFile
from repro.contents import catalogue, load
from repro.errors import ReproError
from repro.pages import newcomers, opening
from repro.pages.readme import OPENING, first_screen, named, results, update
from repro.pages.view import show
from repro.questions.ensembles import of_fewer
from repro.questions.judge import judge
from repro.store import Store, Table

ROOT = Path(__file__).parent.parent
ENTRIES = catalogue()
CLAIMS = [load(path) for path in sorted((ROOT / "claims").glob("*.yaml"))]
SHELF = Store(ROOT / "runs" / "reference").table()
SPEED = Entry("alexnet2012", Part("CIFAR-10"), "speed", "3.1", "the ReLU net | is faster")
RELU_FASTER = reaching(lambda arm, rate, seed: (6 if arm == "relu" else 36) * 1.4 ** abs(log2(rate / 0.002)))


def cells(file: ClaimFile, runs: Table) -> list[str]:
    *_, row = opening.table(["speed"], [SPEED], [file], runs).splitlines()
    return row.strip("| ").split(" | ")


def cells_of(id: str, text: str, folder: Path) -> list[str]:
    """The row of a claim of the catalogue whose file has another text, by the committed runs."""
    (folder / f"{id}.yaml").write_text(text)
    *_, row = (
        line
        for line in opening.table([id], ENTRIES, [load(folder / f"{id}.yaml")], SHELF).splitlines()
        if line[:1] == "|"
    )
    return row.strip("| ").split(" | ")


def hours(runs: Table) -> float:
    """Every epoch of these takes two seconds of one thread."""
    return sum(2 * len(run.epochs) for run in runs.values()) / 3600


def on(device: str, runs: Path) -> None:
    """Make every run of a shelf one of this GPU."""
    for path in runs.glob("*/run.json"):
        about = json.loads(path.read_text())
        for session in about["sessions"]:
            session["device"] = device
        path.write_text(json.dumps(about))


@pytest.fixture
def file(tmp_path: Path) -> ClaimFile:
    return claim_file(tmp_path)


def test_the_readme_opens_with_these_claims_in_this_order():
    assert named(ROOT / "README.md") == [
        "relu_speedup", "lrn_imagenet", "lrn_cifar10", "overlapping_pooling", "dropout_iterations", "bias_one",
    ]  # fmt: skip


def test_the_opening_of_the_readme_is_that_of_the_committed_runs():
    text = opening.table(named(ROOT / "README.md"), ENTRIES, CLAIMS, SHELF)
    assert text.strip() in (ROOT / "README.md").read_text(), "run: python -m repro report --reference"


def test_the_first_screen_of_the_readme_follows_from_the_claims_and_the_committed_runs(tmp_path):
    readme = (ROOT / "README.md").read_text()
    (tmp_path / "README.md").write_text(readme)
    for text in first_screen(tmp_path / "README.md", CLAIMS, SHELF).values():
        assert text.strip() in readme, "run: python -m repro report --reference"
    if version("vl-convert-python") == (ROOT / "tox.ini").read_text().partition("vl-convert-python==")[2].split()[0]:
        assert (tmp_path / newcomers.PICTURE).read_bytes() == (ROOT / newcomers.PICTURE).read_bytes()


def test_the_first_screen_has_the_errors_that_its_claim_records():
    file = next(file for file in CLAIMS if file.id == "ilsvrc2012")
    text = newcomers.expected(file.id, CLAIMS, SHELF)
    for record in file.claim.paper.later:
        assert f"({record.who})" in text
    assert f"{100 * (1 - file.claim.rule.paper):.1f} %" in text
    with pytest.raises(ReproError, match="conv_share"):
        newcomers.expected("conv_share", CLAIMS, SHELF)


def test_the_figure_of_the_readme_stands_alone_in_light_and_in_dark():
    drawing = (ROOT / newcomers.PICTURE).read_text()
    used = set(re.findall(r"var\((--[a-z]+)\)", drawing))
    for scheme in re.findall(r":root \{(.*?)\}", drawing):
        assert used <= set(re.findall(r"(--[a-z]+): ", scheme))
    assert drawing.count(":root {") == 2


def test_a_claim_without_runs_has_its_command_and_nothing_else_that_looks_measured(file):
    assert cells(file, {}) == [
        "[The ReLU net \\| is faster](reports/reference/speed.html) (§3.1)",
        "6 times", "–", "not run yet", "`repro run speed --scale small`", "not measured", "not measured",
    ]  # fmt: skip


def test_a_smoke_run_is_no_result(file, tmp_path):
    table = fill(tmp_path / "runs", file, "smoke", straight(0.05)).table()
    assert cells(file, table)[2:] == cells(file, {})[2:]


def test_a_verdict_has_its_interval_and_the_hours_of_the_runs_behind_it(file, tmp_path):
    table = fill(tmp_path / "runs", file, "paper", RELU_FASTER).table()
    _, _, ours, word, command, cpu, gpu = cells(file, table)
    assert ours.endswith(", paper scale, n = 5")
    assert (word, command, gpu) == ("`reproduced`", "`repro run speed --scale paper`", "not measured")
    assert cpu == f"{hours(table):.3g} core-hours"


def test_hours_of_a_gpu_stand_in_their_own_column_and_those_of_another_scale_name_it(file, tmp_path):
    fill(tmp_path / "paper", file, "paper", RELU_FASTER)
    on("A GPU", tmp_path / "paper")
    paper = Store(tmp_path / "paper").table()
    assert cells(file, paper)[5:] == ["not measured", f"{hours(paper):.3g} hours"]
    seeds = range(5, 10)  # of small scale alone
    other = claim_file(tmp_path / "other", ("small: {", f"small: {{seeds: {list(seeds)}, train.batch: 64, "))
    small = fill(tmp_path / "other" / "runs", other, "small", RELU_FASTER).table()
    assert not small.keys() & paper.keys()
    assert cells(other, small | paper)[5:] == [
        f"{hours(small):.3g} core-hours; at small scale", f"{hours(paper):.3g} hours",
    ]  # fmt: skip


def test_alternatives_are_told_apart_and_what_is_missing_of_them_is_said(tmp_path):
    more = "{label: weight decay, train.weight_decay: 0.001}"
    decay = f"assumptions:\n  - {{what: decay, ours: none, alternatives: {{decay: {more}}}}}\nscales:"
    file = claim_file(tmp_path, ("scales:", decay), ("paper: {}", "paper: {alternatives: [decay]}"), text=CLAIM)
    table = fill(tmp_path / "runs", file, "paper", RELU_FASTER).table()
    ours = {id: table[id] for id in judge(file, "paper", table).run_ids}
    assert len(ours) * 2 == len(table)
    assert cells(file, table)[5] == f"{hours(ours):.3g} core-hours; {hours(table):.3g} with the alternatives"
    assert cells(file, ours)[5] == f"{hours(ours):.3g} core-hours; without the alternatives, some of which are not run"


def test_a_verdict_is_marked_where_its_rule_was_changed_after_its_runs_and_the_mark_is_explained(file, tmp_path):
    change = (
        "version: 1", "version: 2\nhistory:\n  - {version: 2, date: '2026-01-01', what: the band, runs: {paper: {word: "
        "differs, seeds: [0, 1]}}}"
    )  # fmt: skip
    changed = claim_file(tmp_path / "changed", change)
    table = fill(tmp_path / "runs", file, "paper", RELU_FASTER).table()
    for each, marks in ((file, 0), (changed, 1)):
        for text in (opening.table(["speed"], [SPEED], [each], table), results([each], table)):
            head, _, note = text.partition("\n\n")
            assert (head.count(opening.AFTER), note.count(opening.AFTER)) == (marks, marks)


def test_the_readme_marks_the_verdicts_whose_rule_was_changed_after_their_runs():
    rows = results(CLAIMS, SHELF).splitlines()
    marked = {row.split("]")[0].removeprefix("| [") for row in rows if f"` {opening.AFTER} |" in row}
    shown = [show(file, "reference", SHELF) for file in CLAIMS if isinstance(file, ClaimFile)]
    assert marked == {e.file.id for e in shown if e.speaks and e.file.claim.set_after(e.scale)}


def test_a_claim_without_a_base_says_what_to_write_where_and_its_cost_is_that_of_the_choice(tmp_path):
    text = (ROOT / "claims" / "lrn_imagenet.yaml").read_text()
    for base, undecided in (("undecided", True), ("printed_60", False)):
        *_, command, cpu, _ = cells_of("lrn_imagenet", re.sub("base: [a-z0-9_]+", f"base: {base}", text), tmp_path)
        assert ("repro run --base" in command, "`claims/lrn_imagenet.yaml`" in command) == (undecided, undecided)
        assert command.endswith("`repro run lrn_imagenet --scale small`")
        assert ("base" in cpu) == undecided or cpu == opening.UNKNOWN  # where all runs for the choice are there


def test_an_ensemble_of_fewer_nets_than_the_paper_s_says_of_how_many():
    files = {file.id: file for file in CLAIMS}
    assert of_fewer(files["ensemble"], "small") == (5, 3)
    assert of_fewer(files["ensemble"], "paper") is None
    assert of_fewer(files["relu_speedup"], "small") is None
    assert "3 nets averaged" in newcomers.differences(["ensemble"], CLAIMS, SHELF)


def test_an_opening_names_trained_claims_of_the_catalogue_alone(file):
    for id in ("sped", "conv_share"):
        with pytest.raises(ReproError, match=id):
            opening.table([id], ENTRIES, [*CLAIMS, file], {})


def test_the_marker_that_names_the_claims_stays_where_the_table_is_renewed(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# Title\n\n<!-- opening: speed, late -->\nold\n<!-- /opening -->\n\nMore\n")
    assert named(readme) == ["speed", "late"]
    for _ in range(2):
        update(readme, "new\n", OPENING)
    assert readme.read_text() == "# Title\n\n<!-- opening: speed, late -->\nnew\n<!-- /opening -->\n\nMore\n"
