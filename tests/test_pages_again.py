"""Pages made a second time: what has not changed is left as it is, and what is there never decides what is written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import vl_convert
from simulator import fill
from test_report import SPEED, Page, beside_the_bundle, claim, contents, ratio_of

from repro.claim.files import AnyFile
from repro.contents import load
from repro.draw import svg
from repro.pages import write
from repro.store import Store

ROOT = Path(__file__).parent.parent
COUNTED = load(ROOT / "claims" / "conv_share.yaml")


@dataclass
class Place:
    """A claim that has runs and one that counts facts, with their pages."""

    home: Path

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def out(self) -> Path:
        return self.home / "reports"

    @property
    def claims(self) -> list[AnyFile]:
        return [load(self.home / "speed.yaml"), COUNTED]

    def write(self, out: Path | None = None, only: set[str] | None = None) -> dict[str, bytes]:
        """The pages, read anew from the files, and what then lies in their folder."""
        write(self.claims, {"yours": Store(self.runs).table()}, out or self.out, only=only)
        return contents(out or self.out)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("made"))
    fill(place.runs, claim(place.home, SPEED.replace("alternatives: [he]", "seeds: [0, 1, 2, 3, 4, 5]")), "small",
         ratio_of(6.0))  # fmt: skip
    place.write()
    return place


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Place:
    shutil.copytree(made.home, tmp_path / "copy")
    return Place(tmp_path / "copy")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is drawn from here on."""
    draw, seen = vl_convert.vegalite_to_svg, []
    monkeypatch.setattr(vl_convert, "vegalite_to_svg", lambda spec, **how: (seen.append(spec), draw(spec, **how))[1])
    return seen


def untouched(out: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.rglob("*") if path.is_file()}


def test_pages_of_which_nothing_has_changed_are_neither_drawn_nor_written_again(place, drawn):
    before = untouched(place.out)
    place.write()
    assert untouched(place.out) == before
    assert drawn == []


def run_of(place: Place) -> Path:
    """A judging run of relu."""
    found = (r for r in Store(place.runs).table().values() if r.config["seed"] == 1)
    return next(run.path for run in found if run.config["model"]["activation"] == "relu")


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text()
    assert change(before) != before
    path.write_text(change(before))


def another_question(place: Place) -> None:
    edit(place.home / "speed.yaml", lambda text: text.replace("How many times fewer", "By how many times fewer"))


def a_run_goes(place: Place) -> None:
    shutil.rmtree(run_of(place))


def another_curve(place: Place) -> None:
    def slower(text: str) -> str:
        rows = [json.loads(line) for line in text.splitlines()]
        return "".join(json.dumps(row | {"train_error": min(1.0, 1.2 * row["train_error"])}) + "\n" for row in rows)

    edit(run_of(place) / "metrics.jsonl", slower)


def another_session(place: Place) -> None:
    edit(run_of(place) / "run.json", lambda text: text.replace('"threads": 1', '"threads": 2'))


def a_failure(place: Place) -> None:
    run = run_of(place)
    (run / "metrics.jsonl").unlink()
    (run / "result.json").write_text('{"status": "failed", "why": "out of memory"}')


def words_of_the_page(place: Place) -> None:
    edit(place.out / "speed.html", lambda text: text.replace("The paper says", "Somebody says"))


def a_drawing_in_the_page(place: Place) -> None:
    edit(place.out / "speed.html", lambda text: re.sub(r'(<svg [^>]*data-made.*?<path [^>]*d=")M', r"\1M9", text,
                                                       count=1, flags=re.DOTALL))  # fmt: skip


def words_of_the_index(place: Place) -> None:
    edit(place.out / "index.html", lambda text: text.replace("on trial", "at home"))


def data_of_the_page(place: Place) -> None:
    edit(place.out / "speed.json", lambda text: text.replace("ratio", "product"))


def the_script(place: Place) -> None:
    edit(place.out / "static" / "vega.js", lambda text: text + "alert(1)\n")


def half_of_the_page(place: Place) -> None:
    edit(place.out / "speed.html", lambda text: text[: len(text) // 2])


def no_page(place: Place) -> None:
    (place.out / "speed.html").unlink()


CHANGES = (
    another_question, a_run_goes, another_curve, another_session, a_failure, words_of_the_page, a_drawing_in_the_page,
    words_of_the_index, data_of_the_page, the_script, half_of_the_page, no_page,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_after_any_change_the_pages_are_those_that_are_made_from_nothing(made, place, change, tmp_path):
    change(place)
    again = place.write()
    assert again == place.write(beside_the_bundle(made.out, tmp_path / "nothing"))
    of_pages = change in CHANGES[5:]
    assert (again == contents(made.out)) == of_pages


def test_a_run_that_is_added_is_on_the_page_as_if_it_had_always_been_there(made, place, tmp_path):
    run = run_of(place)
    shutil.move(run, tmp_path / "aside")
    assert place.write() != contents(made.out)
    shutil.move(tmp_path / "aside", run)
    assert place.write() == contents(made.out)


def test_a_change_of_the_code_that_draws_makes_every_drawing_anew(place, drawn, monkeypatch):
    before = len(re.findall("data-made=", (place.out / "speed.html").read_text()))
    monkeypatch.setattr(svg, "_code", lambda: "another")
    place.write()
    assert len(drawn) >= before > 0


def test_the_page_of_one_claim_is_written_with_the_index_alone(made, place, tmp_path):
    edit(place.out / "conv_share.html", lambda text: text + "<!-- by hand -->")
    (place.out / "coverage.html").unlink()
    words_of_the_page(place)
    before = untouched(place.out)
    place.write(only={"speed"})
    after = untouched(place.out)
    assert {path.name for path in after if after[path] != before.get(path)} == {"speed.html", "index.html"}
    assert (place.out / "speed.html").read_bytes() == (made.out / "speed.html").read_bytes()


def test_in_a_new_folder_the_index_links_to_the_pages_that_are_there(made, tmp_path):
    out = beside_the_bundle(made.out, tmp_path / "new")
    names = set(made.write(out, only={"speed"}))
    runs = set(re.findall("runs/[0-9a-f]{16}.html", (out / "speed.html").read_text()))
    assert runs
    assert names == runs | {
        "speed.html", "speed.json", "speed.csv", "speed.parquet", "speed.epochs.csv", "speed.epochs.parquet",
        "claim_results.schema.json", "index.html", "source.html", "fidelity.html", "static/page.css",
        "static/page.js", "static/index.js", "static/vega.js",
    }  # fmt: skip
    index = Page(out / "index.html")
    rows = [given["data-text"] or "" for _, given in index.tags if "data-text" in given]
    assert any(text.startswith("conv_share ") for text in rows)
    links = {link for link in index.refers if not link.startswith(("#", "data:"))}
    assert "speed.html" in links
    assert links <= names


def test_the_command_for_one_claim_writes_its_page_and_the_index_alone(made, tmp_path):
    out = beside_the_bundle(made.out, tmp_path / "out")
    command = [sys.executable, "-m", "repro", "report", "conv_share", "--runs", str(tmp_path), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    pages = {path.name for path in out.iterdir() if path.is_file()}
    of_the_source = {"source.html", "fidelity.html"}  # which any page may cite
    of_the_claim = {f"conv_share.{kind}" for kind in ("html", "json", "csv", "parquet")}
    assert pages == of_the_claim | {"claim_results.schema.json", "index.html"} | of_the_source
