"""Completion of the command line by shells, made from the flags themselves; claims' ids are asked for as one types."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

IDS = "ids"  # in place of a shell: what the completions of CLAIM call
SHELLS = ("bash", "zsh", "fish")


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion of a command line for one of `SHELLS`."""
    import shtab  # no other verb needs it

    _annotate(parser, {"claim": shtab.cmd(f"{parser.prog} completion {IDS}"), Path: shtab.FILE})
    return str(shtab.complete(parser, shell))


def _annotate(parser: argparse.ArgumentParser, kinds: dict[Any, Any]) -> None:
    """Say of every argument that is a claim or a path how it is completed; of those of verbs too."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _annotate(sub, kinds)
        elif action.metavar == "CLAIM":
            action.complete = kinds["claim"]  # type: ignore[attr-defined]
        elif action.type is Path:
            action.complete = kinds[Path]  # type: ignore[attr-defined]
