"""The playbook proposer: collects what the techniques would change, and orders it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pytest_fapo.core.candidate import Candidate, Review
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.evidence import Evidence, Repair
from pytest_fapo.propose.playbook.demonstrations import as_turns, in_text
from pytest_fapo.propose.playbook.description_forms import descriptions
from pytest_fapo.propose.playbook.operator_choice import structure
from pytest_fapo.propose.playbook.parameter_moves import params
from pytest_fapo.propose.playbook.playbook_history import AttemptHistory, without_blocked_rules, without_harm
from pytest_fapo.propose.playbook.prompt_corrections import corrections
from pytest_fapo.propose.playbook.prompt_evidence import Advice, PromptEvidence
from pytest_fapo.propose.playbook.prompt_techniques import (
    all_advice,
    distinct,
    made,
    plans,
    target_artifacts,
    view_of,
)

VARIANTS = 4
"""Combinations that are tried: of the best edits of each step, of the second best …"""


def joint(evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
    """One candidate per variant that edits the prompt of every step that is at fault together."""
    if not evidence.together:
        return
    best = [_best(evidence, cluster, history) for cluster in (evidence.cluster, *evidence.together)]
    if not all(best):
        return
    for number in range(max(len(candidates) for candidates in best)):
        chosen = [candidates[min(number, len(candidates) - 1)] for candidates in best]
        if len({edit.address for each in chosen for edit in each.edits}) == len(chosen):
            yield _together(evidence, chosen)


def _best(evidence: Evidence, cluster: Cluster, history: AttemptHistory) -> list[Candidate]:
    """Return the candidates for one step alone, the richest first: a case that needs all steps needs them
    whole.
    """
    about = evidence.model_copy(update={"cluster": cluster})
    for artifact in target_artifacts(about):
        if history.inert(artifact.address):
            continue
        view = view_of(about, artifact)
        advice = history.adapted(all_advice(view), artifact)
        first = [each for each in advice if each.grade == 0 and each.fixes] or advice[:1]
        whole = [distinct(first)] if first else []
        candidates = list(islice(made(view, [*whole, *plans(advice)]), VARIANTS))
        if candidates:
            return candidates
    return []


def _together(evidence: Evidence, chosen: list[Candidate]) -> Candidate:
    first, *others = chosen
    words = " and, ".join([first.technique, *(f"in {each.step}, {each.technique}" for each in others)])
    return first.model_copy(
        update={
            "edits": [edit for each in chosen for edit in each.edits],
            "technique": f"joint: {words}",
            "hypothesis": "Some cases need several steps fixed. "
            + " ".join(each.hypothesis for each in chosen),
            "cluster": evidence.cluster.id,
            "step": evidence.cluster.step,
            "targets": evidence.cluster.nodeids,
        }
    )


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
        """Yield candidates of exactly the evidence's level.

        Prompts: small edits of one concern first, by how many failing cases they should fix; then richer
        ones, then examples where the project allows to quote train cases. Where several steps are at fault
        together, edits of all of them at once come first. Structure: examples as turns, then the operators
        by the kind of failure.
        """
        history = AttemptHistory(evidence)
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
        """Return the candidate without the rules that the review objects to; None where nothing would be
        left.
        """
        revised = without_blocked_rules(candidate, review)
        return None if revised is None or revised.digest == candidate.digest else revised

    def repair(self, repair: Repair, evidence: Evidence) -> Candidate | None:
        """Return the candidate without (or with less of) what broke the cases, where that can be told; else
        None.
        """
        candidate = without_harm(repair, evidence)
        if candidate is None or candidate.edits_digest == repair.candidate.edits_digest:
            return None
        return None if candidate.digest in AttemptHistory(evidence).digests() else candidate

    def _of_level(self, evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
        if evidence.level == "param":
            yield from params(evidence, history)
        elif evidence.level == "structure":
            yield from as_turns(evidence, history)
            yield from structure(evidence, history)
        else:
            yield from joint(evidence, history)
            yield from corrections(evidence, history)
            yield from descriptions(evidence, history)
            yield from self._prompts(evidence, history)
            yield from in_text(evidence, history)

    def _prompts(self, evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
        """Yield the first variants for each prompt, then all others of the one that is most specific."""
        later: list[tuple[PromptEvidence, list[Advice]]] = []
        artifacts = target_artifacts(evidence)
        for artifact in artifacts[:ADDRESSES]:
            if history.inert(artifact.address):
                continue
            view = view_of(evidence, artifact)
            variants = list(plans(history.adapted(all_advice(view), artifact)))
            first = [plan for plan in variants if all(advice.fixes and not advice.grade for advice in plan)]
            yield from made(view, first if artifact is artifacts[0] else first[:2])
            if artifact is artifacts[0]:
                later += [(view, plan) for plan in variants if plan not in first]
        for view, plan in later:
            yield from made(view, [plan])
