"""The record that ends the file of one shard of a gate: which tests were its share, and on what they ran."""

from __future__ import annotations

from pydantic import Field

from pytest_fapo.core.gate_result import GateProblem
from pytest_fapo.core.record import Record


class ShardResult(Record):
    """One shard of a gate; the results of its tests stand above it in its file, one a line."""

    number: int
    """From 1."""
    of: int
    facts: dict[str, str]
    """What all shards and the join must have alike: name of the fact to its value in few words."""
    collected: list[str] = Field(default_factory=list)
    """Node ids of the tests of all shards, in the order of collection."""
    share: list[int] = Field(default_factory=list)
    """Places in `collected` of the tests of this shard."""
    failed: int = 0
    """How many tests failed as pytest counts."""
    causes: list[GateProblem] = Field(default_factory=list)
    """The reasons why a test of the share has no result."""

    @property
    def name(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def tests(self) -> list[str]:
        """Node ids of the share."""
        return [self.collected[place] for place in self.share if place < len(self.collected)]
