"""pytest-fapo: regression-guarded tuning of LLM pipelines from pytest.

Importing this package loads nothing heavy; names appear on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_fapo.case_loading import cases
    from pytest_fapo.models import Case
    from pytest_fapo.session import Run
    from pytest_fapo.trace import step

__version__ = "0.1.0"
__all__ = ["Case", "Run", "__version__", "cases", "step"]

_HOMES = {
    "Case": "pytest_fapo.models",
    "Run": "pytest_fapo.session",
    "cases": "pytest_fapo.case_loading",
    "step": "pytest_fapo.trace",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'pytest_fapo' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
