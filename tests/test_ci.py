"""What programs read: JSON, JUnit XML, a summary, exit codes of verdicts, and completions of shells."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import webbrowser
from pathlib import Path
from typing import get_args

import pytest
import yaml

from repro import cli, documented, documents, reporting
from repro.completion import SHELLS
from repro.pages.outcomes import MOST_BYTES, Outcome, junit, summary
from repro.questions.cases import GROUPS, Word

ROOT = Path(__file__).parent.parent
EVERY = [
    Outcome(f"claim_{i}", "alexnet2012", "3.1", "small", word, f"claim_{i}: {word}") for i, word in enumerate(GROUPS)
]


def called(capsys: pytest.CaptureFixture, *words: object) -> tuple[object, str, str]:
    """(exit code, stdout, stderr) of a command in this process."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(map(str, words)))
    return ended.value.code, *capsys.readouterr()


# JUnit and summary


@pytest.mark.parametrize("fail_on", [(), ("refuted",), ("error", "not run"), tuple(GROUPS)])
def test_junit_is_valid_and_its_counts_are_those_of_its_cases(fail_on):
    schema = pytest.importorskip("xmlschema").XMLSchema(ROOT / "tests" / "junit.xsd")
    hostile = Outcome("x", "p", "1", "small", "refuted", 'x: <b>&"\x1b[2J\x00 \ud800 end]]>')
    text = junit([*EVERY, hostile], fail_on)
    assert not list(schema.iter_errors(text.partition("\n")[2]))
    (suite,) = schema.to_dict(text.partition("\n")[2])["testsuite"]
    kinds = [next((kind for kind in ("error", "failure", "skipped") if kind in case), "") for case in suite["testcase"]]
    assert suite["@tests"] == len(EVERY) + 1
    for kind, count in (("error", "errors"), ("failure", "failures"), ("skipped", "skipped")):
        assert suite[f"@{count}"] == kinds.count(kind)
    assert kinds.count("error") == 1
    assert kinds.count("failure") == sum(each.word in fail_on and each.word != "error" for each in [*EVERY, hostile])


def test_a_summary_has_a_row_for_each_claim_and_stays_below_its_limit():
    assert sum(line.startswith("| claim_") for line in summary(EVERY).splitlines()) == len(EVERY)
    many = [Outcome(f"claim_{i}", "p", "3", "small", "refuted", "claim: " + "|`<é" * 200) for i in range(2_000)]
    text = summary(many, "the last line")
    assert 0.9 * MOST_BYTES < len(text.encode()) <= MOST_BYTES < 60 * 1024
    rows = [line for line in text.splitlines() if line.startswith("| claim_")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}
    assert text.endswith("\nthe last line\n")
    assert f"{len(many) - len(rows)} " in text


def test_the_words_of_fail_on_are_those_of_verdicts():
    assert set(GROUPS) == set(get_args(Word))


# Commands


@pytest.fixture
def places(tmp_path):
    return ("--runs", tmp_path / "runs", "--out", tmp_path / "reports")


def test_a_verdict_that_is_named_fails_the_command_and_others_do_not(capsys, places, tmp_path):
    words = ("report", "augmentation_factor", *places, "--quiet")
    assert called(capsys, *words) == (0, "", "")
    assert called(capsys, *words, "--fail-on", "refuted,error")[0] == 0
    code, printed, _ = called(
        capsys, *words, "--fail-on", "false as printed", "--junit", tmp_path / "j.xml", "--summary", tmp_path / "s.md"
    )
    assert (code, printed) == (5, "")
    assert "<failure " in (tmp_path / "j.xml").read_text()
    assert "`false as printed`" in (tmp_path / "s.md").read_text()
    assert called(capsys, "run", *words[1:], "--fail-on", "false as printed")[0] == 5


@pytest.mark.parametrize(
    "wrong", [("--fail-on", "refutd"), ("--junit", "nowhere/j.xml"), ("--summary", "nowhere/s.md")]
)
@pytest.mark.parametrize("verb", ["run", "report"])
def test_what_cannot_be_done_in_the_end_is_refused_before_anything_is_done(verb, wrong, capsys, places, tmp_path):
    assert called(capsys, verb, "conv_share", *places, *wrong)[0] == 2
    assert not (tmp_path / "reports").exists()


def test_an_error_is_code_4_and_outweighs_the_words_of_fail_on():
    args = cli.parser().parse_args(["run", "x", "--fail-on", "refuted, error"])
    for words, code in ((["error", "refuted"], 4), (["refuted"], 5), (["reproduced", "not run"], 0), ([], 0)):
        assert reporting.failure([each for each in EVERY if each.word in words], args) == code


def test_the_commands_of_the_example_workflow_exist():
    workflow = yaml.safe_load((ROOT / "docs" / "smoke.yml").read_text())
    steps = [step["run"] for step in workflow["jobs"]["smoke"]["steps"] if "run" in step]
    commands = [shlex.split(command)[1:] for command in steps if command.startswith("repro ")]
    commands += [
        shlex.split(line)[1:] for line in re.findall(r"# - run: (repro .*)", (ROOT / "docs/smoke.yml").read_text())
    ]
    verbs = [cli.parser().parse_args(words).verb for words in commands]
    assert verbs == ["check", "smoke", "report"]
    for words in commands:
        assert set(getattr(cli.parser().parse_args(words), "fail_on", ())) <= set(GROUPS)


def test_open_shows_the_page_of_one_claim_and_the_index_of_several(capsys, places, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: not opened.append(address))
    called(capsys, "report", "conv_share", *places, "--open")
    called(capsys, "report", "conv_share", "stated_sizes", *places, "--open")
    assert opened == [(tmp_path / "reports" / name).as_uri() for name in ("conv_share.html", "index.html")]
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    assert called(capsys, "report", "conv_share", *places, "--open")[0] == 2


# JSON


@pytest.mark.parametrize(
    ("words", "model"),
    [
        (["list", "relu*"], documents.Listed),
        (["list"], documents.Listed),
        (["plan", "conv_share", "relu_speedup", "--scale", "smoke"], documents.Planned),
        (["plan", "conv_share"], documents.Planned),
        (["watch"], documents.Watching),
        (["coverage"], documents.Coverage),
        (["doctor"], documents.Diagnosis),
    ],
)
def test_json_has_the_documented_keys_and_nothing_stands_beside_it(words, model, capsys, tmp_path):
    runs = () if words[0] == "list" else ("--runs", tmp_path / "runs")
    code, printed, errors = called(capsys, *words, *runs, "--json")
    assert (code, errors) == (0, "")
    document = model.model_validate(json.loads(printed))
    assert (document.format, document.command) == (documents.FORMAT, words[0])


def test_what_a_catalogue_takes_is_printed_as_json(capsys, tmp_path):
    words = ("plan", "ten_views", "conv_*", "--on", "8", "--device", "cpu", "--runs", tmp_path / "runs", "--json")
    code, printed, errors = called(capsys, *words)
    assert (code, errors) == (0, "")
    document = documents.Forecasted.model_validate(json.loads(printed))
    assert (document.gpus, document.scale, document.device, document.days) == (8, "paper", None, None)
    assert [claim.id for claim in document.claims if claim.takes] == ["ten_views"]
    assert document.together.runs > 0


def test_docs_explain_every_key_of_the_json():
    assert (ROOT / "docs" / "json.md").read_text() == documented.explained()


# Completions


def test_completions_know_every_verb_and_bash_completes_ids_of_claims(capsys, tmp_path):
    pytest.importorskip("shtab")
    verbs_of = next(action for action in cli.parser()._actions if action.dest == "verb").choices
    for shell in SHELLS:
        code, script, _ = called(capsys, "completion", shell)
        assert code == 0
        assert [name for name in verbs_of if name not in script] == []
    ids = called(capsys, "completion", "ids")[1].split()
    assert ids == sorted(path.stem for path in (ROOT / "claims").glob("*.yaml"))
    asked = """
repro() { printf 'relu_speedup\\nrelu_consistently\\ndepth\\n'; }
COMP_WORDS=(repro run relu_) COMP_CWORD=2
$(complete -p repro | sed -E 's/.*-F ([^ ]+).*/\\1/') repro relu_ run
printf '%s\\n' "${COMPREPLY[@]}"
"""
    (tmp_path / "test.sh").write_text(called(capsys, "completion", "bash")[1] + asked)
    done = subprocess.run(["bash", tmp_path / "test.sh"], capture_output=True, text=True)
    assert done.stdout.split() == ["relu_speedup", "relu_consistently"], done.stderr
