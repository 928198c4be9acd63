"""A language model as proposer: through the real SDKs, with a model that answers well or wretchedly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.evidence import TRIAGE, TRIAGE_TEXT, an_attempt, an_evidence, an_item
from support.llm_server import Answer
from support.scripted_provider import chat, failure, message, scripted, tool_use, words_of

from pytest_fapo.commands.run_request import make_proposer
from pytest_fapo.core.candidate import Candidate, Edit, Review, ReviewProblem
from pytest_fapo.core.errors import BudgetExceeded, CacheMiss, ConfigError
from pytest_fapo.core.settings import Settings
from pytest_fapo.propose.proposer import ProposalFailed, Proposer

NEW = TRIAGE_TEXT + "Refund: the customer wants money back.\n"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-key")


def answer(text: str = NEW, address: str = TRIAGE, **more: Any) -> dict[str, Any]:
    base = {"hypothesis": "Refund is not defined.", "technique": "Define labels"}
    return {**base, "edits": [{"address": address, "text": text}], **more}


def said(value: Any) -> Answer:
    return chat(json.dumps(value))


def proposer(url: str, spec: str = "openai:m", *, calls: Any = None, **more: Any) -> Proposer:
    name = spec.partition(":")[0]
    base = f"{url}/v1" if name == "openai" else url
    settings = Settings.model_validate({"llm": {name: {"base_url": base}}, **more})
    if calls is None:
        return make_proposer(spec, settings=settings, root=Path())
    return make_proposer(spec, settings=settings, root=Path(), calls=calls)


def propose(*replies: Answer, evidence: Any = None, **more: Any) -> list[Candidate]:
    with scripted(*replies) as server:
        return list(proposer(server.url, **more).propose(evidence or an_evidence()))


def test_an_answer_becomes_a_candidate_on_the_parents_texts() -> None:
    with scripted(said(answer())) as server:
        one = proposer(server.url)
        one.check()
        (candidate,) = one.propose(an_evidence())
    assert one.name == "openai:m"
    assert candidate == Candidate(
        parent="c0",
        edits=[Edit(address=TRIAGE, before=TRIAGE_TEXT, after=NEW)],
        hypothesis="Refund is not defined.",
        proposer="openai:m",
        technique="define-labels",
        cluster="k1",
        step="triage",
        targets=["tests/test_desk.py::test_queue[case-1]", "tests/test_desk.py::test_queue[case-2]"],
    )
    asked = words_of(server.requests[0])
    assert "message number 1" in asked
    assert TRIAGE_TEXT in asked
    assert "case-1" not in asked


def test_anthropic_proposes_alike() -> None:
    (candidate,) = propose(message(tool_use(answer())), spec="anthropic:m")
    assert candidate.edits[0].after == NEW
    assert candidate.proposer == "anthropic:m"


@pytest.mark.parametrize(
    "text",
    [
        NEW.strip(),
        f"\n\n{NEW}\n\n",
        f"```\n{NEW}```",
        f"```markdown\n{NEW}\n```",
        NEW.replace("\n", "\r\n"),
        f"==== 0123abcd {TRIAGE}\n{NEW}\n==== 0123abcd end",
    ],
)
def test_white_space_and_fences_around_a_text_stay_as_they_were(text: str) -> None:
    assert propose(said(answer(text)))[0].edits[0].after == NEW


@pytest.mark.parametrize(
    "edits",
    [
        json.dumps([{"address": TRIAGE, "text": NEW}]),
        {"address": TRIAGE, "text": NEW},
        {TRIAGE: NEW},
        [{"address": f"`{TRIAGE}`", "text": NEW, "why": "x"}],
    ],
)
def test_the_usual_slips_of_small_models_are_read(edits: Any) -> None:
    assert propose(said({"edits": edits}))[0].edits[0].after == NEW


def test_unchanged_texts_are_left_out_beside_changed_ones() -> None:
    both = [{"address": TRIAGE, "text": NEW}, {"address": "app.py::DRAFT", "text": "Draft a reply."}]
    (candidate,) = propose(said(answer(edits=both)))
    assert [edit.address for edit in candidate.edits] == [TRIAGE]


# --- optimizers that answer wretchedly: what only the review can judge gets there as a candidate -----------


def test_leaks_dropped_placeholders_and_no_ops_are_left_to_the_review() -> None:
    leak = "Sort. If the message is 'message number 1', answer refund.\nMessage: {message}\n"
    dropped = "Sort the message into a queue.\n"
    for text in (leak, dropped, TRIAGE_TEXT):
        (candidate,) = propose(said(answer(text)))
        assert candidate.edits[0].after == text


@pytest.mark.parametrize("address", ["src/secrets.py", "../../etc/passwd", "/etc/passwd", "app.py::OTHER"])
def test_an_address_outside_the_evidence_is_a_candidate_for_the_review_to_block(address: str) -> None:
    (candidate,) = propose(said(answer("evil", address)))
    assert candidate.edits[0].model_dump() == {"address": address, "before": "", "after": "evil"}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (chat("I'd rather not."), "no JSON object"),
        (chat(""), "empty"),
        (chat("{}"), "no JSON object"),
        (said({"hypothesis": "x"}), "edits: Field required"),
        (said(answer("  \n")), "not an empty one"),
        (said(answer("Sort.\n[... the rest of the prompt is unchanged ...]\n")), "abbreviated"),
        (said({"edits": "nonsense"}), "edits: Input should be a valid list"),
        (chat("{" * 5_000), "no JSON object"),
        (chat(json.dumps(answer())[:50], finish="length"), "cut off"),
        (chat(None, refusal="no"), "refused"),
    ],
)
def test_garbage_is_asked_for_once_more_and_then_a_failed_attempt(reply: Answer, reason: str) -> None:
    with scripted(reply) as server:
        one = proposer(server.url)
        with pytest.raises(ProposalFailed) as failed:
            list(one.propose(an_evidence()))
        assert len(server.requests) == 2
    assert str(failed.value).startswith("openai:m gave no usable answer, also when asked again: ")
    assert reason in str(failed.value)
    assert (failed.value.proposer, failed.value.again) == ("openai:m", True)
    (candidate,) = propose(reply, said(answer()))
    assert candidate.edits[0].after == NEW


def test_the_second_question_says_what_was_wrong() -> None:
    with scripted(chat("well …"), said(answer())) as server:
        list(proposer(server.url).propose(an_evidence()))
    last = server.requests[1].body["messages"][-1]["content"]
    assert last.startswith("Your answer cannot be used: the answer holds no JSON object")


def test_no_edits_and_repeated_edits_are_failed_attempts() -> None:
    with pytest.raises(ProposalFailed, match="proposed no edit: The prompt is fine"):
        propose(said({"hypothesis": "The prompt\nis fine.", "edits": []}))
    with pytest.raises(ProposalFailed, match="proposed again what was tried before"):
        propose(said(answer()), evidence=an_evidence(memory=[an_attempt(NEW)]))


@pytest.mark.parametrize(("status", "again"), [(401, False), (429, True), (500, True)])
def test_a_failing_provider_is_a_failed_attempt(status: int, again: bool) -> None:
    with pytest.raises(ProposalFailed, match=f"HTTP {status}") as failed:
        propose(failure(status, "no"))
    assert failed.value.again is again


def test_a_hypothesis_is_one_bounded_line() -> None:
    (candidate,) = propose(said(answer(hypothesis="because\n" * 200, technique="!!")))
    assert "\n" not in candidate.hypothesis
    assert len(candidate.hypothesis) == 300
    assert candidate.technique == "rewrite"


# --- several candidates, revision, context ---------------------------------------------------------------


def test_several_candidates_come_from_one_request() -> None:
    three = {"proposals": [answer(), answer(), answer(TRIAGE_TEXT + "Think first.\n")]}
    with scripted(said(three)) as server:
        candidates = list(proposer(server.url, optimizer_candidates=3).propose(an_evidence()))
        assert len(server.requests) == 1
    assert [candidate.edits[0].after for candidate in candidates] == [NEW, TRIAGE_TEXT + "Think first.\n"]
    assert "Give 3 proposals" in words_of(server.requests[0])


BLOCKED = Review(problems=[ReviewProblem(check="leakage", message="copies a case", address=TRIAGE)])


def test_a_revision_sees_the_proposal_and_the_objection() -> None:
    with scripted(said(answer()), said(answer(TRIAGE_TEXT + "Better.\n"))) as server:
        one = proposer(server.url)
        (candidate,) = one.propose(an_evidence())
        revised = one.revise(candidate, BLOCKED, an_evidence())
    assert revised is not None
    assert revised.edits[0].before == TRIAGE_TEXT
    assert revised.edits[0].after == TRIAGE_TEXT + "Better.\n"
    question = words_of(server.requests[1])
    assert f"- blocked, leakage ({TRIAGE}): copies a case" in question
    assert "Refund: the customer wants money back." in question


def test_the_same_answer_again_is_no_revision() -> None:
    with scripted(said(answer())) as server:
        one = proposer(server.url)
        (candidate,) = one.propose(an_evidence())
        assert one.revise(candidate, BLOCKED, an_evidence()) is None
    with scripted(said({"edits": []})) as server:
        assert proposer(server.url).revise(candidate, BLOCKED, an_evidence()) is None


def test_the_model_is_called_inside_the_given_context_only() -> None:
    inside: list[str] = []

    @contextmanager
    def calls() -> Iterator[None]:
        inside.append("in")
        yield
        inside.append("out")

    with scripted(said(answer())) as server:
        candidates = proposer(server.url, calls=calls).propose(an_evidence())
        assert inside == []
        next(candidates)
        assert inside == ["in", "out"]


def test_a_cache_miss_is_a_failed_attempt_and_a_spent_budget_is_not() -> None:
    def refusing(error: BaseException) -> Any:
        @contextmanager
        def calls() -> Iterator[None]:
            raise error
            yield

        return calls

    miss = proposer("http://127.0.0.1:9", calls=refusing(CacheMiss("no recorded answer")))
    with pytest.raises(ProposalFailed, match="no recorded answer") as failed:
        list(miss.propose(an_evidence()))
    assert failed.value.again is False
    spent = proposer("http://127.0.0.1:9", calls=refusing(BudgetExceeded("spent", limit="--fapo-budget")))
    with pytest.raises(BudgetExceeded, match="spent"):
        list(spent.propose(an_evidence()))


def test_what_is_redacted_in_traces_is_not_sent_either() -> None:
    item = an_item(
        1,
        expected="refund",
        actual="billing",
        message="my IBAN is DE89 3704 and my key sk-test-key-123456789",
    )
    with scripted(said(answer())) as server:
        list(proposer(server.url, redact=[r"DE\d\d \d{4}"]).propose(an_evidence([(item, "billing")])))
    question = words_of(server.requests[0])
    assert "my IBAN is [redacted]" in question
    assert "sk-test-key" not in question


def test_equal_evidence_asks_the_same_question() -> None:
    with scripted(said(answer())) as server:
        list(proposer(server.url).propose(an_evidence()))
        list(proposer(server.url).propose(an_evidence()))
    assert server.requests[0].body == server.requests[1].body


def test_a_missing_key_is_found_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with scripted(said(answer())) as server:
        with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
            proposer(server.url).check()
        assert server.requests == []
