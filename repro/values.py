"""Values of flags, as a person types them."""

from __future__ import annotations

import argparse
import re


def address(text: str) -> str:
    """Read `ray`, or ray://HOST:PORT."""
    if text != "ray" and not re.fullmatch(r"ray://[^/\s]+:\d{1,5}", text):
        raise argparse.ArgumentTypeError(f"found {text}; expected ray, or ray://HOST:PORT")
    return text


def gpus(text: str) -> float:
    """Read a part of a GPU, or several whole ones."""
    value = share(text)
    if value > 1 and not value.is_integer():
        raise argparse.ArgumentTypeError(f"found {text}; expected a part of a GPU, such as 0.25, or a whole number")
    return value


def share(text: str) -> float:
    """Read a number of 0 or more."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}; expected a number of 0 or more")
    return value


def count(text: str) -> int:
    """Read a whole number above 0."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"found {value}; expected 1 or more")
    return value


def factor(text: str) -> float:
    """Read a number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}; expected a number above 0")
    return value
