"""`@fapo.cases(...)`: marks a test as running once per labeled case. Imports pytest only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

Row = Mapping[str, Any]

Source = str | os.PathLike[str] | Iterable[Any] | Callable[[], Iterable[Any]]

FieldMap = str | Sequence[str] | Mapping[str, str] | Callable[[Row], Any]

TestFunction = TypeVar("TestFunction", bound=Callable[..., Any])

MARK = "fapo_cases"


@dataclass(frozen=True)
class CaseSource:
    """The arguments of `@fapo.cases`; the rows themselves are read at collection."""

    source: Source
    pipeline: str | None = None
    inputs: FieldMap | None = None
    expected: FieldMap | None = None
    id: str | Callable[[Row], str] | None = None
    split: str | Callable[[Row], str] | None = None
    timeout: float | None = None
    encoding: str | None = None


def cases(
    source: Source,
    *,
    pipeline: str | None = None,
    inputs: FieldMap | None = None,
    expected: FieldMap | None = None,
    id: str | Callable[[Row], str] | None = None,
    split: str | Callable[[Row], str] | None = None,
    timeout: float | None = None,
    encoding: str | None = None,
) -> Callable[[TestFunction], TestFunction]:
    """Run the test once per labeled case, as one pytest item each: `test_team[case-id]`.

    The test takes the fixtures `case` (the case) and `run` (the pipeline's run on the case's inputs), or
    either one.

    Args:
        source: path of a JSONL, JSON, CSV, TSV, YAML or Parquet file, `.gz` too (relative to the test file,
            else to the folder of `[tool.fapo]`, else to the rootdir), a list of mappings or `Case` objects,
            or a function that returns one.
        pipeline: name of the fixture that returns the pipeline; default: `[tool.fapo] pipeline`.
        inputs: column of a foreign file that is the one positional input; a list of columns that become
            keyword arguments; a mapping of argument name to column; or a function of the row.
        expected: likewise for the label.
        id: column with the case id (default `id` or `case_id`; in a file mapped by `inputs` without one,
            ids are hashes of the inputs), or a function of the row.
        split: column with the split, or `"train"`, `"val"` or `"holdout"` for all rows, or a
            function of the row. Default: the field `split`, else a hash of the id.
        timeout: seconds that one case may take (default: `--fapo-timeout`).
        encoding: of a text file (default: what its byte order mark says, else UTF-8).
    """
    return getattr(pytest.mark, MARK)(  # type: ignore[no-any-return]
        CaseSource(source, pipeline, inputs, expected, id, split, timeout, encoding)
    )


def has_mark(obj: object) -> bool:
    """True if a test function or class is itself marked with `cases(...)`."""
    marks = getattr(obj, "pytestmark", ())
    return isinstance(marks, list | tuple) and any(getattr(mark, "name", "") == MARK for mark in marks)
