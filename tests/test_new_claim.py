"""A new claim: its file to begin with, and advice on it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from repro import cli, places
from repro.claim.template import TO_DO, nearest_claim, template
from repro.contents import KINDS, advice, catalogue, load, load_all

ROOT = Path(__file__).parent.parent
FILES = load_all([ROOT / "claims"])


def called(capsys: pytest.CaptureFixture, *words: object) -> tuple[object, str, str]:
    """(exit code, stdout, stderr) of a command in this process."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(map(str, words)))
    return ended.value.code, *capsys.readouterr()


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A clone with the project's claims, as far as commands look."""
    (tmp_path / "claims").mkdir()
    for path in [*(ROOT / "claims").glob("*.yaml"), ROOT / "claims" / "claim.schema.json"]:
        (tmp_path / "claims" / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(places, "clone", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("like", FILES, ids=lambda file: file.id)
def test_a_template_of_any_claim_has_no_mistakes_and_says_what_is_still_to_be_written(like, tmp_path):
    path = tmp_path / "new_one.yaml"
    path.write_text(template("new_one", like, {}, None))
    file = load(path)
    assert (file.id, file.claim.version) == ("new_one", 1)
    assert file.claim.paper.says.startswith(TO_DO)
    assert not getattr(file.claim, "history", [])
    assert file.claim.paper.model_dump(exclude_defaults=True).keys() <= {"name", "section", "says", "arms"}
    assert len(advice([file])) == 2 if hasattr(file.claim, "arms") else not advice([file])


def test_new_claim_writes_a_commented_file_once_and_check_then_lists_what_is_left(clone, capsys):
    path = clone / "claims" / "relu_slowdown.yaml"
    code, printed, _ = called(capsys, "new-claim", "relu_slowdown")
    assert (code, printed.count("\n")) == (0, 1)
    written = yaml.safe_load(path.read_text())
    assert written["id"] == "relu_slowdown"
    for key, field in KINDS.claim.model_fields.items():
        assert key not in written or f"# {field.description}"[:60] in path.read_text(), key
    code, printed, _ = called(capsys, "check", "relu_slowdown")
    assert code == 0
    assert [line.split(": ")[2] for line in printed.splitlines()[1:]] == ["paper.says", "question"]
    before = path.read_bytes()
    assert called(capsys, "new-claim", "relu_slowdown")[0] == 2
    assert path.read_bytes() == before


def test_a_sentence_of_the_catalogue_brings_its_words(clone, capsys):
    entry = next(entry for entry in catalogue() if entry.id == "conv1_kernels")
    assert called(capsys, "new-claim", entry.id, "--like", "depth")[0] == 0
    written = yaml.safe_load((clone / "claims" / "conv1_kernels.yaml").read_text())
    assert (written["paper"]["says"], written["paper"]["section"]) == (entry.says, entry.section)
    assert "depth" in (clone / "claims" / "conv1_kernels.yaml").read_text().splitlines()[1]


@pytest.mark.parametrize("wrong", [("Bad",), ("../x",), ("fine", "--like", "nothing_of_the_kind")])
def test_what_cannot_be_a_claim_is_refused(wrong, clone, capsys):
    before = sorted((clone / "claims").iterdir())
    assert called(capsys, "new-claim", *wrong)[0] == 2
    assert sorted((clone / "claims").iterdir()) == before


def test_the_nearest_claim_shares_words_with_the_id():
    for id, like in (("relu_slowdown", "relu_speedup"), ("net_depth", "depth"), ("ten_view_gain", "ten_views")):
        assert nearest_claim(id, FILES).id == like


# Check


def test_the_project_s_claims_need_no_advice():
    assert advice(FILES) == []


@pytest.mark.parametrize(
    ("seeds", "scales"),
    [("[0, 1, 2]", "small and medium"), ("[0]", "small and medium"), ("[0, 1, 2, 3, 4]", "")],
)
def test_too_few_seeds_for_a_verdict_are_named_with_their_scales(seeds, scales, tmp_path):
    text = (ROOT / "claims" / "bias_one.yaml").read_text()
    (tmp_path / "bias_one.yaml").write_text(text.replace("\nseeds: [0, 1, 2, 3, 4]", f"\nseeds: {seeds}"))
    found = advice([load(tmp_path / "bias_one.yaml")])
    assert len(found) == bool(scales)
    line = next(i for i, line in enumerate(text.splitlines(), start=1) if line.startswith("seeds: "))
    assert all(each.startswith(f"{tmp_path / 'bias_one.yaml'}:{line}:8: advice: ") for each in found)
    assert all(f"at {scales} scale" in each for each in found)


def test_check_says_everything_at_once(tmp_path, capsys):
    text = (ROOT / "claims" / "relu_speedup.yaml").read_text()
    for old, new in (
        ("\nseeds: [0, 1, 2, 3, 4]", "\nseeds: [0, 1, 100]"),
        ("level: 0.25", "level: 25%"),
        ("version: 2", "version: two"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "relu_speedup.yaml").write_text(text)
    code, _, errors = called(capsys, "check", tmp_path / "relu_speedup.yaml")
    assert code == 2
    assert "write 0.25" in errors
    assert "version" in errors
    assert ": advice: seeds: " in errors
    (tmp_path / "relu_speedup.yaml").write_text(text.replace("25%", "0.25").replace("version: two", "version: 2"))
    code, _, errors = called(capsys, "check", tmp_path / "relu_speedup.yaml")
    assert code == 2
    assert "100 is a judging seed too" in errors
    assert "advice: seeds" in errors
