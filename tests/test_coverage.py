"""The catalogue and the claims agree; what is covered, what is missing, and costs that recorded runs gave."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from simulated_claims import CLAIM
from simulator import fill, straight

from repro.claim.catalogue import Entry, Part, read
from repro.claim.files import ClaimFile
from repro.contents import PAPERS, catalogue, load, load_valid
from repro.errors import ReproError
from repro.pages import write
from repro.pages.coverage import cost, lines, overview
from repro.pages.shelf_results import results_of
from repro.pages.view import show
from repro.questions.coverage import OWN, Covered, Recorded, coverage, summary
from repro.questions.trial import Trials
from repro.store import Store, Table

ROOT = Path(__file__).parent.parent
ENTRIES = catalogue()
SENTENCES, NOTHING = Part("CIFAR-10"), Part("Sentences that this project does not test", "not covered")
SPEED = Entry("alexnet2012", SENTENCES, "speed", "3.1", "ReLUs are faster")


@pytest.fixture
def speed(tmp_path: Path) -> ClaimFile:
    (tmp_path / "speed.yaml").write_text(CLAIM)
    file = load(tmp_path / "speed.yaml")
    assert isinstance(file, ClaimFile)
    return file


def reference(file: ClaimFile, runs: Table) -> Recorded:
    """What coverage asks of the reference shelf, by the results of these runs."""
    trials = Trials(runs)
    return results_of("reference", [file], {file.id: show(file, "reference", trials)}, trials).recorded()


def row(rows: list[Covered], name: str) -> Covered:
    return next(row for row in rows if row.entry.id == name)


def test_the_catalogue_has_36_sentences_for_claims_and_13_rows_without():
    assert Counter(entry.paper for entry in ENTRIES) == {"alexnet2012": 48, "vgg2014": 1}
    assert Counter(entry.part.title for entry in ENTRIES if entry.paper == "alexnet2012") == {
        "What the net is": 6, "CIFAR-10": 5, "ImageNet": 24, "Reference implementations": 3,
        "Sentences that this project does not test": 10,
    }  # fmt: skip
    assert sum(entry.is_claim for entry in ENTRIES) == 36


def test_every_claim_has_its_row_and_every_row_of_a_sentence_its_claim():
    claims = {path.stem for path in (ROOT / "claims").glob("*.yaml")}
    rows = {entry.id for entry in ENTRIES if entry.is_claim}
    assert claims == rows


def test_a_claim_stands_where_its_row_says():
    files, invalid = load_valid(ROOT / "claims")
    assert not invalid
    of = {entry.id: entry for entry in ENTRIES}
    apart = {
        file.id: (file.claim.paper.section, of[file.id].section)
        for file in files
        if not set(file.claim.paper.section.split(", ")) & set(of[file.id].section.split(", "))
        and file.claim.paper.section not in of[file.id].section
    }
    assert apart == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("part,id\n", ":1: found part,id; expected part,row,section,says"),
        ("part,row,section,says\nB,a,3.1\n", ":2: found 3 cells; expected 4"),
        ("part,row,section,says\nB,a,3.1,x\nC,a,5,y\n", ":3: a: stands twice"),
        ("part,row,section,says\nZ,a,3.1,x\n", ":2: a: found part Z; expected A or B or C or D or F"),
    ],
)
def test_a_mistake_in_the_catalogue_is_told_with_its_line(tmp_path, text, told):
    path = tmp_path / "catalogue.csv"
    path.write_text(text)
    with pytest.raises(ReproError) as refused:
        read(path, PAPERS[0])
    assert f"{path}{told}" in str(refused.value)


def test_each_declared_scale_has_its_state_on_each_shelf_and_what_is_missing_its_command(speed, tmp_path):
    smoke = fill(tmp_path / "mine", speed, "smoke", straight(0.2)).table()
    small = fill(tmp_path / "reference", speed, "small", straight(0.05)).table()
    (found,) = coverage([SPEED], [speed], {"yours": smoke}, other=reference(speed, small))
    assert found.state == "valid"
    assert list(found.scales) == ["smoke", "small", "paper"]
    words = {scale: {state.shelf: state.word for state in states} for scale, states in found.scales.items()}
    assert words["smoke"] == {"yours": "works", "reference": "not run"}
    assert words["small"]["yours"] == "not run"
    assert words["small"]["reference"] == "not tested"
    assert [m.scale for m in found.missing] == ["paper"]
    assert found.missing[0].command == "python -m repro run speed --scale paper"
    assert found.judged
    alone = coverage([SPEED], [speed], {"yours": smoke})[0]
    assert not alone.judged, "smoke scale proves the machinery and nothing else"


def test_a_cost_is_that_of_recorded_runs_alike_and_is_never_invented(speed, tmp_path):
    nothing = coverage([SPEED], [speed], {"yours": {}})[0]
    for missing in nothing.missing:
        assert not missing.cost.known
        assert f"`python -m repro plan speed --scale {missing.scale}` measures it" in cost(missing)
    smoke = fill(tmp_path / "smoke", speed, "smoke", straight(0.2)).table()
    other = coverage([SPEED], [speed], {"yours": smoke})[0]
    assert not any(m.cost.known for m in other.missing), "epochs of digits say nothing of those of CIFAR-10"
    small = fill(tmp_path / "small", speed, "small", straight(0.05)).table()
    (known,) = coverage([SPEED], [speed], {"yours": {}}, other=reference(speed, small))
    (paper,) = (missing for missing in known.missing if missing.scale == "paper")
    # the first pass of tuning: 2 arms x 4 rates on the first seed, 3 epochs each, 2 seconds an epoch
    assert (paper.cost.runs, paper.cost.known, paper.cost.seconds) == (8, 8, 8 * 3 * 2.0)
    assert paper.cost.device == "A processor"
    assert "the next 8 runs take at most 48 s with one worker on A processor" in cost(paper)


def test_rows_without_a_claim_and_claims_without_a_row_are_shown_as_what_they_are(speed):
    entries = [
        Entry("alexnet2012", SENTENCES, "bias_one", "5", "biases"),
        Entry("alexnet2012", SENTENCES, "depth", "7", "layers"),
        Entry("alexnet2012", NOTHING, "finetuning", "", "fine-tuning"),
        Entry("alexnet2012", NOTHING, "split_choice", "6", "splits"),
    ]
    rows = coverage(entries, [speed], {"yours": {}}, invalid=["depth"])
    assert [r.state for r in rows] == [
        "no claim yet",
        "invalid",
        "not covered",
        "not covered",
        "valid",
    ]
    assert rows[-1].entry.part is OWN
    text = "\n".join(lines(rows))
    assert "bias_one: write claims/bias_one.yaml" in text
    assert "python -m repro check depth" in text
    assert summary(rows).startswith("3 sentences: 1 have a valid claim, 0 have a verdict")


def test_an_exact_claim_is_counted_at_no_scale():
    files, _ = load_valid(ROOT / "claims")
    rows = coverage(ENTRIES, files, {"yours": {}})
    share = row(rows, "conv_share")
    assert {scale: [state.word for state in states] for scale, states in share.scales.items()} == {
        "exact": ["true in part"]
    }
    assert share.judged
    assert not share.missing


def test_the_page_has_every_row_with_its_state_and_the_commands(speed, tmp_path):
    small = fill(tmp_path / "runs", speed, "small", straight(0.05)).table()
    rows = [SPEED, Entry("alexnet2012", NOTHING, "split_choice", "6", "the split does not matter")]
    write([speed], {"reference": small}, tmp_path / "out", rows)
    page = (tmp_path / "out" / "coverage.html").read_text()
    page += re.sub("<.*?>", "", page)  # within a command stand tags
    for text in ("speed.html", "not tested", "The split does not matter", "not covered",
                 "python -m repro run speed --scale paper", "at most"):  # fmt: skip
        assert text in page, text
    assert 'href="coverage.html"' in (tmp_path / "out" / "index.html").read_text()


def test_without_missing_every_row_stands_once_by_its_verdict_and_all_fits_one_screen():
    table = Store(ROOT / "runs" / "reference").table()
    text = overview(coverage(ENTRIES, load_valid(ROOT / "claims")[0], {"reference": table}))
    assert len(text) <= 30
    assert max(len(line) for line in text[: text.index("")]) <= 100
    words = Counter(re.findall(r"\w+", " ".join(text[: text.index("")])))
    assert {entry.id: words[entry.id] for entry in ENTRIES} == {entry.id: 1 for entry in ENTRIES}


def test_the_command_lists_every_row_and_loads_no_torch():
    script = (
        "import sys\nfrom repro.cli import main\n"
        "try: main(['coverage', '--missing', '--reference'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'timm', 'altair', 'pandas'} & sys.modules.keys()\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = done.stdout.partition("\n\n")[0].splitlines()[1:]
    ids = [line.split()[0] for line in table if not line.endswith(":")]
    assert ids == [entry.id for entry in ENTRIES]
    assert [line for line in table if line.endswith(":")] == ["alexnet2012:", "vgg2014:"]
    assert "not told apart (r)" in next(line for line in done.stdout.splitlines() if " cifar_trace " in line)
