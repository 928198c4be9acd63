"""Descriptions of tools and of response schemas: the form that a value is due in goes into them.

A model reads a field's description when it fills the field; a rule in the prompt is further away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pytest_fapo.core.candidate import Artifact, Candidate, Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.loose_values import leaves, normal, plain
from pytest_fapo.propose.playbook.answer_contract import MOST_LABELS, contract_labels
from pytest_fapo.propose.playbook.playbook_history import AttemptHistory
from pytest_fapo.propose.playbook.prompt_evidence import PromptEvidence, listed
from pytest_fapo.propose.playbook.tool_rules import uses_of
from pytest_fapo.propose.playbook.value_form import identifier

TECHNIQUE = "form in the description"

_KEYS = ("description", "desc", "__doc__", "annotation")
"""Last parts of the names of descriptions: the part before them names the field."""


def descriptions(evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
    """Yield candidates that add the form of a value to the description of its field or argument."""
    sent = _sent_descriptions(evidence)
    for artifact in evidence.artifacts:
        if artifact.level != "prompt" or not artifact.name or history.inert(artifact.address):
            continue
        if not any(artifact.text.strip() and artifact.text.strip() in each for each in sent):
            continue
        sentence = _form_of(PromptEvidence(evidence, artifact), _field_of(artifact))
        if sentence and sentence not in artifact.text:
            yield _candidate(evidence, artifact, sentence)


def _sent_descriptions(evidence: Evidence) -> set[str]:
    """Return the descriptions that the failing step's calls carried."""
    step = evidence.cluster.step
    return {
        text
        for case in evidence.cases
        if case.trace is not None
        for each in case.trace.steps
        if each.key == step or step.startswith("call ")
        for call in case.trace.calls_of(each)
        for text in call.descriptions
    }


def _field_of(artifact: Artifact) -> str:
    """`code` of `Order.code.description` and of `lookup(code).annotation`."""
    parts = [part for part in re.split(r"[.()]", artifact.name) if part and part not in _KEYS]
    return parts[-1] if parts else ""


def _form_of(view: PromptEvidence, field: str) -> str:
    """Return the form that the right values of a field or argument share, as a sentence; empty for none."""
    name = next(
        (each for each in view.fields.expected if normal(each.rpartition(".")[2]) == normal(field)), None
    )
    values = [view.expected(seen, name) for seen in view.labeled(name)] if name is not None else []
    texts = [value for value in values if isinstance(value, str) and value]
    if name is not None and texts and 2 <= len(labels := contract_labels(view, name)) <= MOST_LABELS:
        return f"Exactly one of {listed(labels)}."
    made_of = identifier(texts) if len(set(texts)) >= 2 else _form_of_argument(view, field)
    return f"The bare identifier: {made_of}." if made_of else ""


def _form_of_argument(view: PromptEvidence, field: str) -> str:
    """The make-up of the values that a tool took under this name, where it refused others."""
    taken: dict[bool, list[str]] = {True: [], False: []}
    for seen in view.seen:
        for use in uses_of(seen):
            for name, value in leaves(_mapping(use.arguments)):
                if normal(name) == normal(field) and isinstance(value, str):
                    taken[use.answered and use.error is None].append(plain(value))
    right = taken[True]
    made_of = identifier(right) if len(set(right)) >= 2 else ""
    odd = any(identifier([*right, value]) != made_of for value in taken[False])
    return made_of if odd else ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _candidate(evidence: Evidence, artifact: Artifact, sentence: str) -> Candidate:
    body = artifact.text.rstrip()
    end = artifact.text[len(body) :]
    joined = f"{body}{'' if body.endswith(('.', '!', '?', ':')) else '.'} {sentence}"
    return evidence.candidate(
        [Edit(address=artifact.address, before=artifact.text, after=joined + end)],
        proposer="playbook",
        technique=TECHNIQUE,
        hypothesis="The model fills this in another form; the description of the field does not say which.",
    )
