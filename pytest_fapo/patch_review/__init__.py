"""A person goes through what a run has left as a patch: what is accepted is proven together, then written."""

from __future__ import annotations

from pytest_fapo.patch_review.conduct import review_patch
from pytest_fapo.patch_review.reviewable import Reviewable, find_reviewable

__all__ = ["Reviewable", "find_reviewable", "review_patch"]
