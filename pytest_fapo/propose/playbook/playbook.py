"""`Playbook`: asks every technique what it would change, and orders the answers."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.models import Candidate, Evidence, Repair, Review
from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.demonstrations import demonstrations
from pytest_fapo.propose.playbook.history import History
from pytest_fapo.propose.playbook.joint import joint
from pytest_fapo.propose.playbook.mending import without_problems
from pytest_fapo.propose.playbook.params import params
from pytest_fapo.propose.playbook.plans import all_advice, made, plans, target_artifacts
from pytest_fapo.propose.playbook.renaming import renaming
from pytest_fapo.propose.playbook.repairing import repaired
from pytest_fapo.propose.playbook.step_labels import view_of
from pytest_fapo.propose.playbook.structure import structure
from pytest_fapo.propose.playbook.view import View

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
        """Candidates of exactly the evidence's level.

        Prompts: small edits of one concern first, by how many failing cases they should mend; then richer
        ones, then examples where the project allows to quote train cases. Where several steps are at fault
        together, edits of all of them at once come first.
        """
        history = History(evidence)
        seen = history.digests()
        given = 0
        for candidate in self._of_level(evidence, history):
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

    def repair(self, repair: Repair, evidence: Evidence) -> Candidate | None:
        """The candidate without (or with less of) what broke the cases, where that can be told; else None."""
        candidate = repaired(repair, evidence)
        if candidate is None or candidate.edits_digest == repair.candidate.edits_digest:
            return None
        return None if candidate.digest in History(evidence).digests() else candidate

    def _of_level(self, evidence: Evidence, history: History) -> Iterator[Candidate]:
        if evidence.level == "param":
            yield from params(evidence, history)
        elif evidence.level == "structure":
            yield from structure(evidence, history)
        else:
            yield from joint(evidence, history)
            yield from renaming(evidence, history)
            yield from self._prompts(evidence, history)
            yield from demonstrations(evidence, history)

    def _prompts(self, evidence: Evidence, history: History) -> Iterator[Candidate]:
        """The first variants for each prompt, then edits of two steps at once, then all other variants."""
        later: list[tuple[View, list[Advice]]] = []
        artifacts = target_artifacts(evidence)
        for artifact in artifacts[:ADDRESSES]:
            if history.inert(artifact.address):
                continue
            view = view_of(evidence, artifact)
            found = list(plans(history.adapted(all_advice(view), artifact)))
            first = [plan for plan in found if all(advice.mends and not advice.grade for advice in plan)]
            yield from made(view, first if artifact is artifacts[0] else first[:2])
            if artifact is artifacts[0]:
                later += [(view, plan) for plan in found if plan not in first]
        yield from history.together()
        for view, plan in later:
            yield from made(view, [plan])
