"""The independent checks of a candidate, made before anything is paid for, and a model that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_fapo.lazy import lazy_names
from pytest_fapo.review.engine import review

if TYPE_CHECKING:
    from pytest_fapo.review.reviewer import LLMReviewer, make_reviewer

__all__ = ["LLMReviewer", "make_reviewer", "review"]

__getattr__ = lazy_names(__name__, {"LLMReviewer": "reviewer", "make_reviewer": "reviewer"})
