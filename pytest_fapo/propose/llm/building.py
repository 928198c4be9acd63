"""From a model's proposal to a candidate: new texts fitted to the old, operators applied, level and name."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from fnmatch import fnmatchcase

from pytest_fapo.llm.fencing import unfenced
from pytest_fapo.models import LEVELS, Artifact, Candidate, Edit, Evidence, Level
from pytest_fapo.propose.llm.quoting import quoted_cases
from pytest_fapo.propose.llm.schema import Proposal
from pytest_fapo.propose.llm.tasks import DEMONSTRATIONS
from pytest_fapo.propose.operators import apply

_HYPOTHESIS_CHARS = 300
_EXAMPLES = re.compile(r"demonstration|few-?shot|\bexamples?\b", re.IGNORECASE)


def build(proposal: Proposal, evidence: Evidence, proposer: str) -> Candidate:
    """The candidate that a proposal describes, on the texts that the evidence shows.

    What only the review can judge (an address outside the scope, a value outside its domain) is left to it.

    Raises:
        OperatorError: an operator does not fit.
    """
    edits = _edits(proposal, evidence)
    technique = _technique(proposal)
    demonstrations = quoted_cases(edits, evidence) if evidence.demonstrations == "train" else []
    if demonstrations:
        technique = DEMONSTRATIONS
    if _joint(edits, evidence):
        technique = f"joint-{technique}"
    return Candidate(
        parent=evidence.parent,
        edits=edits,
        hypothesis=sentence(proposal.hypothesis) or "The model gave no reason.",
        proposer=proposer,
        technique=technique,
        level=max((_level(edit, evidence) for edit in edits), key=LEVELS.index, default=evidence.level),
        cluster=evidence.cluster.id,
        step=evidence.cluster.step,
        targets=[item.nodeid for item in evidence.failing() if item.case.split == "train"],
        demonstrations=demonstrations,
    )


def sentence(text: str) -> str:
    """One bounded line."""
    one = " ".join(text.split())
    return one if len(one) <= _HYPOTHESIS_CHARS else one[: _HYPOTHESIS_CHARS - 1] + "…"


def _edits(proposal: Proposal, evidence: Evidence) -> list[Edit]:
    """Operators first, each on what the one before gave; a text of the model's own replaces theirs."""
    known = {artifact.address: artifact for artifact in evidence.artifacts}
    new: dict[str, str] = {}
    for operator in proposal.applied:
        for edit in apply(operator, _with(evidence, new)):
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
    """The evidence as if the texts of `new` stood in the files already."""
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
    """Whether the edits are of several of the steps that are at fault together."""
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
    """A parameter's value as JSON, also where a model gave a string without its quotation marks."""
    bare = _bare(text).strip().strip("`").strip()
    domain = artifact.domain
    try:
        value = json.loads(bare)
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
