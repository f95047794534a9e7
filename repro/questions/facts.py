"""Exact claims: each printed fact against its count, and the verdict on the claim by those that it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, isclose, isinf
from typing import Literal

from repro.claim.counts import Count, written
from repro.claim.files import ExactFile
from repro.questions.cases import Word
from repro.questions.counted import AnyFact
from repro.questions.verdict import Verdict

FactWord = Literal["true as printed", "false as printed", "inconclusive"]
TRUE: FactWord = "true as printed"
FALSE: FactWord = "false as printed"
OPEN: FactWord = "inconclusive"
WORST: tuple[FactWord, ...] = (FALSE, OPEN, TRUE)
GRADE = "exact"


@dataclass(frozen=True)
class Tally:
    """How many facts are true, false or not shown: those that decide, and all."""

    true: int
    false: int
    open: int
    others_false: int


@dataclass(frozen=True)
class FactCase:
    """A word, when it is said of facts, and its test."""

    word: Word
    when: str
    test: Callable[[Tally], bool]


FACTS = (
    FactCase(
        "true as printed",
        "for counted facts: every fact that decides is true, and no other fact is false",
        lambda c: c.true > 0 and not c.false and not c.open and not c.others_false,
    ),
    FactCase(
        "true in part",
        "for counted facts: of the facts that decide some are true and some false, or all are true and others false",
        lambda c: c.true > 0 and (c.false > 0 or (c.others_false > 0 and not c.open)),
    ),
    FactCase(
        "false as printed",
        "for counted facts: every fact that decides is false",
        lambda c: c.false > 0 and not c.open,
    ),
    FactCase("inconclusive", "for counted facts: the available data cannot show what is printed", lambda _: True),
)


@dataclass(frozen=True)
class Judged:
    """A fact, what was counted, and the verdict's word."""

    fact: AnyFact
    count: Count
    word: FactWord

    @property
    def printed(self) -> str:
        """What the paper has, as it is compared: `at most 1 %`, `60,000,000`."""
        given = self.fact.printed
        text = written(tuple(given) if isinstance(given, list) else given, self.count.unit)
        words = {"about": "about ", "at most": "at most ", "more than": "more than "}
        return words.get(self.fact.compare.kind, "") + text

    @property
    def counted(self) -> str:
        """What was counted, with its unit and the range that the data leave open."""
        count = self.count
        text = written(count.value, count.unit)
        if count.low is None or count.high is None:
            return text
        low = f"{count.low:.2f}"
        return f"{text} ({low} or more)" if isinf(count.high) else f"{text} ({low} to {count.high:.2f})"


def judged(file: ExactFile) -> list[Judged]:
    """Return every fact of a claim with its verdict, in the claim's order."""
    counts = [(fact, fact.quantity.count()) for fact in file.claim.facts]
    return [Judged(fact, count, word(fact, count)) for fact, count in counts]


def word(fact: AnyFact, count: Count) -> FactWord:
    """Return the verdict on one fact: `inconclusive` where the data leave both open, or cannot show what is printed."""
    compare, printed, value = fact.compare, fact.printed, count.value
    if isinstance(printed, list) or isinstance(value, tuple):
        return TRUE if printed == list(value) else FALSE  # type: ignore[arg-type]
    if compare.kind == "equals":
        return TRUE if isclose(value, printed, rel_tol=1e-9) else FALSE
    low = value if count.low is None else count.low
    high = value if count.high is None else count.high
    match compare.kind:
        case "rounded":
            return TRUE if round(printed / compare.unit) == floor(value / compare.unit + 0.5) else FALSE
        case "about":
            return TRUE if abs(value - printed) <= compare.share * abs(printed) else FALSE
        case "at most":
            return TRUE if high <= printed else FALSE if low > printed else OPEN
        case "more than":
            return TRUE if low > printed else FALSE if high <= printed else OPEN
        case "fine enough":
            return TRUE if value <= printed else OPEN
    raise AssertionError(compare.kind)


def tolerance(fact: AnyFact) -> str:
    """Return how far a printed number may be off, and why; empty where it may not."""
    compare = fact.compare
    if compare.kind == "about":
        return f"Allowed: {written(100 * compare.share)} % either way. {compare.why}"
    if compare.kind == "rounded":
        to = "a whole number" if compare.unit == 1 else f"a multiple of {written(compare.unit)}"
        return f"Rounded to {to}. {compare.why}"
    return ""


def words(facts: list[Judged]) -> dict[FactWord, int]:
    """Count the facts that have each word, the worst first."""
    return {name: n for name in WORST if (n := sum(fact.word == name for fact in facts))}


def decisive(facts: list[Judged]) -> Tally:
    """Return how the facts that the sentence rests on came out, those marked `headline`, or all where none is; and how
    many of the others are false."""
    marked = [fact for fact in facts if fact.fact.headline] or facts
    others = [fact for fact in facts if fact not in marked]
    true, false, left_open = (sum(fact.word == name for fact in marked) for name in (TRUE, FALSE, OPEN))
    return Tally(true, false, left_open, sum(fact.word == FALSE for fact in others))


def judge_facts(file: ExactFile) -> Verdict:
    """Return the verdict on an exact claim: the first case of facts that holds."""
    facts = judged(file)
    count = decisive(facts)
    case = next(case for case in FACTS if case.test(count))
    said = words(facts)
    worst = next(iter(said))
    named = [fact for fact in facts if fact.word == worst]
    if worst == TRUE:
        sentence = f"All {len(facts)} printed facts are true." if len(facts) > 1 else f"{_line(facts[0])}."
    else:
        sentence = " ".join(f"{_line(fact)}." for fact in named[:2])
        more = len(named) - 2
        sentence += f" {more} more {'is' if more == 1 else 'are'} in the table." if more > 0 else ""
    why = tally(said)
    if any(fact.fact.headline for fact in facts):
        why += f"; the sentence rests on {count.true + count.false + count.open} of them"
    return Verdict(case.word, GRADE, sentence, why if len(facts) > 1 else "the claim's one fact, counted")


def tally(words: dict[FactWord, int]) -> str:
    """Return `16 of 18 right, 2 wrong`."""
    right = f"{words.get(TRUE, 0)} of {sum(words.values())} right"
    more = [f"{n} {name}" for name, n in (("wrong", words.get(FALSE, 0)), ("not shown", words.get(OPEN, 0))) if n]
    return ", ".join([right, *more])


def _line(fact: Judged) -> str:
    return f"{fact.fact.says.rstrip('.')}: printed {fact.printed}, found {fact.counted}"


def lines(file: ExactFile) -> list[str]:
    """Return what a claim counts, for a terminal: each fact with its values, its arithmetic and where it stands."""
    out = []
    for i, fact in enumerate(judged(file)):
        source = f"; on record: {fact.fact.source}" if fact.fact.source else ""
        out += [fact.fact.says, f"  printed {fact.printed}, found {fact.counted}: {fact.word}"]
        out += [f"  {fact.count.arithmetic}", f"  {file.line(i)}{source}"]
    return out
