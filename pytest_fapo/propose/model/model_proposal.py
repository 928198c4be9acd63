"""A model's proposal: the schema of its answer, and the candidate made from it.

New texts are fitted to the old ones, operators are applied, and quoted train cases are named.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema, field_validator

from pytest_fapo.answers.prompts import unfenced
from pytest_fapo.core.candidate import Artifact, Candidate, Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import LEVELS, Level
from pytest_fapo.core.text import one_line, parsed_json
from pytest_fapo.diagnosis.loose_values import strings_in
from pytest_fapo.propose.operators.step_operators import apply_operator, operator_schema

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
    """The cause of the failures and the edits that fix it."""

    hypothesis: str = Field(default="", description="one sentence: what is wrong and why this fixes it")
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
    """The cause of the failures, and the edits and operators that fix it."""

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
    """Return the answer's form in words: some servers take a schema without a word and do not enforce it."""
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


DEMONSTRATIONS = "demonstrations"
"""The technique that adds examples to a prompt."""

_SHORTEST = 4


def cases_quoted_in(edits: Sequence[Edit], evidence: Evidence) -> list[str]:
    """Ids of the train cases whose input stands, word for word, in what the edits add."""
    added = _plain("\n".join(_added(edit) for edit in edits))
    quoted = []
    for item in evidence.cases:
        text = _plain(max(strings_in(item.case.inputs), key=len, default=""))
        if item.case.split == "train" and len(text) >= _SHORTEST and _holds(added, text):
            quoted.append(item.case.id)
    return list(dict.fromkeys(quoted))


def _added(edit: Edit) -> str:
    before = set(edit.before.splitlines())
    return "\n".join(line for line in edit.after.splitlines() if line not in before)


def _holds(text: str, part: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text) is not None


def _plain(text: str) -> str:
    return " ".join(text.replace('\\"', '"').replace("\\n", " ").casefold().split())


_HYPOTHESIS_CHARS = 300

_EXAMPLES = re.compile(r"demonstration|few-?shot|\bexamples?\b", re.IGNORECASE)


def build_candidate(proposal: Proposal, evidence: Evidence, proposer: str) -> Candidate:
    """Return the candidate that a proposal describes, on the texts that the evidence shows.

    What only the review can judge (an address outside the scope, a value outside its domain) is left to it.

    Raises:
        OperatorError: an operator does not fit.
    """
    edits = _edits(proposal, evidence)
    technique = _technique(proposal)
    demonstrations = cases_quoted_in(edits, evidence) if evidence.demonstrations == "train" else []
    if demonstrations:
        technique = DEMONSTRATIONS
    if _joint(edits, evidence):
        technique = f"joint-{technique}"
    return evidence.candidate(
        edits,
        proposer=proposer,
        technique=technique,
        hypothesis=first_sentence(proposal.hypothesis) or "The model gave no reason.",
        level=max((_level(edit, evidence) for edit in edits), key=LEVELS.index, default=evidence.level),
        targets=[item.nodeid for item in evidence.failing() if item.case.split == "train"],
        demonstrations=demonstrations,
    )


def first_sentence(text: str) -> str:
    """One bounded line."""
    return one_line(text, most=_HYPOTHESIS_CHARS)


def _edits(proposal: Proposal, evidence: Evidence) -> list[Edit]:
    """Operators first, each on what the one before gave; a text of the model's own replaces theirs."""
    known = {artifact.address: artifact for artifact in evidence.artifacts}
    new: dict[str, str] = {}
    for operator in proposal.applied:
        for edit in apply_operator(operator, _with(evidence, new)):
            new[edit.address] = edit.after
    for given in proposal.edits:
        new[given.address] = _fitted(given.text, given.address, known.get(given.address), evidence)
    edits = [
        Edit(address=address, before=known[address].text if address in known else "", after=text)
        for address, text in new.items()
    ]
    changed = [edit for edit in edits if edit.after != edit.before]
    return changed or edits


def _with(evidence: Evidence, new: dict[str, str]) -> Evidence:
    """Return the evidence as if the texts of `new` stood in the files already."""
    if not new:
        return evidence
    artifacts = [
        artifact.model_copy(update={"text": new.get(artifact.address, artifact.text)})
        for artifact in evidence.artifacts
    ]
    return evidence.model_copy(update={"artifacts": artifacts})


def _technique(proposal: Proposal) -> str:
    operators = [str(operator.get("operator", "")) for operator in proposal.applied]
    if operators:
        return " + ".join(dict.fromkeys(operators))
    if _EXAMPLES.search(proposal.technique):
        return DEMONSTRATIONS
    words = re.findall(r"[a-z0-9]+", proposal.technique.lower())[:4]
    return "-".join(words) or "rewrite"


def _joint(edits: Sequence[Edit], evidence: Evidence) -> bool:
    """True if the edits are of several of the steps that are at fault together."""
    addresses = {edit.address for edit in edits}
    steps = [set(cluster.artifacts) for cluster in [evidence.cluster, *evidence.together]]
    return bool(evidence.together) and sum(bool(addresses & own) for own in steps) > 1 and len(addresses) > 1


def _level(edit: Edit, evidence: Evidence) -> Level:
    for artifact in evidence.artifacts:
        if artifact.address == edit.address:
            return artifact.level
    return evidence.level if _is_function(edit.address) else "prompt"


def _is_function(address: str) -> bool:
    path, _, name = address.partition("::")
    return path.endswith(".py") and bool(name) and not name.rpartition(".")[2].isupper()


def _fitted(text: str, address: str, artifact: Artifact | None, evidence: Evidence) -> str:
    if artifact is None:
        if _is_function(address) and evidence.level == "structure":
            return _code(text)
        if any(fnmatchcase(address, pattern) for pattern in evidence.creatable):
            return _bare(text).strip() + "\n"
        return text
    if artifact.kind == "param":
        return _value(text, artifact)
    if artifact.kind == "function":
        return _like(_code(text), artifact.text)
    return _like(_bare(text, wrapped=artifact.text.lstrip().startswith("```")), artifact.text)


def _bare(text: str, *, wrapped: bool = False) -> str:
    """`text` without fence lines, and without a code fence that was put around it."""
    body = unfenced(re.sub(r"\r\n?", "\n", text))
    fence = re.fullmatch(r"\s*```[\w-]*\n(.*)\n\s*```\s*", body, re.DOTALL)
    return fence[1] if fence and not wrapped else body


def _code(text: str) -> str:
    return textwrap.dedent(_bare(text)).strip() + "\n"


def _value(text: str, artifact: Artifact) -> str:
    """Return a parameter's value as JSON, also where a model gave a string without its quotation marks."""
    bare = _bare(text).strip().strip("`").strip()
    domain = artifact.domain
    try:
        value = parsed_json(bare)
    except ValueError:
        value = bare
    if domain is not None and not domain.allows(value):
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        value = next((other for other in (whole, bare) if domain.allows(other)), value)
    try:
        if json.loads(artifact.text) == value:
            return artifact.text
    except ValueError:
        pass
    return json.dumps(value, ensure_ascii=False)


def _like(text: str, before: str) -> str:
    """`text` with the line ends and the surrounding white space of the old one."""
    body = text.strip()
    start = before[: len(before) - len(before.lstrip())]
    end = before[len(before.rstrip()) :]
    if "\r\n" in before:
        body = body.replace("\n", "\r\n")
    return f"{start}{body}{end}"
