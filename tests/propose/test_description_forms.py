"""The form of a value goes into the description of the field or argument that the model fills."""

from __future__ import annotations

from typing import Any

from support.handmade import Bench, span, unequal

from pytest_fapo.core.candidate import Artifact, Candidate
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.propose.playbook.playbook import Playbook

PROMPT = Artifact(
    address="p.md", kind="file", level="prompt", path="p.md", text="Read the order.\n\n{mail}\n"
)


def _described(name: str, text: str) -> Artifact:
    return Artifact(
        address=f"app.py::{name}", kind="constant", level="prompt", path="app.py", name=name, text=text
    )


def _evidence(*artifacts: Artifact, sent: list[str], labels: list[str], given: list[str]) -> Evidence:
    bench = Bench()
    for number, (label, answer) in enumerate(zip(labels, given, strict=True)):
        mail = f"an order of somebody, number {number}"
        call: dict[str, Any] = {"descriptions": sent}
        said = f'{{"code": "{answer}"}}'
        spans = [span("read", {"code": answer}, prompt=PROMPT.text.format(mail=mail), answer=said, call=call)]
        explanation = "" if answer == label else unequal(answer, label)
        bench.run({"mail": mail}, {"code": label}, spans, {"code": answer}, explanation=explanation)
    cluster = diagnose(bench.evaluation, artifacts=[PROMPT]).clusters[0]
    return bench.evidence(cluster, [PROMPT, *artifacts])


def _described_edits(evidence: Evidence) -> list[Candidate]:
    return [each for each in Playbook().propose(evidence) if each.technique == "form in the description"]


CODES = ["ORD-1001", "ORD-2002", "ORD-3003", "ORD-4004"]
BARE = ["1001", "2002", "3003", "4004"]


def test_prefix_and_digits_of_labels_go_into_the_description_that_was_sent() -> None:
    field = _described("Order.code.description", "The order's code")
    other = _described("Order.name.description", "Who ordered")
    sent = ["The order's code", "Who ordered"]
    found = _described_edits(_evidence(field, other, sent=sent, labels=CODES, given=BARE))
    assert [each.edits[0].address for each in found] == [field.address]
    assert found[0].edits[0].after == (
        "The order's code. The bare identifier: the letters ORD, a hyphen, 4 digits, such as ORD-1234."
    )
    assert found[0].targets


def test_a_closed_set_is_listed() -> None:
    field = _described("read(code).annotation", "The code.")
    labels = ["red", "blue", "red", "blue"]
    found = _described_edits(_evidence(field, sent=["The code."], labels=labels, given=["r", "b", "r", "b"]))
    assert found[0].edits[0].after == "The code. Exactly one of blue or red."


def test_descriptions_that_no_call_carried_are_left_alone() -> None:
    field = _described("Order.code.description", "The order's code")
    assert _described_edits(_evidence(field, sent=[], labels=CODES, given=BARE)) == []
    told = field.model_copy(update={"text": "The order's code."})
    free = ["anything", "something else", "what comes", "nothing of a form"]
    assert _described_edits(_evidence(told, sent=[told.text], labels=free, given=BARE)) == []
