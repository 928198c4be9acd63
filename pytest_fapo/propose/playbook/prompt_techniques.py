"""The techniques for prompts in their order, what to try first, and the candidates made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pytest_fapo.core.candidate import Artifact, Candidate, Edit
from pytest_fapo.core.case import Case
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.loose_values import normal
from pytest_fapo.propose.playbook.answer_contract import json_contract, label_set, one_per_line
from pytest_fapo.propose.playbook.answer_language import answer_language
from pytest_fapo.propose.playbook.label_definitions import definitions
from pytest_fapo.propose.playbook.learned_rules import choosing
from pytest_fapo.propose.playbook.prompt_document import PromptDocument
from pytest_fapo.propose.playbook.prompt_evidence import Advice, PromptEvidence, Technique
from pytest_fapo.propose.playbook.text_rules import (
    answer_always,
    like_references,
    must_include,
    must_not,
    text_form,
)
from pytest_fapo.propose.playbook.tool_rules import tables, tool_arguments, use_tools
from pytest_fapo.propose.playbook.value_form import value_form

_EXPLAINED_SHARE = 0.5
"""Of the cluster's cases at least this part must have the label."""


def view_of(evidence: Evidence, artifact: Artifact) -> PromptEvidence:
    """Return the evidence around one artifact; the step's own labels stand for the answers' where only they
    help.
    """
    view = PromptEvidence(evidence, artifact)
    step = evidence.cluster.step
    failing = [item.case for item in evidence.failing()]
    labeled = [case for case in failing if _label(case, step) is not None]
    if (
        not labeled
        or len(labeled) < _EXPLAINED_SHARE * len(failing)
        or view.own_fields
        or evidence.cluster.field
    ):
        return view
    cases = [
        item.model_copy(update={"case": item.case.model_copy(update={"expected": _label(item.case, step)})})
        for item in evidence.cases
    ]
    return PromptEvidence(evidence.model_copy(update={"cases": cases}), artifact)


def _label(case: Case, step: str) -> Any:
    """Return the right output of the step; None if it is not known in full."""
    label = case.expected_steps.get(step, case.expected_steps.get(step.partition("#")[0]))
    if isinstance(label, list) and "#" in step:
        return None
    if isinstance(label, dict) and set(label) == {"any_of"}:
        options = label["any_of"]
        return options[0] if isinstance(options, list) and options else None
    return None if isinstance(label, dict) and set(label) == {"contains"} else label


TECHNIQUES: tuple[Technique, ...] = (
    tool_arguments,
    use_tools,
    one_per_line,
    tables,
    label_set,
    json_contract,
    value_form,
    answer_language,
    must_include,
    must_not,
    text_form,
    like_references,
    choosing,
    definitions,
    answer_always,
)


def target_artifacts(evidence: Evidence) -> list[Artifact]:
    """Return the prompts to edit: those that the step was seen to use, else or those named like it."""
    by_address = {artifact.address: artifact for artifact in evidence.artifacts if artifact.level == "prompt"}
    linked = [by_address[address] for address in evidence.cluster.artifacts if address in by_address]
    if linked:
        return linked
    step = normal(evidence.cluster.step.partition("#")[0])
    named = [artifact for address, artifact in by_address.items() if step and step in normal(address)]
    if named:
        return named
    return list(by_address.values()) if len(by_address) == 1 else []


def all_advice(view: PromptEvidence) -> list[Advice]:
    """All that the techniques say, what promises most first."""
    ranked: list[tuple[int, int, int, Advice]] = []
    for index, technique in enumerate(TECHNIQUES):
        ranked.extend((advice.grade, -len(advice.fixes), index, advice) for advice in technique(view))
    ranked.sort(key=lambda entry: entry[:3])
    return [advice for *_, advice in ranked]


def plans(advice: Sequence[Advice]) -> Iterator[list[Advice]]:
    """Yield the plans in order: each concern alone, then together, then the richer variants."""
    promising = [each for each in advice if each.fixes]
    first = [each for each in promising if each.grade == 0]
    yield from ([each] for each in first)
    if len(first) > 1:
        yield distinct(first)
    for grade in sorted({each.grade for each in promising} - {0}):
        for each in promising:
            if each.grade == grade:
                yield [each]
                others = [other for other in first if other.title != each.title]
                if others:
                    yield distinct([each, *others])
    yield from ([each] for each in advice if not each.fixes and each.grade == 0)


def distinct(advice: Sequence[Advice]) -> list[Advice]:
    """One section per title."""
    titles: dict[str, Advice] = {}
    for each in advice:
        titles.setdefault(each.title, each)
    return list(titles.values())


def made(view: PromptEvidence, tried: Sequence[Sequence[Advice]]) -> Iterator[Candidate]:
    """Yield a candidate for each plan that changes something."""
    for plan in tried:
        candidate = candidate_of(view, plan)
        if candidate is not None:
            yield candidate


def candidate_of(view: PromptEvidence, plan: Sequence[Advice]) -> Candidate | None:
    """Return the view's prompt with the sections of a plan; None where it has them already."""
    text = view.artifact.text
    for advice in plan:
        text = PromptDocument(text).with_section(advice.title, advice.lines)
    if text == view.artifact.text or not plan:
        return None
    lead = replace(plan[0], technique=" + ".join(each.technique for each in plan))
    return view.evidence.candidate(
        [Edit(address=view.artifact.address, before=view.artifact.text, after=text)],
        proposer="playbook",
        technique=lead.technique if lead.grade == 0 else f"{lead.technique} (variant {lead.grade + 1})",
        hypothesis=lead.hypothesis,
    )
