"""Keeps the cases of val and holdout out of the copy that a coding agent sees."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from pytest_fapo.llm.answer_file import is_exported_cache
from pytest_fapo.models import Case
from pytest_fapo.reading.values import strings_in

_PREFIX = 12
"""So many characters of an input tell it from other text; a shorter one is not searched for."""
_BY_LINE = (".jsonl", ".csv", ".tsv")
_DATA = (*_BY_LINE, ".json", ".yaml", ".yml", ".parquet", ".xlsx", ".txt", ".db", ".sqlite", ".xml", ".log")
_PLACE = re.compile(r"(?P<path>.+\.\w+):(?P<line>\d+)$")


class Secrecy:
    """What may be shown of a file.

    Case files keep the lines of train cases (JSON and YAML files are withheld whole). Every other file in
    which the text of a hidden case stands is withheld. Where hidden cases come from no file that is known (a
    list or a function in Python), test files and data files outside the scope are withheld too.

    Args:
        cases: of all splits.
        editable: paths in the scope.
        is_record: whether a path holds what earlier runs gave on all splits; withheld whole.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        editable: Sequence[str],
        is_record: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self._is_record = is_record
        self._editable = frozenset(editable)
        hidden = [case for case in cases if case.split != "train"]
        shown = {text for case in cases if case.split == "train" for text in strings_in(case.inputs)}
        self._lines = _case_lines(cases)
        self._unplaced = any(_PLACE.match(case.origin) is None for case in hidden)
        self._texts: dict[str, set[str]] = {}
        for case in hidden:
            for text in set(strings_in(case.inputs)) - shown:
                for form in _forms(text):
                    if len(form) >= _PREFIX:
                        self._texts.setdefault(form[:_PREFIX], set()).add(form)

    def filtered(self, path: str, content: bytes) -> bytes | None:
        """What may be shown of a file; None for nothing."""
        if self._is_record(path) or is_exported_cache(content):
            return None
        if path in self._lines:
            kept = self._train_lines(path, content)
            return kept if kept is None or not self._holds_hidden(kept) else None
        if self._unplaced and path not in self._editable and _may_hold_cases(path):
            return None
        return None if self._holds_hidden(content) else content

    def _train_lines(self, path: str, content: bytes) -> bytes | None:
        """A case file's lines up to the first case, and those of train cases."""
        if PurePosixPath(path).suffix.lower() not in _BY_LINE:
            return None
        is_train = self._lines[path]
        first = min(is_train)
        kept, keep = [], not path.endswith(".jsonl")
        for number, line in enumerate(content.split(b"\n"), start=1):
            if number >= first:
                keep = is_train.get(number, keep and not path.endswith(".jsonl"))
            if keep:
                kept.append(line)
        return b"\n".join(kept).rstrip(b"\n") + b"\n"

    def _holds_hidden(self, content: bytes) -> bool:
        text = content.decode("utf-8", errors="replace")
        prefixes = self._texts
        if not prefixes:
            return False
        for start in range(len(text) - _PREFIX + 1):
            found = prefixes.get(text[start : start + _PREFIX])
            if found and any(text.startswith(form, start) for form in found):
                return True
        return False


def _case_lines(cases: Sequence[Case]) -> dict[str, dict[int, bool]]:
    """Case file to the lines at which cases begin, with whether only train cases begin there."""
    found: dict[str, dict[int, bool]] = {}
    for case in cases:
        place = _PLACE.match(case.origin)
        if place:
            lines = found.setdefault(place["path"], {})
            number = int(place["line"])
            lines[number] = case.split == "train" and lines.get(number, True)
    return found


def _may_hold_cases(path: str) -> bool:
    name = PurePosixPath(path).name
    tests = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    return tests or "tests" in PurePosixPath(path).parts or path.lower().endswith(_DATA)


def _forms(text: str) -> set[str]:
    """How a text may stand in a file: bare, and in JSON or Python source."""
    written = {json.dumps(text, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    return {text, text.strip(), repr(text)[1:-1], *written}
