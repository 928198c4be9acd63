"""Requirements on the desk with real tickets: each case runs once, both tests look at the same run."""

from __future__ import annotations

import pytest_fapo as fapo


@fapo.cases("../cases/tickets.jsonl")
def test_record(case, run):
    record = run.output
    assert record["category"] == case.expected["category"]
    assert record["action"] == case.expected["action"]
    assert record["policy"] == case.expected["policy"]
    assert record["order"] == case.expected["order"]
    assert record["priority"] == case.expected["priority"]


@fapo.cases("../cases/tickets.jsonl")
def test_reply(case, run):
    reply = run.output["reply"]
    for phrase in case.expected["must_include"]:
        assert phrase in reply
    for phrase in case.expected["must_not_include"]:
        assert phrase not in reply
    assert len(reply.split()) <= case.expected["max_words"]
