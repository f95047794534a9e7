"""Mistakes in a claim's file as messages, each with its line and column."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.claim.yaml import Loc
from repro.errors import ReproError
from repro.nets import libraries

if TYPE_CHECKING:
    from repro.claim.overlays import Layers
    from repro.claim.schema import Schema, Tags


MOST = 100  # mistakes of a file that are listed (assumed: as many as a person mends before checking again)


_PERCENT = re.compile(r"\s*([+-]?\d+(?:[.,]\d+)?)\s*%\s*")  # a share as people write it


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: its place in the file and the message."""

    line: int
    column: int
    text: str


class SpecError(ReproError):
    """Every mistake of one file, a line each, in order: `claims/x.yaml:12:3: what is wrong`."""

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        every = sorted(set(problems))
        self.problems = every[:MOST]
        lines = [f"{path}:{p.line}:{p.column}: {p.text}" for p in self.problems]
        if len(every) >= MOST:  # no more are looked for
            lines.append(f"{path}: these are the first {MOST} mistakes; correct them, then check the file again")
        super().__init__("\n".join(lines))


def nearest(name: object, names: Iterable[object]) -> str:
    """Return `; did you mean x?` for the closest of `names`; an empty text if none is close."""
    close = _close(name, names)
    return f"; did you mean {close}?" if close else ""


def repeated(items: Iterable[object]) -> list[int]:
    """Return the places of the items that stand earlier too."""
    earlier: set[object] = set()
    places = []
    for i, item in enumerate(items):
        if item in earlier:
            places.append(i)
        earlier.add(item)
    return places


def _close(name: object, names: Iterable[object]) -> str | None:
    return next(iter(difflib.get_close_matches(str(name), [str(n) for n in names], n=1)), None)


def translated_errors(layers: Layers, errors: list[Any]) -> list[Problem]:
    """Translate pydantic's errors into problems at their places in the file.

    A key that is missing because it is misspelled is reported once, as misspelled.
    """
    out, missing, misspelled, schema = [], [], set(), layers.kinds.schema
    # If the paper is unknown, the keys of its recipe are missing too: that is not reported again.
    recipe_keys = set() if layers.paper else {key for paper in layers.kinds.papers for key in paper.recipe}
    for error in errors[:MOST]:
        what, loc, found = _read(error, schema)
        tags, dotted = layers.tags(loc), ".".join(map(str, loc))
        chosen = (*loc[:1], "kind")  # an override of the kind causes errors in the keys below
        if (
            any(tags)
            and loc[0] != "model"  # its options are dropped when the net changes
            and chosen in layers.origin
            and loc not in layers.origin
            and what in ("missing", "extra_forbidden")
        ):
            text = (
                f"missing; expected {_expected(schema, loc, tags)}" if what == "missing" else f"not a key of {tags[-1]}"
            )
            out.append(layers.problem(chosen, f"{dotted}: {text}"))
        elif what == "missing" and dotted in recipe_keys:
            continue
        elif what == "missing" and loc[-1] == "label" and _close(loc[-1], found.keys() - set(schema.keys(loc[:-1]))):
            pass  # a misspelled label: the keys beside it are checked with the overrides
        elif what == "missing":
            missing.append((loc, f"{dotted}: missing; expected {_expected(schema, loc, tags)}"))
        elif what == "extra_forbidden" and loc[0] == "model" and (nets := layers.kinds.nets_with(loc[-1])):
            text = f"is for {' and '.join(nets)} alone"
            if libraries.is_library_net(kind := layers.data["model"].get("kind")):
                text = f"is for nets with a table of layers; {kind} is taken as it is"
            out.append(layers.problem(layers.last_written(loc), f"{dotted}: {text}"))
        elif what == "extra_forbidden":
            close = _close(loc[-1], schema.keys(loc[:-1], tags))
            misspelled.add((*loc[:-1], close))
            near = f"; did you mean {close}?" if close else ""
            out.append(layers.problem(loc, f"{dotted}: not a known key{near}", key=True))
        elif what == "[key]":
            known = schema.keys(loc[:-1], tags)
            expected = " or ".join(known) or "a name of small letters, digits and _"
            text = f"{dotted}: not a name that fits here; expected {expected}{nearest(loc[-1], known)}"
            out.append(layers.problem(loc, text, key=True))
        else:
            words, near = schema.choices(loc, tags), ""
            if isinstance(found, str) and len(words) > 1:
                near = nearest(found, words)
            elif isinstance(found, str) and (percent := _PERCENT.fullmatch(found)):
                near = f"; write {float(percent[1].replace(',', '.')) / 100:g}"
            elif what == "string_type" and isinstance(found, int | float):
                near = "; put it in quotes"
            text = f"{dotted}: found {described_value(found)}; expected {schema.expected(loc, tags)}{near}"
            out.append(layers.problem(loc, text))
    return out + [layers.problem(loc, text) for loc, text in missing if loc not in misspelled]


def _read(error: Any, schema: Schema) -> tuple[str, Loc, Any]:
    """Return (type of error, place in the file, value) of one of pydantic's errors."""
    what, loc, found = error["type"], error["loc"], error["input"]
    if what == "extra_forbidden":
        return what, (*_untagged(loc[:-1]), loc[-1]), found
    if loc[-1:] == ("[key]",):  # an error of a mapping's key
        return "[key]", _untagged(loc[:-1]), found
    loc = _untagged(loc)
    if what.startswith("union_tag") and isinstance(found, dict):  # a measure or rule of no known kind
        if "kind" in found:
            return what, (*loc, "kind"), found["kind"]
        known = {*schema.keys(loc), *schema.keys(loc, ("inspect",))}  # `window` resembles `kind`, and is a valid key
        close = _close("kind", [key for key in found if key not in known])
        return ("extra_forbidden", (*loc, close), None) if close else ("missing", (*loc, "kind"), None)
    return what, loc, found


def _untagged(loc: Loc) -> Loc:
    """Return a location without the tags of unions, which are in angle brackets (`repro.claim.kinds`)."""
    return tuple(part for part in loc if not (isinstance(part, str) and part[:1] == "<" and part[-1:] == ">"))


def _expected(schema: Schema, loc: Loc, tags: Tags) -> str:
    description = schema.described(loc, tags)
    return schema.expected(loc, tags) + (f" ({description})" if description else "")


def described_value(value: object) -> str:
    """Describe a value of a file for a message: `a list of 3`, `a mapping`, `nothing`, or its repr."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return {dict: "a mapping", type(None): "nothing"}.get(type(value)) or repr(value)
