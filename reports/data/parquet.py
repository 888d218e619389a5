"""A table as Parquet: raw values with their types, texts as they are, the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow
import pyarrow.parquet

from inflor_bench.reports.data.tables import Column, Table


def parquet(table: Table) -> bytes:
    """Columns named as in the CSV; a column is of numbers where the table says so, else of text. Missing is null."""
    arrays = [_array(column, [row.data[i].value for row in table.rows]) for i, column in enumerate(table.columns)]
    out = io.BytesIO()
    whole = pyarrow.table(arrays, names=[column.title for column in table.columns])
    pyarrow.parquet.write_table(whole, out, compression="zstd")
    return out.getvalue()


def _array(column: Column, values: Sequence[float | int | str | None]) -> pyarrow.Array:
    if column.numeric and not any(isinstance(value, str) for value in values):
        whole = all(value is None or isinstance(value, int) for value in values)
        return pyarrow.array(
            values, pyarrow.int64() if whole and any(v is not None for v in values) else pyarrow.float64()
        )
    texts = [None if v is None else str(v).encode("utf-8", "replace").decode("utf-8") for v in values]
    return pyarrow.array(texts, pyarrow.string())
