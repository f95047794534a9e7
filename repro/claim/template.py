"""A claim's file to begin with: that of the nearest claim, with a comment above each key."""

from __future__ import annotations

import difflib
import re
import textwrap
from collections.abc import Mapping, Sequence

from repro.claim.catalogue import Entry
from repro.claim.files import AnyFile

TO_DO = "TODO"  # how texts begin that are still to be written; `repro check` lists them
_DROPPED = ("history",)  # keys of the other claim's past
_KEY = re.compile(r"([a-z_]+):")
HEAD = """\
# yaml-language-server: $schema=claim.schema.json
# {id}: made from {like}. Compare every key with your sentence and with the paper; keys that are left out are those of
# the paper's recipe. claims/README.md explains them. Next: `repro check {id}`, then `repro smoke {id}`.
"""


def nearest_claim(id: str, files: Sequence[AnyFile]) -> AnyFile:
    """Return the claim whose id, question and sentence have most in common with an id."""
    words = set(id.split("_"))

    def likeness(file: AnyFile) -> tuple[float, float]:
        text = f"{file.id} {file.claim.question} {file.claim.paper.says}".lower()
        shared = len(words & set(file.id.split("_"))) + 0.5 * len(words & set(re.findall(r"[a-z0-9]+", text)))
        return shared, difflib.SequenceMatcher(None, id, file.id).ratio()

    return max(files, key=likeness)


def template(id: str, like: AnyFile, descriptions: Mapping[str, str], entry: Entry | None) -> str:
    """Return the text of a new claim's file.

    `descriptions`: of a claim's keys. `entry`: the row of the sentence in the catalogue, if it has one.
    """
    blocks = _blocks(like.path.read_text(encoding="utf-8"))
    paper = like.claim.paper
    blocks["id"], blocks["version"] = f"id: {id}\n", "version: 1\n"
    says = entry.says if entry else f"{TO_DO}: the sentence, in your own words, with its number"
    section = entry.section if entry and entry.section else paper.section
    lines = [f"name: {paper.name}   # a folder of repro/papers", f'section: "{section}"', f"says: {_quoted(says)}"]
    blocks["paper"] = "paper:\n" + "".join(f"  {line}\n" for line in lines) + _arms(blocks["paper"])
    blocks["question"] = f'question: "{TO_DO}: what is measured, as a question?"\n'
    out = [HEAD.format(id=id, like=like.id)]
    for key, text in blocks.items():
        if key in _DROPPED:
            continue
        comment = textwrap.wrap(descriptions.get(key, ""), 118)
        out.append("\n" + "".join(f"# {line}\n" for line in comment) + text.rstrip() + "\n")
    return "".join(out)


def _blocks(text: str) -> dict[str, str]:
    """Return the lines of a file by the key at the margin that they belong to; those before the first key are left out.

    A comment at the margin belongs to the key below it.
    """
    blocks: dict[str, str] = {}
    key, waiting = "", ""
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            waiting += line
            continue
        if found := _KEY.match(line):
            key = found[1]
        if key:
            blocks[key] = blocks.get(key, "") + (waiting if not found or blocks else "") + line
        waiting = ""
    return blocks


def _arms(block: str) -> str:
    """Return the line with the paper's own values of arms, if it has one: rules may need them."""
    return "".join(line for line in block.splitlines(keepends=True) if re.match(r"  arms: \{.*\}", line))


def _quoted(text: str) -> str:
    """Return a text as YAML in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
