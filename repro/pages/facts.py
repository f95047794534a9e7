"""The pages of exact claims: every fact with what is printed, what was counted, the arithmetic and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

from repro.claim.counts import ListedNet, times
from repro.claim.files import ExactFile
from repro.draw.parts import Grid
from repro.frames import exports
from repro.nets import tables
from repro.nets.tables import Conv, CrossMapNorm, Dense, Dropout, Pool, SameMapNorm
from repro.pages import prose
from repro.pages.claim_data import FORMAT, SCHEMA, CountedClaim, text
from repro.pages.origins import origins
from repro.pages.view import MARKS
from repro.questions import frames
from repro.questions.facts import FACTS, TRUE, FactWord, Judged, judge_facts, judged, tally, tolerance, words
from repro.questions.units import capital, listed

if TYPE_CHECKING:
    import jinja2

SHORT: dict[FactWord, str] = {"true as printed": "true", "false as printed": "false", "inconclusive": "not shown"}
# How each is drawn: see `repro.draw.forest.dots`.
KINDS: dict[FactWord, str] = {"true as printed": "true", "false as printed": "false", "inconclusive": "open"}


def files(
    file: ExactFile,
    environment: jinja2.Environment,
    project: str | None = None,
    nearby: tuple[str, str] = ("", ""),
) -> dict[str, str | bytes]:
    """Return the page of a claim, and the same as JSON, CSV and parquet, by name.

    `nearby`: the claims before and after it.
    """
    page = _page(file, project) | {"nearby": nearby}
    return {
        f"{file.id}.html": environment.get_template("facts.html").render(page),
        f"{file.id}.json": text(_whole(file)),
        **exports({file.id: frames.facts(file)}),
    }


def numbers(file: ExactFile) -> dict[FactWord, int]:
    """Return how many facts of a claim are true, false or not shown."""
    return words(judged(file))


def in_words(file: ExactFile) -> str:
    """Return `2 false, 16 true`."""
    return _numbers(numbers(file))


def cells(file: ExactFile) -> tuple[str, ...]:
    """Return the claim as the table of README has it, without the link to its page."""
    verdict, counts = judge_facts(file), words(judged(file))
    says = file.claim.paper.says
    return says, _many(counts), "–", "–", _numbers(counts), f"`{verdict.word}`", verdict.grade or "–", "–", "–"


def _many(counts: dict[FactWord, int]) -> str:
    n = sum(counts.values())
    return f"{n} fact{'s' * (n != 1)}"


def _numbers(counts: dict[FactWord, int]) -> str:
    """Return `2 false, 16 true`."""
    return ", ".join(f"{n} {SHORT[name]}" for name, n in counts.items())


def _page(file: ExactFile, project: str | None) -> dict[str, Any]:
    """Return everything that templates/facts.html prints."""
    claim, verdict, facts = file.claim, judge_facts(file), judged(file)
    marked = any(fact.headline for fact in claim.facts)
    return {
        "id": file.id,
        "version": claim.version,
        "section_name": prose.section(file),
        "says": claim.paper.says,
        "on_trial": prose.on_trial([file.paper]),
        "question": claim.question,
        "verdict": verdict,
        "mark_name": MARKS[verdict.word],
        "tally": [f"{n} {SHORT[name]}" for name, n in words(facts).items()],
        "marked": marked,
        "facts": [_fact(fact, file.claim.paper.section) for fact in facts],
        "cases": [(case.word, case.when.removeprefix("for counted facts: ")) for case in FACTS],
        "marks": MARKS,
        "cited": prose.CITED * any("source.md" in f"{fact.because} {fact.source}" for fact in claim.facts),
        "layers": _layers(claim.listed) if claim.nets else None,
        "differences": _differences(list(claim.listed.values())) if len(claim.nets) > 1 else None,
        "remarks": [net.remark for net in claim.listed.values() if net.remark],
        "assumptions": claim.assumptions,
        "deviations": claim.deviations,
        "origins": origins(file, project),
        "command": f"python -m repro run {file.path.stem}",
    }


def _fact(fact: Judged, section: str) -> dict[str, Any]:
    where = fact.fact.section or section
    return {
        "mark": MARKS[fact.word],
        "word": fact.word,
        "short": SHORT[fact.word],
        "not_true": fact.word != TRUE,
        "decides": fact.fact.headline,
        "says": fact.fact.says,
        "where": f"§ {where}" if where[:1].isdigit() else capital(where),
        "printed": fact.printed,
        "counted": fact.counted,
        "arithmetic": fact.count.arithmetic,
        "because": fact.fact.because,
        "tolerance": tolerance(fact.fact),
        "source": fact.fact.source or "",
    }


def _layers(nets: Mapping[str, ListedNet]) -> Grid:
    """Return the layers with weights of every net, line under line, and their sums."""
    columns = [(net.title, _columns(net)) for net in nets.values()]
    names = list(dict.fromkeys(name for _, layers in columns for name in layers))
    rows = [(name, title, *layers[name]) for name in names for title, layers in columns if name in layers]
    head = ("layer", "net", "kernels", "output", "parameters", "multiply-adds", "neurons")
    strong = frozenset(i for i, row in enumerate(rows) if row[0] == "all")
    return Grid("Every layer that holds weights", head, tuple(rows), frozenset({4, 5, 6}), frozenset(), strong)


def _columns(net: ListedNet) -> dict[str, tuple[str, ...]]:
    """Return by layer: kernels, output, parameters, multiply-adds and neurons as they are printed; `all` last."""
    held, work, units = (
        count(net.rows, net.image, net.rounding) for count in (tables.parameters, tables.multiply_adds, tables.neurons)
    )
    out = {}
    for row, entering, leaving in tables.shapes(net.rows, net.image, net.rounding):
        if isinstance(row, Conv):
            kernel = times(row.maps, row.size, row.size, entering[0] // row.groups)
        elif isinstance(row, Dense):
            kernel = times(row.units, prod(entering) // row.groups)
        else:
            continue
        shape = times(*leaving[1:], leaving[0])
        out[row.name] = (kernel, shape, f"{held[row.name]:,}", f"{work[row.name]:,}", f"{units[row.name]:,}")
    sums = (f"{sum(count.values()):,}" for count in (held, work, units))
    return out | {"all": ("", "", *sums)}


def _differences(nets: Sequence[ListedNet]) -> Grid:
    """Return how else the nets differ: each line read off their tables."""
    described = [_described(net) for net in nets]
    names = [name for name in described[0] if len({parts[name] for parts in described}) > 1]
    rows = tuple((name, *(parts[name] for parts in described)) for name in names)
    return Grid("How else they differ", ("part", *(net.title for net in nets)), rows)


def _described(net: ListedNet) -> dict[str, str]:
    rows = net.rows
    convolutions = [row for row in rows if isinstance(row, Conv)]
    split = [row.name for row in convolutions if row.groups > 1]
    norms = [row for row in rows if isinstance(row, CrossMapNorm | SameMapNorm)]
    (first, entering, leaving), *_ = tables.shapes(rows, net.image, net.rounding)
    assert isinstance(first, Conv)
    beyond = (leaving[1] - 1) * first.stride + first.size - entering[1] - 2 * first.pad
    zeros = [f"{first.pad} on every side"] if first.pad else []
    zeros += [f"{beyond} right and bottom"] if beyond > 0 else []
    order = [row.name for row in rows if isinstance(row, Dense | Dropout)]
    unbiased = "uniform, within ±1 / √fan-in" if net.uniform else "0"
    biased = [row.name for row in tables.weighted(rows) if row.bias]
    pools = {f"{row.size} / {row.stride}, {row.kind}" for row in rows if isinstance(row, Pool)}
    return {
        "two towers": f"apart in {listed(split)}" if split else "no: every layer reads all maps",
        "normalisation": listed([_norm(row) for row in norms]) or "none",
        "pooling": listed(sorted(pools)),
        "zeros around the image": listed(zeros) or "none",
        "fully-connected part": ", ".join(order),
        "initial biases": f"1 in {listed(biased)}" if biased else unbiased,
    }


def _norm(row: CrossMapNorm | SameMapNorm) -> str:
    return f"{row.name} {'across' if isinstance(row, CrossMapNorm) else 'within'} maps"


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _whole(file: ExactFile) -> CountedClaim:
    """Return the claim as written, and its verdicts; an open side of a range is None."""
    verdict, facts = judge_facts(file), judged(file)
    made = {
        "$schema": SCHEMA,
        "format": FORMAT,
        "claim": file.claim.model_dump(mode="json", exclude_none=True),
        "verdict": {
            "word": verdict.word,
            "grade": verdict.grade,
            "sentence": verdict.sentence,
            "why": verdict.why,
            "facts": tally(words(facts)),
        },
        "facts": [
            {
                "says": fact.fact.says,
                "printed": fact.fact.printed,
                "found": fact.count.value,
                "range": None if fact.count.low is None else (_finite(fact.count.low), _finite(fact.count.high)),
                "unit": fact.count.unit,
                "arithmetic": fact.count.arithmetic,
                "verdict": fact.word,
            }
            for fact in facts
        ],
        "nets": {
            name: {layer: list(columns) for layer, columns in _columns(net).items()}
            for name, net in file.claim.listed.items()
        },
    }
    return CountedClaim.model_validate(made, by_alias=True)
