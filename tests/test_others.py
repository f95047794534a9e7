"""What others measured: data of claims, drawn on the claim's own axis and listed with its setting and source."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_claims import ERRORS, claim_file
from simulator import fill
from test_claims_on_photos import page, text_of
from test_report import opened

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.claim.problems import SpecError
from repro.contents import load_all
from repro.draw import axes, charts
from repro.pages import records, view, write
from repro.pages.readme import results

CLAIMS = Path(__file__).parent.parent / "claims"
FILES = {file.id: file for file in load_all([CLAIMS]) if isinstance(file, ClaimFile)}
LATER = [id for id, file in FILES.items() if file.claim.paper.later]
NUMBERED = [id for id in LATER if any(record.numbers for record in FILES[id].claim.paper.later)]
NOBODY = [id for id, file in FILES.items() if file.claim.paper.nobody]
GIVEN = "numbers: [-0.001]"


def gained(config: RunConfig, epoch: float) -> float:
    """A tenth of a point for each seed, and two points more without the norms."""
    return max(0.3 + 0.001 * config.seed + 0.02 * (config.model.norms == "none"), 0.9 - 0.2 * epoch)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of all claims before any run."""
    out = tmp_path_factory.mktemp("pages")
    write(list(FILES.values()), {"yours": {}}, out)
    return out


# Data of claims


@pytest.mark.parametrize(
    ("instead", "text"),
    [
        (f"{GIVEN}, value: none", "found both of numbers and value; expected numbers in the unit of rule.paper, or"),
        ("n: 2", "found neither of numbers and value"),
        ("numbers: [0.01, 1.4]", "numbers: found 1.4; expected a difference of fractions above -1 and up to 1"),
    ],
)
def test_what_others_measured_is_in_the_unit_of_the_rule_or_in_words(instead, text, tmp_path):
    claim_file(tmp_path / "in_words", (GIVEN, "value: no gain"), text=ERRORS)
    with pytest.raises(SpecError) as raised:
        claim_file(tmp_path, (GIVEN, instead), text=ERRORS)
    (problem,) = raised.value.problems
    assert problem.text.startswith("paper.later")
    assert text in problem.text
    assert problem.line == 1 + ERRORS.splitlines().index(next(x for x in ERRORS.splitlines() if "later:" in x))


def test_what_is_on_record_is_no_part_of_what_is_trained(tmp_path):
    with_it = claim_file(tmp_path / "with", text=ERRORS)
    line = next(line for line in ERRORS.splitlines(keepends=True) if "later:" in line)
    without = claim_file(tmp_path / "without", (line, ""), text=ERRORS)
    assert with_it.claim.paper.later
    assert not without.claim.paper.later
    for arm in with_it.claim.arms:
        assert len({run_config(file.at("paper"), arm, seed=0).id for file in (with_it, without)}) == 1


def test_what_was_read_off_a_plot_has_one_digit_behind_the_point():
    for id in NUMBERED:
        for record in FILES[id].claim.paper.later:
            if record.read == "off a plot":
                assert all(round(number, 1) == number for number in record.numbers), id


# The page


@pytest.mark.parametrize("id", LATER)
def test_a_page_lists_every_measurement_with_its_setting_and_source(id, pages):
    text = text_of(pages / f"{id}.html")
    listed = text[text.rindex("What others measured") :]
    assert "Context, never part of the verdict." in listed
    for record in FILES[id].claim.paper.later:
        for words in (record.who, record.value or "", record.says, record.setting, record.source):
            assert " ".join(words.split()) in listed.replace("\u2060", ""), words
        assert (f"; {record.n} runs" in listed) or record.n == 1


@pytest.mark.parametrize("id", NOBODY)
def test_a_page_says_what_nobody_has_measured_and_when_that_was_looked_for(id, pages):
    searched = FILES[id].claim.paper.nobody
    said = f"Nobody, as far as we found ({searched.until}), {searched.has}."
    assert said in text_of(pages / f"{id}.html")


def test_a_page_of_a_claim_with_nothing_of_others_has_no_such_section(pages):
    for id in FILES.keys() - {*LATER, *NOBODY}:
        assert "What others measured" not in text_of(pages / f"{id}.html"), id


def test_what_others_measured_changes_no_verdict_and_stands_beside_the_effect(tmp_path):
    far = claim_file(tmp_path / "far", (GIVEN, "numbers: [0.9, 0.0145]"), text=ERRORS)
    near = claim_file(tmp_path / "near", text=ERRORS)
    table = fill(tmp_path / "runs", near, "medium", gained).table()
    judged = [view.show(file, "yours", table).judgement for file in (far, near)]
    assert judged[0].verdict == judged[1].verdict
    assert judged[0].effect == judged[1].effect
    text = page(far, table, tmp_path / "pages")
    assert "arrows point to values beyond the axis." in text
    assert "+90 and +1.45 points · S & Z 2014" in text
    assert "No result of ours yet" not in text
    assert "; an arrow" not in page(near, table, tmp_path / "pages")
    assert "No result of ours yet" in page(near, {}, tmp_path / "pages")


def test_the_tables_give_the_ends_of_what_others_measured_or_the_first_in_words():
    short = {id: records.short(file.claim) for id, file in FILES.items()}
    assert short["ilsvrc2012"] == "40.42 to 40.5 %"
    assert short["training_cost"] == "366 to 14,262 images/s"
    assert short["lrn_imagenet"] == "\u22120.1 points"
    assert short["relu_consistently"] == "about 1.2 to 2.6 times"
    assert short["crops_and_flips"] == "a gap of 24.5 points"
    assert short["relu_speedup"] == "none found"
    assert short["pretraining"] == ""


def test_the_index_and_the_readme_name_them_in_short(tmp_path):
    file = claim_file(tmp_path, text=ERRORS)
    table = fill(tmp_path / "runs", file, "medium", gained).table()
    write([file], {"reference": table}, tmp_path / "pages")
    assert "<span>others: \u22120.1 points</span>" in (tmp_path / "pages" / "index.html").read_text()
    head, _, row, *_ = (line.split(" | ") for line in results([file], table).splitlines())
    assert row[head.index("others")] == "\u22120.1 points"


# The drawing


def places(drawing, width):
    """The domain of the axis, and the open marks as (x, shape)."""
    spec = drawing.stills[width]
    low, high = spec["encoding"]["x"]["scale"]["domain"]
    marks = [part for part in spec["layer"] if part["mark"].get("size") == 44]
    return low, high, [(part["data"]["values"][0]["x"], part["mark"]["shape"]) for part in marks]


@pytest.mark.parametrize("width", ["wide", "narrow"])
@pytest.mark.parametrize("kind", ["log", "linear"])
def test_a_mark_far_away_is_an_arrow_and_leaves_the_interval_its_room(kind, width):
    axis = axes.Axis(kind, "ratio", 1.0, "no effect", 2.0, "the paper: 2", (1.5, 2.5), "the band")
    row = axes.Row(1.8, 1.6, 2.1, {0: 1.7, 1: 1.9})
    marks = [axes.Marks((2.6, 1000.0), "2.6 and 1000", "somebody")]
    alone = places(charts.interval("x", "", "", axis, [row]), width)
    low, high, drawn = places(charts.interval("x", "", "", axis, [row], marks), width)
    assert axes.beyond(axis, [row], marks)
    assert (low, high) == pytest.approx((alone[0], max(alone[1], high)))
    assert [shape for _, shape in drawn] == ["circle", "triangle-right"]
    assert drawn[0][0] == 2.6
    assert drawn[1][0] == high < 10
    low, high, drawn = places(charts.interval("x", "", "", axis, [], marks), width)
    assert [shape for _, shape in drawn] == ["circle", "circle"], "without an interval of ours there is room for all"
    assert high > 1000


@pytest.mark.parametrize("id", NUMBERED)
def test_marks_stand_where_their_numbers_are_on_the_claim_s_axis(id):
    claim = FILES[id].claim
    by = 1 if claim.rule.kind in ("ratio", "rate") else 100
    numbers = [by * number for record in claim.paper.later for number in record.numbers]
    assert [place for each in records.marks(claim) for place in each.places] == pytest.approx(numbers)


OVERLAPS = """svg => {
  const boxes = [...svg.querySelectorAll('text')].filter(text => text.getAttribute('stroke') === null)
    .map(text => [text.textContent, text.getBoundingClientRect()]);
  const out = [];
  boxes.forEach(([one, a], i) => boxes.slice(0, i).forEach(([two, b]) => {
    if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
      out.push(`${one} | ${two}`);
  }));
  return out;
}"""


@pytest.mark.parametrize(("width", "view_width"), [("wide", 1280), ("narrow", 390)])
def test_no_two_labels_of_a_drawing_with_others_meet(chromium, width, view_width, pages):
    met = []
    for id in NUMBERED:
        view_size = {"width": view_width, "height": 900}
        opened_page, _, _ = opened(chromium, pages / f"{id}.html", viewport=view_size, java_script_enabled=False)
        for svg in opened_page.locator(f".static.{width} svg:visible").all():
            met += [(id, pair) for pair in svg.evaluate(OVERLAPS)]
        assert opened_page.evaluate("document.documentElement.scrollWidth <= innerWidth"), id
        opened_page.context.close()
    assert not met
