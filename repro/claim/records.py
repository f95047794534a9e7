"""The closed models of a claim's `paper`: the sentence on trial, earlier and later results.

A field's description is what `repro show`, the JSON Schema and the error for a missing key say.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from repro.claim.config import Closed
from repro.claim.scalars import Name, Number, Positive, Text


class Record(Closed):
    """What was reached before the paper, or stands in its authors' notes."""

    value: Text = Field(description="the value, as a page prints it beside the paper's and ours")
    says: Text = Field(description="what it was measured on, and what it means here")
    source: Text = Field(description="where it stands")


class Measured(Closed):
    """What others measured since: context, never part of a verdict."""

    who: Text = Field(description="who measured it, in a few words, as its mark in a figure is labelled")
    numbers: list[Annotated[float, Field(gt=-1, lt=1e6)]] = Field(
        [], description="what was measured, in the unit of rule.paper: drawn on the claim's own axis"
    )
    value: Text | None = Field(
        None, description="what was measured in a few words, where its unit is another than the claim's"
    )
    says: Text = Field(description="what it was measured on, in a sentence")
    setting: Text = Field(description="what their setting has otherwise than the claim's")
    n: Number = Field(1, description="runs for each arm")
    read: Literal["at its source", "as quoted", "off a plot"] = Field(
        "at its source", description="as quoted: in a transcription of the source; off a plot: digitised, to one digit"
    )
    source: Text = Field(description="where it stands")
    claim: Name | None = Field(None, description="the claim that puts it on trial here")


class Search(Closed):
    """What was looked for and not found."""

    has: Text = Field(description="what nobody has done, as the end of a sentence: has ...")
    until: Text = Field(description="month and year of the search")


class Sentence(Closed):
    """The sentence on trial."""

    name: Name = Field(description="the paper, by its folder in repro/papers")
    section: Text = Field(description="section of the paper")
    figure: Number | None = Field(None, description="figure of the paper")
    table: Number | None = Field(None, description="table of the paper")
    source: Text | None = Field(None, description="where the sentence stands when it is not in the paper")
    says: str = Field(description="the sentence, in our words", min_length=10)


class ComparedSentence(Sentence):
    """The sentence on trial, of arms that are compared."""

    arms: dict[Name, Positive] | None = Field(None, description="the paper's own value of the measure, per arm")
    notes: Record | None = Field(None, description="what the authors' lab notes say of it")
    before: list[Record] = Field(default_factory=list, description="what others had reached by then")
    later: list[Measured] = Field(default_factory=list, description="what others measured since")
    nobody: Search | None = Field(None, description="what nobody has measured, as far as we found")
