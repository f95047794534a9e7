"""The record of an evaluation of a finished run: the run, the epoch and the options.

The hash of the record is the evaluation's id. It does not include which value a claim reads, so that claims share
evaluations. Every evaluation runs in test mode.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from repro.claim.config import Closed, RunConfig, canonical, hashed

RECORDED: Final = "look"  # the key of the options in records and ids: an older word, kept because ids hash it


class Options(BaseModel):
    """The kind of an evaluation with its options, already checked by the measure of that kind."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)

    kind: str

    @property
    def given(self) -> dict[str, object]:
        """The options without the kind: keyword arguments of the function that computes the evaluation."""
        return self.model_dump(exclude={"kind"})


class Evaluation(Closed):
    """One finished run, evaluated after an epoch.

    `epoch`: the planned last epoch of the run. A run that the plateau rule ended earlier is evaluated at its end.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    run: RunConfig
    epoch: int
    options: Options = Field(validation_alias=AliasChoices(RECORDED, "options"), serialization_alias=RECORDED)

    @cached_property
    def id(self) -> str:
        """The evaluation's id: 16 hexadecimal digits."""
        return hashed(f'{{"epoch":{self.epoch},"{RECORDED}":{canonical(self.options)},"run":{self.run.text}}}')


_TEN: Final = Options(kind="ten_views")
# The shift: 0.3 deviations of a component (assumed; the source's noise has 0.1).
_SHIFTED: Final = Options.model_validate({"kind": "shifted_colours", "by": 0.3})
# For each metric of the measure `final` that a run does not record itself: the evaluation that gives it.
FINAL_OPTIONS: Final[dict[str, Options]] = {
    "views_error": _TEN,
    "views_top5": _TEN,
    "shifted_error": _SHIFTED,
    "shifted_rise": _SHIFTED,
}
