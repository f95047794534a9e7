"""Strict YAML: plain data as YAML 1.2's core schema reads them, and the line and column of every value.

PyYAML by itself reads YAML 1.1: `1e-3` a string, `no` false, `12:30` the number 750, `010` eight, a date a date, and
of two equal keys the last one silently. A claim is data and must mean what a reader sees, so all of this is closed, and
anchors, aliases, merge keys, tags and second documents are refused: nothing in a claim is inherited or computed.
"""

import math
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from repro.errors import ReproError

Loc = tuple[str | int, ...]
Place = tuple[int, int]

MOST_NODES = 10_000  # keys and values of a file (assumed: the longest has 800), so that checking ends within seconds
DEEPEST = 50  # assumed: a claim nests four levels; the bound keeps hostile files from exhausting the stack
LARGEST = 4_000_000  # bytes of a file (assumed: a claim has some thousand)
LONGEST = 40  # assumed: signs of a whole number; of thousands Python writes none out again, so no message could


@dataclass(frozen=True)
class Document:
    """One file: `data` (dict of str to dict, list, str, int, float, bool or None) and where each part of it stands."""

    path: Path
    data: dict[str, Any]
    _places: dict[Loc, tuple[Place, Place]]  # loc -> (place of the key, place of the value)

    def place(self, loc: Loc, key: bool = False) -> Place:
        """Return line and column, counted from 1, of the value at `loc`, as `("arms", "relu")`, or of its key.

        Of a `loc` that the file lacks, the place of its nearest existing parent. An item of a list and the whole
        document have no key: their own place stands for it.
        """
        for length in range(len(loc), -1, -1):
            if found := self._places.get(tuple(loc[:length])):
                return found[0] if key else found[1]
        return 1, 1


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml where it is built in
    """Its own table of resolvers: PyYAML's class keeps YAML 1.1 for everybody else."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}


def _integer(text: str) -> int:
    if len(text) > LONGEST:
        raise ValueError
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    base = {"0o": 8, "0x": 16}.get(digits[:2], 10)
    return sign * int(digits[2:] if base != 10 else digits, base)


def _real(text: str) -> float:
    if text[-1] in "fFnN":  # .inf, .nan in their three spellings, which Python writes without the point
        return float(text.replace(".", ""))
    if math.isinf(value := float(text)):
        raise ValueError
    return value


# YAML 1.2.2, section 10.3.2 (core schema), in its order; what matches none is a string.
_CORE: list[tuple[str, str, Callable[[str], Any]]] = [
    ("null", r"null|Null|NULL|~|", lambda text: None),
    ("bool", r"true|True|TRUE|false|False|FALSE", lambda text: text[0] in "tT"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _integer),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        _real,
    ),
]
_TAG = "tag:yaml.org,2002:"
_READ: dict[str, Callable[[str], Any]] = {_TAG + "str": str}
for _name, _pattern, _read in _CORE:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), None)
    _READ[_TAG + _name] = _read


def read(path: str | Path) -> Document:
    """Read one file. Errors: ReproError, one line, `path:line:column: what is wrong`, of the first thing found."""
    path = Path(path)
    text = _text(path)
    try:
        _refuse(path, text)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(path, text, error) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise _wrong(path, place, f"not YAML: {error.reason}") from error
    if not isinstance(root, yaml.MappingNode):
        place = _place(root) if root else (1, 1)
        found = {"ScalarNode": "a single value", "SequenceNode": "a list"}.get(
            type(root).__name__, "nothing: it is empty"
        )
        raise _wrong(path, place, f"the file holds {found}; expected `key: value` lines")
    places: dict[Loc, tuple[Place, Place]] = {(): (_place(root), _place(root))}
    return Document(path, _plain(path, root, (), places), places)


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would wait for ever, a device never end
            raise ReproError(f"{path}: cannot be read: it is no file; expected a claim in a file of YAML")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ReproError(f"{path}: more than {LARGEST:,} bytes; expected a claim, which takes a few thousand")
    except FileNotFoundError:
        raise ReproError(f"{path}: no such file; `repro list` shows the claims") from None
    except OSError as error:
        raise ReproError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise _wrong(path, place, f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8") from error


def _refuse(path: Path, text: str) -> None:
    """What YAML allows and a claim does not; composed nodes no longer show it, so the events are read first."""
    documents = depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _wrong(path, _place(event), "a second document; one file holds one claim")
        if isinstance(event, yaml.AliasEvent):
            raise _wrong(path, _place(event), f"*{event.anchor}: aliases are not allowed; write the value out")
        nodes += isinstance(event, yaml.NodeEvent)
        if nodes > MOST_NODES:
            raise _wrong(path, _place(event), f"more than {MOST_NODES:,} keys and values; split the claim")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise _wrong(path, _place(event), f"&{event.anchor}: anchors are not allowed; write the value out")
        if (tag := getattr(event, "tag", None)) is not None:
            raise _wrong(
                path, _place(event), f"{tag.replace(_TAG, '!!')}: tags are not allowed; quote what must be a string"
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise _wrong(path, _place(event), f"nested more than {DEEPEST} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _plain(path: Path, node: yaml.Node, loc: Loc, places: dict[Loc, tuple[Place, Place]]) -> Any:
    """The node as dict, list or scalar; notes the places of all that is below it."""
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value in node.value:
            key = _key(path, key_node)
            if key in mapping:
                first = places[*loc, key][0][0]
                raise _wrong(path, _place(key_node), f"{key}: given twice, first on line {first}")
            places[*loc, key] = _place(key_node), _place(value)
            mapping[key] = _plain(path, value, (*loc, key), places)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, value in enumerate(node.value):
            places[*loc, index] = _place(value), _place(value)
            items.append(_plain(path, value, (*loc, index), places))
        return items
    try:
        return _READ[node.tag](node.value)
    except ValueError as error:  # 1e999, or an integer of thousands of digits
        raise _wrong(path, _place(node), f"{node.value[:20]}: a number too large to read") from error


def _key(path: Path, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _wrong(path, _place(node), "a list or mapping as a key; expected a name")
    if node.value == "<<":
        raise _wrong(path, _place(node), "<<: merge keys are not allowed; write the keys out")
    if node.tag != _TAG + "str":
        name = node.value or "an empty key"
        raise _wrong(path, _place(node), f'{name}: expected a name as a key; put it in quotes: "{node.value}"')
    return str(node.value)


def _not_yaml(path: Path, text: str, error: yaml.MarkedYAMLError) -> ReproError:
    mark = error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    at_tab = place[0] <= len(lines) and lines[place[0] - 1][place[1] - 1 :].startswith("\t")
    said = ", ".join(part for part in (error.problem, error.context) if part)
    return _wrong(path, place, f"not YAML: {said}" + ("; a tab: indent with spaces" if at_tab else ""))


def _place(node: Any) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _wrong(path: Path, place: Place, message: str) -> ReproError:
    return ReproError(f"{path}:{place[0]}:{place[1]}: {' '.join(message.split())}")
