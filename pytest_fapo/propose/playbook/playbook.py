"""`Playbook`: asks every technique what it would add to the culprit's prompt, and orders the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_fapo.models import Artifact, Candidate, Edit, Evidence, Review
from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.document import Document
from pytest_fapo.propose.playbook.history import History
from pytest_fapo.propose.playbook.mending import without_problems
from pytest_fapo.propose.playbook.techniques import TECHNIQUES
from pytest_fapo.propose.playbook.view import View
from pytest_fapo.reading.values import normal

MOST = 4
"""Candidates given at a time; then the loop asks again, and what came of them is taken into account."""
ADDRESSES = 2
"""Prompts of the culprit step that are tried, the most specific first."""


class Playbook:
    """A proposer without a model: output contracts, definitions and rules derived from the train cases."""

    name = "playbook"

    def check(self) -> None:
        """Always usable: it needs no key, no network and no setting."""

    def propose(self, evidence: Evidence) -> Iterator[Candidate]:
        """Small edits of one concern first, by how many failing cases they should mend; then richer ones."""
        if evidence.level != "prompt" or evidence.cluster.level != "prompt":
            return
        history = History(evidence)
        seen = history.digests()
        given = 0
        for candidate in self._candidates(evidence, history):
            if candidate.digest in seen:
                continue
            seen.add(candidate.digest)
            yield candidate
            given += 1
            if given >= MOST:
                return

    def revise(self, candidate: Candidate, review: Review, evidence: Evidence) -> Candidate | None:
        """The candidate without the rules that the review objects to; None where nothing would be left."""
        revised = without_problems(candidate, review)
        return None if revised is None or revised.digest == candidate.digest else revised

    def _candidates(self, evidence: Evidence, history: History) -> Iterator[Candidate]:
        """The first variants for each prompt, then edits of two steps at once, then all other variants."""
        later: list[tuple[View, list[Advice]]] = []
        artifacts = target_artifacts(evidence)
        for artifact in artifacts[:ADDRESSES]:
            if history.inert(artifact.address):
                continue
            view = View(evidence, artifact)
            plans = list(_plans(history.adapted(_advice(view), artifact)))
            first = [plan for plan in plans if all(advice.mends and not advice.grade for advice in plan)]
            yield from _made(view, first if artifact is artifacts[0] else first[:2])
            if artifact is artifacts[0]:
                later += [(view, plan) for plan in plans if plan not in first]
        yield from history.together()
        for view, plan in later:
            yield from _made(view, [plan])


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


def _advice(view: View) -> list[Advice]:
    """All that the techniques say, what promises most first."""
    found: list[tuple[int, int, int, Advice]] = []
    for place, technique in enumerate(TECHNIQUES):
        found.extend((advice.grade, -len(advice.mends), place, advice) for advice in technique(view))
    found.sort(key=lambda entry: entry[:3])
    return [advice for *_, advice in found]


def _plans(advice: Sequence[Advice]) -> Iterator[list[Advice]]:
    """What to try in which order: each concern alone, then together, then the richer variants."""
    promising = [each for each in advice if each.mends]
    first = [each for each in promising if each.grade == 0]
    yield from ([each] for each in first)
    if len(first) > 1:
        yield _distinct(first)
    for grade in sorted({each.grade for each in promising} - {0}):
        for each in promising:
            if each.grade == grade:
                yield [each]
                others = [other for other in first if other.title != each.title]
                if others:
                    yield _distinct([each, *others])
    yield from ([each] for each in advice if not each.mends and each.grade == 0)


def _distinct(advice: Sequence[Advice]) -> list[Advice]:
    """One section per title."""
    titles: dict[str, Advice] = {}
    for each in advice:
        titles.setdefault(each.title, each)
    return list(titles.values())


def _made(view: View, plans: Sequence[Sequence[Advice]]) -> Iterator[Candidate]:
    for plan in plans:
        candidate = _candidate(view, plan)
        if candidate is not None:
            yield candidate


def _candidate(view: View, plan: Sequence[Advice]) -> Candidate | None:
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
