"""The shape of the optimizer's answer, for small local models and large ones alike."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema, field_validator

from pytest_fapo.propose.operators import operator_schema

_ABBREVIATED = re.compile(
    r"^\W*(the\s+)?(rest|remainder)\b.{0,60}\b(unchanged|as before|the same|omitted)\W*$",
    re.IGNORECASE | re.MULTILINE,
)
_EDIT_FORM = '{"address": "…", "text": "…"}'
_OPERATOR_FORM = '{"operator": "…", "function": "…", …}'


class ProposedEdit(BaseModel):
    """A whole new text for one artifact."""

    address: str = Field(description="address of the text, exactly as given")
    text: str = Field(description="the whole new text")

    @field_validator("address")
    @classmethod
    def _bare(cls, address: str) -> str:
        return address.strip().strip("`'\"").strip()

    @field_validator("text", mode="before")
    @classmethod
    def _value(cls, text: Any) -> Any:
        """A parameter's value, which many models give as a number."""
        return text if isinstance(text, str) or text is None else json.dumps(text, ensure_ascii=False)

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
        edits = _parsed(edits)
        if isinstance(edits, dict) and "address" in edits:
            return [edits]
        if isinstance(edits, dict):
            return [{"address": address, "text": text} for address, text in edits.items()]
        return edits

    @property
    def applied(self) -> list[dict[str, Any]]:
        """The operators to apply; none below the structure level."""
        return []


class Proposals(BaseModel):
    """Several proposals that differ in their idea, best first."""

    proposals: list[Proposal] = Field(min_length=1)


AnyOperator = Annotated[dict[str, Any], WithJsonSchema(operator_schema())]


class StructureProposal(Proposal):
    """What is wrong, and the edits and operators that mend it."""

    edits: list[ProposedEdit] = Field(default_factory=list)
    operators: list[AnyOperator] = Field(default_factory=list, description="operators to apply, often none")

    @field_validator("operators", mode="before")
    @classmethod
    def _as_operators(cls, operators: Any) -> Any:
        operators = _parsed(operators)
        return [operators] if isinstance(operators, dict) else operators

    @property
    def applied(self) -> list[dict[str, Any]]:
        """The operators to apply."""
        return self.operators


class StructureProposals(BaseModel):
    """Several proposals that differ in their idea, best first."""

    proposals: list[StructureProposal] = Field(min_length=1)


def form(*, structure: bool, candidates: int) -> str:
    """The answer's form in words: some servers take a schema without a word and do not enforce it."""
    operators = f', "operators": [{_OPERATOR_FORM}]' if structure else ""
    one = f'{{"hypothesis": "…", "technique": "…", "edits": [{_EDIT_FORM}]{operators}}}'
    return one if candidates == 1 else f'{{"proposals": [{one}, …]}}'


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, strict=False)
    except ValueError:
        return value
