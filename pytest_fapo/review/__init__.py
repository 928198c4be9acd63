"""The independent checks of a candidate, made before anything is paid for."""

from pytest_fapo.review.engine import review

__all__ = ["review"]
