"""Calls without a whole answer: each kind of fault, never recorded, forgotten once a retry is answered."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing, suppress
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import Answer, LLMServer, failed
from support.provider_faults import FAULTS, FURTHER_FAULTS, TEXT, Fault

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.core.evaluation import ItemResult, Outage
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.core.unanswered import Unanswered, unanswered_in

EVERY = {**FAULTS, **FURTHER_FAULTS}
MESSAGES: Any = [{"role": "user", "content": "Where does this go?"}]


def _client(url: str, **settings: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="sk-test", timeout=0.3, **{"max_retries": 0, **settings})


def _ask(client: openai.OpenAI, *, stream: bool = False) -> str | None:
    """As pipelines do that take whatever comes: what goes wrong is swallowed."""
    with suppress(Exception):
        answer = client.chat.completions.create(model="gpt-test", messages=MESSAGES, stream=stream)
        if isinstance(answer, openai.Stream):
            return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
        return answer.choices[0].message.content
    return None


def _unanswered(lab: Lab) -> list[Unanswered]:
    return unanswered_in(lab.recorder.trace())


def _recorded(lab: Lab) -> int:
    with closing(AnswerCache(lab.folder)) as cache:
        return len(cache)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", EVERY.values(), ids=EVERY.keys())
def test_a_fault_is_no_answer_and_is_not_recorded(
    fault: Fault, stream: bool, server: LLMServer, lab: Lab
) -> None:
    server.respond = lambda request: fault.reply(request.body)
    lab.run(lambda: _ask(_client(server.base_url), stream=stream))
    found = _unanswered(lab)
    assert len(found) == 1
    assert found[0].reason == fault.reason
    assert not found[0].rejected
    assert _recorded(lab) == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", EVERY.values(), ids=EVERY.keys())
def test_a_retry_that_is_answered_counts_as_an_answer(
    fault: Fault, stream: bool, server: LLMServer, lab: Lab
) -> None:
    good = Answer(chunks=shapes.chat_stream(TEXT)) if stream else Answer(body=shapes.chat(TEXT))
    server.script(fault.reply({"stream": stream}), good)
    client = _client(server.base_url)
    lab.run(lambda: [_ask(client, stream=stream), _ask(client, stream=stream)])
    assert len(lab.calls) == 2
    assert _unanswered(lab) == []
    assert _recorded(lab) == 1


def test_the_sdk_s_own_retries_count_as_well(server: LLMServer, lab: Lab) -> None:
    server.script(failed(503, retry_after=0.01), failed(429, retry_after=0.01), shapes.chat(TEXT))
    assert lab.run(lambda: _ask(_client(server.base_url, max_retries=2))) == TEXT
    assert _unanswered(lab) == []


@pytest.mark.parametrize(
    ("events", "whole"),
    [(shapes.message_stream(last=True), True), (shapes.message_stream(last=False), False)],
)
def test_an_anthropic_stream_needs_its_last_event(
    events: list[bytes], whole: bool, server: LLMServer, lab: Lab
) -> None:
    server.respond = lambda request: events
    client = anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0)

    def ask() -> str:
        with client.messages.stream(model="claude-test", max_tokens=9, messages=MESSAGES) as stream:
            return "".join(stream.text_stream)

    with suppress(Exception):
        lab.run(ask)
    assert [each.reason for each in _unanswered(lab)] == ([] if whole else ["answer cut off"])


def _refusing_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://nowhere.invalid/v1", "host not found"),
        (f"http://127.0.0.1:{_refusing_port()}/v1", "connection refused"),
    ],
    ids=["host not found", "connection refused"],
)
def test_a_connection_that_never_came_about(url: str, reason: str, lab: Lab) -> None:
    lab.run(lambda: _ask(_client(url)))
    assert [each.reason for each in _unanswered(lab)] == [reason]


def test_a_tls_connection_to_what_speaks_no_tls(server: LLMServer, lab: Lab) -> None:
    lab.run(lambda: _ask(_client(server.base_url.replace("http:", "https:"))))
    assert [each.reason for each in _unanswered(lab)] == ["TLS error"]


@pytest.mark.parametrize(("status", "rejected"), [(401, True), (403, True), (404, True), (402, True)])
def test_a_rejected_key_or_model_is_told_from_an_outage(
    status: int, rejected: bool, server: LLMServer, lab: Lab
) -> None:
    server.respond = lambda request: failed(status, message="no such model gpt-test")
    lab.run(lambda: _ask(_client(server.base_url)))
    (found,) = _unanswered(lab)
    assert (found.reason, found.rejected) == (f"HTTP {status}", rejected)
    assert "no such model gpt-test" in found.message


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_is_refused_as_malformed_was_answered(
    status: int, server: LLMServer, lab: Lab
) -> None:
    server.respond = lambda request: failed(status, message="context length exceeded")
    lab.run(lambda: _ask(_client(server.base_url)))
    assert _unanswered(lab) == []


def test_credit_that_is_used_up_is_no_malformed_request(server: LLMServer, lab: Lab) -> None:
    server.respond = lambda request: failed(400, message="Your credit balance is too low to access it")
    lab.run(lambda: _ask(_client(server.base_url)))
    assert [each.rejected for each in _unanswered(lab)] == [True]


def test_a_redirect_is_followed_to_its_answer(server: LLMServer, lab: Lab) -> None:
    moved = Answer(status=307, body=b"", headers={"location": f"{server.url}/v2/chat/completions"})
    client = _client(server.base_url, http_client=httpx2.Client(follow_redirects=True))
    server.script(moved, FAULTS["web page"].answer)
    lab.run(lambda: _ask(client))
    assert _unanswered(lab)
    server.script(moved, shapes.chat(TEXT))
    assert lab.run(lambda: _ask(client)) == TEXT
    assert _unanswered(lab) == []


# --- calls that the pipeline itself gave up ---------------------------------------------------------------


async def _hedged(client: openai.AsyncOpenAI) -> str | None:
    """The same question to two models; the first answer is taken."""
    tasks = [
        asyncio.create_task(client.chat.completions.create(model=model, messages=MESSAGES))
        for model in ("fast", "slow")
    ]
    done, late = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return next(iter(done)).result().choices[0].message.content


def test_the_loser_of_a_race_is_no_outage(server: LLMServer, lab: Lab) -> None:
    server.respond = lambda request: Answer(
        body=shapes.chat(TEXT), delay=0.0 if request.body["model"] == "fast" else 0.5
    )

    async def main() -> str | None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
            return await _hedged(client)

    assert lab.run(lambda: asyncio.run(main())) == TEXT
    assert len(lab.calls) == 2
    assert _unanswered(lab) == []


def test_a_call_that_its_pipeline_cancels_for_being_late_is_a_time_out(server: LLMServer, lab: Lab) -> None:
    server.respond = lambda request: Answer(body=shapes.chat(TEXT), delay=0.5)

    async def main() -> str:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
            call = client.chat.completions.create(model="gpt-test", messages=MESSAGES)
            try:
                await asyncio.wait_for(call, 0.1)
            except asyncio.TimeoutError:
                return "a fallback"
        return ""

    assert lab.run(lambda: asyncio.run(main())) == "a fallback"
    assert [each.reason for each in _unanswered(lab)] == ["time-out"]


def test_a_caller_that_has_read_enough_of_a_stream_has_its_answer(server: LLMServer, lab: Lab) -> None:
    server.respond = lambda request: shapes.chat_stream("a|b|c|d")

    def first_word() -> str | None:
        stream = _client(server.base_url).chat.completions.create(
            model="gpt-test", messages=MESSAGES, stream=True
        )
        with stream:
            return next(iter(stream)).choices[0].delta.content

    lab.run(first_word)
    assert _unanswered(lab) == []


def _trace(error: str | None, *calls: LLMCall) -> Trace:
    return Trace(pipeline="p", case_id="c", error=error, duration=4.0, llm_calls=list(calls))


@pytest.mark.parametrize(
    ("error", "duration", "counts"),
    [
        ("TimeoutError: case 'c' took longer than 4 s", 3.9, True),
        ("TimeoutError: case 'c' took longer than 4 s", 0.2, False),  # it was not this call that took long
        ("ValueError: no label", 3.9, False),
        (None, 3.9, False),  # left running in the background
    ],
)
def test_a_call_under_way_counts_where_it_used_up_the_time(
    error: str | None, duration: float, counts: bool
) -> None:
    call = LLMCall(key="k", api="chat.completions", url="http://x", start=0.1, duration=duration)
    assert bool(unanswered_in(_trace(error, call))) is counts


def test_what_was_not_sent_on_purpose_has_words_of_its_own() -> None:
    calls = [
        LLMCall(key=kind, api="messages", url="http://x", error=f"{kind}: not sent")
        for kind in ("CacheMiss", "BudgetExceeded", "RunEnded")
    ]
    assert unanswered_in(_trace(None, *calls)) == []


# --- in words ---------------------------------------------------------------------------------------------


def _item(number: int, *reasons: str, test: str = "test_a", rejected: bool = False) -> ItemResult:
    return ItemResult(
        nodeid=f"t.py::{test}[c{number}]",
        outcome="failed",
        case_id=f"c{number}",
        pipeline="pipeline",
        unanswered=[Unanswered(reason=reason, message=f"{reason}!", rejected=rejected) for reason in reasons],
    )


def test_the_summary_counts_cases_and_not_their_tests() -> None:
    items = [_item(number, "HTTP 500", test=test) for number in range(16) for test in ("test_a", "test_b")]
    outage = Outage([*items, _item(99)])
    assert outage.summary == "16 cases got no answer from the model (HTTP 500 x16)"
    assert outage.sentence == f"{outage.summary}: HTTP 500!"
    assert len(outage.nodeids) == 32
    assert not outage.rejected


def test_the_summary_names_every_reason_and_a_rejected_key_first() -> None:
    items = [_item(1, "time-out"), _item(2, "time-out"), _item(3, "HTTP 401", rejected=True)]
    outage = Outage(items)
    assert outage.summary == "3 cases got no answer from the model (time-out x2, HTTP 401 x1)"
    assert outage.rejected
    assert outage.message == "HTTP 401!"
    assert Outage([_item(1)]).summary == "0 cases got no answer from the model ()"
    assert not Outage([_item(1)])
    assert not items[0].counts
