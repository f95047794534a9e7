"""Exact claims: each printed fact against its count, and the worst verdict for the whole claim."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isclose, isinf

from repro.analysis.words import Verdict
from repro.models.counts import Found, shown
from repro.spec.files import ExactFile
from repro.spec.inspect import Fact

TRUE, FALSE, OPEN = "true as printed", "false as printed", "inconclusive"
WORST = (FALSE, OPEN, TRUE)  # DESIGN, a claim: the worst one is shown
GRADE = "exact"


@dataclass(frozen=True)
class Judged:
    """A fact, what was counted, and the verdict's word."""

    fact: Fact
    found: Found
    word: str

    @property
    def printed(self) -> str:
        """What the paper has, as it is compared: `at most 1 %`, `60,000,000`."""
        given = self.fact.printed
        text = shown(tuple(given) if isinstance(given, list) else given, self.found.unit)
        words = {"about": "about ", "at most": "at most ", "more than": "more than "}
        return words.get(self.fact.compare.kind, "") + text

    @property
    def counted(self) -> str:
        """What was counted, with its unit and the range that the data leave open."""
        found = self.found
        text = shown(found.value, found.unit)
        if found.low is None or found.high is None:
            return text
        low = f"{found.low:.2f}"
        return f"{text} ({low} or more)" if isinf(found.high) else f"{text} ({low} to {found.high:.2f})"


def judged(file: ExactFile) -> list[Judged]:
    """Every fact of a claim with its verdict, in the claim's order."""
    out = []
    for fact in file.claim.facts:
        found = fact.found()
        out.append(Judged(fact, found, word(fact, found)))
    return out


def word(fact: Fact, found: Found) -> str:
    """The verdict on one fact. `inconclusive` where the data leave both open, or cannot show what is printed."""
    compare, printed, value = fact.compare, fact.printed, found.value
    if isinstance(printed, list) or isinstance(value, tuple):
        return TRUE if printed == list(value) else FALSE  # type: ignore[arg-type]
    if compare.kind == "equals":
        return TRUE if isclose(value, printed, rel_tol=1e-9) else FALSE
    low = value if found.low is None else found.low
    high = value if found.high is None else found.high
    match compare.kind:
        case "rounded":
            steps = [floor(value / compare.unit + 0.5), *([floor(value / compare.unit)] if compare.cut else [])]
            return TRUE if round(printed / compare.unit) in steps else FALSE
        case "about":
            return TRUE if abs(value - printed) <= compare.share * abs(printed) else FALSE
        case "at most":
            return TRUE if high <= printed else FALSE if low > printed else OPEN
        case "more than":
            return TRUE if low > printed else FALSE if high <= printed else OPEN
        case "fine enough":
            return TRUE if value <= printed else OPEN
    raise AssertionError(compare.kind)


def tolerance(fact: Fact) -> str:
    """How far a printed number may be off, and why; empty where it may not."""
    compare = fact.compare
    if compare.kind == "about":
        return f"Allowed: {shown(100 * compare.share)} % either way. {compare.why}"
    if compare.kind == "rounded":
        how = "Rounded or cut off" if compare.cut else "Rounded"
        to = "a whole number" if compare.unit == 1 else f"a multiple of {shown(compare.unit)}"
        return f"{how} to {to}. {compare.why}"
    return ""


def counts(facts: list[Judged]) -> dict[str, int]:
    """How many facts have each word, the worst first."""
    return {name: n for name in WORST if (n := sum(fact.word == name for fact in facts))}


def judge_facts(file: ExactFile) -> Verdict:
    """The verdict on an exact claim: that of its worst fact."""
    facts = judged(file)
    found = counts(facts)
    worst = next(iter(found))
    named = [fact for fact in facts if fact.word == worst]
    if worst == TRUE:
        sentence = f"All {len(facts)} printed facts are true." if len(facts) > 1 else f"{_line(facts[0])}."
    else:
        sentence = " ".join(f"{_line(fact)}." for fact in named[:2])
        sentence += f" Below stand {len(named) - 2} more." if len(named) > 2 else ""
    why = f"{tally(found)}; the worst decides" if len(facts) > 1 else "the claim's one fact, counted"
    return Verdict(worst, GRADE, sentence, why)


def tally(found: dict[str, int]) -> str:
    """`1 of 6 facts is false as printed, 5 true as printed`."""
    (first, n), *rest = found.items()
    total = sum(found.values())
    start = f"{n} of {total} facts {'is' if n == 1 else 'are'} {first}"
    return ", ".join([start, *(f"{count} {name}" for name, count in rest)])


def _line(fact: Judged) -> str:
    return f"“{fact.fact.says.rstrip('.')}”: printed {fact.printed}, found {fact.counted}"


def lines(file: ExactFile) -> list[str]:
    """What a claim counts, for a terminal: each fact with its values, its arithmetic and where it stands."""
    out = []
    for i, fact in enumerate(judged(file)):
        source = f"; on record: {fact.fact.source}" if fact.fact.source else ""
        out += [fact.fact.says, f"  printed {fact.printed}, found {fact.counted}: {fact.word}"]
        out += [f"  {fact.found.arithmetic}", f"  {file.line(i)}{source}"]
    return out
