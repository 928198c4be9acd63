"""A source to its cases: read, map, check, split."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pytest_fapo.case_loading.decorator import CaseSource
from pytest_fapo.case_loading.fields import to_case
from pytest_fapo.case_loading.read import PlacedRow, known_suffix, read_rows
from pytest_fapo.case_loading.splits import assign_splits
from pytest_fapo.errors import CaseError
from pytest_fapo.models import SPLITS, Case, canonical_json

Loader = Callable[[Path], "Iterable[Any] | None"]
"""Reads files of a format that is not ours; None for a file that it does not know."""


def load_cases(
    source: CaseSource, *, test_file: Path, rootpath: Path, loader: Loader | None = None
) -> list[Case]:
    """Load the cases of one `@fapo.cases`.

    Args:
        source: what the decorator was given.
        test_file: the file of the decorated test; relative paths are looked up beside it first.
        rootpath: pytest's rootdir, where they are looked up next.
        loader: asked for files of an unknown kind.

    Raises:
        CaseError: one line that names the file, the line where known, what is wrong and what was expected.
    """
    rows, label = _rows(source, test_file, rootpath, loader)
    placed = [to_case(row, source) for row in rows]
    cases = _unique([case for case, _ in placed], source)
    given = [has_split for _, has_split in placed]
    unsplit = iter(assign_splits([case for case, has in zip(cases, given, strict=True) if not has]))
    cases = [case if has else next(unsplit) for case, has in zip(cases, given, strict=True)]
    if source.split not in SPLITS:
        _no_empty_split(cases, label)
    label_set = _label_set(cases)
    return [case.model_copy(update={"label_set": label_set}) for case in cases]


def _label_set(cases: list[Case]) -> str:
    """A name that two sources share where they give the same cases the same labels."""
    labels = ([case.id, case.inputs, case.expected, dict(case.expected_steps)] for case in cases)
    digest = hashlib.sha256()
    for each in sorted(map(canonical_json, labels)):
        digest.update(each.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:10]


def _rows(
    source: CaseSource, test_file: Path, rootpath: Path, loader: Loader | None
) -> tuple[list[PlacedRow], str]:
    given: Any = source.source
    if isinstance(given, str | os.PathLike):
        path = _find(Path(given), test_file, rootpath)
        label = _relative(path, rootpath)
        given = loader(path) if loader is not None and not known_suffix(path) else None
        if given is None:
            return read_rows(path, label), label
    else:
        label = "cases(...)"
    if callable(given):
        label = f"cases({getattr(given, '__name__', 'function')})"
        given = given()
    if not isinstance(given, Iterable) or isinstance(given, dict):
        raise CaseError(f"{label}: expected a list of cases, got {type(given).__name__}")
    rows = [PlacedRow(f"{label} #{number}", value) for number, value in enumerate(given, start=1)]
    if not rows:
        raise CaseError(f"{label}: the list is empty; expected at least one case")
    return rows, label


def _find(path: Path, test_file: Path, rootpath: Path) -> Path:
    folders = [test_file.parent, rootpath]
    for folder in folders:
        if (folder / path).is_file():
            return folder / path
    looked = " or ".join(dict.fromkeys(_relative(folder, rootpath) for folder in folders))
    raise CaseError(f"{path}: no such case file in {looked}")


def _relative(path: Path, rootpath: Path) -> str:
    try:
        return path.resolve().relative_to(rootpath.resolve()).as_posix()
    except ValueError:
        return str(path)


def _unique(cases: list[Case], source: CaseSource) -> list[Case]:
    """Refuse two cases with one id; ids that we derived from the content are told apart by a number."""
    derived = source.inputs is not None and source.id is None
    seen: dict[str, Case] = {}
    counts: Counter[str] = Counter()
    result = []
    for case in cases:
        if not case.id.strip():
            raise CaseError(f"{case.origin}: the id is empty")
        counts[case.id] += 1
        if case.id in seen and derived:
            case = case.model_copy(update={"id": f"{case.id}-{counts[case.id]}"})
        if case.id in seen:
            first = seen[case.id].origin
            raise CaseError(f"{case.origin}: duplicate id {case.id!r}, first used at {first}")
        seen[case.id] = case
        result.append(case)
    return result


def _no_empty_split(cases: list[Case], label: str) -> None:
    empty = [split for split in SPLITS if not any(case.split == split for case in cases)]
    if empty:
        counts = Counter(case.split for case in cases)
        have = ", ".join(f"{counts[split]} {split}" for split in SPLITS if counts[split])
        raise CaseError(
            f"{label}: no case in split {' and '.join(map(repr, empty))} (there are {have}); give some cases "
            f'that split, add cases, or say cases(..., split="train") where this file is one split only'
        )
