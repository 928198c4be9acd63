"""A language model that reviews candidates in a fresh context."""

from pytest_fapo.review.reviewer.llm_reviewer import LLMReviewer, make_reviewer

__all__ = ["LLMReviewer", "make_reviewer"]
