"""The playbook learns from earlier attempts."""

from __future__ import annotations

import pytest
from support.handmade import Bench, prompt_file, span, unequal

from pytest_fapo.core.candidate import Attempt, Candidate, Review, ReviewProblem, Verdict
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.propose.playbook.playbook import Playbook

PROMPT = prompt_file("classify.txt", "Which team gets this mail: refund, delivery or billing?")
OTHER = prompt_file("draft.txt", "Write a reply to the mail of our customer.")
WORDS = {"refund": "money back please", "delivery": "parcel not arrived", "billing": "charged invoice twice"}


def _bench() -> Bench:
    """A classifier that confuses labels and words them badly, and a writer after it."""
    bench = Bench()
    for number in range(12):
        label = sorted(WORDS)[number % 3]
        answer = "refund" if number in (0, 1) else f"Team {label}!" if number in (3, 4) else label
        spans = [
            span("classify", prompt=PROMPT.text, answer=answer),
            span("draft", prompt=OTHER.text, answer="Hello."),
        ]
        explanation = "" if answer == label else unequal(answer, label)
        bench.run(
            {"mail": f"{WORDS[label]} {number}"}, {"team": label}, spans, answer, explanation=explanation
        )
    return bench


def _evidence(memory: list[Attempt] | None = None, category: str = "label", parent: str = "") -> Evidence:
    bench = _bench()
    clusters = diagnose(bench.evaluation, artifacts=[PROMPT, OTHER]).clusters
    cluster = next(cluster for cluster in clusters if cluster.category == category)
    return bench.evidence(cluster, [PROMPT, OTHER], memory=memory or [], parent=parent)


def _attempt(candidate: Candidate, **verdict: object) -> Attempt:
    judged = Verdict.model_validate({"accepted": False, "reason": "no gain", "stage": "targeted"} | verdict)
    return Attempt(candidate=candidate, review=Review(), verdict=judged)


def _techniques(evidence: Evidence) -> list[str]:
    return [candidate.technique for candidate in Playbook().propose(evidence)]


def test_what_was_tried_is_not_proposed_again_and_it_comes_to_an_end() -> None:
    memory: list[Attempt] = []
    for _ in range(10):
        proposals = list(Playbook().propose(_evidence(memory)))
        assert not {candidate.digest for candidate in proposals} & {
            tried.candidate.digest for tried in memory
        }
        memory += [_attempt(candidate) for candidate in proposals]
    assert proposals == []
    assert len(memory) >= 5


def test_an_artifact_that_no_test_reads_is_left_alone() -> None:
    first = next(iter(Playbook().propose(_evidence())))
    memory = [_attempt(first, inert=True)]
    assert _techniques(_evidence(memory)) == []


def test_rules_that_broke_a_case_are_not_tried_on_the_next_tree() -> None:
    first = next(iter(Playbook().propose(_evidence())))
    memory = [_attempt(first, broken=["test_it.py::test_case[c6]"])]
    assert first.technique in _techniques(_evidence(parent="c9"))
    proposals = list(Playbook().propose(_evidence(memory, parent="c9")))
    assert first.edits[0].after not in [candidate.edits[0].after for candidate in proposals]


@pytest.mark.parametrize(
    "verdict",
    [
        {"broken": ["test_prompts.py::test_budget"]},
        {"stage": "suite", "reason": "broke what passed before: test_prompts.py::test_budget"},
    ],
)
def test_texts_too_long_for_a_unit_test_are_followed_by_shorter_ones(verdict: dict[str, object]) -> None:
    first = next(iter(Playbook().propose(_evidence())))
    memory = [_attempt(first, **verdict)]
    lengths = [
        len(edit.after) for candidate in Playbook().propose(_evidence(memory)) for edit in candidate.edits
    ]
    assert lengths
    assert max(lengths) < len(first.edits[0].after)


def test_a_technique_that_failed_again_and_again_gets_one_try_per_tree() -> None:
    proposals = list(Playbook().propose(_evidence()))
    assert sum(candidate.technique.startswith("label definitions") for candidate in proposals) >= 3
    memory = [_attempt(candidate) for candidate in proposals[:3]]
    later = [
        name for name in _techniques(_evidence(memory, parent="c9")) if name.startswith("label definitions")
    ]
    assert len(later) == 1


def _blocked(message: str, address: str = PROMPT.address) -> Review:
    return Review(problems=[ReviewProblem(check="leakage", message=message, address=address)])


def test_a_blocked_rule_is_left_out() -> None:
    evidence = _evidence()
    candidate = next(iter(Playbook().propose(evidence)))
    revised = Playbook().revise(candidate, _blocked("the text 'parcel' is copied"), evidence)
    assert revised is not None
    assert "delivery: the mail mentions" not in revised.edits[0].after
    assert "billing: the mail mentions" in revised.edits[0].after


def test_a_block_without_a_quoted_rule_is_final() -> None:
    evidence = _evidence()
    candidate = next(iter(Playbook().propose(evidence)))
    assert Playbook().revise(candidate, _blocked("too long"), evidence) is None
    everything = _blocked("'the mail mentions things like' is copied")
    assert Playbook().revise(candidate, everything, evidence) is None
