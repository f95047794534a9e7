"""What a person can act on. `repro.cli` turns each class into one message and one exit code."""

from __future__ import annotations

import unicodedata
from contextlib import suppress

# Every exit code and when it is given: README and `--help` print this table. From 65 on they are those of sysexits.h
# with the nearest meaning; 130 and 141 are what shells report of programs that SIGINT and SIGPIPE ended.
CODES: dict[int, str] = {
    0: "done, whatever the verdict",
    2: "wrong usage, a mistake in a claim, or a damaged file",
    3: "data are missing or damaged",
    4: "a run, a check or a measurement failed; the others are done",
    5: "a verdict is one of the words given with `--fail-on`",
    65: "an audit found a violation",
    66: "the folder of runs or pages vanished while the command worked in it",
    70: "a worker process was killed, or the cluster is gone",
    71: "memory ran out",
    73: "a file or folder cannot be written: read-only disk, missing rights, a file in a folder's place",
    74: "the disk is full",
    75: "another command works on the same run; the same command works later",
    130: "interrupted; the same command continues",
    141: "the reader of the output closed it, as `head` does",
}

# Unicode categories of characters that are not drawn but obeyed, or that no file can hold: control characters, changes
# of the direction of writing, halves of a surrogate pair, separators of lines and paragraphs.
OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
JOINERS = "\u200c\u200d"  # of category Cf too, but parts of words of many languages, and of emoji


def harmless(text: str, kept: str = "") -> str:
    r"""Return `text` with every control character written out, as `\x1b`; those in `kept` stay.

    Names of files, classes and keys come from anywhere: printed as they are, they could clear a terminal, or pass for
    another name. Bytes of a file's name that are not UTF-8 are written out too, as `caf\xe9.jpg`.
    """
    if text.isascii() and text.isprintable():
        return text
    with suppress(UnicodeEncodeError):  # a surrogate that stands for no byte of a name; the line below writes it out
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(_written(c) if unicodedata.category(c) in OBEYED and c not in kept + JOINERS else c for c in text)


def _written(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


class ReproError(Exception):
    """A mistake or a lack that a person can mend: says what, where, what was expected, and the next command."""

    exit_code = 2

    def __str__(self) -> str:
        """Return the message, made harmless: it quotes names and values that others wrote."""
        return harmless(super().__str__(), kept="\n")


class DataError(ReproError):
    """Data are missing, damaged or not what they claim to be."""

    exit_code = 3


class RunError(ReproError):
    """A training run failed twice: could not measure, which is not the same as measured and failed."""

    exit_code = 4


class DamagedCheckpoint(RunError):
    """A file without which one run cannot go on is damaged: that run fails, and no other."""


class MemoryLack(ReproError):
    """Memory ran out."""

    exit_code = 71


class Busy(ReproError):
    """Another process works on the same thing: nothing is wrong, and the same command can be run again later."""

    exit_code = 75
