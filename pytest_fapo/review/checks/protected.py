"""Tests, cases and the run's own settings stay as they are, whatever the scope says."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Sequence

from pytest_fapo.models import Case, ReviewProblem
from pytest_fapo.review.subject import Subject

_TESTS = re.compile(r"(.*/)?(conftest|test_[^/]*|[^/]*_test)\.pyi?")
_RUN = re.compile(r"(.*/)?(pytest\.ini|\.?pytest\.toml|tox\.ini|setup\.cfg|\.coveragerc)")
_RUN_TABLES = ("tool.pytest", "tool.fapo", "build-system", "tool.coverage", "project")
_HOOKS = re.compile(r"(pytest_|test_|__)\w*")


def protected(subject: Subject) -> Iterator[ReviewProblem]:
    """No edit touches what judges it."""
    files = case_files(subject.cases)
    for edit in subject.candidate.edits:
        path, _, name = edit.address.partition("::")
        what = ""
        if _TESTS.fullmatch(path):
            what = "is a test file"
        elif _RUN.fullmatch(path) or (path.endswith("pyproject.toml") and name.startswith(_RUN_TABLES)):
            what = "belongs to the settings of the test run"
        elif subject.settings.is_record(path):
            what = "is what the merge gate compares with"
        elif any(path == file or path.endswith(f"/{file}") or file.endswith(f"/{path}") for file in files):
            what = "holds the cases"
        elif not edit.before and path.endswith(".py") and _HOOKS.fullmatch(name.rpartition(".")[2]):
            what = f"would be run by pytest or by Python itself ({name})"
        elif not edit.before and path.endswith(".py") and hasattr(builtins, name):
            what = f"would take the place of Python's own {name}"
        if what:
            message = f"{edit.address} {what}; edit the pipeline, not what judges it."
            yield ReviewProblem(check="scope", message=message, address=edit.address)


def case_files(cases: Sequence[Case]) -> set[str]:
    """Paths of the files that the cases were read from, POSIX."""
    found = set()
    for case in cases:
        path = re.sub(r":\d+$", "", case.origin).replace("\\", "/")
        if path and not path.endswith(".py"):
            found.add(path)
    return found
