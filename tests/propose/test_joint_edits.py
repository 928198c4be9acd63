"""Edits of several steps at once, quoted examples, and repair."""

from __future__ import annotations

from typing import Any

import pytest
from support.handmade import Bench, prompt_file, span, unequal

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.evidence import Evidence, EvidenceCase, Repair
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.propose.playbook.playbook import Playbook

SORT = prompt_file("prompts/sort.md", "Which team gets this mail?\n\n{mail}\n")
TONE = prompt_file("prompts/tone.md", "Which tone does this letter have?\n\n{mail}\n")
WORDS = {"refund": "money back please", "delivery": "parcel not arrived", "billing": "charged invoice twice"}
TONES = {"refund": "calm", "delivery": "angry", "billing": "calm"}


def _two_steps() -> Evidence:
    """Every case needs the right form of two steps."""
    bench = Bench()
    for number in range(12):
        label = sorted(WORDS)[number % 3]
        good = number >= 6
        team = label if good else f"I think {label.title()}."
        tone = TONES[label] if good else f"It sounds {TONES[label].title()} to me."
        mail = f"{WORDS[label]} {number}"
        spans = [
            span("sort", prompt=SORT.text.format(mail=mail), answer=team, inputs={"mail": mail}),
            span("tone", prompt=TONE.text.format(mail=mail), answer=tone, inputs={"mail": mail}),
        ]
        expected = {"team": label, "tone": TONES[label]}
        given = {"team": team, "tone": tone}
        explanation = "" if good else unequal(given, expected)
        bench.run({"mail": mail}, expected, spans, given, explanation=explanation)
    cluster = diagnose(bench.evaluation, artifacts=[SORT, TONE]).clusters[0]
    steps = {"sort": SORT.address, "tone": TONE.address}

    def about(step: str) -> Any:
        other = next(name for name in steps if name != step)
        findings = [each.model_copy(update={"step": step, "also": [other]}) for each in cluster.findings]
        changes = {
            "step": step,
            "artifacts": [steps[step]],
            "findings": findings,
            "also": [other],
            "field": "",
        }
        return cluster.model_copy(update=changes)

    return bench.evidence(about("sort"), [SORT, TONE], together=[about("tone")])


def test_steps_that_fail_together_are_edited_together() -> None:
    evidence = _two_steps()
    proposals = list(Playbook().propose(evidence))
    first = proposals[0]
    assert [edit.address for edit in first.edits] == [SORT.address, TONE.address]
    assert first.technique.startswith("joint: label set")
    assert "in tone, label set" in first.technique
    assert "billing, delivery or refund" in first.edits[0].after
    assert "calm or angry" in first.edits[1].after
    assert (first.step, first.cluster, first.targets) == ("sort", "k1", evidence.cluster.nodeids)
    assert len({candidate.digest for candidate in proposals}) == len(proposals)


def test_alone_a_step_is_edited_alone() -> None:
    evidence = _two_steps().model_copy(update={"together": []})
    assert all(len(candidate.edits) == 1 for candidate in Playbook().propose(evidence))


def _confusing(**more: Any) -> Evidence:
    bench = Bench()
    for number in range(18):
        label = sorted(WORDS)[number % 3]
        answer = "refund" if number in (0, 1, 3, 4) else label
        mail = f"{WORDS[label]} {number}" + (" and so on" * 60 if number == 6 else "")
        spans = [span("sort", prompt=SORT.text.format(mail=mail), answer=answer)]
        explanation = "" if answer == label else unequal(answer, label)
        bench.run({"mail": mail}, {"team": label}, spans, {"team": answer}, explanation=explanation)
    cluster = diagnose(bench.evaluation, artifacts=[SORT]).clusters[0]
    return bench.evidence(cluster, [SORT], **more)


def _all(evidence: Evidence) -> list[Candidate]:
    """Return the candidates that come when nothing helps."""
    from pytest_fapo.core.candidate import Attempt, Review, Verdict

    memory: list[Attempt] = []
    for _ in range(20):
        found = list(Playbook().propose(evidence.model_copy(update={"memory": memory})))
        if not found:
            break
        verdict = Verdict(accepted=False, reason="no gain", stage="targeted")
        memory += [Attempt(candidate=each, review=Review(), verdict=verdict) for each in found]
    return [attempt.candidate for attempt in memory]


def test_quoted_examples_come_last_and_only_where_they_are_allowed() -> None:
    for mode in ("made", "off"):
        assert not any(each.demonstrations for each in _all(_confusing(demonstrations=mode)))
    evidence = _confusing(demonstrations="train", max_demonstrations=5)
    found = _all(evidence)
    quoting = [each for each in found if each.demonstrations]
    assert found[-len(quoting) :] == quoting
    assert [len(each.demonstrations) for each in quoting] == [5, 3]


def test_examples_cover_labels_and_confusions_and_do_not_count_as_fixed() -> None:
    evidence = _confusing(demonstrations="train", max_demonstrations=5)
    largest = next(each for each in _all(evidence) if each.demonstrations)
    by_id = {case.case.id: case for case in evidence.cases}
    quoted = [by_id[name] for name in largest.demonstrations]
    labels = {case.case.expected["team"] for case in quoted if isinstance(case.case.expected, dict)}
    assert labels == set(WORDS)
    failing = [case for case in quoted if not case.passed]
    assert 1 <= len(failing) <= 2
    assert not {case.nodeid for case in quoted} & set(largest.targets)
    lines = [line for line in largest.edits[0].after.splitlines() if " → " in line]
    assert len(lines) == 5
    assert "c7" not in largest.demonstrations  # too long to be quoted
    for case in quoted:
        assert f"- {case.case.inputs['mail']} → {case.case.expected['team']}" in lines


def _broken(case: EvidenceCase, answer: str) -> EvidenceCase:
    trace = case.trace
    assert trace is not None
    calls = [call.model_copy(update={"answer": answer}) for call in trace.llm_calls]
    return case.model_copy(update={"passed": False, "trace": trace.model_copy(update={"llm_calls": calls})})


def _repair(rules: str, answer: str) -> Candidate | None:
    evidence = _confusing()
    edit = {"address": SORT.address, "before": SORT.text, "after": f"{SORT.text}\n{rules}\n"}
    candidate = next(iter(Playbook().propose(evidence))).model_copy(update={"id": "c7"})
    candidate = Candidate.model_validate({**candidate.model_dump(), "edits": [edit]})
    passing = next(case for case in evidence.cases if case.passed and "parcel" in str(case.case.inputs))
    return Playbook().repair(Repair(candidate=candidate, broken=[_broken(passing, answer)]), evidence)


def test_the_words_that_broke_a_case_are_taken_out_of_their_rule() -> None:
    found = _repair("- refund: the mail mentions money, parcel, back\n- billing: invoice", "refund")
    assert found is not None
    assert found.edits[0].after.endswith("- refund: the mail mentions money, back\n- billing: invoice\n")
    assert (found.repairs, found.id) == ("c7", "")


def test_a_rule_that_is_nothing_but_the_harm_goes() -> None:
    found = _repair("- refund: parcel\n- billing: invoice, charged", "refund")
    assert found is not None
    assert found.edits[0].after.endswith("\n\n- billing: invoice, charged\n")


@pytest.mark.parametrize(
    ("rules", "answer"),
    [
        ("- refund: parcel", "refund"),
        ("- refund: money\n- billing: invoice", "refund"),
        ("- refund: parcel\n- delivery: arrived, parcel", "billing"),
    ],
    ids=["nothing would be left", "no rule in the case's words", "several may be it"],
)
def test_no_repair_where_the_culprit_cannot_be_told(rules: str, answer: str) -> None:
    assert _repair(rules, answer) is None


def test_what_breaks_on_val_alone_is_not_guessed() -> None:
    evidence = _confusing()
    candidate = next(iter(Playbook().propose(evidence)))
    assert Playbook().repair(Repair(candidate=candidate, broken=[], broken_val=2), evidence) is None
