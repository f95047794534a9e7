"""What large stores and claims cost, counted as work: files opened, rows kept, names compared. No time is asserted."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from repro import contents
from repro.claim.overlays import Layers
from repro.claim.problems import MOST, SpecError
from repro.errors import ReproError
from repro.questions.coverage import coverage
from repro.questions.plan import wanted
from repro.questions.trial import Trials
from repro.store import Store, Table
from tests.load import KEYS, KINDS, make_store, many_keys, many_seeds

ROOT = Path(__file__).parent.parent
CLAIM = {path.stem: path.read_text() for path in (ROOT / "claims").glob("*.yaml")}
SHELF = len(list((ROOT / "runs" / "reference").glob("*/run.json")))
SIZES = (SHELF + 32, SHELF + 332)  # runs: beyond those of the shelf, which claims want, copies under other seeds

_OPENED: list[str] | None = None


def _note(event: str, arguments: tuple) -> None:
    if event == "open" and _OPENED is not None and isinstance(arguments[0], str | Path):
        _OPENED.append(str(arguments[0]))


sys.addaudithook(_note)


@contextmanager
def opened() -> Iterator[list[str]]:
    """The paths of files that are opened in this block."""
    global _OPENED
    _OPENED = []
    try:
        yield _OPENED
    finally:
        _OPENED = None


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Store]:
    root = tmp_path_factory.mktemp("stores")
    for size in SIZES:
        make_store(ROOT / "runs" / "reference", size, root / str(size))
    return [Store(root / str(size)) for size in SIZES]


def covered(table: Table) -> None:
    files, invalid = contents.load_valid(ROOT / "claims")
    rows = coverage(contents.catalogue(), files, {"yours": table}, invalid)
    assert sum(missing.cost.runs for row in rows for missing in row.missing)  # each cost is worked out


def planned(table: Table) -> None:
    wanted(contents.load(ROOT / "claims" / "relu_speedup.yaml"), "paper", Trials(table))


@pytest.mark.parametrize("work", [covered, planned])
def test_the_files_of_a_store_are_opened_a_fixed_number_of_times_for_each_run(stores, work: Callable[[Table], None]):
    """What reads the whole table for each claim or each run would open files again and again."""
    counts = []
    for store in stores:
        with opened() as paths:
            work(store.table())
        assert max(Counter(path for path in paths if path.startswith(str(store.root))).values()) <= 4
        counts.append(sum(path.startswith(str(store.root)) for path in paths))
    assert counts[0] > SIZES[0]
    assert counts[1] - counts[0] <= 5 * (SIZES[1] - SIZES[0])


def test_coverage_keeps_no_rows_of_runs_that_no_claim_wants(stores):
    """Rows of 10,000 runs take gigabytes."""
    kept = []
    for store in stores:
        table = store.table()
        covered(table)
        kept.append(sum("epochs" in run.__dict__ for run in table.values()))
    assert kept[0] == kept[1]


def load(tmp_path: Path, name: str, text: str) -> str:
    """What is wrong with a claim, or nothing."""
    (tmp_path / f"{name}.yaml").write_text(text)
    try:
        contents.load(tmp_path / f"{name}.yaml")
    except ReproError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_claim_of_20000_keys_is_refused_in_a_few_lines(tmp_path, kind):
    assert len(load(tmp_path, "relu_speedup", many_keys(CLAIM["relu_speedup"], KEYS, kind)).splitlines()) == 1


@pytest.mark.parametrize("kind", ["unknown", "overrides"])
def test_of_thousands_of_mistakes_the_first_are_listed_and_no_more_looked_for(tmp_path, monkeypatch, kind):
    """Each costs a comparison with all keys, at every scale under every alternative."""
    calls: list[object] = []
    real = difflib.get_close_matches
    monkeypatch.setattr(difflib, "get_close_matches", lambda *given, **more: calls.append(1) or real(*given, **more))
    counts = []
    for keys in (1_000, 4_000):
        calls.clear()
        lines = load(tmp_path, "relu_speedup", many_keys(CLAIM["relu_speedup"], keys, kind)).splitlines()
        assert len(lines) == MOST + 1
        counts.append(len(calls))
    assert counts[0] == counts[1] <= 3 * MOST  # of the claim, and with each of its two arms


@pytest.mark.parametrize("kind", ["arms", "alternatives"])
def test_a_claim_of_more_nets_than_can_be_checked_is_refused_before_any_is_made(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(Layers, "with_arm", lambda *given: pytest.fail("a net was made"))
    assert "nets to check" in load(tmp_path, "relu_speedup", many_keys(CLAIM["relu_speedup"], 600, kind))


def test_overrides_of_thousands_of_layers_copy_a_mapping_once(tmp_path):
    """Copied for each key, 4,000 keys would copy 8 million."""
    claim = contents.load(ROOT / "claims" / "relu_speedup.yaml")

    layers = Layers(claim.document, claim.kinds, {"model": {"init": {"conv1": 1.0}}})  # type: ignore[union-attr]
    mappings = []

    class Watched(dict):
        def items(self):
            for item in super().items():
                mappings.append(layers.data["model"]["init"])
                yield item

    layers.override(Watched({f"model.init.layer{i}": 1.0 for i in range(100)}), "test", ())
    assert len(layers.data["model"]["init"]) == 101
    assert len({id(mapping) for mapping in mappings}) == 2  # the claim's own, and one copy


def test_a_claim_of_1000_seeds_is_planned_with_one_want_a_seed(tmp_path):
    text = many_seeds(CLAIM["cifar_trace"], 1000)
    assert load(tmp_path, "cifar_trace", text) == ""
    assert len(wanted(contents.load(tmp_path / "cifar_trace.yaml"), "paper", {})) == 1000  # type: ignore[arg-type]


def test_a_mistake_of_a_short_file_is_all_that_is_listed(tmp_path):
    path = tmp_path / "relu_speedup.yaml"
    path.write_text(CLAIM["relu_speedup"] + "extra: 1\n")
    with pytest.raises(SpecError) as error:
        contents.load(path)
    assert len(str(error.value).splitlines()) == 1
