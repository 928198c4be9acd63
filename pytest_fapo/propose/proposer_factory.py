"""Choose the proposer that an entry of the setting `optimizer` names.

Each proposer's module is imported only when an entry asks for it.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from pytest_fapo.answers.model_client import CallContext
from pytest_fapo.core.settings import Settings
from pytest_fapo.propose.proposer import Proposer


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
        from pytest_fapo.propose.playbook.playbook import Playbook

        return Playbook()
    if spec.startswith("command:"):
        from pytest_fapo.propose.agent.coding_agent import CodingAgentProposer

        return CodingAgentProposer(spec, settings=settings, root=root, memo=root / ".fapo" / "agents")
    from pytest_fapo.propose.model.model_proposer import LLMProposer

    return LLMProposer.from_settings(spec, settings=settings, root=root, calls=calls)
