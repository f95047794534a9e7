"""The results of one shelf as one file, `results.json`: what the pages and lines of another shelf say of it.

Of the reference runs this file alone travels inside the package, and is read in a clone too. Its JSON Schema,
`results.schema.json`, is made from the models below and stands next to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from repro.claim.config import Closed
from repro.claim.files import AnyFile
from repro.errors import ReproError
from repro.questions.cases import Word
from repro.questions.coverage import Recorded, state_word
from repro.questions.facts import FactWord
from repro.questions.statistics import Sampling

FORMAT = 1  # moves when a key is taken away or comes to mean something else
NAME, SCHEMA = "results.json", "results.schema.json"
UNMEASURED = ("not run", "error")


class Interval(Closed):
    """An effect with its interval, or the mean offset of our curves from a printed one."""

    kind: str = Field(
        description="ratio, difference, value, rate, count, tau (rank correlation), or offset of a printed curve"
    )
    estimate: float | None = Field(description="the effect; null where censored runs leave a bound alone")
    low: float | None = Field(description="lower end of the interval; null where it is open")
    high: float | None = Field(description="upper end of the interval; null where it is open")
    confidence: float = Field(description="confidence of the interval, such as 0.95")
    n: int = Field(description="seeds, or replicate processes of a timing, that the interval is formed from")
    method: str = Field(description="how the interval is formed")
    per_seed: dict[str, float] = Field(description="the effect of each seed, where seeds have one")
    p: float | None = Field(description="of a printed curve: the rank of the author's among ours, as p; else null")


class Comparison(Closed):
    """One comparison: the claim's own arms, or the same under another choice of what the paper leaves open."""

    name: str = Field(description="ours, or the name of the alternative in the claim's file")
    role: Literal["own", "together", "alternative"] = Field(
        description="own: decides alone; together: the weakest of several decides; alternative: decides nothing"
    )
    word: Word = Field(description="the verdict's word under this choice")
    grade: str | None = Field(description="how much the evidence weighs: A to D; null where nothing is judged")
    sentence: str = Field(description="the finding with its numbers")
    why: str = Field(description="what decided the word, or what is missing")
    found: str = Field(description="the effect with its interval in a few characters; empty where there is none")
    effect: Interval | None = Field(description="null where no effect could be formed")
    number: float | None = Field(description="the paper's number in the effect's unit; null where none is printed")
    band: list[float | None] = Field(
        description="lower and upper end of what counts as the same number; null at an open end",
        min_length=2,
        max_length=2,
    )
    seeds: list[int] = Field(description="judging seeds")
    change: str = Field(description="what an alternative does to the verdict, in words; else empty")

    @property
    def complete(self) -> bool:
        """Whether it was measured, whatever came out."""
        return self.word not in UNMEASURED


class Hours(Closed):
    """What runs took on one kind of device."""

    device: str = Field(description="processor or GPU")
    unit: str = Field(description="core-hours of a processor, or hours of a GPU")
    hours: float = Field(description="how many")


class Spread(Closed):
    """How far judging seeds that are not run yet are expected to differ."""

    kind: Literal["paired", "welch", "count", "jackknife", "curve"] = Field(description="how the interval is formed")
    spreads: list[float] = Field(description="standard deviations on the scale of the interval")
    known_from: str = Field(description="the runs whose spread it is")


class AtScale(Closed):
    """A claim at one scale."""

    scale: str = Field(description="smoke, small, medium or paper; exact: facts, which are counted")
    word: Word = Field(description="the verdict's word")
    grade: str | None = Field(
        description="how much the evidence weighs: A to D, or exact; null where nothing is judged"
    )
    sentence: str = Field(description="the finding with its numbers")
    why: str = Field(description="what decided the word, or what is missing")
    found: str = Field(description="the effect with its interval in a few characters; empty where there is none")
    n: int = Field(description="judging seeds, or replicates of a timing, behind the verdict; 0 where there are none")
    belief: str = Field(description="what a reader may believe; empty where nothing was judged")
    could_not: str = Field(description="what these runs could not have told; empty where they could")
    depends: str = Field(description="which choices change the verdict; empty where none does, or none was judged")
    set_after: str = Field(description="that the rule was set after its runs, and the word before; empty where not")
    comparisons: list[Comparison] = Field(description="each comparison behind the verdict, then the alternatives")
    spread: Spread | None = Field(description="what new runs are expected to vary by; null where nothing tells")
    device: str | None = Field(description="of a timing: the device that was timed; else null")
    machines: list[str] = Field(description="processors and GPUs that the runs were made on")
    commits: list[str] = Field(description="commits of the sources that made the runs, the first 12 digits of each")
    hours: list[Hours] = Field(description="what the runs took, with those whose weights they started from")
    runs: int = Field(description="runs and evaluations behind the verdict")
    to_do: int = Field(description="runs that the next round wants and that are not there")

    @property
    def complete(self) -> bool:
        """Whether it was measured, whatever came out."""
        return self.word not in UNMEASURED

    @property
    def speaks(self) -> bool:
        """Whether it says something of the sentence."""
        return self.complete and self.scale != "smoke"

    @property
    def line(self) -> str:
        """The verdict in a line: its word, the scale where the word does not name it, and its sentence."""
        at = "" if self.word.endswith(" scale") or self.scale == "exact" else f" at {self.scale} scale"
        return f"{self.word}{at}. {self.sentence}"

    def foreseen(self, n: int) -> tuple[Sampling, str] | None:
        """Return how the effect of `n` new seeds is expected to vary, and from what that is known."""
        if self.spread is None:
            return None
        return Sampling(self.spread.kind, n, tuple(self.spread.spreads)), self.spread.known_from


class FactResult(Closed):
    """One printed fact of an exact claim."""

    says: str = Field(description="the fact")
    printed: str = Field(description="what is printed")
    counted: str = Field(description="what was counted")
    word: FactWord = Field(description="the verdict on the fact")


class Measurement(Closed):
    """What others measured of the same: context, never part of a verdict."""

    who: str = Field(description="who measured it")
    value: str = Field(description="what was measured, with its unit")
    numbers: list[float] = Field(description="the same in the unit of the claim's effects; empty where it has another")
    source: str = Field(description="where it stands")


class ClaimResult(Closed):
    """One claim on this shelf."""

    id: str = Field(description="the claim's id")
    version: int = Field(description="the version of the claim that was judged")
    section: str = Field(description="where the sentence stands in the paper")
    says: str = Field(description="the sentence on trial")
    paper: str = Field(description="the paper's number in a few characters")
    unit: str | None = Field(description="kind of its effects, whose unit numbers of others have; null of facts")
    others: list[Measurement] = Field(description="what others measured since")
    page: str = Field(description="the name of its page, in the folder of this file")
    shown: str | None = Field(description="the scale that speaks of the sentence; null where none does yet")
    scales: list[AtScale] = Field(description="the claim at each of its scales, from the highest")
    facts: list[FactResult] = Field(description="of an exact claim: every fact; else empty")

    def at(self, scale: str | None) -> AtScale | None:
        """Return the claim at one scale; None where it has no such."""
        return next((verdict for verdict in self.scales if verdict.scale == scale), None)

    @property
    def speaking(self) -> AtScale | None:
        """The claim at the scale that speaks of the sentence; None where none does yet."""
        return self.at(self.shown)


class Cost(Closed):
    """What runs alike took: the median over those of this shelf."""

    alike: str = Field(description="the start of the sha256 of what decides how long a configuration takes")
    device: str = Field(description="processor or GPU")
    seconds: float = Field(description="seconds of an epoch, or of a whole timing")


class Results(Closed):
    """What one shelf of runs says of every claim."""

    schema_: str = Field(alias="$schema", description="the schema of this file, in its folder")
    format: Literal[1] = Field(description="version of this format: moves when a key is removed or changes its meaning")
    shelf: str = Field(description="reference: the runs that come with the project; yours: the reader's own")
    claims: list[ClaimResult] = Field(description="every claim, by id")
    costs: list[Cost] = Field(description="what runs took, by what decides it and by device")

    @cached_property
    def _by_id(self) -> dict[str, ClaimResult]:
        return {claim.id: claim for claim in self.claims}

    def of(self, file: AnyFile) -> ClaimResult | None:
        """Return the result of a claim; None where this shelf has none, or judged another version of it."""
        result = self._by_id.get(file.id)
        return result if result is not None and result.version == file.claim.version else None

    def line(self, file: AnyFile) -> str:
        """Return the verdict on a claim in a line, or that there is none yet."""
        result = self.of(file)
        return result.speaking.line if result and result.speaking else "not run yet"

    def recorded(self) -> Recorded:
        """Return what coverage asks of this shelf: the state of each scale, and what runs took."""
        words = {
            claim.id: {at.scale: state_word(at.word, at.scale, at.runs) for at in claim.scales} for claim in self.claims
        }
        seconds: dict[str, dict[str, float]] = {}
        for cost in self.costs:
            seconds.setdefault(cost.alike, {})[cost.device] = cost.seconds
        return Recorded(self.shelf, words, seconds)

    def text(self) -> str:
        """Return the file's content."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False) + "\n"


def read(path: Path) -> Results:
    """Read the results of a shelf. ReproError with file and key where it is not there, or not as it should be."""
    try:
        return Results.model_validate_json(path.read_bytes(), by_alias=True)
    except OSError as error:
        raise ReproError(
            f"{path}: cannot be read ({error.strerror}); expected the results of the reference runs. In a clone "
            "`git checkout` brings it back, and `repro report --reference` makes it"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ReproError(
            f"{path}: {where}: {first['msg']}, found {first['input']!r:.80}; expected format {FORMAT} of this file, as "
            f"{SCHEMA} has it. Get it again together with the package"
        ) from None


def schema() -> str:
    """Return `results.schema.json`."""
    return schema_text(Results.model_json_schema(by_alias=True))


def schema_text(made: Mapping[str, Any]) -> str:
    """Return a JSON Schema as a file's content."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(head | dict(made), indent=1, ensure_ascii=False) + "\n"
