"""Labelled examples."""

from __future__ import annotations

from pydantic import Field, JsonValue

from pytest_fapo.models.base import Json, Record, Split


class Case(Record):
    """One labelled example of a pipeline. `inputs` that are a mapping become keyword arguments."""

    id: str
    inputs: Json
    expected: Json = None
    split: Split = "train"
    tags: list[str] = Field(default_factory=list)
    weight: float = 1.0
    expected_steps: dict[str, JsonValue] = Field(default_factory=dict)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    label_set: str = ""
    """Names the labels of its source: equal for tests whose sources give the same cases the same labels."""
    origin: str = ""
    """Where the case was read, `file:line` where a line is known; for messages only."""

    @property
    def key(self) -> str:
        """Return what tells the case from all others: another source may have its id with other labels."""
        return f"{self.label_set}:{self.id}"
