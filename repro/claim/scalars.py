"""Single values of a claim: names, texts, numbers within bounds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Text = Annotated[str, Field(min_length=1)]
Label = Annotated[str, Field(min_length=1, max_length=40)]  # short enough for legends and headings of tables
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
UpToOne = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(gt=-1, lt=1)]
Number = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
