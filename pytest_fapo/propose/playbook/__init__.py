"""The playbook: candidates by rules alone, free and deterministic."""

from __future__ import annotations

from pytest_fapo.propose.playbook.playbook import Playbook

__all__ = ["Playbook"]
