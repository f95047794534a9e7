"""The index: effects as shares of the paper's, the answer in a sentence, and the filter in a browser."""

from __future__ import annotations

import re
from itertools import pairwise
from math import inf, sqrt
from pathlib import Path

import pytest

from repro.claim.files import ClaimFile
from repro.contents import load_all
from repro.draw import forest
from repro.draw.axes import Axis, Row
from repro.pages.index import FORMER, SENTENCES, TITLES, Entry, answer, former
from repro.questions.cases import GROUPS

ROOT = Path(__file__).parent.parent


def axis(kind: str, none: float | None, paper: float | None, band: tuple[float, float]) -> Axis:
    return Axis(kind, "", none, "", paper, "", band, "")


def test_of_a_ratio_no_effect_is_0_the_papers_number_1_its_root_a_half_and_an_open_side_infinite():
    drawn = forest.shares(axis("log", 1.0, 6.0, (4.0, 9.0)), Row(6.0, 1.0, inf, {}), sqrt(6))
    assert (drawn.estimate, drawn.low, drawn.high, drawn.least) == (1.0, 0.0, inf, pytest.approx(0.5))
    assert forest.shares(axis("log", 1.0, 6.0, (4.0, 9.0)), Row(None, 0.0, 6.0, {}), None).low == -inf


def test_a_difference_and_a_number_below_no_effect_keep_the_order_of_their_limits():
    drawn = forest.shares(axis("linear", 0.0, -2.0, (-3.0, -1.0)), Row(-1.0, -3.0, 1.0, {}), -1.0)
    assert (drawn.estimate, drawn.low, drawn.high, drawn.band, drawn.least) == (0.5, -0.5, 1.5, (0.5, 1.5), 0.5)


@pytest.mark.parametrize(("none", "paper"), [(None, 2.0), (0.0, None), (0.0, 0.0)])
def test_without_two_different_numbers_there_is_no_share(none, paper):
    assert forest.shares(axis("linear", none, paper, (0.0, 1.0)), Row(1.0, 0.0, 2.0, {}), None) is None


def test_what_lies_beyond_the_axis_ends_in_an_arrow_at_its_end():
    inside = forest.drawing(forest.Shares(1.0, 0.5, 1.5, (0.5, 1.5), 0.5), "a & b")
    assert "arrow" not in inside
    assert 'aria-label="a &amp; b"' in inside
    beyond = forest.drawing(forest.Shares(9.0, 8.0, inf, (0.5, 1.5), None), "")
    assert beyond.count('class="arrow"') == 1
    assert "estimate" not in beyond
    assert forest.place(-inf) == forest.place(forest.LOW) < forest.place(0) < forest.place(1) < forest.place(inf)


def test_every_counted_fact_is_a_dot():
    drawn = forest.dots([("true", 15), ("false", 2), ("open", 1)], "")
    assert (drawn.count('"true"'), drawn.count('"cross"'), drawn.count('"open"')) == (15, 2, 1)


def entry(group: str) -> Entry:
    return Entry("x", "1", "", "", (), group, "", (), "", False, "", "")


def test_every_group_has_a_title_and_every_statement_is_counted_once_in_the_answer():
    assert set(TITLES) == set(GROUPS.values())
    groups = [group for group in TITLES for _ in range(3)]
    said = answer([entry(group) for group in groups], ["true as printed", "true in part", "inconclusive"])
    numbers = [int(number) for number in re.findall(r"\d+", said)]
    total, tested, *parts, untold = numbers
    assert untold == 3, "of what this device or scale cannot tell, no more is said"
    assert (total, tested) == (len(groups), len(groups) - 3 - untold)
    wrong, unknown = 1, 1  # of the three counted, which are said as `1 of the 3`
    assert sum(parts) - wrong - unknown == tested
    assert len(SENTENCES) == 4


@pytest.mark.parametrize("words", [["inconclusive"], ["true as printed", "inconclusive"], ["true in part"] * 2, []])
def test_no_word_of_the_answer_stands_twice_in_a_row(words):
    for groups in ([], ["open"], list(TITLES)):
        said = answer([entry(group) for group in groups] + [entry("facts") for _ in words], words).split()
        assert all(word != after for word, after in pairwise(said)), said


def test_every_word_that_a_history_names_and_no_rule_says_any_more_is_explained():
    files = [file for file in load_all([ROOT / "claims"]) if isinstance(file, ClaimFile)]
    said = {then.word for file in files for change in file.claim.history for then in change.runs.values()}
    assert said <= {*GROUPS, *FORMER}
    assert {*former(files)} == said - {*GROUPS}
    assert not {*GROUPS} & {*FORMER}


def test_nothing_given_and_nothing_run_are_sentences_too():
    assert answer([], [])
    assert re.findall(r"\d+", answer([entry("not run")] * 2, [])) == ["2"]
