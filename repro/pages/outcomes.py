"""What a command found of every claim, for the machines of a CI: JUnit XML, and a summary in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as xml

from repro.claim.files import AnyFile, ExactFile
from repro.errors import harmless
from repro.questions.cases import GROUPS, Word
from repro.questions.judge import highest, verdict_line
from repro.questions.trial import Trials

NOT_RUN: Word = "not run"
MOST_BYTES = 60_000  # of a summary; GitHub drops a step's summary above 1 MiB, and a page this long is read by nobody


@dataclass(frozen=True)
class Outcome:
    """A claim at the scale that was looked at. `line`: the verdict as commands print it."""

    id: str
    paper: str
    section: str
    scale: str  # `counted` of facts, empty where no scale has a verdict
    word: Word
    line: str


def outcome(file: AnyFile, scale: str | None, trials: Trials, reference: str = "") -> Outcome:
    """Return the outcome of a claim at `scale`; None: at the highest that has a verdict, facts as they are counted."""
    if isinstance(file, ExactFile):
        scale = "counted"
    elif scale is None:
        found = highest(file, trials)
        scale = found.scale if found else ""
    line, word = f"{file.id}: not run yet", NOT_RUN
    if scale:
        line, word = verdict_line(file, scale, trials, reference)
    return Outcome(file.id, file.paper.id, file.claim.paper.section, scale, word, line)


def junit(outcomes: Sequence[Outcome], fail_on: Collection[str] = ()) -> str:
    """Return JUnit XML with one suite and a case for each claim.

    A claim that could not be measured is an error, one whose word is in `fail_on` a failure, one that is not run
    skipped; any other verdict passes, whatever it says.
    """
    errors = sum(each.word == "error" for each in outcomes)
    skipped = sum(each.word == "not run" and "not run" not in fail_on for each in outcomes)
    failures = sum(each.word in fail_on and each.word != "error" for each in outcomes)
    counts = {"tests": len(outcomes), "failures": failures, "errors": errors, "skipped": skipped}
    about = {"name": "repro"} | {key: str(count) for key, count in counts.items()}
    root = xml.Element("testsuites")
    suite = xml.SubElement(root, "testsuite", about)
    for each in outcomes:
        case = xml.SubElement(suite, "testcase", classname=f"{each.paper}.§{each.section}", name=each.id)
        line = harmless(each.line)
        if each.word == "error":
            xml.SubElement(case, "error", message=each.word, type=each.word).text = line
        elif each.word in fail_on:
            xml.SubElement(case, "failure", message=each.word, type=each.word).text = line
        elif each.word == "not run":
            xml.SubElement(case, "skipped", message=each.word)
        else:
            xml.SubElement(case, "system-out").text = line
    xml.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml.tostring(root, encoding="unicode")}\n'


def summary(outcomes: Sequence[Outcome], closing: str = "") -> str:
    """Return Markdown of at most `MOST_BYTES`: how many claims have which word, then a row for each claim.

    `closing`: a last line, such as that of `smoke`.
    """
    words = Counter(each.word for each in outcomes)
    counted = ", ".join(f"{words[word]} `{word}`" for word in GROUPS if words[word])
    s = "s" * (len(outcomes) != 1)
    head = f"### {len(outcomes)} claim{s}\n\n{counted}\n\n| claim | § | scale | verdict | |\n|---|---|---|---|---|\n"
    tail = f"\n{harmless(closing)}\n" if closing else ""
    rows = [
        f"| {each.id} | {_cell(each.section)} | {each.scale or '–'} | `{each.word}` | {_cell(_finding(each))} |\n"
        for each in outcomes
    ]
    left = MOST_BYTES - len((head + tail).encode()) - 100  # bytes for the sentence below
    kept = 0
    while kept < len(rows) and (left := left - len(rows[kept].encode())) >= 0:
        kept += 1
    more = f"\n{len(rows) - kept} more are in the report.\n" if kept < len(rows) else ""
    return "".join([head, *rows[:kept], more, tail])


def _finding(outcome: Outcome) -> str:
    """Return the verdict's line without the claim's id and scale, which have columns of their own."""
    return outcome.line.partition(": ")[2]


def _cell(text: str) -> str:
    """Return a text as one cell of a table, at most 400 characters."""
    text = harmless(" ".join(text.split()))
    for sign in "\\|<`":
        text = text.replace(sign, f"\\{sign}" if sign != "<" else "&lt;")
    return text if len(text) <= 400 else f"{text[:399]}…"
