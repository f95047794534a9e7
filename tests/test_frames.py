"""Data frames: one way out of the project for notebooks, CSV, parquet and documentation."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from simulator import fill
from test_report import claim, ratio_of

import repro
from repro.columns import TABLES, TYPES
from repro.contents import load
from repro.draw.parts import Grid
from repro.errors import ReproError
from repro.frames import as_csv, as_parquet, frame
from repro.pages import write
from repro.pages.view import show
from repro.questions.judged_runs import judged_runs
from repro.questions.sections import sections
from repro.store import Store

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "reports" / "reference"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A claim with runs, `runs`, and its pages, `pages`."""
    root = tmp_path_factory.mktemp("frames")
    file = claim(root)
    fill(root / "runs", file, "small", ratio_of(5.5, 6.0, 6.5, he=1.0))
    write([file], {"yours": Store(root / "runs").table()}, root / "pages")
    return root


def written(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


FRAMES = {
    "runs": lambda: repro.runs(),
    "epochs": lambda: repro.epochs("bias_one"),
    "updates": lambda: repro.updates(repro.epochs("bias_one").run[0]),
    "measures": lambda: repro.measures("bias_one"),
    "points": lambda: repro.points("cifar_trace"),
    "facts": lambda: repro.facts("conv_share"),
    "results": lambda: repro.results(),
}


def test_importing_the_package_loads_nothing_heavy_and_the_frames_load_no_torch():
    program = (
        "import sys, repro\n"
        "heavy = {'pandas', 'numpy', 'pydantic', 'torch'} & sys.modules.keys(); repro.results()\n"
        "print(*heavy, '|', 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "| False", done.stderr


def test_every_frame_of_the_package_is_one_call_and_documents_its_columns():
    assert set(FRAMES) == set(repro.FRAMES) == TABLES.keys() - {"answers"}
    assert set(repro.FRAMES) <= set(dir(repro))
    for name, table in TABLES.items():
        if name in FRAMES:
            documentation = getattr(repro, name).__doc__
            for column in table.columns:
                assert f"    {column.name} ({column.unit}): {column.meaning}\n" in documentation
    with pytest.raises(AttributeError):
        repro.nothing  # noqa: B018


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_has_the_columns_of_its_table_with_their_types_units_and_meanings(name):
    made, table = FRAMES[name](), TABLES[name]
    assert len(made)
    assert tuple(made.columns) == table.names
    for column in table.columns:
        assert made[column.name].dtype == pd.Series([], dtype=TYPES[column.type]).dtype
        assert made.attrs["columns"][column.name] == {"unit": column.unit, "meaning": column.meaning}
    assert all(column.unit and column.meaning for column in table.columns)
    assert len(set(table.names)) == len(table.names)


def test_tables_share_columns_that_mean_the_same():
    meanings: dict[str, set[tuple[str, str]]] = {}
    for table in TABLES.values():
        for column in table.columns:
            meanings.setdefault(column.name, set()).add((column.type, column.unit))
    several = {name: found for name, found in meanings.items() if len({kind for kind, _ in found}) > 1}
    assert not several


@pytest.mark.parametrize("name", FRAMES)
def test_csv_and_parquet_have_the_values_of_the_frame(name, tmp_path):
    made = FRAMES[name]()
    (tmp_path / "table.csv").write_text(as_csv(made))
    (tmp_path / "table.parquet").write_bytes(as_parquet(made))
    again = pd.read_parquet(tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(again, made, check_dtype=False)
    assert again.attrs == made.attrs
    rows = written(tmp_path / "table.csv")
    assert len(rows) == len(made)
    for column in TABLES[name].columns:
        for row, value in zip(rows, made[column.name].astype(object), strict=True):
            cell = row[column.name]
            if pd.isna(value):
                assert cell == ""
            elif column.type == "number":
                assert float(cell) == pytest.approx(value, rel=1e-5)
            elif column.type == "true or false":
                assert cell == str(value).lower()
            else:
                assert cell.removeprefix("'") == str(value)


def test_a_table_without_rows_keeps_its_columns_and_types(tmp_path):
    empty = frame(TABLES["epochs"], [])
    assert tuple(empty.columns) == TABLES["epochs"].names
    assert as_csv(empty).splitlines() == [",".join(empty.columns)]
    (tmp_path / "empty.parquet").write_bytes(as_parquet(empty))
    assert list(pd.read_parquet(tmp_path / "empty.parquet").dtypes) == list(empty.dtypes)


def test_text_that_a_spreadsheet_would_compute_is_only_shown():
    row = ["=1+1", "+x", "@a", "-b", 0.5, -0.5]
    cells = as_csv(frame(TABLES["answers"], [row])).splitlines()[1].split(",")
    assert cells == ["'=1+1", "'+x", "'@a", "'-b", "0.5", "-0.5"]


def test_the_files_beside_a_page_are_these_frames(place):
    runs, file = place / "runs", place / "speed.yaml"
    measures = repro.measures(file, runs).assign(shelf="yours")
    assert (place / "pages" / "speed.csv").read_text() == as_csv(measures)
    epochs = repro.epochs(file, runs)
    decide = epochs[(epochs.use == "judging") & epochs.alternative.isna()].assign(shelf="yours")
    assert (place / "pages" / "speed.epochs.csv").read_text() == as_csv(decide)
    for name in ("speed", "speed.epochs", "results"):
        again = pd.read_parquet(place / "pages" / f"{name}.parquet")
        assert as_csv(again) == (place / "pages" / f"{name}.csv").read_text()


def test_committed_tables_are_the_frames_of_the_reference_shelf():
    assert (REFERENCE / "results.csv").read_text() == as_csv(repro.results())
    assert (REFERENCE / "conv_share.csv").read_text() == as_csv(repro.facts("conv_share"))
    assert (REFERENCE / "cifar_trace.csv").read_text() == as_csv(repro.points("cifar_trace"))


def test_results_agree_with_the_file_of_results():
    rows = repro.results()
    for claim_ in json.loads((REFERENCE / "results.json").read_text())["claims"]:
        of_claim = rows[rows.claim == claim_["id"]]
        assert set(of_claim.scale) == {at["scale"] for at in claim_["scales"]}
        assert of_claim[of_claim.speaks].scale.nunique() == (claim_["shown"] is not None)
        for at in claim_["scales"]:
            compared = of_claim[(of_claim.scale == at["scale"]) & of_claim.comparison.notna()]
            assert list(compared.comparison) == [one["name"] for one in at["comparisons"]]
            assert list(compared.word) == [one["word"] for one in at["comparisons"]]
            for row, one in zip(compared.itertuples(), at["comparisons"], strict=True):
                if effect := one["effect"]:
                    found = [None if pd.isna(value) else value for value in (row.estimate, row.low, row.high)]
                    assert found == [effect["estimate"], effect["low"], effect["high"]]
                    assert row.n == effect["n"]


def test_results_of_a_folder_are_judged_from_its_runs(place):
    rows = repro.results(place / "runs")  # of the project's claims, none of which has runs there
    assert set(rows.claim) == {path.stem for path in (ROOT / "claims").glob("*.yaml")}
    assert set(rows[rows.speaks].scale) == {"exact"}


def test_epochs_are_the_rows_of_the_runs_with_what_is_beyond_the_horizon_marked(place):
    table = Store(place / "runs").table()
    rows = repro.epochs(place / "speed.yaml", place / "runs")
    for (run, *_), group in rows.groupby(["run", "alternative", "use", "arm"], dropna=False):
        assert list(group.epoch) == [row["epoch"] for row in table[run].epochs]
        assert list(group.train_error) == [row["train_error"] for row in table[run].epochs]
    assert rows.within_horizon.any()
    assert set(rows.use) == {"tuning", "judging"}
    smoke = repro.epochs(place / "speed.yaml", place / "runs", scale="smoke")
    assert not len(smoke)


def test_the_tables_of_a_page_have_the_runs_and_the_values_of_the_frame(place):
    exhibit = show(load(place / "speed.yaml"), "yours", Store(place / "runs").table())
    rows = repro.measures(place / "speed.yaml", place / "runs")
    judging = rows[(rows.use == "judging") & rows.alternative.isna()]
    grid = judged_runs(exhibit)
    for row in grid.rows[: len(exhibit.judgement.claim.seeds)]:
        of_seed = judging[judging.seed == int(row[0])]
        assert list(row[-2:]) == list(of_seed.run)
        assert [float(cell) for cell in row[1:3]] == pytest.approx(list(of_seed.value), abs=0.005)
    parts = [part for section in sections(exhibit) for part in section.parts if isinstance(part, Grid)]
    tuning = rows[(rows.use == "tuning") & rows.alternative.isna()]
    rates = [part for part in parts if part.head[:2] == ("arm", "rate")]
    tried = dict.fromkeys(zip(tuning.arm, tuning.rate, strict=True))
    assert [float(row[1]) for part in rates for row in part.rows] == [rate for _, rate in tried]


def test_tuning_for_the_largest_rate_at_which_all_learn_is_measured_in_epochs():
    rows = repro.measures("dropout_overfitting")
    assert set(rows[rows.use == "tuning"].unit) == {"epochs"}


def test_updates_are_those_that_a_run_recorded():
    runs = repro.runs()
    first = runs[runs.kind == "training"].run.iloc[0]
    rows = repro.updates(first)
    recorded = [update for row in Store(ROOT / "runs" / "reference").table()[first].epochs for update in row["updates"]]
    assert list(rows["update"]) == [update for update, _, _ in recorded]
    assert list(rows.train_loss) == [loss for _, loss, _ in recorded]
    assert (rows.wrong <= rows.images).all()


def test_what_is_not_there_is_refused_with_what_is_expected(tmp_path):
    evaluation = repro.runs().query("kind == 'evaluation'").run.iloc[0]
    for wrong in (
        lambda: repro.epochs("no_such_claim"),
        lambda: repro.epochs("bias_one", scale="huge"),
        lambda: repro.epochs("conv_share"),
        lambda: repro.epochs("claims"),  # a folder
        lambda: repro.facts("relu_*"),
        lambda: repro.facts("bias_one"),
        lambda: repro.runs(tmp_path / "nothing"),
        lambda: repro.updates("0" * 16),
        lambda: repro.updates(evaluation),
    ):
        with pytest.raises(ReproError):
            wrong()
