"""A language model that reads the failures of which the rules are unsure."""

from __future__ import annotations

from pytest_fapo.diagnose.reader.llm_reader import LLMReader, make_reader

__all__ = ["LLMReader", "make_reader"]
