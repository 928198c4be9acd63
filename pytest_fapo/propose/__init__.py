"""Proposers: from evidence to candidates. `make_proposer` gives the one that a setting names."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from pytest_fapo.config import Settings
from pytest_fapo.propose.protocol import CallContext, ProposalFailed, Proposer, ProposerDefaults

__all__ = ["CallContext", "ProposalFailed", "Proposer", "ProposerDefaults", "make_proposer"]


def make_proposer(spec: str, *, settings: Settings, root: Path, calls: CallContext = nullcontext) -> Proposer:
    """The proposer that one entry of the setting `optimizer` names.

    Args:
        spec: `playbook`, `openai:<model>`, `anthropic:<model>` or `command:<program and arguments>`.
        settings: `[tool.fapo]`.
        root: the project; the setting `optimizer_prompts` is relative to it.
        calls: context in which the proposer calls its model (capture, cache, budget).

    Raises:
        ConfigError: a prompt file of `optimizer_prompts` cannot be used.
    """
    if spec == "playbook":
        from pytest_fapo.propose.playbook import Playbook

        return Playbook()
    if spec.startswith("command:"):
        from pytest_fapo.propose.command import CommandProposer

        return CommandProposer(spec, settings=settings, root=root, memo=root / ".fapo" / "agents")
    from pytest_fapo.propose.llm import LLMProposer

    return LLMProposer.from_settings(spec, settings=settings, root=root, calls=calls)
