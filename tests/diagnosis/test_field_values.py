"""Attribution by the expected fields: labels, forms, extracted values, upstream causes."""

from __future__ import annotations

import json

from support.handmade import Bench, lacks, span, unequal

from pytest_fapo.core.diagnosis import Diagnosis
from pytest_fapo.diagnosis.attribution import diagnose

LABELS = ("refund", "shipping", "billing")


def _classify(bench: Bench, text: str, expected: str, answer: str) -> None:
    explanation = "" if answer == expected else unequal(answer, expected)
    bench.run(
        {"text": text},
        expected,
        [span("classify", prompt=f"Sort this mail: {text}", answer=answer)],
        answer,
        explanation=explanation,
    )


def _siblings(bench: Bench) -> None:
    for number in range(3):
        for label in LABELS:
            _classify(bench, f"mail {number} about {label}", label, label)


def _only(diagnosis: Diagnosis) -> tuple[str, str, str, str]:
    assert len(diagnosis.clusters) == 1, [cluster.label for cluster in diagnosis.clusters]
    cluster = diagnosis.clusters[0]
    return cluster.step, cluster.category, cluster.level, cluster.field


def test_right_label_in_a_sentence_is_a_matter_of_form() -> None:
    bench = Bench()
    _siblings(bench)
    _classify(bench, "money back", "refund", "The category is **Refund**.")
    _classify(bench, "money again", "refund", "Refund")
    assert _only(diagnose(bench.evaluation, artifacts=[])) == ("classify", "format", "prompt", "")


def test_wrong_label_of_a_closed_set() -> None:
    bench = Bench()
    _siblings(bench)
    _classify(bench, "money back", "refund", "billing")
    diagnosis = diagnose(bench.evaluation, artifacts=[])
    assert _only(diagnosis) == ("classify", "label", "prompt", "")
    finding = diagnosis.findings[0]
    assert (finding.expected, finding.actual) == ("refund", "billing")
    assert "'billing'" in finding.evidence
    assert "'refund'" in finding.evidence


def test_a_label_outside_of_the_set_and_not_the_expected_one_is_a_label_failure() -> None:
    bench = Bench()
    _siblings(bench)
    _classify(bench, "money back", "refund", "complaint")
    assert _only(diagnose(bench.evaluation, artifacts=[]))[1] == "label"


def test_findings_are_about_the_asked_split_only() -> None:
    bench = Bench()
    _siblings(bench)
    bench.run("x", "refund", [span("classify", prompt="p", answer="no")], "no", explanation="no", split="val")
    assert diagnose(bench.evaluation, artifacts=[]).findings == []
    assert len(diagnose(bench.evaluation, artifacts=[], split=None).findings) == 1


def _desk(
    bench: Bench, text: str, team: str, told: str, reply: str, explanation: str = "", **more: object
) -> None:
    expected = {"team": team, "must_include": [f"the {team} form"]}
    output = {"team": told, "reply": reply}
    bench.run(
        {"text": text},
        expected,
        [
            span("answer", output),
            span("triage", told, prompt=f"Which team? {text}", answer=told, parent="answer"),
            span(
                "draft",
                prompt=f"Write for {told}: {text}",
                answer=reply,
                inputs={"team": told},
                parent="answer",
            ),
        ],
        output,
        explanation=explanation,
        test=str(more.get("test", "test_it.py::test_team")),
    )


def _desk_siblings(bench: Bench) -> None:
    for number in range(3):
        for label in LABELS:
            _desk(bench, f"mail {number}", label, label, f"Please fill in the {label} form, thank you.")


def test_the_earliest_wrong_step_is_blamed_not_the_function_around_it() -> None:
    bench = Bench()
    _desk_siblings(bench)
    _desk(bench, "money", "refund", "billing", "Fill in the billing form.", unequal("billing", "refund"))
    assert _only(diagnose(bench.evaluation, artifacts=[])) == ("triage", "label", "prompt", "team")


def test_a_lacking_phrase_after_a_wrong_label_is_blamed_on_the_label() -> None:
    bench = Bench()
    _desk_siblings(bench)
    reply = "Fill in the billing form."
    _desk(bench, "money", "refund", "billing", reply, lacks("the refund form", reply))
    diagnosis = diagnose(bench.evaluation, artifacts=[])
    assert _only(diagnosis) == ("triage", "label", "prompt", "team")
    assert "draft went on with it" in diagnosis.findings[0].evidence


def test_a_lacking_phrase_after_a_right_label_is_blamed_on_the_writer() -> None:
    bench = Bench()
    _desk_siblings(bench)
    reply = "Dear customer, thank you. " * 20
    _desk(bench, "money", "refund", "refund", reply, lacks("the refund form", reply))
    diagnosis = diagnose(bench.evaluation, artifacts=[])
    assert _only(diagnosis) == ("draft", "requirement", "prompt", "must_include")
    assert diagnosis.findings[0].expected == "the refund form"


def test_a_value_made_up_where_the_input_has_none() -> None:
    bench = Bench()
    for number in range(4):
        value = f"A-{number}"
        answer = json.dumps({"order": value})
        bench.run(
            {"text": f"about {value}"},
            {"order": value},
            [span("extract", prompt="p", answer=answer)],
            {"order": value},
        )
    bench.run(
        {"text": "no number"},
        {"order": None},
        [span("extract", prompt="p", answer='{"order": "A-1"}')],
        {"order": "A-1"},
        explanation="AssertionError: assert 'A-1' is None",
    )
    assert _only(diagnose(bench.evaluation, artifacts=[])) == ("extract", "missing-input", "prompt", "order")


def test_a_date_in_another_spelling_is_a_matter_of_form() -> None:
    bench = Bench()
    for day in range(1, 5):
        told = json.dumps({"due": f"2025-03-0{day}"})
        bench.run(
            {"text": "x"},
            {"due": f"2025-03-0{day}"},
            [span("extract", prompt="p", answer=told)],
            json.loads(told),
        )
    bench.run(
        {"text": "x"},
        {"due": "2025-03-09"},
        [span("extract", prompt="p", answer='{"due": "9 March 2025"}')],
        {"due": "9 March 2025"},
        explanation=unequal("9 March 2025", "2025-03-09"),
    )
    assert _only(diagnose(bench.evaluation, artifacts=[])) == ("extract", "format", "prompt", "due")


def test_code_that_spoils_a_right_answer_is_no_matter_of_prompts() -> None:
    bench = Bench()
    for label in LABELS * 2:
        spans = [span("classify", prompt="p", answer=label), span("finish", {"team": label})]
        bench.run("x", {"team": label}, spans, {"team": label})
    spans = [span("classify", prompt="p", answer="refund"), span("finish", {"team": "other"})]
    bench.run("y", {"team": "refund"}, spans, {"team": "other"}, explanation=unequal("other", "refund"))
    assert _only(diagnose(bench.evaluation, artifacts=[])) == ("finish", "content", "structure", "team")


def test_code_that_could_not_read_a_right_answer_is_a_matter_of_form() -> None:
    bench = Bench()
    for label in LABELS * 2:
        spans = [span("classify", prompt="p", answer=label), span("parse", {"team": label})]
        bench.run("x", {"team": label}, spans, {"team": label})
    spans = [span("classify", prompt="p", answer="Team: Refund!"), span("parse", {"team": "other"})]
    bench.run("y", {"team": "refund"}, spans, {"team": "other"}, explanation=unequal("other", "refund"))
    assert _only(diagnose(bench.evaluation, artifacts=[])) == ("classify", "format", "prompt", "team")


def test_passages_that_lack_the_expected_document() -> None:
    bench = Bench()
    for number in range(4):
        docs = [{"id": f"D{number}", "text": "some words"}, {"id": "D9", "text": "other words"}]
        spans = [span("search", docs), span("reply", prompt=f"p{number}", answer="fine")]
        bench.run("question", {"doc": f"D{number}"}, spans, {"reply": "fine"})
    spans = [span("search", [{"id": "D9", "text": "other words"}]), span("reply", prompt="p", answer="bad")]
    bench.run(
        "question",
        {"doc": "D2"},
        spans,
        {"reply": "bad"},
        explanation="AssertionError: assert 'D2' in ['D9']",
    )
    assert _only(diagnose(bench.evaluation, artifacts=[]))[:3] == ("search", "retrieval", "param")


def test_passages_missed_because_of_a_wrong_label_are_the_labels_fault() -> None:
    bench = Bench()

    def add(label: str, told: str, docs: list[str], doc: str, explanation: str = "") -> None:
        spans = [
            span("triage", prompt="p", answer=told),
            span("search", docs, inputs={"section": told}),
            span("reply", prompt="q", answer="fine"),
        ]
        bench.run("question", {"team": label, "doc": doc}, spans, {"team": told}, explanation=explanation)

    for number in range(2):
        for label in LABELS:
            add(label, label, [f"{label}-{number}", f"{label}-7"], f"{label}-{number}")
    add(
        "refund",
        "billing",
        ["billing-1", "billing-7"],
        "refund-1",
        "AssertionError: assert 'refund-1' in ['billing-1']",
    )
    assert _only(diagnose(bench.evaluation, artifacts=[])) == ("triage", "label", "prompt", "team")


def test_the_ceiling_is_the_score_with_the_cluster_solved() -> None:
    bench = Bench()
    _siblings(bench)
    _classify(bench, "money back", "refund", "billing")
    cluster = diagnose(bench.evaluation, artifacts=[]).clusters[0]
    assert cluster.ceiling == 1.0
    assert cluster.suggested_fix.startswith("Define each label")


def test_a_text_that_says_the_number_is_never_equal_to_it() -> None:
    bench = Bench()
    for number in range(6):
        said = str(7 * number)
        steps = [span("count", prompt=f"How many? {number}", answer=said)]
        bench.run({"text": f"line {number}"}, 7 * number, steps, said, explanation=unequal(said, 7 * number))
    (cluster,) = diagnose(bench.evaluation, artifacts=[]).clusters
    assert (cluster.step, cluster.category, cluster.level) == ("count", "format", "structure")
    assert "Convert the value in the code" in cluster.suggested_fix


def test_a_number_in_quotes_in_json_is_left_to_the_prompt() -> None:
    bench = Bench()
    for number in range(6):
        given = {"count": str(number)}
        steps = [span("count", prompt=f"How many? {number}", answer=json.dumps(given))]
        bench.run(f"line {number}", {"count": number}, steps, given, explanation=unequal(str(number), number))
    assert _only(diagnose(bench.evaluation, artifacts=[]))[:3] == ("count", "format", "prompt")


def test_right_entries_in_another_order_are_told_from_wrong_ones() -> None:
    bench = Bench()
    for number in range(6):
        label, given = [f"a{number}", f"b{number}"], [f"b{number}", f"a{number}"]
        steps = [span("tag", prompt=f"Tags? {number}", answer=json.dumps(given))]
        bench.run(f"note {number}", label, steps, given, explanation=unequal(given, label))
    (cluster,) = diagnose(bench.evaluation, artifacts=[]).clusters
    assert (cluster.step, cluster.category, cluster.level) == ("tag", "format", "prompt")
    assert "in another order" in cluster.findings[0].evidence
    assert "compare sorted lists" in cluster.suggested_fix
