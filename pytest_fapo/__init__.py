"""pytest-fapo: regression-guarded tuning of LLM pipelines from pytest.

Importing this package loads nothing heavy; names appear on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_fapo.lazy import lazy_names

if TYPE_CHECKING:
    from pytest_fapo.case_loading import cases
    from pytest_fapo.models import Case
    from pytest_fapo.session import Run
    from pytest_fapo.trace import step

__version__ = "0.1.0"
__all__ = ["Case", "Run", "__version__", "cases", "step"]

__getattr__ = lazy_names(
    __name__, {"Case": "models", "Run": "session", "cases": "case_loading", "step": "trace"}
)
