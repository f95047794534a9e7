"""Rows as data frames by the tables of `repro.columns`, and frames as CSV, parquet and documentation.

The one way out for tables of data. pandas is imported when the first frame is made.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from repro.columns import TYPES, Columns
from repro.files import csv_text

if TYPE_CHECKING:
    import pandas as pd

F = TypeVar("F", bound=Callable[..., Any])


def frame(table: Columns, rows: Iterable[Sequence[object]]) -> pd.DataFrame:
    """Return rows as a DataFrame with the columns of `table`; None and an empty text are an empty cell.

    `attrs` of the frame has what a row is (`row`), and by column its `unit` and `meaning` (`columns`).
    """
    import pandas as pd

    columns: list[Sequence[object]] = list(zip(*rows, strict=True)) or [()] * len(table.columns)
    made = pd.DataFrame(
        {
            about.name: pd.array([None if cell == "" else cell for cell in column], dtype=TYPES[about.type])
            for about, column in zip(table.columns, columns, strict=True)
        }
    )
    made.attrs = {
        "row": table.row,
        "columns": {column.name: {"unit": column.unit, "meaning": column.meaning} for column in table.columns},
    }
    return made


def as_csv(frame: pd.DataFrame) -> str:
    """Return a frame as CSV that a spreadsheet only shows (`repro.files.csv_text`): numbers to six digits, on which
    machines agree, and empty cells as nothing."""
    columns = [[_cell(cell) for cell in frame[name].astype(object)] for name in frame.columns]
    return csv_text([list(frame.columns), *zip(*columns, strict=True)])


def as_parquet(frame: pd.DataFrame) -> bytes:
    """Return a frame as a parquet file, with all digits; its metadata has `attrs`. The bytes depend on the versions of
    pandas and pyarrow."""
    file = io.BytesIO()
    frame.to_parquet(file, engine="pyarrow", index=False)
    return file.getvalue()


def exports(frames: Mapping[str, pd.DataFrame]) -> dict[str, str | bytes]:
    """Return frames by name as the content of `NAME.csv` and `NAME.parquet`."""
    out: dict[str, str | bytes] = {}
    for name, frame in frames.items():
        out |= {f"{name}.csv": as_csv(frame), f"{name}.parquet": as_parquet(frame)}
    return out


def _cell(cell: object) -> object:
    import pandas as pd

    if isinstance(cell, bool | int | str):
        return str(cell).lower() if isinstance(cell, bool) else cell
    return "" if pd.isna(cell) else f"{cell:.6g}"  # type: ignore[call-overload]


def documented(table: Columns) -> Callable[[F], F]:
    """Return a decorator that adds to a function's docstring what a row is, and every column with unit and meaning."""
    lines = [f"Each row: {table.row}.", "", "Columns:"]
    lines += [f"    {column.name} ({column.unit}): {column.meaning}" for column in table.columns]

    def document(function: F) -> F:
        function.__doc__ = "\n".join(
            [(function.__doc__ or "").rstrip(), "", *(f"    {line}".rstrip() for line in lines), ""]
        )
        return function

    return document


def markdown(table: Columns) -> str:
    """Return the columns as a markdown table."""
    rows = [f"| `{c.name}` | {c.type} | {c.unit} | {c.meaning} |" for c in table.columns]
    return "\n".join(["| column | type | unit | meaning |", "|---|---|---|---|", *rows]) + "\n"
