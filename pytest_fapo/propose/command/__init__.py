"""A coding agent as proposer: any program that edits files."""

from pytest_fapo.propose.command.proposer import CommandProposer

__all__ = ["CommandProposer"]
