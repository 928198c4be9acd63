"""Edits of several steps' prompts at once, for cases that need all of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pytest_fapo.models import Candidate, Cluster, Evidence
from pytest_fapo.propose.playbook.history import History
from pytest_fapo.propose.playbook.plans import all_advice, distinct, made, plans, target_artifacts
from pytest_fapo.propose.playbook.step_labels import view_of

VARIANTS = 4
"""Combinations that are tried: of the best edits of each step, of the second best …"""


def joint(evidence: Evidence, history: History) -> Iterator[Candidate]:
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


def _best(evidence: Evidence, cluster: Cluster, history: History) -> list[Candidate]:
    """The candidates for one step alone, the richest first: a case that needs all steps needs them whole."""
    about = evidence.model_copy(update={"cluster": cluster})
    for artifact in target_artifacts(about):
        if history.inert(artifact.address):
            continue
        view = view_of(about, artifact)
        advice = history.adapted(all_advice(view), artifact)
        first = [each for each in advice if each.grade == 0 and each.mends] or advice[:1]
        whole = [distinct(first)] if first else []
        found = list(islice(made(view, [*whole, *plans(advice)]), VARIANTS))
        if found:
            return found
    return []


def _together(evidence: Evidence, chosen: list[Candidate]) -> Candidate:
    first, *others = chosen
    words = " and, ".join([first.technique, *(f"in {each.step}, {each.technique}" for each in others)])
    return first.model_copy(
        update={
            "edits": [edit for each in chosen for edit in each.edits],
            "technique": f"joint: {words}",
            "hypothesis": "Some cases need several steps mended. "
            + " ".join(each.hypothesis for each in chosen),
            "cluster": evidence.cluster.id,
            "step": evidence.cluster.step,
            "targets": evidence.cluster.nodeids,
        }
    )
