"""The desk's own code, without a model."""

from __future__ import annotations

import json

import pytest
from desk import pipeline

RECORD = {
    "category": "refund",
    "action": "chase_payment",
    "policy": "RF-1",
    "order": None,
    "priority": "normal",
}


def test_a_record_is_parsed() -> None:
    assert pipeline.parse_record(json.dumps(RECORD)) == RECORD


def test_fields_that_nobody_asked_for_are_dropped() -> None:
    assert pipeline.parse_record(json.dumps({**RECORD, "mood": "sour"})) == RECORD


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Sure! Here it is: {}", "not JSON"),
        ("```json\n{}\n```", "not JSON"),
        ("[]", "not an object"),
        ('{"category": "refund"}', "lacks action, policy, order, priority"),
    ],
)
def test_a_record_that_cannot_be_read_is_an_error(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        pipeline.parse_record(text)


def test_the_four_steps_work_together(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["refund", "Dear customer, we are on it.", json.dumps(RECORD)])
    asked: list[str] = []

    def complete(user: str, *, system: str | None = None) -> str:
        asked.append(user)
        return next(answers)

    monkeypatch.setattr(pipeline, "complete", complete)
    result = pipeline.answer("I returned the kettle from KC-12345, where is my money?")
    assert result == {**RECORD, "reply": "Dear customer, we are on it."}
    assert len(asked) == 3
    assert "KC-12345" in asked[1]
    assert "[RF-" in asked[2]
