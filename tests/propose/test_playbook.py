"""The playbook's proposals for pipelines of several shapes pass the review."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.handmade import Bench, lacks, prompt_file, span, unequal

from pytest_fapo.core.candidate import Artifact, Candidate
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.settings import Settings
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.propose.playbook.playbook import Playbook
from pytest_fapo.review.static_review import review
from pytest_fapo.source.artifact_store import ArtifactStore

CLASSIFY = "Which team gets this mail: refund, delivery or other?\n\nMail: {text}"
REFUND = (
    "I want my money back for the pan",
    "please pay my money back",
    "the refund is still missing",
    "refund me",
)
DELIVERY = (
    "where is my parcel",
    "the courier lost my parcel",
    "no tracking for the parcel",
    "courier came too late",
)
OTHER = (
    "do you have a shop in Rome",
    "are you hiring cooks",
    "love your recipes",
    "which pan suits induction",
)


def _evidence(bench: Bench, *artifacts: Artifact, cluster: int = 0) -> Evidence:
    clusters = diagnose(bench.evaluation, artifacts=list(artifacts)).clusters
    return bench.evidence(clusters[cluster], list(artifacts))


def _proposals(evidence: Evidence) -> list[Candidate]:
    return list(Playbook().propose(evidence))


def _added(candidate: Candidate) -> list[str]:
    """The rules that a candidate adds."""
    before = candidate.edits[0].before.splitlines()
    return [line for line in candidate.edits[0].after.splitlines() if line not in before and line.strip()]


def _passes_review(tmp_path: Path, evidence: Evidence, candidates: list[Candidate]) -> None:
    for artifact in evidence.artifacts:
        path = tmp_path / artifact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artifact.text, encoding="utf-8")
    scope = Scope(prompts=[artifact.address for artifact in evidence.artifacts])
    settings = Settings(scope=scope)
    store = ArtifactStore(tmp_path, scope)
    cases = list({item.case.id: item.case for item in evidence.cases}.values())
    for candidate in candidates:
        checked = review(candidate, store=store, cases=cases, settings=settings)
        assert checked.verdict == "pass", (candidate.technique, checked.problems)


def _classifier(answers: dict[str, str] | None = None) -> Bench:
    bench = Bench()
    for label, texts in (("refund", REFUND), ("delivery", DELIVERY), ("other", OTHER)):
        for text in texts:
            answer = (answers or {}).get(text, label)
            explanation = "" if answer == label else unequal(answer, label)
            prompt = CLASSIFY.format(text=text)
            bench.run(
                {"text": text},
                {"team": label},
                [span("classify", prompt=prompt, answer=answer)],
                answer,
                explanation=explanation,
            )
    return bench


def test_a_label_in_a_sentence_leads_to_a_label_contract(tmp_path: Path) -> None:
    bench = _classifier(
        {REFUND[0]: "Team: **Refund**", DELIVERY[0]: "I would say delivery.", REFUND[1]: "Refund"}
    )
    evidence = _evidence(bench, prompt_file("prompts/classify.txt", CLASSIFY))
    proposals = _proposals(evidence)
    first = proposals[0]
    assert first.technique == "label set"
    assert _added(first) == [
        "Allowed answers:",
        "- Answer with exactly one of refund, delivery or other, spelled exactly like that, in lower case.",
        "- Write nothing else: no sentence, no explanation, no quotation marks, no punctuation.",
    ]
    assert first.edits[0].after.endswith("\n\nMail: {text}")
    assert set(first.targets) == set(evidence.cluster.nodeids)
    _passes_review(tmp_path, evidence, proposals)


def test_confused_labels_lead_to_definitions(tmp_path: Path) -> None:
    bench = _classifier({REFUND[0]: "delivery", REFUND[3]: "delivery", DELIVERY[3]: "refund"})
    evidence = _evidence(bench, prompt_file("prompts/classify.txt", CLASSIFY))
    proposals = _proposals(evidence)
    assert proposals[0].technique == "label definitions"
    rules = "\n".join(_added(proposals[0]))
    assert "- refund: the mail mentions things like" in rules
    assert "money back" in rules
    assert "courier, parcel" in rules
    assert "- other: everything else; choose it when none of the above fits." in rules
    assert not set(rules.split()) & {"Rome", "hiring"}
    _passes_review(tmp_path, evidence, proposals)


def test_a_constant_in_a_module_and_an_unlinked_prompt_are_found_by_name() -> None:
    bench = _classifier({REFUND[0]: "Refund!"})
    artifact = Artifact(
        address="app/texts.py::CLASSIFY_PROMPT", kind="constant", level="prompt", path="app/texts.py",
        name="CLASSIFY_PROMPT", text="Something else that was never sent in these words.",
    )  # fmt: skip
    other = artifact.model_copy(update={"address": "app/texts.py::DRAFT", "name": "DRAFT"})
    proposals = _proposals(_evidence(bench, other, artifact))
    assert {edit.address for candidate in proposals for edit in candidate.edits} == {artifact.address}


EXTRACT = "Extract order, due and amount as JSON.\n\n# Mail\n{mail}\n"


def _extractor(
    bench: Bench, mail: str, expected: dict[str, Any], answer: str, explanation: str = "", error: str = ""
) -> None:
    from pytest_fapo.diagnosis.loose_values import read_json

    reading = read_json(answer)
    spans = [
        span("extract", reading.value if reading else None, prompt=EXTRACT.format(mail=mail), answer=answer)
    ]
    kind = error.partition(":")[0]
    output = reading.value if reading else None
    bench.run(
        {"mail": mail},
        expected,
        spans,
        output,
        explanation=explanation or error,
        error=error or None,
        error_type=kind,
    )


def _invoices(spoil: Any) -> Bench:
    bench = Bench()
    for number in range(1, 9):
        order = f"AB-10{number}7" if number % 3 else None
        expected = {"order": order, "due": f"2031-0{number}-1{number}", "amount": 12.5 * number}
        about = f"order {order}" if order else "no number at all"
        mail = f"Hello, {about}, due on 1{number}.0{number}.2031, {12.5 * number} EUR"
        answer, explanation, error = spoil(number, expected)
        _extractor(bench, mail, expected, answer, explanation, error)
    return bench


def test_a_fenced_json_answer_leads_to_a_json_contract(tmp_path: Path) -> None:
    def spoil(number: int, expected: dict[str, Any]) -> tuple[str, str, str]:
        clean = json.dumps(expected)
        if number < 4:
            return f"Here you are:\n```json\n{clean}\n```", "", "JSONDecodeError: Expecting value: line 1"
        return clean, "", ""

    evidence = _evidence(_invoices(spoil), prompt_file("prompts/extract.md", EXTRACT))
    proposals = _proposals(evidence)
    assert proposals[0].technique == "JSON contract"
    rules = "\n".join(_added(proposals[0]))
    assert "one JSON object and nothing else: no code fence" in rules
    assert '"order", "due", "amount"' in rules
    assert '"amount" is a number.' in rules
    assert '"order" is a string, or null.' in rules
    text = proposals[0].edits[0].after
    assert text.index("Form of the JSON") < text.index("{mail}")
    proposals[0].edits[0].after.format(mail="x")
    _passes_review(tmp_path, evidence, proposals)


def test_dates_and_missing_values_lead_to_rules_of_form(tmp_path: Path) -> None:
    def spoil(number: int, expected: dict[str, Any]) -> tuple[str, str, str]:
        told = dict(expected)
        if number in (1, 2, 4):
            told["due"] = f"1{number}.0{number}.2031"
            return json.dumps(told), unequal(told["due"], expected["due"]), ""
        if number in (3, 6):
            told["order"] = "unknown"
            return json.dumps(told), "AssertionError: assert 'unknown' is None", ""
        return json.dumps(told), "", ""

    artifact = prompt_file("prompts/extract.md", EXTRACT)
    bench = _invoices(spoil)
    clusters = {
        cluster.field: cluster for cluster in diagnose(bench.evaluation, artifacts=[artifact]).clusters
    }
    assert set(clusters) == {"due", "order"}
    due = _proposals(bench.evidence(clusters["due"], [artifact]))
    assert any("YYYY-MM-DD" in line for line in _added(due[0]))
    order = _proposals(bench.evidence(clusters["order"], [artifact]))
    assert any('If the mail gives no order, "order" is null' in line for line in _added(order[0]))
    assert any("(the letters AB, a hyphen, 4 digits" in line for line in _added(order[0]))
    _passes_review(tmp_path, bench.evidence(clusters["order"], [artifact]), [*due, *order])


DRAFT = "Write a reply in the name of the {team} team.\n\nOrder number: {order}\n\n<mail>\n{mail}\n</mail>\n"


def _drafts() -> Bench:
    bench = Bench()
    for number in range(12):
        team = ("refund", "delivery")[number % 2]
        order = f"AB-{1000 + 37 * number}" if number % 3 else None
        must = [order] if order else ["order number"]
        if team == "refund":
            must.append("within 14 days")
        good = number >= 6
        reply = f"Hello, {' and '.join(must)}." if good else "Hello, we are on it."
        prompt = DRAFT.format(team=team, order=order or "(none)", mail=f"mail {number}")
        bench.run(
            {"mail": f"mail {number}", "order": order},
            {"team": team, "must_include": must, "must_not": ["by Friday"], "max_words": 60},
            [span("draft", prompt=prompt, answer=reply, inputs={"team": team, "order": order})],
            {"team": team, "reply": reply},
            explanation="" if good else lacks(must[0], reply),
        )
    return bench


def test_lacking_phrases_lead_to_what_the_text_must_contain(tmp_path: Path) -> None:
    evidence = _evidence(_drafts(), prompt_file("prompts/draft.md", DRAFT))
    proposals = _proposals(evidence)
    assert proposals[0].technique == "required content"
    rules = "\n".join(_added(proposals[0]))
    assert "Quote the order number in the text exactly as it is given, whenever there is one." in rules
    assert 'If the order number is missing, ask for it, in the words "order number".' in rules
    assert 'If the team is refund, include the words "within 14 days".' in rules
    proposals[0].edits[0].after.format(team="", order="", mail="")
    _passes_review(tmp_path, evidence, proposals)


def test_forbidden_words_and_lengths_of_hard_coded_assertions() -> None:
    bench = Bench()
    long = "Sorry for that, really. " * 20
    for number in range(6):
        reply = long if number < 2 else "Sorry about that." if number < 4 else "We are on it."
        explanation = ""
        if number < 2:
            explanation = f"AssertionError: assert 480 <= 200\n +  where 480 = len({long[:100]!r}...)"
        elif number < 4:
            explanation = f"AssertionError: assert 'Sorry' not in {reply!r}"
        bench.run(
            {"mail": f"m{number}"},
            None,
            [span("draft", prompt="Reply to the mail.", answer=reply)],
            reply,
            explanation=explanation,
        )
    artifact = prompt_file("draft.md", "Reply to the mail.")
    proposals = _proposals(_evidence(bench, artifact))
    lines = [_added(candidate) for candidate in proposals]
    assert any(
        "- The text has at most 200 characters; keep it shorter than that." in rules for rules in lines
    )
    assert any('- Never write any of these, in any sentence: "Sorry".' in rules for rules in lines)


def test_answers_from_passages_are_kept_short(tmp_path: Path) -> None:
    prompt = "Answer the question from the text.\n\nText: {text}\n\nQuestion: {question}"
    bench = Bench()
    towns = ("Paris", "Rome", "Bern", "Oslo", "Lima", "Cairo")
    for number, town in enumerate(towns):
        text, question = f"The office number {number} is in {town}.", f"Where is office {number}?"
        answer = f"The office is located in {town}, as the text says." if number < 3 else town
        asked = prompt.format(text=text, question=question)
        bench.run(
            {"text": text, "question": question}, {"answer": town},
            [span("search", [text]), span("reply", prompt=asked, answer=answer)],
            {"answer": answer}, explanation="" if answer == town else unequal(answer, town),
        )  # fmt: skip
    evidence = _evidence(bench, prompt_file("reply.md", prompt))
    assert (evidence.cluster.step, evidence.cluster.category) == ("reply", "format")
    proposals = _proposals(evidence)
    assert any("at most 1 word: no full sentence" in line for line in _added(proposals[0]))
    _passes_review(tmp_path, evidence, proposals)


def test_a_number_among_words_leads_to_a_rule_of_form() -> None:
    bench = Bench()
    for number in range(6):
        answer = f"There are {number + 3} people." if number < 3 else str(number + 3)
        error = f"ValueError: invalid literal for int() with base 10: {answer!r}" if number < 3 else None
        spans = [
            span("count", prompt="How many people?", answer=answer),
            span("parse", number + 3 if not error else None, error=error),
        ]
        bench.run(
            {"text": f"t{number}"},
            number + 3,
            spans,
            None if error else number + 3,
            explanation=error or "",
            error=error,
            error_type="ValueError" if error else "",
        )
    proposals = _proposals(_evidence(bench, prompt_file("count.md", "How many people?")))
    assert any("a whole number, in digits" in line for line in _added(proposals[0]))


def test_other_levels_and_unknown_steps_get_no_proposals() -> None:
    bench = _classifier({REFUND[0]: "Refund!"})
    evidence = _evidence(bench, prompt_file("a.md", "x"), prompt_file("b.md", "y"))
    assert _proposals(evidence) == []
    cluster = Cluster.model_validate(evidence.cluster.model_dump() | {"level": "structure"})
    assert _proposals(evidence.model_copy(update={"cluster": cluster})) == []


def test_proposals_are_the_same_every_time() -> None:
    bench = _classifier({REFUND[0]: "delivery", DELIVERY[3]: "refund", OTHER[0]: "Other."})
    evidence = _evidence(bench, prompt_file("prompts/classify.txt", CLASSIFY))
    first, second = _proposals(evidence), _proposals(evidence.model_copy(deep=True))
    assert [candidate.model_dump() for candidate in first] == [candidate.model_dump() for candidate in second]
    assert len({candidate.digest for candidate in first}) == len(first)


def test_a_table_and_a_threshold_lead_to_value_rules(tmp_path: Path) -> None:
    prompt = "Decide on the claim.\n\nAmount: {amount}\nKind: {kind}\n\nAnswer with pay, check or deny."
    bench = Bench()
    for number in range(18):
        kind = ("theft", "damage", "other")[number % 3]
        amount = 20 + 35 * number
        right = "deny" if kind == "other" else "check" if amount > 300 else "pay"
        answer = "pay" if number % 4 == 0 else right
        asked = prompt.format(amount=amount, kind=kind)
        bench.run(
            {"amount": amount, "kind": kind}, right, [span("decide", prompt=asked, answer=answer)], answer,
            explanation="" if answer == right else unequal(answer, right),
        )  # fmt: skip
    evidence = _evidence(bench, prompt_file("decide.md", prompt))
    proposals = _proposals(evidence)
    assert any(candidate.technique.startswith("value rules") for candidate in proposals)
    rules = "\n".join(
        line
        for candidate in proposals
        if candidate.technique == "value rules (variant 2)"
        for line in _added(candidate)
    )
    assert "If the kind is other, the answer is deny." in rules
    assert "the amount is more than 300" in rules
    _passes_review(tmp_path, evidence, proposals)
