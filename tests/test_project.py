"""The files around the package: what README, CI and packaging promise of each other."""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)


def test_the_readme_has_two_commands_each_with_an_environment_of_its_own():
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_ci_runs_the_command_of_the_readme():
    command = COMMANDS[1].removeprefix("python3 -m venv .venv && ")
    assert command in (ROOT / ".ci/run").read_text()
    assert "run: .ci/run" in (ROOT / ".github/workflows/ci.yml").read_text()


def test_ci_is_an_executable_script_that_bash_can_read():
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)


def test_the_readme_stays_short_and_opens_with_what_is_asked_for():
    written = re.sub(r"<!-- (\w+)(: [\w, ]+)? -->.*?<!-- /\1 -->", "", README, flags=re.DOTALL)
    assert len(written.splitlines()) < 135
    order = [
        "<!-- picture: ",
        "<!-- expected: ",
        "<!-- differences: ",
        "<!-- opening: ",
        "<!-- /opening -->",
        "## ",
        "```sh",
        "<!-- results -->",
        "<!-- /results -->",
    ]
    assert [README.index(mark) for mark in order] == sorted(README.index(mark) for mark in order)


def test_every_link_in_the_readme_leads_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_dependency_has_a_lower_bound_and_a_reason():
    lines = (ROOT / "pyproject.toml").read_text()
    for requirement in tomllib.loads(lines)["project"]["dependencies"]:
        assert ">=" in requirement
        assert re.search(re.escape(f'"{requirement}"') + r",\s+# \w", lines), requirement


def test_the_version_is_the_same_in_the_package_and_its_citation():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
