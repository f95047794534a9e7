"""A claim's history against git: when a version was made, and which scales had judging runs by then."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from repro.claim.files import ClaimFile
from repro.contents import load_all
from repro.questions.judge import complete, judge
from repro.questions.trial import Trials
from repro.store import Store

ROOT = Path(__file__).parent.parent
CHANGED = [f for f in load_all([ROOT / "claims"]) if isinstance(f, ClaimFile) and f.claim.history]


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def whole() -> bool:
    """Whether the sources lie in a clone with all of its history."""
    try:
        return git("rev-parse", "--is-inside-work-tree", "--is-shallow-repository").split() == ["true", "false"]
    except (OSError, subprocess.CalledProcessError):
        return False


pytestmark = pytest.mark.skipif(not whole(), reason="needs a clone with its whole history")


@pytest.fixture(scope="module")
def reference() -> Trials:
    return Trials(Store(ROOT / "runs" / "reference").table())


def versions(file: ClaimFile) -> dict[int, tuple[str, str]]:
    """By version: the first commit that has it, and that commit's date."""
    path, out = str(file.path.relative_to(ROOT)), {}
    for line in git("log", "--reverse", "-G", "^version:", "--format=%H %as", "--", path).splitlines():
        commit, date = line.split()
        found = re.search(r"^version: (\d+)$", git("show", f"{commit}:{path}"), re.M)
        if found and int(found[1]) not in out:
            out[int(found[1])] = commit, date
    return out


@pytest.mark.parametrize("file", CHANGED, ids=lambda file: file.id)
def test_every_version_is_in_the_history_with_its_date_and_every_scale_that_had_runs(file, reference):
    made = versions(file)
    assert {revision.version for revision in file.claim.history} == made.keys() - {1}
    assert file.claim.version == max(made)
    for revision in file.claim.history:
        commit, date = made[revision.version]
        assert revision.date == date
        names = {Path(path).name for path in git("ls-tree", "--name-only", f"{commit}^", "runs/reference/").split()}
        then = Trials({run: found for run, found in reference.table.items() if run in names})
        scales = [scale for scale in file.claim.scales if scale != "smoke"]
        judged = {scale for scale in scales if complete(judge(file, scale, then))}
        # a version that changes what is run lists runs that are no longer its own
        assert judged <= revision.runs.keys()
