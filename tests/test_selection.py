"""Claims by name, by pattern and by section of the paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro import asked, places
from repro.claim.selection import stands_in
from repro.errors import ReproError

ROOT = Path(__file__).parent.parent
IDS = {path.stem for path in (ROOT / "claims").glob("*.yaml")}


def ids(*names: str, section: str | None = None) -> list[str]:
    return [file.id for file in asked.load([Path(name) for name in names], section)]


def test_a_pattern_names_every_claim_whose_id_matches_once():
    assert set(ids("relu*")) == {id for id in IDS if id.startswith("relu")}
    assert ids("relu_speedup", "relu_s*", "claims/relu_speedup.yaml") == ["relu_speedup"]
    assert set(ids("*")) == IDS


@pytest.mark.parametrize("names", [["x*"], ["relu_speedup", "*nothing*"], ["[z]*"]])
def test_a_pattern_that_no_id_matches_is_a_mistake(names):
    with pytest.raises(ReproError):
        places.claims_named([Path(name) for name in names])


def test_a_file_wins_over_a_pattern(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "relu[1].yaml").write_text("id: x\n")
    assert places.claims_named([Path("relu[1].yaml")]) == [Path("relu[1].yaml")]


@pytest.mark.parametrize(
    ("where", "section", "belongs"),
    [
        ("3.1", "3.1", True),
        ("3.1", "3", True),
        ("3", "3.1", False),
        ("3.10", "3.1", False),
        ("2-5", "2", True),
        ("2-5", "5", True),
        ("2-5", "6", False),
        ("2-5", "3.1", False),
        ("2-5", "2-5", True),
        ("3.2, footnote", "3.2", True),
        ("abstract, § 4", "4", True),
        ("abstract, § 4", "abstract", True),
        ("3.5, Figure 2", "2", False),
    ],
)
def test_a_section_has_its_parts_and_sentences_of_several_sections(where, section, belongs):
    assert stands_in(where, section) is belongs


def test_a_section_selects_among_the_claims_that_are_named():
    every = ids(section="3.1")
    assert {"relu_speedup", "relu_consistently", "cifar_trace"} == set(every)
    assert ids("relu*", section="§3.1") == ["relu_consistently", "relu_speedup"]
    with pytest.raises(ReproError):
        ids("relu*", section="6")


def test_a_command_for_one_claim_refuses_several():
    assert asked.one(Path("relu_s*")).id == "relu_speedup"
    for several in ("relu*", str(ROOT / "claims")):
        with pytest.raises(ReproError):
            asked.one(Path(several))
