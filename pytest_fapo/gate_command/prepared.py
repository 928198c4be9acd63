"""What a gate's session knows before its first test."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_fapo.gate import GatePolicy
from pytest_fapo.gate_command.hooks import GateHooks
from pytest_fapo.merge_gate import Floor
from pytest_fapo.models import Artifact, Baseline


@dataclass
class PreparedGate:
    """What is known before the first test."""

    policy: GatePolicy
    floors: list[Floor]
    hooks: GateHooks
    baseline: Baseline | None = None
    artifacts: list[Artifact] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
