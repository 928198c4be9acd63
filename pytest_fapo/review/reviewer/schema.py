"""The shape of the reviewer's answer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

POINTS: dict[int, str] = {
    1: "scorer",
    2: "leakage",
    3: "placeholders",
    4: "isolation",
    5: "hints",
    6: "examples",
    7: "single-concern",
    8: "state",
    9: "contract",
    10: "imports",
    11: "conventions",
    12: "scope",
}
"""The list that the reviewer goes through, by number."""


class Objection(BaseModel):
    """One point of the list that the change violates."""

    point: int = Field(description="number of the point, 1 to 12")
    severity: Literal["block", "warn"]
    address: str = Field(default="", description="address concerned; empty for the change as a whole")
    message: str = Field(description="what is wrong, where, and what would pass instead")

    @field_validator("severity", mode="before")
    @classmethod
    def _in_other_words(cls, severity: Any) -> Any:
        word = str(severity).strip().lower()
        known = {
            "blocker": "block",
            "blocking": "block",
            "error": "block",
            "fail": "block",
            "warning": "warn",
        }
        return known.get(word, word)


class Opinion(BaseModel):
    """All objections; none where the change may be tried."""

    problems: list[Objection]

    @field_validator("problems", mode="before")
    @classmethod
    def _none_is_empty(cls, problems: Any) -> Any:
        return [] if problems is None else problems
