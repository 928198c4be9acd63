"""Read tables of cases as rows by the names in their header: CSV, TSV and Parquet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pytest_fapo.core.errors import CaseError


class PlacedRow(NamedTuple):
    """One row of a case file."""

    origin: str
    """`file:line`, or `#n` for the n-th element of a Python list."""
    value: Any


class Repeated(list[str]):
    """The values of a column whose name stands several times in the header.

    Args:
        values: one for each time.
        header: location of the header.
    """

    def __init__(self, values: Sequence[str], header: str) -> None:
        super().__init__(values)
        self.header = header


def read_csv(text: str, label: str) -> Iterator[PlacedRow]:
    """Read a CSV file with whatever delimiter its header has."""
    delimiter, skipped = _delimiter(text)
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield from _table(_csv_records(text, label, delimiter, skipped), label)
    finally:
        csv.field_size_limit(before)


def _delimiter(text: str) -> tuple[str, int]:
    """Return the delimiter of a CSV file, and the number of lines above its header.

    The one that the header has most often outside quotes; `sep=;` in the first line names it, as for Excel.
    """
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    named = re.fullmatch(r"\"?sep=(.)\"?", first.strip(" "), re.IGNORECASE)
    if named:
        return named[1], 1
    header = re.sub(r'"[^"]*"', "", first)
    return max(",;\t", key=header.count), 0


def _csv_records(text: str, label: str, delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for record in reader:
            if record and reader.line_num > skipped:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        remedy = "a quote inside a quoted field is written twice" if '"' in text else "check its quotes"
        raise CaseError(f"{label}:{line}: broken CSV: {error}; {remedy}") from None


def read_tsv(text: str, label: str) -> Iterator[PlacedRow]:
    """Read a TSV file, in which a quote is a character like any other."""
    records = (
        (number, [_unquoted(value) for value in line.split("\t")])
        for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1)
        if line.strip(" ")
    )
    return _table(
        records, label, "; in a TSV a quote is a character like any other: save fields with tabs as CSV"
    )


def _unquoted(value: str) -> str:
    """Return a field as it was meant: quotes are characters, but spreadsheets double those within a field."""
    inner = value[1:-1]
    enclosed = len(value) > 3 and value[0] == value[-1] == '"'
    if enclosed and '""' in inner and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return value


def _table(records: Iterator[tuple[int, list[str]]], label: str, remedy: str = "") -> Iterator[PlacedRow]:
    """Rows by the names in the header; columns without a name are left out."""
    top, header = next(records, (1, []))
    names = [name.strip() for name in header]
    if header and not any(names):
        raise CaseError(f"{label}:{top}: no column has a name; the first line names the columns")
    for line, record in records:
        if len(record) != len(names):
            raise CaseError(
                f"{label}:{line}: expected {len(names)} columns as in the header, got {len(record)}{remedy}"
            )
        if any(record):  # spreadsheets leave rows without any value at the end
            yield PlacedRow(f"{label}:{line}", _by_name(names, record, f"{label}:{top}"))


def _by_name(names: Sequence[str], record: Sequence[str], header: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in zip(names, record, strict=True):
        if name in row:
            before = row[name]
            row[name] = Repeated([*(before if isinstance(before, Repeated) else [before]), value], header)
        elif name:
            row[name] = value
    return row


def read_parquet(data: bytes, label: str) -> Iterator[PlacedRow]:
    """Read a Parquet file (extra `[parquet]`)."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise CaseError(f"{label}: Parquet needs pyarrow: pip install 'pytest-fapo[parquet]'") from None
    try:
        rows = parquet.read_table(io.BytesIO(data)).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CaseError(f"{label}: not a Parquet file: {' '.join(str(error).split())}") from None
    for number, row in enumerate(rows, start=1):
        yield PlacedRow(f"{label} #{number}", row)
