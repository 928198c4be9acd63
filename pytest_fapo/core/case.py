"""A labeled case: inputs, expected values, and the split that decides who may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, JsonValue

from pytest_fapo.core.record import Record, Split, deep_copy

if TYPE_CHECKING:
    Json = Any
    """JSON data whose shape only the user knows: their typed tests may index it."""
else:
    Json = JsonValue


class Case(Record):
    """One labeled example of a pipeline. `inputs` that are a mapping become keyword arguments."""

    id: str
    inputs: Json
    expected: Json = None
    split: Split = "train"
    tags: list[str] = Field(default_factory=list)
    weight: float = 1.0
    expected_steps: dict[str, JsonValue] = Field(default_factory=dict)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    label_set: str = Field(default="", repr=False)
    """Names the labels of its source: equal for tests whose sources give the same cases the same labels."""
    origin: str = ""
    """The location that the case was read from, `file:line` if a line is known; for messages only."""

    def own_copy(self) -> Case:
        """Return a copy that shares nothing that could be changed.

        Raises:
            Exception: there is no copy of its inputs.
        """
        return self.updated(**{name: deep_copy(value) for name, value in list(vars(self).items())})

    @property
    def key(self) -> str:
        """Return what tells the case from all others: another source may have its id with other labels."""
        return f"{self.label_set}:{self.id}"
