"""Labelled cases that the project has already: a table of inputs with their right answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_fapo.case_loading.decorator import CaseSource
from pytest_fapo.case_loading.load import load_cases
from pytest_fapo.case_loading.read import read_rows
from pytest_fapo.cli.init.functions import Parameter
from pytest_fapo.errors import CaseError

_SUFFIXES = (".jsonl", ".csv", ".tsv", ".json")
_PLACE = re.compile(
    r"case|eval|gold|label|dataset|data/|example|sample|test|train|question|ticket|faq|bank", re.I
)
_EXPECTED = re.compile(
    r"expected|expected_(?:output|answer)|label|answer|output|category|class|intent|team|target|gold|"
    r"ground_truth|reference|sentiment|topic",
    re.I,
)
_TEXT = re.compile(
    r"text|question|query|input|message|prompt|ticket|body|content|utterance|email|mail|review", re.I
)
_FEWEST, _MOST_BYTES = 5, 5_000_000


@dataclass(frozen=True)
class Labelled:
    """A file that fits the pipeline."""

    path: str
    count: int
    mapping: str
    """Further arguments of `cases(...)`, beginning with a comma; empty where the file needs none."""


def find_labelled(root: Path, paths: Sequence[str], takes: Sequence[Parameter]) -> Labelled | None:
    """The file with most cases whose columns are what the pipeline takes, and a label.

    Args:
        root: the project.
        paths: its files.
        takes: what the pipeline must be given.
    """
    found = [_read(root, path, takes) for path in paths if path.endswith(_SUFFIXES) and _PLACE.search(path)]
    return max((each for each in found if each is not None), key=lambda each: each.count, default=None)


def _read(root: Path, path: str, takes: Sequence[Parameter]) -> Labelled | None:
    try:
        if (root / path).stat().st_size > _MOST_BYTES:
            return None
        rows = [row.value for row in read_rows(root / path, path)]
        if len(rows) < _FEWEST or not all(isinstance(row, dict) for row in rows):
            return None
        mapping = _mapping(rows, takes)
        if mapping is None:
            return None
        source = CaseSource(path, **mapping)
        cases = load_cases(source, test_file=root / "test_.py", folders=[root])
    except (CaseError, OSError, RecursionError):
        return None
    words = "".join(f", {name}={_literal(value)}" for name, value in mapping.items())
    return Labelled(path, len(cases), words)


def _mapping(rows: list[dict[str, Any]], takes: Sequence[Parameter]) -> dict[str, Any] | None:
    """The arguments `inputs` and `expected` of `cases` for these rows; None where they do not fit."""
    columns = [str(name) for name in rows[0]]
    names = [parameter.name for parameter in takes]
    if "inputs" in columns and "expected" in columns:
        inputs = rows[0]["inputs"]
        return {} if isinstance(inputs, dict) and set(names) <= set(inputs) else None
    expected = next((name for name in columns if _EXPECTED.fullmatch(name) and name not in names), None)
    if expected is None or not names:
        return None
    if set(names) <= set(columns):
        return {"inputs": names, "expected": expected}
    texts = [name for name in columns if _TEXT.fullmatch(name) and name != expected]
    if len(names) == 1 and len(texts) == 1:
        return {"inputs": {names[0]: texts[0]}, "expected": expected}
    return None


def _literal(value: Any) -> str:
    return repr(value).replace("'", '"')
