"""The short form of `python -m tests.faults`: no kill loses a result, and every fault has its code and its line."""

from __future__ import annotations

import re
import sys

import pytest

from tests import faults, written

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the drill reads Linux's /proc")


@pytest.fixture(scope="module")
def drill():
    with faults.served() as server:
        yield faults.Drill(server, ("one worker",))


def test_no_kill_loses_a_result_or_trains_a_run_twice(drill):
    (tally,) = faults.drilled(drill, kills=8, tries=1, seed=1, only="killed at an operation, one worker")
    assert tally.counts["kills"] >= 3
    assert not tally.notes


@pytest.mark.parametrize("scenario", ["full disk", "read-only disk", "Ctrl-C"])
def test_a_fault_has_its_code_and_its_line_and_the_same_command_goes_on(drill, scenario):
    (tally,) = [each for each in faults.drilled(drill, 0, 1, 1, scenario) if each.scenario == scenario]
    assert tally.counts["tried"] == 1
    assert not tally.notes


def test_the_page_has_a_marked_place_for_each_table_and_the_rows_of_the_drill_are_its_scenarios():
    page = written.PAGE.read_text()
    places = {name: re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page, re.DOTALL) for name in written.TABLES}
    assert all(places.values())
    rows = re.findall(r"^\| ([^|]+?) \|", places["faults"][1], re.MULTILINE)
    assert rows[2:] == list(faults.SCENARIOS)
