"""What to try on one prompt in which order, and the candidates that come of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_fapo.models import Artifact, Candidate, Edit, Evidence
from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.document import Document
from pytest_fapo.propose.playbook.techniques import TECHNIQUES
from pytest_fapo.propose.playbook.view import View
from pytest_fapo.reading.values import normal


def target_artifacts(evidence: Evidence) -> list[Artifact]:
    """The prompts to edit: those that the step was seen to use, else or those named like it."""
    by_address = {artifact.address: artifact for artifact in evidence.artifacts if artifact.level == "prompt"}
    linked = [by_address[address] for address in evidence.cluster.artifacts if address in by_address]
    if linked:
        return linked
    step = normal(evidence.cluster.step.partition("#")[0])
    named = [artifact for address, artifact in by_address.items() if step and step in normal(address)]
    if named:
        return named
    return list(by_address.values()) if len(by_address) == 1 else []


def all_advice(view: View) -> list[Advice]:
    """All that the techniques say, what promises most first."""
    found: list[tuple[int, int, int, Advice]] = []
    for place, technique in enumerate(TECHNIQUES):
        found.extend((advice.grade, -len(advice.mends), place, advice) for advice in technique(view))
    found.sort(key=lambda entry: entry[:3])
    return [advice for *_, advice in found]


def plans(advice: Sequence[Advice]) -> Iterator[list[Advice]]:
    """What to try in which order: each concern alone, then together, then the richer variants."""
    promising = [each for each in advice if each.mends]
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
    yield from ([each] for each in advice if not each.mends and each.grade == 0)


def distinct(advice: Sequence[Advice]) -> list[Advice]:
    """One section per title."""
    titles: dict[str, Advice] = {}
    for each in advice:
        titles.setdefault(each.title, each)
    return list(titles.values())


def made(view: View, tried: Sequence[Sequence[Advice]]) -> Iterator[Candidate]:
    """A candidate for each plan that changes something."""
    for plan in tried:
        candidate = candidate_of(view, plan)
        if candidate is not None:
            yield candidate


def candidate_of(view: View, plan: Sequence[Advice]) -> Candidate | None:
    """The view's prompt with the sections of a plan; None where it has them already."""
    text = view.artifact.text
    for advice in plan:
        text = Document(text).with_section(advice.title, advice.lines)
    if text == view.artifact.text or not plan:
        return None
    lead = replace(plan[0], technique=" + ".join(each.technique for each in plan))
    return Candidate(
        parent=view.evidence.parent,
        edits=[Edit(address=view.artifact.address, before=view.artifact.text, after=text)],
        hypothesis=lead.hypothesis,
        proposer="playbook",
        technique=lead.technique if lead.grade == 0 else f"{lead.technique} (variant {lead.grade + 1})",
        level="prompt",
        cluster=view.cluster.id,
        step=view.cluster.step,
        targets=view.cluster.nodeids,
    )
