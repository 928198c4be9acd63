"""What the model is asked to do: by level, by what was tried before, by how many proposals are wanted."""

from __future__ import annotations

from pytest_fapo.llm.fencing import line
from pytest_fapo.llm.prompt_files import Templates
from pytest_fapo.models import Evidence
from pytest_fapo.propose.llm.schema import form

DEMONSTRATIONS = "demonstrations"
"""The technique that adds examples to a prompt."""
_WORDINGS = 2
"""So many attempts by wording without gain on one step, and examples are asked for."""


def make_task(evidence: Evidence, templates: Templates, candidates: int) -> str:
    """The task in words.

    Args:
        evidence: its level says what may be edited, its memory what brought nothing.
        templates: the files `params`, `structure`, `together`, `demonstrations` say how.
        candidates: how many proposals are asked for.
    """
    structure = evidence.level == "structure"
    parts = []
    if evidence.escalation:
        parts.append(f"Why more than texts may be edited now: {line(evidence.escalation)}.")
    if any(artifact.kind == "param" for artifact in evidence.artifacts):
        parts.append(templates.fill("params"))
    if structure:
        parts.append(templates.fill("structure"))
    if evidence.together:
        steps = ", ".join(line(cluster.step) for cluster in [evidence.cluster, *evidence.together])
        parts.append(templates.fill("together", steps=steps))
    parts += _examples(evidence, templates)
    shape = form(structure=structure, candidates=candidates)
    if candidates == 1:
        parts.append(f"Give one proposal, as JSON of this form:\n\n{shape}")
    else:
        parts.append(
            f"Give {candidates} proposals that differ in their idea, best first, as JSON of this form:"
            f"\n\n{shape}"
        )
    return "\n\n".join(parts)


def asks_for_examples(evidence: Evidence) -> bool:
    """Whether wording has brought nothing on this step, and examples were not tried."""
    step = evidence.cluster.step
    tried = [
        attempt
        for attempt in evidence.memory
        if attempt.candidate.edits
        and attempt.candidate.step == step
        and attempt.candidate.level == "prompt"
        and attempt.verdict.stage != "review"
    ]
    wordings = [attempt for attempt in tried if DEMONSTRATIONS not in attempt.candidate.technique]
    vain = [attempt for attempt in wordings if not (attempt.verdict.accepted or attempt.verdict.kept)]
    return evidence.demonstrations != "off" and len(vain) >= _WORDINGS and len(wordings) == len(tried)


def _examples(evidence: Evidence, templates: Templates) -> list[str]:
    if evidence.demonstrations == "off":
        return ["Do not add examples to a text."]
    most = str(evidence.max_demonstrations)
    name = "examples_train" if evidence.demonstrations == "train" else "examples_made"
    parts = [templates.fill(name, most=most)]
    if asks_for_examples(evidence):
        parts.append(
            f"Wording has brought nothing on this step so far. Give a proposal of the technique "
            f"`{DEMONSTRATIONS}` now."
        )
    return parts
