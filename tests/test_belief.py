"""What may be believed after a verdict: a sentence for every word that says something, and for no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from repro.claim.files import ClaimFile
from repro.contents import load_all
from repro.pages.belief import belief
from repro.questions.cases import GROUPS, Word
from repro.questions.judge import judge
from repro.store import Store

ROOT = Path(__file__).parent.parent
FILES = [file for file in load_all([ROOT / "claims"]) if isinstance(file, ClaimFile)]
SILENT = ("facts", "not judged here", "not run")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.id)
def test_every_word_that_says_something_of_a_sentence_says_what_may_be_believed(file):
    scale = next(iter(scale for scale in file.claim.scales if scale != "smoke"))
    judged = judge(file, scale, {})
    for word in get_args(Word):
        text = belief(replace(judged, verdict=replace(judged.verdict, word=word)), {})
        assert bool(text) == (GROUPS[word] not in SILENT)
        assert "{" not in text


def test_words_for_and_against_never_say_the_same():
    for file in FILES:
        judged = judge(file, "smoke", {})
        said = {
            GROUPS[word]: belief(replace(judged, verdict=replace(judged.verdict, word=word)), {})
            for word in get_args(Word)
        }
        assert said["holds"] != said["does not hold"]
        assert said["agrees below paper scale"] != said["disagrees below paper scale"]


def test_an_open_verdict_says_whether_the_interval_excludes_no_effect():
    table = Store(ROOT / "runs" / "reference").table()
    file = next(file for file in FILES if file.id == "ten_views")
    judged = judge(file, "small", table)
    effect, evidence = judged.effect, judged.evidence
    assert effect is not None
    assert judged.verdict.word == "open at small scale"
    wider = replace(effect, low=-0.001)
    across = replace(judged, evidence=replace(evidence, effect=wider))
    assert effect.low > 0
    assert belief(judged, table) != belief(across, table)


def test_a_regulariser_that_does_not_show_in_nets_that_end_underfit_is_said_to_be_hardly_tested():
    table = Store(ROOT / "runs" / "reference").table()
    for name, low, high in (("crops_and_flips", 78, 88), ("lrn_cifar10", 97, 98)):
        file = next(file for file in FILES if file.id == name)
        judged = judge(file, "small", table)
        assert f"{low} to {high} %" in belief(judged, table)
        agreeing = replace(judged, verdict=replace(judged.verdict, word="agrees at small scale"))
        assert f"{low} to {high} %" not in belief(agreeing, table)
