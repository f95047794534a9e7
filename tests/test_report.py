"""Reports: pure functions of claims and runs, whole from disk, readable by everybody; drawn in a real browser."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from simulator import Curve, Failed, fill, straight

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile
from repro.contents import load, load_all
from repro.errors import ReproError
from repro.pages import write
from repro.pages.assumptions import asks_otherwise
from repro.pages.readme import results, update
from repro.pages.view import MARKS
from repro.store import Store

ROOT = Path(__file__).parent.parent
VOID = {"meta", "link", "input", "br", "img"}

# A claim of the ratio kind that needs few runs: three rates, one tuning seed, one alternative.
SPEED = """
id: speed
version: 1
paper:
  name: alexnet2012
  section: "3.1"
  figure: 1
  says: A network with ReLUs reaches 25% training error six times faster than the same network with tanh units.
  arms: {relu: 6, tanh: 36}
question: How many times fewer epochs does the ReLU network need?
data: {kind: cifar10}
model: {kind: cuda_convnet_19pct}
train: {batch: 128, epochs: 40, momentum: 0.9, weight_decay: 0.0}
arms: {relu: {label: ReLUs, model.activation: relu}, tanh: {label: tanh units, model.activation: tanh}}
varies: [model.activation]
tune: {train.lr: [0.001, 0.002, 0.004], per: arm, choose: fastest, on_seeds: [100]}
seeds: [0, 1, 2, 3, 4]
measure: {kind: epochs_to, metric: train_error, level: 0.25}
rule: {kind: ratio, of: [tanh, relu], paper: 6.0, within: [4.0, 9.0], direction: above 1}
assumptions:
  - {what: initialisation, ours: as published, alternatives: {he: {label: He init, model.init: he}}}
deviations:
  - {what: the images' order, why: a <b>file</b> stores them otherwise}
scales:
  smoke: {measure.metric: train_loss, measure.level: 1.5}
  small: {measure.level: 0.40, alternatives: [he]}
  paper: {}
"""


def ratio_of(*ratios: float, he: float | None = None) -> Curve:
    """relu falls by a fifth an epoch at the rate 0.002, tanh that many times slower, by seed; other rates slower."""

    def curve(config: RunConfig, epoch: float) -> float | None:
        ratio = ratios[config.seed % len(ratios)]
        if he is not None and config.model.init == "he":
            ratio = he
        slope = 0.2 * (1 + 0.1 * (config.seed % 100))
        slope /= ratio if config.model.activation == "tanh" else 1
        slope /= 1 if config.train.lr in (0.002, 0.01) else 1.3
        return straight(slope)(config, epoch)

    return curve


def claim(folder: Path, text: str = SPEED, id: str = "speed") -> ClaimFile:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{id}.yaml"
    path.write_text(text.replace("id: speed", f"id: {id}"))
    return load(path)


class Page(HTMLParser):
    """What a page refers to, and how it is built."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.refers: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.silent = False
        self.feed(path.read_text())
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self.refers += [value or "" for name, value in attrs if name in ("href", "src", "srcset", "data", "action")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.silent = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.silent = False

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """`paper`: everything, with ratio 6 (1 under `he`), and the author's trace; `small`, `smoke`: that much of it."""
    root = tmp_path_factory.mktemp("stores")
    file = claim(root)
    curve = ratio_of(6.0, he=1.0)
    made = {scale: fill(root / scale, file, scale, curve) for scale in ("smoke", "small")}
    shutil.copytree(root / "small", root / "paper")
    made["paper"] = fill(root / "paper", file, "paper", curve)
    trace = load(ROOT / "claims" / "cifar_trace.yaml")
    fill(root / "paper", trace, "paper", _near_the_authors(trace), every_update=True)
    return made


def _near_the_authors(file: ClaimFile) -> Curve:
    rule = file.claim.rule
    assert rule.kind == "trace"
    authors = rule.authors

    def curve(config: RunConfig, epoch: float) -> float:
        at = min(max(5 * epoch - 0.5, 0.0), len(authors) - 1.001)
        wave = 0.01 * ((config.seed * 7 + int(5 * epoch) * 3) % 11 - 5) / 5
        return authors[int(at)] + (authors[int(at) + 1] - authors[int(at)]) * (at % 1) + wave

    return curve


@pytest.fixture(scope="module")
def pages(stores: dict[str, Store], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of both kinds of claim, from reference runs at paper scale."""
    out = tmp_path_factory.mktemp("pages") / "reports"
    write(both_claims(stores), {"reference": stores["paper"].table()}, out)
    return out


def both_claims(stores: dict[str, Store]) -> list[ClaimFile]:
    return [load(stores["paper"].root.parent / "speed.yaml"), load(ROOT / "claims" / "cifar_trace.yaml")]


def beside_the_bundle(pages: Path, out: Path) -> Path:
    """A folder for pages that has Vega already: it takes a second to make, and is the same for all."""
    (out / "static").mkdir(parents=True)
    shutil.copy(pages / "static/vega.js", out / "static")
    return out


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


# Pure functions of claims and runs


def test_the_same_runs_give_the_same_bytes_over_old_pages_and_in_another_process(stores, pages, tmp_path):
    before = contents(pages)
    write(list(reversed(both_claims(stores))), {"reference": stores["paper"].table()}, pages)
    assert contents(pages) == before
    done = in_another_process(stores, tmp_path, {"PYTHONHASHSEED": "12345"})
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path) == before
    assert not {"torch", "torchvision", "timm", "altair"} & set(done.stdout.split())


def test_pages_that_are_there_already_are_not_drawn_again(stores, pages):
    done = in_another_process(stores, pages)
    assert done.returncode == 0, done.stderr
    assert "vl_convert" not in done.stdout.split()


def in_another_process(stores: dict[str, Store], out: Path, environment: dict[str, str] | None = None):
    """The same pages written there; it prints what it has loaded."""
    program = """
import sys
from pathlib import Path
from repro.pages import write
from repro.pages.assumptions import asks_otherwise
from repro.contents import load
from repro.store import Store
root, out, trace = map(Path, sys.argv[1:])
write([load(root / "speed.yaml"), load(trace)], {"reference": Store(root / "paper").table()}, out)
print(*{name.split(".")[0] for name in sys.modules})
"""
    places = [stores["paper"].root.parent, out, ROOT / "claims" / "cifar_trace.yaml"]
    command = [sys.executable, "-c", program, *map(str, places)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


def test_pages_name_no_place_on_this_machine_and_no_address(stores, pages):
    for name, content in contents(pages).items():
        assert str(stores["paper"].root.parent).encode() not in content, name
        assert str(pages).encode() not in content, name
        # these name their formats; the browser tests see that a page asks for nothing
        if name != "static/vega.js" and not name.endswith(".schema.json"):
            loaded = re.sub(rb'<a href="https://[^"]*">', b"", content)  # a link, which loads nothing by itself
            assert not re.search(rb"https?://|//cdn|@import", loaded), name


@cache
def anchors(path: Path) -> list[str]:
    return Page(path).ids


def test_everything_that_a_page_refers_to_lies_beside_it(pages):
    for path in pages.rglob("*.html"):
        page = Page(path)
        for target in page.refers:
            name, _, place = target.partition("#")
            if name and not name.startswith(("https://", "data:,")):
                assert (path.parent / name).is_file(), (path.name, target)
            if place:
                assert place in anchors(path.parent / name if name else path), (path.name, target)
    assert set(re.findall(r"url\((\w+:[^,]*),", (pages / "static/page.css").read_text())) == {"data:font/woff2;base64"}


def test_a_page_has_at_most_300_kB_beside_the_bundle(pages):
    style = (pages / "static/page.css").stat().st_size + (pages / "static/page.js").stat().st_size
    for path in pages.glob("*.html"):
        assert path.stat().st_size + style < 300_000, path.name
    for path in pages.glob("runs/*.html"):
        assert path.stat().st_size < 40_000, path.name


# Runs


def test_every_id_of_a_run_is_a_link_to_its_page(stores, pages):
    table = stores["paper"].table()
    named = set()
    for path in pages.rglob("*.html"):
        text = re.sub(r'<script type="application/json".*?</script>|<title>.*?</title>', "", path.read_text())
        links = dict(re.findall(r'<a class="run" href="([^"]*)">([0-9a-f]{16})</a>', text))
        assert all((path.parent / target).resolve() == pages / "runs" / f"{id}.html" for target, id in links.items())
        unlinked = re.sub(r"<a [^>]*>.*?</a>|<p class=\"eyebrow\">.*?</p>", "", text)
        assert not [id for id in re.findall(r"\b[0-9a-f]{16}\b", unlinked) if id in table and id != path.stem], (
            path.name
        )
        named |= set(links.values())
    assert named == {path.stem for path in pages.glob("runs/*.html")} <= table.keys()


def test_a_run_says_which_claims_use_it_how_it_went_and_what_differs_from_the_recipe(stores, pages):
    rows = csv.DictReader((pages / "speed.csv").read_text().splitlines())
    judged = {(row["arm"], row["seed"], row["use"], row["alternative"]): row["run"] for row in rows}
    id = judged["tanh", "0", "judging", ""]
    page = Page(pages / "runs" / f"{id}.html")
    assert "../speed.html" in page.refers
    # tanh falls from 0.9 by 0.2 / 6 an epoch
    assert "judges the arm “tanh units” (epochs to 25 % running training error: 19.50)" in page.text
    epochs = len(stores["paper"].table()[id].epochs)
    assert f"{epochs} epochs in " in page.text
    marked = re.findall(r'<tr class="strong"><th scope="row">(.*?)</th>', (pages / f"runs/{id}.html").read_text())
    assert {"model.activation", "train.lr", "train.weight_decay"} <= set(marked)
    assert not {"train.batch", "train.momentum", "seed"} & set(marked)


HOSTILE = "<img src=x>{{ 7 * 7 }}</title>\"'&"


def test_what_a_run_says_cannot_become_markup(pages, tmp_path):
    label = json.dumps(HOSTILE)
    text = SPEED.replace("label: ReLUs", f"label: {label}").replace("alternatives: [he]", "alternatives: []")
    file = claim(tmp_path, text)
    store = fill(tmp_path / "runs", file, "small", ratio_of(4.0))
    for path in store.root.glob("*/run.json"):
        record = json.loads(path.read_text())
        for session in record["sessions"]:
            session |= {name: HOSTILE for name, value in session.items() if isinstance(value, str) and name != "device"}
        path.write_text(json.dumps(record))
    out = beside_the_bundle(pages, tmp_path / "out")
    write([file], {"reference": store.table()}, out, project="../..")
    hostile = list(out.glob("runs/*.html"))
    assert hostile
    for path in hostile:
        page = Page(path)
        assert not page.count("img")
        assert not page.count("script")
        assert HOSTILE.replace("'", "’") in page.text or HOSTILE in page.text


# What is said


def test_the_page_states_the_ratio_that_the_curves_have(pages):
    text = Page(pages / "speed.html").text
    assert "Reproduced" in text
    data = json.loads((pages / "speed.json").read_text())
    assert data["shelf"] == "reference"
    assert data["judgement"]["verdict"] == data["scales"]["paper"]
    assert data["judgement"]["effect"]["estimate"] == pytest.approx(6.0)
    assert list(data["judgement"]["effect"]["per_seed"].values()) == pytest.approx([6.0] * 5)
    # relu falls from 0.9 by 0.2 an epoch: 0.25 after 3.25 epochs with seed 0
    assert data["judgement"]["arms"]["relu"]["judged"][0]["value"] == pytest.approx(3.25)
    rows = list(csv.DictReader((pages / "speed.csv").read_text().splitlines()))
    judged = [row for row in rows if row["shelf"] == "reference" and row["use"] == "judging"]
    assert len(judged) == 10
    assert {row["rate"] for row in judged} == {"0.002"}


def test_the_highest_complete_scale_is_shown_and_the_others_are_named(stores, tmp_path):
    file = both_claims(stores)[0]
    write([file], {"reference": stores["small"].table()}, tmp_path)
    text = Page(tmp_path / "speed.html").text
    assert "Agrees at small scale" in text
    assert "small scale" in text
    assert "python -m repro run speed --scale paper" in text
    write([file], {"reference": stores["paper"].table()}, tmp_path)
    assert "Reproduced" in Page(tmp_path / "speed.html").text


def test_the_assumption_that_decides_is_named(stores, tmp_path):
    write([both_claims(stores)[0]], {"reference": stores["small"].table()}, tmp_path)
    text = Page(tmp_path / "speed.html").text
    assert "initialisation (with He init: disagrees at small scale)." in text
    assert "“disagrees at small scale” instead of “agrees at small scale”" in text
    assert json.loads((tmp_path / "speed.json").read_text())["alternatives"][0]["decides"] is True


def unrun(out: Path, id: str) -> str:
    """What the page of one of the project's claims says before anything is run."""
    write([load(ROOT / "claims" / f"{id}.yaml")], {"reference": {}}, out)
    return Page(out / f"{id}.html").text


def test_before_any_run_a_page_says_what_the_next_command_takes(tmp_path):
    text = unrun(tmp_path, "crops_and_flips")
    assert "10 runs still to do." in text
    assert "Next: python -m repro run crops_and_flips --scale smallIt needs Imagenette" in text
    assert "the next 10 runs is not known: python -m repro plan" in text
    page = (tmp_path / "crops_and_flips.html").read_text()
    assert '<span class="word">--scale small</span>' in page, "a line may end there, but not within an option"


def test_the_first_of_several_rounds_says_that_rates_come_before_judging(stores, tmp_path):
    write([both_claims(stores)[0]], {"reference": {}}, tmp_path)
    assert "6 runs still to do before learning rates can be chosen." in Page(tmp_path / "speed.html").text


def test_an_alternative_with_other_arms_and_a_band_of_its_own_decides_nothing():
    files = [file for file in load_all([ROOT / "claims"]) if isinstance(file, ClaimFile)]
    asked = {(file.id, name) for file in files for name in file.claim.alternatives if asks_otherwise(file, name)}
    assert asked == {
        ("depth", "middle"), ("depth", "middle_of_3_to_5"), ("lrn_cifar10", "maps"), ("two_towers", "communication"),
    }  # fmt: skip


def test_an_error_itself_is_sent_to_paper_scale_the_one_that_can_speak_of_it(tmp_path):
    text = unrun(tmp_path, "ilsvrc2012")
    assert "Next: python -m repro run ilsvrc2012 --scale paperIt needs ILSVRC-\u20602012" in text


def test_arms_alternatives_and_scales_are_told_in_words_and_in_the_papers_units(tmp_path):
    text = unrun(tmp_path, "pretraining")
    assert "(same_updates): the effect compares longer training from scratch with pre-training and fine-tuning" in text
    assert "the number on record is +1.6 points; the band is +0.9 to +2.3 points" in text
    assert "+0.9 to +2.5 points" in text
    for raw in ("None", "True", "False", "null", "{", "[", "0.009"):
        assert raw not in text, raw


def fails(config: RunConfig, epoch: float) -> float:
    if config.seed < 100:
        raise Failed("out of memory")
    return ratio_of(6.0)(config, epoch) or 0.0


def never(config: RunConfig, epoch: float) -> float | None:
    """tanh needs six times as long; with judging seed 3 it diverges, with seed 4 it stops short of the level."""
    value = ratio_of(6.0)(config, epoch)
    if config.model.activation == "tanh" and config.seed == 3:
        return None if epoch > 9 else value
    if config.model.activation == "tanh" and config.seed == 4:
        return max(0.3, value or 0.0)
    return value


SAID = {
    "reproduced": ("paper", ratio_of(6.0)),
    "direction only": ("paper", ratio_of(3.0, 3.5, 4.0, 4.5, 5.0)),
    "differs": ("paper", ratio_of(3.0)),
    "refuted": ("paper", ratio_of(0.5)),
    "inconclusive": ("paper", ratio_of(1.5, 4.0, 2.0, 2.7, 3.5)),
    "agrees at small scale": ("small", ratio_of(4.0)),
    "open at small scale": ("small", ratio_of(1.5, 4.0, 2.0, 2.7, 3.5)),
    "disagrees at small scale": ("small", ratio_of(0.5)),
    "not comparable": ("smoke", ratio_of(4.0)),
    "error": ("paper", fails),
    "not run": (None, None),
}


@pytest.mark.parametrize("word", SAID)
def test_every_verdict_word_has_its_page_and_a_sign_beside_its_colour(word, pages, tmp_path):
    file = claim(tmp_path, SPEED.replace(", alternatives: [he]", ""))
    scale, curve = SAID[word]
    store = fill(tmp_path / "runs", file, scale, curve) if scale and curve else Store(tmp_path / "none")
    write([file], {"reference": store.table()}, beside_the_bundle(pages, tmp_path / "out"))
    for name in ("speed.html", "index.html"):
        page = Page(tmp_path / "out" / name)
        said = "machinery works here" if word == "not comparable" else word
        assert said in page.text.lower()
        assert f"#mark-{MARKS[word]}" in page.refers
    data = json.loads((tmp_path / "out" / "speed.json").read_text())
    assert data["judgement"]["verdict"]["word"] == word


def test_censored_and_diverged_runs_are_shown_and_leave_the_interval_open(pages, tmp_path):
    file = claim(tmp_path)
    store = fill(tmp_path / "runs", file, "paper", never)
    write([file], {"reference": store.table()}, beside_the_bundle(pages, tmp_path / "out"))
    text = Page(tmp_path / "out" / "speed.html").text
    assert "Direction only" in text
    assert "> 59" in text  # relu needs 3.25 epochs with seed 0, so the horizon of tanh is 2 x 9 x 3.25 = 58.5 epochs
    assert "diverged in epoch 10" in text
    assert "open where the arrow points" in text
    effect = json.loads((tmp_path / "out" / "speed.json").read_text())["judgement"]["effect"]
    assert effect["high"] is None
    assert effect["low"] == pytest.approx(6.0)


def test_a_run_that_failed_is_named_with_its_reason(pages, tmp_path):
    file = claim(tmp_path)
    store = fill(tmp_path / "runs", file, "paper", fails)
    write([file], {"reference": store.table()}, beside_the_bundle(pages, tmp_path / "out"))
    text = Page(tmp_path / "out" / "speed.html").text
    assert "Error" in text
    assert "failed twice: out of memory." in text


def test_the_trace_page_ranks_the_authors_curve_among_ours(pages):
    text = Page(pages / "cifar_trace.html").text
    judgement = json.loads((pages / "cifar_trace.json").read_text())["judgement"]
    data = judgement["trace"]
    rank = 1 + sum(size >= data["authors_largest_deviation"] for size in data["largest_deviations"].values())
    assert judgement["effect"]["p"] == pytest.approx(rank / 21, rel=1e-5)
    assert f"{rank} of 21 curves" in text
    points = list(csv.DictReader((pages / "cifar_trace.csv").read_text().splitlines()))
    assert sum(row["arm"] == "the author" for row in points) == 17
    assert sum(row["shelf"] == "reference" and row["arm"] == "ours" for row in points) == 20 * 17


def test_the_index_names_verdicts_that_share_runs_and_what_is_not_run(stores, pages, tmp_path):
    first, again = claim(tmp_path), claim(tmp_path, id="speed_again")
    lacking = claim(tmp_path, SPEED.replace("weight_decay: 0.0", "weight_decay: 0.001"), "slower")
    out = beside_the_bundle(pages, tmp_path / "out")
    write([first, again, lacking], {"reference": stores["small"].table()}, out)
    text = Page(tmp_path / "out" / "index.html").text
    shared = len(judged_runs(tmp_path / "out" / "speed.json"))
    assert f"speed with speed_again ({shared})" in text
    assert "2 agree in smaller experiments" in text
    assert "python -m repro run slower --scale small" in text


def judged_runs(path: Path) -> set[str]:
    data = json.loads(path.read_text())
    return {run for judgement in (data["judgement"], *data["alternatives"]) for run in judgement["runs"]}


def test_what_a_claim_says_cannot_become_markup(pages):
    assert "a <b>file</b> stores" in Page(pages / "speed.html").text


MARKUP = """</script></style></title><hostile a="b" onload='x'>&lt;"""
MORE = {  # texts that SPEED has not
    "notes": {"value": MARKUP, "says": MARKUP, "source": MARKUP},
    "nobody": {"has": MARKUP, "until": "November 2026"},
}


def test_hostile_words_in_every_text_of_a_claim_and_its_runs_stay_words(pages, tmp_path):
    """Whatever stands in a file is text: no field of it can become a tag, in the page or on the index."""
    data = yaml.safe_load(SPEED)
    data["paper"] |= {"says": MARKUP, **MORE}
    data["question"] = MARKUP
    for arm in data["arms"].values():
        arm["label"] += "</script><hostile>"
    data["assumptions"][0] |= {"what": MARKUP, "ours": MARKUP}
    data["deviations"] = [{"what": MARKUP, "why": MARKUP}]
    file = claim(tmp_path, yaml.safe_dump(data, sort_keys=False))
    store = fill(tmp_path / "runs", file, "paper", ratio_of(6.0, he=1.0))
    texts = 0
    for path in (tmp_path / "runs").glob("*/run.json"):
        about = json.loads(path.read_text())
        for session in about["sessions"]:
            for key in [key for key, value in session.items() if isinstance(value, str) and key != "device"]:
                session[key], texts = MARKUP, texts + 1
        path.write_text(json.dumps(about))
    assert texts > 100
    out = beside_the_bundle(pages, tmp_path / "out")
    write([file], {"reference": Store(store.root).table()}, out)
    for name in ("speed.html", "index.html"):
        page = Page(out / name)
        assert not page.count("hostile"), name
        assert "<hostile" in page.text, f"{name} prints it"


def test_the_table_of_the_readme_comes_from_the_reference_runs(stores, tmp_path):
    text = results(both_claims(stores), stores["paper"].table())
    row = next(line for line in text.splitlines() if "[speed]" in line)
    assert "| 6 times | – | – | 6 (6.00 to 6.00) | `reproduced` | A | paper | 5 |" in row
    assert "Not run yet" in results(both_claims(stores), {})
    readme = tmp_path / "README.md"
    readme.write_text("# Title\n\n<!-- results -->\nold\n<!-- /results -->\n\nMore\n")
    update(readme, text)
    update(readme, text)
    assert readme.read_text() == f"# Title\n\n<!-- results -->\n{text.strip()}\n<!-- /results -->\n\nMore\n"
    readme.write_text("no markers")
    with pytest.raises(ReproError, match="results"):
        update(readme, text)


# Readable by everybody


def test_headings_are_in_order_and_tables_and_drawings_have_names(pages):
    for path in pages.rglob("*.html"):
        page = Page(path)
        assert page.headings[0] == 1
        assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
        assert len(page.ids) == len(set(page.ids)), path.name
        assert page.count("caption") == page.count("table")
        assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
        drawn = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
        assert drawn or path.name in ("coverage.html", "fidelity.html", "source.html")
        described = [attrs for attrs in drawn if not attrs.get("aria-label")]  # the small ones are told in a label
        for attrs in described:
            assert set((attrs["aria-labelledby"] or "").split()) <= set(page.ids)
        assert page.count("desc") == len(described)


def test_words_and_lines_stand_out_from_the_ground_in_light_and_dark_and_print():
    """WCAG 2.2 AA: 4.5 for text, 3 for what is drawn."""
    style = (ROOT / "repro/pages/static/page.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        colors = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", block))
        for name in ("ink", "text", "muted", "accent", "link"):
            assert contrast(colors[name], colors["ground"]) >= 4.5, (name, block)
        assert contrast(colors["accent"], colors["tint"]) >= 4.5
        assert contrast(colors["second"], colors["ground"]) >= 3


def contrast(one: str, other: str) -> float:
    def luminance(color: str) -> float:
        digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# In a real browser


def opened(browser, path: Path, **options):
    """(page, console's complaints, requests that leave the disk)."""
    context = browser.new_context(**options)
    page = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    return page, complaints, requests


@pytest.mark.parametrize("name", ["index", "speed", "cifar_trace", "fidelity", "runs/*"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_page_opens_from_disk_without_complaint_or_network(chromium, pages, name, width, scheme):
    view = {"width": width, "height": 900}
    path = min(pages.glob(f"{name}.html"))
    page, complaints, requests = opened(chromium, path, viewport=view, color_scheme=scheme)
    charts = page.locator(".chart").count()
    if charts:
        page.wait_for_function(f"document.querySelectorAll('.live:not([hidden]) svg').length === {charts}")
    assert not complaints
    assert all(url.startswith(("file:", "data:")) for url in requests)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"
    for chart in page.locator(".chart svg:visible").all():
        box = chart.bounding_box()
        assert box["width"] > 250
        assert box["height"] > 80
        assert chart.get_attribute("aria-label")
    page.context.close()


def test_without_javascript_every_drawing_is_there(chromium, pages):
    page, complaints, _ = opened(chromium, pages / "speed.html", java_script_enabled=False)
    assert not complaints
    assert page.locator(".static.wide svg:visible").count() == page.locator(".chart").count() >= 3
    assert page.locator("fieldset:visible").count() == 0
    page.context.close()


def test_the_epochs_can_be_shown_on_a_linear_axis(chromium, pages):
    page, complaints, _ = opened(chromium, pages / "speed.html")
    chart = page.locator("#reference-curves-chart")
    chart.locator(".live:not([hidden])").wait_for()
    assert "epochs, log scale" in chart.locator(".live").inner_text()
    page.locator("fieldset[data-for=reference-curves]").get_by_label("linear").check()
    chart.get_by_text("epochs, linear scale").wait_for()
    assert not complaints
    page.context.close()


def test_a_point_of_a_curve_names_its_run(chromium, pages):
    page, _, _ = opened(chromium, pages / "speed.html")
    page.locator("#reference-curves-chart .live:not([hidden]) .mark-symbol path").nth(1).hover()
    shown = page.locator("#vg-tooltip-element.visible")
    shown.wait_for()
    # relu at seed 0 falls by 0.2 an epoch from 0.9, and the mean of an epoch stands at its middle
    assert " ".join(shown.inner_text().split()) == "arm ReLUs seed 0 epoch 1.5 running training error 60.00%"
    page.context.close()


def test_a_printed_page_is_light_and_shows_the_drawings(chromium, pages):
    page, _, _ = opened(chromium, pages / "speed.html", color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("nav:visible").count() == 0
    assert page.locator(".chart svg:visible").count() == page.locator(".chart").count()
    assert page.pdf().startswith(b"%PDF")
    page.context.close()


def test_the_keyboard_reaches_the_content_first_and_sees_where_it_is(chromium, pages):
    page, _, _ = opened(chromium, pages / "speed.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.context.close()
