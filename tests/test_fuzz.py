"""The short form of `python -m tests.fuzz`: no input ends in a traceback, takes gigabytes, or leaves a file outside."""

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from tests import fuzz


@pytest.mark.parametrize("kind", fuzz.KINDS)
@pytest.mark.filterwarnings("ignore")  # a damaged photo makes Pillow warn, which is its right
def test_no_damaged_or_hostile_file_ends_in_a_traceback(kind):
    tally = fuzz.fuzz(kind, examples=40)
    assert tally.tried >= 30
    assert not tally.failures
