"""The facts on the released source travel: every citation, wherever it stands, leads to its row on a page."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from repro.claim import sources
from repro.claim.sources import citations
from repro.contents import load
from repro.pages import write
from repro.pages.origins import origins
from repro.pages.view import show
from repro.papers.alexnet2012 import PAPER
from repro.store import Store

ROOT = Path(__file__).parent.parent
SOURCE = sources.read(PAPER.source)
CITING = [
    *sorted((ROOT / "claims").glob("*.yaml")),
    ROOT / "claims" / "claim.schema.json",
    *sorted(path for path in (ROOT / "repro").rglob("*") if path.suffix in (".py", ".yaml", ".html")),
    *sorted(path for path in (ROOT / "tests").glob("*.py") if path.name != Path(__file__).name),
]


def anchors(text: str) -> list[tuple[str, str | None]]:
    return [(text[cited.start : cited.end], cited.anchor) for cited in citations(text, SOURCE)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(source.md 1, 28)", ["1-28"]),
        ("source.md 1, 16 to 18)", ["1-16", "1-18"]),
        ("source.md 1, 13-15).", ["1-13", "1-15"]),
        ("source.md 1, rows 3-7, 11).", ["1-3", "1-7", "1-11"]),
        ("source.md 1, rows 3, 4 and 11.", ["1-3", "1-4", "1-11"]),
        ("source.md 1, 14; 2.2; 2.3", ["1-14", "2.2", "2.3"]),
        ("source.md 1, 33; #147).", ["1-33"]),
        ("source.md 1, 33; overlapping windows of 3", ["1-33"]),
        ("source.md 1, 30), or anew", ["1-30"]),
        ("source.md 1, with its number", ["1"]),
        ("source.md 2.1, 2.2", ["2.1", "2.2"]),
        ("source.md 2.1, #137 on 2010", ["2.1-137-on-2010"]),
        ("source.md 2.1, #146)", ["2.1-146-2009"]),
        ("source.md 3.2 D to F, 3.3", ["3.2-D", "3.2-F", "3.3"]),
        ("source.md 3.2 D in the schedule", ["3.2-D"]),
        ("source.md 4, rnorm)", ["4-rnorm"]),
        ("`source.md` 3: data_mean", ["3"]),
        ("source.md, here and below", [""]),
        ("source.md 1, 39)", [None]),
        ("source.md 6.1)", [None]),
        ("source.md 2.1, #999", [None]),
        ("source.md 3.2 Q)", [None]),
    ],
)
def test_a_citation_leads_to_the_rows_and_sections_that_it_names(text, expected):
    assert [place for _, place in anchors(text)] == expected


def test_of_several_rows_each_is_a_link_of_its_own():
    assert anchors("(source.md 1, 16 to 18; 2.3)") == [("source.md 1, 16", "1-16"), ("18", "1-18"), ("2.3", "2.3")]


def test_every_citation_of_the_project_leads_to_a_row_or_a_section():
    wrong, many = [], 0
    for path in CITING:
        text = re.sub(r"\n[\s#]*", " ", path.read_text())  # a citation may go on in the next line
        for words, place in anchors(text):
            many += 1
            if place is None:
                wrong.append(f"{path.relative_to(ROOT)}: {words}")
    assert not wrong, "\n".join(wrong)
    assert many > 180


def test_every_row_says_where_its_fact_stands_or_that_it_is_nowhere():
    """A file with a line, another of its notes, or a count that the next sentence of the row can be checked by."""
    (text,) = (section for section in SOURCE.sections if section.number == "1")
    assert [name for name, _ in text.rows] == [str(number) for number in range(1, 39)]
    without = {name for name, row in text.rows if not re.search(r"\.(py|cu|cuh|cfg|save)|L\d{2}|P\d{2}", row)}
    assert without == {"2", "31"}  # arithmetic on row 1's layers, and numbers of row 16
    names = [(section.number, name) for section in SOURCE.sections for name, _ in section.rows]
    assert len(set(names)) == len(names)


class Texts(HTMLParser):
    """Texts of a page outside of links, addresses of its links, attributes that are no addresses, and ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside = False
        self.texts: list[str] = []
        self.links: list[str] = []
        self.others: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.inside = self.inside or tag == "a"
        if tag == "a":
            self.links.append(given.pop("href"))
        self.loads += [given.pop(name) for name in ("src", "href", "data") if name in given]
        self.ids += [given["id"]] if "id" in given else []
        self.others += given.values()

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "a"

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.texts.append(data)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Texts]:
    """Pages where they would lie in the project, of claims that cite the source in every place."""
    out = tmp_path_factory.mktemp("project") / "reports" / "reference"
    names = ("architecture", "normalisation_constants", "lrn_imagenet", "weight_decay", "validation_and_test")
    claims = [load(ROOT / "claims" / f"{name}.yaml") for name in names]
    write(claims, {"reference": {}}, out, project="../..")
    return {path.name: Texts(path.read_text()) for path in out.glob("*.html")}


def test_every_citation_on_a_page_is_a_link_to_an_anchor_that_is_there(pages):
    cited = [link for page in pages.values() for link in page.links if link.startswith("source.html#")]
    assert len(cited) > 20
    assert {link.partition("#")[2] for link in cited} <= set(pages["source.html"].ids)
    for name, page in pages.items():
        assert not any("source.html" in other or "source.md" in other for other in page.others), name
        if name != "source.html":
            assert not any("source.md" in text for text in page.texts), name


def test_the_page_of_the_source_has_every_fact_under_its_anchor_and_leads_to_what_is_done_here(pages):
    page = pages["source.html"]
    rows = [sources.anchor(section.number, name) for section in SOURCE.sections for name, _ in section.rows]
    assert {*rows, *(section.number for section in SOURCE.sections)} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert [link for link in page.links if link.startswith("fidelity.html#row-")] == [
        f"fidelity.html#row-{row.number}" for row in PAPER.differences.rows()
    ]
    assert {f"row-{row.number}" for row in PAPER.differences.rows()} <= set(pages["fidelity.html"].ids)


@pytest.mark.parametrize("name", ["architecture", "weight_decay"])
def test_a_claims_page_links_to_its_file_and_to_the_paper_and_its_source_and_loads_nothing(name, pages):
    page = pages[f"{name}.html"]
    assert f"../../claims/{name}.yaml" in page.links
    assert {PAPER.home, *(address for _, address in PAPER.code), "source.html", "fidelity.html"} <= set(page.links)
    assert not any("//" in address for address in page.loads)


def test_a_page_outside_of_the_project_links_to_no_file_of_it(tmp_path):
    write([load(ROOT / "claims" / "architecture.yaml")], {"reference": {}}, tmp_path)
    assert not any(link.startswith("..") for link in Texts((tmp_path / "architecture.html").read_text()).links)


def test_the_runs_behind_a_claims_verdict_are_linked_to_their_pages_and_those_to_their_records():
    runs = Store(ROOT / "runs" / "reference").table()
    file = load(ROOT / "claims" / "bias_one.yaml")
    exhibit = show(file, "reference", runs)
    runs = origins(file, "../..", exhibit).runs
    assert set(runs) >= set(exhibit.judgement.run_ids) > set()
    for run in runs:
        page = ROOT / "reports" / "reference" / "runs" / f"{run}.html"
        record = f"../../../runs/reference/{run}/run.json"
        assert f'href="{record}"' in page.read_text()
        assert (page.parent / record).resolve().is_file()
