"""Load a source's cases: read the rows, map them, check them, assign each a split."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import CaseError
from pytest_fapo.core.record import SPLITS, canonical_json
from pytest_fapo.session.case_fields import to_case
from pytest_fapo.session.case_files import known_suffix, read_rows
from pytest_fapo.session.case_tables import PlacedRow
from pytest_fapo.session.cases_decorator import CaseSource
from pytest_fapo.session.splits import assign_splits

Loader = Callable[[Path], "Iterable[Any] | None"]
"""Reads files of a format that is not ours; None for a file that it does not know."""


def load_cases(
    source: CaseSource, *, test_file: Path, folders: Sequence[Path], loader: Loader | None = None
) -> list[Case]:
    """Load the cases of one `@fapo.cases`.

    Args:
        source: what the decorator was given.
        test_file: the file of the decorated test; relative paths are looked up beside it first.
        folders: where they are looked up next; messages name files relative to the last one, the rootdir.
        loader: asked for files of an unknown kind.

    Raises:
        CaseError: one line that names the file, the line where known, what is wrong and what was expected.
    """
    rows, label = _rows(source, test_file, folders, loader)
    placed = [to_case(row, source) for row in rows]
    cases = _unique([case for case, _ in placed], source)
    given = [has_split for _, has_split in placed]
    cases = assign_splits(cases, given)
    meant = all(given) and len({case.split for case in cases}) == 1  # every row says: a file of one split
    if not meant:
        _no_empty_split(cases, label)
    label_set = _label_set(cases)
    return [Case.of_valid(**{**vars(case), "label_set": label_set}) for case in cases]


def read_cases(source: CaseSource, *, folders: Sequence[Path]) -> tuple[list[Case], bool]:
    """Read the cases of a source as `load_cases` does, and refuse none for what the others are.

    Ids may be there twice, and a split may be empty: whoever checks a file wants to hear of all of it.

    Args:
        source: what the decorator would be given.
        folders: where a relative path is looked up; messages name files relative to the last one.

    Returns:
        the cases, and whether any row says its split itself.

    Raises:
        CaseError: a row is no case, or there is none.
    """
    rows, _ = _rows(source, folders[0] / "test", folders, None)
    placed = [to_case(row, source) for row in rows]
    given = [has_split for _, has_split in placed]
    return assign_splits([case for case, _ in placed], given), any(given)


def _label_set(cases: list[Case]) -> str:
    """Return a name that two sources share where they give the same cases the same labels."""
    labels = ([case.id, case.inputs, case.expected, dict(case.expected_steps)] for case in cases)
    digest = hashlib.sha256()
    for each in sorted(map(canonical_json, labels)):
        digest.update(each.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:10]


def _rows(
    source: CaseSource, test_file: Path, folders: Sequence[Path], loader: Loader | None
) -> tuple[list[PlacedRow], str]:
    given: Any = source.source
    if isinstance(given, str | os.PathLike):
        path = _find(Path(given), test_file, folders)
        label = _relative(path, folders[-1])
        given = loader(path) if loader is not None and not known_suffix(path) else None
        if given is None:
            return read_rows(path, label, source.encoding), label
    else:
        label = "cases(...)"
    if callable(given):
        label = f"cases({getattr(given, '__name__', 'function')})"
        given = given()
    if not isinstance(given, Iterable) or isinstance(given, dict):
        raise CaseError(f"{label}: expected a list of cases, got {type(given).__name__}")
    if hasattr(given, "to_dict") and hasattr(given, "columns"):  # a table of pandas
        given = given.to_dict("records")
    rows = [PlacedRow(f"{label} #{number}", value) for number, value in enumerate(given, start=1)]
    if not rows:
        raise CaseError(f"{label}: the list is empty; expected at least one case")
    return rows, label


def _find(path: Path, test_file: Path, folders: Sequence[Path]) -> Path:
    searched = list(dict.fromkeys([test_file.parent, *folders]))
    for folder in searched:
        if (folder / path).is_file():
            return folder / path
    looked = " or ".join(_relative(folder, folders[-1]) for folder in searched)
    folder_there = next((folder / path for folder in searched if (folder / path).is_dir()), None)
    if folder_there is not None:
        files = sorted(file.name for file in folder_there.iterdir() if known_suffix(file))
        held = f" (it has {', '.join(files[:5])})" if files else ""
        raise CaseError(f"{path}: a folder, not a case file; name one file{held}")
    raise CaseError(f"{path}: no such case file in {looked}{_nearest(path, searched)}")


def _nearest(path: Path, folders: Sequence[Path]) -> str:
    """Return a case file with much the same name, to be offered."""
    found: dict[str, str] = {}
    for start in folders:
        for folder in dict.fromkeys([(start / path).parent, start]):
            if folder.is_dir():
                names = {file.name: file for file in folder.iterdir() if known_suffix(file)}
                for name in get_close_matches(path.name, list(names), n=1, cutoff=0.6):
                    found.setdefault(_relative(names[name], start), "")
    return f"; did you mean {next(iter(found))!r}?" if found else ""


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
