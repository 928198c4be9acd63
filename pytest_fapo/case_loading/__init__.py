"""Labelled cases: the `cases` decorator, the file formats, the splits.

(The package is not called `cases` because `pytest_fapo.cases` is the decorator.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_fapo.case_loading.decorator import CaseSource, cases

if TYPE_CHECKING:
    from pytest_fapo.case_loading.load import load_cases

__all__ = ["CaseSource", "cases", "load_cases"]


def __getattr__(name: str) -> Any:
    # Loading needs pydantic; the decorator alone must not.
    if name == "load_cases":
        from pytest_fapo.case_loading.load import load_cases

        return load_cases
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
