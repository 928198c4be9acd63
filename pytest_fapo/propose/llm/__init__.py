"""A language model as proposer."""

from pytest_fapo.propose.llm.proposer import LLMProposer

__all__ = ["LLMProposer"]
