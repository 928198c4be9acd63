"""Requests that are sent and those answered from the cache: modes, repeats, retries, budgets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anthropic
import httpx
import openai
import pytest
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import Answer, LLMServer, Received, failed

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.capture.exchange import optimizer_calls
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import BudgetExceeded, CacheMiss
from pytest_fapo.core.trace import LLMCall

KEY = "sk-test-0123456789abcdef"


def _client(server: LLMServer, **settings: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key=KEY, **settings)


def _asking(server: LLMServer, **settings: Any) -> Callable[[str], str | None]:
    client = _client(server, **settings)

    def ask(text: str) -> str | None:
        answer = client.chat.completions.create(
            model="gpt-test", messages=[{"role": "user", "content": text}]
        )
        return answer.choices[0].message.content

    return ask


def _numbered(server: LLMServer) -> Callable[[Received], Any]:
    return lambda request: shapes.chat(f"answer {server.count}")


def test_repeated_questions_of_one_case_stay_separate_samples(server: LLMServer, lab: Lab) -> None:
    server.respond = _numbered(server)
    ask = _asking(server)
    first = lab.run(lambda: [ask("roll a die") for _ in range(3)], "a")
    assert first == ["answer 1", "answer 2", "answer 3"]
    assert lab.run(lambda: [ask("roll a die") for _ in range(3)], "b") == first
    assert server.count == 3
    assert len({call.key for call in lab.calls}) == 3


def test_refresh_asks_each_question_anew_once(server: LLMServer, lab: Lab) -> None:
    server.respond = _numbered(server)
    ask = _asking(server)
    assert lab.run(lambda: ask("q")) == "answer 1"
    lab.capture("refresh")
    assert lab.run(lambda: ask("q")) == "answer 2"
    assert lab.run(lambda: ask("q")) == "answer 2"
    lab.capture("only")
    assert lab.run(lambda: ask("q")) == "answer 2"
    assert server.count == 2


def test_off_neither_reads_nor_writes_but_traces(server: LLMServer, lab: Lab) -> None:
    ask = _asking(server)
    lab.capture("off")
    lab.run(lambda: ask("q"))
    lab.run(lambda: ask("q"))
    assert server.count == 2
    assert (lab.calls[0].answer, lab.calls[0].cache_hit) == ("echo: q", False)
    assert not lab.folder.exists()


def test_without_a_cache_folder_calls_go_through(server: LLMServer, lab: Lab) -> None:
    ask = _asking(server)
    lab.capture("auto", cached=False)
    assert lab.run(lambda: ask("q")) == "echo: q"
    assert lab.run(lambda: ask("q")) == "echo: q"
    assert server.count == 2


MISSES: dict[str, Callable[[str, str], Any]] = {
    "openai": lambda v1, url: openai.OpenAI(base_url=v1, api_key=KEY).chat.completions.create(
        model="gpt-test", messages=[{"role": "user", "content": "Where is parcel 17?"}]
    ),
    "anthropic": lambda v1, url: anthropic.Anthropic(base_url=url, api_key=KEY).messages.create(
        model="gpt-test", max_tokens=9, messages=[{"role": "user", "content": "Where is parcel 17?"}]
    ),
    "openai-async": lambda v1, url: asyncio.run(
        openai.AsyncOpenAI(base_url=v1, api_key=KEY).responses.create(
            model="gpt-test", input="Where is parcel 17?"
        )
    ),
    "anthropic-async": lambda v1, url: asyncio.run(
        anthropic.AsyncAnthropic(base_url=url, api_key=KEY).messages.create(
            model="gpt-test", max_tokens=9, messages=[{"role": "user", "content": "Where is parcel 17?"}]
        )
    ),
}


@pytest.mark.parametrize("sdk", MISSES)
def test_a_miss_under_only_leaves_the_sdk_at_once(sdk: str, server: LLMServer, lab: Lab) -> None:
    lab.capture("only")
    with pytest.raises(CacheMiss, match=r"gpt-test.*Where is parcel 17\?"):
        lab.run(lambda: MISSES[sdk](server.base_url, server.url))
    assert server.count == 0
    (violation,) = lab.recorder.violations
    assert isinstance(violation, CacheMiss)
    assert len(lab.calls) == 1  # no retries
    assert "CacheMiss" in (lab.calls[0].error or "")


def test_a_swallowed_miss_stays_known(server: LLMServer, lab: Lab) -> None:
    lab.capture("only")

    async def careless() -> list[Any]:
        client = openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY)
        one = client.embeddings.create(model="e", input="x", encoding_format="float")
        return list(await asyncio.gather(one, return_exceptions=True))

    assert isinstance(lab.run(lambda: asyncio.run(careless()))[0], CacheMiss)
    assert len(lab.recorder.violations) == 1


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_retries_go_on_as_ever_and_are_not_kept(status: int, server: LLMServer, lab: Lab) -> None:
    server.script(failed(status, retry_after=0.01), failed(status, retry_after=0.01))
    ask = _asking(server)
    assert lab.run(lambda: ask("q")) == "echo: q"
    assert server.count == 3
    assert [call.status for call in lab.calls] == [status, status, 200]
    assert lab.calls[0].error == f"HTTP {status}: try later"
    (step,) = lab.steps  # the attempts are one step
    assert (step.llm_calls, step.output, step.error) == ([0, 1, 2], "echo: q", None)

    lab.capture("only")
    assert lab.run(lambda: ask("q")) == "echo: q"
    assert len(lab.calls) == 1


def test_anthropic_retries_too(server: LLMServer, lab: Lab) -> None:
    server.script(failed(529, retry_after=0.01))
    client = anthropic.Anthropic(base_url=server.url, api_key=KEY)
    messages: Any = [{"role": "user", "content": "q"}]
    answer = lab.run(lambda: client.messages.create(model="m", max_tokens=9, messages=messages))
    assert answer.content[0].text == "echo: q"
    assert [call.status for call in lab.calls] == [529, 200]


def test_an_error_reaches_the_caller_and_is_asked_again(server: LLMServer, lab: Lab) -> None:
    server.script(failed(400, message="bad prompt"))
    ask = _asking(server)
    with pytest.raises(openai.BadRequestError, match="bad prompt"):
        lab.run(lambda: ask("q"))
    assert lab.run(lambda: ask("q")) == "echo: q"
    assert server.count == 2


@pytest.mark.parametrize(
    "broken", [Answer(break_after=0), Answer(body=shapes.chat("x" * 5000), break_after=1)]
)
def test_a_broken_connection_is_retried_and_not_kept(broken: Answer, server: LLMServer, lab: Lab) -> None:
    server.script(broken)
    ask = _asking(server)
    assert lab.run(lambda: ask("q")) == "echo: q"
    assert [call.error is None for call in lab.calls] == [False, True]
    assert len(AnswerCache(lab.folder)) == 1


def test_a_timeout_is_the_callers_timeout(server: LLMServer, lab: Lab) -> None:
    server.script(Answer(body=shapes.chat("late"), delay=0.4))
    ask = _asking(server, timeout=0.1, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        lab.run(lambda: ask("q"))
    assert "ReadTimeout" in (lab.calls[0].error or "")
    assert lab.run(lambda: ask("q")) == "echo: q"


STREAMS: dict[str, tuple[Any, Callable[[str, str], Any]]] = {
    "chat without an end": (
        Answer(chunks=shapes.chat_stream("a|b|c"), break_after=3),
        lambda v1, url: openai.OpenAI(base_url=v1, api_key=KEY).chat.completions.create(
            model="m", messages=[{"role": "user", "content": "q"}], stream=True
        ),
    ),
    "message without an end": (
        shapes.message_stream("a|b", last=False),
        lambda v1, url: anthropic.Anthropic(base_url=url, api_key=KEY).messages.create(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "q"}], stream=True
        ),
    ),
    "response without an end": (
        shapes.response_stream("a|b", last=""),
        lambda v1, url: openai.OpenAI(base_url=v1, api_key=KEY).responses.create(
            model="m", input="q", stream=True
        ),
    ),
    "response that failed": (
        shapes.response_stream("a|b", last="response.failed"),
        lambda v1, url: openai.OpenAI(base_url=v1, api_key=KEY).responses.create(
            model="m", input="q", stream=True
        ),
    ),
    "error event": (
        [
            *shapes.message_stream("a", last=False),
            shapes.sse({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, "error"),
        ],
        lambda v1, url: anthropic.Anthropic(base_url=url, api_key=KEY).messages.create(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "q"}], stream=True
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_without_its_end_is_not_kept(name: str, server: LLMServer, lab: Lab) -> None:
    answer, ask = STREAMS[name]
    server.respond = lambda request: answer

    def consume() -> None:
        try:
            for _ in ask(server.base_url, server.url):
                pass
        except (openai.OpenAIError, anthropic.AnthropicError):
            pass

    lab.run(consume)
    lab.run(consume)
    assert server.count == 2
    assert lab.calls[0].error
    assert len(AnswerCache(lab.folder)) == 0


def test_a_stream_with_a_clean_end_but_no_done_event_is_kept(server: LLMServer, lab: Lab) -> None:
    server.respond = lambda request: shapes.chat_stream("a|b", done=False)
    url, body = f"{server.base_url}/chat/completions", {"model": "m", "messages": [], "stream": True}
    texts = [lab.run(lambda: httpx.post(url, json=body).text) for _ in range(2)]
    assert texts[0] == texts[1]
    assert server.count == 1


def test_a_stream_that_the_caller_leaves_early_is_not_kept(server: LLMServer, lab: Lab) -> None:
    server.respond = lambda request: Answer(chunks=shapes.chat_stream("a|b|c|d|e|f"), chunk_delay=0.01)

    def first_words() -> Any:
        stream = _client(server).chat.completions.create(
            model="m", messages=[{"role": "user", "content": "q"}], stream=True
        )
        chunks = [next(stream), next(stream)]
        stream.close()
        return chunks[-1].choices[0].delta.content

    assert lab.run(first_words) == lab.run(first_words) == "a"
    assert server.count == 2
    assert (lab.calls[0].answer, lab.calls[0].error) == ("a", None)


class _Budget:
    """A ledger that lets `limit` calls through."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.asked: list[tuple[str, str]] = []
        self.told: list[LLMCall] = []

    def before_call(self, *, model: str, api: str) -> None:
        if len(self.asked) >= self.limit:
            raise BudgetExceeded("the budget is used up", limit="--fapo-max-calls")
        self.asked.append((model, api))

    def after_call(self, call: LLMCall) -> None:
        self.told.append(call)


def test_the_budget_is_asked_before_each_call_that_is_sent(server: LLMServer, lab: Lab) -> None:
    budget = _Budget(2)
    lab.capture(ledger=budget)
    server.script(failed(429, retry_after=0.01))
    ask = _asking(server)
    assert lab.run(lambda: ask("a")) == "echo: a"
    assert lab.run(lambda: ask("a")) == "echo: a"  # from the cache: free
    with pytest.raises(BudgetExceeded):
        lab.run(lambda: ask("b"))
    assert server.count == 2
    assert budget.asked == [("gpt-test", "chat.completions")] * 2
    assert [(call.status, call.cache_hit) for call in budget.told] == [
        (429, False),
        (200, False),
        (200, True),
    ]
    assert isinstance(lab.recorder.violations[0], BudgetExceeded)


def test_the_budget_never_blocks_the_event_loop(server: LLMServer, lab: Lab) -> None:
    class Patient(_Budget):
        def __init__(self) -> None:
            super().__init__(9)
            self.refused = 3

        def admit(self, *, model: str, api: str) -> bool:
            self.refused -= 1
            if self.refused < 0:
                self.before_call(model=model, api=api)
            return self.refused < 0

    budget = Patient()
    lab.capture(ledger=budget)

    async def ask() -> str:
        client = openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY)
        return (await client.responses.create(model="m", input="q")).output_text

    assert lab.run(lambda: asyncio.run(ask())) == "echo: q"
    assert len(budget.asked) == 1


def test_a_stopped_run_makes_no_more_calls(server: LLMServer, lab: Lab) -> None:
    ask = _asking(server)

    def pipeline() -> None:
        ask("a")
        lab.recorder.stop(BudgetExceeded("the case's time is up", limit="timeout"))
        ask("a")

    with pytest.raises(BudgetExceeded, match="time is up"):
        lab.run(pipeline)
    assert server.count == 1


def test_the_optimizers_calls_have_a_budget_of_their_own(server: LLMServer, lab: Lab) -> None:
    pipelines, optimizer = _Budget(0), _Budget(5)
    lab.capture(ledger=pipelines)
    ask = _asking(server)
    with optimizer_calls(optimizer) as recorder:
        assert ask("improve this") == "echo: improve this"
    with optimizer_calls(optimizer):
        ask("improve this")
    assert server.count == 1
    assert [call.cache_hit for call in optimizer.told] == [False, True]
    assert pipelines.told == []
    assert recorder.trace().llm_calls[0].answer == "echo: improve this"


def test_a_cache_that_cannot_be_used_does_not_stop_the_calls(server: LLMServer, lab: Lab) -> None:
    lab.folder.mkdir()
    (lab.folder / "cache.db").write_bytes(b"this is no database at all, not even close" * 100)
    capture = lab.capture()
    ask = _asking(server)
    assert lab.run(lambda: ask("q")) == "echo: q"
    assert "cannot be opened" in capture.problems[0]
    assert str(lab.folder) in capture.problems[0]


def test_a_replay_takes_as_long_as_the_live_call_did(server: LLMServer, lab: Lab) -> None:
    ask = _asking(server)
    lab.run(lambda: ask("How long?"))
    (live,) = lab.calls
    for mode in ("auto", "only"):
        lab.capture(mode)
        lab.run(lambda: ask("How long?"))
        (replayed,) = lab.calls
        assert replayed.cache_hit
        assert replayed.duration == live.duration > 0


def test_answers_recorded_without_their_time_are_read_as_before() -> None:
    recorded = RecordedAnswer(status=200, headers=(), chunks=(b"{}",))
    assert RecordedAnswer.from_text(recorded.to_text()).duration is None
    timed = replace(recorded, duration=0.25)
    assert RecordedAnswer.from_text(timed.to_text()).duration == 0.25
    for nonsense in ('"soon"', "-1", "null", "1e99"):
        text = timed.to_text().replace("0.25", nonsense)
        assert RecordedAnswer.from_text(text).duration is None
