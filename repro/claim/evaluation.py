"""Evaluations of finished runs, as they are recorded: the run, the epoch, and how the run is evaluated.

The hash of the record is the evaluation's id. The value that a claim reads off an evaluation is no part of it, so that
claims share evaluations. Every evaluation is made in test mode.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from repro.claim.config import Closed, RunConfig, canonical, hashed

RECORDED: Final = "look"  # the key of the options in records and ids: an older word, kept because ids hash it


class Options(BaseModel):
    """How a run is evaluated: a kind, and its options, which the measure of that kind in a claim has checked."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)

    kind: str

    @property
    def given(self) -> dict[str, object]:
        """The options without the kind, as keyword arguments of the function that computes the evaluation."""
        return self.model_dump(exclude={"kind"})


class Evaluation(Closed):
    """One finished run, evaluated after an epoch.

    `epoch`: the epoch to which the run was to be trained. A run that the plateau rule ended sooner is evaluated where
    it ended.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    run: RunConfig
    epoch: int
    options: Options = Field(validation_alias=AliasChoices(RECORDED, "options"), serialization_alias=RECORDED)

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits, as a run's."""
        return hashed(f'{{"epoch":{self.epoch},"{RECORDED}":{canonical(self.options)},"run":{self.run.text}}}')


_TEN: Final = Options(kind="ten_views")
# The shift: 0.3 deviations of a component (assumed; the source's noise has 0.1).
_SHIFTED: Final = Options.model_validate({"kind": "shifted_colours", "by": 0.3})
# The evaluation that a metric of the measure `final` is read off, where the run itself does not record it.
OF_FINAL: Final[dict[str, Options]] = {
    "views_error": _TEN,
    "views_top5": _TEN,
    "shifted_error": _SHIFTED,
    "shifted_rise": _SHIFTED,
}
