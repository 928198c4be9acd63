"""The shape of the optimizer's answer, for small local models and large ones alike."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, Field, field_validator

_ABBREVIATED = re.compile(
    r"^\W*(the\s+)?(rest|remainder)\b.{0,60}\b(unchanged|as before|the same|omitted)\W*$",
    re.IGNORECASE | re.MULTILINE,
)


class ProposedEdit(BaseModel):
    """A whole new text for one artifact."""

    address: str = Field(description="address of the text, exactly as given")
    text: str = Field(description="the whole new text")

    @field_validator("address")
    @classmethod
    def _bare(cls, address: str) -> str:
        return address.strip().strip("`'\"").strip()

    @field_validator("text")
    @classmethod
    def _whole(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("the whole new text is needed, not an empty one")
        if _ABBREVIATED.search(text):
            raise ValueError("the text is abbreviated; write it out from its first to its last character")
        return text


class Proposal(BaseModel):
    """What is wrong and the edits that mend it."""

    hypothesis: str = Field(default="", description="one sentence: what is wrong and why this mends it")
    technique: str = Field(default="rewrite", description="the kind of edit in one or two words")
    edits: list[ProposedEdit]

    @field_validator("edits", mode="before")
    @classmethod
    def _as_list(cls, edits: Any) -> Any:
        """Some models give the list as a string of JSON, one edit without a list, or a mapping."""
        if isinstance(edits, str):
            try:
                edits = json.loads(edits, strict=False)
            except ValueError:
                return edits
        if isinstance(edits, dict) and "address" in edits:
            return [edits]
        if isinstance(edits, dict):
            return [{"address": address, "text": text} for address, text in edits.items()]
        return edits


class Proposals(BaseModel):
    """Several proposals that differ in their idea, best first."""

    proposals: list[Proposal] = Field(min_length=1)
